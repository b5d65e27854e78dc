-- Each event loop with an adapter, in one form: its waiter, and what a test needs of the loop itself.
--   spawn(f)           f runs in a coroutine of the loop
--   every(seconds, f)  f is called that often until it returns true
--   run(over)          runs the loop until over() is true
-- A loop whose library is not installed is not in the list.

local cqueues = require "cqueues"

local loops = {}

local function cqueues_loop(loop)
  local controller = cqueues.new()
  return {
    name = "cqueues", wait = loop.wait,
    spawn = function (f) controller:wrap(f) end,
    every = function (seconds, f)
      controller:wrap(function ()
        repeat cqueues.sleep(seconds) until f()
      end)
    end,
    run = function (over)
      while not over() do assert(controller:step(1)) end
    end,
  }
end

local function luv_loop(loop, uv)
  return {
    name = "luv", wait = loop.wait,
    spawn = function (f) coroutine.wrap(f)() end,
    every = function (seconds, f)
      local timer = uv.new_timer()
      timer:start(seconds * 1000 // 1, seconds * 1000 // 1, function ()
        if f() then timer:close() end
      end)
    end,
    run = function (over)
      while not over() do uv.run "once" end
      uv.run "nowait" -- luv does not bear that its Lua state is closed while a handle is
    end,
  }
end

local function socket_loop(loop)
  local timers = {}
  local function fire()
    local soonest, now = cqueues.monotime() + 1, cqueues.monotime()
    for timer in pairs(timers) do
      if timer.due <= now then
        timer.due = now + timer.seconds
        if timer.f() then timers[timer] = nil end
      end
      soonest = timers[timer] and math.min(soonest, timer.due) or soonest
    end
    return soonest - cqueues.monotime()
  end
  return {
    name = "luasocket's select", wait = loop.wait,
    spawn = function (f) coroutine.wrap(f)() end,
    every = function (seconds, f)
      timers[{ f = f, seconds = seconds, due = cqueues.monotime() + seconds }] = true
    end,
    run = function (over)
      while not over() do loop.select(nil, nil, math.max(0, fire())) end
    end,
  }
end

for _, known in ipairs {
  { "azpec.loop.cqueues", cqueues_loop }, { "azpec.loop.luv", luv_loop, "luv" },
  { "azpec.loop.socket", socket_loop, "socket" },
} do
  local there, library = pcall(require, known[3] or "cqueues")
  if there then loops[#loops + 1] = function () return known[2](require(known[1]), library) end end
end

return loops
