-- Several accounts, of which some cannot be read: the rest is done, and what is missing is named, and visible in the
-- exit code and in JSON.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local plan = require "azpec.plan"
local t = require "loopback.support"

local json = { t.json_type }
local subscription = t.id:match "^/subscriptions/[^/]+"
local group = subscription .. "/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/"

local function refused(status, code)
  return { status = status, headers = json, body = ('{"error":{"code":"%s","message":"no"}}'):format(code) }
end

local function connection(account, name, status)
  return { id = group .. account .. "/privateEndpointConnections/" .. name, name = name, etag = '"1"',
    properties = { provisioningState = "Succeeded", groupIds = { "batchAccount" },
      privateLinkServiceConnectionState = { status = status or "Pending" } } }
end

local function page(items)
  return { status = 200, headers = json, body = cjson.encode { value = items } }
end

local function at(rule, path, more)
  for name, value in pairs(more or {}) do rule[name] = value end
  rule.path = path
  return rule
end

-- Accounts acca, accb and accc; accb answers as given, accc is gone.
local function rules(of_b, more)
  local accounts = { { id = group .. "acca" }, { id = group .. "accb" }, { id = group .. "accc" } }
  local list = { at(page(accounts), "batchAccounts?"),
    at(of_b, "batchAccounts/accb/"), at(refused(404, "ResourceNotFound"), "batchAccounts/accc") }
  for n, rule in ipairs(more or {}) do table.insert(list, n, rule) end
  list[#list + 1] = at(page { connection("acca", "one"), connection("acca", "two") }, "batchAccounts/acca/")
  return list
end

local function run(list, line, more)
  local server = t.server(list)
  local verb, rest = line:match "^(%S+) ?(.*)$"
  return kit.run(("%s --credential token --endpoint %s --timeout 10 --subscription %s %s"):format(verb,
    server.endpoint, subscription:match "[^/]+$", rest),
    t.merged({ env = { AZURE_ACCESS_TOKEN = t.canary } }, more or {})), server
end

describe("one account of several", function ()
  after_each(t.tidy)
  teardown(t.close)

  for status, code in pairs { [403] = "AuthorizationFailed", [400] = "AccountIsDisabled", [409] = "AccountBusy",
    [500] = "InternalServerError" } do
    it(("that answers %d is named; list shows the others and ends with 12"):format(status), function ()
      local result = kit.ended(12, (run(rules(refused(status, code)), "list --max-tries 1")))
      assert.matches("one +Pending", result.out)
      assert.matches("two +Pending", result.out)
      assert.matches("azpec: cannot read g/accb: .*" .. code, result.err)
      assert.matches("azpec: g/accc is gone; passed over", result.err)
    end)
  end

  for verb, line in t.each { auto = "", plan = "--out -", drift = "", watch = "--stop-after 0" } do
    it(("keeps no other account from %s, which names it and ends with 12"):format(verb), function ()
      local file = t.write(t.new_path "rules.lua", 'hold "rest" { when = { name = "*", status = "*" } }')
      local decides = verb == "watch" and "" or "--rules " .. file
      local approved = at(page { connection("acca", "one", "Approved") }, "batchAccounts/acca/")
      local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed"), { approved }),
        ("%s %s %s"):format(verb, line, decides))))
      assert.matches("%f[%w]one%f[%W]", result.out)
      assert.matches("azpec: cannot read g/accb: AuthorizationFailed", result.err, 1, true)
    end)
  end

  it("whose listed name azpec refuses is named, and no error of the command line; the others are done", function ()
    local listed = page { { id = group .. "acc_b" }, { id = group .. "acca" } }
    local result = kit.ended(12, (run(rules(page {}, { at(listed, "batchAccounts?") }), "list -o json")))
    local document = cjson.decode(result.out)
    assert.same({ false, 2 }, { document.complete, #document.connections })
    assert.same({ group .. "acc_b", "protocol" }, { document.errors[1].place, document.errors[1].kind })
    assert.equal("cannot read g/acc_b: the service listed the account with a bad account name (3 to 24 letters and "
      .. "digits expected, got 'acc_b')", document.errors[1].message)
    result = kit.ended(2, (run(rules(page {}), "list -g g --account acc_b")))
    assert.matches("--account: 3 to 24 letters and digits expected, got 'acc_b'", result.err, 1, true)
  end)

  it("makes a plan incomplete; apply says so, ends with 12, and has it in its JSON", function ()
    local decides = t.write(t.new_path "rules.lua", 'approve "all" { when = { name = "*" }, because = "ours" }')
    local path = t.new_path "plan"
    local planned, server = run(rules(refused(403, "AuthorizationFailed")),
      ("plan --rules %s --out %s"):format(decides, path))
    kit.ended(12, planned)
    local endpoint, made = server.endpoint, assert(plan.read(path))
    assert.is_false(made.complete)
    assert.same({ group .. "accb", "forbidden", 403 },
      { made.errors[1].place, made.errors[1].kind, made.errors[1].http_status })
    local function apply(line)
      return kit.run(("apply %s --dry-run --credential token --endpoint %s %s"):format(path, endpoint, line),
        { env = { AZURE_ACCESS_TOKEN = t.canary } })
    end
    local said = "the plan is not complete: when it was made, 1 account could not be read"
    for _, line in ipairs { "", "-q", "--detailed-exitcode" } do
      local result = kit.ended(12, apply(line))
      assert.equal(1, select(2, result.err:gsub("azpec: " .. said .. "\n", "")))
    end
    local result = kit.ended(12, apply "-o json")
    local document = cjson.decode(result.out)
    assert.same({ false, group .. "accb" }, { document.complete, document.errors[1].place })
    assert.equal("2 connections: 2 would change; " .. said, kit.json(result.err, kit.failure).error.message)
  end)

  it("makes the JSON envelope say that it is not complete, with the error of each", function ()
    local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "list -o json")))
    local document = cjson.decode(result.out)
    assert.is_false(document.complete)
    assert.equal(2, #document.connections)
    assert.equal(1, #document.errors)
    assert.equal(group .. "accb", document.errors[1].place)
    assert.equal("forbidden", document.errors[1].kind)
    local failed = kit.json(result.err, kit.failure)
    assert.equal(group .. "accb", failed.errors[1].place)
    assert.same({ "some_failed", "1 account could not be read", { "g/accc is gone; passed over" } },
      { failed.error.kind, failed.error.message, failed.notes })
  end)

  it("is also reported where standard output is full", function ()
    for format, place in pairs { json = group .. "accb", tsv = "cannot read g/accb: " } do
      local result = run(rules(refused(403, "AuthorizationFailed")), "list -o " .. format, { redirect = ">/dev/full" })
      assert.matches("cannot write to standard output", kit.ended(1, result).err)
      assert.matches(place, result.err, 1, true)
    end
  end)

  it("is counted in the totals, beside the accounts that were read", function ()
    local document = cjson.decode(kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "list -o json"))).out)
    assert.same({ accounts = 1, unreadable = 1, unreadable_subscriptions = 0, connections = 2, pending = 2,
      approved = 0, rejected = 0, disconnected = 0, other = 0 }, document.totals)
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+Z$", document.read_at)
    local none = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "list nothinglike")))
    assert.matches("no connection matches; 1 Batch account was searched", none.err, 1, true)
  end)

  it("adds a last line to JSON lines, which says what is missing; rows alone are all", function ()
    local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "list -o jsonl")))
    local lines = {}
    for line in result.out:gmatch "[^\n]+" do lines[#lines + 1] = cjson.decode(line) end
    assert.equal(3, #lines)
    local last = lines[3]
    assert.same({ 1, false, group .. "accb", 1 },
      { last.schema_version, last.complete, last.errors[1].place, last.totals.unreadable })
    for n = 1, 2 do assert.same({ "Pending", nil }, { lines[n].status, lines[n].complete }) end
    result = kit.ended(0, (run(rules(page { connection("accb", "three") }), "list -o jsonl")))
    assert.equal(3, select(2, result.out:gsub("\n", "")))
    assert.falsy(result.out:find("complete", 1, true))
  end)

  it("leaves JSON lines that the next command takes, whose rows are not all either", function ()
    local listed = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "list -o jsonl"))).out
    local answers = rules(page {}, { at({ status = 200, headers = json,
      body = cjson.encode(connection("acca", "one")) }, "/one?"), at({ status = 200, headers = json,
      body = cjson.encode(connection("acca", "two")) }, "/two?") })
    local result = kit.ended(12, (run(answers, "approve - --dry-run -q", { stdin = listed })))
    assert.equal(2, select(2, result.out:gsub("would become Approved", "")))
    assert.equal("azpec: the rows on standard input are not complete: 1 account could not be read\n", result.err)
    local document = cjson.decode(kit.ended(12, (run(answers, "approve - --dry-run -o json", { stdin = listed }))).out)
    assert.same({ false, group .. "accb" }, { document.complete, document.errors[1].place })
  end)

  it("that the rows on standard input lack for another reason is a partial success, too", function ()
    local place, one, all = '{"kind":"forbidden","message":"no","place":"' .. group .. 'accb"}',
      '{"kind":"conflict","message":"it was changed","id":"' .. group .. 'acca/privateEndpointConnections/one"}',
      '{"kind":"other","message":"the disk is full"}'
    for errors, said in pairs { [one] = "the command before this one has failed for 1 connection",
      [all] = "the command before this one failed: the disk is full",
      [table.concat({ all, one, place, one }, ",")] = "1 account could not be read; the command before this one has "
        .. "failed for 2 connections; the command before this one failed: the disk is full" } do
      local last = ('{"schema_version":1,"complete":false,"errors":[%s]}\n'):format(errors)
      local result = kit.ended(12, (run({}, "wait - --for gone --allow-none -q", { stdin = last })))
      assert.equal(("azpec: the rows on standard input are not complete: %s\n"):format(said), result.err)
    end
  end)

  it("is not read where the command line names another", function ()
    local one, file = group .. "acca/privateEndpointConnections/one", t.write(t.new_path "rules", "hold 'all' {}")
    for _, line in ipairs { "list " .. one, "list acca/one",
      ("list %s %s"):format(one, one:gsub("one$", "two")), "watch --stop-after 0s " .. one, "show " .. one,
      "wait --for exists " .. one, ("status --id %sacca"):format(group),
      ("report --out %s --id %sacca"):format(t.new_path "page", group), ("plan --rules %s --id %s"):format(file, one),
      ("plan --rules %s --id %sacca"):format(file, group), ("drift --rules %s --id %sacca"):format(file, group) } do
      local result, server = run(rules(refused(403, "AuthorizationFailed"), { at({ status = 200, headers = json,
        body = cjson.encode(connection("acca", "one")) }, "/one?") }), line)
      kit.ended(0, result)
      for _, request in ipairs(server:requests()) do
        local is_search = line:find "acca/one$" and request.target:find("batchAccounts?", 1, true)
        assert(is_search or request.target:find("/acca/", 1, true), line .. ": " .. request.target)
      end
    end
  end)

  it("that is named with another, or alone, is an error of the listing", function ()
    local one, of_b = group .. "acca/privateEndpointConnections/one", group .. "accb/privateEndpointConnections/three"
    local result, server = run(rules(refused(403, "AuthorizationFailed")), ("list %s %s"):format(one, of_b))
    assert.matches("one +Pending", kit.ended(12, result).out)
    assert.equal(2, #server:requests())
    kit.ended(5, (run(rules(refused(403, "AuthorizationFailed")), "list " .. of_b)))
  end)

  it("that is only gone leaves the listing complete", function ()
    local result = kit.ended(0, (run(rules(page { connection("accb", "three") }), "list -o json")))
    local document = cjson.decode(result.out)
    assert.is_true(document.complete)
    assert.same({ group .. "accc" }, document.gone)
    assert.equal(3, #document.connections)
  end)

  it("whose list alone answers 404 is not gone, and the listing is not complete", function ()
    local result = kit.ended(12, (run(rules(refused(404, "ResourceNotFound"), {
      at({ status = 200, headers = json, body = cjson.encode { id = group .. "accb" } }, "batchAccounts/accb?") }),
      "list -o json")))
    local document = cjson.decode(result.out)
    assert.is_false(document.complete)
    assert.same({ group .. "accc" }, document.gone)
    assert.same({ group .. "accb", "not_found" }, { document.errors[1].place, document.errors[1].kind })
    assert.matches("^the account exists", document.errors[1].hint)
  end)

  it("ends everything with --fail-fast, by its own exit code", function ()
    local result = kit.ended(5, (run(rules(refused(403, "AuthorizationFailed")), "list --fail-fast -o json")))
    local document = cjson.decode(result.out)
    assert.is_false(document.complete)
    assert.equal("forbidden", document.errors[1].kind)
  end)

  it("does not keep approve --all from the others, and the exit code says that not all was seen", function ()
    local approved = connection("acca", "one", "Approved")
    local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed"), {
      at({ status = 200, headers = json, body = cjson.encode(approved) }, "/one?", { method = "PATCH" }),
      at({ status = 200, headers = json, body = cjson.encode(connection("acca", "two", "Approved")) }, "/two?",
        { method = "PATCH" }),
      at({ status = 200, headers = json, body = cjson.encode(connection("acca", "one")) }, "/one?"),
      at({ status = 200, headers = json, body = cjson.encode(connection("acca", "two")) }, "/two?") }),
      "approve --all --yes")))
    assert.matches("one: Approved", result.out)
    assert.matches("two: Approved", result.out)
    assert.matches("cannot read g/accb", result.err)
  end)

  local unread = "1 account could not be read"
  local function no_write(server)
    for _, request in ipairs(server:requests()) do assert.not_equal("PATCH", request.method) end
  end

  it("keeps a name from choosing, since another one may have it as well", function ()
    for options, account in pairs { [""] = "-g, --account", ["-g g"] = "--account", ["--allow-none"] = "-g, --account",
      ["--wait 0.1 --interval 0.05"] = "-g, --account" } do
      local result, server = run(rules(refused(403, "AuthorizationFailed")), "approve one " .. options)
      kit.ended(12, result)
      assert.matches(("'one' matches, but %s, so another connection may match as well"):format(unread), result.err, 1,
        true)
      assert.matches(("hint: name the account (%s) or give the connection's id"):format(account), result.err, 1, true)
      no_write(server)
    end
  end)

  it("keeps a name that nothing matches from being none", function ()
    for _, line in ipairs { "approve ones", "approve --all --name 'zzz*'", "approve --max 3 --name 'zzz*'", "show zzz",
      "approve zzz --wait 0.1 --interval 0.05" } do
      local result, server = run(rules(refused(403, "AuthorizationFailed")), line)
      kit.ended(12, result)
      assert.matches(unread .. "; no connection matches ", result.err, 1, true)
      assert.falsy(result.err:find("may match as well", 1, true))
      no_write(server)
    end
    local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "approve zzz -o json")))
    assert.equal("some_failed", kit.json(result.err, kit.failure).error.kind)
    kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "approve zzz --allow-none")))
    kit.ended(3, (run(rules(page {}), "approve zzz")))
  end)

  it("is named where a name has it for its place, without others' connections", function ()
    local result, server = run(rules(refused(403, "AuthorizationFailed")), "approve accb/two acca/one --yes -o json")
    local err = kit.json(kit.ended(12, result).err, kit.failure).error
    assert.same({ "some_failed", "the account of 'accb/two' could not be read", nil },
      { err.kind, err.message, err.candidates })
    no_write(server)
    kit.ended(5, (run(rules(refused(403, "AuthorizationFailed")), "approve accb/two")))
  end)

  it("keeps approve --wait waiting, until it can be read", function ()
    local once = at(refused(403, "AuthorizationFailed"), "batchAccounts/accb/", { times = 1 })
    local result = kit.ended(12, (run(rules(page { connection("accb", "three") }, { once }),
      "approve three --wait 5 --interval 0.05 --dry-run")))
    assert.matches("three: would become Approved", result.out)
  end)

  it("makes wait say that a connection is not known, neither gone nor absent", function ()
    for _, line in ipairs { "gone three", "exists three", "status=Approved three", "gone --all --name 'zzz*'",
      "exists --all --name 'zzz*'" } do
      local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")),
        ("wait --timeout 0 --for %s"):format(line))))
      assert.matches("azpec: not known: " .. unread, result.err, 1, true)
      assert.falsy((result.err .. result.out):find("no such connection", 1, true))
      assert.matches("cannot read g/accb", result.err)
    end
  end)

  it("makes wait of several count what is not known", function ()
    local result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")),
      "wait --timeout 0 --for exists one three -o jsonl")))
    local results = {}
    for line in result.out:gmatch "[^\n]+" do results[#results + 1] = cjson.decode(line).result end
    assert.same({ "met", "unknown" }, results)
    result = kit.ended(12, (run(rules(refused(403, "AuthorizationFailed")), "wait --timeout 0 --for exists one three")))
    assert.matches("three: not known: " .. unread .. "; exists", result.out)
    assert.matches("2 connections: 1 met, 1 unknown", result.err)
  end)

  it("that cannot sign in ends everything, since the others could not either", function ()
    kit.ended(4, (run(rules { status = 401, headers = json, body = "{}" }, "list")))
  end)
end)

describe("one subscription of several", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("that cannot be read is named, and the others are listed", function ()
    local other = "00000000-0000-0000-0000-00000000abcd"
    local result = kit.ended(12, (run({ at(refused(403, "AuthorizationFailed"), "/subscriptions/" .. other),
      at(page { { id = group .. "acca" } }, "batchAccounts?"),
      at(page { connection("acca", "one") }, "batchAccounts/acca/") }, "list --subscription " .. other)))
    assert.matches("one +Pending", result.out)
    assert.matches("azpec: cannot read /subscriptions/" .. other:gsub("%-", "%%-") .. ": ", result.err)
  end)
end)
