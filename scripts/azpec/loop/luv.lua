-- Runs azpec inside libuv, by luv.  In a coroutine, with azpec.client { wait = require "azpec.loop.luv".wait }, a call
-- yields, and the loop resumes it:
--
--   coroutine.wrap(function () callback(client:update { ... }) end)()
--
-- `each` runs a function for many items; see azpec.loop.each.
--
-- libuv accepts a descriptor only once, so a client's descriptor has one watcher, and only while a coroutine waits for
-- it.  An idle client does not keep the loop alive.  An error of such a coroutine is raised in libuv's callback, where
-- luv treats it like any other.  Let uv.run() return before the Lua state is closed: luv may crash if one of its
-- handles is still closing. After client:close() and uv.stop(), call uv.run "nowait": then the calls that wait return
-- their errors, with the continuation tokens.

local uv = require "luv"

local resume

local function watch(fd)
  local handle = assert(uv.new_poll(fd))
  assert(handle:start("r", function (err)
    if err then error(("azpec: descriptor %d cannot be watched: %s"):format(fd, err), 0) end
    resume(fd)
  end))
  return handle
end

local function unwatch(handle)
  handle:close()
end

local loop = {}

loop.wait, resume, loop.each = require "azpec.loop.waiters" (watch, unwatch)

return loop
