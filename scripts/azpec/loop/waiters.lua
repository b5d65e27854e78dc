-- Lets many coroutines wait for one descriptor, in a loop that accepts a descriptor only once.  An adapter for such a
-- loop is built from:
--
--   local wait, resume, each = require "azpec.loop.waiters" (watch, unwatch)
--   watch(fd)       called when the first coroutine waits for fd.  From then on the loop must call resume(fd) whenever
--                   fd is readable.  Returns the argument for unwatch.
--   unwatch(watch)  called when the last coroutine has left
--   wait            for azpec.client { wait = wait }; calls of the client then yield
--   each            as azpec.loop.each describes it
--
-- The descriptor stays readable as long as the client has work.  So an extra wake-up does no harm, and none is lost if
-- an error ends resume before all coroutines have run.

-- Returns the error of a coroutine, with a traceback if it is a string.
local function fault_of(thread, fault)
  fault = type(fault) == "string" and debug.traceback(thread, fault) or fault
  coroutine.close(thread) -- closes its pending variables
  return { fault }
end

local may_yield = require "azpec.loop.may_yield"

local function spawn(f) coroutine.wrap(f)() end

local function wake(thread)
  local ok, why = coroutine.resume(thread)
  if not ok then error(fault_of(thread, why)[1], 0) end
end

local each = require "azpec.loop.each" (function ()
  may_yield()
  return spawn, coroutine.yield, wake
end)

return function (watch, unwatch)
  local places = {} -- by descriptor

  local function leave_if_empty(place)
    if places[place.fd] == place and not place.busy and not next(place.waiting) then
      places[place.fd] = nil
      unwatch(place.watch)
    end
  end

  -- After the end of a wait, also by coroutine.close, its coroutine is not resumed any more.
  local ended = { __close = function (entry)
    entry.place.waiting[entry] = nil
    leave_if_empty(entry.place)
  end }

  local function wait(pollable)
    may_yield()
    local fd = pollable:pollfd()
    local place = places[fd] or { fd = fd, waiting = {}, watch = watch(fd) }
    places[fd] = place
    local entry <close> = setmetatable({ place = place }, ended)
    place.waiting[entry] = coroutine.running()
    coroutine.yield()
  end

  -- Resumes all coroutines that wait for the descriptor; each may wait again.  Raises the first error of a coroutine.
  local function resume(fd)
    local place = places[fd]
    if not place then return end
    local turn, fault = {}, nil
    for entry in pairs(place.waiting) do turn[#turn + 1] = entry end
    place.busy = true
    for _, entry in ipairs(turn) do
      local thread = place.waiting[entry] -- nil: its wait has ended meanwhile
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

  return wait, resume, each
end
