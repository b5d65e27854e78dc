-- Shared by auto, plan and apply: options, rows of decisions, rules and limits.

local convert = require "azpec.cli.convert"
local drift = require "azpec.drift"
local failure = require "azpec.cli.error"
local file = require "azpec.file"
local ids = require "azpec.resource_id"
local journal = require "azpec.cli.journal"
local json = require "azpec.json"
local options = require "azpec.cli.options"
local policy = require "azpec.cli.policy"
local preflight = require "azpec.cli.preflight"
local rows = require "azpec.cli.rows"
local rules = require "azpec.rules"
local run = require "azpec.cli.run"
local signals = require "azpec.cli.signals"

local batch = {}

-- ---- options -------------------------------------------------------------------------------------------------------

-- Adds the options of a verb that writes. Returns the option group, for further options.
function batch.define(command, ...)
  command:group("How",
    run.parallel_option(command),
    command:option("--deadline", "longest time for everything, such as 10m, or 90 for seconds"):argname "TIME"
      :convert(convert.seconds),
    run.exit_option(command), preflight.option(command), ...)
  policy.define(command)
  journal.define(command)
end

function batch.none_option(command)
  return options.allow_none(command, "no Batch account is found")
end

-- Rules with --apply, and a plan, ask nothing. Who answers beforehand, as for other verbs, need not be refused.
function batch.accept_yes(command)
  command:flag("--yes"):hidden(true):hidden_name "-y"
end

function batch.enrich_option(command)
  return command:option("--enrich", "Lua file that returns a function (connection) -> facts for the rules")
    :argname "FILE"
end

function batch.key_option(command)
  return command:option("--sign-key-file", "file with a secret that the plan is signed with"):argname "FILE"
    :convert(convert.secret)
end

-- Returns a function that returns the seconds left until --deadline, counted from now; nil without --deadline.
function batch.deadline(context)
  local seconds, now = context.args.deadline, require "cqueues".monotime
  local ends_at = seconds and now() + seconds
  return function () return ends_at and math.max(0, ends_at - now()) end
end

-- ---- decisions -----------------------------------------------------------------------------------------------------

-- Returns the row of a decision that is not carried out, or not yet.
function batch.decision_row(connection, decision)
  local facts = rows.of(connection)
  return run.row(facts.id, rules.result(decision), { action = decision.action, before = facts.status,
    after = decision.status or facts.status, rule = decision.rule, reason = decision.reason, etag = facts.etag,
    description = facts.description, private_endpoint = facts.private_endpoint,
    new_description = run.changed_text(facts, decision.description),
    unmatched = decision.unmatched and json.list(decision.unmatched) })
end

-- Returns whether the row of a decision is shown: an ignored connection has none, unless it alone was asked about.
function batch.is_shown(context, decision)
  return decision.action ~= "ignore" or (ids.parse(context.args.id or "") or {}).kind == "connection"
end

-- Keeps the failure of a rule's function. decision: or a finding of azpec.drift, or nil. Returns it.
local function noted(context, connection, decision)
  if decision and decision.failed then
    context:undecided(connection.id, ("rule '%s' failed, so its decision is hold: %s"):format(decision.rule,
      decision.reason))
  end
  return decision
end

-- ---- rules and plans -----------------------------------------------------------------------------------------------

-- Ends the verb if {ticket} in a rule has no --ticket, or the other way round. speaker: that rule, or nil. A plan keeps
-- its ticket for `azpec apply`.
local function check_ticket(context, speaker)
  local ticket = context.args.ticket
  if speaker and not ticket then
    context:usage(("rule '%s' speaks of a {ticket}, but there is no --ticket"):format(speaker))
  elseif ticket and not speaker and not journal.path(context.args) and not context.args.out then
    context:usage "--ticket needs a place: --journal FILE, or {ticket} in a rule"
  end
end

