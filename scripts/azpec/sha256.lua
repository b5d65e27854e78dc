-- azpec.sha256 -- the digest of a text (FIPS 180-4), in hexadecimal; and with a key (HMAC, RFC 2104).

local sha256 = {}

-- The first 32 bits of the fractional parts of the roots of the first primes: cube roots for k, square roots for the
-- state (FIPS 180-4, sections 4.2.2 and 5.3.3).
local k, initial = {}, {}

local function fraction(root)
  return math.floor((root - math.floor(root)) * 2 ^ 32)
end

local prime = 2
while #k < 64 do
  local is_prime = true
  for divisor = 2, math.floor(math.sqrt(prime)) do is_prime = is_prime and prime % divisor ~= 0 end
  if is_prime then
    k[#k + 1] = fraction(prime ^ (1 / 3))
    if #initial < 8 then initial[#initial + 1] = fraction(prime ^ (1 / 2)) end
  end
  prime = prime + 1
end

local function rotate(x, n)
  return (x >> n | x << (32 - n)) & 0xffffffff
end

local block_format = ">" .. ("I4"):rep(16)

local function schedule(text, at)
  local w = { block_format:unpack(text, at) }
  for n = 17, 64 do
    local a, b = w[n - 15], w[n - 2]
    local s0 = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
    local s1 = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
    w[n] = (w[n - 16] + s0 + w[n - 7] + s1) & 0xffffffff
  end
  return w
end

local function compress(state, w)
  local a, b, c, d, e, f, g, h = table.unpack(state)
  for n = 1, 64 do
    local s1 = rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)
    local t1 = h + s1 + (e & f ~ ~e & g) + k[n] + w[n]
    local s0 = rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)
    local t2 = s0 + (a & b ~ a & c ~ b & c)
    a, b, c, d, e, f, g, h = (t1 + t2) & 0xffffffff, a, b, c, (d + t1) & 0xffffffff, e, f, g
  end
  for n, value in ipairs { a, b, c, d, e, f, g, h } do state[n] = (state[n] + value) & 0xffffffff end
end

local function bytes(text)
  local padded = text .. "\x80" .. ("\0"):rep((55 - #text) % 64) .. (">I8"):pack(#text * 8)
  local state = table.move(initial, 1, 8, 1, {})
  for at = 1, #padded, 64 do compress(state, schedule(padded, at)) end
  return (">I4I4I4I4I4I4I4I4"):pack(table.unpack(state))
end

local function hex(raw)
  return (raw:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- The digest of a text: 64 digits.
function sha256.hex(text)
  return hex(bytes(text))
end

local function masked(key, mask)
  return (key:gsub(".", function (c) return string.char(c:byte() ~ mask) end))
end

-- The digest that only who has the key can make.
function sha256.hmac(key, text)
  if #key > 64 then key = bytes(key) end
  key = key .. ("\0"):rep(64 - #key)
  return hex(bytes(masked(key, 0x5c) .. bytes(masked(key, 0x36) .. text)))
end

return sha256
