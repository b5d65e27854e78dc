-- Deny by default: without a terminal several writes, and any that removes access, need --yes or --max; a terminal is
-- shown what it is asked about.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local account = "-g default-azurebatch-japaneast --account sampleacct "
local many = "-g rg-contoso-prod --account manyacct "

local function set_status(id, status)
  local verb = ({ Approved = "approve", Rejected = "reject" })[status]
  kit.ended(0, azpec(verb, "--yes " .. id))
  emulator:control("DELETE", "log")
end

local function writes()
  return #emulator:log("update", "delete")
end

local function on_terminal(line, more)
  return kit.on_terminal(kit.command(line:gsub("^%l+", "%0 " .. kit.address(emulator), 1),
    support.merged(kit.environment(emulator), { TERM = "dumb" }, more or {})))
end

describe("without a terminal", function ()
  -- What is refused, and how many connections it says that it would have touched.
  local refused = {
    { "delete", "--all", "66 connections" },
    { "delete", "--all " .. many, "64 connections" },
    { "reject", "--all " .. many, "64 connections" },
    { "approve", "--all " .. many .. "--name 'many0*'", "9 connections" },
    { "approve", many .. "many01 many02", "2 connections" },
    { "approve", "--no-wait " .. many .. "many01 many02", "2 connections" },
    { "delete", "{sample}", "1 connection" },
    { "delete", account .. "testprivate*", "1 connection" },
    { "delete", "--no-wait {sample}", "1 connection" },
    { "delete", "-o json {sample}", "1 connection" },
  }

  for _, case in ipairs(refused) do
    local verb, line, what = table.unpack(case)
    it(("%s %s needs --yes, and is not done"):format(verb, line), function ()
      local result = kit.ended(2, azpec(verb, (line:gsub("{sample}", emulator.sample))))
      local told = ("%s %s: there is no terminal to ask on, so --yes or --max N is needed; nothing was done")
        :format(verb, what)
      if line:find "json" then
        assert.equal(told, kit.json(result.err, kit.failure).error.message)
      else
        assert.matches("azpec: " .. told, result.err, 1, true)
      end
      assert.equal("", result.out)
      assert.equal(0, writes())
    end)
  end

  it("an answer that is piped in is no answer", function ()
    kit.ended(2, azpec("delete", "--all " .. many, { stdin = "y\ny\n" }))
    assert.equal(0, writes())
  end)

  it("one more write that removes no access needs nothing", function ()
    kit.ended(0, azpec("reject", emulator.many[1]))
    kit.ended(0, azpec("approve", emulator.sample))
    assert.equal(2, writes())
  end)

  it("the rejection of an approved connection needs --yes, however it is named", function ()
    set_status(emulator.sample, "Approved")
    for words, needed in pairs { [emulator.sample] = "--yes", [account .. "testprivate*"] = "--yes",
      ["--all --status Approved " .. account] = "--yes or --max N" } do
      assert.matches("so " .. needed .. " is needed", kit.ended(2, azpec("reject", words)).err, 1, true)
    end
    assert.equal(0, writes())
    kit.ended(0, azpec("reject", "--yes " .. emulator.sample))
    assert.equal("Rejected", emulator:connection(emulator.sample).status)
  end)

  it("so does one of a status that the service writes in another way", function ()
    for _, status in ipairs { "approved", "APPROVED", "Approved ", "Odd" } do
      emulator:faults { { match = { kind = "get" }, action = { set_body = {
        ["properties.privateLinkServiceConnectionState.status"] = status } } } }
      assert.matches("so --yes is needed", kit.ended(2, azpec("reject", emulator.sample)).err, 1, true)
    end
    assert.equal(0, writes())
  end)

  it("what is being made may end as approved, so its rejection needs --yes", function ()
    emulator:set { operation_polls = 1000000 }
    kit.ended(0, azpec("approve", "--no-wait " .. emulator.sample))
    assert.matches("so --yes or --max N is needed", kit.ended(2, azpec("reject", emulator.sample)).err, 1, true)
    assert.equal(1, writes())
  end)

  it("--max N is a yes to so many, and --dry-run needs none", function ()
    kit.ended(0, azpec("approve", many .. "--name 'many0*' --max 9"))
    kit.ended(0, azpec("delete", "--max 1 " .. emulator.sample))
    assert.equal(10, writes())
    kit.ended(0, azpec("delete", "--all --status '*' --dry-run " .. many))
    kit.ended(11, azpec("delete", many .. "--status '*' --max 63 --yes"))
    assert.equal(10, writes())
  end)

  it("--max N is no yes to a removal of access from what is named by its id and not Pending", function ()
    set_status(emulator.sample, "Approved")
    set_status(emulator.many[1], "Approved")
    for line, what in pairs { ["reject --max 1 " .. emulator.sample] = "reject 1 connection",
      ["delete --max 1 --id " .. emulator.sample] = "delete 1 connection",
      [("reject --max 2 %s %s"):format(emulator.many[1], emulator.many[2])] = "reject 2 connections" } do
      local verb, rest = line:match "^(%l+) (.+)$"
      assert.matches(what .. ": there is no terminal to ask on, and --max confirms only Pending connections, so --yes "
        .. "is needed; nothing was done", kit.ended(2, azpec(verb, rest)).err, 1, true)
    end
    assert.equal(0, writes())
    kit.ended(0, azpec("reject", ("--max 2 %s %s"):format(emulator.many[2], emulator.many[3])))
    kit.ended(0, azpec("reject", "--max 1 --status Approved " .. emulator.sample))
    kit.ended(0, azpec("reject", "--max 1 --yes " .. emulator.many[1]))
    assert.equal(4, writes())
  end)

  it("a connection that is gone already needs no yes to its deletion", function ()
    kit.ended(0, azpec("delete", "--yes " .. emulator.sample))
    assert.matches("already gone", kit.ended(0, azpec("delete", emulator.sample)).out)
  end)
end)

