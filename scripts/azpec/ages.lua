-- azpec.ages -- the age of a connection, and the api-versions that return it.

local api_versions = require "azpec.api_versions"
local date = require "azpec.date"

local ages = {}

-- The first api-version of Batch whose connections have systemData with createdAt.
ages.since = api_versions.since.systemData

-- Returns whether connections that were read with that api-version have an age. Versions are dates.
function ages.are_told(api_version)
  return api_versions.has(api_version, "systemData")
end

-- Returns the seconds since a connection was created, from the facts of azpec.select; nil if they have no date. A date
-- in the future gives 0.
function ages.of(facts, now)
  local created = facts.created_at and date.parse(facts.created_at)
  return created and math.max(0, now - created)
end

return ages
