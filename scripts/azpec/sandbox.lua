-- Runs untrusted Lua source in its own environment, with limits on instructions, time and memory. Bytecode is refused.
-- The code cannot catch an error (no pcall, coroutines or metatables), so an exceeded limit ends it. It has no access
-- to files, programs, the network or the host's tables.
--
-- A single instruction or call cannot be interrupted, so its cost is bounded: a function takes strings of at most 65536
-- bytes, patterns are globs, one expression concatenates at most 16 strings, and table.sort takes at most 4096 items.

local glob = require "azpec.glob"
local nearest = require "azpec.nearest"

local sandbox = {}
sandbox.__index = sandbox

local most_source, most_text, most_joined, most_sorted = 1 << 20, 1 << 16, 16, 4096
local most_seconds, most_kilobytes = 2, 4096
local most_frames = 64 -- that are searched for the place of an error: the cost of each grows with its depth
local time_every = 256 -- instructions between two reads of the clock

local string_format, tostring, type, error = string.format, tostring, type, error

-- ---- names --------------------------------------------------------------------------------------------------------

local function text(value, word)
  if type(value) ~= "string" then error(string_format("%s: string expected, got %s", word, type(value)), 3) end
  if #value > most_text then error(string_format("%s: the text is longer than %d bytes", word, most_text), 3) end
  return value
end

-- True for a text that is meant as a pattern of Lua: an anchor at an end, or an escape such as %d. As plain text it
-- would never be found, and an exception of a rule would never hold.
local function is_pattern(s)
  return string.find(s, "^%^.") or string.find(s, ".%$$") or string.find(s, "%%%w")
end

