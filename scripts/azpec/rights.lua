-- azpec.rights -- what an identity may do, by the role permissions that client:list_permissions tells of.
--
--   local missing = rights.missing(permissions)       -- a list of { action, purpose, essential }; empty: all is there
--
-- A permission grants an action that one of its actions covers and none of its notActions does; permissions add up, so
-- what one of them leaves out another may grant ("Understand Azure role definitions"). Deny assignments are not told.

local glob = require "azpec.glob"

local rights = {}

local account = "Microsoft.Batch/batchAccounts/"
local connections = account .. "privateEndpointConnections/"

-- What azpec does, and the action that it takes; `or_else` does as well. Without the essential ones nothing can be
-- approved. An operation is followed at a URL of either collection: the service chooses.
rights.needed = {
  { action = connections .. "read", purpose = "to list and look at connections", essential = true },
  { action = connections .. "write", purpose = "to approve and reject", essential = true },
  { action = account .. "privateEndpointConnectionResults/read", purpose = "to follow what was begun",
    or_else = account .. "privateEndpointConnectionProxyResults/read", essential = true },
  { action = connections .. "delete", purpose = "to delete connections" },
  { action = account .. "read", purpose = "to find accounts, and to look at one" },
}

local function covers(patterns, action)
  for _, pattern in ipairs(patterns or {}) do
    -- Nothing but "*" is special there; in a glob two more characters are.
    if glob.compile(pattern:gsub("[?\\]", "\\%0"), true)(action) then return true end
  end
  return false
end

-- Whether a list of permissions, as Azure's Permissions - List For Resource has them, allows an action.
function rights.allows(permissions, action)
  for _, permission in ipairs(permissions) do
    if covers(permission.actions, action) and not covers(permission.notActions, action) then return true end
  end
  return false
end

-- Those of rights.needed that are not granted.
function rights.missing(permissions)
  local missing = {}
  for _, need in ipairs(rights.needed) do
    local granted = rights.allows(permissions, need.action)
      or need.or_else and rights.allows(permissions, need.or_else)
    if not granted then missing[#missing + 1] = need end
  end
  return missing
end

return rights
