-- A daemon on cqueues that approves by a file of rules: lua5.4 daemon.lua RULES JOURNAL PORT [INTERVAL [GRACE]]
--
-- A round reads the rules and all accounts of AZURE_SUBSCRIPTION_ID, and approves and rejects as the rules say. The
-- next one begins INTERVAL seconds (60) later. JOURNAL has each write. A new daemon first finishes what a killed one
-- began. After SIGTERM it begins no write, and ends when none is under way, or after GRACE seconds (20); the next
-- daemon finishes the rest. http://127.0.0.1:PORT/ shows the last round in JSON, /metrics has numbers for Prometheus;
-- PORT 0 is any free port. Each request is logged on stderr. A journal is for one daemon: a fixed port keeps a second
-- one away.
local cjson = require "cjson"
local condition, cqueues = require "cqueues.condition", require "cqueues"
local signal, socket = require "cqueues.signal", require "cqueues.socket"
local fleet, journal = require "azpec.fleet", require "azpec.journal"
local rules, run = require "azpec.rules", require "azpec.run"

local rules_file, journal_file, port = arg[1], arg[2], tonumber(arg[3])
local interval, grace = tonumber(arg[4] or 60), tonumber(arg[5] or 20)
assert(port and interval and grace, "usage: lua5.4 daemon.lua RULES JOURNAL PORT [INTERVAL [GRACE]]")
local where = {} -- of azpec.fleet, such as { all_subscriptions = true }

local last, totals = { complete = false }, { azpec_rounds_total = 0 }
local is_ending, wake, ended = false, condition.new(), condition.new()

local function log(text, ...) io.stderr:write((text:format(...):gsub("%c", " ")), "\n") end
local function count(counts, name) counts[name] = (counts[name] or 0) + 1 end

local function on_event(event) -- events have no secrets, and their URLs no query
  if not (event.method and (event.status or event.error)) then return end
  log("%s %s: %s %s", event.method, event.url, event.status or event.error, event.request_id or "")
  count(totals, ('azpec_requests_total{status="%s"}'):format(event.status or "none"))
end

local file = journal.open(journal_file, { subject = "daemon.lua" })
local client = journal.client({ wait = cqueues.poll, on_event = on_event,
  api_version = require "azpec.api_versions".since.systemData }, file, { verb = "daemon" }) -- rules may need ages

local function complain(round, what, err)
  log("%s: %s", what, err)
  round.complete, round.errors = false, round.errors or {} -- cjson writes an empty list as {}
  table.insert(round.errors, ("%s: %s"):format(what, err))
end

local function carry_out(round, items)
  local summary = run.run { client = client, items = items,
    on_begin = function () if is_ending then return false end end,
    on_result = function (result)
      log("%s: %s by rule '%s'", result.item.id, result.outcome, result.item.rule)
      count(round.counts, result.outcome)
      count(totals, ('azpec_changes_total{outcome="%s"}'):format(result.outcome))
      if result.err then complain(round, result.item.id, result.err) end
    end }
  round.left = round.left or summary.left -- why it began no more
end

local function decide(round, set)
  local items = {}
  for place, connection, err in fleet.connections(client, where) do
    if connection then
      local decision = set:decide(connection)
      count(round.counts, decision.action)
      if decision.failed then complain(round, connection.id, decision.reason) end
      items[#items + 1] = rules.item(connection, decision)
    elseif not err.is_gone then
      complain(round, place.id, err)
    end
  end
  return items
end

local function go_round(round, may_be_open)
  if may_be_open then carry_out(round, assert(file:unfinished())) end
  local set, why = rules.read(rules_file)
  why = why or set:speaks_of_ticket() and "a rule speaks of a {ticket}, and a daemon has none"
  if why then error(why, 0) end
  local items = decide(round, set)
  local excess = set:excess(file:counts(items))
  if excess then error(excess .. "; nothing was done", 0) end
  carry_out(round, items)
end

local function go_rounds()
  local may_be_open = true -- a write whose end the journal does not have
  while not is_ending do
    local round = { at = os.date "!%Y-%m-%dT%H:%M:%SZ", complete = true, counts = {} }
    local ok, err = pcall(go_round, round, may_be_open)
    if not ok then complain(round, "the round failed", err) end
    last, may_be_open = round, not ok or (round.left or round.counts.unknown) ~= nil
    count(totals, "azpec_rounds_total")
    file:next_run()
    if not is_ending then cqueues.poll(wake, interval) end
  end
  ended:signal()
end

local function page_of(path)
  if path == "/" then return "200 OK", "application/json", cjson.encode(last) end
  if path ~= "/metrics" then return "404 Not Found", "text/plain", "not found\n" end
  local lines = { ("azpec_complete %d\n"):format(last.complete and 1 or 0) }
  for name, value in pairs(totals) do lines[#lines + 1] = ("%s %d\n"):format(name, value) end
  table.sort(lines)
  return "200 OK", "text/plain; version=0.0.4", table.concat(lines)
end

local function serve(peer)
  peer:onerror(function (_, _, why) return why end) -- one that hangs up ends its own answer, not the daemon
  peer:settimeout(5)
  peer:setmode("tl", "bn")
  local status, kind, text = page_of((peer:read "*l" or ""):match "^GET (%S+) HTTP/1")
  for _ = 1, 100 do if (peer:read "*l" or "") == "" then break end end -- the rest of the head
  peer:write(("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(
    status, kind, #text, text))
  peer:close()
end

local server, is_over = socket.listen { host = "127.0.0.1", port = port }, false
assert(server:listen())
signal.block(signal.SIGTERM, signal.SIGINT)
local loop, signals = cqueues.new(), signal.listen(signal.SIGTERM, signal.SIGINT)
loop:wrap(go_rounds)
loop:wrap(function () for peer in server:clients() do loop:wrap(serve, peer) end end)
loop:wrap(function ()
  signals:wait()
  log("ends within %g seconds", grace)
  is_ending = true
  wake:signal()
  cqueues.poll(ended, grace)
  is_over = true
end)
io.stdout:write("listening on port ", select(3, server:localname()), "\n"):flush()
repeat assert(loop:step()) until is_over
client:close() -- the journal gets the continuation tokens of what is still under way
