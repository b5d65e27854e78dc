-- A file that one process at a time holds: taken by fcntl (POSIX advisory record locking), so it is free again when the
-- process ends, however it ends.

local lfs = require "lfs"

local file = require "azpec.file"

local lock = {}

-- The lock, which is given back when it is closed (`local held <close> = ...`); or nil, why not, and whether another
-- process holds it.
function lock.take(path)
  local handle, why = file.open(path)
  if not handle then return nil, why, false end
  local ok, problem = lfs.lock(handle, "w")
  if ok then return handle end
  handle:close()
  return nil, ("%s: another process holds it (%s)"):format(path, problem), true
end

return lock
