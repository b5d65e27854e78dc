-- azpec doctor: one page on whether everything that an approval needs is in order, and what to do about what is not.

local doctor = require "azpec.doctor"
local failure = require "azpec.command.failure"
local ids = require "azpec.ids"
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"

local columns = { { "CHECK", "check" }, { "VERDICT", "verdict" }, { "FOUND", "found" }, { "NEXT STEP", "next_step" },
  { "SECONDS", "seconds" } }

local names = table.concat(doctor.checks, ", ")

-- "a,b" as a list of checks.
local function read_checks(word)
  local known, list = {}, {}
  for _, name in ipairs(doctor.checks) do known[name] = true end
  for name in word:gmatch "[^,]+" do
    if not known[name] then return nil, ("there is no check '%s'; there are %s"):format(name, names) end
    list[#list + 1] = name
  end
  if #list == 0 then return nil, "which check? There are " .. names end
  return list
end

-- The account's id, from whatever names it; nil: nothing does.
local function account_of(context)
  local args = context.args
  local found = args.id and ids.parse(args.id)
  if args.id and not (found and found.account_name) then
    context:usage(("--id '%s' is not that of a Batch account or a connection"):format(args.id))
  end
  if not args.account and not found then return nil end
  local group = args.resource_group or found and found.resource_group_name
  if not group then context:usage "--account needs its resource group: -g" end
  local subscription = found and found.subscription_id or args.subscription[1] or os.getenv "AZURE_SUBSCRIPTION_ID"
  if not subscription then context:usage "--account needs its subscription: --subscription, AZURE_SUBSCRIPTION_ID" end
  return ("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Batch/batchAccounts/%s"):format(subscription, group,
    found and found.account_name or args.account)
end

local styles = { ok = "green", warning = "yellow", failed = "red", skipped = "dim" }

local indent = (" "):rep(12)

-- What the page says already is not said again.
local function link_lines(links, found)
  local lines, width = {}, 0
  for _, link in ipairs(links) do width = math.max(width, #link.credential) end
  for n, link in ipairs(links) do
    local took = link.elapsed and ("%.2f s"):format(link.elapsed) or ""
    local message = link.message or ""
    if found:find(message, 1, true) then message = "" end
    lines[n] = ("%s%s  %-8s %-8s %s"):format(indent, text.pad(link.credential, width), link.outcome, took,
      text.clean(message)):gsub(" +$", "")
  end
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
  context:note("%s: %d ok, %d to be looked at, %d failed, %d skipped", counts.failed > 0 and "not in order"
    or counts.warning > 0 and "in order, almost" or "in order", counts.ok, counts.warning, counts.failed,
    counts.skipped)
end

return {
  summary = "whether sign-in, TLS, proxy, clock, rights, limits, api-version and DNS are in order",
  examples = {
    "azpec doctor -g rg-contoso-prod --account contosobatch",
    "azpec doctor --check signin,tls",
    "azpec doctor -o json -g rg-contoso-prod --account contosobatch | jq '.checks[] | select(.verdict != \"ok\")'",
  },
  description = [[
Each check stands by itself and takes no longer than --timeout (20 s). The exit code is that of the first one that
failed: 4 for the sign-in, 5 for a missing right, 3 for no such account, 7 for the api-version, else 1.]],
  define = function (command)
    command:group("What",
      command:option("--check", "only these, with commas between: " .. names):argname "NAMES":convert(read_checks))
  end,
  run = function (context)
    local args = context.args
    local account_id = account_of(context)
    local out = context:output { columns = columns, title = "checks", line = words, live = true }
    local results = doctor.examine { account_id = account_id, checks = args.check, timeout = args.timeout,
      new_client = function (more) return context:client(more) end, done = function (result) out:row(result) end }
    out:close()
    tell(context, results)
    for _, result in ipairs(results) do
      if result.verdict == "failed" then return failure.exit_code(result) end
    end
  end,
}
