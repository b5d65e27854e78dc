-- Connections as the service has them now: each from the list of its own account.

local current = require "azpec.current"

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
  local now = current.read(client { [account "a"] = { id "a":upper() } }, { id "a" })
  assert.equal(id "a":upper(), now(id "a").id)
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
