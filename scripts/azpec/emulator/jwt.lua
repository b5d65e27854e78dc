-- Signed assertions: parses a JSON Web Token (RFC 7515) and verifies it with a certificate: RS256, PS256 (RFC 7518).

local base64 = require "azpec.base64"
local bignum = require "openssl.bignum"
local digest = require "openssl.digest"
local json = require "azpec.json"
local pkey = require "openssl.pkey"
local x509 = require "openssl.x509"

local jwt = {}

local function hash(algorithm, bytes)
  return digest.new(algorithm):final(bytes)
end

-- Decodes base64url without padding; nil for any other character.
function jwt.decode(encoded)
  if encoded:find "[^%w_-]" then return nil end
  return base64.decode((encoded:gsub("-", "+"):gsub("_", "/")))
end

function jwt.encode(bytes)
  return (base64.encode(bytes):gsub("+", "-"):gsub("/", "_"):gsub("=", ""))
end

local function object(encoded)
  local bytes = jwt.decode(encoded)
  local value = bytes and json.decode(bytes)
  return type(value) == "table" and value or nil
end

-- Returns {header, claims, signed, signature}, or nil if the text is not a token.
function jwt.read(token)
  local head, body, last = token:match "^([^.]+)%.([^.]+)%.([^.]+)$"
  if not head then return nil end
  local header, claims, signature = object(head), object(body), jwt.decode(last)
  if not (header and claims and signature) then return nil end
  return { header = header, claims = claims, signed = head .. "." .. body, signature = signature }
end

-- Reads a certificate from PEM. Returns the object and its thumbprints, in base64url.
function jwt.certificate(pem)
  local cert = x509.new(pem)
  local der = cert:tostring "DER"
  return { key = cert:getPublicKey(), sha256 = jwt.encode(hash("sha256", der)), sha1 = jwt.encode(hash("sha1", der)),
    der = base64.encode(der) }
end

-- RFC 8017, B.2.1.
local function mask_of(seed, count)
  local parts = {}
  for n = 0, (count - 1) // 32 do parts[#parts + 1] = hash("sha256", seed .. string.pack(">I4", n)) end
  return table.concat(parts):sub(1, count)
end

local function exclusive_or(a, b)
  local bytes = {}
  for n = 1, #a do bytes[n] = string.char(a:byte(n) ~ b:byte(n)) end
  return table.concat(bytes)
end

-- RFC 8017, 9.1.2, with SHA-256 and a salt of 32 bytes, for keys whose size is a multiple of eight bits.
local function fits_pss(block, digested)
  local size = #block - 33
  if block:byte(-1) ~= 0xbc or block:byte(1) > 0x7f then return false end
  local masked, inner = block:sub(1, size), block:sub(size + 1, -2)
  local padded = exclusive_or(masked, mask_of(inner, size))
  padded = string.char(padded:byte(1) & 0x7f) .. padded:sub(2)
  local zeros = size - 33
  if padded:sub(1, zeros + 1) ~= ("\0"):rep(zeros) .. "\1" then return false end
  return hash("sha256", ("\0"):rep(8) .. digested .. padded:sub(-32)) == inner
end

local verify = {}

function verify.RS256(token, key)
  return key:verify(token.signature, digest.new "sha256":update(token.signed))
end

function verify.PS256(token, key)
  local size = #key:getParameters().n:toBinary()
  if #token.signature ~= size or bignum.fromBinary(token.signature) >= key:getParameters().n then return false end
  local block = key:encrypt(token.signature, { rsaPadding = pkey.RSA_NO_PADDING })
  return fits_pss(block, hash("sha256", token.signed))
end

-- Returns whether the certificate's key has signed the token, by a supported algorithm.
function jwt.verify(token, certificate)
  local check = verify[token.header.alg]
  return check ~= nil and check(token, certificate.key)
end

return jwt
