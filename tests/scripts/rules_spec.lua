-- Rules files: what they decide, what they refuse, and that nothing is approved that no rule names.

local documents = require "tools.documents"
local rules = require "azpec.rules"

local ours, theirs = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", "aaaaaaaa-6a1e-4b7d-9c55-0e8d1b2a7f10"
local now = 1800000000

local function endpoint(subscription, name)
  return ("/subscriptions/%s/resourceGroups/rg-net/providers/Microsoft.Network/privateEndpoints/%s"):format(
    subscription, name)
end

local function connection(more)
  more = more or {}
  return {
    id = "/subscriptions/" .. ours .. "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct"
      .. "/privateEndpointConnections/" .. (more.name or "build-7") .. ".24d6b4b5-e65c-4330-bbe9-3a290d62f8e0",
    etag = '"1"', systemData = more.created and { createdAt = more.created },
    properties = { provisioningState = more.provisioning or "Succeeded", groupIds = { "batchAccount" },
      privateEndpoint = { id = endpoint(more.from or ours, more.name or "build-7") },
      privateLinkServiceConnectionState = { status = more.status or "Pending", description = more.description } },
  }
end

local function parse(text)
  return assert(rules.parse(text, "r.lua"))
end

local function decide(text, more, options)
  options = options or {}
  options.now = options.now or now
  return parse(text):decide(connection(more), options)
end

local function refused(message, text)
  local set, why = rules.parse(text, "r.lua")
  assert.is_nil(set)
  assert.equal(message, why)
end

-- Iterates over the parts of a rules file that an expectation can test, each with the file without it. A rule that asks
-- for the time is left out, because its decision depends on the day.
local function without_a_part(text)
  return coroutine.wrap(function ()
    for _, part in ipairs { '\n()%l+ "[^"]*" %b{}()', "()unless = %b{},()",
      "()private_endpoint_subscription = [^,\n]*,()" } do
      for from, to in text:gmatch(part) do
        local removed = text:sub(from, to - 1)
        if not removed:find "^expect" and not removed:find("now.weekday", 1, true) then
          coroutine.yield(removed, text:sub(1, from - 1) .. text:sub(to))
        end
      end
    end
  end)
end

local by_name = 'approve "named" { when = { private_endpoint_name = "build-*" }, because = "it is ours" }\n'

