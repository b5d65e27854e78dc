-- azpec auto: decides on each connection by a file of rules; with --apply carries the decisions out.

local batch = require "azpec.cli.batch"
local convert = require "azpec.cli.convert"
local files = require "azpec.cli.files"
local failure = require "azpec.cli.error"
local journal = require "azpec.cli.journal"
local lock = require "azpec.lock"
local rounds = require "azpec.cli.rounds"
local rules = require "azpec.rules"
local run = require "azpec.cli.run"
local text = require "azpec.text"
local waiting = require "azpec.cli.waiting"

local codes = failure.codes
local every_by_default = 30

local function define(command)
  command:group("What",
    command:option("--rules", "file of rules"):argname "FILE":count(1):convert(convert.given),
    batch.enrich_option(command),
    command:flag("--check", "only check the file of rules and its expectations, without sign-in and request"),
    command:flag("--apply", "do it; without this only what would be done is shown"),
    command:flag("--dry-run", "show what would be done, and do nothing, as without --apply"),
    batch.none_option(command),
    command:option("--max", "do nothing if more than that would change"):argname "N":convert(convert.positive))
  command:group("When",
    command:option("--settle", "only requests that have stood unchanged for that long, such as 1m"):argname "TIME"
      :convert(convert.seconds),
    command:flag("--watch", "again and again, until --deadline, --until or Ctrl-C"),
    command:option("--every", "with --watch: time between two rounds (30s)"):argname "TIME"
      :convert(convert.some_seconds),
    command:option("--until", "with --watch: end after the round in which N changes are reached; not a limit")
      :argname "N":convert(convert.positive),
    files.written(command:option("--lock", "file that keeps a second run from working at the same time; the second run "
      .. "ends with 6; the lock is that of flock(1)")
      :argname "FILE":convert(convert.given)))
  batch.accept_yes(command)
  batch.define(command)
end

local auto = {}
auto.__index = auto

-- ---- looking -------------------------------------------------------------------------------------------------------

-- Returns the time since when the connection has had this state.
local function since(self, connection)
  local key = connection.id:lower()
  local known = self.seen[key]
  if not known or known.etag ~= connection.etag then
    known = { etag = connection.etag, at = self.now(), first = known and known.first or self.context:now() }
    self.seen[key] = known
  end
  return known
end

local function has_settled(self, known)
  return self.now() - known.at >= (self.context.args.settle or 0)
end

local function item_of(connection, decision, row)
  local item = rules.item(connection, decision)
  if item.err then error(item.err, 0) end
  item.unmatched = row.unmatched
  return item
end

-- A watch reports each decision once.
local function tell(self, row)
  local said = ("%s %s %s"):format(row.result, row.rule or "", row.etag or "")
  if self.told[row.id] == said then return end
  self.told[row.id] = said
  self.out:row(row)
end

