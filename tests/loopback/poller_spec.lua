package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local emulator

local function status_of(connection)
  return connection.properties.privateLinkServiceConnectionState.status
end

local function begin(client, id)
  return client:begin_update(t.call(id or emulator.sample, { status = "Approved" }))
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("a poller", function ()
  it("begins without any I/O; the first step sends", function ()
    local client = emulator:client()
    local poller = begin(client)
    assert.is_false(poller:done())
    assert.is_nil(poller:status())
    assert.equal("", emulator:kinds())
    poller:step()
    assert(poller:wait())
  end)

  it("raises on misuse when it is begun, and sends nothing", function ()
    local client = emulator:client()
    for _, wish in ipairs { { status = "Aproved" }, { status = "Approved", frobnicate = 1 }, {}, { status = 1 } } do
      assert.has_error(function () client:begin_update(t.call(emulator.sample, wish)) end)
    end
    assert.equal("", emulator:kinds())
  end)

  it("can be used after wait(s) timed out", function ()
    emulator:set { operation_polls = 1000 }
    local poller = begin((emulator:client()))
    for _ = 1, 3 do
      local took, value, err = t.timed(poller.wait, poller, 0.1 * t.patience)
      t.fails("timeout", "still running: the wait timed out, the operation continues", value, err)
      assert(took >= 0.09 * t.patience, took)
      assert.is_false(poller:done())
      assert.is_true(err.retryable)
      assert.is_string(err.continuation_token)
      assert.has_error(function () poller:result() end, "the operation has not ended yet")
    end
    emulator:set { operation_polls = 0 }
    local connection = assert(poller:wait())
    assert.is_true(poller:done())
    assert.equal("Approved", status_of(connection))
    assert.equal(connection, poller:result())
    assert.equal(connection, (poller:wait()))
    assert.equal(connection, (poller:wait(0)))
  end)

  it("is still at its request while it retries the write, and counts its failures", function ()
    emulator:faults { { match = { kind = "update" }, action = { status = 503 } } }
    local poller, seen
    local client = emulator:client { on_event = function (event)
      if event.event ~= "retry" then return end
      local progress = poller:progress()
      seen[#seen + 1] = event.phase .. " " .. progress.phase .. " " .. progress.retries
    end }
    seen, poller = {}, begin(client)
    assert.is_nil((poller:wait()))
    assert.same({ "request request 1", "request request 2", "request request 3" }, seen)
  end)

  it("wait(0) steps once and never waits", function ()
    local poller = begin((emulator:client()))
    emulator:faults { { match = { kind = "token" }, action = { hold = true } } }
    t.fails("timeout", "^still running", poller:wait(0))
    emulator:release()
    assert.has_error(function () poller:wait(-1) end)
    assert.has_error(function () poller:wait "soon" end)
    assert(poller:wait())
  end)

  it("has the service's last status, and counts requests", function ()
    emulator:set { poll_answer = "monitor", running_word = "Working", operation_polls = 1000 }
    local poller = begin((emulator:client()))
    repeat poller:wait(0.01) until poller:progress().polls >= 2
    assert.equal("Working", poller:status())
    local progress = poller:progress()
    assert.equal("poll", progress.phase)
    assert.equal("Working", progress.status)
    assert.is_string(progress.request_id)
    assert.is_number(progress.percent_complete)
    emulator:set { operation_polls = 0 }
    assert(poller:wait())
    assert.equal("Succeeded", poller:status())
  end)

  it("that failed gives the same error each time it is asked", function ()
    emulator:set { operation_end = "failed" }
    local poller = begin((emulator:client()))
    local _, err = poller:wait()
    assert.equal("operation", err.kind)
    assert.equal(err, select(2, poller:wait()))
    assert.equal(err, select(2, poller:result()))
  end)
end)

describe("a poller (canceled, closed, dropped)", function ()
  it("cancel is local: it says so, gives a token, and the service carries on", function ()
    local client = emulator:client()
    emulator:set { operation_polls = 3 }
    local poller = begin(client)
    repeat poller:wait(0.01) until poller:progress().polls > 0
    poller:cancel()
    local value, err = poller:wait()
    t.fails("canceled", "stopped waiting: the operation continues in the service", value, err)
    assert.is_true(poller:done())
    assert.is_string(err.continuation_token)
    emulator:set { operation_polls = 0 }
    assert.equal("Approved", status_of(assert(client:get(t.call(emulator.sample)))))
    assert.equal(0, #emulator:log "delete")
    poller:cancel()
    assert.equal(err, select(2, poller:result()))
  end)

  it("canceled before its first step sends nothing and has no token", function ()
    local poller = begin((emulator:client()))
    poller:cancel()
    local value, err = poller:wait()
    t.fails("canceled", "stopped waiting: nothing was changed", value, err)
    assert.is_nil(err.continuation_token)
    assert.equal(0, #emulator:log "update")
  end)

  it("is ended as canceled, with its token, when the client is closed", function ()
    emulator:set { operation_polls = 1000 }
    local client, pollers = emulator:client(), {}
    for n = 1, 8 do pollers[n] = begin(client, emulator.many[n]) end
    for n = 1, 8 do
      repeat pollers[n]:wait(0.01) until pollers[n]:progress().polls > 0
    end
    client:close()
    client:close()
    for n = 1, 8 do
      assert.is_true(pollers[n]:done())
      local value, err = pollers[n]:wait()
      t.fails("canceled", "the client was closed: the operation continues in the service", value, err)
      assert.is_string(err.continuation_token)
    end
    assert.has_error(function () client:get(t.call(emulator.sample)) end)
    assert.equal(8, #emulator:log "update")
  end)

  it("that was dropped is still carried out", function ()
    local client = emulator:client()
    for n = 1, 16 do begin(client, emulator.many[n]) end
    collectgarbage()
    collectgarbage()
    assert(client:update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal(17, #emulator:log "update")
    emulator:set { operation_polls = 0 }
    for n = 1, 16 do assert.equal("Approved", status_of(assert(client:get(t.call(emulator.many[n]))))) end
  end)

  it("whose variable is closed gives up waiting, not the service", function ()
    local client = emulator:client()
    do
      local poller <close> = begin(client)
      repeat poller:wait(0.01) until poller:progress().polls > 0
    end
    emulator:set { operation_polls = 0 }
    assert.equal("Approved", status_of(assert(client:get(t.call(emulator.sample)))))
  end)

  it("stepped by hand comes to its end", function ()
    local cqueues = require "cqueues"
    local client = emulator:client()
    local poller = begin(client)
    t.await("its end", function () return poller:step() end, function () cqueues.poll(poller, 1) end)
    assert.is_true(poller:done())
    assert.equal("Approved", status_of((poller:result())))
  end)

  it("of a deletion and of an ensure give what the blocking calls would", function ()
    local client = emulator:client()
    local ensured = assert(client:begin_ensure(t.call(emulator.sample, { status = "Approved" })):wait())
    assert.is_true(ensured.changed)
    assert.is_true(client:begin_delete(t.call(emulator.sample)):wait())
    assert.is_nil(emulator:connection(emulator.sample))
  end)
end)
