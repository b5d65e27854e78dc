-- Percent-encoding (RFC 3986), forms (application/x-www-form-urlencoded), gzip, and replacing of plain texts.

local text = {}

local function byte_of(hex)
  return string.char(tonumber(hex, 16))
end

-- Decodes percent-encoding; nil if there is a stray percent sign.
function text.percent_decode(piece)
  if not piece:find("%", 1, true) then return piece end
  if piece:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  return (piece:gsub("%%(%x%x)", byte_of))
end

function text.percent_encode(piece)
  return (piece:gsub("[^%w%-._~]", function (char) return string.format("%%%02X", char:byte()) end))
end

-- Decodes a name or a value of a form. A stray percent sign is kept, as the services do.
function text.form_decode(piece)
  return (piece:gsub("+", " "):gsub("%%(%x%x)", byte_of))
end

local form_decode = text.form_decode

-- Parses a form or a query. Returns a table of the first values, and the set of repeated names.
function text.parse_form(form)
  local values, repeated = {}, {}
  for pair in form:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name, value = form_decode(name), form_decode(value)
    if values[name] then repeated[name] = true else values[name] = value end
  end
  return values, repeated
end

-- Returns a pattern that matches exactly these bytes.
function text.pattern_of(bytes)
  return (bytes:gsub("%p", "%%%0"))
end

-- Replaces all occurrences of one text in another.
function text.replace(bytes, from, to)
  return (bytes:gsub(text.pattern_of(from), (to:gsub("%%", "%%%%"))))
end

local function crc32(bytes)
  local crc = 0xffffffff
  for at = 1, #bytes do
    crc = crc ~ bytes:byte(at)
    for _ = 1, 8 do crc = crc >> 1 ~ (0xedb88320 & -(crc & 1)) end
  end
  return ~crc & 0xffffffff
end

-- Returns a gzip member (RFC 1952) that stores the bytes uncompressed.
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
