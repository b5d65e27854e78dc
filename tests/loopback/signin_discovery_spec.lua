-- A cloud that the endpoint itself tells: asked once, before the first token and not before; what was given is kept;
-- what may not be believed gets no secret.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local kit = require "lua.kit"
local t = require "loopback.support"

local emulator

-- A client that was told the endpoint alone.
local function client_of(more)
  local fields = t.merged(emulator:fields(more and more.tls), { credential = emulator:credential(), discover = true })
  fields.authority_host = nil
  fields = t.merged(fields, more or {})
  fields.tls = nil
  return azpec.client(fields)
end

local function answer(action)
  emulator:faults { { match = { kind = "metadata" }, action = action } }
end

local function cloud(more)
  return t.merged({ name = "x", resourceManager = emulator.endpoint .. "/",
    authentication = { loginEndpoint = emulator.endpoint, tenant = "common", identityProvider = "AAD",
      audiences = { "https://management.azure.com" } } }, more or {})
end

local function fails(kind, text, more)
  local client <close> = client_of(more)
  local none, err = client:get { id = emulator.sample }
  assert.is_nil(none)
  assert.equal(kind, err.kind)
  assert(err.message:find(text, 1, true), err.message)
  assert.equal("token", err.phase)
  assert.equal("untried", err.links[1].outcome)
  assert.equal(0, #emulator:log "token")
  t.has_no_secret(err, "an error")
  return err
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("discover", function ()
  it("asks the endpoint, without a token, before the first sign-in, and once", function ()
    emulator:set { token_lifetime = 1 }
    local client <close> = client_of()
    assert.equal("", emulator:kinds())
    assert.is_nil(client:settings().authority_host)
    assert.is_nil(client:settings().scope)
    assert(client:get { id = emulator.sample })
    repeat assert(client:get { id = emulator.sample }) until #emulator:log "token" > 1
    assert.truthy(emulator:kinds():find "^metadata token get")
    assert.equal(1, #emulator:log "metadata")
    local asked = emulator:log "metadata"[1]
    assert.equal("2022-09-01", asked.api_version)
    assert.is_nil(asked.headers.authorization)
    assert.equal("https://management.core.windows.net//.default", emulator:log "token"[1].token.scope)
    assert.equal(emulator.endpoint, client:settings().authority_host)
    assert.equal("https://management.core.windows.net//.default", client:settings().scope)
  end)

  it("over TLS, with a byte order mark before the JSON", function ()
    answer { bom = true }
    assert(client_of { tls = true }:get { id = emulator.sample })
  end)

  it("one answer serves all who wait", function ()
    local client <close> = client_of()
    local pollers = {}
    for n = 1, 20 do pollers[n] = client:begin_update(t.call(emulator.many[n], { status = "Approved" })) end
    for n = 1, 20 do assert(pollers[n]:wait()) end
    assert.equal(1, #emulator:log "metadata")
    assert.equal(1, #emulator:log "token")
  end)

  it("asks nobody where authority and scope were given; one that was given is kept", function ()
    assert(client_of { authority_host = emulator.endpoint, scope = "https://management.azure.com/.default" }
      :get { id = emulator.sample })
    assert.equal("token get", emulator:kinds())
    emulator:control("DELETE", "log")
    assert(client_of { scope = "https://management.azure.com/.default" }:get { id = emulator.sample })
    assert.equal("metadata token get", emulator:kinds())
    assert.equal("https://management.azure.com/.default", emulator:log "token"[1].token.scope)
    emulator:control("DELETE", "log")
    answer { status = 200, body = cloud { authentication = { loginEndpoint = "https://127.0.0.1:1",
      audiences = { "https://management.azure.com" } } } }
    assert(client_of { authority_host = emulator.endpoint }:get { id = emulator.sample })
  end)

  it("takes the audience that is the endpoint before the first one", function ()
    answer { status = 200, body = cloud { authentication = { loginEndpoint = emulator.endpoint, audiences = {
      "https://graph.microsoft.com", emulator.endpoint .. "/" } } } }
    assert(client_of():get { id = emulator.sample })
    assert.equal(emulator.endpoint .. "//.default", emulator:log "token"[1].token.scope)
  end)

  it("takes the list of older versions: the only cloud of it, or the one of this endpoint", function ()
    answer { status = 200, body = { cloud { resourceManager = "https://else.example" } } }
    assert(client_of():get { id = emulator.sample })
    answer { status = 200, body = { { name = "China", resourceManager = "https://management.chinacloudapi.cn",
      authentication = { loginEndpoint = "https://127.0.0.1:1", audiences = { "x" } } }, cloud() } }
    assert(client_of():get { id = emulator.sample })
    emulator:control("DELETE", "log")
    answer { status = 200, body = { cloud { resourceManager = "https://a.example" },
      cloud { resourceManager = "https://b.example" } } }
    fails("protocol", "no loginEndpoint")
  end)

  it("refuses ADFS, an authority that is not https, and what names nothing", function ()
    local function with(authentication)
      answer { status = 200, body = cloud { authentication = authentication } }
    end
    with { loginEndpoint = "https://adfs.local.example/adfs", identityProvider = "ADFS", audiences = { "a" } }
    assert.truthy(fails("protocol", "Active Directory Federation Services").hint:find("authority_host", 1, true))
    with { loginEndpoint = "http://login.example", identityProvider = "AAD", audiences = { "a" } }
    fails("untrusted", "http://login.example")
    with { loginEndpoint = emulator.endpoint, audiences = {} }
    fails("protocol", "no audience")
    with { loginEndpoint = emulator.endpoint, audiences = { 5, { "x" } } }
    fails("protocol", "no audience")
    with { loginEndpoint = 5, audiences = { "a" } }
    fails("protocol", "no loginEndpoint")
    for _, body in ipairs { "[]", "{}", "[1,2]", '{"authentication":5}', '{"authentication":null}' } do
      answer { status = 200, body = body }
      fails("protocol", "no loginEndpoint")
    end
  end)

  it("refuses an authority in clear where the endpoint is not", function ()
    answer { status = 200, body = cloud() } -- whose loginEndpoint is http
    fails("untrusted", "not https", { tls = true })
  end)

  it("reports an unexpected response", function ()
    answer { html = true, status = 200 }
    fails("protocol", "not JSON")
    answer { status = 404, body = "{}" }
    assert.equal(404, fails("not_found", "HTTP 404").http_status)
    answer { status = 307, headers = { Location = emulator.endpoint .. "/metadata/endpoints?api-version=2022-09-01" } }
    fails("service", "HTTP 307")
    assert.equal(1, #emulator:log "metadata" - 2)
  end)

  it("and after a failure the next call asks again", function ()
    emulator:faults { { match = { kind = "metadata", times = 1 }, action = { status = 404 } } }
    local client <close> = client_of()
    assert.is_nil((client:get { id = emulator.sample }))
    assert(client:get { id = emulator.sample })
    assert.equal("metadata metadata token get", emulator:kinds())
  end)

  it("AZURE_AUTHORITY_HOST goes before it, as before the cloud's", function ()
    assert.equal("https://login.elsewhere.example nil", kit.child([[
      local client = require "azpec".client { endpoint = "https://127.0.0.1:1", discover = true }
      print(client:settings().authority_host, client:settings().scope)
    ]], { AZURE_AUTHORITY_HOST = "https://login.elsewhere.example" }):gsub("%s+", " "), nil)
  end)
end)
