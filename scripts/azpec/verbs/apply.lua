-- azpec apply: a plan is carried out as it stands in its file; what has changed since is refused.

local audited = require "azpec.command.trail"
local batch = require "azpec.command.batch"
local failure = require "azpec.command.failure"
local plan = require "azpec.plan"
local select = require "azpec.select"

local function define(command)
  command:argument("plan", "file that `azpec plan` wrote"):argname "PLAN"
  batch.define(command, batch.key_option(command),
    command:flag("--dry-run", "show what the plan says, and do nothing"))
  audited.define(command)
end

local function read(context)
  local path = context.args.plan
  local contents, err = plan.read(path, context.args.sign_key_file)
  if contents then return contents end
  context:fail(err.kind == "edited" and failure.codes.conflict or failure.codes.usage, err.message,
    err.kind == "edited" and "make a new plan with `azpec plan`" or nil)
end

-- The items of the plan that change something; those that an unfinished run of it has settled are left out.
local function items_of(contents, checkpoint)
  local items, earlier = {}, {}
  for _, item in ipairs(checkpoint and checkpoint:unfinished() or {}) do earlier[item.id] = item end
  for _, item in ipairs(contents.items) do
    if item.wanted and not (checkpoint and checkpoint.ended[item.id]) then
      local begun = earlier[item.id] or {}
      items[#items + 1] = { id = item.id, etag = item.etag, status = item.wanted.status, action = item.action,
        description = item.wanted.description, rule = item.rule, reason = item.reason, before = item.current.status,
        begun_before = begun.begun_before, token = begun.token }
    end
  end
  return items
end

local function show(contents, out)
  for _, item in ipairs(contents.items) do
    out:row(batch.decision_row({ id = item.id, etag = item.etag, properties = {
      privateLinkServiceConnectionState = { status = item.current.status, description = item.current.description } } },
      { action = item.action, status = item.wanted and item.wanted.status, changes = item.wanted ~= nil,
        description = item.wanted and item.wanted.description, rule = item.rule, reason = item.reason }))
  end
  out:close()
end

local function run(context)
  local args = context.args
  local contents = read(context)
  local out = batch.output(context)
  local first = contents.items[1]
  if args.dry_run then
    show(contents, out)
    return args.detailed_exitcode and contents.summary.approve + contents.summary.reject > 0
      and failure.codes.changes or 0
  end
  local checkpoint = batch.checkpoint(context, contents.sha256)
  local items = items_of(contents, checkpoint)
  local summary = batch.run(context, { items = items, out = out, checkpoint = checkpoint, deadline = args.deadline,
    client = context:client { subscription_id = first and select.facts(first).subscription_id } })
  batch.settle(checkpoint, summary)
  if checkpoint then checkpoint:close() end
  out:close()
  batch.sum_up(context, summary)
  return batch.exit_code(context, summary)
end

return {
  summary = "carry out a plan, and nothing that has changed since it was made",
  examples = {
    "azpec apply plan.json --dry-run",
    "azpec apply plan.json --checkpoint plan.progress                     # may be broken off and run again",
  },
  common = { "client", "output" },
  define = define,
  run = run,
}
