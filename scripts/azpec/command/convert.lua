-- What stands behind an option, checked; argparse shows the complaint.

local convert = {}

-- "90", "1.5", "30s", "5m", "2h", "7d" as seconds.
convert.seconds = require "azpec.age".seconds

-- The same, but more than none.
function convert.some_seconds(word)
  local seconds, why = convert.seconds(word)
  if seconds == 0 then return nil, ("'%s' is no time at all"):format(word) end
  return seconds, why
end

-- A word that says something: an empty one often is a variable of a script's that was never set.
function convert.given(word)
  if word == "" then return nil, "it is empty" end
  return word
end

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
