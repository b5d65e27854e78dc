-- Azure CLI against the emulator: it signs in as an application, and reads and writes connections by its own commands.
-- The emulator plays Azure's own addresses, without any setting of az but the proxy that leads there.

package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local azure_cli = require "peers.azure_cli"
local cjson = require "cjson"
local signin = require "loopback.signin_support"
local t = require "loopback.support"

local batch = " --account-name sampleacct -g default-azurebatch-japaneast "

local folder, why_not, where, emulator

-- Runs az. Returns what it printed, and the exit code.
local function run(line)
  local log = t.new_path "az"
  local pipe = io.popen(("env -u LD_PRELOAD HOME=%s PATH=%s:/usr/bin:/bin az %s -o json 2>%s"):format(where, folder,
    line, t.quote(log)))
  local said = pipe:read "a"
  return said, t.read(log), select(3, pipe:close())
end

-- What az prints where it cannot start a command with the libraries that Debian has.
local unstarted = { "AttributeError: 'NoneType'", "ImportError: ", "ModuleNotFoundError: " }

-- Runs az, which succeeds. Returns the value that it printed. Skips the test where az cannot start the command.
local function az(line)
  local said, errors, code = run(line)
  for _, text in ipairs(unstarted) do
    if errors:find(text, 1, true) then pending "this Azure CLI cannot start the command: its libraries don't fit it" end
  end
  assert.equal(0, code, line .. "\n" .. errors)
  return said ~= "" and cjson.decode(said) or nil
end

local function rest(method, path, body)
  local line = ("rest --method %s --url '%s?api-version=2024-07-01'"):format(method, path)
  return az(line .. (body and " --body " .. t.quote(cjson.encode(body)) or ""))
end

local function state_of(connection)
  return (connection.properties or connection).privateLinkServiceConnectionState
end

setup(function ()
  -- az reads all modules of commands when it starts for the first time: only those that are tried
  local place, version = azure_cli.unpacked("azure-cli-batch", { "./usr/share/*", "*/tests/*",
    "*/command_modules/[!bnpu]*", "*/command_modules/ba[!t]*", "*/command_modules/batchai*",
    "*/command_modules/b[!a]*", "*/command_modules/n[!e]*", "*/command_modules/neta*", "*/command_modules/p[!r]*",
    "*/command_modules/pri*", "*/azure/mgmt/compute/*", "*/azure/mgmt/web/*", "*/azure/mgmt/containerservice/*" })
  if not place then
    why_not = version
    return
  end
  print("# client: Azure CLI, its commands for Batch: " .. version)
  folder, where, emulator = signin.programs { az = azure_cli.program(place) }, signin.folder(), signin.start()
  signin.shell("mkdir -m 700 " .. where .. "/.azure")
  azure_cli.lead(where, emulator)
end)
teardown(t.close)

local function test(title, body)
  it(title, function ()
    if not folder then pending(why_not) end
    body()
  end)
end

describe("Azure CLI, its commands for Batch:", function ()
  test("az login signs in as an application, and finds the subscription", function ()
    local found = az(("login --service-principal -u %s -p %s --tenant %s"):format(emulator.client_id, t.quote(t.secret),
      emulator.tenant_id))
    assert.same({ emulator.subscription_id, emulator.tenant_id, true }, { found[1].id, found[1].tenantId,
      found[1].isDefault })
  end)

  test("az rest reads a connection", function ()
    local connection = rest("get", emulator.sample)
    assert.equal(emulator.sample, connection.id)
    assert.equal("Pending", state_of(connection).status)
  end)

  test("az batch account list finds the accounts with their connections", function ()
    local names, account = {}, nil
    for n, one in ipairs(az "batch account list") do
      names[n], account = one.name, one.name == "sampleacct" and one or account
    end
    assert.equal(3, #names)
    assert.equal(emulator.sample, account.privateEndpointConnections[1].id)
  end)

  test("az batch private-endpoint-connection list reads the connections", function ()
    local connection = az("batch private-endpoint-connection list" .. batch)[1]
    assert.equal(emulator.sample, connection.id)
    assert.equal("batchAccount", connection.groupIds[1])
  end)

  test("az rest approves a connection", function ()
    emulator:set { operation_polls = 0 }
    rest("patch", emulator.sample, { properties = { privateLinkServiceConnectionState = { status = "Approved",
      description = "by az" } } })
    assert.equal("Approved", state_of(rest("get", emulator.sample)).status)
  end)

  test("az batch private-endpoint-connection show has what az rest wrote", function ()
    local connection = az("batch private-endpoint-connection show -n " .. emulator.sample:match "([^/]+)$" .. batch)
    assert.same({ "Approved", "by az", "Succeeded" }, { state_of(connection).status, state_of(connection).description,
      connection.provisioningState })
  end)

  test("az rest has the service's error where a connection is not there", function ()
    local _, errors, code = run(("rest --method get --url '%sx?api-version=2024-07-01'"):format(emulator.sample))
    assert.equal(1, code)
    assert.matches("ERROR: Not Found%(", errors)
  end)
end)

describe("az network private-endpoint-connection", function ()
  test("approves and rejects", function ()
    local id = emulator.many[1]
    az("network private-endpoint-connection show --id " .. id)
    az(("network private-endpoint-connection approve --id %s --description ok"):format(id))
    assert.equal("Approved", emulator:connection(id).status)
    az(("network private-endpoint-connection reject --id %s --description no"):format(emulator.many[2]))
    assert.equal("Rejected", emulator:connection(emulator.many[2]).status)
  end)
end)
