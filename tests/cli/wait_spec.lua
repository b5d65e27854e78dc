-- azpec wait, and approve --wait: of one connection and of several.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local many = "-g rg-contoso-prod --account manyacct "
local late = "late.24d6b4b5-e65c-4330-bbe9-3a290d62f8e9"

-- One account, whose connections have these names.
local function put(...)
  local connections = {}
  for n, name in ipairs { ... } do connections[n] = { name = name } end
  emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
    client_secret = support.secret, subscription_id = emulator.subscription_id, options = emulator.given.options,
    accounts = { { account_name = "acct", resource_group_name = "rg", connections = connections } } })
end

local function start(verb, line)
  return kit.start(("%s %s %s"):format(verb, kit.address(emulator), line), { env = kit.environment(emulator) })
end

local function words_of(out)
  return (out:gsub("%.[%x-]+: ", ": "))
end

describe("wait", function ()
  it("ends at once where it is so, and shows the connection", function ()
    for _, what in ipairs { "exists", "status=pending", "provisioning=Succeeded" } do
      assert.equal(support.sample_name .. ": Pending, Succeeded\n",
        kit.ended(0, azpec("wait", ("--for %s --timeout 0 %s"):format(what, emulator.sample))).out)
    end
    kit.ended(8, azpec("wait", "--for gone --timeout 0 " .. emulator.sample))
  end)

  it("of one that is not so, or cannot be read, has its row in JSON beside the error", function ()
    local schema = { schema_version = "=1", complete = "=false", connections = { { name = "string",
      result = "string", open = true } }, errors = { { kind = "string", message = "string", open = true } } }
    local function ended(code, line)
      local result = kit.ended(code, azpec("wait", line .. " --timeout 0 -o json"))
      local document = kit.json(result.out, schema)
      assert.same({ 1, 1 }, { #document.connections, #document.errors })
      assert.same(document.errors[1], kit.json(result.err, kit.failure).error)
      return document.connections[1]
    end
    local row = ended(8, "--for status=Approved " .. emulator.sample)
    assert.same({ emulator.sample, "Pending", "not met" }, { row.id, row.status, row.result })
    row = ended(8, "--for exists nobody " .. many)
    assert.same({ "nobody", "not met" }, { row.name, row.result })
    emulator:faults { { match = { kind = "get" }, action = { status = 403, error = { code = "AuthorizationFailed",
      message = "no" } } } }
    row = ended(5, "--for exists " .. emulator.sample)
    assert.same({ emulator.sample, "failed", "AuthorizationFailed" }, { row.id, row.result, row.error.code })
    local shown = kit.ended(5, azpec("wait", "--for exists --timeout 0 " .. emulator.sample))
    assert.equal("", shown.out)
  end)

  it("by a name that several have is an error", function ()
    kit.ended(11, azpec("wait", "--for exists --name 'many*' " .. many))
  end)

  it("settles: it must stay so", function ()
    local process = start("wait", "--for status=Approved --settle 0.3 -v " .. emulator.sample)
    process:read_until "Pending"
    kit.ended(0, azpec("approve", emulator.sample))
    process:read_until "Approved"
    assert.equal(support.sample_name .. ": Approved, Succeeded\n", kit.ended(0, process:finish()).out)
  end)

  it("refuses what nobody can wait for", function ()
    for what, values in pairs { ["status=Maybe"] = "Approved", ["colour=red"] = "status=STATUS" } do
      local result = kit.ended(2, azpec("wait", "--for " .. what .. " " .. emulator.sample))
      assert.matches("not one of " .. values, result.err)
    end
    assert.matches("missing option '%-%-for'", kit.ended(2, azpec("wait", emulator.sample)).err)
  end)

  it("does not take a misspelt account for a deletion", function ()
    kit.ended(3, azpec("wait", "--for gone --timeout 0 " .. (emulator.sample:gsub("sampleacct", "elsewhere"))))
    local result = kit.ended(12, azpec("wait", ("--for gone --timeout 0 %s %sx"):format(
      emulator.sample:gsub("sampleacct", "elsewhere"), emulator.many[1])))
    assert.matches("failed: .*\n.*: gone\n$", result.out)
  end)
end)

describe("wait of several", function ()
  it("shows each when it is so, by id and by name, and ends with the last", function ()
    local process = start("wait", ("--for status=Approved -v %s %s many02"):format(many, emulator.many[1]))
    process:read_until "0 of 2 have ended"
    kit.ended(0, azpec("approve", emulator.many[2]))
    process:read_until "1 of 2 have ended"
    kit.ended(0, azpec("approve", emulator.many[1]))
    local result = kit.ended(0, process:finish())
    assert.equal("many02: Approved, Succeeded\nmany01: Approved, Succeeded\n", words_of(result.out))
    assert.matches("\n2 connections: 2 met\n$", result.err)
  end)

  it("reads an account once for all its ids, and those that are so no more", function ()
    kit.ended(0, azpec("approve", emulator.many[1]))
    emulator:control("DELETE", "log")
    local ids = table.concat(emulator.many, " ", 1, 3)
    kit.ended(8, azpec("wait", "--for status=Approved --timeout 0 " .. ids))
    assert.equal(1, #emulator:log "list")
    assert.equal(0, #emulator:log "get")
    emulator:control("DELETE", "log")
    local process = start("wait", "--for status=Approved -v " .. table.concat(emulator.many, " ", 1, 2))
    process:read_until "1 of 2 have ended"
    kit.ended(0, azpec("approve", emulator.many[2]))
    kit.ended(0, process:finish())
    assert.equal(1, #emulator:log "list")
  end)

  it("ends with 8 when the time has passed, and says of each what became of it", function ()
    kit.ended(0, azpec("approve", emulator.many[1]))
    local line = ("--for status=Approved --timeout 0 %s %s %sx"):format(emulator.many[1], emulator.many[2],
      emulator.many[3])
    local result = kit.ended(8, azpec("wait", line))
    assert.equal("many01: Approved, Succeeded\nmany02: not so: status=Approved; Pending, Succeeded\n",
      words_of(result.out:match "^.-\n.-\n"))
    assert.matches("x: not so: status=Approved; no such connection\n$", result.out)
    assert.equal("3 connections: 1 met, 2 not met\n", result.err)
    result = kit.ended(8, azpec("wait", line .. " -o json"))
    local rows = kit.json(result.out, { schema_version = "=1", complete = "boolean",
      connections = { { open = true } } }).connections
    assert.equal("met, not met, not met", ("%s, %s, %s"):format(rows[1].result, rows[2].result, rows[3].result))
    assert.same({ kind = "timeout", message = "3 connections: 1 met, 2 not met" },
      kit.json(result.err, kit.failure).error)
  end)

  it("goes on for the others where one cannot be read, and ends with 12", function ()
    emulator:faults { { match = { kind = "list", path = "sampleacct", plain = true }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local line = ("--for exists %s %s"):format(emulator.sample, emulator.many[1])
    local result = kit.ended(12, azpec("wait", line))
    assert.matches("failed: [^\n]*\n", result.out)
    assert.matches("\nmanyacct/many01%S+: Pending, Succeeded\n$", result.out)
    assert.matches("\n  hint: [^\n]*\n2 connections: 1 met, 1 failed\n$", result.err)
    local document = kit.json(kit.ended(12, azpec("wait", line .. " -o json")).err, kit.failure)
    assert.equal("forbidden", document.errors[1].kind)
  end)

  it("takes those on standard input; nothing there is no connection", function ()
    local rows = kit.ended(0, azpec("list", "'many0*' -o jsonl " .. many)).out
    local result = kit.ended(0, azpec("wait", "- --for status=Pending", { stdin = rows }))
    assert.equal(9, select(2, result.out:gsub("\n", "")))
    kit.ended(3, azpec("wait", "- --for gone", { stdin = "" }))
    kit.ended(0, azpec("wait", "- --for gone --allow-none", { stdin = "" }))
    kit.ended(0, azpec("wait", "- --for exists --timeout 0 --allow-none", { stdin = "" }))
  end)

  it("takes no line on standard input that is longer than any id or row, and shows little of it", function ()
    local result = kit.ended(2, azpec("wait", "- --for gone", { stdin = ("/"):rep(1 << 16) .. "\n" }))
    assert.matches("^azpec: '/+…/+' is not the id of a private endpoint connection", result.err)
    assert(#result.err < 1000)
    result = kit.ended(2, azpec("wait", "- --for gone", { stdin = ("/"):rep(3 << 19) }))
    assert.matches("standard input: a line is longer than 1 MiB; give it one id or name per line", result.err, 1, true)
  end)

  it("takes no lines on standard input without end", function ()
    local said = support.new_path "said"
    local _, _, code = os.execute(("yes %s | %s >%s 2>&1"):format(("a"):rep(1000), kit.command("wait - --for gone",
      kit.environment(emulator)), said))
    assert.equal(2, code)
    assert.matches("^azpec: standard input: it is larger than 16 MiB; give it one id or name per line",
      support.read(said))
  end)

  it("means with --all those that match at first, whatever becomes of them", function ()
    local process = start("wait", "--all --status Pending --name 'many0*' --for status=Approved -v " .. many)
    process:read_until "0 of 9 have ended"
    kit.ended(0, azpec("approve", "--all --yes --name 'many0*' " .. many))
    assert.equal(9, select(2, kit.ended(0, process:finish()).out:gsub(": Approved, Succeeded\n", "")))
  end)

  it("waits with --all until one matches; nothing that matches is gone", function ()
    put "other"
    local process = start("wait", "--all --name 'late*' --for exists -v -g rg --account acct")
    process:read_until "no connection matches"
    put("other", late)
    assert.equal(late .. ": Pending, Succeeded\n", kit.ended(0, process:finish()).out)
    assert.equal("no connection matches\n",
      kit.ended(0, azpec("wait", "--all --name 'nobody*' --for gone -g rg --account acct")).err)
    local result = kit.ended(8, azpec("wait", "--all --name 'ohter' --for exists --timeout 0 -g rg --account acct"))
    assert.matches("^azpec: not so: exists; waited 0 s; no connection matches %-%-name 'ohter'", result.err)
  end)
end)

describe("approve --wait", function ()
  local id = ("/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct"
    .. "/privateEndpointConnections/%s"):format(require "azpec.emulator.sample" ().subscription_id, late)

  for what, words in pairs { ["a name"] = "late -g rg --account acct", ["an id"] = id,
    ["all that match"] = "--all --yes --private-endpoint 'late*' -g rg --account acct" } do
    it("waits for a request that has not arrived, by " .. what, function ()
      put "other"
      local process = start("approve", "--wait 60 " .. words)
      process:read_until "no connection matches yet; waiting for up to 60 s"
      put("other", late)
      assert.equal(late .. ": Approved (was Pending)\n", kit.ended(0, process:finish()).out)
    end)
  end

  it("waits until all of several are there, and approves nothing before", function ()
    put "other"
    local process = start("approve", ("--wait 60 --yes -v %s other third -g rg --account acct"):format(id))
    process:read_until "2 not there yet; waiting for up to 60 s"
    put("other", late)
    process:read_until "waiting, not there yet"
    assert.equal(0, #emulator:log "update")
    put("other", late, "third")
    local result = kit.ended(0, process:finish())
    assert.equal(3, select(2, result.out:gsub(": Approved %(was Pending%)\n", "")))
    assert.equal(3, #emulator:log "update")
  end)

  it("does nothing where it is there, and does not wait for an account", function ()
    assert.equal("", kit.ended(0, azpec("approve", "--wait 60 " .. emulator.sample)).err)
    kit.ended(3, azpec("approve", "--wait 60 x --account nowhere"))
    kit.ended(3, azpec("approve", "--wait 60 " .. (emulator.sample:gsub("sampleacct", "elsewhere"))))
  end)

  it("ends with 8 where the service does not answer before the time has passed", function ()
    put "other"
    emulator:faults { { match = { kind = "list", nth = 2, times = 1000 }, action = { stall = true } } }
    local result = kit.ended(8, azpec("approve", "--wait 0.5 late -g rg --account acct"))
    assert.matches("\nazpec: timed out after 2 s", result.err, 1, true)
    assert.equal(0, #emulator:log "update")
  end)

  it("ends with 8 when the time has passed, and names what comes nearest", function ()
    local result = kit.ended(8, azpec("approve", "--wait 0 mny01 " .. many))
    assert.matches("^azpec: waited 0 s; no connection matches name 'mny01'; these come nearest:\n  manyacct/many01",
      result.err)
    result = kit.ended(8, azpec("approve", "--wait 0 " .. emulator.sample .. "0"))
    assert.matches("^azpec: waited 0 s; there is no such connection\n", result.err)
    result = kit.ended(8, azpec("approve", "--yes --wait 0 many01 mny02 mny03 " .. many))
    assert.matches("^azpec: waited 0 s; 2 of them are missing; no connection matches name 'mny02'", result.err)
    assert.equal(0, #emulator:log "update")
    kit.ended(3, azpec("approve", "nobody " .. many))
  end)
end)
