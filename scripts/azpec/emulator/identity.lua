-- The endpoints that issue tokens of managed identities: the instance metadata service, App Service, Azure Arc, Azure
-- Machine Learning, Cloud Shell and Service Fabric, each with its own rules.

local date = require "azpec.date"
local file = require "azpec.file"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local reply = require "azpec.emulator.reply"
local resources = require "azpec.emulator.resources"
local text = require "azpec.emulator.text"

local identity = {}

local function refuse(status, word, format, ...)
  error({ status = status, word = word, message = format:format(...) }, 0)
end

-- By kind: the accepted api-versions, the header that authenticates the caller, and the parameters that name a
-- user-assigned identity.
local places = {
  imds = { versions = { ["2018-02-01"] = true, ["2019-08-01"] = true, ["2021-02-01"] = true }, metadata = true,
    names = { client_id = "client_id", object_id = "object_id", msi_res_id = "resource_id",
      mi_res_id = "resource_id" } },
  app_service = { versions = { ["2019-08-01"] = true }, header = "x-identity-header",
    names = { client_id = "client_id", principal_id = "object_id", object_id = "object_id",
      mi_res_id = "resource_id" } },
  arc = { versions = { ["2019-11-01"] = true, ["2020-06-01"] = true }, metadata = true, challenge = true,
    names = {} },
  azure_ml = { versions = { ["2017-09-01"] = true }, header = "secret", names = { clientid = "client_id" } },
  cloud_shell = { metadata = true, names = {} },
  service_fabric = { versions = { ["2019-07-01-preview"] = true }, header = "secret", tls = true, names = {} },
}

local function check_caller(world, place, request)
  local headers = request.headers
  if headers["x-forwarded-for"] then refuse(400, "invalid_request", "The request came through a proxy.") end
  if place.tls and not request.tls then refuse(400, "invalid_request", "Only https is served here.") end
  if place.metadata and headers.metadata ~= "true" then
    refuse(400, "invalid_request", "Required metadata header not specified")
  end
  if place.header and headers[place.header] ~= world.identity_header then
    refuse(401, "unauthorized", "The header that proves the caller is missing or wrong.")
  end
end

-- Azure Arc: a caller proves that it can read the file.
local function check_key(world, request)
  local path = world.arc_key_file
  local given = (request.headers.authorization or ""):match "^Basic (.+)$"
  local handle <close> = path and file.open_to_read(path)
  local key = handle and file.rest(handle, "secret")
  if given and key and given == (key:gsub("%s+$", "")) then return end
  error({ status = given and 403 or 401, word = "unauthorized", message = "The key file's content is asked for.",
    realm = world.arc_realm or path or "/var/opt/azcmagent/tokens/missing.key" }, 0)
end

local function parameters(request)
  if request.method ~= "POST" then return request.params end
  local form = text.parse_form(request.body)
  return form
end

-- Returns the requested identity. Raises an error if none has that id.
local function find(world, place, params)
  local wanted
  for name, member in pairs(place.names) do
    if params[name] and wanted then refuse(400, "invalid_request", "One identity only can be asked for.") end
    if params[name] then wanted = { member = member, value = params[name] } end
  end
  for name in pairs(params) do
    if name:find "id$" and not place.names[name] then
      refuse(400, "invalid_request", "The parameter is not known here.")
    end
  end
  if not wanted then
    if world.options.system_identity == "yes" then return "system" end
    refuse(400, "invalid_request", "Identity not found")
  end
  for _, user in ipairs(world.user_identities) do
    if user[wanted.member] and user[wanted.member]:lower() == wanted.value:lower() then return user.client_id end
  end
  refuse(400, "invalid_request", "Identity not found")
end

local function audience_of(params)
  if not params.resource then refuse(400, "invalid_request", "Required parameter 'resource' is missing") end
  local audience = resources.find(params.resource)
  if audience then return audience end
  refuse(400, "invalid_resource", "AADSTS500011: The resource principal was not found in the tenant.")
end

local forms = {
  both = function (life, ends) return tostring(life), tostring(ends) end,
  numbers = function (life, ends) return life, ends end,
  expires_in = function (life) return tostring(life) end,
  expires_on = function (_, ends) return nil, tostring(ends) end,
  rfc3339 = function (_, ends) return nil, date.stamp(ends) end,
  date = function (_, ends) return nil, os.date("!%Y-%m-%d %H:%M:%S", ends) end,
  us_date = function (_, ends) return nil, os.date("!%m/%d/%Y %H:%M:%S +00:00", ends) end,
  none = function () end,
}

local function grant(world, tokens, request, kind)
  local place = places[kind]
  check_caller(world, place, request)
  if place.versions and not place.versions[request.params["api-version"] or ""] then
    refuse(400, "invalid_request", "The api-version is missing or not supported.")
  end
  local params = parameters(request)
  local audience, who = audience_of(params), find(world, place, params)
  if place.challenge then check_key(world, request) end
  request.token_note = { identity = who, resource = params.resource:match "^https?://[%w.:/-]+$" }
  local life = math.floor(world.options.token_lifetime)
  local begun = math.floor(world.clock:now())
  local expires_in, expires_on = forms[world.options.identity_expiry](life, begun + life)
  return reply.json(200, {
    access_token = tokens:issue { principal = who, audience = audience, lifetime = world.options.token_lifetime },
    client_id = who ~= "system" and who or nil, refresh_token = kind == "imds" and "" or nil,
    expires_in = expires_in, expires_on = expires_on, not_before = tostring(begun - 300), resource = params.resource,
    token_type = "Bearer",
  })
end

-- Answers a request for a managed identity's token.
function identity.answer(world, tokens, request, route)
  local answer
  if route.kind == "method" then
    answer = reply.json(405, { error = "invalid_request", error_description = "This method is not known here." })
  else
    local ok, result = pcall(grant, world, tokens, request, route.kind)
    if not ok and type(result) ~= "table" then error(result, 0) end
    answer = ok and result
      or reply.json(result.status, { error = result.word, error_description = json.present(result.message) })
    if not ok and result.realm then reply.add(answer, "WWW-Authenticate", "Basic realm=" .. result.realm) end
  end
  reply.add(answer, "x-ms-request-id", ids.guid())
  return answer
end

return identity
