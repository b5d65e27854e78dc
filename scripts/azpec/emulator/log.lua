-- The log: one JSON object a line for each request, written before its answer goes out, and never a secret in it.

local clock = require "azpec.emulator.clock"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"

local log = {}
log.__index = log

local kept_at_most = 10000

-- A log into `path` (nil: none); `keeps` also holds the latest entries in memory.
function log.open(path, keeps)
  local self = setmetatable({ entries = keeps and {} or nil, number = 0 }, log)
  if not path then return self end
  local file, why = io.open(path, "w")
  if not file then return nil, why end
  file:setvbuf "full"
  self.file = file
  return self
end

local shown = { "if-match", "x-ms-client-request-id", "user-agent", "content-type", "traceparent", "accept", "host",
  "x-ms-correlation-request-id", "x-ms-return-client-request-id", "client-request-id" }

local shortest_secret = 8

-- Names the texts that must not appear even where a client put them by mistake; a very short one would hide the log.
function log:hide(secrets)
  self.secrets = {}
  for _, secret in ipairs(secrets) do
    if #secret >= shortest_secret then self.secrets[#self.secrets + 1] = secret end
  end
end

local function blot(text, secret)
  local first, last = text:find(secret, 1, true)
  if not first then return text end
  return text:sub(1, first - 1) .. "<redacted>" .. blot(text:sub(last + 1), secret)
end

local function clean(self, text)
  for _, secret in ipairs(self.secrets or {}) do text = blot(text, secret) end
  for _, pattern in ipairs(ids.token_patterns) do text = text:gsub(pattern, "<redacted>") end
  return text
end

local function shown_headers(self, request)
  local headers = {}
  for _, name in ipairs(shown) do headers[name] = request.headers[name] and clean(self, request.headers[name]) end
  local scheme = (request.headers.authorization or ""):match "^(%a+) "
  if request.headers.authorization then headers.authorization = (scheme or "?") .. " <redacted>" end
  return headers
end

-- A request's JSON body as it came, its line breaks made blanks; what is no JSON is only measured.
local function put_body(self, entry, request)
  if request.body == "" or request.is_secret then return end
  entry.body_bytes = #request.body
  if utf8.len(request.body) and json.decode(request.body) ~= nil then
    entry.body = json.raw(clean(self, (request.body:gsub("[\r\n]", " "))))
  end
end

local function entry_of(self, request, answer, facts)
  local entry = {
    time = clock.timestamp(facts.time), number = facts.number, connection = request.connection, tls = request.tls,
    method = request.method, target = clean(self, request.target), kind = facts.kind,
    api_version = request.params and request.params["api-version"] and clean(self, request.params["api-version"]),
    headers = shown_headers(self, request), token = request.token_note,
    status = answer.status > 0 and answer.status or nil, retry_after = reply.get(answer, "retry-after"),
    request_id = reply.get(answer, "x-ms-request-id"),
    duration = math.floor(facts.duration * 1e6) / 1e6, fault = facts.fault,
  }
  put_body(self, entry, request)
  return entry
end

local function keep(self, entry)
  self.entries[#self.entries + 1] = entry
  if #self.entries > 2 * kept_at_most then
    self.entries = table.move(self.entries, kept_at_most + 1, #self.entries, 1, {})
  end
end

-- Notes a request and its answer. facts: time, duration, kind, fault.
function log:write(request, answer, facts)
  self.number = self.number + 1
  facts.number = self.number
  if not self.file and not self.entries then return end
  local line = json.encode(entry_of(self, request, answer, facts))
  if self.entries then keep(self, json.raw(line)) end
  if self.file then
    self.file:write(line, "\n")
    self.file:flush()
  end
end

function log:clear()
  if self.entries then self.entries = {} end
end

return log
