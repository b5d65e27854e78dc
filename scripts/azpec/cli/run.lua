-- Shared by all verbs that write: rows of items, the line of progress, the summary line and the exit code.

local convert = require "azpec.cli.convert"
local engine = require "azpec.run"
local failure = require "azpec.cli.error"
local ids = require "azpec.resource_id"
local preflight = require "azpec.cli.preflight"
local refresh = require "azpec.refresh"
local rows = require "azpec.cli.rows"
local select = require "azpec.select"
local text = require "azpec.text"

local run = {}

run.columns = rows.with({
  { "NAME", "name" }, { "RESULT", "result" }, { "BEFORE", "before" }, { "AFTER", "after" },
  { "RULE", "rule", optional = true }, { "REASON", "reason", optional = true },
  { "ERROR", "error_message", optional = true }, { "ID", "id" }, { "TOKEN", "continuation_token", for_programs = true },
  { "ACCOUNT", "account_name", extra = true }, { "DESCRIPTION", "description", extra = true },
  { "ETAG", "etag", extra = true },
}, "action correlation_id new_description private_endpoint request_id resource_group_name resumed subscription_id why")

-- Adds --parallel. Returns the option group, for further options.
function run.parallel_option(command)
  return command:option("--parallel", "how many writes are under way at once; it does not change how many accounts are "
    .. "read at once"):argname "N":default "100"
    :convert(convert.positive)
end

function run.exit_option(command)
  return command:flag("--detailed-exitcode", "10 where something changed, or would")
end

-- ---- items that cannot be read -------------------------------------------------------------------------------------

-- Sets an item's `connection`, `gone` or `err` by what azpec.refresh has read.
function run.note(item, connection, err, no_account)
  item.connection, item.err = connection, err or no_account
  item.gone = not item.connection and not item.err
  if item.gone and item.action ~= "delete" then
    item.err = failure.new("not_found", "there is no such connection", { id = item.id })
  end
end

