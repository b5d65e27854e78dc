-- azpec as a guest of a loop around luasocket's select.  `select` takes the place of socket.select: same arguments,
-- same results.  Beside the sockets it is given it looks at the descriptors of the clients that are waited for, and
-- resumes the coroutines that wait there:
--
--   local client = azpec.client { wait = require "azpec.loop.socket".wait, ... }
--   coroutine.wrap(function () done(client:update { ... }) end)()
--   while true do local readable = loop.select({ server }, nil, 1) ... end
--
-- A call raises when its client's descriptor is too large for select (socket._SETSIZE, usually 1024).  When only these
-- had something to do select returns empty lists and no "timeout".  What such a coroutine raises is raised by select;
-- the other sockets' readiness is still there at the next call.

local socket = require "socket"

local loop = {}
local guests = {} -- what stands for a client's descriptor = true

-- select cannot watch every descriptor, and raises each time it is given a larger one.
local function watch(fd)
  if fd >= socket._SETSIZE then
    error(("descriptor %d is too large for luasocket's select (at most %d): close some files, or use another loop")
      :format(fd, socket._SETSIZE - 1), 0)
  end
  local guest = { fd = fd, getfd = function () return fd end, dirty = function () return false end }
  guests[guest] = true
  return guest
end

local function unwatch(guest)
  guests[guest] = nil
end

local resume
loop.wait, resume = require "azpec.loop.waiters" (watch, unwatch)

function loop.select(receive, send, timeout)
  local all, readable = table.move(receive or {}, 1, #(receive or {}), 1, {}), {}
  for guest in pairs(guests) do all[#all + 1] = guest end
  local ready, writable, err = socket.select(all, send, timeout)
  local awake = {}
  for _, object in ipairs(ready) do
    local list = guests[object] and awake or readable
    list[#list + 1] = object
    list[object] = #list -- doubly keyed, as luasocket's own
  end
  for _, guest in ipairs(awake) do resume(guest.fd) end
  return readable, writable, err
end

return loop
