-- azpec.date -- reads and writes the two forms of dates on the wire: RFC 3339, as in Azure's JSON, and IMF-fixdate
-- (RFC 9110 section 5.6.7), as in HTTP headers. Times are seconds since 1970, UTC. The locale has no influence.
--
--   local date = require "azpec.date"
--   print(date.stamp(date.parse "2026-05-04T03:02:01+02:00"))         -- 2026-05-04T01:02:01Z

local date = {}

local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local weekdays = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }

local number_of = {}
for number, name in ipairs(months) do number_of[name] = number end

-- Returns the days from 1970-01-01 to a Gregorian date. Years are counted from March, so a leap day is the last day.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(year, month, day)
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  local length = month == 2 and is_leap and 29 or lengths[month]
  return length ~= nil and day >= 1 and day <= length
end

-- Returns the time of a timestamp such as "2026-05-04T03:02:01.5Z" (RFC 3339), or nil. A leap second is the first
-- second of the next minute.
function date.parse(stamp)
  local y, mo, d, h, mi, s, zone = stamp:match "^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$"
  if not y or not is_date(tonumber(y), tonumber(mo), tonumber(d)) then return nil end
  if tonumber(h) > 23 or tonumber(mi) > 59 or tonumber(s) >= 61 then return nil end
  local offset = zone:lower() == "z" and 0
  local sign, hours, minutes = zone:match "^([+-])(%d%d):(%d%d)$"
  if sign then offset = (hours * 3600 + minutes * 60) * (sign == "+" and 1 or -1) end
  if not offset then return nil end
  return days(math.tointeger(y), math.tointeger(mo), math.tointeger(d)) * 86400 + h * 3600 + mi * 60 + s - offset
end

-- Returns the timestamp of a time (default: now) in whole seconds, or with `milliseconds`.
function date.stamp(time, milliseconds)
  local whole = math.floor(time or os.time())
  local fraction = milliseconds and (".%03d"):format(math.floor((time - whole) * 1000)) or ""
  return os.date("!%Y-%m-%dT%H:%M:%S", whole) .. fraction .. "Z"
end

-- Returns the time of a Date header's value, or nil.
function date.parse_http(value)
  local day, month, year, time = value:match "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$"
  if not number_of[month] then return nil end
  return date.parse(("%s-%02d-%sT%sZ"):format(year, number_of[month], day, time))
end

-- Returns a time as the value of a Date header.
function date.http(time)
  local t = os.date("!*t", math.floor(time))
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(weekdays[t.wday], t.day, months[t.month], t.year, t.hour, t.min,
    t.sec)
end

return date
