-- Microsoft's clients for JavaScript (@azure/identity, @azure/arm-batch and others) against the emulator's defaults,
-- over TLS with a trusted certificate, as a user's own program would run.
package.path = "./tests/?.lua;" .. package.path

local cjson = require "cjson"
local npm = require "loopback.npm"
local t = require "loopback.support"

local federated = t.write(t.new_path "federated", "eyJ.federated.token")
local emulator = t.emulator()
local state = emulator:state()
state.federated_tokens = { t.read(federated) }
emulator:control("PUT", "state", state)

local place, why = npm.installed "tests/peers/sdk"
local results
local lock = cjson.decode(t.read "tests/peers/sdk/package-lock.json").packages

local function run()
  for name, package in t.each(lock) do
    local client = name:match "^node_modules/(@azure/%l[%l-]+)$"
    if lock[""].dependencies[client or ""] then print(("# client: %s: %s"):format(client, package.version)) end
  end
  local many = emulator.many[1]
  local config = t.write(t.new_path "config", cjson.encode { tls_endpoint = emulator.tls_endpoint,
    tenant_id = emulator.tenant_id, client_id = emulator.client_id, client_secret = t.secret,
    subscription_id = emulator.subscription_id, sample = emulator.sample, federated_token_file = federated,
    many = many:match "batchAccounts/([^/]+)", many_group = many:match "resourceGroups/([^/]+)" })
  local program = t.read "tests/peers/sdk/client.mjs"
  t.write(place .. "/client.mjs", program)
  local pipe <close> = assert(io.popen(("cd %s && exec env -u LD_PRELOAD NODE_EXTRA_CA_CERTS=%s "
    .. "AZURE_POD_IDENTITY_AUTHORITY_HOST=%s node client.mjs %s"):format(t.quote(place), t.quote(emulator.ca_file),
    emulator.endpoint, t.quote(config))))
  return cjson.decode(pipe:read "a")
end

-- A test of one scenario of client.mjs.
local function it_gives(title, scenario, check)
  it(title, function ()
    if not place then return pending(why) end
    results = results or run()
    check(results[scenario])
  end)
end

local function equals(wanted)
  return function (found) assert.same(wanted, found) end
end

local function fails(name, status, text)
  return function (found)
    local err = found.error or error("no error: " .. cjson.encode(found))
    assert.same({ name, status }, { err.name, err.status })
    assert.matches(text, err.message, 1, true)
  end
end

local function is_a_connection(status, description)
  return function (found)
    assert.equal(emulator.sample, found.id, cjson.encode(found))
    assert.equal(status, found.privateLinkServiceConnectionState.status)
    assert.equal(description, found.privateLinkServiceConnectionState.description)
  end
end

describe("@azure/arm-batch", function ()
  it_gives("lists all connections of an account", "list", function (found)
    assert.equal(64, #found, cjson.encode(found))
    assert.equal(emulator.many[64]:match "[^/]+$", found[64])
  end)
  it_gives("follows pages", "pages", equals(64))
  it_gives("reads a connection", "get", is_a_connection("Pending", "Please approve"))
  it_gives("gets 412 for an ETag of long ago", "stale", fails("RestError", 412, "The condition specified"))
  it_gives("approves and polls to the end", "approve", is_a_connection("Approved", "by @azure/arm-batch"))
  it_gives("deletes and polls to the end", "remove", equals "deleted")
  it_gives("gets 404 for what was deleted", "gone", fails("RestError", 404, "was not found"))
  it_gives("lists private link resources", "links", equals { "batchAccount", "nodeManagement" })
  it_gives("reads an account", "account", equals "sampleacct.japaneast.batch.azure.com")
  it_gives("lists the accounts of a subscription", "accounts", equals { "sampleacct", "manyacct", "tokyobatch" })
  it_gives("lists the provider's operations", "operations", equals(5))
end)

describe("@azure/arm-subscriptions", function ()
  it_gives("lists subscriptions", "subscriptions", equals { emulator.subscription_id })
  it_gives("lists tenants", "tenants", equals { emulator.tenant_id })
end)

describe("@azure/arm-resourcegraph", function ()
  it_gives("follows $skipToken", "graph", function (found)
    table.sort(found)
    assert.same({ "manyacct", "sampleacct", "tokyobatch" }, found)
  end)
end)

describe("@azure/identity", function ()
  it_gives("reports Entra ID's number for a wrong secret", "bad_secret",
    fails("AuthenticationRequiredError", nil, "AADSTS7000215"))
  it_gives("gets a managed identity's token from the metadata service", "managed_identity", equals(3))
  it_gives("exchanges a federated token", "workload_identity", equals(3))
end)
