-- azpec.audit -- who changed which connection, when and why, in a file that shows when it was tampered with.
--
--   local audit = require "azpec.audit"
--   local trail = audit.open("trail.jsonl", { who = audit.who(client:identity {}), ticket = "CHG-42" })
--   local entry = assert(trail:intend { verb = "approve", id = connection.id, before = connection, rule = "ours" })
--   local done, err = client:update { id = connection.id, status = "Approved", if_match = connection.etag,
--     client_request_id = entry.call }
--   assert(trail:conclude(entry, done, err))
--
--   local report = assert(audit.verify "trail.jsonl")        -- report.ok; else report.problems says which lines
--
-- A file of JSON lines that is only ever added to; azpec.audit.chain tells how each is bound to the one before. A write
-- has two lines: the "intent", which is in the file before anything is sent, and the "result", for which room on the
-- disk is reserved with the intent. So a write that cannot be put down is not made, nor is one whose result would find
-- no room, and one whose process died still shows. Texts of the service are cut at 4 KiB. Never a token: what
-- is put down of the identity are the claims named below. What went to the file survives the process; azpec does not
-- wait for the disk (fsync).
--
-- The members: audit (1), seq, prev, hash; event ("intent", "result", "repair"), at (RFC 3339, UTC), run, call (one id
-- for both lines of a write, which is also its x-ms-client-request-id), azpec (the version), who, verb (the command's),
-- operation ("update", "ensure", "delete"), connection (its id), rule, reason, ticket; in an intent: wanted =
-- { status, description }; before and after = { etag, status, description, provisioning_state }; in a result: outcome
-- ("changed", "unchanged", "failed", "unknown"), request_id, correlation_id, error = { kind, code, message,
-- http_status }.

local rand = require "openssl.rand"

local chain = require "azpec.audit.chain"
local file = require "azpec.audit.file"
local json = require "azpec.json"
local room = require "azpec.audit.room"
local verify = require "azpec.audit.verify"

local audit = {}

-- ---- words ---------------------------------------------------------------------------------------------------------

local function hex(bytes)
  return (bytes:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

-- A random UUID (RFC 9562, version 4).
local function new_call()
  local digits = hex(rand.bytes(16))
  return ("%s-%s-4%s-%x%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(14, 16),
    8 | tonumber(digits:sub(17, 17), 16) & 3, digits:sub(18, 20), digits:sub(21))
end

-- A name for a run that sorts by time.
function audit.new_run()
  return os.date "!%Y%m%dT%H%M%SZ-" .. hex(rand.bytes(4))
end

local claims = { "oid", "tid", "appid", "azp", "upn", "preferred_username", "name", "idtyp" }

-- What is put down of an identity (as client:identity gives it): the credential's kind and the claims that say who.
function audit.who(identity)
  local who = { credential = identity.credential }
  for _, name in ipairs(claims) do
    local value = (identity.claims or {})[name]
    if type(value) == "string" then who[name] = value end
  end
  return who
end

local longest_text = 4096

-- A text of the service, within the room that a result has.
local function short(value)
  if type(value) ~= "string" or #value <= longest_text then return value end
  return value:sub(1, (utf8.offset(value, 0, longest_text + 1) or longest_text + 1) - 1) .. " [cut off]"
end

local function state_of(connection)
  if type(connection) ~= "table" then return nil end
  local properties = connection.properties or {}
  local state = properties.privateLinkServiceConnectionState or {}
  return { etag = connection.etag, status = state.status, description = short(state.description),
    provisioning_state = properties.provisioningState }
end

-- ---- writing -------------------------------------------------------------------------------------------------------

local trail = {}
trail.__index = trail
trail.__name = "azpec.audit_trail"

local fields = { run = "string", who = "table", ticket = "string", azpec = "string", patience = "number" }

-- A trail to add to; the file is made, for its owner alone, when the first line comes. options: run (its name; else a
-- new one), who (a table as from audit.who), ticket, azpec (the version; else that of the module, if it is loaded),
-- patience (seconds to wait while another process writes; 10). Misuse raises.
function audit.open(path, options)
  options = options or {}
  if type(path) ~= "string" then
    error(("bad argument #1 to 'open' (string expected, got %s)"):format(type(path)), 2)
  end
  for name, value in pairs(options) do
    if not fields[name] then error(("unknown field '%s'"):format(tostring(name)), 2) end
    if type(value) ~= fields[name] then
      error(("bad field '%s' (%s expected, got %s)"):format(name, fields[name], type(value)), 2)
    end
  end
  local module = package.loaded.azpec
  return setmetatable({ path = path, run = options.run or audit.new_run(), who = options.who, ticket = options.ticket,
    azpec = options.azpec or module and module._VERSION, patience = options.patience or 10, ids = {},
    room = room.new(path) }, trail)
end

local function refused(why, record)
  return nil, { kind = "audit", message = ("the audit trail cannot be written: %s"):format(why), record = record }
end

local function append(self, record)
  record.at, record.run, record.azpec = os.date "!%Y-%m-%dT%H:%M:%SZ", self.run, self.azpec
  record.who, record.ticket = record.who or self.who, self.ticket
  local place, why = file.append(self.path, record, self.patience)
  if not place then return refused(why, record) end
  return place
end

-- What a result has beyond its intent: three texts of the service's at most, some of it escaped, and ids.
local longest_result = 8 * longest_text

-- Puts down that a write is about to be made, and reserves room for its result; nil and an error: the write must not
-- be made. about: verb, operation, id, wanted = { status, description }, before (a connection), rule, reason, who (else
-- the trail's), call (the write's client_request_id; else a new one, to be given to it).
function trail:intend(about)
  local entry = { verb = about.verb, operation = about.operation, connection = about.id, rule = about.rule,
    reason = about.reason, who = about.who, call = about.call or new_call() }
  local intent = { event = "intent", wanted = about.wanted, before = state_of(about.before) }
  for name, value in pairs(entry) do intent[name] = value end
  local is_reserved, why = self.room:reserve(entry.call, #json.encode(intent) + longest_result)
  if not is_reserved then return refused(("%s: no room for the result: %s"):format(self.path, why), intent) end
  local place, err = append(self, intent)
  if not place then
    self.room:release(entry.call)
    return nil, err
  end
  entry.before = intent.before
  return entry
end

-- A result in the forms that the client's calls have: true, a connection, or ensure's { changed, before, after }.
local function note_success(record, done)
  record.outcome = "changed"
  if done == true then return end
  if done.changed ~= nil then
    if not done.changed then record.outcome = "unchanged" end
    record.before, done = state_of(done.before) or record.before, done.after
  end
  record.after = state_of(done)
end

local function note_failure(record, err)
  record.outcome = err.continuation_token and "unknown" or "failed"
  record.error = { kind = err.kind, code = short(err.code), message = short(err.message),
    http_status = err.http_status }
  record.request_id, record.correlation_id = err.request_id, err.correlation_id
end

-- Puts down how a write ended: done and err are what the client's call returned. ids (or nil): the answer's request_id
-- and correlation_id, as an event has them. nil and an error, whose `record` is what could not be put down.
function trail:conclude(entry, done, err, ids)
  local record = { event = "result" }
  for name, value in pairs(entry) do record[name] = value end
  if done then note_success(record, done) else note_failure(record, err) end
  if ids then
    record.request_id = ids.request_id or record.request_id
    record.correlation_id = ids.correlation_id or record.correlation_id
  end
  local place, why = append(self, record)
  local is_tried_again = not place and self.room:give_back()
  if is_tried_again then place, why = append(self, record) end
  self.room:release(entry.call)
  if is_tried_again then self.room:take() end
  return place, why
end

-- For a client's on_event: remembers the ids of answers to writes, which the results of audit.client then have.
function trail:observe(event)
  if event.event == "response" and event.method ~= "GET" and event.client_request_id then
    self.ids[event.client_request_id] = { request_id = event.request_id, correlation_id = event.correlation_id }
  end
end

-- The client, with each of its writes put down; see azpec.audit.client for the options.
function audit.client(client, to, options)
  return require "azpec.audit.client".new(client, to, options)
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- What is needed of a record to judge it.
local function bones(record)
  return record and { seq = record.seq, prev = record.prev, hash = record.hash, event = record.event,
    call = record.call }
end

-- The report on a trail; each(record) is told of what intact lines hold. nil and why it cannot be read.
local function examine(path, anchor, each)
  local entries = {}
  local ok, why = file.read(path, function (line)
    local bare, feeds = line:gsub("\n$", "")
    local record = chain.open(bare)
    entries[#entries + 1] = { line = #entries + 1, record = bones(record), ended = feeds == 1 }
    if record then each(record) end
  end, 10)
  if not ok then return nil, why end
  return verify.report(entries, anchor)
end

-- All of the trail: a list of records (of intact lines), and the report of audit.verify; or nil and why not.
function audit.read(path)
  local records = {}
  local report, why = examine(path, nil, function (record) records[#records + 1] = record end)
  if not report then return nil, why end
  return records, report
end

-- Whether a trail is as it was written. The report: ok; lines; last = { seq, hash }, the anchor to keep elsewhere;
-- problems, a list of { line, kind = "changed", "removed", "added", "reordered" or "torn", message }; repaired, the
-- lines that hold a cut-off write; open, the lines of intents without a result. anchor (or nil), "NUMBER:HASH" as an
-- earlier report had it, finds a cut end, or a trail that was written anew. nil and a text: it cannot be read.
function audit.verify(path, anchor)
  if anchor then
    local known, why = verify.anchor(anchor)
    if not known then return nil, why end
    anchor = known
  end
  return examine(path, anchor, function () end)
end

-- Writes, each from its two lines: a list in the order of the intents. filter: run, since (RFC 3339), connection.
function audit.writes(records, filter)
  filter = filter or {}
  local writes, by_call = {}, {}
  for _, record in ipairs(records) do
    local is_wanted = record.call and (not filter.run or record.run == filter.run)
      and (not filter.since or record.at >= filter.since)
      and (not filter.connection or record.connection:lower() == filter.connection:lower())
    local write = is_wanted and by_call[record.call]
    if is_wanted and not write then
      write = { outcome = "unknown" }
      by_call[record.call], writes[#writes + 1] = write, write
    end
    if is_wanted then
      if record.outcome then write.error = nil end -- an earlier run's, which did not see the end
      for name, value in pairs(record) do
        if value ~= json.null then write[name] = value end
      end
    end
  end
  return writes
end

-- ---- undoing -------------------------------------------------------------------------------------------------------

-- The plan of how a run can be undone; its methods check and apply are azpec.audit.undo's. nil and a text: the trail
-- cannot be read, is not as it was written, or knows no such run.
function audit.undo(path, run, options)
  local records, report = audit.read(path)
  if not records then return nil, report end
  if not report.ok then
    return nil, "nothing is undone by a trail that is not as it was written: " .. report.problems[1].message
  end
  local writes = audit.writes(records, { run = run })
  if #writes == 0 then return nil, ("the trail knows no run '%s'"):format(run) end
  local undo = require "azpec.audit.undo"
  return setmetatable(undo.plan(writes, options), { __index = { check = undo.check, apply = undo.apply } })
end

return audit
