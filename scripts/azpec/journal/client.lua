-- A client whose writes are recorded in a journal. Its methods and those of its pollers are azpec.client's.
--
-- The client's before_write records the intent of each PATCH and DELETE, whichever call sends it, repetitions included.
-- A write whose intent cannot be recorded is not sent: the operation ends with an error of the kind "journal". The
-- result follows when the end is collected (wait, result, completions or finished), at the latest when the client is
-- closed. An operation that writes nothing leaves no line, but for one that could not acquire its policy token: its
-- intent and result are recorded then, as if the service had refused the write itself.

local check_fields = require "azpec.fields".check
local failure = require "azpec.failure"
local file = require "azpec.journal.file"
local json = require "azpec.json"
local states = require "azpec.journal.state"

local journaled = {}

-- ---- errors --------------------------------------------------------------------------------------------------------

local function not_begun(err, id)
  return failure.with(err, { id = id, write_refused = true, hint = "nothing was written; " .. file.cure })
end

-- The write was made. The error has what could not be recorded, and the continuation token of the operation's error.
local function not_concluded(err, id, own)
  return failure.new(err.kind, ("%s; what could not be recorded: %s"):format(err.message, json.encode(err.record)),
    { id = id, hint = "the write itself was made, or begun; the journal has its intent",
      replaced = own and own.replaced, continuation_token = own and own.continuation_token })
end

-- An earlier write may have taken effect, but what was found is another change's.
local function not_ours(id)
  return failure.new("precondition", "the connection has the requested status, but not the description that this write "
    .. "leaves: somebody else changed it", { id = id, hint = "read it again, then decide", replaced = true })
end

-- The error of a write that another process has begun, and that would now replace another writer's decision.
local function overruled_by(write, before)
  return failure.new("precondition", ("the connection was changed by another writer, so the write was not sent again: "
    .. "its status was %s and is %s; an earlier attempt may have taken effect"):format(before.status, write.from),
    { id = write.id, replaced = true, write_refused = true,
      hint = "request it again if it is to replace that decision" })
end

-- The error of a write that another process has begun, and whose end another change hides.
local function not_known(err)
  return failure.with(err, { replaced = true, message = tostring(err.message)
    .. "; an earlier attempt may have taken effect, and the connection was changed since" })
end

-- The error of an operation that could not find out how a write ended that another process has begun.
local function still_open(err)
  local message = tostring(err.message):gsub("nothing was written", "this attempt wrote nothing")
    :gsub("nothing was changed", "this attempt changed nothing")
  return failure.with(err, { unfinished = true, message = message .. "; an earlier attempt may have taken effect" })
end

-- ---- lines ---------------------------------------------------------------------------------------------------------

-- One operation, as events, before_write and pollers name it.
local function key_of(about)
  return ("%s %s"):format(about.client_request_id, about.id)
end

-- The connection before the write: as the caller knows it, unless the operation has read it since.
local function found(write, known)
  local etag = write.etag ~= "*" and write.etag or nil
  if known and (not etag or known.etag == etag) then return known end
  return (etag or write.from) and { etag = etag, properties = {
    privateLinkServiceConnectionState = { status = write.from } } } or nil
end

-- Returns who a line names, for an identity; nil if nobody has signed in.
local function who_of(self, identity)
  return self.journal.who or identity and require "azpec.journal".who(identity)
end

-- What the lines of a connection's write say: { verb, rule, reason, before }.
local function about_of(self, id)
  return self.about and self.about(id) or self.described[id:lower()] or {}
end

-- Returns whether a write that another process has begun would replace a decision that was made since then. Its ETag
-- shows that too, but the service may have sent none.
local function is_overruled(entry, write)
  local before = entry and entry.follows and entry.before or {}
  if not (before.status and write.from and write.to) then return false end
  local from = write.from:lower()
  return from ~= "pending" and from ~= write.to:lower() and from ~= before.status:lower()
end

