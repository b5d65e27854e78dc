-- The verbs that see, wait and help; help, man page and completion know every verb and option.

local assert = require "luassert"
local json = require "azpec.json"
local module = require "azpec"
local kit = require "cli.kit"
local page = require "azpec.cli.page"
local parser = require "azpec.cli.parser"
local topics = require "azpec.cli.topics"
local support = require "loopback.support"
local documents = require "tools.documents"

local emulator, azpec = kit.stage()

local account = "-g default-azurebatch-japaneast --account sampleacct "
local many = "-g rg-contoso-prod --account manyacct "

describe("list", function ()
  local function names_in(result)
    local list = {}
    for field in kit.ended(0, result).out:gmatch "[^\t\n]*\t([^\t\n]*)\t[^\n]*\n" do
      list[#list + 1] = field:match "^%w+"
    end
    return table.concat(list, " ")
  end

  local function names(line) return names_in(azpec("list", line .. " -o tsv")) end

  it("looks in an account, a group, a subscription, or where an id points", function ()
    local subscription = "/subscriptions/" .. emulator.subscription_id
    local tokyo = "-g '検証-バッチ(東京)'"
    assert.equal("kaihatsu", names(tokyo))
    assert.equal("kaihatsu", names "--account TOKYObatch")
    assert.equal("kaihatsu", names("--id '" .. subscription .. "/resourceGroups/検証-バッチ(東京)'"))
    assert.equal("kaihatsu", names("--id '" .. emulator.tokyo:match "^(.*)/[^/]*/[^/]*$" .. "'"))
    assert.equal("kaihatsu", names("--id '" .. emulator.tokyo .. "'"))
    for _, whole in ipairs { "", "--id " .. subscription, "--subscription " .. emulator.subscription_id } do
      assert.equal(66, select(2, names(whole):gsub("%w+", "")))
    end
  end)

  it("looks in several subscriptions", function ()
    local other = "11111111-2222-3333-4444-555555555555"
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = {
        { account_name = "one", resource_group_name = "rg", connections = { { name = "a" } } },
        { account_name = "two", resource_group_name = "rg", subscription_id = other,
          connections = { { name = "b" } } } } })
    assert.equal("a b", names(("--subscription %s --subscription %s"):format(emulator.subscription_id, other)))
    assert.equal("b", names("--account two --subscription " .. other))
    assert.equal(1, #emulator:log "token" // 2)
    local a, b = azpec("list", ("--subscription %s --subscription %s -o tsv --columns id"):format(
      emulator.subscription_id, other)).out:match "(/%S+)\n(/%S+)\n"
    assert.equal("a b", names(("'%s' '%s'"):format(a, b)))
    assert.equal("b a", names(("'%s' '%s'"):format(b, a)))
    assert.equal("b a", names(("a '%s'"):format(b)))
    assert.equal("b", names(other .. "/rg/two/b"))
    local watched = kit.ended(0, azpec("watch", ("'%s' '%s' --stop-after 0s -o tsv --columns name"):format(a, b))).out
    assert.matches("^a[^\n]*\nb[^\n]*\n$", watched)
  end)

  -- Accounts of one connection each, in a group of their own.
  local function put_accounts(count)
    local accounts, wanted = {}, {}
    for n = 1, count do
      wanted[n] = "c" .. n
      accounts[n] = { account_name = ("acct%02d"):format(n), resource_group_name = "rg",
        connections = { { name = wanted[n] } } }
    end
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = accounts })
    return table.concat(wanted, " ")
  end

  local function started(more)
    return kit.start(("list %s -g rg -o tsv %s"):format(kit.address(emulator), more or ""),
      { env = kit.environment(emulator) })
  end

  it("asks many accounts beside each other, and shows them in their order", function ()
    local wanted = put_accounts(40)
    emulator:faults { { match = { kind = "list", path = "/acct01/" }, action = { hold = true } } }
    local process = started()
    support.await("fifteen others", function () return #emulator:log "list" >= 15 end)
    emulator:release()
    assert.equal(wanted, names_in(kit.ended(0, process:finish())))
    local asked = emulator:log "list" -- in the order in which they were answered
    assert.equal(40, #asked)
    assert.matches("/acct01/", asked[16].target) -- 15 others came before the slow one, and no more
  end)

  it("of many accounts ends with --fail-fast at the first that fails, whichever answers first", function ()
    put_accounts(9)
    emulator:faults { { match = { kind = "list", path = "/acct01/" }, action = { hold = true } },
      { match = { kind = "list", path = "/acct03/" }, action = { status = 403 } } }
    local process = started "--fail-fast"
    support.await("the refusal", function ()
      for _, entry in ipairs(emulator:log "list") do
        if entry.status == 403 then return true end
      end
    end)
    emulator:release()
    local result = kit.ended(5, process:finish())
    assert.equal("acct01 acct02 ", (result.out:gsub("(acct%d%d)\t[^\n]*\n", "%1 ")))
  end)

  it("takes ids as people write them, and refuses those that are elsewhere", function ()
    local id = emulator.sample
    for _, written in ipairs { id .. "/", id:sub(2), id:sub(2) .. "/", id:upper() } do
      assert.equal("testprivateEndpointConnection5", names(written))
      assert.matches("^sampleacct\t", kit.ended(0, azpec("show", written .. " -o tsv")).out)
    end
    for option, value in pairs { account = "manyacct", ["resource-group"] = "rg-contoso-prod",
      subscription = "11111111-2222-3333-4444-555555555555" } do
      for _, line in ipairs { "list %s", "list --id %s", "show %s", "show --id %s", "approve %s",
        "wait --for exists %s" } do
        local verb, rest = line:format(id .. "/"):match "^(%l+) (.*)$"
        local result = kit.ended(2, azpec(verb, ("%s --%s %s"):format(rest, option, value)))
        assert.matches("is not in the " .. option:gsub("-", " ") .. " '" .. value:gsub("%-", "%%-"), result.err)
      end
    end
    assert.equal(0, #emulator:log "update")
  end)

  it("chooses by what connections say", function ()
    assert.equal("many01 many10", names(many .. "--name many01 --name 'many10*'"))
    assert.equal("many01 many10", names(many .. "many01 'many10*'"))
    assert.equal("", names(many .. "--status Approved"))
    assert.equal("testprivateEndpointConnection5", names "--described 'Please*'")
    assert.equal("many01 many02", names(("%smany02 %s"):format(many, emulator.many[1])))
    assert.equal("", names(("%s%s --status Approved"):format(many, emulator.many[1])))
    local result = kit.ended(2, azpec("list", many .. "many02 --name x"))
    assert.matches("'many02' and %-%-name contradict each other", result.err)
  end)

  it("refuses what it cannot find, and a status that there is not", function ()
    assert.matches("there is no Batch account 'nix' in", kit.ended(3, azpec("list", "--account nix")).err)
    assert.matches("there is no Batch account 'sampleact' in subscription 3f1c2a54%-6a1e%-4b7d%-9c55%-0e8d1b2a7f10; "
      .. "did you mean 'sampleacct'%?.*hint: .*; %-%-all%-subscriptions looks in its other subscriptions\n",
      kit.ended(3, azpec("list", "--account sampleact")).err)
    assert.matches("hint: an account is named whole, without wildcards", kit.ended(3, azpec("list",
      "--account 'sample*'")).err)
    for name, meant in pairs { ["rg-contoso-prd"] = "rg-contoso-prod", ["rg-contos"] = "rg-contoso-prod" } do
      assert.matches("hint: did you mean the resource group '" .. meant .. "'?", kit.ended(3, azpec("list",
        "-g " .. name)).err, 1, true)
    end
    for place, meant in support.each {
      ["-g rg-contoso-prod --account manyact"] = "rg-contoso-prod/manyacct",
      ["-g rg-contoso-prd --account manyacct"] = "rg-contoso-prod/manyacct",
      ["-g rg-contoso-prod --account sampleacct"] = emulator.sample:match "resourceGroups/([^/]+)" .. "/sampleacct",
    } do
      emulator:control("DELETE", "log")
      for _, verb in ipairs { "list", "approve x", "wait --timeout 0 --for exists x" } do
        assert.matches("hint: did you mean the Batch account '" .. meant .. "'?",
          kit.ended(3, azpec(verb, place)).err, 1, true)
      end
      assert.equal(3, #emulator:log "accounts")
    end
    assert.matches("hint: check", kit.ended(3, azpec("list", "-g rg-contoso-prod --account nothinglike")).err)
    assert.matches("hint: did you mean the resource group 'rg-contoso-prod'?",
      kit.ended(3, azpec("list", "-g rg-contoso-prd")).err, 1, true)
    assert.matches("^no connection matches; did you mean 'many64' %(Pending%)",
      kit.ended(0, azpec("list", many .. "mayn64")).err)
    assert.matches("^no connection matches; did you mean 'many64' %(Pending%)",
      kit.ended(0, azpec("list", many .. "many64 --status Approved")).err)
    local searched = "3 Batch accounts were searched"
    local elsewhere = searched .. "; %-%-all%-subscriptions searches all subscriptions\n$"
    assert.matches("^no connection matches; " .. elsewhere, kit.ended(0, azpec("list", "nobody")).err)
    assert.matches("\n  hint: " .. elsewhere, kit.ended(3, azpec("show", "nobody")).err)
    assert.matches("\n  hint: " .. searched .. "\n$", kit.ended(3, azpec("show", "nobody --all-subscriptions")).err)
    local misspelt = kit.ended(3, azpec("show", many .. "mayn64")).err
    assert.matches("^azpec: no connection matches name 'mayn64'; these come nearest:\n  manyacct/many64%.", misspelt)
    misspelt = json.decode(kit.ended(3, azpec("show", many .. "mayn64 -o json")).err)
    assert.equal(3, #misspelt.error.candidates)
    local none = kit.ended(3, azpec("show", many .. "nobody")).err
    assert.matches("; there are:\n[^\n]*\n[^\n]*\n[^\n]*\n  and 61 more\n", none)
    none = json.decode(kit.ended(3, azpec("show", many .. "nobody -o json")).err).error
    assert.same({ 3, 0, 61 }, { #none.candidates, none.count, none.more })
    assert.matches("'Aproved' is not one of", kit.ended(2, azpec("list", "--status Aproved")).err)
    assert.matches("no subscription is named: ", kit.ended(2, azpec("list", "", { env = support.merged(
      kit.environment(emulator), { AZURE_SUBSCRIPTION_ID = "" }) })).err)
    assert.matches("is not the id of", kit.ended(2, azpec("list", "--id /some/where")).err)
  end)
end)

describe("show", function ()
  it("says all about one", function ()
    local out = kit.ended(0, azpec("show", emulator.sample)).out
    assert.matches("^Name: +" .. support.sample_name:gsub("%p", "%%%0") .. "\nStatus: +Pending\n", out)
    assert.matches("\nCreated: +%d+%-%d+%-%d+T[^\n]+\nCreated by: +emulator\nId: +"
      .. emulator.sample:gsub("%p", "%%%0") .. "\n$", out)
  end)

  it("has no creation with an api-version that has none", function ()
    local out = kit.ended(0, azpec("show", emulator.sample .. " --api-version 2022-06-01")).out
    assert.falsy(out:find("Created", 1, true))
  end)

  it("shows several in JSON", function ()
    local out = kit.ended(0, azpec("show", many .. "many01 many02 -o json")).out
    assert.equal(2, #kit.json(out, kit.shown).connections)
  end)
end)

describe("resume", function ()
  it("goes on with what --no-wait began, in either form", function ()
    for _, format in ipairs { "", "-o jsonl" } do
      local begun = kit.ended(0, azpec("approve", ("--interval 9 --no-wait --description 'd%s' %s %s"):format(
        format, format, emulator.sample)))
      local result = kit.ended(0, azpec("resume", "-", { stdin = begun.out }))
      assert.equal(support.sample_name .. ": Approved\n", result.out)
    end
    assert.equal(2, #emulator:log "update")
  end)

  it("goes on with many", function ()
    local begun = kit.ended(0, azpec("approve", "--yes --interval 9 --no-wait --all --name 'many0*' -o jsonl " .. many))
    for line in begun.out:gmatch "[^\n]+" do
      assert.equal("begun", kit.json(line, kit.result_row).result)
    end
    local result = kit.ended(0, azpec("resume", "- -o json", { stdin = begun.out }))
    assert.equal(9, #kit.json(result.out, kit.results).results)
    assert.equal("9 connections: 9 changed\n", result.err)
  end)

  it("takes what --no-wait prints also where some or all is done already", function ()
    kit.ended(0, azpec("approve", emulator.many[1]))
    local begun = kit.ended(0, azpec("approve", ("--yes --no-wait %s %s"):format(emulator.many[1], emulator.many[2])))
    assert.matches("^{[^\n]+}\n$", begun.out)
    assert.matches("^many01%S+: already Approved\n2 connections: 1 begun, 1 unchanged\n$", begun.err)
    assert.matches("^many02%S+: Approved\n$", kit.ended(0, azpec("resume", "-", { stdin = "null\n" .. begun.out })).out)
    begun = kit.ended(0, azpec("approve", "--no-wait -q " .. emulator.many[1]))
    assert.same({ "", "" }, { begun.out, begun.err })
    for _, nothing in ipairs { "", "\n", "null\n" } do
      local result = kit.ended(0, azpec("resume", "-", { stdin = nothing }))
      assert.same({ "", "nothing to resume\n" }, { result.out, result.err })
    end
  end)

  it("says at a pipe's end which accounts its first command could not read", function ()
    emulator:faults { { match = { kind = "list", path = "sampleacct", plain = true }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local begun = kit.ended(12, azpec("approve", "--all --yes --no-wait -o jsonl --name 'many0*'"))
    local result = kit.ended(12, azpec("resume", "- -o json", { stdin = begun.out }))
    local document = kit.json(result.out, kit.results)
    assert.same({ 9, false, 1 }, { #document.results, document.complete, #document.errors })
    assert.matches("the rows are not complete: 1 account could not be read", result.err)
  end)

  it("goes on with a deletion", function ()
    local begun = kit.ended(0, azpec("delete", "--yes --no-wait " .. emulator.sample))
    assert.equal(support.sample_name .. ": deleted\n", kit.ended(0, azpec("resume", "-", { stdin = begun.out })).out)
  end)

  it("has something to go on with also where --no-wait met an operation that was under way", function ()
    kit.ended(0, azpec("approve", emulator.sample))
    emulator:set { operation_polls = 3 }
    local first = kit.ended(0, azpec("approve", "--description again --no-wait " .. emulator.sample)).out
    local second = kit.ended(0, azpec("reject", "--yes --no-wait " .. emulator.sample))
    assert.matches("^{.*}\n$", first)
    assert.matches("^{.*}\n$", second.out)
    assert.equal(3, #emulator:log "update")
    kit.ended(0, azpec("resume", "-", { stdin = second.out }))
    assert.equal("Rejected", emulator:connection(emulator.sample).status)
  end)

  it("is not needed where the operation under way was another decision: nothing is written", function ()
    emulator:set { operation_polls = 3 }
    kit.ended(0, azpec("approve", "--no-wait " .. emulator.sample))
    local result = kit.ended(6, azpec("reject", "--yes --no-wait " .. emulator.sample))
    assert.matches("so nothing was written: its status was Pending and is Approved", result.err)
    assert.equal(1, #emulator:log "update")
  end)

  it("refuses what is no token, or another service's", function ()
    assert.matches("line 3 is no continuation token", kit.ended(2, azpec("resume", "-", { stdin = "\n\nhello\n" })).err)
    local begun = kit.ended(0, azpec("approve", "--no-wait " .. emulator.sample)).out
    begun = begun:gsub("127%.0%.0%.1:%d+", "127.0.0.1:1")
    assert.matches("endpoint", kit.ended(1, azpec("resume", "-", { stdin = begun })).err)
    for _, token in ipairs { '5', '[]', '{"azpec":1,"id":5}', '{"azpec":1,"id":{}}' } do
      local result = kit.ended(1, azpec("resume", "-", { stdin = json.encode { continuation_token = token } }))
      assert.matches("^azpec: the continuation token is refused: [^\n]*\n$", result.err)
    end
  end)

  -- A token of an approval that the service may not have received, as anybody can write it.
  local function forged(id)
    return json.encode { azpec = 1, operation = "ensure", endpoint = emulator.endpoint, id = id or emulator.sample,
      api_version = "2022-06-01", status = "Approved", client_request_id = "r-1", poll = "resource", changed = false }
  end

  it("rejects by a token only with --yes where there is no terminal", function ()
    local token = forged():gsub("Approved", "Rejected")
    local result = kit.ended(2, azpec("resume", "- --write", { stdin = token }))
    assert.matches("reject 1 connection: there is no terminal to ask on, so %-%-yes is needed", result.err)
    assert.equal(0, #emulator:log "update")
    kit.ended(0, azpec("resume", "- --write --yes", { stdin = token }))
    assert.equal(1, #emulator:log "update")
    emulator:reset()
  end)

  it("needs --yes for any other status than Approved, and for several tokens", function ()
    local pending = forged():gsub("Approved", "Pending")
    for words, tokens in pairs { ["change 1 connection"] = pending, ["approve 2 connections"] = forged() .. "\n"
      .. forged(emulator.many[1]), ["change 2 connections"] = pending .. "\n" .. forged(emulator.many[1]) } do
      local result = kit.ended(2, azpec("resume", "- --write", { stdin = tokens }))
      assert.matches(words .. ": there is no terminal to ask on, so --yes is needed", result.err, 1, true)
    end
    assert.equal(0, #emulator:log "update")
  end)

  it("refuses what is no token with --write, too", function ()
    for _, token in ipairs { "x", "1", "{" } do
      local result = kit.ended(1, azpec("resume", "- --write", { stdin = json.encode { continuation_token = token } }))
      assert.matches("^azpec: the continuation token is refused: [^\n]*\n$", result.err)
    end
  end)

  it("writes nothing without --write, and says so", function ()
    local result = kit.ended(6, azpec("resume", "-", { stdin = forged() }))
    assert.matches("^azpec: the connection is not in the requested state and no operation is running; "
      .. "nothing was written: ", result.err)
    assert.matches("\n  hint: to send the update again, give azpec resume the option %-%-write\n", result.err)
    assert.matches("\nTo send the change again:\n  azpec resume [^\n]*%-%-write %- <<'END'\n[^\n]*\nEND\n$", result.err)
    local both = forged() .. "\n" .. forged(emulator.many[1])
    result = kit.ended(8, azpec("resume", "- -o json", { stdin = both }))
    assert.matches(" --write -", json.decode(result.err).resume, 1, true)
    assert.equal(0, #emulator:log "update")
    assert.equal(support.sample_name .. ": Approved (was Pending)\n",
      kit.ended(0, azpec("resume", "- --write", { stdin = forged() })).out)
    assert.equal(1, #emulator:log "update")
  end)

  it("signs tokens with a key, and then takes no others", function ()
    emulator:set { operation_polls = 2 }
    local file = support.write(support.new_path "key", "a key of many bytes\n")
    local bare = kit.ended(0, azpec("approve", emulator.many[1] .. " --no-wait")).out
    local by_key = ("%s --no-wait --token-key-file %s"):format(emulator.many[2], file)
    local signed = kit.ended(0, azpec("approve", by_key)).out
    assert.matches('"hmac_sha256":"%x+"}\n$', signed)
    assert.is_nil(signed:find("many bytes", 1, true))
    local by_file, by_variable = "- --token-key-file " .. file, { AZPEC_TOKEN_KEY = "a key of many bytes" }
    for _, token in ipairs { bare, (signed:gsub("Approved", "Rejected")) } do
      local result = kit.ended(1, azpec("resume", by_file, { stdin = token }))
      assert.matches("^azpec: the continuation token is refused: it is not signed", result.err)
    end
    kit.ended(1, azpec("resume", "-", { stdin = bare, env = support.merged(kit.environment(emulator), by_variable) }))
    kit.ended(0, azpec("resume", by_file, { stdin = signed }))
    kit.ended(0, azpec("resume", "-", { stdin = signed, env = support.merged(kit.environment(emulator), by_variable) }))
    assert.matches("AZPEC_TOKEN_KEY is empty; unset it", kit.ended(2, azpec("resume", "-", { stdin = bare,
      env = support.merged(kit.environment(emulator), { AZPEC_TOKEN_KEY = "" }) })).err, 1, true)
    assert.matches("--token-key-file: /dev/null is empty", kit.ended(2, azpec("resume", "- --token-key-file /dev/null",
      { stdin = signed })).err, 1, true)
  end)

  it("refuses tokens of subscriptions that are not configured, and names both", function ()
    local other = "00000000-1111-2222-3333-444444444444"
    local token = forged((emulator.sample:gsub("^/subscriptions/[^/]+", "/subscriptions/" .. other)))
    local result = kit.ended(1, azpec("resume", "- --write", { stdin = token }))
    assert.equal(("azpec: the continuation token is refused: it belongs to subscription %s, but --subscription (or "
      .. "AZURE_SUBSCRIPTION_ID) is %s\n  hint: if it is yours, give --subscription %s --subscription %s\n"):format(
      other, emulator.subscription_id, emulator.subscription_id, other), result.err)
    result = kit.ended(8, azpec("resume", ("- --subscription %s --subscription %s"):format(emulator.subscription_id,
      other), { stdin = token }))
    assert.matches("SubscriptionNotFound", result.err)
    local third = "99999999-1111-2222-3333-444444444444"
    local foreign = forged((emulator.many[1]:gsub("^/subscriptions/[^/]+", "/subscriptions/" .. third)))
    result = kit.ended(12, azpec("resume", "-", { stdin = token .. "\n" .. foreign }))
    local all = (" --subscription %s --subscription %s --subscription %s\n"):format(emulator.subscription_id, other,
      third)
    assert.equal(1, select(2, result.err:gsub("give" .. all:gsub("%p", "%%%0"), "")), result.err)
    local tokens = {}
    for n = 1, 3 do
      tokens[n] = forged((emulator.many[n]:gsub("^/subscriptions/[^/]+", "/subscriptions/" .. other)))
    end
    result = kit.ended(12, azpec("resume", "-", { stdin = table.concat(tokens, "\n") }))
    assert.matches("azpec: 2 others failed like many01%.%S+:\n  many02%.%S+\n  many03%.%S+\n", result.err)
    result = kit.ended(12, azpec("resume", "- -o json", { stdin = table.concat(tokens, "\n") }))
    for _, row in ipairs(json.decode(result.out).results) do
      assert.matches(("but --subscription (or AZURE_SUBSCRIPTION_ID) is %s"):format(emulator.subscription_id),
        row.error.message, 1, true)
      assert.matches("--subscription " .. other, row.error.hint, 1, true)
    end
  end)
end)

describe("watch", function ()
  local row = support.merged(kit.connection_row, { at = "string", event = "string", ["before?"] = "string",
    ["after?"] = "string" })

  it("prints what changes, as it changes", function ()
    emulator:set { operation_polls = 0 }
    local process = kit.start(("watch --stop-after 60 -o jsonl -vv %s %s"):format(kit.address(emulator), account),
      { env = kit.environment(emulator) })
    process:read_until "/privateEndpointConnections"
    process:read_until "/privateEndpointConnections"
    kit.ended(0, azpec("approve", emulator.sample))
    local seen
    repeat
      process:read_until "/privateEndpointConnections"
      seen = {}
      for line in (support.read(process.out) or ""):gmatch "[^\n]+\n" do
        local one = kit.json(line, row)
        seen[#seen + 1] = one.event .. " " .. (one.before or "-") .. " " .. one.after
      end
    until seen[#seen] and seen[#seen]:find "Approved$"
    process:signal "INT"
    kit.ended(130, process:finish())
    assert.equal("found - Pending", seen[1])
    assert.matches("^changed %u%l+ Approved$", seen[#seen])
  end)

  it("reports a connection that no longer matches as changed, once, with its new status", function ()
    emulator:set { operation_polls = 0 }
    local process = kit.start(("watch --status Pending --stop-after 60 -vv -o tsv --columns EVENT,BEFORE,AFTER %s %s")
      :format(kit.address(emulator), account), { env = kit.environment(emulator) })
    process:read_until "/privateEndpointConnections"
    process:read_until "/privateEndpointConnections"
    kit.ended(0, azpec("approve", emulator.sample))
    local left = "\nchanged\tPending\tApproved\n"
    repeat process:read_until "/privateEndpointConnections" until support.read(process.out):find(left, 1, true)
    for _ = 1, 2 do process:read_until "/privateEndpointConnections" end
    process:signal "INT"
    local out = kit.ended(130, process:finish()).out
    assert.equal(left, out:sub(-#left))
    assert.falsy(out:find("gone", 1, true))
  end)

  it("is words for people, and ends by itself when told", function ()
    local out = kit.ended(0, azpec("watch", account .. "--stop-after 0")).out
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+Z  testprivateEndpointConnection5%.[%x-]+: Pending"
      .. " \"Please approve\"\n$", out)
    assert.equal("", kit.ended(0, azpec("watch", account .. "--stop-after 0 --changes-only")).out)
  end)

  it("ends after --stop-after where the service does not answer or is busy, with that error if it has read nothing",
    function ()
      local line = account .. "--stop-after 0.5 --interval 0.02 "
      for code, action in pairs { [8] = { stall = true }, [9] = { status = 429, retry_after = "9999" } } do
        emulator:faults { { match = { kind = "list" }, action = action } }
        local result = kit.ended(code, azpec("watch", line))
        assert.equal("", result.out)
        assert.matches(code == 8 and "^azpec: timed out after 0" or "^azpec: [^\n]+; looking again\n", result.err)
        assert.equal(code, json.decode(azpec("watch", line .. "-o jsonl").err).exit_code)
      end
      emulator:faults { { match = { kind = "list", nth = 2, times = 1000 }, action = { stall = true } } }
      line = line:gsub("0.5", 2 * support.patience)
      assert.matches(": Pending", kit.ended(0, azpec("watch", line)).out)
    end)

  it("cannot be one JSON text, nor one table of Markdown", function ()
    assert.matches("use %-o jsonl", kit.ended(2, azpec("watch", account .. "-o json")).err)
    assert.matches("use %-o jsonl", kit.ended(2, azpec("watch", account .. "-o md")).err)
  end)
end)

it("emulator writes what makes a shell use it, without a secret", function ()
  local path = support.new_path "env"
  local process = support.start(kit.command("emulator --env-file " .. path))
  local exports = support.read(path)
  assert.matches("^export AZPEC_ENDPOINT=https://127.0.0.1:%d+\nexport AZPEC_AUTHORITY_HOST=https://", exports)
  local secret = require "azpec.emulator.sample" ().client_secret
  assert.falsy(exports:find(secret, 1, true))
  local result = kit.shell(". " .. path .. "; azpec list --account contosobatch 'web-*' -o tsv",
    { env = { AZURE_CLIENT_SECRET = secret } })
  assert.matches("^contosobatch\tweb%-frontend", kit.ended(0, result).out)
  assert.equal(0, process:stop())
end)

it("emulator writes variables that a shell in another folder can use", function ()
  local path, up = support.new_path "env", ("../"):rep(20)
  local line = "azpec emulator --exit-with-stdin --ca-file %s%s.pem --env-file %s"
  kit.ended(0, kit.shell(line:format(up, path:sub(2), path), { env = {} }))
  local named = support.read(path):match "\nexport AZPEC_CA_FILE=(/%S+)\n"
  assert.equal(support.read(path .. ".pem"), support.read(named))
end)

it("emulator plays what the other verbs talk to", function ()
  local process = support.start(kit.command "emulator --no-tls --log /dev/stderr")
  local result = kit.ended(3, kit.run(("list --account nix --endpoint %s --authority-host %s"):format(process.endpoint,
    process.endpoint), { env = { AZURE_TENANT_ID = process.tenant_id, AZURE_CLIENT_ID = process.client_id,
    AZURE_SUBSCRIPTION_ID = process.subscription_id,
    AZURE_CLIENT_SECRET = require "azpec.emulator.sample" ().client_secret } }))
  assert.matches("there is no Batch account 'nix'", result.err)
  local port = process.endpoint:match "%d+$"
  local second = kit.ended(1, kit.run("emulator --no-tls --port " .. port))
  assert.equal(("emulator: --port: cannot listen on 127.0.0.1:%s: Address already in use; with 0 the system chooses a "
    .. "port\n"):format(port), second.err)
  assert.equal(0, process:stop())
  assert.matches("option '%-%-port'", kit.ended(2, kit.run "emulator --port").err)
  assert.matches("can not be used together", kit.ended(2, kit.run "emulator --no-tls --tls-port 5").err)
end)

-- All verbs and the long names of their options.
local function each_option(f)
  for _, name in parser.verbs() do
    for _, group in ipairs(page.groups(parser.of(name, require("azpec.cli.verbs." .. name)))) do
      for _, entry in ipairs(group) do f(name, entry, entry.names and entry.names[#entry.names]) end
    end
  end
end

describe("help", function ()
  -- A line of a page has at most 80 columns, but for examples and the emulator's tables, which stay as they are.
  local function assert_fits(name, text)
    for line in text:gmatch "[^\n]+" do
      local stays = line:find "^  .*azpec" or name == "emulator" and line:find "^  "
      assert(utf8.len(line) <= 80 or stays, name .. ": " .. line)
    end
  end

  it("of each verb has its examples, which begin with it, and each option described", function ()
    local overview = kit.ended(0, kit.run "help").out
    assert_fits("help", overview)
    for _, name in parser.verbs() do
      assert.matches("\n  " .. name .. " +%u", overview)
      local text = kit.ended(0, kit.run("help " .. name)).out
      assert.matches("\nExamples:\n  .*azpec " .. name .. ".*\n\n?Usage:", text)
      assert_fits(name, text)
    end
    each_option(function (name, entry)
      assert(entry.text and #entry.text > 3, name .. " " .. entry.label .. " says nothing of itself")
    end)
  end)

  it("has examples with options that the verb has", function ()
    local options, count = {}, 0
    each_option(function (name, entry)
      for _, option in ipairs(entry.names or {}) do options[name .. " " .. option] = true end
    end)
    for _, name in parser.verbs() do
      for _, example in ipairs(require("azpec.cli.verbs." .. name).examples) do
        for verb, line in example:gsub("'[^']*'", ""):gsub("#.*", ""):gmatch "azpec (%l+)([^|>)]*)" do
          for option in line:gmatch " (%-%-?%l[%l-]*)" do
            local is_value = option:find "^%-%l." -- of --sort
            assert(is_value or options[verb .. " " .. option], example .. ": " .. option)
            count = count + 1
          end
        end
      end
    end
    assert(count > 50, count)
  end)

  -- A text without the blanks and line ends that laying it out changes.
  local function words_of(text) return (text:gsub("%s+", " ")) end

  -- A page in roff, of this version and its date, of which groff has nothing to complain; and how groff prints it.
  local function manual(line)
    local text = kit.ended(0, kit.run("help " .. line .. " --man")).out
    local about = (' %s "%s" "'):format(module._RELEASED, module._VERSION)
    assert(text:match "^%.TH [^\n]+":find(about, 1, true), text:match "[^\n]+")
    local file = support.write(support.new_path "manual", text)
    local pipe <close> = io.popen(("LD_PRELOAD= groff -man -ww -Tutf8 -P-cbou %s 2>&1 >%s.out")
      :format(file, file))
    assert.equal("", pipe:read "a", line)
    local printed = support.read(file .. ".out")
    assert_fits(line, printed)
    assert.is_nil(printed:match "[^\n]*\u{2010}\n[^\n]*") -- a name that a hyphen divides cannot be found or copied
    for shown in text:gmatch "[^\n]+" do -- roff would print quotation marks or accents
      assert.falsy(shown:gsub("^['.].*", ""):find "['`^~]", shown)
    end
    return text:gsub("\\%-", "-"), words_of(printed)
  end

  it("is a man page for each verb, with every option, and one that names them and the exit codes", function ()
    local whole, pages = manual "", {}
    each_option(function (name, entry)
      pages[name] = pages[name] or manual(name)
      assert.truthy(pages[name]:find("\n.B " .. entry.label .. "\n", 1, true), name .. " " .. entry.label)
    end)
    for _, name in parser.verbs() do
      assert.truthy(whole:find("\n.BR azpec-" .. name .. " (1)\n", 1, true), name)
      assert.truthy(pages[name]:find("\n.B azpec " .. name .. " ", 1, true), name)
    end
    for _, code in pairs(require "azpec.cli.error".codes) do
      assert.truthy(whole:find(("\n.B %d\n"):format(code), 1, true), code)
    end
  end)

  it("of a topic is a page for the terminal, and a section of azpec(1) or azpec(7), word for word", function ()
    local overview, one, seven = kit.ended(0, kit.run "help").out, manual "", manual "concepts"
    for _, name in ipairs(topics.names()) do
      local found = topics.find(name)
      local shown = kit.ended(0, kit.run("help " .. name)).out
      assert.equal(found[1].title, shown:match "^[^\n]+")
      for line in shown:gmatch "[^\n]+" do assert(#line <= 80 or line:find "^[A-Z_, ]+$", line) end
      assert.truthy(overview:find("[ ,]" .. name:gsub("%-", "%%-") .. "[,\n]"), name)
      local whole = topics.is_concept(found) and seven or one
      assert.truthy(whole:find("\n.SH " .. found[1].title:upper() .. "\n", 1, true), name)
      local text, printed = manual(name)
      assert.equal(whole, text)
      for _, part in ipairs(found[1]) do
        for _, said in ipairs(type(part) == "table" and part or { part }) do
          assert.truthy(printed:find(words_of(said):match "^ ?(.*)$", 1, true), said)
        end
      end
    end
    assert.truthy(kit.ended(0, kit.run "help journal").out:find("azpec journal: ", 1, true)) -- a verb comes first
    for wrong, question in pairs { enviroment = "environment", aprove = "approve" } do
      assert.equal(("azpec: there is no verb or topic '%s'; did you mean '%s'? (see: azpec help help)\n"):format(wrong,
        question), kit.ended(2, kit.run("help " .. wrong)).err)
    end
  end)

  it("of a topic says what becomes of a connection as the module's table of transitions does", function ()
    for _, part in ipairs(topics.find "connections"[1]) do
      for wanted, rule in pairs(type(part) == "table" and require "azpec".transitions[part[1]] or {}) do
        local can = rule.result == "allowed" and wanted ~= "Deleted"
        assert.equal(can, part[2]:find(wanted, 1, true) ~= nil, part[1] .. " -> " .. wanted)
      end
    end
  end)

  it("of the rules names each condition that the types have", function ()
    local shown, count = kit.ended(0, kit.run "help rules").out, 0
    local class = documents.read "scripts/azpec/scripts.meta.lua":match "%(exact%) azpec%.rules%.Condition\n(.-)\n\n"
    for name in class:gmatch "@field ([%l_]+)" do
      assert.truthy(shown:find("%f[%w_]" .. name .. "%f[^%w_]"), name)
      count = count + 1
    end
    assert.truthy(count > 10)
  end)

  it("environment names each variable of the options and of the module's types", function ()
    local shown, count = kit.ended(0, kit.run "help environment").out, 0
    local types = documents.read "lua_module/azpec.meta.lua":match "\n%-%-%- Environment variables%.(.-)\n%-%-%-@class"
    for variable in types:gmatch "`(%u[%u_]+)`" do
      assert.truthy(shown:find(variable, 1, true), variable)
      count = count + 1
    end
    for name in documents.read "lua_module/azpec.meta.lua":gmatch "# (%u%a+Credential)\n" do
      assert.truthy(shown:find(name, 1, true), name)
      count = count + 1
    end
    assert.truthy(count > 35, count)
    each_option(function (_, entry)
      for name in entry.text:gmatch "%(([%u_]+)%)" do assert.truthy(shown:find(name, 1, true), name) end
    end)
  end)
end)

describe("completion", function ()
  local names_file

  -- The command lines that zsh completes when the tab key is pressed at their ends.
  local function completed_by_zsh(lines)
    local file = support.write(support.new_path "zsh", ([[
zmodload zsh/zpty
export TERM=dumb
zpty shell zsh -f -i
zpty -w shell 'autoload -U compinit; compinit -u -D; PS1=; show() { print -r -- "<$BUFFER>"; BUFFER= }; zle -N show
bindkey "^X" show; source <(%s/scripts/bin/azpec completion zsh); echo READ""Y'
zpty -r -m shell said '*READY*'
for line in '%s'; do
  zpty -w -n shell "$line"$'\t\x18'
  zpty -r -m shell said '*<*>*'
  said=${said##*<}
  print -r -- "${said%%%%>*}"
done
]]):format(os.getenv "PWD", table.concat(lines, "' '")))
    local pipe <close> = io.popen(("AZPEC_NAMES=%s timeout -k 1 60 zsh -f %s 2>&1"):format(names_file or "", file))
    return pipe:read "a"
  end

  -- What bash offers after these words, where its user has `set -u`, and IFS is a line feed.
  local function offered(...)
    local words = { ... }
    local script = support.write(support.new_path "complete", ([[
set -u
source <(%s/scripts/bin/azpec completion bash)
COMP_WORDS=(azpec %s) COMP_CWORD=%d
IFS=$'\n'
_azpec
printf '%%s\n' "${COMPREPLY[@]}"
]]):format(os.getenv "PWD", table.concat(words, " "), #words))
    local pipe <close> = io.popen("AZPEC_NAMES=" .. (names_file or "") .. " bash " .. script .. " 2>&1")
    return "\n" .. pipe:read "a"
  end

  -- A file with the names of a listing of all accounts, of which one has a group that is not ASCII.
  local function list_names()
    kit.play_sample(emulator)
    names_file = support.new_path "names"
    kit.ended(0, azpec("list", "", { env = support.merged(kit.environment(emulator), { AZPEC_NAMES = names_file }) }))
  end

  after_each(function () names_file = nil end)

  it("of bash, zsh and fish offers the names that were listed last, from the file that AZPEC_NAMES names", function ()
    assert.equal("\n\n", offered("list", "--account", "c"))
    list_names()
    assert.equal("\ncontosobatch\n", offered("list", "--account", "c"))
    assert.equal("\nrg-contoso-prod\n", offered("approve", "-g", "r"))
    assert.equal("\nteam01\n", offered("approve", "team01"))
    assert.equal("\ncontosobatch/team01\n", offered("approve", "contosobatch/team01"))
    assert.equal("\nweb-frontend\n", offered("journal", "undo", "--connection", "web-f"))
    assert.equal("\ncontosobatch/web-frontend\n", offered("apply", "--connection", "contosobatch/web-f"))
    assert.equal("\nweb-frontend\n", offered("wait", "--name", "web"))
    assert.equal("azpec list --account contosobatch |\n",
      (completed_by_zsh { "azpec list --account c" }:gsub("\n", "|\n")))
    local script = support.write(support.new_path "fish", kit.ended(0, kit.run "completion fish").out)
    local pipe <close> = io.popen(("AZPEC_NAMES=%s fish -c 'source %s; complete -C \"azpec show -g r\"'"):format(
      names_file, script))
    assert.matches("^rg%-contoso%-prod", pipe:read "a")
  end)

  it("offers the names of all that was read, also of what was not listed, and of empty accounts", function ()
    list_names()
    local all = support.read(names_file)
    assert.matches("\naccount emptybatch\n", all, 1, true)
    local env = { env = support.merged(kit.environment(emulator), { AZPEC_NAMES = names_file }) }
    for _, words in ipairs { "'web-*'", "nobody" } do
      kit.ended(0, azpec("list", words, env))
      assert.equal(all, support.read(names_file))
    end
  end)

  it("keeps the names of accounts that a narrower list does not read, and replaces those of the others", function ()
    list_names()
    local all, state = support.read(names_file), emulator:control("GET", "state")
    local env = { env = support.merged(kit.environment(emulator), { AZPEC_NAMES = names_file }) }
    local function lines()
      local list = {}
      for line in io.lines(names_file) do list[#list + 1] = line end
      table.sort(list)
      return table.concat(list, "\n")
    end
    local before = lines()
    kit.ended(0, azpec("list", "--account emptybatch", env))
    assert.equal(before, lines())
    for _, one in ipairs(state.accounts) do
      for n = #one.connections, 1, -1 do
        local name = one.connections[n].name
        if one.account_name ~= "contosobatch" or name:find "^team01" then table.remove(one.connections, n) end
      end
    end
    emulator:control("PUT", "state", state)
    kit.ended(0, azpec("list", "--account CONTOSOBATCH", env))
    assert.matches("\nplace contosobatch/team01\n", all, 1, true)
    assert.equal((("\n" .. before):gsub("\n[^\n]*[/ ]team01%f[\n]", "")), "\n" .. lines())
    before = lines()
    local id = require "cjson".decode(kit.ended(0, azpec("list", "team02 -o json")).out).connections[1].id
    kit.ended(0, azpec("list", "--id " .. id, env))
    assert.equal(before, lines())
  end)

  it("has a ceiling of names; those that were read last stay", function ()
    list_names()
    local count = select(2, support.read(names_file):gsub("whole ", ""))
    local lines = {}
    for n = 1, 20000 do lines[n] = ("whole s/g/a/c%d\n"):format(n) end
    support.write(names_file, table.concat(lines))
    kit.ended(0, azpec("list", "", { env = support.merged(kit.environment(emulator), { AZPEC_NAMES = names_file }) }))
    local text = support.read(names_file)
    assert.matches("\nplace contosobatch/team01\n", text, 1, true)
    assert.matches("\nplace a/c1\n", text, 1, true)
    assert.falsy(text:find("place a/c20000\n", 1, true))
    local kept = select(2, text:gsub("whole ", ""))
    assert.is_true(kept <= 20000 and kept >= 20000 - count)
  end)

  it("keeps the names of an account that cannot be read, and takes the place of an older file", function ()
    list_names()
    local all = support.read(names_file)
    local env = { env = support.merged(kit.environment(emulator), { AZPEC_NAMES = names_file }) }
    emulator:faults { { match = { kind = "list", path = "/contosobatch/" }, action = { status = 403 } } }
    kit.ended(12, azpec("list", "", env))
    local text = support.read(names_file)
    for line in all:gmatch "[^\n]+" do assert.truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line) end
    emulator:faults {}
    support.write(names_file, "group old\naccount older\n")
    kit.ended(0, azpec("list", "", env))
    assert.equal(all, support.read(names_file))
  end)

  it("is offered no name that a shell could expand; the file is its owner's, and none is no failure", function ()
    list_names()
    for line in io.lines(names_file) do assert.matches("^%l+ [%w._/-]+$", line) end
    local pipe <close> = io.popen("stat -c %a " .. names_file)
    assert.equal("600", pipe:read "l")
    support.write(names_file, "account c$(echo oops)\naccount good\n")
    assert.equal("\ngood\n", offered("list", "--account", "''"))
    local env = support.merged(kit.environment(emulator), { AZPEC_NAMES = "/nowhere/names" })
    assert.equal("", kit.ended(0, azpec("list", "", { env = env })).err)
    assert.matches("AZPEC_NAMES: /nowhere/names: ", kit.ended(0, azpec("list", "-v", { env = env })).err)
  end)

  it("of bash knows every verb and option", function ()
    local verbs = offered "''"
    for _, name in parser.verbs() do assert.truthy(verbs:find("\n" .. name .. "\n", 1, true), verbs) end
    assert.equal("\napprove\n", offered "approv")
    local by_verb = {}
    each_option(function (name, _, option)
      if not option then return end
      by_verb[name] = by_verb[name] or offered(name, "--")
      assert.truthy(by_verb[name]:find("\n" .. option .. "\n", 1, true), name .. " " .. option)
    end)
    assert.equal("\nauto\nalways\n", offered("list", "--color", "a"))
  end)

  it("of bash offers values, also behind and with a =, and files where files are meant", function ()
    assert.equal("\nPending\n", offered("approve", "--status", "P"))
    assert.equal("\nApproved\n", offered("wait", "--for", "status", "=", "App"))
    assert.equal("\nexists\n", offered("wait", "--for", "ex"))
    assert.equal("\ntable\ntsv\n", offered("list", "--output", "=", "t"))
    assert.equal("\nfish\n", offered("completion", "f"))
    assert.equal("\napprove\napply\n", offered("help", "app"))
    assert.equal("\n2025-06-01\n", offered("list", "--api-version", "2025"))
    assert.equal("\n2026-08-01\n", offered("list", "--api-version", "2026"))
    assert.equal("\nname,status,description\n", offered("list", "--columns", "name,status,de"))
    assert.equal("\nname\n", offered("list", "--columns", "=", "na"))
    assert.equal("\nname,created_at\nname,created_by\n", offered("list", "--columns", "name,crea"))
    -- COMP_WORDBREAKS without =
    assert.equal("\n--columns=name,status\n", offered("list", "--columns=name,sta"))
    assert.equal("\n--status=Pending\n", offered("approve", "--status=P"))
    assert.equal("\nstatus=Approved\n", offered("wait", "--for", "status=App"))
    assert.equal("\nstatus,-age\n", offered("list", "--sort", "status,-ag"))
    assert.equal("\n-pending\n", offered("status", "--sort", "-pe"))
    assert.equal("\nverb,writes\n", offered("journal", "runs", "x", "--sort", "verb,wr"))
    assert.equal("\nline\n", offered("journal", "--sort=-at", "show", "--columns", "=", "li"))
    assert.equal("\nline\nkind\nmessage\n", offered("journal", "verify", "--columns", "''"))
    assert.equal("\nwhy\n", offered("journal", "-q", "undo", "--columns", "wh"))
    for _, words in ipairs { "show --sort wr", "undo --sort na", "verify --columns at", "--columns at" } do
      local list = { "journal" }
      for word in words:gmatch "%S+" do list[#list + 1] = word end
      assert.equal("\n\n", offered(table.unpack(list)))
    end
    for _, option in ipairs { "--audit", "-g" } do assert.equal("\n\n", offered("approve", option, "x")) end
    assert.equal("\n--no-wait\n", offered("approve", "--audit", "x", "--no-w"))
  end)

  it("of journal, and its help, has the columns of each action", function ()
    local help = kit.ended(0, kit.run "help journal").out:gsub("%s+", " ")
    for action, beginning in pairs { verify = "line, kind, message;", runs = "at, run, by, verb, writes,",
      show = "at, run, by, verb, account_name,", undo = "name, result, before," } do
      assert.truthy(help:find(("of %s: %s"):format(action, beginning), 1, true), help)
    end
  end)

  it("of zsh offers options and values", function ()
    assert.equal([[
azpec approve --status Pending |
azpec wait --for status=Approved |
azpec list --fail-fast |
azpec approve |
azpec journal show |
azpec apply README.md |
azpec list --columns name,description|
azpec list --sort status,-age|
azpec list --columns=name,description|
azpec approve --status=Pending |
azpec journal runs --sort verb,writes|
azpec journal show --sort wr|
azpec journal verify --columns message|
]], (completed_by_zsh { "azpec approve --status P", "azpec wait --for status=Ap", "azpec list --fail", "azpec appr",
      "azpec journal sh", "azpec apply READ", "azpec list --columns name,de",
      "azpec list --sort status,-ag", "azpec list --columns=name,de", "azpec approve --status=P",
      "azpec journal runs --sort verb,wr", "azpec journal show --sort wr",
      "azpec journal verify --columns m" }:gsub("\n", "|\n")))
  end)

  it("of fish knows every verb and option, and their values", function ()
    local script = support.write(support.new_path "fish", kit.ended(0, kit.run "completion fish").out)
    local function fish_offers(lines)
      local code = ("source %s; for line in '%s'; echo \"<$line>\"; complete -C $line; end"):format(script,
        table.concat(lines, "' '"))
      local pipe <close> = io.popen("fish -c " .. support.quote(code) .. " 2>&1")
      local offered_for = {}
      for line, offers in (pipe:read "a" .. "<"):gmatch "<([^<>]*)>(%f[\n][^<]*)" do
        offered_for[line] = offers:gsub("\t[^\n]*", "")
      end
      return offered_for
    end
    local lines = { "azpec " }
    for _, name in parser.verbs() do lines[#lines + 1] = ("azpec %s --"):format(name) end
    local offers = fish_offers(lines)
    each_option(function (name, _, option)
      assert.truthy(offers["azpec "]:find("\n" .. name .. "\n", 1, true), name)
      local options = offers[("azpec %s --"):format(name)]
      assert.truthy(not option or options:find("\n" .. option .. "\n", 1, true), name .. " " .. (option or ""))
    end)
    assert.same({ ["azpec approve --status P"] = "\nPending\n", ["azpec wait --for status=A"] = "\nstatus=Approved\n",
      ["azpec help ap"] = "\napply\napprove\n", ["azpec apply Mak"] = "\nMakefile\n", ["azpec list -g Mak"] = "\n",
      ["azpec list --columns name,de"] = "\nname,description\n",
      ["azpec list --sort=status,-ag"] = "\n--sort=status,-age\n",
      ['azpec list --columns "name,de'] = "\nname,description\n",
      ["azpec list --sort status --wai"] = "\n", -- status is no verb there
      ["azpec journal runs --sort verb,wr"] = "\nverb,writes\n", ["azpec journal show --sort wr"] = "\n",
      ["azpec journal undo --columns wh"] = "\nwhy\n" },
      fish_offers { "azpec approve --status P", "azpec wait --for status=A", "azpec help ap", "azpec apply Mak",
        "azpec list -g Mak", "azpec list --columns name,de", "azpec list --sort=status,-ag",
        'azpec list --columns "name,de', "azpec list --sort status --wai",
        "azpec journal runs --sort verb,wr", "azpec journal show --sort wr", "azpec journal undo --columns wh" })
  end)

  -- The line for a shell, the file that it belongs to, the shell, what is in that file before, and how the shell tells
  -- that it completes azpec.
  for _, one in ipairs {
    { "source <(azpec completion bash)", "bashrc", "bash --norc", "", "complete -p azpec" },
    { "source <(azpec completion zsh)", "zshrc", "zsh -f", "autoload -U compinit; compinit -u -D",
      "[[ -n $_comps[azpec] ]]" },
    { "azpec completion fish | source", "config.fish", "fish --no-config", "",
      "complete -C 'azpec approv' | string match -q 'approve*'" } } do
    it("is set up by the line in the guide and in help: " .. one[1], function ()
      for _, text in ipairs { documents.read "scripts/README.md", kit.ended(0, kit.run "help completion").out } do
        assert(text:match(one[1]:gsub("%p", "%%%0") .. "`?%s+[^`]-`?~/[^\n]*" .. one[2]), text)
      end
      local script = support.write(support.new_path "rc", table.concat({ one[4], one[1], one[5] }, "\n") .. "\n")
      assert(os.execute(("PATH=$PWD/scripts/bin:$PATH %s %s >&2"):format(one[3], script)))
    end)
  end

  it("of zsh knows every verb and option", function ()
    local script = kit.ended(0, kit.run "completion zsh").out
    assert.matches("^#compdef azpec\n", script)
    each_option(function (name, _, option)
      assert.truthy(script:find(name, 1, true), name)
      if option then assert.truthy(script:find(option, 1, true), name .. " " .. option) end
    end)
  end)
end)

it("starting is a matter of milliseconds: help loads neither the C module nor other verbs", function ()
  local code = [[
local loaded = {}
os.exit = function () for name in pairs(package.loaded) do loaded[#loaded + 1] = name end
  io.stderr:write(table.concat(loaded, "\n")) end
arg = { [0] = "scripts/bin/azpec", "list", "-h" }
dofile "scripts/bin/azpec"
]]
  local file = support.write(support.new_path "loads", code)
  local pipe <close> = io.popen(("lua5.4 %s 2>&1 >/dev/null"):format(file))
  local loaded = "\n" .. pipe:read "a" .. "\n"
  assert.truthy(loaded:find("\nazpec.cli.verbs.list\n", 1, true), loaded)
  for _, name in ipairs { "azpec", "cqueues", "azpec.cli.verbs.approve", "azpec.rules", "azpec.journal" } do
    assert.falsy(loaded:find("\n" .. name .. "\n", 1, true), name)
  end
end)

describe("the documents", function ()
  -- Without what differs from run to run.
  local function steady(text)
    return (kit.steady(text):gsub('W/"%w+"', "ETAG"):gsub("%f[%w]%d+[smhd]%f[%W]", "AGE"):gsub(" +", " "))
  end

  for _, first in ipairs { "azpec list -g rg-contoso-prod --account contosobatch 'web-*' 'old-*'",
    "azpec status -g rg-contoso-prod" } do
    it("shows what the command prints with the rights of README.md, from " .. first .. " on", function ()
      kit.play_sample(emulator, documents.rights())
      local token = support.new_path "token"
      for _, one in ipairs(documents.commands(first)) do
        local line, into_file = one.line:gsub(" > %S+$", "")
        local verb, rest = line:gsub("team02%.token", token):match "^azpec (%S+) ?(.*)$"
        local result = azpec(verb, rest)
        if into_file > 0 then support.write(token, result.out) end
        assert.equal(steady(one.output), steady(into_file > 0 and result.err or result.out .. result.err))
      end
    end)
  end
end)
