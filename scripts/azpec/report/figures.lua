-- Computes the rows, accounts, consumers and ages that the sections of a report show. All lists are sorted here, so
-- equal data produce equal pages.

local ages = require "azpec.ages"
local date = require "azpec.date"
local ids = require "azpec.resource_id"
local select = require "azpec.select"

local figures = {}

-- The statuses in the order of the page, each with its class in the style. Any other status has the class "other".
figures.statuses = { { "Approved", "approved" }, { "Pending", "pending" }, { "Rejected", "rejected" },
  { "Disconnected", "disconnected" } }

local classes = {}
for _, status in ipairs(figures.statuses) do classes[status[1]] = status[2] end

function figures.class(status)
  return classes[status] or "other"
end

-- Compares two lists of values by the first pair that differs.
local function before(a, b)
  for n, x in ipairs(a) do
    local y = b[n]
    if x ~= y then return x < y end
  end
  return false
end

local function sort_by(list, key)
  local keys = {}
  for _, item in ipairs(list) do keys[item] = key(item) end
  table.sort(list, function (a, b) return before(keys[a], keys[b]) end)
  return list
end

-- ---- accounts ------------------------------------------------------------------------------------------------------

local function new_counts()
  return { total = 0, approved = 0, pending = 0, rejected = 0, disconnected = 0, other = 0, outside = 0,
    unrecorded = 0 }
end

