-- The emulator's clock: the wall clock, moved forward on request so that tokens expire and operations end at once.

local monotime = require "cqueues".monotime

local clock = {}
clock.__index = clock

function clock.new()
  return setmetatable({ base = os.time() - monotime(), offset = 0 }, clock)
end

-- Seconds since 1970, with fractions. os.time counts whole seconds; the base catches up with it as it ticks.
function clock:now()
  local elapsed = monotime()
  local late = os.time() - (self.base + elapsed)
  if late > 0 then self.base = self.base + late end
  return self.base + elapsed + self.offset
end

function clock:advance(seconds)
  self.offset = self.offset + seconds
end

-- IMF-fixdate, RFC 9110 section 5.6.7.
function clock.http_date(time)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(time))
end

-- RFC 3339 with milliseconds.
function clock.timestamp(time)
  local whole = math.floor(time)
  return string.format("%s.%03dZ", os.date("!%Y-%m-%dT%H:%M:%S", whole), math.floor((time - whole) * 1000))
end

return clock
