-- azpec as a guest of libuv, by luv.  In a coroutine, with azpec.client { wait = require "azpec.loop.luv".wait }, a
-- call yields, and the loop resumes it:
--
--   coroutine.wrap(function () callback(client:update { ... }) end)()
--
-- libuv takes a descriptor only once, so that of a client is watched once, while somebody waits at it, and not longer:
-- an idle client keeps no loop alive.  What such a coroutine raises is raised in libuv's callback, where luv treats it
-- like any other error.  Let uv.run() return before the Lua state is closed: luv does not bear that while one of its
-- handles is closing.

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

loop.wait, resume = require "azpec.loop.waiters" (watch, unwatch)

return loop
