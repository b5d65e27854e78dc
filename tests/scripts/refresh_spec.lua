-- Connections as the service has them now: each from the list of its own account.

local current = require "azpec.refresh"

local function account(name)
  return "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg"
    .. "/providers/Microsoft.Batch/batchAccounts/" .. name
end

local function id(name)
  return account(name) .. "/privateEndpointConnections/c"
end

-- A client whose lists have these ids, by the account's id.
local function client(lists)
  return { list = function (_, call)
    local n, items = 0, lists[call.id]
    return function ()
      n = n + 1
      return items[n] and { id = items[n] }
    end
  end }
end

it("a connection is taken from the list of its own account, in any letter case", function ()
  local now = current.read(client { [account "a"] = { id "a":upper() }, [account "b"] = {} }, { id "a", id "b" })
  assert.equal(id "a":upper(), now(id "a").id)
end)

it("a client that is closed during a list raises its error, since no other list can be begun", function ()
  local closed = { kind = "canceled" }
  local ok, err = pcall(current.read, { list = function () return function () error(closed, 0) end end },
    { id "a", id "b" })
  assert.is_false(ok)
  assert.equal(closed, err)
end)

it("one connection is read by itself; its account only where it is not there, since the id may be misspelt", function ()
  local missing = { kind = "not_found", code = "ResourceNotFound" }
  for _, account_err in ipairs { false, missing, { kind = "forbidden" } } do
    local now = current.read({ get = function () return nil, missing end, get_account = function (_, call)
      assert.equal(account "a", call.id)
      return not account_err and {} or nil, account_err or nil
    end }, { id "a" })
    local connection, err, no_account = now(id "a")
    assert.is_nil(connection)
    assert.equal(account_err and account_err ~= missing and account_err or nil, err)
    assert.equal(account_err == missing and missing or nil, no_account)
  end
end)

it("a 404 that Azure Resource Manager has not worded proves nothing", function ()
  local of_a_proxy = { kind = "not_found", message = "<html>" }
  local now = current.read({ get = function () return nil, of_a_proxy end }, { id "a" })
  assert.same({ nil, of_a_proxy, nil }, { now(id "a") })
  for account_err, expected in pairs { [of_a_proxy] = "not_found", [false] = "protocol" } do
    now = current.read({
      list = function () return function () error(of_a_proxy, 0) end end,
      get_account = function () return not account_err and {} or nil, account_err or nil end,
    }, { id "a", id "b" })
    local connection, err, no_account = now(id "a")
    assert.is_nil(connection)
    assert.is_nil(no_account)
    assert.equal(expected, err.kind)
  end
end)

it("an item of another account, or that is no connection, is an error that names it", function ()
  for _, listed in ipairs { id "b", account "a", "x" } do
    local now = current.read(client { [account "a"] = { listed }, [account "b"] = {} }, { id "a", id "b" })
    local connection, err = now(id "a")
    assert.is_nil(connection)
    assert.equal("protocol", err.kind)
    assert.truthy(err.message:find(listed, 1, true), err.message)
    assert.is_nil((now(id "b")))
  end
end)
