-- Credentials: their options, and what they show.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"
local credential = azpec.credential

local secret = { tenant_id = "contoso.onmicrosoft.com", client_id = "b1e0c6a4", client_secret = "S3cr3t~value" }

local use = kit.use

-- What each kind is made of, written down once more and by hand; and options that are just enough.
local kinds = {
  token = { token = "string", get = "function" },
  client_secret = { tenant_id = "string", client_id = "string", client_secret = "string or function" },
  client_certificate = {
    tenant_id = "string", client_id = "string", certificate_path = "string", certificate = "string",
    key_path = "string", key = "string", password = "string", send_x5c = "boolean", algorithm = "string",
    sign = "function", thumbprint = "string", x5c = "list of 1 to 32 certificates in base64",
  },
  client_assertion = { tenant_id = "string", client_id = "string", assertion = "function" },
  workload_identity = { tenant_id = "string", client_id = "string", token_file_path = "string" },
  github_actions = { tenant_id = "string", client_id = "string", audience = "string" },
  azure_pipelines = { tenant_id = "string", client_id = "string", service_connection_id = "string" },
  managed_identity = { client_id = "string", object_id = "string", resource_id = "string" },
  azure_cli = { tenant_id = "string", subscription = "string",
                timeout = "number of seconds above 0, at most 3600" },
  azure_developer_cli = { tenant_id = "string", timeout = "number of seconds above 0, at most 3600" },
  device_code = { tenant_id = "string", client_id = "string", prompt = "function" },
}
local good = {
  token = { token = "T0p~secret" }, client_secret = secret,
  client_certificate = { tenant_id = "contoso.com", client_id = "b1e0c6a4", certificate_path = "/nowhere/c.pem" },
  client_assertion = { tenant_id = "contoso.com", client_id = "b1e0c6a4", assertion = print },
  workload_identity = {}, github_actions = {}, azure_pipelines = {}, managed_identity = {}, azure_cli = {},
  azure_developer_cli = {},
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

  local function text_of(path)
    local file <close> = assert(io.open(path))
    return file:read "a"
  end

  it("has no kind that the failing allocations leave out", function ()
    local scenarios = text_of "tests/torture/alloc.lua"
    for kind in pairs(credential) do assert.truthy(scenarios:find('[."]' .. kind .. "%f[^%w_]"), kind) end
  end)

  it("has no flow that the random chains leave out", function ()
    local played, n = text_of "tests/core/token/random_chain.h":match "flows%[%] = {(.-)};", 0
    for flow in text_of "lua_module/lua/credential.c":gmatch "&(flow_[%l_]+)" do
      assert.truthy(played:find("&" .. flow .. ",", 1, true), flow)
      n = n + 1
    end
    assert.truthy(n > 18)
  end)

  it("has no flow of which the unit tests do not say whether its token is shared", function ()
    local said = text_of "tests/core/token/cache.c":match "test_these_flows_share_their_tokens.-};"
    for flow in text_of "lua_module/lua/credential.c":gmatch "&(flow_[%l_]+)" do
      assert.truthy(said:find("&" .. flow .. ",", 1, true), flow)
    end
  end)

  it("has no kind that the guide's table of credentials leaves out", function ()
    local rows = text_of "lua_module/README.md":match "\n| kind | for | needs |(.-)\n\n"
    for kind in pairs(credential) do assert.truthy(rows:find("\n| `" .. kind .. "` |", 1, true), kind) end
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
              assert.matches("^unknown field '" .. name .. "'", refused(kind, kit.merged(good[kind], { [name] = "x" })))
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
        assert.truthy(refused(kind, nil):find "^bad field '[%l_]+' %(%l+ expected, got nil%)$"
          or refused(kind, nil):find "give one of them$")
      else
        assert.equal(tostring(credential[kind] {}), tostring(credential[kind]()))
      end
    end)
  end
end)

