-- What the tests of killed runs share: 500 connections in several accounts and two subscriptions, approved and rejected
-- by a run that is killed at random places and gone on with until it is done; and what the emulator's log says of that.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "command.kit"
local support = require "loopback.support"

local killed = {}

local seed = math.tointeger(tonumber(os.getenv "SEED")) or 1
local most_runs = 60
local conflict = 6 -- a write of a killed run arrived when the next run had read the connection: run it once more

killed.subscriptions = { "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10", "9a4be1d0-52c7-4f0e-8a33-c1d2e3f40516" }
local stranger = "eeeeeeee-52c7-4f0e-8a33-c1d2e3f40516"

killed.rules = [[
at_most { approve = 420, reject = 30 }
approve "ours" { when = { private_endpoint_subscription = "]] .. killed.subscriptions[1] .. [[" }, because = "ours" }
reject "theirs, and old" { when = { private_endpoint_name = "old-*" }, because = "nobody came back" }
]]

-- What each connection is to be at the end, by its name; and the state file's accounts. Of 500: 420 ours, 30 to be
-- rejected, 30 strangers', 20 decided by a person long ago.
local function world()
  local accounts, expected, number = {}, {}, 0
  for a = 1, 5 do
    local account = { name = "batch" .. a, resource_group = "rg" .. a, connections = {},
      subscription_id = killed.subscriptions[a <= 3 and 1 or 2] }
    for n = 1, 100 do
      number = number + 1
      local kind = n <= 84 and "ours" or n <= 90 and "old" or n <= 96 and "strange" or "decided"
      local name = ("%s-%03d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%04x"):format(kind, number, number)
      local status = kind == "decided" and (n % 2 == 0 and "Approved" or "Rejected") or "Pending"
      account.connections[n] = { name = name, status = status, description = "request " .. number,
        private_endpoint_id = ("/subscriptions/%s/resourceGroups/net/providers/Microsoft.Network/privateEndpoints/%s")
          :format(kind == "ours" and killed.subscriptions[1] or stranger, name:match "^[^.]*") }
      expected[name] = kind == "ours" and "Approved" or kind == "old" and "Rejected" or status
    end
    accounts[a] = account
  end
  return accounts, expected
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

-- Runs it again and again; how often it was killed, and the last one's status. The first run does not end before it is
-- killed: one of its polls is held.
function killed.until_done(emulator, command)
  emulator:faults { { match = { kind = "poll", nth = 300 }, action = { hold = true } } }
  for runs = 1, most_runs do
    local status = run_and_kill(command, runs == 1)
    emulator:release()
    if status and status ~= conflict then return runs - 1, status end
  end
  return most_runs, killed.run(command)
end

-- ---- proving -------------------------------------------------------------------------------------------------------

-- The writes that the service took, by the connection's name; and how many it refused for their ETag or because of
-- another write.
local function writes(log)
  local taken, refused, total = {}, 0, 0
  for line in io.lines(log) do
    local entry = cjson.decode(line)
    if entry.kind == "update" or entry.kind == "delete" then
      local name = entry.target:match "/privateEndpointConnections/([^?/]+)"
      assert(entry.headers["if-match"], "a write without If-Match: " .. entry.target)
      if entry.status == 412 or entry.status == 409 then
        refused = refused + 1
      else
        assert.equal("PATCH 202", ("%s %d"):format(entry.method, entry.status))
        taken[name] = taken[name] or {}
        table.insert(taken[name], entry.body.properties.privateLinkServiceConnectionState)
        total = total + 1
      end
    end
  end
  return taken, refused, total
end

-- Fails unless each connection is as it is to be, and was written once or never; how many writes were refused.
function killed.prove(emulator, expected, log)
  local taken, refused, total = writes(log)
  local wanted = 0
  for _, account in ipairs(emulator:control("GET", "state").accounts) do
    for _, connection in ipairs(account.connections) do
      local name = connection.name
      local is_ours = name:find "^ours" or name:find "^old"
      assert.equal(expected[name], connection.status, name)
      assert.equal(is_ours and 1 or 0, #(taken[name] or {}), name)
      if is_ours then assert.same({ status = expected[name] }, taken[name][1]) end
      assert.equal("request " .. math.tointeger(tonumber(name:match "%-(%d+)%.")), connection.description)
      wanted = wanted + (is_ours and 1 or 0)
    end
  end
  assert.equal(450, wanted)
  assert.equal(450, total)
  return refused
end

-- An emulator with all of them, its log, and what each is to be; by: a number, for other places than another's.
function killed.begin(by)
  local log = support.new_path "log"
  local emulator = support.emulator({}, "--log " .. log)
  local accounts, expected = world()
  emulator:control("PUT", "state", support.merged(emulator.given, { accounts = accounts,
    options = { operation_polls = 1, retry_after = "none", page_size = 30,
      reads_bucket = 1000000, writes_bucket = 1000000 } }))
  random.state = seed + by
  return emulator, log, expected
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
