-- Sends a recorder's requests to the service: HTTP/1.1 over a connection of its own for each, with TLS and a check of
-- the server's certificate and name; on request through a proxy.

local base64 = require "azpec.base64"
local context = require "openssl.ssl.context"
local percent_decode = require "azpec.emulator.text".percent_decode
local socket = require "cqueues.socket"
local store = require "openssl.x509.store"
local verify_param = require "openssl.x509.verify_param"

local file = require "azpec.file"

local upstream = {}
upstream.__index = upstream

local connect_seconds, answer_seconds = 30, 120

-- Headers that belong to a connection, or that this file sets.
local own = { host = true, connection = true, ["content-length"] = true, ["transfer-encoding"] = true, expect = true,
  ["accept-encoding"] = true, ["keep-alive"] = true, te = true, upgrade = true, ["proxy-authorization"] = true }

local function trusting_context(host, ca_file)
  local ctx, params, authorities = context.new("TLS", false), verify_param.new(), store.new()
  if ca_file then authorities:add(ca_file) else authorities:addDefaults() end
  if host:find "^[%d.]+$" or host:find(":", 1, true) then params:setIP(host) else params:setHost(host) end
  ctx:setStore(authorities)
  ctx:setParam(params)
  ctx:setVerify(context.VERIFY_PEER)
  ctx:setOptions(context.OP_NO_SSLv3 | context.OP_NO_TLSv1 | context.OP_NO_TLSv1_1)
  return ctx
end

-- Each kind of proxy by its scheme: its default port, or why it cannot be used.
local proxies = {
  http = { port = 80 },
  socks5h = { port = 1080 },
  https = { refusal = "a recorder speaks no TLS with the proxy itself; write http:// or socks5h://" },
  socks5 = { refusal = "a recorder lets the proxy resolve names; write socks5h://" },
  socks4 = { refusal = "a recorder speaks version 5 of SOCKS; write socks5h://" },
  socks4a = { refusal = "a recorder speaks version 5 of SOCKS; write socks5h://" },
}

local function decoded(piece)
  return percent_decode(piece) or piece
end

-- Returns { scheme, host, port, user, password } of a proxy's URL; nil and a text without the URL, which may have a
-- password.
local function proxy_of(url)
  local scheme, rest = url:match "^(%w+)://(.-)/?$"
  local kind = proxies[(scheme or ""):lower()]
  if kind and kind.refusal then return nil, "proxy: " .. kind.refusal end
  local login, place = (rest or ""):match "^(.*)@([^@]*)$"
  place = place or rest or ""
  local host, port = place:match "^([^%[%]:/?#%s]+):?(%d*)$"
  if not host then host, port = place:match "^%[([%x:.]+)%]:?(%d*)$" end
  if not kind or not host then
    return nil, "proxy: it is no URL such as http://proxy.example:3128 or socks5h://USER:PASSWORD@proxy.example:1080"
  end
  local user, password = (login or ""):match "^([^:]*):?(.*)$"
  return { scheme = scheme:lower(), host = host, port = math.tointeger(tonumber(port)) or kind.port,
    user = login and decoded(user), password = decoded(password) }
end

