-- The command for a person who is signed in by az or azd, and has named nothing.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local t = require "loopback.support"

local emulator = kit.stage()
local elsewhere = "99999999-6a1e-4b7d-9c55-0e8d1b2a7f10" -- a subscription of another tenant

local function token()
  local _, body = t.http(emulator.endpoint, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    .. "https://management.azure.com", nil, "Metadata: true\r\n")
  return cjson.decode(body).access_token
end

-- A folder with this program, which notes what it was asked.
local function folder_with(name, script)
  local folder = t.new_path "bin"
  assert(os.execute("mkdir " .. folder))
  t.write(folder .. "/" .. name, ("#!/bin/sh\necho \"$*\" >>%s/asked\n%s\n"):format(folder, script))
  assert(os.execute(("chmod 755 %s/%s"):format(folder, name)))
  return folder
end

-- Azure CLI as it answers where the first of its subscriptions is the default one, in words and shapes of 2.45.
local function az(default)
  local function answer(subscription)
    return "printf '%s' " .. t.quote(cjson.encode { accessToken = token(), tokenType = "Bearer",
      tenant = emulator.tenant_id, subscription = subscription, expires_on = os.time() + 3600 })
  end
  return folder_with("az", ([[case "$*" in
*"--subscription %s"*) %s ;;
*) %s ;;
esac]]):format(elsewhere, answer(elsewhere), answer(default or emulator.subscription_id)))
end

local function run(folder, line, env)
  return kit.run(("%s %s"):format(line, kit.address(emulator)), { env = t.merged({ PATH = folder .. ":"
    .. os.getenv "PATH", AZURE_TOKEN_CREDENTIALS = "dev" }, env or {}) })
end

local function asked(folder) return t.read(folder .. "/asked") end