describe("azpec.credential (values)", function ()
  for situation, case in pairs {
    ["client_certificate with a thumbprint beside the certificate"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", thumbprint = ("ab"):rep(32), certificate_path = "/c.pem", sign = print },
      "fields 'thumbprint' and 'certificate_path': give one or the other" },
    ["client_certificate with a thumbprint and nobody to sign"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", thumbprint = ("ab"):rep(32) },
      "bad field 'thumbprint' (it requires 'sign')" },
    ["client_certificate with half a thumbprint"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", thumbprint = ("ab"):rep(31), sign = print },
      "bad field 'thumbprint' (SHA-256 expected, 64 hexadecimal digits)" },
    ["client_certificate with the thumbprint of the other algorithm"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", thumbprint = ("ab"):rep(32), sign = print, algorithm = "RS256" },
      "bad field 'thumbprint' (SHA-1 expected, 40 hexadecimal digits)" },
    ["client_certificate with send_x5c and nothing to send"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", thumbprint = ("ab"):rep(32), sign = print, send_x5c = true },
      "bad field 'x5c' ('send_x5c' with 'thumbprint' requires it)" },
    ["client_certificate with x5c beside the certificate"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", certificate_path = "/c.pem", x5c = { "MIIB" } },
      "bad field 'x5c' (it requires 'thumbprint')" },
    ["client_certificate with PEM for x5c"] = { "client_certificate",
      { tenant_id = "t", client_id = "c", thumbprint = ("ab"):rep(32), sign = print,
        x5c = { "-----BEGIN CERTIFICATE-----\nMIIB" } },
      "bad field 'x5c' (list of 1 to 32 certificates in base64 expected, got table)" },
    ["token without anything"] = { "token", {}, "fields 'token' and 'get': give one of them" },
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
      "fields 'certificate_path' and 'certificate': give one of them" },
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
      "bad link 1 (a credential other than a chain expected, got table)" },
    ["a chain of names"] = { "chain", { credential.azure_cli(), "managed_identity" },
      "bad link 2 (a credential other than a chain expected, got string)" },
    ["a chain of constructors"] = { "chain", { credential.azure_cli },
      "bad link 1 (a credential other than a chain expected, got function)" },
    ["a chain of files"] = { "chain", { io.stdout },
      "bad link 1 (a credential other than a chain expected, got userdata)" },
    ["a chain in a chain"] = { "chain", { credential.chain { credential.azure_cli() } },
      "bad link 1 (a credential other than a chain expected, got userdata)" },
    ["the default chain in a chain"] = { "chain", { credential.azure_cli(), credential.default() },
      "bad link 2 (a credential other than a chain expected, got userdata)" },
    ["a key beside the links of a chain"] = { "chain", { credential.azure_cli(), timeout = 5 },
      "unknown field 'timeout'" },
    ["a link to exclude that nobody knows"] = { "default", { exclude = { "azure_cli", "powershell" } },
      "bad field 'exclude' ('powershell' is not in the default chain)" },
    ["a link to exclude by AZURE_TOKEN_CREDENTIALS' name"] = { "default", { exclude = { "AzureCLICredential" } },
      "bad field 'exclude' ('AzureCLICredential' is not in the default chain)" },
    ["a link to exclude that is a number"] = { "default", { exclude = { 1 } },
      "bad field 'exclude' ('1' is not in the default chain)" },
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

  it("refuses an unknown algorithm", function ()
    for _, algorithm in ipairs { "ES256", "ps256", "RS512", "none", "HS256", "PS256 " } do
      assert.equal("bad field 'algorithm' (PS256 or RS256 expected)",
        refused("client_certificate", kit.merged(good.client_certificate, { algorithm = algorithm })))
    end
  end)

  it("refuses a timeout that is none: zero, negative, over an hour, infinite, no number", function ()
    for _, kind in ipairs { "azure_cli", "azure_developer_cli" } do
      for _, timeout in ipairs { 0, -1, 3600.5, 1 / 0, -1 / 0, 0 / 0 } do
        assert.equal(("bad field 'timeout' (number of seconds above 0, at most 3600 expected, got %s)"):format(timeout),
          refused(kind, { timeout = timeout }))
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
end)

describe("azpec.credential (chains)", function ()
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

  it("refuses a metatable's __index as azpec.client does", function ()
    for kind, fields in pairs(good) do
      assert.matches("^bad field '__index'", refused(kind, setmetatable({}, { __index = fields })), kind)
    end
    assert.matches("^bad field '__index'", refused("default", setmetatable({}, { __index = { exclude = {} } })))
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
end)

describe("azpec.credential (secrets)", function ()
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

  it("a ready token that a header field does not allow is kind credential, and is not shown", function ()
    for _, token in ipairs { "T0p~secret\r\nX-Evil: 1", "T0p~secret\n", "T0p~ secret", "T0p~secret\0" } do
      local connection, err = use(credential.token { token = token })
      assert.is_nil(connection)
      assert.equal("credential", err.kind)
      assert.equal("token", err.phase)
      assert.equal("the token is empty or contains characters that a header field does not allow", err.message)
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
    assert.equal("no credential in the chain provided a token: " .. why .. "; " .. why,
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
      "subscription = 'Pay as you go'")
    local file <close> = assert(io.open(dir .. "/said"))
    assert.equal("account get-access-token -o json --resource https://management.azure.com "
      .. "--subscription Pay as you go\n", file:read "a")
  end)

  for situation, case in pairs {
    ["takes its token"] = { "echo '" .. token .. "'", "^request\ttransport: " },
    ["takes its token behind warnings"] = { "echo 'WARNING: old'; echo '" .. token .. "'", "^request\ttransport: " },
    ["that prints rubbish is refused"] = { "echo T0p~secret rubbish", "^token\tcredential: " },
    ["that prints a token without its end is used"] = { "echo '{\"accessToken\":\"T0p~secret\"}'",
      "^request\ttransport: " },
    ["that fails is shown by what it said"] = { "echo 'ERROR: no such tenant' >&2; exit 1", "ERROR: no such tenant" },
    ["that hangs is ended"] = { "while :; do read -r x </dev/zero || :; done", "timed out after",
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