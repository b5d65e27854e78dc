-- What approve, reject and delete have in common: the options, many operations beside each other, a row for each.

local audited = require "azpec.command.trail"
local consent = require "azpec.command.consent"
local convert = require "azpec.command.convert"
local current = require "azpec.current"
local failure = require "azpec.command.failure"
local rows = require "azpec.command.rows"
local targets = require "azpec.command.targets"
local text = require "azpec.text"

local change = {}

local most_at_once = 200

function change.define(command)
  targets.define(command, { more = true })
  local dry_run = command:flag("--dry-run", "show what would be done, and do nothing")
  local no_wait = command:flag("--no-wait", "begin, print the token for `azpec resume`, and do not wait for the end")
  command:mutex(dry_run, no_wait)
  command:group("How",
    command:option("--if-match", "only if this is the connection's ETag"):argname "ETAG":convert(convert.given),
    dry_run, no_wait,
    command:flag("--yes", "do not ask; needed without a terminal for several, and to remove access"):hidden_name "-y",
    command:flag("--detailed-exitcode", "10 where something changed, or would"))
  audited.define(command)
end

-- ---- rows ----------------------------------------------------------------------------------------------------------

change.columns = {
  { "NAME", "name" }, { "RESULT", "result" }, { "BEFORE", "before" }, { "AFTER", "after" },
  { "ERROR", "error_message" }, { "ID", "id" }, { "TOKEN", "continuation_token", for_programs = true },
}

-- A row about one target. result: "changed", "unchanged", "would change", "begun", "failed".
function change.row(target, result, more)
  local facts = rows.of_id(target.id)
  local row = { id = target.id, name = facts.name, subscription_id = facts.subscription_id,
    resource_group_name = facts.resource_group_name, account_name = facts.account_name, result = result }
  for name, value in pairs(more or {}) do row[name] = value end
  return row
end

local function failed_row(target, err)
  return change.row(target, "failed", { error = failure.facts(err), error_message = failure.lines(err)[1],
    continuation_token = type(err) == "table" and err.continuation_token or nil })
end

-- ---- beginning and waiting -----------------------------------------------------------------------------------------

-- With --no-wait: the ids of the connections whose write the service has accepted, as the client's events tell. What is
-- looked at before it is somebody else's operation, which has to end first.
local function client_options(context)
  if not context.args.no_wait then return nil end
  local trace, sent, accepted = context:tracer(), {}, {}
  context.accepted = accepted
  return { on_event = function (event)
    if trace then trace(event) end
    if event.event == "request" and event.method ~= "GET" then
      sent[event.id:lower()], accepted[event.id:lower()] = true, nil
    elseif event.event == "poll" then
      accepted[event.id:lower()] = sent[event.id:lower()]
    end
  end }
end

local between_looks = 0.05

-- What a poller comes to: a row, or nil and why not.
local function outcome(context, spec, target, poller)
  local accepted = context.accepted
  while accepted and not accepted[target.id:lower()] and not poller:done() do poller:wait(between_looks) end
  if accepted and not poller:done() then
    return change.row(target, "begun", { continuation_token = poller:continuation_token() })
  end
  local result, err = poller:wait()
  if result == nil then return nil, err end
  return spec.row(target, result)
end

local function begin(context, spec, target)
  context:because(target.id, { before = target.connection })
  local poller, settled, err = spec.begin(target)
  if poller and not context.args.no_wait then context:track(poller) end
  return { target = target, poller = poller, row = settled, err = err }
end

local function settle(context, spec, entry)
  if entry.row or entry.err then return entry.row, entry.err end
  return outcome(context, spec, entry.target, entry.poller)
end

-- Those that are not begun because the output has ended; their tokens, if they have some, must not get lost.
local function leave(context, list, from)
  for n = from, #list do context:keep(list[n].token) end
  context.not_begun = #list - from + 1
end