-- origin: "https://host[:port]"; http only to a loopback address, or if may_be_plain. ca_file: certificates to trust,
-- in place of the system's. proxy: its URL, for https. Returns nil and a text if they cannot be used.
function upstream.new(origin, ca_file, proxy, may_be_plain)
  local scheme, host, port = origin:match "^(https?)://%[?([^%]/?#@]-)%]?:?(%d*)/?$"
  if not scheme or host == "" then return nil, origin .. " is no origin such as https://management.azure.com" end
  local is_loopback = host == "localhost" or host == "::1" or host:find "^127%.%d+%.%d+%.%d+$"
  if scheme == "http" and not is_loopback and not may_be_plain then
    return nil, origin .. ": http is allowed only to a loopback address; use https"
  end
  local self = setmetatable({ origin = origin:gsub("/$", ""), host = host, is_secure = scheme == "https" }, upstream)
  self.port = math.tointeger(tonumber(port)) or self.is_secure and 443 or 80
  if not self.is_secure then return self end
  if ca_file then
    local handle <close>, why = file.open_to_read(ca_file) -- OpenSSL would wait for a pipe's writer
    if not handle then return nil, "ca_file cannot be used: " .. why end
  end
  local ok, made = pcall(trusting_context, host, ca_file)
  if not ok then return nil, "ca_file cannot be used: " .. made:gsub("^.-:%d+: ", "") end
  self.context = made
  if not proxy or proxy == "" then return self end
  local by, why = proxy_of(proxy)
  self.proxy = by
  return by and self, why
end

-- ---- the connection ------------------------------------------------------------------------------------------------

-- Each of these asks a proxy for a connection to the service. Returns true, or nil and a text.
local tunnels = {}

function tunnels.http(self, sock)
  local wanted, by = ("%s:%d"):format(self.host, self.port), self.proxy
  if self.host:find(":", 1, true) then wanted = ("[%s]:%d"):format(self.host, self.port) end
  local login = by.user and ("Proxy-Authorization: Basic %s\r\n"):format(base64.encode(by.user .. ":" .. by.password))
  sock:xwrite(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n"):format(wanted, wanted, login or ""), "bn",
    connect_seconds)
  local first = sock:xread("*l", "b", connect_seconds)
  local line = first
  while line and line:find "[^\r]" do line = sock:xread("*l", "b", connect_seconds) end
  if line and first:find "^HTTP/1%.%d 2" then return true end
  local hint = first and first:find "^HTTP/1%.%d 407" and "; give `proxy` as http://USER:PASSWORD@HOST:PORT" or ""
  return nil, ("the proxy refused: %s"):format((first or "it did not answer"):gsub("%s+$", "")) .. hint
end

-- SOCKS 5 (RFC 1928), with a user name and a password (RFC 1929).
local socks_refusals = { "general failure", "not allowed by its rules", "network unreachable", "host unreachable",
  "connection refused", "time to live expired", "command not supported", "address type not supported" }

local function exchange(sock, bytes, count)
  sock:xwrite(bytes, "bn", connect_seconds)
  local answer = sock:xread(count, "b", connect_seconds)
  return answer and #answer == count and answer or nil
end

local function socks_login(sock, by)
  local chosen = exchange(sock, by.user and "\5\2\0\2" or "\5\1\0", 2)
  if not chosen or chosen:byte(1) ~= 5 then return nil, "the proxy does not speak SOCKS 5" end
  if chosen:byte(2) == 0 then return true end
  if chosen:byte(2) ~= 2 or not by.user then
    return nil, "the proxy refused: it wants another sign-in; give `proxy` as socks5h://USER:PASSWORD@HOST:PORT"
  end
  local answer = exchange(sock, "\1" .. ("s1"):pack(by.user) .. ("s1"):pack(by.password), 2)
  if answer and answer:byte(2) == 0 then return true end
  return nil, "the proxy refused the user name and password of `proxy`"
end

function tunnels.socks5h(self, sock)
  local ok, why = socks_login(sock, self.proxy)
  if not ok then return nil, why end
  local head = exchange(sock, "\5\1\0\3" .. ("s1>I2"):pack(self.host, self.port), 4)
  if not head then return nil, "the proxy closed the connection" end
  local code, kind = head:byte(2), head:byte(4)
  if code ~= 0 then return nil, ("the proxy refused: %s"):format(socks_refusals[code] or "code " .. code) end
  local length = kind == 1 and 4 or kind == 4 and 16 or (sock:xread(1, "b", connect_seconds) or "\0"):byte()
  return sock:xread(length + 2, "b", connect_seconds) and true, "the proxy closed the connection"
end

