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

-- What each kind is made of, written down once more and by hand; and options that are just enough.
local kinds = {
  token = { token = "string", get = "function" },
  client_secret = { tenant_id = "string", client_id = "string", client_secret = "string or function" },
  client_certificate = {
    tenant_id = "string", client_id = "string", certificate_path = "string", certificate = "string",
    key_path = "string", key = "string", password = "string", send_x5c = "boolean", algorithm = "string",
    sign = "function",
  },
  client_assertion = { tenant_id = "string", client_id = "string", assertion = "function" },
  workload_identity = { tenant_id = "string", client_id = "string", token_file_path = "string" },
  managed_identity = { client_id = "string", object_id = "string", resource_id = "string" },
  azure_cli = { tenant_id = "string", subscription = "string",
                timeout = "number of seconds from 0 to 3600" },
  azure_developer_cli = { tenant_id = "string", timeout = "number of seconds from 0 to 3600" },
  device_code = { tenant_id = "string", client_id = "string", prompt = "function" },
}
local good = {
  token = { token = "T0p~secret" }, client_secret = secret,
  client_certificate = { tenant_id = "contoso.com", client_id = "b1e0c6a4", certificate_path = "/nowhere/c.pem" },
  client_assertion = { tenant_id = "contoso.com", client_id = "b1e0c6a4", assertion = print },
  workload_identity = {}, managed_identity = {}, azure_cli = {}, azure_developer_cli = {},
  device_code = { prompt = print },
}

-- Called by their names, as people do, so that the errors may say them.
local constructors = {
  token = function (options) local _ = credential.token(options) end,
  chain = function (options) local _ = credential.chain(options) end,
  default = function (options) local _ = credential.default(options) end,
}
local function refused(kind, options)
  return kit.raised(constructors[kind] or credential[kind], options)
end

-- A value of each Lua type.
local samples = { 5, 1.5, true, "x", {}, print, coroutine.create(print), io.stdout }

local function takes(expected, v)
  if expected == "string or function" then return type(v) == "string" or type(v) == "function" end
  return type(v) == expected or expected:find "^number" and type(v) == "number"
end

