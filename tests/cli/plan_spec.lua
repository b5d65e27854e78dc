-- azpec plan and azpec apply: four eyes, and nothing done that has changed since.

local cjson = require "cjson"
local kit = require "cli.kit"
local plan = require "azpec.plan"
local support = require "loopback.support"
local documents = require "tools.documents"

local emulator, azpec = kit.stage { operation_polls = 1 }

local group = "-g rg-contoso-prod --account manyacct"

local function rules(text)
  return support.write(support.new_path "rules" .. ".lua", text)
end

local some = [[
approve "the first three" { when = { name = { "many01", "many02", "many03" } }, because = "they are ours" }
reject "the last" { when = { name = "many64" }, because = "nobody knows it" }
]]

-- A plan for these rules; its path.
local function made(text, more)
  local path = support.new_path "plan" .. ".json"
  kit.ended(0, azpec("plan", ("--rules %s %s --out %s %s"):format(rules(text or some), group, path, more or "")))
  return path
end

local function updates()
  return #emulator:log "update"
end

-- Somebody else changes a connection.
local function meddle(id, status)
  kit.ended(0, azpec(status == "Approved" and "approve" or "reject", id))
end

-- Somebody changes the description of a connection, and with it the ETag.
local function reword(pattern)
  local state = emulator:control("GET", "state")
  for _, account in ipairs(state.accounts) do
    for _, connection in ipairs(account.connections) do
      if connection.name:find(pattern) then connection.etag, connection.description = 'W/"other"', "changed" end
    end
  end
  state.client_secret, state.options = support.secret, emulator.given.options
  emulator:control("PUT", "state", state)
end

