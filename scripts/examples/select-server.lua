-- A UDP server in a loop around luasocket's select that approves while it serves others: lua5.4 select-server.lua PORT
-- The protocol: a line with the id of a connection comes in, its new status goes out; "ping" is answered by "pong".
-- PORT 0 is any free port.
local socket, loop = require "socket", require "azpec.loop.socket"
local client = require "azpec".client { wait = loop.wait }
local server = socket.udp()

local function answer(line)
  if line == "ping" then return "pong" end
  local ok, connection, err = pcall(client.update, client, { id = line, status = "Approved" }) -- raises: not an id
  if not ok or err then return tostring(err or connection) end
  return connection.properties.privateLinkServiceConnectionState.status
end

assert(server:setsockname("127.0.0.1", tonumber(arg[1])))
print("listening on port " .. select(2, server:getsockname()))
while true do
  if loop.select({ server })[1] then -- instead of socket.select
    local line, host, port = server:receivefrom()
    coroutine.wrap(function () server:sendto(answer(line), host, port) end)()
  end
end
