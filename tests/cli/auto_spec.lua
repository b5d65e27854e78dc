-- azpec auto: what rules decide is shown, and with --apply done.

local cjson = require "cjson"
local journal = require "azpec.journal"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 1 }

local group = "-g rg-contoso-prod --account manyacct"

-- A file of rules; its path.
local function rules(text)
  return support.write(support.new_path "rules" .. ".lua", text)
end

local some = [[
approve "the first nine" { when = { name = "many0*" }, unless = { name = "many05" }, because = "they are ours" }
reject "the sixties" { when = { name = "many6*" }, because = "nobody knows them" }
hold "number ten" { when = { name = "many10" }, because = "a person has to look" }
]]

local function statuses()
  local found = {}
  for n = 1, 64 do
    local status = emulator:connection(emulator.many[n]).status
    found[status] = (found[status] or 0) + 1
  end
  return found
end

-- The numbers of those that were written, in order, and how often.
local function written()
  local list = {}
  for _, entry in ipairs(emulator:log "update") do list[#list + 1] = entry.target:match "/many(%d%d)" end
  table.sort(list)
  return table.concat(list, " ")
end

describe("auto --enrich", function ()
  local owned = 'approve "ours" { when = { name = "many0*", where = function (c) return c.facts.ours end } }'

  local function enrich(text)
    return support.write(support.new_path "enrich" .. ".lua", text)
  end

  it("asks a Lua file for facts, in auto and in plan", function ()
    local file = enrich 'return function (c) return { ours = c.name:find "^many0[123]" ~= nil } end'
    local line = ("--rules %s --enrich %s %s"):format(rules(owned), file, group)
    kit.ended(0, azpec("plan", line .. " --out " .. support.new_path "plan"))
    assert.equal("", written())
    kit.ended(0, azpec("auto", line .. " --apply"))
    assert.equal("01 02 03", written())
  end)

  it("holds each request whose facts fail, with file and line, and does the rest", function ()
    local file = enrich [[return function (c)
      return { ours = assert(c.name:match "^many0[123]", "not listed") ~= "" }
    end]]
    local result = kit.ended(12, azpec("auto", ("--rules %s --enrich %s %s --apply"):format(rules(owned), file, group)))
    assert.truthy(result.out:find("many05[^\n]*: held: rule 'ours', " .. file:gsub("%p", "%%%0") .. ":2: not listed\n"))
    assert.equal("01 02 03", written())
  end)

  it("is needed by a rule that reads facts: without it the request is held, also by an exception", function ()
    local path = rules [[approve "all" { when = { name = "many0*" }, unless = function (c) return c.facts.frozen end }
      expect "approve" { name = "many01", facts = {} }
      expect "hold" { name = "many01", facts = { frozen = true } }]]
    local result = kit.ended(12, azpec("auto", ("--rules %s %s --apply"):format(path, group)))
    assert.truthy(result.err:find("rule 'all' failed, so its decision is hold: " .. path
      .. ":1: no facts are given; the member 'facts' needs --enrich FILE", 1, true), result.err)
    assert.equal("", written())
    kit.ended(0, azpec("auto", ("--rules %s --check"):format(path)))
  end)

  it("refuses a file that is none, before anything is asked", function ()
    local file = enrich "return 5"
    local result = kit.ended(2, azpec("auto", ("--rules %s --enrich %s %s"):format(rules(owned), file, group)))
    assert.truthy(result.err:find(file .. ": it returns a number; a function is expected", 1, true), result.err)
    assert.equal("", emulator:kinds())
  end)
end)

describe("auto", function ()
  it("shows what it would do and why, and does nothing", function ()
    local result = kit.ended(0, azpec("auto", ("--rules %s %s"):format(rules(some), group)))
    assert.truthy(result.out:find("many01.5a7e0001-91c4-4d2b-8f36-70b1e2c30001: would approve: "
      .. "rule 'the first nine', they are ours\n", 1, true))
    assert.truthy(result.out:find("70b1e2c3003c: would reject: rule 'the sixties', nobody knows them\n", 1, true))
    assert.truthy(result.out:find("70b1e2c3000a: held: rule 'number ten', a person has to look\n", 1, true))
    assert.truthy(result.out:find("70b1e2c30005: held: no rule matches\n", 1, true))
    assert.equal("8 to approve, 5 to reject, 51 held, 0 ignored; to do it: --apply\n", result.err)
    assert.equal("", written())
    assert.equal(result.out, kit.ended(10, azpec("auto", ("--rules %s %s --dry-run --detailed-exitcode"):format(
      rules(some), group))).out)
  end)

  it("says with -v, and in JSON, why each rule before did not match; plan and drift do so, too", function ()
    local file = rules(some)
    local why = "  rule 'the first nine': name is 'many10.5a7e0001-91c4-4d2b-8f36-70b1e2c3000a', not 'many0*'\n"
      .. "  rule 'the sixties': name is 'many10.5a7e0001-91c4-4d2b-8f36-70b1e2c3000a', not 'many6*'\n"
    for _, verb in ipairs { "auto", "plan", "auto --apply" } do
      local result = kit.ended(0, azpec(verb, ("--rules %s --id %s -v"):format(file, emulator.many[10])))
      assert.equal("many10.5a7e0001-91c4-4d2b-8f36-70b1e2c3000a: held: rule 'number ten', a person has to look\n"
        .. why, result.out)
      local json = kit.ended(0, azpec(verb, ("--rules %s --id %s -o json"):format(file, emulator.many[10])))
      local row = cjson.decode(json.out)[verb == "auto --apply" and "results" or "decisions"][1]
      assert.same({ "the first nine", 1, 2 }, { row.unmatched[1].rule, row.unmatched[1].line, #row.unmatched })
      assert.truthy(why:find(row.unmatched[2].why, 1, true), row.unmatched[2].why)
    end
    kit.ended(0, azpec("approve", emulator.many[10]))
    local result = kit.ended(10, azpec("drift", ("--rules %s %s -v"):format(file, group)))
    assert.truthy(result.err:find("many10.5a7e0001-91c4-4d2b-8f36-70b1e2c3000a:\n" .. why, 1, true), result.err)
    result = kit.ended(10, azpec("drift", ("--rules %s %s -o json"):format(file, group)))
    assert.equal(2, #cjson.decode(result.out).drift[1].unmatched)
    assert.equal(1, select(2, result.err:gsub("\n", "")))
  end)

  it("shows an ignored connection if it is the one that --id names", function ()
    local file, is = rules(some), "ignored: it is Approved, and no rule speaks of that\n"
    kit.ended(0, azpec("approve", emulator.many[10]))
    local result = kit.ended(0, azpec("auto", ("--rules %s --id %s -v"):format(file, emulator.many[10])))
    assert.equal("many10.5a7e0001-91c4-4d2b-8f36-70b1e2c3000a: " .. is .. ("  rule '%s': status is 'Approved', and the "
      .. "rule is about pending requests\n"):rep(3):format("the first nine", "the sixties", "number ten"), result.out)
    for _, line in ipairs { group, "--id " .. emulator.many[10]:match "^(.*)/[^/]+/[^/]+$" } do
      assert.falsy(kit.ended(0, azpec("auto", ("--rules %s %s"):format(file, line))).out:find("ignored", 1, true))
    end
  end)

  it("does it with --apply, and nothing the second time", function ()
    local line = ("--rules %s %s --apply --detailed-exitcode"):format(rules(some), group)
    local result = kit.ended(10, azpec("auto", line))
    assert.truthy(result.out:find("70b1e2c30001: Approved (was Pending): rule 'the first nine', they are ours\n", 1,
      true))
    assert.equal("13 connections: 13 changed\n51 held, 0 ignored\n", result.err)
    assert.same({ Approved = 8, Rejected = 5, Pending = 51 }, statuses())
    assert.equal("01 02 03 04 06 07 08 09 60 61 62 63 64", written())
    for _, entry in ipairs(emulator:log "update") do assert.is_string(entry.headers["if-match"]) end
    result = kit.ended(0, azpec("auto", line))
    assert.equal("0 connections: 0 changed\n51 held, 13 ignored\n", result.err)
    assert.equal("01 02 03 04 06 07 08 09 60 61 62 63 64", written())
  end)

  it("keeps the requester's description, or writes the rule's", function ()
    emulator:control("PUT", "state", support.merged(emulator.given, { client_secret = support.secret, accounts = {
      { account_name = "acct", resource_group_name = "rg", connections = {
        { name = "a", description = "ticket 1" }, { name = "b", description = "ticket 2" } } } } }))
    kit.ended(0, azpec("auto", ("--rules %s --apply"):format(rules [[
      approve "plain" { when = { name = "a" } }
      approve "worded" { when = { name = "b" }, because = "it is b", description = "{description}: {rule}, {reason}" }
    ]])))
    local found = emulator:control("GET", "state").accounts[1].connections
    assert.equal("Approved ticket 1", found[1].status .. " " .. found[1].description)
    assert.equal("Approved ticket 2: worded, it is b", found[2].status .. " " .. found[2].description)
  end)

  it("knows ages where the api-version tells when a connection was made", function ()
    local young = rules 'reject "young" { when = { name = "many01", younger_than = "10h" } }'
    local result
    for _, version in ipairs { "", "--api-version 2025-06-01", "--api-version 2026-08-01" } do
      result = kit.ended(0, azpec("auto", ("--rules %s %s %s"):format(young, group, version)))
      assert.truthy(result.err:find("0 to approve, 1 to reject, 63 held", 1, true), result.err)
    end
    for _, verb in ipairs { "auto", "plan --out -" } do
      result = kit.ended(2, azpec(verb, ("--rules %s %s --api-version 2024-07-01"):format(young, group)))
      assert.matches("^azpec: rule 'young' needs ages, and %-%-api%-version 2024%-07%-01 tells none; leave it out, or "
        .. "give 2025%-06%-01 or later ", result.err)
    end
    result = kit.ended(0, azpec("auto", ("--rules %s %s"):format(young, group)))
    assert.truthy(result.err:find("0 to approve, 1 to reject, 63 held", 1, true), result.err)
    emulator:control("POST", "clock", { advance = -86400 })
    emulator:reset() -- made a day ago
    emulator:control("POST", "clock", { advance = 86400 })
    result = kit.ended(0, azpec("auto", ("--rules %s %s"):format(young, group)))
    assert.truthy(result.err:find("0 to approve, 0 to reject, 64 held", 1, true), result.err)
  end)

  it("calculates ages with the service's clock, and names a machine's that is 40 days ahead", function ()
    local old = rules 'reject "old" { when = { name = "*", older_than = "30d" } }'
    emulator:control("POST", "clock", { advance = -40 * 86400 })
    emulator:control("DELETE", "state") -- made at that time
    local result = kit.ended(0, azpec("auto", ("--apply --rules %s %s"):format(old, group)))
    local listed = kit.ended(0, azpec("list", group .. " --older-than 30d -o tsv"))
    local quiet = { kit.ended(0, azpec("auto", ("-q --apply --rules %s %s"):format(old, group))).err,
      kit.ended(0, azpec("delete", group .. " -q --yes --allow-none --all --status Disconnected")).err }
    emulator:control("POST", "clock", { advance = 40 * 86400 })
    assert.same({ "", "" }, quiet)
    assert.matches("this machine's clock is 960%.0 h fast, by the service's; ages are calculated with the service's "
      .. "clock",
      result.err)
    assert.equal("", result.out:match "Rejected" or "")
    assert.equal("", listed.out)
    assert.equal(0, #emulator:log "update")
  end)

  it("is rows for programs", function ()
    local result = kit.ended(0, azpec("auto", ("--rules %s %s -o json"):format(rules(some), group)))
    local value = kit.json(result.out, { schema_version = "=1", complete = "boolean", ["accounts_from?"] = "string",
      read_at = "string", decisions = { kit.decision_row }, totals = kit.totals { accounts = "=1", approve = "=8",
        reject = "=5", hold = "=51", ignore = "=0", unchanged = "=0", settle = "=0", finish = "=0" } })
    assert.equal(64, #value.decisions)
    result = kit.ended(0, azpec("auto", ("--rules %s %s -o json --apply -q"):format(rules(some), group)))
    assert.equal("", result.err)
    local changed = 0
    for _, row in ipairs(cjson.decode(result.out).results) do
      if row.result == "changed" then
        changed = changed + 1
        assert.equal("Pending", row.before)
        assert.equal(row.action == "approve" and "Approved" or "Rejected", row.after)
        assert.is_string(row.request_id)
        assert.is_string(row.rule)
      else
        assert.equal("held", row.result)
      end
    end
    assert.equal(13, changed)
  end)
end)

describe("auto (refusals and failures)", function ()
  it("does nothing at all where that would be more than is allowed", function ()
    local capped = rules("at_most { approve = 7 }\n" .. some)
    local result = kit.ended(11, azpec("auto", ("--rules %s %s --apply"):format(capped, group)))
    assert.truthy(result.err:find("this would approve 8 connections, and " .. capped
      .. " allows at most 7; nothing was done\n  hint: if all of them are meant, raise `approve` of at_most in the "
      .. "rules; else select fewer by -g or --account", 1, true))
    result = kit.ended(11, azpec("auto", ("--rules %s %s --apply --max 12"):format(rules(some), group)))
    assert.truthy(result.err:find("this would change 13 connections, and at most 12 were allowed; nothing was done\n"
      .. "  hint: if all of them are meant, raise --max; else select", 1, true))
    kit.ended(11, azpec("auto", ("--rules %s %s --max 12"):format(rules(some), group)))
    assert.equal("", written())
  end)

  it("names file and line of what is wrong with the rules, before anything is sent", function ()
    local path = rules "\napprove 'x' { when = { nme = 'x' } }"
    local result = kit.ended(2, azpec("auto", ("--rules %s %s --apply"):format(path, group)))
    assert.truthy(result.err:find(("azpec: %s:2: approve 'x': when: unknown field 'nme'"):format(path), 1, true))
    result = kit.ended(2, azpec("auto", "--rules /nowhere.lua --apply"))
    assert.truthy(result.err:find("/nowhere.lua: No such file or directory", 1, true))
    kit.ended(2, azpec("auto", "--apply"))
    assert.equal("", emulator:kinds())
  end)

  it("holds what a rule's function fails on, says so, and ends with 12", function ()
    local path = rules [[
      approve "broken" { when = { name = "many0*", where = function (c) return c.nothing.here end } }
      approve "ten" { when = { name = "many10" } }]]
    local result = kit.ended(12, azpec("auto", ("--rules %s %s --apply"):format(path, group)))
    assert.truthy(result.out:find("held: rule 'broken', " .. path
      .. ":1: unknown member 'nothing' of the connection", 1, true))
    assert.equal("10", written())
  end)

  it("says that a rule's function fails also with -q, and in JSON; so do the other verbs that ask rules", function ()
    kit.ended(0, azpec("approve", "many01 " .. group))
    local path = rules [[
      approve "broken" { when = { name = { "many01", "many02" }, where = function (c) return c.nothing.here end } }]]
    local said = ("rule 'broken' failed, so its decision is hold: %s:1: unknown member 'nothing'"):format(path)
    for verb, more in support.each { auto = "-q", plan = "-q", drift = "-q", status = "-q",
      report = "-q --out " .. support.new_path "page" } do
      local result = kit.ended(12, azpec(verb, ("--rules %s %s %s"):format(path, more, group)))
      assert.truthy(result.err:find("azpec: " .. said, 1, true), verb .. result.err)
      local document = cjson.decode(kit.ended(12, azpec(verb, ("--rules %s %s %s -o json"):format(path, more,
        group))).out)
      assert.is_false(document.complete)
      assert.equal(said, document.errors[1].message:sub(1, #said))
      assert.matches("/many0[12]%.", document.errors[1].id)
    end
  end)

  it("reports each failure, goes on, and ends with 12", function ()
    emulator:faults { { match = { method = "PATCH", path = "/many0[34]%." },
      action = { status = 403, error = { code = "AuthorizationFailed", message = "no" } } } }
    local result = kit.ended(12, azpec("auto", ("--rules %s %s --apply -o jsonl"):format(rules(some), group)))
    local failed = 0
    for line in result.out:gmatch "[^\n]+" do
      local row = cjson.decode(line)
      if row.errors then assert.same({ false, 2 }, { row.complete, #row.errors }) end
      if row.result == "failed" then
        failed = failed + 1
        assert.equal("forbidden", row.error.kind)
        assert.is_string(row.error_message)
      end
    end
    assert.equal(2, failed)
    local told = kit.json(result.err, kit.failure)
    assert.equal("13 connections: 11 changed, 2 failed", told.error.message)
    assert.same({ "51 held, 0 ignored" }, told.notes)
    assert.same({ Approved = 6, Rejected = 5, Pending = 53 }, statuses())
  end)

  it("does not overwrite what somebody else has decided meanwhile", function ()
    -- The list still shows the old ETag; the connection has another by the time of the write.
    emulator:faults { { match = { method = "PATCH", path = "/many01%." }, action = { status = 412,
      error = { code = "PreconditionFailed", message = "changed" } } } }
    local only = rules 'approve "one" { when = { name = "many01" } }'
    local result = kit.ended(6, azpec("auto", ("--rules %s %s --apply"):format(only, group)))
    assert.matches("^azpec: PreconditionFailed: changed [^\n]*\n  about: [^\n]*70b1e2c30001\n", result.err)
    assert.equal(1, #emulator:log "update")
  end)

  it("gives up at once where it cannot sign in", function ()
    local result = kit.ended(4, azpec("auto", ("--rules %s %s --apply"):format(rules(some), group),
      { env = support.merged(kit.environment(emulator), { AZURE_CLIENT_SECRET = "a wrong one" }) }))
    assert.truthy(result.err:find("AADSTS7000215", 1, true), result.err)
    assert.equal("", written())
  end)

  it("is recorded in the journal, with rule and reason", function ()
    local trail = support.new_path "trail"
    local only = rules 'approve "one" { when = { name = "many01" }, because = "why not" }'
    kit.ended(0, azpec("auto", ("--rules %s %s --apply --journal %s"):format(only, group, trail)))
    local lines = {}
    for line in support.read(trail):gmatch "[^\n]+" do lines[#lines + 1] = cjson.decode(line) end
    assert.equal("auto one why not Pending", ("%s %s %s %s"):format(lines[1].verb, lines[1].rule, lines[1].reason,
      lines[1].before.status))
    assert.equal("changed", lines[2].outcome)
  end)
end)

describe("auto that waits", function ()
  it("acts only on what has stood unchanged for --settle", function ()
    local only = rules 'approve "one" { when = { name = "many01" } }'
    local result = kit.ended(0, azpec("auto", ("--rules %s %s --settle 1h"):format(only, group .. " --deadline 2")))
    assert.truthy(result.err:find("0 to approve, 0 to reject, 63 held, 0 ignored, 1 to settle", 1, true), result.err)
    local before = #emulator:log "list"
    result = kit.ended(0, azpec("auto", ("--rules %s %s --apply --settle 0.3"):format(only, group)))
    assert.truthy(result.err:find("1 connection: 1 changed", 1, true))
    assert.equal(before + 2, #emulator:log "list")
  end)

  it("watches for the request that has not arrived yet", function ()
    local empty = support.merged(emulator.given, { client_secret = support.secret, accounts = {
      { account_name = "acct", resource_group_name = "rg", connections = {} } } })
    local full = support.merged(empty, { accounts = { { account_name = "acct",
      resource_group_name = "rg", connections = {
      { name = "late" }, { name = "other" } } } } })
    emulator:control("PUT", "state", empty)
    local line = ("auto %s --rules %s -g rg --account acct --apply --watch --every 0.05 --until 1 --deadline 60")
      :format(kit.address(emulator), rules 'approve "late" { when = { name = "late" } }')
    local pipe <close> = io.popen(kit.command(line, kit.environment(emulator)) .. " 2>&1; echo $?")
    support.await("three looks", function () return #emulator:log "list" >= 3 end)
    emulator:control("PUT", "state", full)
    local said = pipe:read "a"
    assert.truthy(said:find "late: Approved %(was Pending%): rule 'late'", said)
    assert.truthy(said:find "\n0\n$", said)
    -- What is held is said once, though it was seen again and again.
    assert.equal(1, select(2, said:gsub("other: held", "")))
  end)

  it("checks the rules and their expectations without Azure", function ()
    local good = rules 'approve "x" { when = { name = "a" } }\nexpect "approve" { name = "a", rule = "x" }'
    local function checked(code, file, more)
      return kit.ended(code, kit.run(("auto --check --rules %s %s"):format(file, more or ""), { env = {} })).err
    end
    emulator:control("DELETE", "log")
    assert.matches(": 1 rule, 1 expectation, without errors\n$", checked(0, good))
    assert.matches(": 2 rules, 0 expectations, without errors\n$", checked(0, rules 'hold "x" {} hold "y" {}'))
    assert.equal("", checked(0, good, "-q"))
    local wrong = rules 'hold "x" {}\nexpect "approve" { name = "a" }'
    assert.matches(":2: expect 'approve': the rules hold it", checked(2, wrong), 1, true)
    assert.matches("--check and --apply exclude each other", checked(2, good, "--apply"), 1, true)
    assert.equal(0, #emulator:log())
  end)

  it("says nothing with -q of a decision that cannot be carried out; --check warns of its rule", function ()
    kit.ended(0, azpec("reject", "many01 " .. group))
    emulator:control("DELETE", "log")
    local path = rules 'approve "again" { when = { name = "many01", status = { "Rejected", "Disconnected" } } }'
    local line = ("--rules %s %s"):format(path, group)
    for _, verb in ipairs { "auto", "auto --apply", "plan" } do
      local result = kit.ended(0, azpec(verb, line .. " -q"))
      assert.same({ "", "" }, { result.out, result.err }, verb)
      assert.matches(": cannot: rule 'again', it is Rejected, which is final; ", azpec(verb, line).out)
    end
    assert.matches('"result":"impossible"', azpec("auto", line .. " -q --apply -o jsonl").out)
    assert.equal("", written())
    assert.matches("^warning: " .. path:gsub("%p", "%%%0") .. ":1: approve 'again': it never changes what is "
      .. "Rejected or Disconnected; ", kit.ended(0, azpec("auto", ("--check -q --rules %s"):format(path))).err)
  end)

  it("ends with 8 where it has not come by the deadline", function ()
    local only = rules 'approve "one" { when = { name = "nobody" } }'
    local line = ("--rules %s %s --apply --watch --every 0.1 --deadline 1.5"):format(only, group)
    local words = "the watch ended at its deadline of 1.5 s, with 0 of 1 changes"
    assert.equal(words .. "\n", kit.ended(8, azpec("auto", line .. " --until 1 -q")).err)
    local result = kit.ended(8, azpec("auto", line .. " --until 1 -o json"))
    assert.matches("^" .. words, cjson.decode(result.err).error.message)
    assert.is_false(cjson.decode(result.out).complete)
    kit.ended(0, azpec("auto", line))
  end)

  it("names after each look what failed like another", function ()
    emulator:faults { { match = { kind = "update" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local two = rules 'approve "two" { when = { name = { "many01", "many02" } } }'
    local run = kit.start(("auto %s --rules %s %s --apply --watch --every 0.05"):format(kit.address(emulator), two,
      group), { env = kit.environment(emulator) })
    for _ = 1, 2 do run:read_until "azpec: 1 other failed like many0" end
    run:signal "INT"
    kit.ended(130, run:finish())
  end)

  it("makes a run of each look, and the first one continues what was interrupted", function ()
    local two = rules 'at_most { approve = 2 } approve "ours" { when = { name = { "many01", "many02", "late" } } }'
    local path = support.new_path "journal"
    local line = ("auto %s --rules %s %s --apply --watch --every 0.05 --journal %s"):format(kit.address(emulator), two,
      group, path)
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
    local run = kit.start(line, { env = kit.environment(emulator) })
    support.await("both writes", function () return emulator:has_met(2) end)
    run:signal "INT"
    kit.ended(130, run:finish())
    emulator:release()
    run = kit.start(line .. " --until 3", { env = kit.environment(emulator) })
    support.await("a look", function () return #emulator:log "list" >= 3 end)
    emulator:control("POST", "connections", { account_name = "manyacct", resource_group_name = "rg-contoso-prod",
      name = "late" })
    kit.ended(0, run:finish())
    local runs = journal.runs((journal.read(path)))
    assert.same({ 2, 2, 1 }, { #runs, runs[1].changed, runs[2].changed })
  end)

  it("outlives a look that failed for what may pass, and no other", function ()
    local only = rules 'approve "one" { when = { name = "many01" } }'
    local line = ("--rules %s %s --apply --watch --every 0.05 --until 1 --deadline 60"):format(only, group)
    emulator:faults { { match = { kind = "list", times = 2 }, action = { status = 429, retry_after = "9999" } } }
    local result = kit.ended(0, azpec("auto", line))
    assert.equal(2, select(2, result.err:gsub("this round failed; azpec tries again in the next round: ", "")))
    emulator:reset()
    emulator:faults { { match = { kind = "list", nth = 1 }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    kit.ended(5, azpec("auto", line))
  end)

  it("keeps its deadline where the service does not answer", function ()
    local only = rules 'approve "one" { when = { name = "many01" } }'
    emulator:faults { { match = { kind = "list" }, action = { stall = true } } }
    for _, more in ipairs { "", "--watch --every 0.1" } do
      local result = kit.ended(8, azpec("auto", ("--rules %s %s --apply --deadline 0.1 %s"):format(only, group, more)))
      assert.equal("", result.out)
    end
  end)

  it("runs once at a time with --lock", function ()
    local path = support.new_path "lock"
    local only = rules 'approve "one" { when = { name = "nobody" } }'
    local line = ("auto %s --rules %s %s --apply --watch --every 0.05 --deadline 100 --lock %s"):format(
      kit.address(emulator), only, group, path)
    -- Without the kit's timeout in between: the one that is killed has to be the holder.
    local command = kit.command(line, kit.environment(emulator)):gsub(" timeout %-k 1 %d+ ", " ", 1)
    local pipe <close> = io.popen(("sh -c %s"):format(support.quote(command .. " 2>&1 & echo $!; wait $!")))
    local pid = pipe:read "l"
    repeat local said = pipe:read "l" until said:find ": held"
    local result = kit.ended(6, azpec("auto", ("--rules %s %s --lock %s"):format(only, group, path)))
    assert.truthy(result.err:find(path .. ": another process holds it; nothing was done\n", 1, true))
    assert.is_nil(os.execute(("flock --nonblock %s true"):format(path)))
    os.execute("kill -KILL " .. pid)
    pipe:read "a"
    kit.ended(0, azpec("auto", ("--rules %s %s --lock %s"):format(only, group, path)))
  end)

  it("is not run with --lock while flock(1) holds the file", function ()
    local path = support.new_path "lock"
    local line = ("flock %s azpec auto %s --rules %s %s --lock %s"):format(path, kit.address(emulator),
      rules 'hold "all" {}', group, path)
    local result = kit.ended(6, kit.shell(line, { env = kit.environment(emulator) }))
    assert.equal(("azpec: %s: another process holds it; nothing was done\n  hint: another run uses this lock; wait for "
      .. "its end\n"):format(path), result.err)
  end)

  it("shows without --apply what an interrupted run has begun, and no decision on it", function ()
    local path, only = support.new_path "journal", rules 'approve "two" { when = { name = { "many01", "many02" } } }'
    local line = ("--rules %s %s --journal %s"):format(only, group, path)
    kit.ended(0, azpec("auto", line .. " --apply"))
    support.write(path, (support.read(path):match "^[^\n]*\n"))
    emulator:reset()
    local begun = "many01%S*: would become Approved %(is Pending%): an earlier run began it, and its end is not known\n"
    local result = kit.ended(0, azpec("auto", line .. " -q"))
    assert.matches("^" .. begun .. "many02%S*: would approve: rule 'two', [^\n]*\n$", result.out)
    result = kit.ended(10, azpec("auto", line .. " --dry-run --detailed-exitcode -o json"))
    local document = cjson.decode(result.out)
    assert.same({ 1, 1, true }, { document.totals.finish, document.totals.approve, document.decisions[1].resumed })
    kit.ended(0, azpec("approve", "many02 " .. group))
    result = kit.ended(10, azpec("auto", line .. " --detailed-exitcode"))
    assert.matches("^" .. begun, result.out)
    assert.equal("1 to finish, 0 to approve, 0 to reject, 62 held, 1 ignored; to do it: --apply\n", result.err)
    assert.equal(1, #emulator:log "update")
  end)

  it("ends with 1 where a lock or a journal cannot be opened at all", function ()
    local only = rules 'hold "all" {}'
    kit.ended(1, azpec("auto", ("--rules %s %s --lock /nowhere/at/all"):format(only, group)))
    kit.ended(1, azpec("auto", ("--rules %s %s --apply --journal /nowhere/at/all"):format(only, group)))
    local result = kit.ended(1, azpec("auto", ("--rules %s %s --apply --journal /dev/zero"):format(only, group)))
    assert.matches("/dev/zero is no regular file but a char device", result.err, 1, true)
    assert.equal("", emulator:kinds())
  end)

  it("names each error of the rules, and then their number", function ()
    local wrong = rules 'hold "a" { because = 1 }\nhold "b" { because = "" }\n'
    local told = { wrong .. ":1: hold 'a': bad field 'because' (string expected, got number)",
      wrong .. ":2: hold 'b': bad field 'because' (it is empty)", wrong .. ": 2 errors" }
    local result = kit.ended(2, azpec("auto", "--rules " .. wrong))
    assert.equal(("azpec: %s\nazpec: %s\nazpec: %s (see: azpec help auto)\n"):format(table.unpack(told)), result.err)
    result = kit.ended(2, azpec("plan", "-o json --out - --rules " .. wrong))
    local document = kit.json(result.err, kit.failure)
    assert.same(told, { document.errors[1].message, document.errors[2].message, document.error.message })
    assert.same({ "usage", "usage" }, { document.error.kind, document.errors[1].kind })
  end)

  it("says which options do not go together", function ()
    local only = rules 'hold "all" {}'
    for _, options in ipairs { "--until 1", "--watch --until 1", "--every 1", "--apply --dry-run" } do
      kit.ended(2, azpec("auto", ("--rules %s %s"):format(only, options)))
    end
  end)
end)
