-- Makes the function `each` of an adapter: it calls a function for many items, a bounded number at once.
--
--   local each = require "azpec.loop.each" (enter)
--   enter()           called by each call of `each`; raises an error where the call cannot wait.  Returns:
--   spawn(f)          calls f in a new coroutine of the loop
--   park()            suspends the running coroutine; it may return too early
--   wake(thread)      resumes the coroutine that has called park
--
-- each(most, work, ...) calls work with the values of the iterator (as after `in`), each time in its own coroutine, at
-- most `most` at once.  It returns when all have ended.  After an error of work or of the iterator nothing more is
-- begun; running coroutines go on to their end, then the first error is raised.

local fields = require "azpec.fields"

return function (enter)
  return function (most, work, ...)
    fields.check_argument(most, "number", "bad argument #1 to 'each'")
    fields.check_argument(work, "function", "bad argument #2 to 'each'")
    if most < 1 then error("bad argument #1 to 'each' (1 or more expected)", 2) end
    local spawn, park, wake = enter()
    local caller, parked, running, fault = coroutine.running(), false, 0, nil

    local function wait()
      parked = true
      park()
      parked = false
    end

    local function one(...)
      local ok, why = pcall(work, ...)
      running = running - 1
      fault = fault or not ok and { why }
      if parked and coroutine.status(caller) == "suspended" then -- and not closed
        parked = false
        wake(caller)
      end
    end

    local function all(...)
      for a, b, c in ... do
        running = running + 1
        spawn(function () one(a, b, c) end)
        while running >= most and not fault do wait() end
        if fault then break end
      end
    end

    local ok, why = pcall(all, ...)
    fault = fault or not ok and { why }
    while running > 0 do wait() end
    if fault then error(fault[1], 0) end
  end
end
