-- azpec apply: a plan is carried out as it stands in its file; what has changed since is refused, and said first.

local audited = require "azpec.command.trail"
local batch = require "azpec.command.batch"
local failure = require "azpec.command.failure"
local plan = require "azpec.plan"
local select = require "azpec.select"
local text = require "azpec.text"

local function define(command)
  command:argument("plan", "file that `azpec plan` wrote"):argname "PLAN"
  batch.define(command, batch.key_option(command),
    command:flag("--dry-run", "show what would be done now, and do nothing"),
    command:flag("--abort-on-stale", "do nothing at all if anything has changed since the plan was made"))
  audited.define(command)
end

local function read(context)
  local path = context.args.plan
  local contents, err = plan.read(path, context.args.sign_key_file)
  if contents and contents.hmac_sha256 and not context.args.sign_key_file then
    context:note("the plan is signed; --sign-key-file would check by whom")
  end
  if contents then return contents end
  context:fail(err.kind == "edited" and failure.codes.conflict or failure.codes.usage, err.message,
    err.kind == "edited" and "make a new plan with `azpec plan`" or nil)
end

-- The items of the plan that change something: those that nobody has begun yet, and, as azpec.many takes them, those
-- that an unfinished run has begun. What it has settled is left out.
local function items_of(contents, checkpoint)
  local fresh, begun, earlier = {}, {}, {}
  for _, item in ipairs(checkpoint and checkpoint:unfinished() or {}) do earlier[item.id] = item end
  for _, item in ipairs(contents.items) do
    if earlier[item.id] then
      begun[#begun + 1] = item
    elseif item.wanted and not (checkpoint and checkpoint.ended[item.id]) then
      fresh[#fresh + 1] = item
    end
  end
  return fresh, begun, earlier
end

local function for_many(item, earlier)
  return { id = item.id, etag = item.etag, status = item.wanted.status, action = item.action,
    description = item.wanted.description, rule = item.rule, reason = item.reason, before = item.current.status,
    begun_before = earlier and earlier.begun_before, token = earlier and earlier.token }
end

local function decision_row(item)
  return batch.decision_row({ id = item.id, etag = item.etag, properties = {
    privateLinkServiceConnectionState = { status = item.current.status, description = item.current.description } } },
    { action = item.action, status = item.wanted and item.wanted.status, changes = item.wanted ~= nil,
      description = item.wanted and item.wanted.description, rule = item.rule, reason = item.reason })
end

-- What keeps one account from being read that would keep all others, too.
local ends_all = { credential = true, timeout = true, transport = true, throttled = true, protocol = true }

-- Before the first write: rows for those that have changed since the plan was made; the others, and the summary of a
-- run that has only these in it.
local function look(client, items, out, timeout)
  local fit, refused = {}, { total = 0, begun = 0, changed = 0, unchanged = 0, stale = 0, failed = 0, unknown = 0 }
  if timeout == 0 then return items, refused end -- nothing will be begun
  plan.check(items, client, { timeout = timeout })
  for _, item in ipairs(items) do
    if item.err and ends_all[item.err.kind] then error(item.err, 0) end
    if item.stale or item.err then
      local outcome = item.stale and "stale" or "failed"
      refused[outcome], refused.total = refused[outcome] + 1, refused.total + 1
      refused.last_err = item.err or { kind = item.stale == "it is gone" and "not_found" or "precondition" }
      out:row(batch.refused_row(item, item.stale, item.err))
    else
      fit[#fit + 1] = item
    end
  end
  refused.begun = refused.total
  return fit, refused
end

local function add(summary, refused)
  for _, name in ipairs { "total", "begun", "stale", "failed" } do summary[name] = summary[name] + refused[name] end
  summary.last_err = summary.last_err or refused.last_err
  return summary
end

local function new_client(context, contents)
  local first = contents.items[1]
  local client = context:client { subscription_id = first and select.facts(first).subscription_id }
  local made_for, endpoint = contents.endpoint, client:settings().endpoint
  if made_for and made_for ~= endpoint then
    context:fail(failure.codes.usage, ("the plan was made at %s, and this is %s"):format(made_for, endpoint),
      "name the right one with --cloud or --endpoint")
  end
  return client
end

-- What would be done now.
local function show(context, contents, out)
  local fit, refused = look(new_client(context, contents), items_of(contents), out)
  for _, item in ipairs(fit) do out:row(decision_row(item)) end
  for _, item in ipairs(contents.items) do
    if not item.wanted then out:row(decision_row(item)) end
  end
  out:close()
  refused.changed = #fit
  context:note("%d would change, %d refused", #fit, refused.total)
  return batch.exit_code(context, refused)
end

local function carry_out(context, contents, out)
  local args, seconds_left = context.args, batch.deadline(context)
  local client, checkpoint = new_client(context, contents), batch.checkpoint(context, contents.sha256)
  local fresh, begun, earlier = items_of(contents, checkpoint)
  local fit, refused = look(client, fresh, out, seconds_left())
  if args.abort_on_stale and refused.total > 0 then
    out:close()
    context:fail(failure.codes.conflict, ("%s changed since the plan was made; nothing was done"):format(
      text.count(refused.total, "connection")), "make a new plan with `azpec plan`")
  end
  local items = {}
  for n, item in ipairs(begun) do items[n] = for_many(item, earlier[item.id]) end
  for _, item in ipairs(fit) do items[#items + 1] = for_many(item) end
  local summary = add(batch.run(context, { items = items, out = out, checkpoint = checkpoint, client = client,
    deadline = seconds_left() }), refused)
  batch.settle(checkpoint, summary)
  if checkpoint then checkpoint:close() end
  out:close()
  batch.sum_up(context, summary)
  return batch.exit_code(context, summary)
end

local function run(context)
  local contents = read(context)
  return (context.args.dry_run and show or carry_out)(context, contents, batch.output(context))
end

return {
  summary = "carry out a plan, and nothing that has changed since it was made",
  examples = {
    "azpec apply plan.json --dry-run                                      # what would be done now",
    "azpec apply plan.json --abort-on-stale                               # nothing, if anything has changed",
    "azpec apply plan.json --checkpoint plan.progress                     # may be broken off and run again",
  },
  common = { "client", "output" },
  define = define,
  run = run,
}
