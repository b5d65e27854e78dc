-- azpec.service_clock -- the service's time, from which ages are computed. The machine's clock may be wrong or step, so
-- no decision depends on it.
--
--   local clock = require "azpec.service_clock".new()
--   local client = azpec.client { on_event = function (event) clock:observe(event) end }
--   print(clock:now())            -- seconds since 1970; nil before the first answer
--
-- The time is the Date header of the last answer (RFC 9110 section 6.6.1) plus the seconds since, by a monotonic clock.

local date = require "azpec.date"
local skew = require "azpec.doctor.clock"
local monotonic = require "cqueues".monotime

local service_clock = {}
service_clock.__index = service_clock

-- count (or nil): a function that returns seconds and never goes back.
function service_clock.new(count)
  return setmetatable({ count = count or monotonic }, service_clock)
end

-- Reads the Date of an answer from an event of on_event.
function service_clock:observe(event)
  local header = event.event == "response" and event.headers and event.headers.date
  local time = header and date.parse_http(header)
  if time then self.date, self.time, self.at = header, time, self.count() end
end

function service_clock:now()
  return self.time and self.time + (self.count() - self.at)
end

-- Describes a deviation of this machine's clock of more than five minutes, as "2.5 h fast, by the service's"; else
-- returns nil. now: this machine's time.
function service_clock:complaint(now)
  if not self.time or math.abs(now - self:now()) <= 300 then return nil end
  local _, found = skew.judge(self.date, now)
  return found
end

return service_clock
