-- Data for the tests of azpec.report.

local rules = require "azpec.rules"

local support = {}

support.made_at = 1795939200 -- 2026-11-29T08:00:00Z

function support.guid(number)
  return ("%08x-91c4-4d2b-8f36-0000000000ff"):format(number)
end

function support.account_id(number)
  return ("/subscriptions/%s/resourceGroups/rg-%02d/providers/Microsoft.Batch/batchAccounts/account%03d"):format(
    support.guid(number % 7), number % 5, number)
end

-- A connection; more: its account's number, name, status, description, consumer (a subscription's number), days (its
-- age).
function support.connection(more)
  local name = (more.name or "web") .. "." .. support.guid(more.number or 1)
  return { id = support.account_id(more.account or 1) .. "/privateEndpointConnections/" .. name, name = name,
    properties = { provisioningState = "Succeeded", groupIds = { "batchAccount" },
      privateEndpoint = { id = ("/subscriptions/%s/resourceGroups/net/providers/Microsoft.Network/privateEndpoints/%s")
        :format(support.guid(more.consumer or 1), more.endpoint or "web") },
      privateLinkServiceConnectionState = { status = more.status or "Pending", description = more.description } },
    systemData = more.days and { createdAt = os.date("!%Y-%m-%dT%H:%M:%SZ", support.made_at - more.days * 86400) } }
end

local statuses = { "Approved", "Approved", "Approved", "Pending", "Rejected", "Disconnected" }

-- So many connections of so many accounts, the same each time.
function support.connections(accounts, count)
  local list = {}
  for n = 1, count do
    list[n] = support.connection { number = n, account = n * 7 % accounts + 1, name = "team" .. n % 40,
      status = statuses[n % #statuses + 1], description = "Requested by team " .. n % 40, consumer = n * 11 % 45,
      days = n * n % 900 }
  end
  return list
end

support.rules = assert(rules.parse([[
approve "the web team" { when = { private_endpoint_name = "web*" }, because = "it is theirs" }
hold "the rest" { because = "a person has to look" }
]], "rules.lua"))

-- What the rules decide on connections, and which approved ones they would not approve: those of team 1.
function support.judged(connections)
  local judged = { file = "rules.lua", sha256 = support.rules.sha256, names = support.rules:names(),
    decisions = {}, outside = {} }
  for _, connection in ipairs(connections) do
    judged.decisions[connection.id] = support.rules:decide(connection, { now = support.made_at })
    if connection.name:find "^team1%." and connection.properties.privateLinkServiceConnectionState.status == "Approved"
    then
      judged.outside[connection.id] = { action = "hold", rule = "the rest", reason = "a person has to look" }
    end
  end
  return judged
end

function support.journal(count, more)
  local journal = { file = "journal.jsonl", writes = {}, report = { ok = true, lines = 2 * count, problems = {},
    left_out = 0, open = {}, unfinished = {}, repaired = {}, last = { seq = 2 * count, hash = ("ab"):rep(32) } } }
  for n = 1, count do
    journal.writes[n] = { at = os.date("!%Y-%m-%dT%H:%M:%SZ", support.made_at - (count - n) * 7200), run = "run1",
      verb = "auto", operation = "ensure", connection = support.connection { number = n }.id, outcome = "changed",
      who = { upn = "ops@contoso.example" }, before = { status = "Pending" }, after = { status = "Approved" },
      rule = "the web team", reason = "it is theirs", ticket = "CHG-" .. n, correlation_id = "correlation-" .. n }
  end
  for name, value in pairs(more or {}) do journal.report[name] = value end
  return journal
end

-- All that a report can show, of a few connections.
function support.data(connections, more)
  connections = connections or support.connections(12, 120)
  local data = { made_at = support.made_at, made_by = "azpec 9.8.7", endpoint = "https://management.azure.com",
    api_version = "2025-06-01", identity = "ops@contoso.example", scope = "subscription " .. support.guid(1),
    connections = connections, rules = support.judged(connections), journal = support.journal(30),
    unreadable = { { id = support.account_id(99), kind = "forbidden", code = "AuthorizationFailed", message = "no" } } }
  for name, value in pairs(more or {}) do data[name] = value or nil end
  return data
end

return support
