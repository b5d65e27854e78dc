-- Servers on cqueues, luv and luasocket's select, as the README shows them: they approve while they serve others.
package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local t = require "loopback.support"
local readme = require "hosts.readme"

local emulator

local servers = {
  { file = "cqueues-server.lua", needs = "cqueues" },
  { file = "luv-server.lua", needs = "luv" },
  { file = "select-server.lua", needs = "socket", datagrams = true },
}

-- In coroutines: first the value, then its assertion. luassert's words are not to be interrupted.

-- A connection to the server; it sends lines and reads answers.
local function peer(port, server)
  local sock = socket.connect { host = "127.0.0.1", port = port,
    type = server.datagrams and socket.SOCK_DGRAM or socket.SOCK_STREAM }
  sock:onerror(function (_, _, why) return why end)
  sock:setmode("bn", "bn")
  local newline = server.datagrams and "" or "\n"
  return {
    ask = function (line) assert(sock:xwrite(line .. newline, 10)) end,
    answer = function ()
      local answer = server.datagrams and sock:xread(-9000, t.hang) or sock:xread("*l", t.hang)
      return answer and answer:gsub("\r$", "") or "no answer" -- cqueues' text mode ends lines as the internet does
    end,
    close = function () sock:close() end,
  }
end

for _, server in ipairs(servers) do
  local test = pcall(require, server.needs) and it or pending
  describe("the README's " .. server.file, function ()
    setup(function () emulator = t.emulator() end)
    before_each(function () emulator:reset() end)
    after_each(t.tidy)
    teardown(t.close)

    test("approves connections while it serves others", function ()
      emulator:set { operation_polls = 3 }
      emulator:faults { { match = { kind = "poll" }, action = { hold = true } } } -- until it has served others
      local folder, port = readme.folder(server.file), t.free_port()
      assert(t.daemon(("%s%s %s %d"):format(readme.environment(folder, emulator), os.getenv "LUA" or "lua5.4",
        t.quote(folder .. "/" .. server.file), port), "listening"))
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
