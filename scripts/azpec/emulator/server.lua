-- Sockets and the event loop: listens, serves each connection in a coroutine, and ends on a signal or at stdin's end.

local cqueues = require "cqueues"
local errno = require "cqueues.errno"
local http = require "azpec.emulator.http"
local signal = require "cqueues.signal"
local socket = require "cqueues.socket"

local server = {}
server.__index = server

local handshake_seconds, most_connections = 10, 4000

-- Listens on host and port (0: any). Returns the socket and its port, or nil and a text.
local function listen(host, port)
  local sock = socket.listen { host = host, port = port, reuseaddr = true, v6only = false }
  sock:onerror(function (_, _, why) return why end)
  local ok, why = sock:listen(5)
  if not ok then return nil, type(why) == "number" and errno.strerror(why) or tostring(why) end
  local _, _, real_port = sock:localname()
  return sock, real_port
end

server.listen = listen

function server.new(handler)
  return setmetatable({ loop = cqueues.new(), handler = handler, connections = 0, number = 0 }, server)
end

local function serve(self, sock, context)
  self.number = self.number + 1
  local info = { number = self.number, tls = context ~= nil }
  if context then
    sock:onerror(function (_, _, why) return why end)
    if not sock:starttls(context, handshake_seconds) then return sock:close() end
  end
  http.serve(sock, info, self.handler)
end

local function report(why)
  io.stderr:write("emulator: ", debug.traceback(tostring(why), 2), "\n")
end

local function spawn(self, sock, context)
  self.connections = self.connections + 1
  self.loop:wrap(function ()
    if not xpcall(serve, report, self, sock, context) then pcall(sock.close, sock) end
    self.connections = self.connections - 1
  end)
end

-- Accepts connections until the process ends. If a function returns a TLS context, each begins with a handshake.
function server:accept(listener, choose)
  self.loop:wrap(function ()
    while true do
      local sock = listener:accept { nodelay = true }
      if not sock then
        cqueues.sleep(0.05)
      elseif self.connections >= most_connections then
        sock:close()
      else
        spawn(self, sock, choose and choose())
      end
    end
  end)
end

function server:end_on_signal()
  signal.block(signal.SIGTERM, signal.SIGINT)
  signal.ignore(signal.SIGPIPE)
  local listener = signal.listen(signal.SIGTERM, signal.SIGINT)
  self.loop:wrap(function ()
    listener:wait()
    self.ended = true
  end)
end

local stdin = { pollfd = 0, events = "r" }

-- A file or /dev/null is not polled: epoll refuses it, and reading it does not block.
local function stdin_can_wait()
  local probe = cqueues.new()
  probe:wrap(function () cqueues.poll(stdin, 0) end)
  return (probe:step(0))
end

function server:end_with_stdin()
  local can_wait = stdin_can_wait()
  io.stdin:setvbuf "no"
  self.loop:wrap(function ()
    repeat
      if can_wait then cqueues.poll(stdin) end
    until not io.stdin:read(1)
    self.ended = true
  end)
end

-- Runs until it is stopped.
function server:run()
  while not self.ended do
    local ok, why = self.loop:step(60)
    if not ok then report(why) end
  end
end

return server
