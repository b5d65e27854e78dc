-- Runs azpec inside cqueues.  `wait` is cqueues.poll itself, which accepts a client like any other pollable object.
-- `each` runs a function for many items, a bounded number at once:
--
--   loop.each(16, function (connection) approve(connection) end, client:list { ... })

local fields = require "azpec.fields"
local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local loop = { wait = cqueues.poll }

-- Calls work with the values of the iterator (as after `in`), each time in its own coroutine, at most `most` at once.
-- Returns when all have ended.  After an error of work or of the iterator nothing more is begun; running coroutines go
-- on to their end, then the first error is raised.
function loop.each(most, work, ...)
  fields.check_argument(most, "number", "bad argument #1 to 'each'")
  fields.check_argument(work, "function", "bad argument #2 to 'each'")
  if most < 1 then error("bad argument #1 to 'each' (1 or more expected)", 2) end
  local controller = assert(cqueues.running(), "azpec.loop.cqueues: each is for coroutines of a controller")
  local running, left, fault = 0, condition.new(), nil

  local function one(...)
    local ok, why = pcall(work, ...)
    running = running - 1
    fault = fault or not ok and { why }
    left:signal()
  end

  local function all(...)
    for a, b, c in ... do
      running = running + 1
      controller:wrap(one, a, b, c)
      while running >= most and not fault do left:wait() end
      if fault then break end
    end
  end

  local ok, why = pcall(all, ...)
  fault = fault or not ok and { why }
  while running > 0 do left:wait() end
  if fault then error(fault[1], 0) end
end

return loop
