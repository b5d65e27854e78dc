-- azpec.base64 -- bytes as base64, and back (RFC 4648 section 4).

local base64 = {}

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Encodes bytes.
function base64.encode(bytes)
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

-- Decodes a text; padding may be absent. Returns nil if the text is not base64.
function base64.decode(encoded)
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

return base64
