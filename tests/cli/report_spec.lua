-- azpec report: what it reads, what it writes, and how it ends. The page itself is tested in tests/scripts and, in a
-- browser, in tests/peers.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local t = require "loopback.support"
local documents = require "tools.documents"

local emulator, azpec = kit.stage { operation_polls = 0 }

local function new_page()
  return t.new_path "page" .. ".html"
end

local function has(text, page) assert.truthy(page:find(text, 1, true), text) end

local function mode_of(path)
  local pipe <close> = assert(io.popen("stat -c %a " .. t.quote(path)))
  return pipe:read "l"
end

local rules = [[
approve "the web team" { when = { private_endpoint_name = "web*" }, because = "it is theirs" }
hold "the rest" { because = "a person has to look" }
]]

describe("azpec report", function ()
  it("writes a page of the whole subscription, for its owner alone", function ()
    kit.play_sample(emulator)
    local path = new_page()
    local result = kit.ended(0, azpec("report", "--out " .. path))
    assert.matches("page%d+%.html: 27 connections of 4 accounts, 23 pending\n$", result.out)
    assert.equal("600", mode_of(path))
    local page = t.read(path)
    has(emulator.endpoint, page)
    has("subscription " .. emulator.subscription_id, page)
    has(emulator.client_id, page)
    has("承認をお願いします", page)
    t.has_no_secret(page, "a report")
  end)

  it("of all subscriptions says so, and finds them without one in the environment", function ()
    local path = new_page()
    kit.ended(0, azpec("report", "--all-subscriptions --out " .. path,
      { env = t.merged(kit.environment(emulator), { AZURE_SUBSCRIPTION_ID = "" }) }))
    local page = t.read(path)
    has("all subscriptions", page)
    assert.is_nil(page:find("subscription " .. emulator.subscription_id, 1, true))
  end)

  it("names the service that listed the accounts, its lag, and the subscriptions that were looked in", function ()
    local empty = "11111111-2222-4333-8444-555555555555"
    emulator:control("PUT", "state", t.merged(emulator:state(), { subscriptions = { { subscription_id = empty } } }))
    local path = new_page()
    local line = "-o json --all-subscriptions --out " .. path
    assert.equal("graph", cjson.decode(kit.ended(0, azpec("report", line)).out).accounts_from)
    local page = t.read(path)
    has("Azure Resource Graph has listed the accounts. It usually lags", page)
    has("accounts that Azure Resource Graph did not show yet", page)
    assert.matches("<li><code>" .. emulator.subscription_id:gsub("%-", "%%-") .. "</code>, [1-9]%d* accounts?</li>",
      page)
    has("<li><code>" .. empty .. "</code>, 0 accounts</li>", page)
    line = line .. " --candidates-from arm"
    assert.equal("arm", cjson.decode(kit.ended(0, azpec("report", line)).out).accounts_from)
    page = t.read(path)
    has("Azure Resource Manager has listed the accounts.", page)
    assert.is_nil(page:find("Azure Resource Graph", 1, true))
    has(("%s (application, tenant %s)"):format(emulator.client_id, emulator.tenant_id), page)
  end)

  it("does not count the accounts of a subscription that could not be read", function ()
    local closed = "11111111-2222-4333-8444-555555555555"
    emulator:control("PUT", "state", t.merged(emulator:state(), { subscriptions = { { subscription_id = closed } } }))
    emulator:faults { { match = { kind = "accounts", path = closed:gsub("%-", "%%-") }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    local path = new_page()
    kit.ended(12, azpec("report", "--all-subscriptions --candidates-from arm --out " .. path))
    emulator:faults {}
    has(("<li><code>%s</code>, its accounts could not be listed</li>"):format(closed), t.read(path))
  end)

  it("reads ages, which the newest api-version tells", function ()
    kit.ended(0, azpec("report", "--out " .. new_page()))
    for _, request in ipairs(emulator:log "list") do assert.matches("api%-version=2025%-06%-01", request.target) end
    local old = new_page()
    kit.ended(0, azpec("report", "--api-version 2022-06-01 --out " .. old))
    has("no creation time", t.read(old))
  end)

  it("tells in JSON what it has counted", function ()
    local path = new_page()
    local result = kit.ended(0, azpec("report", "-o json -g rg-contoso-prod --account manyacct --out " .. path))
    local row = kit.json(result.out, { schema_version = "=1", complete = "boolean",
      read_at = "string", totals = kit.totals(kit.counts), reports = { t.merged(kit.totals(kit.counts), {
        file = "string", made_at = "string", accounts = "=1", connections = "=64", pending = "=64", unreadable = "=0",
        gone = "=0" }) } }).reports[1]
    assert.equal(path, row.file)
  end)

  it("goes to stdout, and then nothing else does", function ()
    local result = kit.ended(0, azpec("report", "-g rg-contoso-prod --account manyacct --out -"))
    assert.matches("^<!doctype html>.*</html>\n$", result.out)
    assert.equal("", result.err)
  end)

  it("replaces a report, and no other file", function ()
    local path = new_page()
    kit.ended(0, azpec("report", "-g rg-contoso-prod --account manyacct --out " .. path))
    local first = t.read(path)
    kit.ended(0, azpec("report", "--out " .. path))
    assert.not_equal(first, t.read(path))
    local other = t.write(new_page(), "<!doctype html><title>mine</title>")
    local result = kit.ended(2, azpec("report", "--out " .. other))
    assert.matches("there is another file", result.err)
    assert.equal("<!doctype html><title>mine</title>", t.read(other))
    assert(os.execute(("ln -s %s %s.link"):format(t.quote(path), t.quote(path))))
    assert.matches("symbolic link", kit.ended(2, azpec("report", "--out " .. path .. ".link")).err)
  end)

  it("shows what the rules decide and what is outside of them, and writes nothing to the service", function ()
    kit.play_sample(emulator)
    local path, file = new_page(), t.write(t.new_path "rules", rules)
    local result = kit.ended(0, azpec("report", ("-g rg-contoso-prod --rules %s --out %s"):format(file, path)))
    assert.matches(", %d+ outside the rules", result.out)
    local page = t.read(path)
    has("would approve <b>1</b>", page)
    has("it is theirs", page)
    has(require "azpec.sha256".hex(rules), page)
    local outside = page:match '<table id="outside%-table".-</table>'
    has("render-farm", outside)
    has("a person has to look", outside)
    assert.equal(0, #emulator:log "update")
  end)

  it("ends with 12 where a rule's function fails, which the page shows", function ()
    local path = new_page()
    local file = t.write(t.new_path "rules", 'hold "x" { when = function (c) return c.nothing.there end }')
    kit.ended(12, azpec("report", ("-g rg-contoso-prod --account manyacct --rules %s --out %s"):format(file, path)))
    has("unknown member &#39;nothing&#39; of the connection", t.read(path))
  end)

  it("shows the journal with its verification", function ()
    local path, trail = new_page(), t.new_path "trail"
    kit.ended(0, azpec("approve", ("many01 -g rg-contoso-prod --account manyacct --ticket CHG-42 --journal %s"):format(
      trail)))
    local anchor = azpec("journal", "verify " .. trail).out:match "anchor (%S+)"
    kit.ended(0, azpec("reject", "many02 -g rg-contoso-prod --account manyacct"))
    local line = ("-g rg-contoso-prod --account manyacct --journal %s --out %s"):format(trail, path)
    local result = kit.ended(0, azpec("report", line .. " --anchor " .. anchor))
    assert.matches(", 62 pending, 1 not in the journal\n", result.out)
    local page = t.read(path)
    has("As it was written.", page)
    has("CHG-42", page)
    has(anchor, page)
    assert.falsy(page:find("No anchor was given", 1, true))
    assert.equal(2, select(2, t.read(trail):gsub("\n", "")))

    t.write(trail, (t.read(trail):gsub("CHG%-42", "CHG-43", 1)))
    result = kit.ended(1, azpec("report", line))
    assert.matches("azpec: the journal is not as it was written: line 1 was changed", result.err)
    has("The journal is not as it was written.", t.read(path))
  end)

  local function reported(trail, code)
    local path = new_page()
    local line = "-o json -g rg-contoso-prod --account manyacct --journal %s --out %s"
    local result = kit.ended(code, azpec("report", line:format(trail, path)))
    return cjson.decode(result.out).reports[1], t.read(path), result.err
  end

  it("notes that no write of the journal is of its accounts, which may be another journal", function ()
    local trail = t.new_path "trail"
    kit.ended(0, azpec("approve", ("%s --journal %s"):format(emulator.sample, trail)))
    local _, _, err = reported(trail, 0)
    assert.matches("azpec: no write of the journal is of the accounts of this report", err, 1, true)
  end)

  it("counts and names the writes of the journal whose end is not known, and does not call it in order", function ()
    local trail = t.new_path "trail"
    local file = require "azpec.journal".open(trail, { run = "run1", ticket = "CHG-1" })
    assert(file:intend { verb = "approve", operation = "ensure", id = emulator.many[2] })
    local row, page, err = reported(trail, 0)
    assert.same({ false, 1, true, { 1 } }, { row.journal_ok, row.journal_unfinished, row.journal.ok, row.journal.open })
    local one = row.journal.unfinished[1]
    assert.same({ emulator.many[2], "run1", "approve", "CHG-1", 1 },
      { one.id, one.run, one.verb, one.ticket, one.line })
    assert.matches("how the writes of line 1 ended is not known", err)
    has("The journal has unfinished writes.", page)
    has("1 write without a known result.", page)
  end)

  it("does not call an empty journal as it was written", function ()
    local row, page, err = reported(t.write(t.new_path "trail", ""), 0)
    assert.same({ false, false, 0 }, { row.journal_ok, row.journal.ok, row.journal.lines })
    assert.matches("the journal is empty, so there is nothing to verify", err)
    has("There is nothing to verify", page)
    has("The journal is empty.", page:sub(1, (page:find('id="accounts"', 1, true))))
    assert.falsy(page:find("As it was written.", 1, true))
  end)

  it("counts the lines of a damaged journal that it leaves out", function ()
    local trail = t.new_path "trail"
    kit.ended(0, azpec("approve", "many01 many02 --yes -g rg-contoso-prod --account manyacct --journal " .. trail))
    t.write(trail, (t.read(trail):gsub('"event":"result"', '"event":"rEsult"')))
    local row, page, err = reported(trail, 1)
    assert.same({ false, false, 2, 4, 2 }, { row.journal_ok, row.journal.ok, row.journal.left_out, row.journal.lines,
      row.journal_unfinished })
    assert.matches("the journal is not as it was written: line %d was changed: it is not as azpec wrote it; 2 lines "
      .. "are left out of what is listed", kit.json(err, kit.failure).error.message)
    has("2 lines are not as azpec wrote them, and left out of the writes below.", page)
    local shown = kit.ended(1, azpec("journal", "show -o json " .. trail))
    assert.matches("2 lines are left out of what is listed", kit.json(shown.err, kit.failure).error.message)
    local document = cjson.decode(shown.out)
    assert.same({ false, 2, 2 }, { document.complete, document.left_out, #document.writes })
    emulator:faults { { match = { kind = "list", path = "tokyobatch" }, action = { status = 403 } } }
    local line = "--out " .. new_page()
    kit.ended(12, azpec("report", line))
    kit.ended(1, azpec("report", ("%s --journal %s"):format(line, trail))) -- the verb's own error comes before 12
    emulator:faults {}
  end)

  it("shows the journal that AZPEC_JOURNAL names, and notes that there is none before the first write", function ()
    local path, trail = new_page(), t.new_path "trail"
    local line = "-g rg-contoso-prod --account manyacct --out " .. path
    local with = { env = t.merged(kit.environment(emulator), { AZPEC_JOURNAL = trail }) }
    assert.matches("azpec: there is no journal " .. trail .. " yet (AZPEC_JOURNAL); the report has none\n",
      kit.ended(0, azpec("report", line, with)).err, 1, true)
    assert.falsy(t.read(path):find("As it was written.", 1, true))
    kit.ended(0, azpec("approve", "many01 -g rg-contoso-prod --account manyacct", with))
    kit.ended(0, azpec("report", line, with))
    has("As it was written.", t.read(path))
  end)

  it("names a journal that is not there, before anything is read", function ()
    local result = kit.ended(1, azpec("report", "--journal /nowhere/trail --out " .. new_page()))
    assert.matches("^azpec: /nowhere/trail: ", result.err)
    assert.equal(0, #emulator:log "accounts")
  end)

  it("refuses options that mean nothing without another", function ()
    for _, line in ipairs { "--anchor 2:" .. ("ab"):rep(32), "--enrich /nowhere/facts.lua" } do
      assert.matches("go?e?s? with %-%-", kit.ended(2, azpec("report", line .. " --out " .. new_page())).err)
    end
    kit.ended(2, azpec("report", ""))
  end)
end)

describe("azpec report of several accounts", function ()
  local subscription = t.id:match "^/subscriptions/[^/]+"
  local group = subscription .. "/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/"

  local function page_of(items)
    return { status = 200, headers = { t.json_type }, body = cjson.encode { value = items } }
  end

  it("of which one cannot be read names it, in the page, in JSON, and by its exit code", function ()
    local answer, refused = page_of { { id = group .. "acca" }, { id = group .. "accb" } },
      { status = 403, headers = { t.json_type },
      body = '{"error":{"code":"AuthorizationFailed","message":"<b>no</b>"}}' }
    answer.path, refused.path = "batchAccounts?", "batchAccounts/accb/"
    local server = t.server { answer, refused, page_of { { id = group .. "acca/privateEndpointConnections/one",
      properties = { privateLinkServiceConnectionState = { status = "Pending" } } } } }
    local path = new_page()
    local result = kit.ended(12, kit.run(("report -o json --credential token --endpoint %s --subscription %s --out %s")
      :format(server.endpoint, subscription:match "[^/]+$", path), { env = { AZURE_ACCESS_TOKEN = t.canary } }))
    local document = cjson.decode(result.out)
    assert.is_false(document.complete)
    assert.equal(1, document.reports[1].unreadable)
    local page = t.read(path)
    has("Not everything could be read.", page)
    has("accb", page:match '<table id="unread%-table".-</table>')
    has("&lt;b&gt;no&lt;/b&gt;", page)
  end)

  it("of which one was deleted meanwhile names it, and is complete", function ()
    kit.play_sample(emulator)
    emulator:faults { { match = { path = "/batchAccounts/emptybatch", plain = true }, action = { status = 404 } } }
    local path = new_page()
    local document = cjson.decode(kit.ended(0, azpec("report", "-o json --out " .. path)).out)
    assert.same({ 1, 0 }, { document.reports[1].gone, document.reports[1].unreadable })
    assert.matches("/batchAccounts/emptybatch$", document.gone[1])
    local page = t.read(path)
    has("/batchAccounts/emptybatch", page:match '<table id="gone%-table".-</table>')
    has("1 account deleted before the reading", page)
  end)
end)

it("the documents show how to find the decisions that no journal of several machines has", function ()
  if not t.program "jq" then pending "jq is not installed" end
  local folder, group = t.new_path "folder", "-g rg-contoso-prod --account manyacct"
  assert(os.execute("mkdir " .. t.quote(folder)))
  local function approve(number, journal)
    local option = journal and ("--journal %s/%s.jsonl"):format(folder, journal) or "--description 'by hand'"
    kit.ended(0, azpec("approve", ("%s %s %s"):format(emulator.many[number], group, option)))
  end
  approve(1, "machine1")
  approve(2, "machine2")
  approve(3, "machine1")
  approve(3) -- it was changed since
  approve(4)
  local text = documents.block("sh", "for file in machine1.jsonl"):gsub("azpec list", "%0 " .. kit.address(emulator)
    :gsub("%%", "%%%%"))
  local result = kit.ended(0, kit.shell(("PATH=$PWD/scripts/bin:$PATH; cd %s; %s"):format(t.quote(folder), text),
    { env = kit.environment(emulator) }))
  assert.equal(("%s\n%s\n"):format(emulator.many[3], emulator.many[4]), result.out)
end)

it("the documents show what report prints", function ()
  kit.play_sample(emulator)
  local folder = t.new_path "folder"
  assert(os.execute("mkdir " .. t.quote(folder)))
  t.write(folder .. "/rules.lua", documents.block("lua", "-- rules.lua"))
  local function run(line)
    local verb, rest = line:match "^azpec (%S+) (.*)$"
    for _, name in ipairs { "rules.lua", "journal.jsonl", "report.html" } do
      rest = rest:gsub(name:gsub("%p", "%%%0"), folder .. "/" .. name)
    end
    return kit.ended(0, azpec(verb, rest))
  end
  run "azpec auto --rules rules.lua -g rg-contoso-prod --apply --journal journal.jsonl"
  for _, one in ipairs(documents.commands "azpec report") do
    local result = run(one.line)
    assert.equal(one.output, (result.out:gsub(folder:gsub("%p", "%%%0") .. "/", "")))
  end
end)
