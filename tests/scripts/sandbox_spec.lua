-- The sandbox: what a text in it can do, what it cannot, and that no attempt leaves a mark on the host.

local sandbox = require "azpec.sandbox"

local function attempt(source, ...)
  local box = sandbox.new {}
  local chunk, why = box:load(source, "r.lua")
  if not chunk then return false, why end
  return box:run("r.lua", 200000, chunk, ...)
end

local function refused(pattern, source)
  local ok, message = attempt(source)
  assert.is_false(ok, source)
  assert(message:find(pattern), ("%q\ndoes not match\n%q"):format(message, pattern))
end

local function host_state()
  local names = {}
  for name in pairs(_G) do names[#names + 1] = name end
  for name in pairs(string) do names[#names + 1] = "string." .. name end
  for name in pairs(package.loaded) do names[#names + 1] = "loaded." .. name end
  table.sort(names)
  return table.concat(names, " ")
end

local before
before_each(function () before = host_state() end)
after_each(function ()
  assert.equal(before, host_state())
  assert.equal(string, getmetatable "".__index)
  assert.is_nil(debug.gethook())
  assert.equal("aa", ("a"):rep(2))
end)

describe("the sandbox", function ()
  it("runs what is harmless", function ()
    for source, expected in pairs {
      ["return 1 + 1"] = 2, ["return ('Ab'):lower()"] = "ab", ["return #('x'):format(1)"] = 1,
      ["local t = {} for i = 1, 9 do t[i] = i end return table.concat(t, ',')"] = "1,2,3,4,5,6,7,8,9",
      ["local t = { 3, 1, 2 } table.sort(t, function (a, b) return a > b end) return t[1]"] = 3,
      ["return matches('build-7', 'build-*')"] = true, ["return ('a.b'):find('.', 1)"] = 2,
      ["return math.max(1, 2)"] = 2, ["return ('x'):matches '?'"] = true, ["#!lua\nreturn 5"] = 5,
      ["\xef\xbb\xbfreturn 6"] = 6, ["return tostring(7)"] = "7", ["return ('a,b'):sub(3)"] = "b",
      ["local s = '' for i = 1, 12 do s = s .. i end return s"] = "123456789101112",
    } do
      local ok, value = attempt(source)
      assert.is_true(ok, source .. ": " .. tostring(value))
      assert.equal(expected, value)
    end
  end)

  it("refuses a pattern of Lua, which find would take for plain text and never find", function ()
    for _, pattern in ipairs { "^web", "web$", "web%d", "^", "$", "100%" } do
      local source = ("return ('web'):find('%s') == nil"):format(pattern)
      if #pattern > 1 and pattern ~= "100%" then
        refused("^r%.lua:1: find takes plain text, and \"" .. pattern:gsub("%p", "%%%0") .. "\" looks like a pattern "
          .. "of Lua: use matches with %* and %?, or give true as the last argument$", source)
      else
        assert.same({ true, true }, { attempt(source) })
      end
      assert.same({ true, true }, { attempt(("return ('a%s'):find('%s', 1, true) == 2"):format(pattern, pattern)) })
    end
  end)

  it("has no word for the world outside", function ()
    for word in ([[io os debug load loadstring loadfile dofile require package collectgarbage coroutine pcall xpcall
      setmetatable getmetatable rawget rawset rawequal rawlen print warn _G arg jit unpack utf8]]):gmatch "%S+" do
      refused("^r%.lua:1: unknown word '" .. word .. "'%f[;%z]", "return " .. word)
      refused("^r%.lua:1: unknown word '" .. word .. "'%f[;%z]", "return _ENV." .. word)
      refused("^r%.lua:1: unknown word '" .. word .. "'%f[;%z]", "return _ENV['" .. word .. "']")
    end
    for _, word in ipairs { "rep", "dump", "gsub", "gmatch", "match", "byte", "char", "pack", "unpack", "reverse" } do
      refused("^r%.lua:1: unknown word '" .. word .. "'%f[;%z]", "return ('x'):" .. word .. "(1)")
      refused("^r%.lua:1: unknown word '" .. word .. "'%f[;%z]", "return string." .. word)
    end
    refused("nil value", "return table.unpack {}")
    refused("nil value", "return table.move({}, 1, math.maxinteger, 2)")
    refused("nil value", "return math.randomseed(1)")
  end)

  it("sees nothing of the host through its tables", function ()
    local ok, count = attempt "local n = 0 for _ in pairs(_ENV) do n = n + 1 end return n"
    assert.is_true(ok)
    assert.equal(0, count)
    -- What it does to its own tables stays there.
    ok = attempt "table.insert = nil math.floor = nil string.lower = nil table.concat = tostring"
    assert.is_true(ok)
    assert.is_function(table.insert)
    assert.is_function(string.lower)
    ok = attempt "return ('X'):lower()"
    assert.is_true(ok)
  end)

  it("takes a text alone", function ()
    refused("^r%.lua: this is compiled; a text is wanted$", string.dump(function () end))
    refused("^r%.lua:1: .* near <eof>$", "local")
    refused("^r%.lua:3: ", "\n\nlocal x = = 1")
    refused("^r%.lua: the file is larger than 1048576 bytes$", ("-"):rep(1048577))
    refused("^r%.lua: C stack overflow$", "return " .. ("("):rep(1000) .. "1" .. (")"):rep(1000))
  end)

  it("keeps its variables local", function ()
    refused("^r%.lua:1: 'x' cannot be set; write `local x = ...`$", "x = 1")
    refused("^r%.lua:1: 'f' cannot be set", "function f() end")
    refused("^r%.lua:1: '1' cannot be set", "_ENV[1] = 1")
    refused("^r%.lua:1: unknown word 'aprove'$", "aprove 'x' {}")
  end)
end)

describe("the sandbox (limits)", function ()
  it("ends what does not end", function ()
    local long = "^r%.lua:%d+: it runs for too long$"
    refused(long, "while true do end")
    refused(long, "::again:: goto again")
    refused(long, "repeat until false")
    refused(long, "for i = 1, math.huge do end")
    refused(long, "local function f() return f() end return f()")
    refused(long, "local t = {} for i = 1, 1e9 do t[1] = i end")
    refused(long, "table.sort({ 3, 1, 2, 5, 4 }, function () while true do end end)")
    refused(long, "for _ in function () return 1 end do end")
    refused(long, "while true do local ok = matches('aaaa', '*b') end")
  end)

  it("ends deep recursion", function ()
    refused("^r%.lua:1: ", "local function f() return 1 + f() end return f()")
    refused("^r%.lua:1: ", "local function f(...) return f(1, ...) + 1 end return f()")
    refused("C stack overflow", [[local function f() table.sort({ 1, 2, 3 }, function () f() end) end f()]])
  end)

  it("bounds the memory", function ()
    local full = "^r%.lua:1: it takes too much memory$"
    local kilobytes = collectgarbage "count"
    refused(full, "local s = 'xxxxxxxxxxxxxxxx' while true do s = s .. s end")
    refused(full, "local s = 'x' while true do s = s" .. (" .. s"):rep(15) .. " end")
    refused("too", "local t = {} for i = 1, 1e9 do t[i] = i end")
    refused("too", "local t = {} while true do t = { t, t, t } end")
    refused("too", "local t = {} for i = 1, 1e9 do t[i] = {} end")
    collectgarbage()
    assert(collectgarbage "count" < kilobytes + 2048, "memory stays behind")
  end)

  it("bounds what one expression joins", function ()
    local joined = "^r%.lua:%d+: more than 16 texts are joined in one expression$"
    refused(joined, "local s = 'x'\nreturn s" .. (" .. s"):rep(16))
    refused(joined, "local s = 'x' return s" .. ("..s"):rep(100))
    refused("^r%.lua: C stack overflow$", "local s = 'x' return s" .. ("..s"):rep(240))
    refused(joined, "local s = 'x' return (function () return s" .. (" .. s.x"):rep(16) .. " end)()")
    refused(joined, "local s = 'x' return { s" .. (" .. (s .. s)"):rep(16) .. " }")
    refused(joined, "local s = 'x' return s" .. (" --[[ ; ]] .. [=[ ; ]=] .. ';' .. \"\\\";\" .. s[1]"):rep(4))
    for _, source in ipairs {
      "local s = 'x' return s" .. (" .. s"):rep(15),
      "local s = 'x' local t = { s" .. (" .. s"):rep(15) .. ", s" .. (" .. s"):rep(15) .. " }",
      "local s = 'x' local a = s" .. (" .. s"):rep(15) .. " local b = s" .. (" .. s"):rep(15),
      "-- " .. ("a .. "):rep(50) .. "\nreturn '" .. (".."):rep(50) .. "'",
      "local function f(...) return select('#', ...) end return f(1.5, .5, 0x1p4, 'a'..1 ..'b')",
    } do
      local ok, message = attempt(source)
      assert.is_true(ok, tostring(message))
    end
  end)

  it("bounds what a function is handed", function ()
    local grow = "local s = 'xxxxxxxxxxxxxxxx' for i = 1, 13 do s = s .. s end "
    for _, call in ipairs { "s:lower()", "s:upper()", "s:len()", "s:find('y')", "('x'):find(s)", "s:sub(1)",
      "('%s'):format(s)", "s:format()", "matches(s, '*')", "matches('x', s)", "table.concat({}, s)" } do
      refused("the text is longer than 65536 bytes$", grow .. "return " .. call)
    end
    refused("concat: the text is longer", "local s = 'xxxxxxxxxxxxxxxx' for i = 1, 11 do s = s .. s end "
      .. "return table.concat { s, s, s }")
    refused("concat: the text is longer", "return table.concat({}, 'x', 1, math.maxinteger)")
    refused("too many values", "return ('x'):format(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)")
    refused("string expected, got nil$", "return string.lower()")
    refused("string expected, got table$", "return matches({}, 'x')")
  end)
end)

describe("the sandbox (errors, coroutines)", function ()
  it("tells any error with the file's name and line", function ()
    for message, source in pairs {
      ["r.lua:2: attempt to index a nil value (local 'x')"] = "local x\nreturn x.y",
      ["r.lua:1: boo"] = "error 'boo'",
      ["r.lua:2: boo"] = "\nerror('boo', 0)",
      ["r.lua:2: an error that is a table"] = "\nerror {}",
      ["r.lua:3: an error that is a nil"] = "local function f()\n-- here it is\nerror() end f()",
      ["r.lua:4: boo"] = "local function f()\nerror('boo', 2)\nend\nf()",
      ["r.lua:1: assertion failed!"] = "assert(false)",
      ["r.lua:1: bad argument #2 to 'format' (number expected, got string)"] = "local s = ('%d'):format 'x'",
      ["r.lua:1: invalid conversion specification: '%999999d'"] = "local s = ('%999999d'):format(1)",
      ["r.lua:1: bad argument #2 to 'sub' (number expected, got table)"] = "local s = ('x'):sub {}",
      ["r.lua:2: invalid value (table) at index 1 in table for 'concat'"] = "\nlocal s = table.concat { {} }",
      ["r.lua:1: concat: table expected, got nil"] = "local s = table.concat()",
      ["r.lua:1: sort: table expected, got number"] = "table.sort(1)",
      ["r.lua:1: invalid order function for sorting"] = "local t = {} for i = 1, 300 do t[i] = i % 7 end "
        .. "table.sort(t, function () return true end)",
    } do
      local ok, said = attempt(source)
      assert.is_false(ok)
      assert.equal(message, said)
    end
    refused("^r%.lua:1: attempt to compare", "return {} < {}")
    refused("^r%.lua:1: attempt to perform arithmetic", "return {} + 1")
    refused("^r%.lua:1: variable 'x' got a non%-closable value", "local x <close> = {}")
    refused("^r%.lua: bad argument #2 to 'sub'", "return ('x'):sub {}") -- a tail call has left no line behind
  end)

  it("says a file's whole name, however long", function ()
    local name = ("folder/"):rep(20) .. "r.lua"
    local box = sandbox.new {}
    assert.equal(name .. ":1: unexpected symbol near '='", (select(2, box:load("x = = 1", name))))
    for _, source in ipairs { "error 'x'", "error('x', 0)" } do
      local _, message = box:run(name, 1000, assert(box:load(source, name)))
      assert.equal(name .. ":1: x", message)
    end
    local _, message = box:run(name, 1000, assert(box:load("while true do end", name)))
    assert.equal(name .. ":1: it runs for too long", message)
  end)

  it("has no long list sorted, in one call of which much can be compared", function ()
    refused("^r%.lua:1: sort: the list has more than 4096 items$",
      "local t = {} for i = 1, 4097 do t[i] = 'x' end table.sort(t)")
    local ok, first = attempt "local t = {} for i = 1, 4096 do t[i] = -i end table.sort(t) return t[1]"
    assert.same({ true, -4096 }, { ok, first })
  end)

  it("finds the place of an error that comes from deep down without taking long", function ()
    local begun = os.clock()
    -- Memory or instructions: which are used up first depends on the size of a pointer and on Lua's version.
    refused("^r%.lua:1: it .* too ", "local function f() return 1 + f() end f()")
    assert.is_true(os.clock() - begun < 2)
  end)

  it("gives a function's arguments and results", function ()
    local ok, a, b, c = attempt("local x, y = ... return y, nil, x", 1, 2)
    assert.same({ true, 2, nil, 1 }, { ok, a, b, c })
  end)

  it("may be used from a coroutine, and leaves others' hooks alone", function ()
    local count = 0
    debug.sethook(function () count = count + 1 end, "", 100)
    local sum = "local n = 0 for i = 1, 1000 do n = n + i end return n"
    local ok, value = coroutine.wrap(function () return attempt(sum) end)()
    local hook = debug.gethook()
    debug.sethook()
    assert.is_function(hook)
    assert.is_true(ok)
    assert.equal(500500, value)
  end)
end)
