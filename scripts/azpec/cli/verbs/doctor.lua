-- azpec doctor: checks on one page everything that an approval needs, and says how to mend each fault.

local doctor = require "azpec.doctor"
local failure = require "azpec.cli.error"
local fleet = require "azpec.fleet"
local ids = require "azpec.resource_id"
local nearest = require "azpec.nearest"
local rows = require "azpec.cli.rows"
local scope = require "azpec.scope"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"
local wording = require "azpec.cli.wording"

local columns = rows.with({ { "CHECK", "check" }, { "VERDICT", "verdict" }, { "FOUND", "found" },
  { "NEXT STEP", "next_step" }, { "SECONDS", "seconds" } }, "kind")

local names = table.concat(doctor.checks, ", ")

-- Parses "a,b" as a list of checks.
local function read_checks(word)
  local known, list = {}, {}
  for _, name in ipairs(doctor.checks) do known[name] = true end
  for name in word:gmatch "[^,]+" do
    if not known[name] then
      return nil, ("there is no check '%s'; there are %s%s"):format(name, names, nearest.question(name, doctor.checks))
    end
    list[#list + 1] = name
  end
  if #list == 0 then return nil, "it names no check; there are " .. names end
  return list
end

-- Returns the default subscription of the program that people sign in by; nil: it has none; false: no sign-in, which is
-- a check of its own.
local function default_subscription(context)
  local client = context:client()
  if not client:identity { timeout = context.args.timeout } then return false end
  return client:settings().subscription_id
end

-- Returns the one account of that name, and of that group if one is given.
local function found_account(context, client)
  local args = context.args
  local accounts = fleet.find(client, { all_subscriptions = true, account_name = args.account,
    resource_group_name = args.resource_group, timeout = args.timeout }).accounts
  if #accounts == 1 then return accounts[1] end
  if #accounts == 0 then
    context:fail(failure.codes.not_found, ("there is no Batch account '%s' in all subscriptions"):format(args.account),
      scope.only_readable)
  end
  context:fail(failure.codes.ambiguous, ("%d accounts are called '%s'"):format(#accounts, args.account),
    "name one by --subscription and -g")
end

-- --all-subscriptions: sets subscription and group to those of the named account; without one, the subscription to the
-- first one with an account, else to the first that the identity may read. Sets nothing without a sign-in, which is a
-- check of its own.
local function search(context)
  local args, client = context.args, context:client()
  if not args.account and context:subscriptions()[1] then return end
  if not client:identity { timeout = args.timeout } then return end
  if args.account then
    local account = found_account(context, client)
    args.subscription, args.resource_group = { account.subscription_id }, account.resource_group_name
    return
  end
  local any = fleet.find(client, { all_subscriptions = true, timeout = args.timeout }).accounts[1]
  args.subscription = { any and any.subscription_id or fleet.subscriptions(client, args.timeout)[1] }
  if #args.subscription == 0 then
    context:fail(failure.codes.not_found, "the identity may read no subscription", "assign it a role, such as Reader")
  end
end

-- Ends the verb for a name that the module refuses, before any check. Without time it sends nothing.
local function check_names(context, place)
  local client = context:client { credential = require "azpec".credential.token { token = "none" },
    on_event = function () end }
  place.timeout = 0
  client:get_account(place)
end

-- Returns whether a scope names places and no account, so that all accounts there are meant.
local function means_all(where)
  local is_one = where.account_name or where.id
  return not is_one and (where.all_subscriptions or where.subscription_ids or where.resource_group_name) ~= nil
end

-- Returns the account's id from the options, or nil.
local function account_of(context)
  local args = context.args
  local found = args.id and ids.parse(args.id)
  if args.id and not (found and found.account_name) then
    context:usage(("--id '%s' is not that of a Batch account or a connection"):format(args.id))
  end
  if not args.account and not found then return nil end
  local group = args.resource_group or found and found.resource_group_name
  if not group then context:usage "--account needs its resource group: -g" end
  local subscription = found and found.subscription_id or context:subscriptions()[1]
  if not subscription then subscription = default_subscription(context) end
  if subscription == nil then
    context:usage "--account needs its subscription: --subscription, AZURE_SUBSCRIPTION_ID"
  end
  if not subscription then return nil end
  local account = found and found.account_name or args.account
  check_names(context, { subscription_id = subscription, resource_group_name = group, account_name = account })
  return ("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Batch/batchAccounts/%s"):format(subscription, group,
    account)
end

-- Checks whose `found` may quote the service, unless they are skipped.
local quotes = { account = true, ["api-version"] = true }

-- The variables of the command that a sign-in depends on.
local own_variables = { "AZPEC_CLOUD", "AZPEC_ENDPOINT", "AZPEC_AUTHORITY_HOST", "AZPEC_CA_FILE", "AZPEC_TOKEN_CACHE",
  "AZPEC_CREDENTIAL_TIMEOUT" }

-- Adds those that are set to the variables that were seen.
local function add_own(seen)
  for _, name in ipairs(own_variables) do
    if (os.getenv(name) or "") ~= "" then seen[#seen + 1] = name end
  end
end

-- A result in the command's words.
local function reworded(result)
  local is_quote = result.verdict ~= "skipped" and quotes[result.check]
  if result.verdict ~= "ok" and not is_quote then result.found = wording.of(result.found) end
  result.next_step = result.next_step and wording.of(result.next_step)
  local details = result.details or {}
  if details.environment then add_own(details.environment) end
  if details.links and result.verdict ~= "ok" then details.links = failure.set_up_first(details.links) end
  for _, link in ipairs(details.links or {}) do
    link.message, link.hint = link.message and wording.of(link.message), link.hint and wording.of(link.hint)
  end
  return result
end

local styles = { ok = "green", warning = "yellow", failed = "red", skipped = "dim" }

local indent = (" "):rep(12)

-- Returns the sources of the chain, without the messages that the page shows already.
local function link_lines(links, found)
  local shown = {}
  for n, link in ipairs(links) do
    local is_told = link.message and found:find(link.message, 1, true)
    shown[n] = { credential = link.credential, outcome = link.outcome, elapsed = link.elapsed,
      message = not is_told and link.message or nil }
  end
  local lines = failure.source_lines(shown)
  for n, line in ipairs(lines) do lines[n] = indent .. line end
  return lines
end

local function words(result)
  local verdict = terminal.paint(io.stdout, styles[result.verdict], ("%-8s"):format(result.verdict))
  local lines = { ("%s %-11s %s"):format(verdict, result.check, text.clean(result.found)) }
  local details = result.details or {}
  for _, line in ipairs(link_lines(details.links or {}, result.found)) do lines[#lines + 1] = line end
  if details.environment and #details.environment > 0 then
    lines[#lines + 1] = indent .. "seen: " .. table.concat(details.environment, ", ")
  end
  if result.next_step then lines[#lines + 1] = indent .. "next: " .. text.clean(result.next_step) end
  return table.concat(lines, "\n")
end

local function tell(context, results)
  local counts = { ok = 0, warning = 0, failed = 0, skipped = 0 }
  for _, result in ipairs(results) do counts[result.verdict] = counts[result.verdict] + 1 end
  local verdict = counts.failed > 0 and "not in order"
    or context.args.check and counts.skipped > 0 and "not everything was looked at"
    or counts.warning > 0 and "in order, almost" or "in order"
  context:conclude("%s: %d ok, %d to be looked at, %d failed, %d skipped", verdict, counts.ok, counts.warning,
    counts.failed, counts.skipped)
end

-- Returns the exit code: that of the first check that failed, else that of the first one that --check names and that
-- was skipped.
local function exit_code(context, results)
  for _, verdict in ipairs { "failed", context.args.check and "skipped" or nil } do
    for _, result in ipairs(results) do
      if result.verdict == verdict then return failure.exit_code(result) end
    end
  end
end

return {
  columns = columns,
  summary = "check sign-in, TLS, proxy, clock, rights, limits, api-version and DNS",
  examples = {
    "azpec doctor -g rg-contoso-prod --account contosobatch",
    "azpec doctor --all-subscriptions --check account,rights              # the rights at each account",
    "azpec doctor --check signin,tls",
    "azpec doctor -o json -g rg-contoso-prod --account contosobatch | jq '.checks[] | select(.verdict != \"ok\")'",
  },
  description = [[
Without an account, --all-subscriptions, --subscription and -g mean all accounts there: the rights are looked up at each
of them, and no name is resolved. Each check stands by itself and takes no longer than --timeout (20 s).

With -o json each check is an object in the list "checks": check, verdict (ok, warning, failed or skipped), found,
next_step (what to do), kind (of a failure), seconds and details.

The exit code is that of the first one that failed: 4 for a refused sign-in, 5 for a missing right, 3 for no such
account, 7 for the api-version, 8 after --timeout, 9 for a busy service, else 1. If none failed, but one that --check
names was skipped, it is 2 if no account is named, else 1.]],
  define = function (command)
    command:group("What",
      command:option("--check", "only these, with commas between: " .. names):argname "NAMES":convert(read_checks))
  end,
  run = function (context)
    local args = context.args
    local where = context:scope() -- before search, which sets the options of one place
    if args.all_subscriptions then search(context) end
    local account_id = account_of(context)
    local out = context:output { title = "checks", line = words, live = true }
    local results = doctor.examine { account_id = account_id, where = means_all(where) and where or nil,
      checks = args.check, timeout = args.timeout, new_client = function (more) return context:client(more) end,
      done = function (result) out:row(reworded(result)) end }
    out:close()
    tell(context, results)
    return exit_code(context, results)
  end,
}
