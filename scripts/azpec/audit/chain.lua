-- The lines of an audit trail: each a JSON object that holds the hash of the line before and, at its end, its own.
--
-- A line, without its line feed, is BODY,"hash":"HASH"} where HASH is the SHA-256 (FIPS 180-4) of the bytes of BODY in
-- lower-case hexadecimal digits. BODY begins with "{" and holds among others "seq", the line's number from 1 on, and
-- "prev", the hash of the line before or 64 zeros in the first. So nothing needs to be written anew to be verified:
--
--   sed -n 7p FILE | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum
--
-- A write that was cut off (a crash, a full disk) leaves a fragment. The next writer puts a record of the event
-- "repair" behind it, on the same line: its member "torn" tells how many bytes the fragment has, and their SHA-256.

local json = require "azpec.json"
local sha256 = require "azpec.sha256".hex

local chain = {}

-- What stands for the line before the first.
chain.origin = ("0"):rep(64)

-- The number of the form that lines have; the member "audit" of each.
chain.version = 1

-- The line of a record (a table without seq, prev, hash), and its hash.
function chain.seal(record, seq, prev)
  local sealed = { audit = chain.version, seq = seq, prev = prev }
  for name, value in pairs(record) do sealed[name] = value end
  local body = json.encode(sealed):sub(1, -2)
  local hash = sha256(body)
  return ('%s,"hash":"%s"}'):format(body, hash), hash
end

-- The record of a line as it was sealed; nil: it is none, or not as it was.
local function open_whole(line)
  local body, hash = line:match '^({.*),"hash":"(%x+)"}$'
  if not body or sha256(body) ~= hash then return nil end
  local record = json.decode(line)
  if type(record) ~= "table" then return nil end
  record.seq = math.tointeger(record.seq)
  return record.seq and type(record.prev) == "string" and record or nil
end

local function open_repair(line)
  local from = line:find("{", 2, true)
  while from do
    local record = open_whole(line:sub(from))
    local torn = record and record.event == "repair" and record.torn
    if type(torn) == "table" and torn.bytes == from - 1 and torn.sha256 == sha256(line:sub(1, from - 1)) then
      return record
    end
    from = line:find("{", from + 1, true)
  end
end

-- The record of a line (without its line feed), that of a repair behind a fragment included; nil: the line is not as
-- azpec wrote it.
function chain.open(line)
  return open_whole(line) or open_repair(line)
end

-- The record of a repair for what a cut-off write left.
function chain.repair(fragment)
  return { event = "repair", torn = { bytes = #fragment, sha256 = sha256(fragment) } }
end

return chain
