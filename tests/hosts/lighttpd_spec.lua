-- lighttpd with mod_magnet, TLS and the example script: the call blocks inside a request, and all others wait.
package.path = "./tests/?.lua;" .. package.path

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local t = require "loopback.support"
local examples = require "hosts.examples"

local emulator
local function installed()
  return t.program "lighttpd" and t.read "/usr/lib/lighttpd/mod_magnet.so" and t.read "/usr/lib/lighttpd/mod_openssl.so"
end
local test = installed() and it or function (title)
  pending(title .. ": lighttpd with mod_magnet and mod_openssl is not installed")
end

local config = [[
server.document-root = "%s/pages"
server.bind = "127.0.0.1"
server.port = %d
server.modules = ( "mod_magnet", "mod_openssl" )
$HTTP["url"] == "/approve" { magnet.attract-raw-url-to = ( "%s/lighttpd-approve.lua" ) }
$SERVER["socket"] == "127.0.0.1:%d" { ssl.engine = "enable" ssl.pemfile = "%s/both.pem" }
]]

local make_certificate = "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
  .. "-subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null && cat key.pem cert.pem >both.pem"

-- Its two ports: for HTTP, for HTTPS.
local function start()
  local folder, port, tls_port = examples.host_folder(), t.free_port(), t.free_port()
  assert(os.execute(make_certificate:format(t.quote(folder))))
  assert(os.execute("mkdir " .. t.quote(folder .. "/pages")))
  t.write(folder .. "/pages/page.txt", "a page\n")
  local file = t.write(folder .. "/lighttpd.conf", config:format(folder, port, examples.folder, tls_port, folder))
  assert(t.daemon(("%s%s -D -f %s"):format(examples.environment(folder, emulator), t.program "lighttpd", t.quote(file)),
    "server started"))
  return port, tls_port
end

local request = "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n"

-- An answer's status and body.
local function parts(answer)
  return tonumber(answer:match "^HTTP/1.%d (%d+)"), answer:match "\r\n\r\n(.*)$"
end

-- A request; the answer's status and body, and the seconds it took.
local function get(port, target)
  local begun = cqueues.monotime()
  local sock = socket.connect { host = "127.0.0.1", port = port }
  sock:onerror(function (_, _, why) return why end)
  sock:xwrite(request:format(target), "bn", 10)
  local answer = sock:xread("*a", "b", t.hang) or ""
  sock:close()
  local status, body = parts(answer)
  return status, body, cqueues.monotime() - begun
end

local function get_by_tls(port, target)
  local file = t.write(t.new_path "request", request:format(target))
  local pipe <close> = io.popen(("openssl s_client -quiet -connect 127.0.0.1:%d <%s 2>&1"):format(port, t.quote(file)))
  return parts(pipe:read "a":gsub("^.-(HTTP/1)", "%1"))
end

describe("lighttpd with the example lighttpd-approve.lua", function ()
  setup(function () emulator = t.emulator { operation_polls = 2, writes_bucket = 12000, reads_bucket = 12000 } end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  test("approves inside a request, by HTTP and by HTTPS, and says what went wrong", function ()
    local port, tls_port = start()
    local status, body = get(port, "/approve?" .. emulator.many[1])
    assert.same({ 200, emulator.many[1]:match "[^/]*$" .. " is approved\n" }, { status, body })
    status, body = get_by_tls(tls_port, "/approve?" .. emulator.many[2])
    assert.same({ 200, emulator.many[2]:match "[^/]*$" .. " is approved\n" }, { status, body })
    status, body = get(port, "/approve?" .. emulator.many[1]:gsub("many01", "many99"))
    assert.equal(502, status)
    assert.truthy(body:find("^not_found: "), body)
    assert.equal(500, (get(port, "/approve?no-id"))) -- it raised: the script's own mistake, for lighttpd's log
    assert.equal("Approved", emulator:connection(emulator.many[2]).status)
    assert.same({ 200, "a page\n" }, { table.unpack({ get(port, "/page.txt") }, 1, 2) })
  end)

  test("all other requests wait meanwhile, as its head says", function ()
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
    local port = start()
    local _, _, alone = get(port, "/page.txt")
    local loop, approval, page, released = cqueues.new(), nil, nil, false
    loop:wrap(function () approval = table.pack(get(port, "/approve?" .. emulator.many[1])) end)
    loop:wrap(function ()
      t.await("a poll", function () return emulator:has_met(1) end)
      loop:wrap(function ()
        cqueues.sleep(0.3) -- the page would come in this time
        released = true
        emulator:release()
      end)
      page = table.pack(get(port, "/page.txt"))
      page.waited = released
    end)
    assert(loop:loop(t.life))
    print(("# measured: lighttpd: a page in %.1f ms, in %.0f ms beside an approval, which took %.0f ms"):format(
      alone * 1000, page[3] * 1000, approval[3] * 1000))
    assert.same({ 200, 200 }, { approval[1], page[1] })
    assert.is_true(page.waited)
  end)
end)
