-- HTTP/1.1 on one connection (RFC 9112): reads requests within limits and deadlines, calls the handler, sends its
-- answer, and repeats while the connection is kept.

local monotime = require "cqueues".monotime
local text = require "azpec.emulator.text"
local wire = require "azpec.emulator.wire"

local http = {}

local limits = { target = 16384, head = 65536, body = 4 << 20, idle = 75, head_time = 10, body_time = 30, linger = 1 }

local connection = {}
connection.__index = connection

-- Bytes in --------------------------------------------------------------------------------------------------------

-- Reads more bytes. Returns false at the end, on a failure and at the deadline.
function connection:fill(deadline)
  local left = deadline - monotime()
  local data = left > 0 and self.sock:xread(-16384, left)
  if not data then return false end
  self.buffer = self.buffer .. data
  return true
end

function connection:take(count)
  local data = self.buffer:sub(1, count)
  self.buffer = self.buffer:sub(count + 1)
  return data
end

local function refuse(status, message)
  error({ status = status, message = message }, 0)
end

local gone = { gone = true }

local function need(ok)
  if not ok then error(gone, 0) end
end

-- Waits for a request's first byte, then for its whole head.
function connection:read_head()
  local deadline = monotime() + limits.idle
  repeat
    self.buffer = self.buffer:gsub("^[\r\n]+", "")
    if self.buffer == "" then need(self:fill(deadline)) end
  until self.buffer:find "[^\r\n]"
  self.buffer = self.buffer:gsub("^[\r\n]+", "")
  deadline = monotime() + limits.head_time
  while true do
    local first, last = self.buffer:find "\r?\n\r?\n"
    if first then
      if first > limits.head then refuse(431, "The head of the request is too long.") end
      return self:take(last):sub(1, first - 1)
    end
    if #self.buffer > limits.head then refuse(431, "The head of the request is too long.") end
    if not self:fill(deadline) then
      if monotime() < deadline then error(gone, 0) end
      refuse(408, "The request took too long.")
    end
  end
end

function connection:read_bytes(count, deadline)
  while #self.buffer < count do
    if not self:fill(deadline) then
      if monotime() < deadline then error(gone, 0) end
      refuse(408, "The request took too long.")
    end
  end
  return self:take(count)
end

