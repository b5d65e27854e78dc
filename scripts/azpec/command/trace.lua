-- -vv: each request, answer and wait as a line on stderr.

local text = require "azpec.text"

local lines = {}

function lines.request(event)
  return ("> %s %s"):format(event.method, event.url)
end

function lines.response(event)
  return ("< %s %s"):format(event.status or event.error, event.request_id or "")
end

function lines.token(event)
  return event.url and not event.status and not event.error and ("> sign-in %s"):format(event.url)
    or ("< sign-in %s"):format(event.status or event.error)
end

function lines.poll(event)
  return ("  %s; next look in %.1f s"):format(event.status or "running", event.wait)
end

function lines.retry(event)
  return ("  %s; next try in %.1f s"):format(event.reason, event.wait)
end

return function (context)
  return function (event)
    local line = lines[event.event]
    if line then context:prompt(text.clean(line(event))) end
  end
end
