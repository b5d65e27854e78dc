-- The command over many subscriptions: how accounts are found, what is said of it, and what cannot be read.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local t = require "loopback.support"
local documents = require "tools.documents"

local emulator, azpec = kit.stage { operation_polls = 0 }

local other = "11111111-2222-4333-8444-555555555555"
local rules = [[approve "the web team" { when = { private_endpoint_name = "web-*" } } hold "the rest" {}]]

local function connection(name, status)
  return { name = name .. ".5a7e0001-91c4-4d2b-8f36-70b1e2c33779", status = status }
end

before_each(function ()
  emulator:control("PUT", "state", t.merged(emulator:state(), { accounts = {
    { account_name = "firstacct", resource_group_name = "rg", connections = { connection("web-one", "Pending"),
      connection("old", "Approved") } },
    { account_name = "farbatch", resource_group_name = "rg-far", subscription_id = other,
      connections = { connection("web-far", "Pending") } },
    { account_name = "quietbatch", resource_group_name = "rg-far", subscription_id = other,
      connections = { connection("web-quiet", "Approved"), connection("lab", "Rejected") } } } }))
  emulator:control("DELETE", "log")
end)

local function names(result)
  local list = {}
  for _, row in ipairs(cjson.decode(result.out).connections) do list[#list + 1] = row.base_name end
  table.sort(list)
  return table.concat(list, " ")
end

local all = "--all-subscriptions"
local from_graph = all .. " --candidates-from graph"

describe("--all-subscriptions", function ()
  it("lists the connections of every subscription, without one in the environment", function ()
    local result = kit.ended(0, azpec("list", all .. " -o json", { env = t.merged(kit.environment(emulator),
      { AZURE_SUBSCRIPTION_ID = "" }) }))
    assert.equal("lab old web-far web-one web-quiet", names(result))
    assert.equal("", result.err)
    assert.same({ graph = 1, list = 3, token = 1 }, emulator:control("GET", "counts"))
  end)

  it("says on stderr that Azure Resource Manager's lists are read where there is no Resource Graph", function ()
    emulator:set { graph = "off" }
    local result = kit.ended(0, azpec("list", all))
    assert.matches("Azure Resource Graph gives no whole answer %(InvalidResourceNamespace", result.err)
    assert.matches("farbatch", result.out)
    assert.equal("", kit.ended(0, azpec("list", all .. " -q")).err)
  end)

  it("says in JSON which service listed the accounts, and believes no empty answer of Resource Graph", function ()
    local function source(line)
      return cjson.decode(kit.ended(0, azpec("list", line .. " -o json")).out).accounts_from
    end
    assert.equal("graph", source(all))
    assert.equal("arm", source(all .. " --candidates-from arm"))
    assert.equal("arm", source "")
    assert.is_nil(source "-g rg --account firstacct")
    emulator:faults { { match = { kind = "graph" }, action = { status = 200, headers = { ["Content-Type"] =
      "application/json" }, body = '{"totalRecords":0,"count":0,"data":[],"resultTruncated":"false"}' } } }
    assert.equal("arm", source(all))
    local result = kit.ended(0, azpec("list", all))
    assert.matches("Azure Resource Graph shows no account", result.err)
    assert.matches("farbatch", result.out)
  end)

  it("is no all-clear where the resource group has another name", function ()
    local file = t.write(t.new_path "rules" .. ".lua", rules)
    for _, line in ipairs { "status", "list", "drift --rules " .. file, "list --candidates-from graph --status Pending",
        "status --candidates-from arm" } do
      local verb, more = line:match "^(%S+) ?(.*)$"
      local result = kit.ended(3, azpec(verb, ("%s -g rg-fra %s"):format(all, more)))
      assert.matches("there is no resource group 'rg-fra' in all subscriptions", result.err, 1, true)
      if not line:find "arm" then assert.matches("did you mean 'rg%-far'", result.err) end
    end
    kit.ended(3, azpec("status", from_graph .. " --account nosuch"))
  end)

  it("is no all-clear where the identity may read no subscription", function ()
    local nothing = { status = 200, headers = { ["Content-Type"] = "application/json" } }
    emulator:faults { { match = { kind = "graph" }, action = t.merged(nothing, { body =
      '{"totalRecords":0,"count":0,"data":[],"resultTruncated":"false"}' }) },
      { match = { kind = "subscriptions" }, action = t.merged(nothing, { body = '{"value":[]}' }) } }
    for _, line in ipairs { all, from_graph, all .. " --candidates-from arm" } do
      local result = kit.ended(3, azpec("status", line))
      assert.matches("the identity may read no subscription\n  hint: assign it a role", result.err, 1, true)
    end
  end)

  it("asks twice where Resource Graph shows no candidate, and reads no list", function ()
    local result = kit.ended(0, azpec("list", from_graph .. " --status Disconnected -o json"))
    assert.equal("", names(result))
    assert.same({ graph = 2, token = 1 }, emulator:control("GET", "counts"))
  end)

  for _, option in ipairs { "--subscription " .. other, "--id /subscriptions/" .. other } do
    it("and " .. option:match "^%S+" .. " are a wrong command line", function ()
      local result = kit.ended(2, azpec("list", all .. " " .. option))
      assert.matches("%-%-all%-subscriptions and %-%-%a+ contradict each other; give one of them", result.err)
    end)
  end

  it("names and counts what cannot be read, does the rest, and ends with 12; JSON says so", function ()
    emulator:faults { { match = { kind = "list", path = "/farbatch/", plain = true }, action = { status = 403 } },
      { match = { kind = "list", path = "/quietbatch/", plain = true }, action = { status = 403 } } }
    local result = kit.ended(12, azpec("list", all))
    assert.matches("web%-one", result.out)
    assert.matches("cannot read rg%-far/%l+: AuthorizationFailed", result.err)
    assert.matches("azpec: 1 other failed like rg%-far/%l+:\n  rg%-far/%l+\nazpec: 2 accounts", result.err)
    for _, name in ipairs { "farbatch", "quietbatch" } do assert.matches("rg%-far/" .. name, result.err) end
    assert.matches("2 accounts could not be read", result.err)
    local document = cjson.decode(kit.ended(12, azpec("list", all .. " -o json")).out)
    assert.is_false(document.complete)
    assert.equal(2, #document.errors)
  end)

  it("names a subscription whose accounts cannot be listed", function ()
    emulator:set { graph = "off" }
    emulator:faults { { match = { kind = "accounts", path = other, plain = true }, action = { status = 403 } } }
    local result = kit.ended(12, azpec("list", all))
    assert.matches("cannot read /subscriptions/" .. other:gsub("%-", "%%-"), result.err)
    assert.matches("web%-one", result.out)
    result = kit.ended(12, azpec("list", all .. " -o json"))
    assert.equal("1 subscription could not be read", kit.json(result.err, kit.failure).error.message)
  end)

  it("finds the one connection that is meant, or all of a selection, wherever they are", function ()
    kit.ended(0, azpec("approve", "web-far " .. all))
    assert.equal("Approved", emulator:control("GET", "state").accounts[2].connections[1].status)
    kit.ended(0, azpec("reject", "--all --yes " .. all))
    assert.equal("Rejected", emulator:control("GET", "state").accounts[1].connections[1].status)
  end)

  it("goes with plan and apply", function ()
    local file, out = t.write(t.new_path "rules" .. ".lua", rules), t.new_path "plan"
    kit.ended(0, azpec("plan", ("--rules %s --out %s %s"):format(file, out, all)))
    kit.ended(0, azpec("apply", out))
    assert.equal("Approved", emulator:control("GET", "state").accounts[2].connections[1].status)
  end)

  it("suggests the account that was meant", function ()
    local result = kit.ended(3, azpec("list", all .. " --account farbatsh"))
    assert.matches("there is no Batch account 'farbatsh' in all subscriptions; did you mean 'farbatch'?", result.err, 1,
      true)
  end)
end)

-- The right to read accounts is missing: Azure lists none of them, without an error.
describe("without any account that is found", function ()
  local file

  before_each(function ()
    emulator:control("PUT", "state", t.merged(emulator:control("GET", "state"), { permissions = { { actions = {
      "Microsoft.Batch/batchAccounts/privateEndpointConnections/*" } } } }))
    emulator:control("DELETE", "log")
    file = t.write(t.new_path "rules" .. ".lua", rules)
  end)

  -- What the verbs say; between: message and hint.
  local function says(between)
    return ("azpec: no Batch account found in subscription %s%s the identity sees only accounts that it may read "
      .. "(Microsoft.Batch/batchAccounts/read)"):format(emulator.subscription_id, between)
  end

  it("each verb that decides or writes ends with 3, and says which right may be missing", function ()
    for _, line in ipairs { "auto --rules FILE", "auto --rules FILE --apply -q", "auto --rules FILE --apply --watch",
        "auto --rules FILE --candidates-from graph", "plan --rules FILE", "drift --rules FILE", "approve --all --yes",
        "delete --all --yes --candidates-from graph", "wait --for gone --all" } do
      local result = kit.ended(3, azpec(line:gsub("FILE", file), ""))
      assert.matches(says "\n  hint:", result.err, 1, true)
      assert.equal("", result.out)
    end
    assert.matches("no Batch account found in all subscriptions\n", kit.ended(3, azpec("auto",
      ("--rules %s --apply %s"):format(file, all))).err)
    kit.ended(0, azpec("approve", "-g rg --account firstacct web-one")) -- named, so that none is to be found
  end)

  it("--allow-none accepts that, and -q is silent then", function ()
    for _, line in ipairs { "auto --rules FILE --apply", "plan --rules FILE", "drift --rules FILE",
        "approve --all --yes", "wait --for gone --all" } do
      line = line:gsub("FILE", file) .. " --allow-none"
      assert.matches(says ":", kit.ended(0, azpec(line, "")).err, 1, true)
      assert.equal("", kit.ended(0, azpec(line, "-q")).err)
    end
  end)

  it("each verb that only shows says so, also with -q and in JSON", function ()
    for _, line in ipairs { "list", "status", "report --out " .. t.new_path "page", "list -o jsonl",
        "watch --stop-after 0s", "list --candidates-from graph" } do
      assert.matches("^" .. says ":":gsub("%p", "%%%0"), kit.ended(0, azpec(line, "-q")).err)
    end
    local document = cjson.decode(kit.ended(0, azpec("list", "-o json")).out)
    assert.equal(0, document.totals.accounts)
    assert.matches("\n0 accounts\n$", kit.ended(0, azpec("status", "")).err)
  end)

  it("is not said where the accounts of a subscription cannot be listed", function ()
    emulator:faults { { match = { kind = "accounts", path = other, plain = true }, action = { status = 403 } } }
    local both = ("--subscription %s --subscription %s "):format(other, emulator.subscription_id)
    for _, line in ipairs { all, from_graph, both, both .. "--candidates-from graph" } do
      local result = kit.ended(12, azpec("auto", ("--rules %s %s"):format(file, line)))
      assert.not_matches("no Batch account found", result.err)
    end
  end)

  it("a group or an account that is missing is an error with --candidates-from graph, too", function ()
    for _, place in ipairs { "-g nosuch", "--account nosuch" } do
      kit.ended(3, azpec("status", place .. " --candidates-from graph"))
    end
  end)
end)

describe("--candidates-from graph", function ()
  it("reads only accounts in which Resource Graph shows a match, and says that it may lag", function ()
    local result = kit.ended(0, azpec("list", from_graph .. " --status Rejected -o json"))
    assert.equal("lab", names(result))
    assert.same({ graph = 1, list = 1, token = 1 }, emulator:control("GET", "counts"))
    assert.matches("1 account is read, in which Azure Resource Graph shows matching connections; it may lag by "
      .. "minutes or more", result.err)
    assert.equal("graph", cjson.decode(result.out).candidates_from)
  end)

  it("matches by name, private endpoint and description, and never leaves out what only ages tell", function ()
    assert.equal("web-far", names(kit.ended(0, azpec("list", from_graph .. " 'web-f*' -o json"))))
    assert.equal(1, #emulator:log "list")
    kit.ended(0, azpec("list", from_graph .. " --older-than 7d --status Pending"))
    assert.equal(3, #emulator:log "list")
  end)

  it("reads every account where there is no Resource Graph, and says so", function ()
    emulator:set { graph = "off" }
    local result = kit.ended(0, azpec("list", from_graph .. " --status Rejected -o json"))
    assert.equal("lab", names(result))
    assert.is_nil(cjson.decode(result.out).candidates_from)
    assert.equal(3, #emulator:log "list")
  end)

  it("arm reads every account that Azure Resource Manager lists, and asks no Resource Graph", function ()
    local result = kit.ended(0, azpec("list", all .. " --candidates-from arm --status Rejected -o json"))
    assert.equal("lab", names(result))
    assert.equal("", result.err)
    assert.same({ subscriptions = 1, accounts = 2, list = 3, token = 1 }, emulator:control("GET", "counts"))
  end)

  it("decides nothing by what Resource Graph shows: an account that it still shows is read as it is", function ()
    emulator:set { graph_lag = 60 }
    kit.ended(0, azpec("approve", "web-far " .. all))
    local result = kit.ended(0, azpec("approve", "--all --yes -o json " .. from_graph))
    local results = cjson.decode(result.out).results
    assert.equal(1, #results)
    assert.matches("web%-one", results[1].id)
  end)

  it("goes with --all or --max alone where something is changed", function ()
    local result = kit.ended(2, azpec("approve", "web-far " .. from_graph))
    assert.matches("--candidates-from graph goes with --all or --max", result.err, 1, true)
    kit.ended(2, azpec("approve", "--all --wait 1s " .. from_graph))
    kit.ended(2, azpec("wait", "--for gone web-far " .. from_graph))
    kit.ended(2, azpec("watch", from_graph))
  end)

  it("of rules means accounts with pending requests, unless a rule speaks of the status", function ()
    local file = t.write(t.new_path "rules" .. ".lua", rules)
    kit.ended(0, azpec("auto", ("--rules %s %s"):format(file, from_graph)))
    assert.equal(2, #emulator:log "list")
    emulator:control("DELETE", "log")
    t.write(file, rules .. [[ reject "labs" { when = { status = "Approved", name = "lab" } }]])
    kit.ended(0, azpec("auto", ("--rules %s %s"):format(file, from_graph)))
    assert.equal(3, #emulator:log "list")
  end)
end)

describe("azpec drift", function ()
  local function drift(text, line)
    return azpec("drift", ("--rules %s %s"):format(t.write(t.new_path "rules" .. ".lua", text), line or all))
  end

  it("names approved connections that no rule would approve today, and ends with 10", function ()
    local result = kit.ended(10, drift(rules))
    assert.matches("firstacct +old", result.out)
    assert.not_matches("web%-quiet", result.out)
    assert.matches("2 approved connections, 1 that no rule would approve today", result.err)
  end)

  it("ends with 0 where every approved connection would be approved today", function ()
    local result = kit.ended(0, drift 'approve "all" { when = { name = { "web-*", "old" } } }')
    assert.equal("", result.out)
  end)

  it("sorts what it names", function ()
    local function sorted(sort)
      local result = kit.ended(10, drift('approve "none" { when = { name = "x" } }',
        ("%s -o tsv --columns name --sort %s"):format(all, sort)))
      return (result.out:gsub("%.[^\n]*", ""):gsub("\n$", ""):gsub("\n", " "))
    end
    assert.same({ "old web-quiet", "web-quiet old" }, { sorted "name", sorted "-name" })
  end)

  it("in JSON has the action, the rule and the reason", function ()
    local row = cjson.decode(kit.ended(10, drift(rules, all .. " -o json")).out).drift[1]
    assert.same({ "hold", "the rest", "old" }, { row.action, row.rule, row.base_name })
    assert.is_string(row.reason)
  end)

  it("in JSON has when it was read, and what was counted", function ()
    emulator:faults { { match = { kind = "list", path = "/farbatch/", plain = true }, action = { status = 403 } } }
    local document = kit.json(kit.ended(12, drift(rules, all .. " -o json")).out, { schema_version = "=1",
      complete = "=false", accounts_from = "string", read_at = "string", errors = { { open = true } },
      totals = kit.totals { approved = "number", unreadable = "=1", outside = "=1" }, drift = { { open = true } } })
    assert.equal(1, #document.drift)
  end)

  it("ends with 12 where some accounts cannot be read", function ()
    emulator:faults { { match = { kind = "list", path = "/farbatch/", plain = true }, action = { status = 403 } } }
    local result = kit.ended(12, drift(rules))
    assert.matches("firstacct +old", result.out)
  end)

  it("reads only accounts with approved connections, with --candidates-from graph", function ()
    kit.ended(10, drift(rules, from_graph))
    assert.equal(2, #emulator:log "list")
  end)

  it("needs no --ticket for a rule that writes one", function ()
    kit.ended(0, drift 'approve "all" { when = { name = { "web-*", "old" } }, description = "{ticket}" }')
  end)
end)

-- Without ages, which pass, and the columns' widths.
local function plain(text)
  return (text:gsub("%f[%w]%d+[smhd]%f[%W]", "AGE"):gsub(" +", " "))
end

it("the documents show what status and drift print for the sample", function ()
  kit.play_sample(emulator)
  local file = t.write(t.new_path "rules" .. ".lua", documents.block("lua", "-- rules.lua"))
  local commands = documents.commands "azpec status --all-subscriptions"
  assert.equal(2, #commands)
  for _, one in ipairs(commands) do
    local verb, line = one.line:match "^azpec (%S+) (.*)$"
    local result = azpec(verb, (line:gsub("rules%.lua", file)))
    assert.equal(plain(one.output), plain(result.out .. result.err))
  end
end)

describe("accounts of one name", function ()
  local function account(group, more)
    return t.merged({ account_name = "samebatch", resource_group_name = group,
      connections = { connection("web", "Pending") } }, more)
  end

  local function play(...)
    emulator:control("PUT", "state", t.merged(emulator:state(), { accounts = { ... } }))
  end

  it("have their groups in tables and in lines, and no other account has", function ()
    play(account "rg-east", account "rg-west", account("rg-west", { account_name = "otherbatch" }))
    assert.matches("^ACCOUNT +RESOURCE GROUP +NAME .*\nsamebatch +rg%-east +web", kit.ended(0, azpec("list", "")).out)
    assert.matches("^ACCOUNT +RESOURCE GROUP +PENDING", kit.ended(0, azpec("status", "")).out)
    local said = kit.ended(0, azpec("approve", "--all --dry-run")).out
    assert.matches("rg-east/samebatch/web.5a7e0001", said, 1, true)
    assert.matches("rg-west/samebatch/web.5a7e0001", said, 1, true)
    assert.matches("\notherbatch/web", said)
    local file, journal = t.write(t.new_path "rules", rules), t.new_path "journal"
    assert.matches("rg-west/samebatch/web", kit.ended(0, azpec("auto", "--rules " .. file)).out, 1, true)
    kit.ended(0, azpec("approve", "--all --yes --journal " .. journal))
    local shown = kit.ended(0, kit.run("journal show " .. journal)).out
    assert.matches("VERB +ACCOUNT +RESOURCE GROUP +NAME", shown)
    assert.matches("approve +samebatch +rg%-west +web", shown)
    local alone = kit.ended(0, azpec("list", "-g rg-west")).out
    assert.falsy(alone:find "RESOURCE GROUP")
    assert.falsy(kit.ended(0, azpec("list", "-o csv")).out:find "resource_group")
  end)

  -- Approves the connections of both accounts by rules. Returns the option that names the rules, and the journal.
  local function approve_both()
    play(account "rg-east", account "rg-west")
    local option = "--rules " .. t.write(t.new_path "rules", [[approve "all" { when = { name = "web" } }]])
    local journal = t.new_path "journal"
    kit.ended(0, azpec("auto", ("%s --apply --journal %s"):format(option, journal)))
    return option, journal
  end

  it("have their groups in lines of an undo, also where only one of them is chosen", function ()
    local _, journal = approve_both()
    for _, rest in ipairs { "", " --apply --yes", " --connection rg-east/samebatch/web" } do
      local result = kit.ended(0, azpec("journal", ("undo %s --run last%s"):format(journal, rest)))
      assert.matches("rg-east/samebatch/web.5a7e0001", result.out, 1, true)
      assert.equal(not rest:find "east", result.out:find("rg-west/samebatch/web", 1, true) ~= nil)
    end
  end)

  it("have their groups in lines of what an interrupted run began", function ()
    local option, journal = approve_both()
    local intents, kept = 0, {}
    for line in t.read(journal):gmatch "[^\n]*\n" do
      if intents < 2 then kept[#kept + 1] = line end
      intents = intents + (line:find('"event":"intent"', 1, true) and 1 or 0)
    end
    t.write(journal, table.concat(kept))
    local said = kit.ended(0, azpec("auto", ("%s --apply --journal %s"):format(option, journal)))
    local resumed = 0
    for line in said.out:gmatch "[^\n]*an earlier run began it" do
      resumed = resumed + 1
      assert.matches("^rg%-%w+/samebatch/web", line)
    end
    assert.is_true(resumed > 0)
  end)

  it("are not both meant by a word without wildcards that takes connections of a plan or of a run", function ()
    play(account "rg-east", account "rg-west")
    local file, plan = t.write(t.new_path "rules", [[approve "all" { when = { name = "web" } }]]), t.new_path "plan"
    local journal = t.new_path "journal"
    kit.ended(0, azpec("plan", ("--rules %s --out %s"):format(file, plan)))
    local function refused(verb, words)
      for _, word in ipairs { "samebatch/web", "web" } do
        local result = kit.ended(11, azpec(verb, words:format(word)))
        local what = word == "web" and "name 'web'" or "name 'web' and account 'samebatch'"
        assert.equal("", result.out)
        assert.matches(("^azpec: 2 connections match %s; name one by its id or GROUP/ACCOUNT/NAME:\n"):format(what)
          .. "  rg%-east/samebatch/web%.%S+[^\n]*\n  rg%-west/samebatch/web%.%S+[^\n]*\n  hint: ", result.err)
      end
    end
    refused("approve", "%s")
    refused("apply", plan .. " --connection %s")
    refused("apply", plan .. " --show --connection %s")
    assert.equal(0, #emulator:log "update")
    kit.ended(0, azpec("apply", ("%s --journal %s --connection 'samebatch/*'"):format(plan, journal)))
    refused("journal", ("undo %s --run last --apply --yes --connection %%s"):format(journal))
    assert.equal(2, #emulator:log "update")
    local shown = kit.ended(0, kit.run(("journal show %s --connection samebatch/web -o tsv"):format(journal))).out
    assert.equal(2, select(2, shown:gsub("\n", "")))
    kit.ended(0, azpec("journal", ("undo %s --run last --apply --yes --connection rg-east/samebatch/web")
      :format(journal)))
    assert.equal(3, #emulator:log "update")
  end)

  it("have their subscriptions, where their groups have one name, too", function ()
    play(account "rg", account("rg", { subscription_id = other }))
    assert.matches("^ACCOUNT +SUBSCRIPTION +NAME", kit.ended(0, azpec("list", all)).out)
    local result = kit.ended(11, azpec("approve", "web " .. all))
    assert.matches(other .. "/rg/samebatch", result.err, 1, true)
    assert.matches("name one by its id or SUBSCRIPTION/GROUP/ACCOUNT/NAME:\n", result.err, 1, true)
  end)
end)
