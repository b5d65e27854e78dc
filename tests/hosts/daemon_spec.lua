-- The example daemon: its rounds, its page, and what is left when it is killed or told to end.
package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local cjson = require "cjson"
local journal = require "azpec.journal"
local t = require "loopback.support"
local examples = require "hosts.examples"

local emulator
local rules, trail -- of the test: the rules' file, and the journal's

local ours = 'approve "ours" { when = { name = "many0*" }, because = "they are ours" }\n'
local many = 9 -- that these rules approve

-- Replaces the rules at once: the daemon may read them at any moment.
local function rule(text)
  assert(os.rename(t.write(t.new_path "rules", text), rules))
end

-- Starts it.
local function start(interval, grace)
  local log = t.new_path "log"
  local daemon = assert(t.daemon(("%s%s %s %s %s 0 %s %s 2>%s"):format(
    examples.environment(examples.host_folder(), emulator), os.getenv "LUA" or "lua5.4",
    t.quote(examples.folder .. "/daemon.lua"), rules, trail, interval or 1000, grace or 1000, log), "listening"))
  daemon.log = log
  daemon.url = "http://127.0.0.1:" .. daemon.ready:match "%d+$"
  return daemon
end

-- Sends a signal, and waits for its end; its exit status.
local function kill(daemon, signal)
  assert(os.execute(("kill -%s %d"):format(signal, daemon.pid)))
  daemon.pipe:read "a"
  return daemon:stop()
end

-- Ends it by SIGTERM, and releases what is held once it knows.
local function end_gently(daemon)
  assert(os.execute("kill -TERM " .. daemon.pid))
  t.await("the signal", function () return t.read(daemon.log):find("ends within", 1, true) end)
  emulator:release()
  daemon.pipe:read "a"
  assert.equal(0, daemon:stop())
end

-- What its page says of the last round, once that is as wanted.
local function page(daemon, is_wanted)
  return t.await("the page", function ()
    local status, body = t.http(daemon.url, "GET", "/")
    assert.equal(200, status)
    local round = cjson.decode(body)
    return round.at and is_wanted(round) and round
  end)
end

local function is_complete(round) return round.complete end
local function is_incomplete(round) return not round.complete end

-- Waits until so many requests of a kind are held, as the emulator's faults say.
local function hold(kind) emulator:faults { { match = { kind = kind }, action = { hold = true } } } end
local function await_held(count) t.await("the requests", function () return emulator:has_met(count) end) end

