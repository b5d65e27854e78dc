-- The rounds of a watch: when they begin, and how long one may take, so that none passes the end.
--
--   local rounds = require "azpec.cli.rounds".new(context, { length = 60, between = 10 })
--   local reader = rounds:reader(client)        -- a client whose reads end in time
--   rounds:begin()
--   local seconds, is_last = rounds:pause()     -- until the next round, or until the end

local rounds = {}
rounds.__index = rounds

-- Seconds: what the last round of a watch gets at least; by how much the last round of another verb, which says how
-- things are at the end, may pass the end; and the time of a read that begins too late.
local last_round, shortest_round, shortest = 1, 2, 0.01

-- The client's limit, unless --timeout gives another one.
local longest = 300

-- The methods of a client that only read, and whose options may have a timeout.
local reads = { "get", "get_account", "list", "list_accounts", "list_subscriptions", "query_resource_graph" }

local function now()
  return require "cqueues".monotime()
end

-- Returns a client whose reads take at most as many seconds as the function returns when they begin; nil: as many as
-- --timeout says.
local function bounded_by(context, client, seconds_left)
  local bounded = setmetatable({}, { __index = function (_, name)
    return function (_, ...) return client[name](client, ...) end
  end })
  for _, name in ipairs(reads) do
    bounded[name] = function (_, options)
      local copy, left = {}, seconds_left()
      for field, value in pairs(options) do copy[field] = value end
      copy.timeout = left and math.max(shortest, math.min(left, copy.timeout or context.args.timeout or longest))
        or copy.timeout
      return client[name](client, copy)
    end
  end
  return bounded
end

-- The same for a verb that says at its end how things are then: its last round gets a few seconds.
function rounds.bounded(context, client, seconds_left)
  return bounded_by(context, client, function ()
    local left = seconds_left()
    return left and math.max(shortest_round, left)
  end)
end

-- The same for a wait of that length; 0: for one round, which has the client's time.
function rounds.within(context, client, length)
  local ends_at = now() + length
  return rounds.bounded(context, client, function () return length > 0 and ends_at - now() or nil end)
end

-- options: between, the seconds between two rounds; length, the seconds until the end (nil: it never ends; 0: it ends
-- after one round, which may take as long as any).
function rounds.new(context, options)
  local length = options.length
  return setmetatable({ context = context, between = options.between, length = length, took = 0,
    ends_at = length and now() + length }, rounds)
end

-- Returns the seconds that are left for a round, or nil.
local function seconds_left(self)
  return (self.length or 0) > 0 and math.max(0, self.ends_at - now()) or nil
end

function rounds:reader(client)
  return bounded_by(self.context, client, function () return seconds_left(self) end)
end

function rounds:begin()
  self.begun_at = now()
end

-- Called after a round. Returns the seconds to wait, and whether no other round follows, because there is no time for
-- one that takes twice as long as the longest.
function rounds:pause()
  if not self.length then return self.between, false end
  self.took = math.max(self.took, now() - self.begun_at)
  local left = math.max(0, self.ends_at - now())
  local spare = left - math.max(math.min(last_round, self.between), 2 * self.took)
  if spare <= 0 then return left, true end
  return math.min(self.between, spare), false
end

return rounds
