-- The file of a journal: readable by its owner only, and written by one process at a time.
--
-- An advisory lock on the file itself (azpec.file) excludes other processes, and other threads of this one. The system
-- releases it when the process ends. It is held for one line only, and no code yields meanwhile.
--
-- A run keeps to the file in which it began, because its intents are there. `seen` (a table of the run, empty at first)
-- has the inode of that file, and its size after the run's last line. Another file of that name, or a shorter one, is
-- refused.

local chain = require "azpec.journal.chain"
local date = require "azpec.date"
local files = require "azpec.file"

local file = {}

-- How to go on where no line can be written.
file.cure = "make the journal writable, free space on its disk, or choose another file"

-- Lets time pass where nothing can yield, as in before_write. cqueues has no such wait inside a controller; a client
-- without `wait` has.
local function stand_still(seconds)
  local azpec = require "azpec"
  local idle <close> = azpec.client { credential = azpec.credential.token { token = "none" },
    authority_host = "https://login.microsoftonline.com" } -- not that of the environment, which may be bad
  idle:wait(seconds)
end

-- Inside a cqueues controller, other coroutines go on if this one can yield. Everywhere else the program stands still.
local function pause(seconds)
  local cqueues = require "cqueues"
  if cqueues.running() and not coroutine.isyieldable() then return stand_still(seconds) end
  cqueues.sleep(seconds)
end

local not_the_same = "it is not the file in which this run began, which was renamed, removed or truncated; move that "
  .. "back, or start a new run"

-- Opens the file of a run, and creates it only for the run's first line. Returns a handle, or nil and a text.
local function open(path, seen)
  if seen.inode and files.identity(path) ~= seen.inode then return nil, ("%s: %s"):format(path, not_the_same) end
  return files.open(path)
end

-- Compares an open file with the one in which the run began. Returns true, or nil and a text.
local function check_same(handle, seen)
  local inode, size = files.facts_of(handle)
  if inode == (seen.inode or inode) and size >= (seen.size or 0) then return true end
  return nil, not_the_same
end

-- Remembers the file of a run.
local function note(handle, seen)
  seen.inode, seen.size = files.facts_of(handle)
end

local function lock(handle, kind, patience)
  local deadline, wait
  while true do
    local ok, why, _, is_held = files.lock(handle, kind)
    if ok then return true end
    if not is_held then return nil, "it cannot be locked: " .. why end
    local now = require "cqueues".monotime()
    deadline, wait = deadline or now + patience, math.min(2 * (wait or 0.001), 0.05)
    if now >= deadline then return nil, ("not locked within %g seconds (%s)"):format(patience, why) end
    pause(wait * (0.5 + math.random() / 2))
  end
end

-- Returns the bytes after the last complete line, and that line.
local function read_end(handle)
  local size = handle:seek "end"
  local from, bytes = size, ""
  while from > 0 and #bytes <= files.ceilings.line do
    local step = math.min(from, math.max(4096, #bytes))
    from = from - step
    handle:seek("set", from)
    local block, why = handle:read(step)
    if not block then return nil, why or "it became shorter" end
    bytes = block .. bytes
    local line, rest = bytes:match "\n([^\n]*)\n([^\n]*)$"
    if line then return rest, line end
  end
  if #bytes > files.ceilings.line then return nil, "its last line is too long to be one of azpec's" end
  local line, rest = bytes:match "^([^\n]*)\n([^\n]*)$"
  return rest or bytes, line
end

-- Returns whether a file's first bytes may be the first line of a journal, complete or cut off.
local function is_ours(handle)
  local beginning = '{"a'
  handle:seek "set"
  local bytes = handle:read(#beginning) or ""
  return bytes == beginning:sub(1, #bytes)
end

-- Returns the number and the hash of the last record, and the text to write before the next line.
local function last_of(handle)
  if not is_ours(handle) then return nil, "it is no journal of azpec's, and was left as it is; name another file" end
  local rest, line = read_end(handle)
  if not rest then return nil, line end
  local last = { seq = 0, hash = chain.origin, lead = "" }
  local whole = rest ~= "" and chain.open(rest)
  local record = whole or line and chain.open(line)
  if not record and line then return nil, "its last line is not as azpec wrote it (`azpec journal verify`)" end
  if record then last.seq, last.hash = record.seq, record.hash end
  if whole then
    last.lead = "\n"
  elseif rest ~= "" then
    local repair = chain.repair(rest)
    repair.at = date.stamp()
    last.lead, last.hash = chain.seal(repair, last.seq + 1, last.hash)
    last.lead, last.seq = last.lead .. "\n", last.seq + 1
  end
  return last
end

-- Unbuffered: the line is one write(2), and close has nothing left to write.
local function write(handle, record)
  local last, why = last_of(handle)
  if not last then return nil, why end
  local line, hash = chain.seal(record, last.seq + 1, last.hash)
  if #line > files.ceilings.line then return nil, "the line would be too long to be found again" end
  handle:seek "end"
  local ok, problem = handle:write(last.lead .. line .. "\n")
  if not ok then return nil, problem end
  return { seq = last.seq + 1, hash = hash }
end

-- Checks that a record can be appended, and creates the file if needed. Returns true, or nil and a text.
function file.check(path, patience, seen)
  local handle <close>, problem = open(path, seen)
  if not handle then return nil, problem end
  local ok, why = lock(handle, "write", patience)
  if ok then ok, why = check_same(handle, seen) end
  if ok then ok, why = last_of(handle) end
  if not ok then return nil, ("%s: %s"):format(path, why) end
  note(handle, seen)
  return true
end

-- Appends a record. Returns a table of its number and hash, or nil and a text. A network file system may report an
-- error only when the file is closed, so that is checked too.
function file.append(path, record, patience, seen)
  local handle <close>, problem = open(path, seen)
  if not handle then return nil, problem end
  local place, why = lock(handle, "write", patience)
  if place then place, why = check_same(handle, seen) end
  if place then place, why = write(handle, record) end
  if place then note(handle, seen) end
  local closed, reason = handle:close()
  if place and closed then return place end
  return nil, ("%s: %s"):format(path, why or reason)
end

-- Calls f with each line, including its line feed, while the file is locked. seen: of a run, or nil.
function file.read(path, f, patience, seen)
  local handle <close>, why = files.open_to_read(path)
  if not handle then return nil, why end
  local ok, problem = lock(handle, "read", patience)
  if ok and seen then ok, problem = check_same(handle, seen) end
  if ok and not is_ours(handle) then ok, problem = nil, "it is no journal of azpec's" end
  handle:seek "set"
  if ok then ok, problem = files.lines(handle, f) end
  if not ok then return nil, ("%s: %s"):format(path, problem) end
  return true
end

return file
