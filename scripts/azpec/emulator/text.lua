-- Encodings of the web: percent-encoding (RFC 3986), forms (application/x-www-form-urlencoded), base64.

local text = {}

local function byte_of(hex)
  return string.char(tonumber(hex, 16))
end

-- A percent-encoded piece as bytes, or nil if it holds a stray percent sign.
function text.percent_decode(piece)
  if piece:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  return (piece:gsub("%%(%x%x)", byte_of))
end

function text.percent_encode(piece)
  return (piece:gsub("[^%w%-._~]", function (char) return string.format("%%%02X", char:byte()) end))
end

-- A name or a value of a form. A stray percent sign stands for itself, as the services have it.
function text.form_decode(piece)
  return (piece:gsub("+", " "):gsub("%%(%x%x)", byte_of))
end

local form_decode = text.form_decode

-- A form or a query as a table of its first values, and a set of the names given more than once.
function text.parse_form(form)
  local values, repeated = {}, {}
  for pair in form:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name, value = form_decode(name), form_decode(value)
    if values[name] then repeated[name] = true else values[name] = value end
  end
  return values, repeated
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

function text.base64_encode(bytes)
  local out = {}
  for at = 1, #bytes, 3 do
    local a, b, c = bytes:byte(at, at + 2)
    local word = a << 16 | (b or 0) << 8 | (c or 0)
    for shift = 18, 0, -6 do
      local index = (word >> shift & 63) + 1
      out[#out + 1] = alphabet:sub(index, index)
    end
  end
  local missing = -#bytes % 3
  for index = #out - missing + 1, #out do out[index] = "=" end
  return table.concat(out)
end

-- The bytes of a base64 text, or nil.
function text.base64_decode(encoded)
  local digits = encoded:match "^([%w+/]*)=?=?$"
  if not digits or #digits % 4 == 1 then return nil end
  local out, word, bits = {}, 0, 0
  for digit in digits:gmatch "." do
    word, bits = (word << 6 | alphabet:find(digit, 1, true) - 1) & 0xffff, bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(word >> bits & 255)
    end
  end
  return table.concat(out)
end

local function crc32(bytes)
  local crc = 0xffffffff
  for at = 1, #bytes do
    crc = crc ~ bytes:byte(at)
    for _ = 1, 8 do crc = crc >> 1 ~ (0xedb88320 & -(crc & 1)) end
  end
  return ~crc & 0xffffffff
end

-- A gzip member (RFC 1952) that stores the bytes as they are.
function text.gzip(bytes)
  local parts = { "\x1f\x8b\x08\0\0\0\0\0\0\xff" }
  for at = 1, math.max(#bytes, 1), 65535 do
    local block = bytes:sub(at, at + 65534)
    local last = at + 65535 > #bytes and 1 or 0
    parts[#parts + 1] = string.pack("<BI2I2", last, #block, ~#block & 0xffff) .. block
  end
  parts[#parts + 1] = string.pack("<I4I4", crc32(bytes), #bytes)
  return table.concat(parts)
end

return text
