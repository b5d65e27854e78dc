-- azpec.scope -- iterates over the connections of an account, a resource group, or one or more subscriptions.
--
--   local scope = require "azpec.scope"
--   for connection in scope.connections(client, { resource_group_name = "rg-contoso-prod" }) do ... end
--
-- A scope is a table of: subscription_ids (a list; default: the client's own), resource_group_name, account_name, id
-- (of a subscription, resource group, account, connection or private endpoint; for the latter, its connections),
-- account_ids (a list: these accounts, in place of all that the other members mean),
-- timeout (seconds for each list; default: the client's). An error of the service is raised as its azpec.Error. Other
-- errors are tables with `kind` ("not_found", "usage", "protocol"), `message` and `hint`.
--
-- on_error(err, place) in the scope allows a partial listing. If one of several subscriptions or accounts cannot be
-- read, the function is called and the listing continues. place: { subscription_id, resource_group_name, account_name,
-- id }. The error is raised instead if there is no on_error, if the scope is a single place, or if sign-in failed,
-- because all places would fail alike.
--
-- all_subscriptions, candidates and source: as in azpec.fleet, which finds and reads the accounts. on_found(found,
-- none): called with the accounts found (azpec.fleet.Found), before connections are read. none: an error of the kind
-- "not_found" that says so if there is no account at all, else nil. It is not raised, since that may be so.

local failure = require "azpec.failure"
local fields = require "azpec.fields"
local fleet = require "azpec.fleet"
local ids = require "azpec.resource_id"
local nearest = require "azpec.nearest"
local select = require "azpec.select"

local scope = {}

local function fail(kind, message, hint)
  error(failure.new(kind, message, { hint = hint }), 0)
end

local function same(a, b)
  return a:lower() == b:lower()
end

-- ---- accounts ------------------------------------------------------------------------------------------------------

local function told(client, where)
  local parts = {}
  if where.resource_group_name then parts[#parts + 1] = "resource group '" .. where.resource_group_name .. "'" end
  local subscriptions = where.subscription_ids
  if where.all_subscriptions then
    parts[#parts + 1] = "all subscriptions"
  elseif subscriptions[1] then
    parts[#parts + 1] = (#subscriptions == 1 and "subscription " or "subscriptions ")
      .. table.concat(subscriptions, ", ")
  end
  local own = client:settings().subscription_id
  return #parts == 0 and (own and "subscription " .. own or "the subscription") or table.concat(parts, " of ")
end

-- Returns the accounts that a misspelt group and name may mean: first those with that name in another group, then
-- those with a similar name in that group; else those with a similar name in a similar group. The account itself,
-- which exists but cannot be read, is not one of them.
local function near(place, accounts)
  local meant, both, limit = {}, {}, nearest.limit(place.account_name)
  for _, found in ipairs(accounts) do
    local off = nearest.distance(place.account_name, found.account_name, limit)
    local group_off = nearest.distance(place.resource_group_name, found.resource_group_name,
      nearest.limit(place.resource_group_name))
    local name = ("%s/%s"):format(found.resource_group_name, found.account_name)
    if off == 0 and group_off == 0 then return {} end
    if off == 0 then
      table.insert(meant, 1, name)
    elseif off <= limit and group_off < math.huge then
      table.insert(group_off == 0 and meant or both, name)
    end
  end
  return #meant > 0 and meant or both
end

-- Returns the resource groups with accounts that a misspelt name may mean.
local function near_groups(name, accounts)
  local groups, known = {}, {}
  for _, found in ipairs(accounts) do
    local group = found.resource_group_name
    if not known[group:lower()] then groups[#groups + 1], known[group:lower()] = group, true end
  end
  return nearest.of(name, groups)
end

-- Explains the error of a list of an account or a resource group that does not exist: the hint names those that were
-- probably meant. This costs one request, which lists the subscription's accounts.
local function explain(client, err, place, group)
  local is_group = type(err) == "table" and err.code == "ResourceGroupNotFound" and not place.account_name
  if not is_group and not (type(err) == "table" and err.is_gone) then return err end
  local ok, listed = pcall(fleet.find, client, { subscription_ids = { place.subscription_id } })
  local accounts = ok and listed.accounts or {}
  local found = is_group and near_groups(group, accounts) or not is_group and near(place, accounts) or {}
  if #found == 0 then return err end
  return failure.with(err, { hint = nearest.suggestion(found):gsub("mean ",
    is_group and "mean the resource group " or "mean the Batch account ", 1) })
end

-- The reason why an account that exists is not listed.
scope.only_readable = "the identity sees only accounts that it may read (Microsoft.Batch/batchAccounts/read)"

-- The advice for an account that is not among the listed ones.
local function advice(where)
  if where.account_name and where.account_name:find "[*?]" then
    return "an account is named whole, without wildcards; the names of connections may have them"
  end
  return scope.only_readable .. (where.all_subscriptions and ""
    or "; all_subscriptions looks in its other subscriptions")
end

-- Returns the accounts of a scope that names them fully, which needs no list; otherwise nil.
local function named(client, where)
  if where.accounts then return fleet.of(where.accounts, where.timeout) end
  local is_one = where.account_name and where.resource_group_name and #where.subscription_ids == 1
    and not where.all_subscriptions and not where.candidates
  if not is_one then return nil end
  local subscription = where.subscription_ids[1] or client:settings().subscription_id
  local id = subscription and ("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Batch/batchAccounts/%s"):format(
    subscription, where.resource_group_name, where.account_name)
  return fleet.of({ { kind = "account", id = id, account_name = where.account_name, subscription_id = subscription,
    resource_group_name = where.resource_group_name } }, where.timeout)
end

-- Raises an error if no account was found because a name is wrong or the identity may read nothing. An empty listing
-- would mean that nothing is pending. If there is no account at all, returns an error that says so.
local function check_names(client, where, found)
  if found.absent == "subscriptions" then
    fail("not_found", "the identity may read no subscription", "assign it a role, such as Reader, in the "
      .. "subscriptions; if it has one, the sign-in may be in another tenant")
  elseif found.absent == "resource_group" then
    fail("not_found", ("there is no resource group '%s' in all subscriptions%s"):format(where.resource_group_name,
      nearest.question(where.resource_group_name, found.groups or {}, true)),
      "the identity sees only resource groups that it may read")
  elseif where.account_name and (not where.candidates or found.absent) then
    fail("not_found", ("there is no Batch account '%s' in %s%s"):format(where.account_name,
      told(client, where), nearest.question(where.account_name, found.others, true)), advice(where))
  end
  return found.absent and failure.new("not_found", "no Batch account found in " .. told(client, where),
    { hint = advice(where) }) or nil
end

-- Returns the scope's accounts, and the error if none was found. Reports the places that cannot be listed.
local function find(client, where)
  local subscriptions = where.subscription_ids[1] and where.subscription_ids
  local found = named(client, where) or fleet.find(client, { subscription_ids = subscriptions,
    resource_group_name = where.resource_group_name, account_name = where.account_name, timeout = where.timeout,
    all_subscriptions = where.all_subscriptions, candidates = where.candidates, source = where.source })
  for _, missing in ipairs(found.errors) do
    if not where.on_error or found.subscription_count == 1 then
      error(where.resource_group_name and explain(client, missing.err, missing.place, where.resource_group_name)
        or missing.err, 0)
    end
    where.on_error(missing.err, missing.place)
  end
  found.errors = {}
  local none = #found.accounts == 0 and check_names(client, where, found) or nil
  if where.on_found then where.on_found(found, none) end
  return found, none
end

-- ---- the scope -----------------------------------------------------------------------------------------------------

local function differs(given, found)
  return given and not same(given, found)
end

local function not_in(given, what, name)
  fail("usage", ("'%s' is not in the %s '%s'"):format(given, what, name), "leave one of the two out")
end

local function check_subscription(where, found, given)
  local others = where.subscription_ids
  for _, one in ipairs(others) do
    if not one or same(one, found.subscription_id) then return end
  end
  not_in(given, "subscription", table.concat(others, "', '"))
end

-- The members of a scope that an id contains too.
local function narrow(where, found, given)
  check_subscription(where, found, given)
  for _, name in ipairs { "resource_group_name", "account_name" } do
    if found[name] and differs(where[name], found[name]) then
      not_in(given, name:match "^(.-)_name$":gsub("_", " "), where[name])
    end
    where[name] = where[name] or found[name]
  end
  where.subscription_ids, where.all_subscriptions = { found.subscription_id }, nil
end

-- Returns the accounts of ids.
local function accounts_of(account_ids)
  local accounts = {}
  for n, id in ipairs(account_ids) do
    accounts[n] = ids.parse(id)
    if not accounts[n] or accounts[n].kind ~= "account" then
      fail("usage", ("'%s' is not the id of a Batch account"):format(id))
    end
  end
  return accounts
end

local known = { subscription_ids = "strings", resource_group_name = "string", account_name = "string", id = "string",
  account_ids = "strings", timeout = "number", all_subscriptions = "boolean", candidates = "candidates",
  source = "arm", on_found = "function", on_error = "function" }

-- Returns the scope with its id parsed into members.
local function resolve(wanted)
  fields.check(wanted, known, 3)
  local where = { resource_group_name = wanted.resource_group_name, account_name = wanted.account_name,
    subscription_ids = wanted.subscription_ids or {}, timeout = wanted.timeout, on_error = wanted.on_error,
    all_subscriptions = wanted.all_subscriptions, candidates = wanted.candidates, source = wanted.source,
    on_found = wanted.on_found, accounts = wanted.account_ids and accounts_of(wanted.account_ids) }
  if #where.subscription_ids == 0 then where.subscription_ids = { false } end -- false: the client's own
  if not wanted.id then return where end
  local found = ids.parse(wanted.id)
  if not found then
    fail("usage", ("'%s' is not the id of a subscription, resource group, Batch account, private endpoint "
      .. "connection or private endpoint"):format(wanted.id))
  elseif found.kind == "private_endpoint" then
    where.private_endpoint = found.id -- the endpoint may be in any subscription; its connection is in the scope
  else
    narrow(where, found, wanted.id)
    if found.kind == "connection" then where.connection = found.id end
  end
  return where
end

-- Raises an error if the id is outside of the scope.
function scope.check(wanted, id)
  narrow(resolve(wanted), ids.parse(id), id)
end

local function has_endpoint(connection, id)
  local endpoint = select.facts(connection).private_endpoint
  return endpoint ~= nil and same(endpoint, id)
end

-- Iterates over that one connection.
local function only(client, id, timeout)
  local is_over = false
  return function ()
    if is_over then return nil end
    is_over = true
    local connection, err = client:get { id = id, timeout = timeout }
    if not connection then error(err, 0) end
    if type(connection.id) ~= "string" or not same(connection.id, id) then
      fail("protocol", ("the service answered with '%s' for '%s'"):format(tostring(connection.id), id))
    end
    return connection
  end
end

-- Reports the error of one place of several; raises it otherwise.
local function check_error(client, where, found, err, place)
  if #found.accounts == 1 and place.kind == "account" then error(explain(client, err, place), 0) end
  if not where.on_error then error(err, 0) end
  where.on_error(err, place)
end

-- Iterates over the connections of a scope, for a generic `for`, with the account as second value. Raises errors as
-- described at the head.
function scope.connections(client, wanted)
  local where = resolve(wanted)
  if where.connection then return only(client, where.connection, where.timeout) end
  local found = find(client, where)
  local following, _, _, closing = fleet.connections(client, found)
  return function ()
    while true do
      local account, connection, err = following()
      if err then
        check_error(client, where, found, err, account)
      elseif not account or not where.private_endpoint or has_endpoint(connection, where.private_endpoint) then
        return connection, account
      end
    end
  end, nil, nil, closing
end

-- Returns a resolved scope. Raises an error if it is not one of accounts.
local function of_accounts(where)
  if where.connection or where.private_endpoint then
    fail("usage", "the id of an account, a resource group or a subscription expected")
  end
  return where
end

-- Returns the accounts of a scope (azpec.fleet.Found). If no account was found, it also returns an error, which is not
-- raised. Reads no connection. Raises errors as described at the head.
function scope.find(client, wanted)
  return find(client, of_accounts(resolve(wanted)))
end

-- Iterates over the accounts of a scope, for a generic `for`: account and the list of its connections; or a place, nil
-- and the error that on_error has received.
function scope.accounts(client, wanted)
  local where = of_accounts(resolve(wanted))
  local missing, on_error = {}, where.on_error
  where.on_error = on_error and function (err, place)
    missing[#missing + 1] = { place, err }
    on_error(err, place)
  end
  local found = find(client, where)
  local following, _, _, closing = fleet.accounts(client, found)
  return function ()
    local account, connections, err
    if #missing == 0 then account, connections, err = following() end
    if err then check_error(client, where, found, err, account) end
    if #missing > 0 then
      local one = table.remove(missing, 1)
      return one[1], nil, one[2]
    end
    return account, connections
  end, nil, nil, closing
end

return scope
