-- Files: read as they are, replaced so that nobody ever sees half of one, made for their owner alone.

local file = {}

-- All of a file, or nil and a message with its name.
function file.read(path)
  local handle <close>, why = io.open(path, "rb")
  if not handle then return nil, why end
  local text, problem = handle:read "a"
  if not text then return nil, ("%s: %s"):format(path, problem) end
  return text
end

local function write(handle, text)
  local ok, why = handle:write(text)
  local closed, problem = handle:close() -- what was buffered may fail only now
  return ok and closed, why or problem
end

local function write_into(path, text)
  local handle, why = io.open(path, "wb")
  if not handle then return nil, why end
  local ok, problem = write(handle, text)
  if not ok then return nil, ("%s: %s"):format(path, problem) end
  return true
end

-- Writes a text beside the file and puts it in its place: true, or nil and a message, and then the file is as it was.
-- A device, a pipe or a link has a meaning of its own; it stays, and is written into.
function file.replace(path, text)
  local mode = require "lfs".symlinkattributes(path, "mode")
  if mode and mode ~= "file" then return write_into(path, text) end
  local beside = ("%s.%d.new"):format(path, os.time())
  local handle, problem = io.open(beside, "wb")
  local ok = handle
  if ok then ok, problem = write(handle, text) end
  if ok then ok, problem = os.rename(beside, path) end
  if ok then return true end
  if handle then os.remove(beside) end
  return nil, ("%s: %s"):format(path, (tostring(problem):gsub("^" .. beside:gsub("%p", "%%%0") .. ": ", "")))
end

-- Makes an empty file that its owner alone can read, unless something has the name: the shell's noclobber is O_EXCL.
-- Whoever opens it then meets what kept it from being made.
function file.create_private(path)
  if require "lfs".symlinkattributes(path) then return end
  os.execute(("(umask 077 && set -C && : >'%s') 2>/dev/null"):format((path:gsub("'", "'\\''"))))
end

return file
