-- azpec.many -- many connections at once, each to its own status: so many beside each other, every ending told, and a
-- run that was broken off gone on with.
--
--   local many = require "azpec.many"
--   local summary = many.run {
--     client = client, items = { { id = connection.id, status = "Approved", etag = connection.etag }, ... },
--     on_result = function (result) print(result.item.id, result.outcome) end,
--   }
--
-- An item: id, status, and perhaps etag (nothing is written unless it is still the connection's), description, rule,
-- reason; begun_before and perhaps token, where an earlier run began it (azpec.checkpoint). What else it has is kept.
--
-- Options: client, which nobody else waits on meanwhile; items, a list or a function that gives one after the other;
-- parallel, how many are under way at once (100); timeout, seconds for each; deadline, seconds for all; checkpoint, an
-- azpec.checkpoint; and functions:
--
--   on_begin(item)     before an item is begun; may return options for it (client_request_id, traceparent), or false
--                      and an error: then it is not begun, and nothing after it
--   on_result(result)  an item has ended: { item, outcome, before, after, err, ids, resumed }; ids = { request_id,
--                      correlation_id, client_request_id }; resumed: an earlier run began it. outcome: "changed";
--                      "unchanged", it was so already; "stale", it was changed by somebody else since; "failed";
--                      "unknown", a write may go on at the service
--   on_progress(counts)  done, running, failed, of the items so far
--   track(poller)      a poller has been made
--
-- The summary: changed, unchanged, stale, failed, unknown, begun, and left, whether items were not begun any more:
-- "deadline", "credential" or "audit" (all would fail as that one did), "checkpoint" or "refused" (by on_begin), and
-- err, why.

local many = {}

local parallel_by_default, longest_by_default = 100, 300

-- Failures that all others would share.
local hopeless = { credential = true, audit = true }

local outcomes = { "changed", "unchanged", "stale", "failed", "unknown" }

-- Seconds that an item may take; nil: as the client says.
local function seconds_left(self)
  if not self.deadline then return self.options.timeout end
  return math.min(self.options.timeout or longest_by_default, math.max(0, self.deadline - self.now()))
end

local function call_of(self, item)
  return { id = item.id, status = item.status, description = item.description, if_match = item.etag,
    timeout = seconds_left(self) }
end

-- ---- endings -------------------------------------------------------------------------------------------------------

local function outcome_of(result, err)
  if not err then return result.changed and "changed" or "unchanged" end
  if err.continuation_token then return "unknown" end
  return err.kind == "precondition" and "stale" or "failed"
end

local function ids_of(poller, err)
  local known = err and err.request_id and err or poller:progress()
  return { request_id = known.request_id, correlation_id = known.correlation_id,
    client_request_id = known.client_request_id }
end

-- Notes an ending in the checkpoint; one whose end is not known keeps its token, for another run to go on with.
local function put_down(self, result)
  local file = self.options.checkpoint
  if not file then return end
  local id, ok, err = result.item.id
  if result.outcome == "unknown" then
    ok, err = file:token(id, result.err.continuation_token)
  else
    ok, err = file:finish(id, result.outcome)
  end
  if not ok then self.summary.left, self.summary.err = "checkpoint", err end
end

local function tell_progress(self)
  local summary, tell = self.summary, self.options.on_progress
  if not tell then return end
  local failures = summary.failed + summary.stale + summary.unknown
  tell { done = summary.begun - self.running, running = self.running, failed = failures }
end

-- What an earlier run sent may have arrived only after this one had looked, and have changed the ETag; or its token
-- leads to a connection that is still to be written, which no token may have done. The item itself says what is to be
-- written: another look, and the write if it is needed.
local function looks_again(self, item, err)
  if not (err and err.kind == "precondition" and item.begun_before) or self.again[item] then return false end
  self.again[item] = true
  local poller = self.options.client:begin_ensure(call_of(self, item))
  self.live[poller], self.running = item, self.running + 1
  return true
end

local function tell_result(self, result)
  local summary, err = self.summary, result.err
  summary[result.outcome] = summary[result.outcome] + 1
  if err and hopeless[err.kind] then summary.left, summary.err = err.kind, err end
  put_down(self, result)
  if self.options.on_result then self.options.on_result(result) end
  tell_progress(self)
end

local function settle(self, poller, value, err)
  local item = self.live[poller]
  if not item then return end -- somebody else's
  self.live[poller], self.running = nil, self.running - 1
  if looks_again(self, item, err) then return end
  local result = { item = item, err = err, resumed = item.begun_before, outcome = outcome_of(value, err),
    ids = ids_of(poller, err) }
  if value then result.before, result.after = value.before, value.after end
  tell_result(self, result)
end

-- ---- beginning -----------------------------------------------------------------------------------------------------

local function start(self, item, more)
  local client = self.options.client
  if item.token then
    local poller = client:resume(item.token, { id = item.id, timeout = seconds_left(self) })
    if poller then return poller end -- else it is looked at anew, which is as safe
  end
  local call = call_of(self, item)
  for name, value in pairs(more) do call[name] = value end
  return client:begin_ensure(call)
end

local function stop(self, why, err)
  self.summary.left, self.summary.err = why, err
end

-- Begins an item, or says why there will be no more.
local function begin(self, item)
  if self.deadline and self.now() >= self.deadline then return stop(self, "deadline") end
  local more, err
  if self.options.on_begin then more, err = self.options.on_begin(item) end
  if more == false then return stop(self, "refused", err) end
  local file = self.options.checkpoint
  if file and not item.begun_before then
    local ok, why = file:begin(item)
    if not ok then return stop(self, "checkpoint", why) end
  end
  local ok, poller = pcall(start, self, item, more or {})
  local complaint = not ok and type(poller) == "string" and poller:match "bad field '.*"
  if not ok and not complaint then error(poller, 0) end
  self.summary.begun = self.summary.begun + 1
  if complaint then -- what one name has that the client refuses is no reason to leave the others
    return tell_result(self, { item = item, outcome = "failed", ids = {},
      err = { kind = "usage", message = complaint } })
  end
  self.live[poller], self.running = item, self.running + 1
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

-- Broken off: what goes on at the service is put down with its token.
local function save_tokens(self)
  local file = self.options.checkpoint
  if not file then return end
  for poller, item in pairs(self.live) do
    local token = poller:continuation_token()
    if token and not file:token(item.id, token) then return end
  end
end

local function iterator(items)
  if type(items) == "function" then return items end
  local n = 0
  return function ()
    n = n + 1
    return items[n]
  end
end

local function new(options)
  local self = { options = options, live = {}, again = {}, running = 0, next_item = iterator(options.items),
    parallel = options.parallel or parallel_by_default, summary = { begun = 0 } }
  for _, outcome in ipairs(outcomes) do self.summary[outcome] = 0 end
  if options.deadline then
    self.now = require "cqueues".monotime
    self.deadline = self.now() + options.deadline
  end
  return self
end

-- Carries out all items; the summary. Raises what its functions raise, and Ctrl-C; the tokens of what is under way are
-- then in the checkpoint.
function many.run(options)
  local self = new(options)
  local ok, problem = xpcall(function ()
    fill(self)
    tell_progress(self)
    if self.running == 0 then return end
    for poller, value, err in options.client:completions() do
      settle(self, poller, value, err)
      fill(self)
    end
  end, function (message)
    return type(message) == "string" and not message:find "interrupted!$" and debug.traceback(message, 2) or message
  end)
  if not ok then
    save_tokens(self)
    error(problem, 0)
  end
  return self.summary
end

return many