describe("for a person who is signed in by az", function ()
  it("the default subscription is used, and said once on stderr", function ()
    local folder = az()
    local result = kit.ended(0, run(folder, "list --account sampleacct"))
    assert.equal(("azpec: in subscription %s, the default one of az; --subscription names another\n"):format(
      emulator.subscription_id), result.err)
    assert.matches("testprivateEndpointConnection5", result.out, 1, true)
    assert.equal("account get-access-token -o json --resource https://management.azure.com\n", asked(folder))
  end)

  it("the doctor takes the default subscription too, and without one asks for it", function ()
    local line = "doctor -g default-azurebatch-japaneast --account sampleacct --check signin,account"
    local result = kit.ended(0, run(az(), line))
    assert.matches("in subscription " .. emulator.subscription_id .. ", the default one of az", result.err, 1, true)
    assert.matches("\nok +account ", result.out)
    assert.matches("--account needs its subscription", kit.ended(2, run(az(""), line)).err, 1, true)
    result = kit.ended(4, run(folder_with("az", "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1"),
      line))
    assert.matches("\n *next: run: az login", result.out)
  end)

  it("it is not said with -q, nor where JSON is wanted and an error comes", function ()
    assert.equal("", kit.ended(0, run(az(), "list --account sampleacct -q")).err)
    local result = kit.ended(3, run(az(), "list --account nowhere -o json"))
    assert.equal("not_found", kit.json(result.err, kit.failure).error.kind)
  end)

  it("a named subscription is what az is asked for", function ()
    for line, env in pairs { [" --subscription " .. elsewhere] = {}, [""] = { AZURE_SUBSCRIPTION_ID = elsewhere } } do
      local folder = az()
      run(folder, "list --account sampleacct" .. line, env)
      assert.matches("--subscription " .. elsewhere, asked(folder), 1, true)
    end
  end)

  it("a token of the wrong tenant is answered with the right one, and the command to type", function ()
    emulator:faults { { match = { kind = "list" }, action = { status = 401, error = {
      code = "InvalidAuthenticationTokenTenant", message = "The access token is from the wrong issuer." },
      headers = { ["WWW-Authenticate"] =
        'Bearer authorization_uri="https://login.windows.net/contoso.example", error="invalid_token"' } } } }
    local result = kit.ended(4, run(az(), "list --account sampleacct -g default-azurebatch-japaneast --subscription "
      .. emulator.subscription_id))
    assert.matches("hint: the subscription belongs to tenant contoso.example: run az login --tenant contoso.example "
      .. "(azd auth login --tenant-id contoso.example), or give it as --tenant-id together with --credential",
      result.err, 1, true)
  end)

  it("a claims challenge is answered with the command to type, for the subscription's tenant", function ()
    emulator:faults { { match = { kind = "list" }, action = { status = 401, headers = {
      ["WWW-Authenticate"] = 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="' } } } }
    local result = kit.ended(4, run(az(), "list --account sampleacct -g default-azurebatch-japaneast --credential "
      .. "azure-cli --subscription " .. emulator.subscription_id))
    assert.matches(("\n  hint: run: az login --tenant \"$(az account show --subscription %s --query tenantId -o tsv)"
      .. "\" --claims-challenge eyJhIjoxfQ== --scope "):format(emulator.subscription_id), result.err, 1, true)
  end)

  it("a claims challenge that no link of the chain can answer is a table, in text and in JSON", function ()
    local claims = { { match = { kind = "list" }, action = { status = 401, headers = {
      ["WWW-Authenticate"] = 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="' } } } }
    local folder = az()
    for _, format in ipairs { "table", "json" } do
      emulator:faults(claims)
      local err = kit.ended(4, run(folder, "list -g default-azurebatch-japaneast --account sampleacct -o "
        .. format)).err
      if format == "table" then
        assert.matches("%(HTTP 401%); no credential in the chain provided a token\n  azure_cli +failed +%S+ s +the "
          .. "service requires additional claims[^\n]*\n  azure_developer_cli +absent ", err)
      else
        local sources = kit.json(err:match "{.*", kit.failure).error.sources
        assert.same({ "azure_cli", "azure_developer_cli" }, { sources[1].credential, sources[2].credential })
        assert.matches("^run: az login ", sources[1].hint)
      end
    end
  end)

  it("an expired login is answered with the command to type", function ()
    local words = [[cat >&2 <<'END'
ERROR: AADSTS700082: The refresh token has expired due to inactivity. The token was issued on 2025-01-01.
Trace ID: 5e9d2a00-0000-0000-0000-000000000000
Interactive authentication is needed. Please run:
az login --scope https://management.azure.com/.default
END
exit 1]]
    local line = "list --account sampleacct --subscription " .. emulator.subscription_id
    local why = "hint: the sign-in has expired because it was not used; run: az login --scope "
      .. "https://management.azure.com/.default --tenant "
    for more, tenant in pairs { [""] = ('"$(az account show --subscription %s --query tenantId -o tsv)"\n'):format(
      emulator.subscription_id), [" --credential azure-cli --tenant-id contoso.com"] = "contoso.com\n" } do
      assert.matches(why .. tenant, kit.ended(4, run(folder_with("az", words), line .. more)).err, 1, true)
    end
    local err = kit.json(kit.ended(4, run(folder_with("az", words), line .. " -o json")).err, kit.failure).error
    assert.matches("^azure_cli", err.sources[1].credential)
    assert.equal(err.hint, err.sources[1].hint)
  end)

  it("a login that has expired since the first token is answered with the command to type", function ()
    local folder = az()
    t.write(folder .. "/first", "")
    local script = t.read(folder .. "/az"):gsub("\n", function () return ("\n[ -e %s/first ] && rm %s/first || { echo "
      .. "'ERROR: AADSTS700082: The refresh token has expired.' >&2; exit 1; }\n"):format(folder, folder) end, 1)
    t.write(folder .. "/az", script)
    emulator:faults { { match = { kind = "list" }, action = { status = 401,
      error = { code = "ExpiredAuthenticationToken", message = "The access token expiry UTC time is earlier." } } } }
    local result = kit.ended(4, run(folder, "list -g default-azurebatch-japaneast --account sampleacct --tenant-id "
      .. "contoso.com --credential azure-cli --subscription " .. emulator.subscription_id))
    assert.matches("hint: the sign-in has expired because it was not used; run: az login --tenant contoso.com\n",
      result.err, 1, true)
  end)

  it("without a default subscription the question says how to have one", function ()
    local result = kit.ended(2, run(az(""), "list --account sampleacct"))
    assert.matches("no subscription is named: give --subscription ID, or AZURE_SUBSCRIPTION_ID; az and azd "
      .. "name none by default (az account set --subscription ID)", result.err, 1, true)
  end)
end)

describe("for a person who is signed in by azd", function ()
  it("the default subscription of its configuration is used", function ()
    local folder = folder_with("azd", ([[case "$*" in
"config get defaults.subscription") echo '"%s"' ;;
*) printf '%%s' '%s' ;;
esac]]):format(emulator.subscription_id, cjson.encode { token = token(), expiresOn = os.date("!%Y-%m-%dT%H:%M:%SZ",
      os.time() + 3600) }))
    local result = run(folder, "list --account sampleacct --credential azure-developer-cli")
    assert.equal(0, result.code, result.err)
    assert.matches("the default one of azd", result.err, 1, true)
  end)

  it("the doctor names azd's failure before az, which is not installed", function ()
    local azd = folder_with("azd", [[echo '{"error":"not logged in, run `azd auth login` to login"}' >&2; exit 1]])
    local result = kit.ended(4, run(azd, "doctor --check signin", { AZURE_SUBSCRIPTION_ID = elsewhere }))
    assert.matches("none of these gave a token\n +azure_developer_cli +failed [^\n]+\n +azure_cli +absent ", result.out)
    assert.matches("\n +next: run: azd auth login\n", result.out)
  end)
end)
