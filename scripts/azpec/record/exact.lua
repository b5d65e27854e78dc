-- JSON without loss: what is decoded here is encoded by azpec.json with the same members, arrays (also empty ones) and
-- digits. lua-cjson turns an empty array into an object, and long numbers into floating-point ones.

local json = require "azpec.json"

local exact = {}

local read_value

local literals = { ["true"] = true, ["false"] = false, null = json.null }

local function read_scalar(text, at)
  local word, after = text:match("^([%w.+-]+)()", at)
  local literal = literals[word]
  if literal == nil then literal = json.raw(word) end
  return literal, after
end

local function read_string(text, at)
  local from = at
  repeat
    at = text:find('["\\]', at + 1)
    local is_end = text:byte(at) == 34
    if not is_end then at = at + 1 end
  until is_end
  return json.decode("[" .. text:sub(from, at) .. "]")[1], at + 1
end

-- Reads the items between the brackets. add(value or name, after): takes one, and returns the position after it.
local function read_items(text, at, closing, add)
  at = text:match("^%s*()", at + 1)
  while text:sub(at, at) ~= closing do
    at = text:match("^%s*,?%s*()", add(at))
  end
  return at + 1
end

local function read_array(text, at)
  local list = json.list()
  return list, read_items(text, at, "]", function (from)
    local value, after = read_value(text, from)
    list[#list + 1] = value
    return after
  end)
end

local function read_object(text, at)
  local object = {}
  return object, read_items(text, at, "}", function (from)
    local name, after = read_string(text, from)
    object[name], after = read_value(text, text:match("^%s*:%s*()", after))
    return after
  end)
end

local readers = { ['"'] = read_string, ["["] = read_array, ["{"] = read_object }

function read_value(text, at)
  return (readers[text:sub(at, at)] or read_scalar)(text, at)
end

-- Decodes a JSON text. Returns the value, in which numbers are json.raw; or nil and a text.
function exact.decode(text)
  local value, why = json.decode(text)
  if value == nil then return nil, why end
  return (read_value(text, text:match "^%s*()"))
end

local raw_type = getmetatable(json.raw "0")

-- Returns the number of a decoded number; nil for anything else.
function exact.number(value)
  return getmetatable(value) == raw_type and tonumber(value.text) or nil
end

function exact.is_list(value)
  return getmetatable(value) == getmetatable(json.list())
end

-- Returns the names of an object's members, sorted, or the indices of an array.
function exact.names(value)
  local list = {}
  for name in pairs(value) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- Returns a copy of a value, in which each text is change(text). keep(name), if given: whether a member is in the copy.
-- The members are visited in the order of their names.
function exact.map(value, change, keep)
  if type(value) == "string" then return change(value) end
  if type(value) ~= "table" or exact.number(value) then return value end
  local copy = setmetatable({}, getmetatable(value))
  for _, name in ipairs(exact.names(value)) do
    if not keep or keep(name) then copy[name] = exact.map(value[name], change, keep) end
  end
  return copy
end

-- Writes a value as indented JSON with sorted members, so that two versions of a file can be compared line by line.
local function pretty(value, indent)
  local is_list = exact.is_list(value)
  if type(value) ~= "table" or exact.number(value) or next(value) == nil then return json.encode(value) end
  local inner, lines = indent .. "  ", {}
  for n, name in ipairs(exact.names(value)) do
    lines[n] = inner .. (is_list and "" or json.encode(name) .. ": ") .. pretty(value[name], inner)
  end
  return (is_list and "[\n" or "{\n") .. table.concat(lines, ",\n") .. "\n" .. indent .. (is_list and "]" or "}")
end

function exact.pretty(value)
  return pretty(value, "") .. "\n"
end

return exact
