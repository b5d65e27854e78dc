-- The verbs that see, wait and help; help, man page and completion know every verb and option.

local assert = require "luassert"
local json = require "azpec.json"
local kit = require "command.kit"
local page = require "azpec.command.page"
local parser = require "azpec.command.parser"
local support = require "loopback.support"

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
        { name = "one", resource_group = "rg", connections = { { name = "a" } } },
        { name = "two", resource_group = "rg", subscription_id = other, connections = { { name = "b" } } } } })
    assert.equal("a b", names(("--subscription %s --subscription %s"):format(emulator.subscription_id, other)))
    assert.equal("b", names("--account two --subscription " .. other))
    assert.equal(1, #emulator:log "token" // 2)
  end)

  -- Accounts of one connection each, in a group of their own.
  local function put_accounts(count)
    local accounts, wanted = {}, {}
    for n = 1, count do
      wanted[n] = "c" .. n
      accounts[n] = { name = ("acct%02d"):format(n), resource_group = "rg", connections = { { name = wanted[n] } } }
    end
    emulator:control("PUT", "state", { tenant_id = emulator.tenant_id, client_id = emulator.client_id,
      client_secret = support.secret, subscription_id = emulator.subscription_id, accounts = accounts })
    return table.concat(wanted, " ")
  end

  local function started()
    return kit.start(("list %s -g rg -o tsv"):format(kit.address(emulator)), { env = kit.environment(emulator) })
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

  it("of many accounts tells those before one that fails, whichever answers first", function ()
    put_accounts(9)
    emulator:faults { { match = { kind = "list", path = "/acct01/" }, action = { hold = true } },
      { match = { kind = "list", path = "/acct03/" }, action = { status = 403 } } }
    local process = started()
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
    assert.matches("'many02' and %-%-name are two answers", kit.ended(2, azpec("list", many .. "many02 --name x")).err)
  end)

  it("refuses what it cannot find, and a status that there is not", function ()
    assert.matches("there is no Batch account 'nix' in", kit.ended(3, azpec("list", "--account nix")).err)
    assert.matches("'Aproved' is none of", kit.ended(2, azpec("list", "--status Aproved")).err)
    assert.matches("which subscription%?", kit.ended(2, azpec("list", "", { env = support.merged(
      kit.environment(emulator), { AZURE_SUBSCRIPTION_ID = "" }) })).err)
    assert.matches("is not the id of", kit.ended(2, azpec("list", "--id /some/where")).err)
  end)
end)

