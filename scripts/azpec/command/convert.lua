-- What stands behind an option, checked; argparse shows the complaint.

local ids = require "azpec.ids"

local convert = {}

-- "90", "1.5", "30s", "5m", "2h", "7d" as seconds.
convert.seconds = require "azpec.age".seconds

-- The same, but more than none.
function convert.some_seconds(word)
  local seconds, why = convert.seconds(word)
  if seconds == 0 then return nil, ("'%s' is no time at all"):format(word) end
  return seconds, why
end

-- A word that says something: an empty one often is a variable of a script's that was never set. The blanks and the
-- carriage return that a file or another program's output has around it are no part of it.
function convert.given(word)
  word = word:match "^%s*(.-)%s*$"
  if word == "" then return nil, "it is empty" end
  return word
end

-- An id, also as it is copied from an address or the portal.
function convert.id(word)
  local given, why = convert.given(word)
  return given and ids.plain(given), why
end

-- A name, or an id.
function convert.name_or_id(word)
  return word:find("/", 1, true) and ids.plain(word) or word:match "^%s*(.-)%s*$"
end

-- A subscription's GUID, also as its id.
function convert.subscription(word)
  local given, why = convert.id(word)
  local found = given and ids.parse(given)
  return found and found.subscription_id or given, why
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
