-- azpec.preflight -- checks the rights for many writes before the first one, with one request for each account.
--
--   local refused = preflight.check(client, connection_ids, "write")
--   local err = refused(connection_id)       -- nil: no right is known to be missing
--
-- An account whose permissions cannot be read is not refused: reading permissions is a right of its own.

local failure = require "azpec.failure"
local ids = require "azpec.resource_id"
local rights = require "azpec.rights"

local preflight = {}

local most_at_once = 16

local connections = "Microsoft.Batch/batchAccounts/privateEndpointConnections/"

-- Returns all items of a list, or nil and the error that ended it.
local function all_of(following, poller)
  local items = {}
  local ok, err = pcall(function ()
    for item in following, poller do items[#items + 1] = item end
  end)
  if ok then return items end
  if type(err) == "string" then error(err, 0) end -- Ctrl-C
  return nil, err
end

local function refusal(account, action)
  local place = ids.parse(account) or {}
  local message = ("%s at %s/%s is not granted; nothing was sent there"):format(action,
    place.resource_group_name or "", place.account_name or account)
  return failure.new("forbidden", message, { id = account, hint = ("ask for a role with %s at %s"):format(action,
    account) })
end

-- Reads the permissions. what: "write" or "delete". options: timeout, seconds for each account; on_unknown(account,
-- err), called for an account whose permissions cannot be read. Returns a function of a connection's id.
function preflight.check(client, connection_ids, what, options)
  options = options or {}
  local accounts, begun, refused, action = ids.accounts_of(connection_ids), {}, {}, connections .. what
  for n, account in ipairs(accounts) do
    for ahead = #begun + 1, math.min(#accounts, n + most_at_once - 1) do
      begun[ahead] = table.pack(client:list_permissions { id = accounts[ahead], timeout = options.timeout })
    end
    local permissions, err = all_of(begun[n][1], begun[n][2])
    begun[n] = true
    if not permissions then
      if options.on_unknown then options.on_unknown(account, err) end
    elseif not rights.allows(permissions, action) then
      refused[account:lower()] = refusal(account, action)
    end
  end
  return function (connection_id)
    return refused[(ids.account_of(connection_id) or ""):lower()]
  end
end

return preflight
