-- The example servers on cqueues, luv and luasocket's select: they approve while they serve others.
package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local t = require "loopback.support"
local examples = require "hosts.examples"

local emulator

local servers = {
  { file = "cqueues-server.lua", needs = "cqueues" },
  { file = "luv-server.lua", needs = "luv" },
  { file = "select-server.lua", needs = "socket", datagrams = true },
}

-- In coroutines: first the value, then its assertion. luassert's words are not to be interrupted.

-- A connection to the server; it sends lines and reads answers.
local function peer(port, server)
  local sock = socket.connect { host = "127.0.0.1", port = port, reuseaddr = false, -- else two may have one UDP port
    type = server.datagrams and socket.SOCK_DGRAM or socket.SOCK_STREAM }
  sock:onerror(function (_, _, why) return why end)
  sock:setmode("bn", "bn")
  local newline = server.datagrams and "" or "\n"
  return {
    ask = function (line) assert(sock:xwrite(line .. newline, 10)) end,
    send = function (bytes) assert(sock:xwrite(bytes, 10)) end,
    answer = function ()
      local answer = server.datagrams and sock:xread(-9000, t.hang) or sock:xread("*l", t.hang)
      return answer and answer:gsub("\r$", "") or "no answer" -- cqueues' text mode ends lines as the internet does
    end,
    has_answer = function () return cqueues.poll({ pollfd = sock:pollfd(), events = "r" }, t.hang) end,
    finish = function () sock:shutdown "w" end,
    close = function () sock:close() end, -- with an answer unread, the system resets the connection
  }
end

for _, server in ipairs(servers) do
  local test = pcall(require, server.needs) and it or pending
  describe("the example " .. server.file, function ()
    setup(function () emulator = t.emulator() end)
    before_each(function () emulator:reset() end)
    after_each(t.tidy)
    teardown(t.close)

    -- Starts it; returns its port.
    local function started()
      return assert(t.daemon(("%s%s %s 0"):format(examples.environment(examples.host_folder(), emulator),
        os.getenv "LUA" or "lua5.4", t.quote(examples.folder .. "/" .. server.file)), "listening")).ready:match "%d+$"
    end

    if not server.datagrams then
      test("takes a line that arrives in two segments for one line", function ()
        local port = started()
        local one, other = peer(port, server), peer(port, server)
        local name = emulator:control("POST", "connections", { name = "web" }).id
        local id = emulator:control("POST", "connections", { name = "web-frontend" }).id
        one.send("ping\n" .. name) -- the first segment ends with the id of another connection
        assert.equal("pong", one.answer()) -- the first segment was read
        other.ask "ping"
        assert.equal("pong", other.answer())
        one.send(id:sub(#name + 1) .. "\nping\n")
        assert.same({ ["Approved"] = true, ["pong"] = true }, { [one.answer()] = true, [one.answer()] = true })
        assert.equal("Pending", emulator:connection(name).status)
        assert.equal("Approved", emulator:connection(id).status)
        one.close()
        other.close()
      end)

      test("leaves alone a line whose end never arrives", function ()
        local port = started()
        local one = peer(port, server)
        one.send("ping\n" .. emulator.sample)
        one.finish()
        assert.equal("pong", one.answer())
        assert.equal("no answer", one.answer())
        assert.equal("Pending", emulator:connection(emulator.sample).status)
        one.close()
      end)

      test("serves others after a peer has hung up during its approval", function ()
        emulator:set { operation_polls = 1 }
        emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
        local port = started()
        local gone, other = peer(port, server), peer(port, server)
        gone.send("ping\n" .. emulator.many[1] .. "\n" .. emulator.many[2] .. "\n")
        assert(gone.has_answer())
        t.await("the poll", function () return emulator:has_met(1) end)
        gone.close()
        emulator:release()
        t.await("the approval", function () return emulator:connection(emulator.many[1]).status == "Approved" end)
        other.ask(emulator.many[3])
        assert.equal("Approved", other.answer())
        other.ask "ping"
        assert.equal("pong", other.answer())
        other.close()
      end)
    end

    test("approves connections while it serves others", function ()
      emulator:set { operation_polls = 3 }
      emulator:faults { { match = { kind = "poll" }, action = { hold = true } } } -- until it has served others
      local port = started()
      local approving, peers = 0, {}
      for n = 1, 20 do
        peers[n] = peer(port, server)
        peers[n].ask(emulator.many[n])
      end
      peers[21] = peer(port, server)
      peers[21].ask "/no/such/thing"
      local loop, pings, longest = cqueues.new(), 0, 0
      for n = 1, 20 do
        approving = approving + 1
        loop:wrap(function ()
          local answer = peers[n].answer()
          assert.equal("Approved", answer)
          approving = approving - 1
        end)
      end
      loop:wrap(function ()
        local answer = peers[21].answer()
        assert.truthy(answer:find("bad field 'id'", 1, true))
      end)
      loop:wrap(function ()
        local other = peer(port, server)
        while approving > 0 do
          local begun = cqueues.monotime()
          other.ask "ping"
          local answer = other.answer()
          assert.equal("pong", answer)
          longest = math.max(longest, cqueues.monotime() - begun)
          pings = pings + 1
          if pings == 20 then
            t.await("the polls", function () return emulator:has_met(20) end)
          elseif pings == 40 then
            emulator:release()
          end
        end
        other.close()
      end)
      assert(loop:loop(t.life))
      print(("# measured: %s: %d pings answered beside 20 approvals, the slowest after %.1f ms"):format(server.file,
        pings, longest * 1000))
      assert(pings >= 40, pings .. " pings")
      for n = 1, 20 do assert.equal("Approved", emulator:connection(emulator.many[n]).status) end
      for n = 1, 21 do peers[n].close() end
    end)
  end)
end
