-- Finds the operations that the runs of one subject have begun and whose end is not in the journal.

local chain = require "azpec.journal.chain"
local json = require "azpec.json"

local unfinished = {}
unfinished.__index = unfinished

-- subject: a string, or nil to read only whether the lines are intact. Its lines have it as JSON has it.
function unfinished.new(subject)
  return setmetatable({ subject = subject, mark = subject and json.encode(subject), writes = {}, latest = {},
    order = {}, lines = 0, elsewhere = {} }, unfinished)
end

-- Remembers the latest intent of a connection until its result. In a JSON string the quotes of these patterns would be
-- escaped.
local function note_elsewhere(self, bare, key, is_own)
  local connection = bare:match '"connection":"([^"]+)"'
  local place = connection and connection:lower()
  local open = self.elsewhere[place or ""]
  if bare:find('"event":"intent"', 1, true) and place then
    self.elsewhere[place] = not is_own and { key = key, line = self.lines, intent = bare } or nil
  elseif open and open.key == key then
    if bare:find('"outcome":"unknown"', 1, true) then open.result = bare else self.elsewhere[place] = nil end
  end
end

local function is_open(write)
  return write.outcome == nil or write.outcome == "unknown"
end

-- Of the writes of a connection only the latest can be open, and only that is kept: a file may have many more writes
-- than connections. Repetitions of a write have the same key.
local function note_intent(self, record)
  local place, key = record.connection:lower(), chain.key(record)
  local earlier, write = self.latest[place], self.writes[key]
  if not (write and is_open(write)) then write = { intent = record } end
  if not earlier then self.order[#self.order + 1] = place end
  if earlier and earlier ~= write then self.writes[chain.key(earlier.intent)] = nil end
  self.writes[key], self.latest[place] = write, write
end

-- A known outcome stays: a process that did not see the end may write "unknown" later.
local function note_result(write, result)
  if is_open(write) then write.outcome, write.token = result.outcome, result.token end
end

-- Reads the next line. Lines of other subjects, possibly many, are not decoded, but a changed one is noticed.
function unfinished:note(line)
  self.lines = self.lines + 1
  local bare, feeds = line:gsub("\n$", "")
  local key = chain.key_in(bare)
  local known = key and self.writes[key]
  local is_own = known or self.mark and bare:find(self.mark, 1, true)
  local record = is_own and chain.open(bare)
  note_elsewhere(self, bare, key, is_own)
  if not (record or not is_own and chain.is_intact(bare)) then
    self.changed = self.changed or feeds == 1 and self.lines or nil
  elseif not is_own then
    return
  elseif record.event == "intent" and record.subject == self.subject then
    note_intent(self, record)
  elseif record.event == "result" and known then
    note_result(known, record)
  end
end

local actions = { Approved = "approve", Rejected = "reject" }

local function item_of(write)
  local intent, wanted = write.intent, write.intent.wanted or {}
  local before = intent.before or {}
  local action = intent.operation == "delete" and "delete" or actions[wanted.status] or "set"
  local impossible = action == "set" and not wanted.status and "the journal does not say what it was to become" or nil
  return { id = intent.connection, action = action, status = wanted.status, description = wanted.description,
    impossible = impossible, etag = before.etag, before = before.status, found = intent.before, rule = intent.rule,
    reason = intent.reason, call = intent.call, token = write.token, begun_before = true }
end

-- Returns whether an item asks for what the write of an intent was to do. It may leave the description open.
local function asks_for(item, intent)
  local begun = item_of { intent = intent }
  return item.action == begun.action and (item.status or begun.status) == begun.status
    and (item.description or begun.description) == begun.description
end

-- Takes over the open writes of other subjects that the items ask for.
function unfinished:adopt(items)
  for _, item in ipairs(items) do
    local key = json.encode(item.id):sub(2, -2):lower() -- as note_elsewhere has it
    local open = self.elsewhere[key]
    local intent = open and chain.open(open.intent)
    if intent and asks_for(item, intent) then
      note_intent(self, intent)
      note_result(self.writes[chain.key(intent)], open.result and chain.open(open.result) or {})
      self.elsewhere[key] = nil
    end
  end
end

-- Returns the open items in the order in which they were begun; the name of their run; and the status that each
-- connection of that run was to get, by its id in lower case.
function unfinished:items()
  local items, run, begun = {}, nil, {}
  for _, key in ipairs(self.order) do
    local write = self.latest[key]
    if is_open(write) then items[#items + 1], run = item_of(write), write.intent.run end
  end
  for _, key in ipairs(self.order) do
    local intent = self.latest[key].intent
    if run and intent.run == run then begun[key] = (intent.wanted or {}).status end
  end
  return items, run, begun
end

-- Returns the lines of the open intents of other subjects, in order.
function unfinished:open_elsewhere()
  local lines = {}
  for _, open in pairs(self.elsewhere) do lines[#lines + 1] = open.line end
  table.sort(lines)
  return lines
end

return unfinished
