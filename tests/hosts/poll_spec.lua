-- The example C program with a poll loop of its own: compiled, linked with the archive, and run.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"
local examples = require "hosts.examples"

local emulator
local build = os.getenv "BUILD" or "build"

-- What the host begins: approvals over TLS, each end noted on stdout.
local approvals = [[
local azpec = require "azpec"
io.stdout:setvbuf "line"
local fields = require "cjson".decode(os.getenv "EMULATOR_FIELDS")
fields.on_event = function (event)
  if event.event == "end" then print(event.id, event.ok) end
end
local client = azpec.client(fields)
for id in os.getenv "IDS":gmatch "%S+" do client:begin_ensure { id = id, status = "Approved" } end
print "begun"
return client
]]

describe("the example host.c", function ()
  setup(function () emulator = t.emulator() end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  it("approves in its own loop, and ends when its own descriptor has something", function ()
    local folder = examples.host_folder()
    t.write(folder .. "/approvals.lua", approvals)
    assert(os.execute(("cc -Wall -Wextra -Werror %s -Ilua_module $(pkg-config --cflags lua5.4) -o %s/host %s/host.c "
      .. "%s/libazpec.a $(pkg-config --libs libcurl lua5.4)"):format(
      os.getenv "TEST_UNDER" == "asan" and "-fsanitize=address,undefined" or "", folder, examples.folder, build)))
    local ids = table.concat(emulator.many, " ", 1, 40)
    local input = folder .. "/input"
    assert(os.execute("mkfifo " .. t.quote(input)))
    local host = assert(t.daemon(("env IDS=%s %s sh -c 'cd %s && exec ./host <input'"):format(t.quote(ids),
      examples.environment(folder, emulator), folder), "")) -- it reads `input`: nothing is ready before it has a writer
    local mine = assert(io.open(input, "w"))
    local said = host:read_until "begun"
    for _ = 1, 40 do said = said .. "\n" .. host:read_until "true" end
    for n = 1, 40 do
      assert.truthy(said:find(emulator.many[n] .. "\ttrue", 1, true))
      assert.equal("Approved", emulator:connection(emulator.many[n]).status)
    end
    mine:write "enough\n"
    mine:close()
    assert.equal("", host.pipe:read "a") -- to its end
  end)
end)