local function connect(self)
  local first = self.proxy or self
  local sock = socket.connect { host = first.host, port = first.port, sendname = self.host }
  sock:onerror(function (_, _, why) return why end)
  sock:setmode("b", "bn")
  local ok, why = sock:connect(connect_seconds)
  if ok and self.proxy then ok, why = tunnels[self.proxy.scheme](self, sock) end
  if ok and self.context then ok, why = sock:starttls(self.context, connect_seconds) end
  if ok then return sock end
  sock:close()
  local text = type(why) == "number" and require "cqueues.errno".strerror(why) or tostring(why)
  return nil, ("cannot connect to %s: %s"):format(self.origin, text)
end

local function head_of(self, request)
  local lines = { ("%s %s HTTP/1.1"):format(request.method, request.path .. request.query),
    ("Host: %s"):format(self.origin:match "^https?://(.*)$"), "Connection: close", "Accept-Encoding: identity" }
  for name, value in pairs(request.headers) do
    if not own[name] then lines[#lines + 1] = name .. ": " .. value end
  end
  if request.body ~= "" or request.method ~= "GET" then
    lines[#lines + 1] = ("Content-Length: %d"):format(#request.body)
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- ---- the answer ----------------------------------------------------------------------------------------------------

local function unchunk(text)
  local parts, at = {}, 1
  while true do
    local size, from = text:match("^(%x+)[^\n]*\n()", at)
    local count = size and tonumber(size, 16)
    if not count or from + count > #text + 1 then return nil end
    if count == 0 then return table.concat(parts) end
    parts[#parts + 1] = text:sub(from, from + count - 1)
    at = text:match("^\r?\n()", from + count)
    if not at then return nil end
  end
end

local function read_headers(head)
  local headers, by_name = {}, {}
  for line in head:gmatch "[^\n]+" do
    local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
    if name then
      headers[#headers + 1] = { name, value }
      by_name[name:lower()] = value
    end
  end
  return headers, by_name
end

-- Returns the body, or nil if it is not complete. Without a length it ends with the connection.
local function body_of(by_name, rest, status, has_ended)
  if status == 204 or status == 304 then return "" end
  if (by_name["transfer-encoding"] or ""):lower():find "chunked" then return unchunk(rest) end
  local length = math.tointeger(tonumber(by_name["content-length"]))
  if not length then return has_ended and rest or nil end
  return #rest >= length and rest:sub(1, length) or nil
end

-- Parses what has come so far; interim answers (1xx) are left out. Returns { status, headers, body }; or nil and a text
-- if it is no complete answer.
local function parse(text, has_ended)
  local status, head, at = text:match "^HTTP/1%.%d (%d%d%d)([^\n]*\n.-)\r?\n\r?\n()"
  status = math.tointeger(tonumber(status))
  if not status then return nil, text == "" and "the connection ended without an answer" or "the answer is not HTTP" end
  if status < 200 and status ~= 101 then return parse(text:sub(at), has_ended) end
  local headers, by_name = read_headers(head)
  local body = body_of(by_name, text:sub(at), status, has_ended)
  if not body then return nil, "the connection ended within the answer" end
  return { status = status, headers = headers, body = body }
end

local function read_answer(sock)
  local text = ""
  while true do
    local part = sock:xread(-65536, answer_seconds)
    text = text .. (part or "")
    local answer, why = parse(text, not part)
    if answer or not part then return answer, why end
  end
end

-- Sends a request of azpec.emulator.http and returns the answer, or nil and a text. The answer's headers are a list of
-- {name, value}, its body is decoded (chunked).
function upstream:request(request)
  local sock, why = connect(self)
  if not sock then return nil, why end
  sock:xwrite(head_of(self, request) .. request.body, "bn", answer_seconds) -- an answer may come before its end
  local answer, problem = read_answer(sock)
  sock:close()
  return answer, problem and ("%s: %s"):format(self.origin, problem)
end

return upstream
