-- Writes the requests and responses of --trace FILE as an HTTP Archive (HAR 1.2,
-- http://www.softwareishard.com/blog/har-12-spec/).
--
-- The entries come from on_event, which has no bodies, no query but the api-version, and only the headers of a list
-- without secrets. The file is a complete document at any time: an empty one first, replaced at the end. A device or a
-- pipe receives only the last document.

local monotime = require "cqueues".monotime

local date = require "azpec.date"
local file = require "azpec.file"
local json = require "azpec.json"

local har = {}
har.__index = har

local most_entries = 10000 -- a watch may last for days; the oldest give way

-- ---- pieces --------------------------------------------------------------------------------------------------------

local function header_list(headers)
  local list = json.list()
  for name, value in pairs(headers) do list[#list + 1] = { name = name, value = value } end
  table.sort(list, function (a, b) return a.name < b.name end)
  return list
end

local function request_of(event)
  local query = json.list()
  if event.api_version then query[1] = { name = "api-version", value = event.api_version } end
  local url = event.api_version and ("%s?api-version=%s"):format(event.url, event.api_version) or event.url
  return { method = event.method, url = url, httpVersion = "unknown", cookies = json.list(), queryString = query,
    headers = header_list { ["x-ms-client-request-id"] = event.client_request_id }, headersSize = -1, bodySize = -1 }
end

-- Without an answer the status is 0.
local function response_of(event)
  local headers = event.headers or {}
  local length = math.tointeger(tonumber(headers["content-length"]))
  return { status = event.status or 0, statusText = "", httpVersion = "unknown", cookies = json.list(),
    headers = header_list(headers), redirectURL = "", headersSize = -1, bodySize = length or -1,
    content = { size = length or 0, mimeType = headers["content-type"] or "", comment = "bodies are not recorded" } }
end

local function milliseconds(seconds)
  return math.floor(seconds * 1e6 + 0.5) / 1000
end

-- The parts of an entry's time; -1 for one that does not apply. As HAR defines, ssl is part of connect. The time in
-- azpec's and libcurl's queues is "blocked"; sending is not measured separately.
local function timings_of(whole, parts)
  local connect = parts.connect and parts.connect + (parts.tls or 0)
  local function or_none(seconds) return seconds and milliseconds(seconds) or -1 end
  local known = (parts.dns or 0) + (connect or 0) + (parts.wait or 0) + (parts.receive or 0)
  return { blocked = milliseconds(math.max(0, whole - known)), dns = or_none(parts.dns), connect = or_none(connect),
    ssl = or_none(parts.tls), send = 0, wait = milliseconds(parts.wait or 0), receive = milliseconds(parts.receive or 0)
  }
end

-- The sum of the parts that apply.
local function total_of(timings)
  local sum = 0
  for name, time in pairs(timings) do
    if name ~= "ssl" and time > 0 then sum = sum + time end
  end
  return sum
end

-- Names of azpec's own members begin with "_", as HAR demands.
local ids = { id = "_resourceId", phase = "_phase", attempt = "_attempt", trace_id = "_traceId", span_id = "_spanId",
  parent_id = "_parentSpanId", request_id = "_requestId", correlation_id = "_correlationId" }

local function add_ids(entry, event)
  for field, name in pairs(ids) do entry[name] = event[field] or entry[name] end
end

-- ---- recording -----------------------------------------------------------------------------------------------------

local function begin(self, key, event)
  local now = self.now()
  local entry = { startedDateTime = date.stamp(self.wall + now - self.begun, true), request = request_of(event),
    cache = {}, comment = "no answer came before azpec ended" }
  self.pending[key] = { entry = entry, at = now }
  self.entries[#self.entries + 1] = entry
  if #self.entries > most_entries then
    table.remove(self.entries, 1)
    self.dropped = self.dropped + 1
  end
  return entry
end

local function answer(self, key, event)
  local pending = self.pending[key]
  self.pending[key] = nil
  local entry = pending.entry
  entry.whole, entry.parts = self.now() - pending.at, event.timings
  entry.comment = event.detail or event.error
  entry.response = response_of(event)
  return entry
end

-- Records an event of on_event. An operation, and a sign-in, have one request under way at a time. The response event
-- of a handshake has neither a status nor an error.
function har:observe(event)
  if not event.url then return end
  local key = ("%s %s %s %s"):format(event.id or "sign-in", event.client_request_id or "", event.method, event.url)
  local is_answer = self.pending[key] and (event.event == "response" or event.event == "token")
  add_ids((is_answer and answer or begin)(self, key, event), event)
end

-- Returns the document.
function har:document()
  local entries = json.list()
  for n, entry in ipairs(self.entries) do
    local shown = {}
    for name, value in pairs(entry) do shown[name] = value end
    shown.whole, shown.parts = nil, nil
    shown.timings, shown.response = timings_of(entry.whole or 0, entry.parts or {}), entry.response or response_of {}
    shown.time = total_of(shown.timings)
    entries[n] = shown
  end
  local comment = self.dropped > 0 and ("%d earlier requests are left out"):format(self.dropped) or nil
  return json.encode { log = { version = "1.2", creator = { name = "azpec", version = self.version },
    entries = entries, comment = comment } } .. "\n"
end

-- Returns whether a file that begins so is one of azpec's. Members are sorted.
local function is_own(beginning)
  return beginning:find '^{"log":{"comment":"[^"]*","creator":{"name":"azpec",'
    or beginning:find '^{"log":{"creator":{"name":"azpec",'
end

-- Writes the document. Returns as file.replace.
function har:finish()
  return file.replace(self.path, self:document(), is_own)
end

-- Returns a recorder; or nil, a message, and whether the path is refused, as file.replace. now, wall: replace the
-- machine's clocks.
function har.start(path, version, now, wall)
  now = now or monotime
  local self = setmetatable({ path = path, version = version, now = now, begun = now(), wall = wall or os.time(),
    entries = {}, pending = {}, dropped = 0 }, har)
  if file.is_stream(path) then return self end
  local ok, why, is_refused = self:finish()
  if not ok then return nil, why, is_refused end
  return self
end

return har
