-- azpec.drift: which approved connections the rules would not approve today.

local drift = require "azpec.drift"
local rules = require "azpec.rules"

local function connection(name, status, more)
  local one = { id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/"
    .. "privateEndpointConnections/" .. name, name = name, etag = '"1"',
    properties = { provisioningState = "Succeeded",
      privateLinkServiceConnectionState = { status = status, description = "ticket 7" } } }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

local function finding(text, one, options)
  return drift.of(assert(rules.parse(text, "rules")), one, options)
end

local web = 'approve "web" { when = { name = "web*" }, because = "it is web" } '

describe("an approved connection", function ()
  it("that a rule would approve today is none", function ()
    assert.is_nil(finding(web, connection("web-1", "Approved")))
  end)

  it("that no rule names is one, with the reason", function ()
    local found = finding(web, connection("lab", "Approved"))
    assert.same({ "hold", "no rule matches" }, { found.action, found.reason })
    assert.is_nil(found.rule)
    assert.equal("Approved", found.connection.properties.privateLinkServiceConnectionState.status)
  end)

  it("says with explain why no rule approves it, as if it were a request", function ()
    assert.same({ { rule = "web", line = 1, why = "name is 'lab', not 'web*'" } },
      finding(web, connection("lab", "Approved"), { explain = true }).unmatched)
  end)

  for action in pairs { reject = 1, hold = 1, ignore = 1 } do
    it(("that a rule would %s is one, with the rule"):format(action), function ()
      local found = finding(('%s "labs" { when = { name = "lab*" }, because = "no labs" }'):format(action),
        connection("lab", "Approved"))
      assert.same({ action, "labs", "no labs" }, { found.action, found.rule, found.reason })
    end)
  end

  it("is judged by its description, age and the host's facts, as a request would be", function ()
    local old = connection("web-1", "Approved", { systemData = { createdAt = "2026-01-01T00:00:00Z" } })
    local now = 1798761600 -- 2027-01-01
    assert.is_nil(finding(web, old, { now = now }))
    assert.is_table(finding('approve "new" { when = { name = "*1", younger_than = "7d" } }', old, { now = now }))
    local by_fact = [[approve "ours" { when = { where = function (c) return c.facts.owner == "web" end } }]]
    assert.is_nil(finding(by_fact, old, { facts = { owner = "web" } }))
    assert.is_table(finding(by_fact, old, { facts = { owner = "lab" } }))
  end)

  it("whose rule fails is one, marked so", function ()
    local found = finding([[approve "x" { when = { where = function () error "no" end } }]],
      connection("web-1", "Approved"))
    assert.is_true(found.failed)
  end)

  it("is judged first by rules about approved ones", function ()
    local reject = 'reject "leavers" { when = { status = "Approved", name = "web-1" } } '
    assert.equal("leavers", finding(reject .. web, connection("web-1", "Approved")).rule)
    assert.is_nil(finding(reject .. web, connection("web-2", "Approved")))
    assert.is_nil(finding('approve "kept" { when = { status = "Approved", name = "lab" } }',
      connection("lab", "Approved")))
  end)
end)

it("a connection that is not approved is no finding, whatever the rules say", function ()
  for _, status in ipairs { "Pending", "Rejected", "Disconnected" } do
    assert.is_nil(finding(web, connection("lab", status)))
  end
end)

it("the connection is left as it is", function ()
  local one = connection("lab", "Approved")
  finding(web, one)
  assert.equal("Approved", one.properties.privateLinkServiceConnectionState.status)
end)
