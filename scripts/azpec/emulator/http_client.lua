-- One HTTP request to an emulator on loopback, over a connection of its own.

local socket = require "cqueues.socket"

local http_client = {}

local connect_seconds, answer_seconds = 10, 60

-- Returns the status, the body and the head of the answer to a request for `target`; nil without an answer. headers:
-- the text of more header fields, each with its CRLF.
function http_client.request(endpoint, method, target, body, headers)
  local host, port = endpoint:match "^http://%[?([^%]/]-)%]?:(%d+)"
  local sock = socket.connect { host = host, port = tonumber(port) }
  sock:onerror(function (_, _, why) return why end)
  if not sock:connect(connect_seconds) then return nil end
  body = body or ""
  sock:xwrite(("%s %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s"):format(method,
    target, host, port, #body, headers or "", body), "bn", connect_seconds)
  local answer = sock:xread("*a", "b", answer_seconds) or ""
  sock:close()
  local status, rest = answer:match "^HTTP/1%.%d (%d+)(.*)$"
  if not status then return nil end
  local first, last = rest:find("\r\n\r\n", 1, true)
  return tonumber(status), first and rest:sub(last + 1), first and rest:sub(1, first)
end

return http_client
