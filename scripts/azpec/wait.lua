-- azpec.wait -- waits until connections exist, have a status, or are gone.
--
--   local is_so, connection = wait.wait { client = client, id = id, what = "status=Approved", timeout = 600 }
--   local is_so, connection = wait.wait { client = client, what = "exists", scope = { account_name = "contosobatch" },
--     selector = require "azpec.select".new { private_endpoint_name = "web-frontend" } }
--   local are_so, results = wait.all { client = client, ids = { id, other_id }, what = "gone" }
--
-- Options: client; what, the condition: "exists", "gone", "status=STATUS" or "provisioning=STATE"; timeout, seconds for
-- the whole wait (300; 0: one read); settle, seconds for which the condition must hold without a break (0); interval,
-- seconds between two reads (2, growing to 15); on_change(connection, is_unknown), called when the state has changed,
-- with nil if the connection does not exist or is not known; on_pause(seconds, pending), called before each pause with
-- the number of connections whose condition does not hold yet.
--
-- wait.wait waits for one connection, named by id, or by selector and scope (azpec.select, azpec.scope). It returns
-- whether the condition holds, and the connection as last read; or nil and an azpec.Error or an error of azpec.select,
-- also if the condition cannot hold any more (azpec.transitions).
--
-- wait.all waits for several, each of which is read until its condition holds: ids, a list; or selector and scope, for
-- all that match at the first poll that finds any. It returns whether the condition held for all, and the list of
-- results: { key, id, name, connection, is_so, is_unknown, err }. on_result(result, count) is called when one of so
-- many has ended. err: the connection cannot be read, or its condition cannot hold any more (azpec.transitions); the
-- others go on. is_unknown: the last read could not tell its state.
--
-- look replaces the reads of both: a function that returns a list of { key, id, name, connection, err, is_unknown },
-- and whether others may be missing from it. It receives a function of a key that returns whether that one has ended.
-- is_unknown: its state could not be read this time. Errors that it raises are raised.

local failure = require "azpec.failure"
local fields = require "azpec.fields"
local nearest = require "azpec.nearest"
local refresh = require "azpec.refresh"
local scope = require "azpec.scope"
local select = require "azpec.select"

local wait = {}

local most_between, first_between, default_timeout = 15, 2, 300

local states = {
  status = { field = "status", table.unpack(select.statuses) },
  provisioning = { field = "provisioning_state", table.unpack(select.provisioning_states) },
}

