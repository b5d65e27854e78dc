-- JSON: texts to tables by lua-cjson, and tables to texts with sorted members, so that equal answers are equal bytes.

local cjson = require "cjson".new()

local text_of = require "azpec.text"

cjson.decode_invalid_numbers(false)

local json = { null = cjson.null }

local list_type = { __name = "json.list" }

-- Marks a table as an array, so that an empty one is written as [].
function json.list(items)
  return setmetatable(items or {}, list_type)
end

-- The text of a value that is JSON already, for its own place in a greater one.
local raw_type = { __name = "json.raw" }

function json.raw(text)
  return setmetatable({ text = text }, raw_type)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(char)
  return escapes[char] or string.format("\\u%04x", char:byte())
end

-- A character beyond ASCII; beyond U+FFFF it is a surrogate pair (RFC 8259).
local function escape_wide(char)
  local code = utf8.codepoint(char)
  if code < 0x10000 then return ("\\u%04x"):format(code) end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff))
end

-- JSON is read by people, too, on terminals and in logs: what they should not meet as it is, is escaped.
local function encode_string(text)
  if not text:find '[%c"\\\x80-\xff#]' then return '"' .. text .. '"' end
  text = text:gsub('[%c"\\]', escape):gsub("##(%a*%[)", "#\\u0023%1")
  text = text_of.mend(text, escape)
  return '"' .. text_of.replace_hidden(text, escape_wide) .. '"'
end

local function encode_number(number)
  local whole = math.tointeger(number)
  if whole then return tostring(whole) end
  assert(number == number and math.abs(number) ~= math.huge, "a number that JSON cannot hold")
  return string.format("%.14g", number)
end

local encode

local function encode_list(list)
  local parts = {}
  for index, item in ipairs(list) do parts[index] = encode(item) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(object)
  local names, parts = {}, {}
  for name in pairs(object) do names[#names + 1] = name end
  table.sort(names)
  for index, name in ipairs(names) do
    parts[index] = encode_string(name) .. ":" .. encode(object[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_table(value)
  local kind = getmetatable(value)
  if kind == raw_type then return value.text end
  if kind == list_type or #value > 0 then return encode_list(value) end
  return encode_object(value)
end

local writers = {
  string = encode_string,
  number = encode_number,
  boolean = tostring,
  table = encode_table,
  userdata = function () return "null" end,
}

function encode(value)
  local writer = writers[type(value)] or error("JSON cannot hold a " .. type(value))
  return writer(value)
end

json.encode = encode

-- The value of a JSON text, or nil and what is wrong with it.
function json.decode(text)
  local ok, value = pcall(cjson.decode, text)
  if ok then return value end
  return nil, (tostring(value):gsub("^.-:%d+: ", ""))
end

-- Null and absent are one thing where only presence matters.
function json.present(value)
  if value ~= json.null then return value end
end

function json.is_object(text)
  return text:find("^%s*{") ~= nil
end

return json
