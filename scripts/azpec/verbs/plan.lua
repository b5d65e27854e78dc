-- azpec plan: what a file of rules decides, in a file that `azpec apply` carries out as it stands there.

local batch = require "azpec.command.batch"
local failure = require "azpec.command.failure"
local convert = require "azpec.command.convert"
local plan = require "azpec.plan"

local function define(command)
  command:group("What and how",
    command:option("--rules", "file of rules"):argname "FILE":count(1),
    command:option("--out", "file to write, - for stdout"):argname "FILE":count(1),
    command:option("--max", "refuse if more than that would change"):argname "N":convert(convert.positive),
    batch.key_option(command),
    command:option("--ticket", "number of the ticket, for {ticket} in a rule's description"):argname "TEXT",
    command:flag("--detailed-exitcode", "10 where the plan would change something"))
end

local function run(context)
  local args = context.args
  local set = batch.rules(context)
  local free, why = plan.check_place(args.out)
  if args.out ~= "-" and not free then context:fail(failure.codes.usage, why) end
  local client = context:client()
  local draft = plan.new { rules = set, tool = require "azpec"._VERSION, endpoint = client:settings().endpoint }
  local out = args.out ~= "-" and batch.output(context, "decisions")
  local any_failed = false
  batch.decide(context, client, set, function (connection, decision)
    draft:add(connection, decision)
    any_failed = any_failed or decision.failed
    if out and decision.action ~= "ignore" then out:row(batch.decision_row(connection, decision)) end
  end)
  batch.check_excess(context, set, draft.summary)
  batch.save(context, args.out, draft:text(args.sign_key_file))
  if out then out:close() end
  local summary = draft.summary
  context:note("%d to approve, %d to reject, %d held, %d ignored, %d unchanged%s", summary.approve, summary.reject,
    summary.hold, summary.ignore, summary.unchanged,
    args.out ~= "-" and draft:changes() > 0 and "; to do it: azpec apply " .. args.out or "")
  if any_failed then return failure.codes.some_failed end
  return args.detailed_exitcode and draft:changes() > 0 and failure.codes.changes or 0
end

return {
  summary = "write down what a file of rules decides, for `azpec apply`",
  examples = {
    "azpec plan --rules rules.lua -g rg-contoso-prod --out plan.json",
    "azpec plan --rules rules.lua --out plan.json --detailed-exitcode    # 10: there is something to do",
  },
  define = define,
  run = run,
}
