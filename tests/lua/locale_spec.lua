-- A host's locale and its lua-cjson: azpec reads numbers right whatever the decimal point is and whenever it was
-- changed, and the host's own lua-cjson works as well as it does without azpec. lua-cjson has one decimal point for the
-- whole process, that of the locale in which it was last loaded or given an instance.

local assert = require "luassert"
local kit = dofile "tests/lua/kit.lua"

local folder

local function run(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local source = [[
LC_CTYPE
copy "POSIX"
END LC_CTYPE
LC_NUMERIC
decimal_point "%s"
thousands_sep "."
grouping 3;3
END LC_NUMERIC
]]

-- Locales of the test's own: a comma, as in de_DE; and two bytes, as in ps_AF.
setup(function ()
  folder = run "mktemp -d"
  for name, point in pairs { comma = ",", wide = "<U066B>" } do
    local path = folder .. "/" .. name
    local file <close> = assert(io.open(path .. ".source", "w"))
    file:write(source:format(point))
    file:flush()
    run(("localedef -c -i %s.source -f UTF-8 %s.UTF-8 2>&1"):format(path, path)) -- warns of what it does not have
  end
end)
teardown(function () os.execute("rm -rf " .. folder) end)

-- The steps of a host. `read` says how azpec reads a fraction and a list: a token's version is no such number; a
-- `cjson` of the host's own is asked for both, too.
local steps = {
  load = 'cjson = require "cjson"',
  comma = 'assert(os.setlocale("comma.UTF-8", "numeric"))',
  wide = 'assert(os.setlocale("wide.UTF-8", "numeric"))',
  point = 'assert(os.setlocale("C", "numeric"))',
  azpec = 'azpec = require "azpec"',
  client = [[client = azpec.client { endpoint = "http://127.0.0.1:1", proxy = "",
    subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", credential = azpec.credential.token { token = "t" } }]],
  read = [[
    local function says(text) return tostring(select(2, client:resume(text)).message:match "version" or "wrong") end
    said[#said + 1] = says '{"azpec":0.5}' .. " " .. says '{"azpec":-12.25e-1,"x":[1,5,0.5]}']],
  own = [[
    local ok, value = pcall(cjson.decode, "[0.5,1,5]")
    said[#said + 1] = "own " .. (ok and #value == 3 and value[1] * 2 == 1 and "right" or "wrong")]],
}

-- What a program of these steps says, without those of azpec's or with them.
local function said_by(order, is_with_azpec)
  local code = { "said = {}" }
  for step in order:gmatch "%l+" do
    local is_azpecs = step == "azpec" or step == "client" or step == "read"
    if is_with_azpec or not is_azpecs then code[#code + 1] = "do " .. steps[step] .. " end" end
  end
  code[#code + 1] = 'print(table.concat(said, ", "))'
  return kit.child(table.concat(code, "\n"), { LOCPATH = folder })
end

-- In the first group azpec alone uses lua-cjson; in the second the host has its own, and does it right.
for _, order in ipairs {
  "azpec client comma read", "comma azpec client read", "comma azpec client point read",
  "azpec client comma read point read comma read", "azpec client wide read", "wide azpec client read",
  "wide azpec client read point read", "comma azpec client wide read",
} do
  it("numbers are read: " .. order, function ()
    assert.falsy(said_by(order, true):gsub("version version", ""):find "%l")
  end)
end

for _, order in ipairs {
  "load own azpec client own comma read point own", "load comma azpec client point own", "load comma azpec client read "
  .. "point own read", "comma load azpec client own read own", "azpec client read comma load own read own",
  "azpec client comma read load own read own", "comma load own azpec client read point read comma own read",
} do
  it("the host's lua-cjson works as without azpec: " .. order, function ()
    local without, with = said_by(order, false), said_by(order, true)
    assert.falsy(without:find "wrong")
    assert.equal(without, (with:gsub("version version, ", ""):gsub(", version version", "")))
  end)
end

it("the Lua modules read and write numbers as JSON has them", function ()
  local text = [=[{"a":[1,5,0.5,-0.05e2,12.5E+3,0.0,"x\",1.5\\"],"b":1e-7,"c":100.001e-2,"d":9007199254740993}]=]
  local wanted = [=[{"a":[1,5,0.5,-5,12500,0,"x\",1.5\\"],"b":1e-07,"c":1.00001,"d":9007199254740992}]=]
  assert.equal((wanted .. "\n"):rep(3) .. "nil nil nil nil nil", kit.child(([=[
    local json = require "azpec.json"
    for _, locale in ipairs { "C", "comma.UTF-8", "wide.UTF-8" } do
      assert(os.setlocale(locale, "numeric"))
      print(json.encode(json.decode(%q)))
    end
    for _, bad in ipairs { "[01.5]", "[1.]", "[.5]", "[1,]", "[1.5.5]" } do
      io.write(tostring(json.decode(bad)), " ")
    end
  ]=]):format(text), { LOCPATH = folder, LUA_PATH = package.path }))
end)

it("an audit trail is added to, whatever the decimal point is", function ()
  assert.equal("true 4", kit.child([[
    local journal, path = require "azpec.journal", os.getenv "LOCPATH" .. "/trail"
    for _, locale in ipairs { "C", "comma.UTF-8", "wide.UTF-8", "C" } do
      assert(os.setlocale(locale, "numeric"))
      assert(journal.open(path):intend { verb = "approve", id = "/x" })
    end
    local report = assert(journal.verify(path))
    print(report.ok, report.lines)
  ]], { LOCPATH = folder, LUA_PATH = package.path }):gsub("\t", " "))
end)
