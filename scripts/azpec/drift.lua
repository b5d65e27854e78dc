-- azpec.drift -- approved connections that a file of rules would not approve today.
--
--   local drift, rules = require "azpec.drift", require "azpec.rules"
--   local set = assert(rules.read "rules.lua")
--   for account, finding, err in drift.find(client, set, { all_subscriptions = true }) do
--     print(account.id, err or finding.connection.name .. ": " .. finding.reason)
--   end
--
-- The rules are applied as if the connection were pending today, since a rule that does not use `status` is about
-- pending requests alone. A rule about approved connections decides before them: `approve` keeps the connection,
-- `reject` makes it a finding.

local fields = require "azpec.fields"
local fleet = require "azpec.fleet"
local select = require "azpec.select"

local drift = {}

-- Returns a copy of the connection, which has not been decided on.
local function as_request(connection)
  local copy, properties, state = {}, {}, {}
  for name, value in pairs(connection) do copy[name] = value end
  for name, value in pairs(connection.properties or {}) do properties[name] = value end
  for name, value in pairs(properties.privateLinkServiceConnectionState or {}) do state[name] = value end
  state.status = "Pending"
  copy.properties, properties.privateLinkServiceConnectionState = properties, state
  return copy
end

-- Returns the finding on a connection: { connection, action = "reject" | "hold" | "ignore", rule, reason, failed,
-- unmatched }. nil: it is not approved, or the rules would approve it. options: as for azpec.rules' decide.
function drift.of(set, connection, options)
  fields.check_argument(set, "table", "bad argument #1 to 'of'")
  fields.check_argument(connection, "table", "bad argument #2 to 'of'")
  if select.facts(connection).status ~= "Approved" then return nil end
  local decision = set:decide(connection, options)
  if decision.action == "approve" then return nil end
  if decision.action ~= "reject" then decision = set:decide(as_request(connection), options) end
  if decision.action == "approve" then return nil end
  return { connection = connection, action = decision.action, rule = decision.rule, reason = decision.reason,
    failed = decision.failed, unmatched = decision.unmatched }
end

-- Iterates over the findings in the accounts of `where` (azpec.fleet), for a generic `for`: account and finding, or a
-- place and err as a third value.
function drift.find(client, set, where, options)
  local following, _, _, closing = fleet.connections(client, where)
  return function ()
    while true do
      local place, connection, err = following()
      local finding = connection and drift.of(set, connection, options)
      if not place or finding or err then return place, finding, err end
    end
  end, nil, nil, closing
end

return drift
