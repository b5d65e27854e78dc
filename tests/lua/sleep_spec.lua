-- client:wait: time passes, the client's work goes on, and nothing else ends it.

local kit = require "lua.kit"

-- The seconds of a call, by the clock of client:wait itself.
local function took(call, ...)
  local begun = kit.now()
  call(...)
  return kit.now() - begun
end

describe("client:wait", function ()
  it("lasts as long as it was told", function ()
    local client <close> = kit.client()
    local seconds = took(client.wait, client, 0.25)
    assert(seconds >= 0.24, seconds)
  end)

  it("of no time comes back at once, with nothing", function ()
    local client <close> = kit.client()
    assert.equal(0, select("#", client:wait(0)))
  end)

  it("moves the client's work meanwhile, and its end does not end the wait", function ()
    local client <close> = kit.client()
    local poller = client:begin_update(kit.named())
    local seconds = took(client.wait, client, 0.5)
    assert.is_true(poller:done())
    assert(seconds >= 0.49, seconds)
  end)

  it("waits by the client's waiter, which may yield", function ()
    local client <close> = kit.client { wait = coroutine.yield }
    local call = coroutine.create(client.wait)
    local resumed, pollable = coroutine.resume(call, client, 0.1)
    assert.is_true(resumed)
    assert.is_true(rawequal(client, pollable))
    assert.is_true(kit.drive(client, function ()
      coroutine.resume(call)
      return coroutine.status(call) == "dead"
    end))
  end)

  it("ends with the client", function ()
    local client = kit.client { wait = coroutine.yield }
    local call = coroutine.create(client.wait)
    coroutine.resume(call, client, 3600)
    client:close()
    assert.same({ true, 0 }, { coroutine.resume(call), 0 })
    assert.equal("dead", coroutine.status(call))
  end)

  it("can be given up, and the next one is not held up by it", function ()
    local client <close> = kit.client { wait = coroutine.yield }
    local call = coroutine.create(client.wait)
    coroutine.resume(call, client, 3600)
    assert.is_true(coroutine.close(call))
    local again = coroutine.create(client.wait)
    coroutine.resume(again, client, 0)
    assert.equal("dead", coroutine.status(again))
  end)

  it("raises outside of its range, which the message names, and on a closed client", function ()
    local client = kit.client()
    for _, seconds in ipairs { -1, 2e9, 0 / 0 } do
      assert.equal("bad argument #1 to 'wait' (from 0 to 1e9 seconds expected)",
        kit.raised(function () client:wait(seconds) end))
    end
    for _, text in ipairs { "soon", "0.01", " 0x0p0 " } do
      assert.matches("number expected, got string", kit.raised(client.wait, client, text))
    end
    client:close()
    assert.equal("attempt to use a closed client", kit.raised(client.wait, client, 1))
  end)
end)
