-- azpec.transitions -- forecasts the result of a change, for dry runs, plans and rules.
--
--   local transitions = require "azpec.transitions"
--   local result, reason = transitions.forecast(connection, "Approved")
--   for _, action in ipairs(transitions.possible(connection)) do print(action) end   -- "approve", "reject", "delete"
--
-- The result is "unchanged" (the connection is already as wanted), "allowed", "impossible" or "in progress" (another
-- change must end first). The reason is nil or a sentence. The rules are the C module's: require "azpec".transitions.

local fields = require "azpec.fields"
local azpec = require "azpec"
local select = require "azpec.select"

local transitions = {}

local in_progress = { Creating = true, Updating = true, Deleting = true }

-- Returns whether another change of the connection is under way, by its facts (azpec.select.facts); if so, a sentence.
function transitions.is_in_progress(facts)
  fields.check_argument(facts, "table", "bad argument #1 to 'is_in_progress'")
  local state = facts.provisioning_state
  if not in_progress[state] then return false end
  return true, ("it is %s; look again when that has ended"):format(state)
end

-- Forecasts the change to `wanted`, a status or "Deleted". facts: of azpec.select.facts.
function transitions.of(facts, wanted)
  fields.check_argument(facts, "table", "bad argument #1 to 'of'")
  fields.check_argument(wanted, "string", "bad argument #2 to 'of'")
  local status = facts.status
  local rule = (azpec.transitions[status] or {})[wanted]
  if status == wanted then return "unchanged" end
  if rule and rule.result == "impossible" then
    return "impossible", ("it is %s, which is final; %s"):format(status, rule.way_out)
  end
  local is_in_progress, why = transitions.is_in_progress(facts)
  -- A deletion is sent at once. If the service refuses it until the other change has ended, it is sent again then.
  return is_in_progress and wanted ~= "Deleted" and "in progress" or "allowed", why
end

-- The same for a connection in the service's form.
function transitions.forecast(connection, wanted)
  fields.check_argument(connection, "table", "bad argument #1 to 'forecast'")
  fields.check_argument(wanted, "string", "bad argument #2 to 'forecast'")
  return transitions.of(select.facts(connection), wanted)
end

local actions = { { "approve", "Approved" }, { "reject", "Rejected" }, { "delete", "Deleted" } }

-- Returns the possible actions on a connection: "approve", "reject", "delete", in that order.
function transitions.possible(connection)
  fields.check_argument(connection, "table", "bad argument #1 to 'possible'")
  local facts, possible = select.facts(connection), {}
  for _, action in ipairs(actions) do
    if transitions.of(facts, action[2]) == "allowed" then possible[#possible + 1] = action[1] end
  end
  return possible
end

return transitions
