-- azpec.fleet: the accounts of many subscriptions and their connections; what cannot be read is a value.
package.path = "./tests/?.lua;" .. package.path

local fleet = require "azpec.fleet"
local t = require "loopback.support"

local emulator

local first, second, third = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", "11111111-2222-4333-8444-555555555551",
  "11111111-2222-4333-8444-555555555552"

local all = { all_subscriptions = true }

local function account(name, subscription_id, statuses, more)
  local connections = {}
  for n, status in ipairs(statuses) do
    connections[n] = { name = ("%s%d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%04x"):format(name, n, n), status = status }
  end
  return t.merged({ account_name = name, resource_group_name = "rg-" .. name, subscription_id = subscription_id,
    connections = connections }, more or {})
end

-- Three subscriptions; the accounts acca to accd.
local function play(more)
  emulator:control("PUT", "state", t.merged(emulator:state(), { accounts = {
    account("acca", first, { "Pending", "Approved" }), account("accb", second, { "Approved" }),
    account("accc", second, {}), account("accd", third, { "Pending", "Pending" }) } }, more or {}))
end

-- "acca:2 accb:1", or a place and its error.
local function accounts(where, client)
  local found = {}
  for place, connections, err in fleet.accounts(client or emulator:client(), where) do
    found[#found + 1] = ("%s:%s"):format(place.account_name or place.subscription_id,
      err and err.kind or #connections)
  end
  table.sort(found)
  return table.concat(found, " ")
end

local function counts(...)
  local found = {}
  for n, kind in ipairs { ... } do found[n] = #emulator:log(kind) end
  return table.concat(found, " ")
end

setup(function () emulator = t.emulator() end)
before_each(function ()
  emulator:reset()
  play()
end)
after_each(t.tidy)
teardown(t.close)

describe("the accounts of all subscriptions", function ()
  it("are found by one query, and each is read from Azure Resource Manager", function ()
    assert.equal("acca:2 accb:1 accc:0 accd:2", accounts { all_subscriptions = true })
    assert.equal("1 4 0 0", counts("graph", "list", "subscriptions", "accounts"))
  end)

  it("are found page by page", function ()
    emulator:set { graph_rows = 1 }
    assert.equal("acca:2 accb:1 accc:0 accd:2", accounts { all_subscriptions = true })
    assert.equal("4", counts "graph")
  end)

  for what, change in t.each {
    ["is not available"] = function () emulator:set { graph = "off" } end,
    ["is forbidden"] = function () emulator:faults { { match = { kind = "graph" }, action = { status = 403 } } } end,
    ["is out of order"] = function ()
      emulator:faults { { match = { kind = "graph" }, action = { status = 500 } } }
    end,
    ["answers too much, as one that is truncated"] = function ()
      emulator:faults { { match = { kind = "graph" }, action = { set_body = { resultTruncated = "true" } } } }
    end,
    ["does not reach all subscriptions"] = function ()
      emulator:faults { { match = { kind = "graph" },
        action = { headers = { ["x-ms-tenant-subscription-limit-hit"] = "true" } } } }
    end,
    ["refuses because the answer would be too large"] = function ()
      emulator:faults { { match = { kind = "graph" }, action = { status = 400, error = { code = "BadRequest",
        message = "Please provide below info when asking for support: timestamp = 1.",
        details = { { code = "ResponsePayloadTooLarge", message = "Response payload size is 29972004." } } } } } }
    end,
    ["answers something else"] = function ()
      emulator:faults { { match = { kind = "graph" }, action = { set_body = { data = { { id = "/else" } } } } } }
    end,
  } do
    it("are listed by Azure Resource Manager where Resource Graph " .. what, function ()
      change()
      local client = emulator:client { retry = { max_tries = 1 } }
      local found = fleet.find(client, { all_subscriptions = true })
      assert.equal("arm", found.source)
      assert.is_string(found.graph_err.kind)
      assert.equal("acca:2 accb:1 accc:0 accd:2", accounts(found, client))
      assert.equal("1 3", counts("subscriptions", "accounts"))
    end)
  end

  it("are listed by Azure Resource Manager where Resource Graph shows none at all", function ()
    emulator:faults { { match = { kind = "graph" }, action = { status = 200, headers = { ["Content-Type"] =
      "application/json" }, body = '{"totalRecords":0,"count":0,"data":[],"resultTruncated":"false"}' } } }
    assert.equal("acca:2 accb:1 accc:0 accd:2", accounts { all_subscriptions = true })
    local found = fleet.find(emulator:client(), { all_subscriptions = true })
    assert.same({ "arm", true }, { found.source, found.graph_is_empty })
    found = fleet.find(emulator:client(), { all_subscriptions = true, candidates = {} })
    assert.same({ "graph", 0 }, { found.source, #found.accounts })
  end)

  it("name why Resource Graph gave no answer by the code of the details", function ()
    emulator:faults { { match = { kind = "graph" }, action = { status = 400, error = { code = "BadRequest",
      message = "Please provide below info when asking for support: timestamp = 1.",
      details = { { code = "TooManySubscriptionsUnderScope", message = "18000 are allowed." } } } } } }
    local found = fleet.find(emulator:client(), { all_subscriptions = true })
    assert.equal("TooManySubscriptionsUnderScope", found.graph_err.code)
    assert.truthy(found.graph_err.message:find("18000 are allowed.", 1, true))
  end)

  it("lack a subscription that is deleted, or in which Batch was never registered, without an error", function ()
    play { subscriptions = { { subscription_id = "99999999-2222-4333-8444-555555555552", state = "Deleted" } } }
    emulator:set { graph = "off" }
    emulator:faults { { match = { kind = "accounts", path = third, plain = true },
      action = { status = 409, error = { code = "MissingSubscriptionRegistration", message = "not registered" } } } }
    assert.equal("acca:2 accb:1 accc:0", accounts { all_subscriptions = true })
  end)

  it("that cannot be listed or read are values beside the others", function ()
    emulator:set { graph = "off" }
    emulator:faults { { match = { kind = "accounts", path = third, plain = true }, action = { status = 403 } },
      { match = { kind = "list", path = "/accb/", plain = true }, action = { status = 403 } } }
    assert.equal(third .. ":forbidden acca:2 accb:forbidden accc:0", accounts { all_subscriptions = true })
  end)

  local function faults(...)
    local list = {}
    for n, fault in ipairs { ... } do
      list[n] = { match = { kind = fault[1], path = fault[2], plain = true }, action = fault[3] }
    end
    emulator:faults(list)
  end

  local function error_of(name)
    for place, _, err in fleet.accounts(emulator:client(), { all_subscriptions = true }) do
      if place.account_name == name then return err end
    end
  end

  local function code(status, word) return { status = status, error = { code = word, message = "no" } } end
  local html = { status = 404, body = "<html>not found</html>", headers = { ["Content-Type"] = "text/html" } }

  for what, answers in pairs {
    ["a group that is not there"] = { code(404, "ResourceGroupNotFound"), code(404, "ResourceGroupNotFound") },
    ["an account that is not there"] = { html, code(404, "ResourceNotFound") } } do
    it("are gone where Azure Resource Manager says of the account: " .. what, function ()
      faults({ "list", "/acca/", answers[1] }, { "account", "/acca?", answers[2] })
      assert.is_true(error_of "acca".is_gone)
    end)
  end

  for what, answers in pairs {
    ["the account is there"] = { code(404, "ResourceNotFound") },
    ["a proxy's page answers for the account, too"] = { html, html },
    ["the subscription is not found"] = { html, code(404, "SubscriptionNotFound") },
    ["the account's 404 has no code"] = { html, { status = 404, body = "{}" } },
    ["the account cannot be read"] = { code(404, "ResourceNotFound"), code(403, "AuthorizationFailed") } } do
    it("are unreadable, not gone, where the list alone answers 404, and " .. what, function ()
      faults({ "list", "/acca/", answers[1] }, answers[2] and { "account", "/acca?", answers[2] })
      local err = error_of "acca"
      assert.same({ "not_found" }, { err.kind, err.is_gone })
    end)
  end

  it("are unreadable, and no misuse, where the service lists a name that the module refuses", function ()
    play { accounts = { account("acc_a", first, { "Pending" }), account("accb", first, { "Approved" }) } }
    for _, where in ipairs { {}, { all_subscriptions = true }, { candidates = {} } } do
      assert.equal("acc_a:protocol accb:1", accounts(where))
    end
    for place, _, err in fleet.connections(emulator:client(), {}) do
      if place.account_name == "acc_a" then
        assert.equal("the service listed the account with a bad account name (3 to 24 letters and digits expected, got "
          .. "'acc_a')", err.message)
      end
    end
    assert.has_error(function () accounts { account_name = "acc_a" } end,
      "bad field 'account_name' (3 to 24 letters and digits expected, got 'acc_a')")
    play { accounts = { account("accb", first, { "Approved" }) }, subscriptions = { { subscription_id = "a b" } } }
    assert.equal("a b:protocol accb:1", accounts { all_subscriptions = true, source = "arm" })
  end)

  it("are not gone where a later page answers 404", function ()
    emulator:set { page_size = 1 }
    faults({ "list", "skipToken", html }, { "account", "/acca?", code(404, "ResourceNotFound") })
    local err = error_of "acca"
    assert.same({ "not_found" }, { err.kind, err.is_gone })
    assert.equal("0", counts "account")
  end)

  it("can be limited to a group or a name", function ()
    assert.equal("accd:2", accounts { all_subscriptions = true, resource_group_name = "RG-accd" })
    assert.equal("accb:1", accounts { all_subscriptions = true, account_name = "accb" })
    emulator:set { graph = "off" }
    assert.equal("accd:2", accounts { all_subscriptions = true, resource_group_name = "rg-accd" })
  end)

  it("of a scope with an unknown field are the misuse of its caller", function ()
    for _, name in ipairs { "accounts", "connections", "find" } do
      local _, why = pcall(function ()
        require "azpec.scope"[name](nil, { group = "rg" })
        return nil -- no tail call
      end)
      assert.matches("fleet_spec%.lua:%d+: unknown field 'group'", why, nil, nil, name)
    end
  end)

  it("of a scope may be named by their ids: no other one is listed", function ()
    local scope = require "azpec.scope"
    local function id_of(name, subscription)
      return ("/subscriptions/%s/resourceGroups/rg-%s/providers/Microsoft.Batch/batchAccounts/%s"):format(subscription,
        name, name)
    end
    local names = {}
    for _, place in scope.connections(emulator:client(), { account_ids = { id_of("accd", third),
        id_of("accb", second) } }) do names[#names + 1] = place.account_name end
    assert.equal("accd accd accb", table.concat(names, " "))
    assert.equal("0 2", counts("accounts", "list"))
    local _, err = pcall(scope.find, emulator:client(), { account_ids = { "/subscriptions/x" } })
    assert.same({ "usage", "'/subscriptions/x' is not the id of a Batch account" }, { err.kind, err.message })
  end)

  it("of candidates with an unknown field, or one of another type, are its misuse, too", function ()
    for message, candidates in pairs { ["candidates: unknown field 'staus'; did you mean 'status'%?$"] =
      { staus = "Pending" }, ["candidates: bad field 'matches' %(function expected, got string%)$"] =
      { matches = "Pending" } } do
      for _, module in ipairs { "azpec.fleet", "azpec.scope" } do
        local _, why = pcall(function ()
          require(module).find({}, { candidates = candidates })
          return nil -- no tail call
        end)
        assert.matches("fleet_spec%.lua:%d+: " .. message, why, nil, nil, module)
      end
    end
  end)

  it("come with the permissions that the identity has there", function ()
    local readers = { permissions = { { actions = { "*/read" } } } }
    play { accounts = { account("acca", first, {}, readers), account("accb", second, {}), account("accc", third, {}) } }
    emulator:faults { { match = { kind = "permissions", path = "/accc/" }, action = { status = 403 } } }
    local missing = {}
    for place, permissions, err in fleet.permissions(emulator:client(), { all_subscriptions = true }) do
      missing[place.account_name] = err and err.kind or #require "azpec.rights".missing(permissions)
    end
    assert.same({ acca = 2, accb = 0, accc = "forbidden" }, missing)
    assert.equal("3 0", counts("permissions", "list"))
  end)

  it("raise a sign-in that fails, which every place would meet", function ()
    local client = emulator:client { credential = emulator:credential { client_secret = "wrong" } }
    local ok, err = pcall(accounts, { all_subscriptions = true }, client)
    assert.is_false(ok)
    assert.equal("credential", err.kind)
  end)
end)

describe("a client that is closed", function ()
  it("while a list is read ends the iteration with an error of kind canceled", function ()
    emulator:faults { { match = { kind = "list" }, action = { stall = true } } }
    for _, read in ipairs { fleet.accounts, fleet.connections } do
      local cqueues, err = require "cqueues", nil
      local client, loop = emulator:client { wait = cqueues.poll }, cqueues.new()
      local count = #emulator:log "list"
      loop:wrap(function () err = select(2, pcall(function () for _ in read(client, all) do end end)) end)
      loop:wrap(function ()
        repeat cqueues.sleep(0.01) until #emulator:log "list" > count
        client:close()
      end)
      assert(loop:loop())
      assert.equal("canceled", err.kind)
    end
  end)
end)

describe("candidates", function ()
  it("are read alone: accounts in which Resource Graph shows a connection of that status", function ()
    assert.equal("acca:2 accd:2", accounts { all_subscriptions = true, candidates = { status = "Pending" } })
    assert.equal("1 2", counts("graph", "list"))
  end)

  it("match a function, which gets Resource Graph's copy", function ()
    local function is_one(connection)
      assert.is_nil(connection.etag)
      return connection.name:find "^accb1" ~= nil
    end
    assert.equal("accb:1", accounts { all_subscriptions = true, candidates = { matches = is_one } })
  end)

  it("are not accounts whose description alone names the status", function ()
    play { accounts = { account("acca", first, { "Pending" }),
      t.merged(account("accb", first, {}), { connections = { { name = "x.1", status = "Approved",
        description = "was 'Pending' | order" } } }) } }
    assert.equal("acca:1", accounts { candidates = { status = "Pending" } })
  end)

  it("of named subscriptions are asked for there", function ()
    assert.equal("accd:2", accounts { subscription_ids = { second, third }, candidates = { status = "Pending" } })
    assert.same({ second, third }, emulator:log "graph"[1].body.subscriptions)
  end)

  it("that Resource Graph does not show yet are not read; those that it still shows are read as they are", function ()
    emulator:set { graph_lag = 60, update_answer = "200" }
    local client = emulator:client()
    local id = ("/subscriptions/%s/resourceGroups/rg-acca/providers/Microsoft.Batch/batchAccounts/acca/"
      .. "privateEndpointConnections/acca1.5a7e0001-91c4-4d2b-8f36-70b1e2c30001"):format(first)
    assert(client:update { id = id, status = "Approved" })
    for place, connection, err in fleet.connections(client, { candidates = { status = "Pending" } }) do
      assert.is_nil(err)
      assert.equal("acca", place.account_name)
      assert.equal("Approved", connection.properties.privateLinkServiceConnectionState.status)
    end
  end)

  it("are all accounts where Resource Graph is not available", function ()
    emulator:set { graph = "off" }
    assert.equal("accb:1 accc:0", accounts { subscription_ids = { second }, candidates = { status = "Pending" } })
  end)

  it("of more than 1000 subscriptions are asked for 1000 at a time", function ()
    local many = {}
    for n = 1, 1001 do many[n] = ("11111111-2222-4333-9444-%012d"):format(n) end
    many[1001] = third
    assert.equal("accd:2", accounts { subscription_ids = many, candidates = { status = "Pending" } })
    local log = emulator:log "graph"
    assert.same({ 1000, 1 }, { #log[1].body.subscriptions, #log[2].body.subscriptions })
  end)
end)

describe("the connections of several accounts", function ()
  it("come with their accounts, and an item of another account is an error of the one that was read", function ()
    local other = ("/subscriptions/%s/resourceGroups/rg-accd/providers/Microsoft.Batch/batchAccounts/accd/"
      .. "privateEndpointConnections/x"):format(third)
    emulator:faults { { match = { kind = "list", path = "/accb/", plain = true },
      action = { set_body = { value = { { id = other, name = "x", properties = {} } } } } } }
    local found = {}
    for place, connection, err in fleet.connections(emulator:client(), { all_subscriptions = true }) do
      found[#found + 1] = place.account_name .. ":" .. (err and err.kind or connection.name:match "^%w+")
    end
    table.sort(found)
    assert.equal("acca:acca1 acca:acca2 accb:protocol accd:accd1 accd:accd2", table.concat(found, " "))
  end)

  it("of the client's own subscription need no Resource Graph", function ()
    assert.equal("acca:2", accounts {})
    assert.equal("0 1 1", counts("graph", "accounts", "list"))
  end)

  it("are left in the midst, and what is under way is closed", function ()
    local client <close> = emulator:client()
    for _, connection in fleet.connections(client, { all_subscriptions = true }) do
      if connection then break end
    end
    assert(client:get { id = emulator:control("GET", "state").accounts[1] and ("/subscriptions/%s/resourceGroups/"
      .. "rg-acca/providers/Microsoft.Batch/batchAccounts/acca/privateEndpointConnections/acca1.5a7e0001-91c4-4d2b-8f36"
      .. "-70b1e2c30001"):format(first) })
  end)
end)

-- A thousand accounts in twenty subscriptions, of which twelve have a pending request.
describe("a thousand accounts", function ()
  before_each(function ()
    local list = {}
    for n = 1, 1000 do
      list[n] = account(("acc%04d"):format(n), ("11111111-2222-4333-8444-%012d"):format(n % 20),
        { n % 83 == 1 and "Pending" or "Approved" })
    end
    emulator:control("PUT", "state", t.merged(emulator:state(), { accounts = list }))
    emulator:control("DELETE", "log")
  end)

  it("take one query, and a request for each account with a pending request, with Resource Graph's candidates",
    function ()
      local pending = 0
      for _, connections in fleet.accounts(emulator:client(), { all_subscriptions = true,
          candidates = { status = "Pending" } }) do
        pending = pending + #connections
      end
      assert.equal(13, pending)
      assert.same({ graph = 1, list = 13, token = 1 }, emulator:control("GET", "counts"))
    end)

  it("take one query and one request for each account where all are read", function ()
    local count = 0
    for _ in fleet.accounts(emulator:client(), { all_subscriptions = true }) do count = count + 1 end
    assert.equal(1000, count)
    assert.equal("1 1000 0 0", counts("graph", "list", "subscriptions", "accounts"))
  end)
end)
