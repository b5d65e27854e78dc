-- scripts/azpec/scripts.meta.lua against the modules: what one has and the other has not is a failure.  Both files
-- of types against the rules of LuaCATS.

package.path = package.path .. ";/usr/share/lua/5.2/?.lua" -- Debian 12 has copas, which is plain Lua, for 5.2 alone

local luacats = require "tools.luacats"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local paths = { "lua_module/azpec.meta.lua", "scripts/azpec/scripts.meta.lua" }
local of_azpec = luacats.read(read(paths[1]))
local types = luacats.read(read(paths[2]), of_azpec.declared)

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, " ")
end

-- The functions that the file has for a table of that name; separator: "." or ":". Each is its list of parameters.
local function functions(name, separator)
  local found = {}
  for _, item in ipairs(types) do
    if item.kind == "function" and item.owner == name and item.separator == separator then
      found[item.name] = item.params
    end
  end
  return found
end

-- The fields of a class.
local function fields(class)
  local found = {}
  for _, item in ipairs(types) do
    if item.name == class and item.kind == "class" then
      for _, field in ipairs(item.fields) do found[field.name] = true end
      return found
    end
  end
  error("no class " .. class)
end

local function members(module)
  local found = {}
  for name, value in pairs(module) do
    if type(value) == "function" and not name:find "^__" then found[name] = value end
  end
  return found
end

-- What a file reads of a table of that name.
local function reads(path, name)
  local found = {}
  for member in read(path):gsub("%-%-[^\n]*", ""):gmatch("%f[%w_]" .. name .. "%.([%w_]+)") do found[member] = true end
  return found
end

