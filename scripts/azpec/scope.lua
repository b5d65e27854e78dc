-- azpec.scope -- where to look: the connections of one account, of many, of a resource group, of subscriptions.
--
--   local scope = require "azpec.scope"
--   for connection in scope.connections(client, { resource_group_name = "rg-contoso-prod" }) do ... end
--
-- A scope is a table of: subscription_ids (a list; default: the client's own), resource_group_name, account_name, id
-- (of a subscription, a resource group, an account, a connection, or a private endpoint, whose connections are looked
-- for). What a service refuses is raised as its azpec.Error, what cannot be found or understood as a table with `kind`
-- ("not_found", "usage"), `message` and `hint`.

local scope = {}

local complaint = { __name = "azpec.scope_error" }

function complaint:__tostring()
  return self.hint and self.message .. "; " .. self.hint or self.message
end

local function fail(kind, message, hint)
  error(setmetatable({ kind = kind, message = message, hint = hint }, complaint), 0)
end

-- ---- ids -----------------------------------------------------------------------------------------------------------

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

local function fits(shape, segments)
  if #segments ~= #shape - 1 then return nil end
  local found = { kind = shape[1] }
  for n, segment in ipairs(segments) do
    local word = shape[n + 1]
    if word:find "_id$" or word:find "name$" then
      found[word] = segment
    elseif segment:lower() ~= word then
      return nil
    end
  end
  return found
end

-- What an Azure resource id names: a table with `kind` ("subscription", "resource_group", "account", "connection",
-- "private_endpoint") and the names in it; nil: none of these.
function scope.parse_id(id)
  local segments = {}
  for segment in id:match "^/?(.-)/?$":gmatch "[^/]+" do segments[#segments + 1] = segment end
  for _, shape in ipairs(shapes) do
    local found = fits(shape, segments)
    if found then
      found.id = id
      return found
    end
  end
end

-- ---- accounts ------------------------------------------------------------------------------------------------------

local function same(a, b)
  return a:lower() == b:lower()
end

-- The accounts that the service lists.
local function listed(client, where)
  local accounts = {}
  for _, subscription_id in ipairs(where.subscription_ids) do
    local list = { subscription_id = subscription_id or nil, resource_group_name = where.resource_group_name }
    for account in client:list_accounts(list) do
      local found = scope.parse_id(account.id)
      if found and (not where.account_name or same(found.account_name, where.account_name)) then
        accounts[#accounts + 1] = found
      end
    end
  end
  return accounts
end

local function told(where)
  local parts = {}
  if where.resource_group_name then parts[#parts + 1] = "resource group '" .. where.resource_group_name .. "'" end
  local ids = where.subscription_ids
  if ids[1] then parts[#parts + 1] = (#ids == 1 and "subscription " or "subscriptions ") .. table.concat(ids, ", ") end
  return #parts == 0 and "the subscription" or table.concat(parts, " of ")
end

-- Those meant; one that is wholly named needs no list.
local function accounts_of(client, where)
  if where.account_name and where.resource_group_name and #where.subscription_ids == 1 then
    return { { subscription_id = where.subscription_ids[1] or nil, resource_group_name = where.resource_group_name,
      account_name = where.account_name } }
  end
  local accounts = listed(client, where)
  if #accounts == 0 and where.account_name then
    fail("not_found", ("there is no Batch account '%s' in %s"):format(where.account_name, told(where)),
      "the identity sees only accounts that it may read")
  end
  return accounts
end

-- ---- the scope -----------------------------------------------------------------------------------------------------

local function differs(given, found)
  return given and not same(given, found)
end

local function narrow(where, found, given)
  for _, name in ipairs { "resource_group_name", "account_name" } do
    if found[name] and differs(where[name], found[name]) then
      fail("usage", ("'%s' is not in the %s '%s'"):format(given, name:match "^(.-)_name$":gsub("_", " "), where[name]))
    end
    where[name] = where[name] or found[name]
  end
  where.subscription_ids = { found.subscription_id }
end

-- The scope as it is walked: an id is taken apart.
local function resolve(wanted)
  local where = { resource_group_name = wanted.resource_group_name, account_name = wanted.account_name,
    subscription_ids = wanted.subscription_ids or {} }
  if #where.subscription_ids == 0 then where.subscription_ids = { false } end -- false: the client's own
  if not wanted.id then return where end
  local found = scope.parse_id(wanted.id)
  if not found then
    fail("usage", ("'%s' is not the id of a subscription, resource group, Batch account, private endpoint "
      .. "connection or private endpoint"):format(wanted.id))
  elseif found.kind == "private_endpoint" then
    where.private_endpoint = wanted.id -- it may be in any subscription; its connection is in the scope
  else
    narrow(where, found, wanted.id)
    if found.kind == "connection" then where.connection = wanted.id end
  end
  return where
end

local function has_endpoint(connection, id)
  local endpoint = (connection.properties or {}).privateEndpoint
  return endpoint ~= nil and type(endpoint.id) == "string" and same(endpoint.id, id)
end

local function account_call(account)
  return { subscription_id = account.subscription_id, resource_group_name = account.resource_group_name,
    account_name = account.account_name }
end

-- That one connection, for a generic `for`.
local function only(client, id)
  local is_over = false
  return function ()
    if is_over then return nil end
    is_over = true
    local connection, err = client:get { id = id }
    if not connection then error(err, 0) end
    return connection
  end
end

-- The connections of a scope, for a generic `for`. Not by a coroutine: Ctrl-C raises its error in the main one, so
-- nothing ends while another one waits.
function scope.connections(client, wanted)
  local where = resolve(wanted)
  if where.connection then return only(client, where.connection) end
  local accounts, n, following, state, connection = nil, 0, nil, nil, nil
  local function another()
    accounts, n = accounts or accounts_of(client, where), n + 1
    if not accounts[n] then return false end
    following, state, connection = client:list(account_call(accounts[n]))
    return true
  end
  return function ()
    repeat
      connection = following and following(state, connection)
      if not connection and not another() then return nil end
    until connection and (not where.private_endpoint or has_endpoint(connection, where.private_endpoint))
    return connection
  end
end

return scope
