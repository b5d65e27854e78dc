-- azpec.run -- carries out many approvals, rejections and deletions at once, within the service's limits.
--
--   local run = require "azpec.run"
--   local items = {}
--   for connection in client:list { ... } do
--     items[#items + 1] = { id = connection.id, action = "approve", connection = connection, etag = connection.etag }
--   end
--   local summary = run.run { client = client, items = items, on_result = function (result)
--     print(result.item.id, result.outcome)
--   end }
--
-- An item has: id; action: "approve", "reject", "delete", or "set" with a status (the default); description: the new
-- one; etag: the write is sent only if the connection has it; rule and reason, for the journal. Other members are
-- kept, but if_match is an error, since the guard is etag. So is another action, such as "hold" and "ignore" of
-- azpec.rules. run() raises such an error before it sends anything; from a function of items, that item fails. If the
-- connection was just read, the item also has:
--
--   connection    its state. An item that is already as wanted, or impossible (azpec.transitions), costs no request.
--                 With an etag the write is sent at once; the connection is read only if it has changed meanwhile.
--   gone          true: the connection was not found, so its deletion is done
--   err, stale, impossible   an error, or a text: the reason not to begin the item
--
-- If the operation has begun already: token, a continuation token, which with write = true may send its update again;
-- or begun_before with call, as returned by the journal's unfinished().
--
-- Options: client, of azpec.client or azpec.journal; no other code may wait on it during the run; items, a list or a
-- function that returns the next one; parallel, the number of operations at a time (100); timeout, seconds for each;
-- deadline, seconds for all; no_wait, true: leave an operation once the service has accepted it, and one with a token
-- once a poll has shown that it is still running; dry_run, true: send nothing, also for what has begun; summary, of
-- run.summary(), to know how far the run has come where it is interrupted; and functions:
--
--   on_begin(item)     called before an item begins. May return options for it (client_request_id, traceparent), or
--                      false and an error: then neither this nor any further item begins
--   on_result(result)  called when an item has ended: { item, outcome, before, after, err, ids, resumed, token }; ids =
--                      { request_id, correlation_id, client_request_id }; resumed: an earlier run began it
--   on_progress(counts)  the numbers done, running and failed so far
--   track(poller)      called with each new poller
--
-- To stop a run, return false from on_begin. It then follows the operations that are under way. To leave those too,
-- cancel the pollers that track got; their items end as "unknown" if a write may have been sent. Close the client only
-- after run() has returned, or when the program ends: a journal then gets the tokens of what is under way.
--
-- Outcomes: "changed"; "unchanged", it was already as wanted; "would change", in a dry run; "begun", with its token,
-- after no_wait; "impossible"; "stale", it was changed by somebody else; "failed"; "unknown", a write may still be
-- under way at the service, or nothing shows how that of an earlier run ended.
--
-- The summary has the number of items with each outcome; taken, the number of items that were taken up, which after the
-- run is their sum; and left, the reason why further items did not begin: "deadline", "refused" (by on_begin),
-- "credential" or "journal" (all would fail alike), with err.

local failure = require "azpec.failure"
local fields = require "azpec.fields"
local ids = require "azpec.resource_id"
local nearest = require "azpec.nearest"
local select = require "azpec.select"
local transitions = require "azpec.transitions"

local run = {}

run.outcomes = { "changed", "would change", "begun", "unchanged", "impossible", "stale", "failed", "unknown" }

-- The outcomes that need a person's attention.
run.bad = { impossible = true, stale = true, failed = true, unknown = true }

local parallel_by_default, longest_by_default = 100, 300
local between_looks = 0.05 -- seconds, with no_wait

-- Kinds of errors that all further items would meet.
local hopeless = { credential = true, journal = true }

local statuses = { approve = "Approved", reject = "Rejected", delete = "Deleted" }

local actions = { "approve", "reject", "delete", "set" }

-- Returns the status that an item asks for; nil if its token knows it.
function run.status_of(item)
  fields.check_argument(item, "table", "bad argument #1 to 'status_of'")
  return statuses[item.action] or item.status
end

-- Returns the reason why an item asks for no change that is known, or for a guard by the wrong name, else nil. An item
-- that is not begun, or whose token says what was begun, needs no action.
local function complaint(item)
  local action = item.action
  if item.if_match ~= nil then return "an item has no 'if_match'; its guard is 'etag'" end
  if item.err or item.stale or item.impossible or item.token and not item.begun_before then return nil end
  if type(item.id) ~= "string" then return ("bad field 'id' (string expected, got %s)"):format(type(item.id)) end
  if statuses[action] then return nil end
  if action ~= nil and action ~= "set" then
    local guess = type(action) == "string" and nearest.question(action, actions) or ""
    return ("unknown action '%s' ('%s' expected)%s"):format(tostring(action), table.concat(actions, "', '"), guess)
  end
  if item.status == nil then return action and "the action 'set' needs a status" or "an action is missing" end
  if item.status == "Deleted" then return "no action sets the status 'Deleted'; use the action 'delete'" end
end

-- ---- forecasts -----------------------------------------------------------------------------------------------------

-- Forecasts an item by the known state of its connection. Returns "unchanged", "impossible", "in progress" or
-- "allowed", and a sentence; nil if the state is not known.
function run.forecast(item)
  fields.check_argument(item, "table", "bad argument #1 to 'forecast'")
  local wanted = run.status_of(item)
  if item.gone then return wanted == "Deleted" and "unchanged" or nil end
  if not (item.connection and wanted) then return nil end
  local facts = select.facts(item.connection)
  local result, why = transitions.of(facts, wanted)
  if result ~= "unchanged" then return result, why end
  local is_in_progress, reason = transitions.is_in_progress(facts)
  if is_in_progress then return "in progress", reason end
  local is_worded = not item.description or item.description == (facts.description or "")
  return is_worded and result or "allowed"
end

local function impossible(item, why)
  return { outcome = "impossible", why = why, err = failure.new("operation", why:match "^[^;]+", { id = item.id,
    hint = why:match "; (.*)$" }) }
end

local begun_earlier = "an earlier run began it, and its end is not known"

-- Returns the result of an item that needs no request, else nil.
local function foretold(self, item)
  local bad = complaint(item)
  if bad then return { outcome = "failed", err = failure.new("usage", bad, { id = item.id }) } end
  if item.err then return { outcome = "failed", err = item.err } end
  if item.stale then
    local kind = item.stale == "it is gone" and "not_found" or "precondition"
    return { outcome = "stale", why = item.stale, err = failure.new(kind, "refused: " .. item.stale, { id = item.id }) }
  end
  if item.impossible then return impossible(item, item.impossible) end
  local is_begun = item.token or item.begun_before
  if is_begun and not self.options.dry_run then return nil end
  local forecast, why = run.forecast(item)
  if forecast == "impossible" then
    return impossible(item, ("cannot become %s: %s"):format(run.status_of(item), why))
  end
  if forecast == "unchanged" then return { outcome = forecast, after = item.connection } end
  if self.options.dry_run then return { outcome = "would change", why = is_begun and begun_earlier or why } end
end

-- ---- endings -------------------------------------------------------------------------------------------------------

-- Returns whether an earlier run has made the change that is found: the connection is not as that run had read it.
local function is_by_earlier(item, value)
  local etag = item.begun_before and item.found and item.found.etag
  return etag and value.before and value.before.etag and value.before.etag ~= etag
end

local function outcome_of(item, value, err)
  if value == true then return "changed" end
  if value then return value.changed == false and not is_by_earlier(item, value) and "unchanged" or "changed" end
  if err.continuation_token or err.unfinished then return "unknown" end
  return err.kind == "precondition" and "stale" or "failed"
end

local function ids_of(poller, err)
  local known = err and err.request_id and err or poller:progress()
  return { request_id = known.request_id, correlation_id = known.correlation_id,
    client_request_id = known.client_request_id }
end

local function tell_progress(self)
  local summary, tell = self.summary, self.options.on_progress
  if not tell then return end
  local failed = summary.impossible + summary.stale + summary.failed + summary.unknown
  tell { done = summary.taken - self.running, running = self.running, failed = failed }
end

local function stop(self, why, err)
  self.summary.left, self.summary.err = why, err
end

local function tell_result(self, item, result)
  local summary, err = self.summary, result.err
  result.item, result.ids, result.resumed = item, result.ids or {}, item.begun_before
  result.before = result.before or item.connection
  summary[result.outcome] = summary[result.outcome] + 1
  if err and hopeless[err.kind] then stop(self, err.kind, err) end
  if self.options.on_result then self.options.on_result(result) end
  tell_progress(self)
end

-- ---- beginning -----------------------------------------------------------------------------------------------------

-- Returns the seconds that an item may take; nil for the client's default.
local function seconds_left(self)
  if not self.deadline then return self.options.timeout end
  return math.min(self.options.timeout or longest_by_default, math.max(0, self.deadline - self.now()))
end

-- Returns whether the write can be sent at once, with the ETag that was just read. The connection is read first if its
-- state is not known or another change is under way.
local function skips_read(item)
  return not item.begun_before and item.etag ~= nil and item.connection ~= nil and item.connection.etag == item.etag
    and run.forecast(item) == "allowed"
end

local function call_of(self, item)
  local call = { id = item.id, if_match = item.etag, timeout = seconds_left(self), client_request_id = item.call }
  if item.action ~= "delete" then
    call.status, call.description = run.status_of(item), item.description
    if skips_read(item) then call.skip_read = true end
  end
  return call
end

-- Begins the operation. Returns a poller, or nil and an error.
local function start(self, item, more)
  local client = self.options.client
  if item.token then
    local poller, err = client:resume(item.token, { id = item.begun_before and item.id or nil, write = item.write,
      timeout = seconds_left(self) })
    if poller or not item.begun_before then return poller, err end -- else it is read again
  end
  local call = call_of(self, item)
  if item.begun_before and client.follow then
    local operation = item.action == "delete" and "delete" or "ensure"
    local ok, err = client:follow { id = item.id, operation = operation, call = item.call, before = item.found }
    if not ok then return nil, err end
  end
  if client.describe then
    client:describe(item.id, { rule = item.rule, reason = item.reason, before = item.connection })
  end
  for name, value in pairs(more) do call[name] = value end
  if item.action == "delete" then return client:begin_delete(call) end
  return client:begin_ensure(call)
end

-- Like start; if the client refuses an item's field, that is an error of this item. An id that was read with its
-- connection is the service's.
local function try(self, item, more)
  local ok, poller, err = pcall(start, self, item, more)
  if ok then return poller, err end
  local bad = type(poller) == "string" and poller:match "bad field '.*"
  if not bad then error(poller, 0) end
  if item.connection and bad:find "^bad field 'id'" then
    return nil, failure.new("protocol", ids.not_one(item.id, "connection"))
  end
  return nil, failure.new("usage", bad)
end

local function add(self, poller, item)
  self.live[poller], self.running = item, self.running + 1
end

-- Begins an item, or stops the run.
local function begin(self, item)
  local more, err
  if self.deadline and self.now() >= self.deadline then return stop(self, "deadline") end
  if self.options.on_begin then more, err = self.options.on_begin(item) end
  if more == false then return stop(self, "refused", err) end
  self.summary.taken = self.summary.taken + 1
  local result = foretold(self, item)
  if result then return tell_result(self, item, result) end
  local poller
  poller, err = try(self, item, more or {})
  if not poller then return tell_result(self, item, { outcome = "failed", err = err }) end
  add(self, poller, item)
  if self.options.track then self.options.track(poller) end
end

local function fill(self)
  while self.running < self.parallel and not self.summary.left do
    local item = self.next_item()
    if not item then return end
    begin(self, item)
  end
end

-- ---- the run -------------------------------------------------------------------------------------------------------

-- An earlier run's write may arrive after this run has read the connection, and change its ETag. Or the token leads to
-- a connection that still needs the write, and a token alone never writes. The item states the wanted change, so it is
-- begun once more: a read, and the write if needed. Not if the journal's client kept the write back, because of a
-- decision that was made since.
local function looks_again(self, item, err)
  local is_hidden = err and err.kind == "precondition" and not err.write_refused
  if not (is_hidden and item.begun_before) or self.again[item] then return false end
  self.again[item] = true
  item.token = nil
  local poller = try(self, item, {})
  if poller then add(self, poller, item) end
  return poller ~= nil
end

local function settle(self, poller, value, err)
  local item = self.live[poller]
  if not item then return end -- not of this run
  self.live[poller], self.running = nil, self.running - 1
  if looks_again(self, item, err) then return end
  local result = { outcome = outcome_of(item, value, err), err = err, ids = ids_of(poller, err),
    token = err and err.continuation_token }
  if type(value) == "table" then result.before, result.after = value.before, value.after or value end
  tell_result(self, item, result)
end

-- Returns whether a poll was answered: the next one is due later, or is under way.
local function is_polled(at)
  return at.polls > (at.next_wait and 0 or 1)
end

-- Leaves the operations that the service has accepted, that is, those in the phase "poll". One that is continued by its
-- token was accepted earlier and may have ended, so it is polled first.
local function leave_accepted(self)
  for poller, item in pairs(self.live) do
    local at = poller:progress()
    if at.phase == "poll" and not poller:done() and (not item.token or is_polled(at)) then
      self.live[poller], self.running = nil, self.running - 1
      tell_result(self, item, { outcome = "begun", token = poller:continuation_token(), ids = ids_of(poller) })
    end
  end
end

local function follow_to_acceptance(self)
  local client = self.options.client
  while self.running > 0 do
    client:wait(between_looks)
    for poller, value, err in client:finished() do settle(self, poller, value, err) end
    leave_accepted(self)
    fill(self)
  end
end

local function follow_to_end(self)
  if self.running == 0 then return end
  for poller, value, err in self.options.client:completions() do
    settle(self, poller, value, err)
    fill(self)
  end
end

local known = { client = "client", items = "!table or function", parallel = "number", timeout = "seconds",
  deadline = "seconds", summary = "table", no_wait = "boolean", dry_run = "boolean", on_begin = "function",
  on_result = "function", on_progress = "function", track = "function" }

local function check_table(item, n, level)
  if type(item) == "table" then return end
  error(("bad item #%d (table expected, got %s)"):format(n, type(item)), level and level + 1 or 0)
end

-- Raises an error for options that cannot be right, before anything is sent.
local function check(options)
  fields.check(options, known, 3)
  local is_empty = type(options.items) == "table" and #options.items == 0
  if not options.client and not is_empty then
    error("bad field 'client' (azpec.Client expected, got nil)", 3)
  end
  local parallel = options.parallel or 1
  if not (parallel >= 1 and parallel % 1 == 0) then
    error(("bad field 'parallel' (a whole number of 1 or more expected, got %s)"):format(parallel), 3)
  end
  for n, item in ipairs(type(options.items) == "table" and options.items or {}) do
    check_table(item, n, 3)
    local bad = complaint(item)
    local id = type(item.id) == "string" and (" (%s)"):format(item.id) or ""
    if bad then error(("bad item #%d%s: %s"):format(n, id, bad), 3) end
  end
end

local function iterator(items)
  local n = 0
  if type(items) == "function" then
    return function ()
      local item = items()
      n = n + 1
      if item then check_table(item, n) end
      return item
    end
  end
  return function ()
    n = n + 1
    return items[n]
  end
end

local function new(options)
  local self = { options = options, live = {}, again = {}, running = 0, next_item = iterator(options.items),
    parallel = options.parallel or parallel_by_default, summary = options.summary or run.summary() }
  if options.deadline then
    self.now = require "cqueues".monotime
    self.deadline = self.now() + options.deadline
  end
  return self
end

-- Returns an empty summary.
function run.summary()
  local summary = { taken = 0 }
  for _, outcome in ipairs(run.outcomes) do summary[outcome] = 0 end
  return summary
end

-- Carries out all items and returns the summary. Raises the errors of the option's functions, and Ctrl-C; and, before
-- anything is sent, those of the options and of a list's items.
function run.run(options)
  check(options)
  local self = new(options)
  fill(self)
  tell_progress(self)
  if options.no_wait then follow_to_acceptance(self) else follow_to_end(self) end
  return self.summary
end

return run
