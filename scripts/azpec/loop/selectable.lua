-- Represents a descriptor in luasocket's select.  Returns a function of the descriptor.  It raises an error for one
-- that select cannot watch, because select itself would then raise one at each call.

local socket = require "socket"

local function clean() return false end

return function (fd)
  if fd >= socket._SETSIZE then
    error(("descriptor %d is too large for luasocket's select (at most %d): close some files, or use another loop")
      :format(fd, socket._SETSIZE - 1), 0)
  end
  return { fd = fd, getfd = function (self) return self.fd end, dirty = clean }
end
