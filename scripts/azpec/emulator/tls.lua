-- The emulator's certificate authority, created at start. It issues the server certificate, for localhost and the
-- address that the emulator listens on.

local altname = require "openssl.x509.altname"
local bignum = require "openssl.bignum"
local context = require "openssl.ssl.context"
local digest = require "openssl.digest"
local extension = require "openssl.x509.extension"
local name = require "openssl.x509.name"
local pkey = require "openssl.pkey"
local rand = require "openssl.rand"
local x509 = require "openssl.x509"

local tls = {}

local day = 24 * 60 * 60

local function named(common_name)
  local dn = name.new()
  dn:add("O", "azpec emulator")
  dn:add("CN", common_name)
  return dn
end

local function certificate(subject, issuer, key)
  local cert, now = x509.new(), os.time()
  cert:setVersion(3)
  cert:setSerial(bignum.fromBinary("\1" .. rand.bytes(15)))
  cert:setSubject(subject)
  cert:setIssuer(issuer)
  cert:setLifetime(now - day, now + 30 * day)
  cert:setPublicKey(key)
  return cert
end

local function make_authority()
  local key = pkey.new { type = "EC", curve = "prime256v1" }
  local dn = named "azpec emulator CA"
  local cert = certificate(dn, dn, key)
  cert:setBasicConstraints { CA = true, pathLen = 0 }
  cert:setBasicConstraintsCritical(true)
  cert:addExtension(extension.new("keyUsage", "critical,keyCertSign,cRLSign"))
  cert:addExtension(extension.new("subjectKeyIdentifier", "hash", { subject = cert }))
  cert:sign(key, "sha256")
  return { key = key, cert = cert, dn = dn }
end

local function server_names(host)
  local names = altname.new()
  names:add("DNS", "localhost")
  names:add("IP", "127.0.0.1")
  names:add("IP", "::1")
  local is_address = host:find "^[%d.]+$" or host:find(":", 1, true)
  if host ~= "127.0.0.1" and host ~= "::1" then names:add(is_address and "IP" or "DNS", host) end
  return names
end

local function make_server(authority, host)
  local key = pkey.new { type = "EC", curve = "prime256v1" }
  local cert = certificate(named "localhost", authority.dn, key)
  cert:setBasicConstraints { CA = false }
  cert:setSubjectAlt(server_names(host))
  cert:addExtension(extension.new("keyUsage", "critical,digitalSignature"))
  cert:addExtension(extension.new("extendedKeyUsage", "serverAuth"))
  cert:addExtension(extension.new("authorityKeyIdentifier", "keyid:always", { issuer = authority.cert }))
  cert:sign(authority.key, "sha256")
  return key, cert
end

local function context_of(key, cert)
  local ctx = context.new("TLS", true)
  ctx:setOptions(context.OP_NO_SSLv3 | context.OP_NO_TLSv1 | context.OP_NO_TLSv1_1)
  ctx:setCertificate(cert)
  ctx:setPrivateKey(key)
  return ctx
end

local function thumbprint(cert)
  return (digest.new("sha1"):final(cert:tostring "DER"):gsub(".", function (char)
    return ("%02X"):format(char:byte())
  end))
end

-- Returns for a server at `host`: its TLS context, a second one with another certificate, the PEM text of the authority
-- to trust, and the thumbprint of the first certificate.
function tls.server(host)
  local authority = make_authority()
  local key, cert = make_server(authority, host)
  return { context = context_of(key, cert), other = context_of(make_server(authority, host)),
    authority = authority.cert:toPEM(), thumbprint = thumbprint(cert) }
end

return tls
