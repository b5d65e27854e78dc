-- Jobs of GitHub Actions and Azure Pipelines: an id token from the service, exchanged at the token endpoint.
package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

-- The environment of a job, and what the credential needs beside it.
local function jobs()
  return {
    github_actions = { ACTIONS_ID_TOKEN_REQUEST_URL = emulator.endpoint .. "/actions/idtoken?api-version=2.0",
      ACTIONS_ID_TOKEN_REQUEST_TOKEN = signin.pipeline, AZURE_TENANT_ID = emulator.tenant_id,
      AZURE_CLIENT_ID = emulator.client_id },
    azure_pipelines = { SYSTEM_OIDCREQUESTURI = emulator.endpoint .. "/pipelines/oidctoken",
      SYSTEM_ACCESSTOKEN = signin.pipeline, AZURESUBSCRIPTION_TENANT_ID = emulator.tenant_id,
      AZURESUBSCRIPTION_CLIENT_ID = emulator.client_id,
      AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = signin.connection },
  }
end

local variables = {
  github_actions = { url = "ACTIONS_ID_TOKEN_REQUEST_URL", token = "ACTIONS_ID_TOKEN_REQUEST_TOKEN" },
  azure_pipelines = { url = "SYSTEM_OIDCREQUESTURI", token = "SYSTEM_ACCESSTOKEN" },
}

-- A get by that credential; more: of the environment, false for what is not there; fields: of the credential.
local function spec(kind, more, fields)
  local env = t.merged(jobs()[kind], more or {})
  for name, value in pairs(env) do env[name] = value or nil end
  return { credential = ("return azpec.credential.%s { %s }"):format(kind, fields or ""), env = env }
end

local function kinds()
  local list = {}
  for n, entry in ipairs(signin.log()) do list[n] = entry.kind end
  return table.concat(list, " ")
end

