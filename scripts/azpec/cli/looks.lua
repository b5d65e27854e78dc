-- The looks of a watch: when they are, and how long one may take, so that none passes the end.
--
--   local looks = require "azpec.cli.looks".new(context, { length = 60, between = 10 })
--   local reader = looks:reader(client)         -- a client whose reads end in time
--   looks:begin()
--   local seconds, is_last = looks:pause()      -- until the next look, or until the end

local looks = {}
looks.__index = looks

-- The seconds that a last look of a watch gets, at least; the same of a look of a verb that has something to say in the
-- end, and may pass it by that; and a very short time, of a read that comes too late.
local last_look, shortest_look, shortest = 1, 2, 0.01

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

-- The same for a verb whose last look, close to its end, is to tell how it is then. It gets a few seconds.
function looks.bounded(context, client, seconds_left)
  return bounded_by(context, client, function ()
    local left = seconds_left()
    return left and math.max(shortest_look, left)
  end)
end

-- The same for a wait of that length; 0: for one look, which has the client's time.
function looks.within(context, client, length)
  local ends_at = now() + length
  return looks.bounded(context, client, function () return length > 0 and ends_at - now() or nil end)
end

-- options: between, the seconds between two looks; length, the seconds until the end (nil: there is none; 0: after one
-- look, which may take as long as any).
function looks.new(context, options)
  local length = options.length
  return setmetatable({ context = context, between = options.between, length = length, took = 0,
    ends_at = length and now() + length }, looks)
end

-- Returns the seconds that are left for a look, or nil.
local function seconds_left(self)
  return (self.length or 0) > 0 and math.max(0, self.ends_at - now()) or nil
end

function looks:reader(client)
  return bounded_by(self.context, client, function () return seconds_left(self) end)
end

function looks:begin()
  self.begun_at = now()
end

-- Called after a look. Returns how long to wait, and whether no other look follows: there is no time for one that takes
-- twice as long as the longest.
function looks:pause()
  if not self.length then return self.between, false end
  self.took = math.max(self.took, now() - self.begun_at)
  local left = math.max(0, self.ends_at - now())
  local spare = left - math.max(math.min(last_look, self.between), 2 * self.took)
  if spare <= 0 then return left, true end
  return math.min(self.between, spare), false
end

return looks
