-- The token endpoint of Microsoft Entra ID: client credentials with a secret or an assertion, device codes, refresh
-- tokens ("OAuth 2.0 client credentials flow on the Microsoft identity platform" and its sibling pages).

local assertion = require "azpec.emulator.assertion"
local base64 = require "azpec.base64"
local device = require "azpec.emulator.device"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local openid = require "azpec.emulator.openid"
local reply = require "azpec.emulator.reply"
local resources = require "azpec.emulator.resources"
local text = require "azpec.emulator.text"

local entra = {}

-- A refusal: HTTP status, OAuth error, AADSTS number, text.
local function refuse(status, word, number, format, ...)
  error({ status = status, word = word, number = number, message = format:format(...) }, 0)
end

local shared_tenants = { common = true, organizations = true, consumers = true }

local function check_tenant(world, tenant)
  local given = tenant:lower()
  if given == world.tenant_id:lower() or world.tenant_domain and given == world.tenant_domain:lower() then return end
  if shared_tenants[given] then
    refuse(400, "invalid_request", 9001023, "The grant type is not supported over the /common or /consumers "
      .. "endpoints. Please use the /organizations or tenant-specific endpoint.")
  elseif not (ids.is_guid(given) or given:find "^[%w-]+%.[%w.-]+$") then
    refuse(400, "invalid_request", 900023, "Specified tenant identifier '%s' is neither a valid DNS name, "
      .. "nor a valid external domain.", tenant)
  end
  refuse(400, "invalid_request", 90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID "
    .. "and are signing into the correct cloud.", tenant)
end

local function is_form(request)
  local media = (request.headers["content-type"] or ""):lower():match "^%s*([^;%s]*)"
  return media == "application/x-www-form-urlencoded"
end

local function read_form(request)
  local form, repeated
  if is_form(request) then form, repeated = text.parse_form(request.body) else form, repeated = {}, {} end
  local twice = next(repeated)
  if twice then refuse(400, "invalid_request", 90100, "The parameter '%s' is given more than once.", twice) end
  return form
end

-- RFC 6749 section 2.3.1: an Authorization header may hold identifier and secret, each form-encoded.
local function add_basic(request, form)
  local encoded = (request.headers.authorization or ""):match "^[Bb]asic +(%S+)$"
  local pair = encoded and base64.decode(encoded)
  local id, secret = (pair or ""):match "^([^:]*):(.*)$"
  if not id then return end
  form.client_id = form.client_id or text.form_decode(id)
  form.client_secret = form.client_secret or text.form_decode(secret)
end

local function require_fields(form, ...)
  for _, name in ipairs { ... } do
    if not form[name] or form[name] == "" then
      refuse(400, "invalid_request", 900144, "The request body must contain the following parameter: '%s'.", name)
    end
  end
end

local function check_client(world, request, form)
  if form.client_id:lower() ~= world.client_id:lower() then
    refuse(400, "unauthorized_client", 700016,
      "Application with identifier '%s' was not found in the directory '%s'.", form.client_id, world.tenant_id)
  elseif form.client_assertion then
    assertion.check(world, request, form, request.token_note)
  elseif not form.client_secret then
    refuse(401, "invalid_client", 7000218, "The request body must contain the following parameter: "
      .. "'client_assertion' or 'client_secret'.")
  elseif form.client_secret ~= world.client_secret then
    refuse(401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the "
      .. "request is the client secret value, not the client secret ID, for a secret added to app '%s'.",
      world.client_id)
  end
end

local function bad_scope(scope)
  refuse(400, "invalid_scope", 70011, "The provided request must include a 'scope' input parameter. The provided "
    .. "value for the input parameter 'scope' is not valid. The scope %s is not valid.", scope)
end

local function audience_of(form, origin)
  local found
  for scope in form.scope:gsub("%f[%S]offline_access%f[%s\0]", ""):gmatch "%S+" do
    local identifier = scope:match "^(.*)/%.default$"
    if not identifier then bad_scope(scope) end
    if found then refuse(400, "invalid_request", 700022, "A request can name the scopes of one resource only.") end
    found = identifier
  end
  if not found then bad_scope(form.scope) end
  local audience = resources.find(found) or found:gsub("/+$", ""):lower() == origin:lower() and "arm"
  if not audience then
    refuse(400, "invalid_resource", 500011, "The resource principal named %s was not found in the tenant.", found)
  end
  return audience
end

local function check_claims(form)
  if not form.claims then return nil end
  local claims = json.decode(form.claims)
  if type(claims) ~= "table" then
    refuse(400, "invalid_request", 50157, "The claims parameter is not a JSON object.")
  end
  return claims
end

