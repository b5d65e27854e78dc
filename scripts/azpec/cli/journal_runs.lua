-- azpec journal runs: lists the runs of a journal, one line each. A run is one call of the command, or one round of
-- `auto --watch`, with the calls that finished what it had begun; `journal undo` and `journal show` take its name.

local date = require "azpec.date"
local journal = require "azpec.journal"
local labels = require "azpec.cli.journal_labels"
local verified = require "azpec.cli.verified"

-- RUN has a time, too, so TIME leaves before most others.
local columns = {
  { "TIME", "at", whole = true, leaves = 6 }, { "RUN", "run", whole = true }, { "WHO", "by", leaves = 7 },
  { "VERB", "verb", leaves = 2 }, { "WRITES", "writes", leaves = 1 }, { "CHANGED", "changed" },
  { "UNCHANGED", "unchanged", for_programs = true }, { "FAILED", "failed" }, { "UNFINISHED", "unfinished" },
  { "TICKET", "ticket", optional = true, leaves = 3 },
  { "CHANGE", "change_reference", optional = true, leaves = 4 },
  { "REASON", "reason", optional = true, leaves = 5 },
  { "ENDED", "ended_at", for_programs = true }, { "COMMAND", "command", for_programs = true },
}

-- Returns whether a run has written since a moment.
local function is_since(run, moment)
  return not moment or (date.parse(run.ended_at) or 0) >= moment
end

-- Returns the runs with a write that has the labels of the options: a set of names. Ends the verb if no write has them.
local function labeled(context, records)
  local writes, names = journal.writes(records), {}
  labels.check(context, writes)
  for _, write in ipairs(writes) do
    if labels.match(write, context.args) then names[write.run] = true end
  end
  return names
end

local function run_action(context, path)
  local records, report = verified.read(context, path)
  local chosen = labeled(context, records)
  local out, unfinished = context:output { columns = columns, title = "runs" }, {}
  for _, run in ipairs(journal.runs(records)) do
    run.by, run.changes = journal.name_of(run.who), nil
    if chosen[run.run] and is_since(run, context.args.since) then
      out:row(run)
      if run.unfinished > 0 then unfinished[#unfinished + 1] = run end
    end
  end
  if not report.intact then verified.check_damage(context, report) end -- the frame shows the rows, as not all
  out:close()
  if out.count == 0 then context:note(report.lines == 0 and "the journal is empty" or "no such run") end
  verified.tell_unfinished(context, unfinished, path)
end

return { columns = columns, run = run_action }
