-- Policies that require a policy token: the command's options, messages, exit codes, and what the journal has of it.

local assert = require "luassert"
local cjson = require "cjson"
local journal = require "azpec.journal"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0, policy = "token" }

local one = "many01 -g rg-contoso-prod --account manyacct"
local change = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/providers/Microsoft.ChangeSafety/changeRecords/c7"

local function sent()
  local kinds = {}
  for _, entry in ipairs(emulator:log("update", "delete", "acquire")) do kinds[#kinds + 1] = entry.kind end
  return table.concat(kinds, " ")
end

local function status() return emulator:connection(emulator.many[1]).status end

describe("a policy token", function ()
  for verb, kind in support.each { approve = "update", reject = "update", delete = "delete" } do
    it("is acquired by " .. verb .. " after a refusal", function ()
      kit.ended(0, azpec(verb, one .. " --yes"))
      assert.equal(("%s acquire %s"):format(kind, kind), sent())
    end)

    for _, option in ipairs { "--acquire-policy-token", "--policy-token always", "--change-reference " .. change } do
      it(("is acquired by %s before it writes, with %s"):format(verb, option:match "^%S+"), function ()
        kit.ended(0, azpec(verb, ("%s --yes %s"):format(one, option)))
        assert.equal("acquire " .. kind, sent())
        assert.equal(option:match "%-%-change%-reference (.*)", emulator:log "acquire"[1].body.changeReference)
      end)
    end
  end

  it("is acquired for each of many", function ()
    kit.ended(0, azpec("approve",
      "many01 many02 many03 -g rg-contoso-prod --account manyacct --yes --acquire-policy-token"))
    assert.equal(3, #emulator:log "acquire")
    assert.equal(3, #emulator:log "update")
  end)

  it("is acquired by auto, by rules", function ()
    local rules = support.write(support.new_path "rules" .. ".lua",
      [[approve "one" { when = { name = "many01*" }, because = "it is the first" }]])
    kit.ended(0, azpec("auto", ("-g rg-contoso-prod --account manyacct --rules %s --apply --change-reference %s")
      :format(rules, change)))
    assert.equal("acquire update", sent())
  end)

  it("is not acquired with --policy-token never, and the hint says how", function ()
    local result = kit.ended(5, azpec("approve", one .. " --policy-token never"))
    assert.matches("hint: a policy requires a policy token: use %-%-policy%-token auto to acquire one", result.err)
    assert.equal("update", sent())
  end)

  it("is asked for in az's words or in ours, not in both", function ()
    assert.matches("can not be used together",
      kit.ended(2, azpec("approve", one .. " --acquire-policy-token --policy-token auto")).err)
    assert.matches("%-%-change%-reference does not go with %-%-policy%-token never",
      kit.ended(2, azpec("approve", one .. " --change-reference /c --policy-token never")).err)
    assert.matches("it is empty", kit.ended(2, azpec("approve", one .. " --change-reference ' '")).err)
  end)

  it("that is not issued leaves all as it is, and says why", function ()
    emulator:set { policy_evaluation = "deny" }
    local result = kit.ended(5, azpec("approve", one))
    assert.matches("could not acquire a policy token: policy 'guard%-private%-endpoints': Deny: The external "
      .. "evaluation does not allow this%.; nothing was written", result.err)
    assert.matches("hint: the policy's evaluation does not allow this", result.err)
    assert.equal("Pending", status())
  end)

  it("that is not issued is one JSON document with the phase", function ()
    emulator:set { policy_evaluation = "deny" }
    local told = kit.json(kit.ended(5, azpec("approve", one .. " -o json")).err, kit.failure).error
    assert.equal("policy", told.phase)
    assert.equal("RequestDisallowedByPolicy", told.code)
    assert.same({ "guard-private-endpoints", "Deny", 403 }, { told.policy, told.verdict, told.http_status })
  end)

  it("that is denied beforehand is a JSON error with policy, verdict and change, without an HTTP status", function ()
    emulator:set { policy_evaluation = "deny" }
    local told = kit.json(kit.ended(5, azpec("approve", ("%s -o json --change-reference CHG9"):format(one))).err,
      kit.failure).error
    assert.same({ "forbidden", "guard-private-endpoints", "Deny", "CHG9" }, { told.kind, told.policy, told.verdict,
      told.change_reference })
    assert.is_nil(told.http_status)
  end)

  it("that is not asked for leaves the name of the policy that refuses", function ()
    local result = kit.ended(5, azpec("approve", one .. " --policy-token never -o json"))
    local told = kit.json(result.err, kit.failure).error
    assert.same({ "guard-private-endpoints", 403 }, { told.policy, told.http_status })
    assert.is_nil(told.verdict)
  end)

  it("is requested again after a failed evaluation, which -v tells and the journal counts", function ()
    emulator:set { policy_failures = 2, policy_retry_after = 0 }
    local path = support.new_path "trail"
    local result = kit.ended(0, azpec("approve", ("%s -v --journal %s"):format(one, path)))
    assert.equal(2, select(2, result.err:gsub("azpec: [^\n]*policy 'guard%-private%-endpoints': Error: The endpoint of "
      .. "the evaluation is busy%.; next attempt in %d%.%d s\n", "")))
    local records = journal.read(path)
    assert.same({ "intent", nil, "intent", 3 }, { records[1].event, records[1].policy_attempts, records[2].event,
      records[2].policy_attempts })
  end)

  it("that is not issued after all evaluations counts them in the journal too", function ()
    emulator:set { policy_failures = 9, policy_retry_after = 0 }
    local path = support.new_path "trail"
    kit.ended(7, azpec("approve", ("%s --acquire-policy-token --journal %s"):format(one, path)))
    local write = journal.writes((journal.read(path)))[1]
    assert.same({ 4, "Error", "guard-private-endpoints", "failed" }, { write.policy_attempts, write.error.verdict,
      write.error.policy, write.outcome })
    assert.equal("4\n", kit.ended(0, kit.run("journal show -o tsv --columns policy_attempts " .. path)).out)
  end)

  it("that a busy service does not issue ends with 9, and one whose answer is lost with 1", function ()
    for code, action in pairs { [9] = { status = 503 }, [1] = { close = true } } do
      emulator:faults { { match = { kind = "acquire" }, action = action } }
      for _, when in ipairs { "auto", "always" } do
        kit.ended(code, azpec("approve", ("%s --max-tries 1 --policy-token %s"):format(one, when)))
      end
    end
    emulator:faults {}
  end)

  it("that nobody asks for ends before the write", function ()
    emulator:set { policy = "off" }
    local result = kit.ended(1, azpec("approve", one .. " --acquire-policy-token"))
    assert.matches("could not acquire a policy token: the service issued none", result.err)
    assert.matches("hint: %-%-policy%-token auto acquires a policy token only if a policy requires one", result.err)
    assert.equal("acquire", sent())
  end)

  it("is acquired by resume --write, which brings the change reference with it", function ()
    emulator:set { policy = "change" }
    local token = support.write(support.new_path "token", cjson.encode { azpec = 1, operation = "ensure",
      endpoint = emulator.endpoint, id = emulator.many[1], api_version = "2022-06-01", status = "Approved",
      client_request_id = "r-1", poll = "resource", changed = false })
    kit.ended(0, azpec("resume", ("%s --write --change-reference %s"):format(token, change)))
    assert.equal("acquire update", sent())
  end)

  it("is acquired for the same change by the command that an interrupted one prints", function ()
    emulator:set { policy = "change" }
    emulator:faults { { match = { kind = "update" }, action = { close = true } } }
    local result = kit.ended(8, azpec("approve", ("%s --max-tries 1 --acquire-policy-token --change-reference %s")
      :format(one, change)))
    emulator:faults {}
    local line = result.err:match "\n  (azpec resume .*)$"
    assert.matches(" --policy-token always --change-reference " .. change, line, 1, true)
    kit.ended(0, kit.shell(line:gsub(" %- <<", " --write%0", 1), { env = kit.environment(emulator) }))
    assert.equal(change, emulator:log "acquire"[2].body.changeReference)
    assert.equal("Approved", status())
  end)

  it("is told of with -vv, by its id", function ()
    local result = kit.ended(0, azpec("approve", ("%s -vv --change-reference %s"):format(one, change)))
    assert.matches("> POST http://%S+/providers/Microsoft%.Authorization/acquirePolicyToken ", result.err)
    assert.matches("  policy token %x+%-%x+%S+ for change " .. change:gsub("%p", "%%%0") .. "\n", result.err)
  end)

  it("is in no HTTP Archive", function ()
    local path = support.new_path "har"
    kit.ended(0, azpec("approve", ("%s --trace %s"):format(one, path)))
    local content = support.read(path)
    support.has_no_secret(content, "an archive")
    assert.matches("acquirePolicyToken", content)
    assert.is_nil(content:find("PoP ", 1, true))
  end)
end)

describe("a change reference", function ()
  it("that a policy asks for and nobody gave is asked for by the option's name", function ()
    emulator:set { policy = "change" }
    local result = kit.ended(5, azpec("approve", one))
    assert.matches("hint: a policy requires a change reference: give %-%-change%-reference "
      .. "%(the id of the approved change", result.err)
    assert.equal("update", sent())
  end)

  it("that a policy asks for is asked for once, behind many rows and errors", function ()
    emulator:set { policy = "change" }
    local file, out = support.write(support.new_path "rules" .. ".lua", [[approve "all" { when = { name = "*" } }]]),
      support.new_path "plan"
    kit.ended(0, azpec("plan", ("--rules %s --out %s -g rg-contoso-prod"):format(file, out)))
    local result = kit.ended(12, azpec("apply", out))
    local _, count = result.err:gsub("hint: a policy requires a change reference: give %-%-change%-reference", "")
    assert.equal(1, count)
    result = kit.ended(12, azpec("approve", ("%s %s --yes"):format(emulator.many[1], emulator.many[2])))
    assert.equal(1, select(2, result.err:gsub("hint: a policy requires", "")))
    assert.equal(1, select(2, result.err:gsub("RequestDisallowedByPolicy", "")))
  end)

  it("that a policy asks for does not repeat the refusal for each of many, and names them", function ()
    emulator:set { policy = "change" }
    local line = "-g rg-contoso-prod --account manyacct --max 64 --name 'many*' --no-preflight"
    local result = kit.ended(12, azpec("approve", line))
    assert.equal(1, select(2, result.err:gsub("RequestDisallowedByPolicy", "")))
    assert.equal(1, select(2, result.err:gsub("policy: assignment", "")))
    assert.matches("azpec: 63 others failed like many%d%d%.%S+:\n", result.err)
    for _, id in ipairs(emulator.many) do assert.truthy(result.err:find(id:match "[^/]+$", 1, true), id) end
    assert(select(2, result.err:gsub("\n", "")) < 75, result.err)
    local told = kit.json(kit.ended(12, azpec("approve", line .. " -o json")).err, kit.failure)
    assert.equal(64, #told.errors)
  end)

  it("that is refused for two reasons has both", function ()
    emulator:set { policy = "off", ["manyacct:policy"] = "change" }
    emulator:faults { { match = { kind = "update", path = "sampleacct", plain = true }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no right" } } } }
    local result = kit.ended(12, azpec("approve", ("--yes %s %s %s"):format(emulator.sample, emulator.many[1],
      emulator.many[2])))
    assert.matches("AuthorizationFailed: no right", result.err)
    assert.matches("RequestDisallowedByPolicy", result.err)
    assert.matches("azpec: 1 other failed like manyacct/many0%d%.%S+:\n  manyacct/many0%d%.%S+\n", result.err)
  end)

  it("serves accounts with and without such a policy by --policy-token auto", function ()
    emulator:set { policy = "off", ["manyacct:policy"] = "change" }
    kit.ended(0, azpec("approve", ("%s %s --yes --policy-token auto --change-reference %s"):format(emulator.sample,
      emulator.many[1], change)))
    assert.equal(1, #emulator:log "acquire")
    assert.equal("Approved", status())
    assert.equal("Approved", emulator:connection(emulator.sample).status)
  end)
end)

describe("the journal", function ()
  it("has the change, the policy token's id, and an intent for each write; never the token", function ()
    local path = support.new_path "trail"
    kit.ended(0, azpec("approve",
      ("%s --journal %s --policy-token auto --change-reference %s"):format(one, path, change)))
    local records = journal.read(path)
    local events = {}
    for n, record in ipairs(records) do events[n] = record.event end
    assert.equal("intent intent result", table.concat(events, " "))
    assert.equal(change, records[1].change_reference)
    assert.is_nil(records[1].policy_token_id)
    assert.matches("^%x+%-", records[2].policy_token_id)
    assert.equal(2, records[2].attempt)
    assert.equal("changed", records[3].outcome)
    local content = support.read(path)
    support.has_no_secret(content, "a journal")
    assert.is_nil(content:find("PoP ", 1, true))
  end)

  it("shows the change", function ()
    local path = support.new_path "trail"
    kit.ended(0, azpec("approve", ("%s --journal %s --change-reference %s"):format(one, path, change)))
    local shown = kit.ended(0, kit.run("journal show " .. path)).out
    assert.matches("CHANGE", shown)
    assert.matches("changeRecords/c7", shown)
  end)

  for _, option in ipairs { "--policy-token auto", "--policy-token always" } do
    it("has the attempt that got no token, and its change, with " .. option, function ()
      emulator:set { policy_evaluation = "deny" }
      local path = support.new_path "trail"
      kit.ended(5, azpec("approve", ("%s --journal %s %s --change-reference CHG9"):format(one, path, option)))
      local records, report = journal.read(path)
      assert.is_true(report.ok)
      local writes = journal.writes(records)
      assert.equal(1, #writes)
      assert.same({ "failed", "CHG9", "Approved", "approve", "Pending" }, { writes[1].outcome,
        writes[1].change_reference, writes[1].wanted.status, writes[1].verb, status() })
      assert.equal(emulator.client_id, journal.name_of(writes[1].who))
      assert.matches("does not allow this", writes[1].error.message)
    end)
  end
end)