local function account_at(self, place)
  local id = place.id or ""
  local key = id:lower()
  local account = self.by_id[key]
  if not account then
    account = { id = id, subscription_id = place.subscription_id or "", name = place.account_name or "",
      resource_group_name = place.resource_group_name or "", counts = new_counts() }
    self.by_id[key], self.accounts[#self.accounts + 1] = account, account
    if account.subscription_id ~= "" then self.own[account.subscription_id:lower()] = true end
  end
  return account
end

local function account_of_id(self, id)
  local place = ids.parse(id) or {}
  return account_at(self, { id = id, subscription_id = place.subscription_id, account_name = place.account_name,
    resource_group_name = place.resource_group_name })
end

-- ---- rows ----------------------------------------------------------------------------------------------------------

-- Returns the subscription of the private endpoint, or "" if the service does not report it.
local function consumer_of(facts)
  return (facts.private_endpoint_subscription or ""):lower()
end

local function count(self, row)
  local account = row.account
  for _, counts in ipairs { account.counts, self.counts } do
    counts.total = counts.total + 1
    counts[row.class] = counts[row.class] + 1
    if row.outside then counts.outside = counts.outside + 1 end
    if row.is_unrecorded then counts.unrecorded = counts.unrecorded + 1 end
    if row.class == "pending" and row.age then counts.oldest = math.max(counts.oldest or 0, row.age) end
  end
end

-- Returns the writes of each connection that changed it, or whose end is not known, in their order, by its id in lower
-- case.
local function writes_of(writes)
  local by_id, number = {}, {}
  for n, write in ipairs(writes) do
    number[write] = n
    if write.outcome == "changed" or write.outcome == "unknown" then
      local key = write.connection:lower()
      by_id[key] = by_id[key] or {}
      table.insert(by_id[key], write)
    end
  end
  for _, list in pairs(by_id) do sort_by(list, function (write) return { write.at, number[write] } end) end
  return by_id
end

local is_decision = { approved = true, rejected = true }

-- Returns whether a write left a state: this status, and this ETag where both are known. A write whose end is not known
-- must have asked for the status.
local function has_left(write, state)
  local after = write.after or {}
  if write.outcome == "unknown" then return (write.wanted or {}).status == state.status end
  return after.status == state.status and not (after.etag and state.etag and after.etag ~= state.etag)
end

-- Returns whether the connection is as a write left it, and is not a later one of the same name. An equal ETag proves
-- that; without one the times do, by the service's clock and by the writer's.
local function is_origin(write, facts)
  local after, created = write.after or {}, facts.created_at and date.parse(facts.created_at)
  local is_proven = write.outcome == "changed" and after.etag and after.etag == facts.etag
  if created and not is_proven and created > (date.parse(write.at) or math.huge) then return false end
  return has_left(write, facts)
end

-- Returns the write that gave a connection the status that the last of these writes left; nil if it had the status
-- before them. A write may change the description alone.
local function decider(writes)
  for n = #writes, 1, -1 do
    local write, earlier = writes[n], writes[n - 1]
    local found, after = write.before or {}, write.after or {}
    if write.outcome == "unknown" or found.status ~= after.status then return write end
    if not (earlier and has_left(earlier, found)) then return nil end
  end
end

local function add_row(self, connection, data)
  local facts = select.facts(connection)
  local id = facts.id or ""
  local rules = data.rules or {}
  local row = { facts = facts, account = account_of_id(self, ids.account_of(id) or ""), consumer = consumer_of(facts),
    class = figures.class(facts.status), age = ages.of(facts, data.made_at),
    decision = (rules.decisions or {})[id], outside = (rules.outside or {})[id] }
  local writes = (self.writes or {})[id:lower()] or {}
  row.write = writes[#writes]
  row.is_recorded = row.write ~= nil and is_origin(row.write, facts)
  row.decider = row.is_recorded and decider(writes) or nil
  row.is_unrecorded = self.writes ~= nil and is_decision[row.class] ~= nil
    and not (row.decider and row.decider.outcome == "changed")
  self.rows[#self.rows + 1] = row
  count(self, row)
end

local function row_key(row)
  local account, facts = row.account, row.facts
  return { account.name:lower(), account.id:lower(), (facts.name or ""):lower(), facts.id or "" }
end

-- Sorts accounts that need attention first: unreadable, outside the rules, with the oldest pending request.
local function account_key(account)
  local counts = account.counts
  return { account.err and 0 or 1, -counts.outside, -(counts.oldest or 0), -counts.pending, account.name:lower(),
    account.id:lower() }
end

-- ---- consumers -----------------------------------------------------------------------------------------------------

-- Lists the subscriptions of the private endpoints, those with the most connections first. `cells` has counts by
-- account.
local function consumers_of(self)
  local list, by_id = {}, {}
  for _, row in ipairs(self.rows) do
    local consumer = by_id[row.consumer]
    if not consumer then
      consumer = { id = row.consumer, is_own = self.own[row.consumer] or false, counts = new_counts(), cells = {},
        account_count = 0 }
      by_id[row.consumer], list[#list + 1] = consumer, consumer
    end
    local cell = consumer.cells[row.account]
    if not cell then
      cell = new_counts()
      consumer.cells[row.account], consumer.account_count = cell, consumer.account_count + 1
    end
    for _, counts in ipairs { consumer.counts, cell } do
      counts.total, counts[row.class] = counts.total + 1, counts[row.class] + 1
    end
  end
  return sort_by(list, function (consumer) return { -consumer.counts.total, consumer.id } end)
end

-- ---- ages ----------------------------------------------------------------------------------------------------------

local hour, day = 3600, 86400

-- The upper ends of the histogram's classes, in seconds.
local age_classes = { { "under 1 hour", hour }, { "1 to 24 hours", day }, { "1 to 7 days", 7 * day },
  { "7 to 30 days", 30 * day }, { "30 to 90 days", 90 * day }, { "90 days to 1 year", 365 * day },
  { "over 1 year", math.huge } }

local function ages_of(rows)
  local list, unknown = {}, { title = "unknown", counts = new_counts() }
  for n, class in ipairs(age_classes) do list[n] = { title = class[1], counts = new_counts() } end
  for _, row in ipairs(rows) do
    local found = unknown
    for n = #age_classes, 1, -1 do
      if row.age and row.age < age_classes[n][2] then found = list[n] end
    end
    found.counts.total, found.counts[row.class] = found.counts.total + 1, found.counts[row.class] + 1
  end
  if unknown.counts.total > 0 then list[#list + 1] = unknown end
  return list, unknown.counts.total
end

-- Formats an age: "42 d", "5 h", "3 min".
function figures.age(seconds)
  if not seconds then return "" end
  local units = { { day, "d" }, { hour, "h" }, { 60, "min" } }
  for _, unit in ipairs(units) do
    if seconds >= unit[1] then return ("%d %s"):format(seconds // unit[1], unit[2]) end
  end
  return "under 1 min"
end

-- ---- rules ---------------------------------------------------------------------------------------------------------

local function new_decided()
  return { approve = 0, reject = 0, hold = 0, ignore = 0, unchanged = 0 }
end

-- Counts decisions: in all, and by the rule that decides. names: those of all rules, in the order of the file.
local function rules_of(rows, names)
  local counts, list, by_name = new_decided(), {}, {}
  for n, name in ipairs(names) do
    list[n] = { name = name, counts = new_decided() }
    by_name[name] = list[n]
  end
  for _, row in ipairs(rows) do
    local decision = row.decision
    if decision then
      local counted = decision.status and not decision.changes and "unchanged" or decision.action
      counts[counted] = counts[counted] + 1
      local key = decision.rule or ""
      local rule = by_name[key]
      if not rule then
        rule = { name = decision.rule, counts = new_decided() }
        by_name[key], list[#list + 1] = rule, rule
      end
      rule.counts[counted] = rule.counts[counted] + 1
    end
  end
  return counts, list
end

-- ---- all -----------------------------------------------------------------------------------------------------------

-- Returns what the sections show. data: as for azpec.report.render.
function figures.of(data)
  local self = { accounts = {}, by_id = {}, own = {}, rows = {}, counts = new_counts(), unreadable = {},
    writes = data.journal and writes_of(data.journal.writes) }
  for _, id in ipairs(data.accounts or {}) do account_of_id(self, id) end
  for _, connection in ipairs(data.connections) do add_row(self, connection, data) end
  for n, failure in ipairs(data.unreadable or {}) do
    self.unreadable[n] = failure
    local place = ids.parse(failure.id)
    if place and place.kind == "account" then account_of_id(self, failure.id).err = failure end
  end
  sort_by(self.rows, row_key)
  sort_by(self.accounts, account_key)
  sort_by(self.unreadable, function (failure) return { failure.id:lower(), failure.message or "" } end)
  self.read = 0 -- accounts without those that could not be read
  for n, account in ipairs(self.accounts) do
    account.number = n
    if not account.err then self.read = self.read + 1 end
  end
  self.consumers = consumers_of(self)
  self.ages, self.ages_unknown = ages_of(self.rows)
  self.decided, self.rules = rules_of(self.rows, (data.rules or {}).names or {})
  return self
end

return figures
