-- JSON: decodes with lua-cjson, and encodes with sorted members, so that equal values give equal bytes.

local cjson = require "cjson".new()

local text_of = require "azpec.text"

cjson.decode_invalid_numbers(false)

local json = { null = cjson.null }

local list_type = { __name = "json.list" }

-- Marks a table as an array, so that an empty one is written as [].
function json.list(items)
  return setmetatable(items or {}, list_type)
end

-- Wraps a text that is JSON already, to be inserted unchanged into a larger value.
local raw_type = { __name = "json.raw" }

function json.raw(text)
  return setmetatable({ text = text }, raw_type)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(char)
  return escapes[char] or string.format("\\u%04x", char:byte())
end

-- Escapes a character above U+007F; above U+FFFF as a surrogate pair (RFC 8259).
local function escape_wide(char)
  local code = utf8.codepoint(char)
  if code < 0x10000 then return ("\\u%04x"):format(code) end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff))
end

-- People read JSON on terminals and in logs too, so hidden characters (azpec.text) are escaped.
local function encode_string(text)
  if not text:find '[%c"\\\x80-\xff#]' then return '"' .. text .. '"' end
  text = text:gsub('[%c"\\]', escape):gsub("##(%a*%[)", "#\\u0023%1")
  text = text_of.mend(text, escape)
  return '"' .. text_of.replace_hidden(text, escape_wide) .. '"'
end

local function encode_number(number)
  local whole = math.tointeger(number)
  if whole then return tostring(whole) end
  if number ~= number then return "null" end
  if math.abs(number) == math.huge then return number > 0 and "1e999" or "-1e999" end -- as cjson read it
  return (string.format("%.14g", number):gsub("[^%de+-]+", ".")) -- the locale's decimal point may differ
end

-- Names recur, other strings do not: each with what stands before and behind it.
local most_names = 1000
local members, member_count = {}, 0

local function member(name)
  local text = members[name]
  if text then return text end
  if member_count == most_names then members, member_count = {}, 0 end
  text = "," .. encode_string(name) .. ":"
  members[name], member_count = text, member_count + 1
  return text
end

-- Each appends a value's pieces behind the first `n` of `out`, and returns how many there are.
local append

local function append_list(list, out, n)
  local first = n + 1
  for _, item in ipairs(list) do
    out[n + 1] = ","
    n = append(item, out, n + 1)
  end
  if n < first then n = first end
  out[first], out[n + 1] = "[", "]"
  return n + 1
end

local function append_object(object, out, n)
  local names, count = {}, 0
  for name in pairs(object) do
    count = count + 1
    names[count] = name
  end
  table.sort(names)
  out[n + 1] = "{"
  n = n + 1
  for index = 1, count do
    local name = names[index]
    out[n + 1] = index == 1 and member(name):sub(2) or member(name)
    n = append(object[name], out, n + 1)
  end
  out[n + 1] = "}"
  return n + 1
end

local writers = {
  string = encode_string,
  number = encode_number,
  boolean = tostring,
  userdata = function () return "null" end,
}

function append(value, out, n)
  local writer = writers[type(value)]
  if writer then
    out[n + 1] = writer(value)
    return n + 1
  end
  if type(value) ~= "table" then error("JSON cannot hold a " .. type(value)) end
  local kind = getmetatable(value)
  if kind == raw_type then
    out[n + 1] = value.text
    return n + 1
  end
  if kind == list_type or #value > 0 then return append_list(value, out, n) end
  return append_object(value, out, n)
end

function json.encode(value)
  local out = {}
  append(value, out, 0)
  return table.concat(out)
end

-- Writes a number without a decimal point: 12.5e3 as 125e2, 0.5 as 5e-1.
local function without_point(number)
  local whole, part, rest = number:match "^(%d+)%.(%d+)(.*)$"
  local power = rest == "" and 0 or rest and math.tointeger(tonumber(rest:match "^[eE]([+-]?%d+)$"))
  if not power or whole:find "^0%d" then return nil end
  return (whole .. part):gsub("^0+(%d)", "%1") .. ("e%d"):format(power - #part)
end

-- Returns the end of the string that begins at the position.
local function end_of_string(text, at)
  repeat
    local found = text:find('["\\]', at + 1)
    if not found then return #text end
    at = text:byte(found) == 92 and found + 1 or found
  until at == found
  return at
end

-- Rewrites a text so that lua-cjson reads it in any locale, even one that was set after cjson was loaded; see
-- lua_module/lua/json.c.
local function without_points(text)
  local parts, at = {}, 1
  while at <= #text do
    local quote = text:find('"', at, true) or #text + 1
    parts[#parts + 1] = text:sub(at, quote - 1):gsub("%d[%d.eE+-]*", without_point):gsub(",", " ,")
    at = quote <= #text and end_of_string(text, quote) + 1 or quote
    parts[#parts + 1] = text:sub(quote, at - 1)
  end
  return table.concat(parts)
end

-- Decodes a JSON text. Returns the value, or nil and a text.
function json.decode(text)
  local ok, value = pcall(cjson.decode, tostring(0.5) == "0.5" and text or without_points(text))
  if ok then return value end
  local is_right, again = pcall(cjson.decode, without_points(text))
  if is_right then return again end
  return nil, (tostring(value):gsub("^.-:%d+: ", ""))
end

-- Removes null members, for callers to which null and absent mean the same.
function json.present(value)
  if value ~= json.null then return value end
end

function json.is_object(text)
  return text:find("^%s*{") ~= nil
end

return json
