-- azpec.checkpoint -- how far a run over many connections has come, in a file: another goes on where it stopped.
--
-- A file of JSON lines that is only ever added to, for its owner alone, and locked while a run is at it. Each line has
-- an `event`: "open" (a process begins to write: `verb`, and `subject`, the digest of what it carries out), "begin"
-- (written before a connection's first request goes out: id, etag, status, description, rule, reason), "token" (the
-- continuation token of its operation, which is still going on), "end" (its `outcome`), "done" (the whole run is over;
-- what follows is another one). A process that dies leaves at most one line cut off, in front of the next "open".

local lfs = require "lfs"

local file = require "azpec.file"
local json = require "azpec.json"

local checkpoint = {}
checkpoint.__index = checkpoint
checkpoint.__name = "azpec.checkpoint"

local version = 1

local failure = { __name = "azpec.checkpoint_error" }
function failure:__tostring() return self.message end
function failure.__concat(a, b) return tostring(a) .. tostring(b) end

local function failed_as(kind, format, ...)
  return nil, setmetatable({ kind = kind, message = format:format(...) }, failure)
end

local function failed(...)
  return failed_as("checkpoint", ...)
end

-- ---- reading -------------------------------------------------------------------------------------------------------

local function reset(self)
  self.begun, self.ended, self.order, self.verb, self.subject = {}, {}, {}, nil, nil
end

local events = {}

function events.open(self, line)
  if line.checkpoint ~= version then return "a form that is not known" end
  self.verb, self.subject = line.verb, line.subject
end

function events.begin(self, line)
  if not self.begun[line.id] then self.order[#self.order + 1] = line.id end
  self.begun[line.id], self.ended[line.id] = line, nil
end

function events.token(self, line)
  if self.begun[line.id] then self.begun[line.id].token = line.token end
end

events["end"] = function (self, line)
  self.ended[line.id] = line.outcome
end

function events.done(self)
  reset(self)
end

local function apply(self, line)
  local event = type(line) == "table" and events[line.event]
  if not event then return "no line of azpec's" end
  local about_one = line.event == "begin" or line.event == "token" or line.event == "end"
  if about_one and type(line.id) ~= "string" then return "no id" end
  if line.event == "begin" and type(line.status) ~= "string" then return "no status" end
  return event(self, line)
end

-- Whether a file's first line is a checkpoint's; a process may have died while it wrote it.
local function is_first(text, line)
  if line ~= nil then return type(line) == "table" and line.event == "open" end
  local beginning = '{"at":"'
  return text:sub(1, #beginning) == beginning:sub(1, #text)
end

-- Reads all that is there: true, or nil and a message. A cut-off line may only stand in front of an "open".
local function load(self)
  local number, torn = 0, nil
  for text in self.handle:lines "L" do
    number = number + 1
    local line = json.decode(text)
    if number == 1 and not is_first(text, line) then
      return nil, ("%s is no checkpoint of azpec's, and was left as it is; name another file"):format(self.path)
    end
    if torn and not (type(line) == "table" and line.event == "open") then
      return nil, ("%s:%d: this is not as azpec wrote it"):format(self.path, torn)
    end
    torn = line == nil and number or nil
    local problem = line ~= nil and apply(self, line)
    if problem then return nil, ("%s:%d: %s"):format(self.path, number, problem) end
    self.has_end = text:sub(-1) == "\n"
  end
  return true
end

-- ---- writing -------------------------------------------------------------------------------------------------------

local function append(self, line)
  line.at = os.date "!%Y-%m-%dT%H:%M:%SZ"
  local ok, why = self.handle:write(json.encode(line), "\n")
  if ok then return true end
  return failed("the checkpoint cannot be written, so nothing more is begun: %s: %s", self.path, why)
end

local function open_run(self)
  self.verb, self.subject = self.own_verb, self.own_subject
  return append(self, { event = "open", checkpoint = version, verb = self.verb, subject = self.subject })
end

-- A connection is about to be written. item: id, etag, status, description, rule, reason.
function checkpoint:begin(item)
  if not self.subject then -- the run before it is done
    local ok, err = open_run(self)
    if not ok then return nil, err end
  end
  return append(self, { event = "begin", id = item.id, etag = item.etag, status = item.status,
    description = item.description, rule = item.rule, reason = item.reason })
end

-- Its operation goes on at the service; token: how to go on waiting.
function checkpoint:token(id, token)
  return append(self, { event = "token", id = id, token = token })
end

-- It has ended.
function checkpoint:finish(id, outcome)
  return append(self, { event = "end", id = id, outcome = outcome })
end

-- All of the run has ended: the next one begins anew.
function checkpoint:done()
  reset(self)
  return append(self, { event = "done" })
end

function checkpoint:close()
  if self.handle then self.handle:close() end
  self.handle = nil
end
checkpoint.__close = checkpoint.close
checkpoint.__gc = checkpoint.close

-- ---- opening -------------------------------------------------------------------------------------------------------

local function begin_run(self, verb, subject)
  local ok, why = load(self)
  if not ok then return failed("%s", why) end
  if self.subject and (self.subject ~= subject or self.verb ~= verb) then
    return failed_as("conflict", "%s belongs to an unfinished `%s` of something else; finish that with the same "
      .. "options, or name another file", self.path, self.verb)
  end
  self.handle:seek "end"
  if self.has_end == false then self.handle:write "\n" end
  self.own_verb, self.own_subject = verb, subject
  return open_run(self)
end

-- The checkpoint in a file, which is made if it is not there; nil and an error where it cannot be used (kind
-- "checkpoint"), or is another run's, or another process is at it (kind "conflict"). verb and subject have to be those
-- of the unfinished run in it, if there is one.
function checkpoint.open(path, verb, subject)
  local handle, why = file.open(path)
  if not handle then return failed("%s", why) end
  local self = setmetatable({ path = path, handle = handle }, checkpoint)
  reset(self)
  local ok, problem = lfs.lock(handle, "w")
  if not ok then
    self:close()
    return failed_as("conflict", "%s: another process is at it (%s)", path, problem)
  end
  local begun, err = begin_run(self, verb, subject)
  if begun then return self end
  self:close()
  return nil, err
end

-- What was begun and is not known to have ended, in that order: items with id, etag, status, description, rule, reason
-- and perhaps token, as azpec.many takes them.
function checkpoint:unfinished()
  local items = {}
  for _, id in ipairs(self.order) do
    local begun = self.begun[id]
    if not self.ended[id] then
      items[#items + 1] = { id = id, etag = begun.etag, status = begun.status, description = begun.description,
        rule = begun.rule, reason = begun.reason, token = begun.token, begun_before = true }
    end
  end
  return items
end

-- How many there are for each status: those begun by earlier processes of this run, and these items, each once.
function checkpoint:counts(items)
  local counts, seen = {}, {}
  local function count(item)
    if seen[item.id] then return end
    seen[item.id] = true
    counts[item.status] = (counts[item.status] or 0) + 1
  end
  for _, item in ipairs(items) do count(item) end
  for _, id in ipairs(self.order) do count(self.begun[id]) end
  return counts
end

return checkpoint
