-- A file that one process at a time holds: taken by fcntl (POSIX advisory record locking), so it is free again when the
-- process ends, however it ends.

local lfs = require "lfs"

local lock = {}

-- The lock, which is given back when it is closed (`local held <close> = ...`); or nil and why not.
function lock.take(path)
  local handle, why = io.open(path, "a")
  if not handle then return nil, why end
  local ok, problem = lfs.lock(handle, "w")
  if ok then return handle end
  handle:close()
  return nil, ("%s: another process holds it (%s)"):format(path, problem)
end

return lock