function connection:read_line(deadline)
  while true do
    local first, last = self.buffer:find "\r?\n"
    if first then return self:take(last):sub(1, first - 1) end
    if #self.buffer > 4096 then refuse(400, "A line of the chunked body is too long.") end
    self:read_bytes(#self.buffer + 1, deadline)
  end
end

-- The head --------------------------------------------------------------------------------------------------------

local token = "[%w!#$%%&'*+.^_`|~-]+"

local function read_request_line(line)
  local method, target, major, minor = line:match("^(" .. token .. ") (%S+) HTTP/(%d)%.(%d)$")
  if not method then refuse(400, "The request line is malformed.") end
  if major ~= "1" then refuse(505, "HTTP/1.1 only.") end
  if #target > limits.target then refuse(414, "The request's URI is too long.") end
  if target:find "[%c\x7f]" then refuse(400, "The request's URI holds a control character.") end
  return method, target, tonumber(minor)
end

local only_once = { host = true, ["content-length"] = true, authorization = true, ["transfer-encoding"] = true }

local function read_headers(lines)
  local headers = {}
  for line in lines:gmatch "[^\n]+" do
    local name, value = line:gsub("\r$", ""):match("^(" .. token .. "):[ \t]*(.-)[ \t]*$")
    if not name or value:find "[%z\1-\8\10-\31\127]" then refuse(400, "A header line is malformed.") end
    name = name:lower()
    if headers[name] and only_once[name] then refuse(400, "The header '" .. name .. "' is given twice.") end
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

-- Returns path and query of the request's target, which may be an absolute URL.
local function split_target(target)
  local origin_form = target:gsub("^[Hh][Tt][Tt][Pp][Ss]?://[^/?]*", "")
  if origin_form:sub(1, 1) ~= "/" then
    if origin_form ~= "" and origin_form:sub(1, 1) ~= "?" then refuse(400, "The request's URI is malformed.") end
    origin_form = "/" .. origin_form
  end
  return origin_form:match "^([^?#]*)(%??[^#]*)"
end

local function read_query(request)
  local values, repeated = text.parse_form(request.query:sub(2))
  request.params, request.repeated = {}, {}
  for name, value in pairs(values) do
    local key = name:lower()
    if request.params[key] then request.repeated[key] = true end
    request.params[key] = value
  end
  for name in pairs(repeated) do request.repeated[name:lower()] = true end
end

local function check_host(headers, minor)
  local host = headers.host
  if not host and minor == 0 then return "localhost" end
  if not host or not host:find "^[%w.%-]+:?%d*$" and not host:find "^%[[%x:.]+%]:?%d*$" then
    refuse(400, "The header 'host' is missing or malformed.")
  end
  return host
end

local function is_kept(headers, minor)
  local wish = (headers.connection or ""):lower()
  if minor == 0 then return wish:find "keep%-alive" ~= nil end
  return not wish:find "close"
end

local function parse_head(head, tls)
  local line, rest = head:match "^([^\n]*)\n?(.*)$"
  local method, target, minor = read_request_line((line:gsub("\r$", "")))
  local headers = read_headers(rest)
  local request = { method = method, target = target, headers = headers, tls = tls, minor = minor,
    keep = is_kept(headers, minor), host = check_host(headers, minor), body = "" }
  request.origin = (tls and "https://" or "http://") .. request.host
  request.path, request.query = split_target(target)
  read_query(request)
  return request
end

-- The body --------------------------------------------------------------------------------------------------------

local function body_length(headers)
  local length = headers["content-length"]
  if not length then return 0 end
  if not length:find "^%d+$" then refuse(400, "The header 'content-length' is malformed.") end
  if #length > 12 or tonumber(length) > limits.body then refuse(413, "The body of the request is too long.") end
  return tonumber(length)
end

function connection:read_chunks(deadline)
  local parts, total = {}, 0
  while true do
    local size = self:read_line(deadline):match "^(%x+)[ \t]*;?"
    if not size then refuse(400, "A chunk of the body is malformed.") end
    local count = #size <= 8 and tonumber(size, 16) or math.huge
    total = total + count
    if total > limits.body then refuse(413, "The body of the request is too long.") end
    if count == 0 then break end
    parts[#parts + 1] = self:read_bytes(count, deadline)
    if self:read_line(deadline) ~= "" then refuse(400, "A chunk of the body is malformed.") end
  end
  for _ = 1, 100 do
    if self:read_line(deadline) == "" then return table.concat(parts) end
  end
  refuse(431, "Too many trailers.")
end

function connection:invite(request)
  local expect = request.headers.expect
  if not expect then return end
  if expect:lower() ~= "100-continue" then refuse(417, "This expectation cannot be met.") end
  if self.buffer == "" and request.minor > 0 then self.sock:xwrite("HTTP/1.1 100 Continue\r\n\r\n", "bn", 5) end
end

function connection:read_body(request)
  local coding, deadline = request.headers["transfer-encoding"], monotime() + limits.body_time
  if not coding then
    local length = body_length(request.headers)
    if length == 0 then return "" end
    self:invite(request)
    return self:read_bytes(length, deadline)
  end
  if request.headers["content-length"] then refuse(400, "Both content-length and transfer-encoding are given.") end
  if coding:lower() ~= "chunked" then refuse(501, "This transfer-encoding is not known.") end
  self:invite(request)
  return self:read_chunks(deadline)
end

-- The conversation ------------------------------------------------------------------------------------------------

-- Returns the next complete request, or nil and the fault ({gone} if the peer has left).
function connection:read_request()
  local request
  local ok, fault = pcall(function ()
    request = parse_head(self:read_head(), self.tls)
    request.body = self:read_body(request)
  end)
  if ok then return request end
  if type(fault) ~= "table" then error(fault, 0) end
  return nil, fault, request
end

-- Closes so that the peer can still read the answer: shuts down sending first, then reads and drops the rest.
function connection:part(polite)
  if polite then
    self.sock:shutdown "w"
    local deadline = monotime() + limits.linger
    repeat
      local left = deadline - monotime()
    until left <= 0 or not self.sock:xread(-65536, left)
  end
  self.sock:close()
end

local function fashion_of(request, clock)
  return { close = not request.keep, head_only = request.method == "HEAD", http_10 = request.minor == 0,
    now = clock:now() }
end

function connection:refuse(fault, request, handler)
  request = request or { method = "", target = "", headers = {}, body = "", minor = 1, tls = self.tls }
  request.keep = false
  wire.send(self.sock, handler.refuse(request, fault), fashion_of(request, handler.clock))
end

-- Serves a connection until its end. The handler has answer(request), refuse(request, fault) and clock.
function http.serve(sock, info, handler)
  sock:setmode("b", "bn")
  sock:onerror(function (_, _, why) return why end)
  local self = setmetatable({ sock = sock, buffer = "", tls = info.tls }, connection)
  while true do
    local request, fault, partial = self:read_request()
    if not request then
      if fault.gone then return self:part(false) end
      self:refuse(fault, partial, handler)
      return self:part(true)
    end
    request.connection = info.number
    local going_on = wire.send(sock, handler.answer(request), fashion_of(request, handler.clock))
    if going_on ~= true then return self:part(going_on ~= "reset") end
  end
end

return http