-- Ends the verb for a rules file with errors. why: the message of azpec.rules, a line for each error; of several the
-- last one has their number.
local function refuse_rules(context, why)
  for line in why:gmatch "([^\n]+)\n" do context:complain(failure.new("usage", line)) end
  context:fail(failure.codes.usage, why:match "[^\n]*$")
end

-- Reads the rules file of the options. If it has errors, ends the verb with file and line of each. is_read_only: the
-- verb writes nothing, so {ticket} needs no --ticket.
function batch.rules(context, is_read_only)
  local set, why = rules.read(context.args.rules, { facts = "--enrich FILE" })
  if not set then refuse_rules(context, why) end
  local speaker = set:speaks_of_ticket()
  if not is_read_only then check_ticket(context, speaker) end
  context.ticket_has_place = speaker ~= nil or context.args.out ~= nil
  local ager = set:speaks_of_age()
  if ager and not (context.args.watch and context.args.api_version) then -- a watch counts from when it first saw one
    context:need_ages(("rule '%s'"):format(ager))
  end
  -- what no rule speaks of need not be read
  context.candidates = { status = not set:speaks_of_status() and "Pending" or nil }
  local path = context.args.enrich
  if path then
    local facts_of
    facts_of, why = require "azpec.enrich".read(path)
    if not facts_of then context:fail(failure.codes.usage, why) end
    context.facts_of = function (connection) return signals.interruptible(facts_of, connection) end
  end
  return set
end

-- Returns the options of a decision. A verb that writes nothing has no ticket.
local function options_of(context, first_seen)
  return { now = context:now(), ticket = context.args.ticket or "-", facts = context.facts_of, first_seen = first_seen,
    explain = context:is_json() or context:is_verbose() }
end

-- Returns the decision on a connection. first_seen: the time when it was first listed, or nil.
function batch.decision(context, set, connection, first_seen)
  return noted(context, connection, set:decide(connection, options_of(context, first_seen)))
end

-- Returns the finding of azpec.drift on a connection, or nil.
function batch.finding(context, set, connection)
  return noted(context, connection, drift.of(set, connection, options_of(context)))
end

-- Calls f(connection, decision) once for each connection of the scope, in listed order. first_seen(connection): the
-- time when it was first listed, or nil.
function batch.decide(context, client, set, f, first_seen)
  local seen = {}
  for connection in context:connections(client) do
    local key = connection.id:lower()
    if not seen[key] then
      seen[key] = true
      f(connection, batch.decision(context, set, connection, first_seen and first_seen(connection)))
    end
  end
  context:tell_unread()
end

-- Counts the items by wanted status.
function batch.counts(items)
  local counts = {}
  for _, item in ipairs(items) do counts[item.status] = (counts[item.status] or 0) + 1 end
  return counts
end

-- Ends the verb if the rules, or --max, do not allow so many changes. counts: as for excess() of azpec.rules.
function batch.check_excess(context, set, counts)
  local message, limit = set:excess(counts, context.args.max)
  if not message then return end
  local lifts = limit == "more" and "--max" or ("`%s` of at_most in the rules"):format(limit)
  context:fail(failure.codes.ambiguous, message .. "; nothing was done",
    ("if all of them are meant, raise %s; else select fewer by -g or --account"):format(lifts))
end

-- Ends the verb if the file that --out names, if any, may not be written. Called first, and again before writing, since
-- reading may take minutes.
function batch.check_place(context, is_own)
  local path = context.args.out
  if not path or path == "-" then return end
  local free, why = file.may_replace(path, is_own)
  if not free then context:fail(failure.codes.usage, "--out: " .. why) end
end

-- Writes data to the file that --out names, or to stdout for "-". Ends the verb if that fails.
function batch.save(context, data, is_own)
  batch.check_place(context, is_own)
  local path = context.args.out
  if path == "-" then
    local terminal = require "azpec.cli.terminal"
    terminal.write(data)
    return terminal.flush()
  end
  local ok, why = file.replace(path, data, is_own)
  if not ok then context:fail(failure.codes.other, why) end
end

return batch
