-- Coroutines that wait at descriptors, for a loop that takes a descriptor only once while many calls of a client wait
-- at the one it has.  What an adapter for such a loop is made of:
--
--   local wait, resume = require "azpec.loop.waiters" (watch, unwatch)
--   watch(fd)       called when the first comes to wait at fd: from now on the loop calls resume(fd) whenever fd is
--                   readable.  Returns what unwatch needs.
--   unwatch(watch)  called when the last has left
--   wait            for azpec.client { wait = wait }, whose calls then yield to whoever resumed them
--
-- The descriptor stays readable for as long as there is something to do: a wake-up too many does no harm, and none is
-- lost when an error keeps resume from reaching everybody.

-- What went wrong in a coroutine, with the place; an error that is no text stays what it is.
local function fault_of(thread, fault)
  fault = type(fault) == "string" and debug.traceback(thread, fault) or fault
  coroutine.close(thread) -- what it still holds
  return { fault }
end

return function (watch, unwatch)
  local places = {} -- by descriptor

  local function leave_if_empty(place)
    if places[place.fd] == place and not place.busy and not next(place.waiting) then
      places[place.fd] = nil
      unwatch(place.watch)
    end
  end

  -- However a wait ends, coroutine.close included, nobody is resumed for it afterwards.
  local ended = { __close = function (entry)
    entry.place.waiting[entry] = nil
    leave_if_empty(entry.place)
  end }

  local function wait(pollable)
    local fd = pollable:pollfd()
    local place = places[fd] or { fd = fd, waiting = {}, watch = watch(fd) }
    places[fd] = place
    local entry <close> = setmetatable({ place = place }, ended)
    place.waiting[entry] = coroutine.running()
    coroutine.yield()
  end

  -- Everybody at the descriptor looks; who has to go on waiting comes back.  Raises what a coroutine raised.
  local function resume(fd)
    local place = places[fd]
    if not place then return end
    local turn, fault = {}, nil
    for entry in pairs(place.waiting) do turn[#turn + 1] = entry end
    place.busy = true
    for _, entry in ipairs(turn) do
      local thread = place.waiting[entry] -- nil: another one has ended it meanwhile
      if thread and coroutine.status(thread) == "suspended" then
        local ok, why = coroutine.resume(thread)
        fault = not ok and fault_of(thread, why)
        if fault then break end
      end
    end
    place.busy = false
    leave_if_empty(place)
    if fault then error(fault[1], 0) end
  end

  return wait, resume
end
