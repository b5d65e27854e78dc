-- Replaces the names that tell whose conversation it is: GUIDs, names of resources, tenants' domains, mail addresses.
-- Each becomes the same placeholder everywhere, in URLs, headers and bodies; the placeholders are valid names.
--
-- The names are found in resource ids. They are then replaced wherever they stand as a whole word, in any letter case.

local exact = require "azpec.record.exact"
local percent_decode = require "azpec.emulator.text".percent_decode

local names = {}
names.__index = names

function names.new()
  return setmetatable({ known = {}, list = {}, counts = {} }, names)
end

-- The placeholder of a kind of name, by the segment before the name in an id. Others have the segment itself.
local kinds = { subscriptions = "subscription", resourcegroups = "group", batchaccounts = "account",
  privateendpointconnections = "connection", privateendpoints = "endpoint", tenants = "tenant",
  virtualnetworks = "network" }

-- The names of these are the service's own.
local public = { locations = true, providers = true, privatelinkresources = true }

-- Words of the API, which would change what a response says.
local words = {}
for word in ([[approved pending rejected disconnected succeeded failed canceled cancelled creating updating deleting
  accepted running inprogress batch batchaccount none bearer true false null ready default subscriptions resourcegroups
  providers microsoft batchaccounts privateendpointconnections privateendpoints network api-version management azure
  com login https application user]]):gmatch "%S+" do
  words[word] = true
end

local function number(self, kind)
  self.counts[kind] = (self.counts[kind] or 0) + 1
  return self.counts[kind]
end

local guid = ("%x"):rep(8) .. ("%-%x%x%x%x"):rep(4) .. ("%x"):rep(8)

-- A name in a URL may be percent-encoded; it gets the placeholder of the decoded one.
local function add(self, segment, name)
  local decoded = name:find("%", 1, true) and percent_decode(name)
  if decoded then add(self, segment, decoded) end
  if self.known[name] or #name < 2 or words[name] or name:find("^" .. guid .. "$") then return end
  local kind = kinds[segment] or segment:gsub("[^%w]", "")
  self.known[name] = decoded and self.known[decoded] or kind .. number(self, kind)
  self.list[#self.list + 1] = name
  table.sort(self.list, function (a, b) return #a > #b or #a == #b and a < b end)
end

-- ---- finding -------------------------------------------------------------------------------------------------------

-- Learns the names in an id in lower case: what follows "subscriptions", "resourceGroups" and each type of a provider.
local function learn_id(self, id)
  local segments = {}
  for segment in id:gmatch "[^/]+" do segments[#segments + 1] = segment end
  for at = 1, #segments - 1, 2 do
    if not public[segments[at]] then add(self, segments[at], segments[at + 1]) end
  end
end

-- Learns the names in a text.
function names:learn(text)
  text = text:lower()
  for id in text:gmatch "/subscriptions/[^?#%s\"'<>,;]+" do learn_id(self, id) end
  for tenant in text:gmatch "/([%w.-]+%.%a+)/oauth2/" do add(self, "tenants", tenant) end
end

-- Learns the names in all texts of a value.
function names:learn_all(value)
  exact.map(value, function (text)
    self:learn(text)
    return text
  end)
end

-- ---- replacing -----------------------------------------------------------------------------------------------------

-- Replaces a name where it is a whole word. A dot ends a word: the name of an account begins a host's name.
local function replace(text, name, placeholder)
  local lower, parts, from = text:lower(), {}, 1
  while true do
    local first, last = lower:find(name, from, true)
    if not first then return table.concat(parts) .. text:sub(from) end
    local is_word = not lower:sub(first - 1, first - 1):find "[%w_-]" and not lower:find("^[%w_-]", last + 1)
    parts[#parts + 1] = text:sub(from, first - 1) .. (is_word and placeholder or text:sub(first, last))
    from = last + 1
  end
end

-- Returns a GUID's placeholder: a GUID that ends with a number.
function names:guid(text)
  local key = text:lower()
  self.known[key] = self.known[key] or ("00000000-0000-0000-0000-%012d"):format(number(self, "guid"))
  return self.known[key]
end

-- Returns a text with placeholders.
function names:replace(text)
  for _, name in ipairs(self.list) do text = replace(text, name, self.known[name]) end
  text = text:gsub(guid, function (found) return self:guid(found) end)
  return (text:gsub("[%w._%%+-]+@[%w.-]+%.%a+", function (address)
    self.known[address] = self.known[address] or ("user%d@example.com"):format(number(self, "user"))
    return self.known[address]
  end))
end

return names
