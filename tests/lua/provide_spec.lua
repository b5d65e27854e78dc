-- What the host's own functions give a credential, and what becomes of one that gives no token.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"
local credential = azpec.credential
local use = kit.use

describe("azpec.credential.token{ get = f }", function ()
  local function outcome(f, ...)
    local connection, err = use(credential.token { get = f }, ...)
    assert.is_nil(connection)
    return err
  end

  it("hands f the scope, and at first neither claims nor a refused token", function ()
    local seen
    outcome(function (...) seen = table.pack(...) return "token" end)
    assert.same({ n = 3, "https://management.azure.com/.default" }, seen)
    outcome(function (...) seen = table.pack(...) return "token" end, { scope = "api://mine/.default" })
    assert.equal("api://mine/.default", seen[1])
    outcome(function (...) seen = table.pack(...) return "token" end, { cloud = "AzureChinaCloud" })
    assert.equal("https://management.chinacloudapi.cn/.default", seen[1])
  end)

  it("an endpoint of one's own changes no scope", function ()
    local seen
    outcome(function (scope) seen = scope return "token" end, { endpoint = "http://localhost:1" })
    assert.equal("https://management.azure.com/.default", seen)
  end)

  it("takes the token for the request, and its end as a number or in digits", function ()
    assert.equal("transport", outcome(function () return "token", tostring(os.time() + 3600) end).kind)
    assert.equal("transport", outcome(function () return "token", os.time() + 3600.5 end).kind)
    assert.equal("transport", outcome(function () return "token" end).kind)
    assert.equal("transport", outcome(function () return "token", os.time() + 3600 end).kind)
  end)

  it("asks once for several operations of one client", function ()
    local asked = 0
    local client <close> = kit.client {
      credential = credential.token { get = function () asked = asked + 1 return "token" end },
    }
    local pollers = {}
    for i = 1, 5 do pollers[i] = client:begin_update(kit.named()) end
    for i = 1, 5 do pollers[i]:wait() end
    assert.equal(1, asked)
  end)

  local nonsense, passed = "^the token's expiry time is invalid$", "^the token's expiry time has passed$"
  for situation, case in pairs {
    ["raises"] = { function () error "vault is sealed" end, "the token function failed: .*vault is sealed$" },
    ["raises a table"] = { function () error(setmetatable({}, { __tostring = function () return "object" end })) end,
      "^the token function failed: object$" },
    ["raises a table with a message"] = { function () error { message = "vault is sealed" } end,
      "^the token function failed: vault is sealed$" },
    ["raises nil"] = { function () error() end, "^the token function failed: " },
    ["returns nil and a reason"] = { function () return nil, "not logged in" end,
      "^the token function failed: not logged in$" },
    ["returns nil and a table with a message"] = { function () return nil, { message = "vault is sealed" } end,
      "^the token function failed: vault is sealed$" },
    ["returns nil and an object"] = { function ()
      return nil, setmetatable({}, { __tostring = function () return "object" end })
    end, "^the token function failed: object$" },
    ["returns nothing"] = { function () end, "^the token function failed: it returned no string$" },
    ["returns a number"] = { function () return 5 end, "^the token function failed: it returned no string$" },
    ["returns a table"] = { function () return {} end, "^the token function failed: it returned no string$" },
    ["returns an empty token"] = { function () return "" end, "^the token is empty " },
    ["returns a header behind the token"] = { function () return "t\r\nX-Evil: 1" end,
      "a header field does not allow" },
    ["returns a token that has expired"] = { function () return "t", os.time() - 1 end, passed },
    ["returns a token that expires in 1970"] = { function () return "t", 0 end, passed },
    ["returns a token that expires before 1970"] = { function () return "t", -5 end, passed },
    ["returns a token that never expires"] = { function () return "t", math.huge end, nonsense },
    ["returns an expiry that is no number"] = { function () return "t", 0 / 0 end, nonsense },
    ["returns an expiry of another type"] = { function () return "t", {} end, nonsense },
    ["returns milliseconds for seconds"] = { function () return "t", os.time() * 1000 end, nonsense },
    ["returns a token far too large"] = { function () return ("x"):rep(1 << 20) end, "large" , "limit" },
    ["raises an object that cannot be shown"] = { function ()
      error(setmetatable({}, { __tostring = function () error {} end }))
    end, "^the token function failed: an error that cannot be converted to a string$" },
    ["yields"] = { function () coroutine.yield() end, "must not yield: let another coroutine do what waits$" },
  } do
    it("that " .. situation .. " makes the error kind " .. (case[3] or "credential"), function ()
      local err
      coroutine.wrap(function () err = outcome(case[1]) end)()
      assert.equal(case[3] or "credential", err.kind)
      assert.equal("token", err.phase)
      assert.truthy(err.message:find(case[2]), err.message)
      assert.is_nil(err.continuation_token)
    end)
  end

  it("says by a table whether the same call may succeed later, returned or raised", function ()
    for reason, later in pairs { [{ message = "x", retryable = true }] = true, [{ retryable = true }] = true,
      [{ message = "x" }] = false, x = false } do
      assert.equal(later, outcome(function () return nil, reason end).retryable)
      assert.equal(later, outcome(function () error(reason, 0) end).retryable)
    end
  end)

  it("passes on the failure of another call of the module", function ()
    local other = outcome(function () return nil, { message = "no network", retryable = true } end)
    local err = outcome(function () return nil, other end)
    assert.equal("the token function failed: the token function failed: no network", err.message)
    assert.is_true(err.retryable)
  end)

  it("a reason that quotes a token is not shown whole", function ()
    local jwt = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"
    local err = outcome(function () error("refused: " .. jwt .. " and Bearer abcdefghijklmnopqrstuvwxyz", 0) end)
    assert.equal("the token function failed: refused: <redacted> and <redacted>", err.message)
  end)

  it("a failed fetch is tried again by the next operation", function ()
    local asked = 0
    local client <close> = kit.client {
      credential = credential.token { get = function ()
        asked = asked + 1
        if asked == 1 then return nil, "not yet" end
        return "token"
      end },
    }
    assert.equal("credential", select(2, client:update(kit.named())).kind)
    assert.equal("transport", select(2, client:update(kit.named())).kind)
    assert.equal(2, asked)
  end)

  it("an object with __call serves as well", function ()
    local object = setmetatable({}, { __call = function (_, scope) return nil, "called for " .. scope end })
    assert.truthy(outcome(object).message:find("called for https://", 1, true))
  end)

  it("must not step, wait or close its client", function ()
    local client, poller
    local said = {}
    client = kit.client { credential = credential.token { get = function ()
      said[1] = select(2, pcall(client.step, client))
      said[2] = select(2, pcall(poller.wait, poller))
      said[3] = select(2, pcall(poller.step, poller))
      said[4] = select(2, pcall(client.close, client))
      return "token"
    end } }
    poller = client:begin_update(kit.named())
    poller:wait()
    local step = "a client's callback must not step the client"
    assert.same({ step, step, step, "a client's callback must not close the client" }, said)
    client:close()
  end)
end)

