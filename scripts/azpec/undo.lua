-- azpec.undo -- reverts the changes of a run. It skips connections that were changed since, and changes that the
-- service cannot revert.
--
--   local items = assert(undo.read("journal.jsonl", run))       -- run: the name of a run in the journal
--   undo.check(items, client)                                   -- reads the connections
--   local summary = require "azpec.run".run { client = client, items = items, dry_run = true }

local current = require "azpec.refresh"
local fields = require "azpec.fields"
local journal = require "azpec.journal"
local select = require "azpec.select"
local text = require "azpec.text"
local transitions = require "azpec.transitions"

local undo = {}

-- ---- the journal's writes ------------------------------------------------------------------------------------------

-- Combines the writes of a run by connection, in the order of the first write.
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

-- Says why a change cannot be reverted, or returns nil.
local function obstacle(one, options)
  local before, after = one.before, one.after
  if one.is_unknown then return "the journal does not say how the write ended" end
  if one.is_deleted then return "it was deleted; only its private endpoint's owner can ask for it anew" end
  if not before or not before.status then return "the journal does not say what it was before" end
  if not after or not after.etag then return "the journal does not have the ETag that the run left" end
  if after.status == before.status then return nil end
  local forecast, why = transitions.of(after, before.status)
  if forecast == "impossible" then return why end
  if before.status == "Disconnected" and not options.reject then return "it was Disconnected, and that is not ours" end
end

local function item_of(one, options)
  local after, why = one.after or {}, obstacle(one, options)
  local item = { id = one.id, action = "set", etag = after.etag, left = after, before = after.status, impossible = why }
  if why then return item end
  item.status, item.description = one.before.status, one.before.description or ""
  if options.reject and after.status == "Approved" and item.status ~= "Approved" then item.status = "Rejected" end
  return item
end

local known = { reject = "boolean" }

-- Returns the items of azpec.run that revert a run's writes (journal.writes). options.reject: reject the approved
-- connections instead of setting them to Pending. Raises an error for another option.
function undo.items(writes, options)
  fields.check_argument(writes, "tables", "bad argument #1 to 'items'")
  fields.check(options or {}, known)
  local items = {}
  for _, one in ipairs(collect(writes)) do
    local item = item_of(one, options or {})
    if item.impossible or not is_same(item.left, item) then items[#items + 1] = item end
  end
  return items
end

-- Returns the same for a run in a journal file. Returns nil, a text, and whether the file has no such run; it may also
-- be unreadable, or changed.
function undo.read(path, run, options)
  fields.check_argument(path, "path", "bad argument #1 to 'read'")
  fields.check(options or {}, known)
  local records, report = journal.read(path)
  if not records then return nil, report end
  if not report.intact then
    return nil, "nothing is undone by a journal that is not as it was written: " .. report.problems[1].message
  end
  local writes = journal.writes(records, { run = run })
  if #writes == 0 then return nil, ("the journal knows no run '%s'"):format(run), true end
  local items = undo.items(writes, options)
  for _, item in ipairs(items) do item.reason = "undoes run " .. run end
  return items
end

-- ---- comparison with the service -----------------------------------------------------------------------------------

-- Says how the connection differs from the run's result, or returns nil.
local function change_since(item, connection)
  if not connection then return "it is gone" end
  local facts, left = select.facts(connection), item.left
  if facts.status ~= left.status then
    return ("it was changed since: it is %s, the run left it %s"):format(text.state(facts.status),
      text.state(left.status))
  end
  if facts.etag ~= item.etag then
    return ("it was changed since: its ETag is %s, the run left %s"):format(facts.etag or "unknown", item.etag)
  end
  if not is_same(facts, left) then return "it was changed since, though its ETag is the same" end
end

-- Reads the items' connections: sets `connection` in each, `stale`, a text, in those that were changed since, and
-- `err`, an azpec.Error, in those that cannot be read.
function undo.check(items, client)
  fields.check_argument(items, "tables", "bad argument #1 to 'check'")
  local possible, connection_ids = {}, {}
  for _, item in ipairs(items) do
    if not item.impossible then
      possible[#possible + 1], connection_ids[#connection_ids + 1] = item, item.id
    end
  end
  if #possible == 0 then return end
  local now = current.read(client, connection_ids)
  for _, item in ipairs(possible) do
    local connection, err = now(item.id)
    local is_so = connection ~= nil and is_same(select.facts(connection), item)
    item.connection, item.err = connection, err
    item.stale = not err and not is_so and change_since(item, connection) or nil
  end
end

return undo
