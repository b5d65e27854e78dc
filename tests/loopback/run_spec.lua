-- Many changes at once, against the emulator: how many requests they cost, and what others do meanwhile. And waiting.

local engine = require "azpec.run"
local journal = require "azpec.journal"
local select = require "azpec.select"
local support = require "loopback.support"
local wait = require "azpec.wait"

local emulator

setup(function () emulator = support.emulator { operation_polls = 0 } end)
before_each(function () emulator:reset() end)
after_each(support.tidy)
teardown(support.close)

local account = "/privateEndpointConnections.*$"

-- The connections of the account with many, as items that approve them.
local function listed(client, more)
  local items = {}
  for connection in client:list { id = (emulator.many[1]:gsub(account, "")) } do
    items[#items + 1] = support.merged({ id = connection.id, action = "approve", etag = connection.etag,
      connection = connection }, more or {})
  end
  return items
end

-- How many requests of each kind there were since the list.
local function counts()
  local found = {}
  for _, entry in ipairs(emulator:log()) do found[entry.kind] = (found[entry.kind] or 0) + 1 end
  found.token, found.list = nil, nil
  return found
end

describe("a run", function ()
  it("of what was just listed costs a PATCH and the polls for each connection, and no GET", function ()
    emulator:set { poll_answer = "resource" }
    local client = emulator:client()
    local summary = engine.run { client = client, items = listed(client) }
    assert.equal(64, summary.changed)
    assert.same({ update = 64, poll = 64 }, counts())
    for _, entry in ipairs(emulator:log "update") do assert.is_string(entry.headers["if-match"]) end
  end)

  it("of what is so already, or impossible, costs nothing", function ()
    local client = emulator:client()
    engine.run { client = client, items = listed(client) }
    local items = listed(client)
    emulator:control("DELETE", "log")
    assert.equal(64, engine.run { client = client, items = items }.unchanged)
    engine.run { client = client, items = listed(client, { action = "reject" }) }
    items = listed(client)
    emulator:control("DELETE", "log")
    assert.equal(64, engine.run { client = client, items = items }.impossible)
    assert.equal("", emulator:kinds())
  end)

  it("reads once after a 412: as requested is success, otherwise nothing is written", function ()
    local client, other = emulator:client(), emulator:client()
    local items = listed(client)
    assert(other:update { id = items[1].id, status = "Approved" })
    assert(other:update { id = items[2].id, status = "Pending", description = "changed" })
    assert(other:delete { id = items[3].id })
    emulator:control("DELETE", "log")
    local outcomes = {}
    engine.run { client = client, items = { table.unpack(items, 1, 4) }, on_result = function (result)
      outcomes[result.item.id] = result.outcome
    end }
    assert.equal("unchanged", outcomes[items[1].id])
    assert.equal("stale", outcomes[items[2].id])
    assert.equal("failed", outcomes[items[3].id])
    assert.equal("changed", outcomes[items[4].id])
    assert.equal(4, #emulator:log "update")
    assert.equal(2, #emulator:log "get")
    assert.equal("changed", emulator:connection(items[2].id).description)
  end)

  it("of deletions waits for the end of one that is under way", function ()
    emulator:set { operation_polls = 2 }
    local client, other = emulator:client(), emulator:client()
    local items = listed(client, { action = "delete" })
    local first = other:begin_delete { id = items[1].id }
    repeat first:wait(0.01) until first:done() or first:progress().phase == "poll"
    other:close()
    local summary = engine.run { client = client, items = { items[1], items[2] } }
    assert.equal(2, summary.changed)
    assert.is_nil(emulator:connection(items[1].id))
  end)

  it("leaves what is accepted, and another run follows the tokens", function ()
    emulator:set { operation_polls = 3 }
    local client, tokens = emulator:client(), {}
    local summary = engine.run { client = client, items = listed(client), no_wait = true,
      on_result = function (result) tokens[#tokens + 1] = { id = result.item.id, token = result.token } end }
    assert.equal(64, summary.begun)
    client:close()
    assert.equal(64, engine.run { client = emulator:client(), items = tokens }.changed)
    assert.equal(64, #emulator:log "update")
  end)

  it("stops where on_begin refuses and the pollers are canceled", function ()
    local client, pollers, stops = emulator:client(), {}, false
    local items = listed(client)
    emulator:set { operation_polls = 1000, [("manyacct/%s:operation_polls"):format(items[1].connection.name)] = 0 }
    local summary = engine.run { client = client, items = items, parallel = 8,
      track = function (poller) pollers[#pollers + 1] = poller end,
      on_begin = function () return not stops and {} end,
      on_result = function ()
        stops = true
        for _, poller in ipairs(pollers) do poller:cancel() end
      end }
    assert.same({ 8, 1, 7, "refused" }, { summary.taken, summary.changed, summary.unknown + summary.failed,
      summary.left })
  end)

  it("is finished by another one where its process goes away, by the journal's tokens and without them", function ()
    emulator:set { operation_polls = 2 }
    for _, keeps_tokens in ipairs { true, false } do
      emulator:reset()
      -- No operation ends before all writes are answered; at most 50 of the 64 end before the process goes away.
      emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
      local answered = 0
      local function count_answers(event)
        if event.event ~= "response" or event.method ~= "PATCH" then return end
        answered = answered + 1
        if answered < 64 then return end
        emulator:faults { { match = { kind = "poll", nth = 150, times = 10000 }, action = { hold = true } } }
      end
      local path = support.new_path "journal"
      local function start(on_event)
        local file = journal.open(path, { subject = "test" })
        local fields = support.merged(emulator:fields(), { credential = emulator:credential(), on_event = on_event })
        return journal.client(fields, file), file
      end
      local client = start(count_answers)
      local count = 0
      local ok, problem = pcall(engine.run, { client = client, items = listed(client), on_result = function ()
        count = count + 1
        if count == 10 then error("gone", 0) end
      end })
      assert.equal("false gone", tostring(ok) .. " " .. problem)
      if keeps_tokens then client:close() end -- a client that is closed records what it leaves
      emulator:release()
      local again, file = start()
      local unfinished = assert(file:unfinished())
      assert(#unfinished >= 14, #unfinished)
      assert.equal(keeps_tokens, unfinished[1].token ~= nil)
      local summary = engine.run { client = again, items = unfinished }
      assert.equal(#unfinished, summary.changed + summary.unchanged)
      assert.equal(64, #emulator:log "update") -- each once, also those that ended unseen
      assert.same({}, assert(file:unfinished()))
      local report = assert(journal.verify(path))
      assert.is_true(report.ok)
      assert.same({}, report.open)
    end
  end)
end)

describe("a wait", function ()
  local function waiting(more)
    return wait.wait(support.merged({ client = emulator:client(), interval = 0.02, timeout = 20 }, more))
  end

  it("ends when a connection has a status, is there, or is gone", function ()
    assert.is_true((waiting { id = emulator.sample, what = "exists" }))
    local looks = 0
    local is_so, connection = waiting { id = emulator.sample, what = "status=approved", on_change = function ()
      looks = looks + 1
      if looks == 1 then assert(emulator:client():update { id = emulator.sample, status = "Approved" }) end
    end }
    assert.is_true(is_so)
    assert.equal("Approved", select.facts(connection).status)
    assert.equal(2, looks)
    assert(emulator:client():delete { id = emulator.sample })
    is_so, connection = waiting { id = emulator.sample, what = "gone" }
    assert.is_true(is_so)
    assert.is_nil(connection)
  end)

  it("finds by a selector, and says where several match", function ()
    local where = { id = (emulator.many[1]:gsub(account, "")) }
    local is_so, connection = waiting { what = "status=Pending", scope = where,
      selector = select.new { name = "many07" } }
    assert.is_true(is_so)
    assert.matches("/many07", connection.id)
    local none, err = waiting { what = "exists", scope = where, selector = select.new { name = "many*" } }
    assert.is_nil(none)
    assert.equal("ambiguous", err.kind)
    assert.is_false((waiting { what = "exists", scope = where, selector = select.new { name = "nobody" },
      timeout = 0 }))
  end)

  it("of nothing that is named is its caller's error", function ()
    local client = emulator:client()
    for field, call in pairs {
      id = function () wait.wait { client = client, what = "gone" } end,
      ids = function () wait.all { client = client, what = "gone", scope = {} } end,
    } do
      local ok, why = pcall(call)
      assert.is_false(ok)
      assert.matches("run_spec.lua:%d+: one of the fields '" .. field .. "', 'selector' and 'look' is missing", why)
    end
  end)

  it("ends at its time, and with what keeps it from looking", function ()
    local is_so, connection = waiting { id = emulator.sample, what = "status=Rejected", timeout = 0.1 }
    assert.is_false(is_so)
    assert.equal("Pending", select.facts(connection).status)
    emulator:faults { { match = { kind = "get" }, action = { status = 403, error = { code = "AuthorizationFailed",
      message = "no" } } } }
    local none, err = waiting { id = emulator.sample, what = "exists" }
    assert.is_nil(none)
    assert.equal("forbidden", err.kind)
    assert.has_error(function () waiting { id = emulator.sample, what = "status=Maybe" } end)
  end)

  it("of several ends with the last, tells of each, and goes on where one cannot be read", function ()
    local client, ended = emulator:client(), {}
    local elsewhere = emulator.many[3]:gsub("manyacct", "elsewhere")
    local are_so, results = wait.all { client = client, ids = { emulator.many[1], emulator.many[2], elsewhere },
      what = "status=Approved", interval = 0.02, timeout = 20, on_result = function (result, count)
        assert.equal(3, count)
        ended[#ended + 1] = result.id:match "[^/.]+%.[%x-]+$":sub(1, 6)
      end, on_pause = function (_, pending)
        assert(client:update { id = emulator.many[pending], status = "Approved" })
      end }
    assert.is_false(are_so)
    assert.equal("many03 many02 many01", table.concat(ended, " "))
    assert.equal("not_found", results[3].err.kind)
    assert.is_true(results[1].is_so)
  end)

  it("of all that a selector finds means those that match at first", function ()
    local client, scope = emulator:client(), { id = (emulator.many[1]:gsub(account, "")) }
    local pending = select.new { name = "many0*", status = "Pending" }
    local are_so, results = wait.all { client = client, selector = pending, scope = scope, what = "status=Approved",
      interval = 0.02, timeout = 20, on_pause = function ()
        for n = 1, 9 do assert(client:update { id = emulator.many[n], status = "Approved" }) end
      end }
    assert.is_true(are_so)
    assert.equal(9, #results)
    assert.is_true((wait.all { client = client, selector = pending, scope = scope, what = "gone" }))
    assert.is_true((wait.all { client = client, ids = {}, what = "exists" }))
  end)
end)
