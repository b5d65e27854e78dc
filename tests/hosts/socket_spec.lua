-- What is luasocket's own: select takes the place of socket.select.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"
local found, socket = pcall(require, "socket")
if not found then
  pending "luasocket is not installed"
  return
end
local loop = require "azpec.loop.socket"

local emulator

describe("azpec.loop.socket", function ()
  setup(function () emulator = t.emulator() end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  it("select without anybody waiting is socket.select", function ()
    local server <close> = setmetatable({ at = assert(socket.bind("127.0.0.1", 0)) },
      { __close = function (self) self.at:close() end })
    assert.same({ {}, {}, "timeout" }, { loop.select({ server.at }, nil, 0) })
    assert.same({ {}, {}, "timeout" }, { loop.select(nil, nil, 0.01) })
    local _, port = server.at:getsockname()
    local near = assert(socket.connect("127.0.0.1", port))
    local given = { server.at }
    local readable = loop.select(given, nil, 5)
    assert.same({ server.at, 1 }, { readable[1], readable[server.at] }) -- doubly keyed, as luasocket's
    local _, writable, err = loop.select(nil, { near }, 5)
    assert.same({ near, 1, nil }, { writable[1], writable[near], err })
    assert.same({ server.at }, given)
    near:close()
  end)

  it("refuses a descriptor too large for select in the call that brings it, and goes on", function ()
    local code = [[
      local loop = require "azpec.loop.socket"
      local files = {}
      repeat files[#files + 1] = assert(io.open "/dev/null") until #files == 1030
      local client = azpec.client { endpoint = "http://127.0.0.1:9", wait = loop.wait,
        credential = azpec.credential.token { token = "t" } }
      print(pcall(coroutine.wrap(function () client:get { id = given.id } end)))
      print(#loop.select(nil, nil, 0), select(3, loop.select(nil, nil, 0)))]]
    local pipe <close> = io.popen("ulimit -n 4096 && " .. t.command(code, { id = t.id }) .. " 2>&1")
    local said = pipe:read "a"
    assert.truthy(said:find "^false\tdescriptor 1%d%d%d is too large for luasocket's select %(at most 1023%)", said)
    assert.truthy(said:find "\n0\ttimeout\n$", said)
  end)

  it("serves the host's own sockets while calls wait", function ()
    emulator:set { operation_polls = 5 }
    local client, got = emulator:client { wait = loop.wait, tls = true, poll_interval = 0.05 }, nil
    coroutine.wrap(function () got = assert(client:update(t.call(emulator.sample, { status = "Approved" }))) end)()
    local server = assert(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local near, answered, alone = nil, 0, 0
    while not got do
      local readable, _, err = loop.select({ server }, nil, 10)
      assert.is_nil(err)
      if readable[server] then
        server:accept():close()
        near:close()
        near = nil
        answered = answered + 1
      else
        assert.same({}, readable)
        near = near or socket.connect("127.0.0.1", port)
        alone = alone + 1
      end
    end
    assert(answered >= 3, answered .. " answered")
    assert(alone >= 3 and alone < 200, alone .. " wake-ups for the coroutine alone")
    assert.same({ {}, {}, "timeout" }, { loop.select(nil, nil, 0) })
    server:close()
  end)

  it("an error in a coroutine is raised by select, and loses nobody else's wake-up", function ()
    local client, got = emulator:client { wait = loop.wait }, 0
    for n = 1, 10 do
      coroutine.wrap(function ()
        assert(client:get(t.call(emulator.many[n])))
        got = got + 1
        if n % 2 == 0 then error("number " .. n) end
      end)()
    end
    local raised, deadline = 0, socket.gettime() + t.life
    while got < 10 and socket.gettime() < deadline do
      local ok, why = pcall(loop.select, nil, nil, 10)
      if not ok then
        assert.truthy(why:find("socket_spec.lua:%d+: number %d+\nstack traceback:"), why)
        raised = raised + 1
      end
    end
    assert.same({ 10, 5 }, { got, raised })
  end)

  it("coroutine.close of a suspended call takes its descriptor out of select", function ()
    local client = emulator:client { wait = loop.wait }
    local thread = coroutine.create(function () client:update(t.call(emulator.sample, { status = "Approved" })) end)
    assert(coroutine.resume(thread))
    assert.is_nil(select(3, loop.select(nil, nil, 10)))
    assert.is_true(coroutine.close(thread))
    assert.equal("timeout", select(3, loop.select(nil, nil, 0)))
  end)
end)
