-- What is libuv's own: a descriptor is taken once, handles keep a loop alive, errors in callbacks.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"
local found, uv = pcall(require, "luv")
if not found then
  pending "luv is not installed"
  return
end
local loop = require "azpec.loop.luv"

local emulator

local function handles()
  local count = 0
  uv.walk(function (handle)
    if not handle:is_closing() then count = count + 1 end
  end)
  return count
end

-- Code of its own process: what luv does with an uncaught error ends it.
local head = [[
  local uv, loop = require "luv", require "azpec.loop.luv"
  local client = azpec.client { endpoint = given.endpoint, subscription_id = given.subscription_id,
    poll_interval = 0.02, credential = azpec.credential.token { token = "x" }, wait = loop.wait }
]]

local function child(code)
  return t.child(head .. code, { endpoint = emulator.endpoint, subscription_id = emulator.subscription_id,
    id = emulator.sample })
end

describe("azpec.loop.luv", function ()
  setup(function () emulator = t.emulator() end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  it("a client that nobody waits for keeps no loop alive, and leaves no handle in it", function ()
    local client, got = emulator:client { wait = loop.wait }, nil
    coroutine.wrap(function () got = client:update(t.call(emulator.sample, { status = "Approved" })) end)()
    assert.equal(1, handles())
    assert.is_false(uv.run())
    assert.equal(emulator.sample, got.id)
    assert.equal(0, handles())
    local poller = client:begin_update(t.call(emulator.many[1], { status = "Approved" }))
    assert.is_false(uv.run())
    assert.is_false(poller:done())
  end)

  it("coroutine.close of a suspended call leaves no handle, and cancels its operation", function ()
    local client = emulator:client { wait = loop.wait }
    local thread = coroutine.create(function () client:update(t.call(emulator.sample, { status = "Approved" })) end)
    assert(coroutine.resume(thread))
    uv.run "nowait"
    assert.equal(1, handles())
    assert.is_true(coroutine.close(thread))
    assert.equal(0, handles())
    uv.run()
  end)

  it("a descriptor that the host itself watches is said to be taken", function ()
    local client = emulator:client { wait = loop.wait }
    local mine, said = assert(uv.new_poll(client:pollfd())), nil
    mine:start("r", function () end)
    coroutine.wrap(function ()
      said = select(2, pcall(client.get, client, t.call(emulator.sample)))
    end)()
    assert.truthy(said:find("EEXIST", 1, true), said)
    mine:close()
    uv.run()
    coroutine.wrap(function () said = client:get(t.call(emulator.sample)) end)()
    uv.run()
    assert.equal(emulator.sample, said.id)
  end)

  it("a call outside of any coroutine watches nothing, so that the program ends well", function ()
    local client = emulator:client { wait = loop.wait }
    assert.is_false((pcall(client.get, client, t.call(emulator.sample))))
    assert.equal(0, handles())
    assert.equal("bye", child [[
      assert(not pcall(client.get, client, { id = given.id }))
      print "bye"]])
  end)

  it("a coroutine that somebody else resumes looks, and goes on waiting", function ()
    local client, got = emulator:client { wait = loop.wait }, nil
    local thread = coroutine.create(function ()
      got = client:update(t.call(emulator.sample, { status = "Approved" }))
    end)
    for _ = 1, 20 do assert(coroutine.resume(thread)) end
    assert.is_nil(got)
    uv.run()
    assert.equal(emulator.sample, got.id)
  end)

  it("an error in a coroutine is an uncaught error of a callback, as luv's own", function ()
    local said = child [[
      coroutine.wrap(function ()
        client:get { id = given.id }
        error "my own"
      end)()
      uv.run()
      print "never reached"]]
    assert.truthy(said:find("Uncaught Error", 1, true), said)
    assert.truthy(said:find(": my own", 1, true), said)
    assert.truthy(said:find("stack traceback:", 1, true), said)
    assert.is_nil(said:find("never reached", 1, true), said)
  end)

  it("calls of a client that is closed where the loop is stopped return their tokens in one more run", function ()
    emulator:set { operation_polls = 1000 }
    local closed, other = emulator:client { wait = loop.wait }, emulator:client { wait = loop.wait }
    local kind, token
    coroutine.wrap(function ()
      local _, err = closed:update(t.call(emulator.sample, { status = "Approved" }))
      kind, token = err.kind, err.continuation_token
    end)()
    coroutine.wrap(function ()
      repeat assert(other:get(t.call(emulator.sample))) until #emulator:log "poll" > 0
      closed:close()
      uv.stop()
    end)()
    uv.run()
    uv.run "nowait"
    assert.equal("canceled", kind)
    assert.is_string(token)
    uv.run "nowait"
  end)

  it("closing the Lua state while calls wait is no harm", function ()
    assert.equal("bye", child [[
      for _ = 1, 5 do coroutine.wrap(function () client:get { id = given.id } end)() end
      uv.run "once"
      print "bye"]])
  end)
end)
