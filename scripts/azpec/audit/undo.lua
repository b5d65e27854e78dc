-- What a run changed, brought back: only where nobody has changed it since, and only what can be brought back.

local current = require "azpec.current"
local select = require "azpec.select"
local text = require "azpec.text"

local undo = {}

-- ---- the plan ------------------------------------------------------------------------------------------------------

-- A private endpoint's owner whose request was rejected has to ask anew ("Manage Azure private endpoints").
local finality = "it is %s, and cannot be approved again; delete it, and its private endpoint's owner asks anew"
local is_final = { Rejected = true, Disconnected = true }

local function collect(writes)
  local list, by_id = {}, {}
  for _, write in ipairs(writes) do
    if write.outcome == "changed" or write.outcome == "unknown" then
      local key = write.connection:lower()
      local one = by_id[key]
      if not one then
        one = { id = write.connection, before = write.before }
        by_id[key], list[#list + 1] = one, one
      end
      one.after = write.after
      one.is_deleted = write.operation == "delete"
      if write.outcome == "unknown" then one.is_unknown = true end
    end
  end
  return list
end

local function is_same(a, b)
  return a.status == b.status and (a.description or "") == (b.description or "")
end

-- Why something cannot be brought back; nil: it can.
local function obstacle(one, options)
  local before, after = one.before, one.after
  if one.is_unknown then return "the trail does not say how the write ended" end
  if one.is_deleted then return "it was deleted; only its private endpoint's owner can ask for it anew" end
  if not before or not before.status then return "the trail does not say what it was before" end
  if not after or not after.etag then return "the trail does not have the ETag that the run left" end
  if after.status == before.status then return nil end
  if is_final[after.status] then return finality:format(after.status) end
  if before.status == "Disconnected" and not options.reject then return "it was Disconnected, and that is not ours" end
end

local function target(one, options)
  local before, after = one.before, one.after
  local status = before.status
  if options.reject and after.status == "Approved" and status ~= "Approved" then status = "Rejected" end
  return { status = status, description = before.description or "" }
end

-- What is to be done so that a run is undone, from its writes (audit.writes). options.reject: what the run approved is
-- rejected, instead of made Pending again. Returns { items, impossible }: items = { id, from = { etag, status,
-- description }, to = { status, description } }, impossible = { id, from, reason }.
function undo.plan(writes, options)
  options = options or {}
  local plan = { items = {}, impossible = {} }
  for _, one in ipairs(collect(writes)) do
    local reason = obstacle(one, options)
    local item = { id = one.id, from = one.after, to = not reason and target(one, options) or nil, reason = reason }
    if reason then
      plan.impossible[#plan.impossible + 1] = item
    elseif not is_same(item.from, item.to) then
      plan.items[#plan.items + 1] = item
    end
  end
  return plan
end

-- ---- against the service -------------------------------------------------------------------------------------------

-- Why it is not to be touched: it is no longer as the run left it; nil: it is.
local function change_since(item, connection)
  if not connection then return "it is gone" end
  local facts = select.facts(connection)
  if facts.status ~= item.from.status then
    return ("it was changed since: it is %s, the run left it %s"):format(text.state(facts.status),
      text.state(item.from.status))
  end
  if facts.etag ~= item.from.etag then
    return ("it was changed since: its ETag is %s, the run left %s"):format(facts.etag or "unknown", item.from.etag)
  end
  if not is_same(facts, item.from) then return "it was changed since, though its ETag is the same" end
end

-- Looks at each item as the service has it now: `current`, and `is_so`, where it is what it would be made, or `stale`,
-- a text, where it is not to be touched. A list that fails raises its azpec.Error.
function undo.check(plan, client)
  local connection_ids = {}
  for n, item in ipairs(plan.items) do connection_ids[n] = item.id end
  local now = current.read(client, connection_ids)
  for _, item in ipairs(plan.items) do
    local connection, err = now(item.id)
    if err then error(err, 0) end
    item.current = connection
    item.is_so = connection ~= nil and is_same(select.facts(connection), item.to)
    item.stale = not item.is_so and change_since(item, connection) or nil
  end
  return plan
end

-- How many are under way at once.
undo.most_at_once = 100

local function begin(client, item)
  return client:begin_update { id = item.id, status = item.to.status, description = item.to.description,
    if_match = item.from.etag }
end

-- Carries out what undo.check found untouched, each guarded by its ETag; calls done(item, connection, err) as they end,
-- and, if it is given, begun(poller) for each that is begun. Begins nothing more where done has returned false.
function undo.apply(plan, client, done, begun)
  local todo, items, n, is_over = {}, {}, 0, false
  for _, item in ipairs(plan.items) do
    if not item.stale and not item.is_so then todo[#todo + 1] = item end
  end
  while n < #todo and not is_over do
    local pollers = {}
    for k = n + 1, math.min(n + undo.most_at_once, #todo) do
      local poller = begin(client, todo[k])
      pollers[#pollers + 1], items[poller] = poller, todo[k]
      if begun then begun(poller) end
    end
    n = n + #pollers
    for poller, connection, err in client:completions(pollers) do
      is_over = done(items[poller], connection, err) == false or is_over
    end
  end
end

return undo
