package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local t = require "loopback.support"

local emulator

local function status_of(connection)
  return connection.properties.privateLinkServiceConnectionState.status
end

-- Starts what cannot choose a port itself.
local function on_free_port(start)
  local port = t.free_port()
  return assert(start(port)), port
end

-- A proxy and its port; without the program the test is skipped.
local function tinyproxy(connect_port)
  local program = t.program "tinyproxy"
  if not program then pending "tinyproxy is not installed" end
  return on_free_port(function (port)
    local file = t.write(t.new_path "tinyproxy" .. ".conf", ([[
Port %d
Listen 127.0.0.1
Timeout 60
MaxClients 100
LogLevel Info
Allow 127.0.0.1
ConnectPort %d
]]):format(port, connect_port))
    return t.daemon(program .. " -d -c " .. file, "Accepting connections")
  end)
end

local function port_of(url) return tonumber(url:match ":(%d+)$") end

local function approve(client, id)
  return client:update(t.call(id or emulator.sample, { status = "Approved" }))
end

local child_code = [[
  local client <close> = azpec.client { endpoint = given.endpoint, authority_host = given.endpoint,
    ca_file = given.ca_file, poll_interval = 0.02, timeout = 20, proxy = given.proxy,
    retry = { max_tries = 1 }, subscription_id = given.subscription_id,
    credential = given.token and azpec.credential.token { token = given.token }
      or azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
        client_secret = given.secret } }
  local connection, err = client:update { id = given.id, status = "Approved" }
  if not connection then return print(err.kind .. ": " .. err.message) end
  print(connection.properties.privateLinkServiceConnectionState.status)]]

local function given(more)
  return t.merged({ endpoint = emulator.tls_endpoint, ca_file = emulator.ca_file, tenant_id = emulator.tenant_id,
    client_id = emulator.client_id, secret = t.secret, subscription_id = emulator.subscription_id,
    id = emulator.sample }, more or {})
end

local function with_emulator()
  setup(function () emulator = t.emulator() end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)
end

