-- Requests of a recording: which are equal, and which is the nearest one.
--
-- Two requests are equal if they have the same method, path, parameters and body. The host does not count, nor letter
-- case and percent-encoding of a path, the order of parameters, or the form of a JSON body. Requests for a token are
-- equal whatever they contain, since a recording has no secret, and no tenant's secret is needed to play it. So are
-- those for a pipeline's id token.

local diff = require "azpec.record.diff"
local json = require "azpec.json"
local sources = require "azpec.record.sources"
local text = require "azpec.emulator.text"

local request = {}

-- Whether it asks Microsoft Entra ID for a token.
function request.is_token(method, url)
  return method == "POST" and url:lower():find "/oauth2/v2%.0/token$" ~= nil
end

-- Whether it is part of a sign-in, there or at another source.
function request.is_sign_in(method, url)
  return request.is_token(method, url) or sources.of(url) ~= nil
end

local function decoded(piece)
  return text.percent_decode(piece) or piece
end

-- Returns the parts that count: method, path (segments), query (by name in lower case), body. message: a recorded
-- request.
function request.parts(message)
  if request.is_token(message.method, message.url) then return { method = "POST", path = json.list { "token" } } end
  local source = sources.of(message.url)
  if source and sources.is_pipeline(source) then return { method = message.method, path = json.list { source } } end
  local path, query = message.url:match "^([^?#]*)%??([^#]*)"
  local parts = { method = message.method, path = json.list(), query = {},
    body = message.body or message.body_text or message.body_base64 }
  for piece in path:gmatch "[^/]+" do parts.path[#parts.path + 1] = decoded(piece):lower() end
  for pair in query:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    parts.query[decoded(name):lower()] = decoded(value)
  end
  return parts
end

-- Returns a text that is the same for equal requests.
function request.key(message)
  return json.encode(request.parts(message))
end

function request.name(message)
  return message.method .. " " .. message.url
end

-- A different method or path matters more than a parameter, and this more than a member of the body.
local weights = { method = 1000, path = 100, query = 10, body = 1 }

local function distance(differences)
  local sum = 0
  for _, one in ipairs(differences) do sum = sum + weights[one.where:match "^%l+"] end
  return sum
end

local most_shown = 3

local function describe(differences)
  local parts = {}
  for n = 1, math.min(#differences, most_shown) do
    local one = differences[n]
    parts[n] = ("%s is %s, not %s"):format(one.where, diff.shown(one.first), diff.shown(one.second))
  end
  local more = #differences - most_shown
  return table.concat(parts, "; ") .. (more > 0 and ("; and %d more"):format(more) or "")
end

-- Returns a sentence about the recorded request that is nearest to this one. exchanges: a recording's.
function request.nearest(message, exchanges)
  local mine, best, number, least = request.parts(message), nil, nil, math.huge
  for n, exchange in ipairs(exchanges) do
    local differences = diff.of(request.parts(exchange.request), mine)
    local far = distance(differences)
    if far < least then best, number, least = differences, n, far end
  end
  if not best then return "The recording has no requests." end
  local is_elsewhere = best[#best].where:find "^method" or best[#best].where:find "^path"
  if is_elsewhere then
    return ("The nearest recorded request is number %d, %s."):format(number, request.name(exchanges[number].request))
  end
  return ("The nearest recorded request is number %d: there %s."):format(number, describe(best))
end

return request