-- Makes each unknown name of a table an error. stand_in (or nil): a function that may return a value for a name.
local function complete(words, stand_in)
  local known = {}
  for name in pairs(words) do known[#known + 1] = name end
  table.sort(known)
  return setmetatable(words, { __index = function (_, name)
    name = tostring(name)
    local value = stand_in and stand_in(name)
    if value == nil then error(string_format("unknown word '%s'%s", name, nearest.question(name, known)), 2) end
    return value
  end, __metatable = false })
end

local function new_strings()
  local strings = {}
  function strings.len(s) return #text(s, "len") end
  function strings.lower(s) return string.lower(text(s, "lower")) end
  function strings.upper(s) return string.upper(text(s, "upper")) end
  function strings.sub(s, first, last) return string.sub(text(s, "sub"), first, last) end
  function strings.find(s, other, init, plain)
    if plain ~= true and is_pattern(text(other, "find")) then
      error(string_format("find takes plain text, and %q looks like a pattern of Lua: use matches with * and ?, or "
        .. "give true as the last argument", other), 2)
    end
    return string.find(text(s, "find"), text(other, "find"), init, true)
  end
  function strings.matches(s, pattern) return glob.compile(text(pattern, "matches"))(text(s, "matches")) end
  function strings.format(form, ...)
    text(form, "format")
    for n = 1, select("#", ...) do
      local value = select(n, ...)
      if type(value) == "string" then text(value, "format") end
    end
    if select("#", ...) > most_joined then error("format: too many values", 2) end
    return string.format(form, ...)
  end
  return complete(strings)
end

local function check_list(list, word)
  if type(list) ~= "table" then error(string_format("%s: table expected, got %s", word, type(list)), 3) end
end

local function sort(list, is_before)
  check_list(list, "sort")
  if #list > most_sorted then error(string_format("sort: the list has more than %d items", most_sorted), 2) end
  table.sort(list, is_before)
end

local function concat(list, separator, first, last)
  check_list(list, "concat")
  separator = separator == nil and "" or text(separator, "concat")
  first, last = first or 1, last or #list
  local length = 0
  for n = first, last do
    local item = list[n]
    length = length + #separator + (type(item) == "string" and #item or 32)
    if length > most_text then error(string_format("concat: the text is longer than %d bytes", most_text), 2) end
  end
  return table.concat(list, separator, first, last)
end

local function chosen(from, names)
  local copy = {}
  for name in names:gmatch "%S+" do copy[name] = from[name] end
  return copy
end

-- The environment's names. Methods of strings are looked up in its `string`.
local function new_words(more)
  local words = chosen(_G, "error ipairs next pairs select tonumber tostring type assert")
  words.string = new_strings()
  words.matches = words.string.matches
  words.table = chosen(table, "insert remove")
  words.table.concat, words.table.sort = concat, sort
  words.math = chosen(math, "abs ceil floor fmod max min tointeger type ult huge maxinteger mininteger pi")
  for name, value in pairs(more) do words[name] = value end
  return words
end

-- An unknown name is an error, and so is an assignment to a global: helpers are `local`.
local function new_environment(words, stand_in)
  return setmetatable({}, {
    __index = complete(words, stand_in),
    __newindex = function (_, name)
      error(string_format("'%s' cannot be set; write `local %s = ...`", tostring(name), tostring(name)), 2)
    end,
    __metatable = false,
  })
end

-- ---- length of concatenations --------------------------------------------------------------------------------------

local ends_expression = {}
for word in ("and break do else elseif end for function goto if in local or repeat return then until while")
  :gmatch "%a+" do
  ends_expression[word] = true
end

local kinds = { { "space", "^%s+" }, { "number", "^%.?%d[%w.]*" }, { "word", "^[%a_][%w_]*" }, { "...", "^%.%.%." },
  { "..", "^%.%." } }

-- Returns the end of the token at `at` and its kind: "space", "text", "number", "word", or its own characters.
local function token(source, at)
  local long = source:match("^%-%-%[(=*)%[", at)
  if long then return select(2, source:find("]" .. long .. "]", at, true)), "space" end
  if source:find("^%-%-", at) then return (source:find("[\r\n]", at) or #source), "space" end
  long = source:match("^%[(=*)%[", at)
  if long then return select(2, source:find("]" .. long .. "]", at, true)), "text" end
  local quote = source:match("^[\"']", at)
  if quote then
    local last = at + 1
    while source:sub(last, last) ~= quote do last = last + (source:sub(last, last) == "\\" and 2 or 1) end
    return last, "text"
  end
  for _, kind in ipairs(kinds) do
    local _, last = source:find(kind[2], at)
    if last then return last, kind[1] end
  end
  return at, source:sub(at, at)
end

local opens, closes = { ["("] = true, ["["] = true, ["{"] = true }, { [")"] = true, ["]"] = true, ["}"] = true }
local separates = { [","] = true, [";"] = true, ["="] = true, ["<"] = true, [">"] = true, ["~"] = true, ["&"] = true,
  ["|"] = true }

-- Returns the first line in which an expression concatenates too many strings, or nil. The source must compile. A
-- concatenation copies all its strings in one instruction, between two checks of the memory.
local function line_of_excess(source)
  local counts, at, line = { 0 }, 1, 1
  while at <= #source do
    local last, kind = token(source, at)
    if kind == ".." then
      counts[#counts] = counts[#counts] + 1
      if counts[#counts] >= most_joined then return line end
    elseif opens[kind] then
      counts[#counts + 1] = 0
    elseif closes[kind] then
      counts[#counts] = nil
    elseif separates[kind] or kind == "word" and ends_expression[source:sub(at, last)] then
      counts[#counts] = 0
    end
    line = line + select(2, source:sub(at, last):gsub("\n", ""))
    at = last + 1
  end
end

-- ---- positions of errors -------------------------------------------------------------------------------------------

-- Returns a position as Lua puts it before a message; Lua shortens a name that is longer than 60 bytes.
local function position(short, line)
  return string_format("%s:%d: ", short, line)
end

-- Returns a message of Lua with the file's full name: in place of the name that Lua has shortened, else in front of it.
function sandbox.named(message, name)
  local short = debug.getinfo(load("", "@" .. name), "S").short_src
  local at = string.find(message, short .. ":", 1, true)
  if at then return string.sub(message, 1, at - 1) .. name .. string.sub(message, at + #short) end
  return name .. ": " .. message
end

-- Returns the error that ended a coroutine, after the file and the line: the line that the message names, else the last
-- line that ran in the text `name`, else the first line of f.
local function located(co, message, name, f)
  if type(message) ~= "string" then message = "an error that is a " .. type(message) end
  local own, line = "@" .. name, nil
  for level = 0, most_frames do
    local info = debug.getinfo(co, level, "Sl")
    if not info then break end
    local is_own, said = info.source == own, position(info.short_src, info.currentline)
    if is_own then line = line or info.currentline end
    if string.sub(message, 1, #said) == said then
      message = string.sub(message, #said + 1)
      if is_own then line = info.currentline end
    end
  end
  line = line or debug.getinfo(f, "S").linedefined
  return (line > 0 and position(name, line) or name .. ": ") .. message
end

-- ---- loading ------------------------------------------------------------------------------------------------------

-- Returns a sandbox with Lua's harmless functions and the names in `words`. kilobytes: the memory limit of a run
-- (default: 4096). stand_in (or nil): called with each unknown name; what it returns takes its place, unless it is nil.
function sandbox.new(words, kilobytes, stand_in)
  local all = new_words(words or {})
  return setmetatable({ strings = all.string, environment = new_environment(all, stand_in),
    kilobytes = kilobytes or most_kilobytes }, sandbox)
end

-- Compiles a text. Returns a function, or nil and a message with file and line. name: the file's name in messages.
function sandbox:load(source, name)
  if #source > most_source then return nil, ("%s: the file is larger than %d bytes"):format(name, most_source) end
  source = source:gsub("^\xef\xbb\xbf", ""):gsub("^#", "--")
  if source:sub(1, 1) == "\27" then return nil, name .. ": this is compiled; a text is wanted" end
  -- In a coroutine: if the text nests too deep, the parser would call an outer xpcall's handler without any stack left.
  local co = coroutine.create(load)
  local _, chunk, why = coroutine.resume(co, source, "@" .. name, "t", self.environment)
  if not chunk then return nil, sandbox.named(why, name) end
  local line = line_of_excess(source)
  if line then
    return nil, ("%s:%d: more than %d texts are joined in one expression"):format(name, line, most_joined)
  end
  return chunk
end

-- ---- running ------------------------------------------------------------------------------------------------------

-- Returns a hook for each instruction, which raises an error when a limit is exceeded.
local function new_limiter(instructions, kilobytes)
  local left, begun, memory = instructions, os.clock(), collectgarbage "count"
  local function is_late() return os.clock() - begun > most_seconds end
  local function is_full() return collectgarbage "count" > memory + kilobytes end
  return function ()
    left = left - 1
    if left < 0 then error("it runs for too long", 0) end
    local collected = is_full()
    if collected then
      collectgarbage()
      if is_full() then error("it takes too much memory", 0) end
    end
    if (collected or left % time_every == 0) and is_late() then error("it runs for too long", 0) end
  end
end

-- Replaces the methods of strings by the sandbox's until the result is closed.
local function lend_methods(strings)
  local metatable = getmetatable ""
  local own = metatable.__index
  metatable.__index = strings
  return setmetatable({}, { __close = function () metatable.__index = own end })
end

-- Calls a function of the sandbox. Returns true and its results, or false and a message with file and line. The
-- function runs in a coroutine, and only that has the hook. If an error were caught, the next instruction would raise
-- it again.
function sandbox:run(name, instructions, f, ...)
  local co = coroutine.create(f)
  debug.sethook(co, new_limiter(instructions, self.kilobytes), "", 1)
  local _ <close> = lend_methods(self.strings) -- closed too if Ctrl-C raises an error here
  local results = table.pack(coroutine.resume(co, ...))
  if results[1] then return table.unpack(results, 1, results.n) end
  return false, located(co, results[2], name, f)
end

return sandbox
