package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local emulator
local emulator_subscription = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10"

local credentials = { az = "return azpec.credential.azure_cli { timeout = given.limit, tenant_id = given.tenant, "
  .. "subscription = given.subscription }",
  azd = "return azpec.credential.azure_developer_cli { timeout = given.limit, tenant_id = given.tenant }" }

-- A token that the emulator knows: asked for by hand.
local function token()
  local _, body = t.http(emulator.endpoint, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    .. "https://management.azure.com", nil, "Metadata: true\r\n")
  emulator:control("DELETE", "log")
  return cjson.decode(body).access_token
end

local function stamp(format, seconds) return os.date(format, os.time() + (seconds or 3600)) end

-- What the program prints when all is well.
local function answer(name, more)
  local value = name == "az"
    and { accessToken = token(), tokenType = "Bearer", tenant = emulator.tenant_id, expires_on = os.time() + 3600,
      expiresOn = stamp "!%Y-%m-%d %H:%M:%S.000000", subscription = emulator.subscription_id }
    or { token = token(), expiresOn = stamp "!%Y-%m-%dT%H:%M:%SZ" }
  for field, item in pairs(more or {}) do value[field] = item or nil end
  return cjson.encode(value)
end

local function say(text) return "printf '%s' " .. t.quote(text) end

local function spec(name, folder, more)
  return t.merged({ credential = credentials[name], env = { PATH = folder }, given = {} }, more or {})
end

-- Runs with one program that holds this shell text.
local function program(name, script) return signin.programs { [name] = script } end

local function is_gone(pid)
  local stat = t.read(("/proc/%d/stat"):format(pid))
  return not stat or stat:find "^%d+ %(.*%) [ZX]" ~= nil
end

local function pid_of(folder, name)
  return t.await(name, function ()
    return tonumber((t.read(folder .. "/" .. name .. ".pids") or ""):match "^(%d+)\n")
  end)
end

setup(function () emulator = signin.start() end)
before_each(function () signin.reset() end)
after_each(t.tidy)
teardown(t.close)

