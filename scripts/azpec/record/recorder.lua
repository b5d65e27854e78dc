-- The server of a recording: passes each request on to the service, keeps both messages, and returns the answer.
--
-- Where no answer comes from the service, the connection is closed, so the client sees a failure below HTTP.

local clock = require "azpec.emulator.clock"
local origins = require "azpec.record.origins"
local reply = require "azpec.emulator.reply"
local routes = require "azpec.emulator.routes"
local sources = require "azpec.record.sources"
local tape = require "azpec.record.tape"
local upstream = require "azpec.record.upstream"

local recorder = {}

-- Headers of an answer that belong to the connection to the service. A cookie is not for this server's host.
local of_the_connection = { connection = true, ["keep-alive"] = true, ["transfer-encoding"] = true,
  ["content-length"] = true, ["set-cookie"] = true, trailer = true, upgrade = true }

local function passed_on(answer)
  local headers = {}
  for _, header in ipairs(answer.headers) do
    if not of_the_connection[header[1]:lower()] then headers[#headers + 1] = header end
  end
  return { status = answer.status, headers = headers, body = answer.body }
end

local function save(self)
  local ok, why = self.tape:save()
  return reply.json(ok and 200 or 500, { why = why, exchanges = #self.tape.recording.exchanges })
end

-- The ways to the sources of tokens: { service, path } by name.
local function ways_of(settings)
  local ways = {}
  for name, url in pairs(settings.sources) do
    local is_pipeline = sources.is_pipeline(name)
    local origin, path = url:match "^%s*(%a+://[^/?#%s]+)([^?#%s]*)"
    local service, why = upstream.new(origin or url, settings.ca_file, is_pipeline and settings.proxy or nil,
      not is_pipeline)
    if not service then return nil, ("%s: %s"):format(name, why) end
    ways[name] = { service = service, path = path == "/" and "" or path }
  end
  return ways
end

-- Returns where a request goes, and the request.
local function route(self, request)
  local name, rest = sources.of(request.path)
  local way = name and self.ways[name]
  if not way then
    local is_sign_in = routes.find(request.method, request.path).service == "entra"
    return self[is_sign_in and "authority_host" or "endpoint"], request
  end
  local copy = {}
  for field, value in pairs(request) do copy[field] = value end
  copy.path = way.path .. rest
  return way.service, copy
end

-- Returns a handler for azpec.emulator.host; nil and a text if the settings cannot be used. settings: file, endpoint,
-- authority_host, ca_file, proxy, replace_ids, recorded_by, sources (azpec.record.sources.urls).
function recorder.new(settings)
  local self, why = { clock = clock.new() }
  for _, name in ipairs { "endpoint", "authority_host" } do
    self[name], why = upstream.new(settings[name], settings.ca_file, settings.proxy)
    if not self[name] then return nil, why end
    settings[name] = self[name].origin
  end
  self.ways, why = ways_of(settings)
  if not self.ways then return nil, why end
  self.tape, why = tape.new(settings, self.clock)
  if not self.tape then return nil, why end

  function self.answer(request)
    if request.path == "/_record/save" then return save(self) end
    request.body = origins.globalize(request, settings)
    local service, sent = route(self, request)
    local answer, failure = service:request(sent)
    self.tape:add(request, answer, failure)
    if not answer then return { status = 502, headers = {}, body = "", wire = { close = true } } end
    return origins.localize(passed_on(answer), settings, request.origin)
  end

  function self.finish() return self.tape:save() end
  return self
end

return recorder
