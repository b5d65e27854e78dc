-- Before a run of many the rights are looked up: accounts without them are named, and get no request.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local documents = require "tools.documents"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0 }

local many = "-g rg-contoso-prod --account manyacct"
local readers = { { actions = { "*/read" } } }

-- Gives an account these permissions.
local function with_permissions(name, permissions)
  local state = emulator:state()
  for _, account in ipairs(state.accounts) do
    if account.account_name == name then account.permissions = permissions end
  end
  emulator:control("PUT", "state", state)
  emulator:control("DELETE", "log")
end

local function count(kind, account)
  local n = 0
  for _, entry in ipairs(emulator:log(kind)) do
    if entry.target:find("/batchAccounts/" .. account .. "/", 1, true) then n = n + 1 end
  end
  return n
end

local function rules()
  return support.write(support.new_path "rules" .. ".lua", 'approve "all" { when = { name = "*" } }')
end

local refused = "azpec: Microsoft.Batch/batchAccounts/privateEndpointConnections/write at rg-contoso-prod/manyacct "
  .. "is not granted; nothing was sent there, 64 connections\n"

describe("the preflight of rights", function ()
  for verb, line in pairs { approve = "--all --yes", auto = "--apply --rules " } do
    it("names an account without them once, sends nothing there, and does the rest: " .. verb, function ()
      with_permissions("manyacct", readers)
      if verb == "auto" then line = line .. rules() end
      local result = kit.ended(12, azpec(verb, line))
      assert.truthy(result.err:find(refused, 1, true), result.err)
      assert.equal(1, select(2, result.err:gsub("is not granted", "")))
      assert.matches("66 connections: 2 changed, 64 failed", result.err)
      assert.equal(0, count("update", "manyacct"))
      assert.equal(0, count("get", "manyacct"))
      assert.equal(1, count("permissions", "manyacct"))
      assert.equal(3, #emulator:log "permissions")
      assert.equal(1, count("update", "sampleacct"))
    end)
  end

  it("leaves errors in JSON that differ from those of accounts that cannot be read, as the documents say", function ()
    if not support.program "jq" then pending "jq is not installed" end
    with_permissions("manyacct", readers)
    emulator:faults { { match = { kind = "list", path = "/tokyobatch/", plain = true }, action = { status = 403 } } }
    local folder = support.new_path "folder"
    assert(os.execute("mkdir " .. support.quote(folder)))
    local auto, jq = documents.block("sh", "azpec auto --rules rules.lua --apply -o json"):match "^(.-)( > .*)$"
    auto = auto:gsub("rules%.lua", rules())
    local result = kit.shell(("PATH=$PWD/scripts/bin:$PATH; cd %s; %s %s%s"):format(support.quote(folder), auto,
      kit.address(emulator), jq), { env = kit.environment(emulator) })
    local lines = { failed = {}, ["not read"] = {} }
    for word, id in kit.ended(0, result).out:gmatch "([^\n]+): ([^\n]+)" do table.insert(lines[word], id) end
    assert.equal(1, #lines["not read"])
    assert.matches("/batchAccounts/tokyobatch$", lines["not read"][1])
    table.sort(lines.failed)
    assert.same(emulator.many, lines.failed)
  end)

  it("comes before the first write", function ()
    with_permissions("tokyobatch", readers)
    kit.ended(12, azpec("approve", "--all --yes"))
    local last, first
    for n, entry in ipairs(emulator:log()) do
      if entry.kind == "permissions" then last = n end
      if entry.kind == "update" then first = first or n end
    end
    assert(last < first)
  end)

  it("has a row for each connection in JSON", function ()
    with_permissions("manyacct", readers)
    local result = kit.ended(12, azpec("approve", "--all --yes -o json"))
    local failed = 0
    local document = kit.json(result.out, kit.results)
    for _, row in ipairs(document.results) do
      if row.result == "failed" then
        failed = failed + 1
        assert.equal("forbidden", row.error.kind)
      end
    end
    assert.same({ 64, false, 64 }, { failed, document.complete, #document.errors })
    assert.equal(1, #cjson.decode(result.err).errors)
  end)

  it("asks for the right to delete where that is what is done", function ()
    with_permissions("manyacct", { { actions = { "*" }, not_actions = { "*/delete" } } })
    local result = kit.ended(12, azpec("delete", "--all --yes " .. many))
    assert.matches("privateEndpointConnections/delete at rg-contoso-prod/manyacct is not granted", result.err, 1, true)
    assert.equal(0, #emulator:log "delete")
    kit.ended(0, azpec("approve", "--all --yes " .. many))
  end)

  it("is left out for ten or fewer, with --dry-run, and with --no-preflight", function ()
    for _, line in ipairs { "--yes --all --name 'many0*' " .. many, "--all --dry-run", "--all --yes --no-preflight" } do
      kit.ended(0, azpec("approve", line))
      assert.equal(0, #emulator:log "permissions")
    end
  end)

  it("lets those pass whose rights cannot be looked up, and says so with -v", function ()
    local refusal = { code = "AuthorizationFailed", message = "no" }
    emulator:faults { { match = { kind = "permissions" }, action = { status = 403, error = refusal } } }
    local result = kit.ended(0, azpec("approve", "--all --yes -v " .. many))
    assert.matches("azpec: the rights at /subscriptions/.*/manyacct cannot be looked up: ", result.err)
    assert.equal(64, count("update", "manyacct"))
  end)
end)
