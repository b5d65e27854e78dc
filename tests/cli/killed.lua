-- What the tests of killed runs share: 500 connections in 40 accounts of two subscriptions, of which nobody may read
-- some, written by a run that is killed at random places and run again until it is done; and what the emulator's log
-- and the journal say of that.

local assert = require "luassert"
local cjson = require "cjson"
local journal = require "azpec.journal"
local kit = require "cli.kit"
local support = require "loopback.support"

local killed = {}

local seed = math.tointeger(tonumber(os.getenv "SEED")) or 1
local most_runs = 60
local conflict = 6 -- a write of a killed run arrived when the next run had read the connection: run it once more

killed.subscriptions = { "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", "9a4be1d0-52c7-4f0e-8a33-c1d2e3f40516" }
local stranger = "eeeeeeee-52c7-4f0e-8a33-c1d2e3f40516"

local accounts_in_all, unreadable = 40, { [7] = true, [19] = true, [33] = true }
local first_of_second = 25 -- the first account of the second subscription

-- Of a hundred 84 are ours, 6 to be rejected, 6 strangers', and 4 were decided by a person long ago.
local function kind_of(number)
  local place = (number - 1) % 100 + 1
  return place <= 84 and "ours" or place <= 90 and "old" or place <= 96 and "strange"
    or place % 2 == 0 and "approved" or "rejected"
end

local before = { approved = "Approved", rejected = "Rejected" }
local decision = { ours = "Approved", old = "Rejected" }

-- What each connection is to be at the end, by its name; the state file's accounts; and how many are to be written, by
-- kind. Nobody may read some of the accounts.
local function world()
  local accounts, expected, counts, number = {}, {}, { ours = 0, old = 0 }, 0
  for a = 1, accounts_in_all do
    local account = { account_name = "batch" .. a, resource_group_name = "rg" .. a, connections = {},
      subscription_id = killed.subscriptions[a < first_of_second and 1 or 2] }
    for n = 1, a % 2 == 0 and 13 or 12 do
      number = number + 1
      local kind = kind_of(number)
      local name = ("%s-%03d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%04x"):format(kind, number, number)
      account.connections[n] = { name = name, status = before[kind] or "Pending", description = "request " .. number,
        private_endpoint_id = ("/subscriptions/%s/resourceGroups/net/providers/Microsoft.Network/privateEndpoints/%s")
          :format(kind == "ours" and killed.subscriptions[1] or stranger, name:match "^[^.]*") }
      local is_ours = decision[kind] and not unreadable[a]
      expected[name] = { status = is_ours and decision[kind] or before[kind] or "Pending", writes = is_ours and 1 or 0 }
      if is_ours then counts[kind] = counts[kind] + 1 end
    end
    accounts[a] = account
  end
  return accounts, expected, counts
end

-- Rules that allow no more than is to be done in all: an interrupted run counts with those before it.
function killed.rules(at_most)
  return ([[
at_most { approve = %d, reject = %d }
approve "ours" { when = { private_endpoint_subscription = "%s" }, because = "ours" }
reject "theirs, and old" { when = { private_endpoint_name = "old-*" }, because = "nobody came back" }
]]):format(at_most.ours, at_most.old, killed.subscriptions[1])
end

-- ---- killing -------------------------------------------------------------------------------------------------------

local random = {}

