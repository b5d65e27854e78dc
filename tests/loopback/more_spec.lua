-- The reads around the update: accounts, private link resources, every
-- api-version, what the service says of its limits; and what on_event costs
-- when nobody listens.
package.path = "./tests/?.lua;" .. package.path

local t = require "loopback.support"

local emulator

local account = { resource_group_name = "rg-contoso-prod", account_name = "manyacct" }

local function names(...)
  local list = {}
  for item in ... do list[#list + 1] = item.name end
  table.sort(list)
  return table.concat(list, " ")
end

setup(function () emulator = t.emulator() end)
before_each(function () emulator:reset() end)
after_each(t.tidy)
teardown(t.close)

describe("beside the connections", function ()
  it("the subscription's Batch accounts are listed", function ()
    assert.equal("manyacct sampleacct tokyobatch", names(emulator:client():list_accounts()))
  end)

  it("and those of one resource group, named in Japanese too", function ()
    local client = emulator:client()
    assert.equal("manyacct", names(client:list_accounts { resource_group_name = "rg-contoso-prod" }))
    assert.equal("tokyobatch", names(client:list_accounts { resource_group_name = "検証-バッチ(東京)" }))
  end)

  it("a resource group that is not there is an error, raised by the loop", function ()
    local client = emulator:client()
    local ok, err = pcall(function () return names(client:list_accounts { resource_group_name = "nowhere" }) end)
    assert.is_false(ok)
    assert.equal("not_found", err.kind)
    assert.equal("ResourceGroupNotFound", err.code)
  end)

  it("an account is read, or is not found; the hint of a 403 names the right to read it", function ()
    local client = emulator:client()
    local read = assert(client:get_account(account))
    assert.equal("manyacct", read.name)
    assert.equal("Microsoft.Batch/batchAccounts", read.type)
    assert.equal(64, #read.properties.privateEndpointConnections)
    assert.equal(read.id, assert(client:get_account { id = read.id }).id)
    local none, err = client:get_account(t.merged(account, { account_name = "nowhere" }))
    assert.is_nil(none)
    assert.equal("not_found", err.kind)
    emulator:faults { { match = { kind = "account" }, action = { status = 403 } } }
    none, err = client:get_account(account)
    assert.is_nil(none)
    assert.equal("forbidden", err.kind)
    assert.truthy(err.hint:find("Microsoft.Batch/batchAccounts/read", 1, true))
  end)

  it("the permissions at an account are listed, page by page, asked for with an api-version of their own", function ()
    emulator:control("PUT", "state", t.merged(emulator:state(), { permissions = {
      { actions = { "Microsoft.Batch/batchAccounts/*" }, not_actions = { "Microsoft.Batch/batchAccounts/delete" } },
      { actions = { "*/read" } } } }))
    emulator:set { page_size = 1 }
    local client, found = emulator:client(), {}
    for permission in client:list_permissions(account) do found[#found + 1] = permission end
    assert.equal(2, #found)
    assert.same({ "Microsoft.Batch/batchAccounts/*" }, found[1].actions)
    assert.same({ "Microsoft.Batch/batchAccounts/delete" }, found[1].notActions)
    assert.same({ "*/read" }, found[2].actions)
    local log = emulator:log "permissions"
    assert.equal(2, #log)
    for _, entry in ipairs(log) do assert.equal("2022-04-01", entry.api_version) end
  end)

  it("a list of permissions that is refused raises, with the right that is missing", function ()
    emulator:faults { { match = { kind = "permissions" }, action = { status = 403 } } }
    local ok, err = pcall(function () for _ in emulator:client():list_permissions(account) do error "an item" end end)
    assert.is_false(ok)
    assert.equal("forbidden", err.kind)
    assert.truthy(err.hint:find("Microsoft.Authorization/permissions/read", 1, true))
  end)

  it("pages that come while other calls wait are all there when they are asked for", function ()
    local client <close> = emulator:client()
    local wanted = names(client:list_accounts())
    local accounts = table.pack(client:list_accounts())
    local connections = table.pack(client:list(t.merged(account, { maxresults = 7 })))
    assert(client:get { id = emulator.sample })
    client:wait(0.3)
    assert.equal(wanted, names(table.unpack(accounts)))
    assert.equal(64, select(2, names(table.unpack(connections)):gsub("%S+", "")))
  end)

  it("a page that fails while another call waits is raised when it is asked for", function ()
    local client <close> = emulator:client()
    emulator:faults { { match = { kind = "list" }, action = { status = 403 } } }
    local list = table.pack(client:list(account))
    assert(client:get { id = emulator.sample })
    client:wait(0.3)
    local ok, err = pcall(names, table.unpack(list))
    assert.is_false(ok)
    assert.equal("forbidden", err.kind)
  end)
end)

describe("beside the connections (private link resources, api-versions)", function ()
  it("private link resources are listed, and read by name", function ()
    local client, first = emulator:client(), nil
    for resource in client:list_private_link_resources(account) do first = first or resource end
    assert.is_string(first.properties.groupId)
    local one = assert(client:get_private_link_resource(t.merged(account, { private_link_resource_name = first.name })))
    assert.equal(first.properties.groupId, one.properties.groupId)
    local none, err = client:get_private_link_resource(t.merged(account, { private_link_resource_name = "none" }))
    assert.is_nil(none)
    assert.equal("not_found", err.kind)
  end)

  it("maxresults is the page's size, and all pages are followed", function ()
    local count = 0
    for _ in emulator:client():list(t.merged(account, { maxresults = 7 })) do count = count + 1 end
    assert.equal(64, count)
    assert.equal(10, #emulator:log("list"))
  end)

  for _, version in ipairs(require "azpec.api_versions".with "DELETE") do
    it("api-version " .. version .. " approves", function ()
      local client = emulator:client { api_version = version }
      local approved = assert(client:update(t.call(emulator.sample, { status = "Approved" })))
      local state = approved.properties.privateLinkServiceConnectionState
      assert.equal("Approved", state.status)
      assert.equal(state.actionRequired, state.actionsRequired)
      for _, entry in ipairs(emulator:log("update", "poll")) do assert.equal(version, entry.api_version) end
    end)
  end

  it("what is left of the service's limits is kept and shown", function ()
    local client = emulator:client()
    assert.same({}, client:rate_limits())
    assert(client:get { id = emulator.sample })
    local left = client:rate_limits()["subscription-reads"]
    assert.equal("integer", math.type(left))
    assert(client:update(t.call(emulator.sample, { status = "Approved" })))
    assert.equal("integer", math.type(client:rate_limits()["subscription-writes"]))
  end)
end)

describe("on_event", function ()
  -- bytes that Lua allocates for one warm read, with the collector stopped
  local function cost(on_event)
    local fields = t.merged(emulator:fields(), { credential = emulator:credential(), on_event = on_event })
    local client <close> = require "azpec".client(fields)
    local function read() assert(client:get { id = emulator.sample }) end
    for _ = 1, 5 do read() end
    collectgarbage()
    collectgarbage("stop")
    local before = collectgarbage("count")
    for _ = 1, 20 do read() end
    local bytes = (collectgarbage("count") - before) * 1024 / 20
    collectgarbage("restart")
    return bytes
  end

  it("costs nothing when it is unset: no table is built, nothing is called", function ()
    local calls = 0
    local unset = cost(nil)
    local set = cost(function () calls = calls + 1 end)
    assert.equal(25 * 3, calls - 2) -- request, response, end; and once the token's two
    -- three events with their fields: a kilobyte and more, of which unset pays nothing
    assert.is_true(set - unset > 1000, ("%.0f bytes unset, %.0f set"):format(unset, set))
    assert.is_true(math.abs(cost(nil) - unset) < 64)
  end)
end)