-- Records a write that is about to be made, as before_write has it: true, or nil and why it must not be made.
local function intend(self, write)
  local about, key = about_of(self, write.id), key_of(write)
  if is_overruled(self.entries[key], write) then
    self.overruled[key] = overruled_by(write, self.entries[key].before)
    return nil, self.overruled[key].message
  end
  local entry, problem = self.journal:intend {
    verb = about.verb or self.verb or write.call, operation = write.call == "resume" and "ensure" or write.call,
    id = write.id, call = write.client_request_id, again = self.entries[key],
    attempt = write.attempt > 1 and write.attempt or nil,
    wanted = write.to and { status = write.to, description = write.description },
    before = found(write, about.before), rule = about.rule, reason = about.reason,
    change_reference = write.change_reference, policy_token_id = write.policy_token_id,
    policy_attempts = self.policy_attempts[key],
    who = who_of(self, write.identity) }
  if not entry then
    self.refusals[key] = problem
    return nil, problem.message
  end
  entry.who = entry.who or who_of(self, write.identity)
  self.entries[key], self.doubtful[key] = entry, nil
  return true
end

-- Remembers the ids of the last answer to a write, for its result, whether the service has accepted it, and how often
-- its policy token was requested.
local function observe(self, event)
  if event.event == "retry" and event.phase == "policy" then
    local key = key_of(event)
    self.policy_attempts[key] = (self.policy_attempts[key] or 1) + 1
  end
  local is_write = event.method == "PATCH" or event.method == "DELETE"
  if event.event == "response" and is_write and event.client_request_id then
    local key = key_of(event)
    self.ids[key] = { request_id = event.request_id, correlation_id = event.correlation_id }
    self.proven[key] = self.proven[key] or (event.status or 0) // 100 == 2 or nil
  end
end

-- A deletion that another process began may be over.
local function is_gone(entry, err)
  return entry and entry.follows and entry.operation == "delete" and err ~= nil and failure.proves_absence(err)
end

-- Returns whether another change hides how a write ended that another process has begun.
local function is_hidden(entry, err)
  return entry and entry.follows and err and err.kind == "precondition" and not (err.replaced or err.continuation_token)
end

-- Returns whether a failure leaves open how a write ended that another process has begun: the connection was not read.
-- Only a deletion is sent again without a read. ids: of the answer to a write of this process, or nil.
local function is_left_open(entry, err, ids)
  if not (entry and entry.follows and err) or err.continuation_token or err.write_refused then return false end
  local was_read = ids and entry.operation ~= "delete" or err.kind == "precondition" or err.kind == "operation"
  return not (was_read or failure.proves_absence(err))
end

-- Returns whether a success is another change's: the service is not known to have accepted this write, which leaves the
-- description as it was, and the description is another one.
local function is_others(self, key, done)
  local entry = self.entries[key]
  if not entry or type(done) ~= "table" or self.proven[key] then return false end
  if done.changed == false and not entry.follows then return false end
  return states.has_other_text(entry.before, done.after or done)
end

-- Returns the process that uses the client now: after a fork, another one.
local function process_of(self)
  return self.real:settings().process_id
end

-- As who_of, for lines of writes that this process has not made.
local function signed_in(self)
  return who_of(self, self.real:settings().identity)
end

-- Records an attempt that ended before its write, for want of a policy token. wish: { operation, id, call, wanted,
-- change_reference }; attempts: how often the token was requested. Returns an error if that failed.
local function note_attempt(self, wish, err, answer_ids, attempts)
  local about = about_of(self, wish.id)
  local entry, problem = self.journal:intend { verb = about.verb or self.verb or wish.operation,
    operation = wish.operation, id = wish.id, call = wish.call, wanted = wish.wanted, before = about.before,
    rule = about.rule, reason = about.reason, change_reference = wish.change_reference, policy_attempts = attempts,
    who = signed_in(self) }
  if not entry then return not_begun(problem, wish.id) end
  local placed
  placed, problem = self.journal:conclude(entry, nil, err, answer_ids)
  return not placed and not_begun(problem, wish.id) or nil
end

-- Forgets all that is known of an operation.
local function drop(self, key)
  for _, name in ipairs { "entries", "refusals", "overruled", "ids", "doubtful", "proven", "policy_attempts" } do
    self[name][key] = nil
  end
end

