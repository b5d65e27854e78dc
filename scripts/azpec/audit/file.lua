-- The file of an audit trail: made for its owner alone, and added to by one process at a time.
--
-- The lock is fcntl's (POSIX advisory record locking) by LuaFileSystem, on the file itself: the system takes it back
-- when a process ends, however it ends. It holds between processes, not between the threads of one. It is kept for
-- one addition only, within which nothing yields, and since closing any descriptor of a file gives up the process's
-- locks on it, everything is done through one.

local lfs = require "lfs"

local chain = require "azpec.audit.chain"
local files = require "azpec.file"

local file = {}

local longest_line = 1 << 20

local function check_mode(path)
  local attributes, why = lfs.attributes(path)
  if not attributes then return nil, why end
  if attributes.mode ~= "file" then return nil, ("%s is no regular file but a %s"):format(path, attributes.mode) end
  return attributes
end

-- cqueues.sleep blocks in a plain program and lets others go on in a controller of cqueues.
local function pause(seconds)
  require "cqueues".sleep(seconds)
end

local function lock(handle, kind, patience)
  local deadline, wait
  while true do
    local ok, why = lfs.lock(handle, kind)
    if ok then return true end
    local now = require "cqueues".monotime()
    deadline, wait = deadline or now + patience, math.min(2 * (wait or 0.001), 0.05)
    if now >= deadline then return nil, ("not locked within %g seconds (%s)"):format(patience, why) end
    pause(wait * (0.5 + math.random() / 2))
  end
end

-- The bytes behind the last complete line, and that line.
local function read_end(handle)
  local size = handle:seek "end"
  local from, bytes = size, ""
  while from > 0 and #bytes <= longest_line do
    local step = math.min(from, 4096)
    from = from - step
    handle:seek("set", from)
    local block, why = handle:read(step)
    if not block then return nil, why or "it became shorter" end
    bytes = block .. bytes
    local line, rest = bytes:match "\n([^\n]*)\n([^\n]*)$"
    if line then return rest, line end
  end
  if #bytes > longest_line then return nil, "its last line is too long to be one of azpec's" end
  local line, rest = bytes:match "^([^\n]*)\n([^\n]*)$"
  return rest or bytes, line
end

-- Where the trail ends: the last record's number and hash, and what has to be written in front of the next line.
local function last_of(handle)
  local rest, line = read_end(handle)
  if not rest then return nil, line end
  local last = { seq = 0, hash = chain.origin, lead = "" }
  local whole = rest ~= "" and chain.open(rest)
  local record = whole or line and chain.open(line)
  if not record and line then return nil, "its last line is not as azpec wrote it (`azpec audit verify`)" end
  if record then last.seq, last.hash = record.seq, record.hash end
  if whole then
    last.lead = "\n"
  elseif rest ~= "" then
    local repair = chain.repair(rest)
    repair.at = os.date "!%Y-%m-%dT%H:%M:%SZ"
    last.lead, last.hash = chain.seal(repair, last.seq + 1, last.hash)
    last.lead, last.seq = last.lead .. "\n", last.seq + 1
  end
  return last
end

-- Unbuffered: the line goes out in one write, and closing has nothing left that it could write later.
local function write(handle, record)
  local last, why = last_of(handle)
  if not last then return nil, why end
  local line, hash = chain.seal(record, last.seq + 1, last.hash)
  if #line > longest_line then return nil, "the line would be too long to be found again" end
  handle:seek "end"
  local ok, problem = handle:write(last.lead .. line .. "\n")
  if not ok then return nil, problem end
  return { seq = last.seq + 1, hash = hash }
end

-- Adds a record; returns its number and hash as a table, or nil and why it is not in the file.
function file.append(path, record, patience)
  local handle <close>, problem = files.open(path)
  if not handle then return nil, problem end
  local ok, why = lock(handle, "w", patience)
  if not ok then return nil, ("%s: %s"):format(path, why) end
  local place, reason = write(handle, record)
  if not place then return nil, ("%s: %s"):format(path, reason) end
  return place
end

-- Calls f with each line, its line feed included, while nobody writes.
function file.read(path, f, patience)
  local known, reason = check_mode(path)
  if not known then return nil, reason end
  local handle <close>, why = io.open(path, "rb")
  if not handle then return nil, why end
  local ok, problem = lock(handle, "r", patience)
  if not ok then return nil, ("%s: %s"):format(path, problem) end
  for line in handle:lines "L" do f(line) end
  return true
end

return file
