-- relay.lua PID KIND [USER:PASSWORD]: a proxy on loopback that connects to whatever its client names. KIND is "http"
-- (CONNECT) or "socks5h" (RFC 1928). Prints {"pid", "port"} when it listens.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local kind, login = arg[2], arg[3]

local function pump(from, to)
  for bytes in function () return from:read(-65536) end do
    if not to:xwrite(bytes, "bn") then break end
  end
  to:shutdown "w"
end

local loop = cqueues.new()
local accepts = {}

function accepts.http(near)
  local host, port, given
  repeat
    local line = near:read "*l"
    if not host then host, port = line:match "^CONNECT %[?(.-)%]?:(%d+) " end
    given = given or line and line:match "^[Pp]roxy%-[Aa]uthorization: Basic (%S+)"
  until not line or #line <= 1
  if login and given ~= require "azpec.base64".encode(login) then
    near:xwrite("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "bn")
    return nil
  end
  return host, port, "HTTP/1.1 200 OK\r\n\r\n"
end

function accepts.socks5h(near)
  local methods = near:read(near:read(2):byte(2))
  local method = login and "\2" or "\0"
  near:xwrite("\5" .. (methods:find(method, 1, true) and method or "\255"), "bn")
  if login then
    local user = near:read(near:read(2):byte(2))
    local password = near:read(near:read(1):byte())
    local is_right = user .. ":" .. password == login
    near:xwrite("\1" .. (is_right and "\0" or "\1"), "bn")
    if not is_right then return nil end
  end
  local host = near:read(near:read(5):byte(5))
  return host, (">I2"):unpack(near:read(2)), "\5\0\0\1\127\0\0\1\0\0"
end

local function serve(near)
  near:setmode("b", "bn")
  near:onerror(function (_, _, why) return why end)
  local host, port, answer = accepts[kind](near)
  if not host then return near:close() end
  local far = socket.connect(host, math.tointeger(tonumber(port)))
  far:setmode("bn", "bn")
  far:onerror(function (_, _, why) return why end)
  near:xwrite(answer, "bn")
  loop:wrap(function () pump(far, near) end)
  pump(near, far)
end

local listener = socket.listen("127.0.0.1", 0)
listener:listen()
print(('{"pid":%s,"port":%d}'):format(arg[1], select(3, listener:localname())))
io.stdout:close()
loop:wrap(function ()
  for near in listener:clients() do loop:wrap(pcall, serve, near) end
end)
assert(loop:loop())
