-- Rows of decisions on standard input: a verb that writes does not do the opposite of what azpec has decided.

local cjson = require "cjson"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 1 }

local group = "-g rg-contoso-prod --account manyacct "

local some = [[
approve "two" { when = { name = { "many01*", "many02*" } } }
reject "one" { when = { name = "many03*" } }
hold "one more" { when = { name = "many04*" } }
ignore "the rest" {}
]]

local function rules(text)
  return support.write(support.new_path "rules" .. ".lua", text)
end

local function decided(verb, text, more)
  return azpec(verb, ("--rules %s %s -o jsonl %s"):format(rules(text), group, more or "")).out
end

-- The rows of which a function of the row is true, as jq chooses them.
local function chosen(lines, is_wanted)
  local kept = {}
  for line in lines:gmatch "[^\n]+" do kept[#kept + 1] = is_wanted(cjson.decode(line)) and line or nil end
  return table.concat(kept, "\n")
end

local function given(verb, rows, options)
  return azpec(verb, ("- --yes %s %s"):format(group, options or ""), { stdin = rows })
end

local function with_action(action)
  return function (row) return row.action == action or row.complete == false end
end

local function approved()
  kit.ended(0, azpec("approve", "many01 many02 --yes " .. group))
end

local function refuses_all(verb, rows, said)
  local before = emulator:kinds()
  local result = kit.ended(2, given(verb, rows))
  assert.truthy(result.err:find(said, 1, true), result.err)
  assert.equal(before, emulator:kinds())
end

describe("rows of decisions on standard input", function ()
  it("are refused as a whole by a verb that does something else, which names them and says how to go on", function ()
    local plan = support.new_path "plan"
    kit.ended(0, azpec("plan", ("--rules %s %s --out %s"):format(rules(some), group, plan)))
    local held = "many04.5a7e0001-91c4-4d2b-8f36-70b1e2c30004 (hold)"
    local shown = kit.ended(0, azpec("apply", plan .. " --show -o jsonl")).out
    for _, rows in ipairs { decided("auto", some), decided("plan", some), shown } do
      refuses_all("approve", rows, "azpec: 2 rows on standard input have another decision than approve: many03.")
      refuses_all("approve", rows, held .. "; nothing was done")
      refuses_all("approve", rows, "\n  hint: `azpec auto --apply` and `azpec apply` carry out decisions; "
        .. [[jq -c 'select(.action == "approve" or .complete == false)' chooses the rows to approve]])
      refuses_all("reject", rows, "azpec: 3 rows on standard input have another decision than reject: many01.")
      refuses_all("delete", rows, "azpec: 4 rows on standard input have another decision than delete: many01.")
      refuses_all("delete", rows, " (reject) and 1 more; nothing was done")
      refuses_all("delete", rows, "jq -c 'del(.action)' passes the rows on without their decisions")
    end
  end)

  it("are taken where they are chosen by this verb's action, or have lost it", function ()
    local rows = decided("auto", some)
    assert.equal("2 connections: 2 changed\n", kit.ended(0, given("approve", chosen(rows, with_action "approve"))).err)
    kit.ended(0, given("reject", chosen(rows, with_action "reject")))
    assert.equal(3, #emulator:log "update")
    assert.equal("4 connections: 4 would change\n", kit.ended(0, given("delete", rows:gsub('"action":"%l+",?', ""),
      "--dry-run")).err)
  end)

  it("are refused also where the decision changes nothing, or is impossible", function ()
    approved()
    kit.ended(0, azpec("reject", "many03 " .. group))
    local rows = decided("auto", 'approve "all" { when = { name = "many0*", status = { "Approved", "Rejected" } } } '
      .. 'ignore "x" {}')
    assert.matches('"result":"unchanged"', rows)
    assert.matches('"result":"impossible"', rows)
    refuses_all("delete", rows, "3 rows on standard input have another decision than delete")
  end)

  it("are refused where a dry run of the opposite wrote them", function ()
    refuses_all("approve", kit.ended(0, azpec("reject", "many01 --dry-run -o jsonl " .. group)).out,
      "azpec: 1 row on standard input has another decision than approve: many01.")
  end)

  it("are those of no change that was made, of no list and of no drift", function ()
    local changes = kit.ended(0, azpec("approve", "many01 many02 --yes -o jsonl " .. group)).out
    local drift = kit.ended(10, azpec("drift", ("--rules %s %s -o jsonl"):format(rules 'hold "all" {}', group))).out
    assert.matches('"action":"hold"', drift)
    local list = kit.ended(0, azpec("list", "many01 many02 -o jsonl " .. group)).out
    local again = kit.ended(0, azpec("approve", "many01 many02 --yes -o jsonl " .. group)).out
    for _, rows in ipairs { changes, again, drift, list } do
      assert.equal("2 connections: 2 would change\n", kit.ended(0, given("reject", rows, "--dry-run")).err)
    end
  end)

  it("are taken by verbs that only read", function ()
    local rows = decided("auto", some)
    kit.ended(0, azpec("show", "- " .. group, { stdin = rows }))
    kit.ended(0, azpec("wait", "- --for exists " .. group, { stdin = rows }))
    kit.ended(0, azpec("list", "- " .. group, { stdin = rows }))
  end)
end)

describe("rows of a run that was refused", function ()
  local capped = "at_most { approve = 1 }\n" .. some

  it("change nothing: the next command shows why, and ends with 11", function ()
    for _, verb in ipairs { "auto", "plan" } do
      local rows = decided(verb, capped)
      for _, next_verb in ipairs { "approve", "reject", "delete" } do
        local result = kit.ended(11, given(next_verb, chosen(rows, with_action "approve")))
        assert.matches("^azpec: the command before this one failed, so this one does nothing: this would approve 2 "
          .. "connections, and %S+ allows at most 1; nothing was done\n  hint: if all of them are meant, raise "
          .. "`approve`", result.err)
      end
    end
    local result = kit.ended(11, given("approve", decided("auto", capped), "-o json"))
    assert.equal("too_many", kit.json(result.err, kit.failure).error.kind)
    assert.equal(0, #emulator:log "update")
  end)

  it("make it end with 12 after another error without connection and place", function ()
    local rows = emulator.many[1] .. "\n" .. '{"schema_version":1,"complete":false,"errors":[{"kind":"interrupted",'
      .. '"message":"interrupted by SIGTERM"}]}\n'
    local result = kit.ended(12, given("approve", rows))
    assert.equal("azpec: the command before this one failed, so this one does nothing: interrupted by SIGTERM\n",
      result.err)
    assert.equal("", emulator:kinds())
  end)

  it("are taken by a verb that only reads, which says what failed and ends with 12", function ()
    local result = kit.ended(12, azpec("show", "- " .. group, { stdin = decided("auto", capped) }))
    assert.matches("^azpec: the rows on standard input are not complete: the command before this one failed: this "
      .. "would approve 2 connections, [^\n]+; nothing was done\n", result.err)
  end)
end)
