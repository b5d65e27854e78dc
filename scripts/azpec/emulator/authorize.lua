-- Role-based access control: what the permissions at an account allow, in the words of Azure Resource Manager.

local rights = require "azpec.rights"

local authorize = {}

local account_actions = "Microsoft.Batch/batchAccounts/"

local actions = {
  get = account_actions .. "privateEndpointConnections/read",
  list = account_actions .. "privateEndpointConnections/read",
  update = account_actions .. "privateEndpointConnections/write",
  delete = account_actions .. "privateEndpointConnections/delete",
  links = account_actions .. "privateLinkResources/read",
  link = account_actions .. "privateLinkResources/read",
  account = account_actions .. "read",
  permissions = "Microsoft.Authorization/permissions/read",
}

-- The action that a request takes; a poll that of the collection in its URL. nil: none at an account.
local function action_of(route)
  if route.kind == "poll" then return ("%s%s/read"):format(account_actions, route.pieces[#route.pieces - 1]) end
  return actions[route.kind]
end

-- Whether the permissions at an account allow an action.
function authorize.allows(account, action)
  local permissions = {}
  for n, permission in ipairs(account.permissions) do
    permissions[n] = { actions = permission.actions, notActions = permission.not_actions }
  end
  return rights.allows(permissions, action)
end

-- Whether the account may be seen in lists.
function authorize.shows(account)
  return authorize.allows(account, actions.account)
end

-- The message of the 403 that a request to an account deserves; nil: it is allowed.
function authorize.refusal(account, route, token)
  local action = action_of(route)
  if not action or authorize.allows(account, action) then return nil end
  return ("The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or "
    .. "the scope is invalid. If access was recently granted, please refresh your credentials."):format(token.principal,
    token.principal, action, account.id)
end

return authorize