describe("--all", function ()
  it("means Pending unless --status says more, and the error says so", function ()
    set_status(emulator.many[1], "Approved")
    set_status(emulator.many[2], "Rejected")
    kit.ended(0, azpec("delete", "--all --yes " .. many))
    assert.equal(62, writes())
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    local result = kit.ended(3, azpec("delete", "--all --yes " .. many))
    assert.matches("status 'Pending'", result.err)
    assert.matches("hint: --all and --max mean Pending ones; --status names others\n", result.err, 1, true)
    kit.ended(0, azpec("delete", "--all --yes --status '*' " .. many))
    assert.equal(64, writes())
  end)

  it("does not narrow what is named by its whole id", function ()
    set_status(emulator.many[1], "Approved")
    kit.ended(0, azpec("delete", ("--all --yes %s %s"):format(emulator.many[1], emulator.many[2])))
    assert.equal(2, writes())
  end)
end)

describe("a terminal", function ()
  it("is shown the number by account and status, and the first names", function ()
    set_status(emulator.many[1], "Approved")
    set_status(emulator.many[2], "Rejected")
    local terminal = on_terminal(("reject %s 'many0*' --all --status '*'"):format(many))
    terminal:answer "n\n"
    local result = kit.ended(1, terminal:finish())
    local said = result.err:gsub("\r", "")
    assert.matches("  manyacct: 1 Approved, 1 Rejected, 7 Pending\n", said, 1, true)
    assert.matches("\n  many01%S*, many02%S*, many03%S* and 6 more\n", said)
    assert.equal(0, writes())
  end)

  it("is shown that a rejection is final, and no such line for another change", function ()
    local way_out = require "azpec".transitions.Rejected.Approved.way_out
    for verb, line in pairs { reject = "  Rejected is final: " .. way_out .. "\n", approve = "", delete = "" } do
      local terminal = on_terminal(("%s many01 many02 %s"):format(verb, many))
      terminal:answer "n\n"
      local said = kit.ended(1, terminal:finish()).err:gsub("\r", "")
      local last, question = said:match "\n  many01%S*, many02%S*\n(.*)(%u%l+ 2 connections%? %[y/N%])"
      assert.equal(line, last, verb)
      assert(question:lower():find(verb, 1, true))
    end
  end)

  it("is asked about one that removes access, also by its id", function ()
    local terminal = on_terminal("delete " .. emulator.sample)
    terminal:answer "\n"
    assert.matches("  sampleacct: 1 Pending\r?\n  testprivate%S+\r?\nDelete 1 connection%? %[y/N%]",
      kit.ended(1, terminal:finish()).err)
    assert.equal(0, writes())
    terminal = on_terminal("delete " .. emulator.sample)
    terminal:answer "yes\n"
    kit.ended(0, terminal:finish())
    assert.equal(1, writes())
  end)

  it("takes nothing for an answer that was typed before the question", function ()
    local gate = support.new_path "gate"
    assert(os.execute("mkfifo " .. gate))
    local terminal = kit.on_terminal(("sh -c %s"):format(support.quote(("echo started; read -r _ <%s; exec %s"):format(
      gate, kit.command("delete " .. kit.address(emulator) .. " " .. emulator.sample,
      support.merged(kit.environment(emulator), { TERM = "dumb" }))))))
    terminal:read_until "started"
    terminal:type "yes\n"
    terminal:read_until "yes" -- the terminal's echo: it has the keys
    support.write(gate, "go\n")
    terminal:answer "n\n"
    assert.matches("nothing was done", kit.ended(1, terminal:finish()).err)
    assert.equal(0, writes())
  end)

  it("is not asked in a CI system, where nobody would answer", function ()
    local result = kit.ended(2, on_terminal("delete " .. emulator.sample, { CI = "true" }):finish())
    assert.matches("delete 1 connection: nobody is asked where CI is set, so --yes or --max N is needed", result.err, 1,
      true)
    kit.ended(0, on_terminal("delete --yes " .. emulator.sample, { CI = "true" }):finish())
    local terminal = on_terminal("delete " .. emulator.many[1], { CI = "false" })
    terminal:answer "y\n"
    kit.ended(0, terminal:finish())
    assert.equal(2, writes())
  end)

  it("is not asked about one approval", function ()
    assert.falsy(kit.ended(0, on_terminal("approve " .. emulator.sample):finish()).err:find "y/N")
  end)

  it("is shown what connections named by their ids are", function ()
    set_status(emulator.many[1], "Approved")
    local terminal = on_terminal(("delete %s %s"):format(emulator.many[1], emulator.sample))
    terminal:answer "n\n"
    local said = kit.ended(1, terminal:finish()).err:gsub("\r", "")
    assert.matches("  manyacct: 1 Approved\n  sampleacct: 1 Pending\n", said, 1, true)
  end)
end)

