-- azpec auto: a file of rules is asked about each connection; with --apply what it says is done.

local audited = require "azpec.command.trail"
local batch = require "azpec.command.batch"
local convert = require "azpec.command.convert"
local failure = require "azpec.command.failure"
local json = require "azpec.json"
local lock = require "azpec.lock"
local select = require "azpec.select"
local sha256 = require "azpec.sha256"

local codes = failure.codes
local every_by_default, shortest_look = 30, 2

local function define(command)
  command:group("What",
    command:option("--rules", "file of rules"):argname "FILE":count(1),
    command:flag("--apply", "do it; without this only what would be done is shown"),
    command:flag("--dry-run", "show what would be done, and do nothing, as without --apply"),
    command:option("--max", "do nothing if more than that would change"):argname "N":convert(convert.positive))
  command:group("When",
    command:option("--settle", "only requests that have stood unchanged for that long, as 1m"):argname "TIME"
      :convert(convert.seconds),
    command:flag("--watch", "again and again, until --deadline, --until or Ctrl-C"),
    command:option("--every", "with --watch: time between two looks (30s)"):argname "TIME"
      :convert(convert.some_seconds),
    command:option("--until", "with --watch: end after so many changes, as 1 for the request that is to come")
      :argname "N":convert(convert.positive),
    command:option("--lock", "file that keeps a second run from going on beside this one"):argname "FILE")
  batch.define(command)
  audited.define(command)
end

local auto = {}
auto.__index = auto

-- ---- looking -------------------------------------------------------------------------------------------------------

-- Since when the connection has stood as it does.
local function since(self, connection)
  local key = connection.id:lower()
  local known = self.seen[key]
  if not known or known.etag ~= connection.etag then
    known = { etag = connection.etag, at = self.now(), first = known and known.first or os.time() }
    self.seen[key] = known
  end
  return known
end

local function has_settled(self, known)
  return self.now() - known.at >= (self.context.args.settle or 0)
end

local function item_of(connection, decision, row)
  local etag, err = select.etag(connection)
  if err then error(err, 0) end
  return { id = connection.id, etag = etag, status = decision.status, description = decision.description,
    rule = decision.rule, reason = decision.reason, action = decision.action, before = row.before,
    connection = connection }
end

-- In a watch each thing is said once.
local function tell(self, row)
  local said = ("%s %s %s"):format(row.result, row.rule or "", row.etag or "")
  if self.told[row.id] == said then return end
  self.told[row.id] = said
  self.out:row(row)
end

-- The seconds that a list may take; one that has begun is given a little even where the deadline is near.
local function time_to_look(self)
  local left = self.seconds_left()
  return left and math.min(math.max(left, shortest_look), self.context.args.timeout or left + shortest_look)
end

