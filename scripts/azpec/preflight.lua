-- azpec.preflight -- checks the rights for many writes before the first one, with one request for each account.
--
--   local refused = preflight.check(client, connection_ids, "write")
--   local err = refused(connection_id)       -- nil: no right is known to be missing
--
-- An account whose permissions cannot be read is not refused: reading permissions is a right of its own.

local failure = require "azpec.failure"
local fleet = require "azpec.fleet"
local ids = require "azpec.resource_id"
local rights = require "azpec.rights"

local preflight = {}

local connections = "Microsoft.Batch/batchAccounts/privateEndpointConnections/"

local function refusal(account, action)
  local message = ("%s at %s/%s is not granted; nothing was sent there"):format(action, account.resource_group_name,
    account.account_name)
  return failure.new("forbidden", message, { id = account.id, hint = ("ask for a role with %s at %s"):format(action,
    account.id) })
end

-- Reads the permissions. what: "write" or "delete". options: timeout, seconds for each account; on_unknown(account_id,
-- err), called for an account whose permissions cannot be read. Returns a function of a connection's id.
function preflight.check(client, connection_ids, what, options)
  options = options or {}
  local accounts, refused, action = {}, {}, connections .. what
  for _, id in ipairs(ids.accounts_of(connection_ids)) do accounts[#accounts + 1] = ids.parse(id) end
  for account, permissions, err in fleet.permissions(client, fleet.of(accounts, options.timeout)) do
    if not permissions then
      if options.on_unknown then options.on_unknown(account.id, err) end
    elseif not rights.allows(permissions, action) then
      refused[account.id:lower()] = refusal(account, action)
    end
  end
  return function (connection_id)
    return refused[(ids.account_of(connection_id) or ""):lower()]
  end
end

return preflight