describe("show", function ()
  it("says all about one", function ()
    local out = kit.ended(0, azpec("show", emulator.sample)).out
    assert.matches("^Name: +" .. support.sample_name:gsub("%p", "%%%0") .. "\nStatus: +Pending\n", out)
    assert.matches("\nId: +" .. emulator.sample:gsub("%p", "%%%0") .. "\n$", out)
  end)

  it("shows several in JSON", function ()
    local out = kit.ended(0, azpec("show", many .. "many01 many02 -o json")).out
    assert.equal(2, #kit.json(out, kit.connections).connections)
  end)
end)

describe("wait", function ()
  it("ends at once where it is so, and shows the connection", function ()
    for _, what in ipairs { "exists", "status=pending", "provisioning=Succeeded" } do
      assert.equal(support.sample_name .. ": Pending, Succeeded\n",
        kit.ended(0, azpec("wait", ("--for %s --timeout 0 %s"):format(what, emulator.sample))).out)
    end
    kit.ended(8, azpec("wait", "--for gone --timeout 0 " .. emulator.sample))
  end)

  it("of several that match is an error", function ()
    kit.ended(11, azpec("wait", "--for exists --name 'many*' " .. many))
  end)

  it("settles: it must stay so", function ()
    local process = kit.start(("wait --for status=Approved --settle 0.3 -v %s %s"):format(kit.address(emulator),
      emulator.sample), { env = kit.environment(emulator) })
    process:read_until "Pending"
    kit.ended(0, azpec("approve", emulator.sample))
    process:read_until "Approved"
    assert.equal(support.sample_name .. ": Approved, Succeeded\n", kit.ended(0, process:finish()).out)
  end)

  it("refuses what nobody can wait for", function ()
    for what, message in pairs { ["status=Maybe"] = "none of Approved", ["colour=red"] = "none of status=STATUS" } do
      assert.matches(message, kit.ended(2, azpec("wait", "--for " .. what .. " " .. emulator.sample)).err)
    end
    assert.matches("missing option '%-%-for'", kit.ended(2, azpec("wait", emulator.sample)).err)
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
    assert.equal("9 connections: 9 changed, 0 failed\n", result.err)
  end)

  it("goes on with a deletion", function ()
    local begun = kit.ended(0, azpec("delete", "--yes --no-wait " .. emulator.sample))
    assert.equal(support.sample_name .. ": deleted\n", kit.ended(0, azpec("resume", "-", { stdin = begun.out })).out)
  end)

  it("has something to go on with also where --no-wait met an operation that was under way", function ()
    emulator:set { operation_polls = 3 }
    local first = kit.ended(0, azpec("approve", "--no-wait " .. emulator.sample)).out
    local second = kit.ended(0, azpec("reject", "--yes --no-wait " .. emulator.sample))
    assert.matches("^{.*}\n$", first)
    assert.matches("^{.*}\n$", second.out)
    assert.equal(2, #emulator:log "update")
    kit.ended(0, azpec("resume", "-", { stdin = second.out }))
    assert.equal("Rejected", emulator:connection(emulator.sample).status)
  end)

  it("refuses what is no token, or another service's", function ()
    assert.matches("line 3 is no continuation token", kit.ended(2, azpec("resume", "-", { stdin = "\n\nhello\n" })).err)
    assert.matches("there is no continuation token", kit.ended(2, azpec("resume", "/dev/null")).err)
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

  it("writes nothing without --write, and says so", function ()
    local result = kit.ended(6, azpec("resume", "-", { stdin = forged() }))
    assert.matches("^azpec: the connection is not as asked and no operation is under way; nothing was written: ",
      result.err)
    assert.matches("\n  hint: to send the update again, give azpec resume the option %-%-write\n", result.err)
    assert.matches("(it may not have reached the service; --write sends the change again if it did not)", result.err,
      1, true)
    assert.equal(0, #emulator:log "update")
    assert.equal(support.sample_name .. ": Approved\n",
      kit.ended(0, azpec("resume", "- --write", { stdin = forged() })).out)
    assert.equal(1, #emulator:log "update")
  end)

  it("refuses tokens of subscriptions that are not configured, and names both", function ()
    local other = "00000000-1111-2222-3333-444444444444"
    local token = forged((emulator.sample:gsub("^/subscriptions/[^/]+", "/subscriptions/" .. other)))
    local result = kit.ended(1, azpec("resume", "- --write", { stdin = token }))
    assert.equal(("azpec: the continuation token is refused: it belongs to subscription %s, but --subscription (or "
      .. "AZURE_SUBSCRIPTION_ID) is %s\n"):format(other, emulator.subscription_id), result.err)
    result = kit.ended(8, azpec("resume", ("- --subscription %s --subscription %s"):format(emulator.subscription_id,
      other), { stdin = token }))
    assert.matches("SubscriptionNotFound", result.err)
  end)
end)

describe("watch", function ()
  local row = support.merged(kit.connection_row, { at = "string", event = "string", ["status_before?"] = "string" })

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
        seen[#seen + 1] = one.event .. " " .. (one.status_before or "-") .. " " .. one.status
      end
    until seen[#seen] and seen[#seen]:find "Approved$"
    process:signal "INT"
    kit.ended(130, process:finish())
    assert.equal("found - Pending", seen[1])
    assert.matches("^changed %u%l+ Approved$", seen[#seen])
  end)

  it("is words for people, and ends by itself when told", function ()
    local out = kit.ended(0, azpec("watch", account .. "--stop-after 0")).out
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+Z  testprivateEndpointConnection5%.[%x-]+: Pending"
      .. " \"Please approve\"\n$", out)
    assert.equal("", kit.ended(0, azpec("watch", account .. "--stop-after 0 --changes-only")).out)
  end)

  it("cannot be one JSON text, nor one table of Markdown", function ()
    assert.matches("use %-o jsonl", kit.ended(2, azpec("watch", account .. "-o json")).err)
    assert.matches("use %-o jsonl", kit.ended(2, azpec("watch", account .. "-o md")).err)
  end)
end)

it("emulator plays what the other verbs talk to", function ()
  local process = kit.start("emulator --no-tls --log /dev/stderr", { env = {} })
  local ready
  repeat ready = (support.read(process.out) or ""):match "^(.-)\n" until ready
  local facts = kit.json(ready, { pid = "number", endpoint = "string", open = true })
  local result = kit.ended(3, kit.run(("list --account nix --endpoint %s --authority-host %s"):format(facts.endpoint,
    facts.endpoint), { env = { AZURE_TENANT_ID = facts.tenant_id, AZURE_CLIENT_ID = facts.client_id,
    AZURE_SUBSCRIPTION_ID = facts.subscription_id,
    AZURE_CLIENT_SECRET = require "azpec.emulator.sample" ().client_secret } }))
  assert.matches("there is no Batch account 'nix'", result.err)
  local port = facts.endpoint:match "%d+$"
  local second = kit.ended(1, kit.run("emulator --no-tls --port " .. port))
  assert.equal(("emulator: --port: cannot listen on 127.0.0.1:%s: Address already in use; with 0 the system chooses a "
    .. "port\n"):format(port), second.err)
  process:signal "TERM"
  kit.ended(0, process:finish())
  assert.matches("option '%-%-port'", kit.ended(2, kit.run "emulator --port").err)
  assert.matches("can not be used together", kit.ended(2, kit.run "emulator --no-tls --tls-port 5").err)
end)

-- All verbs and the long names of their options.
local function each_option(f)
  for _, name in parser.verbs() do
    for _, group in ipairs(page.groups(parser.of(name, require("azpec.verbs." .. name)))) do
      for _, entry in ipairs(group) do f(name, entry, entry.names and entry.names[#entry.names]) end
    end
  end
end

describe("help", function ()
  it("of each verb has its examples, which begin with it, and each option described", function ()
    local overview = kit.ended(0, kit.run "help").out
    for _, name in parser.verbs() do
      assert.matches("\n  " .. name .. " +%u", overview)
      local text = kit.ended(0, kit.run("help " .. name)).out
      assert.matches("\nExamples:\n  .*azpec " .. name .. ".*\n\n?Usage:", text)
      for line in text:gmatch "[^\n]+" do assert(#line <= 121 or name == "emulator", name .. ": " .. line) end
    end
    each_option(function (name, entry)
      assert(entry.text and #entry.text > 3, name .. " " .. entry.label .. " says nothing of itself")
    end)
  end)

  it("is a man page with every verb and option, without a complaint of groff's", function ()
    local manual = kit.ended(0, kit.run "help --man").out
    local plain = manual:gsub("\\%-", "-")
    for _, name in parser.verbs() do assert.truthy(plain:find(".SS azpec " .. name .. "\n", 1, true), name) end
    each_option(function (name, entry)
      assert.truthy(plain:find("\n.B " .. entry.label .. "\n", 1, true), name .. " " .. entry.label)
    end)
    for _, code in pairs(require "azpec.command.failure".codes) do
      assert.truthy(plain:find(("\n.B %d\n"):format(code), 1, true), code)
    end
  end)
end)

describe("completion", function ()
  -- What bash offers after these words.
  local function offered(...)
    local words = { ... }
    local script = support.write(support.new_path "complete", ([[
source <(%s/scripts/bin/azpec completion bash)
COMP_WORDS=(azpec %s) COMP_CWORD=%d
_azpec
printf '%%s\n' "${COMPREPLY[@]}"
]]):format(os.getenv "PWD", table.concat(words, " "), #words))
    local pipe <close> = io.popen("bash " .. script .. " 2>&1")
    return "\n" .. pipe:read "a"
  end

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
  assert.truthy(loaded:find("\nazpec.verbs.list\n", 1, true), loaded)
  for _, name in ipairs { "azpec", "cqueues", "azpec.verbs.approve", "azpec.rules", "azpec.audit" } do
    assert.falsy(loaded:find("\n" .. name .. "\n", 1, true), name)
  end
end)

describe("the README", function ()
  -- Without what differs from run to run.
  local function steady(text) return (kit.steady(text):gsub('W/"%w+"', "ETAG")) end

  for _, first in ipairs { "azpec list", "azpec show" } do
    it("shows what is so, from " .. first .. " on", function ()
      kit.play_sample(emulator)
      local token = support.new_path "token"
      for _, one in ipairs(kit.readme(first)) do
        local line, into_file = one.line:gsub(" > %S+$", "")
        local verb, rest = line:gsub("team02%.token", token):match "^azpec (%S+) ?(.*)$"
        local result = azpec(verb, rest)
        if into_file > 0 then support.write(token, result.out) end
        assert.equal(steady(one.output), steady(into_file > 0 and result.err or result.out .. result.err))
      end
    end)
  end
end)
