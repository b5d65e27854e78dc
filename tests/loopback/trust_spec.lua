package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local t = require "loopback.support"

local emulator

local function status_of(connection)
  return connection.properties.privateLinkServiceConnectionState.status
end

local function untrusted_polls(events)
  local count = 0
  for _, event in ipairs(events) do
    if event.untrusted_poll_url then count = count + 1 end
  end
  return count
end

local json = { t.json_type }

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("where the token goes", function ()
  for _, status in ipairs { 301, 302, 303, 307, 308 } do
    it("a redirect (" .. status .. ") is never followed, for GET, PATCH and DELETE alike", function ()
      local other = t.server { { headers = json, body = t.connection_json() } }
      local server = t.server { { status = status, headers = { "Location: " .. other.endpoint .. "/login?secret=1" } } }
      local client = server:client()
      for _, call in ipairs { "get", "update", "delete" } do
        local err = t.fails("service",
          ("empty response, redirect to %s/login (HTTP %d)"):format(other.endpoint, status),
          client[call](client, t.call(t.id, { status = call == "update" and "Approved" or nil })))
        assert.equal(status, err.http_status)
        assert.equal("redirects are never followed with a token: check for a proxy or captive portal",
          err.hint)
        assert.is_nil(err.continuation_token)
      end
      assert.equal(3, #server:requests())
      assert.equal(0, other:connection_count())
    end)
  end

  it("a redirect of the token endpoint is never followed with the secret", function ()
    local other = t.server { { headers = json, body = '{"access_token":"x","expires_in":3600}' } }
    local server = t.server { { status = 307, headers = { "Location: " .. other.endpoint .. "/token" } } }
    local credential = azpec.credential.client_secret { tenant_id = "t.example", client_id = "c",
      client_secret = t.secret }
    local err = t.fails("protocol", "^sign%-in failed: .* %(HTTP 307%)$",
      server:client { credential = credential }:get(t.call(t.id)))
    assert.equal("token", err.phase)
    assert.equal(1, #server:requests())
    assert.equal(0, other:connection_count())
  end)

  for _, header in ipairs { "Location", "Azure-AsyncOperation" } do
    it("a foreign " .. header .. " is never followed: the resource is polled instead", function ()
      local other = t.server { { headers = json, body = t.connection_json() } }
      local server = t.server {
        { method = "PATCH", status = 202, headers = { header .. ": " .. other.endpoint .. "/op" } },
        { method = "GET", path = "privateEndpointConnections", times = 1, headers = json,
          body = t.connection_json("Pending", { provisioningState = "Updating" }) },
        { method = "GET", path = "privateEndpointConnections", headers = json, body = t.connection_json() },
      }
      local client, events = server:client()
      assert.equal("Approved", status_of(assert(client:update(t.call(t.id, { status = "Approved" })))))
      assert.equal(3, #server:requests())
      assert.equal(0, other:connection_count())
      assert(untrusted_polls(events) > 0, "no event tells of it")
    end)
  end

  for _, place in ipairs { "foreign", "http", "userinfo", "port", "subdomain" } do
    it("a Location that is another place (" .. place .. ") is not followed over HTTPS", function ()
      emulator:faults { { match = { kind = { "update", "poll" } }, action = { location = place } } }
      local client, events = emulator:client { tls = true }
      assert.equal("Approved", status_of(assert(client:update(t.call(emulator.sample, { status = "Approved" })))))
      assert.equal("token update get get get", emulator:kinds())
      for _, entry in ipairs(emulator:log()) do assert.is_true(entry.tls) end
      assert(untrusted_polls(events) > 0, "no event tells of it")
    end)
  end

  it("a Location that becomes another place in the middle of polling is not followed", function ()
    emulator:faults { { match = { kind = "poll", nth = 1 }, action = { location = "foreign" } } }
    assert(emulator:client { tls = true }:update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("token update poll get get", emulator:kinds())
  end)

  it("a relative Location is followed", function ()
    emulator:faults { { match = { kind = { "update", "poll" } }, action = { location = "relative" } } }
    assert(emulator:client { tls = true }:update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("token update poll poll poll", emulator:kinds())
  end)

  it("a resource that is polled in an untrusted Location's place stays subject to the deadline", function ()
    emulator:set { operation_polls = 1000 }
    emulator:faults { { match = { kind = { "update", "poll" } }, action = { location = "foreign" } } }
    local _, value, err = t.timed(function ()
      return emulator:client():update(t.call(emulator.sample, { status = "Approved", timeout = 2 * t.patience }))
    end)
    t.fails("timeout", "^timed out after ", value, err)
    assert.is_string(err.continuation_token)
    assert.is_nil(err.continuation_token:find("evil", 1, true))
  end)
end)

describe("where the token goes (trusted origins, lists)", function ()
  it("trusted_origins lets the polls go to another place, with the token", function ()
    local other = t.server { { headers = json, body = t.connection_json() } }
    local server = t.server {
      { method = "PATCH", status = 202, headers = { "Location: " .. other.endpoint .. "/op?a=1" } } }
    local client = server:client { trusted_origins = { other.endpoint } }
    assert.equal("Approved", status_of(assert(client:update(t.call(t.id, { status = "Approved" })))))
    local requests = other:requests()
    assert.equal(1, #requests)
    assert.equal("GET /op?a=1 HTTP/1.1", requests[1].line)
    assert.equal("Bearer " .. t.canary, requests[1].headers.authorization)
  end)

  it("trusted_origins lets in that origin alone: another port stays foreign", function ()
    local other, third = t.server { { body = "{}" } }, t.server { { body = "{}" } }
    local server = t.server {
      { method = "PATCH", status = 202, headers = { "Location: " .. third.endpoint .. "/op" } },
      { method = "GET", headers = json, body = t.connection_json() },
    }
    assert(server:client { trusted_origins = { other.endpoint } }:update(t.call(t.id, { status = "Approved" })))
    assert.equal(0, other:connection_count() + third:connection_count())
  end)

  local account = { resource_group_name = "rg", account_name = "acct" }

  local function listed(client)
    local names = {}
    for connection in client:list(account) do names[#names + 1] = connection.name end
    return names
  end

  it("a nextLink to another place is refused", function ()
    local other = t.server { { headers = json, body = '{"value":[]}' } }
    local server = t.server { { headers = json,
      body = '{"value":[{"name":"a"}],"nextLink":"' .. other.endpoint .. '/next?token=1"}' } }
    local ok, err = pcall(listed, server:client())
    assert.is_false(ok)
    t.fails("untrusted", "the link to the next page is on another origin: " .. other.endpoint .. "/next", nil, err)
    assert.equal(0, other:connection_count())
  end)

  it("a nextLink is followed on the own origin, relative too, and on a trusted one", function ()
    local other = t.server { { headers = json, body = '{"value":[{"name":"c"}]}' } }
    local server = t.server {
      { path = "page2", headers = json, body = '{"value":[{"name":"b"}],"nextLink":"' .. other.endpoint .. '/3"}' },
      { headers = json, body = '{"value":[{"name":"a"}],"nextLink":"/page2?x=%24y"}' },
    }
    assert.same({ "a", "b", "c" }, listed(server:client { trusted_origins = { other.endpoint } }))
    assert.equal("GET /page2?x=%24y HTTP/1.1", server:requests()[2].line)
    assert.equal("Bearer " .. t.canary, other:requests()[1].headers.authorization)
  end)

  it("the sign-in's origin sees the secret and no token, the endpoint the token and no secret", function ()
    local authority = t.server { { headers = json,
      body = '{"token_type":"Bearer","expires_in":3600,"access_token":"' .. t.canary .. '"}' } }
    local server = t.server { { headers = json, body = t.connection_json() } }
    local credential = azpec.credential.client_secret { tenant_id = "t.example", client_id = "c",
      client_secret = "only for the authority" }
    assert(server:client { credential = credential, authority_host = authority.endpoint }:get(t.call(t.id)))
    local sign_in, request = authority:requests()[1], server:requests()[1]
    assert.equal("POST /t.example/oauth2/v2.0/token HTTP/1.1", sign_in.line)
    assert.is_nil(sign_in.headers.authorization)
    assert.truthy(sign_in.body:find("client_secret=only", 1, true))
    assert.equal("Bearer " .. t.canary, request.headers.authorization)
    assert.is_nil(request.bytes:find("only", 1, true))
  end)
end)