describe("the programs that users sign in with", function ()
  for _, name in ipairs { "az", "azd" } do
    local plain = { az = "account get-access-token -o json --resource https://management.azure.com --subscription "
      .. emulator_subscription,
      azd = "auth token -o json --no-prompt --scope https://management.azure.com/.default" }

    it(name .. " is run once for many requests, with these words", function ()
      local folder = program(name, say(answer(name)))
      signin.works(spec(name, folder, { body = "get(); get()" }))
      assert.equal(plain[name], signin.words(folder, name))
      assert.equal(1, signin.calls(folder, name))
    end)

    it(name .. " is told the tenant, or the subscription, as one word", function ()
      local folder = program(name, say(answer(name)))
      signin.works(spec(name, folder, { given = { tenant = "contoso.onmicrosoft.com" } }))
      local bare = plain[name]:gsub(" %-%-subscription.*", "")
      assert.equal(bare .. (name == "az" and " --tenant" or " --tenant-id") .. " contoso.onmicrosoft.com",
        signin.words(folder, name))
      if name == "azd" then return end
      folder = program(name, say(answer(name)))
      signin.works(spec(name, folder, { given = { subscription = "My Sub_1" } }))
      assert.equal(bare .. " --subscription My Sub_1", signin.words(folder, name))
    end)

    it(name .. ": what a shell could misread is refused before it is run", function ()
      local folder = program(name, say(answer(name)))
      for _, scope in ipairs { "https://x/.default;id", "https://x/$(id)", "https://x/`id`", "-o", "https://x/ y" } do
        local out = signin.run(spec(name, folder, { given = { scope = scope } }))
        assert.is_false(out[1].ok)
      end
      local out = signin.run(spec(name, folder, { given = { tenant = "-x" } }))
      assert.is_false(out[1].ok)
      if name == "az" then
        for _, subscription in ipairs { "a;b", "--query", "a\nb", "$HOME", "a'b" } do
          assert.is_false(signin.run(spec(name, folder, { given = { subscription = subscription } }))[1].ok)
        end
      end
      assert.equal(0, signin.calls(folder, name))
    end)

    it(name .. ": warnings before and after, colours, a byte order mark, on either output", function ()
      -- Azure/azure-sdk-for-python#26857, #18664 and #37841, Azure/azure-sdk-for-js#21075
      for _, text in ipairs { "WARNING: a new version is there.\n%s\nWARNING: really\n",
        "\27[33mbehave!\27[0m\n%s\27[0m", "\xef\xbb\xbf%s", "\r\n%s\r\n" } do
        local folder = program(name, say(text:format((answer(name):gsub("%%", "%%%%")))) .. "\necho 'more {}' >&2")
        signin.works(spec(name, folder))
      end
    end)

    it(name .. ": a warning with braces in it", function ()
      signin.works(spec(name, program(name, say("Warning: {old} config\n" .. answer(name)))))
      signin.works(spec(name, program(name, say(answer(name) .. "\nWarning: {old} config\n"))))
    end)

    it(name .. ": unusable output is reported, without its content", function ()
      for _, text in ipairs { "", "hello", "{", "{}", "[1]", "}{", '{"accessToken":7,"token":7}',
        '{"accessToken":"","token":"","expires_on":4102444800}', signin.az_token, ("x"):rep(100000),
        '{"token":"' .. signin.az_token .. '"' } do
        local err = signin.run(spec(name, program(name, say(text))))[1]
        assert.truthy(err.kind == "credential" or err.kind == "protocol", tostring(err.kind) .. " for " .. text)
        assert.equal("token", err.phase)
      end
      local endless = "while :; do printf '%s' xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"
      signin.fails("credential", name .. ": printed too much output",
        spec(name, program(name, endless), { given = { timeout = 3600, limit = 3600 } }))
    end)

    it(name .. " that is not there is reported as not installed", function ()
      signin.fails("credential", "not installed", spec(name, signin.folder()))
      signin.fails("credential", "not installed", spec(name, program(name, "exit 127")))
    end)

    it(name .. " that is a script whose command is not there is reported in the script's words", function ()
      local err = signin.fails("credential", name .. ": ", spec(name, program(name, "no-such-command account")))
      assert.matches("no%-such%-command: not found", err.message)
      assert.falsy(err.message:find "not installed")
    end)

    it(name .. ": a program that does not run is reported", function ()
      local folder = signin.folder { [name] = "#!/nonexistent/interpreter\n" }
      signin.shell("chmod 755 " .. folder .. "/" .. name)
      assert.equal("credential", signin.run(spec(name, folder))[1].kind)
      folder = signin.folder { [name] = say(answer(name)) } -- nobody may run it
      signin.fails("credential", name .. ": found on the PATH, but it cannot be executed", spec(name, folder))
    end)

    it(name .. " is not looked for in the working directory", function ()
      local folder = program(name, say(answer(name)))
      for _, path in ipairs { "", ".", "tests:.", ":" } do
        local out = signin.run(spec(name, path, { env = { PATH = path },
          within = "cd " .. folder .. " && exec" }))
        assert.is_false(out[1].ok)
      end
      assert.equal(0, signin.calls(folder, name))
    end)
  end
end)

