-- Distinctive secrets go through every way in which a person at a shell signs in: none stands in what the command
-- prints or traces, whether all goes well or the services say back what they were sent.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator
local where = "-g default-azurebatch-japaneast --account sampleacct"

local function file(text) return t.write(t.new_path "secret", text .. "\n") end

-- The environment of an application, without a proof.
local function app(more)
  return t.merged({ AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id }, more)
end

-- A program that gives a token which the emulator knows.
local function program(name, fields)
  local _, body = t.http(emulator.endpoint, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    .. "https://management.azure.com", nil, "Metadata: true\r\n")
  fields[name == "az" and "accessToken" or "token"] = cjson.decode(body).access_token
  return { PATH = signin.programs { [name] = "printf '%s' " .. t.quote(cjson.encode(fields)) } .. ":"
    .. os.getenv "PATH" }
end

-- Each way, by a name that begins with its --credential: the kind of the request that carries a secret (nil: none),
-- options, environment, and stdin.
local function ways()
  local dir = signin.certificates()
  local p12 = "--client-certificate-file " .. dir .. "/leaf.p12"
  local github = { ACTIONS_ID_TOKEN_REQUEST_URL = emulator.endpoint .. "/actions/idtoken",
    ACTIONS_ID_TOKEN_REQUEST_TOKEN = signin.pipeline }
  local azure = { SYSTEM_OIDCREQUESTURI = emulator.endpoint .. "/pipelines/oidctoken",
    SYSTEM_ACCESSTOKEN = signin.pipeline, AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = signin.connection,
    AZURESUBSCRIPTION_TENANT_ID = emulator.tenant_id, AZURESUBSCRIPTION_CLIENT_ID = emulator.client_id }
  return {
    ["client-secret in a variable"] = { "token", "", app { AZURE_CLIENT_SECRET = t.secret } },
    ["client-secret in a file"] = { "token", "--client-secret-file " .. file(t.secret), app {} },
    ["client-secret on stdin"] = { "token", "--client-secret-file -", app {}, t.secret .. "\n" },
    ["client-secret and the keyring"] = { "token", "--token-cache keyring", app { AZURE_CLIENT_SECRET = t.secret } },
    ["client-certificate"] = { "token", "--client-certificate-file " .. dir .. "/both.pem", app {} },
    ["client-certificate, its password in a variable"] = { "token", p12,
      app { AZURE_CLIENT_CERTIFICATE_PASSWORD = signin.password } },
    ["client-certificate, its password in a file"] = { "token", p12 .. " --client-certificate-password-file "
      .. file(signin.password), app {} },
    ["client-certificate, its password on stdin"] = { "token", p12 .. " --client-certificate-password-file -", app {},
      signin.password .. "\n" },
    ["workload-identity"] = { "token", "--credential workload-identity",
      app { AZURE_FEDERATED_TOKEN_FILE = t.write(t.new_path "federated", signin.federated[1]) } },
    ["github-actions"] = { "github_actions", "--credential github-actions", app(github) },
    ["azure-pipelines"] = { "azure_pipelines", "--credential azure-pipelines", azure },
    ["managed-identity of App Service"] = { "app_service", "--credential managed-identity",
      { IDENTITY_ENDPOINT = emulator.endpoint .. "/appservice/token", IDENTITY_HEADER = signin.header } },
    ["azure-cli, whose default subscription is used"] = { nil, "--credential azure-cli",
      program("az", { expires_on = os.time() + 3600, subscription = emulator.subscription_id }), default = true },
    ["azure-developer-cli"] = { nil, "--credential azure-developer-cli",
      program("azd", { expiresOn = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 3600) }) },
    ["token in a file"] = { nil, "--access-token-file " .. file(signin.az_token), {}, refused = true },
    ["token in a variable"] = { nil, "--credential token", { AZURE_ACCESS_TOKEN = signin.az_token },
      refused = true },
  }
end

-- Returns the module's name of a way's credential.
local function credential_of(way)
  return (way:match "^[%l-]+":gsub("-", "_"))
end

-- Runs a verb with all that it can tell; its exit code.
local function run(way, verb)
  local trace = t.new_path "trace"
  local env = t.merged(way[3], {})
  if not way.default then env.AZURE_SUBSCRIPTION_ID = emulator.subscription_id end
  local result = kit.run(("%s %s %s --trace %s %s"):format(verb, kit.address(emulator), way[2], trace, where),
    { env = env, stdin = way[4] })
  signin.clean(result.out, "stdout")
  signin.clean(result.err, "stderr")
  signin.clean(t.read(trace) or "", "the trace")
  return result
end

setup(function () emulator = signin.start() end)
before_each(function ()
  signin.reset()
  emulator:set { token_lifetime = 60 }
end)
after_each(t.tidy)
teardown(t.close)

describe("a secret of the command's", function ()
  it("is shown nowhere when all goes well", function ()
    for name, way in t.each(ways()) do
      local result = run(way, "list -vv -o json")
      assert.equal(way.refused and 4 or 0, result.code, name .. ": " .. result.err)
    end
    signin.clean(cjson.encode(signin.log()), "the emulator's log")
  end)

  it("is shown nowhere by the doctor", function ()
    for name, way in t.each(ways()) do
      local result = run(way, "doctor -vv --check signin")
      assert(result.code == 0 or way.refused, name .. ": " .. result.err)
      assert.matches("^ok +signin +" .. credential_of(name), result.out)
    end
  end)

  it("is tried with each --credential that has one", function ()
    local tried = { auto = "it chooses one of the others", environment = "the same",
      ["device-code"] = "a person signs in with a browser" }
    for name in pairs(ways()) do tried[name:match "^[%l-]+"] = true end
    for _, name in ipairs(require "azpec.cli.options".credentials) do assert(tried[name], name) end
  end)

  local everything = table.concat({ t.secret, signin.password, signin.header, signin.federated[1], signin.pipeline,
    signin.az_token }, " ")

  -- Only what the command itself holds can be known to it.
  it("is shown nowhere when the service says it back", function ()
    for name, way in t.each(ways()) do
      local own = {}
      for _, secret in ipairs { t.secret, signin.password, signin.header, signin.federated[1], signin.pipeline,
        signin.az_token } do
        local text = (way[4] or "") .. cjson.encode(way[3]):gsub("\\/", "/")
        for path in (way[2] .. " " .. (way[3].AZURE_FEDERATED_TOKEN_FILE or "")):gmatch "/%S+" do
          if not path:find "%.p12$" then text = text .. (t.read(path) or "") end
        end
        if text:find(secret, 1, true) then own[#own + 1] = secret end
      end
      emulator:faults { { match = { kind = way[1] or "list" }, action = { status = 401,
        headers = { ["x-ms-request-id"] = everything }, body = { error = everything,
        error_description = "AADSTS7000215: " .. everything } } } }
      local env = t.merged(way[3], {})
      if not way.default then env.AZURE_SUBSCRIPTION_ID = emulator.subscription_id end
      local out, err, input = t.new_path "out", t.new_path "err", t.write(t.new_path "in", way[4] or "")
      local _, _, code = os.execute(("%s <%s >%s 2>%s"):format(kit.command(("list -vv %s %s --timeout 1 %s"):format(
        kit.address(emulator), way[2], where), env), input, out, err))
      assert(code ~= 0, name)
      for _, secret in ipairs(own) do
        for _, said in ipairs { t.read(out), t.read(err) } do
          assert(not said:find(secret, 1, true) and not said:find(cjson.encode(secret):sub(2, -2), 1, true),
            name .. ": its own secret in " .. said)
        end
      end
      emulator:faults {}
    end
  end)
end)
