-- A connection as a row of output: what azpec.select knows of it, and the whole of it as the service sent it.

local json = require "azpec.json"
local select = require "azpec.select"

local rows = {}

rows.columns = {
  { "ACCOUNT", "account_name" },
  { "NAME", "name" },
  { "STATUS", "status" },
  { "PROVISIONING", "provisioning_state" },
  { "PRIVATE ENDPOINT", "private_endpoint_name", optional = true },
  { "DESCRIPTION", "description", optional = true },
  { "ID", "id", for_programs = true },
}

-- With what is known as a list marked as one, so that an empty one stays one.
local function as_sent(connection)
  local copy, properties = {}, {}
  for name, value in pairs(connection) do copy[name] = value end
  local given = connection.properties
  for name, value in pairs(type(given) == "table" and given or {}) do properties[name] = value end
  if type(properties.groupIds) == "table" then properties.groupIds = json.list(properties.groupIds) end
  copy.properties = properties
  return copy
end

function rows.of(connection)
  local row = select.facts(connection)
  row.group_ids = json.list(row.group_ids)
  row.connection = as_sent(connection)
  return row
end

-- The name that a row has where only an id is known.
function rows.of_id(id)
  return select.facts { id = id }
end

return rows
