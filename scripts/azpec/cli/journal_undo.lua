-- azpec journal undo: shows the changes that would revert a run; with --apply makes them.

local chosen = require "azpec.cli.chosen"
local consent = require "azpec.cli.consent"
local engine = require "azpec.run"
local file = require "azpec.journal"
local journal = require "azpec.cli.journal"
local run = require "azpec.cli.run"
local select = require "azpec.select"
local text = require "azpec.text"
local undo = require "azpec.undo"

local most_named = 3

-- What each line about a change that is not reverted has after the name.
local stays = "stays as it is: "

-- "20261124T091500Z-5be1f2a0 (approve, 7 writes)" for the latest runs that changed something, the last one first.
local function latest(runs)
  local named = {}
  for n = #runs, 1, -1 do
    local one = runs[n]
    if one.changes > 0 and #named < most_named then
      named[#named + 1] = ("%s (%s, %s)"):format(one.run, one.verb, text.count(one.changes, "write"))
    end
  end
  return #named > 0 and "; the latest that changed something: " .. table.concat(named, ", ") or ""
end

-- Returns the run that an undo reverts; nil for a run that is not an undo.
local function reverted_by(one)
  return one.verb == "undo" and (one.reason or ""):match "^undoes run (.+)$" or nil
end

-- Returns the run that the last unfinished undo reverts, or nil.
local function being_undone(runs)
  for n = #runs, 1, -1 do
    local reverted = runs[n].unfinished > 0 and reverted_by(runs[n])
    if reverted then return reverted end
  end
end

-- Says which undo has reverted a run, which one has reverted that, and so on, and how to revert the last of them; also
-- which undos have reverted a part of the last one. count: the number of the run's changes.
local function tell_undone(context, runs, name, count)
  local words, parts, last = {}, {}, name
  for _, one in ipairs(runs) do
    local is_undo = one.changed > 0 and one.unfinished == 0 and reverted_by(one) == last
    if is_undo and one.changed < count then
      parts[#parts + 1] = "run " .. text.clean(one.run)
    elseif is_undo then
      words[#words + 1], parts, last, count = "was undone by run " .. text.clean(one.run), {}, one.run, one.changed
    end
  end
  if #parts > 0 then words[#words + 1] = "was undone in part by " .. table.concat(parts, " and ") end
  if #words == 0 then return end
  local undone = ("azpec: run %s %s"):format(text.clean(name), table.concat(words, ", which "))
  if #parts > 1 then return context:note("%s; to revert one of these parts, give its run to --run", undone) end
  context:note("%s; to revert %s, give --run %s", undone, #words == 1 and "that" or "the last of these",
    #parts == 1 and parts[1]:match "%S+$" or text.clean(last))
end

-- Returns the last run. Passes over undos that changed something: typed twice, "last" would do again what was undone.
-- Ends the verb if it changed nothing, since an earlier run may not be the one that is meant.
local function last_of(context, runs)
  local at = #runs
  while at > 0 and runs[at].verb == "undo" and runs[at].changes > 0 do at = at - 1 end
  local last = runs[at]
  if last and last.changes == 0 then
    context:fail(context.codes.not_found, ("the last run, %s (%s), changed nothing, so nothing was undone%s"):format(
      last.run, last.verb, latest(runs)), "name the run with --run; azpec journal runs lists them all")
  end
  return last and last.run or "last"
end

-- Says which command lists the runs of --ticket; nil without it.
local function of_ticket(context, path)
  local ticket = context.args.ticket
  return ticket and ("; azpec journal runs %s --ticket %s lists those of this ticket"):format(text.shell(path),
    text.shell(ticket))
end

-- The name of the run that --run means, and the runs of the journal.
local function run_of(context, path)
  local given = context.args.run
  local records, why = file.read(path)
  if not records then context:fail(context.codes.other, why) end
  local runs = file.runs(records)
  local reverted = given == "last" and being_undone(runs)
  if reverted then
    context:note("azpec: the undo of run %s is unfinished, so --run last means that run", text.clean(reverted))
    return reverted, runs
  end
  if not given then
    context:usage("no run is named: give --run RUN, or --run last" .. (of_ticket(context, path) or latest(runs)))
  end
  return given == "last" and last_of(context, runs) or given, runs
end

-- Returns the items, and whether --connection names an id (chosen.test).
local function items_of(context, path)
  local args = context.args
  local name, runs = run_of(context, path)
  args.run = name
  local items, why, is_unknown = undo.read(path, args.run, { reject = args.reject })
  if not items then context:fail(is_unknown and context.codes.not_found or context.codes.other, why) end
  tell_undone(context, runs, args.run, #items)
  if #items == 0 and not args.connection then
    context:say("run %s changed nothing; there is nothing to undo", args.run)
  end
  for _, item in ipairs(items) do
    item.verb, item.impossible = "undo", item.impossible and stays .. item.impossible
  end
  return chosen.items(context, items, ("run %s changed"):format(args.run))
end

-- Returns the items that would be written.
local function todo_of(items)
  local list = {}
  for _, item in ipairs(items) do
    local is_refused = item.impossible or item.stale or item.err
    if not is_refused and engine.forecast(item) ~= "unchanged" then list[#list + 1] = item end
  end
  return list
end

-- Lists the items that cannot be reverted, before a person is asked about the others.
local function tell_refused(context, items)
  for _, item in ipairs(items) do
    local facts = select.facts { id = item.id }
    local name = context:place_of(facts) .. text.clean(facts.name)
    item.is_told = item.impossible or item.stale and stays .. item.stale
    if item.is_told then context:say("%s: %s", name, item.is_told) end
  end
end

local function is_any(items, status)
  for _, item in ipairs(items) do
    if item.status == status and item.before ~= status then return true end
  end
  return false
end

local function warn(context, todo)
  if is_any(todo, "Pending") then
    context:say("the service may refuse to make an approved connection Pending; then nothing changes. --reject rejects "
      .. "these connections instead, which is final")
  end
  if is_any(todo, "Rejected") then context:say("%s", consent.final "Rejected") end
end

local function always()
  return true
end

local function run_action(context, path)
  local args = context.args
  local items, is_chosen = items_of(context, path)
  args.journal, args.dry_run, context.refused = path, not args.apply, stays
  local first = items[1]
  local unfinished = chosen.among(journal.unfinished(context, { undo = args.run }), is_chosen)
  local client = first and context:client { subscription_id = select.facts({ id = first.id }).subscription_id }
  if client then undo.check(items, client) end
  run.check_read(context, items)
  local todo = todo_of(items)
  if args.apply and #todo > 0 then tell_refused(context, items) end
  warn(context, todo)
  if args.apply then
    consent.need(context, todo, { verb = "Undo", noun = "change", removes = always })
  end
  local out = run.output(context)
  items = journal.join(unfinished, items)
  local summary = run.run(context, { client = client, items = items, out = out, dry_run = args.dry_run })
  out:close()
  run.sum_up(context, summary)
  if summary["would change"] > 0 then context:note "nothing was done; --apply does it" end
  return run.exit_code(context, summary)
end

return { columns = run.columns, run = run_action }