-- ---- the other kinds, as far as they go without a network ----------------------------------------------------------

local app = { tenant_id = "contoso.com", client_id = "b1e0c6a4" }
local function with(more) return kit.merged(app, more) end
local function refusing() error("vault is sealed", 0) end
local function shy() return nil, "not today" end
local function silent() end
local function numeric() return 5 end
local function yielding() coroutine.yield() end
local temporary = {}
local function made(command)
  local path = os.tmpname()
  assert(os.execute(("rm %s && %s %s"):format(path, command, path)))
  temporary[#temporary + 1] = path
  return path
end
local yields = "a client's callback must not yield: let another coroutine do what waits$"

describe("a function of another credential", function ()
  it("says by a table why it failed, and whether the same call may succeed later", function ()
    local why = { message = "vault is sealed", retryable = true }
    local function raising() error(why) end
    for _, case in ipairs {
      { "client_secret", with { client_secret = raising }, "the client_secret function" },
      { "client_secret", with { client_secret = function () return nil, why end }, "the client_secret function" },
      { "client_assertion", with { assertion = raising }, "the assertion function" },
      { "client_certificate", with { sign = raising, thumbprint = ("ab"):rep(32) }, "signing" },
    } do
      local _, err = use(credential[case[1]](case[2]))
      assert.equal(case[3] .. " failed: vault is sealed", err.message)
      assert.is_true(err.retryable)
    end
  end)
end)

describe("a credential that cannot be used", function ()
  for situation, case in pairs {
    ["client_secret whose function raises"] = { "client_secret", with { client_secret = refusing },
      "^the client_secret function failed: vault is sealed$" },
    ["client_secret whose function gives a reason"] = { "client_secret", with { client_secret = shy },
      "^the client_secret function failed: not today$" },
    ["client_secret whose function returns nothing"] = { "client_secret", with { client_secret = silent },
      "^the client_secret function failed: it returned no string$" },
    ["client_secret whose function returns a number"] = { "client_secret", with { client_secret = numeric },
      "^the client_secret function failed: it returned no string$" },
    ["client_secret whose function returns an empty string"] = { "client_secret",
      with { client_secret = function () return "" end }, "^the client_secret function returned nothing$" },
    ["client_secret whose function yields"] = { "client_secret", with { client_secret = yielding }, yields },
    ["client_assertion whose function raises"] = { "client_assertion", with { assertion = refusing },
      "^the assertion function failed: vault is sealed$" },
    ["client_assertion whose function gives a reason"] = { "client_assertion", with { assertion = shy },
      "^the assertion function failed: not today$" },
    ["client_assertion whose function returns nothing"] = { "client_assertion", with { assertion = silent },
      "^the assertion function failed: it returned no string$" },
    ["client_assertion whose function returns a number"] = { "client_assertion", with { assertion = numeric },
      "^the assertion function failed: it returned no string$" },
    ["client_assertion whose function returns blanks"] = { "client_assertion",
      with { assertion = function () return " \n" end }, "^the assertion is empty$" },
    ["client_assertion whose function yields"] = { "client_assertion", with { assertion = yielding }, yields },
    ["workload_identity without its file"] = { "workload_identity", with { token_file_path = "/nowhere/token" },
      "^token_file_path '/nowhere/token': no such file$" },
    ["workload_identity whose file is a directory"] = { "workload_identity", with { token_file_path = "/" },
      "^token_file_path '/': not a regular file but a directory$" },
    ["workload_identity whose file is a process's memory"] = { "workload_identity",
      with { token_file_path = "/proc/self/mem" }, "^token_file_path '/proc/self/mem': it cannot be read$" },
    ["workload_identity whose file is another"] = { "workload_identity", with { token_file_path = "/etc/passwd" },
      "^the assertion is not a token: it contains blanks or control characters$" },
    ["client_assertion whose function returns a binary"] = { "client_assertion",
      with { assertion = function () return "a.b\0.c" end }, "^the assertion is not a token" },
    ["workload_identity whose file never ends"] = { "workload_identity", with { token_file_path = "/dev/zero" },
      "^token_file_path '/dev/zero': not a regular file but a device$" },
    ["workload_identity whose file is a pipe that nobody writes to"] = { "workload_identity",
      with { token_file_path = made "mkfifo" }, "': not a regular file but a pipe$" },
    ["workload_identity whose file is a socket"] = { "workload_identity", with { token_file_path = made(
      "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1)'") },
      "': not a regular file but a socket$" },
    ["workload_identity whose file is huge"] = { "workload_identity", with { token_file_path = made "truncate -s 4G" },
      "': too large$" },
    ["workload_identity without anything"] = { "workload_identity", {},
      "^not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_FEDERATED_TOKEN_FILE is missing$" },
    ["azure_cli with a subscription that a shell would take apart"] = { "azure_cli", { subscription = "a; rm -rf b" },
      "subscription contains a character that is not passed to a program" },
    ["azure_cli with a subscription that is an option"] = { "azure_cli", { subscription = "--debug" },
      "subscription contains a character that is not passed to a program" },
    ["client_certificate whose file is not there"] = { "client_certificate",
      with { certificate_path = "/nowhere/c.pem" },
      "^the certificate cannot be used: certificate_path '/nowhere/c.pem': No such file or directory$" },
    ["client_certificate that is none"] = { "client_certificate", with { certificate = "S3cr3t", password = "S3cr3t" },
      "^the certificate cannot be used: certificate: no certificate in it %(it is neither PEM nor PKCS#12%)$" },
    ["client_certificate that is none, with a signer"] = { "client_certificate",
      with { certificate = "S3cr3t", sign = refusing },
      "^the certificate cannot be used: certificate: no certificate in it %(it is neither PEM nor PKCS#12%)$" },
  } do
    it("is an error of kind credential: " .. situation, function ()
      local err
      coroutine.wrap(function () err = select(2, use(credential[case[1]](case[2]))) end)()
      assert.equal("credential", err.kind)
      assert.equal("token", err.phase)
      assert.is_false(err.retryable)
      assert.truthy(err.message:find(case[3]), err.message)
      assert.is_nil(tostring(err):find("S3cr3t", 1, true))
      assert.is_nil(err.continuation_token)
    end)
  end
end)

teardown(function ()
  for _, path in ipairs(temporary) do os.remove(path) end
end)

describe("a credential that cannot be used (the host's functions)", function ()
  it("the host's functions must not step, wait or close the client", function ()
    local client, poller, said
    local function look()
      said = { select(2, pcall(client.step, client)), select(2, pcall(poller.wait, poller)),
               select(2, pcall(client.close, client)) }
      return "a.b.c"
    end
    client = kit.client { credential = credential.client_assertion(with { assertion = look }) }
    poller = client:begin_update(kit.named())
    poller:wait()
    assert.same({ "a client's callback must not step the client", "a client's callback must not step the client",
                  "a client's callback must not close the client" }, said)
    client:close()
  end)

  it("the assertion function is called without arguments, once for each fetch", function ()
    local calls = {}
    local function assertion(...) calls[#calls + 1] = select("#", ...) return "a.b.c" end
    local client <close> = kit.client { credential = credential.client_assertion(with { assertion = assertion }) }
    for _ = 1, 2 do assert.equal("transport", select(2, client:update(kit.named())).kind) end
    assert.same({ 0, 0 }, calls)
  end)

  it("objects with __call serve as functions", function ()
    local called = 0
    local object = setmetatable({}, { __call = function () called = called + 1 return nil, "called" end })
    use(credential.client_assertion(with { assertion = object }))
    assert.equal(1, called)
    assert.equal("azpec.credential", azpec.type(credential.device_code { prompt = object }))
    assert.equal("azpec.credential",
      azpec.type(credential.client_certificate(with { certificate_path = "/nowhere/c.pem", sign = object })))
  end)

  it("without azpec_signing says what is missing", function ()
    local said = kit.child([[
      local azpec = require "azpec"
      local kit = dofile "tests/lua/kit.lua"
      require "cjson"
      package.path, package.cpath = "/nowhere/?.lua", "/nowhere/?.so"
      local client = kit.client { credential = azpec.credential.client_certificate {
        tenant_id = "contoso.com", client_id = "b1e0", certificate = "S3cr3t" } }
      print(select(2, client:update(kit.named())))
    ]])
    assert.truthy(said:find "^credential: .*azpec_signing.*libssl%-dev", said)
    assert.truthy(#said < 200, said)
    assert.is_nil(said:find("S3cr3t", 1, true))
  end)

  it("whose thumbprint OpenSSL refuses to make says why", function ()
    local said = kit.child([[
      local azpec = require "azpec"
      local kit = dofile "tests/lua/kit.lua"
      local key = { thumbprint = function () return nil, "OpenSSL: disabled for fips" end }
      package.loaded.azpec_signing = { load = function () return key end }
      local client = kit.client { credential = azpec.credential.client_certificate {
        tenant_id = "contoso.com", client_id = "b1e0", certificate = "C", algorithm = "RS256" } }
      print(select(2, client:update(kit.named())))
    ]])
    assert.equal("credential: the certificate cannot be used: OpenSSL: disabled for fips", said)
  end)
end)
