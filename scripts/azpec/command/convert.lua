-- What stands behind an option, checked; argparse shows the complaint.

local convert = {}

local units = { [""] = 1, s = 1, m = 60, h = 3600, d = 86400 }

-- "90", "1.5", "30s", "5m", "2h", "7d" as seconds.
function convert.seconds(word)
  local number, unit = word:match "^(%d+%.?%d*)([smhd]?)$"
  if not number then return nil, ("'%s' is no time; write seconds, or 30s, 5m, 2h, 7d"):format(word) end
  return tonumber(number) * units[unit]
end

function convert.positive(word)
  local number = math.tointeger(word:find "^%d+$" and tonumber(word))
  if not number or number < 1 then return nil, ("'%s' is no number from 1 on"):format(word) end
  return number
end

local function read_all(path)
  if path == "-" then return io.stdin:read "a" end
  local file <close>, why = io.open(path, "rb")
  if not file then return nil, why end
  local content, problem = file:read "a"
  return content, problem and path .. ": " .. problem
end

-- The content of a file, or of standard input for "-".
function convert.content(path)
  local content, why = read_all(path)
  return content, why or "cannot read " .. path
end

-- A secret's file: one line, its end no part of it.
function convert.secret(path)
  local content, why = convert.content(path)
  if not content then return nil, why end
  content = content:gsub("\r?\n$", "")
  if content == "" then return nil, (path == "-" and "standard input" or path) .. " is empty" end
  return content
end

return convert
