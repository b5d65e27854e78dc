-- The emulator's rules against the module's table of transitions (azpec.transitions): each change that the table calls
-- impossible is refused, and each other one is done.
package.path = "./tests/?.lua;" .. package.path

local azpec = require "azpec"
local azpec_emulator = require "azpec.emulator"
local t = require "loopback.support"

local emulator, client

setup(function ()
  emulator = azpec_emulator.start { lua = "env -u LD_PRELOAD " .. (os.getenv "LUA" or "lua5.4"),
    options = { update_answer = 200, delete_answer = 200 } }
  client = emulator:client()
end)

teardown(function ()
  client:close()
  emulator:close()
end)

-- Asks the emulator itself: update and delete of the module forecast nothing.
local function ask(id, wanted)
  if wanted == "Deleted" then return client:delete { id = id } end
  return client:update { id = id, status = wanted }
end

local count = 0

for status, row in pairs(azpec.transitions) do
  for wanted, rule in pairs(row) do
    count = count + 1
    local name = "c" .. count
    it(("the emulator has %s -> %s as the module: %s"):format(status, wanted, rule.result), function ()
      local value, err = ask(emulator:arrive { name = name, status = status }, wanted)
      if rule.result ~= "impossible" then return assert(value, err) end
      t.fails("service", "^BadRequest: ", value, err)
      assert.equal(400, err.http_status)
    end)
  end
end

it("the emulator was asked for every row of the table", function () assert.equal(15, count) end)
