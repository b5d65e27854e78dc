-- A client whose writes are put down in an audit trail: its methods and those of its pollers are azpec.client's, so
-- whoever uses it cannot forget to.
--
-- The intent is written before begin_* returns, the result as soon as the end is taken (wait, result, completions or
-- finished), at the latest when the client is closed. A write whose intent cannot be put down is not made: its
-- poller has ended from the start, with an error of the kind "audit".

local json = require "azpec.json"

local audited = {}

-- ---- errors --------------------------------------------------------------------------------------------------------

local failure = { __name = "azpec.audit_error" }

function failure:__tostring()
  return ("%s: %s; %s"):format(self.kind, self.message, self.hint)
end

function failure.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local function not_begun(err, id)
  return setmetatable({ kind = err.kind, message = err.message, id = id,
    hint = err.hint or "nothing was sent; make the trail writable, or choose another file" }, failure)
end

-- The write was made; what could not be put down is in the message, or else it would be lost.
local function not_concluded(err, id)
  return setmetatable({ kind = err.kind, id = id,
    message = ("%s; what could not be put down: %s"):format(err.message, json.encode(err.record)),
    hint = "the write itself was made, or begun; the trail has its intent" }, failure)
end

-- ---- pollers -------------------------------------------------------------------------------------------------------

-- A write that was not begun.
local refused = {}
refused.__index = refused
refused.__name = "azpec.audit_poller"

function refused.done() return true end
function refused.step() return true end

function refused:result()
  self.is_collected = true
  return nil, self.err
end

refused.wait = refused.result
function refused.cancel() end
function refused.status() end
function refused.continuation_token() end
refused.__close = refused.cancel

-- Ready at once, for whoever waits for it in cqueues' protocol.
function refused.pollfd() end
function refused.events() end
function refused.timeout() return 0 end

function refused.progress()
  return { phase = "request", client_request_id = "", polls = 0, retries = 0, elapsed = 0 }
end

local poller = {}
poller.__name = "azpec.audit_poller"

-- An __index: what is not in the class is a method of the real thing.
local function forwarding(class)
  return function (self, name)
    local own = class[name]
    if own ~= nil then return own end
    local real = rawget(self, "real")
    local method = real[name]
    return method and function (_, ...) return method(real, ...) end
  end
end

poller.__index = forwarding(poller)

-- Puts the result down once; returns it, or nil and an error where that failed.
local function conclude(self, done, err)
  local entry = self.entry
  self.client.pending[self] = nil
  self.entry = nil
  if entry then
    local trail = self.client.trail
    local placed, problem = trail:conclude(entry, done, err, trail.ids[entry.call])
    trail.ids[entry.call] = nil
    if not placed then self.problem = not_concluded(problem, entry.connection) end
  end
  if self.problem then return nil, self.problem end
  return done, err
end

local function taken(self, ...)
  if self.real:done() then return conclude(self, ...) end
  return ...
end

function poller:wait(...) return taken(self, self.real:wait(...)) end
function poller:result() return conclude(self, self.real:result()) end

function poller:cancel()
  self.real:cancel()
  conclude(self, self.real:result())
end

function poller:__tostring() return tostring(self.real) end
poller.__close = poller.cancel

-- ---- beginning -----------------------------------------------------------------------------------------------------

local methods = {}

-- What is put down of an operation before it is begun.
local function intention(self, method, options)
  local about = self.about and self.about(options.id) or {}
  local wanted = options.status and { status = options.status, description = options.description }
  return { verb = about.verb or self.verb or method, operation = method, id = options.id, wanted = wanted,
    before = about.before, rule = about.rule, reason = about.reason, call = options.client_request_id }
end

-- Who it is stands in the trail from its first line on; nil and an error: that cannot be known, so there is no token.
local function identify(self)
  if self.trail.who then return self.trail.who end
  if not self.who then
    local identity, err = self.real:identity {}
    if not identity then return nil, err end
    self.who = require "azpec.audit".who(identity)
  end
  return self.who
end

local function put_down(self, method, options)
  local who, err = identify(self)
  if not who then return nil, err end
  local about = intention(self, method, options)
  about.who = who
  local entry, problem = self.trail:intend(about)
  return entry, problem and not_begun(problem, options.id)
