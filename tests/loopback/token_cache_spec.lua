package.path = "./tests/?.lua;" .. package.path

-- Tokens that processes share through the kernel's keyring: real processes, of one user and of two, and the emulator's
-- log, which tells who asked for a token. As root the processes run as users of their own, whose keyrings nobody else
-- has; keyctl(1) looks into those. A developer's own keyring is left alone: `it_as_root` tests are skipped there.

local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator
local is_root = signin.shell "id -u" == "0"
local has_keyring = signin.shell "keyctl show @u >/dev/null 2>&1 && echo yes || echo no" == "yes"
local one, other = 54322, 54323 -- users that nobody is

local function as(user)
  return is_root and ("setpriv --reuid=%d --regid=%d --clear-groups"):format(user, user) or "env"
end

-- Another user can read what the tests were built from.
local function can_be_others()
  return is_root and (signin.shell(("%s test -r %s/azpec.so && echo yes || echo no"):format(as(one),
    os.getenv "BUILD" or "build")) == "yes")
end

local secret = [[return azpec.credential.client_secret { tenant_id = given.tenant_id, client_id = given.client_id,
  client_secret = given.secret }]]

local body = 'client = new { credential = credential, token_cache = "keyring" }; get()'

local function spec(more)
  return t.merged({ credential = secret, given = { secret = t.secret }, body = body, within = "exec " .. as(one) },
    more or {})
end

local function works(more) return signin.works(spec(more)) end

-- How many tokens Entra ID was asked for.
local function asked() return #signin.log "token" end

-- keyctl(1) of the user's; what it prints.
local function keyctl(words, user) return signin.shell(("%s keyctl %s"):format(as(user or one), words)) end

-- Empties the keyrings of the users that nobody is.
local function clear()
  for _, user in ipairs(is_root and { one, other } or {}) do keyctl("clear @u", user) end
end