-- Lists all connections. Returns the items to carry out, and shows the other decisions.
local function look(self)
  local round = { items = {}, counts = { approve = 0, reject = 0, hold = 0, ignore = 0, unchanged = 0,
    settle = 0, finish = self.to_finish } }
  batch.decide(self.context, self.reader, self.set, function (connection, decision)
    if self.begun[connection.id:lower()] then return end
    local known, row = since(self, connection), batch.decision_row(connection, decision)
    if decision.changes and not has_settled(self, known) then
      round.counts.settle = round.counts.settle + 1
    elseif decision.changes then
      round.counts[decision.action] = round.counts[decision.action] + 1
      round.items[#round.items + 1] = item_of(connection, decision, row)
      if not self.context.args.apply then tell(self, row) end
    else
      local counted = decision.status and "unchanged" or decision.action
      round.counts[counted] = round.counts[counted] + 1
      if batch.is_shown(self.context, decision) then tell(self, row) end
    end
  end, function (connection) return since(self, connection).first end)
  return round
end

-- ---- doing ---------------------------------------------------------------------------------------------------------

local function carry_out(self, items)
  local summary = run.run(self.context, { client = self.client, items = items, out = self.out,
    deadline = self.seconds_left(), is_resumed = true, right = "write", dry_run = self.context.args.dry_run })
  self.summary.total = self.summary.total + #items
  run.add(self.summary, summary)
end

-- Operations that an interrupted run has begun count for the limits too.
local function check_limits(self, items)
  local counts = { approve = self.round.counts.approve, reject = self.round.counts.reject }
  if self.context.journal then counts = self.context.journal:counts(items) end
  batch.check_excess(self.context, self.set, counts)
end

local function do_round(self)
  local round = look(self)
  self.round = round
  local settling = round.counts.settle
  self.waiting:sees(settling > 0 and ("%d to settle"):format(settling) or nil)
  check_limits(self, round.items)
  if self.context.args.apply then carry_out(self, round.items) end
end

-- ---- again and again -----------------------------------------------------------------------------------------------

local function pause(self, seconds)
  self.waiting:pause(self.client, math.min(seconds, self.seconds_left() or seconds))
end

-- The errors at the end are those of the last round.
local function watch_round(self)
  self.context.complaints = nil
  local ok, err = pcall(do_round, self)
  self.context:tell_repeated()
  if ok then return end
  if not failure.may_pass(err) then error(err, 0) end
  self.look_err = err
  self.context:note("this round failed; azpec tries again in the next round: %s", failure.lines(err)[1])
end

local function is_over(self)
  local args, left = self.context.args, self.seconds_left()
  return self.summary.left or left == 0 or args["until"] and self.summary.changed >= args["until"]
end

local function watch(self)
  watch_round(self)
  while not is_over(self) do
    pause(self, self.context.args.every or every_by_default)
    if self.context.journal then self.context.journal:next_run() end
    watch_round(self)
  end
end

-- Runs once; with --settle, lists a second time after that pause.
local function once(self)
  do_round(self)
  if self.round.counts.settle > 0 and not self.summary.left and self.seconds_left() ~= 0 then
    pause(self, self.context.args.settle)
    do_round(self)
  end
end

-- ---- the verb ------------------------------------------------------------------------------------------------------

local function exit_code(self)
  local args, changes = self.context.args, self.round and #self.round.items or 0
  if not self.round and self.look_err then return failure.exit_code(self.look_err) end -- no listing has succeeded
  local code = run.exit_code(self.context, self.summary)
  if code ~= 0 and code ~= codes.changes then return code end
  if args["until"] and self.summary.changed < args["until"] then return codes.timeout end
  return args.dry_run and args.detailed_exitcode and changes > 0 and codes.changes or code
end

-- Says why the watch ended, unless by enough changes. Too few for --until are an error.
local function tell_end(self)
  local context, args, wanted = self.context, self.context.args, self.context.args["until"]
  if not args.watch or self.seconds_left() ~= 0 then return end
  local words = ("the watch ended at its deadline of %g s"):format(args.deadline)
  if not wanted then return context:note("%s", words) end
  words = ("%s, with %d of %d changes"):format(words, self.summary.changed, wanted)
  if self.summary.changed >= wanted then return context:note("%s", words) end
  context:fall_short(failure.new("timeout", words, { exit_code = codes.timeout }))
  if context:is_json() then context:conclude("%s", words) else context:say("%s", words) end
end

local function sum_up(self)
  local context, round = self.context, self.round
  if context.args.apply then run.sum_up(context, self.summary) end
  if not round then return end
  local counts = round.counts
  if context.args.apply then
    context:note("%d held, %d ignored", counts.hold, counts.ignore)
  else
    context:conclude("%s%d to approve, %d to reject, %d held, %d ignored%s%s", counts.finish > 0
      and ("%d to finish, "):format(counts.finish) or "", counts.approve, counts.reject, counts.hold, counts.ignore,
      counts.settle > 0 and (", %d to settle"):format(counts.settle) or "",
      counts.finish + #round.items > 0 and "; to do it: --apply" or "")
  end
end

local function new(context)
  local args = context.args
  local self = setmetatable({ context = context, set = batch.rules(context), now = require "cqueues".monotime,
    seen = {}, told = {}, begun = {}, to_finish = 0, summary = run.new_total(0) }, auto)
  self.seconds_left = batch.deadline(context)
  if args.dry_run and args.apply then context:usage("--dry-run and --apply exclude each other") end
  if args["until"] and not (args.watch and args.apply) then context:usage("--until goes with --watch and --apply") end
  if args.every and not args.watch then context:usage("--every goes with --watch") end
  args.dry_run = not args.apply
  return self
end

-- Takes the lock: until the result is closed, no second run with that file begins.
local function take_lock(context)
  local path = context.args.lock
  if not path then return nil end
  local held, why, is_held = lock.take(path)
  if is_held then
    context:fail(codes.conflict, why .. "; nothing was done", "another run uses this lock; wait for its end")
  end
  return held or context:fail(codes.other, why)
end

-- Carries out what an interrupted run has begun. A dry run shows it, and no decision on it.
local function finish(self, unfinished)
  if self.context.args.dry_run then
    self.to_finish = #unfinished
    for _, item in ipairs(unfinished) do self.begun[item.id:lower()] = true end
  end
  if #unfinished > 0 then carry_out(self, unfinished) end
end

-- --check: the rules and their expectations are read, and nothing is asked of Azure. Their {ticket} needs no --ticket.
local function check(context)
  local args = context.args
  for _, name in ipairs { "apply", "dry_run", "watch" } do
    if args[name] then context:usage(("--check and --%s exclude each other"):format((name:gsub("_", "-")))) end
  end
  local set = batch.rules(context, true)
  for _, warning in ipairs(set:warnings()) do context:say("warning: %s", warning) end
  context:note("%s: %s, %s, without errors", text.clean(args.rules), text.count(#set:names(), "rule"),
    text.count(set.expectations, "expectation"))
end

local function decide(context)
  if context.args.check then return check(context) end
  local self = new(context)
  local shown <close> = waiting.new(context, context.args.deadline)
  self.waiting = shown
  local _ <close> = take_lock(context)
  self.client = context:client()
  self.reader = rounds.bounded(context, self.client, self.seconds_left)
  local function subject(scope) return { self.set.sha256, scope } end
  local unfinished = journal.unfinished(context, subject, nil, self.client)
  self.out = run.output(context, context.args.apply and "results" or "decisions")
  finish(self, unfinished)
  if not self.summary.left then (context.args.watch and watch or once)(self) end
  if self.round and not context.args.apply then context:add_totals(self.round.counts) end
  tell_end(self)
  self.out:close()
  sum_up(self)
  return exit_code(self)
end

return {
  columns = run.columns,
  takes_candidates = true,
  summary = "approve and reject by a file of rules; without --apply only shows what would be done, and why",
  examples = {
    "azpec auto --rules rules.lua --check                                        # before a commit; without Azure",
    "azpec auto --rules rules.lua -g rg-contoso-prod",
    "azpec auto --rules rules.lua -g rg-contoso-prod --apply --journal journal.jsonl",
    "azpec auto --rules rules.lua --id ID -v                                     # why was this one held?",
    "azpec auto --rules rules.lua --apply --watch --every 1m --settle 30s --lock /run/azpec.lock",
    "azpec auto --rules rules.lua --apply --watch --until 1 --deadline 15m       # the request that is to come",
  },
  description = "With -v each decision has a line for each rule before it that did not match, and why not.\n"
    .. "If a function of the rules or of --enrich fails, the request is held; the exit code is then 12.",
  define = define,
  run = decide,
}
