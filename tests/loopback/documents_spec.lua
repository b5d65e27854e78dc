-- The programs in README.md, the two guides and the reference of the module, run as they stand there against the
-- emulator: each block of Lua; and `make demo`.
package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local documents = require "tools.documents"
local examples = require "hosts.examples"
local kit = require "cli.kit"
local t = require "loopback.support"

local emulator
local guides = { ["README.md"] = true, ["scripts/README.md"] = true, ["lua_module/README.md"] = true,
  ["lua_module/REFERENCE.md"] = true }

-- What a block may use without saying where it comes from.
local given = [[
azpec, cqueues = require "azpec", require "cqueues"
client = azpec.client {}
connections, ids = {}, {}
for one in client:list { resource_group_name = "rg-contoso-prod", account_name = "contosobatch" } do
  connections[#connections + 1] = one
  if one.name:find "^team" then ids[#ids + 1] = one.id end
  if one.name:find "^web%-frontend" then connection, id = one, one.id end
end
change_id = "CHG-1"
function fetch_token(claims) -- yields: its HTTP is by cqueues
  local env, json = os.getenv, require "azpec.json"
  local function escaped(s) return (s:gsub("%W", function (c) return ("%%%02X"):format(c:byte()) end)) end
  local form = "grant_type=client_credentials&scope=https://management.azure.com/.default&client_id="
    .. env "AZURE_CLIENT_ID" .. "&client_secret=" .. escaped(env "AZURE_CLIENT_SECRET")
    .. (claims and "&claims=" .. escaped(claims) or "")
  fetched_with = claims
  local _, answer = require "azpec.emulator.http_client".request(env "EMULATOR", "POST",
    "/" .. env "AZURE_TENANT_ID" .. "/oauth2/v2.0/token", form, "Content-Type: application/x-www-form-urlencoded\r\n")
  local token = json.decode(answer)
  return token.access_token, os.time() + token.expires_in
end
local finished
function finish(value, err) finished = assert(value, err) end
function watch(fd, readable)
  repeat cqueues.poll { pollfd = fd, events = "r" } readable() until finished
  print(finished.properties.privateLinkServiceConnectionState.status)
end
]]

-- The blocks by a line of theirs, and what each prints (nothing: it prints nothing); code to run behind it.
local programs = {
  { "-- approve-all.lua", "web%-frontend%S+\tapproved\n" },
  { '  ca_file = "/tmp/emulator-ca.pem"', "testprivateEndpointConnection5%S+\tApproved\n" },
  { "local Status = azpec.PrivateLinkServiceConnectionStatus", "^Succeeded\n$" },
  { "local client = azpec.client {\n  endpoint =" },
  { "local client = azpec.client { wait = cqueues.poll }", "^Approved\n$" },
  { "for poller, ensured, err in client:completions() do", "/team%S+\n" },
  { "local client = azpec.client { before_write" },
  { "local client = azpec.client { on_event", "^get\t/subscriptions/%S+\t%S+\t%S+\tSucceeded\tnil\tnil\tnil\n"
    .. "get\t/subscriptions/%S+\t%S+\t%S+\tnot_found\tResourceNotFound\t404\t%S+\n$",
    "client:get { id = id } client:get { id = id .. 'x' }" },
  { "local loop, renewal, stored = cqueues.new()",
    "^credential: [^\n]*no token yet\nweb%-frontend%S+\nnil\ttrue\n{}\ttrue\nnil\ttrue\n$", [[
    print(select(2, client:get { id = id }))
    loop:wrap(function ()
      while not stored.token do cqueues.poll(0) end
      print(assert(client:get { id = id }).name)
      for _, claims in ipairs { false, "{}", false } do
        local refused = stored.token
        assert(not get(nil, claims or nil, refused))
        while not stored.token do cqueues.poll(0) end
        print(fetched_with, stored.token ~= refused and get(nil, nil, refused) == stored.token)
      end
      os.exit(true, true)
    end)
    assert(loop:loop())]] },
  { "local done, err = client:ensure { id = id, status" },
  { 'for _, kind in ipairs { "path", "cpath" } do' },
  { "local select, run, rules =", "^approve\tthe web team\tit names a ticket\n/subscriptions/%S+\tchanged\tnil\n$" },
  { "local fleet, drift =", "render%-farm%S+: a person has to look" },
  { 'local journal = require "azpec.journal"', "^true\n$" },
  { "local client <close> = azpec.client { timeout = 60 }", "^web%-frontend%S+\n$" },
  { "local ensured = assert(client:ensure {", "^true\tApproved\n$" },
  { "for one in client:list {", "^web%-frontend%S+\n" },
  { "local poller = client:begin_update {", "^false\ntrue\n$" },
  { "local chain = azpec.credential.chain {", "^azpec.credential\n$" },
  { "local missing, err = client:get {", "^404\tnil\n$" },
}

-- The blocks that tests of their own run: the first line of each.
local elsewhere = { ["-- rules.lua"] = "tests/cli", ['local record = require "azpec.record"'] = "record_spec" }
local function is_tested_elsewhere(text) return elsewhere[text:match "^[^\n]+"] end

-- Returns the row of a block.
local function row_of(block)
  local found
  for _, row in ipairs(programs) do
    if ("\n" .. block.text):find("\n" .. row[1], 1, true) then
      assert(not found, "two rows for one block")
      found = row
    end
  end
  return found
end

-- Runs a block in a folder that has rules.lua (the guide's, or these rules); what it prints.
local function run(text, rules)
  local folder = examples.host_folder()
  t.write(folder .. "/given.lua", given)
  t.write(folder .. "/rules.lua", rules or documents.block("lua", "-- rules.lua"))
  local secret = ('"%s"'):format(require "azpec.emulator.sample"().client_secret)
  for shown, real in pairs { ["https://127.0.0.1:8443"] = emulator.tls_endpoint,
    ["https://management.local.azurestack.external"] = emulator.tls_endpoint,
    ["/tmp/emulator-ca.pem"] = emulator.ca_file, [secret] = ("%q"):format(t.secret) } do
    text = text:gsub(shown:gsub("%p", "%%%0"), (real:gsub("%%", "%%%%")))
  end
  t.write(folder .. "/program.lua", text)
  local pipe = assert(io.popen(("cd %s && %sEMULATOR=%s %s -l given program.lua 2>&1"):format(t.quote(folder),
    examples.environment(folder, emulator), emulator.endpoint, os.getenv "LUA" or "lua5.4")))
  local printed = pipe:read "a"
  assert(pipe:close(), printed)
  return printed
end

describe("the documents' Lua", function ()
  setup(function () emulator = t.emulator() end)
  before_each(function ()
    emulator:reset()
    kit.play_sample(emulator)
  end)
  after_each(t.tidy)
  teardown(t.close)

  local used = {}
  for _, block in ipairs(documents.blocks "lua") do
    if guides[block.path] and not is_tested_elsewhere(block.text) then
      it(("in %s, line %d, runs"):format(block.path, block.line), function ()
        local row = assert(row_of(block), "no row for this block: say what it prints")
        used[row] = true
        local printed = run(block.text .. "\n" .. (row[3] or ""))
        assert.matches(row[2] or "^$", printed)
      end)
    end
  end

  it("of azpec.run and azpec.rules sends nothing for a connection that the rules hold or ignore", function ()
    for _, action in ipairs { "hold", "ignore" } do
      emulator:control("DELETE", "log")
      local printed = run(documents.block("lua", "local select, run, rules ="),
        action .. ' "a person looks" {}\n')
      assert.matches("^" .. action .. "\ta person looks\t[^\n]+\n$", printed)
      for _, entry in ipairs(emulator:log()) do
        assert(entry.method ~= "DELETE" and entry.method ~= "PATCH", entry.target)
      end
    end
  end)

  it("finds the modules in Lua by the exports that the guides show", function ()
    for _, path in ipairs { "lua_module/README.md", "scripts/azpec/emulator/README.md" } do
      local export = assert(documents.read(path):match "\n    (export LUA_PATH=[^\n]+)", path)
      local pipe <close> = io.popen(("unset LUA_PATH; %s; exec %s -e %s 2>&1"):format(export,
        os.getenv "LUA" or "lua5.4", t.quote [[for _, name in ipairs { "emulator", "loop.cqueues", "journal" } do
          io.write(require("azpec." .. name) and name .. " ") end]]))
      assert.equal("emulator loop.cqueues journal ", pipe:read "a")
    end
  end)

  it("is all that the table above has", function ()
    for _, row in ipairs(programs) do assert(used[row], row[1]) end
  end)
end)

it("make demo follows the change of a pending connection to its end", function ()
  local name = "testprivateEndpointConnection5.24d6b4b5-e65c-4330-bbe9-3a290d62f8e0"
  local pipe <close> = io.popen((os.getenv "LUA" or "lua5.4") .. " scripts/demo.lua 2>&1")
  local said, shown = {}, pipe:read "a"
  for line in shown:gmatch "[^\n]+" do
    if line ~= said[#said] then said[#said + 1] = line end -- how many polls there are depends on the time they take
  end
  assert.equal(([[
1. The connections of Batch account 'sampleacct':
   signed in at the token endpoint (HTTP 200)
   %s Pending
2. Approving it:
   PATCH answered: HTTP 202
   still running; next poll in 1 s
   still InProgress; next poll in 1 s
3. What the service says now:
   %s Approved
Approved.]]):format(name, name), table.concat(said, "\n"), shown)
end)
