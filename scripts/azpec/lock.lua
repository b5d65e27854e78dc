-- A lock file that one run at a time holds. It is the lock that flock(1) takes, so each excludes the other. The system
-- releases it when the process ends.

local file = require "azpec.file"

local lock = {}

-- Takes the lock. Returns an object that releases it when closed (`local held <close> = ...`), or nil, a text, and
-- whether another process holds it.
function lock.take(path)
  local handle, why = file.open_empty(path)
  if not handle then return nil, why, false end
  local ok, problem, _, is_held = file.lock(handle, "flock")
  if ok then return handle end
  handle:close()
  return nil, ("%s: %s"):format(path, is_held and "another process holds it" or "it cannot be locked: " .. problem),
    is_held
end

return lock
