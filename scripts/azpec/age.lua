-- Times: how long one written as "90", "30s", "15m", "2h", "7d" or "2w" is, and how long ago one of Azure's was.

local age = {}

local units = { [""] = 1, s = 1, m = 60, h = 3600, d = 86400, w = 604800 }

-- Seconds, or nil and what is wrong.
function age.seconds(written)
  if type(written) == "number" and written >= 0 and written < math.huge then return written end
  local number, unit = tostring(written):match "^(%d+%.?%d*)([smhdw]?)$"
  if not number then return nil, ("'%s' is no time; write seconds, or 30s, 15m, 2h, 7d, 2w"):format(written) end
  return tonumber(number) * units[unit]
end

-- Days from 1970 to a date of the Gregorian calendar, counted in years that begin in March.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

-- The time since 1970 that "2026-05-04T03:02:01.5Z" is (RFC 3339), or nil.
function age.parse(stamp)
  local y, mo, d, h, mi, s, zone = stamp:match "^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$"
  if not y then return nil end
  local offset = zone:lower() == "z" and 0
  local sign, hours, minutes = zone:match "^([+-])(%d%d):(%d%d)$"
  if sign then offset = (hours * 3600 + minutes * 60) * (sign == "+" and 1 or -1) end
  if not offset then return nil end
  return days(math.tointeger(y), math.tointeger(mo), math.tointeger(d)) * 86400 + h * 3600 + mi * 60 + s - offset
end

return age