-- Reads the connections of what an earlier run has begun, for a dry run: the journal does not know how they are now.
local function read_begun(options)
  local begun, connection_ids = {}, {}
  for _, item in ipairs(options.items) do
    if item.begun_before then begun[#begun + 1], connection_ids[#connection_ids + 1] = item, item.id end
  end
  if #begun == 0 then return end
  local now = refresh.read(options.client, connection_ids)
  for _, item in ipairs(begun) do run.note(item, now(item.id)) end
end

-- Kinds of errors that all accounts would meet.
local ends_all = { credential = true, timeout = true, transport = true, throttled = true, protocol = true }

-- Raises the error of an item that could not be read if all others would fail like it; with --fail-fast, any error.
-- Otherwise such an item fails, the others are carried out, and JSON is not complete.
function run.check_read(context, items)
  local known = {}
  for _, item in ipairs(items) do
    local err, account = item.err, ids.account_of(item.id) or item.id
    if err and (context.args.fail_fast or ends_all[err.kind]) then error(err, 0) end
    if err and not known[account:lower()] then
      known[account:lower()] = true
      context:add_unread(failure.facts(failure.with(err, { place = account })))
    end
  end
end

-- ---- rows ----------------------------------------------------------------------------------------------------------

function run.row(id, result, more)
  local facts = rows.of_id(id)
  local row = { id = id, name = facts.name, subscription_id = facts.subscription_id,
    resource_group_name = facts.resource_group_name, account_name = facts.account_name, result = result }
  for name, value in pairs(more) do row[name] = value end
  return row
end

local function after_of(result)
  if result.after then return select.facts(result.after) end
  local status = result.outcome == "would change" and engine.status_of(result.item)
  return { status = status ~= "Deleted" and status or nil, etag = status and (result.before or {}).etag or nil }
end

-- Returns the description that would be written in place of another one; facts: of the connection as it is, or nil.
function run.changed_text(facts, text_to_write)
  return text_to_write ~= ((facts or {}).description or "") and text_to_write or nil
end

-- Returns what a person may not expect of a connection that was not written, or nil.
local function why_unchanged(result, item)
  if item.other_decision then return "by another decision: " .. item.other_decision end
  return result.outcome == "unchanged" and item.kept or nil
end

-- Returns the row of a result of azpec.run. Its status before is one that was read: by this run, or by an earlier one
-- before its write. That of a plan, or that a run has left, may be old. The description of what would change is the
-- present one.
function run.result_row(result)
  local item, err, after = result.item, result.err, after_of(result)
  local before = result.before and select.facts(result.before)
  local would_change = result.outcome == "would change"
  return run.row(item.id, result.outcome, { action = item.action, rule = item.rule, reason = item.reason,
    unmatched = item.unmatched,
    before = before and before.status or item.begun_before and item.before or nil,
    after = after.status, etag = after.etag,
    description = after.description or not would_change and item.description or before and before.description,
    new_description = would_change and run.changed_text(before, item.description) or nil,
    resumed = result.resumed, why = result.why or why_unchanged(result, item), request_id = result.ids.request_id,
    correlation_id = result.ids.correlation_id,
    error = err and failure.facts(err), error_message = err and failure.lines(err)[1],
    continuation_token = result.token })
end

local function because(row)
  if not row.rule then return row.reason and ": " .. row.reason or "" end
  return (": rule '%s', %s"):format(row.rule, row.reason)
end

-- A dry run shows the text that would be written.
local function described(row)
  return row.new_description and (', described "%s"'):format(row.new_description) or ""
end

local by_earlier = " (an earlier run began it)"

local function changed(row)
  local was = row.resumed and by_earlier or row.before and " (was " .. text.state(row.before) .. ")" or ""
  if not row.after then return "deleted" .. was end
  return text.state(row.after) .. (row.before == row.after and not row.resumed and " (new description)" or was)
end

-- A rule that changed nothing is not named.
local function unchanged(row)
  local is = row.after and "already " .. text.state(row.after) or "already gone"
  return is .. (row.resumed and by_earlier or row.why and "; " .. row.why or "")
end

-- A change that is under way (row.why) is waited for; what it leaves is not known yet.
local function would_change(row)
  local is, why = "is " .. text.state(row.before), row.why and ": " .. row.why or because(row)
  if row.action == "delete" then return ("would be deleted (%s)%s"):format(is, why) end
  if row.before == row.after and not row.why then is = "is so, with another description" end
  return ("would become %s%s (%s)%s"):format(text.state(row.after), described(row), is, why)
end

-- By result: the outcomes of azpec.run, and decisions that are not carried out.
local worded = {
  ["would approve"] = function (row) return "would approve" .. described(row) .. because(row) end,
  ["would reject"] = function (row) return "would reject" .. described(row) .. because(row) end,
  held = function (row) return "held" .. because(row) end,
  ignored = function (row) return "ignored" .. because(row) end,
  changed = function (row) return changed(row) .. (row.resumed and "" or because(row)) end,
  unchanged = unchanged,
  ["would change"] = would_change,
  impossible = function (row) return row.why or "cannot" .. because(row) end,
  stale = function (row, beginning) return beginning .. (row.why or "it was changed by somebody else since") end,
  failed = function (row) return "failed: " .. (row.error_message or "its row gives no reason") end,
  unknown = function (row) return "not known to have ended: " .. row.error_message end,
}

-- How azpec.run begins the message about a connection that was changed since. context.refused: the verb's own words.
local refused_by_run = "refused: "

-- Returns a row in words.
local function words_of_row(context, row)
  return text.clean(("%s: %s"):format(row.name, worded[row.result](row, context.refused or refused_by_run)))
end

-- Returns a line, after a line end, for each rule that did not match: why not.
function run.unmatched(list)
  local lines = {}
  for n, one in ipairs(list or {}) do lines[n] = "\n" .. text.clean(("  rule '%s': %s"):format(one.rule, one.why)) end
  return table.concat(lines)
end

local dull = { held = true, ignored = true, unchanged = true }

-- Returns whether -q hides a row in all formats but JSON, which is complete. An impossible decision is held; an
-- impossible change is a failure.
local function is_dull(row)
  return dull[row.result] or row.result == "impossible" and row.action == "hold"
end

-- Returns an output of results, or of other rows with a title. In words, errors go to standard error, except those of a
-- dry run. is_named: the command line chose the connections, so -q hides none. more (or nil): a function of a row that
-- returns further lines for people. With --no-wait, standard output has only tokens, for `azpec resume`.
function run.output(context, title, is_named, more)
  local function line(row)
    if row.error and not run.passed[row] and not context.args.dry_run then return nil end
    if row.result == "begun" then return row.continuation_token end
    local words = context:place_of(row) .. words_of_row(context, row)
    if more then words = words .. more(row) end
    if context:is_verbose() then words = words .. run.unmatched(row.unmatched) end
    if not context.args.no_wait then return words end
    context:note("%s", words)
  end
  local function hides(row)
    return not is_named and context.args.quiet and is_dull(row)
  end
  return context:output { columns = run.columns, title = title or "results", line = line, hides = hides, live = true,
    lasting = true }
end

-- Calls f with rows in the order of their items, each as soon as all rows before it exist.
local function in_order(items, f)
  local place, held, following = {}, {}, 1
  for n, item in ipairs(items) do place[item] = n end
  local function release(are_all)
    while following <= #items and (held[following] or are_all) do
      if held[following] then f(held[following]) end
      following = following + 1
    end
  end
  return function (item, row)
    held[place[item]] = row
    release(false)
  end, function () release(true) end
end

-- ---- carrying out --------------------------------------------------------------------------------------------------

local function on_begin(context, out)
  return function (item)
    if out.problem then return false, out.problem end
    context:because(item.id, { verb = item.verb, rule = item.rule, reason = item.reason, before = item.connection })
  end
end

-- Keeps the errors that the frame shows at the end. The error of a single named item is the verb's own.
local function complain(context, options, result)
  if not result.err or result.err.is_told or result.item.is_told or context.args.dry_run then return end
  if options.is_named and options.total == 1 then error(result.err, 0) end
  local err, is_stale = result.err, result.outcome == "stale" -- a refused token's error names no connection
  local message = is_stale and context.refused and err.message:gsub("^" .. refused_by_run, context.refused) or nil
  context:complain(failure.with(err, { id = err.id or result.item.id, message = message or err.message,
    cause = is_stale and err.kind or nil, is_unknown = result.outcome == "unknown" or nil }))
end

-- Gives the items whose rights are missing the error that preflight has reported.
local function refuse_without_rights(context, options)
  local refused = preflight.check(context, options.client, options.items, options.right)
  for _, item in ipairs(options.items) do item.err = item.err or refused(item) end
end

-- Returns an empty summary of so many items, to which others can be added.
function run.new_total(count)
  local total = engine.summary()
  total.total = count
  return total
end

local how_to_go_on = "to go on, run the same command again"

-- "37 connections: 5 changed, 5 under way, 27 not begun".
local function words_of(context, summary)
  local parts, ended = {}, 0
  local first = context.args.dry_run and "would change" or context.args.no_wait and "begun" or "changed"
  for _, outcome in ipairs(engine.outcomes) do
    if summary[outcome] > 0 or outcome == first then parts[#parts + 1] = ("%d %s"):format(summary[outcome], outcome) end
    ended = ended + summary[outcome]
  end
  local running, rest = summary.taken - ended, summary.total - summary.taken
  if running > 0 then parts[#parts + 1] = ("%d under way"):format(running) end
  if rest > 0 then parts[#parts + 1] = ("%d not begun"):format(rest) end
  return ("%s: %s"):format(text.count(summary.total, "connection"), table.concat(parts, ", ")), rest
end

-- Keeps the counts of the run for the error of the interruption. Unless the same command continues all, `azpec
-- resume` does so with what is under way.
local function note_interruption(context, summary, goes_on)
  local words, rest = words_of(context, summary)
  if summary.total > 1 then context.interrupted_at = words end
  if goes_on then return context:say(how_to_go_on) end
  if summary.total == 1 or rest == 0 then return end
  context:note("%s not begun; to begin %s, run the same command again", text.count(rest, "connection")
    .. (rest == 1 and " was" or " were"), rest == 1 and "it" or "them")
end

-- Carries out items, with a row for each and a line of progress. Returns the summary of azpec.run with its last error.
-- options: client, items, out, total (number of all items; default: of these), deadline (seconds), is_named (the
-- command line chose the items: their rows are in that order), is_resumed (the same command can continue an
-- interruption; else tokens are shown). An item with is_told has been explained already.
function run.run(context, options)
  local args, items, out, last_err = context.args, options.items, options.out, nil
  options.total = options.total or #items
  if options.dry_run then read_begun(options) end
  if options.right and not options.dry_run then refuse_without_rights(context, options) end
  local bar = #items > 1 and context:progress()
  if bar then bar:begin(#items) end
  local tell, tell_rest = in_order(options.is_named and items or {}, function (row) out:row(row) end)
  local goes_on, summary = options.is_resumed and context.journal ~= nil, run.new_total(#items)
  local function on_result(result)
    last_err = result.err or last_err
    if result.outcome == "changed" or result.outcome == "unchanged" then
      context.as_asked[#context.as_asked + 1] = result.item.id
    end
    complain(context, options, result)
    if result.err then context:fall_short(result.err, result.item.id) end
    if result.outcome == "unknown" and not goes_on then context:keep(result.token, failure.needs_write(result.err)) end
    local row = run.result_row(result)
    if options.is_named then tell(result.item, row) else out:row(row) end
  end
  local _ <close> = setmetatable({}, { __close = function (_, interruption)
    tell_rest()
    if bar then bar:close() end
    if interruption then note_interruption(context, summary, goes_on) end
  end })
  engine.run { client = options.client, items = items, parallel = args.parallel, summary = summary,
    deadline = options.deadline, no_wait = args.no_wait, dry_run = options.dry_run, on_result = on_result,
    on_begin = on_begin(context, out), on_progress = bar and function (counts) bar:update(counts) end,
    track = not args.no_wait and function (poller)
      if goes_on then context:progress():follow(poller) else context:track(poller) end
    end or nil }
  summary.last_err = last_err
  if out.problem then context.not_begun = summary.total - summary.taken end
  return summary
end

function run.add(total, summary)
  total.taken = total.taken + summary.taken
  for _, outcome in ipairs(engine.outcomes) do total[outcome] = total[outcome] + summary[outcome] end
  total.left, total.err, total.last_err = summary.left, summary.err, summary.last_err or total.last_err
end

-- Returns an output for rows of an earlier command, which show their errors.
run.passed = setmetatable({}, { __mode = "k" })

-- Shows a row of an earlier command.
function run.pass(context, total, out, row)
  local outcome = total[row.result] and row.result or "failed"
  run.passed[row] = true
  total.taken, total[outcome] = total.taken + 1, total[outcome] + 1
  if engine.bad[outcome] then
    total.last_err = row.error or failure.new("other", "its row gives no reason")
    context:fall_short(total.last_err, row.id)
  end
  out:row(row)
end

function run.sum_up(context, summary)
  local words, rest = words_of(context, summary)
  context:conclude("%s%s", words, context.left_out or "")
  if context.journal and (rest > 0 or summary.unknown > 0) then
    context:say(how_to_go_on)
  end
end

local left_code = { deadline = failure.codes.timeout }

-- Returns the exit code of a summary.
function run.exit_code(context, summary)
  local codes, bad = failure.codes, 0
  for outcome in pairs(engine.bad) do bad = bad + summary[outcome] end
  if summary.left then
    if summary.left == "refused" then context:complain(summary.err) end -- another one is that of an item
    return left_code[summary.left] or summary.unknown > 0 and codes.timeout or failure.exit_code(summary.err)
  end
  if bad == 1 and summary.total == 1 then
    return summary.unknown > 0 and codes.timeout or failure.exit_code(summary.last_err)
  end
  if bad > 0 then return bad == summary.unknown and codes.timeout or codes.some_failed end
  local changes = summary.changed + summary.begun + summary["would change"]
  return context.args.detailed_exitcode and changes > 0 and codes.changes or 0
end

return run
