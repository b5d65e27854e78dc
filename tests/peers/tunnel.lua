-- tunnel.lua PID PORT CERTIFICATE KEY: a proxy on loopback that takes each CONNECT, for whatever host, to the server at
-- 127.0.0.1:PORT. It ends TLS with this certificate and begins it anew, so that a client that knows only Azure's own
-- addresses talks to the emulator. Prints {"pid", "port"} when it listens.

local context = require "openssl.ssl.context"
local cqueues = require "cqueues"
local pkey = require "openssl.pkey"
local socket = require "cqueues.socket"
local x509 = require "openssl.x509"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local as_server, as_client = context.new("TLS", true), context.new "TLS"
as_server:setCertificate(x509.new(read(arg[3])))
as_server:setPrivateKey(pkey.new(read(arg[4])))
as_client:setVerify(context.VERIFY_NONE)

local function pump(from, to)
  for bytes in function () return from:read(-65536) end do
    if not to:xwrite(bytes, "bn") then break end
  end
  to:shutdown "w"
end

local loop = cqueues.new()

local function serve(near)
  repeat local line = near:read "*l" until not line or #line <= 1
  near:xwrite("HTTP/1.1 200 OK\r\n\r\n", "bn")
  local far = socket.connect("127.0.0.1", tonumber(arg[2]))
  if not (near:starttls(as_server) and far:starttls(as_client)) then return end
  near:setmode("bn", "bn")
  far:setmode("bn", "bn")
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