end

local function wrap(self, real, entry)
  local wrapped = setmetatable({ real = real, client = self, entry = entry }, poller)
  self.wrappers[real], self.pending[wrapped] = wrapped, true
  return wrapped
end

local function refuse(self, err)
  local one = setmetatable({ err = err }, refused)
  self.refusals[#self.refusals + 1] = one
  return one
end

-- The intent is in the trail already; nothing was sent.
local function misused(self, entry, message)
  self.trail:conclude(entry, nil, { kind = "misuse", message = tostring(message) })
  error(message, 0)
end

local function begin(self, method, options)
  if type(options) ~= "table" or type(options.id) ~= "string" then
    error("bad field 'id' (an audited write names its connection by the whole id)", 3)
  end
  local entry, err = put_down(self, method, options)
  if not entry then return refuse(self, err) end
  local sent = { client_request_id = entry.call }
  for name, value in pairs(options) do sent[name] = value end
  local ok, real = pcall(self.real["begin_" .. method], self.real, sent)
  if not ok then return misused(self, entry, real) end
  return wrap(self, real, entry)
end

for _, method in ipairs { "update", "ensure", "delete" } do
  methods["begin_" .. method] = function (self, options) return begin(self, method, options) end
  methods[method] = function (self, options) return begin(self, method, options):wait() end
end

-- What is put down of a resumed operation. One that only waits has its intent already, under the same call, if it was
-- audited when it was begun; one that may write gets an intent of its own.
local function put_down_resumed(self, known, may_write)
  if may_write and known.operation == "ensure" and known.poll == "resource" and not known.changed then
    return put_down(self, "ensure", known)
  end
  local who, err = identify(self)
  if not who then return nil, err end
  return { verb = self.verb or "resume", operation = known.operation, who = who, connection = known.id,
    call = known.client_request_id }
end

function methods:resume(token, options)
  local real, err = self.real:resume(token, options)
  if not real then return nil, err end
  local entry, problem = put_down_resumed(self, json.decode(token), options and options.write)
  if not entry then
    real:cancel()
    real:result()
    return refuse(self, problem)
  end
  return wrap(self, real, entry)
end

-- ---- many ----------------------------------------------------------------------------------------------------------

-- The next write that was not begun and that nobody has been told of yet.
local function next_refusal(refusals)
  while refusals[1] do
    local one = table.remove(refusals, 1)
    if not one.is_collected then return one end
  end
end

-- The real iterator's values, with pollers as they are known here, and their results put down.
local function iterate(self, refusals, iterator, state, control, closing)
  local function known(real, done, err)
    control = real
    local wrapped = real and self.wrappers[real]
    if not wrapped then return real, done, err end
    return wrapped, conclude(wrapped, done, err)
  end
  return function ()
    local first = next_refusal(refusals)
    if first then return first, first:result() end
    return known(iterator(state, control))
  end, nil, nil, closing
end

function methods:completions(pollers)
  if pollers == nil then return iterate(self, self.refusals, self.real:completions()) end
  local real, refusals = {}, {}
  for _, one in ipairs(pollers) do
    if getmetatable(one) == refused then
      refusals[#refusals + 1] = one
    else
      real[#real + 1] = getmetatable(one) == poller and one.real or one
    end
  end
  return iterate(self, refusals, self.real:completions(real))
end

function methods:finished()
  return iterate(self, self.refusals, self.real:finished())
end

-- ---- the client ----------------------------------------------------------------------------------------------------

-- Operations that have not ended are given up as by the client's own close; their results say "unknown". Raises what
-- could not be put down.
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
methods.__name = "azpec.audit_client"

methods.__index = forwarding(methods)

function methods:__tostring() return tostring(self.real) end

-- client: of azpec.client, whose on_event tells the trail too (trail:observe), or the lines have no request ids.
-- options: verb, for the lines; about(id), a function that returns { verb, rule, reason, before } for a connection.
function audited.new(client, trail, options)
  options = options or {}
  return setmetatable({ real = client, trail = trail, verb = options.verb, about = options.about, pending = {},
    refusals = {}, wrappers = setmetatable({}, { __mode = "k" }) }, methods)
end

return audited
