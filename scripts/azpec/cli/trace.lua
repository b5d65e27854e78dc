-- -vv: prints each request, response and wait as a line on stderr, with the seconds since the start of the command, the
-- request ids and the trace id.

local monotime = require "cqueues".monotime

local text = require "azpec.text"

local lines = {}

local function span_of(event)
  return event.span_id and (" span %s"):format(event.span_id) or ""
end

local function id_of(event)
  return event.client_request_id and " " .. event.client_request_id or ""
end

function lines.request(event)
  return ("> %s %s%s%s"):format(event.method, event.url, id_of(event), span_of(event))
end

function lines.response(event)
  return ("< %s %s"):format(event.status or event.error, event.request_id or "")
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

function lines.poll(event)
  return ("  %s; next look in %.1f s"):format(event.status or "running", event.wait)
end

function lines.retry(event)
  return ("  %s; next try in %.1f s"):format(event.reason, event.wait)
end

return function (context)
  local begun = monotime()
  return function (event)
    local line = lines[event.event]
    if line then context:prompt(("%8.3f %s"):format(monotime() - begun, text.clean(line(event)))) end
  end
end
