-- Reads files, creates private ones, replaces files atomically, and appends to them.
--
-- The names of these files are known or easily guessed, and some are in folders that other users may write to, such as
-- /tmp. So a new file is created under an unused name (O_EXCL) with the mode 0600, and then renamed if needed. An
-- existing file is opened without following a symbolic link (O_NOFOLLOW), and the open file is examined (fstat), not
-- its name. It is appended to only if it is a regular file of the user or of root, without other hard links, and
-- writable by its owner only. Symbolic links are refused, except the system's names of standard streams and
-- descriptors, such as /dev/stdout.

local rand = require "openssl.rand"
local system = require "azpec_file"

local file = {}

local nobody, mount_point = 6, 16 -- ENXIO of open(2), EBUSY of rename(2)

-- The longest wait in seconds for the other end of a pipe, or for the first byte of a device.
file.patience = 10

local kilobyte, megabyte = 1 << 10, 1 << 20

-- The largest size in bytes that is read, by the kind of content. A device or a sparse file could exceed the memory.
file.ceilings = { secret = 64 * kilobyte, lua = megabyte, tokens = 16 * megabyte, state = 16 * megabyte,
  plan = 64 * megabyte, ids = 16 * megabyte, line = megabyte }

local block = 64 * kilobyte

local function size_of(bytes)
  return bytes < megabyte and ("%d KiB"):format(bytes // kilobyte) or ("%d MiB"):format(bytes // megabyte)
end

-- Returns a text without the byte order mark that editors and PowerShell write before UTF-8.
function file.without_mark(text)
  return (text:gsub("^\xef\xbb\xbf", ""))
end

-- Reads a handle to its end, up to the ceiling of a kind. Returns the bytes without a byte order mark, or nil and a
-- text.
function file.rest(handle, kind)
  local parts, size, most = {}, 0, file.ceilings[kind]
  while true do
    local part, why = handle:read(block)
    if not part then return why == nil and file.without_mark(table.concat(parts)) or nil, why end
    parts[#parts + 1], size = part, size + #part
    if size > most then return nil, "it is larger than " .. size_of(most) end
  end
end

-- Calls f with each complete line of the rest and the block. Returns the bytes after the last line feed, or nil and the
-- text that f returned.
local function split(left, part, f)
  if not part:find("\n", 1, true) then return left .. part end
  local text, from = left .. part, 1
  for line, after in text:gmatch "([^\n]*\n)()" do
    local stop = f(line)
    if stop then return nil, stop end
    from = after
  end
  return text:sub(from)
end

-- Calls f with each line of a handle, including its line feed, until it returns a text, the reason to stop. kind: of
-- `ceilings`, for all lines together, or nil. Returns true, or nil and a text.
function file.lines(handle, f, kind)
  local left, size, most = "", 0, file.ceilings[kind] or math.huge
  while true do
    local part, why = handle:read(block)
    if not part and left ~= "" then f(left) end
    if not part then return why == nil or nil, why end
    left, why = split(left, part, f)
    if not left then return nil, why end
    size = size + #part
    if #left > file.ceilings.line then return nil, "a line is longer than " .. size_of(file.ceilings.line) end
    if size > most then return nil, "it is larger than " .. size_of(most) end
  end
end

-- Locks an open file until it is closed. kind: "read", "write", or "flock", the lock that flock(1) takes; it is
-- independent of the other two. Returns true; or nil, a text, an error number, and whether another handle holds the
-- lock, in this process or another one.
file.lock = system.lock

-- Waits until written data has arrived, also on another machine. Returns true, or nil, a text and an error number.
file.flush = system.flush

-- Returns the reason in a message that begins with a name.
local function reason(why)
  return (why:gsub("^.*: ", ""))
end

-- ---- existing files -----------------------------------------------------------------------------------------------

local function kind_of(path)
  local facts = system.facts(path)
  return facts and facts.kind
end

local function is_of_system(path)
  return path:find "^/dev/fd/%d+$" or path:find "^/proc/self/fd/%d+$" or path:find "^/dev/std%l+$"
end

local function refuse_link(path)
  return nil, ("%s is a symbolic link; name the file itself"):format(path)
end

local function refuse_kind(path, kind)
  return nil, ("%s is no regular file but a %s"):format(path, kind)
end

-- Another user's file is refused: that user could read it, or have it lead elsewhere.
local function check_owner(path, facts)
  if facts.is_own or facts.uid == 0 then return true end
  return nil, ("%s belongs to another user (%d)"):format(path, facts.uid)
end

-- Checks that an open file may be appended to. Returns true, or nil and a text. In a folder that others may write to, a
-- hard link could lead to another file of the user.
local function check(path, handle)
  local facts = system.facts(handle)
  if facts.kind ~= "file" then return refuse_kind(path, facts.kind) end
  if facts.is_open_to_all then
    return nil, ("anybody may write to %s, so it proves nothing; chmod go-w it"):format(path)
  end
  if facts.is_open_to_group then
    return nil, ("its group may write to %s, so it proves nothing; chmod g-w it"):format(path)
  end
  if facts.links > 1 then
    return nil, ("%s has another name, too (a hard link); name a file that has one name"):format(path)
  end
  return check_owner(path, facts)
end

-- Says why a file could not be opened.
local function refuse_open(path, why)
  local kind = kind_of(path)
  if kind == "link" then return refuse_link(path) end
  if kind and kind ~= "file" then return refuse_kind(path, kind) end
  return nil, why
end

-- Opens a file for reading, if its kind is one of the keys of `kinds`. A link is followed. Returns a handle; or nil, a
-- text and an error number.
local function open_kind(path, kinds)
  local handle, why, code = system.open(path, "read")
  local kind = handle and system.facts(handle).kind or kind_of(path)
  if handle and kinds[kind] then return handle end
  if not handle and kind ~= "socket" then return nil, why, code end
  if handle then handle:close() end
  return refuse_kind(path, kind)
end

local readable = { file = true, ["named pipe"] = true, ["char device"] = true }

-- Opens a file that is read to its end: also a pipe, such as a shell's <(...), a terminal and /dev/null. Returns a
-- handle, or nil and a text.
local function open_to_await(path)
  local handle, why = open_kind(path, readable)
  if not handle then return nil, why end
  local ok, problem = system.await(handle, file.patience)
  if ok then ok, problem = system.block(handle) end
  if ok then return handle end
  handle:close()
  return nil, ("%s: %s"):format(path, problem or ("nothing was written to it within %g seconds; start the program that "
    .. "writes to it first"):format(file.patience))
end

-- Reads a file of a kind of `ceilings`. Returns the bytes, or nil and a message with the file's name.
function file.read(path, kind)
  local handle <close>, why = open_to_await(path)
  if not handle then return nil, why end
  local text, problem = file.rest(handle, kind)
  if not text then return nil, ("%s: %s"):format(path, problem) end
  return text
end

local writable = { link = "stream", ["named pipe"] = "device", ["char device"] = "device" }

-- Opens a stream whose other end may have to be waited for. Returns a handle, or nil and a text.
local function open_to_write(path, kind)
  local is_pipe = kind == "named pipe"
  local handle, why, code = system.open(path, writable[kind], is_pipe and file.patience or 0)
  if is_pipe and code == nobody then
    why = ("%s: nobody opened it to read within %g seconds; start the program that reads from it first"):format(path,
      file.patience)
  end
  if not handle then return nil, why end
  system.block(handle)
  return handle
end

-- Opens a device, a pipe or a standard stream. Returns a handle, or nil and a text.
local function open_stream(path, facts)
  if facts.kind == "link" then return open_to_write(path, "link") end
  local ok, why = check_owner(path, facts)
  if not ok then return nil, why end
  local handle, problem = open_to_write(path, facts.kind)
  if not handle then return nil, problem end
  facts = system.facts(handle)
  ok, why = check_owner(path, facts)
  if ok and facts.kind == "file" then ok, why = nil, path .. " has just become a regular file" end
  if ok then return handle end
  handle:close()
  return nil, why
end

-- ---- new files ----------------------------------------------------------------------------------------------------

local function unused_name(stem)
  return stem .. "." .. (rand.bytes(8):gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- Closes a file and reports errors: writing buffered data, or data for another machine, may fail only now.
local function write(handle, text, to_disk)
  local ok, why = handle:write(text)
  if ok and to_disk then ok, why = system.sync(handle) end
  local closed, problem = handle:close()
  return ok and closed, why or problem
end

-- Creates a file with a text in the folder of another one. Returns its name, or nil and a text.
local function make(stem, text)
  local path = unused_name(stem)
  local handle, why = system.open(path, "create")
  if not handle then return nil, (kind_of(stem) and "no file can be made beside it: " or "") .. reason(why) end
  local ok, problem = write(handle, text, true)
  if ok then return path end
  os.remove(path)
  return nil, problem
end

-- Creates a file in the folder for temporary files (TMPDIR). Returns its name, or nil and a message.
function file.temporary(name, text)
  local folder = os.getenv "TMPDIR" or ""
  local stem = (folder == "" and "/tmp" or folder) .. "/" .. name
  local path, why = make(stem, text)
  return path, why and ("%s: %s"):format(stem, why)
end

-- ---- replacing and appending --------------------------------------------------------------------------------------

local function put_in_place(beside, path)
  local ok, why, code = os.rename(beside, path)
  if ok then return true end
  os.remove(beside)
  if code == mount_point then
    return nil, "it is a mount point, which cannot be replaced; mount its folder, or name another file"
  end
  return nil, reason(why)
end

-- Returns the facts of a device, pipe or standard stream. Any other kind than a regular file is refused: nil and a
-- text.
local function stream_at(path)
  local facts = system.facts(path)
  if not facts or facts.kind == "file" then return nil end
  if facts.kind == "link" and not is_of_system(path) then return refuse_link(path) end
  if not writable[facts.kind] then return refuse_kind(path, facts.kind) end
  return facts
end

-- Returns whether the path is a stream such as a pipe, so that nothing is replaced.
function file.is_stream(path)
  return stream_at(path) ~= nil
end

-- Returns the facts of a file's folder, or nil and the reason.
local function folder_of(path)
  return system.facts((path:match "^.*/" or "") .. ".")
end

-- Returns whether a path may be written to: a new file in a folder that exists, an empty file, a file for whose first
-- bytes is_own(head) is true, a device, a pipe or a standard stream. Otherwise, and for any other file without is_own,
-- returns false and a text.
function file.may_replace(path, is_own)
  local stream, refused = stream_at(path)
  if stream or refused then return stream ~= nil, refused end
  if not file.is_there(path) then
    local folder, why = folder_of(path)
    return folder ~= nil, why and ("%s: %s"):format(path, reason(why))
  end
  local handle, why = file.open_to_read(path)
  if not handle then return false, why end
  local head = handle:read(4096) or ""
  handle:close()
  if head == "" or is_own and is_own(head) then return true end
  return false, path .. ": there is another file; name a new one, or remove it"
end

local function write_to_stream(path, facts, text)
  local handle, problem = open_stream(path, facts)
  if not handle then return nil, problem end
  local ok, why = write(handle, text)
  return ok, why and ("%s: %s"):format(path, why)
end

-- Replaces a file that may be replaced (file.may_replace): writes a new one in its folder and renames it. A device or a
-- pipe is written to instead. Returns true; or nil, a message, and whether the path was refused before anything was
-- done. The file is then unchanged.
function file.replace(path, text, is_own)
  local may, refused = file.may_replace(path, is_own)
  if not may then return nil, refused, true end
  local stream = stream_at(path)
  if stream then return write_to_stream(path, stream, text) end
  local ok, why = make(path, text)
  if ok then ok, why = put_in_place(ok, path) end
  if ok then return true end
  return nil, ("%s: %s"):format(path, why)
end

-- Opens a file for appending and reading, and creates it if needed. Returns a handle, or nil and a text.
function file.open(path)
  local handle, why = system.open(path, "append")
  if not handle then return refuse_open(path, why) end
  local ok, problem = check(path, handle)
  if ok then
    handle:setvbuf "no"
    return handle
  end
  handle:close()
  return nil, problem
end

-- Opens an unbuffered handle for a log: to a new file that replaces one that may be replaced (file.may_replace), or to
-- a device, pipe or standard stream. Returns nil and a text on failure.
function file.start(path, is_own)
  local stream, refused = stream_at(path)
  if stream then return open_stream(path, stream) end
  if refused then return nil, refused end
  local ok, why = file.replace(path, "", is_own)
  if not ok then return nil, why end
  return file.open(path)
end

-- Opens a regular file for reading. Returns a handle; or nil, a text and an error number. A link is followed; a pipe
-- does not block.
function file.open_to_read(path)
  return open_kind(path, { file = true })
end

-- Opens a file that is only locked, and has no content. Returns a handle, or nil and a text.
function file.open_empty(path)
  local handle, why = file.open(path)
  if not handle then return nil, why end
  if system.facts(handle).size == 0 then return handle end
  handle:close()
  return nil, path .. ": it is not empty, so it is no lock file; name another file"
end

-- Returns a text that is equal for two names of one file, whether it exists or not; nil for a stream, and where the
-- folder does not exist.
function file.identity(path)
  if file.is_stream(path) then return nil end
  local facts = system.facts(path)
  if facts then return facts.inode end
  local beside = folder_of(path)
  return beside and beside.inode .. "/" .. path:match "[^/]*$"
end

-- Returns a text that is equal for two handles of one file, and the file's size.
function file.facts_of(handle)
  local facts = system.facts(handle)
  return facts.inode, facts.size
end

-- Returns whether the name is a regular file.
function file.is_there(path)
  return kind_of(path) == "file"
end

-- Opens a new unnamed file in the folder of another one, to reserve disk space. The space is freed when the handle is
-- closed, also if the process dies. Returns a handle, or nil and a text.
function file.ballast(path)
  local beside = unused_name(path)
  local handle, why = system.open(beside, "create")
  if not handle then return nil, reason(why) end
  os.remove(beside)
  handle:setvbuf "no"
  return handle
end

return file