-- Looks at all connections: what is to be done, and what is only told of.
local function look(self)
  local round = { items = {}, waiting = 0, counts = { approve = 0, reject = 0, hold = 0, ignore = 0 } }
  batch.decide(self.context, self.client, self.set, function (connection, decision)
    local known, row = since(self, connection), batch.decision_row(connection, decision)
    self.any_failed = self.any_failed or decision.failed
    if decision.changes and not has_settled(self, known) then
      round.waiting = round.waiting + 1
    elseif decision.changes then
      round.counts[decision.action] = round.counts[decision.action] + 1
      round.items[#round.items + 1] = item_of(connection, decision, row)
      if not self.context.args.apply then tell(self, row) end
    elseif decision.action ~= "ignore" then
      round.counts.hold = round.counts.hold + (decision.action == "hold" and 1 or 0)
      tell(self, row)
    else
      round.counts.ignore = round.counts.ignore + 1
    end
  end, function (connection) return since(self, connection).first end, time_to_look(self))
  return round
end

-- ---- doing ---------------------------------------------------------------------------------------------------------

local totals = { "total", "begun", "changed", "unchanged", "stale", "failed", "unknown" }

local function carry_out(self, items)
  local summary = batch.run(self.context, { client = self.client, items = items, out = self.out,
    checkpoint = self.checkpoint, deadline = self.seconds_left() })
  for _, name in ipairs(totals) do self.summary[name] = self.summary[name] + summary[name] end
  self.summary.left, self.summary.err = summary.left, summary.err
  self.summary.last_err = summary.last_err or self.summary.last_err
end

-- What was begun before this run was broken off counts for the limits, too.
local function check_limits(self, items)
  local counts = self.checkpoint and self.checkpoint:counts(items) or batch.counts(items)
  batch.check_excess(self.context, self.set, { approve = counts.Approved, reject = counts.Rejected })
end

local function do_round(self)
  local round = look(self)
  self.round = round
  check_limits(self, round.items)
  if self.context.args.apply then carry_out(self, round.items) end
end

-- ---- again and again -----------------------------------------------------------------------------------------------

local function pause(self, seconds)
  self.client:wait(math.min(seconds, self.seconds_left() or seconds))
end

local function watch_round(self)
  local ok, err = pcall(do_round, self)
  if ok then return batch.settle(self.checkpoint, self.summary) end
  if not failure.may_pass(err) then error(err, 0) end
  self.look_err = err
  self.context:note("this look failed, the next one may not: %s", failure.lines(err)[1])
end

local function is_over(self)
  local args, left = self.context.args, self.seconds_left()
  return self.summary.left or left == 0 or args["until"] and self.summary.changed >= args["until"]
end

local function watch(self)
  watch_round(self)
  while not is_over(self) do
    pause(self, self.context.args.every or every_by_default)
    watch_round(self)
  end
end

-- Once; where requests have to settle first, a second look after that time.
local function once(self)
  do_round(self)
  if self.round.waiting > 0 and not self.summary.left and self.seconds_left() ~= 0 then
    pause(self, self.context.args.settle)
    do_round(self)
  end
end

-- ---- the verb ------------------------------------------------------------------------------------------------------

local function exit_code(self)
  local args, changes = self.context.args, self.round and #self.round.items or 0
  if not self.round and self.look_err then return failure.exit_code(self.look_err) end -- no look has succeeded
  if args.apply then
    local code = batch.exit_code(self.context, self.summary)
    if code ~= 0 and code ~= codes.changes then return code end
    if args["until"] and self.summary.changed < args["until"] then return codes.timeout end
    return self.any_failed and codes.some_failed or code
  end
  if self.any_failed then return codes.some_failed end
  return args.detailed_exitcode and changes > 0 and codes.changes or 0
end

local function sum_up(self)
  local context, round = self.context, self.round
  if context.args.apply then batch.sum_up(context, self.summary) end
  if not round then return end
  local counts = round.counts
  if context.args.apply then
    context:note("%d held, %d ignored", counts.hold, counts.ignore)
  else
    context:note("%d to approve, %d to reject, %d held, %d ignored%s%s", counts.approve, counts.reject, counts.hold,
      counts.ignore, round.waiting > 0 and (", %d to settle"):format(round.waiting) or "",
      #round.items > 0 and "; to do it: --apply" or "")
  end
end

local function new(context)
  local args = context.args
  local self = setmetatable({ context = context, set = batch.rules(context), now = require "cqueues".monotime,
    seen = {}, told = {}, summary = {} }, auto)
  for _, name in ipairs(totals) do self.summary[name] = 0 end
  self.seconds_left = batch.deadline(context)
  if args.dry_run and args.apply then context:usage("--dry-run and --apply exclude each other") end
  if args["until"] and not (args.watch and args.apply) then context:usage("--until goes with --watch and --apply") end
  if args.every and not args.watch then context:usage("--every goes with --watch") end
  if args.checkpoint and not args.apply then context:usage("--checkpoint goes with --apply") end
  return self
end

-- Until the result is closed no second run with that file goes on.
local function take_lock(context)
  local path = context.args.lock
  if not path then return nil end
  local held, why, is_held = lock.take(path)
  return held or context:fail(is_held and codes.conflict or codes.other, why)
end

local function run(context)
  local self = new(context)
  local _ <close> = take_lock(context)
  self.checkpoint = batch.checkpoint(context, sha256.hex(self.set.sha256 .. json.encode(context:scope())))
  self.client, self.out = context:client(), batch.output(context, context.args.apply and "results" or "decisions")
  if self.checkpoint then carry_out(self, self.checkpoint:unfinished()) end
  if not self.summary.left then (context.args.watch and watch or once)(self) end
  batch.settle(self.checkpoint, self.summary)
  if self.checkpoint then self.checkpoint:close() end
  self.out:close()
  sum_up(self)
  return exit_code(self)
end

return {
  summary = "approve and reject by a file of rules; without --apply only shows what would be done, and why",
  examples = {
    "azpec auto --rules rules.lua -g rg-contoso-prod",
    "azpec auto --rules rules.lua -g rg-contoso-prod --apply --checkpoint auto.progress",
    "azpec auto --rules rules.lua --apply --watch --every 1m --settle 30s --lock /run/azpec.lock",
    "azpec auto --rules rules.lua --apply --watch --until 1 --deadline 15m       # the request that is to come",
  },
  define = define,
  run = run,
}
