-- How far this machine's clock is from a server's.

local age = require "azpec.age"

local clock = {}

local months = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11,
  Dec = 12 }

-- The time since 1970 that a Date header tells (IMF-fixdate, RFC 9110 section 5.6.7), or nil.
function clock.parse(date)
  local day, month, year, time = date:match "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$"
  if not months[month] then return nil end
  return age.parse(("%s-%02d-%sT%sZ"):format(year, months[month], day, time))
end

-- "fast" is before the server's time, seconds always positive.
local function words(seconds)
  local amount = math.abs(seconds)
  local text = amount < 120 and ("%d s"):format(amount) or amount < 7200 and ("%.0f min"):format(amount / 60)
    or ("%.1f h"):format(amount / 3600)
  return ("%s %s"):format(text, seconds > 0 and "fast" or "slow")
end

-- Microsoft Entra ID takes an assertion, and a token is of use, within five minutes of its times.
local tolerated, noticed = 300, 60

-- A verdict ("ok", "warning", "failed") and what it rests on. date: a Date header's value; now: this machine's time.
function clock.judge(date, now)
  local theirs = clock.parse(date)
  if not theirs then return "warning", ("the server's Date is none: '%s'"):format(date) end
  local skew = math.floor(now - theirs)
  if math.abs(skew) <= 5 then return "ok", "as the service's", skew end
  local found = ("%s, by the service's"):format(words(skew))
  local verdict = math.abs(skew) > tolerated and "failed" or math.abs(skew) > noticed and "warning" or "ok"
  return verdict, found, skew
end

return clock