local grants = {}

function grants.client_credentials(world, request, form)
  require_fields(form, "client_id", "scope")
  check_client(world, request, form)
  return { principal = world.client_id, audience = audience_of(form, request.origin), claims = check_claims(form) }
end

-- Answers with the token of the person that the device code or the refresh token belongs to.
local function user_token(world, request, form)
  return { principal = "person", audience = audience_of(form, request.origin), claims = check_claims(form) },
    device.refresh_token(world, form.scope, form.client_id)
end

function grants.device_code(world, request, form)
  require_fields(form, "client_id", "device_code")
  form.scope = device.poll(world, form)
  return user_token(world, request, form)
end

grants["urn:ietf:params:oauth:grant-type:device_code"] = grants.device_code

function grants.refresh_token(world, request, form)
  require_fields(form, "client_id", "refresh_token", "scope")
  device.redeem(world, form)
  return user_token(world, request, form)
end

local known_fields = { "claims", "client_assertion", "client_assertion_type", "client_id", "client_secret",
  "device_code", "grant_type", "refresh_token", "scope" }

-- Returns the loggable part of a token request. An unencoded secret may be split into unexpected fields and values, so
-- only known names and forms are logged.
local function note(request, form)
  local fields, unknown = json.list(), 0
  for _ in pairs(form) do unknown = unknown + 1 end
  for _, name in ipairs(known_fields) do
    if form[name] then fields[#fields + 1] = name end
  end
  request.token_note = {
    fields = fields, unknown_fields = unknown - #fields, claims = form.claims and true or nil,
    grant_type = form.grant_type and form.grant_type:match "^[%l_:-]+$",
    scope = form.scope and form.scope:match "^https?://[%w.:/_ -]+$",
  }
end

local function check_person_tenant(world, tenant)
  if tenant == "organizations" or tenant == "common" then return end
  check_tenant(world, tenant)
end

local function grant(world, request, route)
  if openid.has(route.kind) then
    check_person_tenant(world, route.names.tenant)
    return openid.answer(world, request, route)
  end
  if request.method ~= "POST" then
    refuse(400, "invalid_request", 900561, "The endpoint only accepts POST requests. Received a %s request.",
      request.method)
  end
  local form = read_form(request)
  note(request, form)
  add_basic(request, form)
  if route.kind == "devicecode" then
    check_person_tenant(world, route.names.tenant)
    require_fields(form, "client_id", "scope")
    audience_of(form, request.origin)
    return device.begin(world, request, form)
  end
  require_fields(form, "grant_type")
  local granted = grants[form.grant_type]
  if not granted then
    refuse(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", form.grant_type)
  end
  local check = form.grant_type == "client_credentials" and check_tenant or check_person_tenant
  check(world, route.names.tenant)
  return granted(world, request, form)
end

local function refusal(world, request, fault)
  local time = os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(world.clock:now()))
  local trace, correlation = ids.guid(), request.headers["client-request-id"] or ids.guid()
  return reply.json(fault.status, {
    error = fault.word,
    error_description = ("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s"):format(
      fault.number, fault.message, trace, correlation, time),
    error_codes = { fault.number },
    timestamp = time,
    trace_id = trace,
    correlation_id = correlation,
    error_uri = ("%s/error?code=%d"):format(request.origin, fault.number),
  })
end

local function grant_answer(world, tokens, token, refresh_token)
  if token.status then return token end
  local settings = world.options
  token.lifetime = settings.token_lifetime
  local seconds = math.floor(settings.token_lifetime)
  local shown = settings.expires_in_form == "string" and tostring(seconds) or seconds
  return reply.json(200, {
    token_type = "Bearer",
    expires_in = shown,
    ext_expires_in = shown,
    refresh_in = settings.refresh_in > 0 and settings.refresh_in or nil,
    access_token = tokens:issue(token),
    refresh_token = refresh_token,
  })
end

-- Answers a request to /{tenant}/oauth2/v2.0/token or /devicecode, or for a document of azpec.emulator.openid.
function entra.answer(world, tokens, request, route)
  local ok, result, refresh_token = pcall(grant, world, request, route)
  if not ok and type(result) ~= "table" then error(result, 0) end
  local answer = ok and grant_answer(world, tokens, result, refresh_token) or refusal(world, request, result)
  if not openid.has(route.kind) then
    reply.add(answer, "Cache-Control", "no-store, no-cache")
    reply.add(answer, "Pragma", "no-cache")
  end
  reply.add(answer, "x-ms-request-id", ids.guid())
  if request.headers["client-request-id"] then
    reply.add(answer, "client-request-id", request.headers["client-request-id"])
  end
  return answer
end

return entra
