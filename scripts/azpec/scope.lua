-- azpec.scope -- where to look: the connections of one account, of many, of a resource group, of subscriptions.
--
--   local scope = require "azpec.scope"
--   for connection in scope.connections(client, { resource_group_name = "rg-contoso-prod" }) do ... end
--
-- A scope is a table of: subscription_ids (a list; default: the client's own), resource_group_name, account_name, id
-- (of a subscription, a resource group, an account, a connection, or a private endpoint, whose connections are looked
-- for), timeout (seconds for each list; default: the client's). What a service refuses is raised as its azpec.Error,
-- what cannot be found or understood as a table with `kind` ("not_found", "usage", "protocol"), `message` and `hint`.
--
-- An item of a list becomes what is written, so its id has to lie where the list was asked for: an answer for another
-- account, by a fault or a proxy's cache, is an error of the kind "protocol".

local ids = require "azpec.ids"
local select = require "azpec.select"

local scope = {}

local complaint = { __name = "azpec.scope_error" }

function complaint:__tostring()
  return self.hint and self.message .. "; " .. self.hint or self.message
end

local function fail(kind, message, hint)
  error(setmetatable({ kind = kind, message = message, hint = hint }, complaint), 0)
end

-- ---- what a list may hold ------------------------------------------------------------------------------------------

local function same(a, b)
  return a:lower() == b:lower()
end

local place_fields = { "subscription_id", "resource_group_name", "account_name" }

-- What the id of a listed item names. Raises an id that is not of that kind ("account", "connection"), or does not lie
-- in the place that the list was asked for.
local function listed_in(place, item, kind)
  local id = item.id
  if type(id) ~= "string" then fail("protocol", ("the service listed %s without an id"):format(
    kind == "account" and "an account" or "a connection")) end
  local found = ids.parse(id)
  if not found or found.kind ~= kind then
    fail("protocol", ("the service listed '%s', which is not the id of %s"):format(id,
      kind == "account" and "a Batch account" or "a private endpoint connection"))
  end
  for _, part in ipairs(place_fields) do
    if place[part] and not same(place[part], found[part]) then
      fail("protocol", ("the service listed '%s', which is not in the %s '%s' that was asked for"):format(id,
        part:gsub("_id$", ""):gsub("_name$", ""):gsub("_", " "), place[part]))
    end
  end
  return found
end

-- ---- several lists -------------------------------------------------------------------------------------------------

-- So many lists are under way beside each other.
local most_at_once = 16

-- A list of the client's is begun with the call that makes it: its first page is asked for, and comes, while another
-- one is waited for.
local function begun(...)
  local following, state, item, closing = ...
  return { next = following, state = state, item = item, closing = closing }
end

-- The items of begin(place) for each of the places, and the place, in their order, for a generic `for`; what comes next
-- is under way already. Not by coroutines: Ctrl-C raises its error in the main one, so nothing ends while another one
-- waits.
local function in_turn(begin, places)
  local lists, at, last = {}, 1, 0
  local function begin_more()
    while last < math.min(#places, at + most_at_once - 1) do
      lists[last + 1] = begun(begin(places[last + 1]))
      last = last + 1
    end
  end
  local function following()
    while at <= #places do
      begin_more()
      local list = lists[at]
      list.item = list.next(list.state, list.item)
      if list.item then return list.item, places[at] end
      lists[at], at = nil, at + 1
    end
  end
  return following, nil, nil, setmetatable({}, { __close = function ()
    for n = at, last do
      local list <close> = lists[n].closing -- luacheck: ignore
    end
  end })
end

-- ---- accounts ------------------------------------------------------------------------------------------------------

-- The client's own subscription.
local function own_subscription(client)
  return client:settings().subscription_id
end

-- The accounts that the service lists.
local function listed(client, where)
  local accounts = {}
  local function begin(subscription_id)
    return client:list_accounts { subscription_id = subscription_id or nil,
      resource_group_name = where.resource_group_name, timeout = where.timeout }
  end
  for account, subscription_id in in_turn(begin, where.subscription_ids) do
    local found = listed_in({ subscription_id = subscription_id or own_subscription(client),
      resource_group_name = where.resource_group_name }, account, "account")
    if not where.account_name or same(found.account_name, where.account_name) then
      accounts[#accounts + 1] = found
    end
  end
  return accounts
end

local function told(where)
  local parts = {}
  if where.resource_group_name then parts[#parts + 1] = "resource group '" .. where.resource_group_name .. "'" end
  local subscriptions = where.subscription_ids
  if subscriptions[1] then
    parts[#parts + 1] = (#subscriptions == 1 and "subscription " or "subscriptions ")
      .. table.concat(subscriptions, ", ")
  end
  return #parts == 0 and "the subscription" or table.concat(parts, " of ")
end

-- Those meant; one that is wholly named needs no list.
local function accounts_of(client, where)
  if where.account_name and where.resource_group_name and #where.subscription_ids == 1 then
    return { { subscription_id = where.subscription_ids[1] or own_subscription(client),
      resource_group_name = where.resource_group_name, account_name = where.account_name } }
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

-- What the scope says of where its connections are, and an id says as well.
local function narrow(where, found, given)
  check_subscription(where, found, given)
  for _, name in ipairs { "resource_group_name", "account_name" } do
    if found[name] and differs(where[name], found[name]) then
      not_in(given, name:match "^(.-)_name$":gsub("_", " "), where[name])
    end
    where[name] = where[name] or found[name]
  end
  where.subscription_ids = { found.subscription_id }
end

-- The scope as it is walked: an id is taken apart.
local function resolve(wanted)
  local where = { resource_group_name = wanted.resource_group_name, account_name = wanted.account_name,
    subscription_ids = wanted.subscription_ids or {}, timeout = wanted.timeout }
  if #where.subscription_ids == 0 then where.subscription_ids = { false } end -- false: the client's own
  if not wanted.id then return where end
  local found = ids.parse(wanted.id)
  if not found then
    fail("usage", ("'%s' is not the id of a subscription, resource group, Batch account, private endpoint "
      .. "connection or private endpoint"):format(wanted.id))
  elseif found.kind == "private_endpoint" then
    where.private_endpoint = found.id -- it may be in any subscription; its connection is in the scope
  else
    narrow(where, found, wanted.id)
    if found.kind == "connection" then where.connection = found.id end
  end
  return where
end

-- Raises where the id of a connection, or of what it is in, is outside of the scope.
function scope.check(wanted, id)
  narrow(resolve(wanted), ids.parse(id), id)
end

local function has_endpoint(connection, id)
  local endpoint = select.facts(connection).private_endpoint
  return endpoint ~= nil and same(endpoint, id)
end

local function account_call(account, where)
  return { subscription_id = account.subscription_id, resource_group_name = account.resource_group_name,
    account_name = account.account_name, timeout = where.timeout }
end

-- That one connection, for a generic `for`.
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

-- The connections of a scope, for a generic `for`.
function scope.connections(client, wanted)
  local where = resolve(wanted)
  if where.connection then return only(client, where.connection, where.timeout) end
  local following, _, _, closing = in_turn(function (account) return client:list(account_call(account, where)) end,
    accounts_of(client, where))
  return function ()
    local connection, account
    repeat
      connection, account = following()
      if connection then listed_in(account, connection, "connection") end
    until not connection or not where.private_endpoint or has_endpoint(connection, where.private_endpoint)
    return connection
  end, nil, nil, closing
end

return scope
