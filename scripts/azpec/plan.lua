-- azpec.plan -- decisions in a file, to be carried out as they stand there and not otherwise.
--
--   local plan = require "azpec.plan"
--   local draft = plan.new { rules = set, tool = azpec._VERSION }
--   for connection in client:list { ... } do draft:add(connection, set:decide(connection)) end
--   assert(draft:write "plan.json")
--
--   local read, err = plan.read "plan.json"       -- err.kind: "edited", or "plan" where it is none
--   plan.check(read.items, client)                -- item.stale: why it is no longer what was decided on
--   for _, item in ipairs(read.items) do ... end
--
-- The file is JSON for people to read. Its "sha256" is that of all the rest, as JSON with sorted members and without
-- blanks: who edits a plan by hand, cuts it or changes its order is found out, not who makes the hash anew. That takes
-- a key: with one the plan has an "hmac_sha256" too (RFC 2104), and is read only where it fits.

local lfs = require "lfs"

local current = require "azpec.current"
local file = require "azpec.file"
local json = require "azpec.json"
local select = require "azpec.select"
local sha256 = require "azpec.sha256"

local plan = {}

-- The number of the form; the member "azpec_plan".
plan.version = 1

local most_bytes = 64 << 20

-- ---- the form ------------------------------------------------------------------------------------------------------

-- In the order in which they are written; `?`: may be absent.
local state_form = { "status? string", "description? string", "provisioning_state? string" }
local wanted_form = { "status string", "description? string" }
local item_form = { "action string", "id string", "etag? string", "current table", "wanted? table", "rule? string",
  "reason string" }
local source_form = { "file string", "sha256 string" }
local summary_form = { "approve number", "reject number", "hold number", "ignore number", "unchanged number" }
local plan_form = { "azpec_plan number", "made_at string", "made_by string", "endpoint? string", "rules table",
  "summary table", "items table", "sha256 string", "hmac_sha256? string" }

local nested = { ["rules"] = source_form, ["summary"] = summary_form, ["current"] = state_form,
  ["wanted"] = wanted_form }

local function parts(entry)
  return entry:match "^([%w_]+)(%??) (%a+)$"
end

local failure = { __name = "azpec.plan_error" }
function failure:__tostring() return self.message end
function failure.__concat(a, b) return tostring(a) .. tostring(b) end

local function failed(kind, format, ...)
  return setmetatable({ kind = kind, message = format:format(...) }, failure)
end

local check

local function check_member(value, name, kind, path)
  if value == nil or value == json.null then error(failed("plan", "%s.%s is missing", path, name), 0) end
  if type(value) ~= kind then
    error(failed("plan", "%s.%s: %s expected, got %s", path, name, kind, type(value)), 0)
  end
  if nested[name] then check(value, nested[name], path .. "." .. name) end
end

-- Raises what is not of the form.
function check(given, form, path)
  local known = {}
  for _, entry in ipairs(form) do
    local name, optional, kind = parts(entry)
    known[name] = true
    if given[name] ~= nil or optional == "" then check_member(given[name], name, kind, path) end
  end
  for name in pairs(given) do
    if not known[name] then error(failed("plan", "%s.%s is not known", path, tostring(name)), 0) end
  end
end

local statuses = { approve = "Approved", reject = "Rejected" }

local function check_item(item, path)
  if type(item) ~= "table" then error(failed("plan", "%s: an object is expected", path), 0) end
  check(item, item_form, path)
  local status = statuses[item.action]
  if item.action ~= "hold" and not (status and item.wanted and item.wanted.status == status) then
    error(failed("plan", "%s: its action and what is wanted do not agree", path), 0)
  end
  if status and not item.etag then error(failed("plan", "%s.etag is missing", path), 0) end
end

