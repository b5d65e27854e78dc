-- What stands behind an option, checked; argparse shows the complaint.

local convert = {}

-- "90", "1.5", "30s", "5m", "2h", "7d" as seconds.
convert.seconds = require "azpec.age".seconds

function convert.positive(word)
  local number = math.tointeger(word:find "^%d+$" and tonumber(word))
  if not number or number < 1 then return nil, ("'%s' is no number from 1 on"):format(word) end
  return number
end

-- The content of a file, or of standard input for "-".
function convert.content(path)
  if path ~= "-" then return require "azpec.file".read(path) end
  return io.stdin:read "a", "cannot read standard input"
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
