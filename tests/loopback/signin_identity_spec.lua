-- Who is signed in, and what each link of a credential made of it: claims of real tokens, none of opaque ones, what
-- explain says before and after, and the same in an error.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local cqueues = require "cqueues"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

local function outcomes(links)
  local list = {}
  for n, link in ipairs(links) do list[n] = link.credential .. "=" .. link.outcome end
  return table.concat(list, " ")
end

local function base64url(text)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  return (text:gsub("..?.?", function (s)
    local a, b, c = s:byte(1, -1)
    local bits, out = a << 16 | (b or 0) << 8 | (c or 0), ""
    for n = 0, #s do
      local at = (bits >> (18 - 6 * n)) % 64 + 1
      out = out .. digits:sub(at, at)
    end
    return out
  end))
end

local function token_of(payload)
  return base64url '{"alg":"none"}' .. "." .. base64url(payload) .. "." .. base64url "signature"
end

local function ready(token)
  return emulator:client { credential = azpec.credential.token { token = token } }
end

describe("client:identity", function ()
  setup(function () emulator = signin.start() end)
  before_each(function () signin.reset() end)
  after_each(t.tidy)
  teardown(t.close)

  it("signs an application in, asks nobody but who gives tokens, and says who it is and until when", function ()
    local client, events = emulator:client()
    assert.is_nil(client:settings().identity)
    local identity = assert(client:identity())
    assert.same(identity.claims, client:settings().identity.claims)
    assert.equal("token", emulator:kinds())
    assert.equal("client_secret", identity.credential)
    local claims = identity.claims
    assert.equal(emulator.client_id, claims.appid)
    assert.equal(emulator.tenant_id, claims.tid)
    assert.equal("https://management.azure.com/", claims.aud)
    assert.equal("app", claims.idtyp)
    assert.truthy(claims.oid:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
    for _, name in ipairs { "iat", "nbf", "exp" } do assert.equal("integer", math.type(claims[name]), name) end
    assert.equal("integer", math.type(identity.expires_on))
    assert(math.abs(identity.expires_on - claims.exp) <= t.hang, identity.expires_on .. " " .. claims.exp)
    t.has_no_secret(identity, "an identity")
    t.has_no_secret(events, "its events")
    assert.equal("end", events[#events].event)
    assert.is_nil(events[#events].client_request_id) -- nothing was sent with one
  end)

  it("uses the token that is there, also for the calls after it", function ()
    local client = emulator:client()
    assert(client:get { id = emulator.sample })
    assert(client:identity())
    assert(client:identity {})
    assert(client:get { id = emulator.sample })
    assert.equal("token get get", emulator:kinds())
  end)

  it("says whose person and whose machine it is", function ()
    local person = emulator:client { credential = azpec.credential.device_code { tenant_id = emulator.tenant_id,
      prompt = function () end } }
    emulator:set { device_interval = 1, device_polls = 0 }
    local identity = assert(person:identity())
    assert.equal("device_code", identity.credential)
    assert.equal("user", identity.claims.idtyp)
    assert.equal("emi.sato@contoso.com", identity.claims.upn)
    assert.equal("Emi Sato (佐藤 恵美)", identity.claims.name)
    local out = signin.run { env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint },
      credential = "return azpec.credential.managed_identity { client_id = given.user.client_id }",
      body = [[
        local identity = assert(client:identity())
        told = identity.claims
        results[1] = { ok = true, message = identity.credential }]] }
    assert.equal("managed_identity (virtual machine)", out[1].message)
    assert.truthy(out.told:find(signin.user.resource_id, 1, true), out.told)
    assert.truthy(out.told:find(signin.user.object_id, 1, true), out.told)
  end)

  it("shows only the claims that say who, for what and how long, and only plain values", function ()
    local identity = assert(ready(token_of(cjson.encode {
      aud = "x", oid = "o", exp = 2000000000, scp = "a b", roles = { "r" }, groups = { "g" }, ipaddr = "192.0.2.1",
      name = { "not a string" }, upn = true, iat = -1, nbf = 1e300, tid = cjson.null, ["xms_mirid"] = "m",
      email = "mail@example.com" })):identity())
    assert.same({ aud = "x", oid = "o", exp = 2000000000, xms_mirid = "m" }, identity.claims)
    assert.equal(2000000000, identity.expires_on) -- a ready token says it nowhere else
    assert.equal("token", identity.credential)
  end)

  it("has no claims of a token that is opaque, or of the shape only", function ()
    local object = base64url '{"oid":"o"}'
    for _, token in ipairs { "opaque-token", "canary.token", "a." .. object, "a.b.c", "..." .. object, ".." .. object,
      "a..b", "a.!!!.b", token_of "[1,2]", token_of '"text"', token_of "{broken", token_of "12", token_of "null",
      "a." .. object .. "=!.c" } do
      local identity = assert(ready(token):identity())
      assert.same({}, identity.claims, token)
      assert.is_nil(identity.expires_on)
    end
    assert.same({ oid = "o" }, assert(ready("a." .. object .. ".c"):identity()).claims)
  end)

  it("waits within its own timeout, and no longer", function ()
    emulator:faults { { match = { kind = "token" }, action = { stall = true } } }
    local client = emulator:client { timeout = 3600 }
    local _, identity, err = t.timed(client.identity, client, { timeout = 0.2 })
    assert.is_nil(identity)
    assert.equal("timeout", err.kind)
    assert.equal("token", err.phase)
    assert.truthy(err.message:find("the sign-in by client_secret has not finished", 1, true), err.message)
    assert.equal("client_secret=trying", outcomes(err.links))
    assert(err.links[1].elapsed >= 0.19, err.links[1].elapsed)
  end)

  it("waits as it is asked to: other coroutines go on", function ()
    emulator:set { latency = 0.1 }
    local client, loop, order = emulator:client(), cqueues.new(), {}
    loop:wrap(function ()
      order[#order + 1] = assert(client:identity { wait = cqueues.poll }).credential
    end)
    loop:wrap(function () order[#order + 1] = "meanwhile" end)
    assert(loop:loop())
    assert.same({ "meanwhile", "client_secret" }, order)
  end)

  it("fails as the sign-in does, with its links", function ()
    local client = emulator:client { credential = emulator:credential { client_secret = "a wrong one" } }
    local identity, err = client:identity()
    assert.is_nil(identity)
    assert.equal("credential", err.kind)
    assert.equal("AADSTS7000215", err.code)
    assert.equal("client_secret=failed", outcomes(err.links))
    assert.truthy(err.links[1].message:find("AADSTS7000215", 1, true))
    assert.is_number(err.links[1].elapsed)
    t.has_no_secret(err, "an error")
  end)
end)

describe("client:explain", function ()
  setup(function () emulator = signin.start() end)
  before_each(function () signin.reset() end)
  after_each(t.tidy)
  teardown(t.close)

  local function chain(...)
    return azpec.credential.chain { azpec.credential.workload_identity { tenant_id = emulator.tenant_id,
      client_id = emulator.client_id, token_file_path = "/nonexistent/token" }, ... }
  end

  it("has the outcome of each link, and sends nothing", function ()
    local client = emulator:client { credential = chain(emulator:credential(), azpec.credential.azure_cli {}) }
    assert.equal("workload_identity=untried client_secret=untried azure_cli=untried", outcomes(client:explain()))
    for _, link in ipairs(client:explain()) do
      assert.is_nil(link.elapsed)
      assert.is_nil(link.message)
    end
    assert.equal("", emulator:kinds())
    assert(client:get { id = emulator.sample })
    local links = client:explain()
    assert.equal("workload_identity=absent client_secret=token azure_cli=untried", outcomes(links))
    assert.truthy(links[1].message:find("/nonexistent/token", 1, true))
    assert.is_number(links[1].elapsed)
    assert.is_nil(links[2].message)
    assert.is_number(links[2].elapsed)
    assert.are_not.equal(links, client:explain()) -- a table of one's own
    t.has_no_secret(links, "an explanation")
  end)

  it("and an error of the sign-in keeps what was said then", function ()
    local secret = "a wrong one"
    local client = emulator:client { credential = chain(azpec.credential.token { get = function ()
      if secret then return nil, "no" end
      return signin.az_token, os.time() + 3600
    end }) }
    local first = client:begin_update(t.call(emulator.sample, { status = "Approved" }))
    while not first:done() do client:step() end
    secret = nil
    assert.equal("token", assert(client:identity()).credential)
    assert.equal("workload_identity=absent token=token", outcomes(client:explain()))
    local _, err = first:result()
    assert.equal("credential", err.kind)
    assert.equal("workload_identity=absent token=failed", outcomes(err.links))
  end)

  it("an error of a sign-in after a 401 has them too, beside what the service said", function ()
    emulator:faults { { match = { kind = "get" }, action = { status = 401, error = { code = "ExpiredToken",
      message = "m", details = { { code = "Inner" } } } } } }
    local _, err = emulator:client { credential = chain(azpec.credential.token { token = signin.az_token }) }:get {
      id = emulator.sample }
    assert.equal("credential", err.kind)
    assert.equal("Inner", err.details[1].code)
    assert.equal("workload_identity=absent token=failed", outcomes(err.links))
  end)

  it("an error outside the sign-in has no links", function ()
    local _, err = emulator:client():get { id = (emulator.sample:gsub("[^/]+$", "nobody.1")) }
    assert.equal("not_found", err.kind)
    assert.is_nil(err.links)
  end)
end)
