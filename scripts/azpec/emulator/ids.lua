-- What has to be unique: request ids, operation ids, entity tags, tokens.

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

-- An opaque token; it says nothing about its bearer.
function ids.token()
  return "emulator." .. random_hex(36)
end

-- What stands where a JSON Web Token has its signature.
function ids.signature()
  return "emulator-" .. random_hex(36)
end

-- What tokens look like, as Lua patterns: opaque ones, and JSON Web Tokens by their ends and their beginnings.
ids.token_patterns = { "eyJ[%w_-]+%.[%w_-]+%.[%w_-]+", "emulator[.-]%x%x%x%x%x%x%x%x%x*", "eyJ[%w_-]+%.eyJ[%w_-]*" }

local ticks_at_1970 = 62135596800 * 10000000

-- A maker of tags as the service's own: ticks since the year 1 in hexadecimal, never the same twice.
function ids.tags()
  local last = 0
  return function (time)
    last = math.max(last + 1, ticks_at_1970 + math.floor(time * 10000000))
    return string.format('"0x%X"', last)
  end
end

return ids
