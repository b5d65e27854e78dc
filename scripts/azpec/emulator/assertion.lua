-- What may stand in the place of a client's secret: a token that it signed itself, or one of a federated issuer
-- ("Microsoft identity platform application authentication certificate credentials").

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
    os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(now)))
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

-- Raises what is wrong with the form's assertion. What the log may say of it goes into `note`.
function assertion.check(world, request, form, note)
  if form.client_assertion_type ~= "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" then
    refuse(400, "invalid_request", 900144, "The client_assertion_type is missing or unknown.")
  end
  note.federated = federated(world, form.client_assertion)
  if note.federated then return end
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
