-- Requests and responses as a recording has them: { headers, and one of body (JSON), body_text, body_base64 }.

local base64 = require "azpec.base64"
local exact = require "azpec.record.exact"
local json = require "azpec.json"

local message = {}

local function is_form(headers)
  return (headers["content-type"] or ""):lower():find("x-www-form-urlencoded", 1, true) ~= nil
end

-- Returns the recorded form of a message. headers: a list of {name, value}; kind: "request" or "response"; secrets:
-- those of azpec.record.secrets, which do not get into it.
local function record(kind, headers, body, secrets)
  local self = { headers = secrets:headers(headers, kind) }
  if body == "" then return self end
  if not utf8.len(body) then
    self.body_base64 = base64.encode(body)
    return self
  end
  local value = exact.decode(body)
  if value ~= nil then self.body = secrets:json(value)
  elseif is_form(self.headers) then self.body_text = secrets:form(body)
  else self.body_text = secrets:clean(body) end
  return self
end

-- Returns the recorded form of a request of azpec.emulator.http.
function message.request(request, secrets)
  local headers = {}
  for n, name in ipairs(exact.names(request.headers)) do headers[n] = { name, request.headers[name] } end
  local self = record("request", headers, request.body, secrets)
  self.method, self.url = request.method, secrets:clean(request.path .. request.query)
  return self
end

-- Returns the recorded form of an answer of azpec.record.upstream.
function message.response(answer, secrets)
  local self = record("response", answer.headers, answer.body, secrets)
  self.status = answer.status
  return self
end

-- Returns the bytes of a recorded body.
function message.bytes(self)
  if self.body_base64 then return base64.decode(self.body_base64) or "" end
  if self.body_text then return self.body_text end
  return self.body == nil and "" or json.encode(self.body)
end

return message
