-- What is copas's own: a thread that waits for a call beside threads that wait for sockets, its error handler, its
-- autoclose.
package.path = "./tests/?.lua;" .. package.path .. ";/usr/share/lua/5.2/?.lua" -- as in tests/hosts/loops.lua

local t = require "loopback.support"
local found, copas = pcall(require, "copas")
if not found then
  pending "copas is not installed"
  return
end
local socket = require "socket"
local loop = require "azpec.loop.copas"

local emulator

local function run(over)
  local deadline = socket.gettime() + t.life
  repeat copas.step(0.05) until over() or socket.gettime() > deadline
  assert.truthy(over())
end

-- Copas finds nothing to do, and from copas 2 on its loop would end.
local function is_idle()
  for _ = 1, 3 do copas.step(0) end -- what has ended
  return copas.step(0) == false and (not copas.finished or copas.finished())
end

describe("azpec.loop.copas", function ()
  setup(function () emulator = t.emulator() end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  it("a client that nobody waits for is not watched", function ()
    local client, got = emulator:client { wait = loop.wait }, nil
    copas.addthread(function () got = client:update(t.call(emulator.sample, { status = "Approved" })) end)
    run(function () return got end)
    assert.equal(emulator.sample, got.id)
    local poller = client:begin_update(t.call(emulator.many[1], { status = "Approved" }))
    assert.is_true(is_idle())
    assert.is_false(poller:done())
  end)

  it("coroutine.close of a suspended call ends its watch", function ()
    local client = emulator:client { wait = loop.wait }
    local thread = copas.addthread(function ()
      client:update(t.call(emulator.sample, { status = "Approved" }))
    end)
    copas.step(0.01)
    assert.equal("suspended", coroutine.status(thread))
    assert.is_true(coroutine.close(thread))
    local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" })) -- now it is readable
    assert.is_true(copas.finished ~= nil or copas.step(0) == false)
    assert.is_true(is_idle())
    assert.is_false(poller:done())
  end)

  it("serves the host's own sockets while calls wait", function ()
    emulator:set { operation_polls = 5 }
    local client, got, answered = emulator:client { wait = loop.wait, tls = true, poll_interval = 0.05 }, nil, 0
    local hung_up = false
    copas.addthread(function () got = assert(client:update(t.call(emulator.sample, { status = "Approved" }))) end)
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    copas.addserver(server, function (peer)
      local line = copas.receive(peer)
      assert(client:get(t.call(emulator.many[1])))
      copas.send(peer, line .. "\n")
      peer:close()
    end)
    copas.addthread(function ()
      while not got do
        local near = socket.tcp()
        assert(copas.connect(near, "127.0.0.1", port))
        copas.send(near, "ping\n")
        assert.equal("ping", copas.receive(near))
        near:close()
        answered = answered + 1
      end
      hung_up = true
    end)
    run(function () return hung_up end)
    assert(answered >= 3, answered .. " answered")
    local close = copas.removeserver or server.close
    close(server)
  end)

  it("an error in a thread goes to its error handler, and loses nobody else's wake-up", function ()
    local client, got, raised = emulator:client { wait = loop.wait }, 0, {}
    for n = 1, 10 do
      copas.addthread(function ()
        (copas.setErrorHandler or copas.seterrorhandler)(function (why) raised[#raised + 1] = why end)
        assert(client:get(t.call(emulator.many[n])))
        got = got + 1
        if n % 2 == 0 then error("number " .. n) end
      end)
    end
    run(function () return got == 10 end)
    assert.equal(5, #raised)
    for _, why in ipairs(raised) do assert.truthy(why:find("copas_spec.lua:%d+: number %d+"), why) end
  end)

  it("refuses a descriptor too large for select in the call that brings it, and goes on", function ()
    local code = [[
      package.path = package.path .. ";/usr/share/lua/5.2/?.lua"
      local copas, loop = require "copas", require "azpec.loop.copas"
      local files = {}
      repeat files[#files + 1] = assert(io.open "/dev/null") until #files == 1030
      local client = azpec.client { endpoint = "http://127.0.0.1:9", wait = loop.wait,
        credential = azpec.credential.token { token = "t" } }
      copas.addthread(function () print(pcall(client.get, client, { id = given.id })) end)
      for _ = 1, 3 do copas.step(0) end
      print "went on"]]
    local pipe <close> = io.popen("ulimit -n 4096 && " .. t.command(code, { id = t.id }) .. " 2>&1")
    local said = pipe:read "a"
    assert.truthy(said:find "^false\tdescriptor 1%d%d%d is too large for luasocket's select %(at most 1023%)", said)
    assert.truthy(said:find "\nwent on\n$", said)
  end)

  it("a call outside of any thread watches nothing", function ()
    local client = emulator:client { wait = loop.wait }
    assert.is_false((pcall(client.get, client, t.call(emulator.sample))))
    assert.is_true(is_idle())
  end)
end)
