-- -vv: prints each request, response and wait as a line on stderr, with the seconds since the start of the command. A
-- request has its client request id and the span of the distributed trace. Its answer has the same client request id,
-- and the service's request id. A wait has the name of the connection.

local monotime = require "cqueues".monotime

local text = require "azpec.text"

local lines = {}

local function span_of(event)
  return event.span_id and (" span %s"):format(event.span_id) or ""
end

local function following(id)
  return id and " " .. id or ""
end

function lines.request(event)
  return ("> %s %s%s%s"):format(event.method, event.url, following(event.client_request_id), span_of(event))
end

function lines.response(event)
  return ("< %s%s%s"):format(event.status or event.error, following(event.client_request_id),
    following(event.request_id))
end

function lines.token(event)
  if event.url and not event.status and not event.error then
    return ("> sign-in %s%s"):format(event.url, span_of(event))
  end
  return ("< sign-in %s"):format(event.status or event.error)
end

local cache = { found = "the token is from the keyring", stored = "the token is in the keyring",
  removed = "a token in the keyring was of no use: removed" }

function lines.token_cache(event)
  return "  " .. (cache[event.outcome] or "the keyring is not used: " .. tostring(event.message))
end

function lines.policy_token(event)
  return ("  policy token %s%s"):format(event.policy_token_id or "without an id",
    event.change_reference and " for change " .. event.change_reference or "")
end

function lines.poll(event, name)
  return ("  %s%s; next poll in %.1f s"):format(name, event.status or "running", event.wait)
end

function lines.retry(event, name)
  return ("  %s%s; next attempt in %.1f s"):format(name, event.reason, event.wait)
end

return function (context)
  local begun = monotime()
  return function (event)
    local line = lines[event.event]
    if not line then return end
    context:prompt(("%8.3f %s"):format(monotime() - begun, text.clean(line(event, context:beginning_of(event)))))
  end
end
