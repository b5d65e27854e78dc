-- The log: one line of JSON for each request, written before the answer is sent. It never contains a secret.

local date = require "azpec.date"
local file = require "azpec.file"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local replace = require "azpec.emulator.text".replace
local reply = require "azpec.emulator.reply"

local log = {}
log.__index = log

local kept_at_most = 10000

local function is_own(head)
  return head:find '^{"' and head:find('"method":', 1, true) and head:find('"number":', 1, true)
end

-- Returns a log that writes to `path` (nil: no file). keeps: whether the latest entries are also kept in memory.
function log.open(path, keeps)
  local self = setmetatable({ entries = keeps and {} or nil, number = 0, counts = {} }, log)
  if not path then return self end
  local handle, why = file.start(path, is_own)
  if not handle then return nil, why end
  handle:setvbuf "no"
  self.file, self.path = handle, path
  return self
end

local shown = { "if-match", "x-ms-client-request-id", "user-agent", "content-type", "traceparent", "tracestate",
  "accept", "host", "x-ms-correlation-request-id", "x-ms-return-client-request-id", "client-request-id" }

local shortest_secret = 8

-- Sets the texts that are masked even if a client sends them in a wrong place. Very short ones would mask all of it.
function log:hide(secrets)
  self.secrets = {}
  for _, secret in ipairs(secrets) do
    if #secret >= shortest_secret then self.secrets[#self.secrets + 1] = secret end
  end
end

local function clean(self, text)
  for _, secret in ipairs(self.secrets or {}) do text = replace(text, secret, "<redacted>") end
  for _, pattern in ipairs(ids.token_patterns) do text = text:gsub(pattern, "<redacted>") end
  return text
end

local function shown_headers(self, request)
  local headers = {}
  for _, name in ipairs(shown) do headers[name] = request.headers[name] and clean(self, request.headers[name]) end
  local scheme = (request.headers.authorization or ""):match "^(%a+) "
  local policy = request.headers["x-ms-policy-external-evaluations"]
  if policy then headers["x-ms-policy-external-evaluations"] = (policy:match "^(%a+) " or "?") .. " <redacted>" end
  if request.headers.authorization then headers.authorization = (scheme or "?") .. " <redacted>" end
  return headers
end

-- Returns a request's JSON body with line breaks replaced by blanks. Of any other body only the length is logged.
local function put_body(self, entry, request)
  if request.body == "" or request.is_secret then return end
  entry.body_bytes = #request.body
  if utf8.len(request.body) and json.decode(request.body) ~= nil then
    entry.body = json.raw(clean(self, (request.body:gsub("[\r\n]", " "))))
  end
end

local function entry_of(self, request, answer, facts)
  local entry = {
    time = date.stamp(facts.time, true), number = facts.number, connection = request.connection, tls = request.tls,
    method = request.method, target = clean(self, request.target), kind = facts.kind,
    api_version = request.params and request.params["api-version"] and clean(self, request.params["api-version"]),
    headers = shown_headers(self, request), token = request.token_note,
    status = answer.status > 0 and answer.status or nil, retry_after = reply.get(answer, "retry-after"),
    request_id = reply.get(answer, "x-ms-request-id"), etag = reply.get(answer, "etag"),
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

-- Logs a request and its answer. facts: time, duration, kind, fault. If the file cannot be written, `problem` is set to
-- a text, and on_problem is called.
function log:write(request, answer, facts)
  self.number = self.number + 1
  facts.number = self.number
  if facts.kind ~= "control" then self.counts[facts.kind] = (self.counts[facts.kind] or 0) + 1 end
  if not self.file and not self.entries then return end
  local line = json.encode(entry_of(self, request, answer, facts))
  if self.entries then keep(self, json.raw(line)) end
  local ok, why = true, nil
  if self.file then ok, why = self.file:write(line .. "\n") end
  if ok then return end
  self.problem = ("%s: %s"):format(self.path, why)
  if self.on_problem then self.on_problem() end
end

function log:clear()
  self.counts = {}
  if self.entries then self.entries = {} end
end

return log
