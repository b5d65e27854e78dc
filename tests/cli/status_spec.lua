-- azpec status: one line per account, the most urgent first; drawn again and again on a terminal.

local assert = require "luassert"
local cjson = require "cjson"
local counting = require "azpec.cli.rows"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0, update_answer = "200" }

local rules = [[approve "the web team" { when = { private_endpoint_name = "web-*" } } hold "the rest" {}]]

local function account(name, ...)
  local list = {}
  for n, status in ipairs { ... } do
    list[n] = { name = ("%s-%d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%04x"):format(name, n, n), status = status }
  end
  return { account_name = name, resource_group_name = "rg", connections = list }
end

local function play(...)
  emulator:control("PUT", "state", support.merged(emulator:state(), { accounts = { ... } }))
  emulator:control("DELETE", "log")
end

before_each(function ()
  play(account("quiet", "Approved"), account("busy", "Pending", "Pending", "Rejected"), account("empty"),
    account("gone", "Disconnected", "Pending"))
end)

local function rows(line)
  return cjson.decode(azpec("status", line .. " -o json").out).accounts
end

local function order(line)
  local names = {}
  for n, row in ipairs(rows(line)) do names[n] = row.account_name end
  return table.concat(names, " ")
end

describe("a status that the module knows", function ()
  it("is explained in the help as the module knows what can become of it", function ()
    local transitions, statuses = require "azpec.transitions", require "azpec".PrivateLinkServiceConnectionStatus
    for _, row in ipairs(require "azpec.cli.topics".find "connections" [1]) do
      local facts = type(row) == "table" and { status = statuses[row[1]] }
      local is_final = facts and transitions.of(facts, "Approved") == "impossible"
      if facts then assert.equal(is_final, row[2]:find "^Final: no approval is possible" ~= nil) end
      if facts and transitions.of(facts, "Rejected") == "allowed" then assert.not_matches("only be deleted", row[2]) end
    end
  end)

  it("has a count of its own, a color in the report, and an explanation", function ()
    local help = kit.ended(0, kit.run "help connections").out
    for status in pairs(require "azpec".PrivateLinkServiceConnectionStatus) do
      assert.are_not.equal("other", counting.count(counting.new_counts(), status))
      assert.are_not.equal("other", require "azpec.report.figures".class(status))
      assert.matches("\n *" .. status .. " +%u", help)
    end
  end)
end)

describe("the pace of azpec", function ()
  local at_once = require "azpec.fleet".at_once

  it("is in the guide and in the help of status: how many accounts are read at once", function ()
    local help = kit.run("help status").out:gsub("%s+", " ")
    assert.matches(("%d accounts are read at once; --parallel, which other verbs have, is about writes only"):format(
      at_once), help, 1, true)
    local guide = support.read "scripts/README.md"
    assert.matches(("Azure Resource Manager, %d accounts at once. `--parallel N` is about writes only"):format(at_once),
      (guide:gsub("%s+", " ")), 1, true)
    assert.matches("how many writes are under way at once", (kit.run("help approve").out:gsub("%s+", " ")), 1, true)
  end)

  it("has in the guide the limits that the emulator has", function ()
    local has = require "azpec.emulator.options".defaults
    local guide = support.read "scripts/README.md":gsub("%s+", " ")
    assert.matches(("%d reads at once, and %d more each second. Of writes it allows %d at once, and %d more each "
      .. "second, and of deletions as many"):format(has.reads_bucket, has.reads_refill, has.writes_bucket,
      has.writes_refill), guide, 1, true)
    assert.same({ has.writes_bucket, has.writes_refill }, { has.deletes_bucket, has.deletes_refill })
    assert.matches(("allows %d reads a second in a subscription"):format(has.reads_refill),
      (kit.run("help status").out:gsub("%s+", " ")), 1, true)
  end)
end)

