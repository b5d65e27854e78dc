-- Sends an answer, complete or damaged as a fault demands. Returns whether the connection can be used again.

local date = require "azpec.date"
local rand = require "openssl.rand"
local sleep = require "cqueues".sleep

local wire = {}

local write_seconds, longest_stall = 30, 600

local reasons = {
  [100] = "Continue", [103] = "Early Hints", [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [301] = "Moved Permanently", [302] = "Found", [304] = "Not Modified", [307] = "Temporary Redirect",
  [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
  [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone", [412] = "Precondition Failed",
  [413] = "Content Too Large", [414] = "URI Too Long", [415] = "Unsupported Media Type", [417] = "Expectation Failed",
  [429] = "Too Many Requests", [431] = "Request Header Fields Too Large", [500] = "Internal Server Error",
  [501] = "Not Implemented", [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
  [505] = "HTTP Version Not Supported",
}

local function status_line(status, version)
  return ("HTTP/%s %d %s"):format(version or "1.1", status, reasons[status] or "Status")
end

local function chunk(body)
  local parts = {}
  for at = 1, #body, 1000 do
    local piece = body:sub(at, at + 999)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return table.concat(parts) .. "0\r\n\r\n"
end

local function interim_answers(list)
  local lines = {}
  for _, interim in ipairs(list or {}) do
    lines[#lines + 1] = status_line(interim.status) .. "\r\n"
    for name, values in pairs(interim.headers or {}) do
      for _, value in ipairs(values) do lines[#lines + 1] = name .. ": " .. value .. "\r\n" end
    end
    lines[#lines + 1] = "\r\n"
  end
  return table.concat(lines)
end

local function has(answer, name)
  for _, header in ipairs(answer.headers) do
    if header[1]:lower() == name then return true end
  end
  return false
end

local function has_no_body(status)
  return status == 204 or status == 304 or status < 200
end

-- Returns the bytes of head and body. `fashion` has close, head_only (an answer to HEAD), http_10, now.
function wire.bytes(answer, fashion)
  local spoilt = answer.wire or {}
  local body = has_no_body(answer.status) and "" or answer.body
  local lines = { status_line(answer.status, spoilt.http_version) }
  for _, header in ipairs(answer.headers) do lines[#lines + 1] = header[1] .. ": " .. header[2] end
  local function add(name, value)
    if not has(answer, name:lower()) then lines[#lines + 1] = name .. ": " .. value end
  end
  add("Date", date.http(fashion.now))
  add("Server", "Microsoft-HTTPAPI/2.0")
  if spoilt.chunked then
    add("Transfer-Encoding", "chunked")
  elseif not has_no_body(answer.status) then
    add("Content-Length", #body)
  end
  if fashion.close then add("Connection", "close") elseif fashion.http_10 then add("Connection", "keep-alive") end
  local head = interim_answers(spoilt.interim) .. table.concat(lines, "\r\n") .. "\r\n\r\n"
  if fashion.head_only then return head, "" end
  return head, spoilt.chunked and chunk(body) or body
end

local function write(sock, bytes)
  return sock:xwrite(bytes, "bn", write_seconds)
end

-- Reads without an answer until the peer closes or the time is over.
local function stall(sock, seconds)
  local deadline = os.time() + seconds
  repeat
    local left = deadline - os.time()
    local data = left > 0 and sock:xread(-4096, left)
  until not data
end

-- Makes the kernel reset the connection when it is closed. LuaSocket can set this option, cqueues cannot.
local function prepare_reset(sock)
  local borrowed = require "socket.core".tcp()
  borrowed:setfd(sock:pollfd())
  borrowed:setoption("linger", { on = true, timeout = 0 })
  borrowed:setfd(-1)
end

local function dribble(sock, bytes, way)
  local step = math.max(way.bytes or 1, 1)
  for at = 1, #bytes, step do
    if not write(sock, bytes:sub(at, at + step - 1)) then return false end
    sleep(way.seconds or 0.01)
  end
  return true
end

local function flip(bytes, at)
  if at < 1 or at > #bytes then return bytes end
  return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1)
end

-- Returns the bytes of a damaged answer, and the action after them: "close", "reset", "stall" or nil.
local function maim(head, body, spoilt)
  local bytes = head .. body
  if spoilt.flip_at then bytes = flip(bytes, spoilt.flip_at) end
  if spoilt.cut then return bytes:sub(1, #head + spoilt.cut), "close" end
  if spoilt.cut_at then return bytes:sub(1, spoilt.cut_at), "close" end
  if spoilt.reset_at then return bytes:sub(1, spoilt.reset_at), "reset" end
  if spoilt.stall_at then return bytes:sub(1, spoilt.stall_at), "stall" end
  if spoilt.raw then return spoilt.raw, "close" end
  if spoilt.garbage then return spoilt.garbage > 0 and rand.bytes(spoilt.garbage) or "", "close" end
  if spoilt.reset then return "", "reset" end
  if spoilt.stall then return "", "stall" end
  if spoilt.close or spoilt.lose then return "", "close" end
  return bytes, spoilt.close_after and "close"
end

local endings = {
  close = function () end,
  reset = function (sock) prepare_reset(sock) end,
  stall = function (sock, spoilt)
    stall(sock, type(spoilt.stall) == "number" and spoilt.stall or longest_stall)
  end,
}

-- Sends the answer. Returns true if the connection can be kept, "reset" if it must be reset.
function wire.send(sock, answer, fashion)
  local head, body = wire.bytes(answer, fashion)
  local spoilt = answer.wire
  if not spoilt then return write(sock, head .. body) ~= nil and not fashion.close end
  local bytes, ending = maim(head, body, spoilt)
  local send = spoilt.dribble and dribble or write
  local sent = bytes == "" or send(sock, bytes, spoilt.dribble)
  if not ending then return sent and not fashion.close end
  endings[ending](sock, spoilt)
  return ending == "reset" and "reset"
end

return wire
