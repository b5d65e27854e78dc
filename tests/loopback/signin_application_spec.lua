package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

local function certificate(fields)
  return ("return azpec.credential.client_certificate { tenant_id = given.tenant_id, client_id = given.client_id, %s }")
    :format(fields)
end

local function file(name) return signin.certificates() .. "/" .. name end

local secret = [[return azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
  client_secret = given.secret }]]

setup(function () emulator = signin.start() end)
before_each(function () signin.reset() end)
after_each(t.tidy)
teardown(t.close)

describe("an application's credential (client_secret)", function ()
  it("client_secret: every character arrives", function ()
    signin.works { credential = secret, given = { secret = t.secret } }
    local token = signin.log "token"[1].token
    assert.equal("client_credentials", token.grant_type)
    assert.same({ "client_id", "client_secret", "grant_type", "scope" }, token.fields)
    assert.equal("https://management.azure.com/.default", token.scope)
  end)

  it("client_secret: a file's line end at its end is named as what is wrong with it", function ()
    for _, from in ipairs { "given.secret", "function () return given.secret end" } do
      local err = signin.fails("credential", "AADSTS7000215", { given = { secret = t.secret .. "\n" },
        credential = "return azpec.credential.client_secret { tenant_id = given.tenant_id, "
          .. "client_id = given.client_id, client_secret = " .. from .. " }" })
      assert.truthy(err.hint:find("ends with a line break", 1, true), err.hint)
    end
  end)

  it("client_secret: the authority's words, number, ids and time are in the error, and what to do", function ()
    local err = signin.fails("credential", "AADSTS7000215", { credential = secret, given = { secret = "wrong" } })
    assert.equal("AADSTS7000215", err.code)
    assert.equal(401, err.http_status)
    assert.equal("token", err.phase)
    assert.truthy(err.hint:find("client secret is wrong", 1, true))
    assert.truthy(err.message:find("invalid_client", 1, true))
    assert.truthy(err.message:find "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%dZ")
    assert.truthy(err.request_id:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
    assert.truthy(err.correlation_id:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
    assert.equal(1, #signin.log "token") -- invalid_client is not asked again
  end)

  for number, word in t.each {
    ["7000222"] = "expired", ["90002"] = "no such tenant", ["700016"] = "no such application", ["65001"] = "consent",
    ["500011"] = "cloud or scope", ["700024"] = "clock", ["50012"] = "certificate", ["700027"] = "send_x5c",
    ["50027"] = "malformed", -- Azure/login#302
    ["7000213"] = "file has its issuers", -- AzureAD/microsoft-authentication-library-for-dotnet#3909
    ["70021"] = "federated", ["700213"] = "federated",
  } do
    it("AADSTS" .. number .. " has its hint", function ()
      emulator:faults { { match = { kind = "token" }, action = { status = 400, body = { error = "invalid_request",
        error_description = "AADSTS" .. number .. ": Something. Trace ID: 1", trace_id = "1", correlation_id = "2",
        timestamp = "2026-01-01 00:00:00Z" } } } }
      local err = signin.fails("credential", "AADSTS" .. number, { credential = secret, given = { secret = t.secret } })
      assert.truthy(err.hint and err.hint:find(word, 1, true), err.hint)
    end)
  end
end)

describe("an application's credential (failures)", function ()
  it("temporarily_unavailable and 5xx are asked again, with Retry-After where it is named", function ()
    emulator:faults {
      { match = { kind = "token", times = 1 },
        action = { status = 400, body = { error = "temporarily_unavailable" } } },
      { match = { kind = "token", nth = 2 }, action = { status = 503, retry_after = "1" } },
    }
    local out = signin.works { credential = secret, given = { secret = t.secret, max_tries = 3 } }
    assert.equal(3, #signin.log "token")
    assert(out[1].took >= 0.99, out[1].took)
  end)

  for _, name in ipairs { "token", "accessToken" } do
    it("takes no member " .. name .. " for the token, as the output of a program has it", function ()
      emulator:faults { { match = { kind = "token" }, action = { status = 200, body = { [name] = "abcdefgh" } } } }
      signin.fails("protocol", "the response has no access_token", { credential = secret,
        given = { secret = t.secret } })
    end)
  end

  it("gives up after three tries", function ()
    emulator:faults { { match = { kind = "token" }, action = { status = 503, retry_after = "ms:10" } } }
    local err = signin.fails("credential", "HTTP 503",
      { credential = secret, given = { secret = t.secret, max_tries = 9 } })
    assert.is_true(err.retryable)
    assert.equal(3, #signin.log "token")
  end)

  it("a page instead of the response is reported, and so is a clock that is wrong", function ()
    emulator:faults { { match = { kind = "token" }, action = { html = true, status = 400 } } }
    local err = signin.fails("credential", "text/html", { credential = secret, given = { secret = t.secret } })
    assert.is_nil(err.message:find("<html", 1, true))
    emulator:faults { { match = { kind = "token" }, action = { status = 401, body = { error = "invalid_client",
      error_description = "AADSTS1: no" }, headers = { Date = "Sun, 06 Nov 1994 08:49:37 GMT" } } } }
    err = signin.fails("credential", "AADSTS1", { credential = secret, given = { secret = t.secret } })
    assert.truthy(err.hint:find("clock", 1, true))
  end)

  it("client_secret: a function is asked for each token, and a secret that was rotated serves the next", function ()
    emulator:set { token_lifetime = 1 }
    local out = signin.works { given = { secret = t.secret }, credential = [[
      asked = 0
      return azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
        client_secret = function () asked = asked + 1; return given.secret end }]],
      body = [[get(); get(); get_until(function () return tokens() > 2 end)
        results[#results + 1] = { ok = asked == tokens(), message = asked .. " " .. tokens() }]] }
    assert.equal(#signin.log "token", out.tokens)
    local current = t.secret
    local function give() return current end
    local client = emulator:client { credential = emulator:credential { client_secret = give } }
    assert(client:get { id = emulator.sample })
    signin.reset { client_secret = "another-secret-from-now-on" } -- which forgets all tokens, too
    local none, err = client:get { id = emulator.sample }
    assert.is_nil(none)
    assert.truthy(err.message:find("AADSTS7000215", 1, true), err.message)
    t.has_no_secret(err, "an error")
    current = "another-secret-from-now-on"
    assert(client:get { id = emulator.sample })
  end)

  it("client_secret: what a function gave is no more printed than a secret that was given", function ()
    emulator:faults { { match = { kind = "token" }, action = { status = 400, body = { error = "invalid_request",
      error_description = "AADSTS1: you sent " .. t.secret } } } }
    local credential = emulator:credential { client_secret = function () return t.secret end }
    local _, err = emulator:client { credential = credential }:get { id = emulator.sample }
    assert.truthy(err.message:find("you sent <redacted>", 1, true), err.message)
    t.has_no_secret(err, "an error")
  end)

  for name, encode in t.each {
    ["as it was sent"] = function (c) return ("%%%02X"):format(c:byte()) end,
    ["in lower case"] = function (c) return ("%%%02x"):format(c:byte()) end,
    ["with '+' for blanks"] = function (c) return c == " " and "+" or ("%%%02X"):format(c:byte()) end,
  } do
    it("client_secret: the form that the endpoint echoes is shown without it, " .. name, function ()
      local encoded = t.secret:gsub("[^%w._~-]", encode)
      for _, echo in ipairs { "you sent client_id=c&client_secret=" .. encoded .. "&scope=s", "not " .. encoded } do
        emulator:faults { { match = { kind = "token" }, action = { status = 400, body = { error = "invalid_request",
          error_description = echo } } } }
        local _, err = emulator:client { credential = emulator:credential() }:get { id = emulator.sample }
        assert.truthy(err.message:find("<redacted>", 1, true), err.message)
        assert.is_nil(err.message:find(encoded:sub(1, 16), 1, true), err.message)
        t.has_no_secret(err, "an error")
      end
    end)
  end

  it("a page in place of the answer hints at a proxy", function ()
    for _, status in ipairs { 200, 403, 503 } do
      emulator:faults { { match = { kind = "token" }, action = { html = true, status = status } } }
      local err = signin.run { credential = secret, given = { secret = t.secret } }[1]
      assert.is_false(err.ok)
      assert.truthy(err.hint and err.hint:find("proxy", 1, true), status .. ": " .. tostring(err.hint))
    end
    emulator:faults { { match = { kind = "token" }, action = { status = 407, html = true } } }
    assert.truthy(signin.fails("credential", "HTTP 407", { credential = secret, given = { secret = t.secret } })
      .hint:find("proxy", 1, true))
  end)

  -- below HTTP: what stands in the way has its hint
  for what, case in t.each {
    ["an authority nobody vouches for"] = { "untrusted", "ca_file", function ()
      return { ca_file = signin.certificates() .. "/other.crt" }
    end },
    ["a file of authorities that is not there"] = { "transport", "SSL_CERT_FILE", function ()
      return { ca_file = "/nowhere/ca.pem" }
    end },
    ["a proxy that nobody listens at"] = { "transport", "HTTPS_PROXY", function ()
      return { proxy = "http://127.0.0.1:" .. t.free_port() }
    end },
    ["a name that does not resolve"] = { "transport", "check DNS", function ()
      return { endpoint = "https://nowhere.invalid" }
    end },
  } do
    it("sign-in: " .. what .. " has its hint", function ()
      local err = signin.fails(case[1], "", { credential = secret,
        given = t.merged({ secret = t.secret, endpoint = emulator.tls_endpoint }, case[3]()) })
      assert.equal("token", err.phase)
      assert.truthy(err.hint and err.hint:find(case[2], 1, true), tostring(err.hint))
      assert.equal(0, #signin.log())
    end)
  end
end)

describe("an application's credential (answers)", function ()
  it("a redirect of the token endpoint is not followed", function ()
    emulator:faults { { match = { kind = "token", times = 1 }, action = { status = 307,
      headers = { Location = "{origin}/" .. emulator.tenant_id .. "/oauth2/v2.0/token" } } } }
    signin.fails("protocol", "HTTP 307", { credential = secret, given = { secret = t.secret } })
    assert.equal(1, #signin.log "token")
  end)

  for form, answer in t.each {
    ["expires_in as text"] = { expires_in = "3599" }, ["expires_on as a number"] = { expires_on = os.time() + 3600 },
    ["expires_on as digits"] = { expires_on = tostring(os.time() + 3600) },
    ["expires_in as a fraction"] = { expires_in = 3599.5 }, ["such a text"] = { expires_in = "3599.5" },
    ["blanks in it"] = { expires_in = " 3599 " },
    ["expires_on as a fraction"] = { expires_on = ("%d.25"):format(os.time() + 3600) },
    ["201"] = { status = 201, expires_in = 3599 }, ["an answer without expiry"] = {},
  } do
    it("takes " .. form, function ()
      emulator:faults { { match = { kind = "token" }, action = { status = answer.status or 200, body = {
        token_type = "Bearer", access_token = t.canary, expires_in = answer.expires_in,
        expires_on = answer.expires_on } } } }
      signin.fails("credential", "", { credential = secret, given = { secret = t.secret } })
      assert.equal("Bearer <redacted>", signin.log "get"[1].headers.authorization)
    end)
  end

  for what, answer in t.each {
    ["with a life of minus one"] = { access_token = t.canary, expires_in = -1 },
    ["with a life in words"] = { access_token = t.canary, expires_in = "an hour" },
    ["with half a fraction"] = { access_token = t.canary, expires_in = "3599." },
    ["with two points"] = { access_token = t.canary, expires_in = "3599.0.1" },
    ["with no whole number"] = { access_token = t.canary, expires_in = ".5" },
    ["that lives a hundred years"] = { access_token = t.canary, expires_in = 3153600000 },
    ["with a line end in it"] = { access_token = t.canary .. "\r\nX-Evil: 1", expires_in = 3600 },
    ["without a token"] = { expires_in = 3600 }, ["that is a list"] = { 1, 2 },
  } do
    it("refuses an answer " .. what, function ()
      emulator:faults { { match = { kind = "token" }, action = { status = 200, body = answer } } }
      local out = signin.run { credential = secret, given = { secret = t.secret } }
      assert.is_false(out[1].ok)
      assert.truthy(out[1].kind == "credential" or out[1].kind == "protocol", out[1].kind)
      assert.equal(0, #signin.log "get")
    end)
  end

  it("digits beyond all sense are no time: a token is not renewed at once", function ()
    local server = t.server { { method = "GET", headers = { t.json_type }, body = t.connection_json() },
      { method = "POST", headers = { t.json_type }, body = cjson.encode { access_token = t.canary, expires_in = "3600",
        refresh_in = "9223372036854775807" } } }
    local client = server:client { credential = azpec.credential.client_secret { tenant_id = "contoso.example",
      client_id = "c", client_secret = t.secret } }
    for _ = 1, 3 do assert(client:get { id = t.id }) end
    local methods = {}
    for n, request in ipairs(server:requests()) do methods[n] = request.method end
    assert.equal("POST GET GET GET", table.concat(methods, " "))
  end)

  it("device_code: nor is nobody asked without a pause", function ()
    local absurd = "9223372036854775807"
    local server = t.server { { path = "/devicecode", headers = { t.json_type }, body = cjson.encode {
        device_code = "d", user_code = "u", verification_uri = "https://v", message = "m", interval = absurd,
        expires_in = absurd } },
      { status = 400, headers = { t.json_type }, body = cjson.encode { error = "authorization_pending" } } }
    local client = server:client { timeout = 1, credential = azpec.credential.device_code { prompt = function () end } }
    t.fails("timeout", "^timed out after 1 s", client:get { id = t.id })
    assert.equal(1, #server:requests()) -- five seconds are the usual interval (RFC 8628 3.2)
  end)

  -- ---- client_certificate
end)

describe("an application's credential (client_certificate)", function ()
  it("client_certificate: a file that was rotated serves the next token", function ()
    local path = t.write(t.new_path "rotated", t.read(file "other.crt") .. t.read(file "other.key"))
    local client = emulator:client { credential = require "azpec".credential.client_certificate {
      tenant_id = emulator.tenant_id, client_id = emulator.client_id, certificate_path = path } }
    local _, err = client:get { id = emulator.sample }
    assert.equal("AADSTS700027", err.code)
    t.write(path, t.read(file "both.pem"))
    assert(client:get { id = emulator.sample })
    t.write(path, "neither certificate nor key")
    assert(client:get { id = emulator.sample }) -- the token lives
  end)

  for name, way in t.each {
    ["one PEM file"] = { fields = "certificate_path = given.dir .. '/both.pem'" },
    ["two PEM files"] = { fields = "certificate_path = given.dir .. '/leaf.crt', key_path = given.dir .. '/leaf.key'" },
    ["a key with a password"] = { fields = "certificate_path = given.dir .. '/leaf.crt', "
      .. "key_path = given.dir .. '/locked.key', password = given.password" },
    ["PEM in memory"] = { fields = "certificate = given.crt, key = given.key" },
    ["PKCS#12"] = { fields = "certificate_path = given.dir .. '/leaf.p12', password = given.password" },
    ["PKCS#12 in memory"] = { fields = "certificate = (function () local f <close> = io.open(given.dir .. '/leaf.p12',"
      .. "'rb'); return f:read 'a' end)(), password = given.password" },
  } do
    for _, algorithm in ipairs { "PS256", "RS256" } do
      it("client_certificate: " .. name .. ", " .. algorithm, function ()
        local fields = algorithm == "PS256" and way.fields or way.fields .. ", algorithm = 'RS256'"
        signin.works { credential = certificate(fields), given = { dir = signin.certificates(),
          crt = t.read(file "leaf.crt"), key = t.read(file "leaf.key"), password = signin.password } }
        local token = signin.log "token"[1].token
        assert.equal(algorithm, token.algorithm)
        assert.equal(algorithm == "PS256" and "x5t#S256" or "x5t", token.thumbprint)
        assert.is_nil(token.chain)
        assert.same({ "client_assertion", "client_assertion_type", "client_id", "grant_type", "scope" }, token.fields)
      end)
    end
  end

  it("client_certificate: over TLS, with send_x5c, the chain is sent", function ()
    signin.works { credential = certificate "certificate_path = given.dir .. '/both.pem', send_x5c = true",
      given = { dir = signin.certificates(), endpoint = emulator.tls_endpoint } }
    assert.equal(1, signin.log "token"[1].token.chain)
  end)

  it("client_certificate: the host signs, and sees the algorithm and what is to be signed", function ()
    local sign = [[certificate = given.crt, algorithm = %s, sign = function (algorithm, data)
      local key <close> = assert(require "azpec_signing".load { certificate = given.crt, key = given.key })
      assert(data:find "^[%%w_-]+%%.[%%w_-]+$" and algorithm == (%s or "PS256"))
      return key:sign(algorithm, data)
    end]]
    for _, algorithm in ipairs { "nil", "'RS256'" } do
      signin.works { credential = certificate(sign:format(algorithm, algorithm)),
        given = { crt = t.read(file "leaf.crt"), key = t.read(file "leaf.key") } }
    end
    local log = signin.log "token"
    assert.equal("PS256", log[1].token.algorithm)
    assert.equal("RS256", log[2].token.algorithm)
  end)

  it("client_certificate: sign and the thumbprint need neither certificate nor signing module", function ()
    local folder = signin.folder()
    signin.shell(("cp %s/azpec.so %s"):format(os.getenv "BUILD" or "build", folder))
    local crt = file "leaf.crt"
    local digests = { PS256 = "sha256", RS256 = "sha1" }
    local options = { PS256 = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256",
      RS256 = "" }
    local code = [[thumbprint = given.thumbprint, x5c = given.x5c, send_x5c = true, algorithm = given.algorithm,
      sign = function (algorithm, data)
        assert(algorithm == given.algorithm and not pcall(require, "azpec_signing"))
        local file <close> = assert(io.open(given.folder .. "/data", "wb"))
        file:write(data)
        file:close()
        assert(os.execute(given.openssl))
        local signed <close> = assert(io.open(given.folder .. "/signature", "rb"))
        return signed:read "a"
      end]]
    for _, algorithm in ipairs { "PS256", "RS256" } do
      local thumbprint = signin.shell(("openssl x509 -in %s -noout -fingerprint -%s"):format(crt, digests[algorithm]))
      signin.works { credential = certificate(code), env = { PATH = "/usr/bin:/bin", LUA_CPATH = folder .. "/?.so;"
        .. "/usr/lib/x86_64-linux-gnu/lua/5.4/?.so;/usr/local/lib/lua/5.4/?.so;;" }, given = { folder = folder,
          algorithm = algorithm, thumbprint = thumbprint:match "=(.*)", endpoint = emulator.tls_endpoint,
          x5c = { signin.shell(("openssl x509 -in %s -outform DER | openssl base64 -A"):format(crt)) },
          openssl = ("openssl dgst -sha256 -sign %s %s -out %s/signature %s/data"):format(file "leaf.key",
            options[algorithm], folder, folder) } }
    end
    local log = signin.log "token"
    assert.equal("PS256", log[1].token.algorithm)
    assert.equal("RS256", log[2].token.algorithm)
    assert.equal(1, log[1].token.chain)
  end)

  it("client_certificate: a signature of the host's that is wrong, none, or an error", function ()
    local given = { crt = t.read(file "leaf.crt") }
    local function with(code) return { credential = certificate("certificate = given.crt, sign = " .. code),
      given = given } end
    local err = signin.fails("credential", "AADSTS700027", with "function () return ('x'):rep(256) end")
    assert.truthy(err.hint:find("certificate", 1, true))
    signin.fails("credential", "signing failed: ", with "function () return nil, 'the HSM is busy' end")
    signin.fails("credential", "the HSM is on fire", with "function () error 'the HSM is on fire' end")
  end)
end)

describe("an application's credential (client_certificate, refused)", function ()
  it("client_certificate: one that is not registered is refused, and what to do is said", function ()
    local err = signin.fails("credential", "AADSTS700027", { credential = certificate
      "certificate_path = given.dir .. '/other.crt', key_path = given.dir .. '/other.key'",
      given = { dir = signin.certificates() } })
    assert.truthy(err.hint:find("registered", 1, true))
  end)

  it("client_certificate: what cannot be read is named, and nothing is sent", function ()
    local given = { dir = signin.certificates(), password = signin.password }
    for fields, text in pairs {
      ["certificate_path = given.dir .. '/missing.pem'"] = "missing.pem",
      ["certificate_path = given.dir .. '/conf'"] = "conf",
      ["certificate_path = given.dir .. '/leaf.crt'"] = "key",
      ["certificate_path = given.dir .. '/leaf.crt', key_path = given.dir .. '/other.key'"] = "key",
      ["certificate_path = given.dir .. '/leaf.p12', password = 'not ' .. given.password"] = "assword",
    } do
      signin.fails("credential", text, { credential = certificate(fields), given = given })
    end
    assert.equal(0, #signin.log "token")
  end)

  it("client_certificate: a second assertion is a new one", function ()
    emulator:set { token_lifetime = 1 }
    local out = signin.works { credential = certificate "certificate_path = given.dir .. '/both.pem'",
      given = { dir = signin.certificates() }, body = "get(); get_until(function () return tokens() > 1 end)" }
    assert(out.tokens >= 2)
  end)

  it("client_certificate: the judge of these tests refuses what is not quite right", function ()
    local jwt = require "azpec.emulator.jwt"
    local key <close> = assert(require "azpec_signing".load { certificate_path = file "both.pem" })
    local target = "/" .. emulator.tenant_id .. "/oauth2/v2.0/token"
    local number, now = 0, os.time()
    local function ask(claims, header, change)
      number = number + 1
      local head = t.merged({ alg = "PS256", typ = "JWT",
        ["x5t#S256"] = jwt.certificate(t.read(file "leaf.crt")).sha256 }, header or {})
      local text = jwt.encode(cjson.encode(head)) .. "." .. jwt.encode(cjson.encode(t.merged({
        aud = emulator.endpoint .. target, iss = emulator.client_id, sub = emulator.client_id, jti = "jti" .. number,
        nbf = now, exp = now + 600 }, claims or {})))
      local signature = key:sign(head.alg == "RS256" and "RS256" or "PS256", text)
      if change then text, signature = change(text, signature) end
      local form = "grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&client_id="
        .. emulator.client_id .. "&client_assertion_type="
        .. "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion="
        .. text .. "." .. jwt.encode(signature)
      local status, body = t.http(emulator.endpoint, "POST", target, form,
        "Content-Type: application/x-www-form-urlencoded\r\n")
      return status == 200 and "accepted" or body:match "AADSTS(%d+)"
    end
    assert.equal("accepted", ask())
    assert.equal("accepted", ask(nil, { alg = "RS256" }))
    assert.equal("50013", ask { jti = "jti1" })
    assert.equal("700023", ask { aud = emulator.endpoint })
    assert.equal("700021", ask { iss = "somebody" })
    assert.equal("700021", ask { sub = "somebody" })
    assert.equal("700024", ask { exp = now - 400, nbf = now - 1000 })
    assert.equal("700024", ask { nbf = now + 400, exp = now + 1000 })
    assert.equal("700027", ask(nil, { ["x5t#S256"] = "AAAA" }))
    assert.equal("700027", ask(nil, { alg = "none" }))
    assert.equal("700027", ask(nil, nil, function (text, signature)
      return text:match "^[^.]+" .. "." .. jwt.encode '{"iss":"another"}', signature
    end))
    assert.equal("700027", ask(nil, nil, function (text, signature)
      return text, signature:sub(1, -2) .. string.char(signature:byte(-1) ~ 1)
    end))
    assert.equal("700027", ask(nil, nil, function (text) return text, key:sign("RS256", text) end))
  end)

  -- ---- client_assertion
end)

describe("an application's credential (client_assertion, workload_identity)", function ()
  local assertion = [[return azpec.credential.client_assertion { tenant_id = given.tenant_id,
    client_id = given.client_id, assertion = %s }]]

  it("client_assertion: called for each token", function ()
    emulator:set { token_lifetime = 1 }
    signin.works { credential = [[local n = 0
      ]] .. assertion:format "function () n = n % 2 + 1; return given.tokens[n] end",
      given = { tokens = signin.federated }, body = "get(); get_until(function () return tokens() > 1 end)" }
    local log = signin.log "token"
    assert.equal(1, log[1].token.federated)
    assert.equal(2, log[2].token.federated)
  end)

  it("client_assertion: what it raises, refuses or forgets", function ()
    for code, text in pairs {
      ["function () error 'no pod' end"] = "no pod", ["function () return nil, 'not now' end"] = "not now",
      ["function () return nil end"] = "it returned no string", ["function () return 7 end"] = "it returned no string",
      ["function () return ' \\n' end"] = "empty", ["function () error {} end"] = "the assertion function failed",
    } do
      signin.fails("credential", text, { credential = assertion:format(code) })
    end
    assert.equal(0, #signin.log "token")
    signin.fails("credential", "AADSTS50027", { credential = assertion:format "function () return 'abc' end" })
  end)

  -- ---- workload_identity

  local pod = [[return azpec.credential.workload_identity {}]]

  local function pod_env(path)
    return { AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id,
      AZURE_FEDERATED_TOKEN_FILE = path }
  end

  it("workload_identity: the file that the webhook names is read again for each token", function ()
    emulator:set { token_lifetime = 1 }
    local path = t.write(t.new_path "federated", signin.federated[1] .. "\n")
    signin.works { credential = pod, env = pod_env(path), given = { path = path, second = signin.federated[2] },
      body = "get(); write(given.path, given.second); get_until(function () return tokens() > 1 end)" }
    local log = signin.log "token"
    assert.equal(1, log[1].token.federated)
    assert.equal(2, log[2].token.federated)
  end)

  it("workload_identity: given by hand, and the environment without it", function ()
    local path = t.write(t.new_path "federated", signin.federated[1])
    signin.works { credential = [[return azpec.credential.workload_identity { tenant_id = given.tenant_id,
      client_id = given.client_id, token_file_path = given.path }]], given = { path = path } }
    signin.fails("credential", "AZURE_FEDERATED_TOKEN_FILE", { credential = pod })
    signin.fails("credential", "nowhere/token", { credential = pod, env = pod_env "/nowhere/token" })
    signin.fails("credential", "AADSTS50027", { credential = pod,
      env = pod_env(t.write(t.new_path "federated", "stale")) })
  end)

  -- ---- device_code
end)

describe("an application's credential (device_code)", function ()
  local device = [[prompted = {}
    return azpec.credential.device_code { tenant_id = given.tenant_id, client_id = given.client_id,
      prompt = function (info) prompted[#prompted + 1] = info end }]]

  it("device_code: prompts, polls at the interval, and refreshes with rotated tokens", function ()
    emulator:set { device_interval = 1, device_polls = 1, token_lifetime = 1 }
    signin.works { credential = device, body = [[get()
      assert(#prompted == 1 and prompted[1].user_code:find "^%x+$")
      assert(prompted[1].verification_uri:find "/devicelogin$" and prompted[1].message:find(prompted[1].user_code))
      local first = tokens()
      get_until(function () return tokens() >= first + 2 end)
      assert(#prompted == 1)]] }
    local kinds, grants = {}, {}
    for n, entry in ipairs(signin.log("token", "devicecode")) do
      kinds[n], grants[n] = entry.kind, entry.token.grant_type
    end
    assert.equal("devicecode token token token token", table.concat(kinds, " ", 1, 5))
    local poll = "urn:ietf:params:oauth:grant-type:device_code"
    assert.equal(poll .. " " .. poll .. " refresh_token refresh_token", table.concat(grants, " ", 2, 5))
    assert.equal("https://management.azure.com/.default offline_access", signin.log "devicecode"[1].token.scope)
  end)

  it("device_code: without tenant and client it is anybody's, by the developers' sign-on", function ()
    emulator:set { device_interval = 1, device_polls = 0 }
    signin.works { credential = "return azpec.credential.device_code { prompt = function () end }" }
    assert.truthy(signin.log "devicecode"[1].target:find("/organizations/", 1, true))
  end)

  it("device_code: slow_down is five seconds more; declined, expired and never answered end it", function ()
    local domain = "contoso.onmicrosoft.com"
    local function error_at(tenant, word)
      return { match = { kind = "token", path = "/" .. tenant .. "/", plain = true, times = 1 },
        action = { status = 400, body = { error = word } } }
    end
    emulator:set { device_interval = 1, device_polls = 0 }
    emulator:faults { error_at(domain, "slow_down"), error_at("common", "authorization_declined"),
      error_at("organizations", "expired_token"),
      { match = { kind = "devicecode", path = emulator.tenant_id, plain = true }, action = {
        set_body = { expires_in = 2 } } },
      { match = { kind = "token", path = emulator.tenant_id, plain = true }, action = { status = 400,
        body = { error = "authorization_pending" } } } }
    local running = {}
    for _, tenant in ipairs { domain, "common", "organizations", emulator.tenant_id } do
      running[tenant] = signin.begin { credential = device, given = { tenant_id = tenant,
        timeout = tenant == domain and 4 or nil } }
    end
    local ended = {}
    for tenant, child in pairs(running) do ended[tenant] = child:finish()[1] end
    local slow = ended[domain]
    assert.equal("timeout", slow.kind, slow.message) -- asked after a second, and not after another one
    local polls = 0
    for _, entry in ipairs(signin.log "token") do
      if entry.target:find(domain, 1, true) then polls = polls + 1 end
    end
    assert.equal(1, polls)
    assert.truthy(ended.common.message:find("authorization_declined", 1, true), ended.common.message)
    assert.truthy(ended.organizations.message:find("expired_token", 1, true), ended.organizations.message)
    local never = ended[emulator.tenant_id]
    assert.equal("credential", never.kind)
    assert(never.took >= 0.99, never.took)
  end)

  it("device_code: a refresh token that is refused starts a new sign-in", function ()
    emulator:set { device_interval = 1, device_polls = 0, token_lifetime = 1, refresh_token = "refuse" }
    signin.works { credential = device, body = [[get()
      get_until(function () return #prompted > 1 end)]] }
    assert(#signin.log "devicecode" >= 2)
  end)

  it("device_code: an error in prompt is raised, or told", function ()
    local out = signin.run { credential = [[return azpec.credential.device_code { tenant_id = given.tenant_id,
      client_id = given.client_id, prompt = function () error "no screen" end }]] }
    assert.is_false(out[1].ok)
    assert.truthy((out[1].raised or out[1].message):find("no screen", 1, true))
    assert.equal(0, #signin.log "token")
    signin.fails("credential", "the prompt function failed: no screen", {
      credential = [[return azpec.credential.device_code { tenant_id = given.tenant_id, client_id = given.client_id,
        prompt = function () error { message = "no screen" } end }]] })
  end)
end)
