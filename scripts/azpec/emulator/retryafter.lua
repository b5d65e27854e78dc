-- The forms of Retry-After and its variants, each with a name; see `help`.

local date = require "azpec.date"

local retryafter = {}

retryafter.help = [[
RETRY-AFTER is one or more of these, separated by ";":
  5           Retry-After: 5               any other text is sent as it is ("0", "-3", "soon", "1.5")
  none        no such header
  date:5      an HTTP date, 5 seconds ahead
  past        an HTTP date, an hour ago
  absurd      Retry-After: 99999999999
  ms:500      retry-after-ms: 500
  x-ms:500    x-ms-retry-after-ms: 500]]

local function plain(value)
  return "Retry-After", value
end

local words = {
  none = function () end,
  past = function (now) return plain(date.http(now - 3600)) end,
  absurd = function () return plain "99999999999" end,
}

local prefixes = {
  date = function (rest, now) return plain(date.http(now + (tonumber(rest) or 0))) end,
  ms = function (rest) return "retry-after-ms", rest end,
  ["x-ms"] = function (rest) return "x-ms-retry-after-ms", rest end,
}

local function one(wish, now)
  if words[wish] then return words[wish](now) end
  local prefix, rest = wish:match "^([%l-]+):(.*)$"
  if prefixes[prefix] then return prefixes[prefix](rest, now) end
  return plain(wish)
end

-- Adds the headers of a form to a list of {name, value}.
function retryafter.add(headers, wish, now)
  for part in wish:gmatch "[^;]+" do
    local name, value = one(part, now)
    if name then headers[#headers + 1] = { name, value } end
  end
end

return retryafter
