-- A TCP server on luv (libuv) that approves connections while it serves other peers: lua5.4 luv-server.lua PORT
-- The protocol: a line with the id of a connection comes in, its new status goes out; "ping" is answered by "pong".
-- PORT 0 is any free port.
local uv = require "luv"
local client = require "azpec".client { wait = require "azpec.loop.luv".wait }
local server = uv.new_tcp()

local function answer(line)
  if line == "ping" then return "pong" end
  local ok, connection, err = pcall(client.update, client, { id = line, status = "Approved" }) -- raises: not an id
  if not ok or err then return tostring(err or connection) end
  return connection.properties.privateLinkServiceConnectionState.status
end

assert(server:bind("127.0.0.1", tonumber(arg[1])))
assert(server:listen(128, function ()
  local peer, rest = uv.new_tcp(), "" -- the rest is a line of which only a part has arrived
  server:accept(peer)
  peer:read_start(function (_, bytes)
    if not bytes then return peer:close() end
    rest = rest .. bytes
    for line in rest:gmatch "([^\n]*)\n" do
      coroutine.wrap(function ()
        local text = answer(line)
        if not peer:is_closing() then peer:write(text .. "\n") end -- it may have hung up
      end)()
    end
    rest = rest:match "[^\n]*$"
  end)
end))
print("listening on port " .. server:getsockname().port)
uv.run()
