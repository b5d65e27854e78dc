-- What auto, plan and apply have in common: decisions and what became of them as rows, a run over many, its summary.

local audited = require "azpec.command.trail"
local failure = require "azpec.command.failure"
local file = require "azpec.file"
local many = require "azpec.many"
local rows = require "azpec.command.rows"
local convert = require "azpec.command.convert"
local text = require "azpec.text"

local batch = {}

-- ---- options -------------------------------------------------------------------------------------------------------

-- The options of a verb that carries out; the group's further ones may follow.
function batch.define(command, ...)
  command:group("How",
    command:option("--parallel", "how many are under way at once"):argname "N":default "100":convert(convert.positive),
    command:option("--checkpoint", "file that lets a run that was broken off go on"):argname "FILE",
    command:option("--deadline", "longest time for everything, as 10m"):argname "TIME":convert(convert.seconds),
    command:flag("--detailed-exitcode", "10 where something changed, or would"), ...)
end

function batch.key_option(command)
  return command:option("--sign-key-file", "file with a secret that the plan is signed with"):argname "FILE"
    :convert(convert.secret)
end

-- A function that tells the seconds that --deadline leaves, counted from now on; nil: there is none.
function batch.deadline(context)
  local seconds, now = context.args.deadline, require "cqueues".monotime
  local ends_at = seconds and now() + seconds
  return function () return ends_at and math.max(0, ends_at - now()) end
end

-- ---- rows ----------------------------------------------------------------------------------------------------------

batch.columns = {
  { "NAME", "name" }, { "RESULT", "result" }, { "BEFORE", "before" }, { "AFTER", "after" }, { "RULE", "rule" },
  { "REASON", "reason" }, { "ERROR", "error_message" }, { "ID", "id" }, { "TOKEN", "continuation_token",
  for_programs = true },
}

local function row_of(id, result, more)
  local facts = rows.of_id(id)
  local row = { id = id, name = facts.name, subscription_id = facts.subscription_id,
    resource_group_name = facts.resource_group_name, account_name = facts.account_name, result = result }
  for name, value in pairs(more) do row[name] = value end
  return row
end

local would = { approve = "would approve", reject = "would reject", hold = "held", ignore = "ignored" }

-- A decision that is not carried out, or not yet.
function batch.decision_row(connection, decision)
  local facts = rows.of(connection)
  local result = decision.status and not decision.changes and "unchanged" or would[decision.action]
  return row_of(facts.id, result, { action = decision.action, before = facts.status,
    after = decision.status or facts.status, rule = decision.rule, reason = decision.reason, etag = facts.etag,
    description = decision.description or facts.description, private_endpoint = facts.private_endpoint })
end

-- What became of an item.
function batch.result_row(result)
  local item, err = result.item, result.err
  local after, before = result.after and rows.of(result.after), result.before and rows.of(result.before)
  return row_of(item.id, result.outcome, { action = item.action, rule = item.rule, reason = item.reason,
    before = before and before.status or item.before, after = after and after.status, etag = after and after.etag,
    description = after and after.description, resumed = result.resumed, request_id = result.ids.request_id,
    error = err and failure.facts(err), error_message = err and failure.lines(err)[1],
    continuation_token = err and err.continuation_token })
end

-- An item that is not begun, because of what was found before: err is an azpec.Error, or else why tells what has
-- changed.
function batch.refused_row(item, why, err)
  err = err or { kind = "precondition", message = why }
  return row_of(item.id, why and "stale" or "failed", { action = item.action, rule = item.rule, reason = item.reason,
    before = item.current.status, why = why, error = failure.facts(err), error_message = failure.lines(err)[1] })
end

local function because(row)
  if not row.rule then return row.reason and ": " .. row.reason or "" end
  return (": rule '%s', %s"):format(row.rule, row.reason)
end

local worded = {
  ["would approve"] = function (row) return "would approve" .. because(row) end,
  ["would reject"] = function (row) return "would reject" .. because(row) end,
  held = function (row) return "held" .. because(row) end,
  ignored = function (row) return "ignored" .. because(row) end,
  changed = function (row)
    return ("%s%s%s"):format(text.state(row.after), row.before and " (was " .. row.before .. ")" or "", because(row))
  end,
  unchanged = function (row)
    return ("already %s%s"):format(text.state(row.after), row.resumed and " (an earlier run began it)" or because(row))
  end,
  stale = function (row) return "refused: " .. (row.why or "it was changed by somebody else since") end,
  failed = function (row) return "failed: " .. row.error_message end,
  unknown = function (row) return "not known to have ended: " .. row.error_message end,
}

-- A row in words.
function batch.words(row)
  return text.clean(("%s: %s"):format(row.name, worded[row.result](row)))
end

function batch.output(context, title)
  return context:output { columns = batch.columns, title = title or "results", line = batch.words, live = true,
    lasting = true }
end

-- ---- carrying out --------------------------------------------------------------------------------------------------

-- What was begun and did not end is told by the frame, unless a checkpoint knows it.
local function tracker(context, checkpoint)
  if not checkpoint then return function (poller) context:track(poller) end end
end

