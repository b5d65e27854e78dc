package.path = "./tests/?.lua;" .. package.path

-- Distinctive secrets go through every flow. signin.run searches all that a process tells (results, errors with all
-- their fields, tostring, every event, tracebacks); here the same is done where each flow fails, in the emulator's log,
-- and in the process itself: its arguments and environment, and those of what it starts.

local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

local function read_all(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

local function given()
  return { secret = t.secret, dir = signin.certificates(), password = signin.password, assertion = signin.federated[1],
    crt = read_all(signin.certificates() .. "/leaf.crt"), key = read_all(signin.certificates() .. "/leaf.key") }
end

local app = "tenant_id = given.tenant_id, client_id = given.client_id, "

-- Each flow: the kind of its request, the credential, its environment, what is done with it where that is not a get;
-- own: the secrets that the client itself holds; id_token: what a pipeline's service answers.
local function flows()
  local file = t.write(t.new_path "federated", signin.federated[1])
  local github = { ACTIONS_ID_TOKEN_REQUEST_URL = emulator.endpoint .. "/actions/idtoken",
    ACTIONS_ID_TOKEN_REQUEST_TOKEN = signin.pipeline }
  local azure = { SYSTEM_OIDCREQUESTURI = emulator.endpoint .. "/pipelines/oidctoken",
    SYSTEM_ACCESSTOKEN = signin.pipeline, AZURESUBSCRIPTION_SERVICE_CONNECTION_ID = signin.connection }
  return {
    client_secret = { "token", "client_secret { " .. app .. "client_secret = given.secret }", own = { t.secret } },
    client_certificate = { "token", "client_certificate { " .. app .. "certificate = given.crt, key = given.key }",
      own = {} },
    pkcs12 = { "token", "client_certificate { " .. app .. "certificate_path = given.dir .. '/leaf.p12', "
      .. "password = given.password }", own = { signin.password } },
    client_assertion = { "token", "client_assertion { " .. app
      .. "assertion = function () return given.assertion end }", own = { signin.federated[1] } },
    workload_identity = { "token", "workload_identity { " .. app .. "token_file_path = '" .. file .. "' }",
      own = { signin.federated[1] } },
    device_code = { { "token", "devicecode" }, "device_code { " .. app .. "prompt = function () end }", own = {} },
    imds = { "imds", "managed_identity {}", { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint }, own = {} },
    app_service = { "app_service", "managed_identity {}", {
      IDENTITY_ENDPOINT = emulator.endpoint .. "/appservice/token", IDENTITY_HEADER = signin.header },
      own = { signin.header } },
    azure_ml = { "azure_ml", "managed_identity {}", { MSI_ENDPOINT = emulator.endpoint .. "/azureml/token",
      MSI_SECRET = signin.header }, own = { signin.header } },
    service_fabric = { "service_fabric", "managed_identity {}", {
      IDENTITY_ENDPOINT = emulator.tls_endpoint .. "/servicefabric/token", IDENTITY_HEADER = signin.header,
      IDENTITY_SERVER_THUMBPRINT = emulator.tls_thumbprint }, own = { signin.header } },
    cloud_shell = { "cloud_shell", "managed_identity {}", { MSI_ENDPOINT = emulator.endpoint .. "/cloudshell/token" },
      own = {} },
    github_actions = { "github_actions", "github_actions { " .. app .. "}", github, own = { signin.pipeline } },
    github_exchange = { "token", "github_actions { " .. app .. "}", github,
      own = { signin.pipeline, signin.federated[1] },
      id_token = { kind = "github_actions", body = { value = signin.federated[1] } } },
    azure_pipelines = { "azure_pipelines", "azure_pipelines { " .. app .. "}", azure, own = { signin.pipeline } },
    azure_exchange = { "token", "azure_pipelines { " .. app .. "}", azure,
      own = { signin.pipeline, signin.federated[1] },
      id_token = { kind = "azure_pipelines", body = { oidcToken = signin.federated[1] } } },
    secret_function = { "token", "client_secret { " .. app .. "client_secret = function () return given.secret end }",
      own = { t.secret } },
    discovery = { "metadata", "client_secret { " .. app .. "client_secret = given.secret }", nil,
      "client = new { credential = credential, discover = true }; get();", own = { t.secret } },
  }
end

-- What a hostile or careless peer may answer: all that it was sent, or could have been, and a token in an odd place.
local function hostile()
  local all = { t.secret, signin.header, signin.federated[1], signin.password, t.canary, signin.az_token,
    signin.pipeline }
  local text = table.concat(all, " ")
  local list = {
    { status = 400, body = { error = "invalid_client", error_description = "AADSTS7000215: not " .. text } },
    { status = 400, body = { error = text, error_description = text, trace_id = text, correlation_id = text,
      timestamp = text } },
    { status = 500, body = text }, { status = 200, body = text }, { status = 200, body = { access_token = text } },
    { status = 200, body = { access_token = t.canary, expires_in = -1 } },
    { status = 307, headers = { Location = "http://127.0.0.1:1/?" .. t.secret:gsub("[^%w]", "") } },
    { cut = 20 }, { lose = true }, { status = 400, body = { error = { code = "x", message = text } } },
  }
  return list
end

describe("a secret", function ()
  setup(function () emulator = signin.start() end)
  before_each(function ()
    signin.reset()
    emulator:set { device_interval = 1, device_polls = 0 }
  end)
  after_each(t.tidy)
  teardown(t.close)

  it("goes through each flow that the module has", function ()
    local tried = flows()
    local below = "in the test of what the host or a program gave"
    local elsewhere = { token = below, ["function"] = below, azure_cli = below, azure_developer_cli = below,
      arc = "its file has one place on a machine", none = "it has no secret" }
    for flow in read_all "lua_module/lua/credential.c":gmatch "&flow_([%l_]+)" do
      assert(tried[flow] or elsewhere[flow], flow)
    end
  end)

  it("is in no output, event or log when a flow goes well", function ()
    for name, flow in t.each(flows()) do
      local out = signin.works { credential = "return azpec.credential." .. flow[2], env = flow[3], given = given(),
        body = (flow[4] or "get();")
          .. " note(cqueues.monotime(), client:update { id = given.id, status = 'Approved' })" }
      assert.truthy(out.credential:find "^azpec%.credential %([%l_]+%)$", name)
    end
    signin.clean(cjson.encode(signin.log()), "the emulator's log")
  end)

  -- A peer that knows a secret can say it back; what this client itself holds must still not be shown.
  for number = 1, 10 do
    it("is in no output, event or log when it fails, " .. number, function ()
      for name, flow in t.each(flows()) do
        local action = hostile()[number]
        local rules = { { match = { kind = flow[1] }, action = action } }
        if flow.id_token then -- one that can be told from all others
          rules[2] = { match = { kind = flow.id_token.kind }, action = { status = 200, body = flow.id_token.body } }
        end
        emulator:faults(rules)
        local pipe <close> = io.popen(signin.command { credential = "return azpec.credential." .. flow[2],
          env = flow[3], body = flow[4], given = t.merged(given(), { timeout = 0.8 * t.patience }) }
          .. " 2>&1 </dev/null")
        local said = pipe:read "a"
        assert.truthy(said:find '"ok":false', said)
        for _, secret in ipairs(flow.own) do
          for _, form in ipairs { secret, (cjson.encode(secret):sub(2, -2)) } do
            assert(not said:find(form, 1, true), name .. ": its own secret in " .. said)
          end
        end
        for _, secret in ipairs { "PRIVATE KEY", "eyJhbGci" } do
          assert(not said:find(secret, 1, true), name .. ": " .. secret .. " in " .. said)
        end
      end
      local log = signin.log()
      assert(#log > 0)
      signin.clean(cjson.encode(log), "the emulator's log")
    end)
  end

  -- Who the claims are about is no secret; the token that says so is.
  it("is in no identity and no explanation", function ()
    for name, flow in t.each(flows()) do
      local out = signin.works { credential = "return azpec.credential." .. flow[2], env = flow[3], given = given(),
        body = (flow[4] or "") .. [[ local identity, err = client:identity()
          note(cqueues.monotime(), identity, err)
          told[#told + 1] = { identity, client:explain(), client:settings(), tostring(client) }]] }
      assert.truthy(out.told:find(emulator.tenant_id, 1, true), name)
    end
  end)

  it("that the host or a program gave is printed by nobody either", function ()
    local folder = signin.programs { az = "echo 'ERROR: " .. signin.az_token .. "' >&2; echo '" .. cjson.encode {
      accessToken = signin.az_token, expires_on = os.time() + 3600 } .. "'", azd = "echo '" .. cjson.encode {
      token = signin.az_token, expiresOn = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 3600) } .. "'" }
    emulator:faults { { match = { kind = "get" }, action = { status = 401, body = { error = { code = signin.az_token,
      message = "not " .. signin.az_token } }, headers = { ["x-ms-request-id"] = signin.az_token } } } }
    for _, credential in ipairs { "azure_cli {}", "azure_developer_cli {}", "token { token = given.token }",
      "token { get = function () return given.token end }" } do
      local out = signin.run { credential = "return azpec.credential." .. credential, env = { PATH = folder },
        given = { token = signin.az_token }, body = "get(); told[#told + 1] = { client:identity(), client:explain() }" }
      assert.equal("credential", out[1].kind, credential)
      assert.truthy(out[1].message:find("<redacted>", 1, true), out[1].message)
    end
  end)

  it("is in nobody's arguments and environment beside what the host was given", function ()
    local folder = signin.programs { az = "/usr/bin/mkfifo \"$0.fifo\"; read x <\"$0.fifo\"; exit 1" }
    local running = signin.begin { credential = [[return azpec.credential.chain { azpec.credential.azure_cli {
        timeout = given.hang }, azpec.credential.client_certificate { tenant_id = given.tenant_id,
        client_id = given.client_id, certificate = given.crt, key = given.key } }]],
      given = given(), env = { PATH = folder },
      body = "client:begin_update { id = given.id, status = 'Approved' }; get()" }
    local pid
    t.await("az", function ()
      pid = tonumber(read_all(folder .. "/az.pids"):match "^(%d+)\n")
      return pid and os.execute("test -p " .. folder .. "/az.fifo")
    end)
    local parent = read_all("/proc/" .. pid .. "/stat"):match "^%d+ %(.*%) %S (%d+)"
    for _, process in ipairs { pid, parent } do
      for _, file in ipairs { "cmdline", "environ" } do
        local text = read_all(("/proc/%s/%s"):format(process, file))
        assert(#text > 0, file)
        signin.clean(text, file)
      end
    end
    t.write(folder .. "/az.fifo", "go\n")
    assert.is_false(running:finish()[1].ok) -- az failed without saying that nobody is signed in
  end)

  it("is not inherited by a program through a descriptor", function ()
    local folder = signin.programs { az = "/bin/ls -l /proc/self/fd >\"$0.fds\"; echo {}" }
    signin.run { credential = [[held = assert(io.open(given.dir .. "/leaf.key"))
      return azpec.credential.azure_cli {}]], given = given(), env = { PATH = folder } }
    local listed = read_all(folder .. "/az.fds")
    assert(#listed > 0)
    assert.is_nil(listed:find("leaf.key", 1, true), listed)
    assert.is_nil(listed:find("socket:", 1, true), listed)
  end)
end)
