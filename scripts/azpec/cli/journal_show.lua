-- azpec journal show: lists the writes of a journal with their results. The rows have the members of those of approve;
-- the states as the journal has them are state_before and state_after.

local chosen = require "azpec.cli.chosen"
local journal = require "azpec.journal"
local labels = require "azpec.cli.journal_labels"
local nearest = require "azpec.nearest"
local rows = require "azpec.cli.rows"
local verified = require "azpec.cli.verified"

-- RUN has a time, too, so TIME leaves before BEFORE and AFTER.
local columns = rows.with({
  { "TIME", "at", whole = true, leaves = 3 }, { "RUN", "run", whole = true }, { "WHO", "by", leaves = 9 },
  { "VERB", "verb", leaves = 8 }, { "ACCOUNT", "account_name", leaves = 4 }, rows.resource_group, rows.subscription,
  { "NAME", "name" }, { "BEFORE", "before", leaves = 1 }, { "AFTER", "after", leaves = 1 }, { "RESULT", "result" },
  { "RULE", "rule", optional = true, leaves = 7 }, { "REASON", "reason", optional = true, leaves = 6 },
  { "TICKET", "ticket", optional = true, leaves = 5 },
  { "CHANGE", "change_reference", optional = true, leaves = 10 },
  { "POLICY TOKEN", "policy_token_id", optional = true, leaves = 11 },
  { "FINISHED BY", "finished_by", optional = true, leaves = 12 },
  { "FINISHED TICKET", "finished_ticket", optional = true, leaves = 13 },
  { "FINISHED RUN", "finished_run", for_programs = true },
  { "ERROR", "error_message", optional = true, leaves = 2 }, { "BEGUN", "begun_at", for_programs = true },
  { "ID", "id", for_programs = true },
  { "CALL", "call", for_programs = true }, { "REQUEST ID", "request_id", for_programs = true },
  { "CORRELATION ID", "correlation_id", for_programs = true }, { "LINE", "line", leaves = 2 },
  { "COMMAND", "command", for_programs = true },
}, "attempt azpec operation policy_attempts")

-- The members that a report leaves out: those of the hash chain, and continuation tokens.
local hidden = { "audit", "seq", "prev", "hash", "event", "torn", "subject", "token" }

-- commands: the command lines by run; only a write without a known result has a use for it.
local function row_of(write, commands)
  for _, name in ipairs(hidden) do write[name] = nil end
  write.by = journal.name_of(write.who)
  local facts = rows.of_id(write.connection)
  write.id, write.connection = write.connection, nil
  for _, name in ipairs { "name", "account_name", "resource_group_name", "subscription_id" } do
    write[name] = facts[name]
  end
  write.state_before, write.state_after = write.before, write.after
  write.before, write.after = (write.before or {}).status, (write.after or {}).status
  write.result, write.outcome = write.outcome, nil
  write.command = write.result == "unknown" and commands[write.run] or nil
  write.error_message = (write.error or {}).message
  return write
end

-- Returns the run that --run names; nil without --run. Ends the verb if the journal does not have that run.
local function run_of(context, runs, writes)
  local wanted, names = context.args.run, {}
  if not wanted then return nil end
  if wanted == "last" then return runs[#runs] and runs[#runs].run or "" end
  for n, run in ipairs(runs) do
    if run.run == wanted then return wanted end
    names[n] = run.run
  end
  for _, write in ipairs(writes) do
    if write.finished_run == wanted then return wanted end
  end
  context:fail(context.codes.not_found, ("the journal knows no run '%s'%s"):format(wanted,
    nearest.question(wanted, names)))
end

local function run_action(context, path)
  local records, report = verified.read(context, path)
  local all = journal.writes(records, {})
  local runs, commands, unfinished, ids = journal.runs(records), {}, {}, {}
  for _, one in ipairs(runs) do commands[one.run] = one.command end
  for n, write in ipairs(all) do ids[n] = write.connection end
  local run, is_chosen = run_of(context, runs, all), chosen.test(context, ids, "the journal knows")
  labels.check(context, all)
  local out = context:output { columns = columns, title = "writes" }
  for _, write in ipairs(journal.writes(records, { run = run, since = context.args.since })) do
    if labels.match(write, context.args) and is_chosen(write.connection) then
      local row = row_of(write, commands)
      out:row(row)
      if row.result == "unknown" then unfinished[#unfinished + 1] = row end
    end
  end
  if not report.intact then verified.check_damage(context, report) end -- the frame shows the rows, as not all
  out:close()
  if out.count == 0 then context:note("no such write") end
  verified.tell_unfinished(context, unfinished, path)
end

return { columns = columns, run = run_action }
