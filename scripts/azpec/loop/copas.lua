-- Runs azpec inside copas.  In a copas thread, with azpec.client { wait = require "azpec.loop.copas".wait }, a call
-- yields, and copas resumes it:
--
--   copas.addthread(function () done(client:update { ... }) end)
--   copas.loop()
--
-- `each` runs a function for many items; see azpec.loop.each.
--
-- luasocket's select, which copas uses, returns one object for each descriptor.  So one thread of this adapter receives
-- from the client's descriptor, and wakes all threads that wait for it.  It runs only while a thread waits.
--
-- A call raises an error if its client's descriptor is too large for select (socket._SETSIZE, usually 1024).  An error
-- of a thread goes to copas's error handler.  Copas 1 closes the socket of a server's handler only if the handler
-- waited for that socket last: close it yourself.

local copas = require "copas"
local may_yield = require "azpec.loop.may_yield"
local selectable = require "azpec.loop.selectable"

-- Copas 1 has neither sleep nor wakeup.  It puts a thread into the queue that the thread yields; this queue drops it.
local nowhere = { insert = function () end, push = function () end }
local park = copas.sleep and function () copas.sleep(-1) end or function () coroutine.yield(nowhere, nowhere) end
local wake = copas.wakeup or copas.addthread

local guests = {} -- by descriptor: the object that the thread receives from

-- copas.receive sees a socket that is not ready at first, and calls again once its descriptor is readable.
local Guest = {}
Guest.__index = Guest

function Guest:receive()
  if self.asked or self.fd < 0 then return "" end
  self.asked = true
  return nil, "timeout"
end

function Guest.close() end

-- Select skips an object whose descriptor is -1.
local function unwatch(guest)
  guests[guest.fd] = nil
  guest.fd = -1
  if copas.close then copas.close(guest) end
end

local function wake_all(waiting)
  local turn = {}
  for entry in pairs(waiting) do turn[#turn + 1] = entry end
  for _, entry in ipairs(turn) do
    local thread = waiting[entry] -- nil: its wait has ended meanwhile
    if thread then wake(thread) end
  end
end

local function watch(fd)
  local guest = setmetatable(selectable(fd), Guest)
  guest.waiting = {}
  guests[fd] = guest
  copas.addthread(function ()
    copas.receive(guest)
    if guests[fd] == guest then guests[fd] = nil end
    wake_all(guest.waiting)
  end)
  return guest
end

-- After the end of a wait, also by coroutine.close, its thread is not woken any more.
local ended = { __close = function (entry)
  local guest = entry.guest
  guest.waiting[entry] = nil
  if guests[guest.fd] == guest and not next(guest.waiting) then unwatch(guest) end
end }

local loop = {}

loop.each = require "azpec.loop.each" (function ()
  may_yield()
  return copas.addthread, park, wake
end)

function loop.wait(pollable)
  may_yield()
  local fd = pollable:pollfd()
  local guest = guests[fd] or watch(fd)
  local entry <close> = setmetatable({ guest = guest }, ended)
  guest.waiting[entry] = coroutine.running()
  park()
end

return loop
