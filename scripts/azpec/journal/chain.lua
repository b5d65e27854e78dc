-- The lines of a journal. Each is a JSON object with the hash of the line before and, at its end, its own.
--
-- A line, without its line feed, is BODY,"hash":"HASH"} where HASH is the SHA-256 (FIPS 180-4) of the bytes of BODY in
-- lower-case hexadecimal digits. BODY begins with "{" and holds among others "seq", the line's number from 1 on, and
-- "prev", the hash of the line before (64 zeros in the first). The bytes can be verified as they are:
--
--   sed -n 7p FILE | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum
--
-- A write that was cut off (a crash, a full disk) leaves a fragment. The next writer appends a record of the event
-- "repair" to the same line. Its member "torn" has the fragment's length in bytes and their SHA-256. It is the last one
-- before the hash, so a reader finds the record's beginning from the line's end.

local json = require "azpec.json"
local sha256 = require "azpec.sha256".hex

local chain = {}

-- The hash that the first line has as "prev".
chain.origin = ("0"):rep(64)

-- The version of the format; the member "audit" of each line.
chain.version = 1

local state_form = { etag = "string", status = "string", description = "string", provisioning_state = "string" }

-- The members that azpec.journal writes and their types; for a table, those of its members that are read.
local record_form = {
  event = "string", at = "string", run = "string", call = "string", azpec = "string", verb = "string",
  operation = "string", connection = "string", rule = "string", reason = "string", ticket = "string",
  subject = "string", token = "string", outcome = "string", request_id = "string", correlation_id = "string",
  command = "string", attempt = "number", change_reference = "string", policy_token_id = "string",
  policy_attempts = "number",
  who = {}, before = state_form, after = state_form, wanted = { status = "string", description = "string" },
  error = { kind = "string", code = "string", message = "string", http_status = "number", policy = "string",
    verdict = "string", replaced = "boolean" },
}

-- Returns the value without members of a wrong type, so that each line can be read again.
local function fitted(value, form)
  if form == nil or value == json.null then return value end
  if type(form) == "string" then return type(value) == form and value or nil end
  if type(value) ~= "table" then return nil end
  local copy = {}
  for name, inner in pairs(value) do copy[name] = fitted(inner, form[name]) end
  return copy
end

-- Returns the line of a record (a table without seq, prev, hash), and its hash.
function chain.seal(record, seq, prev)
  local sealed = fitted(record, record_form)
  sealed.audit, sealed.seq, sealed.prev = chain.version, seq, prev
  local body = json.encode(sealed):sub(1, -2)
  local hash = sha256(body)
  return ('%s,"hash":"%s"}'):format(body, hash), hash
end

local function fits(value, form)
  if value == nil or value == json.null then return true end
  if type(form) == "string" then return type(value) == form end
  if type(value) ~= "table" then return false end
  for name, inner in pairs(form) do
    if not fits(value[name], inner) then return false end
  end
  return true
end

-- Anyone can compute a matching hash, so the members are checked too.
local function is_record(record)
  local is_about_one = type(record.call) == "string" and type(record.connection) == "string"
  return fits(record, record_form) and type(record.event) == "string" and type(record.at) == "string"
    and (record.event == "repair" or is_about_one)
end

-- Removes JSON's null, which azpec does not write.
local function without_nulls(value)
  for name, inner in pairs(value) do
    if inner == json.null then value[name] = nil elseif type(inner) == "table" then without_nulls(inner) end
  end
  return value
end

-- The key of a record's write. The call's id alone is not enough: a program may give the same client_request_id to
-- operations on several connections.
function chain.key(record)
  return ("%s %s"):format(record.call, record.connection):lower()
end

-- The same of a line, without decoding it; nil if it is about no write.
function chain.key_in(line)
  local call, connection = line:match '"call":"([^"]+)"', line:match '"connection":"([^"]+)"'
  return call and connection and chain.key { call = call, connection = connection }
end

local function is_sealed(line)
  local body, hash = line:match '^({.*),"hash":"(%x+)"}$'
  return body ~= nil and sha256(body) == hash
end

-- Returns the record of a line, or nil if the line is not a record or was changed.
local function open_whole(line)
  if not is_sealed(line) then return nil end
  local record = json.decode(line)
  if type(record) ~= "table" then return nil end
  record.seq = math.tointeger(record.seq)
  local is_ours = record.seq and type(record.prev) == "string" and is_record(record)
  return is_ours and without_nulls(record) or nil
end

-- More bytes than the members after the fragment's length take.
local longest_end = 256

local function open_repair(line)
  local bytes, digest = line:sub(-longest_end):match '"torn":{"bytes":(%d+),"sha256":"(%x+)"},"hash":"%x+"}$'
  bytes = math.tointeger(tonumber(bytes))
  if not bytes or bytes < 1 or bytes >= #line then return nil end
  local record = open_whole(line:sub(bytes + 1))
  local is_repair = record and record.event == "repair" and sha256(line:sub(1, bytes)) == digest
  return is_repair and record or nil
end

-- Returns the record of a line (without its line feed), also that of a repair after a fragment; nil if the line is not
-- as azpec wrote it.
function chain.open(line)
  return open_whole(line) or open_repair(line)
end

-- Returns whether a line (without its line feed) has its hash, without decoding it.
function chain.is_intact(line)
  return is_sealed(line) or open_repair(line) ~= nil
end

-- Returns the repair record for a fragment.
function chain.repair(fragment)
  return { event = "repair", torn = { bytes = #fragment, sha256 = sha256(fragment) } }
end

return chain
