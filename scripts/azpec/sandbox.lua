-- Runs Lua that somebody else wrote: a text, never bytecode, in an environment of its own, with limits of instructions,
-- of time and of memory. Nothing in it can catch an error (no pcall, no coroutines, no metatables), so a limit that was
-- met is the end. No word in it reaches files, programs, the network or the host's tables.
--
-- What a single instruction or call could do without end is kept small: texts that are handed to a function may have
-- 65536 bytes, patterns are globs, one expression joins at most 16 texts, and a list to be sorted may have 4096 items.

local glob = require "azpec.glob"

local sandbox = {}
sandbox.__index = sandbox

local most_source, most_text, most_joined, most_sorted = 1 << 20, 1 << 16, 16, 4096
local most_seconds, most_kilobytes = 2, 4096
local most_frames = 64 -- that are looked at for the place of an error: each costs as much as it is deep
local time_every = 256 -- instructions from one look at the clock to the next

local string_format, tostring, type, error = string.format, tostring, type, error

-- ---- words --------------------------------------------------------------------------------------------------------

local function text(value, word)
  if type(value) ~= "string" then error(string_format("%s: string expected, got %s", word, type(value)), 3) end
  if #value > most_text then error(string_format("%s: the text is longer than %d bytes", word, most_text), 3) end
  return value
end

local function unknown(_, name)
  error(string_format("unknown word '%s'", tostring(name)), 2)
end

local function new_strings()
  local strings = setmetatable({}, { __index = unknown, __metatable = false })
  function strings.len(s) return #text(s, "len") end
  function strings.lower(s) return string.lower(text(s, "lower")) end
  function strings.upper(s) return string.upper(text(s, "upper")) end
  function strings.sub(s, first, last) return string.sub(text(s, "sub"), first, last) end
  function strings.find(s, other, init) return string.find(text(s, "find"), text(other, "find"), init, true) end
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
  return strings
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

-- The environment's words; `string` is also what methods of strings are looked up in.
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

-- What a name was mistyped for is an error, and so is a global: helpers are `local`.
local function new_environment(words)
  return setmetatable({}, {
    __index = setmetatable(words, { __index = unknown }),
    __newindex = function (_, name)
      error(string_format("'%s' cannot be set; write `local %s = ...`", tostring(name), tostring(name)), 2)
    end,
    __metatable = false,
  })
end

-- ---- how much one expression joins --------------------------------------------------------------------------------

local ends_expression = {}
for word in ("and break do else elseif end for function goto if in local or repeat return then until while")
  :gmatch "%a+" do
  ends_expression[word] = true
end

local kinds = { { "space", "^%s+" }, { "number", "^%.?%d[%w.]*" }, { "word", "^[%a_][%w_]*" }, { "...", "^%.%.%." },
  { "..", "^%.%." } }

-- Where the token at `at` ends and what it is: "space", "text", "number", "word", or its own characters.
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

-- The line in which an expression of a source that compiles joins too many texts, if one does. A join copies all its
-- texts in one instruction, between two looks at the memory.
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

-- ---- where something went wrong ------------------------------------------------------------------------------------

-- A position as Lua puts it in front of a message; it shortens what is longer than 60 bytes.
local function position(short, line)
  return string_format("%s:%d: ", short, line)
end

-- The parser's message with the file's whole name.
local function located_by_parser(message, name)
  local short = debug.getinfo(load("", "@" .. name), "S").short_src
  if string.sub(message, 1, #short + 1) == short .. ":" then return name .. string.sub(message, #short + 1) end
  return name .. ": " .. message
end

-- What a coroutine that runs the text `name` died of, in front of it the file and the line: that which the message
-- names, or else the last one of the text that was run, or else the first of f.
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

-- A sandbox whose words are Lua's harmless ones and `words`.
function sandbox.new(words)
  local all = new_words(words or {})
  return setmetatable({ strings = all.string, environment = new_environment(all) }, sandbox)
end

-- The function that a text is, or nil and a message with file and line. name: what messages call the file.
function sandbox:load(source, name)
  if #source > most_source then return nil, ("%s: the file is larger than %d bytes"):format(name, most_source) end
  source = source:gsub("^\xef\xbb\xbf", ""):gsub("^#", "--")
  if source:sub(1, 1) == "\27" then return nil, name .. ": this is compiled; a text is wanted" end
  -- In a coroutine: where the text nests too deep, the parser would call an outer xpcall's handler with no stack left.
  local co = coroutine.create(load)
  local _, chunk, why = coroutine.resume(co, source, "@" .. name, "t", self.environment)
  if not chunk then return nil, located_by_parser(why, name) end
  local line = line_of_excess(source)
  if line then
    return nil, ("%s:%d: more than %d texts are joined in one expression"):format(name, line, most_joined)
  end
  return chunk
end

-- ---- running ------------------------------------------------------------------------------------------------------

-- A hook for each instruction: it raises when one of the limits is met.
local function new_limiter(instructions)
  local left, begun, memory = instructions, os.clock(), collectgarbage "count"
  local function is_late() return os.clock() - begun > most_seconds end
  local function is_full() return collectgarbage "count" > memory + most_kilobytes end
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

-- Methods of strings are the sandbox's until the result is closed.
local function lend_methods(strings)
  local metatable = getmetatable ""
  local own = metatable.__index
  metatable.__index = strings
  return setmetatable({}, { __close = function () metatable.__index = own end })
end

-- Calls a function of the sandbox: true and its results, or false and a message with file and line. It runs in a
-- coroutine, which alone has the hook; whatever became of an error, the next instruction would meet the limit again.
function sandbox:run(name, instructions, f, ...)
  local co = coroutine.create(f)
  debug.sethook(co, new_limiter(instructions), "", 1)
  local _ <close> = lend_methods(self.strings) -- also where Ctrl-C raises an error here
  local results = table.pack(coroutine.resume(co, ...))
  if results[1] then return table.unpack(results, 1, results.n) end
  return false, located(co, results[2], name, f)
end

return sandbox
