-- The state of a connection, as a line of a journal has it. The service's texts are cut to the room that a result has.

local select = require "azpec.select"

local state = {}

state.longest_text, state.longest_word = 4096, 1024

-- Returns a text, cut; another value as it is.
function state.short(value, most)
  most = most or state.longest_text
  if type(value) ~= "string" or #value <= most then return value end
  return value:sub(1, (utf8.offset(value, 0, most + 1) or most + 1) - 1) .. " [cut off]"
end

-- Returns the state of a connection, or nil for any other value.
function state.of(connection)
  if type(connection) ~= "table" then return nil end
  local facts, short, longest_word = select.facts(connection), state.short, state.longest_word
  return { etag = short(facts.etag, longest_word), status = short(facts.status, longest_word),
    description = short(facts.description), provisioning_state = short(facts.provisioning_state, longest_word) }
end

-- Returns whether a connection is known to have another description than in an earlier state, or nil. A state without
-- provisioning_state is known only in part.
function state.has_other_text(before, connection)
  if not (before and before.provisioning_state) then return false end
  return (state.of(connection).description or "") ~= (before.description or "")
end

return state
