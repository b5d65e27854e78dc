package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

local secret = [[azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
  client_secret = given.secret }]]

local function imds_env(more)
  return t.merged({ AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint }, more or {})
end

local function nowhere_env(more)
  return t.merged({ AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:" .. t.free_port() }, more or {})
end

-- A program that prints a token of the emulator's.
local function signed_in(name)
  local _, body = t.http(emulator.endpoint, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    .. "https://management.azure.com", nil, "Metadata: true\r\n")
  emulator:control("DELETE", "log")
  local token = cjson.decode(body).access_token
  return "printf '%s' " .. t.quote(cjson.encode(name == "az" and { accessToken = token, expires_on = os.time() + 3600 }
    or { token = token, expiresOn = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 3600) }))
end

local function app_env(more)
  return t.merged({ AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id,
    AZURE_CLIENT_SECRET = t.secret }, more or {})
end

setup(function () emulator = signin.start() end)
before_each(function () signin.reset() end)
after_each(t.tidy)
teardown(t.close)

describe("a chain", function ()
  it("skips what is not set up, and remembers what gave a token", function ()
    local folder = signin.programs { az = "exit 127", azd = signed_in "azd" }
    emulator:set { token_lifetime = 3599 }
    signin.works { credential = [[return azpec.credential.chain { azpec.credential.workload_identity {},
      azpec.credential.azure_cli {}, azpec.credential.azure_developer_cli {}, ]] .. secret .. "}",
      env = { PATH = folder }, given = { secret = t.secret }, body = "get(); get()" }
    assert.equal(1, signin.calls(folder, "az"))
    assert.equal(1, signin.calls(folder, "azd"))
    assert.equal(0, #signin.log "token")
  end)

  it("the link that gave the first token is asked for the next, and not those before it", function ()
    local folder = signin.programs { az = "exit 127" }
    emulator:set { token_lifetime = 1 }
    signin.works { credential = "return azpec.credential.chain { azpec.credential.azure_cli {}, " .. secret .. "}",
      env = { PATH = folder }, given = { secret = t.secret },
      body = "get(); get_until(function () return tokens() > 2 end)" }
    assert.equal(1, signin.calls(folder, "az"))
  end)

  it("stops at a link that is set up and refused", function ()
    local folder = signin.programs { az = signed_in "az" }
    signin.fails("credential", "AADSTS7000215", { credential = "return azpec.credential.chain { " .. secret
      .. ", azpec.credential.azure_cli {} }", env = { PATH = folder }, given = { secret = "wrong" } })
    assert.equal(0, signin.calls(folder, "az"))
  end)

  it("of the caller's own stops at an az that fails, and skips one without a user", function ()
    local credential = [[return azpec.credential.chain { azpec.credential.azure_cli {},
      azpec.credential.azure_developer_cli {} }]]
    local folder = signin.programs { az = "echo 'ERROR: broken' >&2; exit 1", azd = signed_in "azd" }
    signin.fails("credential", "az: ERROR: broken", { credential = credential, env = { PATH = folder } })
    assert.equal(0, signin.calls(folder, "azd"))
    folder = signin.programs { az = "echo 'ERROR: Please run az login' >&2; exit 1", azd = signed_in "azd" }
    signin.works { credential = credential, env = { PATH = folder } }
  end)

  it("lists each link with its reason and its time when none gave a token, first those that are set up", function ()
    local folder = signin.programs { az = "echo 'ERROR: Please run az login' >&2; exit 1",
      azd = "echo 'ERROR: not logged in, run `azd auth login`' >&2; exit 1" }
    local err = signin.fails("credential", "no credential in the chain provided a token: ", {
      credential = [[return azpec.credential.chain { azpec.credential.workload_identity {},
        azpec.credential.managed_identity {}, azpec.credential.azure_developer_cli {},
        azpec.credential.azure_cli {} }]], env = nowhere_env { PATH = folder } })
    local said = err.message
    local wanted = { "azure_developer_cli: [^;]*azd auth login[^;]* %(%d+ ms%)",
      "azure_cli: [^;]*az login[^;]* %(%d+ ms%)",
      "workload_identity: not set up: [^;]*AZURE_FEDERATED_TOKEN_FILE[^;]* %(%d+ ms%)",
      "managed_identity %(virtual machine%): [^;]+ %(%d+ ms%)" }
    assert.equal("run: azd auth login", err.hint)
    local at = 1
    for _, pattern in ipairs(wanted) do
      local first, last = said:find(pattern, at)
      assert(first, pattern .. "\nis not (or not in order) in\n" .. said)
      at = last + 1
    end
  end)

  it("names the link at which it stopped, then those before it", function ()
    local folder = signin.programs { az = "/usr/bin/mkfifo $0.fifo; read x <$0.fifo" }
    local err = signin.fails("credential", "azure_cli: ", { credential = [[return azpec.credential.chain {
      azpec.credential.workload_identity {}, azpec.credential.azure_cli { timeout = 0.3 } }]],
      env = { PATH = folder } })
    local took = err.message:match "azure_cli: .*timeout[^;]* %((%d+) ms%); workload_identity: not set up.*%(%d+ ms%)"
    assert(took, err.message)
    assert(tonumber(took) >= 300, took)
  end)

  -- ---- the default one
end)

describe("the default chain", function ()
  local order = "environment.*workload_identity.*managed_identity.*azure_cli.*azure_developer_cli"

  it("default: Azure's order, each named, and what to do", function ()
    local err = signin.fails("credential", "no credential in the chain provided a token", { env = nowhere_env() })
    assert.truthy(err.message:find(order), err.message)
    assert.is_string(err.hint)
  end)

  it("default: the environment's secret, and the certificate's file", function ()
    signin.works { env = app_env() }
    local both = signin.certificates() .. "/both.pem"
    for send, chain in pairs { ["1"] = 1, ["true"] = 1, [" True "] = 1, ["0"] = false, ["10"] = false,
      ["tomorrow"] = false } do
      emulator:control("DELETE", "log")
      signin.works { env = { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id,
        AZURE_CLIENT_CERTIFICATE_PATH = both, AZURE_CLIENT_SEND_CERTIFICATE_CHAIN = send } }
      assert.equal(chain or nil, signin.log "token"[1].token.chain)
    end
    signin.works { env = { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id,
      AZURE_CLIENT_CERTIFICATE_PATH = signin.certificates() .. "/leaf.p12",
      AZURE_CLIENT_CERTIFICATE_PASSWORD = signin.password } }
  end)

  it("default: the federated file, the machine's identity, az, azd, in this order", function ()
    local folder = signin.programs { az = signed_in "az", azd = signed_in "azd" }
    local file = t.write(t.new_path "federated", signin.federated[1])
    local pod = { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id,
      AZURE_FEDERATED_TOKEN_FILE = file, PATH = folder }
    signin.works { env = imds_env(pod) }
    assert.equal("token get", emulator:kinds())
    emulator:control("DELETE", "log")
    signin.works { env = imds_env { PATH = folder } }
    assert.equal("imds imds get", emulator:kinds())
    local no_az = signin.programs { az = "echo 'Please run az login' >&2; exit 1", azd = signed_in "azd" }
    local odd_az = signin.programs { az = "echo rubbish", azd = signed_in "azd" }
    emulator:set { system_identity = "no" }
    signin.works { env = imds_env { PATH = folder } }
    assert.equal(1, signin.calls(folder, "az"))
    assert.equal(0, signin.calls(folder, "azd"))
    signin.works { env = nowhere_env { PATH = no_az } }
    signin.works { env = nowhere_env { PATH = odd_az } } -- a developer's tool that fails lets the chain go on
  end)

  it("default: a metadata service that stalls costs a second at most", function ()
    local folder = signin.programs { az = signed_in "az" }
    emulator:faults { { match = { kind = "imds" }, action = { stall = true } } }
    local out = signin.works { env = imds_env { PATH = folder }, given = { timeout = 3600 } }
    assert(out[1].took >= 0.99, out[1].took) -- a second, and the call's whole time is not used up
  end)

  it("default: AZURE_TOKEN_CREDENTIALS = dev, prod or one name, whatever its case", function ()
    local folder = signin.programs { az = signed_in "az", azd = signed_in "azd" }
    local function calls() return signin.calls(folder, "az") .. " " .. signin.calls(folder, "azd") end
    signin.works { env = app_env(imds_env { PATH = folder, AZURE_TOKEN_CREDENTIALS = "dev" }) }
    assert.equal("1 0", calls())
    signin.works { env = imds_env { PATH = folder, AZURE_TOKEN_CREDENTIALS = "prod" } }
    assert.equal("1 0", calls())
    signin.works { env = app_env(imds_env { PATH = folder, AZURE_TOKEN_CREDENTIALS = "AzureDeveloperCLICredential" }) }
    assert.equal("1 1", calls())
    signin.works { env = app_env(imds_env { PATH = folder, AZURE_TOKEN_CREDENTIALS = "azureclicredential" }) }
    assert.equal("2 1", calls())
    emulator:control("DELETE", "log")
    signin.works { env = app_env { AZURE_TOKEN_CREDENTIALS = "EnvironmentCredential" } }
    assert.equal("token get", emulator:kinds())
  end)

  -- Azure/azure-sdk-for-python#43046
  it("default: the managed identity chosen by name is not probed", function ()
    signin.works { env = imds_env { AZURE_TOKEN_CREDENTIALS = "ManagedIdentityCredential" } }
    assert.equal("imds get", emulator:kinds())
  end)

  it("default: an unknown word in AZURE_TOKEN_CREDENTIALS is refused, by name", function ()
    local out = signin.run { env = { AZURE_TOKEN_CREDENTIALS = "production" } }
    assert.truthy(out[1].raised and out[1].raised:find("AZURE_TOKEN_CREDENTIALS", 1, true))
    assert.truthy(out[1].raised:find("production", 1, true))
  end)

  it("default: exclude takes links away", function ()
    local folder = signin.programs { az = signed_in "az" }
    signin.works { credential = [[return azpec.credential.default { exclude = { "environment", "managed_identity" } }]],
      env = app_env(imds_env { PATH = folder }) }
    assert.equal(1, signin.calls(folder, "az"))
    assert.equal("get", emulator:kinds())
    local out = signin.run { credential = [[return azpec.credential.default { exclude = { "powershell" } }]] }
    assert.truthy(out[1].raised:find("powershell", 1, true))
  end)

  it("default: a wrong secret in the environment is an error, not a reason to go on", function ()
    local folder = signin.programs { az = signed_in "az" }
    signin.fails("credential", "AADSTS7000215", { env = app_env { AZURE_CLIENT_SECRET = "wrong", PATH = folder } })
    assert.equal(0, signin.calls(folder, "az"))
  end)

  -- ---- one token for all
end)

describe("a token for many calls", function ()
  it("many operations at once make one fetch, by every kind", function ()
    local body = [[
      local pollers = {}
      for n = 1, 30 do pollers[n] = client:begin_update { id = given.many[n], status = "Approved" } end
      for n = 1, 30 do assert(pollers[n]:wait()) end
      get()]]
    emulator:set { concurrent_update = "allow" }
    local folder = signin.programs { az = signed_in "az" }
    signin.works { credential = "return " .. secret, given = { secret = t.secret, many = emulator.many }, body = body }
    assert.equal(1, #signin.log "token")
    signin.works { credential = "return azpec.credential.azure_cli {}", env = { PATH = folder },
      given = { many = emulator.many }, body = body }
    assert.equal(1, signin.calls(folder, "az"))
    signin.works { credential = "return azpec.credential.managed_identity {}", env = imds_env(),
      given = { many = emulator.many }, body = body }
    assert.equal(1, #signin.log "imds")
  end)

  it("a failed fetch fails all its waiters, and the next call tries again", function ()
    emulator:faults { { match = { kind = "token", times = 1 }, action = { status = 400, body = {
      error = "invalid_grant", error_description = "AADSTS50000: once" } } } }
    local out = signin.run { credential = "return " .. secret, given = { secret = t.secret }, body = [[
      local pollers = {}
      for n = 1, 5 do pollers[n] = client:begin_update { id = given.id .. n, status = "Approved" } end
      for n = 1, 5 do note(cqueues.monotime(), pollers[n]:wait()) end
      get()]] }
    assert.equal(6, #out.results)
    for n = 1, 5 do assert.truthy(out.results[n].message:find("AADSTS50000", 1, true)) end
    assert.is_true(out.results[6].ok)
    assert.equal(2, #signin.log "token")
  end)

  it("one waiter's time-out does not end the fetch for the others", function ()
    emulator:faults { { match = { kind = "token" }, action = { hold = true } } }
    local over = t.path "over"
    local given = { secret = t.secret, over = over }
    local running = signin.begin { credential = "return " .. secret, given = given, body = [[
      local hasty = client:begin_update { id = given.id, status = "Approved", timeout = 0.2 }
      local patient = client:begin_update { id = given.id, status = "Approved" }
      note(cqueues.monotime(), hasty:wait())
      write(given.over, "over")
      note(cqueues.monotime(), patient:wait())]] }
    t.await("the first one's end", function () return t.read(over) end)
    t.await("the fetch", function () return emulator:has_met(1) end)
    emulator:release()
    local out = running:finish()
    assert.equal("timeout", out.results[1].kind)
    assert.is_true(out.results[2].ok)
    assert.equal(1, #signin.log "token")
  end)

  it("a token that ends in the middle of polling is renewed", function ()
    emulator:set { token_lifetime = 1, operation_polls = 12, operation_seconds = 5 }
    local out = signin.works { credential = "return " .. secret, given = { secret = t.secret }, body = [[
      local begun = cqueues.monotime()
      note(begun, client:update { id = given.id, status = "Approved", poll_interval = 0.15 })]] }
    assert(out.tokens >= 3, out.tokens)
    for _, entry in ipairs(signin.log "poll") do assert(entry.status < 400, entry.status) end
  end)

  it("an early renewal that fails does not spoil a token that lives", function ()
    emulator:set { refresh_in = 1, token_lifetime = 60 }
    emulator:faults { { match = { kind = "token", nth = 2, times = 100 }, action = { status = 400, body = {
      error = "invalid_client", error_description = "AADSTS7000222: expired" } } } }
    local out = signin.works { credential = "return " .. secret, given = { secret = t.secret },
      body = "get(); get_until(function () return tokens() > 1 end); get(); get()" }
    assert.equal(2, out.tokens)
  end)

  -- ---- claims challenges
end)

describe("a claims challenge", function ()
  local function challenged(spec)
    emulator:faults { { match = { kind = "get", nth = 2 }, action = { claims = true } } }
    spec.body = "get(); get(); get()"
    return signin.run(spec)
  end

  local function all_work(out)
    for _, result in ipairs(out.results) do assert.is_true(result.ok, result.message or result.raised) end
  end

  it("claims: a secret's next token is asked for with them, once", function ()
    all_work(challenged { credential = "return " .. secret, given = { secret = t.secret } })
    local log = signin.log "token"
    assert.equal(2, #log)
    assert.is_nil(log[1].token.claims)
    assert.is_true(log[2].token.claims)
  end)

  it("claims: a certificate's, a federated token's and a device code's too", function ()
    all_work(challenged { credential = [[return azpec.credential.client_certificate { tenant_id = given.tenant_id,
      client_id = given.client_id, certificate_path = given.dir .. "/both.pem" }]],
      given = { dir = signin.certificates() } })
    signin.reset()
    local file = t.write(t.new_path "federated", signin.federated[1])
    all_work(challenged { credential = [[return azpec.credential.workload_identity { tenant_id = given.tenant_id,
      client_id = given.client_id, token_file_path = given.path }]], given = { path = file } })
    signin.reset()
    emulator:set { device_interval = 1, device_polls = 0 }
    all_work(challenged { credential = [[return azpec.credential.device_code { prompt = function () end }]] })
  end)

  it("claims: a host's function gets them", function ()
    emulator:faults { { match = { kind = "get", nth = 2 }, action = { status = 401, headers = {
      ["WWW-Authenticate"] = 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="' } } } }
    signin.fails("credential", "", { credential = [[return azpec.credential.token { get = function (scope, claims)
      seen = (seen or "") .. scope .. tostring(claims) .. ";"
      return "an-unknown-token-0123456789"
    end }]] })
    local out = signin.run { credential = [[return azpec.credential.token { get = function (scope, claims)
      seen = (seen or "") .. scope .. " " .. tostring(claims) .. ";"
      return given.token
    end }]], given = { token = t.canary }, body = [[get()
      assert(seen:find("https://management.azure.com/.default nil;", 1, true), seen)]] }
    assert.is_nil(out.results[2], out.results[2] and out.results[2].raised)
  end)

  it("claims: a managed identity cannot, and says so; the next call asks for a token without them", function ()
    local out = challenged { credential = "return azpec.credential.managed_identity {}", env = imds_env() }
    local err = out.results[2]
    assert.equal("credential", err.kind)
    assert.truthy(err.message:find("claims", 1, true), err.message)
    assert.equal("credential", out.results[3].kind) -- the service refuses that token as well
    assert.equal(2, #signin.log "imds")
  end)
end)