describe("azpec status", function ()
  it("shows one line per account, and the sum on stderr", function ()
    local result = kit.ended(0, azpec("status", "--all-subscriptions"))
    local lines = {}
    for line in result.out:gmatch "[^\n]+" do lines[#lines + 1] = line:gsub("%d+s", "AGE"):gsub(" +", " ") end
    assert.same({ "ACCOUNT PENDING OLDEST APPROVED REJECTED DISCONNECTED LAST CHANGE", "busy 2 AGE 0 1 0 AGE",
      "gone 1 AGE 0 0 1 AGE", "empty 0 0 0 0", "quiet 0 1 0 0 AGE" }, lines)
    assert.matches("^4 accounts: 3 pending in 2, the oldest for %d+s\n$", result.err)
  end)

  it("says in JSON all that monitoring asks for", function ()
    local document = kit.json(kit.ended(0, azpec("status", "--rules " .. support.write(support.new_path "r.lua", rules)
      .. " -o json")).out, { schema_version = "=1", complete = "boolean", accounts_from = "=arm",
      read_at = "string", totals = { accounts = "=4", unreadable = "=0", unreadable_subscriptions = "=0",
        connections = "=6", waiting = "=2", pending = "=3", approved = "=1", rejected = "=1", disconnected = "=1",
        other = "=0", outside = "number", oldest_at = "string" },
      accounts = { { id = "string", kind = "=account", account_name = "string",
        resource_group_name = "string", subscription_id = "string", is_readable = "=true", connections = "number",
        pending = "number", approved = "number", rejected = "number", disconnected = "number", other = "number",
        outside = "number", ["oldest?"] = "string", ["oldest_at?"] = "string", ["last_change?"] = "string",
        ["last_change_at?"] = "string" } } })
    assert.equal(4, #document.accounts)
    local totals = cjson.decode(kit.ended(0, azpec("status", "-o json")).out).totals
    assert.same({ 6, nil }, { totals.connections, totals.outside }) -- without rules nobody has counted them
  end)

  it("puts the oldest request first, not the account with the most", function ()
    local busy, gone = account("busy", "Pending", "Pending"), account("gone", "Pending")
    busy.connections[1].age, gone.connections[1].age = 2.5 * 3600, 3.5 * 86400
    play(account("quiet", "Approved"), busy, gone)
    assert.equal("gone busy quiet", order "--all-subscriptions")
    assert.same({ "3d", "2h" }, { rows ""[1].oldest, rows ""[2].oldest })
    assert.matches("the oldest for 3d", azpec("status", "").err)
  end)

  it("sorts by counts as numbers, and by ages, with what has none last", function ()
    local busy, gone = account "busy", account("gone", "Pending")
    for n = 1, 10 do busy.connections[n] = { name = "b" .. n, status = "Pending", age = 11 * 86400 } end
    gone.connections[1].age = 2.5 * 86400
    play(account("quiet", "Approved"), busy, gone)
    assert.equal("quiet gone busy", order "--sort pending")
    assert.equal("busy gone quiet", order "--sort -pending")
    assert.equal("gone busy quiet", order "--sort oldest")
    assert.equal("busy gone quiet", order "--sort -OLDEST,account")
    assert.equal("quiet gone busy", order "--sort -approved,-account")
  end)

  it("puts accounts first that cannot be read, and ends with 12", function ()
    emulator:faults { { match = { kind = "list", path = "/quiet/", plain = true }, action = { status = 403 } } }
    local result = kit.ended(12, azpec("status", "--all-subscriptions"))
    assert.matches("\nquiet +forbidden\n", result.out)
    assert.matches("cannot read rg/quiet", result.err)
    assert.matches("3 accounts: 3 pending in 2, .*; 1 account unreadable", result.err)
    local document = cjson.decode(kit.ended(12, azpec("status", "--all-subscriptions -o json")).out)
    assert.is_false(document.complete)
    local row = document.accounts[1]
    assert.same({ "quiet", false, "forbidden" }, { row.account_name, row.is_readable, row.error.kind })
    assert.is_nil(row.pending)
  end)

  it("passes over an account that was deleted, which Resource Graph lists for a while", function ()
    emulator:faults { { match = { path = "/batchAccounts/quiet", plain = true }, action = { status = 404 } } }
    local document = cjson.decode(kit.ended(0, azpec("status", "--all-subscriptions -o json")).out)
    assert.same({ 3, true }, { #document.accounts, document.complete })
    assert.matches("/batchAccounts/quiet$", document.gone[1])
    local result = kit.ended(0, azpec("status", "--all-subscriptions"))
    assert.not_matches("quiet", result.out)
    assert.matches("rg/quiet is gone", result.err)
    assert.matches("3 accounts: 3 pending in 2", result.err)
  end)

  it("says that the accounts of a subscription are unknown, and counts it apart", function ()
    local other = "11111111-2222-4333-8444-555555555555"
    emulator:set { graph = "off" }
    emulator:control("PUT", "state", support.merged(emulator:control("GET", "state"), {
      subscriptions = { { subscription_id = other } } }))
    emulator:set { graph = "off" }
    emulator:faults { { match = { kind = "accounts", path = other, plain = true }, action = { status = 403 } } }
    local result = kit.ended(12, azpec("status", "--all-subscriptions"))
    assert.matches("\n/subscriptions/" .. other:gsub("%-", "%%-"), result.out)
    assert.matches("; the accounts of 1 subscription are unknown\n", result.err)
    local document = cjson.decode(kit.ended(12, azpec("status", "--all-subscriptions -o json")).out)
    assert.same({ nil, "subscription", 1 }, { document.accounts[1].account_name, document.accounts[1].kind,
      document.totals.unreadable_subscriptions })
  end)

  it("counts connections of another status in a column of their own", function ()
    assert.not_matches("OTHER", azpec("status", "").out)
    play(account("busy", "Pending", "Provisioned"))
    assert.matches("OTHER", azpec("status", "").out)
  end)

  it("shows an account as unreadable whose list alone answers 404", function ()
    emulator:faults { { match = { kind = "list", path = "/busy/", plain = true }, action = { status = 404 } } }
    local document = cjson.decode(kit.ended(12, azpec("status", "--all-subscriptions -o json")).out)
    assert.same({ false, "busy", "not_found" },
      { document.complete, document.accounts[1].account_name, document.accounts[1].unreadable })
    assert.is_nil(document.gone)
  end)

  it("counts approved connections outside the rules, and puts these accounts before those that wait", function ()
    local file = support.write(support.new_path "r" .. ".lua", rules)
    assert.equal("quiet busy gone empty", order("--rules " .. file))
    local result = kit.ended(0, azpec("status", "--rules " .. file))
    assert.matches("OUTSIDE", result.out)
    assert.matches("; 1 approved that no rule would approve today", result.err)
  end)

  it("reads only accounts with pending requests, with --candidates-from graph", function ()
    assert.equal("busy gone", order "--all-subscriptions --candidates-from graph")
    assert.same({ graph = 1, list = 2, token = 1 }, emulator:control("GET", "counts"))
  end)

  it("leaves out accounts where nothing is to be done, with --waiting, and counts them all the same", function ()
    emulator:faults { { match = { kind = "list", path = "/empty/", plain = true }, action = { status = 403 } } }
    assert.equal("empty busy gone", order "--all-subscriptions --waiting")
    local result = kit.ended(12, azpec("status", "--all-subscriptions --waiting"))
    assert.matches("3 accounts: 3 pending in 2", result.err)
    local file = support.write(support.new_path "r" .. ".lua", rules)
    assert.equal("empty quiet busy gone", order("--waiting --rules " .. file))
  end)

  it("ends with 10 where a request waits or an account is outside the rules, with --detailed-exitcode", function ()
    local file = support.write(support.new_path "r" .. ".lua", rules)
    kit.ended(10, azpec("status", "--detailed-exitcode --sort account_name"))
    kit.ended(12, azpec("status", "--detailed-exitcode --account busy -g rg --subscription "
      .. "00000000-0000-0000-0000-000000000000 --subscription " .. emulator.subscription_id))
    play(account("quiet", "Approved", "Rejected"), account "empty")
    kit.ended(0, azpec("status", "--detailed-exitcode"))
    kit.ended(10, azpec("status", "--detailed-exitcode --rules " .. file))
    kit.ended(0, azpec("status", "--rules " .. file))
  end)

  it("says where nothing is pending", function ()
    play(account("quiet", "Approved"))
    assert.matches("^1 account: nothing is pending\n", kit.ended(0, azpec("status", "")).err)
  end)

  it("shows an account's error as its own where it is the only one", function ()
    emulator:faults { { match = { kind = "list" }, action = { status = 403 } } }
    kit.ended(5, azpec("status", "-g rg --account quiet"))
  end)

  it("knows no ages where --api-version tells none, and counts all the same", function ()
    local row = rows "--api-version 2022-06-01"[1]
    assert.same({ "busy", 2 }, { row.account_name, row.pending })
    assert.is_nil(row.oldest_at)
    assert.matches("; ages are unknown, api%-version 2022%-06%-01 returns none\n",
      azpec("status", "--api-version 2022-06-01").err)
  end)
end)

-- ---- on a terminal --------------------------------------------------------------------------------------------------

-- Long enough for several drawings, also under a tool that slows all down.
local several = 2 * support.patience
local watch = "--all-subscriptions --watch --every 0.5 --stop-after " .. several

-- Runs it on a pseudo-terminal of that size: what the terminal was sent, and the exit code.
local function on_terminal(line, columns, lines)
  local command = kit.command(("status %s %s"):format(kit.address(emulator), line),
    support.merged(kit.environment(emulator), { TERM = "xterm", NO_COLOR = "1", LINES = "99" })) -- as it was once
  local inner = ("stty cols %d rows %d 2>/dev/null; exec %s"):format(columns, lines, command)
  local pipe = io.popen(kit.in_terminal(inner) .. " </dev/null")
  local sent = pipe:read "a":gsub("\r", "")
  return sent, select(3, pipe:close())
end

-- The drawings in what a terminal was sent, without the line of progress below each.
local function drawings(sent)
  local list, bare = {}, sent:gsub("\27%[K", "\n"):gsub("%[[#-]+%][^\n]*\n", "")
  for part in (bare .. "\27[1F\27[J"):gmatch "(.-)\27%[%d+F\27%[J" do list[#list + 1] = part end
  return list
end

describe("azpec status --watch", function ()
  for _, columns in ipairs { 80, 40 } do
    local every = columns == 80 and "--every" or "--interval"
    it(("draws over itself, on a terminal of %d columns, with %s"):format(columns, every), function ()
      local sent = on_terminal((watch:gsub("%-%-every", every)), columns, 24)
      local all = drawings(sent)
      assert(#all >= 2, sent)
      local _, line_ends = all[1]:gsub("[^\n]+\n", "")
      assert.truthy(sent:find(("\27[%dF\27[J"):format(line_ends), 1, true), sent)
      for _, drawing in ipairs(all) do
        for line in drawing:gmatch "[^\n]+" do assert(utf8.len(line) < columns, line) end
        assert.matches("4 accounts: 3%s+pending in 2,.*busy +2", drawing)
      end
      assert.equal(columns == 80, all[1]:find "LAST CHANGE" ~= nil)
    end)
  end

  it("draws no more lines than the terminal has, and says how many are left out", function ()
    local sent = on_terminal("--all-subscriptions --watch --stop-after 0s", 80, 5)
    local lines = {}
    for line in drawings(sent)[1]:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(4, #lines)
    assert.matches("4 accounts: 3 pending in 2", lines[1])
    assert.equal("3 more", lines[4])
  end)

  it("keeps the order of --sort in each drawing", function ()
    local sent = on_terminal("--all-subscriptions --watch --stop-after 0s --sort -account --columns account", 80, 24)
    assert.matches("ACCOUNT *\nquiet *\ngone *\nempty *\nbusy *\n", drawings(sent)[1])
  end)

  it("ends after --stop-after where the service does not answer, with 8 if it has read nothing", function ()
    play(account("busy", "Pending"))
    emulator:faults { { match = { kind = "list" }, action = { stall = true } } }
    local sent, code = on_terminal("--watch --every 0.1 --stop-after 0.5", 80, 24)
    assert.equal(8, code, sent)
    assert.matches("azpec: timed out after ", sent, 1, true)
  end)

  it("keeps the last drawing where a look fails in a way that passes, and says so", function ()
    play(account("busy", "Pending"))
    emulator:faults { { match = { kind = "list", nth = 2, times = 1 }, action = { status = 503 } } }
    local sent, code = on_terminal(watch .. " --timeout 0.5", 80, 24)
    assert.matches("the round at [%dT:-]+Z failed: .*busy +1", sent)
    assert.equal(0, code)
  end)

  it("ends with the error of the last look, and its rows keep the time at which they were read", function ()
    play(account("busy", "Pending"))
    local faults = {}
    for n = 2, 40 do faults[n - 1] = { match = { kind = "list", nth = n }, action = { status = 503 } } end
    emulator:faults(faults)
    local sent, code = on_terminal(watch .. " --max-tries 1", 80, 24)
    assert.equal(9, code, sent)
    local times = {}
    for time in sent:gmatch "(%d+%-%d+%-%d+T[%d:]+Z) 1 account: 1 pending" do times[#times + 1] = time end
    assert(#times >= 2, sent)
    assert.equal(times[1], times[#times])
  end)

  it("draws its notes with the table, and the first error of what it could not read", function ()
    emulator:set { graph = "off" }
    emulator:faults { { match = { path = "/batchAccounts/quiet", plain = true }, action = { status = 404 } },
      { match = { kind = "list", path = "/empty/", plain = true }, action = { status = 403 } } }
    local sent = on_terminal(watch, 100, 24)
    local all = drawings(sent)
    assert(#all >= 2, sent)
    for n, drawing in ipairs(all) do
      assert.matches("gives no whole answer.*rg/quiet is gone; passed over\n.*cannot read rg/empty: .*ACCOUNT", drawing)
      assert.equal(1, select(2, drawing:gsub("ACCOUNT +PENDING", "")))
      local _, line_ends = drawing:match(n < #all and ".*" or "^.-busy.-\n.-\n"):gsub("[^\n]+\n", "")
      if n < #all then assert.truthy(sent:find(("\27[%dF\27[J"):format(line_ends), 1, true), sent) end
    end
  end)

  it("shortens a long error, so that the sum and the table stay on a small terminal", function ()
    local closed = account("closed", "Pending")
    closed.permissions = { { actions = { "Microsoft.Batch/batchAccounts/read" } } }
    play(closed, account("busy", "Pending"))
    for _, height in ipairs { 12, 4 } do
      local sent = on_terminal("--all-subscriptions --watch --stop-after 0s", 40, height)
      local drawing = sent:match "(%d+%-%d+%-%d+T.-)azpec: cannot read"
      assert(select(2, drawing:gsub("[^\n]+\n", "")) < height, sent)
      assert.matches("1 account: 1%s+pending", drawing)
      if height == 12 then
        assert.matches("cannot read rg/closed.*….*%(HTTP 403%).*closed +forbidden.*busy +1", drawing)
      end
    end
  end)

  it("ends by what the last look could not read, not by an earlier one", function ()
    emulator:faults { { match = { kind = "list", path = "/empty/", plain = true, nth = 1, times = 1 },
      action = { status = 403 } } }
    local sent, code = on_terminal(watch, 100, 24)
    assert.matches("empty +forbidden", sent)
    assert.not_matches("could not be read", sent)
    assert.equal(0, code)
    emulator:faults { { match = { kind = "list", path = "/empty/", plain = true }, action = { status = 403 } } }
    sent, code = on_terminal("--all-subscriptions --watch --stop-after 0s", 100, 24)
    assert.matches("azpec: cannot read rg/empty.*hint", sent)
    assert.equal(12, code)
  end)

  it("keeps the accounts' names whole where it leaves out columns", function ()
    play(account("batch173prod", "Pending"), account("batch174prod", "Approved"))
    emulator:faults { { match = { kind = "list", path = "174", plain = true }, action = { status = 403 } } }
    local file = support.write(support.new_path "r" .. ".lua", rules)
    local sent = on_terminal("--all-subscriptions --watch --stop-after 0s --rules " .. file, 40, 24)
    assert.matches("batch174prod", sent)
    assert.matches("batch173prod +1 +0\n", sent)
  end)

  it("needs a terminal, and goes with a table alone", function ()
    assert.matches("--watch draws on a terminal", kit.ended(2, azpec("status", "--watch")).err, 1, true)
    kit.ended(2, azpec("status", "--every 5s"))
    assert.matches("draws on a terminal", on_terminal("--watch -o json --stop-after 0s", 80, 24))
  end)
end)
