-- Runs azpec inside cqueues.  `wait` is cqueues.poll itself, which accepts a client like any other pollable object.
-- `each` (azpec.loop.each) runs a function for many items, a bounded number at once:
--
--   loop.each(16, function (connection) approve(connection) end, client:list { ... })

local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local loop = { wait = cqueues.poll }

loop.each = require "azpec.loop.each" (function ()
  local controller = assert(cqueues.running(), "azpec.loop.cqueues: each is for coroutines of a controller")
  local left = condition.new()
  return function (f) controller:wrap(f) end, function () left:wait() end, function () left:signal() end
end)

return loop
