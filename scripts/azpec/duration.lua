-- azpec.duration -- reads durations and ages such as "90", "30s", "15m", "2h", "7d" or "2w", and writes them.

local duration = {}

local units = { [""] = 1, s = 1, m = 60, h = 3600, d = 86400, w = 604800 }

-- Returns a duration in seconds, or nil and a text.
function duration.seconds(written)
  if type(written) == "number" and written >= 0 and written < math.huge then return written end
  local number, unit = tostring(written):match "^(%d+%.?%d*)([smhdw]?)$"
  if not number then return nil, ("'%s' is not a duration; write seconds, or 30s, 15m, 2h, 7d, 2w"):format(written) end
  return tonumber(number) * units[unit]
end

-- Returns an age in seconds; or nil, a text, and whether only the unit is missing. An age needs a unit, because 7
-- seconds instead of 7 days would mean almost everything.
function duration.age(written)
  local seconds, why = duration.seconds(written)
  if not seconds then return nil, (why:gsub("write seconds, or 30s", "write 30s")) end
  if seconds == 0 or tostring(written):find "%a$" then return seconds end
  return nil, ("'%s' has no unit; write %sd for days, %sh for hours, %sm for minutes"):format(written, written, written,
    written), true
end

local written_units = { { 86400, "d" }, { 3600, "h" }, { 60, "m" } }

-- Returns seconds as "3d", in whole units, the largest possible one.
function duration.text(seconds)
  seconds = math.floor(seconds)
  for _, unit in ipairs(written_units) do
    if seconds >= unit[1] then return ("%d%s"):format(seconds // unit[1], unit[2]) end
  end
  return ("%ds"):format(seconds)
end

return duration