-- Records how an operation ended that has written, or could not for want of a policy token. Returns the error where
-- that failed, or where its write was refused here.
local function record(self, key, done, err, wish)
  local entry, refusal, ids, attempts = self.entries[key], self.refusals[key], self.ids[key], self.policy_attempts[key]
  if entry then entry.who = entry.who or signed_in(self) end
  local is_written = entry and entry.who and (not self.doubtful[key] or done and done.changed)
    and not (err and err.unfinished)
  drop(self, key)
  if is_written then
    local placed, problem = self.journal:conclude(entry, done, err, ids)
    return not placed and not_concluded(problem, entry.connection, err) or nil
  end
  if entry then
    self.journal:forget(entry)
  elseif wish and not refusal and err and err.phase == "policy" then
    return note_attempt(self, wish, err, ids, attempts)
  end
  return refusal and not err.continuation_token and not_begun(refusal, err.id) or nil
end

-- ---- pollers -------------------------------------------------------------------------------------------------------

local poller = {}
poller.__name = "azpec.journal_poller"

local this_file = debug.getinfo(1, "S").short_src .. ":"

-- Returns the results of a method. Misuse is the fault of its caller: the module's error names a line of this file, and
-- the method as it is called here.
local function blaming_caller(name, ok, ...)
  if ok then return ... end
  local raised, place, text = ..., this_file, nil
  if type(raised) == "string" and raised:sub(1, #place) == place then text = raised:match("^%d+: (.*)", #place + 1) end
  if not text then error(raised, 0) end
  error(text:gsub("^bad argument #(%d+) to 'method'", function (number)
    return ("bad argument #%d to '%s'"):format(number - 1, name)
  end), 2)
end

-- An __index: what is not in the class is a method of the real thing.
local function forwarding(class)
  return function (self, name)
    local real, own = rawget(self, "real"), class[name]
    local method = own or real[name]
    if type(method) ~= "function" then return method end
    local function call(_, ...) return method(real, ...) end
    return function (...) return blaming_caller(name, pcall(own or call, ...)) end
  end
end

-- Ctrl-C, as azpec.client knows it: it is no error of on_event.
local function is_interruption(raised)
  return type(raised) == "string" and raised:find "interrupted!$" ~= nil
end

poller.__index = forwarding(poller)

-- In a forked child: an operation of the parent, which records its end, is forgotten here.
local function leave(self)
  local entry = self.client.entries[self.key]
  if entry then self.client.journal:forget(entry) end
  drop(self.client, self.key)
end

-- Records the result once; returns it, or nil and an error where that failed.
local function conclude(self, done, err)
  local is_pending = self.client.pending[self]
  self.client.pending[self] = nil
  if is_pending and self.is_call then self.client.calls[self.key] = nil end
  if is_pending and self.process ~= process_of(self.client) then
    leave(self)
  elseif is_pending then
    local entry = self.client.entries[self.key]
    self.is_gone = is_gone(entry, err)
    local problem = is_others(self.client, self.key, done) and not_ours(entry.connection) or nil
    if problem then done, err = nil, problem end
    if is_hidden(entry, err) then err = not_known(err) end
    err = err and self.client.overruled[self.key] or err
    if is_left_open(entry, err, self.client.ids[self.key]) then err = still_open(err) end
    self.problem = record(self.client, self.key, done or self.is_gone or nil, err, self.wish) or problem
    local described = self.client.described
    if described[self.id] == self.about then described[self.id] = nil end -- else it is of a later one
  end
  if self.problem then return nil, self.problem end
  if self.is_gone then return true end
  return done, err
end

local function taken(self, ...)
  if self.real:done() then return conclude(self, ...) end
  return ...
end

-- Raises, once, an error of on_event that a cancellation has kept.
local function raise_kept(self)
  local raised = self.raised
  self.raised = nil
  if raised ~= nil then error(raised, 0) end
end

-- Takes a canceled poller out of those to be handed out: its outcome is collected.
local function collect(self)
  if not self.canceled then return end
  self.canceled = nil
  for n, one in ipairs(self.client.canceled) do
    if one == self then return table.remove(self.client.canceled, n) end
  end
end

function poller:wait(...)
  raise_kept(self)
  collect(self)
  return taken(self, self.real:wait(...))
end

function poller:result()
  raise_kept(self)
  collect(self)
  return conclude(self, self.real:result())
end

-- Cancels, and records the result even if on_event raises an error at the end, which the real poller raises once.
-- Returns the outcome.
local function give_up(self)
  self.real:cancel()
  local ok, done, err = pcall(self.real.result, self.real)
  if not ok then
    self.raised = done
    done, err = self.real:result()
  end
  done, err = conclude(self, done, err)
  if is_interruption(self.raised) then raise_kept(self) end
  return done, err
end

-- The real poller has given its outcome to the journal, so it is handed out from here.
function poller:cancel()
  local is_open = self.client.pending[self] and not self.is_call
  local done, err = give_up(self)
  if not is_open then return end
  self.canceled = { done = done, err = err }
  table.insert(self.client.canceled, self)
end

function poller:__tostring() return tostring(self.real) end

function poller:__close() give_up(self) end

-- ---- beginning -----------------------------------------------------------------------------------------------------

local methods = {}

local function wrap(self, real, wish)
  local begun = real:progress()
  local id = begun.id:lower()
  local wrapped = setmetatable({ real = real, client = self, key = key_of(begun), wish = wish, id = id,
    process = process_of(self), about = self.described[id] }, poller)
  self.wrappers[real], self.pending[wrapped] = wrapped, true
  return wrapped
end

-- What an operation is about to do, should it end before its write.
local function wish_of(self, operation, options, real)
  local about = real:progress()
  return { operation = operation, id = about.id, call = about.client_request_id,
    wanted = options.status and { status = options.status, description = options.description } or nil,
    change_reference = options.change_reference or self.change_reference }
end

-- The error of a blocking call during which on_event has raised one, as azpec.client's.
local function callback_error(raised, done, err)
  local ok, text = pcall(tostring, raised)
  return failure.new("callback", "on_event raised an error: "
    .. (ok and text or "an error that cannot be converted to a string"), {
    hint = done and "the call itself succeeded: see `result`" or "the call itself failed: see `err`",
    raised = raised, result = done or nil, err = err, retryable = false })
end

-- Cancels an operation whose call is left early, by an error or with its coroutine, as azpec.client does. A coroutine
-- can be collected at any time; then the result is recorded later.
local leaving = {}

function leaving:__close()
  if self.poller then give_up(self.poller) end
  self.poller = nil
end

function leaving:__gc()
  if self.poller then self.poller.real:cancel() end
end

-- Waits for the end of a blocking call. No other loop hands its poller out. Errors of on_event do not end it.
local function run(self, one)
  local _ <close> = setmetatable({ poller = one }, leaving)
  local _ <close> = select(2, self.real:completions { one.real })
  one.is_call, self.calls[one.key] = true, one
  local done, err = taken(one, one.real:wait())
  local raised = one.raised
  if raised ~= nil then error(callback_error(raised, done, err), 0) end
  return done, err
end

for _, operation in ipairs { "update", "ensure", "delete" } do
  local begin = "begin_" .. operation
  methods[begin] = function (self, options)
    local method = self.real[begin]
    local real = method(self.real, options)
    local wrapped = wrap(self, real, wish_of(self, operation, options, real))
    self.proven[wrapped.key] = options.description ~= nil or nil
    return wrapped
  end
  methods[operation] = function (self, options) return run(self, methods[begin](self, options)) end
end

-- What the lines of the next operation on a connection say, unless the caller's own function `about` does: rule,
-- reason, and before, the connection as it was read. It is kept until that operation has ended.
function methods:describe(id, about)
  self.described[id:lower()] = about
end

-- Makes ready to record the end of an operation that another process began. If it was journaled there, the intent is in
-- the journal under the same call. known: operation, id, call, and perhaps before, the state that the intent has. true,
-- or nil and an error: then it must not be gone on with.
function methods:follow(known)
  local entry, problem = self.journal:follow { verb = self.verb or "resume", operation = known.operation, id = known.id,
    call = known.call, before = known.before }
  if not entry then return nil, not_begun(problem, known.id) end
  self.entries[key_of { client_request_id = known.call, id = known.id }] = entry
  return true
end

function methods:resume(token, options)
  local real, err = self.real:resume(token, options)
  if not real then return nil, err end
  local known, wrapped = json.decode(token), wrap(self, real)
  local ok, problem = self:follow { operation = known.operation, id = known.id, call = known.client_request_id }
  if not ok then
    self.pending[wrapped] = nil
    wrapped:cancel()
    return nil, problem
  end
  self.proven[wrapped.key] = known.changed or known.description ~= nil or nil
  -- an ensure's token may be of a write that has not arrived
  self.doubtful[wrapped.key] = known.operation == "ensure" and not known.changed or nil
  return wrapped
end

-- ---- many ----------------------------------------------------------------------------------------------------------

-- Takes the first canceled poller of a set (nil: of all). Returns it and its outcome.
local function next_canceled(self, wanted)
  for _, one in ipairs(self.canceled) do
    local outcome = one.canceled
    if not wanted or wanted[one.real] then
      collect(one)
      return one, outcome.done, outcome.err
    end
  end
end

-- The real iterator's values, with pollers as they are known here, and their results recorded; and the canceled ones.
-- pollers: the real ones to be handed out; nil: all.
local function iterate(self, pollers, iterator, state, control, closing)
  local wanted, has_ended = nil, false
  for _, real in pairs(pollers or {}) do
    wanted = wanted or {}
    wanted[real] = true
  end
  local function step()
    local one, done, err = next_canceled(self, wanted)
    if one then return one, done, err end
    if has_ended then return nil end
    local real
    real, done, err = iterator(state, control)
    control, has_ended = real, real == nil
    if has_ended then return next_canceled(self, wanted) end -- since the call began
    local wrapped = self.wrappers[real]
    if not wrapped then return real, done, err end
    if not wrapped.is_call then return wrapped, conclude(wrapped, done, err) end
    conclude(wrapped, done, err) -- a blocking call whose coroutine was collected
    return step()
  end
  return step, nil, nil, closing
end

-- The table of pollers with the real ones in it. What is no table is azpec.client's to refuse.
local function unwrapped(pollers)
  if type(pollers) ~= "table" then return pollers end
  local real = {}
  for key, one in pairs(pollers) do real[key] = getmetatable(one) == poller and one.real or one end
  return real
end

function methods:completions(pollers)
  local real = unwrapped(pollers)
  return iterate(self, type(real) == "table" and real or nil, self.real:completions(real))
end

function methods:finished()
  return iterate(self, nil, self.real:finished())
end

-- ---- the client ----------------------------------------------------------------------------------------------------

-- Operations that have not ended are given up as by the client's own close; the results of those that have written say
-- "unknown". Raises what could not be recorded.
function methods:close()
  local problem
  for wrapped in pairs(self.pending) do
    wrapped:cancel()
    problem = problem or wrapped.problem
  end
  self.real:close()
  if problem then error(problem, 0) end
end

methods.__close = methods.close
methods.__name = "azpec.journal_client"

methods.__index = forwarding(methods)

function methods:__tostring() return tostring(self.real) end

-- Calls the caller's on_event. An error that it raises during a blocking call is kept for the call's end.
local function tell(self, on_event, event)
  local call = event.client_request_id and self.calls[key_of(event)]
  if not call then return on_event(event) end
  local ok, raised = pcall(on_event, event)
  if ok then return end
  if is_interruption(raised) then error(raised, 0) end
  if raised == nil then raised = "on_event raised nil" end
  call.raised = raised
end

-- The options of azpec.client with the journal's functions before the caller's own: his refusal comes before the
-- intent.
local function hooked(self, fields)
  local mine = {}
  for name, value in pairs(fields) do mine[name] = value end
  function mine.before_write(write)
    if fields.before_write then
      local is_allowed, why = fields.before_write(write)
      if is_allowed ~= true then return is_allowed, why end
    end
    return intend(self, write)
  end
  function mine.on_event(event)
    observe(self, event)
    if fields.on_event then tell(self, fields.on_event, event) end
  end
  return mine
end

local known = { verb = "string", about = "function" }

-- fields: of azpec.client. options: verb, for the lines; about(id), a function that returns { verb, rule, reason,
-- before } for a connection. Misuse is the fault of the caller of azpec.journal's client.
function journaled.new(fields, journal, options)
  options = options or {}
  check_fields(options, known, 3)
  local self = setmetatable({ journal = journal, verb = options.verb, about = options.about, entries = {},
    change_reference = fields.change_reference,
    refusals = {}, policy_attempts = {}, proven = {},
    ids = {}, overruled = {}, doubtful = {}, pending = {}, calls = {}, canceled = {}, described = {},
    wrappers = setmetatable({}, { __mode = "k" }) }, methods)
  local ok, real = pcall(require "azpec".client, hooked(self, fields)) -- so its message has no position of its own
  if not ok then error(real, 3) end
  self.real = real
  return self
end

return journaled