describe("the programs that users sign in with (errors and time-outs)", function ()
  for _, name in ipairs { "az", "azd" } do
    it(name .. ": its own error is reported, on one line", function ()
      local folder = program(name, "echo 'ERROR: something broke' >&2; echo 'and this' >&2; exit 1")
      local err = signin.fails("credential", "something broke", spec(name, folder))
      assert.is_nil(err.message:find "%c")
      signin.fails("credential", name .. ": failed without an error message, exit status 3",
        spec(name, program(name, "exit 3")))
      signin.fails("credential", name .. ": terminated by signal 9", spec(name, program(name, "kill -9 $$")))
    end)

    it(name .. ": a token in its error does not come along", function ()
      local folder = program(name, ([[echo 'ERROR: {"accessToken": "%s"}' >&2
echo 'Authorization: Bearer %s' >&2; exit 1]]):format(signin.az_token, signin.az_token))
      signin.fails("credential", "ERROR", spec(name, folder))
    end)

    it(name .. " without anybody signed in: what to do is said", function ()
      local words = { az = "ERROR: Please run 'az login' to setup account.",
        azd = '{"type":"consoleMessage","timestamp":"2026-01-01T00:00:00Z","data":{"message":"ERROR: not logged in, '
          .. 'run `azd auth login` to login"}}' }
      local err = signin.fails("credential", name == "az" and "az login" or "azd auth login",
        spec(name, program(name, say(words[name]) .. " >&2; exit 1")))
      assert.is_nil(err.message:find("timestamp", 1, true), "the JSON around the message is no message")
    end)

    it(name .. " that hangs is ended after its time-out, which names itself", function ()
      local folder = program(name, "mkfifo \"$0.fifo\" 2>/dev/null || /usr/bin/mkfifo \"$0.fifo\"; read x <\"$0.fifo\"")
      local err = signin.fails("credential", name .. ": timed out after 400 ms",
        spec(name, folder, { given = { limit = 0.4 } }))
      assert(err.took >= 0.39, err.took)
      assert.is_true(is_gone(pid_of(folder, name)))
    end)

    it(name .. " that hangs does not outlive the call's time-out", function ()
      local folder = program(name, "/usr/bin/mkfifo \"$0.fifo\"; read x <\"$0.fifo\"")
      local err = signin.run(spec(name, folder, { given = { timeout = 2 * t.patience, limit = 3600 } }))[1]
      assert.equal("timeout", err.kind)
      assert.is_true(is_gone(pid_of(folder, name)))
    end)

    it(name .. ": a child of its own that keeps the pipe open is not waited for", function ()
      local folder = program(name, "/usr/bin/mkfifo \"$0.fifo\"; (read x <\"$0.fifo\") &\n" .. say(answer(name)))
      signin.works(spec(name, folder)) -- the child still waits for the fifo's other end
      assert(io.open(folder .. "/" .. name .. ".fifo", "w")):close()
    end)

    it(name .. " gets nothing to read, no terminal, and / as its directory", function ()
      local folder = program(name, "read line && exit 9; [ \"$(pwd)\" = / ] || exit 8; [ -t 0 ] && exit 7\n"
        .. say(answer(name)))
      signin.works(spec(name, folder))
    end)
  end
end)

