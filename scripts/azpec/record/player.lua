-- The server of a replay: answers each request by the equal one of the recording (azpec.record.request).
--
-- Equal requests get their answers in the recorded order. After the last one, a request fails, or with `repeats` gets
-- the last one again; a request for a token always does, since a client may sign in more often than the recorded one.
-- No answer makes a client wait longer than it must. Date is the time of the recording.

local exact = require "azpec.record.exact"
local json = require "azpec.json"
local message = require "azpec.record.message"
local origins = require "azpec.record.origins"
local recording = require "azpec.record.recording"
local reply = require "azpec.emulator.reply"
local requests = require "azpec.record.request"
local secrets = require "azpec.record.secrets"
local sources = require "azpec.record.sources"

local player = {}
player.__index = player

local function group(exchanges)
  local by_key = {}
  for n, exchange in ipairs(exchanges) do
    local key = requests.key(exchange.request)
    by_key[key] = by_key[key] or { played = 0 }
    table.insert(by_key[key], n)
  end
  return by_key
end

-- ---- answers -------------------------------------------------------------------------------------------------------

local waits = { "retry-after", "retry-after-ms", "x-ms-retry-after-ms" }

-- The shortest Retry-After takes precedence over the recorded one. The server adds its own Date.
local function headers_of(response)
  local given, headers = response.headers or {}, {}
  for _, name in ipairs(exact.names(given)) do
    if name ~= "date" and name ~= "retry-after-ms" then headers[#headers + 1] = { name, given[name] } end
  end
  for _, name in ipairs(waits) do
    if given[name] then return table.move({ { "retry-after-ms", "1" } }, 1, 1, #headers + 1, headers) end
  end
  return headers
end

-- The recorded token's place has a placeholder, which lives for a day.
local function fresh_token(body)
  local copy = {}
  for name, value in pairs(body) do copy[name] = value end
  copy.expires_in, copy.ext_expires_in, copy.refresh_in, copy.expires_on = 86400, nil, nil, nil
  return copy
end

local function answer_of(exchange)
  local response = exchange.response
  if not response then return { status = 502, headers = {}, body = "", wire = { close = true } } end
  local body = response.body
  if type(body) == "table" and body.access_token then body = fresh_token(body) end
  return { status = math.tointeger(tonumber(response.status.text)), headers = headers_of(response),
    body = message.bytes { body = body, body_text = response.body_text, body_base64 = response.body_base64 } }
end

local function refuse(self, format, ...)
  local text = format:format(...)
  self.refused[#self.refused + 1] = text
  return reply.error(501, "NotRecorded", text)
end

-- Azure Arc's challenge names a file that the player's machine does not have; the answer after it has the token.
local function is_challenge(exchange)
  return exchange.response and exact.number(exchange.response.status) == 401
end

local function play(self, wanted, found)
  local is_sign_in = requests.is_sign_in(wanted.method, wanted.url)
  if found.played == #found and not self.repeats and not is_sign_in then
    return refuse(self, "The recording has %s to %s, and this is request %d; make fewer, record again, or "
      .. "play it with repeats.", #found == 1 and "1 answer" or #found .. " answers", requests.name(wanted),
      found.played + 1)
  end
  found.played = math.min(found.played + 1, #found)
  local exchange = self.recording.exchanges[found[found.played]]
  if is_sign_in and found.played < #found and is_challenge(exchange) then return play(self, wanted, found) end
  self.time = math.max(self.time, recording.time_of(self.recording, exchange))
  return answer_of(exchange)
end

local function token()
  return reply.json(200, { access_token = "hidden-token", token_type = "Bearer", expires_in = 86400 })
end

local function answer(self, request)
  request.body = origins.globalize(request, self.recording)
  local wanted = message.request(request, self.secrets)
  local found = self.by_key[requests.key(wanted)]
  if found then return play(self, wanted, found) end
  if requests.is_token(wanted.method, wanted.url) then return token() end
  return refuse(self, "The recording has no answer to %s. %s", requests.name(wanted),
    requests.nearest(wanted, self.recording.exchanges))
end

-- ---- state ---------------------------------------------------------------------------------------------------------

-- Returns names of requests whose answers were not all played, but for those of tokens.
local function unused(self)
  local list = json.list()
  for n, exchange in ipairs(self.recording.exchanges) do
    local wanted = exchange.request
    local found = self.by_key[requests.key(wanted)]
    for index, number in ipairs(found) do
      if number == n and index > found.played and not requests.is_sign_in(wanted.method, wanted.url) then
        list[#list + 1] = ("number %d, %s"):format(n, requests.name(wanted))
      end
    end
  end
  return list
end

local function state(self)
  return reply.json(200, { now = self.time + self.shift, refused = json.list(self.refused), unused = unused(self) })
end

-- Returns what a client needs to know of the recording: who signed in and by which sources, and which connections it is
-- about.
function player:facts()
  local facts, seen = { connections = json.list(), sources = {}, not_recorded = self.recording.not_recorded }, {}
  for _, exchange in ipairs(self.recording.exchanges) do
    local wanted = exchange.request
    local source = sources.of(wanted.url)
    if source then facts.sources[source] = "" end
    if requests.is_token(wanted.method, wanted.url) then
      facts.tenant_id = facts.tenant_id or wanted.url:match "^/([^/]+)/"
      facts.client_id = facts.client_id or (wanted.body_text or ""):match "client_id=([^&]+)"
    end
    facts.subscription_id = facts.subscription_id or wanted.url:match "^/[Ss]ubscriptions/([^/?]+)"
    local id = wanted.url:match "^(/subscriptions/.*/privateEndpointConnections/[^/?]+)"
    if id and not seen[id:lower()] then facts.connections[#facts.connections + 1] = id end
    if id then seen[id:lower()] = true end
  end
  return facts
end

-- Returns a handler for azpec.emulator.host; nil and a text if the recording cannot be used. settings: file, repeats,
-- now (the time at the beginning; default: the recording's).
function player.new(settings)
  local recorded, why = recording.read(settings.file)
  if not recorded then return nil, why end
  local self = setmetatable({ recording = recorded, repeats = settings.repeats, refused = {},
    by_key = group(recorded.exchanges), secrets = secrets.new() }, player)
  self.time = require "azpec.date".parse(recorded.begun)
  self.shift = settings.now and settings.now - self.time or 0
  self.clock = { now = function () return self.time + self.shift end }

  function self.answer(request)
    if request.path == "/_record/state" then return state(self) end
    return origins.localize(answer(self, request), recorded, request.origin)
  end
  return self
end

return player
