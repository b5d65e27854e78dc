package.path = "./tests/?.lua;" .. package.path

local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator

local ids = { "client_id", "object_id", "resource_id" }

local function managed(id)
  return id and ("return azpec.credential.managed_identity { %s = given.user.%s }"):format(id, id)
    or "return azpec.credential.managed_identity {}"
end

local function imds_env(more)
  return t.merged({ AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint }, more or {})
end

-- The sources with one request each: the environment that names them and how they call an identity.
local function sources()
  return {
    imds = { env = imds_env(),
      names = { client_id = "client_id", object_id = "object_id", resource_id = "msi_res_id" } },
    app_service = { env = { IDENTITY_ENDPOINT = emulator.endpoint .. "/appservice/token",
        IDENTITY_HEADER = signin.header },
      names = { client_id = "client_id", object_id = "principal_id", resource_id = "mi_res_id" } },
    azure_ml = { env = { MSI_ENDPOINT = emulator.endpoint .. "/azureml/token", MSI_SECRET = signin.header },
      names = { client_id = "clientid" } },
    cloud_shell = { env = { MSI_ENDPOINT = emulator.endpoint .. "/cloudshell/token" }, names = {} },
  }
end

local versions = { imds = "2018-02-01", app_service = "2019-08-01", azure_ml = "2017-09-01" }

local function oauth(word, text) return { error = word, error_description = text } end

setup(function () emulator = signin.start() end)
before_each(function () signin.reset() end)
after_each(t.tidy)
teardown(t.close)

