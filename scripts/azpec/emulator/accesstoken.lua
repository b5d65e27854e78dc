-- Access tokens in the form of Microsoft Entra ID ("Access token claims reference"): JSON Web Tokens with their subject
-- and audience. The signature is random and easy to find in a text, until a client asks for the keys that verify it.

local digest = require "openssl.digest"
local ids = require "azpec.emulator.ids"
local json = require "azpec.json"
local jwt = require "azpec.emulator.jwt"
local openid = require "azpec.emulator.openid"

local accesstoken = {}

local audiences = {
  arm = "https://management.azure.com/", vault = "https://vault.azure.net", graph = "https://graph.microsoft.com",
  batch = "https://batch.core.windows.net/",
}

-- The client id of Azure's command-line tools.
local tools = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

local person = { appid = tools, name = "Emi Sato (佐藤 恵美)", upn = "emi.sato@contoso.com",
  unique_name = "emi.sato@contoso.com", idtyp = "user", scp = "user_impersonation" }

-- Returns an object id that is the same at each start.
local function object_id(world, principal)
  local hex = digest.new("sha256"):final(world.tenant_id .. principal):gsub(".", function (char)
    return ("%02x"):format(char:byte())
  end)
  return ("%s-%s-4%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16), hex:sub(18, 20), hex:sub(21, 32))
end

local function machine_of(world)
  return ("/subscriptions/%s/resourcegroups/rg-emulator/providers/Microsoft.Compute/virtualMachines/vm-emulator")
    :format(world.subscription_id)
end

local function identity_of(world, principal)
  for _, user in ipairs(world.user_identities) do
    if user.client_id == principal then return user end
  end
end

local function add_bearer(world, principal, claims)
  local user = identity_of(world, principal)
  if principal == "person" then
    for name, value in pairs(person) do claims[name] = value end
    return
  end
  claims.idtyp = "app"
  claims.appid = principal == "system" and object_id(world, "system's application") or principal
  if principal == "system" then claims.xms_mirid = machine_of(world) end
  if user then claims.xms_mirid = user.resource_id end
end

-- Returns a new token {principal, audience, expires} as text.
function accesstoken.write(world, token, now)
  local issuer = ("https://sts.windows.net/%s/"):format(world.tenant_id)
  local user = identity_of(world, token.principal)
  local begun = math.floor(now)
  local claims = {
    aud = audiences[token.audience], iss = issuer, idp = issuer, tid = world.tenant_id, ver = "1.0",
    oid = user and user.object_id or object_id(world, token.principal),
    iat = begun, nbf = begun, exp = math.ceil(token.expires), uti = ids.guid(),
  }
  claims.sub = claims.oid
  add_bearer(world, token.principal, claims)
  local signed = ("%s.%s"):format(jwt.encode(json.encode(openid.header)), jwt.encode(json.encode(claims)))
  return ("%s.%s"):format(signed, openid.signature(world, signed) or ids.signature())
end

return accesstoken
