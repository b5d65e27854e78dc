-- Applies a fault's action to a request and its answer. Damage to the bytes is done by wire.lua.

local json = require "azpec.json"
local reply = require "azpec.emulator.reply"
local retryafter = require "azpec.emulator.retryafter"
local sleep = require "cqueues".sleep
local text = require "azpec.emulator.text"

local spoil = {}

local usual_codes = {
  [400] = "BadRequest", [401] = "AuthenticationFailed", [403] = "AuthorizationFailed", [404] = "ResourceNotFound",
  [408] = "RequestTimeout", [409] = "Conflict", [412] = "PreconditionFailed", [429] = "SubscriptionRequestsThrottled",
  [500] = "InternalServerError", [502] = "BadGateway", [503] = "ServerTimeout", [504] = "GatewayTimeout",
}

local html = [[<!DOCTYPE html>
<html><head><title>%d Bad Gateway</title></head>
<body><h1>%d Bad Gateway</h1><p>The proxy could not reach the server.</p></body></html>
]]

local function html_reply(status)
  local answer = reply.new(status, html:format(status, status))
  reply.add(answer, "Content-Type", "text/html; charset=utf-8")
  return answer
end

local function error_reply(status, fault)
  fault = fault or {}
  fault.code = fault.code or usual_codes[status] or "EmulatorFault"
  fault.message = fault.message or "A fault of the emulator."
  return reply.json(status, { error = fault })
end

local function body_reply(status, body)
  if type(body) == "table" then return reply.json(status, body) end
  local answer = reply.new(status, tostring(body))
  if body ~= "" then reply.add(answer, "Content-Type", "application/json; charset=utf-8") end
  return answer
end

-- Returns the answer that an action gives in place of the genuine one, or nil.
local function substitute(action)
  if action.html then return html_reply(action.status or 502) end
  if action.body ~= nil then return body_reply(action.status or 200, action.body) end
  if action.error then return error_reply(action.status or 400, action.error) end
  if not action.status then return nil end
  return action.status >= 400 and error_reply(action.status) or reply.new(action.status)
end

-- "Claims challenge" of continuous access evaluation.
local function claims_of(action)
  if type(action.claims) == "table" then return json.encode(action.claims) end
  if type(action.claims) == "string" then return action.claims end
  return '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
end

local function claims_reply(emulator, request, action)
  local claims = claims_of(action)
  emulator.tokens:demand(claims)
  local answer = reply.error(401, "InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.")
  reply.add(answer, "WWW-Authenticate", emulator.challenge(request, claims))
  return answer
end

local function path_of(url)
  return url and (url:gsub("^%a[%w+.-]*://[^/]*", ""))
end

local function insertions(request, answer)
  local location = reply.get(answer, "Location") or reply.get(answer, "Azure-AsyncOperation")
  return { origin = request.origin, host = request.host, target = request.target, path = request.path,
    location = location, location_path = path_of(location) }
end

local function fill_in(template, names)
  return (template:gsub("{(%l[%l_]*)}", names))
end

local function put_headers(answer, headers, names, replace)
  for name, values in pairs(headers) do
    if replace then reply.remove(answer, name) end
    for _, value in ipairs(values) do reply.add(answer, name, fill_in(value, names)) end
  end
end

local function at_host(url, change)
  return (url:gsub("^(%a+://)([^/:]*)(:?%d*)", change))
end

-- The targets of a changed polling URL.
local places = {
  foreign = function (url) return at_host(url, "https://evil.example") end,
  http = function (url) return at_host(url, "http://%2%3") end,
  https = function (url) return at_host(url, "https://%2%3") end,
  userinfo = function (url) return at_host(url, "%1user:word@%2%3") end,
  port = function (url) return at_host(url, "%1%2:9") end,
  subdomain = function (url) return at_host(url, "%1%2.evil.example%3") end,
  relative = path_of,
}

local pointing = { ["location"] = true, ["azure-asyncoperation"] = true, ["operation-location"] = true }

local function move(answer, place, names)
  local found
  for _, header in ipairs(answer.headers) do
    if pointing[header[1]:lower()] then
      found = true
      header[2] = places[place] and places[place](header[2]) or fill_in(place, names)
    end
  end
  if not found and not places[place] then reply.add(answer, "Location", fill_in(place, names)) end
end

local retry_headers = { "Retry-After", "retry-after-ms", "x-ms-retry-after-ms" }

local function change_retry_after(answer, wish, now)
  for _, name in ipairs(retry_headers) do reply.remove(answer, name) end
  retryafter.add(answer.headers, wish, now)
end

local function set_at(value, path, item)
  local first, rest = path:match "^([^.]+)%.(.+)$"
  if not first then
    value[path] = item
  elseif type(value[first]) == "table" then
    set_at(value[first], rest, item)
  end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = setmetatable({}, getmetatable(value))
  for name, item in pairs(value) do result[name] = copy(item) end
  return result
end

-- Sets members of a JSON body by their dotted paths.
local function change_body(answer, members, names)
  local body = copy(answer.value)
  if not body then return end
  for path, item in pairs(members) do
    set_at(body, path, type(item) == "string" and fill_in(item, names) or item)
  end
  answer.body = json.encode(body)
end

local function change(answer, action, request, now)
  local names = insertions(request, answer)
  if action.location then move(answer, action.location, names) end
  if action.retry_after then change_retry_after(answer, action.retry_after, now) end
  for _, name in ipairs(action.remove_headers or {}) do reply.remove(answer, name) end
  if action.headers then put_headers(answer, action.headers, names, true) end
  if action.add_headers then put_headers(answer, action.add_headers, names, false) end
  if action.set_body then change_body(answer, action.set_body, names) end
  if type(action.body) == "string" then answer.body = fill_in(answer.body, names) end
  if action.bom then answer.body = "\xef\xbb\xbf" .. answer.body end
  if action.gzip then
    answer.body = text.gzip(answer.body)
    reply.add(answer, "Content-Encoding", "gzip")
  end
end

local silent = { "close", "reset", "stall", "garbage", "raw" }

local function is_silent(action)
  for _, name in ipairs(silent) do
    if action[name] then return true end
  end
  return false
end

local function before(emulator, request, action)
  if action.delay then sleep(action.delay) end
  if action.hold then emulator.hold() end
  if action.advance then emulator.clock:advance(action.advance) end
  if action.expire_token then
    local token = emulator.tokens:find(request.headers.authorization)
    if token then token.expires = emulator.clock:now() end
  end
end

local function answer_of(emulator, request, action, handle)
  if action.perform or action.lose then
    local genuine = handle()
    local instead = action.perform and substitute(action)
    return instead and emulator.finish(request, instead) or genuine
  end
  local instead = action.claims and claims_reply(emulator, request, action) or substitute(action)
  if not instead and is_silent(action) then instead = reply.new(0) end
  return instead and emulator.finish(request, instead) or handle()
end

-- Answers a request under a fault; `handle` carries the request out and returns the genuine answer.
function spoil.answer(emulator, request, rule, handle)
  local action = rule.action
  before(emulator, request, action)
  local answer = answer_of(emulator, request, action, handle)
  change(answer, action, request, emulator.clock:now())
  if action.delay_answer then sleep(action.delay_answer) end
  answer.wire = action
  return answer
end

return spoil
