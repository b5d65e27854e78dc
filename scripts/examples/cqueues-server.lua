-- A TCP server on cqueues that approves connections while it serves other peers: lua5.4 cqueues-server.lua PORT
-- The protocol: a line with the id of a connection comes in, its new status goes out; "ping" is answered by "pong".
-- PORT 0 is any free port.
local cqueues, socket = require "cqueues", require "cqueues.socket"
local client = require "azpec".client { wait = cqueues.poll }
local loop, server = cqueues.new(), socket.listen { host = "127.0.0.1", port = tonumber(arg[1]) }

local function answer(line)
  if line == "ping" then return "pong" end
  local ok, connection, err = pcall(client.update, client, { id = line, status = "Approved" }) -- raises: not an id
  if not ok or err then return tostring(err or connection) end
  return connection.properties.privateLinkServiceConnectionState.status
end

loop:wrap(function ()
  assert(server:listen())
  print("listening on port " .. select(3, server:localname()))
  for peer in server:clients() do
    peer:onerror(function (_, _, why) return why end) -- one that hangs up ends its own lines, not the server
    loop:wrap(function ()
      for line in peer:lines "*L" do
        line = line:match "^(.*)\n$"
        if not line then break end -- it is too long, or the peer ended within it
        peer:write(answer(line), "\n")
      end
      peer:close()
    end)
  end
end)
assert(loop:loop())
