-- azpec.resource_id -- parses Azure resource ids.
--
--   local found = require "azpec.resource_id".parse "/subscriptions/.../batchAccounts/contosobatch"
--   print(found.kind, found.account_name)                      -- account  contosobatch

local text_of = require "azpec.text"

local ids = {}

-- The largest length in bytes of an id. Names are at most 90 characters long; the module checks them.
local longest = 2048

-- The same of an id as people copy it: in a URL, percent-encoded.
local longest_copied = 4 * longest

-- The fixed segments of each kind of id (in any letter case), and the names between them.
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

local most_segments = 10

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

-- Parses an id. Returns a table with `kind` ("subscription", "resource_group", "account", "connection",
-- "private_endpoint"), the names in the id, and `id` itself, with a leading slash and without a trailing one. Returns
-- nil for any other id.
function ids.parse(id)
  if #id > longest then return nil end
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

-- Removes surrounding blanks, line ends and quotes, and a query such as `?api-version=2022-06-01`. A `?` that is a
-- wildcard has no `=` after it. Of a URL the fragment is kept: in the portal's, the query is in front of the id.
local function bare(word)
  word = text_of.trim(word)
  local quote, inner = word:match "^([\"'`])(.*)%1$"
  if quote then word = text_of.trim(inner) end
  local query = word:find("?", 1, true)
  local has_query = query and word:find("^%?[%w_.$-]+=", query) and word:sub(1, query):find("/", 1, true)
  if not has_query then return word end
  local fragment = word:find "^%a+://" and word:match("#.*$", query) or ""
  return word:sub(1, query - 1) .. fragment
end

-- Parses an id as people copy it: in quotes, with a query, from a URL of Azure Resource Manager or of the Azure portal
-- (which may add its own segments), or after the folder that a shell on Windows puts before a path.
function ids.plain(word)
  word = bare(word)
  if #word > longest_copied then return word end
  if not (word:find "^%a+://" or word:find "^%a:[/\\]") then return word end
  local text = word:find("%%2[Ff]subscriptions%%2[Ff]") and unescape(word) or word
  local first = text:lower():find("/subscriptions/", 1, true)
  if not first then return word end
  local id = text:sub(first):match "^[^?#]*":match "^.*[^/]"
  local shorter = id:match("^" .. ("/[^/]*"):rep(most_segments)) or id
  while shorter ~= "" do
    if ids.parse(shorter) then return unescape(shorter) end
    shorter = shorter:match "^(.*)/[^/]*$" or ""
  end
  return id
end

ids.called = { account = "a Batch account", connection = "a private endpoint connection" }

-- Returns the message about an id that the service listed, and that is not one of that kind.
function ids.not_one(id, kind)
  return ("the service listed '%s', which is not the id of %s"):format(id, ids.called[kind])
end

-- Returns what follows the last slash of an id, or the whole text without a slash; nil if that is empty.
function ids.last_segment(id)
  local last = id:match "^.*/(.*)$" or id
  return last ~= "" and last or nil
end

-- Returns the id of a connection's account.
function ids.account_of(connection_id)
  return (connection_id:match "^(.*)/[^/]*/[^/]*/?$")
end

-- The accounts of connections, each once, in their order. account_of (or nil): in place of the function above.
function ids.accounts_of(connection_ids, account_of)
  local accounts, seen = {}, {}
  for _, id in ipairs(connection_ids) do
    local account = (account_of or ids.account_of)(id)
    local key = account and account:lower()
    if key and not seen[key] then
      seen[key] = true
      accounts[#accounts + 1] = account
    end
  end
  return accounts
end

-- Counts accounts and subscriptions by their ids, each once. Returns "2 accounts and 1 subscription", and the number.
function ids.counted(place_ids)
  local counts, seen, parts = { account = 0, subscription = 0 }, {}, {}
  for _, id in ipairs(place_ids) do
    local place, key = ids.parse(id) or {}, id:lower()
    local kind = place.kind == "subscription" and place.kind or "account"
    counts[kind] = counts[kind] + (seen[key] and 0 or 1)
    seen[key] = true
  end
  for _, kind in ipairs { "account", "subscription" } do
    if counts[kind] > 0 then parts[#parts + 1] = text_of.count(counts[kind], kind) end
  end
  return table.concat(parts, " and "), counts.account + counts.subscription
end

return ids
