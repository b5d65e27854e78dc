-- Makes rows of output from connections: the facts of azpec.select, and the connection as the service sent it.

local date = require "azpec.date"
local duration = require "azpec.duration"
local json = require "azpec.json"
local select = require "azpec.select"

local rows = {}

-- ---- ages ----------------------------------------------------------------------------------------------------------

-- Returns the age of a timestamp, such as "3d"; or nil.
function rows.age_of(stamp, now)
  local time = stamp and date.parse(stamp)
  return time and duration.text(math.max(0, now - time)) or nil
end

-- Returns a function that returns the age of a row's timestamp, as a number that is only to be compared.
function rows.age_order(member)
  return function (row)
    local time = row[member] and date.parse(row[member])
    return time and -time
  end
end

-- ---- connections ---------------------------------------------------------------------------------------------------

-- The place of an account, shown where accounts of one name are in a table.
rows.resource_group = { "RESOURCE GROUP", "resource_group_name", extra = true, apart = { "account_name" },
  leaves = 0 }
rows.subscription = { "SUBSCRIPTION", "subscription_id", extra = true,
  apart = { "account_name", "resource_group_name" }, leaves = 0 }

rows.columns = {
  { "ACCOUNT", "account_name", leaves = 1 }, rows.resource_group, rows.subscription,
  { "NAME", "name", least = 20 },
  { "STATUS", "status", whole = true },
  { "PROVISIONING", "provisioning_state", leaves = 4 },
  { "PRIVATE ENDPOINT", "private_endpoint_name", optional = true, leaves = 3 },
  { "DESCRIPTION", "description", optional = true, leaves = 2 },
  { "ID", "id", for_programs = true },
  { "BASE NAME", "base_name", extra = true }, { "CREATED", "created_at", extra = true },
  { "CREATED BY", "created_by", extra = true },
  { "AGE", "age", extra = true, order = rows.age_order "created_at" },
  { "ETAG", "etag", extra = true }, { "GROUP IDS", "group_ids", extra = true },
  { "PRIVATE ENDPOINT ID", "private_endpoint", extra = true },
  { "PRIVATE ENDPOINT GROUP", "private_endpoint_resource_group", extra = true },
  { "PRIVATE ENDPOINT SUBSCRIPTION", "private_endpoint_subscription", extra = true },
}

-- The columns of connections, by member.
local known = {}
for _, column in ipairs(rows.columns) do known[column[2]] = column end

-- Returns the columns, and one for each of these members that they lack, which is shown only if chosen. So --columns
-- and --sort take each member of a row but objects. members (default: those of a connection): names, with spaces
-- between.
function rows.with(columns, members)
  local list, has = table.move(columns, 1, #columns, 1, {}), {}
  for _, column in ipairs(columns) do has[column[2]] = true end
  local function add(member)
    if has[member] then return end
    local column = known[member] or {}
    list[#list + 1] = { column[1] or member:upper():gsub("_", " "), member, extra = true, order = column.order }
  end
  for _, column in ipairs(members and {} or rows.columns) do add(column[2]) end
  for member in (members or ""):gmatch "%S+" do add(member) end
  return list
end

-- Marks lists as JSON arrays, so that an empty one stays an array.
local function as_sent(connection)
  local copy, properties = {}, {}
  for name, value in pairs(connection) do copy[name] = value end
  local given = connection.properties
  for name, value in pairs(type(given) == "table" and given or {}) do properties[name] = value end
  if type(properties.groupIds) == "table" then properties.groupIds = json.list(properties.groupIds) end
  copy.properties = properties
  return copy
end

-- context (or nil): for the age, which is that of now.
function rows.of(connection, context)
  local row = select.facts(connection)
  row.age = context and row.created_at and rows.age_of(row.created_at, context:now())
  row.group_ids = json.list(row.group_ids)
  row.connection = as_sent(connection)
  return row
end

-- Returns the name of a row of which only the id is known.
function rows.of_id(id)
  return select.facts { id = id }
end

-- ---- counts --------------------------------------------------------------------------------------------------------

local members = { Pending = "pending", Approved = "approved", Rejected = "rejected", Disconnected = "disconnected" }

-- Returns counts of no connection: in all, and by status.
function rows.new_counts()
  local counts = { connections = 0, other = 0 }
  for _, member in pairs(members) do counts[member] = 0 end
  return counts
end

-- Counts a connection of that status. Returns the member that counts it.
function rows.count(counts, status)
  local member = members[status] or "other"
  counts.connections, counts[member] = counts.connections + 1, counts[member] + 1
  return member
end

return rows