describe("a proxy", function ()
  with_emulator()

  it("named by the option carries HTTPS, and sees neither token nor secret", function ()
    local proxy, port = tinyproxy(port_of(emulator.tls_endpoint))
    local client = emulator:client { tls = true, proxy = "http://127.0.0.1:" .. port }
    assert.equal("Approved", status_of(assert(approve(client))))
    assert.equal(1, emulator:connection_count())
    assert.truthy(proxy:read_until "CONNECT 127":find("127.0.0.1:" .. port_of(emulator.tls_endpoint), 1, true))
  end)

  it("named to a recorder of azpec.record carries its requests", function ()
    local proxy, port = tinyproxy(port_of(emulator.tls_endpoint))
    local recorder <close> = require "azpec.record".start { file = t.new_path "recording", ca_file = emulator.ca_file,
      endpoint = emulator.tls_endpoint, authority_host = emulator.tls_endpoint, lua = "env -u LD_PRELOAD lua5.4",
      proxy = "http://127.0.0.1:" .. port }
    local client <close> = recorder:client { credential = emulator:credential(), poll_interval = 0.02 }
    assert.equal("Approved", status_of(assert(approve(client))))
    assert.truthy(proxy:read_until "CONNECT 127":find("127.0.0.1:" .. port_of(emulator.tls_endpoint), 1, true))
  end)

  for _, name in ipairs { "https_proxy", "HTTPS_PROXY", "all_proxy" } do
    it("named by " .. name .. " carries HTTPS", function ()
      local proxy, port = tinyproxy(port_of(emulator.tls_endpoint))
      assert.equal("Approved", t.child(child_code, given(), { [name] = "http://127.0.0.1:" .. port }))
      assert.truthy(proxy:read_until "CONNECT 127":find("127.0.0.1:" .. port_of(emulator.tls_endpoint), 1, true))
    end)
  end

  it("in the environment is ignored with proxy = \"\", and where no_proxy says so", function ()
    local nowhere = "http://127.0.0.1:" .. t.free_port()
    assert.equal("Approved", t.child(child_code, given { proxy = "" }, { https_proxy = nowhere, all_proxy = nowhere }))
    assert.equal("Approved", t.child(child_code, given(), { https_proxy = nowhere, no_proxy = "127.0.0.1" }))
  end)

  it("sees its own CONNECT only: no token, no request id", function ()
    local proxy = t.server { { method = "CONNECT", status = 403 } }
    local client = emulator:client { tls = true, proxy = proxy.endpoint }
    approve(client)
    local request = proxy:wait(1)[1]
    assert.truthy(request.line:find("^CONNECT 127%.0%.0%.1:%d+ HTTP/1%.1$"))
    assert.is_nil(request.headers.authorization)
    assert.is_nil(request.headers["x-ms-client-request-id"])
    assert.equal("", emulator:kinds())
  end)

  for status, text in t.each { [407] = "the proxy requires a user name and password",
    [401] = "the proxy requires a user name and password",
    [403] = "the proxy refused the connection", [405] = "the proxy refused the connection",
    [502] = "the proxy could not be used" } do
    for _, way in ipairs { "option", "environment" } do
      it("that refuses with " .. status .. " (" .. way .. ") is named as the proxy's trouble", function ()
        local proxy = t.server { { method = "CONNECT", status = status, headers = { "Proxy-Authenticate: Basic" } } }
        local said = way == "option" and t.child(child_code, given { proxy = proxy.endpoint, token = t.canary })
          or t.child(child_code, given { token = t.canary }, { https_proxy = proxy.endpoint })
        assert.equal("transport: " .. text .. ": ", said:match "^transport: [^:]*: ")
        assert.truthy(said:find(status, 1, true), said)
        assert.equal("", emulator:kinds())
      end)
    end
  end

  local refusals = {
    ["407 to no password"] = { { status = 407, headers = { "Proxy-Authenticate: Basic realm=\"x\"" } } },
    ["407 to a wrong password"] = { { status = 407, headers = { "Proxy-Authenticate: Basic" } }, "user:wrong@" },
    ["401 to a wrong password"] = { { status = 401, headers = { "WWW-Authenticate: Basic" } }, "user:wrong@" },
    ["407 that asks for NTLM"] = { { status = 407, headers = { "Proxy-Authenticate: NTLM",
      "Proxy-Authenticate: Negotiate" } }, "DOMAIN%5Cuser:wrong@" },
    ["403"] = { { status = 403, body = "<html>blocked</html>" } },
    ["405"] = { { status = 405 } },
    ["511"] = { { status = 511 } },
  }

  for name, case in t.each(refusals) do
    for _, way in ipairs { "request", "sign-in" } do
      it("that answers " .. name .. " is asked once: " .. way, function ()
        local rule = t.merged({ method = "CONNECT" }, case[1])
        local proxy = t.server { rule }
        local address = proxy.endpoint:gsub("//", "//" .. (case[2] or ""):gsub("%%", "%%%%"))
        local client = emulator:client(t.merged({ tls = true, proxy = address },
          way == "request" and { credential = azpec.credential.token { token = t.canary } } or {}))
        local _, err = approve(client)
        assert.equal("transport", err.kind)
        assert.is_false(err.retryable)
        assert.equal(rule.status == 407 or rule.status == 401, err.hint ~= nil and err.hint:find "USER:PASSWORD" ~= nil)
        assert.equal(1, #proxy:requests())
      end)
    end
  end
end)

describe("a proxy (failures and secrets)", function ()
  with_emulator()

  it("that answers 503 to CONNECT is asked again", function ()
    local proxy = t.server { { method = "CONNECT", status = 503 } }
    local client = emulator:client { tls = true, proxy = proxy.endpoint,
      credential = azpec.credential.token { token = t.canary }, retry = { max_tries = 3, base_delay = 0.01 } }
    local _, err = approve(client)
    t.fails("transport", "^the proxy could not be used: ", nil, err)
    assert.is_true(err.retryable)
    assert.equal(3, #proxy:requests())
  end)

  it("that ends the connection instead of an answer to CONNECT is named", function ()
    local proxy = t.server { { method = "CONNECT", raw = "", after = "close" } }
    for _, said in ipairs { t.child(child_code, given { proxy = proxy.endpoint, token = t.canary }),
      t.child(child_code, given { token = t.canary }, { https_proxy = proxy.endpoint }) } do
      assert.equal("transport: the proxy could not be used: ", said:match "^transport: [^:]*: ")
    end
  end)

  for name, case in t.each {
    ["wants a way to sign in that we have not"] = { "\5\255", "the proxy requires a user name and password" },
    ["lets nobody through"] = { "\5\0\5\2\0\1\0\0\0\0\0\0", "the proxy refused the connection" },
    ["cannot reach the host"] = { "\5\0\5\4\0\1\0\0\0\0\0\0", "the proxy could not be used" },
  } do
    it("that speaks SOCKS and " .. name .. " is named", function ()
      local proxy = t.server { { greeting = case[1] } }
      local said = t.child(child_code, given { proxy = "socks5h" .. proxy.endpoint:sub(5), token = t.canary })
      assert.equal("transport: " .. case[2] .. ": ", said:match "^transport: [^:]*: ")
    end)
  end

  it("that nobody named is not blamed for a refused connection", function ()
    local at = "https://localhost:" .. t.free_port()
    local plain = { endpoint = at, token = t.canary }
    for name, said in t.each { ["none"] = t.child(child_code, given(plain)),
      ["switched off"] = t.child(child_code, given(t.merged(plain, { proxy = "" })), { https_proxy = at }),
      ["not for this host"] = t.child(child_code, given(plain), { https_proxy = "http://127.0.0.1:9",
        no_proxy = "localhost" }) } do
      assert.equal("transport: could not connect to the server: ", said:match "^transport: [^:]*: ", name)
    end
  end)

  for _, way in ipairs { "option", "environment" } do
    it("that nobody listens at (" .. way .. ") is named as the proxy's trouble", function ()
      local nowhere = "http://127.0.0.1:" .. t.free_port()
      local said = way == "option" and t.child(child_code, given { proxy = nowhere, token = t.canary })
        or t.child(child_code, given { token = t.canary }, { https_proxy = nowhere })
      assert.truthy(said:find "^transport: the proxy could not be used: ", said)
    end)
  end

  it("whose name does not resolve is named as the proxy's trouble", function ()
    local said = t.child(child_code, given { proxy = "http://azpec.invalid:8080", token = t.canary })
    assert.equal("transport: the proxy could not be used: Could not resolve proxy: azpec.invalid "
      .. "(http://azpec.invalid:8080, from `proxy`)", said)
  end)

  it("that refuses leaves nothing to resume: no PATCH can have passed", function ()
    local proxy = t.server { { method = "CONNECT", status = 407 } }
    local server = t.server {}
    local client = server:client { endpoint = server.endpoint:gsub("^http:", "https:"), proxy = proxy.endpoint }
    local value, err = client:update(t.call(t.id, { status = "Approved" }))
    t.fails("transport", "^the proxy requires a user name and password: ", value, err)
    assert.is_nil(err.continuation_token)
  end)

  it("with a password in its URL never has that printed", function ()
    local proxy = t.server { { method = "CONNECT", status = 407 } }
    local client, events = emulator:client { tls = true, proxy = proxy.endpoint:gsub("//", "//user:hush-hush@") }
    local _, err = approve(client)
    assert.equal("transport", err.kind)
    assert.is_nil((t.text_of(err) .. tostring(err) .. tostring(client)):find("hush", 1, true))
    assert.is_nil(t.text_of(events):find("hush", 1, true))
  end)

  for name, url in t.each { ["port"] = "http://user:hush-hush@127.0.0.1:99999", ["scheme"] = "x://user:hush-hush@a",
    ["host"] = "http://user:hush-hush@azpec.invalid:1", ["blank"] = "http://user:hush hush@a b:1",
    ["without scheme"] = "user:hush-hush@127.0.0.1:99999", ["encoded @"] = "http://user:hush-hush%40127.0.0.1:1",
    ["encoded @, without scheme"] = "user:hush-hush%40127.0.0.1:1", ["host that is missing"] = "http://user:hush-hush",
    ["://"] = "user:hush-hush://x@127.0.0.1:1" } do
    it("whose URL has a password and a bad " .. name .. " never has that printed", function ()
      for _, said in ipairs { t.child(child_code, given { proxy = url, token = t.canary }),
        t.child(child_code, given { token = t.canary }, { https_proxy = url }) } do
        assert.is_nil(said:find("hush", 1, true))
        assert.truthy(said:find "^transport: ", said)
      end
    end)
  end

  it("in the environment is given no token for a loopback endpoint over plain HTTP", function ()
    local proxy = t.server { { headers = { t.json_type }, body = t.connection_json() } }
    t.child(child_code, given { endpoint = emulator.endpoint, token = t.canary }, { http_proxy = proxy.endpoint,
      all_proxy = proxy.endpoint })
    for _, request in ipairs(proxy:requests()) do assert.is_nil(request.headers.authorization, request.bytes) end
    assert.equal("update", emulator:kinds())
  end)
end)

describe("a proxy's URL", function ()
  with_emulator()

  local told_code = [[
  local client <close> = azpec.client { endpoint = given.endpoint, ca_file = given.ca_file, timeout = 20,
    proxy = given.proxy, retry = { max_tries = 1 }, subscription_id = given.subscription_id,
    credential = azpec.credential.token { token = given.token } }
  local _, err = client:get { id = given.id }
  print(("%s: %s\nhint: %s"):format(err.kind, err.message, err.hint))]]

  local plain = "HTTP/1.1 400 Bad Request\r\n\r\n"

  local function basic(status, ...)
    return { { method = "CONNECT", status = status, headers = { ... } } }
  end

  -- The names of the rows' parts: `proxy` (rules of a server in its place, or none), tls (it speaks TLS), trusted (its
  -- CA is the client's), url ($at: its address), kind, message, says (in the message), hint (in the hint).
  local unusable, login = "the proxy could not be used: ", "the proxy requires a user name and password: "
  local scheme, check = "begin the proxy's URL with http://", "only if the proxy itself speaks TLS"
  local rows = {
    ["https:// and a proxy with plain HTTP"] = { proxy = { { greeting = plain } }, url = "https://$at", hint = scheme,
      message = "the TLS handshake with the proxy failed: ", says = "(https://$at, from $from)" },
    ["https:// and a certificate that is not trusted"] = { proxy = {}, tls = true, url = "https://$at",
      kind = "untrusted", message = "the proxy's certificate is not trusted: ", says = "(https://$at, from $from)",
      hint = "ca_file" },
    ["https://, a trusted certificate and no password"] = { proxy = basic(407, "Proxy-Authenticate: Basic"), tls = true,
      trusted = true, url = "https://$at", message = login, says = "(https://$at, from $from; its URL has no user name",
      hint = "USER:PASSWORD" },
    ["http:// and a proxy with TLS"] = { proxy = {}, tls = true, url = "http://$at", message = unusable,
      says = "(http://$at, from $from)", hint = check },
    ["no password where one is needed"] = { proxy = basic(407, "Proxy-Authenticate: Basic"), url = "http://$at",
      message = login, says = "(http://$at, from $from; its URL has no user name and password)",
      hint = "USER:PASSWORD" },
    ["a wrong password"] = { proxy = basic(407, "Proxy-Authenticate: Basic"), url = "http://user:hush-hush@$at",
      message = login, says = "(http://$at, from $from; it refused the user name and password of its URL)",
      hint = "USER:PASSWORD" },
    ["a backslash in the user name"] = { proxy = basic(407, "Proxy-Authenticate: Basic"),
      url = "DOMAIN\\user:hush-hush@$at", message = login, says = "($at, from $from; it refused the user name" },
    ["a password, and a proxy with NTLM only"] = { url = "http://user:hush-hush@$at", message = login,
      proxy = basic(407, "Proxy-Authenticate: NTLM", "Proxy-Authenticate: Negotiate"),
      says = "it does not offer Basic authentication, the only kind that is supported)" },
    ["a host that is not allowed"] = { proxy = basic(403), url = "$at", message = "the proxy refused the connection: ",
      says = "($at, from $from)", hint = "NO_PROXY" },
    ["a name that does not resolve"] = { url = "http://azpec.invalid:8080", message = unusable,
      says = "(http://azpec.invalid:8080, from $from)", hint = check },
    ["a port where nobody listens"] = { url = "http://$at", message = unusable, says = "(http://$at, from $from)",
      hint = check },
    ["no scheme"] = { url = "$at", message = unusable, says = "($at, from $from)", hint = check },
    ["the path of a PAC file"] = { url = "http://$at/proxy.pac", message = unusable,
      says = "(http://$at/proxy.pac, from $from; its path is not used, and a PAC file cannot be given here)" },
    ["no port"] = { url = "http://azpec.invalid/", message = unusable, says = "; without a port, curl uses 1080)" },
    ["a blank"] = { url = "http://127.0.0.1 :1", message = unusable, says = "from $from; its URL contains a blank" },
    ["an @ in its password"] = { url = "http://user:p@hush-hush@$at", message = unusable,
      says = "(http://$at, from $from; write @ in its user name or password as %40)" },
    ["a host that is not UTF-8"] = { url = "http://user:hush-hush@\xff\xfe:1", message = unusable,
      says = "(http://??:1, from $from)" },
    ["a port that is no number"] = { url = "http://azpec.invalid:808O", message = unusable,
      says = "(http://azpec.invalid, from $from; its port is not a number)" },
    ["an unknown scheme"] = { url = "pac+http://user:hush-hush@$at", message = unusable,
      says = "(pac+http://$at, from $from; curl knows no proxies of this scheme)" },
    ["SOCKS and a proxy with HTTP"] = { proxy = { { greeting = plain } },
      url = "socks5h://$at", message = unusable, says = "(socks5h://$at, from $from)", hint = check },
  }

  local function told(row, from)
    local proxy = row.proxy and t.server(row.proxy, row.tls)
    local at = proxy and proxy.endpoint:match "//(.*)$" or "127.0.0.1:" .. t.free_port()
    local url = row.url:gsub("%$at", at)
    local said = t.child(told_code, given { proxy = from == "`proxy`" and url or nil, token = t.canary,
      ca_file = row.trusted and proxy.ca_file or nil }, from ~= "`proxy`" and { [from] = url } or nil)
    return said, (row.says:gsub("%$%l+", { ["$at"] = at, ["$from"] = from }))
  end

  for name, row in t.each(rows) do
    for _, from in ipairs { "`proxy`", "HTTPS_PROXY", "all_proxy" } do
      it(("with %s (%s) is named, with where it is from and what to do"):format(name, from), function ()
        local said, says = told(row, from)
        local start = (row.kind or "transport") .. ": " .. row.message
        assert.equal(start, said:sub(1, #start))
        assert.matches(says, said, 1, true)
        assert.matches(row.hint or "", said:match "\nhint: (.*)$", 1, true)
        assert.is_nil(said:find("hush", 1, true))
        assert.equal("", emulator:kinds())
      end)
    end
  end

  for name, case in t.each { ["that has opened the tunnel"] = { "http", { { method = "CONNECT",
    raw = "HTTP/1.1 200 OK\r\n\r\n" .. plain } } },
    ["by SOCKS"] = { "socks5h", { { greeting = "\5\0\5\0\0\1\0\0\0\0\0\0" .. plain } } } } do
    it("of one " .. name .. " is not blamed for the server's TLS", function ()
      local proxy = t.server(case[2])
      for _, from in ipairs { "proxy", "HTTPS_PROXY" } do
        local url = case[1] .. proxy.endpoint:sub(5)
        local said = t.child(told_code, given { proxy = from == "proxy" and url or nil, token = t.canary },
          from ~= "proxy" and { [from] = url } or nil)
        assert.equal("transport: the TLS handshake failed: ", said:match "^transport: [^:]*: ")
        assert.is_nil(said:find(proxy.endpoint:match "//(.*)$", 1, true), said)
      end
    end)
  end

  it("at the port of the server itself is found in the environment", function ()
    local port = port_of(t.server { { greeting = plain } }.endpoint)
    local said = t.child(told_code, given { endpoint = "https://azpec.invalid:" .. port, token = t.canary },
      { HTTPS_PROXY = "https://127.0.0.1:" .. port })
    assert.equal("transport: the TLS handshake with the proxy failed: ", said:match "^transport: [^:]*: ")
  end)
end)

describe("an HTTP/2 front", function ()
  local certificate, log

  local function nginx(at, more)
    local folder = t.new_path "nginx"
    assert(os.execute("mkdir -p " .. folder .. "/tmp"))
    certificate, log = folder .. "/cert.pem", folder .. "/access.log"
    assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
      .. "-subj /CN=front -addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem -out %s 2>/dev/null"):format(
      folder, certificate)))
    local file = t.write(folder .. "/nginx.conf", ([[
daemon off;
master_process off;
worker_processes 1;
pid FOLDER/pid;
error_log stderr notice;
events { worker_connections 512; }
http {
  log_format line '$connection $server_protocol $request_method $status';
  access_log FOLDER/access.log line;
  client_body_temp_path FOLDER/tmp;
  proxy_temp_path FOLDER/tmp;
  fastcgi_temp_path FOLDER/tmp;
  uwsgi_temp_path FOLDER/tmp;
  scgi_temp_path FOLDER/tmp;
  server {
    listen 127.0.0.1:PORT ssl http2;
    MORE
    ssl_certificate FOLDER/cert.pem;
    ssl_certificate_key FOLDER/key.pem;
    location / {
      proxy_pass BEHIND;
      proxy_ssl_verify off;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }
  }
}
]]):gsub("FOLDER", folder):gsub("PORT", at):gsub("BEHIND", emulator.tls_endpoint):gsub("MORE", more or ""))
    return t.daemon(t.program "nginx" .. " -p " .. folder .. " -c " .. file .. " -e stderr", "using the \"epoll\"")
  end

  setup(function ()
    emulator = t.emulator()
  end)
  before_each(function () emulator:reset() end)
  after_each(t.tidy)
  teardown(t.close)

  -- 64 operations through it, each of which it carried out once.
  local function approve_all(port, retry)
    local endpoint = "https://127.0.0.1:" .. port
    local client = emulator:client { endpoint = endpoint, authority_host = endpoint, ca_file = certificate,
      retry = retry }
    local pollers = {}
    for n = 1, 64 do
      pollers[n] = client:begin_update(t.call(emulator.many[n], { status = "Approved" }))
    end
    for n = 1, 64 do assert.equal(emulator.many[n], assert(pollers[n]:wait()).id) end
    client:close()
    assert.equal(64, #emulator:log "update")
    assert.equal(64 * 3, #emulator:log "poll")
  end

  it("that closes each connection after some requests loses none", function ()
    if not t.program "nginx" then pending "nginx is not installed" end
    local _, port = on_free_port(function (at) return nginx(at, "keepalive_requests 50;") end)
    approve_all(port, { max_tries = 8, base_delay = 0.01, max_delay = 0.1 })
  end)

  it("is spoken to in HTTP/2, over few connections for 64 operations", function ()
    if not t.program "nginx" then pending "nginx is not installed" end
    local front, port = on_free_port(nginx)
    approve_all(port)
    front:stop()
    local connections, count, lines = {}, 0, 0
    for line in io.lines(log) do
      local connection, protocol = line:match "^(%d+) (%S+)"
      assert.equal("HTTP/2.0", protocol)
      if not connections[connection] then connections[connection], count = true, count + 1 end
      lines = lines + 1
    end
    assert.equal(1 + 64 * 4, lines)
    assert(count <= 4, count .. " connections")
  end)
end)
