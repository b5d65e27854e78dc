local azpec = require "azpec"
local rules = require "azpec.rules"
local transitions = require "azpec.transitions"

local function connection(status, provisioning_state)
  return { id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a"
    .. "/privateEndpointConnections/c", etag = '"1"', properties = {
      provisioningState = provisioning_state or "Succeeded",
      privateLinkServiceConnectionState = { status = status } } }
end

describe("azpec.transitions", function ()
  local way_out = "a rejected or disconnected connection cannot be approved again: delete it and have the private "
    .. "endpoint's owner create a new one"
  local rows = {
    { "Pending", "Approved", "allowed" }, { "Pending", "Rejected", "allowed" }, { "Pending", "Deleted", "allowed" },
    { "Approved", "Approved", "unchanged" }, { "Approved", "Rejected", "allowed" },
    { "Rejected", "Approved", "impossible", "it is Rejected, which is final; " .. way_out },
    { "Rejected", "Pending", "impossible", "it is Rejected, which is final; " .. way_out },
    { "Rejected", "Rejected", "unchanged" }, { "Rejected", "Deleted", "allowed" },
    { "Disconnected", "Approved", "impossible", "it is Disconnected, which is final; " .. way_out },
    { "Disconnected", "Deleted", "allowed" },
  }
  for _, row in ipairs(rows) do
    it(("forecasts %s -> %s as %s"):format(row[1], row[2], row[3]), function ()
      local result, reason = transitions.forecast(connection(row[1]), row[2])
      assert.same({ row[3], row[4] }, { result, reason })
    end)
  end

  it("forecasts a change of a connection that is being changed as in progress", function ()
    for _, state in ipairs { "Creating", "Updating", "Deleting" } do
      assert.same({ "in progress", ("it is %s; look again when that has ended"):format(state) },
        { transitions.forecast(connection("Pending", state), "Approved") })
    end
  end)

  it("forecasts a deletion meanwhile as allowed, with what is under way", function ()
    assert.same({ "allowed", "it is Updating; look again when that has ended" },
      { transitions.forecast(connection("Pending", "Updating"), "Deleted") })
  end)

  it("says unchanged, and not in progress, of what is as wanted", function ()
    assert.equal("unchanged", transitions.forecast(connection("Approved", "Updating"), "Approved"))
  end)

  it("takes a status that it does not know as one that may change", function ()
    assert.equal("allowed", transitions.forecast(connection "Suspended", "Approved"))
  end)

  it("lists what can be done to a connection", function ()
    assert.same({ "approve", "reject", "delete" }, transitions.possible(connection "Pending"))
    assert.same({ "reject", "delete" }, transitions.possible(connection "Approved"))
    assert.same({ "delete" }, transitions.possible(connection "Rejected"))
    assert.same({ "delete" }, transitions.possible(connection("Pending", "Updating")))
  end)

  it("is the module's table", function ()
    assert.equal("impossible", azpec.transitions.Rejected.Approved.result)
    assert.equal(way_out, azpec.transitions.Rejected.Approved.way_out)
    assert.is_nil(azpec.transitions.Pending.Approved.way_out)
  end)

  it("makes a rule hold what it cannot change, and say so", function ()
    local set = assert(rules.parse('approve "all" { when = { name = "*", status = "Rejected" } }', "r.lua"))
    local decision = set:decide(connection "Rejected")
    assert.same({ "hold", true, "it is Rejected, which is final; " .. way_out },
      { decision.action, decision.impossible, decision.reason })
  end)
end)
