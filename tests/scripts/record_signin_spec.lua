-- azpec.record and the ways to the service: proxies, and the sources of tokens beside Microsoft Entra ID.
package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local json = require "azpec.json"
local record = require "azpec.record"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

local plain = "env -u LD_PRELOAD " .. (os.getenv "LUA" or "lua5.4")

setup(function () emulator = signin.start() end)
before_each(function () signin.reset() end)
after_each(t.tidy)
teardown(t.close)

local function settings(more)
  return t.merged({ file = t.new_path "recording", endpoint = emulator.tls_endpoint,
    authority_host = emulator.tls_endpoint, ca_file = emulator.ca_file, lua = plain }, more or {})
end

-- A program that is led to the server by its environment, and the status of the connection that it reads.
local program = [[
  local client <close> = azpec.client { endpoint = os.getenv "AZPEC_ENDPOINT", timeout = 20,
    authority_host = os.getenv "AZPEC_AUTHORITY_HOST", ca_file = os.getenv "AZPEC_CA_FILE",
    retry = { max_tries = 2, base_delay = 0.01 }, subscription_id = given.subscription_id,
    credential = load("local azpec = ...; return " .. given.credential)(azpec) }
  local connection, err = client:get { id = given.id }
  print(err and err.kind .. ": " .. err.message or connection.properties.privateLinkServiceConnectionState.status)]]

-- The program that records: it starts the one above, with all variables or (given.blind) only azpec's own.
local recording = [[
  local record = require "azpec.record"
  local recorder <close> = record.start(given.settings)
  local words = {}
  for name, value in pairs(recorder:environment()) do
    if not given.blind or name:find "^AZPEC_" then words[#words + 1] = ("%s='%s'"):format(name, value) end
  end
  local pipe <close> = io.popen("env " .. table.concat(words, " ") .. " " .. given.program)
  io.write(pipe:read "a")
  recorder:close()]]

local function given_to(credential)
  return { id = emulator.sample, subscription_id = emulator.subscription_id, credential = credential }
end

-- Returns what the program said, the file's text, and its path.
local function recorded(credential, env, is_blind)
  local chosen = settings()
  local said = t.child(recording, { settings = chosen, blind = is_blind,
    program = t.command(program, given_to(credential)) }, env)
  local text = t.read(chosen.file)
  if text then signin.clean(text, "the recording") end
  return said, text, chosen.file
end

local function identity(more) return { credential = "azpec.credential.managed_identity {}", env = more } end

local function sources()
  local pipeline = { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id }
  return {
    metadata = identity { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint .. "/" },
    app_service = identity { IDENTITY_ENDPOINT = emulator.endpoint .. "/appservice/token",
      IDENTITY_HEADER = signin.header },
    azure_ml = identity { MSI_ENDPOINT = emulator.endpoint .. "/azureml/token", MSI_SECRET = signin.header },
    cloud_shell = identity { MSI_ENDPOINT = emulator.endpoint .. "/cloudshell/token" },
    github_actions = { credential = "azpec.credential.github_actions {}", env = t.merged(pipeline, {
      ACTIONS_ID_TOKEN_REQUEST_URL = emulator.tls_endpoint .. "/actions/idtoken?api-version=2.0",
      ACTIONS_ID_TOKEN_REQUEST_TOKEN = signin.pipeline }) },
    azure_pipelines = { credential = "azpec.credential.azure_pipelines {}", env = {
      SYSTEM_OIDCREQUESTURI = emulator.tls_endpoint .. "/pipelines/oidctoken", SYSTEM_ACCESSTOKEN = signin.pipeline,
      AZURESUBSCRIPTION_TENANT_ID = emulator.tenant_id, AZURESUBSCRIPTION_CLIENT_ID = emulator.client_id,
      AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = signin.connection } },
    chain = { credential = "azpec.credential.default { exclude = { 'azure_cli', 'azure_developer_cli' } }",
      source = "metadata", env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint } },
  }