-- The parameters of a function, but for "self".
local function parameters(f)
  local names, info = {}, debug.getinfo(f, "u")
  for n = 1, info.nparams do
    local name = debug.getlocal(f, n)
    if name ~= "self" then names[#names + 1] = name end
  end
  if info.isvararg then names[#names + 1] = "..." end
  return table.concat(names, " ")
end

-- Compares functions, by name, with those that the file has; their parameters, too.
local function compare(real, documented, what)
  assert.equal(sorted(real), sorted(documented), what)
  for name, f in pairs(real) do
    local names = {}
    for n, param in ipairs(documented[name]) do names[n] = param.name end
    assert.equal(parameters(f), table.concat(names, " "), ("%s: %s"):format(what, name))
  end
end

-- The modules of the guide's table, and those that these return values of.
local modules = { failure = true, scope = true, api_versions = true, emulator = true }
for name in read "scripts/README.md":match "\n| module |(.-)\n\n":gmatch "`azpec%.([%w_]+)`" do modules[name] = true end

for name in pairs(modules) do
  it("has the functions of azpec." .. name .. ", with their parameters", function ()
    fields("azpec." .. name)
    local documented = functions(name, ".")
    if name == "emulator" then -- whose table is the class of what it starts, too
      for method, params in pairs(functions("Emulator", ":")) do documented[method] = params end
    end
    compare(members(require("azpec." .. name)), documented, name)
  end)
end

it("each module of the guide's table loads without luaossl and cqueues, unless its row names them", function ()
  local without = [[lua5.4 -e 'local blocked = "%s"
    table.insert(package.searchers, 1, function (name)
      if name:match "^_?(%%a+)" == blocked then error "blocked" end
    end)
    require "%s"' 2>&1]]
  for row in read "scripts/README.md":match "\n| module | needs |.-\n(| `.-)\n\n":gmatch "[^\n]+" do
    local names, needs = row:match "^| (.-) |(.-)|"
    for name in names:gmatch "`(azpec%.[%w_]+)`" do
      for library, called in pairs { openssl = "luaossl", cqueues = "cqueues" } do
        local said <close> = io.popen(without:format(library, name))
        local text = said:read "a"
        assert(needs:find(called, 1, true) or text == "", ("%s without %s: %s"):format(name, called, text))
      end
    end
  end
end)

-- azpec.loop.NAME, and the variable that has its functions; `wait` is a field, as it is a value of a client's option.
for name, variable in pairs { cqueues = "cqueues_loop", luv = "luv_loop", copas = "copas_loop",
  socket = "socket_loop" } do
  it("has the functions of azpec.loop." .. name .. ", with their parameters", function ()
    local class = "azpec.loop." .. name
    local documented = fields(class)
    if not pcall(require, name) then return pending(name .. " is not installed") end
    local real = members(require(class))
    for field in pairs(documented) do
      assert(real[field], class .. "." .. field)
      real[field] = nil
    end
    compare(real, functions(variable, "."), class)
  end)
end

it("has all modules of azpec.loop that the guide names, and what azpec.loop.waiters takes and returns", function ()
  for name in read "lua_module/README.md":gmatch "azpec%.loop%.([%w_]+)" do
    assert(types.declared["azpec.loop." .. name], name)
  end
  local make, type_of = require "azpec.loop.waiters", {}
  for _, item in ipairs(types) do type_of[item.name or ""] = item.type end
  local wait, resume = make(print, print)
  for name, f in pairs { ["azpec.loop.waiters"] = make, ["azpec.loop.Resume"] = resume } do
    local of_type = (type_of[name]:match "^fun(%b())":gsub("%b()", function (all)
      return (all:sub(2, -2):gsub("fun%b()", "fun"):gsub(": [%w.]+,?", ""))
    end))
    assert.equal(parameters(f), of_type, name)
  end
  assert.equal("pollable", parameters(wait))
end)

it("has the names of a file of rules", function ()
  local words = { "approve", "reject", "hold", "ignore", "at_most", "expect", "matches" }
  for n, word in ipairs(words) do words[n] = word .. " = " .. word end
  assert(require "azpec.rules".parse(("local found = { %s } hold 'all' {}"):format(table.concat(words, ", ")), "rules"))
  for n, word in ipairs(words) do words[word:match "%S+"], words[n] = true, nil end
  assert.equal(sorted(words), sorted(fields "azpec.rules.Words"))
  for class, rule in pairs {
    Rule = "hold 'x' { [FIELD] = true }", Condition = "hold 'x' { when = { [FIELD] = true } }",
    Limits = "at_most { [FIELD] = true } hold 'x' {}", Expectation = "hold 'x' {} expect 'hold' { [FIELD] = true }",
  } do
    local _, why = require "azpec.rules".parse((rule:gsub("FIELD", "'?'")), "rules")
    local known = {}
    for field in why:match "known: ([^)]+)":gmatch "[%w_]+" do known[field] = true end
    assert.equal(sorted(known), sorted(fields("azpec.rules." .. class)), class)
    for field in pairs(known) do
      _, why = require "azpec.rules".parse((rule:gsub("FIELD", ("'%s'"):format(field))), "rules")
      assert(why:find(field, 1, true), why)
    end
  end
end)

it("has the methods of objects", function ()
  local journal = require "azpec.journal".open "/nowhere/journal"
  local selector = require "azpec.select".new {}
  local set = require "azpec.rules".parse("hold 'all' {}", "rules")
  local draft = require "azpec.plan".new { rules = set }
  for name, object in pairs { File = journal, Selector = selector, Set = set, Draft = draft } do
    local class = getmetatable(object)
    compare(members(type(class.__index) == "table" and class.__index or class), functions(name, ":"), name)
  end
end)

it("has the options and items that azpec.run and azpec.wait read", function ()
  assert.equal(sorted(reads("scripts/azpec/run.lua", "options")), sorted(fields "azpec.run.Options"))
  assert.equal(sorted(reads("scripts/azpec/wait.lua", "options")), sorted(fields "azpec.wait.Options"))
  local items = reads("scripts/azpec/run.lua", "item")
  for name in pairs(reads("scripts/azpec/run.lua", "result")) do
    assert(fields "azpec.run.Result"[name], name)
  end
  items.rule, items.reason, items.before = true, true, true -- which others read
  assert.equal(sorted(items), sorted(fields "azpec.run.Item"))
end)

it("has the outcomes of a run, and the fields of azpec.journal's options", function ()
  local outcomes, documented = require "azpec.run".outcomes, {}
  for _, item in ipairs(types) do
    if item.name == "azpec.run.Outcome" then
      for n, value in ipairs(item.values) do documented[n] = value.name:match '"(.*)"' end
    end
  end
  assert.same(outcomes, documented)
  for name in pairs(fields "azpec.journal.Options") do
    local ok, why = pcall(require "azpec.journal".open, "x", { [name] = true })
    assert.matches("bad field '" .. name .. "'", why, 1, true)
    assert.is_false(ok)
  end
end)

-- Each function of the types with a parameter that is a path, and its call.
local of_path = {
  ["journal.open path"] = require "azpec.journal".open, ["journal.read path"] = require "azpec.journal".read,
  ["journal.verify path"] = require "azpec.journal".verify, ["undo.read path"] = require "azpec.undo".read,
  ["rules.read path"] = require "azpec.rules".read, ["enrich.read path"] = require "azpec.enrich".read,
  ["plan.read path"] = require "azpec.plan".read,
  ["Draft.write path"] = function (path)
    require "azpec.plan".new { rules = require "azpec.rules".parse "hold 'all' {}" }:write(path)
  end,
  ["record.compare first"] = require "azpec.record".compare,
  ["record.compare second"] = function (path) require "azpec.record".compare("x", path) end,
}

it("a path with a NUL, at which the system would cut it, is refused by each function that takes one", function ()
  local documented = {}
  for _, item in ipairs(types) do
    for _, param in ipairs(item.params or {}) do
      if param.name == "path" or param.text[1] == "path" then
        documented[("%s.%s %s"):format(item.owner, item.name, param.name)] = true
      end
    end
  end
  assert.equal(sorted(of_path), sorted(documented))
  local path = os.tmpname()
  for name, call in pairs(of_path) do
    local ok, why = pcall(call, path .. "\0x")
    assert.is_false(ok, name)
    assert.matches("bad argument #[12] to '" .. name:match "%.(%w+) " ..
      "' %(a path expected, got a string with a NUL%)$", why)
    ok, why = pcall(call, 17)
    assert.is_false(ok, name)
    assert.matches("%(a path expected, got number%)$", why)
  end
  os.remove(path)
end)

-- Each function of the types with a parameter that is a list, and its call.
local selector = require "azpec.select".new {}
local draft = require "azpec.plan".new { rules = require "azpec.rules".parse "hold 'all' {}" }
local of_list = {
  ["File.counts items"] = function (list) require "azpec.journal".open "/nowhere/journal":counts(list) end,
  ["File.unfinished wanted"] = function (list)
    require "azpec.journal".open("/nowhere/journal", { subject = "s" }):unfinished(list)
  end,
  ["journal.runs records"] = require "azpec.journal".runs, ["journal.writes records"] = require "azpec.journal".writes,
  ["undo.items writes"] = require "azpec.undo".items, ["undo.check items"] = require "azpec.undo".check,
  ["plan.check items"] = require "azpec.plan".check,
  ["Draft.note_unread errors"] = function (list) draft:note_unread(list) end,
  ["Selector.all connections"] = function (list) selector:all(list) end,
  ["Selector.one ..."] = function (list) selector:one(list) end, ["fleet.of accounts"] = require "azpec.fleet".of,
  ["rights.allows permissions"] = require "azpec.rights".allows,
  ["rights.missing permissions"] = require "azpec.rights".missing,
}

it("a list with an element of another type is refused by each function that takes a list", function ()
  local documented = {}
  for _, item in ipairs(types) do
    for _, param in ipairs(item.params or {}) do
      if param.type:find "%[%]$" or param.type:find "%[%]|function" or param.text[1]:find "^a list" then
        documented[("%s.%s %s"):format(item.owner, item.name, param.name)] = true
      end
    end
  end
  assert.equal(sorted(of_list), sorted(documented))
  for name, call in pairs(of_list) do
    local ok, why = pcall(call, { {}, 3 })
    assert.is_false(ok, name)
    assert.matches("bad argument #1 to '" .. name:match "%.([%w_]+) " ..
      "' %(list of tables expected, got number at #2%)$", why)
  end
end)

local azpec = require "azpec"

-- The functions of the types that are called with nil for each argument: the tables and objects that have them.
local function owners()
  local found = { File = require "azpec.journal".open "/nowhere/journal", Draft = draft,
    Selector = require "azpec.select".new { name = "x" }, Set = require "azpec.rules".parse "hold 'all' {}" }
  for name in pairs(modules) do found[name] = require("azpec." .. name) end
  found.emulator = nil -- whose arguments are optional
  if pcall(require, "cqueues") then found.cqueues_loop = require "azpec.loop.cqueues" end
  return found
end

it("no function without its arguments fails with an error inside of it", function ()
  local found = owners()
  for _, item in ipairs(types) do
    local owner = item.kind == "function" and found[item.owner]
    if owner then
      local _, why = pcall(owner[item.name], item.separator == ":" and owner or nil)
      why = type(why) == "table" and why.message or tostring(why)
      assert(not why:find "attempt to" and not why:find "is nil$", ("%s%s%s: %s"):format(item.owner, item.separator,
        item.name, why))
    end
  end
end)

it("names the argument or the field that is wrong", function ()
  local set = require "azpec.rules".parse "hold 'all' {}"
  local client = azpec.client { endpoint = "http://127.0.0.1:1", authority_host = "http://127.0.0.1:1", proxy = "",
    credential = azpec.credential.token { token = "t" }, subscription_id = "a" }
  local wait, run = require "azpec.wait".wait, require "azpec.run".run
  for wanted, call in pairs {
    ["bad argument #1 to 'decide' (table expected, got nil)"] = function () set:decide(nil) end,
    ["bad argument #2 to 'forecast' (string expected, got nil)"] = function ()
      require "azpec.transitions".forecast({}, nil)
    end,
    ["bad argument #1 to 'parse' (string expected, got number)"] = function () require "azpec.rules".parse(5) end,
    ["bad argument #1 to 'parse' (string expected, got nil)"] = function () require "azpec.plan".parse() end,
    ["bad argument #1 to 'one' (function or table or userdata expected, got nil)"] = function () selector:one() end,
    ["bad argument #1 to 'each' (number expected, got string)"] = function ()
      require "azpec.loop.cqueues".each("x", print)
    end,
    ["bad field 'client' (azpec.Client expected, got a table without its methods)"] = function ()
      run { client = {}, items = {} }
    end,
    ["bad field 'deadline' (number, not negative, expected, got -1)"] = function ()
      run { client = client, items = {}, deadline = -1 }
    end,
    ["bad field 'timeout' (number, not negative, expected, got -1)"] = function ()
      wait { client = client, what = "exists", id = "/a", timeout = -1 }
    end,
    ["the fields 'id' and 'ids' exclude each other"] = function ()
      wait { client = client, what = "exists", id = "/a", ids = { "/b" } }
    end,
    ["bad field 'source' ('arm' expected, got 'foo')"] = function ()
      require "azpec.fleet".connections(client, { source = "foo" })
    end,
  } do
    local ok, why = pcall(call)
    assert.is_false(ok, wanted)
    assert.matches(wanted, tostring(why), 1, true)
  end
  client:close()
end)

-- ---- options -------------------------------------------------------------------------------------------------------

local client = azpec.client { endpoint = "http://127.0.0.1:1", authority_host = "http://127.0.0.1:1", proxy = "",
  subscription_id = "a", credential = azpec.credential.token { token = "t" }, retry = { max_tries = 1 } }
local set = require "azpec.rules".parse "hold 'all' {}"

-- What a function says of a table of options must be what the types say. Each row: a call, and options that suffice.
local takers = {
  ["azpec.run.Options"] = { require "azpec.run".run, { client = client, items = {} } },
  ["azpec.wait.Options"] = { require "azpec.wait".wait, { client = client, what = "exists", id = "/a", timeout = 0 } },
  ["azpec.fleet.Where"] = { function (where) return require "azpec.fleet".find(client, where) end, {} },
  ["azpec.fleet.Candidates"] = { function (candidates)
    return require "azpec.fleet".find(client, { candidates = candidates })
  end, {} },
  ["azpec.scope.Scope"] = { function (scope) return require "azpec.scope".connections(client, scope) end, {} },
  ["azpec.plan.Options"] = { require "azpec.plan".new, { rules = set } },
  ["azpec.rules.DecideOptions"] = { function (options) return set:decide({}, options) end, {} },
  ["azpec.doctor.Options"] = { require "azpec.doctor".examine, { new_client = print, checks = {} } },
  ["azpec.journal.Options"] = { function (options) return require "azpec.journal".open("x", options) end, {} },
}

local function kind_of(type)
  if type:find "^fun%(" then return "function" end
  return ({ integer = "number", ["table|fun(connection: azpec.Connection): table"] = "table or function",
    ["azpec.Client"] = "azpec.Client", ["string|azpec.wait.Condition"] = "string or table",
    ["azpec.run.Item[]|fun(): azpec.run.Item?"] = "table or function", ['"arm"'] = "'arm'" })[type]
    or type == "string[]" and "list of strings" or (type:find "^azpec" or type:find "%[%]$") and "table" or type
end

for class, row in pairs(takers) do
  it(class .. " has the fields that are taken, with their types", function ()
    local function refused(field, value)
      local options = { [field] = value }
      for name, enough in pairs(row[2]) do
        if name ~= field then options[name] = enough end
      end
      local ok, why = pcall(row[1], options)
      return not ok and (tostring(why):gsub(", not negative,", "")):match "field .*" or "it is taken"
    end
    for _, item in ipairs(types) do
      for _, field in ipairs(item.name == class and item.fields or {}) do
        local why = refused(field.name, coroutine.create(print))
        assert.equal(("field '%s' (%s expected, got thread)"):format(field.name, kind_of(field.type)), why)
        local needed = refused(field.name, nil):find("field '" .. field.name .. "'", 1, true)
        assert(not (needed and field.optional), field.name .. " is required")
      end
    end
    assert.matches("^field 'nonsense'", refused("nonsense", 1))
  end)
end

-- Calls with options that do not matter; each refuses an unknown one.
local refusing = {
  ["azpec.journal.ClientOptions"] = function (options)
    require "azpec.journal".client({}, require "azpec.journal".open "x", options)
  end,
  ["azpec.report.Data"] = require "azpec.report".render,
  ["azpec.emulator.Settings"] = require "azpec.emulator".start,
  ["azpec.record.Settings"] = require "azpec.record".start,
  ["azpec.record.PlayerSettings"] = require "azpec.record".play,
}
for class, row in pairs(takers) do refusing[class] = row[1] end

it("marks each class of options as exact whose unknown fields are refused, and no other", function ()
  local exact = {}
  for _, item in ipairs(types) do
    if item.is_exact and not item.name:find "^azpec%.rules%.%u%l+$" then exact[item.name] = true end -- see above
  end
  assert.equal(sorted(refusing), sorted(exact))
  for class, call in pairs(refusing) do
    local ok, why = pcall(call, { nonsense = 1 })
    assert.is_false(ok, class)
    assert.matches("unknown field 'nonsense'", why, 1, true)
  end
end)

-- ---- the folder for language servers -------------------------------------------------------------------------------

-- A language server takes the type of a required module from the file whose first line is "---@meta NAME".
it("build/types has a file for each module of the reference, which returns its class", function ()
  local folder, documented = (os.getenv "BUILD" or "build") .. "/types/", { azpec = true }
  for name in read "scripts/REFERENCE.md":gmatch "\n### Module `(azpec%.[%l_.]+)`" do documented[name] = true end
  documented["azpec.loop.waiters"] = true -- which returns a function
  local found = {}
  for path in io.popen("ls " .. folder .. "*.lua"):lines() do
    local text = read(path)
    local name = text:match "^%-%-%-@meta ([%w_.]+)\n"
    if name then found[name] = text end
  end
  assert.equal(sorted(documented), sorted(found))
  assert(found.azpec == read(paths[1]) and read(folder .. "scripts.meta.lua") == read(paths[2]), "run make types")
  for name, text in pairs(found) do
    assert(name == "azpec" or types.declared[name], name)
    assert(name == "azpec" or text:find("---@type " .. name .. "\nlocal module\n\nreturn module\n", 1, true), name)
    assert(load(text))
  end
end)

-- ---- the rules of LuaCATS ------------------------------------------------------------------------------------------

for n, one in ipairs { of_azpec, types } do
  it(paths[n] .. " follows the rules of LuaCATS, and each class, value and function has a text", function ()
    assert.equal("", table.concat(one.problems, "\n"))
    local function has_text(item, name) assert(table.concat(item.text, " "):find "%w", name .. " has no text") end
    for _, item in ipairs(one) do
      if item.kind == "function" then has_text(item, item.owner .. item.separator .. item.name) end
      if item.kind == "class" and not item.name:find "^azpec%.[%l_]+$" then has_text(item, item.name) end
      if item.kind == "alias" and item.name ~= "azpec.CredentialName" then
        for _, value in ipairs(item.values) do has_text(value, item.name .. value.name) end
      end
      for _, field in ipairs(item.fields or {}) do has_text(field, item.name .. "." .. field.name) end
    end
  end)
end

-- What is wrong in lines of types, and what is said of it.
for _, row in ipairs {
  { "---@clas x", "the tag @clas is not known" },
  { "--- @see azpec.Client", "the tag @see is not known" },
  { "---@cast x string", "the tag @cast is not known" },
  { "---@overload fun(x)", "the tag @overload is not known" },
  { "---@alias a.X string|b.Y", "the type b.Y is not declared" },
  { "---@alias a.X fun(x: b.Y): string", "the type b.Y is not declared" },
  { "---@alias a.X fun(x: string): b.Y, string", "the type b.Y is not declared" },
  { "---@alias a.X { x: b.Y }", "the type b.Y is not declared" },
  { "---@alias a.X { [b.Y]: string }", "the type b.Y is not declared" },
  { "---@alias a.X table<string, b.Y[]>", "the type b.Y is not declared" },
  { "---@alias a.X fun(): string, and more", "the type and is not declared" },
  { "---@alias a.X (string|integer", "')' is missing in '(string|integer'" },
  { "---@alias a.X table<string", "'>' is missing in 'table<string'" },
  { "---@alias a.X fun(x)", "a parameter without a type in 'fun(x)'" },
  { "---@alias a.X string|", "a type is missing in 'string|'" },
  { "---@alias a.X 'x'", [[a type is missing in ''x'']] },
  { '---@alias a.X "x', [[a quote is missing in '"x']] },
  { "---@alias a.X string]", "a type ends in ']'" },
  { "---@alias a.X", "a.X has no type" },
  { "---@alias a.B string", "a.B is declared twice" },
  { "---@class a.X: b.Y", "the type b.Y is not declared" },
  { "---@field x string", "a field without a class" },
  { "---@class a.X\n---@field x string\n---@field x? string", "a.X has the field x twice" },
  { "---@class a.X\n---@field x", "a name and a type are missing" },
  { "---@class a.X\n--- one\n---@field x string two", "x has a text above it and one behind it" },
  { '---@class a.X\n---@field x string "one" or "two"', "editors show the first string alone" },
  { "---@class a.X\n---@field x string\n--- more", "a text after the last tag" },
  { "---@class a.X\n---@operator concat", "operator NAME(TYPE): TYPE is expected" },
  { "---@operator concat(any): string", "an operator without a class" },
  { '---@class a.X\n---@field E a.E\n\n---@enum a.E\na.X.E = {\n  A = "A",\n}', "a.X.E is also a field" },
  { '---| "x"', "a value without an alias" },
  { "---@param x string\nfunction B.f(y) end", "f has the parameters (y), not (x)" },
  { "---@param y string\n---@param x string\nfunction B.f(x, y) end", "f has the parameters (x, y), not (y, x)" },
  { "---@param x string\nfunction B.f(x, y) end", "f has the parameters (x, y), not (x)" },
  { "--- text\nfunction B.f(x) end", "f has the parameters (x), not ()" },
  { "---@return string\n---@param x string\nfunction B.f(x) end", "a parameter after a result" },
  { "---@param x string one\n--- two\n---@param y string\nfunction B.f(x, y) end", "a text between the tags" },
  { "---@param x\nfunction B.f(x) end", "a name and a type are missing" },
  { "---@return\nfunction B.f() end", "a type is missing in ''" },
  { "function B.f() end\n---@return string", "parameters or results without a function" },
  { "---@param x string\n\nfunction B.f(x) end", "parameters or results without a function" },
  { "---@class a.X\n---@param x string\nfunction B.f(x) end", "it is inside a.X" },
  { "function B.f() end\n\nfunction B:f() end", "B:f is there twice" },
} do
  it(("a reader of types says of '%s': %s"):format(row[1]:gsub("\n", "; "), row[2]), function ()
    local problems = luacats.read("---@class a.B\nlocal B = {}\n\n" .. row[1] .. "\n").problems
    assert.matches(row[2], table.concat(problems, "\n"), 1, true)
  end)
end
