-- What a verified journal tells: shared by the actions of azpec journal, and report.

local journal = require "azpec.journal"
local json = require "azpec.json"
local rows = require "azpec.cli.rows"
local text = require "azpec.text"

local verified = {}

-- Returns the anchor of a report of azpec.journal.verify, or nil.
function verified.anchor_of(report)
  return report.last and ("%d:%s"):format(report.last.seq, report.last.hash) or nil
end

-- Returns such a report for programs: `journal verify` and `report` have the same members.
function verified.facts(path, report)
  local unfinished = json.list()
  for n, write in ipairs(report.unfinished) do
    local facts = rows.of_id(write.connection)
    unfinished[n] = { line = write.line, at = write.at, run = write.run, verb = write.verb, command = write.command,
      ticket = write.ticket, call = write.call, id = write.connection, name = facts.name,
      account_name = facts.account_name, resource_group_name = facts.resource_group_name,
      subscription_id = facts.subscription_id }
  end
  return { file = path, ok = report.ok, lines = report.lines, left_out = report.left_out,
    anchor = verified.anchor_of(report), problems = json.list(report.problems), repaired = json.list(report.repaired),
    open = json.list(report.open), unfinished = unfinished }
end

-- Returns "; 2 lines are left out" of what is listed, or "".
local function left_out(report)
  if report.left_out == 0 then return "" end
  return ("; %s left out of what is listed"):format(text.count(report.left_out, "line")
    .. (report.left_out == 1 and " is" or " are"))
end

-- Reads a journal for a verb that lists what it has. Returns the records and the report; ends the verb if it cannot be
-- read.
function verified.read(context, path)
  local records, report = journal.read(path)
  if not records then context:fail(context.codes.other, report) end
  context:add_to_envelope { left_out = report.left_out }
  return records, report
end

-- Ends a verb that lists the writes of a damaged journal.
function verified.check_damage(context, report)
  if #report.problems == 0 then return end
  context:fail(context.codes.other, ("the journal is not as it was written: %s%s"):format(report.problems[1].message,
    left_out(report)), "azpec journal verify shows all")
end

-- Ends the verb that verifies a journal if that is damaged or has nothing to verify.
function verified.check_verified(context, path, report)
  if #report.problems > 0 then
    context:fail(context.codes.other, ("%s: %s in %s%s"):format(path, text.count(#report.problems, "problem"),
      text.count(report.lines, "line"), left_out(report)))
  elseif not report.ok then
    context:fail(context.codes.not_found, path .. ": it is empty, so there is nothing to verify",
      "nothing was recorded, or all lines were removed; only --anchor tells which")
  end
end

local function list_of(lines)
  return (#lines == 1 and "line " or "lines ") .. table.concat(lines, ", ")
end

-- Returns how to finish writes, or runs, without a known result: their command lines, for a shell. Those that were too
-- long, or that are of azpec before 1.0, are not in the journal. A journal that was renamed has them with its old name.
local function how_to_finish(writes, path)
  local lines, known, lacks, renamed = {}, {}, false, false
  for _, write in ipairs(writes) do
    local command = write.command
    lacks = lacks or not command
    renamed = renamed or command and not command:find(path:match "[^/]*$", 1, true)
    if command and not known[command] then known[command], lines[#lines + 1] = true, "  " .. command end
  end
  local which = #lines == 0 and "these writes" or "the other writes"
  local where = ("azpec journal show lists %s with their verbs and connections"):format(which)
  if #lines == 0 then return "run the commands that began them again, with this journal; " .. where end
  table.insert(lines, 1, #lines == 1 and "run this command again, unless it is still running:"
    or "run these commands again, unless they are still running:")
  if renamed then lines[#lines + 1] = "  but with --journal " .. text.shell(path) .. ", which has these writes" end
  if lacks then lines[#lines + 1] = where end
  return table.concat(lines, "\n")
end

-- Tells how to finish the listed writes, or runs, that have no known result.
function verified.tell_unfinished(context, writes, path)
  if #writes > 0 then context:note("to finish what has no known result, %s", how_to_finish(writes, path)) end
end

-- Tells lines of a journal that are notable and no fault.
function verified.tell_notable(context, report, path)
  if #report.repaired > 0 then
    context:note("a write was cut off (a crash, a full disk) and noted by the next in %s", list_of(report.repaired))
  end
  if #report.open > 0 then
    context:note("how the writes of %s ended is not known; %s", list_of(report.open), #report.problems > 0
      and "lines with their results may be missing: find out how the journal was damaged before it is used again"
      or "to finish them, " .. how_to_finish(report.unfinished, path))
  end
end

return verified
