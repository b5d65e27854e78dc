-- azpec.fleet -- iterates over the Batch accounts of one or more subscriptions, and their connections. An account or a
-- subscription that cannot be read is a value of the iterator, and the iteration continues.
--
--   local fleet = require "azpec.fleet"
--   for account, connection, err in fleet.connections(client, { all_subscriptions = true }) do
--     print(account.id, err or connection.name)
--   end
--   for account, connections, err in fleet.accounts(client, { subscription_ids = { "3f1c2a54-..." } }) do
--     print(account.id, err or #connections)                       -- each account once
--   end
--   local found = fleet.find(client, where)                        -- reads no connection; see below
--
-- Where to look is a table of:
--   subscription_ids     list; default: the client's own
--   all_subscriptions    true: all that the identity may read in its tenant
--   resource_group_name  of one group
--   account_name         of one account
--   candidates           { status =, matches = function (connection) }: only accounts in which Azure Resource Graph
--                        shows a connection of that status (nil: any) for which the function (nil: any) returns true.
--                        Graph lags behind, and its copies have no ETag and no age
--   source               "arm": Azure Resource Manager lists the accounts, though Graph could
--   timeout              seconds for each list; default: the client's
--
-- Azure Resource Graph finds the accounts of all subscriptions, and the candidates, with one query for 1000 accounts.
-- If its answer is incomplete (not available, not allowed, truncated), or shows no account in all subscriptions, Azure
-- Resource Manager lists the subscriptions and their accounts, and every account is read. Connections are always read
-- from Azure Resource Manager. Graph usually
-- lags by less than a minute, sometimes by hours; an account or a request may be missing for that time.
--
-- An error is an azpec.Error, or a table of the same form (azpec.failure). is_gone = true in it: the account was
-- deleted. Graph lists it for a while. A 404 of the list alone does not prove that, only Azure Resource Manager's own
-- 404 of the account does. An error that all places share is raised: a failed sign-in, subscriptions that cannot be
-- listed, or the kind "canceled" if the client is closed during a wait. The first value is an account or, with err, a
-- subscription: { kind = "account" | "subscription", id, subscription_id, resource_group_name, account_name }.

local failure = require "azpec.failure"
local fields = require "azpec.fields"
local ids = require "azpec.resource_id"
local select = require "azpec.select"

local fleet = {}

local function same(a, b)
  return a:lower() == b:lower()
end

-- ---- what a list may hold ------------------------------------------------------------------------------------------

local place_fields = { "subscription_id", "resource_group_name", "account_name" }

-- Parses the id of a listed item. Returns nil and an error if the id is not of that kind ("account", "connection") or
-- does not lie in the listed place. A listed item may be written later, so an answer for another account, by a fault or
-- a proxy's cache, is refused.
local function listed_in(place, item, kind)
  local id = item.id
  if type(id) ~= "string" then
    return nil, failure.new("protocol", ("the service listed %s without an id"):format(ids.called[kind]))
  end
  local found = ids.parse(id)
  if not found or found.kind ~= kind then
    return nil, failure.new("protocol", ids.not_one(id, kind))
  end
  for _, part in ipairs(place_fields) do
    if place[part] and not same(place[part], found[part]) then
      return nil, failure.new("protocol", ("the service listed '%s', which is not in the %s '%s' that was asked for")
        :format(id, part:gsub("_id$", ""):gsub("_name$", ""):gsub("_", " "), place[part]))
    end
  end
  return found
end

-- ---- several lists -------------------------------------------------------------------------------------------------

-- The number of lists that are read at the same time.
fleet.at_once = 16

-- A list begins with the call that makes it: its first page is requested, and arrives while another list is read.
local function begun(...)
  local following, state, item, closing = ...
  return { next = following, state = state, item = item, closing = closing }
end

-- Returns `begin` for places that the service has listed. If the module refuses a name of such a place, the error is of
-- that place alone. A name that the caller has given is the caller's misuse.
local function of_listed(begin)
  return function (place)
    local list = table.pack(pcall(begin, place))
    if list[1] then return table.unpack(list, 2, list.n) end
    local field, why = tostring(list[2]):match "bad field '([%l_]+)' (%b())$"
    if not field then error(list[2], 0) end
    local err = failure.new("protocol", ("the service listed the %s with a bad %s %s"):format(place.kind,
      field:gsub("_", " "), why))
    return function () error(err, 0) end
  end
end

-- Kinds of errors that all places share: a failed sign-in, a client that was closed during the wait.
local shared = { credential = true, canceled = true }

-- Returns whether an error belongs to one place: not Ctrl-C, not a bug, not an error that all places share.
local function is_of_one_place(err)
  return type(err) == "table" and err.kind ~= nil and not shared[err.kind]
end

-- Iterates over the places in order: place and item for the items of begin(place); then place alone, or place, nil and
-- err if the list failed or check(place, item) returned err. The next lists are requested ahead. No coroutines: Ctrl-C
-- raises its error in the main one, and a list in another one would stay open.
local function in_turn(begin, places, check)
  local lists, at, last = {}, 1, 0
  local function begin_more()
    while last < math.min(#places, at + fleet.at_once - 1) do
      lists[last + 1] = begun(begin(places[last + 1]))
      last = last + 1
    end
  end
  local function finish(err)
    local place, closing <close> = places[at], lists[at].closing -- luacheck: ignore closing
    lists[at], at = nil, at + 1
    return place, nil, err
  end
  local function following()
    if at > #places then return nil end
    begin_more()
    local list = lists[at]
    local ok, item = pcall(list.next, list.state, list.item)
    if not ok and not is_of_one_place(item) then error(item, 0) end
    if not ok or item == nil then return finish(not ok and item or nil) end
    list.item = item
    local err = check(places[at], item)
    if err then return finish(err) end
    return places[at], item
  end
  return following, setmetatable({}, { __close = function ()
    for n = at, last do
      local list <close> = lists[n].closing -- luacheck: ignore
    end
  end })
end

-- ---- finding accounts ----------------------------------------------------------------------------------------------

local found_type = { __name = "azpec.fleet.found" }

local function is_wanted(where, account)
  return not where.resource_group_name or same(where.resource_group_name, account.resource_group_name)
end

local function add_account(found, where, account)
  if where.account_name and not same(where.account_name, account.account_name) then
    found.others[#found.others + 1] = account.account_name
  else
    found.accounts[#found.accounts + 1] = account
  end
end

local function subscription_place(id)
  return { kind = "subscription", id = "/subscriptions/" .. id, subscription_id = id }
end

-- A subscription in which Batch was never registered has no account.
local unregistered = { MissingSubscriptionRegistration = true, SubscriptionNotRegistered = true }

-- Lists the accounts of subscriptions by Azure Resource Manager; false means the client's own subscription. A list
-- without any subscription raises an error that names the option. Returns whether the named resource group may exist.
local function list_accounts(client, where, found, subscriptions, are_found)
  local own, places = client:settings().subscription_id, {}
  for n, id in ipairs(subscriptions) do
    places[n] = (id or own) and subscription_place(id or own) or {}
  end
  local function begin(place)
    return client:list_accounts { subscription_id = place.subscription_id,
      resource_group_name = where.resource_group_name, timeout = where.timeout }
  end
  local following, closing = in_turn(are_found and of_listed(begin) or begin, places, function (place, item)
    local account, err = listed_in({ subscription_id = place.subscription_id,
      resource_group_name = where.resource_group_name }, item, "account")
    if account then add_account(found, where, account) end
    return err
  end)
  local _ <close> = closing
  local may_exist = false
  for place, _, err in following do
    local has_no_group = err and where.resource_group_name and err.code == "ResourceGroupNotFound"
    local is_none = are_found and err and (unregistered[err.code] or has_no_group)
    may_exist = may_exist or not has_no_group
    if err and not is_none then found.errors[#found.errors + 1] = { place = place, err = err } end
  end
  return may_exist
end

-- Returns the ids of the subscriptions that the identity may read in its tenant. A deleted one is still listed for a
-- while. timeout: seconds, or nil. Raises an azpec.Error.
function fleet.subscriptions(client, timeout)
  fields.check_argument(client, "table or userdata", "bad argument #1 to 'subscriptions'")
  local list = {}
  for subscription in client:list_subscriptions { timeout = timeout } do
    if subscription.state ~= "Deleted" then list[#list + 1] = subscription.subscriptionId end
  end
  return list
end

local function find_by_lists(client, where, found)
  found.source, found.accounts, found.others = "arm", {}, {}
  local subscriptions = where.all_subscriptions and fleet.subscriptions(client, where.timeout)
    or where.subscription_ids or { false }
  found.subscription_count = #subscriptions
  local may_exist = list_accounts(client, where, found, subscriptions, where.all_subscriptions)
  if #found.accounts + #found.errors > 0 then return end
  found.absent = #subscriptions == 0 and "subscriptions" or not may_exist and "resource_group"
    or where.account_name and "account" or "accounts"
end

-- ---- by Azure Resource Graph ---------------------------------------------------------------------------------------

local most_subscriptions, most_rows, most_rows_with_connections = 1000, 1000, 200

-- A row contains the connections only if they are examined, because an answer is limited to 16 MiB ("Working with large
-- Azure resource data sets"). The status filters whole accounts. It may keep too many, because a description may
-- contain the same text.
local function query_of(candidates)
  local parts = { "resources", "where type =~ 'microsoft.batch/batchaccounts'" }
  if candidates and candidates.status then
    parts[#parts + 1] = ("where tostring(properties.privateEndpointConnections) contains '%s'"):format(
      candidates.status:gsub("[\\']", "\\%0"))
  end
  parts[#parts + 1] = candidates and "project id, connections = properties.privateEndpointConnections" or "project id"
  parts[#parts + 1] = "order by id asc"
  return table.concat(parts, " | ")
end

-- Returns whether a row of Graph has a matching connection. An account with an unexpected row is read.
local function is_candidate(candidates, row)
  if not candidates then return true end
  for _, connection in ipairs(type(row.connections) == "table" and row.connections or {}) do
    local facts = type(connection) == "table" and type(connection.id) == "string" and select.facts(connection)
    if not facts or not facts.status then return true end
    local has_status = not candidates.status or same(facts.status, candidates.status)
    if has_status and (not candidates.matches or candidates.matches(connection)) then return true end
  end
  return false
end

-- Returns lists of at most 1000 subscriptions; an empty list means all.
local function batches_of(client, where)
  if where.all_subscriptions then return { {} } end
  local batches = {}
  for n, id in ipairs(where.subscription_ids or { false }) do
    local batch = (n - 1) // most_subscriptions + 1
    batches[batch] = batches[batch] or {}
    table.insert(batches[batch], id or client:settings().subscription_id)
  end
  return batches
end

local function note_group(groups, name)
  if groups[name:lower()] then return end
  groups[#groups + 1], groups[name:lower()] = name, true
end

local function query(client, where, found)
  local candidates = where.candidates
  for _, batch in ipairs(batches_of(client, where)) do
    for row in client:query_resource_graph { query = query_of(candidates), timeout = where.timeout,
        subscription_ids = #batch > 0 and batch or nil,
        top = candidates and most_rows_with_connections or most_rows } do
      local account, err = listed_in({}, row, "account")
      if err then error(err, 0) end
      found.row_count = found.row_count + 1
      note_group(found.groups, account.resource_group_name)
      if is_wanted(where, account) and is_candidate(candidates, row) then add_account(found, where, account) end
    end
  end
end

-- Returns whether Graph's answer was complete. That there is no account at all is not taken from Graph.
local function find_by_graph(client, where, found)
  found.row_count, found.groups = 0, {}
  local ok, err = pcall(query, client, where, found)
  if ok then
    found.source = "graph"
  elseif not is_of_one_place(err) then
    error(err, 0)
  end
  found.graph_err = not ok and err or nil
  found.graph_is_empty = ok and found.row_count == 0 and not where.candidates or nil
  return ok and not found.graph_is_empty
end

-- Examines an answer of Graph in which nothing matches: a name may be wrong, or the identity may read nothing. If any
-- account is in the place, there are just no candidates in it. Otherwise Azure Resource Manager's lists decide.
local function examine_nothing(client, where, found)
  local checked = { accounts = {}, errors = {}, others = {} }
  local place = setmetatable({ candidates = false }, { __index = where })
  if where.candidates and find_by_graph(client, place, checked) and #checked.accounts > 0 then return end
  find_by_lists(client, place, checked)
  found.absent, found.others, found.groups = checked.absent, checked.others, checked.groups or found.groups
  found.errors, found.subscription_count = checked.errors, checked.subscription_count
end

local known = { subscription_ids = "strings", all_subscriptions = "boolean", resource_group_name = "string",
  account_name = "string", candidates = "candidates", source = "arm", timeout = "number" }

-- Finds the accounts. Returns { accounts = {...}, errors = { { place =, err = } }, source = "graph" | "arm", graph_err
-- =, graph_is_empty = (why it is "arm"), others = the names of other existing accounts, if account_name is given,
-- subscription_count = (of those that Azure Resource Manager was asked for), is_given = (the caller has named the
-- account), absent = (why no account was found) "subscriptions" (the identity may read none), "resource_group" or
-- "account" (none of that name) or "accounts" (none at all), groups = the names of other groups with accounts }. The
-- functions below accept it in place of `where`.
function fleet.find(client, where)
  fields.check_argument(client, "table or userdata", "bad argument #1 to 'find'")
  fields.check(where, known)
  local found = setmetatable({ accounts = {}, errors = {}, others = {}, timeout = where.timeout,
    is_given = where.account_name and true or nil }, found_type)
  local by_graph = where.source ~= "arm" and (where.all_subscriptions or where.candidates)
  if not (by_graph and find_by_graph(client, where, found)) then
    find_by_lists(client, where, found)
  elseif #found.accounts == 0 then
    examine_nothing(client, where, found)
  end
  return found
end

-- Returns the same form for given accounts.
function fleet.of(accounts, timeout)
  fields.check_argument(accounts, "tables", "bad argument #1 to 'of'")
  return setmetatable({ accounts = accounts, errors = {}, others = {}, source = "named", timeout = timeout,
    is_given = true }, found_type)
end

-- ---- reading -------------------------------------------------------------------------------------------------------

local exists = "the account exists; a proxy or a fault of the service has answered for its list; try again"

-- Returns the error of an account's list. After a 404 the account itself is read: only that tells whether it is gone.
-- An account of which a page has been read is not.
local function examined(client, account, err, timeout, has_items)
  if err.kind ~= "not_found" then return err end
  if has_items then return failure.with(err, { hint = exists }) end
  local found, why = client:get_account { subscription_id = account.subscription_id, timeout = timeout,
    resource_group_name = account.resource_group_name, account_name = account.account_name }
  if found then return failure.with(err, { hint = exists }) end
  if not is_of_one_place(why) then error(why, 0) end
  if failure.proves_absence(why) then return failure.with(failure.of_account(why), { is_gone = true }) end
  return failure.of_account(err)
end

local function found_in(client, where)
  return getmetatable(where) == found_type and where or fleet.find(client, where)
end

-- Like in_turn, for the found accounts, after the errors of the search. list(account, timeout): begins the list of an
-- account.
local function read(client, where, list, check)
  local found = found_in(client, where)
  local function begin(account) return list(account, found.timeout) end
  local following, closing = in_turn(found.is_given and begin or of_listed(begin), found.accounts, check)
  local n, begun_place = 0, nil
  return function ()
    n = n + 1
    local missing = found.errors[n]
    if missing then return missing.place, nil, missing.err end
    local place, item, err = following()
    if err then err = examined(client, place, err, found.timeout, begun_place == place) end
    begun_place = place
    return place, item, err
  end, closing
end

local function read_connections(client, where)
  return read(client, where, function (account, timeout)
    return client:list { subscription_id = account.subscription_id, account_name = account.account_name,
      resource_group_name = account.resource_group_name, timeout = timeout }
  end, function (account, connection)
    local _, err = listed_in(account, connection, "connection")
    return err
  end)
end

-- Iterates over account and connection, or a place and err as a third value. Connections are yielded page by page.
function fleet.connections(client, where)
  local following, closing = read_connections(client, where)
  return function ()
    local place, connection, err
    repeat
      place, connection, err = following()
    until not place or connection or err
    return place, connection, err
  end, nil, nil, closing
end

-- Iterates over each account and the list of its items, or a place and err as a third value.
local function each_list(following, closing)
  return function ()
    local list = {}
    while true do
      local place, item, err = following()
      if not place then return nil end
      if err then return place, nil, err end
      if not item then return place, list end
      list[#list + 1] = item
    end
  end, nil, nil, closing
end

-- Iterates over each account and the list of its connections, or a place and err as a third value.
function fleet.accounts(client, where)
  return each_list(read_connections(client, where))
end

-- Iterates over each account and the list of the permissions that the identity has there (azpec.rights), or a place and
-- err as a third value.
function fleet.permissions(client, where)
  return each_list(read(client, where, function (account, timeout)
    return client:list_permissions { id = account.id, timeout = timeout }
  end, function () end))
end

return fleet
