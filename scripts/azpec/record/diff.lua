-- Differences of two decoded JSON values, member by member.

local exact = require "azpec.record.exact"
local json = require "azpec.json"

local diff = {}

local function is_object(value)
  return type(value) == "table" and not exact.number(value) and not exact.is_list(value)
end

local function text_of(value)
  if value ~= nil then return json.encode(value) end
end

local function names_of(first, second)
  local both = {}
  for _, value in ipairs { first, second } do
    for name in pairs(value) do both[name] = true end
  end
  return exact.names(both)
end

local function compare(first, second, where, found)
  local objects, lists = is_object(first) and is_object(second), exact.is_list(first) and exact.is_list(second)
  if not objects and not lists then
    local one, other = text_of(first), text_of(second)
    if one ~= other then found[#found + 1] = { where = where, first = one, second = other } end
    return found
  end
  for _, name in ipairs(names_of(first, second)) do
    local inner = lists and ("%s[%d]"):format(where, name) or where == "" and name or where .. "." .. name
    compare(first[name], second[name], inner, found)
  end
  return found
end

-- Returns a list of { where, first, second }: the place of a difference, and JSON texts; nil where there is nothing. A
-- member that is missing is one difference, with all that is in it.
function diff.of(first, second)
  return compare(first, second, "", {})
end

-- Returns a text of at most 80 bytes about one side of a difference.
function diff.shown(text)
  if not text then return "nothing" end
  if #text <= 80 then return text end
  return text:sub(1, utf8.offset(text, 0, 78) - 1) .. "..."
end

return diff
