-- azpec.rights -- the actions that an identity lacks, by the role permissions that client:list_permissions returns.
--
--   local missing = rights.missing(permissions)       -- { action, purpose, essential } each; empty: all granted
--
-- A permission grants an action if one of its actions covers it and none of its notActions does. Permissions add up:
-- one may grant an action that another excludes ("Understand Azure role definitions"). Deny assignments are not
-- included.

local fields = require "azpec.fields"
local glob = require "azpec.glob"

local rights = {}

local account = "Microsoft.Batch/batchAccounts/"
local connections = account .. "privateEndpointConnections/"

-- The purposes of azpec and the action that each needs; `or_else` is an alternative. Approving needs the essential
-- ones. The service chooses which collection a polling URL belongs to.
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
    -- Only "*" is special in an action; a glob has two more special characters.
    if glob.compile(pattern:gsub("[?\\]", "\\%0"), true)(action) then return true end
  end
  return false
end

-- Returns whether a list of permissions, in the form of Azure's "Permissions - List For Resource", allows an action.
function rights.allows(permissions, action)
  fields.check_argument(permissions, "tables", "bad argument #1 to 'allows'")
  for _, permission in ipairs(permissions) do
    if covers(permission.actions, action) and not covers(permission.notActions, action) then return true end
  end
  return false
end

-- Returns the entries of rights.needed that are not granted.
function rights.missing(permissions)
  fields.check_argument(permissions, "tables", "bad argument #1 to 'missing'")
  local missing = {}
  for _, need in ipairs(rights.needed) do
    local granted = rights.allows(permissions, need.action)
      or need.or_else and rights.allows(permissions, need.or_else)
    if not granted then missing[#missing + 1] = need end
  end
  return missing
end

return rights
