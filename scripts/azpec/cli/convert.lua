-- Converts and checks option values; argparse shows the message.

local date = require "azpec.date"
local duration = require "azpec.duration"
local ids = require "azpec.resource_id"
local text = require "azpec.text"

local convert = {}

local function below_zero(word)
  return word:find "^%-%d" and ("'%s' is below zero"):format(word)
end

-- Converts "90", "1.5", "30s", "5m", "2h" or "7d" to seconds.
function convert.seconds(word)
  if below_zero(word) then return nil, below_zero(word) end
  return duration.seconds(word)
end

-- The same, but more than zero.
function convert.some_seconds(word)
  local seconds, why = convert.seconds(word)
  if seconds == 0 then return nil, ("'%s' must be more than 0 s"):format(word) end
  return seconds, why
end

-- The time limit of az and azd.
function convert.credential_seconds(word)
  local seconds, why = convert.some_seconds(word)
  if seconds and seconds > 3600 then return nil, ("'%s' is more than an hour"):format(word) end
  return seconds, why
end

-- A non-empty word; an empty one often is a script's unset variable. Surrounding blanks and a carriage return, as files
-- and programs add them, are removed.
function convert.given(word)
  word = text.trim(word)
  if word == "" then return nil, "it is empty" end
  return word
end

-- A ticket's number, which appears in lines of logs.
function convert.ticket(word)
  local given, why = convert.given(word)
  if given and text.has_control(given) then return nil, "it has a control character, or is no UTF-8" end
  return given, why
end

-- The time of a timestamp, of "2026-11-24" (midnight in UTC), or of "@" and seconds since 1970, as date(1) writes them.
local function timestamp(word)
  local seconds = word:match "^@(%d+)$"
  if seconds then return tonumber(seconds) end
  if word:find "^%d%d%d%d%-%d%d%-%d%d$" then word = word .. "T00:00:00Z" end
  return date.parse((word:gsub(" ", "T", 1):gsub(",(%d)", ".%1", 1)))
end

-- A moment: "7d" ago, or a timestamp. Returns seconds since 1970, for any year (os.time ends in 2038 where Lua's time
-- has 32 bits).
function convert.moment(word)
  local seconds, why, lacks_unit = duration.age(word)
  if lacks_unit then return nil, why end
  local moment = seconds and os.time() - seconds or timestamp(word)
  if moment then return moment end
  if timestamp(word .. "Z") then return nil, ("'%s' has no time zone; write %sZ for UTC"):format(word, word) end
  return nil, ("'%s' is not a time; write 7d, 2026-11-24, or 2026-11-24T09:15:00Z"):format(word)
end

-- An id, also in the forms that are copied from a URL or the portal.
function convert.id(word)
  local given, why = convert.given(word)
  return given and ids.plain(given), why
end

-- A name, or an id.
function convert.name_or_id(word)
  return word:find("/", 1, true) and ids.plain(word) or text.trim(word)
end

-- Returns the fields of azpec.select for "ACCOUNT/NAME", as lines of output begin, also with the group, or subscription
-- and group, in front; nil for another word.
function convert.place_and_name(word)
  local parts = {}
  for part in word:gmatch "[^/]+" do table.insert(parts, 1, part) end
  if word:find "^/" or word:find "/$" or word:find("//", 1, true) or #parts < 2 or #parts > 4 then return nil end
  return { name = parts[1], account_name = parts[2], resource_group_name = parts[3], subscription_id = parts[4] }
end

-- The names of these fields in messages.
convert.nouns = { resource_group_name = "resource group", account_name = "account", subscription_id = "subscription" }

local function digits(count)
  return ("%x"):rep(count)
end

local guid_pattern = "^" .. digits(8) .. ("%-" .. digits(4)):rep(3) .. "%-" .. digits(12) .. "$"

-- A subscription's GUID, also as its id. A name, as az takes, would have to be looked up.
function convert.subscription(word)
  local given, why = convert.id(word)
  if not given then return nil, why end
  local found = ids.parse(given)
  local guid = found and found.subscription_id or given
  if guid:find(guid_pattern) then return guid end
  return nil, ("'%s' is not the id of a subscription, which is a GUID; az account show --name NAME --query id prints "
    .. "it"):format(text.clean(word))
end

function convert.positive(word)
  local number = math.tointeger(word:find "^%d+$" and tonumber(word))
  if number and number >= 1 then return number end
  return nil, below_zero(word) or ("'%s' is not a number of 1 or more"):format(word)
end

local most_tries = 86400 -- of the module

function convert.tries(word)
  local number, why = convert.positive(word)
  if number and number > most_tries then return nil, ("'%s' is more than %d"):format(word, most_tries) end
  return number, why
end

-- Checks the anchor of a journal.
function convert.anchor(word)
  local known, why = require "azpec.journal.verify".anchor(word)
  return known and word, why
end

-- Reads a file, or standard input for "-". kind: of azpec.file's ceilings.
local function content_of(path, kind)
  local file = require "azpec.file"
  if path ~= "-" then return file.read(path, kind) end
  local content, why = file.rest(io.stdin, kind)
  return content, why and "standard input: " .. why
end

-- Reads the continuation tokens in a file.
function convert.tokens(path)
  return content_of(path, "tokens")
end

-- Reads a secret from a file of one line, without the line end.
function convert.secret(path)
  local content, why = content_of(path, "secret")
  if not content then return nil, why end
  content = content:gsub("\r?\n$", "")
  if content == "" then return nil, (path == "-" and "standard input" or path) .. " is empty" end
  return content
end

return convert
