-- azpec.sha256 -- the digest of a text (FIPS 180-4), in hexadecimal; and with a key (HMAC, RFC 2104). By OpenSSL.

local digest = require "openssl.digest"
local hmac = require "openssl.hmac"

local sha256 = {}

local function hex(raw)
  return (raw:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- The digest of a text: 64 digits.
function sha256.hex(text)
  return hex(digest.new("sha256"):final(text))
end

-- The digest that only who has the key can make.
function sha256.hmac(key, text)
  return hex(hmac.new(key, "sha256"):final(text))
end

return sha256