-- The conditions, as words.
wait.conditions = { "exists", "gone" }
for _, name in ipairs { "status", "provisioning" } do
  for _, value in ipairs(states[name]) do wait.conditions[#wait.conditions + 1] = name .. "=" .. value end
end

local function one_of(list, word)
  for _, known in ipairs(list) do
    if known:lower() == word:lower() then return known end
  end
end

-- Parses a condition. Returns { text =, holds = function (connection), hopeless = function (connection) or nil }, or
-- nil and a text if there is no such condition. hopeless returns the reason why the condition cannot hold any more.
function wait.condition(word)
  fields.check_argument(word, "string", "bad argument #1 to 'condition'")
  if word == "exists" then return { text = word, holds = function (connection) return connection ~= nil end } end
  if word == "gone" then return { text = word, holds = function (connection) return connection == nil end } end
  local name, value = word:match "^(%l+)=(.+)$"
  local state = states[name]
  local known = state and one_of(state, value)
  if not known then
    return nil, state and ("'%s' is not one of %s%s"):format(value, table.concat(state, ", "),
      nearest.question(value, state))
      or ("'%s' is not one of status=STATUS, provisioning=STATE, exists, gone%s"):format(word,
        nearest.question(word, wait.conditions))
  end
  return { text = name .. "=" .. known, holds = function (connection)
    return connection ~= nil and select.facts(connection)[state.field] == known
  end, hopeless = name == "status" and function (connection)
    -- Loaded here, because it needs the C module, and the command's help none.
    local forecast, why = require "azpec.transitions".forecast(connection, known)
    return forecast == "impossible" and why or nil
  end or nil }
end

-- ---- reading -------------------------------------------------------------------------------------------------------

local function look_by_ids(client, connection_ids)
  return function (is_over)
    local pending, found = {}, {}
    for _, id in ipairs(connection_ids) do
      if not is_over(id:lower()) then pending[#pending + 1] = id end
    end
    local now = refresh.read(client, pending)
    for n, id in ipairs(pending) do
      local connection, err, no_account = now(id)
      found[n] = { key = id:lower(), id = id, connection = connection, err = err or no_account }
    end
    return found
  end
end

-- Calls a function of azpec.scope or azpec.select, which may raise an error of the service.
local function try(f, ...)
  local ok, value, err = pcall(f, ...)
  if ok then return value, err end
  if type(value) ~= "table" or not value.kind then error(value, 0) end
  return nil, value
end

local function look_for_one(client, selector, where)
  return function ()
    local connection, err = try(function () return selector:one(scope.connections(client, where)) end)
    if err and err.kind == "no_match" then err = nil end
    return { { key = "one", id = connection and connection.id, connection = connection, err = err } }
  end
end

-- Once some match, these are meant.
local function look_for_all(client, selector, where)
  local look
  return function (is_over)
    if look then return look(is_over) end
    local found, connection_ids = {}, {}
    for connection in selector:filter(scope.connections(client, where)) do
      local id = connection.id
      found[#found + 1] = { key = id:lower(), id = id, connection = connection }
      connection_ids[#found] = id
    end
    look = #found > 0 and look_by_ids(client, connection_ids)
    return found
  end
end

local function looker(options, are_several)
  if options.look then return options.look end
  if options.ids then return look_by_ids(options.client, options.ids) end
  if options.id then return look_by_ids(options.client, { options.id }) end
  local look = are_several and look_for_all or look_for_one
  return look(options.client, options.selector, options.scope or {})
end

-- ---- waiting -------------------------------------------------------------------------------------------------------

local function state_of(connection)
  local facts = connection and select.facts(connection) or {}
  return ("%s %s"):format(facts.status, facts.provisioning_state)
end

local known = { client = "!client", what = "!string or table", id = "string", ids = "strings",
  selector = "table", scope = "table", look = "function", timeout = "seconds", settle = "seconds", interval = "seconds",
  on_change = "function", on_pause = "function", on_result = "function" }

local function new(options, are_several)
  fields.check(options, known, 3)
  if not (options.look or options.ids or options.id or options.selector) then
    error(("one of the fields '%s', 'selector' and 'look' is missing"):format(are_several and "ids" or "id"), 3)
  end
  if options.id and options.ids then error("the fields 'id' and 'ids' exclude each other", 3) end
  local what = options.what
  if type(what) == "string" then
    local why
    what, why = wait.condition(what)
    if not what then error("bad field 'what' (" .. why .. ")", 3) end
  end
  local now = require "cqueues".monotime
  return { now = now, wanted = what, options = options, look = looker(options, are_several),
    settle = options.settle or 0, deadline = now() + (options.timeout or default_timeout),
    between = options.interval or first_between, is_steady = options.interval ~= nil, results = {}, pending = 0 }
end

local function result_of(self, key)
  local result = self.results[key]
  if not result then
    result = { key = key }
    self.results[#self.results + 1], self.results[key] = result, result
    self.pending = self.pending + 1
  end
  return result
end

local function finish(self, result, is_so, err)
  result.is_so, result.err, result.is_over = is_so, err, true
  self.pending = self.pending - 1
  if self.options.on_result then self.options.on_result(result, #self.results) end
end

local function hopeless(self, found, why)
  local reason, way_out = why:match "^([^;]*); (.*)$"
  return failure.new("operation", ("it cannot have %s: %s"):format(self.wanted.text, reason or why),
    { id = found.connection.id, hint = way_out })
end

-- Notes what a poll has found of one connection.
local function note(self, found)
  local result, state = result_of(self, found.key), found.is_unknown and "unknown" or state_of(found.connection)
  if result.is_over then return end
  result.id, result.name, result.connection = found.id or result.id, found.name, found.connection
  result.is_unknown = found.is_unknown
  if found.err then return finish(self, result, false, found.err) end
  if state ~= result.state and self.options.on_change then
    self.options.on_change(found.connection, found.is_unknown)
  end
  result.state = state
  local holds = not found.is_unknown and self.wanted.holds(found.connection)
  result.since = holds and (result.since or self.now()) or nil
  if result.since and self.now() - result.since >= self.settle then return finish(self, result, true) end
  local why = found.connection and self.wanted.hopeless and self.wanted.hopeless(found.connection)
  if why then finish(self, result, false, hopeless(self, found, why)) end
end

-- Returns whether all have ended. If nothing matches, all of it is gone, unless a match may be missing.
local function is_over(self, is_partial)
  if #self.results == 0 then return self.options.ids ~= nil or not is_partial and self.wanted.holds(nil) end
  return self.pending == 0
end

-- Waits until the next read is due.
local function pause(self, left)
  local seconds = math.min(self.between, left)
  for _, result in ipairs(self.results) do
    if result.since and not result.is_over then
      seconds = math.min(seconds, math.max(result.since + self.settle - self.now(), 0))
    end
  end
  if self.options.on_pause then self.options.on_pause(seconds, self.pending) end
  self.options.client:wait(seconds)
  if not self.is_steady then self.between = math.min(self.between * 1.5, most_between) end
end

-- Returns whether all have ended in time.
local function follow(self)
  local function has_ended(key)
    return self.results[key] ~= nil and self.results[key].is_over or false
  end
  while true do
    local list, is_partial = self.look(has_ended)
    fields.check_argument(list, "tables", "bad result #1 of 'look'", 3)
    for _, found in ipairs(list) do result_of(self, found.key) end
    for _, found in ipairs(list) do note(self, found) end
    if is_over(self, is_partial) then return true end
    local left = self.deadline - self.now()
    if left <= 0 then return false end
    pause(self, left)
  end
end

function wait.wait(options)
  local self = new(options, false)
  follow(self)
  local result = self.results[1]
  if result.err then return nil, result.err end
  return result.is_so or false, result.connection
end

function wait.all(options)
  local self = new(options, true)
  local are_so = follow(self)
  for _, result in ipairs(self.results) do
    are_so = are_so and result.is_so
    if not result.is_over then finish(self, result, false) end
  end
  return are_so, self.results
end

return wait