describe("plan", function ()
  it("replaces a plan, and no other file", function ()
    local path = support.new_path "plan"
    local line = ("--rules %s %s --out %s"):format(rules(some), group, path)
    kit.ended(0, azpec("plan", line))
    kit.ended(0, azpec("plan", line))
    support.write(path, "before")
    assert.matches(path .. ": there is another file; name a new one, or remove it",
      kit.ended(2, azpec("plan", line)).err, 1, true)
    assert.equal("before", support.read(path))
    local auto = ("--apply --rules %s %s --journal %s"):format(rules(some), group, path)
    assert.matches(path .. ": it is no journal of azpec's, and was left as it is",
      kit.ended(1, azpec("auto", auto)).err, 1, true)
    assert.equal("before", support.read(path))
  end)

  it("writes down what is to be done, and does nothing", function ()
    local path = support.new_path "plan"
    local result = kit.ended(0, azpec("plan", ("--rules %s %s --out %s"):format(rules(some), group, path)))
    assert.equal("3 to approve, 1 to reject, 60 held, 0 ignored, 0 unchanged; to do it: azpec apply " .. path .. "\n",
      result.err)
    assert.truthy(result.out:find("70b1e2c30001: would approve: rule 'the first three', they are ours\n", 1, true))
    local read = assert(plan.read(path))
    assert.equal(64, #read.items)
    assert.equal(emulator.many[1], read.items[1].id)
    assert.equal(emulator:connection(emulator.many[1]).etag, read.items[1].etag)
    assert.equal(0, updates())
    support.has_no_secret(support.read(path), "a plan")
  end)

  it("ends with the command that carries it out, also for a path with spaces", function ()
    local path = support.new_path "plan" .. " of today"
    local result = kit.ended(0, azpec("plan", ("--rules %s %s --out '%s'"):format(rules(some), group, path)))
    assert.matches(("to do it: azpec apply '%s'\n"):format(path), result.err, 1, true)
  end)

  it("lists the changes first, and with -q alone, as apply --show does", function ()
    local path = support.new_path "plan"
    local plan_line = ("plan %s --rules %s %s --out %s"):format(kit.address(emulator), rules(some), group, path)
    for _, line in ipairs { plan_line, ("apply %s --show"):format(path) } do
      local more = { env = kit.environment(emulator) }
      local kinds = kit.ended(0, kit.run(line, more)).out:gsub("\n  [^\n]*", ""):gsub("[^\n]-: (%l+)[^\n]*\n", "%1 ")
      assert.equal(("would "):rep(4) .. ("held "):rep(60), kinds)
      kinds = kit.ended(0, kit.run(line .. " -q", more)).out:gsub("\n  [^\n]*", ""):gsub("[^\n]-: (%l+)[^\n]*\n", "%1 ")
      assert.equal(("would "):rep(4), kinds)
      local actions = { approve = 3, reject = 1, hold = 60 }
      for _, format in ipairs { "table", "tsv", "csv", "md", "jsonl" } do
        local out, counts = kit.ended(0, kit.run(line .. " -q --columns action -o " .. format, more)).out, {}
        for action in out:gmatch "%l+" do counts[action] = actions[action] and (counts[action] or 0) + 1 end
        assert.same(format == "jsonl" and actions or { approve = 3, reject = 1 }, counts)
      end
    end
  end)

  it("is only shown without --out, and says how it is written down", function ()
    local result = kit.ended(10, azpec("plan", ("--rules %s %s --detailed-exitcode"):format(rules(some), group)))
    assert.matches("many01%S+: would approve: rule ", result.out)
    assert.matches("; %-%-out FILE writes it down for azpec apply\n$", result.err)
    assert.equal(0, updates())
  end)

  it("writes it to stdout, and nothing else there", function ()
    local line = ("--rules %s %s --out - --detailed-exitcode"):format(rules(some), group)
    local result = kit.ended(10, azpec("plan", line))
    assert.equal(64, #assert(plan.parse(result.out)).items)
  end)

  it("says 0 with --detailed-exitcode where nothing is to be done", function ()
    local nobody = rules 'approve "x" { when = { name = "nobody" } }'
    local result = kit.ended(0, azpec("plan", ("--rules %s %s --out - --detailed-exitcode"):format(nobody, group)))
    assert(plan.parse(result.out))
  end)

  it("writes the ticket into the description that a rule words", function ()
    local path = rules 'approve "x" { when = { name = "many01" }, description = "{ticket}, {rule}" }'
    local out = support.new_path "plan"
    kit.ended(0, azpec("plan", ("--rules %s %s --out %s --ticket CHG-7"):format(path, group, out)))
    kit.ended(0, azpec("apply", out))
    assert.equal("CHG-7, x", emulator:connection(emulator.many[1]).description)
    local result = kit.ended(2, azpec("plan", ("--rules %s %s --out %s"):format(path, group, out)))
    assert.truthy(result.err:find("rule 'x' speaks of a {ticket}, but there is no --ticket", 1, true))
    kit.ended(2, azpec("plan", ("--rules %s %s --ticket CHG-7"):format(rules(some), group)))
    kit.ended(2, azpec("auto", ("--rules %s %s --ticket CHG-7"):format(rules(some), group)))
  end)

  it("keeps the ticket for the journal of the run that carries it out", function ()
    local out, path = support.new_path "plan", support.new_path "journal"
    kit.ended(0, azpec("plan", ("--rules %s %s --out %s --ticket CHG-8"):format(rules(some), group, out)))
    kit.ended(0, azpec("apply", ("%s --journal %s"):format(out, path)))
    assert.truthy(support.read(path):find('"ticket":"CHG-8"', 1, true))
  end)

  it("keeps the change that allows it: apply sends it for each policy token, and takes no other", function ()
    emulator:set { policy = "change", policy_change = "CHG-9" }
    local out, path = made(nil, "--change-reference CHG-9"), support.new_path "journal"
    assert.equal("CHG-9", assert(plan.read(out)).change_reference)
    assert.matches("the plan is of change 'CHG%-9', and %-%-change%-reference says 'CHG%-1'",
      kit.ended(2, azpec("apply", out .. " --change-reference CHG-1")).err)
    assert.matches("the plan is of change 'CHG%-9', which %-%-policy%-token never would not send",
      kit.ended(2, azpec("apply", out .. " --policy-token never")).err)
    assert.equal(0, updates())
    kit.ended(0, azpec("apply", ("%s --change-reference CHG-9 --journal %s"):format(out, path)))
    local acquired = emulator:log "acquire"
    assert.equal(4, #acquired)
    for _, request in ipairs(acquired) do assert.equal("CHG-9", request.body.changeReference) end
    local shown = cjson.decode(kit.ended(0, azpec("journal", "show -o json --change-reference CHG-9 " .. path)).out)
    assert.equal(4, #shown.writes)
  end)

  it("in JSON has when the connections were read, and what was counted", function ()
    kit.json(kit.ended(0, azpec("plan", ("--rules %s %s -o json"):format(rules(some), group))).out, {
      schema_version = "=1", complete = "=true", read_at = "string", decisions = { kit.decision_row },
      totals = kit.totals { accounts = "=1", approve = "=3", reject = "=1", hold = "=60", ignore = "=0",
        unchanged = "=0" } })
  end)

  it("needs a file that keeps the change", function ()
    assert.matches("%-%-change%-reference goes with %-%-out",
      kit.ended(2, azpec("plan", ("--rules %s %s --change-reference CHG-9"):format(rules(some), group))).err)
  end)

  it("says where it cannot be written, by the name that was given", function ()
    for path, why in pairs { ["/nowhere/plan.json"] = ": No such file or directory",
      ["/tmp"] = " is no regular file but a directory" } do
      local result = kit.ended(2, azpec("plan", ("--rules %s %s --out %s"):format(rules(some), group, path)))
      assert.matches("azpec: --out: " .. path .. why, result.err, 1, true)
      assert.equal("", emulator:kinds())
    end
  end)

  it("writes none where the rules allow no such number, or cannot be read", function ()
    local path = support.new_path "plan"
    local capped = rules("at_most { changes = 3 }" .. some)
    kit.ended(11, azpec("plan", ("--rules %s %s --out %s"):format(capped, group, path)))
    kit.ended(2, azpec("plan", ("--rules %s %s --out %s"):format(rules "boo", group, path)))
    kit.ended(2, azpec("plan", ("--rules %s %s --out %s"):format(rules(some), group, "/nowhere/at/all")))
    assert.is_nil(support.read(path))
  end)
end)

describe("apply", function ()
  it("carries out the plan, item by item, and is harmless the second time", function ()
    local path = made()
    local result = kit.ended(10, azpec("apply", path .. " --detailed-exitcode"))
    assert.truthy(result.out:find("70b1e2c30001: Approved (was Pending): rule 'the first three', they are ours\n", 1,
      true))
    assert.truthy(result.out:find("70b1e2c30040: Rejected (was Pending): rule 'the last', nobody knows it\n", 1, true))
    assert.equal("4 connections: 4 changed\n", result.err)
    assert.equal(4, updates())
    for _, entry in ipairs(emulator:log "update") do assert.is_string(entry.headers["if-match"]) end
    result = kit.ended(0, azpec("apply", path .. " --detailed-exitcode"))
    assert.equal("4 connections: 0 changed, 4 unchanged\n", result.err)
    assert.equal(4, updates())
  end)

  it("shows it with --dry-run", function ()
    local result = kit.ended(10, azpec("apply", made() .. " --dry-run --detailed-exitcode"))
    assert.truthy(result.out:find("70b1e2c30040: would become Rejected (is Pending): rule 'the last', "
      .. "nobody knows it\n", 1, true))
    assert.equal(0, updates())
  end)

  it("needs no other option to know where the connections are", function ()
    local env = kit.environment(emulator)
    env.AZURE_SUBSCRIPTION_ID = nil
    local path = made()
    kit.ended(0, kit.run(("apply %s %s"):format(kit.address(emulator), path), { env = env }))
    assert.equal(4, updates())
  end)

  it("shows what the plan says with --show, without a sign-in and a service", function ()
    local path = made(nil, "--ticket CHG-7 --change-reference CHG-8")
    emulator:control("DELETE", "log")
    local result = kit.ended(0, kit.run(("apply %s --show"):format(path)))
    local endpoint = "\n  private endpoint: /subscriptions/%S+/privateEndpoints/"
    assert.matches("manyacct/many01%S+: would approve: rule 'the first three', they are ours" .. endpoint .. "many01\n",
      result.out)
    assert.matches("manyacct/many64%S+: would reject: rule 'the last', nobody knows it" .. endpoint .. "many64\n",
      result.out)
    assert.matches("manyacct/many05%S+: held: no rule matches" .. endpoint .. "many05\n", result.out)
    assert.matches("^3 to approve, 1 to reject, 60 held, 0 ignored, 0 unchanged; made at %d%S+Z by '"
      .. emulator.client_id:gsub("%p", "%%%0") .. "', ticket 'CHG%-7', change reference 'CHG%-8'\n$", result.err)
    kit.json(kit.ended(10, kit.run(("apply %s --show -o json --detailed-exitcode"):format(path))).out, {
      schema_version = "=1", complete = "=true", made_at = "string", made_by = "string", endpoint = "string",
      who = { credential = "=client_secret", appid = "=" .. emulator.client_id, tid = "=" .. emulator.tenant_id,
        oid = "string", ["idtyp?"] = "string" }, by = "=" .. emulator.client_id, ticket = "=CHG-7",
      change_reference = "=CHG-8", decisions = { kit.decision_row },
      totals = { approve = "=3", reject = "=1", hold = "=60", ignore = "=0", unchanged = "=0" } })
    support.write(path, (support.read(path):gsub("many64", "many63", 1)))
    kit.ended(6, kit.run(("apply %s --show"):format(path)))
    assert.equal("", emulator:kinds())
  end)

  it("shows the requester's description, which a rule may replace, and a plan without private endpoints", function ()
    local set = assert(require "azpec.rules".parse('approve "x" { when = { name = "*" }, description = "by {rule}" }'))
    local words = 'manyacct/many01%%S+: would approve, described "by x": rule \'x\', %%S[^\n]*%s\n$'
    for description, line in pairs { ["ticket 1\27[2J"] = "\n  description: ticket 1%?%[2J", [""] = "" } do
      local path, draft = support.new_path "plan", plan.new { rules = set }
      local connection = { id = emulator.many[1], etag = 'W/"1"', properties = {
        privateLinkServiceConnectionState = { status = "Pending", description = description } } }
      draft:add(connection, set:decide(connection))
      assert(draft:write(path))
      assert.matches("^" .. words:format(line), kit.ended(0, kit.run(("apply %s --show"):format(path))).out)
    end
  end)

  it("has the requester's description beside the planned one wherever a change is only shown", function ()
    kit.ended(0, azpec("approve", emulator.many[1] .. " --description 'ticket 1'"))
    local path = rules [[reject "x" { when = { name = "many01", status = "Approved" },
      description = "{description}, {rule}" }]]
    local file, line = support.new_path "plan", ("--rules %s %s"):format(path, group)
    kit.ended(0, azpec("plan", line .. " --out " .. file))
    for verb, more in support.each { auto = line, plan = line, apply = file .. " --show", ["apply --dry-run"] = file,
      ["reject --yes --dry-run --description 'ticket 1, x'"] = emulator.many[1] } do
      local shown = kit.ended(0, azpec(verb, more .. " -q -o csv --columns description,new_description")).out
      assert.equal('description,new_description\r\nticket 1,"ticket 1, x"\r\n', shown, verb)
    end
    local row = cjson.decode(kit.ended(0, azpec("apply", file .. " -o jsonl")).out:match "^[^\n]+")
    assert.same({ "ticket 1, x" }, { row.description, row.new_description })
  end)

  it("asks nothing, so --yes changes nothing", function ()
    assert.equal("4 connections: 4 changed\n", kit.ended(0, azpec("apply", made() .. " --yes")).err)
    local line = ("--rules %s %s --apply -y"):format(rules(some), group)
    assert.matches("^0 connections: 0 changed\n", kit.ended(0, azpec("auto", line)).err)
  end)

  it("refuses an edited plan, whole", function ()
    local path = made()
    local text = support.read(path)
    for _, edit in ipairs { { "many64", "many63" }, { "Rejected", "Approved" }, { "they are ours", "they are mine" },
      { '"action": "hold"', '"action": "approve"' } } do
      support.write(path, (text:gsub(edit[1], edit[2], 1)))
      local result = kit.ended(6, azpec("apply", path))
      assert.truthy(result.err:find(path .. ": the plan was changed after it was made", 1, true), result.err)
      assert.truthy(result.err:find("make a new plan with `azpec plan`", 1, true))
    end
    assert.equal(0, updates())
    support.write(path, text)
    kit.ended(0, azpec("apply", path))
  end)

  it("refuses a file that is not a plan, or half of one", function ()
    local path = made()
    support.write(path, support.read(path):sub(1, -400))
    kit.ended(2, azpec("apply", path))
    kit.ended(2, azpec("apply", "/nowhere.json"))
    kit.ended(2, azpec("apply", ""))
    assert.equal(0, updates())
  end)
end)

describe("apply (changes since the plan)", function ()
  it("refuses what somebody has changed since, reports it, and does the rest", function ()
    local path = made()
    -- The description of one was changed; another was rejected by a person.
    meddle(emulator.many[2], "Rejected")
    reword "^many01"
    local before = updates()
    local result = kit.ended(12, azpec("apply", path .. " -o jsonl"))
    local outcomes = {}
    for line in result.out:gmatch "[^\n]+" do
      local row = cjson.decode(line)
      if row.name then outcomes[row.name:match "^many%d+"] = row.result else assert.equal(2, #row.errors) end
      if row.result == "stale" then assert.equal("precondition", row.error.kind) end
    end
    assert.same({ many01 = "stale", many02 = "stale", many03 = "changed", many64 = "changed" }, outcomes)
    assert.equal("4 connections: 2 changed, 2 stale", kit.json(result.err, kit.failure).error.message)
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
    assert.equal("Rejected", emulator:connection(emulator.many[2]).status)
    assert.equal(before + 2, updates())
  end)

  it("looks at all before it writes, and says how each has changed that it refuses", function ()
    local path = made()
    meddle(emulator.many[2], "Rejected")
    kit.ended(0, azpec("delete", "--yes " .. emulator.many[3]))
    emulator:control("DELETE", "log")
    local result = kit.ended(12, azpec("apply", path))
    assert.matches("^azpec: refused: its status is 'Rejected', and was 'Pending'\n  about: [^\n]*/many02[^\n]*\n"
      .. "azpec: refused: it is gone\n  about: [^\n]*/many03[^\n]*\n4 connections: 2 changed, 2 stale\n$", result.err)
    assert.falsy(result.out:find("many0[23]"))
    assert.matches("^token list update", emulator:kinds())
    result = kit.ended(12, azpec("apply", path .. " --dry-run -o jsonl"))
    local row = cjson.decode(result.out:match "[^\n]+\n([^\n]+)") -- many02's
    assert.same({ "stale", "precondition", "its status is 'Rejected', and was 'Pending'" },
      { row.result, row.error.kind, row.why })
  end)

  it("does nothing at all where something has changed, and that is wanted", function ()
    local path = made()
    meddle(emulator.many[2], "Rejected")
    local before = updates()
    local result = kit.ended(6, azpec("apply", path .. " --abort-on-stale"))
    assert.equal("", result.out)
    assert.matches("^azpec: refused: its status is 'Rejected', and was 'Pending'\n  about: [^\n]*/many02", result.err)
    assert.matches("1 connection changed since the plan was made; nothing was done", result.err, 1, true)
    assert.equal(before, updates())
    kit.ended(0, azpec("apply", made() .. " --abort-on-stale"))
  end)

  it("says which accounts it cannot read, and does the rest", function ()
    local path = support.new_path "plan"
    local text = 'approve "x" { when = { name = { "many01", "test*" } } }'
    kit.ended(0, azpec("plan", ("--rules %s --out %s"):format(rules(text), path)))
    emulator:faults { { match = { kind = "list", path = "/sampleacct/" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local result = kit.ended(12, azpec("apply", path))
    assert.matches("^azpec: AuthorizationFailed: no[^\n]*\n  about: %S*/sampleacct[^\n]*\n", result.err)
    assert.matches("^manyacct/many01%S*: Approved", result.out)
    assert.matches("\n  hint: the identity needs [^\n]+\n2 connections: 1 changed, 1 failed\n$", result.err)
  end)

  it("is not complete in JSON, and does not take for changed what it cannot read", function ()
    local path = support.new_path "plan"
    local text = 'approve "x" { when = { name = { "many01", "many02", "test*" } } }'
    kit.ended(0, azpec("plan", ("--rules %s --out %s"):format(rules(text), path)))
    emulator:faults { { match = { kind = "list", path = "/sampleacct/" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local document = cjson.decode(kit.ended(12, azpec("apply", path .. " --dry-run -o json")).out)
    assert.is_false(document.complete)
    assert.equal("AuthorizationFailed", document.errors[1].code)
    assert.matches("/batchAccounts/sampleacct$", document.errors[1].place)
    local result = kit.ended(5, azpec("apply", path .. " --abort-on-stale"))
    assert.matches("\nazpec: 1 connection could not be read; nothing was done\n", result.err)
    meddle(emulator.many[2], "Rejected")
    result = kit.ended(6, azpec("apply", path .. " --abort-on-stale"))
    assert.matches("\nazpec: 1 connection changed since the plan was made, 1 connection could not be read; nothing was "
      .. "done\n  hint: make a new plan", result.err)
    assert.equal(1, updates()) -- by whom else decided
  end)

  it("does nothing with --fail-fast where it cannot read an account", function ()
    local path = support.new_path "plan"
    local text = 'approve "x" { when = { name = { "many01", "test*" } } }'
    kit.ended(0, azpec("plan", ("--rules %s --out %s"):format(rules(text), path)))
    emulator:faults { { match = { kind = "list", path = "/sampleacct/" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local result = kit.ended(5, azpec("apply", path .. " --fail-fast"))
    assert.matches("^azpec: AuthorizationFailed: no[^\n]*\n  about: %S*/sampleacct[^\n]*\n", result.err)
    assert.equal("", result.out)
    assert.equal(0, #emulator:log "update")
  end)

  it("says once what several have in common: by what they were changed, that they are gone, and that they are refused",
    function ()
    local path = made 'approve "x" { when = { name = "many0*" } }'
    for n = 1, 2 do kit.ended(0, azpec("delete", "--yes " .. emulator.many[n])) end
    for n = 3, 4 do meddle(emulator.many[n], "Rejected") end
    reword "^many05"
    emulator:faults { { match = { kind = "update" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local result = kit.ended(12, azpec("apply", path))
    assert.equal("", result.out)
    for pattern, count in support.each { ["refused: it is gone\n"] = 1, ["AuthorizationFailed: no"] = 1,
      ["its status is 'Rejected', and was 'Pending'\n"] = 1, ["%d others? failed like many0"] = 3 } do
      assert.equal(count, select(2, result.err:gsub(pattern, "")), pattern .. result.err)
    end
    assert.matches("1 other failed like many01%S+:\n  many02[^\n:]*\n", result.err)
    assert.matches("2 others failed like many03%S+:\n  many04[^\n:]*\n  many05[^\n:]*: refused: its description is "
      .. "'changed', and was '[^\n]*'\n", result.err)
    assert.matches("3 others failed like many0[6789]%S+:\n  many0", result.err)
    assert.matches("\n9 connections: 0 changed, 5 stale, 4 failed\n$", result.err)
    result = kit.ended(12, azpec("apply", path .. " -o json"))
    assert.equal(9, #kit.json(result.out, kit.results).results)
    assert.equal(9, #kit.json(result.err, kit.failure).errors)
  end)

  it("ends before the first write where no account can be read", function ()
    local path = made()
    emulator:faults { { match = { kind = "list" }, action = { stall = true } } }
    assert.equal("", kit.ended(8, azpec("apply", path .. " --deadline 0.5")).out)
    assert.equal(0, updates())
  end)

  it("is refused where the connections are elsewhere", function ()
    local path = made()
    local line = ("apply %s --authority-host %s --endpoint http://127.0.0.1:1"):format(path, emulator.endpoint)
    local result = kit.ended(2, kit.run(line, { env = kit.environment(emulator) }))
    assert.matches(("the plan was made at %s, and this is http://127.0.0.1:1"):format(emulator.endpoint), result.err, 1,
      true)
  end)

  it("takes what has the planned status and description as done, and names no rule for it", function ()
    local path = made()
    meddle(emulator.many[1], "Approved")
    local result = kit.ended(0, azpec("apply", path .. " --abort-on-stale"))
    assert.equal("4 connections: 3 changed, 1 unchanged\n", result.err)
    assert.truthy(result.out:find("70b1e2c30001: already Approved\n", 1, true))
    result = kit.ended(0, azpec("apply", path .. " --abort-on-stale"))
    assert.equal("4 connections: 0 changed, 4 unchanged\n", result.err)
  end)

  it("knows the planned status of another decision by its description, which counts with --abort-on-stale", function ()
    local path = made()
    kit.ended(0, azpec("approve", emulator.many[1] .. " --description 'by Bob'"))
    local other = "another decision: its description is 'by Bob', and was ''"
    for _, dry in ipairs { " --dry-run", "" } do
      local result = kit.ended(6, azpec("apply", path .. " --abort-on-stale" .. dry))
      assert.equal("", dry == "" and result.out or "")
      assert.matches("refused: it is already Approved, by " .. other, dry == "" and result.err or result.out, 1, true)
      assert.matches("1 connection changed since the plan was made; nothing was done", result.err, 1, true)
    end
    assert.equal(1, updates()) -- Bob's
    local result = kit.ended(0, azpec("apply", path))
    assert.truthy(result.out:find("70b1e2c30001: already Approved; by " .. other .. "\n", 1, true), result.out)
    assert.equal("4 connections: 3 changed, 1 unchanged\n", result.err)
    assert.equal("by Bob", emulator:connection(emulator.many[1]).description)
  end)

  it("refuses the planned status with a description that the plan did not word", function ()
    local path = made 'approve "x" { when = { name = "many01" }, description = "by the rule" }'
    kit.ended(0, azpec("approve", emulator.many[1] .. " --description 'by Bob'"))
    assert.matches("refused: its status is 'Approved', and was 'Pending'\n", kit.ended(6, azpec("apply", path)).err)
    assert.equal("by Bob", emulator:connection(emulator.many[1]).description)
  end)

  it("says that one has gone", function ()
    local path = made 'approve "one" { when = { name = "many01" } }'
    local state = emulator:control("GET", "state")
    for _, account in ipairs(state.accounts) do
      if account.account_name == "manyacct" then table.remove(account.connections, 1) end
    end
    state.client_secret, state.options = support.secret, emulator.given.options
    emulator:control("PUT", "state", state)
    local result = kit.ended(3, azpec("apply", path))
    assert.matches("^azpec: refused: it is gone\n  about: [^\n]*70b1e2c30001\n", result.err)
  end)

  it("gives no status before of a connection that was not read", function ()
    local path = made()
    kit.ended(0, azpec("delete", "--yes " .. emulator.many[3]))
    for _, dry in ipairs { " --dry-run", "" } do
      local results = kit.json(kit.ended(12, azpec("apply", path .. dry .. " -o json")).out, kit.results).results
      local gone
      for _, row in ipairs(results) do gone = row.result == "stale" and row or gone end
      assert.same({ emulator.many[3] }, { gone.id, gone.before })
    end
  end)
end)

describe("apply (keys and checkpoints)", function ()
  it("takes only a plan that was signed, where a key is given", function ()
    local key = support.write(support.new_path "key", "k" .. support.secret .. "\n")
    local other = support.write(support.new_path "key", "another\n")
    local signed = made(nil, "--sign-key-file " .. key)
    support.has_no_secret(support.read(signed), "a signed plan")
    local result = kit.ended(6, azpec("apply", signed .. " --sign-key-file " .. other))
    assert.truthy(result.err:find("the plan was not signed with this key", 1, true))
    result = kit.ended(6, azpec("apply", made() .. " --sign-key-file " .. key))
    assert.truthy(result.err:find("the plan is not signed", 1, true))
    assert.equal(0, updates())
    result = kit.ended(0, azpec("apply", signed .. " --dry-run"))
    assert.matches("^the plan is signed; %-%-sign%-key%-file would check by whom\n", result.err)
    result = kit.ended(0, azpec("apply", signed .. " --show --sign-key-file " .. key))
    assert.matches(", signed with this key\n$", result.err)
    result = kit.ended(0, azpec("apply", signed .. " --sign-key-file " .. key))
    assert.equal("4 connections: 4 changed\n", result.err)
  end)

  it("has nothing to do, and says nothing to the service, for a plan without changes", function ()
    local path = made 'approve "x" { when = { name = "nobody" } }'
    emulator:control("DELETE", "log")
    kit.ended(0, azpec("apply", path))
    assert.equal("", emulator:kinds())
  end)

  it("ends with 8 where the deadline passes, and continues from the journal", function ()
    local path, journal = made(), support.new_path "journal"
    emulator:set { operation_polls = 10000 }
    local result = kit.ended(8, azpec("apply", ("%s --journal %s --deadline 3"):format(path, journal)))
    local failed = select(2, result.err:gsub("azpec: timed out after [^\n]*\n  about: ", ""))
    for count in result.err:gmatch "azpec: (%d) others? %l+ not known to have ended like many%d+" do
      failed = failed + count
    end
    assert.equal(4, failed, result.err) -- the time-out of a request that is under way has words of its own
    assert.truthy(result.err:find("to go on, run the same command again\n", 1, true), result.err)
    assert.equal(4, updates())
    result = kit.ended(0, azpec("apply", ("%s --journal %s --dry-run"):format(path, journal)))
    assert.equal(4, select(2, result.out:gsub(": would become %a+ %(is Pending%): an earlier run began it, and its "
      .. "end is not known\n", "")))
    assert.equal("4 connections: 4 would change\n", result.err)
    emulator:set { operation_polls = 0 }
    result = kit.ended(0, azpec("apply", ("%s --journal %s"):format(path, journal)))
    assert.equal(4, updates())
    assert.equal("Approved", emulator:connection(emulator.many[3]).status)
    assert.truthy(result.err:find("4 connections: 4 changed", 1, true), result.err)
    result = kit.ended(8, azpec("apply", ("%s --journal %s --deadline 0"):format(path, journal)))
    assert.truthy(result.err:find("4 not begun", 1, true), result.err)
  end)

  it("shows how to go on waiting where there is no journal", function ()
    local path = made()
    emulator:set { operation_polls = 10000 }
    local result = kit.ended(8, azpec("apply", path .. " --deadline 3"))
    assert.truthy(result.err:find("4 operations are still running at the service, or not known to have ended", 1,
      true), result.err)
  end)

  it("leaves alone what another plan has begun in the same journal", function ()
    local first, second, journal = made(), made 'approve "x" { when = { name = "many05" } }', support.new_path "journal"
    emulator:set { operation_polls = 10000 }
    local left = kit.ended(8, azpec("apply", ("%s --journal %s --deadline 3 -q"):format(first, journal))).err
    assert.matches("\nto go on, run the same command again\n", left, 1, true)
    assert.matches("\nazpec: 3 others are not known to have ended like ", left, 1, true)
    emulator:set { operation_polls = 0 }
    local result = kit.ended(0, azpec("apply", ("%s --journal %s"):format(second, journal)))
    assert.equal("azpec: 4 lines of the journal are unfinished, the first is line 1; repeat their commands "
      .. "(azpec journal verify shows them), unless they are still running\n"
      .. "1 connection: 1 changed\n", result.err)
    result = kit.ended(0, azpec("apply", ("%s --journal %s"):format(first, journal)))
    assert.equal("4 connections: 4 changed\n", result.err)
    assert.equal(5, updates())
  end)
end)

describe("the command guide", function ()
  local held = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg-contoso-prod/providers/"
    .. "Microsoft.Batch/batchAccounts/contosobatch/privateEndpointConnections/being-made.5a7e0005-91c4-4d2b-8f36-"
    .. "70b1e2c31560"

  -- Its rules in a file; and its commands, with the paths of this test.
  local function played()
    kit.play_sample(emulator)
    local paths = { ["rules.lua"] = rules(documents.block("lua", "-- rules.lua")),
      ["plan.json"] = support.new_path "plan", ["journal.jsonl"] = support.new_path "journal" }
    return function (one)
      local line = one.line
      for name, path in pairs(paths) do line = line:gsub(name:gsub("%.", "%%."), path) end
      local verb, rest = line:gsub('"$ID"', held):match "^azpec (%S+) ([^#]*)"
      local result = kit.ended(0, azpec(verb, rest))
      local said = result.out .. result.err
      for name, path in pairs(paths) do said = said:gsub(path:gsub("%p", "%%%0"), name) end
      return said
    end
  end

  -- Operations end in any order.
  local function sorted(said)
    local lines = {}
    for line in said:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    return table.concat(lines, "\n")
  end

  it("shows what auto, plan and apply do", function ()
    for _, words in ipairs { "azpec auto", "azpec apply" } do
      local run = played()
      for _, one in ipairs(documents.commands(words)) do assert.equal(sorted(one.output), sorted(run(one))) end
    end
  end)
end)