describe("undo", function ()
  it("needs --yes where nobody can be asked", function ()
    local trail = support.new_path "trail"
    kit.ended(0, azpec("approve", ("--journal %s %s"):format(trail, emulator.sample)))
    local run = support.read(trail):match '"run":"([^"]+)"'
    local line = ("undo %s --run %s --apply"):format(trail, run)
    assert.matches("azpec: undo 1 change: there is no terminal to ask on, so --yes is needed; nothing was done",
      kit.ended(2, azpec("journal", line)).err, 1, true)
    assert.equal(1, writes())
    kit.ended(0, azpec("journal", line .. " --yes"))
    assert.equal(2, writes())
  end)
end)

describe("a status that changed after it was chosen", function ()
  local cjson = require "cjson"
  local json = { support.json_type }

  -- A service without ETags: the list still says Pending, the connection itself Approved.
  local function run(line)
    local shown = { id = support.id, name = support.id:match "[^/]*$", properties = { provisioningState = "Succeeded",
      privateLinkServiceConnectionState = { status = "Pending" } } }
    local page = cjson.encode { value = { shown } }
    shown.properties.privateLinkServiceConnectionState.status = "Approved"
    local server = support.server { { path = "privateEndpointConnections?", headers = json, body = page },
      { headers = json, body = cjson.encode(shown) } }
    local verb, rest = line:match "^(%S+) ?(.*)$"
    return kit.run(("%s -g rg --account acct --credential token --endpoint %s --timeout 5 %s"):format(verb,
      server.endpoint, rest), { env = { AZURE_ACCESS_TOKEN = support.canary,
      AZURE_SUBSCRIPTION_ID = support.id:match "^/[^/]+/([^/]+)" } }), server
  end

  local function sends_nothing(result, server)
    assert.equal(6, result.code)
    assert.not_matches("before_write", result.err .. result.out)
    assert.matches("it is Approved now, and was Pending when it was chosen", result.err .. result.out)
    for _, request in ipairs(server:requests()) do assert.equal("GET", request.method) end
  end

  it("keeps reject from removing access that nobody was asked about", function ()
    sends_nothing(run("reject pec"))
  end)

  it("is known by write_refused, not by the words of the error", function ()
    local failure = require "azpec.cli.error"
    local kept = failure.new("canceled", "in other words", { write_refused = true })
    assert.same({ 6, "precondition" }, { failure.exit_code(kept), failure.facts(kept).kind })
    local quoted = failure.new("canceled", "before_write refused the write: a quotation")
    assert.same({ 1, "canceled" }, { failure.exit_code(quoted), failure.facts(quoted).kind })
  end)

  it("keeps rules from deciding on what they did not see", function ()
    local rules = support.write(support.new_path "rules.lua", 'reject "strangers" { when = { name = "*" } }')
    sends_nothing(run("auto --apply --rules " .. rules))
  end)
end)
