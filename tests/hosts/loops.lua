-- Each event loop with an adapter, in one form: its adapter's functions, and what a test needs of the loop itself.
--   spawn(f)           f runs in a coroutine of the loop
--   every(seconds, f)  f is called that often until it returns true
--   run(over)          runs the loop until over() is true
-- A loop whose library is not installed has only its name.

package.path = package.path .. ";/usr/share/lua/5.2/?.lua" -- Debian 12 has copas, which is plain Lua, for 5.2 alone

local cqueues = require "cqueues"

local loops = {}

local function cqueues_loop(loop)
  local controller = cqueues.new()
  return {
    name = "cqueues", wait = loop.wait, each = loop.each,
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
    name = "luv", wait = loop.wait, each = loop.each,
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

-- A loop without timers of its own that a test needs: step(seconds) is one turn of it.
local function stepped(name, loop, spawn, step)
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
    name = name, wait = loop.wait, each = loop.each, spawn = spawn,
    every = function (seconds, f)
      timers[{ f = f, seconds = seconds, due = cqueues.monotime() + seconds }] = true
    end,
    run = function (over)
      while not over() do step(math.max(0, fire())) end
    end,
  }
end

local function socket_loop(loop)
  return stepped("luasocket's select", loop, function (f) coroutine.wrap(f)() end,
    function (seconds) loop.select(nil, nil, seconds) end)
end

local function copas_loop(loop, copas)
  return stepped("copas", loop, copas.addthread, copas.step)
end

for _, known in ipairs {
  { "cqueues", cqueues_loop }, { "luv", luv_loop }, { "socket", socket_loop }, { "copas", copas_loop },
} do
  local library, make = table.unpack(known)
  local there, found = pcall(require, library)
  loops[#loops + 1] = { name = library,
    new = there and function () return make(require("azpec.loop." .. library), found) end }
end

return loops
