-- Moves URLs between the service's origins and a server's own, so that a client that follows a link stays with that
-- server.

local text = require "azpec.emulator.text"

local origins = {}

-- Replaces an origin at the beginning of a URL; not that of a host whose name only begins with it.
local function replace(bytes, from, to)
  return (bytes:gsub(text.pattern_of(from) .. "%f[^%w.:-]", to))
end

-- Returns the body of a request as the service is to get it: a request for a policy token names the URL of a write.
function origins.globalize(request, facts)
  return replace(request.body, request.origin, facts.endpoint)
end

-- Returns a copy of an answer for the client. facts: endpoint, authority_host; origin: the server's own.
function origins.localize(answer, facts, origin)
  local function change(bytes)
    return replace(replace(bytes, facts.endpoint, origin), facts.authority_host, origin)
  end
  local headers = {}
  for n, header in ipairs(answer.headers) do headers[n] = { header[1], change(header[2]) } end
  return { status = answer.status, headers = headers, body = change(answer.body), wire = answer.wire }
end

return origins
