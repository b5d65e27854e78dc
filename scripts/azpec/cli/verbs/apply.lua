-- azpec apply: carries out a plan exactly as written. Connections that have changed since are refused.

local batch = require "azpec.cli.batch"
local chosen = require "azpec.cli.chosen"
local failure = require "azpec.cli.error"
local files = require "azpec.cli.files"
local journal = require "azpec.cli.journal"
local plan = require "azpec.plan"
local policy = require "azpec.cli.policy"
local record = require "azpec.journal"
local run = require "azpec.cli.run"
local select = require "azpec.select"
local text = require "azpec.text"

local function define(command)
  files.named(command:argument("plan", "file that `azpec plan` wrote"):argname "PLAN")
  command:group("Which of the plan", chosen.option(command, "only what the plan says of these"))
  batch.accept_yes(command)
  batch.define(command, batch.key_option(command),
    command:flag("--dry-run", "show what would be done now, and do nothing"),
    command:flag("--show", "show what the plan says, without asking the service"),
    command:flag("--abort-on-stale", "do nothing at all if anything has changed since the plan was made"),
    command:flag("--fail-fast", "do nothing at all if an account of the plan cannot be read"))
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

-- --connection: takes all other items out of a plan that was read and verified. Returns the function of chosen.test.
local function choose(context, contents)
  local is_chosen
  contents.items, is_chosen = chosen.items(context, contents.items, "the plan has")
  if not context.args.connection then return is_chosen end
  contents.summary = { approve = 0, reject = 0, hold = 0 } -- a plan has no items of what is ignored or unchanged
  for _, item in ipairs(contents.items) do
    contents.summary[item.action] = contents.summary[item.action] + 1
  end
  return is_chosen
end

