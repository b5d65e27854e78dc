-- A helper for busted: an emulator of Azure for the tests of a describe block, for each test as it was at the start.
--
--   local with_emulator = require "azpec_emulator"
--   describe("my automation", function ()
--     local azure = with_emulator { options = { operation_polls = 1, retry_after = "none" } }
--     it("approves what arrives", function ()
--       local id = azure.emulator:arrive { description = "ticket 4711" }
--       my_automation(azure.emulator:client())
--       assert.equal(202, azure.emulator:requests "update"[1].status)
--     end)
--   end)

local azpec_emulator = require "azpec.emulator"
local busted = require "busted"

return function (settings)
  local azure = {}
  busted.setup(function () azure.emulator = azpec_emulator.start(settings) end)
  busted.before_each(function () azure.emulator:reset() end)
  busted.teardown(function () azure.emulator:close() end)
  return azure
end