-- Carries out items: a row for each, a bar meanwhile; the summary of azpec.many, and the last error in it.
-- options: client, items (as azpec.many's; connection: as it was found, before: its status), out, checkpoint,
-- deadline (seconds).
function batch.run(context, options)
  local bar = #options.items > 1 and context:progress { total = #options.items }
  local last_err
  local summary = many.run {
    client = options.client, items = options.items, parallel = context.args.parallel, deadline = options.deadline,
    checkpoint = options.checkpoint, track = tracker(context, options.checkpoint),
    on_begin = function (item)
      if options.out.problem then return false, options.out.problem end
      context:because(item.id, { rule = item.rule, reason = item.reason, before = item.connection })
    end,
    on_progress = bar and function (counts) bar:update(counts) end,
    on_result = function (result)
      last_err = result.err or last_err
      options.out:row(batch.result_row(result))
      if result.outcome == "unknown" and not options.checkpoint then context:keep(result.err.continuation_token) end
    end,
  }
  if bar then bar:close() end
  summary.total, summary.last_err = #options.items, last_err
  if options.out.problem then context.not_begun = summary.total - summary.begun end
  return summary
end

-- "500 connections: 480 changed, 12 unchanged, 8 failed".
function batch.sum_up(context, summary)
  local parts = {}
  for _, what in ipairs { "changed", "unchanged", "stale", "failed", "unknown" } do
    if summary[what] > 0 or what == "changed" then parts[#parts + 1] = ("%d %s"):format(summary[what], what) end
  end
  local rest = summary.total - summary.begun
  if rest > 0 then parts[#parts + 1] = ("%d not begun"):format(rest) end
  context:note("%s: %s", text.count(summary.total, "connection"), table.concat(parts, ", "))
  if context.args.checkpoint and (rest > 0 or summary.unknown > 0) then
    context:note("to go on, run the same command again")
  end
end

local left_code = { deadline = failure.codes.timeout }

-- The exit code that a summary means.
function batch.exit_code(context, summary)
  local codes = failure.codes
  local bad = summary.stale + summary.failed + summary.unknown
  if summary.left then
    if summary.err then context:complain(summary.err) end
    return left_code[summary.left] or failure.exit_code(summary.err)
  end
  if bad == 1 and summary.total == 1 then return failure.exit_code(summary.last_err) end
  if bad > 0 then return bad == summary.unknown and codes.timeout or codes.some_failed end
  return context.args.detailed_exitcode and summary.changed > 0 and codes.changes or 0
end

-- The run in the checkpoint's file that the options name, if they name one; ends the verb where it cannot be used.
function batch.checkpoint(context, subject)
  local path = context.args.checkpoint
  if not path then return nil end
  local opened, err = require "azpec.checkpoint".open(path, context.verb, subject)
  if not opened then context:fail(failure.exit_code(err), err.message) end
  return opened
end

-- Where nothing is left of a run to go on with, its checkpoint says so, and the next one begins anew.
function batch.settle(checkpoint, summary)
  if not checkpoint or summary.left or summary.unknown > 0 then return end
  local ok, err = checkpoint:done()
  if not ok then summary.left, summary.err = "checkpoint", err end
end

-- ---- rules and plans -----------------------------------------------------------------------------------------------

-- The rules in the file that the options name; ends the verb with file and line where they are not right.
function batch.rules(context)
  local set, why = require "azpec.rules".read(context.args.rules)
  if not set then context:fail(failure.codes.usage, why) end
  local ticket, speaker = context.args.ticket, set:speaks_of_ticket()
  if speaker and not ticket then
    context:usage(("rule '%s' speaks of a {ticket}, but there is no --ticket"):format(speaker))
  elseif ticket and not speaker and not audited.path(context.args) then
    context:usage "--ticket needs a place: --audit FILE, or {ticket} in a rule's description"
  end
  context.ticket_has_place = speaker ~= nil
  return set
end

-- Calls f(connection, decision) for each connection of the scope, once, in the order in which they are listed.
-- first_seen(connection): since when it has been known; timeout: seconds for each list.
function batch.decide(context, client, set, f, first_seen, timeout)
  local seen = {}
  for connection in context:connections(client, timeout) do
    local key = connection.id:lower()
    if not seen[key] then
      seen[key] = true
      f(connection, set:decide(connection, { ticket = context.args.ticket,
        first_seen = first_seen and first_seen(connection) }))
    end
  end
end

-- How many items there are for each status.
function batch.counts(items)
  local counts = {}
  for _, item in ipairs(items) do counts[item.status] = (counts[item.status] or 0) + 1 end
  return counts
end

-- Ends the verb where the rules, or --max, allow no such number of changes. counts: approve, reject.
function batch.check_excess(context, set, counts)
  local message = set:excess(counts, context.args.max)
  if message then context:fail(failure.codes.ambiguous, message .. "; nothing was done") end
end

-- Writes data to a file or, for "-", to stdout; ends the verb where that fails.
function batch.save(context, path, data)
  if path == "-" then return require "azpec.command.terminal".write(data) end
  local ok, why = file.replace(path, data)
  if not ok then context:fail(failure.codes.other, why) end
end

return batch