-- Returns the items of the plan that change something, without those that an interrupted run has begun. Each has its
-- current connection, or the reason why it is refused.
local function items_of(context, contents, client, unfinished, timeout)
  local items, begun = {}, {}
  for _, item in ipairs(unfinished) do begun[item.id] = true end
  for _, item in ipairs(contents.items) do
    if item.wanted and not begun[item.id] then items[#items + 1] = item end
  end
  if timeout ~= 0 then plan.check(items, client, { timeout = timeout }) end -- else nothing will begin
  run.check_read(context, items)
  for n, item in ipairs(items) do items[n] = plan.item(item) end
  return items
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

-- Returns how another decision left a connection that has the planned status, or nil.
local function stale_by_other(item)
  local how = item.other_decision
  return how and ("it is already %s, by another decision: %s"):format(select.facts(item.connection).status, how)
end

-- --abort-on-stale: ends the verb if a connection has changed or cannot be read.
local function abort_on_stale(context, client, items, out)
  local refused, stale, unread = {}, 0, nil
  for _, item in ipairs(items) do
    item.stale = item.stale or stale_by_other(item)
    if item.stale or item.err then refused[#refused + 1] = item end
    if item.stale then stale = stale + 1 end
    unread = unread or item.err
  end
  if #refused == 0 then return end
  run.run(context, { client = client, items = refused, out = out })
  out:close()
  local what = {}
  if stale > 0 then what[1] = text.count(stale, "connection") .. " changed since the plan was made" end
  if unread then what[#what + 1] = text.count(#refused - stale, "connection") .. " could not be read" end
  context:fail(stale > 0 and failure.codes.conflict or context.exit_code(unread),
    table.concat(what, ", ") .. "; nothing was done", stale > 0 and "make a new plan with `azpec plan`" or nil)
end

-- Lists the changes of the plan as decisions; are_held: what it holds.
local function show_items(contents, out, are_held)
  for _, item in ipairs(contents.items) do
    local current, wanted = item.current, item.wanted or {}
    if are_held == not item.wanted then
      out:row(batch.decision_row({ id = item.id, etag = item.etag, properties = {
        privateEndpoint = item.private_endpoint and { id = item.private_endpoint },
        privateLinkServiceConnectionState = { status = current.status, description = current.description } } },
        { action = item.action, status = wanted.status, changes = item.wanted ~= nil, description = wanted.description,
          rule = item.rule, reason = item.reason }))
    end
  end
end

-- " by 'ops@contoso.com'", or "" for a plan that does not say who made it.
local function by(who)
  local name = record.name_of(who)
  return name and (" by '%s'"):format(text.clean(name)) or ""
end

local function named(name, value)
  return value and (", %s '%s'"):format(name, text.clean(value)) or ""
end

-- Returns a line, after a line end, for each fact of a row that says whose request it is.
local function request_of(row)
  local lines = {}
  for _, fact in ipairs { { "private endpoint", row.private_endpoint }, { "description", row.description } } do
    if (fact[2] or "") ~= "" then lines[#lines + 1] = ("\n  %s: %s"):format(fact[1], text.clean(fact[2])) end
  end
  return table.concat(lines)
end

-- --show: says what the plan has, for a person who reviews it and may not know what it was made for. Needs no sign-in.
local function show(context, contents)
  local out, summary = run.output(context, "decisions", nil, request_of), contents.summary
  context.has_several = true
  context:add_to_envelope { made_at = contents.made_at, made_by = contents.made_by, who = contents.who,
    by = record.name_of(contents.who), endpoint = contents.endpoint, ticket = contents.ticket,
    change_reference = contents.change_reference, totals = summary }
  show_items(contents, out, false)
  show_items(contents, out, true)
  out:close()
  context:conclude("%d to approve, %d to reject, %d held%s%s; made at %s%s%s%s%s", summary.approve, summary.reject,
    summary.hold, summary.ignore and (", %d ignored, %d unchanged"):format(summary.ignore, summary.unchanged) or "",
    context.left_out or "", contents.made_at,
    by(contents.who), named("ticket", contents.ticket), named("change reference", contents.change_reference),
    context.args.sign_key_file and ", signed with this key" or "")
  return context.args.detailed_exitcode and summary.approve + summary.reject > 0 and failure.codes.changes or 0
end

local function apply(context)
  local args, seconds_left, contents = context.args, batch.deadline(context), read(context)
  if contents.errors then context:inherit_unread(contents.errors, "the plan is not complete: when it was made, ") end
  local is_chosen = choose(context, contents)
  context:lines_are_of(contents.items)
  if args.show then return show(context, contents) end
  policy.follow(context, contents)
  if journal.path(args) then args.ticket = args.ticket or contents.ticket end
  local unfinished = chosen.among(journal.unfinished(context, contents.sha256), is_chosen)
  local client, out = new_client(context, contents), run.output(context)
  local items = items_of(context, contents, client, unfinished, seconds_left())
  if args.abort_on_stale then abort_on_stale(context, client, items, out) end
  table.move(items, 1, #items, #unfinished + 1, unfinished)
  local summary = run.run(context, { items = unfinished, out = out, client = client, deadline = seconds_left(),
    dry_run = args.dry_run, is_resumed = true, right = "write" })
  if args.dry_run then show_items(contents, out, true) end
  out:close()
  run.sum_up(context, summary)
  return run.exit_code(context, summary)
end

return {
  columns = run.columns,
  summary = "carry out a plan, and nothing that has changed since it was made",
  examples = {
    "azpec apply plan.json --show                                         # the plan in words; needs no sign-in",
    "azpec apply plan.json --dry-run                                      # what would be done now",
    "azpec apply plan.json --connection 'contosobatch/*'                  # one account first; later the rest",
    "azpec apply plan.json --abort-on-stale                               # nothing, if anything has changed",
    "azpec apply plan.json --journal journal.jsonl                        # may be interrupted and run again",
  },
  common = { "client", "output" },
  description = [[
A connection that already has the planned status and description is unchanged, so a plan can be applied again. If it has
the planned status, but another description, somebody else decided. Then its line says so, and --abort-on-stale counts
it as changed.

With --show, -q leaves out what is held, but not in JSON.

A plan that was made while an account or a subscription could not be read is not complete. What it has is carried out;
a line says what is missing, and the exit code is 12.

--connection carries out a part of the plan, which is verified as a whole. The same command without it does the rest.]],
  define = define,
  run = apply,
}
