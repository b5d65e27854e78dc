-- Shared by approve, reject and delete: the options, the targets, and the reads before the write.

local consent = require "azpec.cli.consent"
local convert = require "azpec.cli.convert"
local current = require "azpec.refresh"
local engine = require "azpec.run"
local failure = require "azpec.failure"
local ids = require "azpec.resource_id"
local journal = require "azpec.cli.journal"
local policy = require "azpec.cli.policy"
local preflight = require "azpec.cli.preflight"
local run = require "azpec.cli.run"
local select = require "azpec.select"
local targets = require "azpec.cli.targets"
local transitions = require "azpec.transitions"

local change = { columns = run.columns }

function change.define(command)
  targets.define(command, { more = true })
  local dry_run = command:flag("--dry-run", "show what would be done, and do nothing")
  local no_wait = command:flag("--no-wait", "begin, print the token for `azpec resume`, and do not wait for the end")
  command:mutex(dry_run, no_wait)
  command:group("How",
    command:option("--if-match", "only if this is the connection's ETag"):argname "ETAG":convert(convert.given),
    dry_run, no_wait, run.parallel_option(command),
    command:flag("-y --yes", "do not ask; needed without a terminal for several, and to remove access"),
    run.exit_option(command), preflight.option(command))
  policy.define(command)
  journal.define(command)
end

-- The same with a description, for connections that may not have arrived yet.
function change.define_decision(command)
  change.define(command)
  command:option("--wait", "if there is no such connection yet, wait for it that long, such as 10m, or 90 for seconds")
    :argname "TIME":convert(convert.seconds)
  command:option("--description", "the new description, with {description} (the requester's), {name} and {ticket} "
    .. "filled in; without it the requester's stays"):argname "TEXT"
end

-- Returns the run's subject in the journal, a function of the scope: the same command continues an interrupted run.
local function subject_of(args)
  return function (scope)
    local subject = { scope = scope }
    for name, value in pairs(args) do
      if name:find "^by_" or name == "which" or name == "all" or name == "description" then subject[name] = value end
    end
    return subject
  end
end

-- Returns what the command does to the connections that it names by id: another command may have begun it.
local function named_by_id(args, action)
  local items = {}
  local function add(word)
    local found = ids.parse(word)
    if not (found and found.kind == "connection") then return end
    items[#items + 1] = { id = found.id, action = action, description = args.description }
  end
  if args.if_match then return items end
  add(args.id or "")
  for _, word in ipairs(args.which) do add(word) end
  return items
end

-- Reads the connections that are not known yet. If a required one cannot be read, its item gets an error. One that is
-- only shown to a person may stay unknown.
local function complete(client, items, must)
  local unknown, connection_ids = {}, {}
  for _, item in ipairs(items) do
    if not (item.connection or item.gone) then
      unknown[#unknown + 1], connection_ids[#connection_ids + 1] = item, item.id
    end
  end
  local now = current.read(client, connection_ids)
  for _, item in ipairs(unknown) do
    if must or #items == 1 then
      run.note(item, now(item.id))
    else
      item.connection = now(item.id)
    end
  end
  if #items == 1 and items[1].err then error(items[1].err, 0) end
end

-- A connection that was selected by its properties is written only if it has not changed since. A connection that is
-- being created changes by itself, but a deletion still means this one.
local function guard(context, action, item)
  local connection = item.connection
  item.etag = context.args.if_match
  if item.etag or not connection then return end
  if action ~= "delete" and transitions.is_in_progress(select.facts(connection)) then return end
  local etag, err = select.etag(connection)
  item.etag, item.err = etag, item.err or err
end

-- The statuses of a connection that gives no access. Any other, also one that the service writes in an unknown way, may
-- give access.
local without_access = { pending = true, rejected = true, disconnected = true }

local function may_be_approved(target)
  if target.gone then return false end
  local facts = target.connection and select.facts(target.connection) or {}
  return not without_access[tostring(facts.status):lower()] or transitions.is_in_progress(facts)
end

-- Returns whether a target's write removes access.
local removes = {
  reject = may_be_approved,
  delete = function (target) return target.connection ~= nil end,
}

local kept = "its description stays, since {description} would add to it with each run"

-- Sets the description to write; nil: unchanged. A text made from the present one is written only with a new status, so
-- that a second run changes nothing; item.kept then says so.
local function describe(item, template)
  if not template then return end
  local facts = select.facts(item.connection or { id = item.id })
  local filled, why = template.of(facts)
  if template.needs_facts and facts.status == engine.status_of(item) then
    item.kept = filled ~= (facts.description or "") and kept or nil
    return
  end
  item.description = filled
  item.err = item.err or not filled and failure.new("usage", why, { id = item.id }) or nil
end

-- Returns the connections of the command line as items of azpec.run, after consent.
local function items_of(context, client, action, verb, is_continued)
  local args, template = context.args, journal.description(context)
  args.allow_none = args.allow_none or is_continued
  if args.wait and not args.dry_run then consent.need_early(context, { verb = verb, noun = "connection" }) end
  local items = targets.await(context, client)
  if args.if_match and #items > 1 then context:usage("--if-match goes with one connection") end
  for _, item in ipairs(items) do item.action = action end
  local must_know = args.dry_run or action == "delete" or template and template.needs_facts
  if must_know then complete(client, items, true) end
  if not args.dry_run then
    consent.need(context, items, { verb = verb, noun = "connection", has_max = true, removes = removes[action],
      final = consent.final(engine.status_of { action = action }),
      complete = (removes[action] or #items > 1) and function (found) complete(client, found, false) end })
  end
  for _, item in ipairs(items) do
    describe(item, template)
    guard(context, action, item)
  end
  return items
end

-- action: "approve"; verb: "Approve", for people.
function change.run(context, action, verb)
  context.has_description = action ~= "delete"
  local client = context:client()
  local unfinished = journal.unfinished(context, subject_of(context.args), named_by_id(context.args, action), client)
  local items = journal.join(unfinished, items_of(context, client, action, verb, #unfinished > 0))
  return change.carry_out(context, client, items, action == "delete" and action or "write")
end

-- Carries out known items, shows the result, and returns the exit code.
function change.carry_out(context, client, items, right)
  context:lines_are_of(items, true)
  local out = run.output(context, nil, true)
  local summary = run.run(context, { client = client, items = items, out = out, is_named = true, right = right,
    dry_run = context.args.dry_run })
  if #items > 1 then run.sum_up(context, summary) end
  out:close()
  if #items == 0 then context:note("no connection matches") end
  return run.exit_code(context, summary)
end

return change
