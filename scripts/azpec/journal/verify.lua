-- Verifies a journal: names every line that was changed, removed, added or reordered, and every result that has no
-- intent.

local chain = require "azpec.journal.chain"

local verify = {}

local function add(report, line, kind, format, ...)
  report.problems[#report.problems + 1] = { line = line, kind = kind, message = format:format(...) }
end

local function span(from, to)
  return from == to and ("number %d is"):format(from) or ("numbers %d to %d are"):format(from, to)
end

-- ---- one line after the other --------------------------------------------------------------------------------------

-- Counts the records between two numbers that are missing in the file; at most as many as it has lines can be
-- elsewhere.
local function note_missing(report, line, from, to, where)
  if to - from >= report.lines then
    return add(report, line, "removed", "%s missing before line %d", span(from, to), line)
  end
  local first
  for seq = from, to + 1 do
    local is_gone = seq <= to and not where[seq]
    if is_gone and not first then first = seq end
    if first and not is_gone then
      add(report, line, "removed", "%s missing before line %d", span(first, seq - 1), line)
      first = nil
    end
  end
end

-- Reports an intact record that does not follow the one before it.
local function note_break(report, entry, before, where)
  local line, seq = entry.line, entry.record.seq
  local other = where[seq] ~= line and where[seq] or where.again[seq]
  if other then
    add(report, line, "added", "line %d has the number %d, which line %d has too", line, seq, other)
  elseif seq > before.seq + 1 then
    note_missing(report, line, before.seq + 1, seq - 1, where)
  elseif seq <= before.seq then
    add(report, line, "reordered", "line %d has the number %d and stands behind number %d", line, seq, before.seq)
  elseif before.line then
    add(report, line, "changed", "line %d does not follow line %d: one of the two was written anew", line, before.line)
  else
    add(report, line, "changed", "line %d is not the first of its journal, though its number says so", line)
  end
end

local function note_bad(report, entry, is_last)
  if is_last and not entry.ended then
    add(report, entry.line, "torn", "line %d was cut off (a crash, a full disk), or the journal was", entry.line)
  else
    add(report, entry.line, "changed", "line %d was changed: it is not as azpec wrote it", entry.line)
  end
end

local function follows(record, before)
  return record.seq == before.seq + 1 and record.prev == before.hash
end

-- After a changed line the number and the "prev" of the next record cannot be checked, and are accepted.
local function walk(report, entries, where)
  local before = { seq = 0, hash = chain.origin }
  for n, entry in ipairs(entries) do
    local record = entry.record
    if not record then
      note_bad(report, entry, n == #entries)
      before = { seq = before.seq + 1, line = entry.line, unknown = true }
    else
      local fits = before.unknown and record.seq == before.seq + 1 or follows(record, before)
      if not fits then note_break(report, entry, before, where) end
      before = { seq = record.seq, hash = record.hash, line = entry.line }
    end
  end
  return before
end

-- ---- the anchor ----------------------------------------------------------------------------------------------------

-- Parses an anchor, "12:HASH".
function verify.anchor(text)
  local seq, hash = text:match "^(%d+):(%x+)$"
  seq = seq and math.tointeger(tonumber(seq))
  if not seq or seq < 1 or #hash ~= #chain.origin then
    return nil, ("'%s' is no anchor; NUMBER:HASH, as azpec journal verify tells it"):format(text)
  end
  return { seq = seq, hash = hash:lower() }
end

local function check_anchor(report, anchor, by_seq)
  local record = by_seq[anchor.seq]
  if not record then
    add(report, report.lines, "removed", "number %d, which the anchor knows, is missing: the journal ends at line %d",
      anchor.seq, report.lines)
  elseif record.hash ~= anchor.hash then
    add(report, anchor.seq, "changed", "number %d is another one than the anchor knows: the journal was written anew",
      anchor.seq)
  end
end

-- ---- the report ----------------------------------------------------------------------------------------------------

-- Reports results without an intent, unless a line was changed, which may be the intent.
local function note_unannounced(report, entries)
  if report.left_out > 0 then return end
  local announced = {}
  for _, entry in ipairs(entries) do
    if entry.record.event == "intent" then announced[chain.key(entry.record)] = true end
  end
  for _, entry in ipairs(entries) do
    local record = entry.record
    if record.event == "result" and not announced[chain.key(record)] then
      add(report, entry.line, "unannounced", "line %d is the result of a write without an intent in this journal",
        entry.line)
    end
  end
end

-- Lists the writes whose end is not known, in the order of their lines. open: their last intents by chain.key;
-- commands: the command lines by run.
local function note_unfinished(report, open, commands)
  for _, entry in pairs(open) do
    local intent = entry.record
    report.unfinished[#report.unfinished + 1] = { line = entry.line, at = intent.at, run = intent.run,
      verb = intent.verb, command = commands[intent.run], ticket = intent.ticket, call = intent.call,
      connection = intent.connection }
  end
  table.sort(report.unfinished, function (a, b) return a.line < b.line end)
  for n, write in ipairs(report.unfinished) do report.open[n] = write.line end
end

local function note_records(report, entries)
  local where, by_seq, open, commands = { again = {} }, {}, {}, {}
  for _, entry in ipairs(entries) do
    local record = entry.record
    if not record then
      report.left_out = report.left_out + 1
    else
      if where[record.seq] then where.again[record.seq] = entry.line end
      where[record.seq] = where[record.seq] or entry.line
      by_seq[record.seq] = by_seq[record.seq] or record
      if record.event == "repair" then report.repaired[#report.repaired + 1] = entry.line end
      if record.event == "intent" then open[chain.key(record)] = entry end
      if record.command and record.run then commands[record.run] = commands[record.run] or record.command end
      if record.event == "result" and record.outcome ~= "unknown" then open[chain.key(record)] = nil end
    end
  end
  note_unfinished(report, open, commands)
  return where, by_seq
end

-- Verifies entries, a list of { line = number, record = or nil, ended = whether by a line feed }. Returns the report
-- that azpec.journal describes. An empty journal is not ok: it proves nothing, since an emptied one looks the same.
function verify.report(entries, anchor)
  local report = { lines = #entries, left_out = 0, problems = {}, repaired = {}, open = {}, unfinished = {} }
  local where, by_seq = note_records(report, entries)
  local last = walk(report, entries, where)
  if anchor then check_anchor(report, anchor, by_seq) end
  report.intact = #report.problems == 0
  note_unannounced(report, entries)
  report.ok = #report.problems == 0 and report.lines > 0
  if report.ok then report.last = { seq = last.seq, hash = last.hash } end
  return report
end

return verify
