-- azpec.api_versions -- the api-versions of Microsoft.Batch that have private endpoint connections, and the one since
-- which each part exists. The emulator answers by this table and completion offers its versions; the types agree.
--
-- Source: the REST descriptions of Microsoft.Batch (Azure/azure-rest-api-specs, specification/batch), one for each
-- api-version, and the provider's registration as Microsoft.Batch lists it.

local fields = require "azpec.fields"

local api_versions = {}

-- All, the oldest first.
api_versions.list = { "2020-05-01", "2020-09-01", "2021-01-01", "2021-06-01", "2022-01-01", "2022-06-01", "2022-10-01",
  "2023-05-01", "2023-11-01", "2024-02-01", "2024-07-01", "2025-06-01", "2026-08-01" }

-- The version of the REST sample, which azpec and the emulator take where none is named.
api_versions.default = "2022-06-01"

-- The first version that describes an operation (by the method) or a member of a connection.
api_versions.since = {
  GET = "2020-05-01", PATCH = "2020-05-01", DELETE = "2022-06-01",
  groupIds = "2022-06-01", actionRequired = "2020-05-01", actionsRequired = "2022-10-01", tags = "2024-07-01",
  systemData = "2025-06-01",
}

local known = {}
for _, version in ipairs(api_versions.list) do known[version] = true end

-- Returns whether Microsoft.Batch has this api-version, and private endpoint connections in it.
function api_versions.is_known(version)
  fields.check_argument(version, "string", "bad argument #1 to 'is_known'")
  return known[version] == true
end

-- Returns whether an api-version describes that operation or member. A preview's version has words behind the date.
function api_versions.has(version, part)
  fields.check_argument(version, "string", "bad argument #1 to 'has'")
  fields.check_argument(part, "string", "bad argument #2 to 'has'")
  return version:sub(1, 10) >= api_versions.since[part]
end

-- Returns the api-versions that describe that operation or member, the newest first.
function api_versions.with(part)
  fields.check_argument(part, "string", "bad argument #1 to 'with'")
  local found = {}
  for _, version in ipairs(api_versions.list) do
    if api_versions.has(version, part) then table.insert(found, 1, version) end
  end
  return found
end

return api_versions