-- Calls done(target, row, err) for each target, in their order, with many operations under way.
local function run_all(context, spec, list, done)
  local under_way, first = {}, 1
  for n = 1, #list do
    if context.out.problem then
      leave(context, list, n)
      break
    end
    under_way[n] = begin(context, spec, list[n])
    if n - first + 1 >= most_at_once then
      done(list[first], settle(context, spec, under_way[first]))
      under_way[first], first = nil, first + 1
    end
  end
  for n = first, #under_way do
    done(list[n], settle(context, spec, under_way[n]))
    under_way[n] = nil
  end
end

-- ---- the verb ------------------------------------------------------------------------------------------------------

local function new_counts(context, out, spec, total)
  local counts = { failed = 0, changed = 0 }
  local bar = total > 1 and context:progress { total = total }
  local n = 0
  function counts.done(target, row, err)
    n = n + 1
    if err then
      if total == 1 then error(err, 0) end
      counts.failed = counts.failed + 1
      context:keep(type(err) == "table" and err.continuation_token)
      row = failed_row(target, err)
      context:complain(err)
    elseif row.result ~= "unchanged" then
      counts.changed = counts.changed + 1
    end
    out:row(row)
    if bar then bar:update { done = n, running = math.min(total - n, most_at_once), failed = counts.failed } end
  end
  function counts.close()
    if bar then bar:close() end
    if total > 1 then
      context:note("%s: %d %s, %d failed", text.count(total, "connection"), counts.changed,
        context.args.dry_run and "would change" or context.args.no_wait and "begun" or "changed", counts.failed)
    end
  end
  return counts
end

local function exit_code(context, counts)
  local codes = failure.codes
  if counts.failed > 0 then return codes.some_failed end
  return context.args.detailed_exitcode and counts.changed > 0 and codes.changes or 0
end

-- Reads the connections that are not known yet, so that a person can be asked about them, and the write that follows is
-- made only where they are still so. What cannot be read, or is gone, stays unknown.
local function complete(client, list)
  local unknown = {}
  for _, target in ipairs(list) do
    if not target.connection then unknown[#unknown + 1] = target.id end
  end
  if #list == 1 and #unknown == 1 then
    local connection, err = targets.get(client, list[1].id)
    if err then error(err, 0) end
    list[1].connection = connection
  elseif #unknown > 0 then
    local now = current.read(client, unknown)
    for _, target in ipairs(list) do target.connection = target.connection or now(target.id) end
  end
end

-- spec: verb, for people; begin(client, target) returns a poller, or nil and the row at once, or nil, nil and an
-- error; row(target, result); plan(client, target) for --dry-run; words(row); removes(target), whether its write
-- removes access (nil: none does).
function change.run(context, make_spec)
  local args = context.args
  local description = audited.description(context)
  local client = context:client(client_options(context))
  local spec = make_spec(client, description)
  local list = targets.find(context, client)
  if args.if_match and #list > 1 then context:usage("--if-match goes with one connection") end
  if not args.dry_run then
    consent.need(context, list, { verb = spec.verb, noun = "connection", has_max = true, removes = spec.removes,
      complete = (spec.removes or #list > 1) and function (found) complete(client, found) end })
  end
  return change.carry_out(context, spec, list)
end

-- A row in words; a token is given as it is.
local function worded(spec)
  return function (row)
    local words = spec.words(row)
    return words and row.result ~= "begun" and text.clean(words) or words
  end
end

-- The rest of it, for targets that are known.
function change.carry_out(context, spec, list)
  local args = context.args
  local out = context:output { columns = change.columns, title = "results", line = worded(spec), live = true,
    lasting = true }
  local counts = new_counts(context, out, spec, #list)
  if args.dry_run then
    for _, target in ipairs(list) do counts.done(target, spec.plan(target)) end
  else
    run_all(context, spec, list, counts.done)
  end
  counts.close()
  out:close()
  if #list == 0 then context:note("no connection matches") end
  return exit_code(context, counts)
end

return change