local function sorted(t)
  local names = {}
  for k in pairs(t) do names[#names + 1] = k end
  table.sort(names)
  return names
end

describe("azpec.credential", function ()
  it("has these kinds and no others", function ()
    assert.same(sorted(kit.merged(kinds, { chain = true, default = true })), sorted(credential))
  end)

  for _, kind in ipairs(sorted(kinds)) do
    for _, field in ipairs(sorted(kinds[kind])) do
      local expected = kinds[kind][field]
      it(("%s refuses a %s of a wrong type"):format(kind, field), function ()
        for _, v in ipairs(samples) do
          if not takes(expected, v) then
            local text = refused(kind, kit.merged(good[kind], { [field] = v }))
            local want = ("bad field '%s' (%s expected, got "):format(field, expected)
            assert.equal(want, text:sub(1, #want))
          end
        end
      end)
    end

    it(kind .. " refuses empty texts", function ()
      for field, expected in pairs(kinds[kind]) do
        if expected == "string" then
          assert.equal(("bad field '%s' (must not be empty)"):format(field),
            refused(kind, kit.merged(good[kind], { [field] = "" })))
        end
      end
    end)

    it(kind .. " refuses the fields of other kinds, typos, and any other", function ()
      local more = { exclude = 1, scope = 1, authority_host = 1, endpoint = 1, secret = 1, id = 1, id_name = 1 }
      for _, other in pairs(kit.merged(kinds, { more = more })) do
        for field in pairs(other) do
          for _, name in ipairs { field, field .. "s", field:upper() } do
            if not kinds[kind][name] then
              assert.equal(("unknown field '%s'"):format(name),
                refused(kind, kit.merged(good[kind], { [name] = "x" })))
            end
          end
        end
      end
    end)

    it(kind .. " refuses options that are no table, and takes none where it needs none", function ()
      for _, v in ipairs(samples) do
        if type(v) ~= "table" then
          assert.truthy(refused(kind, v):find("(table expected, got " .. type(v) .. ")", 1, true)
            or refused(kind, v):find("(table expected, got ", 1, true) and type(v) == "userdata")
        end
      end
      if next(good[kind]) then
        assert.truthy(refused(kind, nil):find "^bad field '[%l_]+' %(%l+ expected, got nil%)$")
      else
        assert.equal(tostring(credential[kind] {}), tostring(credential[kind]()))
      end
    end)
  end

  for situation, case in pairs {
    ["token without anything"] = { "token", {}, "bad field 'token' (string expected, got nil)" },
    ["token beside get"] = { "token", { token = "x", get = print },
      "fields 'token' and 'get': give one or the other" },
    ["client_secret without a tenant"] = { "client_secret", kit.merged(secret, { tenant_id = kit.none }),
      "bad field 'tenant_id' (string expected, got nil)" },
    ["client_secret without a client"] = { "client_secret", kit.merged(secret, { client_id = kit.none }),
      "bad field 'client_id' (string expected, got nil)" },
    ["client_secret without the secret"] = { "client_secret", kit.merged(secret, { client_secret = kit.none }),
      "bad field 'client_secret' (string or function expected, got nil)" },
    ["client_certificate without a certificate"] = { "client_certificate",
      kit.merged(good.client_certificate, { certificate_path = kit.none }),
      "bad field 'certificate_path' (string expected, got nil)" },
    ["client_certificate with two certificates"] = { "client_certificate",
      kit.merged(good.client_certificate, { certificate = "x" }),
      "fields 'certificate_path' and 'certificate': give one or the other" },
    ["client_certificate with two keys"] = { "client_certificate",
      kit.merged(good.client_certificate, { key = "x", key_path = "x" }),
      "fields 'key_path' and 'key': give one or the other" },
    ["client_certificate with a signer beside a key"] = { "client_certificate",
      kit.merged(good.client_certificate, { key = "x", sign = print }),
      "fields 'sign' and 'key': give one or the other" },
    ["client_certificate with a signer beside a key's file"] = { "client_certificate",
      kit.merged(good.client_certificate, { key_path = "x", sign = print }),
      "fields 'sign' and 'key_path': give one or the other" },
    ["client_certificate without a tenant"] = { "client_certificate",
      kit.merged(good.client_certificate, { tenant_id = kit.none }),
      "bad field 'tenant_id' (string expected, got nil)" },
    ["client_assertion without the function"] = { "client_assertion",
      kit.merged(good.client_assertion, { assertion = kit.none }),
      "bad field 'assertion' (function expected, got nil)" },
    ["device_code without a prompt"] = { "device_code", {}, "bad field 'prompt' (function expected, got nil)" },
    ["managed_identity by client and object"] = { "managed_identity", { client_id = "x", object_id = "y" },
      "fields 'client_id' and 'object_id': give one or the other" },
    ["managed_identity by client and resource"] = { "managed_identity", { client_id = "x", resource_id = "y" },
      "fields 'client_id' and 'resource_id': give one or the other" },
    ["managed_identity by object and resource"] = { "managed_identity", { object_id = "x", resource_id = "y" },
      "fields 'object_id' and 'resource_id': give one or the other" },
    ["an unknown field of default"] = { "default", { foo = 1 }, "unknown field 'foo'" },
    ["default's options that are no table"] = { "default", 5,
      "bad argument #1 to 'default' (table expected, got number)" },
    ["an empty chain"] = { "chain", {}, "bad argument #1 to 'chain' (1 to 16 credentials expected)" },
    ["a chain that is no table"] = { "chain", credential.azure_cli(),
      "bad argument #1 to 'chain' (table expected, got azpec.credential)" },
    ["a chain that is missing"] = { "chain", nil, "bad argument #1 to 'chain' (table expected, got nil)" },
    ["a chain of plain tables"] = { "chain", { { token = "S3cr3t" } },
      "bad link 1 (a credential that is no chain expected, got table)" },
    ["a chain of names"] = { "chain", { credential.azure_cli(), "managed_identity" },
      "bad link 2 (a credential that is no chain expected, got string)" },
    ["a chain of constructors"] = { "chain", { credential.azure_cli },
      "bad link 1 (a credential that is no chain expected, got function)" },
    ["a chain of files"] = { "chain", { io.stdout },
      "bad link 1 (a credential that is no chain expected, got userdata)" },
    ["a chain in a chain"] = { "chain", { credential.chain { credential.azure_cli() } },
      "bad link 1 (a credential that is no chain expected, got userdata)" },
    ["the default chain in a chain"] = { "chain", { credential.azure_cli(), credential.default() },
      "bad link 2 (a credential that is no chain expected, got userdata)" },
    ["a key beside the links of a chain"] = { "chain", { credential.azure_cli(), timeout = 5 },
      "unknown field 'timeout'" },
    ["a link to exclude that nobody knows"] = { "default", { exclude = { "azure_cli", "powershell" } },
      "bad field 'exclude' ('powershell' is no link of the default chain)" },
    ["a link to exclude by AZURE_TOKEN_CREDENTIALS' name"] = { "default", { exclude = { "AzureCLICredential" } },
      "bad field 'exclude' ('AzureCLICredential' is no link of the default chain)" },
    ["a link to exclude that is a number"] = { "default", { exclude = { 1 } },
      "bad field 'exclude' ('1' is no link of the default chain)" },
    ["exclude that is no list"] = { "default", { exclude = "azure_cli" },
      "bad field 'exclude' (table expected, got string)" },
  } do
    it("refuses " .. situation, function () assert.equal(case[3], refused(case[1], case[2])) end)
  end

  for kind, field in pairs { workload_identity = "token_file_path", client_certificate = "certificate_path" } do
    it(kind .. " refuses a path that is none, or the content in its place", function ()
      for _, path in ipairs { "/etc/shadow\0x", "-----BEGIN CERTIFICATE-----\nS3cr3t", "a\127" } do
        local message = refused(kind, kit.merged(good[kind], { [field] = path }))
        assert.equal(("bad field '%s' (not a path; is it the content?)"):format(field), message)
      end
    end)
  end

  it("refuses an algorithm that is none of the two", function ()
    for _, algorithm in ipairs { "ES256", "ps256", "RS512", "none", "HS256", "PS256 " } do
      assert.equal("bad field 'algorithm' (PS256 or RS256 expected)",
        refused("client_certificate", kit.merged(good.client_certificate, { algorithm = algorithm })))
    end
  end)

  it("refuses a timeout that is none: zero, negative, over an hour, infinite, no number", function ()
    for _, kind in ipairs { "azure_cli", "azure_developer_cli" } do
      for _, timeout in ipairs { 0, -1, 3600.5, 1 / 0, -1 / 0, 0 / 0 } do
        local said = refused(kind, { timeout = timeout })
        assert.truthy(said:find "^bad field 'timeout' %(number of seconds from 0 to 3600 expected, got ", said)
      end
      for _, timeout in ipairs { 0.001, 1, 10.5, 3600 } do
        assert.equal("azpec.credential", azpec.type(credential[kind] { timeout = timeout }))
      end
    end
  end)

  it("refuses exclude where it would leave nothing out: names as keys", function ()
    assert.equal("unknown field 'azure_cli'", refused("default", { exclude = { azure_cli = true } }))
    assert.equal("bad field 'exclude': a list without holes expected",
      refused("default", { exclude = { [2] = "azure_cli" } }))
  end)

  it("refuses a key of default that is no string as the others do", function ()
    assert.truthy(refused("default", { "azure_cli" }):find "^unknown field %(a number%)")
  end)

  it("takes 16 links in a chain, one of them several times, and no more", function ()
    local links = {}
    for i = 1, 16 do links[i] = credential.azure_cli() end
    links[2] = links[1]
    assert.equal("azpec.credential", azpec.type(credential.chain(links)))
    links[17] = links[1]
    assert.equal("bad argument #1 to 'chain' (1 to 16 credentials expected)", refused("chain", links))
    links[17], links[2] = nil, nil
    assert.equal("chain: a list without holes expected", refused("chain", links))
  end)

  it("reads a chain's links once: what the caller does with the list later changes nothing", function ()
    local asked
    local links = { credential.token { get = function () asked = "the first" return nil, "no" end } }
    local c = credential.chain(links)
    links[1] = credential.token { get = function () asked = "the second" return nil, "no" end }
    use(c)
    assert.equal("the first", asked)
  end)

  it("a list that only seems to hold links makes no chain, or one that works", function ()
    local seeming = setmetatable({}, { __len = function () return 1 end,
                                       __index = function () return credential.token { token = "x" } end })
    local ok, c = pcall(credential.chain, seeming)
    if ok then assert.equal("transport", select(2, use(c)).kind) end
  end)

  it("refuses a key that is no string as azpec.client does", function ()
    for kind in pairs(good) do
      assert.truthy(refused(kind, kit.merged(good[kind], { "x" })):find "^unknown field %(a number%)", kind)
    end
  end)

  it("refuses a tenant with characters that mean something in a URL", function ()
    for _, tenant in ipairs { "a/b", "a?b", "a#b", "a b", "a%2f", "a\r\nb", "a\0b", "\u{e4}", "a_b", "a:b", "a@b" } do
      for kind, fields in pairs(kinds) do
        if fields.tenant_id then
          assert.equal("bad field 'tenant_id' (a GUID or a domain expected)",
            refused(kind, kit.merged(good[kind], { tenant_id = tenant })))
        end
      end
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
    for kind, options in pairs(good) do
      local c = credential[kind](options)
      assert.equal(("azpec.credential (%s)"):format(kind), tostring(c))
      assert.equal("azpec.credential", azpec.type(c))
    end
    assert.equal("azpec.credential (chain)", tostring(credential.chain { credential.client_secret(secret) }))
    assert.equal("azpec.credential (default)", tostring(credential.default()))
    assert.equal("azpec.credential (default)", tostring(credential.default { exclude = { "azure_cli" } }))
  end)

  it("shows no secret in the error of a mistake beside it", function ()
    assert.is_nil(refused("client_secret", kit.merged(secret, { tenant_id = "a/b" })):find("S3cr3t", 1, true))
    assert.is_nil(refused("token", { token = "S3cr3t", get = print }):find("S3cr3t", 1, true))
    assert.is_nil(refused("client_secret", kit.merged(secret, { secret = "S3cr3t" })):find("S3cr3t", 1, true))
    for _, mistake in ipairs { { tenant_id = "a/b" }, { algorithm = "S3cr3t" }, { certificate_path = "S3cr3t" } } do
      local options = kit.merged(good.client_certificate, { certificate_path = kit.none, certificate = "S3cr3t",
                                                            key = "S3cr3t", password = "S3cr3t" })
      assert.is_nil(refused("client_certificate", kit.merged(options, mistake)):find("S3cr3t", 1, true))
    end
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
    for kind, fields in pairs(kinds) do
      for field, type in pairs(fields) do
        if type == "string" and kind ~= "token" and field ~= "certificate" and field ~= "key" then
          assert.equal(("bad field '%s' (at most 32768 bytes expected)"):format(field),
            refused(kind, kit.merged(good[kind], { [field] = large })))
        end
      end
    end
    local certificate = kit.merged(good.client_certificate, { certificate_path = kit.none })
    certificate.certificate = large:rep(32)
    assert.equal("bad field 'certificate' (at most 1 MiB expected)", refused("client_certificate", certificate))
    certificate.certificate = large
    credential.client_certificate(certificate)
    certificate.key = large:rep(32)
    assert.equal("bad field 'key' (at most 1 MiB expected)", refused("client_certificate", certificate))
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

describe("a cloud", function ()
  local ready = credential.token { token = "T0p~secret" }

  for name, wanted in pairs {
    AzureCloud = { "https://management.azure.com", "https://login.microsoftonline.com" },
    AzureUSGovernment = { "https://management.usgovcloudapi.net", "https://login.microsoftonline.us" },
    AzureChinaCloud = { "https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn" },
  } do
    it("by name: " .. name, function ()
      local client <close> = azpec.client { cloud = name, credential = ready }
      local settings = client:settings()
      assert.same({ wanted[1], wanted[2], wanted[1] .. "/.default" },
        { settings.endpoint, settings.authority_host, settings.scope })
    end)
  end

  it("by endpoint, authority and scope: a private one", function ()
    local client <close> = azpec.client { credential = ready, endpoint = "https://management.contoso.example/",
      authority_host = "https://login.contoso.example/", scope = "https://management.contoso.example/x/.default" }
    local settings = client:settings()
    assert.same({ "https://management.contoso.example", "https://login.contoso.example",
      "https://management.contoso.example/x/.default" },
      { settings.endpoint, settings.authority_host, settings.scope })
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

  local nonsense = "^the token's time of expiry makes no sense$"
  for situation, case in pairs {
    ["raises"] = { function () error "vault is sealed" end, "the token function failed: .*vault is sealed$" },
    ["raises a table"] = { function () error(setmetatable({}, { __tostring = function () return "object" end })) end,
      "^the token function failed: object$" },
    ["raises nil"] = { function () error() end, "^the token function failed: " },
    ["returns nil and a reason"] = { function () return nil, "not logged in" end,
      "^the token function failed: not logged in$" },
    ["returns nothing"] = { function () end, "^the token function failed: it returned no string$" },
    ["returns a number"] = { function () return 5 end, "^the token function failed: it returned no string$" },
    ["returns a table"] = { function () return {} end, "^the token function failed: it returned no string$" },
    ["returns an empty token"] = { function () return "" end, "^the token is empty " },
    ["returns a header behind the token"] = { function () return "t\r\nX-Evil: 1" end, "cannot stand in a header" },
    ["returns a token that has expired"] = { function () return "t", os.time() - 1 end, nonsense },
    ["returns a token that expires in 1970"] = { function () return "t", 0 end, nonsense },
    ["returns a token that expires before 1970"] = { function () return "t", -5 end, nonsense },
    ["returns a token that never expires"] = { function () return "t", math.huge end, nonsense },
    ["returns an expiry that is no number"] = { function () return "t", 0 / 0 end, nonsense },
    ["returns an expiry of another type"] = { function () return "t", {} end, nonsense },
    ["returns milliseconds for seconds"] = { function () return "t", os.time() * 1000 end, nonsense },
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

-- ---- the other kinds, as far as they go without a network ----------------------------------------------------------

describe("a credential that cannot be used", function ()
  local app = { tenant_id = "contoso.com", client_id = "b1e0c6a4" }
  local function with(more) return kit.merged(app, more) end
  local function refusing() error("vault is sealed", 0) end
  local function shy() return nil, "not today" end
  local function silent() end
  local function numeric() return 5 end
  local function yielding() coroutine.yield() end
  local yields = "attempt to yield across a C%-call boundary$"

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
      with { client_secret = function () return "" end }, "^the client_secret function gave nothing$" },
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
      "^token_file_path '/': not a regular file$" },
    ["workload_identity whose file is another"] = { "workload_identity", with { token_file_path = "/etc/passwd" },
      "^the assertion is no token: it holds blanks or control characters$" },
    ["client_assertion whose function returns a binary"] = { "client_assertion",
      with { assertion = function () return "a.b\0.c" end }, "^the assertion is no token" },
    ["workload_identity whose file is empty"] = { "workload_identity", with { token_file_path = "/dev/null" }, "." },
    ["workload_identity without anything"] = { "workload_identity", {},
      "^not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_FEDERATED_TOKEN_FILE is missing$" },
    ["azure_cli with a subscription that a shell would take apart"] = { "azure_cli", { subscription = "a; rm -rf b" },
      "subscription holds a character that is not passed on to a program" },
    ["azure_cli with a subscription that is an option"] = { "azure_cli", { subscription = "--debug" },
      "subscription holds a character that is not passed on to a program" },
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
    assert.same({ "a client's own callback must not step it", "a client's own callback must not step it",
                  "a client's own callback must not close it" }, said)
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
      azpec.type(credential.client_certificate(kit.merged(good.client_certificate, { sign = object }))))
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

describe("client_certificate", function ()
  local cjson = require "cjson"
  local dir = os.tmpname()
  local app = { tenant_id = "contoso.com", client_id = "b1e0c6a4" }

  setup(function ()
    assert(os.execute(("rm -f %s && mkdir -m 700 %s && cd %s && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a "
      .. "-days 2 -keyout key.pem -out crt.pem 2>log"):format(dir, dir, dir)))
  end)
  teardown(function () os.execute("rm -rf " .. dir) end)

  local function decoded(s)
    local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    local out, bits, n = {}, 0, 0
    for c in s:gmatch "." do
      bits, n = bits << 6 | alphabet:find(c, 1, true) - 1, n + 6
      if n >= 8 then
        n = n - 8
        out[#out + 1] = string.char(bits >> n & 255)
      end
    end
    return table.concat(out)
  end

  -- An update by this certificate, with a signer and no key; its error.
  local function signed(sign, more)
    local options = kit.merged(app, { certificate_path = dir .. "/crt.pem", sign = sign })
    return select(2, use(credential.client_certificate(kit.merged(options, more))))
  end

  it("with its key gets as far as the request for a token", function ()
    local c = credential.client_certificate(kit.merged(app, { certificate_path = dir .. "/crt.pem",
                                                              key_path = dir .. "/key.pem" }))
    assert.equal("transport", select(2, use(c)).kind)
  end)

  for algorithm, more in pairs { PS256 = {}, RS256 = { algorithm = "RS256", send_x5c = true } } do
    it("asks the host's signer for a signature by " .. algorithm, function ()
      local seen
      assert.equal("transport", signed(function (...) seen = table.pack(...) return "signature" end, more).kind)
      assert.equal(2, seen.n)
      assert.equal(algorithm, seen[1])
      local header, claims = seen[2]:match "^([%w_-]+)%.([%w_-]+)$"
      header, claims = cjson.decode(decoded(header)), cjson.decode(decoded(claims))
      assert.equal(algorithm, header.alg)
      assert.equal("JWT", header.typ)
      assert.equal(algorithm == "PS256" and 43 or 0, #(header["x5t#S256"] or ""))
      assert.equal(algorithm == "RS256" and 27 or 0, #(header.x5t or ""))
      assert.equal(more.send_x5c and 1 or 0, #(header.x5c or {}))
      assert.equal(kit.nowhere .. "/contoso.com/oauth2/v2.0/token", claims.aud)
      assert.equal("b1e0c6a4", claims.iss)
      assert.equal("b1e0c6a4", claims.sub)
      assert.equal(600, claims.exp - claims.nbf)
    end)
  end

  for situation, case in pairs {
    ["raises"] = { function () error("HSM is away", 0) end, "^signing failed: HSM is away$" },
    ["gives a reason"] = { function () return nil, "not today" end, "^signing failed: not today$" },
    ["returns nothing"] = { function () end, "^signing failed: it returned no string$" },
    ["returns a number"] = { function () return 5 end, "^signing failed: it returned no string$" },
    ["returns an empty signature"] = { function () return "" end, "empty" },
  } do
    it("whose signer " .. situation .. " is an error of kind credential", function ()
      local err = signed(case[1])
      assert.equal("credential", err.kind)
      assert.truthy(err.message:find(case[2]), err.message)
    end)
  end
end)

describe("a chain", function ()
  local app = { tenant_id = "contoso.com", client_id = "b1e0c6a4" }
  local absent = credential.workload_identity {}
  local ready = credential.token { token = "t" }
  local function give_up() return nil, "out of order" end

  it("passes over what is not set up", function ()
    assert.equal("request", select(2, use(credential.chain { absent, absent, ready })).phase)
  end)

  it("passes over workload_identity without its file", function ()
    local c = credential.workload_identity(kit.merged(app, { token_file_path = "/nowhere/token" }))
    assert.equal("request", select(2, use(credential.chain { c, ready })).phase)
  end)

  it("ends where one is set up and fails, and says that one's reason", function ()
    local err = select(2, use(credential.chain { absent, credential.token { get = give_up }, ready }))
    assert.equal("credential", err.kind)
    assert.truthy(err.message:find("the token function failed: out of order", 1, true), err.message)
    assert.equal("transport", select(2, use(credential.chain { credential.client_secret(secret), ready })).kind)
  end)

  it("asks the one that gave a token from then on", function ()
    local asked = 0
    local client <close> = kit.client { credential = credential.chain {
      absent, credential.token { get = function () asked = asked + 1 return "t", os.time() + 3600 end },
    } }
    for _ = 1, 3 do assert.equal("request", select(2, client:update(kit.named())).phase) end
    assert.equal(1, asked)
  end)

  it("without any that is set up lists each, why, and how long it took", function ()
    local err = select(2, use(credential.chain { absent, absent }))
    assert.equal("credential", err.kind)
    local why = "workload_identity: not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_FEDERATED_TOKEN_FILE is "
      .. "missing (0 ms)"
    assert.equal("no credential of the chain gave a token: " .. why .. "; " .. why,
      (err.message:gsub("%(%d+ ms%)", "(0 ms)")))
  end)
end)

describe("azure_cli", function ()
  local dir = os.tmpname()

  -- An update by this credential in a process that has this az, in words of sh.
  local function run(script, options)
    local file = assert(io.open(dir .. "/az", "w"))
    file:write("#!/bin/sh\n" .. script .. "\n")
    file:close()
    assert(os.execute("chmod 700 " .. dir .. "/az"))
    return kit.child(([[
      local azpec = require "azpec"
      local kit = dofile "tests/lua/kit.lua"
      local client = kit.client { credential = azpec.credential.azure_cli { %s } }
      local _, err = client:update(kit.named())
      print(err.phase, err)
    ]]):format(options or ""), { PATH = dir })
  end
  local token = ('{"accessToken":"T0p~secret","expires_on":%d}'):format(os.time() + 3600)

  setup(function () assert(os.execute(("rm -f %s && mkdir -m 700 %s"):format(dir, dir))) end)
  teardown(function () os.execute("rm -rf " .. dir) end)

  it("hands az its arguments as they are, and no secret", function ()
    run(("echo \"$@\" > %s/said; echo '%s'"):format(dir, token),
      "tenant_id = 'contoso.com', subscription = 'Pay as you go'")
    local file <close> = assert(io.open(dir .. "/said"))
    assert.equal("account get-access-token -o json --resource https://management.azure.com --tenant contoso.com "
      .. "--subscription Pay as you go\n", file:read "a")
  end)

  for situation, case in pairs {
    ["takes its token"] = { "echo '" .. token .. "'", "^request\ttransport: " },
    ["takes its token behind warnings"] = { "echo 'WARNING: old'; echo '" .. token .. "'", "^request\ttransport: " },
    ["that prints rubbish is refused"] = { "echo T0p~secret rubbish", "^token\tcredential: " },
    ["that prints a token without its end is used"] = { "echo '{\"accessToken\":\"T0p~secret\"}'",
      "^request\ttransport: " },
    ["that fails is shown by what it said"] = { "echo 'ERROR: no such tenant' >&2; exit 1", "ERROR: no such tenant" },
    ["that hangs is ended"] = { "while :; do read -r x </dev/zero || :; done", "no answer within its timeout",
      "timeout = 0.3" },
    ["that is not logged in says how to"] = { "echo \"Please run 'az login' to setup account.\" >&2; exit 1",
      "az login" },
  } do
    it(situation, function ()
      local said = run(case[1], case[3])
      assert.truthy(said:find(case[2]), said)
      assert.is_nil(said:find("T0p", 1, true), said)
    end)
  end

  it("that is not installed is an error that names it", function ()
    for kind, program in pairs { azure_cli = "az", azure_developer_cli = "azd" } do
      local said = kit.child(([[
        local azpec = require "azpec"
        local kit = dofile "tests/lua/kit.lua"
        local client = kit.client { credential = azpec.credential.%s() }
        print(select(2, client:update(kit.named())))
      ]]):format(kind), { PATH = "/nowhere" })
      assert.truthy(said:find("^credential: .*not installed"), said)
      assert.truthy(said:find("%f[%w_]" .. program .. "%f[^%w]") or said:find(kind, 1, true), said)
    end
  end)

  it("that hangs is named in the error", function ()
    local said = run("while :; do read -r x </dev/zero || :; done", "timeout = 0.3")
    assert.truthy(said:find "%f[%w_]az%f[^%w]" or said:find("azure_cli", 1, true), said)
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

  -- The links of a failed chain as its error lists them, and the reason of each.
  local function links_of(said)
    local list = assert(said:match "^credential: no credential of the chain gave a token: (.*)$", said)
    local names, reasons = {}, {}
    for link, why in (list .. "; "):gmatch "([%l_]+[%l_ %(%)]-): (.-) %(%d+ ms%); " do
      names[#names + 1], reasons[link] = link, why
    end
    return names, reasons
  end
  local all = { "environment", "workload_identity", "managed_identity (virtual machine)", "azure_cli",
                "azure_developer_cli" }
  local function failing(env) return with(kit.merged(env, { AZPEC_TEST_ERROR = "1" })) end

  it("without any credential makes the error kind credential, and lists each link and why it gave none", function ()
    local names, reasons = links_of(failing {})
    assert.same(all, names)
    assert.equal("not set up: the environment has neither AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET "
      .. "(or a certificate) nor AZURE_ACCESS_TOKEN", reasons.environment)
    assert.equal("not set up: AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_FEDERATED_TOKEN_FILE is missing",
      reasons.workload_identity)
    assert.truthy(reasons["managed_identity (virtual machine)"]:find("refused", 1, true))
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
    assert.truthy(said:find("raised: ", 1, true) and said:find("the default chain has no link left", 1, true), said)
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
