-- Creates unique values: request ids, operation ids, entity tags, tokens.

local rand = require "openssl.rand"

local ids = {}

function ids.guid()
  local a, b, c, d, e = string.unpack(">I4I2I2I2I6", rand.bytes(16))
  return string.format("%08x-%04x-%04x-%04x-%012x", a, b, c & 0x0fff | 0x4000, d & 0x3fff | 0x8000, e)
end

function ids.is_guid(text)
  return text:find("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$") ~= nil
end

local function random_hex(count)
  return (rand.bytes(count):gsub(".", function (char) return string.format("%02x", char:byte()) end))
end

-- Returns the ends of so many URLs that the service signs at once: the time and its certificate, which they share, and
-- a signature and a hash.
function ids.url_signatures(count)
  local signed, common = {}, ("&t=%d&c=%s"):format(os.time(), random_hex(1000))
  for n = 1, count do signed[n] = ("%s&s=%s&h=%s"):format(common, random_hex(171), random_hex(22)) end
  return table.unpack(signed)
end

-- Returns an opaque token.
function ids.token()
  return "emulator." .. random_hex(36)
end

-- Returns the text in the place of a JSON Web Token's signature.
function ids.signature()
  return "emulator-" .. random_hex(36)
end

-- Lua patterns that find tokens: opaque ones, and JSON Web Tokens by their ends and their beginnings.
ids.token_patterns = { "eyJ[%w_-]+%.[%w_-]+%.[%w_-]+", "emulator[.-]%x%x%x%x%x%x%x%x%x*", "eyJ[%w_-]+%.eyJ[%w_-]*" }

local ticks_at_1970 = 62135596800 * 10000000

-- Returns a function that creates unique entity tags in the service's form: ticks since the year 1 in hexadecimal.
function ids.tags()
  local last = 0
  return function (time)
    last = math.max(last + 1, ticks_at_1970 + math.floor(time * 10000000))
    return string.format('"0x%X"', last)
  end
end

return ids