describe("a managed identity", function ()
  for _, kind in ipairs { "imds", "app_service", "azure_ml", "cloud_shell" } do
    it(kind .. ": the machine's own", function ()
      signin.works { credential = managed(), env = sources()[kind].env }
      local log = signin.log()
      assert.equal(kind, log[1].kind)
      assert.equal("get", log[2].kind)
      assert.equal(2, #log)
      assert.equal("system", log[1].token.identity)
      assert.equal("https://management.azure.com", log[1].token.resource)
      assert.equal(versions[kind], log[1].api_version)
      assert.equal(kind == "cloud_shell" and "POST" or "GET", log[1].method)
    end)

    for _, id in ipairs(ids) do
      it(kind .. ": a user's, by " .. id, function ()
        local source = sources()[kind]
        local spec = { credential = managed(id), env = source.env }
        if source.names[id] then
          signin.works(spec)
          local entry = signin.log(kind)[1]
          assert.equal(signin.user[id], entry.params[source.names[id]])
          assert.equal(signin.user.client_id, entry.token.identity)
        else
          signin.fails("credential", id, spec)
          assert.equal(0, #signin.log())
        end
      end)
    end

    it(kind .. ": asked again over an expired token, and as little as possible", function ()
      emulator:set { token_lifetime = 1 }
      signin.works { credential = managed(), env = sources()[kind].env,
        body = "get(); get(); get(); get_until(function () return tokens() > 1 end)" }
      emulator:set { token_lifetime = 3600 }
      emulator:control("DELETE", "log")
      signin.works { credential = managed(), env = sources()[kind].env, body = "get(); get(); get()" }
      assert.equal(1, #signin.log(kind))
    end)

    it(kind .. ": never through a proxy", function ()
      local nowhere = "http://127.0.0.1:" .. t.free_port()
      signin.works { credential = managed(), env = t.merged(sources()[kind].env,
        { http_proxy = nowhere, all_proxy = nowhere, ALL_PROXY = nowhere, no_proxy = "" }),
        body = "client = new { credential = credential, endpoint = given.endpoint, proxy = '' }; get()" }
      local err = signin.fails("transport", "proxy", { credential = managed(), env = sources()[kind].env,
        body = "client = new { credential = credential, proxy = '" .. nowhere .. "', endpoint = '"
          .. emulator.tls_endpoint .. "' }; get()" })
      assert.equal("request", err.phase) -- the token was there; the service itself is what the proxy is for
      assert.equal(2, #signin.log(kind))
    end)

    it(kind .. ": its refusals are told", function ()
      emulator:faults { { match = { kind = kind }, action = { status = 403, body = oauth("forbidden_thing",
        "You may not.") } } }
      local err = signin.fails("credential", "You may not.", { credential = managed(), env = sources()[kind].env })
      assert.truthy(err.message:find("forbidden_thing", 1, true))
      assert.equal(403, err.http_status)
      assert.equal("token", err.phase)
      assert.equal(1, #signin.log(kind))
    end)
  end

  it("azure_ml: the one that the compute was given, unless another is named", function ()
    local env = t.merged(sources().azure_ml.env, { DEFAULT_IDENTITY_CLIENT_ID = signin.user.client_id })
    signin.works { credential = managed(), env = env }
    assert.equal(signin.user.client_id, signin.log "azure_ml"[1].params.clientid)
    signin.fails("credential", "HTTP 400", { env = env, credential =
      "return azpec.credential.managed_identity { client_id = '11111111-2222-3333-4444-555555555555' }" })
    assert.equal("11111111-2222-3333-4444-555555555555", signin.log "azure_ml"[2].params.clientid)
  end)

  for form in t.each { both = 1, numbers = 1, expires_in = 1, expires_on = 1, rfc3339 = 1, date = 1, us_date = 1 } do
    it("says when its token ends: " .. form, function ()
      emulator:set { identity_expiry = form, token_lifetime = 20 }
      signin.works { credential = managed(), env = imds_env(), body = "get(); get()" }
      assert.equal(1, #signin.log "imds")
      if form ~= "expires_on" and form ~= "us_date" then return end
      emulator:set { token_lifetime = 2 }
      signin.works { credential = managed(), env = imds_env(),
        body = "get(); get_until(function () return tokens() > 1 end)" }
    end)
  end

  it("that does not say so is taken for a short one", function ()
    emulator:set { identity_expiry = "none" }
    signin.works { credential = managed(), env = imds_env(), body = "get(); get()" }
    assert.equal(1, #signin.log "imds")
  end)

  it("says in a 200 what is wrong", function ()
    emulator:faults { { match = { kind = "imds" }, action = { status = 200,
      body = oauth("invalid_resource", "AADSTS500011: no such resource") } } }
    local err = signin.fails("credential", "AADSTS500011: no such resource", { credential = managed(),
      env = imds_env() })
    assert.equal("AADSTS500011", err.code)
  end)

  -- ---- the metadata service
end)

describe("a managed identity (imds)", function ()
  for status, times in pairs { [404] = 2, [410] = 2, [429] = 2, [500] = 1, [503] = 2, [504] = 1 } do
    it("imds: " .. status .. " passes; Retry-After is waited for", function ()
      emulator:faults { { match = { kind = "imds", times = times }, action = { status = status,
        body = oauth("x", "y"), retry_after = "ms:50" } } }
      local out = signin.works { credential = managed(), env = imds_env() }
      assert.equal(times + 1, #signin.log "imds")
      assert(out[1].took >= 0.04 * times, out[1].took) -- what else it might be: tests/core/token/managed.c
    end)
  end

  it("imds: without Retry-After the pause is two seconds", function ()
    emulator:faults { { match = { kind = "imds", times = 1 }, action = { status = 429, body = oauth("x", "y") } } }
    local out = signin.works { credential = managed(), env = imds_env() }
    assert(out[1].took >= 1.99, out[1].took)
  end)

  for _, status in ipairs { 400, 403 } do
    it("imds: " .. status .. " does not pass", function ()
      emulator:faults { { match = { kind = "imds" }, action = { status = status, body = oauth("x", "it will not") } } }
      signin.fails("credential", "it will not", { credential = managed(), env = imds_env() })
      assert.equal(1, #signin.log "imds")
    end)
  end

  it("imds: an identity that is not assigned here is reported", function ()
    local err = signin.fails("credential", "Identity not found", { credential =
      "return azpec.credential.managed_identity { client_id = '11111111-2222-3333-4444-555555555555' }",
      env = imds_env() })
    assert.equal(400, err.http_status)
    emulator:set { system_identity = "no" }
    signin.fails("credential", "no system-assigned identity", { credential = managed(), env = imds_env() })
  end)

  it("imds: the call's time-out ends the waiting, and says where it went", function ()
    emulator:faults { { match = { kind = "imds" }, action = { stall = true } } }
    local out = signin.run { credential = managed(), env = imds_env(), given = { timeout = 0.5 } }
    assert.equal("timeout", out[1].kind)
    assert.equal("token", out[1].phase)
    assert.truthy(out[1].message:find("managed_identity (virtual machine) has not finished", 1, true), out[1].message)
    assert.truthy(out[1].hint:find("is this Azure", 1, true), out[1].hint)
  end)

  it("imds: without a response, the call's time-out says so", function ()
    local out = signin.run { credential = managed(), given = { timeout = 1.5 }, -- less than the pause after a refusal
      env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:" .. t.free_port() } }
    assert.equal("timeout", out[1].kind)
    assert.truthy(out[1].message:find("has not finished: sign-in failed: could not connect", 1, true),
      out[1].message)
    assert.truthy(out[1].hint:find("is this Azure", 1, true), out[1].hint)
  end)

  it("imds: its address may have blanks, slashes and a query around it", function ()
    for _, rest in ipairs { "", "/", "?/", "/?a=b", "#/", " " } do
      emulator:control("DELETE", "log")
      signin.works { credential = managed(), env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint .. rest } }
      assert.equal(1, #signin.log "imds", rest)
    end
  end)

  it("imds: no probe where it was chosen by hand", function ()
    signin.works { credential = managed(), env = imds_env() }
    assert.equal(1, #signin.log "imds")
    assert.equal(200, signin.log "imds"[1].status)
  end)
end)

describe("a managed identity (imds in a chain)", function ()
  it("imds: in a chain the probe comes first, without the header", function ()
    signin.works { credential = "return azpec.credential.chain { azpec.credential.managed_identity {} }",
      env = imds_env() }
    local log = signin.log "imds"
    assert.equal(2, #log)
    assert.equal(400, log[1].status)
    assert.equal(200, log[2].status)
  end)

  local fallback = [[return azpec.credential.chain { azpec.credential.managed_identity {},
    azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
    client_secret = given.secret } }]]

  it("imds: in a chain one that stalls costs a second, once", function ()
    emulator:faults { { match = { kind = "imds" }, action = { stall = true } } }
    emulator:set { token_lifetime = 1 }
    local out = signin.works { credential = fallback, env = imds_env(),
      given = { secret = t.secret, max_tries = 3, timeout = 3600 },
      body = "get(); get_until(function () return tokens() > 3 end)" }
    assert(out[1].took >= 0.99, out[1].took)
    assert.equal(1, #signin.log "imds")
  end)

  it("imds: in a chain one that nobody answers for costs nothing, and is remembered as not here", function ()
    local nowhere = "http://127.0.0.1:" .. t.free_port()
    local chain = [[return azpec.credential.chain { azpec.credential.managed_identity {},
      azpec.credential.workload_identity {} }]]
    local env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = nowhere }
    local out = signin.run { credential = chain, env = env, body = "get(); get()", given = { max_tries = 3 } }
    assert.equal(2, #out.results)
    assert.equal(1, out.tokens) -- answers, or what came in place of one: nobody was asked twice
    assert.truthy(out.results[2].message:find("not found when last checked", 1, true), out.results[2].message)
  end)

  -- tests/core/token/managed.c has them all
  local strangers = { { status = 200, body = "" }, { status = 302, headers = { Location = "/" } },
    { status = 404, body = { message = "no such route" } }, { html = true, status = 503 } }

  -- a link that was asked once more would have waited two seconds for it
  for nth, when in ipairs { "the probe", "the request behind it" } do
    it("imds: in a chain somebody else who answers " .. when .. " is passed over, and asked nothing more", function ()
      for _, action in ipairs(strangers) do
        emulator:control("DELETE", "log")
        emulator:faults { { match = { kind = "imds", nth = nth, times = 100 }, action = action } }
        signin.works { credential = fallback, env = imds_env(), given = { secret = t.secret } }
        assert.equal(nth, #signin.log "imds")
      end
    end)
  end

  it("imds: an identity that was named and is not there stops a chain", function ()
    signin.fails("credential", "Identity not found", { env = imds_env(), given = { secret = t.secret },
      credential = (fallback:gsub("managed_identity {}",
        "managed_identity { client_id = given.user.client_id .. 'x' }")) })
    assert.equal(0, #signin.log "token")
  end)

  -- ---- the others

  it("App Service: a wrong header is reported, the header itself is not", function ()
    local env = sources().app_service.env
    env.IDENTITY_HEADER = "not " .. signin.header
    signin.fails("credential", "401", { credential = managed(), env = env })
  end)

  -- ---- Service Fabric: known by its certificate's thumbprint
end)

local function arc(files, name)
  local var = signin.folder()
  signin.shell("mkdir -p " .. var .. "/azcmagent/tokens " .. var .. "/elsewhere")
  local within = ("exec unshare -rm sh -c 'mount --bind %s /var/opt && exec \"$@\"' sh"):format(var)
  if not os.execute("unshare -rm sh -c 'mount --bind " .. var .. " /var/opt' 2>/dev/null") then
    pending "no mount of one's own is allowed here"
  end
  for path, bytes in pairs(files) do t.write(var .. "/azcmagent/tokens/" .. path, bytes) end
  signin.shell(("chmod -R u=rwX,g=rX,o= %s/azcmagent"):format(var)) -- whatever the umask
  signin.reset { arc_key_file = t.write(t.new_path "arc", signin.arc_key),
    arc_realm = name or "/var/opt/azcmagent/tokens/one.key" }
  return { credential = managed(), within = within, var = var .. "/azcmagent/tokens",
    env = { IDENTITY_ENDPOINT = emulator.endpoint .. "/arc/token", IMDS_ENDPOINT = emulator.endpoint } }
end

describe("a managed identity (Service Fabric)", function ()
  local function fabric(thumbprint, more)
    return t.merged({ credential = managed(), env = {
      IDENTITY_ENDPOINT = emulator.tls_endpoint .. "/servicefabric/token", IDENTITY_HEADER = signin.header,
      IDENTITY_SERVER_THUMBPRINT = thumbprint or emulator.tls_thumbprint } }, more or {})
  end

  -- The number of requests that reached the place over TLS, whatever became of them.
  local function reached()
    local count = 0
    for _, entry in ipairs(signin.log()) do
      if entry.tls then count = count + 1 end
    end
    return count
  end

  it("Service Fabric: its certificate is no authority's, and its thumbprint is what counts", function ()
    local print = emulator.tls_thumbprint
    local with_colons, with_blanks = print:gsub("..", "%0:"):sub(1, -2), print:gsub("..", "%0 ")
    for _, thumbprint in ipairs { print, print:lower(), with_colons, with_blanks } do
      emulator:control("DELETE", "log")
      -- the file of authorities to trust knows nobody
      signin.works(fabric(thumbprint, { given = { ca_file = signin.certificates() .. "/other.crt" } }))
      assert.equal(1, reached())
      local asked = signin.log "service_fabric"[1]
      assert.equal("2019-07-01-preview", asked.api_version)
      assert.equal("https://management.azure.com", asked.params.resource)
      assert.equal("system", asked.token.identity)
    end
  end)

  it("Service Fabric: a certificate that is not the one named gets neither the secret nor a request", function ()
    local last = emulator.tls_thumbprint:sub(-1)
    for _, thumbprint in ipairs { ("A"):rep(40), emulator.tls_thumbprint:sub(1, 39) .. (last == "0" and "1" or "0") } do
      local err = signin.fails("untrusted", "IDENTITY_SERVER_THUMBPRINT", fabric(thumbprint))
      assert.equal("token", err.phase)
      assert.is_false(err.retryable)
      assert.equal(0, #signin.log())
    end
    emulator:set { tls_certificate = "other" } -- signed by the authority that the client trusts
    signin.fails("untrusted", "IDENTITY_SERVER_THUMBPRINT", fabric())
    assert.equal(0, #signin.log())
  end)

  it("Service Fabric: nor does another certificate that shows itself at the second connection", function ()
    emulator:set { tls_certificate = "alternating" }
    local err = signin.fails("untrusted", "pinned public key", fabric())
    assert.is_false(err.retryable)
    assert.equal(0, #signin.log())
  end)

  it("Service Fabric: the certificate is checked again before each token", function ()
    emulator:set { token_lifetime = 1, tls_certificate = "first" }
    -- no connection that the certificate was looked at by stays open
    signin.works(fabric(nil, { body = [[
      local function sockets()
        local open = 0
        for line in io.popen "/bin/ls -l /proc/$PPID/fd":lines() do
          if line:find "socket:" then open = open + 1 end
        end
        return open
      end
      get_until(function () return tokens() > 1 end)
      local before = sockets()
      get_until(function () return tokens() > 5 end)
      -- one may just be on its way in or out; four more tokens would leave four
      results[#results + 1] = { ok = sockets() < before + 3, message = before .. " sockets, then " .. sockets() }]] }))
    local seen, count = {}, 0
    for _, entry in ipairs(signin.log "service_fabric") do -- each on a connection of its own
      if not seen[entry.connection] then seen[entry.connection], count = true, count + 1 end
    end
    assert.equal(#signin.log "service_fabric", count)
    assert.is_true(count > 1)
  end)

  it("Service Fabric: a handshake that leads nowhere is told, and nothing is sent", function ()
    local plain = t.server { { greeting = "HTTP/1.1 400 Bad Request\r\n\r\nno TLS here" } }
    for _, endpoint in ipairs { "https://127.0.0.1:" .. t.free_port(), (plain.endpoint:gsub("^http:", "https:")) } do
      signin.fails("transport", "", fabric(nil, { env = { IDENTITY_ENDPOINT = endpoint .. "/servicefabric/token",
        IDENTITY_HEADER = signin.header, IDENTITY_SERVER_THUMBPRINT = emulator.tls_thumbprint } }))
    end
    assert.equal(0, #signin.log "service_fabric")
  end)

  it("Service Fabric: plain http, a thumbprint that is none, and an identity by name are refused unasked", function ()
    local function refused(text, more) signin.fails("credential", text, more) end
    refused("not https", fabric(nil, { env = { IDENTITY_ENDPOINT = emulator.endpoint .. "/servicefabric/token",
      IDENTITY_HEADER = signin.header, IDENTITY_SERVER_THUMBPRINT = emulator.tls_thumbprint } }))
    for _, bad in ipairs { "x", ("A"):rep(39), ("A"):rep(41), ("G"):rep(40), ("A"):rep(64) } do
      refused("40 hexadecimal digits", fabric(bad))
    end
    refused("client_id", fabric(nil, { credential = managed "client_id" }))
    assert.equal(0, #signin.log())
  end)

  it("Service Fabric: a redirect is not followed, a wrong header is reported", function ()
    emulator:faults { { match = { kind = "service_fabric" }, action = { status = 302,
      headers = { Location = emulator.endpoint .. "/elsewhere" } } } }
    assert.is_false(signin.run(fabric())[1].ok)
    assert.equal(1, #signin.log())
    emulator:control("DELETE", "faults")
    local wrong = fabric()
    wrong.env.IDENTITY_HEADER = "not " .. signin.header
    signin.fails("credential", "401", wrong)
  end)

  it("Service Fabric: without azpec_signing nothing is sent, and the error says what is missing", function ()
    signin.fails("credential", "azpec_signing.so is not installed", fabric(nil, { body = [[
      package.preload.azpec_signing = function () error "not here" end
      get()]] }))
    assert.equal(0, #signin.log())
  end)

  -- ---- Azure Arc: its directory is the machine's, so the tests bring one of their own

end)

describe("a managed identity (Azure Arc)", function ()
  it("Azure Arc: reads the file that the challenge names, and asks again", function ()
    signin.works(arc { ["one.key"] = signin.arc_key .. "\n" })
    local log = signin.log "arc"
    assert.equal(2, #log)
    assert.equal(401, log[1].status)
    assert.is_nil(log[1].headers.authorization)
    assert.equal("Basic <redacted>", log[2].headers.authorization)
    assert.equal("2020-06-01", log[2].api_version)
  end)

  it("Azure Arc: a second token begins with the challenge", function ()
    local spec = arc { ["one.key"] = signin.arc_key }
    emulator:set { token_lifetime = 1 }
    spec.body = "get(); get_until(function () return tokens() > 3 end)"
    signin.works(spec)
  end)

  it("Azure Arc: asks for a new challenge where the file was gone", function ()
    local spec = arc {}
    spec.given = { key = signin.arc_key }
    spec.body = [[get()
      local file <close> = assert(io.open("/var/opt/azcmagent/tokens/one.key", "w"))
      file:write(given.key)
      file:close()
      get()]]
    local out = signin.run(spec)
    assert.truthy(out.results[1].message:find("one.key': no such file", 1, true), out.results[1].message)
    assert.is_true(out.results[2].ok, out.results[2].message)
    assert.equal(3, #signin.log "arc")
  end)

  it("Azure Arc: reads no file that a link before it was about", function ()
    for name, link in t.each { ["az"] = "azpec.credential.azure_cli {}",
      ["file"] = [[azpec.credential.workload_identity { tenant_id = 't', client_id = 'c',
        token_file_path = '/none' }]] } do
      local spec = arc { ["one.key"] = signin.arc_key }
      spec.credential = "return azpec.credential.chain { " .. link .. ", azpec.credential.managed_identity {} }"
      spec.env.PATH = signin.programs {}
      signin.works(spec)
      assert.equal(2, #signin.log "arc", name)
      assert.is_nil(signin.log "arc"[1].headers.authorization)
    end
  end)

  it("Azure Arc: reads its challenge with blanks and among others", function ()
    local path = "/var/opt/azcmagent/tokens/one.key"
    for _, header in ipairs { 'Basic realm\t= "' .. path .. '"',
      'Negotiate, Basic charset="UTF-8", realm="' .. path .. '"' } do
      local spec = arc { ["one.key"] = signin.arc_key }
      emulator:faults { { match = { kind = "arc", times = 1 }, action = { status = 401,
        headers = { ["WWW-Authenticate"] = header } } } }
      signin.works(spec)
    end
  end)

  for change, why in t.each {
    ["chmod 666 {}/one.key"] = "everybody can write to it", ["chmod 664 {}/one.key"] = "its group can write to it",
    ["chmod 777 {}"] = "everybody can write to its folder", ["chmod 1777 {}"] = "everybody can write to its folder",
    ["mv {} {}.moved && ln -s tokens.moved {}"] = "its folder is a symbolic link or not a folder",
  } do
    it("Azure Arc: reads no file that others may have written: " .. change, function ()
      local spec = arc { ["one.key"] = signin.arc_key }
      signin.shell((change:gsub("{}", spec.var)))
      signin.fails("credential", why, spec)
      assert.equal(1, #signin.log "arc")
    end)
  end

  it("Azure Arc: reads the file where the folder is as its agent makes it", function ()
    local spec = arc { ["one.key"] = signin.arc_key }
    signin.shell(("chmod 750 %s && chmod 640 %s/one.key"):format(spec.var, spec.var))
    signin.works(spec)
  end)
end)

describe("a managed identity (Azure Arc, refused)", function ()
  it("Azure Arc: has no user-assigned identity", function ()
    local spec = arc {}
    spec.credential = managed "client_id"
    signin.fails("credential", "client_id", spec)
    assert.equal(0, #signin.log())
  end)

  for what, realm in t.each {
    ["another directory"] = "/var/opt/elsewhere/one.key",
    ["a way out of it"] = "/var/opt/azcmagent/tokens/../one.key",
    ["another extension"] = "/var/opt/azcmagent/tokens/one.txt",
    ["no name"] = "/var/opt/azcmagent/tokens/.key",
    ["a relative path"] = "one.key", ["a prefix only"] = "/var/opt/azcmagent/tokens.key",
    ["letters of another case"] = "/VAR/OPT/azcmagent/tokens/one.key",
  } do
    it("Azure Arc: refuses a challenge that names " .. what, function ()
      local spec = arc({ ["one.key"] = signin.arc_key, ["one.txt"] = signin.arc_key, [".key"] = signin.arc_key },
        realm)
      signin.fails("untrusted", "", spec)
      assert.equal(1, #signin.log "arc")
    end)
  end

  it("Azure Arc: refuses a link, a pipe, a folder and a large file, and tells a missing one", function ()
    local spec = arc { ["large.key"] = ("x"):rep(4097) }
    signin.shell(("cd %s && ln -s large.key link.key && mkfifo pipe.key && mkdir folder.key"):format(spec.var))
    for _, name in ipairs { "large", "link", "pipe", "folder", "missing" } do
      emulator:faults { { match = { kind = "arc", times = 1 }, action = { status = 401, headers = {
        ["WWW-Authenticate"] = "Basic realm=/var/opt/azcmagent/tokens/" .. name .. ".key" } } } }
      emulator:control("DELETE", "log")
      local err = signin.run(spec)[1]
      assert.equal("credential", err.kind)
      assert.truthy(err.message:find(name .. ".key", 1, true), err.message)
      assert.equal(1, #signin.log "arc")
    end
  end)

  it("Azure Arc: an answer without a challenge, or with another, sends nothing", function ()
    for _, headers in ipairs { { ["X-Nothing"] = "1" }, { ["WWW-Authenticate"] = "Bearer realm=x" },
      { ["WWW-Authenticate"] = "Basic" }, { ["WWW-Authenticate"] = "Basic realm=" } } do
      local spec = arc { ["one.key"] = signin.arc_key }
      emulator:faults { { match = { kind = "arc" }, action = { status = 401, body = oauth("x", "y"),
        headers = headers } } }
      assert.is_false(signin.run(spec)[1].ok)
      assert.equal(1, #signin.log "arc")
    end
  end)
end)
