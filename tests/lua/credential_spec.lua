-- Credentials: what they are made of, what they show, and what the environment offers.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"
local credential = azpec.credential

local secret = { tenant_id = "contoso.onmicrosoft.com", client_id = "b1e0c6a4", client_secret = "S3cr3t~value" }

-- An update by this credential, to the end.
local function use(c, more)
  local client <close> = kit.client(kit.merged({ credential = c }, more))
  return client:update(kit.named())
end

-- Called by their names, as people do, so that the errors may say them.
local constructors = {
  token = function (options) local _ = credential.token(options) end,
  client_secret = function (options) local _ = credential.client_secret(options) end,
  default = function (options) local _ = credential.default(options) end,
}
local function refused(kind, options)
  return kit.raised(constructors[kind], options)
end

describe("azpec.credential", function ()
  it("has these kinds and no others", function ()
    local names = {}
    for k in pairs(credential) do names[#names + 1] = k end
    table.sort(names)
    assert.same({ "client_secret", "default", "token" }, names)
  end)

  for situation, case in pairs {
    ["token without anything"] = { "token", {}, "bad field 'token' (string expected, got nil)" },
    ["token that is empty"] = { "token", { token = "" }, "bad field 'token' (must not be empty)" },
    ["token that is a number"] = { "token", { token = 5 }, "bad field 'token' (string expected, got number)" },
    ["token that is a boolean"] = { "token", { token = true }, "bad field 'token' (string expected, got boolean)" },
    ["get that is no function"] = { "token", { get = "x" }, "bad field 'get' (function expected, got string)" },
    ["token beside get"] = { "token", { token = "x", get = print },
      "fields 'token' and 'get': give one or the other" },
    ["an unknown field of token"] = { "token", { tokn = "x" }, "unknown field 'tokn'" },
    ["token's options that are no table"] = { "token", "x",
      "bad argument #1 to 'token' (table expected, got string)" },
    ["token's options that are missing"] = { "token", nil, "bad argument #1 to 'token' (table expected, got nil)" },
    ["client_secret without a tenant"] = { "client_secret", kit.merged(secret, { tenant_id = kit.none }),
      "bad field 'tenant_id' (string expected, got nil)" },
    ["client_secret without a client"] = { "client_secret", kit.merged(secret, { client_id = kit.none }),
      "bad field 'client_id' (string expected, got nil)" },
    ["client_secret without the secret"] = { "client_secret", kit.merged(secret, { client_secret = kit.none }),
      "bad field 'client_secret' (string expected, got nil)" },
    ["client_secret with an empty tenant"] = { "client_secret", kit.merged(secret, { tenant_id = "" }),
      "bad field 'tenant_id' (must not be empty)" },
    ["client_secret with an empty secret"] = { "client_secret", kit.merged(secret, { client_secret = "" }),
      "bad field 'client_secret' (must not be empty)" },
    ["client_secret with a number for a secret"] = { "client_secret",
      kit.merged(secret, { client_secret = 12345678 }),
      "bad field 'client_secret' (string expected, got number)" },
    ["an unknown field of client_secret"] = { "client_secret", kit.merged(secret, { scope = "x" }),
      "unknown field 'scope'" },
    ["an unknown field of default"] = { "default", { foo = 1 }, "unknown field 'foo'" },
    ["default's options that are no table"] = { "default", 5,
      "bad argument #1 to 'default' (table expected, got number)" },
  } do
    it("refuses " .. situation, function () assert.equal(case[3], refused(case[1], case[2])) end)
  end

  it("refuses a key that is no string as azpec.client does", function ()
    assert.truthy(refused("token", { "x" }):find "^unknown field %(a number%)")
  end)

  it("refuses a tenant with characters that mean something in a URL", function ()
    for _, tenant in ipairs { "a/b", "a?b", "a#b", "a b", "a%2f", "a\r\nb", "a\0b", "\u{e4}", "a_b", "a:b", "a@b" } do
      assert.equal("bad field 'tenant_id' (a GUID or a domain expected)",
        refused("client_secret", kit.merged(secret, { tenant_id = tenant })))
    end
  end)

  it("takes a tenant as a GUID or a domain", function ()
    for _, tenant in ipairs { "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01", "contoso.onmicrosoft.com", "CONTOSO.com" } do
      assert.equal("azpec.credential",
        azpec.type(credential.client_secret(kit.merged(secret, { tenant_id = tenant }))))
    end
  end)

  it("shows its kind and no secret", function ()
    assert.equal("azpec.credential (token)", tostring(credential.token { token = "T0p~secret" }))
    assert.equal("azpec.credential (token)", tostring(credential.token { get = print }))
    assert.equal("azpec.credential (client_secret)", tostring(credential.client_secret(secret)))
    assert.equal("azpec.credential (default)", tostring(credential.default()))
  end)

  it("shows no secret in the error of a mistake beside it", function ()
    assert.is_nil(refused("client_secret", kit.merged(secret, { tenant_id = "a/b" })):find("S3cr3t", 1, true))
    assert.is_nil(refused("token", { token = "S3cr3t", get = print }):find("S3cr3t", 1, true))
    assert.is_nil(refused("client_secret", kit.merged(secret, { secret = "S3cr3t" })):find("S3cr3t", 1, true))
  end)

  it("has no fields to read or write", function ()
    local c = credential.token { token = "x" }
    assert.is_false(pcall(function () return c.token end))
    assert.is_false(pcall(function () c.token = "y" end))
  end)

  it("copies its table: what the caller does with it later changes nothing", function ()
    local asked
    local options = { get = function () asked = "the first" return nil, "no" end }
    local c = credential.token(options)
    options.get = function () asked = "the second" return nil, "no" end
    use(c)
    assert.equal("the first", asked)
  end)

  it("leaves the caller's table alone", function ()
    local options = kit.merged(secret)
    credential.client_secret(options)
    assert.same(secret, options)
  end)

  it("may be shared by clients", function ()
    local c = credential.token { token = "x" }
    for _ = 1, 2 do
      local _, err = use(c)
      assert.equal("transport", err.kind)
    end
  end)

  it("refuses a value that is larger than any secret, by its size and not for lack of memory", function ()
    local large = ("x"):rep(32769)
    assert.equal("bad field 'token' (at most 32768 bytes expected)", refused("token", { token = large }))
    for field in pairs(secret) do
      assert.equal(("bad field '%s' (at most 32768 bytes expected)"):format(field),
        refused("client_secret", kit.merged(secret, { [field] = large })))
    end
    local _, err = use(credential.token { token = large:sub(2) })
    assert.equal("transport", err.kind)
  end)

  it("a ready token that cannot stand in a header field is kind credential, and is not shown", function ()
    for _, token in ipairs { "T0p~secret\r\nX-Evil: 1", "T0p~secret\n", "T0p~ secret", "T0p~secret\0" } do
      local connection, err = use(credential.token { token = token })
      assert.is_nil(connection)
      assert.equal("credential", err.kind)
      assert.equal("token", err.phase)
      assert.equal("the token is empty or holds characters that cannot stand in a header field", err.message)
      assert.is_nil(tostring(err):find("T0p", 1, true))
    end
  end)
end)

describe("azpec.credential.token{ get = f }", function ()
  local function outcome(f, ...)
    local connection, err = use(credential.token { get = f }, ...)
    assert.is_nil(connection)
    return err
  end

  it("hands f the scope, and no claims at first", function ()
    local seen
    outcome(function (...) seen = table.pack(...) return "token" end)
    assert.same({ n = 2, "https://management.azure.com/.default" }, seen)
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

  for situation, case in pairs {
    ["raises"] = { function () error "vault is sealed" end, "the token function failed: .*vault is sealed$" },
    ["raises a table"] = { function () error(setmetatable({}, { __tostring = function () return "object" end })) end,
      "^the token function failed: object$" },
    ["raises nil"] = { function () error() end, "^the token function failed: " },
    ["returns nil and a reason"] = { function () return nil, "not logged in" end,
      "^the token function failed: not logged in$" },
    ["returns nothing"] = { function () end, "^the token function failed: it returned no token$" },
    ["returns a number"] = { function () return 5 end, "^the token function failed: it returned no token$" },
    ["returns a table"] = { function () return {} end, "^the token function failed: it returned no token$" },
    ["returns an empty token"] = { function () return "" end, "^the token is empty " },
    ["returns a header behind the token"] = { function () return "t\r\nX-Evil: 1" end, "cannot stand in a header" },
    ["returns a token that has expired"] = { function () return "t", os.time() - 1 end, "expires_on is not in the" },
    ["returns a token that expires in 1970"] = { function () return "t", 0 end, "expires_on is not in the future" },
    ["returns a token that expires before 1970"] = { function () return "t", -5 end, "expires_on is not in the" },
    ["returns a token that never expires"] = { function () return "t", math.huge end, "expires_on " },
    ["returns an expiry that is no number"] = { function () return "t", 0 / 0 end, "expires_on " },
    ["returns an expiry of another type"] = { function () return "t", {} end, "expires_on " },
    ["returns milliseconds for seconds"] = { function () return "t", os.time() * 1000 end, "absurdly far in it$" },
    ["returns a token far too large"] = { function () return ("x"):rep(1 << 20) end, "large" , "limit" },
    ["raises an object that cannot be shown"] = { function ()
      error(setmetatable({}, { __tostring = function () error {} end }))
    end, "^the token function failed: an error that cannot be shown$" },
    ["yields"] = { function () coroutine.yield() end, "attempt to yield across a C%-call boundary$" },
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

  it("a reason that quotes a token is not shown whole", function ()
    local jwt = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"
    local err = outcome(function () error("refused: " .. jwt .. " and Bearer abcdefghijklmnopqrstuvwxyz", 0) end)
    assert.equal("the token function failed: refused: <redacted> and <redacted>", err.message)
  end)

  it("a failed fetch is tried anew by the next operation", function ()
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
    assert.same({ "a client's own callback must not step it", "a client's own callback must not step it",
                  "a client's own callback must not step it", "a client's own callback must not close it" }, said)
    client:close()
  end)
end)

-- ---- from the environment ------------------------------------------------------------------------------------------

describe("the environment", function ()
  -- What the first request is: an update's, or sign-in's and for which tenant; or the error.
  local probe = [[
    local azpec = require "azpec"
    local seen
    local options = {
      endpoint = "http://127.0.0.1:1", retry = { max_tries = 1 }, timeout = 20,
      authority_host = not os.getenv "AZURE_AUTHORITY_HOST" and "http://127.0.0.1:1" or nil, proxy = "",
      on_event = function (e) seen = seen or e.url and e.event .. " " .. e.url end,
    }
    local ok, client = pcall(azpec.client, options)
    if not ok then print("raised: " .. client) return end
    local ok, poller = pcall(client.begin_update, client, { resource_group_name = "rg", account_name = "acct",
      private_endpoint_connection_name = "pe.1", status = "Approved", timeout = 0.5 })
    if not ok then print("raised: " .. poller) return end
    local _, err = poller:wait(20)
    print(seen or tostring(err))
  ]]
  local subscription = { AZURE_SUBSCRIPTION_ID = kit.subscription }
  local function with(env) return kit.child(probe, kit.merged(subscription, env)) end
  local patch = "request http://127.0.0.1:1" .. kit.id
  local app = { AZURE_TENANT_ID = "8d5d7f62", AZURE_CLIENT_ID = "b1e0", AZURE_CLIENT_SECRET = "S3cr3t" }
  local sign_in = "token http://127.0.0.1:1/8d5d7f62/oauth2/v2.0/token"

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

  local none = "credential: no credential: none was given, and the environment has neither AZURE_TENANT_ID, "
    .. "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET nor AZURE_ACCESS_TOKEN; set these variables, or give one of "
    .. "azpec.credential's values as `credential`"

  it("without any credential makes the error kind credential, with a hint", function ()
    assert.equal(none, with {})
  end)

  it("with half an application and no token says what is missing", function ()
    assert.equal(none, with { AZURE_TENANT_ID = "8d5d7f62", AZURE_CLIENT_ID = "b1e0" })
  end)

  it("with empty variables is as without them", function ()
    assert.equal(none, with { AZURE_TENANT_ID = "", AZURE_CLIENT_ID = "", AZURE_CLIENT_SECRET = "",
                              AZURE_ACCESS_TOKEN = "" })
  end)

  it("without a subscription raises, naming the option and the variable", function ()
    assert.truthy(kit.child(probe, { AZURE_ACCESS_TOKEN = "t" }):find(
      "raised: bad field 'subscription_id' (string expected, got nil; neither the client nor AZURE_SUBSCRIPTION_ID "
      .. "names one)", 1, true))
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