describe("the programs that users sign in with (expiry, claims, environment)", function ()
  it("az: expires_on before expiresOn, and expiresOn is this machine's time", function ()
    for zone, hours in t.each { ["UTC"] = 0, ["Etc/GMT-9"] = 9, ["Etc/GMT+8"] = -8 } do
      local function with(more) return spec("az", program("az", say(answer("az", more))), {}) end
      for more, ok in pairs {
        [{ expires_on = false, expiresOn = stamp("!%Y-%m-%d %H:%M:%S.123456", hours * 3600 + 60) }] = true,
        [{ expires_on = false, expiresOn = stamp("!%Y-%m-%d %H:%M:%S", hours * 3600 + 60) }] = true,
        [{ expires_on = false, expiresOn = stamp("!%Y-%m-%d %H:%M:%S", hours * 3600 - 60) }] = false,
        [{ expiresOn = "1999-01-01 00:00:00.000000" }] = true,
        [{ expires_on = os.time() - 10 }] = false,
        [{ expires_on = tostring(os.time() + 60) }] = true,
        [{ expires_on = false, expiresOn = "soon" }] = false,
        [{ expires_on = false, expiresOn = "N/A" }] = true, -- a managed identity's (Azure/azure-cli#14128)
        [{ expires_on = false, expiresOn = false }] = true, -- as Azure CLI 2.30.0 has it for a managed identity
      } do
        local one = with(more)
        one.env.TZ = zone
        local out = signin.run(one)
        assert.equal(ok, out[1].ok, zone .. " " .. cjson.encode(more) .. ": " .. tostring(out[1].message))
      end
    end
  end)

  it("azd: expiresOn with a zone", function ()
    for text, ok in pairs { [stamp "!%Y-%m-%dT%H:%M:%SZ"] = true, [stamp "!%Y-%m-%dT%H:%M:%S.123456789Z"] = true,
      [stamp("!%Y-%m-%dT%H:%M:%S+09:00", 9 * 3600 + 60)] = true,
      [stamp("!%Y-%m-%dT%H:%M:%S+09:00", 9 * 3600 - 60)] = false,
      [stamp("!%Y-%m-%dT%H:%M:%SZ", -60)] = false } do
      local one = spec("azd", program("azd", say(answer("azd", { expiresOn = text }))))
      one.env.TZ = "Etc/GMT-5"
      local out = signin.run(one)
      assert.equal(ok, out[1].ok, text .. ": " .. tostring(out[1].message))
    end
  end)

  local challenge = [[
    get()
    local _, err = get()]]

  it("az cannot answer a claims challenge, and says what can", function ()
    local folder = program("az", say(answer "az"))
    emulator:faults { { match = { kind = "get", nth = 2 }, action = { status = 401, headers = {
      ["WWW-Authenticate"] = 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="' } } } }
    local out = signin.run(spec("az", folder, { body = challenge, given = { tenant = "contoso.onmicrosoft.com" } }))
    local err = out.results[2]
    assert.equal("credential", err.kind)
    assert.truthy(err.message:find("claims", 1, true), err.message)
    assert.equal("run: az login --tenant contoso.onmicrosoft.com --claims-challenge eyJhIjoxfQ== --scope "
      .. "https://management.azure.com/.default", err.hint)
    assert.equal(1, signin.calls(folder, "az"))
  end)

  it("azd is asked again with the claims", function ()
    local folder = program("azd", say(answer "azd"))
    emulator:faults { { match = { kind = "get", nth = 2 }, action = { status = 401, headers = {
      ["WWW-Authenticate"] = 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="' } } } }
    local out = signin.run(spec("azd", folder, { body = challenge }))
    assert.is_true(out.results[2].ok, out.results[2].message)
    assert.truthy(signin.words(folder, "azd"):find("--claims eyJhIjoxfQ", 1, true), signin.words(folder, "azd"))
  end)

  it("nothing secret is in their words or environment, and our own token is in neither", function ()
    local folder = program("az", "/usr/bin/tr '\\0' '\\n' </proc/self/environ >\"$0.environ\"\n"
      .. "/usr/bin/mkfifo \"$0.fifo\"; read x <\"$0.fifo\"\n" .. say(answer "az"))
    local running = signin.begin(spec("az", folder, { given = { secret = t.secret },
      env = { PATH = folder, AZURE_CLIENT_SECRET = t.secret, AZURE_CLIENT_CERTIFICATE_PASSWORD = signin.password,
        AZURE_ACCESS_TOKEN = t.canary, AZPEC_TOKEN_KEY = t.secret, AZURE_CONFIG_DIR = "/nowhere" },
      credential = [[return azpec.credential.chain { azpec.credential.workload_identity {},
        azpec.credential.azure_cli { timeout = given.hang } }]] }))
    local pid = pid_of(folder, "az")
    local words, environ = t.read(("/proc/%d/cmdline"):format(pid)), t.read(("/proc/%d/environ"):format(pid))
    t.await("its fifo", function () return os.execute("test -p " .. folder .. "/az.fifo") end)
    t.write(folder .. "/az.fifo", "go\n")
    assert.is_true(running:finish()[1].ok)
    signin.clean(words .. environ, "the program's arguments and environment")
    assert.truthy(environ:find("AZURE_CONFIG_DIR=/nowhere", 1, true)) -- what is no secret comes along
    assert.truthy(environ:find("AZURE_CORE_NO_COLOR=true", 1, true))
    assert.truthy(environ:find("PATH=" .. folder, 1, true))
  end)

  it("the header of a managed identity is az's, unless a link beside it asks for that itself", function ()
    local folder = program("az", "/usr/bin/tr '\\0' '\\n' </proc/self/environ >\"$0.environ\"; " .. say(answer "az"))
    local env = { PATH = folder, IDENTITY_ENDPOINT = "http://127.0.0.1:1/token", IDENTITY_HEADER = signin.header,
      MSI_SECRET = signin.header }
    signin.works(spec("az", folder, { env = env }))
    assert.truthy(t.read(folder .. "/az.environ"):find(signin.header, 1, true))
    signin.works(spec("az", folder, { env = env, credential = "return azpec.credential.chain { "
      .. "azpec.credential.azure_cli {}, azpec.credential.managed_identity {} }" }))
    signin.clean(t.read(folder .. "/az.environ"), "the program's environment")
  end)
end)
