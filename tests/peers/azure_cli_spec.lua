-- Azure CLI as Debian has it, with a home of its own: what azpec makes of its real words. Its way out is a proxy on
-- loopback: where nobody listens, or one that leads to the emulator.

package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local azure_cli = require "peers.azure_cli"
local cjson = require "cjson"
local kit = require "cli.kit"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local subscription, tenant = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", "8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01"
local limit = 20 * t.hang -- az starts slowly

local folder, why_not

setup(function ()
  -- of Azure's libraries only what az needs to give a token
  local place, version = azure_cli.unpacked(nil, { "./usr/share/*", "*/tests/*", "*/dist-packages/azure/[!c]*",
    "*/command_modules/[!p]*", "*/command_modules/p[!r]*", "*/command_modules/pri*" })
  if not place then
    why_not = version
    return
  end
  print("# client: Azure CLI, signed in as an application: " .. version)
  folder = signin.programs { az = azure_cli.program(place) }
end)
after_each(t.tidy)
teardown(t.close)

-- A home where these subscriptions are noted, as after a sign-in whose tokens are gone; without: as before any.
local function home(subscriptions)
  local path = signin.folder()
  if subscriptions then
    signin.shell("mkdir -m 700 " .. path .. "/.azure")
    t.write(path .. "/.azure/azureProfile.json", cjson.encode { installationId = tenant,
      subscriptions = subscriptions })
  end
  return path
end

local function noted(more)
  return t.merged({ id = subscription, name = "one", state = "Enabled", isDefault = true, tenantId = tenant,
    homeTenantId = tenant, environmentName = "AzureCloud", user = { name = "one@contoso.com", type = "user" } },
    more or {})
end

local function run(where, line)
  if not folder then pending(why_not) end
  return kit.run(("list --credential-timeout %d %s"):format(limit, line), { env = { HOME = where,
    PATH = folder .. ":" .. os.getenv "PATH" } })
end

-- Lists by the command, which is refused.
local function list(where, line)
  return kit.ended(4, run(where, "--endpoint http://127.0.0.1:9 --account mine -g rg " .. (line or "")))
end

local by_az = "--credential azure-cli "

describe("Azure CLI, where nobody is signed in:", function ()
  it("the first line of the table is az's own, and the hint is what to type", function ()
    local err = list(home()).err
    assert.matches("^azpec: no credential in the chain provided a token\n  azure_cli +failed +%S+ s +"
      .. "az: ERROR: Please run 'az login' to setup account%.\n", err)
    assert.matches("\n  hint: run: az login\n", err, 1, true)
  end)

  it("likewise in JSON, and for a tenant that was named", function ()
    local told = kit.json(list(home(), by_az .. "-o json --tenant-id contoso.com").err, kit.failure)
    assert.equal(4, told.exit_code)
    assert.equal("az: ERROR: Please run 'az login' to setup account.", told.error.message)
    assert.equal("run: az login --tenant contoso.com", told.error.hint)
  end)

  it("likewise by the module", function ()
    if not folder then pending(why_not) end
    signin.start()
    local err = signin.fails("credential", "az: ERROR: Please run 'az login' to setup account.", {
      credential = "return azpec.credential.azure_cli { timeout = given.limit }", given = { limit = limit,
      timeout = limit }, env = { HOME = home(), PATH = folder .. ":" .. os.getenv "PATH" } })
    assert.equal("run: az login", err.hint)
  end)

  it("likewise where its files are damaged", function ()
    local where = home {}
    t.write(where .. "/.azure/azureProfile.json", "{damaged")
    assert.matches("hint: run: az login\n", list(where, by_az).err, 1, true)
  end)
end)

describe("Azure CLI, where somebody is signed in:", function ()
  local no_network = "hint: the program cannot reach Microsoft Entra ID: check the network, and the proxy in "
    .. "HTTPS_PROXY and NO_PROXY\n"

  it("without a network it says so, without its traceback", function ()
    local err = list(home { noted() }, by_az).err
    assert.matches("^azpec: az: ERROR: HTTPSConnectionPool%(host='login.microsoftonline.com'[^\n]*\n  hint: ", err)
    assert.matches(no_network, err, 1, true)
    assert.falsy(err:find("Traceback", 1, true), err)
  end)

  it("for a subscription that it does not know it is asked once more, without one", function ()
    local before = signin.calls(folder or "", "az")
    assert.matches(no_network, list(home { noted() }, by_az .. "--subscription " .. tenant).err, 1, true)
    assert.equal(before + 2, signin.calls(folder, "az"))
  end)

  it("without a default subscription the command to choose one is told", function ()
    assert.matches("hint: az has no default subscription: run az account set --subscription ID\n",
      list(home { noted { isDefault = false } }, by_az).err, 1, true)
  end)

  it("with files that it cannot use the error is told, which stands behind its traceback", function ()
    local where = home {}
    signin.shell(("cd %s/.azure && rm azureProfile.json && mkdir azureProfile.json"):format(where))
    local err = list(where, by_az).err
    assert.matches("^azpec: az: IsADirectoryError: [^\n]*azureProfile.json'\n  hint: the program cannot use its own "
      .. "files", err)
  end)
end)

describe("Azure CLI, signed in as an application,", function ()
  -- A home as `az login --service-principal` leaves it, with a way to the emulator.
  local function signed_in(emulator, secret)
    local where = home { noted { tenantId = emulator.tenant_id,
      user = { name = emulator.client_id, type = "servicePrincipal" } } }
    t.write(where .. "/.azure/service_principal_entries.json", cjson.encode { { tenant = emulator.tenant_id,
      client_id = emulator.client_id, client_secret = secret } })
    azure_cli.lead(where, emulator)
    return where
  end

  local function listing(emulator)
    return by_az .. "--account sampleacct -g default-azurebatch-japaneast --endpoint " .. emulator.endpoint
  end

  it("gives a token, and its default subscription", function ()
    if not folder then pending(why_not) end
    local emulator = signin.start()
    local result = kit.ended(0, run(signed_in(emulator, t.secret), listing(emulator)))
    assert.matches("in subscription " .. emulator.subscription_id .. ", the default one of az;", result.err, 1, true)
    assert.matches("testprivateEndpointConnection5", result.out, 1, true)
    assert.equal(1, #signin.log "token")
  end)

  it("with a wrong secret has Microsoft Entra ID's own words, and what to do", function ()
    if not folder then pending(why_not) end
    local emulator = signin.start()
    local err = kit.ended(4, run(signed_in(emulator, "another"), listing(emulator))).err
    assert.matches("^azpec: az: ERROR: AADSTS7000215: ", err)
    assert.matches("\n  hint: the client secret is wrong", err, 1, true)
  end)
end)