local function draw(first, last)
  -- A generator of its own, so that a seed means the same whatever else asks for numbers.
  random.state = (random.state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
  return first + (random.state >> 20) % (last - first + 1)
end

-- Starts a run and kills it at some place; its exit status, or nil where it was killed. Two kinds of places: after so
-- many endings, as the first time, or after some time: in the middle of the sign-in, the lists or the first writes.
local function run_and_kill(command, is_first)
  local by_time = draw(0, 1) == 0 and not is_first
  local endings = by_time and math.huge or draw(0, 60)
  local limit = by_time and ("timeout -s KILL %.3f"):format(draw(20, 900) / 1000) or ""
  local pipe <close> = io.popen(("sh -c '%s %s & echo $!; wait $!; echo ended $?' 2>/dev/null"):format(limit,
    command:gsub("'", "'\\''")))
  local pid = pipe:read "l"
  for line in pipe:lines() do
    local status = tonumber(line:match "^ended (%d+)")
    if status then return status ~= 137 and status or nil end
    if line:find '"result":"changed"' then endings = endings - 1 end
    if endings < 0 then
      os.execute("kill -KILL " .. pid .. " 2>/dev/null")
      endings = math.huge
    end
  end
end

-- Refuses to list some of the accounts.
local function refuse(emulator, ...)
  local faults = { ... }
  for number in pairs(unreadable) do
    faults[#faults + 1] = { match = { kind = "list", path = ("/batch%d/"):format(number), plain = true },
      action = { status = 403, error = { code = "AuthorizationFailed", message = "no" } } }
  end
  emulator:faults(faults)
end

-- Runs it again and again; how often it was killed, and the last one's status.
function killed.until_done(emulator, command)
  -- The first run does not end before it is killed.
  refuse(emulator, { match = { kind = "poll", nth = 300 }, action = { hold = true } })
  for runs = 1, most_runs do
    local status = run_and_kill(command, runs == 1)
    emulator:release()
    refuse(emulator)
    if status and status ~= conflict then return runs - 1, status end
  end
  return most_runs, killed.run(command)
end

-- ---- proving -------------------------------------------------------------------------------------------------------

-- A write as a text: the connection, and the status it is to have.
local function described(connection, status)
  return ("%s: %s"):format(connection:match "[^/]+$":lower(), status or "deleted")
end

-- The intents in the journal: call -> the write that it announces.
local function intents(path)
  local calls = {}
  for _, record in ipairs((assert(journal.read(path)))) do
    if record.event == "intent" then
      calls[record.call] = described(record.connection, record.wanted and record.wanted.status)
    end
  end
  return calls
end

-- The writes that the service took, by the connection's name; and how many it refused for their ETag or because of
-- another write. Each has an intent that names its connection and status.
local function writes(log, path)
  local taken, refused, total, calls = {}, 0, 0, intents(path)
  for line in io.lines(log) do
    local entry = cjson.decode(line)
    if entry.kind == "update" or entry.kind == "delete" then
      local name = entry.target:match "/privateEndpointConnections/([^?/]+)"
      assert(entry.headers["if-match"], "a write without If-Match: " .. entry.target)
      local state = entry.body and entry.body.properties.privateLinkServiceConnectionState
      assert.equal(described(name, state and state.status), calls[entry.headers["x-ms-client-request-id"]])
      local is_refused = entry.status == 412 or entry.status == 409
      if is_refused or entry.status == 204 then -- 204: it was gone already
        refused = refused + 1
      else
        assert.equal(202, entry.status)
        taken[name] = taken[name] or {}
        table.insert(taken[name], state or "deleted")
        total = total + 1
      end
    end
  end
  return taken, refused, total
end

-- Fails unless each connection is as it is to be and was written once or never, by a write that the journal announces,
-- and unless the journal is whole; how many writes were refused.
function killed.prove(emulator, expected, log, path)
  local taken, refused, total = writes(log, path)
  local wanted, seen = 0, {}
  for _, account in ipairs(emulator:control("GET", "state").accounts) do
    for _, connection in ipairs(account.connections) do seen[connection.name] = connection end
  end
  for name, one in support.each(expected) do
    local status = seen[name] and seen[name].status or "gone"
    assert.equal(one.status, status, name)
    assert.equal(one.writes, #(taken[name] or {}), name)
    if one.writes > 0 then
      assert.same(status == "gone" and "deleted" or { status = status }, taken[name][1])
    end
    if seen[name] then
      assert.equal("request " .. math.tointeger(tonumber(name:match "%-(%d+)%.")), seen[name].description)
    end
    wanted = wanted + one.writes
  end
  assert(wanted > 100, wanted)
  assert.equal(wanted, total)
  local report = assert(journal.verify(path))
  assert.is_true(report.ok, report.problems[1] and report.problems[1].message)
  return refused
end

-- An emulator with all of them, its log, and what each is to be; by: a number, for other places than another's.
function killed.begin(by)
  local log = support.new_path "log"
  local emulator = support.emulator({}, "--log " .. log)
  local accounts, expected, counts = world()
  emulator:control("PUT", "state", support.merged(emulator.given, { accounts = accounts,
    options = { operation_polls = 1, retry_after = "none", page_size = 30,
      reads_bucket = 1000000, writes_bucket = 1000000, deletes_bucket = 1000000 } }))
  random.state = seed + by
  return emulator, log, expected, counts
end

-- Without the kit's own timeout around it: what is killed has to be azpec itself.
function killed.command(emulator, verb, line)
  return (kit.command(("%s %s %s -o jsonl"):format(verb, kit.address(emulator), line), kit.environment(emulator))
    :gsub(" timeout %-k 1 %d+ ", " ", 1))
end

-- Runs it to its end; its exit status.
function killed.run(command)
  return select(3, os.execute(command .. " >/dev/null 2>&1"))
end

function killed.tell(verb, kills, refused)
  print(("# %s: SEED=%d, killed %d times, %d writes refused"):format(verb, seed, kills, refused))
  assert(kills > 0, "it was never killed")
end

killed.seed = seed

return killed
