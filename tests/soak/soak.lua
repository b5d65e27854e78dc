-- soak.lua -- run by soak.c with (nothing, SECONDS, SEED): a dozen coroutines that do to clients and pollers whatever
-- one may do to them, at random. What is begun, ended and let go is noted in the ledger, for judge.lua.

-- luacheck: read globals host azpec client id e patience

local _, seconds, seed = ...
local deadline = host.now() + seconds * 1000
local random = math.random

math.randomseed(seed)
collectgarbage "incremental"
collectgarbage("setpause", 0)
collectgarbage("setstepmul", 1000)

local connections = 96
local workers_wanted = 12
local counts = {}

local function count(what) counts[what] = (counts[what] or 0) + 1 end
local function note(...) host.note(table.concat({ ... }, " ")) end
local function one_of(list) return list[random(#list)] end
local function chance(n) return random(n) == 1 end

-- ---- clients --------------------------------------------------------------------------------------------------------

local clients, client_number = {}, 0
local token -- a new one with each of the emulator's moods

-- Told of every operation's end, once; and sometimes misbehaves.
local function listener(number)
  return function (event)
    local is_ours = event.client_request_id and event.client_request_id:find "^soak"
    if event.event == "end" and is_ours then
      note("end", number, event.client_request_id, event.ok and "done" or event.kind)
    end
    if chance(200) then collectgarbage() end
    if chance(500) then error "on_event raises" end
  end
end

local function credential()
  if chance(3) then
    return azpec.credential.token { get = function ()
      if chance(20) then error "no token today" end
      return token, os.time() + random(400, 4000)
    end }
  end
  return nil
end

local function new_client(wait)
  client_number = client_number + 1
  local plain = chance(3)
  local endpoint = plain and e.endpoint or e.tls_endpoint
  local tries = random(1, 4)
  note("client", client_number, tries)
  return { number = client_number, client = client {
    endpoint = endpoint, authority_host = endpoint, credential = credential(),
    max_connections = one_of { nil, 1, 2, 8 }, timeout = random(3, 40) / 10 * patience, poll_interval = random() / 20,
    retry = { max_tries = tries, base_delay = 0.01, max_delay = 0.2 },
    wait = wait, on_event = listener(client_number),
  } }
end

-- A client of the few that all share; one that was closed is replaced.
local function some_client(wait)
  local n = random(4)
  if not clients[n] then clients[n] = new_client(wait) end
  return clients[n]
end

-- ---- operations -----------------------------------------------------------------------------------------------------

local operations = 0

-- The options of one that the ledger knows. What it may end without a word about is in the worker's hands.
local function begun(worker, c, kind, more)
  operations = operations + 1
  local options = { id = id(random(connections)), client_request_id = ("soak-%d"):format(operations) }
  if kind ~= "delete" then
    options.status, options.description = chance(12) and "Rejected" or "Approved", ("x"):rep(random(0, 2000))
  end
  if chance(8) then options.timeout = random() / 5 * patience end
  for k, v in pairs(more or {}) do options[k] = v end
  note("begin", c.number, options.client_request_id, kind)
  worker.current[options.client_request_id] = c.number
  count(kind)
  return options
end

local function let_go(worker)
  for request_id, number in pairs(worker.current) do note("let_go", number, request_id) end
  worker.current = {}
end

local handed = setmetatable({}, { __mode = "k" }) -- pollers that a loop has handed out

local function check(options, value, err)
  if value == nil then
    assert(azpec.type(err) == "azpec.error", err)
    note("error", options.client_request_id, err.kind, err.continuation_token and "token" or "none")
    count(err.kind)
  else
    local unchanged = type(value) == "table" and value.changed == false
    note("value", options.client_request_id, unchanged and "unchanged" or "done")
    count "done"
  end
end

local kinds = { "update", "update", "update", "update", "ensure", "ensure", "ensure", "delete" }

local function begin(worker, c)
  local kind = one_of(kinds)
  local options = begun(worker, c, kind)
  local poller = c.client["begin_" .. kind](c.client, options)
  worker.current[options.client_request_id] = nil -- its client keeps it from now on
  return poller, options
end

local deeds = {}

function deeds.call(worker, c)
  local kind = one_of(kinds)
  local options = begun(worker, c, kind)
  check(options, c.client[kind](c.client, options))
end

function deeds.get(_, c)
  c.client:get { id = id(random(connections)) }
end

function deeds.wait(worker, c)
  local poller, options = begin(worker, c)
  check(options, poller:wait())
  if chance(2) then check(options, poller:result()) end
end

function deeds.wait_in_pieces(worker, c)
  local poller = begin(worker, c)
  for _ = 1, random(4) do
    poller:wait(random() / 20)
    assert(type(tostring(poller)) == "string" and poller:progress() and (poller:status() or true))
  end
end

function deeds.cancel(worker, c)
  local poller, options = begin(worker, c)
  if chance(2) then poller:wait(random() / 10) end
  poller:cancel()
  check(options, poller:wait())
end

function deeds.close(worker, c)
  local poller <close>, options = begin(worker, c)
  worker.current[options.client_request_id] = c.number
  poller:wait(random() / 10)
  let_go(worker)
end

function deeds.drop(worker, c)
  for _ = 1, random(6) do begin(worker, c) end
  if chance(2) then c.client:step() end
end

function deeds.resume(worker, c)
  local poller, options = begin(worker, c)
  poller:wait(random() / 5)
  poller:cancel()
  local _, err = poller:wait()
  local passport = err and err.continuation_token
  if not passport then return end
  local again, why = c.client:resume(passport, { id = options.id })
  if not again then return note("refused", tostring(why)) end
  note("begin", c.number, options.client_request_id, "resume")
  count "resume"
  check(options, again:wait())
end

function deeds.bad_token(_, c)
  local value, err = c.client:resume(('{"azpec":1,"operation":"update","id":"%s"}'):format(id(1)))
  assert(value == nil and err.kind == "protocol")
end

function deeds.some_completions(worker, c)
  local mine, wanted = {}, random(12)
  for n = 1, wanted do mine[n] = begin(worker, c) end
  local left, stop = wanted, chance(3) and random(wanted)
  for poller, value, err in c.client:completions(mine) do
    assert(not handed[poller], "handed out twice")
    assert(value ~= nil or azpec.type(err) == "azpec.error")
    handed[poller], left = true, left - 1
    if left == stop then return end
  end
  assert(left == 0, left)
end

function deeds.all_completions(worker, c)
  for _ = 1, random(5) do begin(worker, c) end
  local most = random(20)
  for poller in c.client:completions() do
    assert(not handed[poller], "handed out twice")
    handed[poller], most = true, most - 1
    if chance(6) then begin(worker, c) end
    if most == 0 then break end
  end
end

function deeds.finished(_, c)
  for poller, value, err in c.client:finished() do
    assert(not handed[poller], "handed out twice")
    assert(poller:done() and (value ~= nil or azpec.type(err) == "azpec.error"))
    handed[poller] = true
  end
end

function deeds.list(_, c)
  local most = random(150)
  local account = { resource_group_name = "rg", account_name = "hostacct", maxresults = random(2, 40) }
  for connection in c.client:list(account) do
    assert(connection.id)
    most = most - 1
    if most == 0 then break end
  end
end

function deeds.client_of_its_own(worker)
  local c = new_client(worker.wait)
  for _ = 1, random(4) do begin(worker, c) end
  if chance(3) then c.client:step() end
  if chance(2) then
    note("closed", c.number)
    c.client:close()
  else
    note("closed", c.number) -- by the collector, at some time
  end
end

function deeds.one_shot(worker)
  client_number = client_number + 1
  local c = { number = client_number }
  note("client", c.number, 2)
  local options = begun(worker, c, "update", {
    endpoint = e.tls_endpoint, authority_host = e.tls_endpoint, ca_file = e.ca_file, proxy = "", timeout = 2 * patience,
    retry = { max_tries = 2, base_delay = 0.01 }, poll_interval = 0.01, on_event = listener(client_number),
    subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", wait = worker.wait,
    credential = azpec.credential.token { get = function () return token end } })
  check(options, azpec.update(options))
end

function deeds.close_a_client()
  local n = random(4)
  if not clients[n] or not chance(4) then return end
  note("closed", clients[n].number)
  count "close"
  local c = clients[n].client
  clients[n] = nil
  if chance(3) then return end -- dropped instead
  c:close()
  c:close()
end

local names = {}
for name in pairs(deeds) do names[#names + 1] = name end
table.sort(names) -- pairs has no order to be repeated
for _ = 1, 3 do
  for _, name in ipairs { "call", "wait", "drop" } do names[#names + 1] = name end
end

-- ---- workers --------------------------------------------------------------------------------------------------------

-- What a deed may raise: the err table of a failed page, on_event's own error, and what a closed client answers.
local expected = { "on_event raises", "attempt to use a closed client", "attempt to go on with a loop",
  "attempt to go on with a list", "another loop over all completions", "own callback must not" }

local function is_expected(why)
  if azpec.type(why) == "azpec.error" then return true end
  for _, text in ipairs(expected) do
    if type(why) == "string" and why:find(text, 1, true) then return true end
  end
  return false
end

local function work(worker)
  while host.now() < deadline do
    local name = one_of(names)
    worker.deed = name
    local fine, why = xpcall(deeds[name], function (why)
      return is_expected(why) and why or debug.traceback(name .. ": " .. tostring(why), 2)
    end, worker, some_client(worker.wait))
    if not fine and not is_expected(why) then error(why, 0) end
    let_go(worker)
    count "deeds"
  end
end

local function new_worker()
  local worker = { current = {} }
  worker.wait = function (pollable) coroutine.yield(pollable:pollfd()) end
  worker.co = coroutine.create(work)
  debug.sethook(worker.co, function () collectgarbage() end, "", random(300, 3000))
  return worker
end

local function resume(worker)
  local fine, result = coroutine.resume(worker.co, worker)
  if not fine then error(result, 0) end
  worker.fd = result
  return coroutine.status(worker.co) ~= "dead"
end

-- In the middle of a wait: closed by its owner, or left to the collector.
local function kill(worker)
  let_go(worker)
  count "killed"
  if chance(3) then return end
  local fine, why = coroutine.close(worker.co)
  if not fine and not is_expected(why) then error(("closing a worker: %s"):format(why), 0) end
end

-- ---- the emulator's moods -------------------------------------------------------------------------------------------

local actions = {
  '"reset": true', '"close": true', '"lose": true', '"stall": 0.3', '"status": 500', '"status": 503, "perform": true',
  '"status": 429, "headers": {"Retry-After": "0"}', '"status": 429, "headers": {"Retry-After": "1"}', '"claims": true',
  '"expire_token": true', '"cut": 5', '"cut_at": 40', '"reset_at": 60', '"stall_at": 30', '"garbage": 300',
  '"html": true', '"delay_answer": 0.1', '"location": "foreign"', '"chunked": true', '"close_after": true',
  '"dribble": {"bytes": 20, "seconds": 0.002}', '"status": 403', '"status": 409', '"status": 412', '"flip_at": 20',
  '"reset": true, "perform": true', '"http_version": "1.0"', '"gzip": true', '"bom": true',
}
local targets = { '{"kind": ["update", "delete", "poll", "get", "list", "token"], "nth": %d}',
  '{"kind": "update", "nth": %d}', '{"kind": "poll", "nth": %d}', '{"kind": "get", "nth": %d}',
  '{"kind": "token", "nth": %d}' }

local function new_mood()
  local rules = {}
  if host.now() >= deadline then return host.control("PUT", "faults", "[]") end
  if chance(4) then host.control("DELETE", "state", "") end -- what was deleted is there again
  token = host.token()
  for n = 1, random(0, 16) do
    local action = one_of(actions)
    rules[n] = ('{"name": "%s", "match": %s, "action": {%s}}'):format(action:match '"(.-)"',
      one_of(targets):format(random(25)), action)
  end
  host.control("PUT", "faults", "[" .. table.concat(rules, ",") .. "]")
  host.control("PATCH", "options", ('{"operation_polls": %d}'):format(random(0, 6)))
end

-- ---- the loop -------------------------------------------------------------------------------------------------------

local workers = {}
for n = 1, workers_wanted do workers[n] = new_worker() end
local next_mood = 0

local function turn(ready)
  for n = #workers, 1, -1 do
    local worker = workers[n]
    local alive = true
    if not worker.fd or ready[worker.fd] or chance(100) then alive = resume(worker) end
    if alive and chance(300) then
      kill(worker)
      alive = false
    end
    if not alive then table.remove(workers, n) end
  end
end

while #workers > 0 do
  local late = host.now() - deadline
  if late > 30000 * patience then
    local worker = workers[#workers]
    error(("%d workers did not end: %s, %s"):format(#workers, worker.deed, debug.traceback(worker.co)))
  end
  while late < 0 and #workers < workers_wanted do workers[#workers + 1] = new_worker() end
  if host.now() >= next_mood then
    new_mood()
    next_mood = host.now() + 300
  end
  local fds = {}
  for _, worker in ipairs(workers) do fds[#fds + 1] = worker.fd end
  turn(host.wait(fds, #fds < #workers and 0 or 0.1))
end

-- Some clients are closed, the others are lua_close's.
for _, c in pairs(clients) do
  note("closed", c.number)
  if chance(2) then c.client:close() end
end

local said = {}
for what, n in pairs(counts) do said[#said + 1] = what .. " " .. n end
table.sort(said)
return ("%d operations of %d clients: %s"):format(operations, client_number, table.concat(said, ", "))
