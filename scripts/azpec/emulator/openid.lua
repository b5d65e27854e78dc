-- The documents that need no token, in which a client finds Microsoft Entra ID's endpoints and keys: OpenID Connect
-- Discovery 1.0, the keys (RFC 7517), and the discovery of authorities as Microsoft's authentication libraries ask it.

local digest = require "openssl.digest"
local jwt = require "azpec.emulator.jwt"
local pkey = require "openssl.pkey"
local reply = require "azpec.emulator.reply"

local openid = {}

local key_id = "emulator"

-- Returns the key that signs access tokens from its first use on. It costs processor time, which a client that verifies
-- no token need not spend.
local function signing_key(world)
  world.signing_key = world.signing_key or pkey.new { type = "RSA", bits = 2048 }
  return world.signing_key
end

-- Returns the signature of a token's first two parts; nil as long as nobody asked for the keys.
function openid.signature(world, text)
  if not world.signing_key then return nil end
  return jwt.encode(world.signing_key:sign(digest.new "sha256":update(text)))
end

-- The header of each access token.
openid.header = { alg = "RS256", kid = key_id, typ = "JWT" }

local kinds = {}

function kinds.keys(world)
  local parameters = signing_key(world):getParameters()
  return { keys = { { kty = "RSA", use = "sig", kid = key_id, alg = "RS256", n = jwt.encode(parameters.n:toBinary()),
    e = jwt.encode(parameters.e:toBinary()) } } }
end

function kinds.openid_configuration(world, request, tenant)
  signing_key(world)
  local authority = ("%s/%s"):format(request.origin, tenant)
  return {
    issuer = ("https://sts.windows.net/%s/"):format(world.tenant_id),
    authorization_endpoint = authority .. "/oauth2/v2.0/authorize",
    token_endpoint = authority .. "/oauth2/v2.0/token",
    device_authorization_endpoint = authority .. "/oauth2/v2.0/devicecode",
    end_session_endpoint = authority .. "/oauth2/v2.0/logout",
    jwks_uri = authority .. "/discovery/v2.0/keys",
    response_modes_supported = { "query", "fragment", "form_post" },
    response_types_supported = { "code", "id_token", "code id_token", "id_token token" },
    subject_types_supported = { "pairwise" },
    id_token_signing_alg_values_supported = { "RS256" },
    token_endpoint_auth_methods_supported = { "client_secret_post", "private_key_jwt", "client_secret_basic" },
    scopes_supported = { "openid", "profile", "email", "offline_access" },
    claims_supported = { "sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver", "oid" },
    tenant_region_scope = "AS", cloud_instance_name = "microsoftonline.com",
  }
end

-- The authority that the client names is this emulator, or one of Microsoft's, which it answers for.
function kinds.instance(world, request)
  local named = (request.params.authorization_endpoint or ""):match "^https?://([^/]+)/"
  local host = request.origin:match "//(.*)$"
  local aliases = { host }
  if named and named ~= host then aliases[2] = named end
  return {
    tenant_discovery_endpoint = ("%s/%s/v2.0/.well-known/openid-configuration"):format(request.origin, world.tenant_id),
    ["api-version"] = request.params["api-version"],
    metadata = { { preferred_network = host, preferred_cache = host, aliases = aliases } },
  }
end

-- Returns whether a request of that kind asks for one of the documents.
function openid.has(kind)
  return kinds[kind] ~= nil
end

-- Answers a request for one of the documents; the tenant has been checked.
function openid.answer(world, request, route)
  local answer = reply.json(200, kinds[route.kind](world, request, route.names.tenant))
  reply.add(answer, "Cache-Control", "max-age=86400, private")
  reply.add(answer, "Access-Control-Allow-Origin", "*")
  return answer
end

return openid
