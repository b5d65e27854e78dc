-- A script as somebody may have written it for azpec 1.0. It stays as it is, and has to go on working.
local azpec = require "azpec"
local cqueues = require "cqueues"

local Status, State = azpec.PrivateLinkServiceConnectionStatus, azpec.PrivateEndpointConnectionProvisioningState
assert(Status.Pending == "Pending" and Status.Disconnected == "Disconnected" and State.Succeeded == "Succeeded")
assert(azpec._VERSION:find "^azpec %d+%.%d+%.%d+$")
assert(azpec.transitions.Rejected.Approved.result == "impossible" and azpec.transitions.Rejected.Approved.way_out)

-- ---- one client, its options and events ----------------------------------------------------------------------------

local events, asked = {}, 0
local client <close> = azpec.client {
  api_version = "2022-06-01", timeout = 60, poll_interval = 0.02,
  retry = { max_tries = 4, max_delay = 10, conflict = false, codes = { "SomeCode" } },
  on_event = function (event) events[event.event] = true end,
  before_write = function (write)
    assert(write.verb == "PATCH" or write.verb == "DELETE")
    assert(write.id and write.attempt and write.client_request_id and write.call)
    asked = asked + 1
    return true
  end,
}
assert(azpec.type(client) == "azpec.client")

local account = { resource_group_name = "rg-contoso-prod", account_name = "contosobatch" }
local by_name = {}
for connection in client:list(account) do
  by_name[connection.name:match "^[^.]+"] = connection
  assert(connection.id and connection.properties.provisioningState and connection.etag)
end
local web = by_name["web-frontend"]
assert(web.properties.privateLinkServiceConnectionState.status == Status.Pending)
assert(web.properties.privateEndpoint.id and web.properties.groupIds)

-- ---- changes -------------------------------------------------------------------------------------------------------

local approved = assert(client:update {
  id = web.id, status = Status.Approved, description = "1.0", if_match = web.etag })
assert(approved.properties.privateLinkServiceConnectionState.description == "1.0")
local same = assert(client:ensure { id = web.id, status = "Approved" })
assert(same.changed == false and same.before and same.after)
assert(client:get { private_endpoint_connection_name = web.name, resource_group_name = "rg-contoso-prod",
  account_name = "contosobatch" }.id == web.id)
assert(client:delete { id = by_name["old-lab"].id } == true)

-- ---- errors --------------------------------------------------------------------------------------------------------

local none, err = client:get { id = by_name["old-lab"].id }
assert(none == nil and azpec.type(err) == "azpec.error" and err.kind == "not_found" and err.http_status == 404)
assert(err.code and err.message and err.request_id and err.client_request_id and err.phase and err.retryable == false)
assert(tostring(err):find "not_found" and err.elapsed)
none, err = client:update { id = web.id, status = "Rejected", if_match = '"other"' }
assert(none == nil and err.kind == "precondition" and err.http_status == 412)
local fine, why = pcall(client.get, client, { id = web.id, no_such_option = 1 })
assert(not fine and tostring(why):find "no_such_option")

-- ---- pollers, many at once, continuation ---------------------------------------------------------------------------

local poller = client:begin_update { id = by_name.team01.id, status = "Approved" }
assert(azpec.type(poller) == "azpec.poller")
while not poller:done() do
  cqueues.poll { pollfd = poller:pollfd(), events = "r" }
  poller:step()
end
assert(poller:result().properties.privateLinkServiceConnectionState.status == "Approved")

local begun = client:begin_ensure { id = by_name.team02.id, status = "Rejected" }
local token
repeat
  cqueues.poll { pollfd = client:pollfd(), events = "r" }
  client:step()
  token = begun:continuation_token()
until token or begun:done()
if token then assert(client:resume(token):wait()) end

local ended = 0
for _, name in ipairs { "team03", "team04" } do client:begin_ensure { id = by_name[name].id, status = "Approved" } end
for _, ensured, failed in client:completions() do
  assert(not failed, failed)
  ended = ended + (ensured.after and 1 or 0)
end
assert(ended >= 2)
for _ in client:finished() do error "all have been taken" end
assert(client:begin_delete { id = by_name.team03.id }:wait() == true)

-- ---- what is around ------------------------------------------------------------------------------------------------

local function first(...)
  local found
  for one in ... do found = found or one end
  return found
end
assert(client:get_account(account).name == "contosobatch")
assert(first(client:list_accounts { resource_group_name = "rg-contoso-prod" }).name)
assert(first(client:list_permissions(account)).actions)
assert(first(client:list_subscriptions()).subscriptionId)
assert(first(client:list_private_link_resources(account)).name)
local identity = assert(client:identity())
assert(identity.credential and identity.expires_on and identity.claims)
assert(client:settings().endpoint and client:rate_limits() and client:explain())
client:wait(0)
assert(asked >= 6 and events.response and events["end"] and events.token)

-- ---- credentials: all kinds can be made ----------------------------------------------------------------------------

local credential = azpec.credential
credential.chain {
  credential.token { token = "t" }, credential.token { get = function () return "t", 0 end },
  credential.client_secret { tenant_id = "t", client_id = "c", client_secret = "s" },
  credential.client_assertion { tenant_id = "t", client_id = "c", assertion = function () return "a.b.c" end },
  credential.workload_identity { tenant_id = "t", client_id = "c", token_file_path = "/f" },
  credential.managed_identity { client_id = "c" }, credential.azure_cli { tenant_id = "t", timeout = 5 },
  credential.azure_developer_cli { tenant_id = "t" }, credential.device_code { prompt = print },
}
credential.default { exclude = { "azure_cli" } }

-- ---- the modules for scripts ---------------------------------------------------------------------------------------

local select, rules, journal = require "azpec.select", require "azpec.rules", require "azpec.journal"
local path = os.tmpname()
os.remove(path)
local recorded = journal.client({ timeout = 60 }, journal.open(path, { ticket = "CHG-1" }))
local connections = {}
for connection in recorded:list(account) do connections[#connections + 1] = connection end
local one = assert(select.new { private_endpoint_name = "team05" }:one(connections))
local text = 'approve "teams" { when = { name = "team*" }, because = "mine" }'
local decision = assert(rules.parse(text, "r.lua")):decide(one)
assert(decision.action == "approve" and decision.rule == "teams" and decision.reason == "mine")
assert(recorded:ensure { id = one.id, status = "Approved" }.changed)
assert(journal.verify(path).ok)
os.remove(path)

local set, results = require "azpec.run", {}
set.run { client = client, items = { { id = by_name.team06.id, action = "reject", etag = by_name.team06.etag } },
  on_result = function (result) results[#results + 1] = result.outcome end }
assert(results[1] == "changed")
assert(require "azpec.transitions".forecast(one, "Approved") == "allowed")
for found, list, failed in require "azpec.fleet".accounts(client, { all_subscriptions = true }) do
  assert(found.id and (list or failed))
end
print "works"