describe("rules", function ()
  it("hold a request that no rule matches", function ()
    assert.same({ action = "hold", reason = "no rule matches" }, decide(by_name, { name = "other" }))
  end)

  it("ignore what is decided, unless a rule speaks of its status", function ()
    for _, status in ipairs { "Approved", "Rejected", "Disconnected" } do
      assert.same({ action = "ignore", reason = "it is " .. status .. ", and no rule speaks of that" },
        decide(by_name, { status = status }))
    end
    local sweep = 'reject "strangers" { when = { status = "Approved" }, unless = { private_endpoint_subscription = "'
      .. ours .. '" } }'
    assert.equal("ignore", decide(sweep, { status = "Approved" }).action)
    local decision = decide(sweep, { status = "Approved", from = theirs })
    assert.equal("reject Rejected true", ("%s %s %s"):format(decision.action, decision.status, decision.changes))
  end)

  it("carry name, line and reason into the decision", function ()
    assert.same({ action = "approve", rule = "named", line = 2, reason = "it is ours", status = "Approved",
      changes = true }, decide("\n" .. by_name))
    assert.equal("private_endpoint_name 'build-*' and older_than 2h", decide(
      'reject "x" { when = { private_endpoint_name = "build-*", older_than = "2h" } }', { created =
        os.date("!%Y-%m-%dT%H:%M:%SZ", now - 7201) }).reason)
    assert.equal("it matches every request that no earlier rule decided", decide('hold "x" {}').reason)
  end)

  it("have the reason that a function gives, else their own, else the condition in words", function ()
    for rule, reason in pairs {
      ["when = function () return true end"] = "what its function says",
      ["when = { private_endpoint_name = '*', where = function () return true end }, because = 'it is ours'"] =
        "it is ours",
      ["when = function () return true, 'said so' end, because = 'it is ours'"] = "said so",
    } do
      assert.equal(reason, decide("approve 'web' { " .. rule .. " }").reason)
    end
  end)

  it("decide by the first that matches", function ()
    local text = 'hold "tests" { when = { description = "*test*" } }\n' .. by_name .. 'reject "rest" {}'
    assert.equal("tests", decide(text, { description = "a test" }).rule)
    assert.equal("named", decide(text).rule)
    assert.equal("rest", decide(text, { name = "other" }).rule)
  end)

  it("heed unless", function ()
    local text = 'approve "a" { when = { name = "build-7" }, unless = { private_endpoint_subscription = "' .. theirs
      .. '" } }'
    assert.equal("approve", decide(text).action)
    assert.equal("hold", decide(text, { from = theirs }).action)
  end)

  it("compare descriptions with letter case, and all other fields without it, as the help says", function ()
    local select = require "azpec.select"
    local one = connection { description = "please" }
    local facts = select.facts(one)
    for _, field in ipairs(select.fields) do
      local value = field == "group_id" and facts.group_ids[1] or facts[field]
      if value then
        local set = parse(('hold "x" { when = { %s = "%s" } }'):format(field, value:upper()))
        assert.equal(field ~= "description" and "x" or nil, set:decide(one, { now = now }).rule)
      end
    end
    local help = require "azpec.cli.topics".find "rules" [1]
    assert.matches("Only description and matches%(%) are case%-sensitive%.$", help[3][2])
  end)

  it("know ages, and take an unknown one for neither old nor young", function ()
    local old, young = 'reject "o" { when = { older_than = "1d" } }', 'reject "y" { when = { younger_than = "1h" } }'
    local function ago(seconds) return os.date("!%Y-%m-%dT%H:%M:%S.0Z", now - seconds) end
    assert.equal("reject", decide(old, { created = ago(86400) }).action)
    assert.equal("hold", decide(old, { created = ago(86399) }).action)
    assert.equal("hold", decide(old).action)
    assert.equal("hold", decide(old, { created = "yesterday" }).action)
    assert.equal("reject", decide(old, {}, { first_seen = now - 86401 }).action)
    assert.equal("reject", decide(young, { created = ago(3599) }).action)
    assert.equal("hold", decide(young, { created = ago(3600) }).action)
    assert.equal("hold", decide(young, {}, { first_seen = now }).action)
  end)

  it("ask functions, with facts that are copies", function ()
    local text = [[
      approve "f" { when = function (c, t)
        if t.weekday ~= "Friday" or t.year ~= 2027 then return false end
        c.group_ids[1], c.status = nil, "Approved"
        return c.private_endpoint_name == "build-7", "asked for " .. c.account_name
      end }
      hold "g" { when = { where = function (c)
        return c.group_ids[1] == "batchAccount" and c.status == "Pending"
      end } }]]
    assert.equal("asked for acct", decide(text).reason)
    assert.equal("g", decide(text, { name = "other" }).rule)
  end)

  it("hold, and say so, where a function fails", function ()
    for body, message in pairs {
      ["return c.description.y"] = "r.lua:1: attempt to index a nil value (field 'description')",
      ["while true do end"] = "r.lua:1: it runs for too long",
      ["local s = 'xxxxxxxxx' while true do s = s .. s end"] = "r.lua:1: it takes too much memory",
      ["return 'yes'"] = "r.lua:1: reject 'bad': `where` returned a string; true or false is expected",
      ["return true, ''"] = "r.lua:1: reject 'bad': the reason that `where` returned: it is empty",
      ["return true, '\\xff'"] = "r.lua:1: reject 'bad': the reason that `where` returned: it is not UTF-8",
      ["local s = 'x' for i = 1, 10 do s = s .. s end return true, s"] =
        "r.lua:1: reject 'bad': the reason that `where` returned: it is longer than 1000 bytes",
      ["error {}"] = "r.lua:1: an error that is a table",
      ["approve 'more' { when = { name = '*' } }"] = "r.lua:1: rules are not made while others are asked",
      ["at_most { approve = 9 }"] = "r.lua:1: rules are not made while others are asked",
    } do
      local decision = decide('reject "bad" { when = function (c) ' .. body .. ' end }\n' .. by_name)
      assert.same({ action = "hold", rule = "bad", line = 1, reason = message, failed = true }, decision)
    end
  end)
end)

