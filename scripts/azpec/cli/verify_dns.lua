-- --verify-dns: checks after an approval that the account's name resolves to a private address on this machine. Without
-- a private DNS zone, clients of an approved connection still use the public address.

local doctor = require "azpec.doctor"
local ids = require "azpec.resource_id"

local verify_dns = {}

local longest = 10 -- seconds for one name

function verify_dns.option(command)
  return command:flag("--verify-dns", "then look whether the account's name resolves to a private address here; "
    .. "13 where it does not")
end

-- Returns the accounts of the changed and unchanged connections, each once.
local function accounts_of(context)
  local accounts, seen = {}, {}
  for _, id in ipairs(context.as_asked) do
    local account = ids.account_of(id)
    if not seen[account:lower()] then
      seen[account:lower()] = true
      accounts[#accounts + 1] = account
    end
  end
  return accounts
end

-- Resolves an account's name. Returns a text, and whether the address is private.
local function look(client, id)
  local account, err = client:get_account { id = id }
  if not account then return ("%s cannot be read: %s"):format(id, err.message), false end
  local result = doctor.judge_name(account, longest)
  local advice = result.next_step and "; " .. result.next_step or ""
  return result.found .. advice, result.verdict == "ok"
end

-- Returns the exit code after the check: the verb's own, unless that is 0 and an address is not private.
function verify_dns.after(context, code)
  if not context.args.verify_dns or context.args.dry_run then return code end
  local client, all_private = context.clients[1], true
  for _, id in ipairs(accounts_of(context)) do
    local text, is_private = look(client, id)
    context:say("azpec: DNS: %s", text)
    all_private = all_private and is_private
  end
  local is_success = code == 0 or code == context.codes.changes
  return is_success and not all_private and context.codes.not_private or code
end

return verify_dns
