-- azpec.sha256 -- SHA-256 (FIPS 180-4) in hexadecimal digits or base64, and HMAC-SHA256 (RFC 2104), by OpenSSL.

local base64 = require "azpec.base64"
local digest = require "openssl.digest"
local hmac = require "openssl.hmac"

local sha256 = {}

local function hex(raw)
  return (raw:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- Returns the digest of a text: 64 digits.
function sha256.hex(text)
  return hex(digest.new("sha256"):final(text))
end

-- Returns the SHA-256 of a text in base64.
function sha256.base64(text)
  return base64.encode(digest.new("sha256"):final(text))
end

-- Returns the HMAC of a text with a key: 64 digits.
function sha256.hmac(key, text)
  return hex(hmac.new(key, "sha256"):final(text))
end

return sha256
