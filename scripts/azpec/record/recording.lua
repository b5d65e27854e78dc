-- The file of a recording: one JSON document, indented, with sorted members.
--
--   { "azpec_recording": 1, "recorded_by": "azpec ...", "begun": "2026-05-04T01:02:03Z",
--     "endpoint": "https://management.azure.com", "authority_host": "https://login.microsoftonline.com",
--     "exchanges": [ { "after": 0.251, "request": { "method", "url", "headers", "body" },
--                      "response": { "status", "headers", "body" } } ] }
--
-- `not_recorded`, if there is one, is a list of { what, times }: conversations of which this one has had the results.
-- `after` is in seconds since `begun`. A URL has no host; both bodies are as in azpec.record.message. In place of
-- `response`, `failure` says why none came.

local date = require "azpec.date"
local exact = require "azpec.record.exact"
local file = require "azpec.file"
local json = require "azpec.json"

local recording = {}

local format = 1

-- Returns whether a file that begins so is a recording.
function recording.is_own(head)
  return head:find '^{%s*"authority_host":' ~= nil and head:find '"azpec_recording":%s*%d' ~= nil
end

-- Returns a new one. facts: endpoint, authority_host, recorded_by.
function recording.new(facts, begun)
  return { azpec_recording = format, recorded_by = facts.recorded_by, endpoint = facts.endpoint,
    authority_host = facts.authority_host, begun = date.stamp(begun, true), exchanges = json.list() }
end

-- Replaces the file. Returns as file.replace.
function recording.write(path, self)
  return file.replace(path, exact.pretty(self), recording.is_own)
end

-- ---- reading -------------------------------------------------------------------------------------------------------

local function is_message(value, ...)
  if type(value) ~= "table" or value.headers ~= nil and type(value.headers) ~= "table" then return false end
  for _, name in ipairs { ... } do
    if type(value[name]) ~= "string" then return false end
  end
  return true
end

local function check_exchange(exchange, n)
  if type(exchange) ~= "table" or not is_message(exchange.request, "method", "url") then
    return nil, ("exchanges[%d].request needs method and url, which are texts"):format(n)
  end
  local status = is_message(exchange.response) and exact.number(exchange.response.status)
  if not status and type(exchange.failure) ~= "string" then
    return nil, ("exchanges[%d] needs a response with a status, or a failure"):format(n)
  end
  return true
end

local function check(self)
  local version = type(self) == "table" and exact.number(self.azpec_recording)
  if not version then return nil, "it is no recording of azpec.record" end
  if version ~= format then
    return nil, ("its format is %g, and this azpec reads %d; record it again"):format(version, format)
  end
  if not exact.is_list(self.exchanges) then return nil, "it has no list of exchanges" end
  if type(self.begun) ~= "string" or not date.parse(self.begun) then return nil, "begun is no timestamp" end
  for n, exchange in ipairs(self.exchanges) do
    local ok, why = check_exchange(exchange, n)
    if not ok then return nil, why end
  end
  return true
end

-- Reads a file. Returns the recording, or nil and a message.
function recording.read(path)
  local text, why = file.read(path, "plan")
  if not text then return nil, why end
  local self, problem = exact.decode(text)
  if self == nil then
    return nil, ("%s: it is no complete JSON document (%s); record it again"):format(path, problem)
  end
  local ok, complaint = check(self)
  if not ok then return nil, ("%s: %s"):format(path, complaint) end
  return self
end

-- Returns the time of an exchange in seconds since 1970.
function recording.time_of(self, exchange)
  return date.parse(self.begun) + (exact.number(exchange.after) or 0)
end

return recording