-- What the hashes are made of.
local function digested(contents)
  local rest = {}
  for name, value in pairs(contents) do
    if name ~= "sha256" and name ~= "hmac_sha256" then rest[name] = value end
  end
  rest.items = json.list(table.move(contents.items, 1, #contents.items, 1, {}))
  return json.encode(rest)
end

-- ---- making one ----------------------------------------------------------------------------------------------------

local draft = {}
draft.__index = draft

-- An empty plan. options: rules, as azpec.rules reads them; tool, who makes it; endpoint, where the connections are;
-- now, the time.
function plan.new(options)
  return setmetatable({ azpec_plan = plan.version, made_by = options.tool or "azpec",
    made_at = os.date("!%Y-%m-%dT%H:%M:%SZ", options.now), endpoint = options.endpoint,
    rules = { file = options.rules.source, sha256 = options.rules.sha256 },
    summary = { approve = 0, reject = 0, hold = 0, ignore = 0, unchanged = 0 }, items = {} }, draft)
end

local function held(decision, reason)
  return { action = "hold", rule = decision.rule, reason = reason }
end

-- Adds what was decided on a connection. What is ignored, or is so already, is only counted. Raises an ETag that could
-- guard no change (azpec.select.etag).
function draft:add(connection, decision)
  local facts, summary = select.facts(connection), self.summary
  local etag, err = select.etag(connection)
  if decision.changes and err then error(err, 0) end
  if decision.changes and not etag then
    decision = held(decision, "the service sent no ETag, so nothing could guard the change")
  end
  local counted = decision.status and not decision.changes and "unchanged" or decision.action
  summary[counted] = summary[counted] + 1
  if counted == "unchanged" or counted == "ignore" then return end
  self.items[#self.items + 1] = {
    action = decision.action, id = facts.id, etag = facts.etag, rule = decision.rule, reason = decision.reason,
    current = { status = facts.status, description = facts.description, provisioning_state = facts.provisioning_state },
    wanted = decision.status and { status = decision.status, description = decision.description } or nil,
  }
end

-- How many connections it would change.
function draft:changes()
  return self.summary.approve + self.summary.reject
end

local function pretty(value, form, indent)
  local lines = {}
  for _, entry in ipairs(form) do
    local name = parts(entry)
    local member = value[name]
    if name == "items" then
      local items = {}
      for n, item in ipairs(member) do items[n] = "    " .. pretty(item, item_form, "    ") end
      member = #items == 0 and "[]" or "[\n" .. table.concat(items, ",\n") .. "\n  ]"
    elseif nested[name] and member then
      member = pretty(member, nested[name], indent .. "  ")
    elseif member ~= nil then
      member = json.encode(member)
    end
    if member then lines[#lines + 1] = ('%s  "%s": %s'):format(indent, name, member) end
  end
  return #lines == 0 and "{}" or "{\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "}"
end

-- The plan's text. key: a secret that signs it.
function draft:text(key)
  local whole = setmetatable({}, { __index = self })
  local text = digested(json.decode(json.encode(self))) -- as whoever reads it will have it
  whole.sha256, whole.hmac_sha256 = sha256.hex(text), key and sha256.hmac(key, text)
  return pretty(whole, plan_form, "") .. "\n"
end

-- Writes it, whole or not at all: true, or nil and a message.
function draft:write(path, key)
  return file.replace(path, self:text(key))
end

-- Whether a plan may be written there without the loss of anything but a plan: true, or nil and a message.
function plan.check_place(path)
  if lfs.symlinkattributes(path, "mode") ~= "file" then return true end
  local text, why = file.read(path)
  if not text then return nil, why end
  local contents = #text <= most_bytes and json.decode(text)
  if text == "" or type(contents) == "table" and contents.azpec_plan ~= nil then return true end
  return nil, path .. " is no plan of azpec's, and was left as it is; name another file"
end

-- ---- reading one ---------------------------------------------------------------------------------------------------

-- How many members the objects in a value have. Raises a number that JSON cannot hold, as 1e999.
local function count_members(value)
  if type(value) == "number" and (value ~= value or math.abs(value) == math.huge) then
    error(failed("plan", "this is no plan: a number in it is too large"), 0)
  end
  if type(value) ~= "table" then return 0 end
  local count = 0
  for name, member in pairs(value) do
    count = count + count_members(member) + (type(name) == "string" and 1 or 0)
  end
  return count
end

-- Of two members of one name the reader's eye may take the other one than a program does; the hash is the program's.
local function check_names(contents, text)
  local without_strings = text:gsub("\\.", ""):gsub('"[^"]*"', "")
  local _, colons = without_strings:gsub(":", "")
  if colons ~= count_members(contents) then
    error(failed("edited", "the plan was changed after it was made: a name stands in it twice"), 0)
  end
end

local function check_plan(contents, source, key)
  if type(contents) ~= "table" or contents.azpec_plan == nil then
    error(failed("plan", "this is no plan of azpec's"), 0)
  end
  check_names(contents, source)
  if contents.azpec_plan ~= plan.version then
    local form = json.encode(contents.azpec_plan)
    error(failed("plan", "the plan has the form %s; only %d is known", form, plan.version), 0)
  end
  check(contents, plan_form, "plan")
  local text = digested(contents)
  if sha256.hex(text) ~= contents.sha256 then
    error(failed("edited", "the plan was changed after it was made: its sha256 is not that of its contents"), 0)
  end
  if key and not contents.hmac_sha256 then error(failed("edited", "the plan is not signed"), 0) end
  if key and sha256.hmac(key, text) ~= contents.hmac_sha256 then
    error(failed("edited", "the plan was not signed with this key"), 0)
  end
  for n, item in ipairs(contents.items) do check_item(item, ("plan.items[%d]"):format(n)) end
end

-- A plan from its text, or nil and an error: { kind = "plan" | "edited", message }. key: it has to be signed with it.
function plan.parse(text, key)
  local contents, why = nil, "it is too large"
  if #text <= most_bytes then contents, why = json.decode(text) end
  if contents == nil then return nil, failed("plan", "this is no plan: %s", why) end
  local ok, problem = pcall(check_plan, contents, text, key)
  if ok then return contents end
  if getmetatable(problem) ~= failure then error(problem, 0) end
  return nil, problem
end

-- As parse, from a file; where that cannot be read, the error's kind is "plan", too.
function plan.read(path, key)
  local text, why = file.read(path)
  if not text then return nil, failed("plan", "%s", why) end
  local contents, err = plan.parse(text, key)
  if err then err.message = path .. ": " .. err.message end
  return contents, err
end

-- ---- against the service -------------------------------------------------------------------------------------------

-- Why an item is no longer what was decided on; nil: it still is, or is already as it would be made.
local function change_since(item, connection)
  if not connection then return "it is gone" end
  local facts, before, wanted = select.facts(connection), item.current, item.wanted
  if facts.etag == item.etag then return nil end
  local is_worded = (wanted.description or facts.description) == facts.description
  if facts.status == wanted.status and is_worded then return nil end
  for _, field in ipairs { "status", "description", "provisioning_state" } do
    if facts[field] ~= before[field] then
      return ("its %s is '%s', and was '%s'"):format((field:gsub("_", " ")), facts[field] or "", before[field] or "")
    end
  end
  return "its ETag is another one"
end

-- Looks at the items that would change something as the service has them now, and gives each that has changed since
-- `stale`, a text that says how, and each that cannot be read `err`, an azpec.Error. options: as azpec.current's.
function plan.check(items, client, options)
  local changing, connection_ids = {}, {}
  for _, item in ipairs(items) do
    if item.wanted then
      changing[#changing + 1], connection_ids[#connection_ids + 1] = item, item.id
    end
  end
  local now = current.read(client, connection_ids, options)
  for _, item in ipairs(changing) do
    local connection, err = now(item.id)
    item.err, item.stale = err, not err and change_since(item, connection) or nil
  end
end

return plan