describe("a pipeline's job", function ()
  setup(function () emulator = signin.start() end)
  before_each(function () signin.reset() end)
  after_each(t.tidy)
  teardown(t.close)

  for _, kind in ipairs { "github_actions", "azure_pipelines" } do
    local url, token = variables[kind].url, variables[kind].token

    it(kind .. ": an id token, an access token, the connection", function ()
      local out = signin.works(spec(kind))
      assert.equal("azpec.credential (" .. kind .. ")", out.credential)
      assert.equal(kind .. " token get", kinds())
      local log = signin.log()
      assert.equal(kind, log[2].token.issuer)
      assert.equal(kind == "github_actions" and "GET" or "POST", log[1].method)
    end)

    it(kind .. ": over TLS, and from loopback to loopback only", function ()
      local over_tls = spec(kind, { [url] = jobs()[kind][url]:gsub("^" .. emulator.endpoint:gsub("%p", "%%%0"),
        (emulator.tls_endpoint:gsub("%%", "%%%%"))) })
      over_tls.body = "client = new { credential = credential, authority_host = '" .. emulator.tls_endpoint
        .. "' }; get()"
      signin.works(over_tls)
      assert.equal(kind .. " token get", kinds())
      local plain = spec(kind)
      plain.body = over_tls.body
      signin.fails("credential", url .. " is not an https URL", plain)
      assert.equal(kind .. " token get", kinds()) -- nothing was sent
    end)

    it(kind .. ": a new id token for each access token", function ()
      emulator:set { token_lifetime = 1 }
      local long = spec(kind)
      long.body = "get(); get_until(function () return tokens() > 3 end)"
      signin.works(long)
      assert(#signin.log(kind) >= 2)
      assert.equal(#signin.log(kind), #signin.log "token")
    end)

    it(kind .. ": the service's claims go into the exchange", function ()
      emulator:faults { { match = { kind = "get", nth = 1 }, action = { claims = true } } }
      signin.works(spec(kind))
      assert.is_true(signin.log "token"[2].token.claims)
    end)

    it(kind .. ": what is missing is named, and nothing is sent", function ()
      for name in t.each(jobs()[kind]) do
        signin.fails("credential", "not set up: " .. name .. " is missing", spec(kind, { [name] = false }))
        signin.fails("credential", "not set up: " .. name .. " is missing", spec(kind, { [name] = " \n" }))
      end
      assert.equal("", kinds())
    end)

    it(kind .. ": fields go before the environment", function ()
      signin.works(spec(kind, { AZURE_TENANT_ID = "nowhere.example", AZURESUBSCRIPTION_TENANT_ID = "nowhere.example",
        AZURE_CLIENT_ID = "nobody", AZURESUBSCRIPTION_CLIENT_ID = "nobody",
        AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = "none" }, "tenant_id = given.tenant_id, client_id = given.client_id"
        .. (kind == "azure_pipelines" and ", service_connection_id = '" .. signin.connection .. "'" or "")))
    end)

    it(kind .. ": a chain tries its next link outside a job", function ()
      local chain = spec(kind, { [url] = false })
      chain.credential = ([[return azpec.credential.chain { azpec.credential.%s {}, azpec.credential.client_secret {
        tenant_id = given.tenant_id, client_id = given.client_id, client_secret = given.secret } }]]):format(kind)
      chain.given = { secret = t.secret }
      signin.works(chain)
      assert.equal("token get", kinds())
    end)

    it(kind .. ": a wrong request token is told, with what to look at", function ()
      local err = signin.fails("credential", " returned no ID token: ", spec(kind, { [token] = "another" }))
      assert.equal(401, err.http_status)
      assert.truthy(err.hint:find(kind == "github_actions" and "id-token: write" or "$(System.AccessToken)", 1, true))
      assert.equal(kind, kinds())
    end)

    -- Azure/azure-sdk-for-cpp#5786, Azure/azure-sdk-for-net#46135: a page to sign in at, by 203 or 302.
    it(kind .. ": a page in the token's place is told, and no redirect is followed", function ()
      local page = { ["Content-Type"] = "text/html" }
      for status in t.each { [203] = 1, [302] = 1 } do
        local action = { status = status, headers = t.merged(page, { Location = emulator.endpoint .. "/elsewhere" }),
          body = "<p>Object moved" }
        emulator:faults { { match = { kind = kind }, action = action } }
        emulator:control("DELETE", "log")
        local err = signin.fails("credential", ("text/html (HTTP %d)"):format(status), spec(kind))
        assert.equal(status, err.http_status)
        assert.equal(kind, kinds())
      end
    end)

    it(kind .. ": what passes is asked again", function ()
      emulator:faults { { match = { kind = kind, nth = 1 }, action = { status = 503 } },
        { match = { kind = "token", nth = 1 }, action = { status = 500 } } }
      local patient = spec(kind)
      patient.given = { max_tries = 3 }
      signin.works(patient)
      assert.equal(("%s %s token token get"):format(kind, kind), kinds())
    end)

    it(kind .. ": a refusal of the exchange keeps Microsoft Entra ID's words", function ()
      for number, hint in t.each { AADSTS700213 = "federated credential", AADSTS7002138 = "letter case" } do
        emulator:faults { { match = { kind = "token" }, action = { status = 400, body = { error = "invalid_client",
          error_description = number .. ": No matching federated identity record found for presented assertion "
            .. "subject 'repo:octo-org/octo-repo:environment:Production'." } } } }
        local err = signin.fails("credential", "subject 'repo:octo-org/octo-repo:environment:Production'", spec(kind))
        assert.equal(number, err.code)
        assert.truthy(err.hint:find(hint, 1, true), err.hint)
      end
    end)

    it(kind .. ": the request token is az's, unless the pipeline's link stands beside", function ()
      local folder = signin.programs { az = "/usr/bin/tr '\\0' '\\n' </proc/self/environ >\"$0.environ\"; echo '"
        .. cjson.encode { accessToken = signin.az_token, expires_on = os.time() + 3600 } .. "'" }
      local alone = spec(kind, { PATH = folder })
      alone.credential = "return azpec.credential.azure_cli {}"
      signin.run(alone)
      assert.truthy(t.read(folder .. "/az.environ"):find(signin.pipeline, 1, true))
      local beside = spec(kind, { PATH = folder })
      beside.credential = ("return azpec.credential.chain { azpec.credential.azure_cli {}, azpec.credential.%s {} }")
        :format(kind)
      signin.run(beside)
      signin.clean(t.read(folder .. "/az.environ"), "the program's environment")
    end)
  end

  it("github_actions: the audience that was given, and what Microsoft Entra ID makes of it", function ()
    local err = signin.fails("credential", "audience 'mine&yours'", spec("github_actions", nil,
      "audience = 'mine&yours'"))
    assert.equal("AADSTS700212", err.code)
    assert.equal("mine&yours", signin.log "github_actions"[1].params.audience)
  end)

  it("azure_pipelines: a connection that is not there", function ()
    local err = signin.fails("credential", "Azure Pipelines returned no ID token: The service connection does not "
      .. "exist", spec("azure_pipelines", { AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = "my-connection" }))
    assert.truthy(err.hint:find("not the name", 1, true), err.hint)
  end)

  it("azure_pipelines: a variable that the pipeline left as it was written", function ()
    signin.fails("credential", "SYSTEM_ACCESSTOKEN contains a variable's name, not its value",
      spec("azure_pipelines", { SYSTEM_ACCESSTOKEN = "$(System.AccessToken)" }))
    assert.equal("", kinds())
  end)

  it("is not in the default chain, as in Azure's own libraries", function ()
    local default = spec("github_actions", t.merged(jobs().azure_pipelines, { AZURE_CLIENT_ID = false,
      AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:1" }))
    default.credential = "return azpec.credential.default()"
    signin.fails("credential", "no credential in the chain provided a token", default)
    assert.equal("", kinds())
  end)

  it("a tenant's variable that holds none is named", function ()
    for kind, name in t.each { github_actions = "AZURE_TENANT_ID", azure_pipelines = "AZURESUBSCRIPTION_TENANT_ID" } do
      local out = signin.run(spec(kind, { [name] = "a/b" }))
      assert.truthy(out[1].raised:find("bad environment variable " .. name .. " (a GUID or a domain expected)", 1,
        true), out[1].raised)
    end
  end)
end)
