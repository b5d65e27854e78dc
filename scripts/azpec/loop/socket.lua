-- Runs azpec inside a loop around luasocket's select.  `select` replaces socket.select, with the same arguments and
-- results.  It also watches the descriptors of clients, and resumes the coroutines that wait for them:
--
--   local client = azpec.client { wait = require "azpec.loop.socket".wait, ... }
--   coroutine.wrap(function () done(client:update { ... }) end)()
--   while true do local readable = loop.select({ server }, nil, 1) ... end
--
-- `each` runs a function for many items; see azpec.loop.each.
--
-- A call raises an error if its client's descriptor is too large for select (socket._SETSIZE, usually 1024).  If only
-- clients were ready, select returns empty lists and no "timeout".  An error of such a coroutine is raised by select;
-- the next call still reports the other ready sockets.

local socket = require "socket"
local selectable = require "azpec.loop.selectable"

local loop = {}
local guests = {} -- keys: the objects that represent clients' descriptors

local function watch(fd)
  local guest = selectable(fd)
  guests[guest] = true
  return guest
end

local function unwatch(guest)
  guests[guest] = nil
end

local resume
loop.wait, resume, loop.each = require "azpec.loop.waiters" (watch, unwatch)

function loop.select(receive, send, timeout)
  local all, readable = table.move(receive or {}, 1, #(receive or {}), 1, {}), {}
  for guest in pairs(guests) do all[#all + 1] = guest end
  local ready, writable, err = socket.select(all, send, timeout)
  local awake = {}
  for _, object in ipairs(ready) do
    local list = guests[object] and awake or readable
    list[#list + 1] = object
    list[object] = #list -- by number and by object, like luasocket's lists
  end
  for _, guest in ipairs(awake) do resume(guest.fd) end
  return readable, writable, err
end

return loop