-- The ids of the tokens in the user's keyring.
local function keys()
  local list = {}
  for id in keyctl("list @u"):gmatch "(%d+): [^\n]*azpec:token:" do list[#list + 1] = id end
  return list
end

local function the_key()
  local list = keys()
  assert.equal(1, #list)
  return list[1]
end

local function it_with_keyring(title, f)
  it(title, function ()
    if not has_keyring then return pending "the kernel keeps no keys here" end
    f()
  end)
end

local function it_as_root(title, f)
  it_with_keyring(title, function ()
    if not is_root then return pending "it needs root, to run processes as other users with keyrings of their own" end
    f()
  end)
end

local function outcomes(out)
  local list = {}
  for word in out.told:gmatch "[^\n]+" do
    if word == "found" or word == "stored" or word == "removed" or word == "refused" then list[#list + 1] = word end
  end
  table.sort(list)
  return table.concat(list, " ")
end

setup(function ()
  emulator = signin.start()
  signin.shell(("chmod a+x %s %s"):format(t.quote(os.getenv "TMPDIR"), t.quote(t.new_path "any":match "^(.*)/")))
  signin.shell("chmod -R a+rX " .. t.quote(signin.certificates()))
  if not can_be_others() then is_root = false end
end)

before_each(function ()
  signin.reset()
  emulator:set { token_lifetime = 600 }
  if has_keyring then clear() end
end)

after_each(t.tidy)

teardown(function ()
  if has_keyring then clear() end
  t.close()
end)

describe("a token in the keyring", function ()
  it_with_keyring("serves the next process, which asks nobody", function ()
    assert.equal("stored", outcomes(works()))
    assert.equal(1, asked())
    local second = works()
    assert.equal("found", outcomes(second))
    assert.equal(0, second.tokens)
    assert.equal(1, asked())
    assert.equal(2, #signin.log "get")
  end)

  it("is not looked for unless that was asked for", function ()
    for _, option in ipairs { "", ', token_cache = "none"' } do
      local plain = "client = new { credential = credential" .. option .. " }; get()"
      assert.equal("", outcomes(works { body = plain }))
    end
    assert.equal(2, asked())
  end)

  it_as_root("is said to be from there, in identity, explain and settings", function ()
    local show = [[
      client = new { credential = credential, token_cache = "keyring" }
      local identity = client:identity()
      local link = client:explain()[1]
      note(0, true)
      results[1].said = table.concat({ tostring(identity.cached), identity.credential, link.outcome,
        tostring(link.message), client:settings().token_cache }, " ")
      results[1].left = identity.expires_on - os.time() ]]
    assert.equal("nil client_secret token nil keyring", works { body = show }[1].said)
    local second = works { body = show }
    assert.equal("true client_secret token from the token cache keyring", second[1].said)
    assert.near(600, second[1].left, 60)
    assert.equal(1, asked())
  end)

  it_as_root("is for the same authority, application, secret, scope and way to sign in only", function ()
    works()
    local wrong = signin.run(spec { given = { secret = "another-secret-of-another-application" } })
    assert.equal("credential", wrong[1].kind)
    assert.truthy(wrong[1].message:find("AADSTS7000215", 1, true))
    assert.equal(2, asked())
    works { given = { secret = t.secret, scope = "https://management.core.windows.net/.default" } }
    works { credential = secret:gsub("given.tenant_id", "'contoso.onmicrosoft.com'") }
    assert.equal(4, asked())
    works { credential = "return azpec.credential.chain { azpec.credential.workload_identity {}, (function () "
      .. secret .. " end)() }" }
    assert.equal(5, asked()) -- in another chain an earlier link might be asked first
    works()
    assert.equal(5, asked())
  end)

  it_as_root("is gone when it has expired", function ()
    emulator:set { token_lifetime = 2 }
    works()
    t.await("the end of the key", function () return #keys() == 0 end)
    assert.equal("stored", outcomes(works()))
    assert.equal(2, asked())
  end)

  it_as_root("is renewed early, as in memory, while the old one is in use", function ()
    works()
    local text = keyctl("pipe " .. the_key())
    local now = os.time()
    local due = text:gsub("^(azpec token 2\n0\n)%d+\n%d+", ("%%1%d\n%d"):format(now + 250, now - 10))
    signin.shell(("printf '%%s' %s | %s keyctl pupdate %s"):format(t.quote(due), as(one), the_key()))
    works { body = body .. "; get_until(function () return tokens() > 0 end)" }
    assert.equal(2, asked())
    assert.truthy(keyctl("pipe " .. the_key()) ~= due)
    assert.equal("found", outcomes(works()))
    assert.equal(2, asked())
  end)

  for name, garbage in t.each {
    ["nothing of ours"] = "hello", ["a token without a record"] = "eyJ0eXAi.eyJh.c2ln", ["a NUL"] = "\\0",
    ["a record that is cut short"] = "azpec token 2\\n0\\n9999999999\\n",
    ["a record of another scope"] = "azpec token 2\\n0\\n%d\\n%d\\n\\nhttps://vault.azure.net/.default\\nx",
    ["a header behind the token"] = "azpec token 2\\n0\\n%d\\n%d\\n\\nhttps://management.azure.com/.default\\nx"
      .. "\\nEvil: 1",
  } do
    it_as_root("is not believed where it is " .. name .. ", and is replaced", function ()
      works()
      local soon = os.time() + 500
      signin.shell(("printf '%s' | %s keyctl pupdate %s"):format(garbage:gsub("%%d", tostring(soon)), as(one),
        the_key()))
      assert.equal("removed stored", outcomes(works()))
      assert.equal(2, asked())
      assert.equal("found", outcomes(works()))
      assert.equal(2, asked())
    end)
  end

  it_as_root("that Azure Resource Manager refuses is removed, and fetched anew", function ()
    works()
    local first = the_key()
    emulator:faults { { match = { kind = "get", nth = 1 }, action = { status = 401,
      error = { code = "InvalidAuthenticationToken", message = "No." } } } }
    assert.equal("found removed stored", outcomes(works()))
    assert.equal(2, asked())
    assert.not_equal(first, the_key())
  end)

  it_as_root("that does not meet a claims challenge is removed; the one with the claims takes its place", function ()
    works()
    emulator:faults { { match = { kind = "get", nth = 1 }, action = { claims = true } } }
    assert.equal("found removed stored", outcomes(works()))
    assert.is_true(signin.log "token"[2].token.claims)
    emulator:release()
    assert.equal("found", outcomes(works()))
    assert.equal(2, asked())
  end)

  it_as_root("is removed by the command that the library guide and SECURITY.md give, in any session", function ()
    works()
    for _, page in ipairs { "lua_module/README.md", "SECURITY.md" } do
      local command = assert(t.read(page):match "`(keyctl session %- sh %-c '[^`]*)`", page)
      signin.shell(("%s keyctl session - sh -c %s"):format(as(one), t.quote(command)))
      assert.equal(0, #keys())
      works()
    end
    assert.equal(3, asked())
  end)

  it_as_root("is found in a session that has no link to the keyring, as those of services", function ()
    works()
    local session = [[ sh -c 'exec keyctl session - "$@" 2>/dev/null' sh]] -- which says what it joined
    assert.equal("found", outcomes(works { within = "exec " .. as(one) .. session }))
    assert.equal(1, asked())
  end)

  it_as_root("serves several processes at once", function ()
    works()
    local children = {}
    for i = 1, 3 do children[i] = signin.begin(spec()) end
    for i = 1, 3 do assert.equal("found", outcomes(children[i]:finish())) end
    assert.equal(1, asked())
  end)
end)

describe("the keyring of one user", function ()
  it_as_root("is closed to another one", function ()
    works()
    assert.equal("stored", outcomes(works { within = "exec " .. as(other) }))
    assert.equal(2, asked())
    local key = the_key()
    for _, words in ipairs { "pipe ", "print ", "describe " } do
      local ok, said = pcall(keyctl, words .. key, other)
      assert.is_false(ok)
      assert.truthy(tostring(said):find("Permission denied", 1, true), said)
    end
    assert.truthy(keyctl("rdescribe " .. key):find(";003f0000;", 1, true))
  end)

  it_as_root("is not used by a process that acts for another user", function ()
    if os.getenv "TEST_UNDER" == "asan" then return pending "such a process preloads no library" end
    local out = works { within = ("exec setpriv --euid=%d --clear-groups"):format(one) }
    assert.equal("refused", outcomes(out))
    assert.truthy(out.told:find("set-user-ID", 1, true))
  end)
end)

describe("where the kernel keeps no keys", function ()
  for number, word in t.each { [1] = "EPERM", [38] = "ENOSYS" } do
    it(word .. " is told once, and all goes on without", function ()
      local forbidden = ("exec %s/tools/forbid %d"):format(os.getenv "BUILD" or "build", number)
      local out = works { within = forbidden, body = body .. "; get(); get()" }
      assert.equal("refused", outcomes(out))
      assert.truthy(out.told:find(word, 1, true), out.told)
      works { within = forbidden }
      assert.equal(2, asked())
    end)
  end

  it_as_root("a quota that is used up is told once, and the token serves all the same", function ()
    signin.shell(("head -c 19500 /dev/zero | %s keyctl padd user filler @u"):format(as(one)))
    local out = works { body = body .. "; get()" }
    assert.equal("refused", outcomes(out))
    assert.truthy(out.told:find("EDQUOT", 1, true), out.told)
    assert.equal(1, asked())
  end)
end)

describe("the token of a credential", function ()
  local app = "tenant_id = given.tenant_id, client_id = given.client_id, "
  local function certificate(fields) return "return azpec.credential.client_certificate { " .. app .. fields .. " }" end

  it_as_root("with a certificate is shared, until its file is written anew", function ()
    local folder = signin.folder()
    signin.shell(("chmod 755 %s && cp %s/both.pem %s"):format(folder, signin.certificates(), folder))
    local with = { credential = certificate(("certificate_path = '%s/both.pem'"):format(folder)) }
    works(with)
    works(with)
    assert.equal(1, asked())
    signin.shell(("cat %s/other.crt %s/other.key > %s/both.pem"):format(signin.certificates(), signin.certificates(),
      folder))
    local err = signin.run(spec(with))[1]
    assert.equal("credential", err.kind) -- not registered: the token of the other one is not its
    assert.equal(2, asked())
  end)

  it_as_root("with a certificate in memory is shared by those who have the same", function ()
    local function text(name) return t.read(signin.certificates() .. "/" .. name) end
    local given = { crt = text "leaf.crt", key = text "leaf.key" }
    works { credential = certificate "certificate = given.crt, key = given.key", given = given }
    works { credential = certificate "certificate = given.crt, key = given.key", given = given }
    assert.equal(1, asked())
    local err = signin.run(spec { credential = certificate "certificate = given.crt, key = given.key",
      given = { crt = text "other.crt", key = text "other.key" } })[1]
    assert.equal("credential", err.kind)
  end)

  for name, code in t.each {
    ["with a secret from a function"] = "client_secret { " .. app
      .. "client_secret = function () return given.secret end }",
    ["with a sign function"] = "client_certificate { " .. app .. "certificate = given.crt, "
      .. "sign = function (algorithm, data) return require 'azpec_signing'.load { certificate = given.crt, "
      .. "key = given.key }:sign(algorithm, data) end }",
    ["with an assertion from a function"] = "client_assertion { " .. app
      .. "assertion = function () return given.assertion end }",
  } do
    it(name .. " is not shared", function ()
      local function text(file) return t.read(signin.certificates() .. "/" .. file) end
      local with = { credential = "return azpec.credential." .. code, given = { secret = t.secret,
        crt = text "leaf.crt", key = text "leaf.key", assertion = signin.federated[1] } }
      assert.equal("", outcomes(works(with)))
      works(with)
      assert.equal(2, asked())
    end)
  end

  it("of a managed identity is not shared: its source keeps it", function ()
    local with = { credential = "return azpec.credential.managed_identity {}",
      env = { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint } }
    assert.equal("", outcomes(works(with)))
    works(with)
    assert.equal(2, #signin.log "imds")
  end)

  it_as_root("of a workload is shared until its file is rotated", function ()
    local path = t.write(t.new_path "federated", signin.federated[1])
    local with = { credential = ("return azpec.credential.workload_identity { %stoken_file_path = '%s' }"):format(app,
      path) }
    works(with)
    works(with)
    assert.equal(1, asked())
    t.write(path, signin.federated[2])
    works(with)
    assert.equal(2, asked())
  end)

  it_as_root("of a device code spares a person the second sign-in", function ()
    emulator:set { device_interval = 1 }
    local with = { credential = "return azpec.credential.device_code { " .. app .. "prompt = function () end }" }
    works(with)
    works(with)
    assert.equal(1, #signin.log "devicecode")
  end)
end)

describe("the token of", function ()
  local cjson = require "cjson"

  local function token()
    local path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com"
    local _, answer = t.http(emulator.endpoint, "GET", path, nil, "Metadata: true\r\n")
    return cjson.decode(answer).access_token
  end

  local tools = {
    az = { "azure_cli", "/.azure/azureProfile.json", "AZURE_CONFIG_DIR", function ()
      return { accessToken = token(), expires_on = os.time() + 600, tokenType = "Bearer", tenant = emulator.tenant_id,
        subscription = emulator.subscription_id }
    end },
    azd = { "azure_developer_cli", "/.azd/auth.json", "AZD_CONFIG_DIR", function ()
      return { token = token(), expiresOn = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 600) }
    end },
  }

  for name, tool in t.each(tools) do
    local kind, profile, variable, answer = table.unpack(tool)

    it_as_root(name .. " is shared until somebody signs in or out there", function ()
      local folder = signin.programs { [name] = "printf '%s' " .. t.quote(cjson.encode(answer())) }
      signin.shell(("chmod 777 %s && mkdir -p %s/home/.azure %s/home/.azd"):format(folder, folder, folder))
      local home = folder .. "/home"
      t.write(home .. profile, "{}")
      local function run(more)
        return works { credential = "return azpec.credential." .. kind .. " {}",
          env = t.merged({ PATH = folder, HOME = home }, more or {}) }
      end
      run()
      run()
      assert.equal(1, signin.calls(folder, name))
      t.write(home .. profile, '{"subscriptions":[]}') -- az login, azd auth login
      run()
      run()
      assert.equal(2, signin.calls(folder, name))
      os.remove(home .. profile) -- az account clear
      run()
      assert.equal(3, signin.calls(folder, name))
      run { [variable] = home .. "/elsewhere" }
      assert.equal(4, signin.calls(folder, name))
    end)

    it_as_root(name .. " is not shared where nobody knows the folder of its sign-in", function ()
      local folder = signin.programs { [name] = "printf '%s' " .. t.quote(cjson.encode(answer())) }
      signin.shell("chmod 777 " .. folder)
      for _ = 1, 2 do
        local out = works { credential = "return azpec.credential." .. kind .. " {}",
          env = { PATH = folder, HOME = "" } }
        assert.equal("", outcomes(out))
      end
      assert.equal(2, signin.calls(folder, name))
    end)
  end

  it_as_root("a chain is not walked again for the next process", function ()
    local folder = signin.programs { az = "printf '%s' " .. t.quote(cjson.encode(tools.az[4]())) }
    signin.shell(("chmod 777 %s && mkdir -p %s/home/.azure"):format(folder, folder))
    emulator:faults { { match = { kind = "imds" }, action = { status = 404, body = "{}" } } }
    local function run()
      return works { credential = "return azpec.credential.default()", env = { PATH = folder, HOME = folder .. "/home",
        AZURE_POD_IDENTITY_AUTHORITY_HOST = "http://127.0.0.1:1" } }
    end
    run()
    local second = run()
    assert.equal("found", outcomes(second))
    assert.equal(1, signin.calls(folder, "az"))
  end)
end)