end

describe("a recorder and a player", function ()
  for _, name in ipairs { "metadata", "app_service", "azure_ml", "cloud_shell", "github_actions", "azure_pipelines",
    "chain" } do
    it("have the sign-in of " .. name .. ", without its secrets", function ()
      local case = sources()[name]
      local said, text, path = recorded(case.credential, case.env)
      assert.equal("Pending", said)
      assert.matches('"url": "/_sign_in/' .. (case.source or name), text, 1, true)
      assert.is_nil(cjson.decode(text).not_recorded)
      signin.reset()
      local player <close> = record.play { file = path, lua = plain }
      local env = t.merged(case.env, player:environment())
      assert.equal("Pending", t.child(program, given_to(case.credential), env))
      assert.matches("The recording has 1 answer", t.child(program, given_to(case.credential), env), 1, true)
      assert.equal("", emulator:kinds())
    end)
  end

  -- The member's name does not tell that it is one. `recorded` looks for secrets.
  it("have no secret that a source says back", function ()
    for name, case in t.each(sources()) do
      local own = {}
      for _, value in pairs(case.env) do
        if value == signin.header or value == signin.pipeline then own[#own + 1] = value end
      end
      if own[1] then
        emulator:faults { { match = { kind = name }, action = { status = 400,
          body = { error = "invalid_request", error_description = "you sent " .. table.concat(own) } } } }
        local said, text = recorded(case.credential, case.env)
        assert.matches("^credential: ", said)
        assert.matches("you sent hidden-", text, 1, true)
      end
    end
  end)

  it("have the sign-in of workload_identity, without its token", function ()
    local file = t.write(t.new_path "federated", signin.federated[1])
    local env = { AZURE_FEDERATED_TOKEN_FILE = file, AZURE_TENANT_ID = emulator.tenant_id,
      AZURE_CLIENT_ID = emulator.client_id }
    local said, text = recorded("azpec.credential.workload_identity {}", env)
    assert.equal("Pending", said)
    assert.is_nil(cjson.decode(text).not_recorded)
  end)

  it("pass over Azure Arc's challenge, whose file only the recorded machine has", function ()
    local url = "/_sign_in/arc?api-version=2020-06-01&resource=https%3A%2F%2Fmanagement.azure.com"
    local function answer(status, body)
      return { request = { method = "GET", url = url }, response = { status = status, body = body, headers = {
        ["www-authenticate"] = status == 401 and "Basic realm=/var/opt/azcmagent/tokens/a.key" or nil } } }
    end
    local path = t.write(t.new_path "recording", json.encode { azpec_recording = 1, begun = "2026-05-04T01:02:03Z",
      endpoint = "https://management.azure.com", authority_host = "https://login.microsoftonline.com",
      exchanges = json.list { answer(401, {}), answer(200, { access_token = "hidden-1", expires_on = "1" }) } })
    local player <close> = record.play { file = path, lua = plain }
    local env = player:environment()
    assert.equal(player.endpoint .. "/_sign_in/arc", env.IDENTITY_ENDPOINT)
    assert.equal("none", env.IMDS_ENDPOINT)
    local status, body = t.http(player.endpoint, "GET", url)
    assert.equal(200, status)
    assert.equal("hidden-1", cjson.decode(body).access_token)
  end)

  it("count the tokens of a sign-in that did not pass through", function ()
    local az = signin.programs { az = ([[echo '{"accessToken":"opaque-1234567890","expires_on":%d}']]):format(
      os.time() + 3600) }
    for name, case in t.each {
      ["a ready token"] = { "azpec.credential.token { token = 'opaque-1234567890' }" },
      ["a function"] = { "azpec.credential.token { get = function () return 'opaque-1234567890' end }" },
      ["az"] = { "azpec.credential.azure_cli {}", { PATH = az .. ":" .. os.getenv "PATH" } },
      ["a managed identity that the recorder is not named to"] = { "azpec.credential.managed_identity {}",
        { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint } },
    } do
      local said, text, path = recorded(case[1], case[2], true)
      assert.truthy(text, name .. ": " .. said)
      local gaps = cjson.decode(text).not_recorded
      assert.equal(1, #gaps, name)
      assert.equal(1, gaps[1].times, name)
      assert.matches("^a sign%-in that did not pass through the recorder", gaps[1].what)
      assert.is_nil(text:find("opaque", 1, true))
      local player <close> = record.play { file = path, lua = plain }
      assert.same(gaps, player.not_recorded)
    end
  end)

  it("refuse Service Fabric's sign-in, and say why", function ()
    local said = t.child([[
      local recorder <close> = require "azpec.record".start(given)
      print(select(2, pcall(recorder.environment, recorder)))]], settings(), { IDENTITY_HEADER = signin.header,
      IDENTITY_ENDPOINT = emulator.tls_endpoint .. "/servicefabric/token", IDENTITY_SERVER_THUMBPRINT = "aa" })
    assert.matches("azpec.record: Service Fabric's sign-in cannot be recorded", said, 1, true)
    assert.matches("unset IDENTITY_SERVER_THUMBPRINT", said, 1, true)
  end)
end)

describe("a recorder's proxy", function ()
  -- A relay; login: "user:password" that it wants.
  local function relay(kind, login)
    return ("127.0.0.1:%d"):format(t.start(("sh -c 'exec %s tests/loopback/relay.lua $$ %s %s'"):format(plain, kind,
      login or "")).port)
  end

  local function read_through(proxy)
    local path = t.new_path "recording"
    local recorder <close> = record.start(settings { file = path, proxy = proxy })
    local client <close> = recorder:client { credential = emulator:credential(), retry = { max_tries = 1 } }
    local connection, err = client:get { id = emulator.sample }
    recorder:close()
    return connection, err, t.read(path)
  end

  for _, kind in ipairs { "http", "socks5h" } do
    it(("by %s carries the requests, and by its password if it wants one"):format(kind), function ()
      for user, login in pairs { [""] = false, ["us%40er:hush%3Ahush@"] = "us@er:hush:hush" } do
        local connection, err, text = read_through(("%s://%s%s"):format(kind, user, relay(kind, login or nil)))
        assert.is_nil(err)
        assert.equal(emulator.sample, connection.id)
        assert.is_nil(text:find("hush", 1, true))
      end
    end)

    it(("by %s refuses a wrong password or none, which the recording tells without it"):format(kind), function ()
      local at = relay(kind, "user:right")
      for _, user in ipairs { "", "user:hush@" } do
        local connection, _, text = read_through(("%s://%s%s"):format(kind, user, at))
        assert.is_nil(connection)
        local failure = cjson.decode(text).exchanges[1].failure
        assert.matches("the proxy refused", failure, 1, true)
        assert.is_nil(text:find("hush", 1, true))
      end
    end)
  end

  it("of another kind is refused at the start, with what to write", function ()
    for url, why in pairs { ["https://user:hush@p:1"] = "no TLS with the proxy itself; write http:// or socks5h://",
      ["socks5://p"] = "write socks5h://", ["socks4://p"] = "write socks5h://", ["socks4a://p"] = "write socks5h://",
      ["p:3128"] = "it is no URL such as http://", ["http://user:hush@a b"] = "it is no URL such as http://",
      ["http://p:1.0"] = "it is no URL such as http://", ["http://p/proxy.pac"] = "it is no URL such as http://" } do
      local ok, problem = pcall(record.start, settings { proxy = url })
      assert.is_false(ok)
      assert.matches("azpec.record: it did not start: proxy: ", problem, 1, true)
      assert.matches(why, problem, 1, true)
      assert.is_nil(problem:find("hush", 1, true))
    end
  end)
end)
