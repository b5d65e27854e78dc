-- Real proxies between azpec and the emulator: forward proxies with a password, one that looks into TLS, and reverse
-- proxies with HTTP/2 and compression, each as proxies.lua configures it.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local proxies = require "peers.proxies"
local t = require "loopback.support"

local emulator

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

local function port_of(url) return tonumber(url:match ":(%d+)$") end

local function status_of(connection) return connection.properties.privateLinkServiceConnectionState.status end

local function approve(client, id)
  return client:update(t.call(id or emulator.sample, { status = "Approved" }))
end

local account = { resource_group_name = "rg-contoso-prod", account_name = "manyacct" }

local function count(client)
  local found = 0
  for _ in client:list(account) do found = found + 1 end
  return found
end

local function retries(events)
  local found = 0
  for _, event in ipairs(events) do found = found + (event.event == "retry" and 1 or 0) end
  return found
end

local quick = { max_tries = 3, base_delay = 0.01, max_delay = 0.02 }

-- Each row's tests, with the proxy started once; without the program each is skipped. `more` is the name of what its
-- configuration gets.
local function each_row(rows, kind, more, define)
  for name, row in t.each(rows) do
    describe(("%s as a %s proxy"):format(name, kind), function ()
      local shared = { row = row }
      setup(function ()
        if not proxies.place(row) then return end
        print(("# client: %s as a %s proxy: %s"):format(name, kind, proxies.version(row)))
        shared.proxy = proxies.start(row, port_of(emulator.tls_endpoint), row[more], "file")
      end)
      teardown(function () if shared.proxy then shared.proxy:stop() end end)
      define(shared, function (title, test)
        it(title, function ()
          if not shared.proxy then return pending(row.why_not) end
          test(shared.proxy)
        end)
      end)
    end)
  end
end

local function url(proxy, user)
  return ("http://%s127.0.0.1:%d"):format(user or "", proxy.port)
end

-- A client that goes through the forward proxy; more: its further options.
local function through(shared, proxy, more)
  local own_ca = shared.row.ca_file and { ca_file = proxy.ca_file }
  return emulator:client(t.merged({ tls = true, proxy = url(proxy, "user:right@") }, own_ca or {}, more or {}))
end

local function fails_at_the_proxy(message, client, events)
  local value, err = approve(client)
  t.fails("transport", "^" .. message, value, err)
  assert.is_nil((t.text_of(err) .. t.text_of(events)):find("hush", 1, true))
  return err
end

