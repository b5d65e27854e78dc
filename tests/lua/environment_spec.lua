-- What a client takes from the environment: credentials, the subscription, the authority.
local kit = dofile "tests/lua/kit.lua"

-- What the first request is: an update's, or sign-in's and for which tenant; or the error.
local probe = [[
  local azpec = require "azpec"
  local seen
  local options = {
    endpoint = "http://127.0.0.1:1", retry = { max_tries = 1 }, timeout = 20,
    authority_host = not os.getenv "AZURE_AUTHORITY_HOST" and "http://127.0.0.1:1" or nil, proxy = "",
    on_event = function (e) seen = seen or e.url and e.event .. " " .. e.url end,
  }
  if os.getenv "AZPEC_TEST_EXCLUDE" then -- a word of this test's
    local exclude = {}
    for link in os.getenv "AZPEC_TEST_EXCLUDE":gmatch "%S+" do exclude[#exclude + 1] = link end
    options.credential = azpec.credential.default { exclude = exclude }
  end
  local ok, client = pcall(azpec.client, options)
  if not ok then print("raised: " .. client) return end
  local ok, poller = pcall(client.begin_update, client, { resource_group_name = "rg", account_name = "acct",
    private_endpoint_connection_name = "pe.1", status = "Approved", timeout = 2 })
  if not ok then print("raised: " .. poller) return end
  local _, err = poller:wait(20)
  print(os.getenv "AZPEC_TEST_ERROR" and tostring(err) or seen or tostring(err))
]]
-- No programs and no metadata service, unless a test says otherwise.
local subscription = { AZURE_SUBSCRIPTION_ID = kit.subscription, PATH = "/nowhere",
                       AZURE_POD_IDENTITY_AUTHORITY_HOST = kit.nowhere }
local function with(env) return kit.child(probe, kit.merged(subscription, env)) end
local patch = "request http://127.0.0.1:1" .. kit.id
local app = { AZURE_TENANT_ID = "8d5d7f62", AZURE_CLIENT_ID = "b1e0", AZURE_CLIENT_SECRET = "S3cr3t" }
local sign_in = "token http://127.0.0.1:1/8d5d7f62/oauth2/v2.0/token"

-- The links of a failed chain as its error lists them, and the reason of each.
local function links_of(said)
  local list = assert(said:match "^credential: no credential in the chain provided a token: (.*)$", said)
  local names, reasons = {}, {}
  for link, why in (list .. "; "):gmatch "([%l_]+[%l_ %(%)]-): (.-) %(%d+ ms%); " do
    names[#names + 1], reasons[link] = link, why
  end
  return names, reasons
end
local all = { "environment", "workload_identity", "managed_identity (virtual machine)", "azure_cli",
              "azure_developer_cli" }
local function failing(env) return with(kit.merged(env, { AZPEC_TEST_ERROR = "1" })) end

describe("the environment", function ()
  it("with AZURE_SUBSCRIPTION_ID and AZURE_ACCESS_TOKEN is enough for an update", function ()
    assert.equal(patch, with { AZURE_ACCESS_TOKEN = "t" })
  end)

  it("with tenant, client and secret signs in as that application", function ()
    assert.equal(sign_in, with(app))
  end)

  it("with an application and a token takes the application", function ()
    assert.equal(sign_in, with(kit.merged(app, { AZURE_ACCESS_TOKEN = "t" })))
  end)

  it("with an application that lacks a part takes the token", function ()
    for name in pairs(app) do
      assert.equal(patch, with(kit.merged(app, { AZURE_ACCESS_TOKEN = "t", [name] = kit.none })))
      assert.equal(patch, with(kit.merged(app, { AZURE_ACCESS_TOKEN = "t", [name] = "" })))
    end
  end)

  it("without any credential makes the error kind credential, and lists each link and why it gave none", function ()
    local names, reasons = links_of(failing {})
    assert.same(all, names)
    assert.equal("not set up: the environment has neither AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET "
      .. "(or a certificate) nor AZURE_ACCESS_TOKEN", reasons.environment)
    assert.equal("not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_FEDERATED_TOKEN_FILE is missing",
      reasons.workload_identity)
    assert.truthy(reasons["managed_identity (virtual machine)"]:find("could not connect", 1, true))
    assert.equal("az: not installed (not on the PATH)", reasons.azure_cli)
    assert.equal("azd: not installed (not on the PATH)", reasons.azure_developer_cli)
  end)

  it("without any credential has a hint", function ()
    assert.truthy(failing {}:find("give one of azpec.credential's values as `credential`", 1, true))
  end)

  it("with half an application and no token says what is missing", function ()
    local names, reasons = links_of(failing { AZURE_TENANT_ID = "8d5d7f62", AZURE_CLIENT_ID = "b1e0" })
    assert.same(all, names)
    assert.truthy(reasons.environment:find("AZURE_CLIENT_SECRET", 1, true))
    assert.truthy(reasons.workload_identity:find("AZURE_FEDERATED_TOKEN_FILE", 1, true))
  end)

  it("with empty variables is as without them", function ()
    local empty = {}
    for _, name in ipairs { "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "ACCESS_TOKEN", "TOKEN_CREDENTIALS",
                            "CLIENT_CERTIFICATE_PATH", "FEDERATED_TOKEN_FILE" } do empty["AZURE_" .. name] = "" end
    for _, name in ipairs { "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT" } do
      empty[name] = ""
    end
    assert.same(all, (links_of(failing(empty))))
  end)
end)

describe("the environment (managed identities and others)", function ()
  it("without any credential asks the metadata service", function ()
    assert.equal("token " .. kit.nowhere .. "/metadata/identity/oauth2/token", with {})
  end)

  it("with a certificate signs in by it, the secret going before", function ()
    local certificate = kit.merged(app, { AZURE_CLIENT_SECRET = kit.none, AZURE_ACCESS_TOKEN = "t",
                                          AZURE_CLIENT_CERTIFICATE_PATH = "/nowhere/c.pem",
                                          AZURE_CLIENT_CERTIFICATE_PASSWORD = "S3cr3t" })
    local said = failing(certificate)
    assert.truthy(said:find("^credential: the certificate cannot be used: certificate_path '/nowhere/c.pem': "), said)
    assert.is_nil(said:find("S3cr3t", 1, true))
    assert.equal(sign_in, with(kit.merged(certificate, { AZURE_CLIENT_SECRET = "S3cr3t" })))
    assert.equal(patch, with(kit.merged(certificate, { AZURE_TENANT_ID = kit.none })))
  end)

  it("with a federated token's file signs in by its content", function ()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write "a.b.c\n"
    file:close()
    assert.equal(sign_in, with(kit.merged(app, { AZURE_CLIENT_SECRET = kit.none, AZURE_FEDERATED_TOKEN_FILE = name })))
    os.remove(name)
  end)

  local identity, msi = kit.nowhere .. "/identity", kit.nowhere .. "/msi"
  for situation, case in pairs {
    ["App Service"] = { { IDENTITY_ENDPOINT = identity, IDENTITY_HEADER = "S3cr3t" }, "token " .. identity },
    ["App Service, its older variables beside"] = { { IDENTITY_ENDPOINT = identity, IDENTITY_HEADER = "S3cr3t",
                                                      MSI_ENDPOINT = msi, MSI_SECRET = "S3cr3t" },
      "token " .. identity },
    ["Azure ML"] = { { MSI_ENDPOINT = msi, MSI_SECRET = "S3cr3t" }, "token " .. msi },
    ["Cloud Shell"] = { { MSI_ENDPOINT = msi }, "token " .. msi },
    ["Azure Arc"] = { { IDENTITY_ENDPOINT = identity, IMDS_ENDPOINT = kit.nowhere }, "token " .. identity },
    ["an endpoint alone"] = { { IDENTITY_ENDPOINT = identity },
      "token " .. kit.nowhere .. "/metadata/identity/oauth2/token" },
    ["a header alone"] = { { IDENTITY_HEADER = "S3cr3t", MSI_SECRET = "S3cr3t" },
      "token " .. kit.nowhere .. "/metadata/identity/oauth2/token" },
  } do
    it("of " .. situation .. " asks there, and shows no secret", function ()
      assert.equal(case[2], with(case[1]))
      local said = failing(kit.merged(case[1], { AZURE_TOKEN_CREDENTIALS = "prod" }))
      assert.is_nil(said:find("S3cr3t", 1, true))
    end)
  end

  it("of Service Fabric asks nobody who is not known by certificate", function ()
    local said = failing { IDENTITY_ENDPOINT = identity, IDENTITY_HEADER = "S3cr3t",
                           IDENTITY_SERVER_THUMBPRINT = ("ab"):rep(20) }
    assert.truthy(said:find("^credential: .*IDENTITY_ENDPOINT of Service Fabric is not https"), said)
    assert.is_nil(said:find("S3cr3t", 1, true))
  end)

  it("with AZURE_CLIENT_ID asks for that managed identity, where the place knows such", function ()
    local said = failing { MSI_ENDPOINT = msi, AZURE_CLIENT_ID = "b1e0" }
    assert.truthy(said:find("this source has no user-assigned identity by client_id", 1, true), said)
    assert.equal("token " .. identity, with { IDENTITY_ENDPOINT = identity, IDENTITY_HEADER = "S3cr3t",
                                              AZURE_CLIENT_ID = "b1e0" })
  end)

  it("with an address of the metadata service that ends in a slash asks the same", function ()
    assert.equal("token " .. kit.nowhere .. "/metadata/identity/oauth2/token",
      with { AZURE_POD_IDENTITY_AUTHORITY_HOST = kit.nowhere .. "/" })
  end)
end)

describe("the environment (AZURE_TOKEN_CREDENTIALS)", function ()
  for name, links in pairs {
    prod = { 1, 2, 3 }, dev = { 4, 5 }, PROD = { 1, 2, 3 }, Dev = { 4, 5 },
  } do
    it("with AZURE_TOKEN_CREDENTIALS=" .. name .. " has these links", function ()
      local want = {}
      for i, link in ipairs(links) do want[i] = all[link] end
      assert.same(want, (links_of(failing { AZURE_TOKEN_CREDENTIALS = name })))
    end)
  end

  for name, want in pairs {
    EnvironmentCredential = "the environment has neither", environmentcredential = "the environment has neither",
    WorkloadIdentityCredential = "AZURE_FEDERATED_TOKEN_FILE is missing", AzureCLICredential = "not installed",
    AzureDeveloperCLICredential = "not installed", AZURECLICREDENTIAL = "not installed",
  } do
    it("with AZURE_TOKEN_CREDENTIALS=" .. name .. " has this link alone", function ()
      local said = failing { AZURE_TOKEN_CREDENTIALS = name }
      assert.truthy(said:find("^credential: ") and said:find(want, 1, true), said)
      assert.is_nil(said:find("of the chain", 1, true))
    end)
  end

  it("with AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential asks the metadata service without haste", function ()
    assert.equal("token " .. kit.nowhere .. "/metadata/identity/oauth2/token",
      with(kit.merged(app, { AZURE_TOKEN_CREDENTIALS = "ManagedIdentityCredential" })))
  end)

  for _, name in ipairs { "production", "azure_cli", "AzureCLI", "AzurePowerShellCredential", "dev,prod", "none",
                          "prod ", "VisualStudioCodeCredential", "InteractiveBrowserCredential", "BrokerCredential" } do
    it("with AZURE_TOKEN_CREDENTIALS=" .. name .. " raises, naming the variable", function ()
      local said = with { AZURE_TOKEN_CREDENTIALS = name }
      assert.truthy(said:find("raised: ", 1, true) and said:find(("bad environment variable AZURE_TOKEN_CREDENTIALS "
        .. "(dev, prod, EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential, "
        .. "AzureCLICredential or AzureDeveloperCLICredential expected, got '%s')"):format(name), 1, true), said)
    end)
  end

  it("leaves out what exclude names", function ()
    assert.same({ all[1], all[2], all[5] },
      (links_of(failing { AZPEC_TEST_EXCLUDE = "managed_identity azure_cli" })))
    assert.same({ all[2], all[3] }, (links_of(failing { AZPEC_TEST_EXCLUDE = "environment",
                                                        AZURE_TOKEN_CREDENTIALS = "prod" })))
    local said = with { AZPEC_TEST_EXCLUDE = table.concat(all, " "):gsub(" %(.-%)", "") }
    assert.truthy(said:find("raised: ", 1, true) and said:find("the default chain is empty", 1, true), said)
  end)

  it("is what exclude named when the credential was made", function ()
    assert.equal("", kit.child([[
      local azpec = require "azpec"
      local kit = dofile "tests/lua/kit.lua"
      local exclude = { "managed_identity", "azure_cli", "azure_developer_cli" }
      local credential = azpec.credential.default { exclude = exclude }
      exclude[1], exclude[2], exclude[3] = nil, nil, nil
      local client = kit.client { credential = credential, on_event = function (e)
        if e.event == "token" then print(e.url) end
      end }
      client:update(kit.named())
    ]], subscription))
  end)
end)

describe("the environment (values)", function ()
  it("without a subscription raises, naming the option and the variable", function ()
    assert.truthy(kit.child(probe, { AZURE_ACCESS_TOKEN = "t" }):find(
      "raised: bad field 'subscription_id' (string expected, got nil; neither the client nor AZURE_SUBSCRIPTION_ID "
      .. "names one; client:identity() finds az's or azd's default)", 1, true))
    assert.truthy(kit.child(probe, { AZURE_SUBSCRIPTION_ID = "" }):find("AZURE_SUBSCRIPTION_ID", 1, true))
  end)

  it("with a malformed AZURE_SUBSCRIPTION_ID raises, naming the variable", function ()
    local said = with { AZURE_SUBSCRIPTION_ID = "a/b" }
    assert(said:find("^raised: .*AZURE_SUBSCRIPTION_ID"), said)
  end)

  it("with a malformed AZURE_TENANT_ID raises, naming the variable", function ()
    local said = with(kit.merged(app, { AZURE_TENANT_ID = "a/b" }))
    assert(said:find("^raised: .*AZURE_TENANT_ID"), said)
    assert.is_nil(said:find("S3cr3t", 1, true))
  end)

  it("with AZURE_AUTHORITY_HOST signs in there", function ()
    assert.equal("token https://127.0.0.1:1/8d5d7f62/oauth2/v2.0/token",
      with(kit.merged(app, { AZURE_AUTHORITY_HOST = "https://127.0.0.1:1/" })))
  end)

  for situation, case in pairs {
    ["plain http"] = { "http://login.example.com", "https expected" },
    ["plain http to loopback, which only an option may name"] = { "http://127.0.0.1:1", "https expected" },
    ["a path"] = { "https://login.example.com/x", "https://host[:port] without a path expected" },
    ["nonsense"] = { "login", "https://host[:port] expected" },
  } do
    it("with AZURE_AUTHORITY_HOST of " .. situation .. " raises, naming the variable", function ()
      assert.equal(("raised: bad environment variable AZURE_AUTHORITY_HOST (%s)"):format(case[2]),
        with(kit.merged(app, { AZURE_AUTHORITY_HOST = case[1] })))
    end)
  end

  for _, name in ipairs { "SSL_CERT_FILE", "CURL_CA_BUNDLE" } do
    it("with " .. name .. " of a file that could block raises, naming the variable", function ()
      local path = os.tmpname()
      for make, why in pairs { mkfifo = "not a regular file but a pipe", mkdir = "not a regular file but a directory",
        ["truncate -s 4G"] = "larger than 16 MiB" } do
        assert(os.execute(("rm -rf %s && %s %s"):format(path, make, path)))
        assert.equal(("raised: bad environment variable %s ('%s': %s)"):format(name, path, why),
          with(kit.merged(app, { [name] = path })))
      end
      os.execute("rm -rf " .. path)
    end)
  end

  it("with a token that ends in a newline is kind credential, and the token is not shown", function ()
    local said = with { AZURE_ACCESS_TOKEN = "T0p~secret\n" }
    assert.truthy(said:find("^credential: "))
    assert.is_nil(said:find("T0p", 1, true))
  end)

  it("is not asked for a credential that an option gives", function ()
    assert.equal("transport", kit.child([[
      local azpec = require "azpec"
      local client = azpec.client { endpoint = "http://127.0.0.1:1", retry = { max_tries = 1 }, proxy = "",
        credential = azpec.credential.token { token = "mine" },
        on_event = function (e) if e.event == "token" then print "signs in" end end }
      local _, err = client:get { resource_group_name = "rg", account_name = "acct",
        private_endpoint_connection_name = "pe" }
      print(err.kind)
    ]], kit.merged(subscription, app)))
  end)

  it("is not asked for a subscription that an option names", function ()
    assert.equal("/subscriptions/" .. kit.subscription, kit.child(([[
      local azpec = require "azpec"
      local client = azpec.client { subscription_id = "%s", endpoint = "http://127.0.0.1:1", proxy = "",
        retry = { max_tries = 1 } }
      local _, err = client:get { resource_group_name = "rg", account_name = "acct",
        private_endpoint_connection_name = "pe" }
      print(err.id:match "^/subscriptions/[^/]+")
    ]]):format(kit.subscription), { AZURE_SUBSCRIPTION_ID = "99999999-0000-4000-8000-000000000000",
                                    AZURE_ACCESS_TOKEN = "t" }))
  end)
end)
