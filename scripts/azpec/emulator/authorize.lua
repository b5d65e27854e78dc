-- Role-based access control: checks the permissions at an account, with Azure Resource Manager's messages.

local rights = require "azpec.rights"

local authorize = {}

local account_actions = "Microsoft.Batch/batchAccounts/"

local actions = {
  get = account_actions .. "privateEndpointConnections/read",
  list = account_actions .. "privateEndpointConnections/read",
  update = account_actions .. "privateEndpointConnections/write",
  replace = account_actions .. "privateEndpointConnections/write",
  delete = account_actions .. "privateEndpointConnections/delete",
  links = account_actions .. "privateLinkResources/read",
  link = account_actions .. "privateLinkResources/read",
  account = account_actions .. "read",
  permissions = "Microsoft.Authorization/permissions/read",
  acquire = "Microsoft.Authorization/acquirePolicyToken/action",
}

-- Returns the action that a request needs; for a poll, that of the collection in its URL. nil: not at an account.
local function action_of(route)
  if route.kind == "poll" then return ("%s%s/read"):format(account_actions, route.pieces[#route.pieces - 1]) end
  return actions[route.kind]
end

-- What is allowed by permissions, which never change: action -> boolean, by the list of permissions.
local decided = setmetatable({}, { __mode = "k" })

local function decide(permissions, action)
  local list = {}
  for n, permission in ipairs(permissions) do
    list[n] = { actions = permission.actions, notActions = permission.not_actions }
  end
  return rights.allows(list, action)
end

-- Returns whether the permissions at an account allow an action.
function authorize.allows(account, action)
  local permissions = account.permissions
  local known = decided[permissions] or {}
  decided[permissions] = known
  if known[action] == nil then known[action] = decide(permissions, action) end
  return known[action]
end

-- Returns whether the account appears in lists.
function authorize.shows(account)
  return authorize.allows(account, actions.account)
end

-- Returns the message of a 403 to a request, or nil if it is allowed.
function authorize.refusal(account, route, token)
  local action = action_of(route)
  if not action or authorize.allows(account, action) then return nil end
  return ("The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or "
    .. "the scope is invalid. If access was recently granted, please refresh your credentials."):format(token.principal,
    token.principal, action, account.id)
end

return authorize
