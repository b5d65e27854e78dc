-- Prosody, with the example module in it: it approves on its own loop and goes on serving XMPP meanwhile.
package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local t = require "loopback.support"
local examples = require "hosts.examples"

local emulator

local test = t.program "prosody" and it or function (title)
  pending(title .. ": prosody is not installed")
end

local config = [[
run_as_root = true
pidfile = "%s/prosody.pid"
data_path = "%s"
plugin_paths = { "%s", "%s" }
log = { info = "%s/log" }
interfaces = { "127.0.0.1" }
c2s_ports = { %d }
s2s_ports = {}
http_ports = {}
https_ports = {}
modules_enabled = { "saslauth", "azpec", "ready" }
modules_disabled = { "s2s", "http", "tls" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "localhost"
azpec = {
  client = { poll_interval = 0.02 },
  account = { resource_group_name = "default-azurebatch-japaneast", account_name = "sampleacct" },
  pattern = "^Please approve$",
}
]]

-- Opens a stream and reads the features; the seconds that took.
local function stream(port)
  local begun = cqueues.monotime()
  local sock = socket.connect { host = "127.0.0.1", port = port }
  sock:onerror(function (_, _, why) return why end)
  sock:xwrite("<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' "
    .. "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", "bn", 10)
  local said = ""
  repeat
    local more = sock:xread(-4096, "bn", t.hang)
    said = said .. (more or "")
  until not more or said:find("</stream:features>", 1, true)
  sock:close()
  assert(said:find("</stream:features>", 1, true), said)
  return cqueues.monotime() - begun
end

local ready = [[
module:hook_global("server-started", function ()
  print "ready"
  io.stdout:flush()
end)
]]

-- Starts Prosody with the module; its port, and its log's path.
local function start()
  local folder, port = examples.host_folder(), t.free_port()
  t.write(folder .. "/mod_ready.lua", ready)
  local file = t.write(folder .. "/prosody.cfg.lua",
    config:format(folder, folder, folder, examples.folder, folder, port))
  local environment = examples.environment(folder, emulator)
  assert(t.daemon(("%sprosody --config %s -F"):format(environment, t.quote(file)), "ready"))
  return port, folder .. "/log"
end

describe("Prosody with the example mod_azpec", function ()
  setup(function () emulator = t.emulator { writes_bucket = 12000, reads_bucket = 12000 } end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  test("approves on a timer what is meant for it, while its own port answers", function ()
    emulator:set { operation_polls = 3 }
    local function hold(kind) emulator:faults { { match = { kind = kind }, action = { hold = true } } } end
    hold "list"
    local port, log = start()
    local longest, streams = 0, 0
    local function open_stream()
      longest = math.max(longest, stream(port))
      streams = streams + 1
    end
    for _, go_on in ipairs { function () hold "poll" end, function () emulator:release() end } do
      t.await("a request of its", function () return emulator:has_met(1) end, open_stream)
      for _ = 1, 10 do open_stream() end -- while its own request has no answer
      go_on()
    end
    t.await("its end", function () return t.read(log):find(t.sample_name .. ": ", 1, true) end, open_stream)
    assert.truthy(t.read(log):find(t.sample_name .. ": approved", 1, true), t.read(log))
    assert.equal("Approved", emulator:connection(emulator.sample).status)
    print(("# measured: prosody: %d XMPP streams opened beside an approval, the slowest in %.1f ms"):format(streams,
      longest * 1000))
    assert.equal("token list get update", emulator:kinds():match "^%a+ %a+ %a+ %a+")
  end)

  test("logs why it could not, and goes on", function ()
    emulator:faults { { match = { kind = "list", nth = 1 }, action = { status = 403,
      error = { code = "AuthorizationFailed" } } } }
    local port, log = start()
    t.await("its word", function () return t.read(log):find("forbidden: ", 1, true) end, function () stream(port) end)
    assert.truthy(t.read(log):find("AuthorizationFailed", 1, true), t.read(log))
    stream(port)
  end)
end)
