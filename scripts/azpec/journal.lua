-- azpec.journal -- a tamper-evident file of all writes: who changed which connection, when and why. It is also the
-- checkpoint from which a later run continues an interrupted one.
--
--   local journal = require "azpec.journal"
--   local file = journal.open("journal.jsonl", { ticket = "CHG-42" })
--   local client = journal.client({ timeout = 60 }, file, { verb = "approve" })  -- options of azpec.client
--   local done, err = client:update { id = connection.id, status = "Approved", if_match = connection.etag }
--
--   local report = assert(journal.verify "journal.jsonl")    -- report.ok; else report.problems says which lines
--
-- The file has one JSON object a line and is only appended to. Each line holds the hash of the line before
-- (azpec.journal.chain). An "intent" is written before each PATCH and DELETE is sent, by azpec.client's before_write; a
-- repeated write has an intent for each attempt. An operation has one "result". Room on the disk for it is reserved
-- with the intent. A write is not sent if its intent, or room for its result, cannot be recorded; so every write is in
-- the file, even if its process died. The service's texts are cut at 4 KiB. An access token is never recorded, only the
-- identity's claims named below. Lines survive the process; azpec does not wait for the disk (fsync).
--
-- An interrupted run leaves intents without a result, or with the result "unknown". They stay open until a later run
-- can read the connection, or until the service answers that run's own write. After a fork, each process records the
-- end of what it has begun itself. A subject names the run's task. The next run of the same subject continues the
-- interrupted one, under the same name:
--
--   local file = journal.open("journal.jsonl", { subject = "digest of the rules" })
--   local items = assert(file:unfinished())                  -- for azpec.run, before its other items
--   file:next_run()                                          -- in a program that does the same again and again
--
-- The members: audit (1), seq, prev, hash; event ("intent", "result", "repair"), at (RFC 3339, UTC), run, call (one id
-- for all lines of an operation, which is also its x-ms-client-request-id), azpec (the version), who, verb (the
-- command's), operation ("update", "ensure", "delete"), connection (its id), rule, reason, ticket; in an intent: wanted
-- = { status, description }, attempt (from the second on), subject, command (the command line; only in the first intent
-- of a process), change_reference and policy_token_id (of the policy token that the write has, never the token),
-- policy_attempts (how often that token was requested, from the second request on); before and after = { etag, status,
-- description, provisioning_state }; in a result: outcome ("changed", "unchanged", "failed", "unknown"), request_id,
-- correlation_id, error = { kind, code, message, http_status, policy, verdict, replaced }, token (the continuation
-- token of an unknown outcome).

local rand = require "openssl.rand"

local chain = require "azpec.journal.chain"
local date = require "azpec.date"
local failure = require "azpec.failure"
local fields = require "azpec.fields"
local file = require "azpec.journal.file"
local json = require "azpec.json"
local room = require "azpec.journal.room"
local run = require "azpec.run"
local state = require "azpec.journal.state"
local unfinished = require "azpec.journal.unfinished"
local verify = require "azpec.journal.verify"

local journal = {}

-- ---- words ---------------------------------------------------------------------------------------------------------

local function hex(bytes)
  return (bytes:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- Returns a random UUID (RFC 9562, version 4).
local function new_call()
  local digits = hex(rand.bytes(16))
  return ("%s-%s-4%s-%x%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(14, 16),
    8 | tonumber(digits:sub(17, 17), 16) & 3, digits:sub(18, 20), digits:sub(21))
end

-- Returns a name for a run; names sort by time.
function journal.new_run()
  return os.date "!%Y%m%dT%H%M%SZ-" .. hex(rand.bytes(4))
end

local claims = { "oid", "tid", "appid", "azp", "upn", "preferred_username", "name", "idtyp" }

-- Returns the recorded part of an identity (of client:identity): the credential's kind and the claims that name it.
function journal.who(identity)
  fields.check_argument(identity, "table", "bad argument #1 to 'who'")
  local who = { credential = identity.credential }
  for _, name in ipairs(claims) do
    local value = (identity.claims or {})[name]
    if type(value) == "string" then who[name] = value end
  end
  return who
end

-- Returns the shortest name of an identity, or nil.
function journal.name_of(who)
  who = who or {}
  return who.upn or who.preferred_username or who.name or who.appid or who.azp or who.oid or who.credential
end

-- ---- writing -------------------------------------------------------------------------------------------------------

local methods = {}
methods.__index = methods
methods.__name = "azpec.journal"

local option_types = { run = "string", who = "table", ticket = "string", azpec = "string", patience = "number",
  subject = "string", command = "string" }

-- The longest command line that is recorded, in bytes; a longer one would fill the journal.
local longest_command = 16 * 1024

-- Returns a journal to append to. The file is created with the first line, readable by its owner only. All lines go to
-- that file: after it was renamed or removed, a line is refused. options: run (its name; default: a new one), who (a
-- table of journal.who), ticket (string), azpec (the version; default: the loaded module's), subject (a string that no
-- other task uses), command (the command line that does the same), patience (seconds to wait while another process
-- writes; default: 10). The event loop is blocked during that wait; under cqueues only if the line is that of an
-- intent. Raises an error for a wrong option.
function journal.open(path, options)
  options = options or {}
  fields.check_argument(path, "path", "bad argument #1 to 'open'")
  fields.check(options, option_types)
  local module = package.loaded.azpec
  return setmetatable({ path = path, run = options.run or journal.new_run(), who = options.who,
    ticket = options.ticket, subject = options.subject, azpec = options.azpec or module and module._VERSION,
    command = options.command, patience = options.patience or 10, room = room.new(path), begun = {}, seen = {} },
    methods)
end

local function refused(why, record)
  return nil, failure.new("journal", ("the journal cannot be written: %s"):format(why), { record = record })
end

local function append(self, record)
  record.at, record.run, record.azpec = date.stamp(), self.run, self.azpec
  record.who, record.ticket = record.who or self.who, self.ticket
  local place, why = file.append(self.path, record, self.patience, self.seen)
  if not place then return refused(why, record) end
  return place
end

-- The bytes of a result beyond its intent: three texts of the service, nine short ones, and ids, partly escaped.
local longest_result = 10 * state.longest_text

-- The members that all lines of an operation share.
local function new_entry(about)
  return { verb = about.verb, operation = about.operation, connection = about.id, rule = about.rule,
    reason = about.reason, who = about.who, call = about.call or new_call() }
end

local function reserve(self, entry, record)
  local is_reserved, why = self.room:reserve(entry, #json.encode(record) + longest_result)
  if is_reserved then return true end
  return refused(("%s: no room for the result: %s"):format(self.path, why), record)
end

-- Returns the command line for the first intent of a run.
local function command_of(self)
  local command = self.run ~= self.run_with_command and self.command or nil
  return command and #command <= longest_command and command or nil
end

-- Records that a write is about to be sent, and reserves room for its result. Returns an entry for conclude or forget,
-- or nil and an error: then the write must not be sent. about: verb, operation, id, wanted = { status, description },
-- before (a connection), rule, reason, change_reference, policy_token_id, policy_attempts, who (default: the
-- journal's), call (the write's client_request_id; default: a new one, which the caller must use); again: the entry of
-- an earlier attempt; attempt: the number of this one.
function methods:intend(about)
  fields.check_argument(about, "table", "bad argument #1 to 'intend'")
  local entry = about.again or new_entry(about)
  local intent = { event = "intent", attempt = about.attempt, wanted = about.wanted, subject = self.subject,
    change_reference = about.change_reference, policy_token_id = about.policy_token_id,
    policy_attempts = about.policy_attempts, command = command_of(self) }
  for name, value in pairs(entry) do intent[name] = value end
  intent.before = state.of(about.before)
  local is_reserved, why = reserve(self, entry, intent)
  if not is_reserved then return nil, why end
  local place, err = append(self, intent)
  if not place then
    if not about.again then self.room:release(entry) end
    return nil, err
  end
  entry.before, self.run_with_command = entry.before or intent.before, self.run
  return entry
end

-- Reads the first intent of each write that has no end yet; a table of lines by chain.key. A line is decoded when it is
-- asked for. Returns nil and a text if the file cannot be read.
local function read_open(self)
  local lines = {}
  local ok, why = file.read(self.path, function (line)
    local key = chain.key_in(line)
    if not key then return end
    if line:find('"event":"intent"', 1, true) then
      lines[key] = lines[key] or line
    elseif not line:find('"outcome":"unknown"', 1, true) then
      lines[key] = nil
    end
  end, self.patience, self.seen)
  return ok and lines, why
end

-- Returns the state before an open write, as its intent has it, or nil; and a text if the file cannot be read.
local function state_before(self, entry)
  local lines, why, key = self.open_writes, nil, chain.key(entry)
  if not (lines and lines[key]) then lines, why = read_open(self) end
  if not lines then return nil, why end
  self.open_writes = lines
  local line = lines[key]
  local intent = line and chain.open((line:gsub("\n$", "")))
  return intent and intent.before
end

-- Continues an operation that another process began and whose intent is recorded. Writes no line, but checks that the
-- journal can be written, and reserves room for the result. about.before: the state in the intent; nil: it is looked
-- up. If the connection now differs from it and is as wanted, the earlier write has done that. Returns an entry for
-- conclude or forget, or nil and an error.
function methods:follow(about)
  fields.check_argument(about, "table", "bad argument #1 to 'follow'")
  local entry = new_entry(about)
  entry.follows = true
  local is_writable, why = file.check(self.path, self.patience, self.seen)
  if not is_writable then return refused(why, entry) end
  local before, unread = about.before, nil
  if not before then before, unread = state_before(self, entry) end
  if unread then return nil, failure.new("journal", "the journal cannot be read: " .. unread) end
  entry.before = before
  is_writable, why = reserve(self, entry, entry)
  return is_writable and entry, why
end

-- Gives up an entry that will have no result.
function methods:forget(entry)
  fields.check_argument(entry, "table", "bad argument #1 to 'forget'")
  self.room:release(entry)
end

-- Reads a call's result: true, a connection, or ensure's { changed, before, after }.
local function note_success(record, done)
  record.outcome = "changed"
  if done == true then return end
  if done.changed ~= nil then
    local before = state.of(done.before)
    local is_by_earlier = record.follows and before and (record.before or {}).etag ~= before.etag
    if not is_by_earlier then
      if not done.changed then record.outcome = "unchanged" end
      record.before = before or record.before
    end
    done = done.after
  end
  record.after = state.of(done)
end

local function note_failure(record, err)
  local short, longest_word = state.short, state.longest_word
  record.outcome = err.continuation_token and "unknown" or "failed"
  record.token = err.continuation_token
  record.error = { kind = err.kind, code = short(err.code, longest_word), message = short(err.message),
    http_status = err.http_status, policy = short(err.policy, longest_word),
    verdict = short(err.verdict, longest_word), replaced = err.replaced }
  record.request_id, record.correlation_id = err.request_id, err.correlation_id
end

-- Records the end of a write. done, err: the return values of the client's call; ids (table or nil): the request_id and
-- correlation_id of the answer. Returns nil and an error if that fails; its `record` is the unwritten result.
function methods:conclude(entry, done, err, ids)
  local record = { event = "result" }
  for name, value in pairs(entry) do record[name] = value end
  if done then note_success(record, done) else note_failure(record, err) end
  record.follows = nil
  if ids then
    record.request_id = ids.request_id or record.request_id
    record.correlation_id = ids.correlation_id or record.correlation_id
  end
  local place, why = append(self, record)
  local is_tried_again = not place and self.room:give_back()
  if is_tried_again then place, why = append(self, record) end
  self.room:release(entry)
  if is_tried_again then self.room:take() end
  return place, why
end

-- ---- interrupted runs ----------------------------------------------------------------------------------------------

-- Checks that the journal can be written, and creates the file if needed. Returns true, or nil and an error.
function methods:check()
  local is_writable, why = file.check(self.path, self.patience, self.seen)
  if not is_writable then return refused(why) end
  return true
end

-- Reads all lines. Returns what azpec.journal.unfinished has found, or nil and an error.
local function read_begun(self)
  local found = unfinished.new(self.subject)
  local ok, err = self:check()
  if not ok then
    err.hint = "nothing was written; " .. file.cure
    return nil, err
  end
  local why
  ok, why = file.read(self.path, function (line) found:note(line) end, self.patience, self.seen)
  if ok and found.changed then
    ok, why = nil, ("%s:%d: this is not as azpec wrote it (`azpec journal verify`)"):format(self.path, found.changed)
  end
  if not ok then return nil, failure.new("journal", why) end
  return found
end

-- Checks that the journal can be written, and that no line of it was changed. Returns true, or nil and an error.
function methods:check_lines()
  local found, err = read_begun(self)
  return found and true, err
end

-- Returns the operations that earlier processes of the same subject have begun and whose end is not recorded, as items
-- of azpec.run. This run takes over the name of theirs. wanted (or nil): items, of which id, action, status and
-- description are read; those of other subjects that do the same to the same connection are returned, too. Returns nil
-- and an error if the journal cannot be used, or if any of its lines was changed. Raises an error if the journal was
-- opened without `subject`. Sets open_elsewhere, a list of the lines of open intents of other subjects.
function methods:unfinished(wanted)
  if not self.subject then error("journal.open needs `subject` for unfinished", 2) end
  if wanted ~= nil then fields.check_argument(wanted, "tables", "bad argument #1 to 'unfinished'") end
  local found, err = read_begun(self)
  if not found then return nil, err end
  found:adopt(wanted or {})
  local items, earlier
  items, earlier, self.begun = found:items()
  self.open_elsewhere = found:open_elsewhere()
  self.run = earlier or self.run
  return items
end

-- Begins a new run, in a process that carries out one after the other: its lines have a new name, counts() begins anew,
-- and the file may have been renamed since. For when no write is under way.
function methods:next_run()
  self.run, self.begun, self.seen, self.open_calls = journal.new_run(), {}, {}, nil
end

-- Counts the connections by wanted status: those of the items and those that earlier processes of this run have begun,
-- each once; not those that this process has begun. excess() of azpec.rules takes them.
function methods:counts(items)
  fields.check_argument(items, "tables", "bad argument #1 to 'counts'")
  local wanted, counts = {}, {}
  for key, status in pairs(self.begun) do wanted[key] = status end
  for _, item in ipairs(items) do wanted[item.id:lower()] = run.status_of(item) end
  for _, status in pairs(wanted) do counts[status] = (counts[status] or 0) + 1 end
  return counts
end

-- Returns a table with the methods of azpec.client that records each of its writes; see azpec.journal.client for the
-- options. Several clients may share one file.
function journal.client(client_fields, to, options)
  if getmetatable(to) ~= methods then
    error(("bad argument #2 to 'client' (a journal of journal.open expected, got %s)"):format(type(to)), 2)
  end
  if type(client_fields) ~= "table" then
    error(("bad argument #1 to 'client' (table expected, got %s)"):format(type(client_fields)), 2)
  end
  local client = require "azpec.journal.client".new(client_fields, to, options) -- no tail call: errors count its level
  return client
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- The members of a record that verification needs.
local function bones(record)
  return record and { seq = record.seq, prev = record.prev, hash = record.hash, event = record.event,
    call = record.call, outcome = record.outcome, at = record.at, run = record.run, verb = record.verb,
    ticket = record.ticket, connection = record.connection, command = record.command }
end

local most_foreign = 100000 -- lines; a file of several gigabytes could exceed the memory

-- Verifies a journal as journal.verify, and calls each(record) for every intact line; record.line is its number in the
-- file. Returns the report, or nil and a text.
local function examine(path, anchor, each)
  local known, wrong
  if anchor then known, wrong = verify.anchor(anchor) end
  if wrong then return nil, wrong end
  local entries, foreign = {}, 0
  local ok, why = file.read(path, function (line)
    local bare, feeds = line:gsub("\n$", "")
    local record = chain.open(bare)
    entries[#entries + 1] = { line = #entries + 1, record = bones(record), ended = feeds == 1 }
    if record then
      record.line = #entries
      return each(record)
    end
    foreign = foreign + 1
    if foreign == most_foreign then return ("%d lines are not as azpec wrote them"):format(foreign) end
  end, 10)
  if not ok then return nil, why end
  return verify.report(entries, known)
end

-- Verifies that a journal is unchanged. Returns nil and a text if it cannot be read, else a report: ok, whether it has
-- lines and no problems; lines; left_out, the number of lines that are not as azpec wrote them and so are missing from
-- journal.read; last = { seq, hash }, the anchor to keep elsewhere, if ok; problems, a list of { line, kind, message }
-- with the kinds "changed", "removed", "added", "reordered", "torn" and "unannounced"; intact, whether the chain is
-- unbroken; repaired, the lines at which an interrupted write to the file ended; open, the lines of intents without a
-- result, or with the result "unknown"; unfinished, a list of the same as { line, at, run, verb, command, ticket, call,
-- connection }. anchor ("NUMBER:HASH" of an earlier report, or nil): detects a truncated file, or a file that was
-- written anew.
function journal.verify(path, anchor)
  fields.check_argument(path, "path", "bad argument #1 to 'verify'")
  return examine(path, anchor, function () end)
end

-- Reads and verifies a journal. Returns the list of records of intact lines, each with its number in the file, `line`,
-- and the report of journal.verify, or nil and a text. anchor: as there.
function journal.read(path, anchor)
  fields.check_argument(path, "path", "bad argument #1 to 'read'")
  local records = {}
  local report, why = examine(path, anchor, function (record) records[#records + 1] = record end)
  if not report then return nil, why end
  return records, report
end

-- The members of a write that its first line has: how it was sent. A call that finished it may have others.
local own = { "who", "ticket", "run", "verb", "command", "rule", "reason" }

-- Adds a line to its write.
local function add_line(write, record)
  local first, sent = write.begun_at and write or record, {}
  for _, name in ipairs(own) do sent[name] = first[name] end
  local intent = record.event ~= "intent" and write.line or record.line
  if record.outcome then write.error = nil end -- of an earlier run, which did not see the end
  for name, value in pairs(record) do write[name] = value end
  for _, name in ipairs(own) do write[name] = sent[name] end
  write.line = intent
  write.begun_at = write.begun_at or record.at
  local by = journal.name_of(record.who)
  write.finished_by = by ~= journal.name_of(write.who) and by or nil
  write.finished_ticket = record.ticket ~= write.ticket and record.ticket or nil
  write.finished_run = record.run ~= write.run and record.run or nil
end

local function is_of(write, name)
  return not name or write.run == name or write.finished_run == name
end

local function is_since(write, moment)
  return not moment or (date.parse(write.at) or 0) >= moment
end

-- Combines intents and results. Returns the list of writes, in the order of the intents. A write has the members of its
-- lines, the last line's first, but who, ticket, run, verb, command, rule and reason of its first one. It also has
-- begun_at, the time of that line; line, the number of its last intent in the file, or else of its first line, as
-- journal.verify names it; finished_by, finished_ticket and finished_run, if its last line has another identity, ticket
-- or run. filter: run (also one that finished the write), since (seconds since 1970, of the last line), connection.
function journal.writes(records, filter)
  fields.check_argument(records, "tables", "bad argument #1 to 'writes'")
  filter = filter or {}
  local writes, by_key, kept = {}, {}, {}
  for _, record in ipairs(records) do
    local is_wanted = record.call
      and (not filter.connection or record.connection:lower() == filter.connection:lower())
    local key = is_wanted and chain.key(record)
    local known = key and by_key[key]
    if key and (not known or record.event == "intent" and known.outcome ~= "unknown") then
      by_key[key] = { outcome = "unknown" }
      writes[#writes + 1] = by_key[key]
    end
    local is_late = key and record.outcome == "unknown" and by_key[key].outcome ~= "unknown"
    if key and not is_late then add_line(by_key[key], record) end -- a known outcome stays
  end
  for _, write in ipairs(writes) do
    if is_of(write, filter.run) and is_since(write, filter.since) then kept[#kept + 1] = write end
  end
  return kept
end

local counted = { changed = "changed", unchanged = "unchanged", failed = "failed", unknown = "unfinished" }

local function new_run(write)
  return { run = write.run, at = write.begun_at, ended_at = write.at, verb = write.verb, who = write.who,
    ticket = write.ticket, change_reference = write.change_reference, reason = write.reason, writes = 0, changes = 0,
    changed = 0, unchanged = 0, failed = 0, unfinished = 0 }
end

-- The runs of a journal, in the order of their first writes: a list of { run, at, ended_at, verb, command, who, ticket,
-- change_reference, reason, writes, changed, unchanged, failed, unfinished, changes }. at: of the first line; ended_at:
-- of the last one; verb, who, ticket, change_reference: of the first write; reason: if all writes have the same one;
-- changes: how many have changed something, or may have.
function journal.runs(records)
  fields.check_argument(records, "tables", "bad argument #1 to 'runs'")
  local runs, by_name = {}, {}
  for _, write in ipairs(journal.writes(records)) do
    local one = by_name[write.run]
    if not one then
      one = new_run(write)
      by_name[write.run], runs[#runs + 1] = one, one
    end
    one.command = one.command or write.command
    if write.reason ~= one.reason then one.reason = nil end
    if write.at > one.ended_at then one.ended_at = write.at end
    one.writes = one.writes + 1
    local count = counted[write.outcome] or "unfinished"
    one[count] = one[count] + 1
    one.changes = one.changed + one.unfinished
  end
  return runs
end

return journal