each_row(proxies.forward, "forward", "password", function (shared, test)
  test("carries sign-in, update, polling and a list over one connection, with the right password", function (proxy)
    local client = through(shared, proxy)
    assert.equal("Approved", status_of(assert(approve(client))))
    assert.equal(64, count(client))
    assert.equal("token update poll poll poll list", emulator:kinds())
    assert.equal(1, emulator:connection_count())
  end)

  for name, user in t.each { ["a wrong password"] = "user:hush-hush@", ["no password"] = "" } do
    test("refuses " .. name .. " with 407, which is told with what to do, and asked once", function (proxy)
      local client, events = through(shared, proxy, { proxy = url(proxy, user), retry = quick,
        credential = azpec.credential.token { token = t.canary } })
      local err = fails_at_the_proxy("the proxy requires a user name and password: ", client, events)
      assert.truthy(err.hint:find("USER:PASSWORD", 1, true), err.hint)
      assert.is_false(err.retryable)
      assert.equal(0, retries(events))
      assert.equal("", emulator:kinds())
    end)
  end

  test("cannot reach the server: that is tried again, and told as the proxy's words", function (proxy)
    local nowhere = "https://127.0.0.1:" .. proxy.dead
    local client, events = through(shared, proxy, { endpoint = nowhere, retry = quick,
      credential = azpec.credential.token { token = t.canary } })
    local err = fails_at_the_proxy("the proxy could not be used: CONNECT tunnel failed, response 50%d", client, events)
    assert.is_true(err.retryable)
    assert.equal(2, retries(events))
  end)

  if shared.row.ca_file then
    test("inspects TLS: without its CA file the certificate is refused, and no token is sent", function (proxy)
      local client, events = through(shared, proxy, { ca_file = emulator.ca_file, retry = quick,
        credential = azpec.credential.token { token = t.canary } })
      local value, err = approve(client)
      t.fails("untrusted", "^the server's certificate is not trusted: ", value, err)
      assert.matches("as with a TLS-inspecting proxy, name its CA file", err.hint, 1, true)
      assert.is_false(err.retryable)
      assert.equal(0, retries(events))
      assert.equal("", emulator:kinds())
    end)
  end

  -- The last one of its tests.
  test("ends while an operation runs: that can be resumed without it", function (proxy)
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
    local client, events = through(shared, proxy)
    local poller = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    local function step() poller:wait(0.01) end
    t.await("a poll", function () return emulator:has_met(1) end, step)
    proxy:stop()
    local refused = "the proxy could not be used: Failed to connect to "
    local function sees_it() return t.text_of(events):find(refused, 1, true) end
    t.await("its end", sees_it, step)
    poller:cancel()
    local err = t.fails("canceled", "^", poller:wait())
    emulator:release()
    assert.equal("Approved", status_of(assert(assert(emulator:client { tls = true }:resume(
      err.continuation_token)):wait())))
    assert.equal(1, #emulator:log "update")
  end)
end)

-- A client of the reverse proxy.
local function in_front(proxy, more)
  local endpoint = "https://127.0.0.1:" .. proxy.port
  return emulator:client(t.merged({ endpoint = endpoint, authority_host = endpoint, ca_file = proxy.ca_file },
    more or {}))
end

each_row(proxies.reverse, "reverse", "kept", function (shared, test)
  test("carries sign-in, update and polling, for a path in Japanese as well", function (proxy)
    local client = in_front(proxy)
    assert.equal("Approved", status_of(assert(approve(client))))
    assert.equal("Approved", status_of(assert(approve(client, emulator.tokyo))))
    assert.equal("token update poll poll poll update poll poll poll", emulator:kinds())
    local direct = emulator:log "update"[2].target
    assert(approve(emulator:client { tls = true }, emulator.tokyo))
    assert.equal(direct, emulator:log "update"[3].target)
  end)

  test("carries a list of many pages", function (proxy)
    emulator:set { page_size = 10 }
    assert.equal(64, count(in_front(proxy)))
    assert.equal(7, #emulator:log "list")
  end)

  test("leaves ETag and If-Match as they are, though it compresses", function (proxy)
    local client = in_front(proxy)
    local id = emulator.many[1]
    local etag = emulator:connection(id).etag
    local seen = assert(client:get(t.call(id)))
    assert.equal(etag, seen.etag)
    assert(client:update(t.call(id, { status = "Approved", if_match = etag })))
    assert.equal(etag, emulator:log "update"[1].headers["if-match"])
    local value, err = client:update(t.call(id, { status = "Rejected", if_match = etag }))
    t.fails("precondition", "^PreconditionFailed: ", value, err)
    assert.equal(412, err.http_status)
  end)

  local passes = shared.row.takes_long and "passes on" or "refuses"
  test(passes .. " a token of 20,000 bytes, and no error shows it", function (proxy)
    local long = ("x"):rep(20000)
    local client, events = in_front(proxy, { credential = azpec.credential.token { token = long }, retry = quick })
    local value, err = client:get(t.call(emulator.sample))
    assert.is_nil(value)
    assert.equal(shared.row.takes_long and "get" or "", emulator:kinds())
    assert(retries(events) <= 2)
    assert.is_nil((t.text_of(err) .. t.text_of(events)):find("xxxxxx", 1, true))
    local status = err.http_status or 400 -- an HTTP/2 connection ends instead
    assert(status >= 400 and status < 500, err.message)
  end)

  test("has no server behind it: that is tried again, and told with its words", function (proxy)
    local dead = proxies.start(shared.row, proxy.dead, shared.row.kept)
    local client, events = in_front(dead, { credential = azpec.credential.token { token = t.canary }, retry = quick })
    local value, err = client:get(t.call(emulator.sample))
    t.fails("service", "^.*HTTP 50[234]", value, err)
    if err.message:find "<html" then assert.truthy(err.hint:find "not from Azure Resource Manager", err.hint) end
    assert.is_true(err.retryable)
    assert.equal(2, retries(events))
  end)

  test("names the server itself in Host: polls go to the connection, and a nextLink is refused", function ()
    local own = proxies.start(shared.row, port_of(emulator.tls_endpoint), shared.row.foreign)
    emulator:set { page_size = 10 }
    local client = in_front(own)
    assert.equal("Approved", status_of(assert(approve(client))))
    assert.equal(shared.row.moves_location and "token update poll poll poll" or "token update get get get",
      emulator:kinds())
    local ok, err = pcall(count, client)
    assert.is_false(ok)
    t.fails("untrusted", "^the link to the next page is on another origin: " .. emulator.tls_endpoint, nil, err)
  end)
end)