-- What does not hold, by the rule's condition. The connection is build-7, described "ticket 7", and two hours old.
describe("the arguments of a rule's function", function ()
  -- Returns what reading a member says.
  local function read(word, more, options)
    local text = ('reject "r" { when = function (c, now) return %s == nil end }'):format(word)
    local decision = decide(text, more, options)
    return decision.reason, decision.failed
  end

  for word, message in pairs {
    ["c.acount_name"] = "unknown member 'acount_name' of the connection; did you mean 'account_name'?",
    ["c.group_id"] = "unknown member 'group_id' of the connection; did you mean 'group_ids'?",
    ["c.private_endpoint_resourse_group"] = "unknown member 'private_endpoint_resourse_group' of the connection; "
      .. "did you mean 'private_endpoint_resource_group'?",
    ["c.fcats.frozen"] = "unknown member 'fcats' of the connection; did you mean 'facts'?",
    ["c.owner"] = "unknown member 'owner' of the connection",
    ["c[1]"] = "unknown member '1' of the connection",
    ["now.wekday"] = "unknown member 'wekday' of the time, which has day, hour, min, month, time, weekday, year; "
      .. "did you mean 'weekday'?",
  } do
    it("refuse an unknown member: " .. word, function ()
      assert.same({ "r.lua:1: " .. message, true }, { read(word) })
    end)
  end

  it("hold a connection that an exception with a misspelt member should have kept out", function ()
    local decision = decide [[approve "a" { when = { name = "*" },
      unless = { where = function (c) return c.acount_name == "acct" end } }]]
    assert.same({ "hold", true }, { decision.action, decision.failed })
  end)

  it("have nil for what the service did not send, and for what the function itself has removed", function ()
    for _, name in ipairs(require "azpec.select".fact_names) do
      local text = ('hold "r" { when = function (c) c.%s = nil return c.%s == nil end }'):format(name, name)
      assert.same({ "r" }, { decide(text).rule, decide(text).failed })
    end
    assert.equal("what its function says", read("c.description", { description = false }))
  end)

  it("can be iterated over, and extended", function ()
    assert.equal("approve", decide([[approve "a" { when = function (c, now)
      local names = 0
      for name in pairs(c) do names = names + #name end
      c.own, now.own = names, names
      return c.own > 0 and now.own > 0 and next(c) ~= nil
    end }]]).action)
  end)

  it("take any member of the host's own facts", function ()
    assert.equal("what its function says", read("c.facts.frozen", {}, { facts = {} }))
    assert.equal("what its function says", read("c.facts.owner.mail", {}, { facts = { owner = {} } }))
  end)

  it("refuse to read the host's facts where it gave none, and say how to give them", function ()
    local text = 'approve "a" { when = { name = "*" }, unless = function (c) return c.facts.frozen end }'
    local needs = "r.lua:1: no facts are given; the member 'facts' needs "
    assert.equal(needs .. "the option 'facts' of decide", decide(text).reason)
    local named = assert(rules.parse(text, "r.lua", { facts = "--enrich" })):decide(connection())
    assert.same({ "hold", true, needs .. "--enrich" }, { named.action, named.failed, named.reason })
  end)
end)

