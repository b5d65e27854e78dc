-- What the fuzz targets of scripts.c do with their input: one function for each kind of file. It raises where something
-- does not hold.

package.path = "scripts/?.lua;" .. package.path

require "lfs" -- which is a global variable from then on
local digest = require "openssl.digest"
local json = require "azpec.json"

-- OpenSSL's instead of azpec's own, which would take most of the time.
package.loaded["azpec.sha256"] = {
  hex = function (text)
    return (digest.new "sha256":final(text):gsub(".", function (c) return ("%02x"):format(c:byte()) end))
  end,
}

local targets = {}

-- ---- what has to hold ----------------------------------------------------------------------------------------------

local places, originals = { _G = _G, string = string, table = table, math = math, os = os, io = io }, {}
for name, place in pairs(places) do
  originals[name] = {}
  for key, value in pairs(place) do originals[name][key] = value end
end

-- Nothing that a file could reach in the host was changed.
local function check_host()
  assert(getmetatable "".__index == string, "methods of strings")
  for name, place in pairs(places) do
    for key, value in pairs(originals[name]) do assert(place[key] == value, name .. " has lost a member") end
    for key in pairs(place) do assert(originals[name][key] ~= nil, name .. " has a new member") end
  end
end

-- A message that people read: about the file, and none of Lua's own about azpec's code. What Lua says of a line of the
-- file itself is good.
local function check_refusal(why, name)
  local message = type(why) == "table" and why.message or why
  assert(type(message) == "string" and message ~= "", "refused without a word")
  assert(not name or message:find(name, 1, true), "it does not name the file: " .. message)
  if name and message:find("^" .. name:gsub("%p", "%%%0") .. "[%l.]*:%d+: ") then return end
  for _, sign in ipairs { "stack traceback", "scripts/azpec", "attempt to ", "bad argument", "table: 0x",
    "function: 0x" } do
    assert(not message:find(sign, 1, true), "a message of Lua's: " .. message)
  end
end

local folder = (os.getenv "TMPDIR" or "/tmp") .. "/azpec-fuzz"
os.execute(("mkdir -p -m 700 '%s'"):format(folder))

local self <close> = io.open "/proc/self/stat"
local path = ("%s/%d"):format(folder, self:read "n")

-- The input as a file.
local function put(name, text)
  local handle <close> = assert(io.open(path .. name, "wb"))
  handle:write(text)
  return path .. name
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

-- ---- plans ---------------------------------------------------------------------------------------------------------

local function seal_plan(text)
  local contents = json.decode(text)
  if type(contents) ~= "table" or type(contents.items) ~= "table" then return text end
  local items = json.list()
  for n, item in ipairs(contents.items) do items[n] = item end
  contents.items, contents.sha256, contents.hmac_sha256 = items, nil, nil
  local ok, sealed = pcall(json.encode, contents)
  if not ok then return text end
  contents.sha256 = require "azpec.sha256".hex(sealed)
  return json.encode(contents)
end

-- As the client of a service that has no connection.
local function absent() return nil, { kind = "not_found", code = "ResourceNotFound", message = "there is none" } end
local nobody = { get = absent, get_account = absent, list = function () return function () end end }

-- A plan as it is, and with the hash that it would have.
function targets.plan(text)
  local plan = require "azpec.plan"
  for _, form in ipairs { text, seal_plan(text) } do
    local read, err = plan.read(put(".json", form))
    if not read then check_refusal(err, path) end
    for _, item in ipairs(read and read.items or {}) do
      assert(type(item.id) == "string" and type(item.reason) == "string")
    end
    if read then plan.check(read.items, nobody) end
  end
  check_host()
end

-- ---- journals ------------------------------------------------------------------------------------------------------

-- Each line that is an object as a record of a journal.
local function seal_journal(text)
  local chain = require "azpec.journal.chain"
  local lines, prev = lines_of(text), chain.origin
  for n, line in ipairs(lines) do
    local record = json.decode(line)
    if type(record) == "table" and #record == 0 then
      record.seq, record.prev, record.hash, record.audit = nil, nil, nil, nil
      local ok, sealed, hash = pcall(chain.seal, record, n, prev)
      if ok then lines[n], prev = sealed, hash end
    end
  end
  return table.concat(lines, "\n")
