-- Files: read as they are; made for their owner alone, replaced so that nobody ever sees half of one, and added to.
--
-- The names of these files are known or easily guessed, and some stand in folders that others may write to, as /tmp. So
-- a file is made under a name that nothing has (the shell's noclobber is O_EXCL, which follows no link), with the mode
-- 0600, and is then renamed where it has to take a name. A file that is there already is added to only if it is a
-- regular file of the user or of root that nobody else may write to. Symbolic links are refused; the system's own names
-- of the standard streams and of descriptors, as /dev/stdout, are not.

local lfs = require "lfs"
local rand = require "openssl.rand"

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

-- ---- making one ----------------------------------------------------------------------------------------------------

-- Makes an empty file that its owner alone can read and write; true, or nil where it is not made.
local function create(path)
  return os.execute(("(umask 077 && set -C && : >'%s') 2>/dev/null"):format((path:gsub("'", "'\\''"))))
end

-- Why a file could not be made: what the system says of another try.
local function reason(path)
  local handle, why = io.open(path, "wb")
  if not handle then return (why:gsub("^.*: ", "")) end
  handle:close()
  os.remove(path)
  return "cannot be made"
end

local function unused_name(stem)
  return stem .. "." .. (rand.bytes(8):gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- A new file with a text beside another one: its name; or nil and why not.
local function make(stem, text)
  local path = unused_name(stem)
  if not create(path) then return nil, reason(path) end
  local ok, why = write_into(path, text)
  if ok then return path end
  os.remove(path)
  return nil, (why:gsub("^.*: ", ""))
end

-- A new file in the folder for temporary ones (TMPDIR): its name; or nil and a message.
function file.temporary(name, text)
  local folder = os.getenv "TMPDIR" or ""
  local stem = (folder == "" and "/tmp" or folder) .. "/" .. name
  local path, why = make(stem, text)
  return path, why and ("%s: %s"):format(stem, why)
end

-- ---- what is there already -----------------------------------------------------------------------------------------

-- The user's id. The one way to ask for it that every system has is id(1).
local own_id
local function user()
  if own_id == nil then
    local pipe <close> = io.popen "id -u"
    own_id = pipe:read "n" or false
  end
  return own_id
end

local function is_of_system(path)
  return path:find "^/dev/fd/%d+$" or path:find "^/proc/self/fd/%d+$" or path:find "^/dev/std%l+$"
end

-- Nothing of another user's: it may be there to be read by him, or to lead elsewhere.
local function check_owner(path, attributes)
  if attributes.uid == 0 or attributes.uid == user() then return true end
  return nil, ("%s belongs to another user (%d)"):format(path, attributes.uid)
end

-- Whether a file may be added to: true, or nil and why not.
local function check(path)
  local attributes, why = lfs.symlinkattributes(path)
  if not attributes then return nil, why end
  if attributes.mode == "link" then return nil, ("%s is a symbolic link; name the file itself"):format(path) end
  if attributes.mode ~= "file" then return nil, ("%s is no regular file but a %s"):format(path, attributes.mode) end
  if attributes.permissions:sub(8, 8) == "w" then
    return nil, ("anybody may write to %s, so it proves nothing; chmod o-w it"):format(path)
  end
  return check_owner(path, attributes)
end

-- ---- whole files, and those that grow ------------------------------------------------------------------------------

-- Writes a text beside the file and puts it in its place: true, or nil and a message, and then the file is as it was.
-- A device or a pipe has a meaning of its own; it stays, and is written into.
function file.replace(path, text)
  local attributes = lfs.symlinkattributes(path)
  local mode = attributes and attributes.mode
  if mode == "link" and not is_of_system(path) then
    return nil, ("%s is a symbolic link; name the file itself"):format(path)
  elseif mode and mode ~= "file" then
    local ok, why = check_owner(path, attributes)
    if not ok then return nil, why end
    return write_into(path, text)
  end
  local beside, problem = make(path, text)
  local ok = beside
  if ok then ok, problem = os.rename(beside, path) end
  if ok then return true end
  if beside then os.remove(beside) end
  return nil, ("%s: %s"):format(path, (problem:gsub("^.*: ", "")))
end

-- A handle that adds to a file and reads it; the file is made if it is not there. nil and why not.
function file.open(path)
  if not lfs.symlinkattributes(path) then create(path) end
  if lfs.symlinkattributes(path) then -- else the system says why it could not be made
    local ok, why = check(path)
    if not ok then return nil, why end
  end
  local handle, why = io.open(path, "a+b")
  if handle then handle:setvbuf "no" end
  return handle, why
end

-- Room on the disk of a file: a handle to a new file beside it that has no name any more. What is written to it is
-- taken from the disk, and given back when it is closed, also when the process dies. nil and why not.
function file.ballast(path)
  local beside = unused_name(path)
  local handle, why = io.open(beside, "wb")
  if not handle then return nil, (why:gsub("^.*: ", "")) end
  os.remove(beside)
  handle:setvbuf "no"
  return handle
end

return file
