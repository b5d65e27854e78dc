package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local t = require "loopback.support"

local emulator

local json = { t.json_type }

-- A client whose credential is at hand, so that the request itself meets what is bad.
local function ready(more)
  local client = azpec.client(t.merged({ credential = azpec.credential.token { token = t.canary }, timeout = t.hang,
    subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", retry = { max_tries = 2, base_delay = 0.01 } }, more))
  return setmetatable({}, { __index = function (_, name)
    return function (_, ...) return client[name](client, ...) end
  end, __close = function () client:close() end })
end

local approve = t.call(t.id, { status = "Approved" })

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("no way to the service", function ()
  it("a refused connection", function ()
    local port = t.free_port()
    local client <close> = ready { endpoint = "http://127.0.0.1:" .. port }
    local _, value, err = t.timed(client.update, client, approve)
    t.fails("transport", "^could not connect to the server: .*127%.0%.0%.1.*" .. port, value, err)
    assert.equal("request", err.phase)
    assert.is_true(err.retryable)
    assert.is_nil(err.http_status)
    assert.is_nil(err.continuation_token)
  end)

  it("a refused connection of the sign-in", function ()
    local port = t.free_port()
    local client = emulator:client { authority_host = "http://127.0.0.1:" .. port }
    local value, err = client:update(t.call(emulator.sample, { status = "Approved" }))
    t.fails("transport", "^sign%-in failed: could not connect to the server: .*127%.0%.0%.1.*" .. port,
      value, err)
    assert.equal("token", err.phase)
    assert.is_nil(err.continuation_token)
    assert.equal("", emulator:kinds())
  end)

  it("a name that does not resolve", function ()
    local client <close> = ready { endpoint = "https://azpec.invalid", timeout = t.hang, proxy = "",
      retry = { max_tries = 1 } }
    local _, value, err = t.timed(client.update, client, approve)
    t.fails("transport", "the host name could not be resolved: Could not resolve host: azpec.invalid", value, err)
    assert.is_nil(err.continuation_token)
  end)

  it("a certificate of an unknown authority", function ()
    local other = t.emulator()
    local client <close> = ready { endpoint = emulator.tls_endpoint, ca_file = other.ca_file }
    local value, err = client:update(approve)
    other:stop()
    t.fails("untrusted", "^the server's certificate is not trusted: .*unable to get local issuer certificate", value,
      err)
    assert.equal("if a private CA issued the server's certificate, as with a TLS-inspecting proxy, name its CA file "
      .. "(ca_file, or SSL_CERT_FILE)", err.hint)
    assert.is_false(err.retryable)
    assert.is_nil(err.continuation_token)
    assert.equal("", emulator:kinds())
  end)

  it("a certificate for another host", function ()
    local client <close> = ready { endpoint = emulator.tls_endpoint:gsub("127%.0%.0%.1", "other.localhost"),
      ca_file = emulator.ca_file }
    local value, err = client:update(approve)
    t.fails("untrusted", "^the server's certificate is not trusted: .*'other%.localhost'", value, err)
    assert.is_nil(err.continuation_token)
    assert.equal("", emulator:kinds())
  end)

  it("a certificate is verified for the sign-in too", function ()
    local other = t.emulator()
    local client = emulator:client { tls = true, authority_host = other.tls_endpoint }
    local value, err = client:update(t.call(emulator.sample, { status = "Approved" }))
    assert.equal("", other:kinds())
    other:stop()
    t.fails("untrusted", "^sign%-in failed: the server's certificate is not trusted: ", value, err)
    assert.equal("token", err.phase)
  end)

  it("a CA file that is not there", function ()
    local missing = t.path "nowhere.pem"
    local client <close> = ready { endpoint = emulator.tls_endpoint, ca_file = missing }
    local value, err = client:update(approve)
    t.fails("transport", "^the CA file or directory cannot be read: .*" .. missing:gsub("%p", "%%%0"), value, err)
    assert.is_false(err.retryable)
    assert.is_nil(err.continuation_token)
  end)

  it("a CA file that holds no certificate", function ()
    local file = t.write(t.path "garbage.pem", "this is no certificate\n")
    local client <close> = ready { endpoint = emulator.tls_endpoint, ca_file = file }
    local value, err = client:update(approve)
    t.fails("transport", "^the CA file or directory cannot be read: .*" .. file:gsub("%p", "%%%0"), value, err)
    assert.is_nil(err.continuation_token)
  end)

  it("a CA file named by SSL_CERT_FILE is used", function ()
    local code = [[
      local client = azpec.client { endpoint = given.endpoint, retry = { max_tries = 1 }, timeout = given.hang,
        credential = azpec.credential.token { token = "x" } }
      local _, err = client:get { id = given.id }
      print(err.kind, err.code)]]
    local given = { endpoint = emulator.tls_endpoint, id = t.id, hang = t.hang }
    assert.equal("credential\tInvalidAuthenticationToken", t.child(code, given, { SSL_CERT_FILE = emulator.ca_file }))
    assert.equal("credential\tInvalidAuthenticationToken", t.child(code, given, { CURL_CA_BUNDLE = emulator.ca_file }))
    assert.equal("untrusted\tnil", t.child(code, given))
  end)

  it("a server that speaks plain HTTP where TLS is expected", function ()
    local server = t.server { { greeting = "HTTP/1.1 400 Bad Request\r\n\r\nno TLS here" } }
    local client <close> = ready { endpoint = server.endpoint:gsub("^http", "https") }
    local value, err = client:update(approve)
    t.fails("transport", "^the TLS handshake failed: .*", value, err)
    assert.is_nil(err.continuation_token)
  end)

  it("a server that speaks TLS where plain HTTP is expected", function ()
    local client <close> = ready { endpoint = emulator.tls_endpoint:gsub("^https", "http") }
    local _, value, err = t.timed(client.get, client, t.call(t.id))
    assert.is_nil(value)
    t.has_no_secret(err, "an error")
    assert(err.kind == "transport" or err.kind == "protocol", err.kind)
  end)
end)

-- What a GET and a PATCH make of a server's bytes.
local function meet(rules, more)
  local server = t.server(rules)
  local client = server:client(t.merged({ retry = { max_tries = 2, base_delay = 0.01 } }, more or {}))
  local _, value, err = t.timed(client.get, client, t.call(t.id))
  assert.is_nil(value)
  assert.is_nil(err.continuation_token)
  local read = #server:requests()
  local _, none, why = t.timed(client.update, client, approve)
  assert.is_nil(none)
  t.has_no_secret(why, "an error")
  return err, why, read
end

local head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
local cut = "the network connection was closed before the response was complete: "

describe("answers that are none", function ()
  for name, case in t.each {
    ["an empty reply"] = { { raw = "", after = "close" }, "transport", cut .. "Empty reply from server" },
    ["a reply cut in its status line"] = { { raw = "HTTP/1.", after = "close" }, "transport", "^" .. cut },
    ["a reply cut in its head"] = { { raw = head .. "Content-Len", after = "close" }, "transport", "^" .. cut },
    ["a body cut short of Content-Length"] = { { raw = head .. 'Content-Length: 100\r\n\r\n{"id":', after = "close" },
      "transport", "^" .. cut },
    ["a body cut between two chunks"] = { { raw = head .. 'Transfer-Encoding: chunked\r\n\r\n6\r\n{"id":\r\n',
      after = "close" }, "transport", "^" .. cut .. "transfer closed with outstanding read data remaining" },
    ["a body cut within a chunk"] = { { raw = head .. 'Transfer-Encoding: chunked\r\n\r\n60\r\n{"id":',
      after = "close" },
      "transport", "^" .. cut .. "transfer closed with outstanding read data remaining" },
  } do
    it(name, function ()
      local err, why, read = meet { case[1] }
      t.fails(case[2], case[3], nil, err)
      t.fails(case[2], case[3], nil, why)
      assert.is_true(err.retryable)
      assert.equal(2, read)
      assert.is_string(why.continuation_token)
    end)
  end

  it("a cut reply is asked for again", function ()
    local server = t.server {
      { times = 1, raw = head .. 'Content-Length: 100\r\n\r\n{"id":', after = "close" },
      { times = 1, raw = head .. 'Content-Length: 6\r\n\r\n{"id":' },
      { headers = json, body = t.connection_json() },
    }
    assert.equal(t.id, assert(server:client():get(t.call(t.id))).id)
    assert.equal(3, #server:requests())
  end)

  it("a body cut without anybody saying so (no length) is no connection", function ()
    local err = meet { { raw = head .. 'Connection: close\r\n\r\n{"id":', after = "close" } }
    t.fails("protocol", 'the response is not a JSON object: {"id":', nil, err)
  end)

  for name, bytes in t.each {
    ["a banner of another protocol"] = "SSH-2.0-OpenSSH_9.2\r\n", ["noise"] = "\1\2\3\255\254\r\n\r\n\0\0",
    ["HTML without a head"] = "<html><body>hello</body></html>\n",
    ["a status that is none"] = "HTTP/1.1 abc Hello\r\n\r\n",
  } do
    it("garbage instead of HTTP: " .. name, function ()
      local err, why = meet { { raw = bytes, after = "close" } }
      t.fails("protocol", "^the server's response is not HTTP: ", nil, err)
      t.fails("protocol", "^the server's response is not HTTP: ", nil, why)
      assert.is_string(why.continuation_token)
    end)
  end

  it("an unrequested switch to another protocol", function ()
    local err, why = meet({ { raw = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", after = "stall" } },
      { timeout = 100 })
    t.fails("protocol", "the server's response is not HTTP", nil, err)
    t.fails("protocol", "the server's response is not HTTP", nil, why)
    assert.is_string(why.continuation_token)
  end)
end)

describe("answers that are none (content)", function ()
  it("HTML with status 200 instead of JSON", function ()
    local page = "<html><body>Welcome to the hotel's WiFi</body></html>"
    local err, why = meet { { headers = { "Content-Type: text/html" }, body = page } }
    t.fails("protocol", "the response is not a JSON object: " .. page, nil, err)
    assert.equal(200, err.http_status)
    t.fails("protocol", "unexpected response to the write: " .. page, nil, why)
    assert.is_string(why.continuation_token)
  end)

  for name, case in t.each {
    ["an empty body"] = { "", "the response is not a JSON object" },
    ["a JSON array"] = { "[1]", "^the response is not a" },
    ["an empty object"] = { "{}", "^the response is not a" },
    ["JSON nested beyond all sense"] = { ("["):rep(2000) .. ("]"):rep(2000),
      "^the response is not a JSON object: %[%[" },
    ["two texts in one"] = { '{"id":"a"}{"id":"b"}', '^the response is not a JSON object: ' },
    ["a NaN"] = { '{"id":NaN}', "^the response is not a JSON object: " },
  } do
    it("200 with " .. name, function ()
      local err = meet({ { headers = json, body = case[1] } }, { retry = { max_tries = 1 } })
      t.fails("protocol", case[2], nil, err)
    end)
  end

  it("200 with the service's error", function ()
    local err, why = meet { { headers = json, body = '{"error":{"code":"InvalidSubscriptionState","message":"m"}}' } }
    t.fails("forbidden", "InvalidSubscriptionState: m (HTTP 200)", nil, err)
    assert.equal("InvalidSubscriptionState", err.code)
    t.fails("forbidden", "InvalidSubscriptionState: m (HTTP 200)", nil, why)
    assert.is_string(why.continuation_token)
  end)
end)

describe("answers that are none (size)", function ()
  it("a body larger than the ceiling ends as soon as it is", function ()
    local err, why = meet { { headers = json, pad = 17 * 1024 * 1024 } }
    t.fails("limit", "the response is larger than allowed", nil, err)
    t.fails("limit", "the response is larger than allowed", nil, why)
    assert.is_false(err.retryable)
    assert.is_string(why.continuation_token)
  end)

  it("a link to the next page beyond the ceiling is a limit, and not the list's end", function ()
    local link = '{"value":[%s],"nextLink":"{origin}/p?%s"}'
    local server = t.server { { headers = json, body = link:format(t.connection_json(), ("x"):rep(2 << 20)) } }
    local ok, err = pcall(function ()
      for _ in server:client():list { resource_group_name = "rg", account_name = "acct" } do end
    end)
    assert.is_false(ok)
    t.fails("limit", "^the link to the next page is too long", nil, err)
  end)

  it("a small body that unpacks to more than the ceiling", function ()
    local pipe <close> = io.popen "head -c 40000000 /dev/zero | gzip -c"
    local bomb = pipe:read "a"
    assert(#bomb < 100000)
    local err = meet { { headers = { t.json_type, "Content-Encoding: gzip" }, body = bomb } }
    t.fails("limit", "the response is larger than allowed", nil, err)
  end)

  it("a body that only claims to be larger than the ceiling ends at once or at the deadline", function ()
    local err = meet({ { raw = head .. "Content-Length: 99999999999\r\n\r\n{", after = "stall" } }, { timeout = 0.5 })
    assert(err.kind == "limit" or err.kind == "timeout", tostring(err))
  end)

  it("a head without an end is a limit, not a lack of memory", function ()
    local err = meet { { raw = "HTTP/1.1 200 OK\r\n" .. ("X-Filler: " .. ("x"):rep(990) .. "\r\n"):rep(2000),
      after = "close" } }
    t.fails("limit", "^the response is larger than allowed", nil, err)
  end)

  it("lines without an end before the head or after the body are a limit", function ()
    local line = "X-Filler: " .. ("x"):rep(990) .. "\r\n"
    for _, raw in ipairs { ("HTTP/1.1 103 Early Hints\r\n" .. line .. "\r\n"):rep(280),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" .. line:rep(280) } do
      t.fails("limit", "^the response is larger than allowed", nil, meet { { raw = raw, after = "close" } })
    end
  end)

  it("what was read of a head that is too large is not looked at: a folded line, and one that just fits", function ()
    local filler = ("X-Filler: " .. ("x"):rep(989) .. "\r\n"):rep(250) -- 1000 bytes each where they are kept
    local id = "x-ms-request-id: " .. ("r"):rep(11)
    local fits = "x-ms-request-id: " .. ("r"):rep(256 * 1024 - 250 * 1000 - 17)
    for _, last in ipairs { id .. "\r\n " .. ("y"):rep(20000), fits } do
      local err = meet { { raw = "HTTP/1.1 200 OK\r\n" .. filler .. last .. "\r\n\r\n", after = "close" } }
      t.fails("limit", "^the response is larger than allowed", nil, err)
      assert.is_nil(err.request_id)
    end
  end)

  it("one header line that is longer than all sense is a limit, and named", function ()
    local err = meet { { raw = "HTTP/1.1 200 OK\r\nX-Filler: " .. ("x"):rep(1000000) .. "\r\n\r\n", after = "close" } }
    -- libcurl 8.6 has a code of its own for it
    assert(err.message:find "^not enough memory, or a header line is too long"
      or err.message:find "^the response is larger than allowed", err.message)
    assert.equal("limit", err.kind)
  end)

  it("what is odd but legal is understood", function ()
    local body = ('{"id":"%s","properties":{}}'):format(t.id)
    local spec = { { gzip = true }, { bom = true }, { chunked = true }, { dribble = { bytes = 40, seconds = 0.001 } },
      { http_version = "1.0" }, { interim = { { status = 103, headers = { Location = "/early" } } } },
      { close_after = true }, { delay_answer = 0.05 } }
    local own = t.emulator()
    for _, action in ipairs(spec) do
      own:reset()
      own:faults { { match = { kind = { "get", "update", "poll", "token" } }, action = action } }
      local client = own:client()
      local connection, err = client:update(t.call(own.sample, { status = "Approved" }))
      assert(connection, (next(action)) .. ": " .. tostring(err))
      assert.equal(own.sample, assert(client:get(t.call(own.sample))).id)
    end
    own:stop()
    local server = t.server { { raw = "HTTP/1.1 200 OK\r\nCONTENT-TYPE:application/json\r\netag:\t\"x\" \r\n"
      .. "content-length: " .. #body .. "\r\n\r\n" .. body } }
    assert.equal('"x"', assert(server:client():get(t.call(t.id))).etag)
  end)
end)

describe("a server that stalls", function ()
  -- Enough for all that comes before the stall, on any machine.
  local timeout = 1 * t.patience
  local stall = { raw = "", after = "stall" }
  local half = { raw = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    after = "stall" }

  local function stalled(call, rules, more)
    local server = t.server(rules)
    local client = server:client(t.merged({ timeout = timeout }, more or {}))
    local took, value, err = t.timed(client[call], client, call == "get" and t.call(t.id) or approve)
    assert(took >= timeout - 0.01, took)
    t.fails("timeout", "^timed out after ", value, err)
    assert.is_true(err.retryable)
    assert.is_nil(err.http_status)
    return err, server
  end

  it("before a GET is answered: a timeout, nothing to resume", function ()
    local err = stalled("get", { stall })
    assert.equal("request", err.phase)
    assert.is_nil(err.continuation_token)
  end)

  it("in the middle of a GET's answer: a timeout, nothing to resume", function ()
    assert.is_nil(stalled("get", { half }).continuation_token)
  end)

  it("before a PATCH is answered: a timeout that can be resumed", function ()
    local err, server = stalled("update", { stall })
    assert.equal("request", err.phase)
    assert.is_string(err.continuation_token)
    assert.equal("PATCH", server:wait(1)[1].method)
  end)

  it("in the middle of a PATCH's answer: a timeout that can be resumed", function ()
    assert.is_string(stalled("update", { half }).continuation_token)
  end)

  it("at a poll: a timeout that can be resumed", function ()
    local err = stalled("update", { { method = "PATCH", status = 202, headers = { "Location: {origin}/op" } }, stall })
    assert.equal("poll", err.phase)
    assert.is_string(err.continuation_token)
  end)

  it("at the sign-in: a timeout, nothing to resume", function ()
    local err, server = stalled("update", { stall }, { credential = azpec.credential.client_secret {
      tenant_id = "t.example", client_id = "c", client_secret = t.secret } })
    assert.equal("token", err.phase)
    assert.is_nil(err.continuation_token)
    assert.equal("POST", server:wait(1)[1].method)
  end)

  it("in the TLS handshake: no PATCH can have reached anybody, nothing to resume", function ()
    local server = t.server { stall }
    local client <close> = ready { endpoint = server.endpoint:gsub("^http:", "https:"), timeout = timeout }
    local _, value, err = t.timed(client.update, client, approve)
    t.fails("timeout", "^timed out after ", value, err)
    assert.equal(0, #server:requests())
    assert.is_nil(err.continuation_token)
  end)

  it("many times over is a timeout each time, whichever timer is the first to fire", function ()
    local client = t.server { stall }:client()
    local pollers = {}
    for n = 1, 40 do
      pollers[n] = client:begin_update(t.call(t.id .. n, { status = "Approved", timeout = 1 * t.patience + n * 0.005 }))
    end
    local kinds = {}
    for n = 1, 40 do
      local _, err = pollers[n]:wait()
      local kind = err.kind .. " in phase " .. err.phase
      kinds[kind] = (kinds[kind] or 0) + 1
    end
    assert.same({ ["timeout in phase request"] = 40 }, kinds)
  end)

  it("while it always answers 503: the deadline ends it and names the last error", function ()
    local server = t.server { { status = 503 } }
    local client = server:client { timeout = timeout, retry = { max_tries = 86400, base_delay = 0.01,
      max_delay = 0.05 } }
    local _, value, err = t.timed(client.get, client, t.call(t.id))
    assert.is_nil(value)
    t.has_no_secret(err, "an error")
    assert(err.kind == "service" or err.kind == "timeout", err.kind)
    assert.truthy(err.message:find("HTTP 503", 1, true))
    assert(#server:requests() > 4)
  end)

  it("the error has a timeout of a fraction of a second as it was given", function ()
    local server = t.server { stall }
    local client = server:client { timeout = 0.25 }
    local value, err = client:get(t.call(t.id)) -- wherever in the call the deadline passes
    t.fails("timeout", "^timed out after 0%.25 s", value, err)
    assert(err.elapsed.total >= 0.2, err.elapsed.total)
  end)
end)
