-- azpec.ids -- what an Azure resource id names.
--
--   local found = require "azpec.ids".parse "/subscriptions/.../batchAccounts/contosobatch"
--   print(found.kind, found.account_name)                      -- account  contosobatch

local ids = {}

-- The fixed words of each kind of id (in any letter case), and the names that stand between them.
local shapes = {
  { "subscription", "subscriptions", "subscription_id" },
  { "resource_group", "subscriptions", "subscription_id", "resourcegroups", "resource_group_name" },
  { "account", "subscriptions", "subscription_id", "resourcegroups", "resource_group_name",
    "providers", "microsoft.batch", "batchaccounts", "account_name" },
  { "connection", "subscriptions", "subscription_id", "resourcegroups", "resource_group_name",
    "providers", "microsoft.batch", "batchaccounts", "account_name", "privateendpointconnections", "name" },
  { "private_endpoint", "subscriptions", "subscription_id", "resourcegroups", "resource_group_name",
    "providers", "microsoft.network", "privateendpoints", "name" },
}

local names = { subscription_id = true, resource_group_name = true, account_name = true, name = true }

local function fits(shape, segments)
  if #segments ~= #shape - 1 then return nil end
  local found = { kind = shape[1] }
  for n, segment in ipairs(segments) do
    local word = shape[n + 1]
    if names[word] and segment ~= "" then
      found[word] = segment
    elseif segment:lower() ~= word then
      return nil
    end
  end
  return found
end

-- A table with `kind` ("subscription", "resource_group", "account", "connection", "private_endpoint"), the names that
-- are in the id, and `id`, as the service writes it where somebody has left out the slash in front, or has one too many
-- at the end; nil: none of these.
function ids.parse(id)
  local bare = id:match "^/?(.-)/?$"
  local segments = {}
  for segment in (bare .. "/"):gmatch "(.-)/" do segments[#segments + 1] = segment end
  for _, shape in ipairs(shapes) do
    local found = fits(shape, segments)
    if found then
      found.id = "/" .. bare
      return found
    end
  end
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function (hex) return string.char(tonumber(hex, 16)) end))
end

-- Without blanks, line ends and matching quotes around it, and without a query, as `?api-version=2022-06-01`; a `?` of
-- a pattern has no `=` behind it.
local function bare(word)
  word = word:match "^%s*(.-)%s*$"
  local quote, inner = word:match "^([\"'`])(.*)%1$"
  if quote then word = inner:match "^%s*(.-)%s*$" end
  return word:match "^([^?]*/[^?]*)%?[%w_.$-]+=" or word
end

-- An id as somebody may have copied it: in quotes, with a query; out of the address of a request to Azure Resource
-- Manager, or of a page of the Azure portal, whose own words may follow the id; or behind the folder that a shell on
-- Windows puts before what it takes for a path.
function ids.plain(word)
  word = bare(word)
  if not (word:find "^%a+://" or word:find "^%a:[/\\]") then return word end
  local text = word:find("%%2[Ff]subscriptions%%2[Ff]") and unescape(word) or word
  local first = text:lower():find("/subscriptions/", 1, true)
  if not first then return word end
  local id = text:sub(first):match "^[^?#]*":gsub("/+$", "")
  local shorter = id
  while shorter ~= "" do
    if ids.parse(shorter) then return unescape(shorter) end
    shorter = shorter:match "^(.*)/[^/]*$" or ""
  end
  return id
end

-- The id of a connection's account.
function ids.account_of(connection_id)
  return (connection_id:match "^(.*)/[^/]*/[^/]*/?$")
end

return ids
