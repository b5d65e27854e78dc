-- The emulator's state and fault files: read, or refused by file and line, and nothing of the host in their reach.

local datafile = require "azpec.emulator.datafile"

local folder = os.tmpname()
os.remove(folder)
setup(function () assert(os.execute("mkdir -m 700 " .. folder)) end)
teardown(function () os.execute("rm -r " .. folder) end)

local function read(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local value, why = datafile.read(path)
  return value, why and why:gsub(folder:gsub("%p", "%%%0") .. "/", "")
end

describe("a state file", function ()
  it("is a table, a chunk that returns one, or an object", function ()
    assert.same({ a = 1 }, read("s.lua", "{ a = 1 }"))
    assert.same({ "p1", "p2" }, read("s.lua", "local t = {} for n = 1, 2 do t[n] = ('p%d'):format(n) end return t"))
    assert.same({ a = { 1 } }, read("s.json", '{"a":[1]}'))
  end)

  it("is refused by file and line", function ()
    for text, complaint in pairs {
      ["return {\n{}"] = "s%.lua:2: ", ["\nreturn os.exit()"] = "s%.lua:2: unknown word 'os'",
      ["{ x = nothing }"] = "s%.lua:1: unknown word 'nothing'", ["return 1"] = "s%.lua: a table expected, got number",
      ["x = 1"] = "s%.lua:1: 'x' cannot be set", ["\27Lua"] = "s%.lua: this is compiled",
    } do
      local value, why = read("s.lua", text)
      assert.is_nil(value, text)
      assert.matches("^" .. complaint, why)
    end
    local _, why = read("s.json", '{\n"a": }')
    assert.matches("^s%.json:2: ", why)
  end)

  it("ends, whatever it does", function ()
    for _, text in ipairs { "while true do end", "local s = 'x' while true do s = s .. s end",
      "local s = ('a'):rep(1e9)", "return ('a'):find(('.-'):rep(99))" } do
      assert.is_nil((read("s.lua", text)), text)
    end
  end)

  it("changes nothing of the host's", function ()
    local upper, insert, floor = string.upper, table.insert, math.floor
    read("s.lua", "string.upper = nil table.insert = nil math.floor = nil return {}")
    assert.equal(upper, string.upper)
    assert.equal(insert, table.insert)
    assert.equal(floor, math.floor)
  end)
end)