-- Each of the connections is approved by one write, which the service took, and the journal has them all.
local function proves_one_write_each()
  local writes = emulator:log "update"
  assert.equal(many, #writes)
  local seen = {}
  for _, write in ipairs(writes) do
    assert.equal(202, write.status)
    assert(not seen[write.target], write.target)
    seen[write.target] = true
  end
  for n = 1, many do assert.equal("Approved", emulator:connection(emulator.many[n]).status) end
  local report = assert(journal.verify(trail))
  assert.same({ true, {} }, { report.ok, report.open })
  for _, write in ipairs(journal.writes((journal.read(trail)))) do assert.equal("changed", write.outcome) end
end

describe("the example daemon.lua", function ()
  setup(function () emulator = t.emulator { operation_polls = 1 } end)
  before_each(function ()
    emulator:reset()
    rules, trail = t.write(t.new_path "rules", ours), t.new_path "journal"
  end)
  after_each(t.tidy)
  teardown(t.close)

  it("approves by its rules, and shows the round, numbers and no secret", function ()
    local daemon = start()
    local round = page(daemon, is_complete)
    assert.same({ approve = many, hold = 57, changed = many }, round.counts)
    assert.is_nil(round.errors)
    proves_one_write_each()
    assert.equal("daemon", journal.runs((journal.read(trail)))[1].verb)
    local _, numbers = t.http(daemon.url, "GET", "/metrics")
    assert.matches('\nazpec_changes_total{outcome="changed"} 9\nazpec_complete 1\n', "\n" .. numbers, 1, true)
    assert.matches('\nazpec_requests_total{status="200"} %d+\n.*\nazpec_rounds_total 1\n', numbers)
    assert.equal(404, (t.http(daemon.url, "GET", "/other")))
    assert.equal(0, kill(daemon, "TERM"))
    local log = t.read(daemon.log)
    assert.matches("PATCH https://127.0.0.1:%d+/subscriptions/%S+/many01%S+: 202 %x+%-", log)
    t.has_no_secret(log .. numbers .. cjson.encode(round), "what the daemon says")
  end)

  it("knows the ages of requests", function ()
    rule 'reject "old" { when = { older_than = "30d" } }\n'
    for age, name in pairs { [31] = "old", [29] = "new" } do
      emulator:control("POST", "connections", { account_name = "manyacct", resource_group_name = "rg-contoso-prod",
        name = name, age = age * 86400 })
    end
    assert.same({ reject = 1, changed = 1, hold = 67 }, page(start(), is_complete).counts)
    assert.equal("Rejected", emulator:connection "manyacct/old".status)
    assert.equal("Pending", emulator:connection "manyacct/new".status)
  end)

  it("makes a run of each round", function ()
    local daemon = start(0.01)
    page(daemon, is_complete)
    for n = 10, 11 do
      rule(ours .. ('approve "more" { when = { name = "many%d*" } }\n'):format(n))
      t.await("the approval", function () return emulator:connection(emulator.many[n]).status == "Approved" end)
    end
    assert.equal(0, kill(daemon, "TERM"))
    local runs = journal.runs((journal.read(trail)))
    assert.same({ many, 1, 1 }, { runs[1].changed, runs[2].changed, runs[3].changed })
  end)

  it("that is killed amid a round writes nothing a second time, whatever the rules say then", function ()
    hold "poll"
    local daemon = start()
    await_held(many)
    assert.not_equal(0, kill(daemon, "KILL"))
    assert.equal(many, #assert(journal.verify(trail)).open)
    emulator:release()
    rule 'hold "all" {}\n'
    local round = page(start(), is_complete)
    assert.same({ changed = many, hold = 57, ignore = many }, round.counts)
    proves_one_write_each()
  end)

  it("ends at SIGTERM when what is under way has ended", function ()
    hold "poll"
    local daemon = start()
    await_held(many)
    end_gently(daemon)
    proves_one_write_each()
  end)

  it("ends at SIGTERM within its grace, and the next one finishes what was under way", function ()
    hold "poll"
    local daemon = start(1000, 0.1)
    await_held(many)
    assert.equal(0, kill(daemon, "TERM"))
    for _, write in ipairs(journal.writes((journal.read(trail)))) do
      assert.same({ "unknown", "canceled" }, { write.outcome, write.error.kind })
      assert.is_string(write.token)
    end
    emulator:release()
    assert.equal(many, page(start(), is_complete).counts.changed)
    proves_one_write_each()
  end)

  it("ends at SIGTERM within its grace while the service answers no list", function ()
    hold "list"
    local daemon = start(1000, 0.1)
    await_held(1)
    assert.equal(0, kill(daemon, "TERM"))
    assert(not t.read(daemon.log):find("timeout", 1, true), t.read(daemon.log))
  end)

  for kind, writes in t.each { list = 0, poll = 100 } do -- it begins 100 at a time
    it("begins no write after SIGTERM: it came before the answer to a " .. kind, function ()
      for n = 1, 101 do
        emulator:control("POST", "connections", { account_name = "sampleacct",
          resource_group_name = "default-azurebatch-japaneast", name = "more-" .. n })
      end
      rule 'approve "more" { when = { name = "more-*" } }\n'
      hold(kind)
      local daemon = start()
      await_held(1)
      end_gently(daemon)
      assert.equal(writes, #emulator:log "update")
      assert.same({}, assert(journal.verify(trail)).open)
    end)
  end

  -- Answers requests for a path with an error.
  local function refuse(kind, path, status, code)
    return { match = { kind = kind, path = path, plain = true },
      action = { status = status, error = { code = code, message = "no" } } }
  end

  it("names an account that it cannot read, and does the rest", function ()
    emulator:faults { refuse("list", "/sampleacct/", 403, "AuthorizationFailed") }
    local daemon = start(0.01)
    local round = page(daemon, is_incomplete)
    assert.equal(1, #round.errors)
    assert.matches("/batchAccounts/sampleacct: forbidden: ", round.errors[1], 1, true)
    proves_one_write_each()
    assert.matches("\nazpec_complete 0\n", "\n" .. select(2, t.http(daemon.url, "GET", "/metrics")), 1, true)
    emulator:release()
    page(daemon, is_complete)
  end)

  it("does not miss an account that is gone", function ()
    emulator:faults { refuse("list", "/sampleacct/", 404, "ResourceNotFound"),
      refuse("account", "/sampleacct", 404, "ResourceNotFound") }
    assert.equal(56, page(start(), is_complete).counts.hold)
  end)

  it("names a connection whose write is refused", function ()
    emulator:faults { refuse("update", "/many03", 403, "AuthorizationFailed") }
    local round = page(start(), is_incomplete)
    assert.same({ many - 1, 1, 1 }, { round.counts.changed, round.counts.failed, #round.errors })
    assert.matches("/many03%S+: forbidden: ", round.errors[1])
  end)

  it("finishes in the next round a write whose end it could not see", function ()
    emulator:faults { refuse("poll", "/", 403, "AuthorizationFailed"), refuse("get", "/", 403, "AuthorizationFailed") }
    local daemon = start(0.01)
    assert.equal(many, page(daemon, is_incomplete).counts.unknown)
    emulator:release()
    page(daemon, is_complete)
    proves_one_write_each()
  end)

  it("writes nothing while it cannot use its journal, and then finishes what was begun", function ()
    hold "poll"
    local killed = start()
    await_held(many)
    kill(killed, "KILL")
    emulator:release()
    assert(os.execute("chmod 620 " .. trail))
    local daemon = start(0.01)
    assert.matches("the round failed: journal: ", page(daemon, is_incomplete).errors[1], 1, true)
    assert(os.execute("chmod 600 " .. trail))
    page(daemon, is_complete)
    proves_one_write_each()
  end)

  it("finishes in a later round a write whose result it could not record", function ()
    hold "poll"
    local daemon = start(0.01)
    await_held(many)
    assert(os.execute("chmod 620 " .. trail))
    emulator:release()
    assert.matches("journal: ", page(daemon, is_incomplete).errors[1], 1, true)
    assert(os.execute("chmod 600 " .. trail))
    page(daemon, is_complete)
    proves_one_write_each()
  end)

  it("names a request for which a rule fails", function ()
    rule 'approve "odd" { when = { where = function (c) return c.name:find "many01" and c.no.where end } }\n'
    local round = page(start(), is_incomplete)
    assert.same({ 66, 1 }, { round.counts.hold, #round.errors })
    assert.matches("/many01%S+: %S+:1: .*'no'", round.errors[1])
  end)

  it("does nothing by rules that are wrong or would do too much, and says so until they are mended", function ()
    rule 'approve "a" {}\n'
    local daemon = start(0.01)
    local function says(text) return function (round) return (round.errors or { "" })[1]:find(text, 1, true) end end
    page(daemon, says(rules .. ":1: approve 'a': "))
    rule 'approve "a" { when = { name = "many01" }, description = "{ticket}" }\n'
    page(daemon, says "speaks of a {ticket}")
    rule("at_most { approve = 8 }\n" .. ours)
    page(daemon, says "allows at most 8; nothing was done")
    assert.equal(0, #emulator:log "update")
    rule(ours)
    page(daemon, is_complete)
    proves_one_write_each()
  end)

  local program = t.program "systemd-analyze"
  local test = program and it or pending
  test("has a unit that systemd accepts, with time for its grace", function ()
    local unit = examples.folder .. "/azpec-daemon.service"
    local pipe = io.popen(("%s verify %s 2>&1"):format(program, t.quote(unit)))
    assert.equal("", pipe:read "a")
    assert.is_true(pipe:close())
    local grace = t.read(examples.folder .. "/daemon.lua"):match "arg%[5%] or (%d+)"
    assert(tonumber(t.read(unit):match "\nTimeoutStopSec=(%d+)\n") > tonumber(grace))
  end)
end)
