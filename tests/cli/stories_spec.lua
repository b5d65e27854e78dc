-- What goes wrong for people who do this by hand or with other tools, each as a test of what happens here.

local assert = require "luassert"
local failure = require "azpec.cli.error"
local kit = require "cli.kit"
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
    accounts = { { account_name = "sampleacct", resource_group_name = "default-azurebatch-japaneast",
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
    assert.equal(0, #emulator:log "update")
  end)

  for _, status in ipairs { "Rejected", "Disconnected" } do
    it(("may be %s: a dry run says so and counts it, and nothing is sent"):format(status), function ()
      put({ status = status }, { name = "fresh.24d6b4b5-e65c-4330-bbe9-3a290d62f8e1" })
      local result = kit.ended(12, azpec("approve", account .. "--all --status Pending --dry-run --status "
        .. status))
      assert.matches(": cannot become Approved: it is " .. status .. ", which is final; .* delete it and have ",
        result.out)
      assert.equal("2 connections: 1 would change, 1 impossible\n", result.err)
      assert.equal(0, #emulator:log "update")
    end)
  end

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
    assert.matches("is the id of a Batch account, not of a connection; give it with %-%-id %(see", result.err)
  end)

  it("has a name that ends in a GUID that nobody knows: the name without it will do", function ()
    local result = kit.ended(0, azpec("approve", account .. "testprivateEndpointConnection5"))
    assert.equal(support.sample_name .. ": Approved (was Pending)\n", result.out)
  end)

  it("is never just the first one: several are an error that lists them, and nothing is done", function ()
    local result = kit.ended(11, azpec("approve", many .. "--status Pending"))
    assert.matches("^azpec: 64 connections match %-%-status 'Pending'; name one by its id or ACCOUNT/NAME:\n"
      .. "  manyacct/many01%.", result.err)
    assert.matches("\n  and 54 more\n  hint: ", result.err)
    assert.equal(0, #emulator:log "update")
    kit.ended(0, azpec("approve", result.err:match "\n  (manyacct/many02%S+)")) -- a line begins with what names it
    assert.equal("Approved", emulator:connection(emulator.many[2]).status)
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
    assert.matches("; there are:\n  sampleacct/other%.", kit.ended(3, azpec("approve", account .. words)).err)
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

  it("of a write that is answered 408 or 5xx until all attempts are used up ends with 8", function ()
    for status, code in pairs { [408] = 8, [500] = 8, [502] = 8, [503] = 8, [504] = 8, [429] = 9 } do
      emulator:faults { { match = { kind = "update" }, action = { status = status, retry_after = "ms:20" } } }
      kit.ended(code, azpec("approve", account .. words .. " --max-tries 2"))
    end
    assert.equal(12, #emulator:log "update")
  end)

  it("because the token endpoint is busy ends with 9, and says when to try again", function ()
    for wait, said in pairs { ["301"] = "try again in: 301 s", ["ms:20"] = "try again in: 0.02 s" } do
      for _, status in ipairs { 429, 503 } do
        emulator:faults { { match = { kind = "token" }, action = { status = status, retry_after = wait } } }
        local result = kit.ended(9, azpec("approve", account .. words))
        assert.matches(("(HTTP %d)\n"):format(status), result.err, 1, true)
        assert.matches(("\n  %s\n"):format(said), result.err, 1, true)
      end
    end
    assert.equal("try again later", failure.facts { kind = "credential", message = "busy", retryable = true }.hint)
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
    local result = kit.ended(1, kit.run("show --max-tries 1 --endpoint http://127.0.0.1:1 --credential token "
      .. emulator.sample, { env = { AZURE_ACCESS_TOKEN = support.canary } }))
    assert.matches("^azpec: [^\n]*127%.0%.0%.1", result.err)
  end)
end)

describe("many", function ()
  it("are approved with --all, and a limit is kept", function ()
    local result = kit.ended(11, azpec("approve", many .. "--status Pending --max 10"))
    assert.matches("^azpec: 64 connections match %-%-status 'Pending', and at most 10 may:", result.err)
    assert.equal(0, #emulator:log "update")
    result = kit.ended(0, azpec("approve", many .. "--status Pending --max 64"))
    assert.equal(64, select(2, result.out:gsub(": Approved %(was Pending%)\n", "")))
    kit.ended(3, azpec("approve", many .. "--all --status Pending"))
    kit.ended(0, azpec("approve", many .. "--allow-none nobody"))
    kit.ended(0, azpec("approve", many .. "--all --status Pending --allow-none"))
    for _, verb in ipairs { "list", "approve --all --yes --allow-none", "status", "watch --stop-after 0s" } do
      for _, place in ipairs { "--account nosuch", "--account nosuch --all-subscriptions", "-g nosuch" } do
        kit.ended(3, azpec(verb, place)) -- a place that is missing is an error nevertheless
      end
    end
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

describe("a slip", function ()
  local function rules(text)
    return support.write(support.new_path "rules" .. ".lua", text)
  end

  it("in the rules is held by their limits, with a journal as without one", function ()
    local file = rules 'at_most { approve = 2 }\napprove "all" { when = { name = "many*" } }\n'
    local line = ("--rules %s %s --apply "):format(file, many)
    for _, more in ipairs { "", "--journal " .. support.new_path "journal" } do
      assert.matches("this would approve 64 connections, and %S+ allows at most 2; nothing was done",
        kit.ended(11, azpec("auto", line .. more)).err)
    end
    file = rules 'approve "all" { when = { name = "many*" } }\n'
    kit.ended(11, azpec("auto", ("--rules %s %s --apply --max 63 --journal %s"):format(file, many,
      support.new_path "journal")))
    assert.equal(0, #emulator:log "update")
  end)

  it("in --trace replaces neither the journal nor any other file", function ()
    local journal, own = support.new_path "journal", rules "-- mine\n"
    kit.ended(0, azpec("approve", emulator.many[1] .. " --journal " .. journal))
    local before = support.read(journal)
    assert.matches("each needs its own", kit.ended(2, azpec("approve", ("%s --journal %s --trace %s"):format(
      emulator.many[2], journal, journal))).err)
    for _, path in ipairs { journal, own } do
      assert.matches("there is another file", kit.ended(2, azpec("list", many .. "--trace " .. path)).err)
    end
    assert.equal(before, support.read(journal))
    assert.equal("-- mine\n", support.read(own))
    local trace = support.new_path "trace"
    for _ = 1, 2 do kit.ended(0, azpec("list", many .. "--trace " .. trace)) end
  end)

  it("to undo the last run twice does not do it again", function ()
    local journal = support.new_path "journal"
    kit.ended(0, azpec("approve", "--yes --journal " .. journal .. " " .. table.concat(emulator.many, " ", 1, 2)))
    for _ = 1, 2 do kit.ended(0, azpec("journal", "undo --run last --apply --yes " .. journal)) end
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
    assert.equal(4, #emulator:log "update")
  end)

  it("in an age without a unit is refused", function ()
    assert.matches("%-%-older%-than: '7' has no unit; write 7d for days", kit.ended(2, azpec("reject",
      "--all --dry-run --older-than 7 " .. many)).err)
    assert.matches("'7' has no unit", kit.ended(2, azpec("auto", "--rules "
      .. rules 'reject "old" { when = { name = "x", older_than = "7" } }' .. " " .. many)).err)
  end)

  it("to name two accounts or two groups drops neither in silence", function ()
    for _, option in ipairs { "-g", "--account" } do
      local result = kit.ended(2, azpec("list", ("%s a %s b"):format(option, option)))
      assert.matches("is given twice, as 'a' and as 'b'", result.err)
    end
  end)

  it("to forget --yes is said before a wait, not after it", function ()
    local result = kit.ended(2, azpec("approve", "one two --wait 60 " .. many))
    assert.matches("^azpec: approve 2 connections: there is no terminal to ask on, so %-%-yes is needed", result.err)
    assert.equal(0, #emulator:log "list")
  end)

  it("to wait for what cannot come ends at once, with 7 and the way out", function ()
    put { status = "Rejected" }
    local result = kit.ended(7, azpec("wait", "--for status=Approved " .. emulator.sample))
    assert.matches("it cannot have status=Approved: it is Rejected, which is final", result.err)
    assert.matches("\n  hint: .*delete it", result.err)
  end)

  it("in a name is not taken for a deletion without a word", function ()
    local result = kit.ended(0, azpec("wait", "--for gone nonesuch --timeout 0 " .. many))
    assert.equal("azpec: no connection 'nonesuch' was seen: it is gone, or was never there\n", result.err)
  end)

  it("to resume a journal, or a JSON document, is explained", function ()
    local journal = support.new_path "journal"
    kit.ended(0, azpec("approve", emulator.many[1] .. " --journal " .. journal))
    assert.matches("line 1 is of a journal; azpec journal verify FILE shows the commands that finish it",
      kit.ended(2, azpec("resume", journal)).err)
    local document = kit.ended(0, azpec("list", "many01 -o json " .. many)).out
    assert.matches("give it rows of %-o jsonl", kit.ended(2, azpec("approve", "-", { stdin = document })).err)
  end)

  it("in the journal's words is no answer that nobody wrote", function ()
    local journal = support.new_path "journal"
    kit.ended(0, azpec("approve", emulator.many[1] .. " --journal " .. journal))
    assert.matches("manyacct +many01", kit.ended(0, azpec("journal", "show --connection many01 " .. journal)).out)
    kit.ended(3, azpec("journal", "show --run nosuch " .. journal))
  end)
end)

describe("an interrupted run", function ()
  it("says how far it came, and the journal which writes are open", function ()
    local journal = support.new_path "journal"
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } } -- so each says it once
    local process = kit.start(("approve -vv --yes --all --parallel 5 --journal %s %s %s"):format(journal,
      kit.address(emulator), many), { env = kit.environment(emulator) })
    for _ = 1, 5 do process:read_until "next poll" end
    process:signal "TERM"
    local result = kit.ended(143, process:finish())
    assert.matches("azpec: interrupted by SIGTERM; 64 connections: 0 changed, 5 under way, 59 not begun\n", result.err)
    assert.matches("%d+ connections were not begun; to begin them, run the same command again\n", result.err)
    emulator:release()
    assert.matches("how the writes of lines [%d, ]+ ended is not known", kit.run("journal verify " .. journal).err)
  end)
end)

describe("a dry run", function ()
  it("says of each connection that is being changed what is under way", function ()
    local name = "app-pe.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0"
    for _, state in ipairs { "Creating", "Updating", "Deleting" } do
      for _, case in ipairs { { "Pending", "approve" }, { "Approved", "approve" }, { "Rejected", "reject" } } do
        local status, verb = table.unpack(case)
        put { name = name, status = status, provisioning_state = state }
        local becomes = verb == "approve" and "Approved" or "Rejected"
        assert.equal(("%s: would become %s (is %s): it is %s; look again when that has ended\n"):format(name, becomes,
          status, state), kit.ended(0, azpec(verb, ("--dry-run --yes --status '*' --all %s"):format(account))).out)
      end
      assert.equal(("%s: would be deleted (is Rejected): it is %s; look again when that has ended\n"):format(name,
        state), kit.ended(0, azpec("delete", ("--dry-run --status '*' --all %s"):format(account))).out)
    end
    assert.equal(0, #emulator:log("update", "delete"))
  end)

  it("shows the description that would be written", function ()
    assert.matches(': would become Approved, described "ticket 7" %(is Pending%)\n', kit.ended(0, azpec("approve",
      "--dry-run --description 'ticket 7' " .. emulator.sample)).out)
  end)

  it("ends as the run would", function ()
    put { status = "Rejected" }
    for _, how in ipairs { "", "--dry-run " } do kit.ended(7, azpec("approve", how .. emulator.sample)) end
  end)
end)
