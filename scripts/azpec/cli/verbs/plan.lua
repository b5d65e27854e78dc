-- azpec plan: writes the decisions of a rules file to a plan, which `azpec apply` carries out exactly as written.

local batch = require "azpec.cli.batch"
local failure = require "azpec.cli.error"
local convert = require "azpec.cli.convert"
local files = require "azpec.cli.files"
local journal = require "azpec.journal"
local plan = require "azpec.plan"
local policy = require "azpec.cli.policy"
local run = require "azpec.cli.run"
local text = require "azpec.text"

local function define(command)
  command:group("What and how",
    command:option("--rules", "file of rules"):argname "FILE":count(1):convert(convert.given),
    batch.enrich_option(command),
    files.streamed(files.written(command:option("--out", "file to write, - for stdout; without it the plan is only "
      .. "shown"):argname "FILE":convert(convert.given))),
    command:option("--max", "refuse if more than that would change"):argname "N":convert(convert.positive),
    batch.none_option(command),
    batch.key_option(command),
    command:option("--ticket", "number of the ticket, for the journal of apply and for {ticket} in a rule, "
      .. "where it is required"):argname "TEXT"
      :convert(convert.ticket),
    policy.change_option(command, "id of the change that allows what is planned; azpec apply sends it with each "
      .. "request for a policy token"),
    command:flag("--detailed-exitcode", "10 where the plan would change something"))
end

-- What a person does next, as the end of the summary's line.
local function next_step(path, changes)
  if changes == 0 or path == "-" then return "" end
  return path and "; to do it: azpec apply " .. text.shell(path) or "; --out FILE writes it down for azpec apply"
end

-- Returns the identity that makes the plan, for the person who reviews it, or nil.
local function who_of(client)
  local identity = client:identity()
  return identity and journal.who(identity)
end

local function make(context)
  local args = context.args
  if args.change_reference and not args.out then context:usage "--change-reference goes with --out" end
  local set = batch.rules(context)
  batch.check_place(context, plan.is_one)
  local client = context:client()
  local draft = plan.new { rules = set, tool = require "azpec"._VERSION, endpoint = client:settings().endpoint,
    ticket = args.ticket, change_reference = args.change_reference }
  local out = args.out ~= "-" and run.output(context, "decisions")
  local others = {} -- the rows of what does not change follow the changes
  batch.decide(context, client, set, function (connection, decision)
    draft:add(connection, decision)
    if not (out and batch.is_shown(context, decision)) then return end
    local row = batch.decision_row(connection, decision)
    if decision.changes then out:row(row) else others[#others + 1] = row end
  end)
  for _, row in ipairs(others) do out:row(row) end
  draft.who = who_of(client)
  batch.check_excess(context, set, draft.summary)
  draft:note_unread(context.unread_errors)
  if args.out then batch.save(context, draft:text(args.sign_key_file), plan.is_one) end
  local summary = draft.summary
  context:add_totals(summary)
  if out then out:close() end
  context:conclude("%d to approve, %d to reject, %d held, %d ignored, %d unchanged%s", summary.approve, summary.reject,
    summary.hold, summary.ignore, summary.unchanged,
    next_step(args.out, draft:changes()))
  return args.detailed_exitcode and draft:changes() > 0 and failure.codes.changes or 0
end

return {
  columns = run.columns,
  takes_candidates = true,
  summary = "write the decisions of a file of rules to a plan, for `azpec apply`",
  examples = {
    "azpec plan --rules rules.lua -g rg-contoso-prod                     # shown, and not written down",
    "azpec plan --rules rules.lua -g rg-contoso-prod -q                  # only what would change",
    "azpec plan --rules rules.lua -g rg-contoso-prod --out plan.json",
    "azpec plan --rules rules.lua --out plan.json --detailed-exitcode    # 10: there is something to do",
  },
  description = "-q leaves out what is held, but not in JSON and in the plan.\n"
    .. "With -v each decision has a line for each rule before it that did not match, and why not.\n"
    .. "If a function of the rules or of --enrich fails, the request is held; the exit code is then 12.",
  define = define,
  run = make,
}
