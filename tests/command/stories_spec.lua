-- What goes wrong for people who do this by hand or with other tools, each as a test of what happens here.

local assert = require "luassert"
local kit = require "command.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local account = "-g default-azurebatch-japaneast --account sampleacct "
local many = "-g rg-contoso-prod --account manyacct "
local words = "'" .. support.sample_name .. "'"

-- The sample connection, in another state; more: members of it, or further connections.
local function put(connection, ...)
  connection.name = connection.name or support.sample_name
  emulator:control("PUT", "state", {
    tenant_id = emulator.tenant_id, client_id = emulator.client_id, client_secret = support.secret,
    subscription_id = emulator.subscription_id, options = emulator.given.options,
    accounts = { { name = "sampleacct", resource_group = "default-azurebatch-japaneast",
      connections = { connection, ... } } } })
end

describe("the request that is approved", function ()
  it("may be approved already: that is success, even where the service refuses to do it twice", function ()
    put { status = "Approved" }
    emulator:set { approve_approved = "refuse" }
    assert.equal(support.sample_name .. ": already Approved\n", kit.ended(0, azpec("approve", account .. words)).out)
    assert.equal(0, #emulator:log "update")
  end)

  it("may have been rejected: the refusal says what to do, and the exit code is 7", function ()
    put { status = "Rejected" }
    local result = kit.ended(7, azpec("approve", account .. words))
    assert.matches("\n  hint: .* delete it and have the private endpoint's owner create a new one\n", result.err)
    assert.matches("\n  request id: %x+%-", result.err)
  end)

  it("may be approved and is to be rejected: that works", function ()
    put { status = "Approved" }
    assert.equal(support.sample_name .. ": Rejected (was Approved)\n",
      kit.ended(0, azpec("reject", "--yes " .. account .. words)).out)
  end)

  it("may be named by its private endpoint's id", function ()
    local endpoint = "/subscriptions/00000000-0000-0000-0000-00000000abcd/resourceGroups/rg-app/providers"
      .. "/Microsoft.Network/privateEndpoints/app-pe"
    put({ name = "app-pe.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0", private_endpoint_id = endpoint },
      { name = "other.24d6b4b5-e65c-4330-bbe9-3a290d62f8e1" })
    for _, how in ipairs { endpoint, "--id " .. endpoint, "--private-endpoint " .. endpoint:upper() } do
      local result = kit.ended(0, azpec("approve", "--dry-run " .. account .. how))
      assert.equal("app-pe.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0: would become Approved (is Pending)\n", result.out)
    end
  end)

  it("may be named by an id of something else: that is explained", function ()
    local result = kit.ended(2, azpec("approve", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch"
      .. "/batchAccounts/acct"))
    assert.matches("is no id of a private endpoint connection, nor of a private endpoint %(see", result.err)
  end)

  it("has a name that ends in a GUID that nobody knows: the name without it will do", function ()
    local result = kit.ended(0, azpec("approve", account .. "testprivateEndpointConnection5"))
    assert.equal(support.sample_name .. ": Approved (was Pending)\n", result.out)
  end)

  it("is never just the first one: several are an error that lists them, and nothing is done", function ()
    local result = kit.ended(11, azpec("approve", many .. "--status Pending"))
    assert.matches("^azpec: 64 connections match status 'Pending'; name one by its id:\n  many01%.", result.err)
    assert.matches("\n  and 54 more\n$", result.err)
    assert.equal(0, #emulator:log "update")
  end)

  it("is on a later page: it is found", function ()
    emulator:set { page_size = 10 }
    local result = kit.ended(0, azpec("approve", many .. "'many64*'"))
    assert.matches("^many64%.[%x-]+: Approved %(was Pending%)\n$", result.out)
  end)

  it("keeps the requester's description, unless there is a new one", function ()
    kit.ended(0, azpec("approve", account .. words))
    assert.equal("Please approve", emulator:connection(emulator.sample).description)
    local result = kit.ended(0, azpec("approve", account .. words .. " --description 'ticket 7'"))
    assert.equal(support.sample_name .. ": Approved (new description)\n", result.out)
    assert.equal("ticket 7", emulator:connection(emulator.sample).description)
  end)

  it("was deleted by somebody else: not found, with 3", function ()
    put { name = "other.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0" }
    kit.ended(3, azpec("approve", emulator.sample))
    assert.matches("; there are:\n  other%.", kit.ended(3, azpec("approve", account .. words)).err)
  end)

  it("is another one by now: --if-match refuses it, with 6", function ()
    kit.ended(6, azpec("approve", account .. words .. [[ --if-match 'W/"0xOLD"']]))
    assert.equal("Pending", emulator:connection(emulator.sample).status)
  end)
end)

describe("the request that has not arrived yet", function ()
  it("is no success: approve ends with 3", function ()
    put { name = "other.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0" }
    assert.equal("", kit.ended(3, azpec("approve", account .. "--private-endpoint app-pe")).out)
  end)

  it("is waited for", function ()
    put { name = "other.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0" }
    local process = kit.start(("wait --for status=Pending --settle 0.2 -v %s %s --name app-pe"):format(
      kit.address(emulator), account), { env = kit.environment(emulator) })
    process:read_until "no such connection"
    put { name = "app-pe.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0" }
    assert.equal("app-pe.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0: Pending, Succeeded\n",
      kit.ended(0, process:finish()).out)
  end)

  it("is waited for no longer than was said, and 0 is one look", function ()
    local line = "--for exists --name app-pe " .. account
    assert.matches("^azpec: not so: exists; no such connection\n  hint: waited 2 s",
      kit.ended(8, azpec("wait", "--timeout 2 " .. line)).err)
    emulator:control("DELETE", "log")
    kit.ended(8, azpec("wait", "--timeout 0 " .. line))
    assert.equal(1, #emulator:log "list")
  end)
end)

describe("a failure", function ()
  it("to list is not \"nothing to do\": a missing right ends with 5, and is named", function ()
    emulator:faults { { match = { kind = "list" }, action = { status = 403, error = { code = "AuthorizationFailed",
      message = "The client does not have authorization to perform action 'Microsoft.Batch/batchAccounts/"
        .. "privateEndpointConnections/read' over scope '/subscriptions/s'" } } } }
    local result = kit.ended(5, azpec("approve", many .. "--all --allow-none --status Pending"))
    assert.matches("hint: [^\n]*Microsoft%.Batch/batchAccounts/privateEndpointConnections/read", result.err)
  end)

  it("to sign in ends with 4, and shows no secret", function ()
    local result = kit.ended(4, azpec("list", "", { env = support.merged(kit.environment(emulator),
      { AZURE_CLIENT_SECRET = support.secret:reverse() }) }))
    assert.falsy(result.err:find(support.secret:reverse(), 1, true))
    assert.matches("AADSTS7000215", result.err)
  end)

  it("of the operation ends with 7", function ()
    emulator:set { operation_end = "failed" }
    assert.matches("PrivateEndpointConnectionUpdateFailed", kit.ended(7, azpec("approve", account .. words)).err)
  end)

  it("because the service is busy ends with 9, and says when to try again", function ()
    emulator:faults { { match = { kind = "update" }, action = { status = 429, retry_after = "3600" } } }
    assert.matches("\n  try again in: 3600 s\n", kit.ended(9, azpec("approve", account .. words)).err)
  end)

  it("because another operation is in progress ends with 6", function ()
    emulator:faults { { match = { kind = "update" }, action = { status = 409, error = {
      code = "AnotherOperationInProgress", message = "wait" } } } }
    kit.ended(6, azpec("approve", account .. words))
  end)

  it("of some of many ends with 12; the others are done, and each has its row", function ()
    emulator:faults { { match = { kind = "update", path = "many03", plain = true },
      action = { status = 400, error = { code = "BadRequest", message = "not this one" } } } }
    local result = kit.ended(12, azpec("approve", many .. "--yes --all --name 'many0*' -o json"))
    local rows = kit.json(result.out, kit.results).results
    local outcomes = {}
    for n, row in ipairs(rows) do outcomes[n] = row.name:sub(1, 6) .. " " .. row.result end
    assert.equal("many01 changed, many02 changed, many03 failed, many04 changed, many05 changed, many06 changed, "
      .. "many07 changed, many08 changed, many09 changed", table.concat(outcomes, ", "))
    assert.equal("BadRequest", rows[3].error.code)
    local told = kit.json(result.err, kit.failure)
    assert.same({ kind = "some_failed", message = "9 connections: 8 changed, 1 failed" }, told.error)
    assert.equal(1, #told.errors)
    assert.equal("BadRequest", told.errors[1].code)
  end)

  it("of the network says so", function ()
    local result = kit.ended(1, kit.run("show --endpoint http://127.0.0.1:1 --credential token " .. emulator.sample,
      { env = { AZURE_ACCESS_TOKEN = support.canary } }))
    assert.matches("^azpec: [^\n]*127%.0%.0%.1", result.err)
  end)
end)

describe("many", function ()
  it("are approved with --all, and a limit is kept", function ()
    local result = kit.ended(11, azpec("approve", many .. "--status Pending --max 10"))
    assert.matches("^azpec: 64 connections match status 'Pending', and at most 10 may:", result.err)
    assert.equal(0, #emulator:log "update")
    result = kit.ended(0, azpec("approve", many .. "--status Pending --max 64"))
    assert.equal(64, select(2, result.out:gsub(": Approved %(was Pending%)\n", "")))
    kit.ended(3, azpec("approve", many .. "--all --status Pending"))
    kit.ended(0, azpec("approve", many .. "--allow-none nobody"))
    kit.ended(0, azpec("approve", many .. "--all --status Pending --allow-none"))
  end)

  it("are named by words as well; each is touched once, and all together count for the limit", function ()
    local line = ("%s 'many0*' many01 %s "):format(many, emulator.many[10])
    kit.ended(11, azpec("approve", line))
    local result = kit.ended(11, azpec("approve", line .. "--max 9"))
    assert.matches("^azpec: 10 connections match, and at most 9 may", result.err)
    assert.equal(0, #emulator:log "update")
    kit.ended(0, azpec("approve", line .. "--all --yes"))
    assert.equal(10, #emulator:log "update")
  end)

  it("are shown by a dry run, which does nothing; the exit code tells only if asked", function ()
    local line = many .. "--all --name 'many0*' --dry-run"
    assert.equal(9, select(2, kit.ended(0, azpec("approve", line)).out:gsub("would become Approved", "")))
    kit.ended(10, azpec("approve", line .. " --detailed-exitcode"))
    assert.equal(0, #emulator:log "update")
  end)
end)

describe("delete", function ()
  it("is harmless where it is done already, but not where the account is another", function ()
    local name = support.sample_name
    assert.equal(name .. ": would be deleted (is Pending)\n",
      kit.ended(0, azpec("delete", "--dry-run " .. emulator.sample)).out)
    assert.equal(name .. ": deleted (was Pending)\n", kit.ended(0, azpec("delete", "--yes " .. emulator.sample)).out)
    assert.equal(name .. ": already gone\n", kit.ended(0, azpec("delete", "--yes " .. emulator.sample)).out)
    kit.ended(3, azpec("delete", "--yes " .. (emulator.sample:gsub("sampleacct", "elsewhere"))))
    kit.ended(0, azpec("wait", "--for gone --timeout 0 " .. emulator.sample))
  end)

  it("is of the connection that was seen", function ()
    kit.ended(0, azpec("delete", "--yes " .. emulator.sample))
    assert.equal('W/"0x8D4EDFEBFADF4AB"', emulator:log("delete")[1].headers["if-match"])
  end)
end)