describe("a decision that is explained", function ()
  local request = { description = "ticket 7", created = os.date("!%Y-%m-%dT%H:%M:%SZ", now - 7200) }

  local function unmatched(text, more, options)
    options = options or {}
    options.explain = true
    return decide(text, more or request, options).unmatched
  end

  for condition, why in pairs {
    ['when = { name = "web-*" }'] = "name is 'build-7.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0', not 'web-*'",
    ['when = { name = { "a", "b" }, description = "x" }'] =
      "name is 'build-7.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0', not 'a' or 'b'",
    ['when = { name = "*", description = "*test*" }'] = "description is 'ticket 7', not '*test*'",
    ['when = { name = "*", group_id = "x" }'] = "group_id is 'batchAccount', not 'x'",
    ['when = { private_endpoint = "web" }'] = "private_endpoint is 'build-7', not 'web'",
    ['when = { name = "*", status = "Approved" }'] = "status is 'Pending', not 'Approved'",
    ['when = { name = "*", older_than = "7d" }'] = "its age is 2h, not older than 7d",
    ['when = { name = "*", younger_than = "15m" }'] = "its age is 2h, not younger than 15m",
    ["when = function () return false end"] = "its function returned false",
    ['when = { where = function () return false, "not on Sundays" end }'] =
      "its function returned false: not on Sundays",
    ['when = { name = "*" }, unless = { description = "*ticket*" }'] = "unless matches: description '*ticket*'",
  } do
    it("says of a rule that did not match why: " .. why, function ()
      assert.same({ { rule = "r", line = 1, why = why } }, unmatched(('approve "r" { %s }'):format(condition)))
    end)
  end

  it("says what a connection lacks, and that a rule is about pending requests", function ()
    local by_text = 'approve "r" { when = { description = "x" } } hold "old" { when = { older_than = "1m" } }'
    local list = unmatched(by_text, {})
    assert.same({ "description is absent, not 'x'", "its age is not known, not older than 1m" },
      { list[1].why, list[2].why })
    assert.equal("status is 'Approved', and the rule is about pending requests",
      unmatched(by_text, { status = "Approved" })[1].why)
  end)

  it("has the rules before the one that decides, in order, and asks no function twice", function ()
    local asked = 0
    local function facts()
      asked = asked + 1
      return { owner = "web" }
    end
    local text = [[
      approve "a" { when = { where = function (c) return c.facts.owner == "lab" end } }
      hold "b" { when = { name = "x" } }
      reject "c" { when = { name = "build-*" } }
      hold "d" {}]]
    local list = unmatched(text, nil, { facts = facts })
    assert.same({ "a 1", "b 2", 2, 1 }, { list[1].rule .. " " .. list[1].line, list[2].rule .. " " .. list[2].line,
      #list, asked })
    assert.same({}, unmatched 'hold "all" {}')
    assert.is_nil(decide(text).unmatched)
  end)
end)

describe("rules (needs, descriptions, limits)", function ()
  it("are not changed by their own file once it is read", function ()
    local text = [[
      local when = { name = "nobody" }
      hold "first" { when = function () when.name = "*" return false end }
      approve "second" { when = when }]]
    local set = parse(text)
    assert.equal("hold", set:decide(connection()).action)
    assert.equal("hold", set:decide(connection()).action)
  end)

  it("see a change that is not needed", function ()
    local text = 'approve "a" { when = { name = "build-7", status = { "Pending", "Approved" } }, description = "x" }'
    local decision = decide(text, { status = "Approved", description = "old" })
    assert.is_false(decision.changes)
    assert.is_nil(decision.description)
  end)

  it("warn of a rule that names a status which it never changes", function ()
    local way_out = "; " .. require "azpec".transitions.Rejected.Approved.way_out
    for statuses, names in pairs {
      ['"Rejected"'] = "Rejected", ['{ "disconnected", "Rejected" }'] = "Disconnected or Rejected",
      ['{ "Pending", "Disconnected" }'] = "Disconnected", ['"Rej*"'] = "Rejected",
      ['{ "Approved", "Pending" }'] = false, ['"*"'] = false, ['"*ed"'] = false,
    } do
      local expected = names and { "r.lua:1: approve 'a': it never changes what is " .. names .. way_out } or {}
      local text = ('approve "a" { when = { name = "*", status = %s } }'):format(statuses)
      assert.same(expected, parse(text):warnings())
    end
    assert.same({}, parse('reject "r" { when = { status = "Approved" } } hold "h" { when = { status = "Rejected" } }'
      .. by_name):warnings())
  end)

  it("make an item of azpec.run of a decision that changes something, and none of another", function ()
    local set, one = parse(by_name:gsub("because", 'description = "{name}", because')), connection()
    local description = one.id:match "[^/]+$"
    assert.same({ id = one.id, action = "approve", description = description, etag = '"1"', connection = one,
      rule = "named", reason = "it is ours" }, rules.item(one, set:decide(one)))
    for _, more in ipairs { { name = "web" }, { status = "Approved" } } do
      local other = connection(more)
      assert.is_nil(rules.item(other, set:decide(other)))
    end
    one.etag = '"\n"'
    local item = rules.item(one, set:decide(one))
    assert.equal("nil protocol", ("%s %s"):format(item.etag, item.err.kind))
  end)

  it("wait for what the service is still at", function ()
    for _, state in ipairs { "Creating", "Updating", "Deleting" } do
      assert.same({ action = "hold", rule = "named", line = 1, reason = "it is " .. state
        .. "; look again when that has ended" }, decide(by_name, { provisioning = state }))
    end
    assert.equal("approve", decide(by_name, { provisioning = "Failed" }).action)
  end)

  it("write a description from a template, once", function ()
    local text = 'approve "ours" { when = { name = "*" }, because = "why", '
      .. 'description = "{rule}, {reason} [{description}]" }'
    assert.equal("ours, why [ticket {rule} %1]", decide(text, { description = "ticket {rule} %1" }).description)
    assert.equal("ours, why []", decide(text).description)
    assert.is_nil(decide(by_name, { description = "x" }).description)
  end)

  it("write no blank where the requester gave no description", function ()
    for template, written in pairs { ["{description} ({rule})"] = "(ours)", ["{rule}: {description}"] = "ours:",
      ["{description} {ticket} by {rule}"] = "by ours", ["({description} {rule})"] = "( ours)",
      ["{description} {ticket}"] = "", [" {rule}"] = " ours" } do
      local text = ("approve 'ours' { when = { name = '*' }, because = 'why', description = '%s' }"):format(template)
      assert.equal(written, decide(text, {}).description)
    end
  end)

  it("hold where the description would be longer than the service takes", function ()
    local text = by_name:gsub("}%s*$", ", description = '{description}, {rule}' }")
    assert.equal(("x"):rep(133) .. ", named", decide(text, { description = ("x"):rep(133) }).description)
    local decision = decide(text, { description = ("x"):rep(134) })
    assert.same({ "hold", true, "its description would be 141 characters long, and 140 are the most" },
      { decision.action, decision.failed, decision.reason })
  end)

  it("write the ticket into it", function ()
    local set = parse 'approve "x" { when = { name = "*" }, description = "{ticket}: {description}" }'
    assert.equal("x", set:speaks_of_ticket())
    assert.equal("CHG-1: y", set:decide(connection { description = "y" }, { ticket = "CHG-1" }).description)
    assert.is_nil(parse(by_name):speaks_of_ticket())
  end)

  it("fill in the reason, which a description may repeat", function ()
    local set = parse [[approve "x" { when = { name = "*" }, because = "{name} is of {ticket}",
      description = "{reason}" }]]
    assert.equal("x", set:speaks_of_ticket())
    local decision = set:decide(connection {}, { ticket = "CHG-1" })
    assert.matches("^build%S+ is of CHG%-1$", decision.reason)
    assert.equal(decision.reason, decision.description)
  end)

  it("limit what one run does", function ()
    local set = parse('at_most { approve = 2, changes = 3 }\n' .. by_name)
    assert.is_nil(set:excess { approve = 2, reject = 1 })
    assert.equal("this would approve 3 connections, and r.lua allows at most 2", set:excess { approve = 3 })
    assert.equal("this would change 4 connections, and r.lua allows at most 3", set:excess { approve = 1, reject = 3 })
    assert.equal("this would change 2 connections, and at most 1 were allowed", set:excess({ approve = 2 }, 1))
    assert.is_nil(parse(by_name):excess { approve = 9999 })
    assert.same({ "approve", "changes", "more" }, { select(2, set:excess { approve = 3 }),
      (select(2, set:excess { approve = 1, reject = 3 })), (select(2, set:excess({ approve = 2 }, 1))) })
  end)

  it("take counts by status like those by action, and no count that they cannot limit", function ()
    local set = parse('at_most { approve = 2 }\n' .. by_name)
    assert.is_nil(set:excess { Approved = 2, Rejected = 9 })
    assert.equal("this would approve 3 connections, and r.lua allows at most 2", set:excess { Approved = 3 })
    assert.is_nil(set:excess { approve = 2, reject = 0, hold = 9, ignore = 9, unchanged = 9 })
    for name, guess in pairs { approves = "; did you mean 'Approved' or 'approve'%?", Deleted = "" } do
      local _, why = pcall(function () assert(set:excess { [name] = 3 }) end)
      assert.matches("rules_spec%.lua:%d+: unknown field '" .. name .. "'" .. guess .. "$", why)
    end
  end)

  it("have to come out as they expect themselves", function ()
    local good = by_name .. ('expect "approve" { private_endpoint = "%s", rule = "named" }\n'):format(
      endpoint(theirs, "build-9"))
      .. 'expect "hold" { description = "build-7" }\nexpect "ignore" { status = "Approved" }'
    assert.equal("named", decide(good).rule)
    refused("r.lua:2: expect 'approve': the rules hold it, by no rule: no rule matches",
      by_name .. ('expect "approve" { private_endpoint = "%s" }'):format(endpoint(ours, "web-7")))
    refused("r.lua:4: expect 'hold': the rules hold it, but by rule 'b': "
      .. "it matches every request that no earlier rule decided",
      by_name .. 'hold "b" {}\nhold "a" {}\nexpect "hold" { rule = "a" }')
    refused("r.lua:3: expect 'hold': there is no rule 'teh rest'; did you mean 'the rest'?",
      by_name .. 'hold "the rest" {}\nexpect "hold" { rule = "teh rest" }')
    refused("r.lua:2: expect 'aprove': one of approve, reject, ignore, hold is expected; did you mean 'approve'?",
      by_name .. 'expect "aprove" { name = "x" }')
    refused("r.lua:2: expect 'hold': rule 'x' failed, so its decision is hold: r.lua:1: unknown member 'nme' of the "
      .. "connection; did you mean 'name'?",
      'hold "x" { when = function (c) return c.nme == "a" end }\nexpect "hold" { name = "a" }')
    refused("r.lua:2: expect 'hold': unknown field 'when' (known: account_name, age, description, facts, group_id, id, "
      .. "name, private_endpoint, provisioning_state, resource_group_name, rule, status, subscription_id)",
      by_name .. 'expect "hold" { when = "x" }')
    assert.equal("reject", decide('reject "o" { when = { older_than = "1d" } } expect "reject" { age = "2d" } '
      .. 'expect "hold" { age = "1m" }', {}, { first_seen = now - 86400 }).action)
  end)
end)

describe("a rules file", function ()
  it("is refused with file and line", function ()
    refused("r.lua: there is no rule in it", "-- nothing")
    refused("r.lua:2: aprove 'x': unknown word; did you mean 'approve'?", "\naprove 'x' {}")
    refused("r.lua:2: at_mots: unknown word; did you mean 'at_most'?", "\nat_mots { approve = 1 }")
    refused("r.lua:1: rejected: unknown word; did you mean 'reject'?", "if rejected then hold 'x' {} end")
    refused("r.lua:1: unknown word 'toString'; did you mean 'tostring'?", "hold(toString(1)) {}")
    refused("r.lua:1: 'limit' cannot be set; write `local limit = ...`", "limit = 3")
    refused("r.lua:1: approve: a name in quotes is expected", "approve { when = {} }")
    refused("r.lua:1: approve 'x': one table is expected after the name", "approve 'x' 'y'")
    refused("r.lua:1: approve 'x': one table is expected after the name",
      "local a = approve 'x' a { when = { name = 'x' } } a {}")
    refused("r.lua:1: hold 'x': it has no body; write hold \"x\" { ... }", "hold 'x'")
    refused("r.lua:2: hold 'x': line 1 has a rule of that name already", "hold 'x' {}\nhold 'x' {}")
    refused("r.lua:1: hold 'x': unknown field 'if' (known: because, description, unless, when)",
      "hold 'x' { ['if'] = 1 }")
    refused("r.lua:1: hold 'x': unknown field '1' (known: because, description, unless, when)", "hold 'x' { 1 }")
    refused("r.lua:1: hold 'x': bad field 'when' (table expected, got string)", "hold 'x' { when = 'always' }")
    refused("r.lua:1: hold 'x': bad field 'when' (it says nothing)", "hold 'x' { when = {} }")
    refused("r.lua:1: hold 'x': when: unknown field 'nme'; did you mean 'name'?", "hold 'x' { when = { nme = 1 } }")
    refused("r.lua:1: hold 'x': when: unknown field 'age' (known: account_name, description, group_id, id, name, "
      .. "older_than, private_endpoint, private_endpoint_name, private_endpoint_resource_group, "
      .. "private_endpoint_subscription, provisioning_state, resource_group_name, status, subscription_id, where, "
      .. "younger_than)", "hold 'x' { when = { age = 1 } }")
    refused("r.lua:1: hold 'x': when: bad field 'status' ('Aproved' is not one of Approved, Disconnected, Pending, "
      .. "Rejected; did you mean 'Approved'?)", "hold 'x' { when = { status = 'Aproved' } }")
    refused("r.lua:1: hold 'x': unless: bad field 'name' (it is empty)", "hold 'x' { unless = { name = '' } }")
    refused("r.lua:1: hold 'x': bad field 'when.older_than' ('soon' is not a duration; write 30s, 15m, 2h, 7d, 2w)",
      "hold 'x' { when = { older_than = 'soon' } }")
    for _, field in ipairs { "older_than", "younger_than" } do
      for _, age in ipairs { "7", "'7'" } do
        refused(("r.lua:1: hold 'x': bad field 'when.%s' ('7' has no unit; write 7d for days, 7h for hours, "
          .. "7m for minutes)"):format(field), ("hold 'x' { when = { %s = %s } }"):format(field, age))
      end
    end
    refused("r.lua:1: hold 'x': bad field 'when.where' (function expected, got string)",
      "hold 'x' { when = { where = 'x' } }")
    refused("r.lua:1: hold 'x': bad field 'because' (string expected, got number)", "hold 'x' { because = 1 }")
    refused("r.lua:1: hold 'x': bad field 'because' (it is not UTF-8)", "hold 'x' { because = '\\xff' }")
    refused("r.lua:1: hold 'x': bad field 'because' (it is longer than 1000 bytes)",
      ("hold 'x' { because = '%s' }"):format(("x"):rep(1001)))
    refused("r.lua:1: hold 'x': bad field 'because' ('{reason}' is not one of {rule}, {description}, {name}, {ticket})",
      "hold 'x' { because = '{reason}' }")
    refused("r.lua:1: hold: its name: it is not UTF-8", "hold '\\xff' {}")
    refused("r.lua:1: hold: its name: it is longer than 1000 bytes", ("hold '%s' {}"):format(("x"):rep(1001)))
    refused("r.lua:1: hold 'x': bad field 'description' (hold writes none)", "hold 'x' { description = 'x' }")
    refused("r.lua:1: reject 'x': bad field 'description' ('{ruel}' is not one of {rule}, {reason}, {description}, "
      .. "{name}, {ticket}; did you mean 'rule'?)",
      "reject 'x' { description = '{ruel}' }")
    refused("r.lua:1: at_most: bad field 'approve' (whole number, not negative, expected)",
      "at_most { approve = 1.5 }")
    refused("r.lua:1: at_most: unknown field 'hold' (known: approve, changes, reject)", "at_most { hold = 1 }")
    refused("r.lua:2: at_most: bad field 'reject' (it is limited twice)",
      "at_most { reject = 1 }\nat_most { reject = 2 }")
    refused("r.lua:1: at_most: a table is expected", "at_most(3)")
  end)

  it("is refused with all of its errors and their number", function ()
    refused([[
r.lua:1: at_most: unknown field 'all' (known: approve, changes, reject)
r.lua:1: at_most: bad field 'approve' (whole number, not negative, expected)
r.lua:2: hold 'a': unknown field 'wheb'; did you mean 'when'?
r.lua:2: hold 'a': unknown field 'whem'; did you mean 'when'?
r.lua:3: hold 'a': line 2 has a rule of that name already
r.lua:3: hold 'a': when: bad field 'description' (it is empty)
r.lua:3: hold 'a': when: bad field 'group_id' (string expected, got number)
r.lua:3: hold 'a': bad field 'when.older_than' ('1' has no unit; write 1d for days, 1h for hours, 1m for minutes)
r.lua:3: hold 'a': bad field 'because' (string expected, got number)
r.lua:4: approve: a name in quotes is expected
r.lua:5: ingore 'b': unknown word; did you mean 'ignore'?
r.lua:6: expect 'aprove': one of approve, reject, ignore, hold is expected; did you mean 'approve'?
r.lua:6: expect 'aprove': bad field 'name' (it is empty)
r.lua:6: expect 'aprove': bad field 'age' ('x' is not a duration; write 30s, 15m, 2h, 7d, 2w)
r.lua: 14 errors]], [[
at_most { approve = -1, all = 3 }
hold "a" { whem = {}, wheb = {} }
hold "a" { when = { group_id = 1, description = "", older_than = "1" }, because = 1 }
approve { when = { name = "x" } }
ingore "b" { when = { name = "x" } }
expect "aprove" { name = "", age = "x" }]])
  end)

  it("is refused without errors that only follow from others", function ()
    refused("r.lua:1: approve 'x': unless: bad field 'name' (it is empty)",
      "approve 'x' { unless = { name = '' } } expect 'hold' { name = 'x', status = 'Approved' }")
    refused("r.lua:1: hold 'x': bad field 'because' (it is empty)", "for _ = 1, 2 do at_most {} end "
      .. "hold 'x' { because = '' } expect 'approve' { name = 'x' }")
    refused("r.lua:1: at_most: bad field 'reject' (whole number, not negative, expected)",
      "for _ = 1, 2 do at_most { reject = '1' } end")
  end)

  it("is refused with the errors before the one that ends its reading", function ()
    refused([[
r.lua:1: hold 'a': bad field 'because' (it is empty)
r.lua:3: unknown word 'nme'
r.lua: 2 errors]], [[
hold "a" { because = "" }
hold "b" {
  when = { name = nme } }
hold "c" { because = "" }]])
    refused("r.lua:2: syntax error near '='", "hold 'a' { because = '' }\n= 1")
  end)

  it("is refused with all of its expectations that fail", function ()
    refused([[
r.lua:2: expect 'hold': the rules ignore it, by no rule: it is Approved, and no rule speaks of that
r.lua:3: expect 'reject': the rules hold it, by no rule: no rule matches
r.lua: 2 errors]], by_name .. [[
expect "hold" { status = "Approved" }
expect "reject" { name = "x" }]])
  end)

  it("is refused with the number of the errors that are not shown", function ()
    local set, why = rules.parse("for n = 1, 25 do hold('x' .. n) { because = '' } end oops()", "r.lua")
    assert.is_nil(set)
    local lines = {}
    for line in why:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(21, #lines)
    assert.equal("r.lua:1: hold 'x20': bad field 'because' (it is empty)", lines[20])
    assert.equal("r.lua: 26 errors; the first 20 are shown", lines[21])
  end)

  it("does not approve whoever asks", function ()
    local message = "r.lua:1: approve 'x': it would approve whoever asks; let `when` say who: id, name, "
      .. "private_endpoint, private_endpoint_name, private_endpoint_resource_group, private_endpoint_subscription, "
      .. "description or where"
    refused(message, "approve 'x' {}")
    refused(message, "approve 'x' { when = { status = 'Pending', account_name = 'acct' } }")
    refused(message, "approve 'x' { when = { older_than = '1d' } }")
    refused(message, "approve 'x' { unless = { name = 'x' } }")
  end)

  it("cannot leave its sandbox", function ()
    refused("r.lua:1: unknown word 'os'", "os.exit(0)")
    refused("r.lua:1: unknown word 'pcall'", "pcall(error) hold 'x' {}")
    refused("r.lua:1: it runs for too long", "while true do end")
    refused("r.lua: this is compiled; a text is wanted", string.dump(function () end))
    refused("r.lua:1: it runs for too long", "for i = 1, 1e9 do hold('x' .. i) {} end")
  end)

  it("comes with an example that keeps its own promises", function ()
    local set = assert(rules.read "scripts/examples/rules.lua")
    assert.equal(5, #set.rules)
    assert.equal(20, set.limits.approve)
  end)

  it("is refused with what an expectation does not give and the meant rule asks for", function ()
    for given, lack in pairs { ['{ name = "build-7" }'] = "private_endpoint_name (of the whole id private_endpoint)",
      ['{ private_endpoint = "/privateEndpoints/build-7" }'] = "private_endpoint_name (of the whole id "
        .. "private_endpoint)" } do
      refused(("r.lua:2: expect 'approve': the rules hold it, by no rule: no rule matches; rule 'named' asks for %s, "
        .. "which is not given here"):format(lack), by_name .. 'expect "approve" ' .. given)
    end
    local both = 'reject "a" { when = { description = "x" } }\nreject "b" { when = { older_than = "1d" } }\n'
    for rule, lack in pairs { a = "description", b = "age" } do
      refused(("r.lua:3: expect 'reject': the rules hold it, by no rule: no rule matches; rule '%s' asks for %s, "
        .. "which is not given here"):format(rule, lack), both .. ('expect "reject" { rule = "%s" }'):format(rule))
    end
  end)

  it("is refused by the examples' expectations without one of its rules or conditions", function ()
    for example, count in pairs { [documents.block("lua", "-- rules.lua")] = 5,
      [documents.read "scripts/examples/rules.lua"] = 7 } do
      for removed, rest in without_a_part(example) do
        local set, why = rules.parse(rest, "r.lua")
        assert.is_nil(set, removed)
        assert.matches("^r%.lua:%d+: expect '%l+': the", why)
        count = count - 1
      end
      assert.equal(0, count)
    end
  end)

  it("is read from a path that messages name", function ()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write("\n\nboo 'x'")
    file:close()
    local set, why = rules.read(path)
    assert.is_nil(set)
    assert.equal(path .. ":3: unknown word 'boo'", why)
    os.remove(path)
    set, why = rules.read(path)
    assert.is_nil(set)
    assert.equal(path .. ": No such file or directory", why)
    set, why = rules.read "/"
    assert.is_nil(set)
    assert.equal("/ is no regular file but a directory", why)
  end)
end)
