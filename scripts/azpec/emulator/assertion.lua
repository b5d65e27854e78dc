-- The assertions that replace a client's secret: a token that the client signed, or one of a federated issuer
-- ("Microsoft identity platform application authentication certificate credentials").

local date = require "azpec.date"
local jwt = require "azpec.emulator.jwt"

local assertion = {}

local skew, longest_life = 300, 86400

local function refuse(status, word, number, format, ...)
  error({ status = status, word = word, number = number, message = format:format(...) }, 0)
end

local function registered(world, header)
  for _, certificate in ipairs(world.certificates) do
    if header["x5t#S256"] == certificate.sha256 or header.x5t == certificate.sha1 then return certificate end
  end
  refuse(401, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not "
    .. "registered on application. [Reason - The key was not found.]")
end

local function check_chain(header, certificate)
  if not header.x5c then return end
  if type(header.x5c) == "table" and header.x5c[1] == certificate.der then return end
  refuse(401, "invalid_client", 700027, "The chain of the client assertion does not begin with its certificate.")
end

local function check_time(world, claims)
  local now = world.clock:now()
  local from, till = claims.nbf, claims.exp
  if math.type(from) and math.type(till) and from <= now + skew and till > now - skew and till > from
    and till - from <= longest_life then return end
  refuse(401, "invalid_client", 700024, "Client assertion is not within its valid time range. Current time: %s.",
    date.stamp(now))
end

local function check_once(world, claims)
  if type(claims.jti) ~= "string" or claims.jti == "" or world.seen_assertions[claims.jti] then
    refuse(401, "invalid_client", 50013, "Assertion failed: its identifier is missing or was seen before.")
  end
  world.seen_assertions[claims.jti] = true
end

local function federated(world, text)
  for number, token in ipairs(world.federated_tokens) do
    if token == text then return number end
  end
end

-- Checks the id token of a pipeline's job: its audience and its lifetime.
local function check_id_token(world, id_token)
  if id_token.audience ~= "api://AzureADTokenExchange" then
    refuse(400, "invalid_request", 700212, "No matching federated identity record found for presented assertion "
      .. "audience '%s'. Please check your federated identity credential Subject, Audience and Issuer against the "
      .. "presented assertion.", id_token.audience)
  elseif world.clock:now() >= id_token.expires then
    refuse(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")
  end
end

-- Raises an error if the form's assertion is wrong. Puts its loggable members into `note`.
function assertion.check(world, request, form, note)
  if form.client_assertion_type ~= "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" then
    refuse(400, "invalid_request", 900144, "The client_assertion_type is missing or unknown.")
  end
  note.federated = federated(world, form.client_assertion)
  if note.federated then return end
  local id_token = world.id_tokens[form.client_assertion]
  if id_token then
    note.issuer = id_token.kind
    return check_id_token(world, id_token)
  end
  local token = jwt.read(form.client_assertion)
  if not token then refuse(401, "invalid_client", 50027, "JWT token is invalid or malformed.") end
  local header, claims = token.header, token.claims
  local certificate = registered(world, header)
  note.algorithm, note.chain = header.alg, header.x5c and #header.x5c or nil
  note.thumbprint = header["x5t#S256"] and "x5t#S256" or "x5t"
  if header.typ ~= "JWT" or not jwt.verify(token, certificate) then
    refuse(401, "invalid_client", 700027, "Client assertion failed signature validation.")
  end
  check_chain(header, certificate)
  if claims.aud ~= request.origin .. request.path then
    refuse(401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
  elseif claims.iss ~= world.client_id or claims.sub ~= world.client_id then
    refuse(401, "invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id' "
      .. "parameter.")
  end
  check_time(world, claims)
  check_once(world, claims)
end

return assertion
