-- What a user's tests do with scripts/examples/azpec_emulator.lua; run by tests/emulator/examples_spec.lua.
local with_emulator = require "azpec_emulator"

describe("a user's automation", function ()
  local azure = with_emulator { lua = os.getenv "AZPEC_LUA", options = { operation_polls = 1, retry_after = "none" } }

  it("approves what arrives", function ()
    local client <close> = azure.emulator:client()
    local id = azure.emulator:arrive { description = "ticket 4711" }
    assert(client:update { id = id, status = "Approved" })
    assert.equal(202, azure.emulator:requests "update"[1].status)
  end)

  it("finds nothing of the test before", function ()
    assert.equal(1, #azure.emulator:state().accounts[1].connections)
    assert.same({}, azure.emulator:requests())
  end)
end)
