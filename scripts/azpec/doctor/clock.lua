-- Judges the difference between this machine's clock and a server's.

local date = require "azpec.date"

local clock = {}

-- Describes a difference; "fast" means ahead of the server.
local function words(seconds)
  local amount = math.abs(seconds)
  local text = amount < 120 and ("%d s"):format(amount) or amount < 7200 and ("%.0f min"):format(amount / 60)
    or ("%.1f h"):format(amount / 3600)
  return ("%s %s"):format(text, seconds > 0 and "fast" or "slow")
end

-- In seconds. Microsoft Entra ID tolerates five minutes in an assertion's times; tokens are checked alike.
local tolerated, noticed = 300, 60

-- Returns a verdict ("ok", "warning", "failed"), the reason, and the difference in seconds. header: the value of a Date
-- header; now: this machine's time.
function clock.judge(header, now)
  local theirs = date.parse_http(header)
  if not theirs then return "warning", ("the server's Date header is not a date: '%s'"):format(header) end
  local skew = math.floor(now - theirs)
  if math.abs(skew) <= 5 then return "ok", "as the service's", skew end
  local found = ("%s, by the service's"):format(words(skew))
  local verdict = math.abs(skew) > tolerated and "failed" or math.abs(skew) > noticed and "warning" or "ok"
  return verdict, found, skew
end

return clock