end

local function read_journal(text)
  local journal = require "azpec.journal"
  local name = put(".journal", text)
  local records, report = journal.read(name)
  if not records then return check_refusal(report) end
  for _, problem in ipairs(report.problems) do check_refusal(problem) end
  journal.writes(records, { since = 1767225600, connection = "x" })
  local first = journal.writes(records)[1]
  if first then
    local undone, why = require "azpec.undo".read(name, first.run, {})
    if not undone then check_refusal(why) end
  end
  local mine <const> = journal.open(name, { run = "fuzz", subject = "s", patience = 0 })
  local items, why = mine:unfinished()
  if items then mine:counts(items) else check_refusal(why) end
  local entry, err = mine:intend { verb = "approve", id = "/x", operation = "update" }
  if not entry then return check_refusal(err, path) end
  assert(mine:conclude(entry, nil, { kind = "service", message = "no" }))
  local again = assert(journal.verify(name))
  local was_empty = #records == 0 and #report.problems == 0 -- nothing to verify: not ok
  local was_torn = #report.problems == 1 and report.problems[1].kind == "torn"
  assert(again.ok == (report.ok or was_empty) or was_torn, "whole before, and no longer")
end

-- Journals as they are, and with the hashes that they would have.
function targets.journal(text)
  read_journal(text)
  read_journal(seal_journal(text))
  check_host()
end

-- ---- rules ---------------------------------------------------------------------------------------------------------

local connection = { id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a/"
  .. "privateEndpointConnections/p", name = "p", etag = '"1"', properties = { provisioningState = "Succeeded",
  groupIds = { "batchAccount" }, privateLinkServiceConnectionState = { status = "Pending", description = "d" },
  privateEndpoint = { id = "/subscriptions/t/resourceGroups/h/providers/Microsoft.Network/privateEndpoints/e" } } }

function targets.rules(text)
  local rules = require "azpec.rules"
  local set, why = rules.parse(text, "rules.lua")
  if not set then return check_refusal(why, "rules.lua"), check_host() end
  local decision = set:decide(connection)
  assert(type(decision.action) == "string" and type(decision.reason) == "string")
  check_host()
end

-- ---- states of the emulator ----------------------------------------------------------------------------------------

local sample = require "azpec.emulator.sample" ()

local clock = { now = function () return 0 end }

-- As the emulator's command does.
local function build(spec)
  local ok, world = pcall(require "azpec.emulator.state".new, spec, {}, clock, sample)
  if ok then return world:describe() end
  if type(world) ~= "table" or not world.message then error(world, 0) end
  check_refusal(world, "state")
end

function targets.state(text)
  local datafile = require "azpec.emulator.datafile"
  for _, kind in ipairs { ".json", ".lua" } do
    local spec, why = datafile.read(put(kind, text))
    if spec then build(spec) else check_refusal(why, path) end
  end
  check_host()
end

-- ---- continuation tokens -------------------------------------------------------------------------------------------

local id = connection.id

local token = { azpec = 1, operation = "ensure", endpoint = "http://127.0.0.1:1", id = id, api_version = "2022-06-01",
  status = "Approved", client_request_id = "1", poll = "resource", changed = false }

local client

local function resume(text)
  local azpec = require "azpec"
  client = client or azpec.client { endpoint = "http://127.0.0.1:1", subscription_id = "s",
    credential = azpec.credential.token { token = "t0ken-of-the-fuzzer" } }
  local poller, err = client:resume(text)
  if not poller then return check_refusal(err) end
  local own = json.decode(poller:continuation_token())
  assert(own.id:find("^/subscriptions/s/"), own.id)
  assert(not own.poll_url or own.poll_url:find "^http://127%.0%.0%.1:1[/?]", own.poll_url)
  poller:cancel()
end

-- A token as it is, and a good one with members of the input's.
function targets.continuation(text)
  resume(text)
  local given = json.decode(text)
  if type(given) == "table" and #given == 0 then
    local mixed = {}
    for name, value in pairs(token) do mixed[name] = value end
    for name, value in pairs(given) do mixed[name] = value ~= json.null and value or nil end
    local ok, whole = pcall(json.encode, mixed)
    if ok then resume(whole) end
  end
end

return targets
