-- Facts of the host's own in rules: what reaches a rule's function, what is refused, and that a failure holds.

local enrich = require "azpec.enrich"
local rules = require "azpec.rules"
local support = require "loopback.support"

local connection = {
  id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts"
    .. "/acct/privateEndpointConnections/build-7.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0",
  properties = { provisioningState = "Succeeded", groupIds = { "batchAccount" },
    privateEndpoint = { id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/build-7" },
    privateLinkServiceConnectionState = { status = "Pending" } },
}

local owned = 'approve "owned" { when = function (c) return c.facts.owner == "us" end }'

local function decide(text, facts)
  return assert(rules.parse(text, "r.lua")):decide(connection, { facts = facts })
end

local function file_with(text)
  return support.write(support.new_path "enrich" .. ".lua", text)
end

describe("azpec.enrich", function ()
  after_each(support.tidy)

  it("gives a rule's function the host's facts, as a table or from a function", function ()
    assert.equal("approve", decide(owned, { owner = "us" }).action)
    assert.equal("hold", decide(owned, { owner = "them" }).action)
    assert.equal("no rule matches", decide(owned, {}).reason)
    local asked = {}
    local function facts_of(one)
      asked[#asked + 1] = one
      return { owner = "us" }
    end
    assert.equal("approve", decide('hold "x" { when = function (c) return c.facts.owner == "them" end } ' .. owned,
      facts_of).action)
    assert.same({ connection }, asked) -- once
  end)

  it("asks nobody where no rule has a function", function ()
    assert.equal("hold", decide('hold "all" {}', function () error "asked" end).action)
  end)

  it("copies: a rule changes nothing of the host's, and nothing for the next rule", function ()
    local facts = { list = { 1, 2 } }
    local text = 'hold "a" { when = function (c) c.facts.list[1] = 5 return false end } '
      .. 'approve "b" { when = function (c) return c.facts.list[1] == 1 and #c.facts.list == 2 end }'
    assert.equal("b", decide(text, facts).rule)
    assert.same({ list = { 1, 2 } }, facts)
  end)

  it("lets nothing but texts, numbers, booleans and tables in, and no more than a rule needs", function ()
    local circle = {}
    circle.circle = circle
    for message, facts in pairs {
      ["facts.owner.f is a function; text, numbers, booleans and tables are taken"] = { owner = { f = print } },
      ["facts.file is a userdata; text, numbers, booleans and tables are taken"] = { file = io.stdout },
      ["facts has a key that is a table"] = { [{}] = 1 },
      ["facts: tables are nested deeper than 16"] = circle,
      ["facts: texts of more than 262144 bytes"] = { text = ("x"):rep(300000) },
    } do
      for _, given in ipairs { facts, function () return facts end } do
        local decision = decide(owned, given)
        assert.same({ "hold", true, message }, { decision.action, decision.failed, decision.reason })
      end
      local ok, problem = pcall(enrich.copy, facts)
      assert.same({ false, message }, { ok, problem.message })
    end
    local metatable = { __index = function () return "us" end }
    assert.equal("hold", decide(owned, setmetatable({}, metatable)).action)
    local many = {}
    for n = 1, 10001 do many[n] = n end
    assert.equal("facts: more than 10000 values", decide(owned, function () return many end).reason)
  end)

  it("holds where the function fails, and names the file and the line", function ()
    local path = file_with "return function (connection)\n  return connection.nothing.there\nend\n"
    local decision = decide(owned, assert(enrich.read(path)))
    assert.same({ "hold", "owned", true }, { decision.action, decision.rule, decision.failed })
    assert.truthy(decision.reason:find(path .. ":2: attempt to index a nil value", 1, true), decision.reason)
    local folder = support.new_path(("x"):rep(60)) -- Lua shortens a longer name
    assert(os.execute("mkdir " .. support.quote(folder)))
    path = support.write(folder .. "/enrich.lua", "return function () error 'not listed' end")
    assert.equal(path .. ":1: not listed", decide(owned, assert(enrich.read(path))).reason)
    path = file_with "return function () end"
    decision = decide(owned, assert(enrich.read(path)))
    assert.equal(path .. ": the function for facts returned a nil; a table is expected", decision.reason)
    path = file_with "return function () error { message = 'the inventory is down' } end"
    assert.equal(path .. ": the inventory is down", decide(owned, assert(enrich.read(path))).reason)
  end)

  it("lets Ctrl-C through", function ()
    local ok, raised = pcall(decide, owned, function () error("interrupted!", 0) end)
    assert.same({ false, "interrupted!" }, { ok, raised })
  end)

  it("refuses a file that is not there, does not compile, fails, or returns something else", function ()
    local _, why = enrich.read "/nowhere/enrich.lua"
    assert.equal("/nowhere/enrich.lua: No such file or directory", why)
    for text, message in pairs {
      ["return {"] = ":1: unexpected symbol near <eof>",
      ["\nerror 'no inventory'"] = ":2: no inventory",
      ["return {}"] = ": it returns a table; a function is expected",
      ["\27Lua"] = "attempt to load a binary chunk",
    } do
      local path = file_with(text)
      _, why = enrich.read(path)
      assert.truthy(why:find(path, 1, true), why)
      assert.truthy(why:find(message, 1, true), why)
    end
  end)

  it("can be given in a rules file's own examples", function ()
    assert(rules.parse(owned .. ' expect "approve" { private_endpoint = "/x", facts = { owner = "us" } }', "r.lua"))
    assert(rules.parse(owned .. ' expect "hold" { private_endpoint = "/x" }', "r.lua")) -- without any they are empty
    local set, why = rules.parse(owned .. ' expect "approve" { facts = "us" }', "r.lua")
    assert.is_nil(set)
    assert.equal("r.lua:1: expect 'approve': bad field 'facts' (table expected, got string)", why)
  end)
end)
