-- The emulator's clock: the wall clock, which a test can advance so that tokens expire and operations end.

local monotime = require "cqueues".monotime

local clock = {}
clock.__index = clock

function clock.new()
  return setmetatable({ base = os.time() - monotime(), offset = 0 }, clock)
end

-- Returns seconds since 1970, with fractions. os.time has whole seconds; the base follows it.
function clock:now()
  local elapsed = monotime()
  local late = os.time() - (self.base + elapsed)
  if late > 0 then self.base = self.base + late end
  return self.base + elapsed + self.offset
end

function clock:advance(seconds)
  self.offset = self.offset + seconds
end

-- Makes it the wall clock again.
function clock:reset()
  self.offset = 0
end

return clock
