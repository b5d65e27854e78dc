package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local npm = require "loopback.npm"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local resource, provider, why_not

local config = { tenant_id = "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01", scope = "https://management.azure.com/.default",
  client_id = "b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22",
  client_secret = [[o+i/d&c%41=s~"<>#?;@!$*(){}[]|^`,.-_']], -- visible ASCII, the server wants
  certificate_client_id = "d0f3b7c1-5a68-4e92-b7d4-3c1e9f2a6b80" }

table.insert(signin.canaries, config.client_secret)

-- Starts it; the pipe that keeps it alive, the endpoint and the file that its output goes to.
local function start(folder)
  config.certificate = t.read(signin.certificates() .. "/leaf.crt")
  local fifo = t.new_path "ready"
  signin.shell("mkfifo -m 600 " .. t.quote(fifo))
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD node tests/loopback/oidc/server.mjs %s %s >%s")
    :format(t.quote(folder), t.quote(t.write(t.new_path "oidc", cjson.encode(config))), t.quote(fifo)), "w"))
  local output = assert(io.open(fifo))
  return { pipe = pipe, output = output, endpoint = cjson.decode(output:read "l").endpoint }
end

-- A client of the provider's that talks to a service which takes every token.
local function spec(credential, more)
  local given = t.merged({ secret = config.client_secret, dir = signin.certificates(), authority = provider.endpoint,
    service = resource.endpoint, id = t.id, app = config.certificate_client_id, tenant_id = config.tenant_id,
    client_id = config.client_id, crt = t.read(signin.certificates() .. "/leaf.crt"),
    key = t.read(signin.certificates() .. "/leaf.key") }, more or {})
  local body = [[
    client = new { credential = credential, authority_host = given.authority, endpoint = given.service }
    get()]]
  return { credential = credential, given = given, body = body }
end

local certificate = [[return azpec.credential.client_certificate { tenant_id = given.tenant_id, client_id = given.app,
  %s }]]

-- Signed by the registered key, after something was done to the text.
local tampered = [[certificate = given.crt, algorithm = given.algorithm, sign = function (algorithm, data)
  local key <close> = assert(require "azpec_signing".load { certificate = given.crt, key = given.key })
  return key:sign(algorithm, data .. "x")
end]]

local function check() if not provider then pending(why_not) end end

local function was_refused(with)
  local out = signin.run(with)
  assert.is_false(out[1].ok)
  assert.equal("credential", out[1].kind)
  assert.truthy(out[1].message:find("invalid_client", 1, true), out[1].message)
  assert.equal(401, out[1].http_status)
  assert.equal(0, #resource:requests())
end

describe("against oidc-provider", function ()
  setup(function ()
    signin.start()
    local folder
    folder, why_not = npm.installed "tests/loopback/oidc"
    provider = folder and start(folder)
  end)
  before_each(function ()
    resource = t.server { { headers = { t.json_type }, body = t.connection_json() } }
  end)
  after_each(t.tidy)
  teardown(function ()
    if provider then provider.pipe:close() end
    t.close()
  end)

  it("client_secret is accepted", function ()
    check()
    signin.works(spec [[return azpec.credential.client_secret { tenant_id = given.tenant_id,
      client_id = given.client_id, client_secret = given.secret }]])
    assert.truthy(resource:requests()[1].headers.authorization:find "^Bearer %S+$")
  end)

  it("client_secret: a wrong one is refused", function ()
    check()
    was_refused(spec([[return azpec.credential.client_secret { tenant_id = given.tenant_id,
      client_id = given.client_id, client_secret = given.secret }]], { secret = "wrong" }))
  end)

  for _, algorithm in ipairs { "PS256", "RS256" } do
    it("a certificate's assertion is accepted: " .. algorithm, function ()
      check()
      for _, fields in ipairs { "certificate_path = given.dir .. '/both.pem', algorithm = given.algorithm",
        "certificate_path = given.dir .. '/both.pem', algorithm = given.algorithm, send_x5c = true" } do
        signin.works(spec(certificate:format(fields), { algorithm = algorithm }))
      end
      assert.equal(2, #resource:requests())
    end)

    it("a tampered assertion is refused: " .. algorithm, function ()
      check()
      was_refused(spec(certificate:format(tampered), { algorithm = algorithm }))
    end)
  end

  it("another certificate's assertion is refused", function ()
    check()
    was_refused(spec(certificate:format
      "certificate_path = given.dir .. '/other.crt', key_path = given.dir .. '/other.key'"))
  end)

  it("an assertion that was sent before is refused", function ()
    check()
    local twice = spec [[return azpec.credential.client_assertion { tenant_id = given.tenant_id, client_id = given.app,
        assertion = function () return given.again end }]]
    -- made here, by the same rules, so that it can be sent twice
    local jwt = require "azpec.emulator.jwt"
    local now = os.time()
    local text = jwt.encode(cjson.encode { alg = "PS256", typ = "JWT" }) .. "." .. jwt.encode(cjson.encode {
      iss = config.certificate_client_id, sub = config.certificate_client_id, jti = "once-" .. now, nbf = now,
      exp = now + 300, aud = ("%s/%s/oauth2/v2.0/token"):format(provider.endpoint, config.tenant_id) })
    local key <close> = assert(require "azpec_signing".load { certificate = config.certificate,
      key = t.read(signin.certificates() .. "/leaf.key") })
    twice.given.again = text .. "." .. jwt.encode(key:sign("PS256", text))
    signin.works(twice)
    local out = signin.run(twice)
    assert.is_false(out[1].ok)
    assert.truthy(out[1].message:find("invalid_client", 1, true))
  end)
end)
