-- azpec.plan -- a file of decisions, which can be reviewed and is then carried out exactly as written.
--
--   local plan = require "azpec.plan"
--   local draft = plan.new { rules = set, tool = azpec._VERSION }
--   for connection in client:list { ... } do draft:add(connection, set:decide(connection)) end
--   draft:note_unread(errors)                       -- of the accounts that could not be read
--   assert(draft:write "plan.json")
--
--   local read, err = plan.read "plan.json"       -- err.kind: "edited", or "plan" if the file is not a plan
--   plan.check(read.items, client)                -- item.stale: how the connection has changed since
--   for n, item in ipairs(read.items) do items[n] = item.wanted and plan.item(item) end  -- for azpec.run
--
-- The file is JSON that a person can read. Its member "sha256" is the hash of all other members, encoded as JSON with
-- sorted names and without blanks. It detects an edited, cut or reordered plan. It does not detect a plan whose hash
-- was computed again. A key does: a signed plan also has "hmac_sha256" (RFC 2104), and is read only if that matches.

local date = require "azpec.date"
local failure = require "azpec.failure"
local fields = require "azpec.fields"
local file = require "azpec.file"
local json = require "azpec.json"
local refresh = require "azpec.refresh"
local select = require "azpec.select"
local sha256 = require "azpec.sha256"

local plan = {}

-- The version of the format; the member "azpec_plan".
plan.version = 1

-- ---- format --------------------------------------------------------------------------------------------------------

-- The members in the order in which they are written. `?` marks an optional one.
local state_form = { "status? string", "description? string", "provisioning_state? string" }
local wanted_form = { "status string", "description? string" }
local item_form = { "action string", "id string", "private_endpoint? string", "etag? string", "current table",
  "wanted? table", "rule? string", "reason string" }
local source_form = { "file string", "sha256 string" }
local summary_form = { "approve number", "reject number", "hold number", "ignore number", "unchanged number" }
local error_form = { "place string", "kind string", "message string", "code? string", "http_status? number" }
local who_form = { "credential? string", "oid? string", "tid? string", "appid? string", "azp? string", "upn? string",
  "preferred_username? string", "name? string", "idtyp? string" }
local plan_form = { "azpec_plan number", "made_at string", "made_by string", "who? table", "endpoint? string",
  "ticket? string", "change_reference? string", "rules table", "complete? boolean", "errors? table", "summary table",
  "items table", "sha256 string", "hmac_sha256? string" }

local nested = { ["rules"] = source_form, ["summary"] = summary_form, ["current"] = state_form,
  ["wanted"] = wanted_form, ["who"] = who_form }

-- The members that are lists, and the format of their elements.
local lists = { items = item_form, errors = error_form }

local function parts(entry)
  return entry:match "^([%w_]+)(%??) (%a+)$"
end

local function failed(kind, format, ...)
  return failure.new(kind, format:format(...))
end

local check

local function check_member(value, name, kind, path)
  if value == nil or value == json.null then error(failed("plan", "%s.%s is missing", path, name), 0) end
  if type(value) ~= kind then
    error(failed("plan", "%s.%s: %s expected, got %s", path, name, kind, type(value)), 0)
  end
  if nested[name] then check(value, nested[name], path .. "." .. name) end
end

-- Raises an error if the value does not have this format.
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

local function check_object(value, form, path)
  if type(value) ~= "table" then error(failed("plan", "%s: an object is expected", path), 0) end
  check(value, form, path)
end

local statuses = { approve = "Approved", reject = "Rejected" }

local function check_item(item, path)
  check_object(item, item_form, path)
  local status = statuses[item.action]
  if item.action ~= "hold" and not (status and item.wanted and item.wanted.status == status) then
    error(failed("plan", "%s: its action and what is wanted do not agree", path), 0)
  end
  if status and not item.etag then error(failed("plan", "%s.etag is missing", path), 0) end
end

-- The text that both hashes are computed from.
local function digested(contents)
  local rest = {}
  for name, value in pairs(contents) do
    if name ~= "sha256" and name ~= "hmac_sha256" then rest[name] = value end
  end
  rest.items = json.list(table.move(contents.items, 1, #contents.items, 1, {}))
  return json.encode(rest)
end

-- ---- writing -------------------------------------------------------------------------------------------------------

local draft = {}
draft.__index = draft

-- The ids of a draft's items, in lower case. They are no members of it, because all of these are hashed.
local ids_of = setmetatable({}, { __mode = "k" })

-- Returns an empty plan. options: rules, a set of azpec.rules; tool (string), the program that makes the plan; who (a
-- table of azpec.journal.who), the identity that makes it; endpoint (string), the service's URL; ticket (string), for
-- the journal of the run; change_reference (string), the id of the change that allows the writes; now, the time in
-- seconds since 1970 (default: now).
function plan.new(options)
  fields.check(options, { rules = "!table", tool = "string", who = "table", endpoint = "string",
    ticket = "string", change_reference = "string", now = "number" })
  return setmetatable({ azpec_plan = plan.version, made_by = options.tool or "azpec",
    made_at = date.stamp(options.now), who = options.who, endpoint = options.endpoint, ticket = options.ticket,
    change_reference = options.change_reference, rules = { file = options.rules.source, sha256 = options.rules.sha256 },
    complete = true, summary = { approve = 0, reject = 0, hold = 0, ignore = 0, unchanged = 0 }, items = {} }, draft)
end

local function held(decision, reason)
  return { action = "hold", rule = decision.rule, reason = reason }
end

-- Raises an error for a connection that the plan has already: plan.parse would refuse the plan.
local function claim(self, id)
  local ids = ids_of[self] or {}
  ids_of[self] = ids
  if ids[id:lower()] then error(failed("plan", "the plan has this connection already: %s", id), 0) end
  ids[id:lower()] = true
end

-- Adds the decision on a connection. A connection that is ignored, or already as wanted, is only counted. Raises an
-- error if the connection would change and its ETag cannot be sent as If-Match (azpec.select.etag), or if the plan has
-- the connection already.
function draft:add(connection, decision)
  fields.check_argument(connection, "table", "bad argument #1 to 'add'")
  fields.check_argument(decision, "table", "bad argument #2 to 'add'")
  local facts, summary = select.facts(connection), self.summary
  local etag, err = select.etag(connection)
  if decision.changes and err then error(err, 0) end
  if decision.changes and not etag then
    decision = held(decision, "the service sent no ETag, so the change could overwrite a newer one")
  end
  local counted = decision.status and not decision.changes and "unchanged" or decision.action
  local is_item = counted ~= "unchanged" and counted ~= "ignore"
  if is_item then claim(self, facts.id) end
  summary[counted] = summary[counted] + 1
  if not is_item then return end
  self.items[#self.items + 1] = {
    action = decision.action, id = facts.id, private_endpoint = facts.private_endpoint, etag = facts.etag,
    rule = decision.rule, reason = decision.reason,
    current = { status = facts.status, description = facts.description, provisioning_state = facts.provisioning_state },
    wanted = decision.status and { status = decision.status, description = decision.description } or nil,
  }
end

-- Records the accounts and subscriptions that could not be read: with any of them the plan is not complete. errors: a
-- list of { place (its id), kind, message, code, http_status }; other members are left out.
function draft:note_unread(errors)
  fields.check_argument(errors, "tables", "bad argument #1 to 'note_unread'")
  if #errors == 0 then return end
  self.complete, self.errors = false, {}
  for n, err in ipairs(errors) do
    local kept = {}
    for _, entry in ipairs(error_form) do
      local name = parts(entry)
      kept[name] = err[name]
    end
    self.errors[n] = kept
  end
end

-- The number of connections that the plan would change.
function draft:changes()
  return self.summary.approve + self.summary.reject
end

local function pretty(value, form, indent)
  local lines = {}
  for _, entry in ipairs(form) do
    local name = parts(entry)
    local member = value[name]
    if lists[name] and member then
      local elements = {}
      for n, element in ipairs(member) do elements[n] = "    " .. pretty(element, lists[name], "    ") end
      member = #elements == 0 and "[]" or "[\n" .. table.concat(elements, ",\n") .. "\n  ]"
    elseif nested[name] and member then
      member = pretty(member, nested[name], indent .. "  ")
    elseif member ~= nil then
      member = json.encode(member)
    end
    if member then lines[#lines + 1] = ('%s  "%s": %s'):format(indent, name, member) end
  end
  return #lines == 0 and "{}" or "{\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "}"
end

-- Returns the plan as text. key (string or nil): the secret that signs it.
function draft:text(key)
  local whole = setmetatable({}, { __index = self })
  local text = digested(json.decode(json.encode(self))) -- as plan.parse will see it
  whole.sha256, whole.hmac_sha256 = sha256.hex(text), key and sha256.hmac(key, text)
  return pretty(whole, plan_form, "") .. "\n"
end

-- Returns whether a file that begins so is a plan.
function plan.is_one(beginning)
  fields.check_argument(beginning, "string", "bad argument #1 to 'is_one'")
  return beginning:find '^%s*{%s*"azpec_plan"%s*:' ~= nil
end

-- Writes the plan to a file, completely or not at all. Returns true, or nil and a message.
function draft:write(path, key)
  fields.check_argument(path, "path", "bad argument #1 to 'write'")
  return file.replace(path, self:text(key), plan.is_one)
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- Counts the members of all objects in a value. Raises an error for a number that JSON cannot hold, such as 1e999.
local function count_members(value)
  if type(value) == "number" and (value ~= value or math.abs(value) == math.huge) then
    error(failed("plan", "not a plan: a number in it is too large"), 0)
  end
  if type(value) ~= "table" then return 0 end
  local count = 0
  for name, member in pairs(value) do
    count = count + count_members(member) + (type(name) == "string" and 1 or 0)
  end
  return count
end

-- Refuses two members of one name in an object: a person may read the one that the JSON parser, and so the hash, drops.
local function check_names(contents, text)
  local without_strings = text:gsub("\\.", ""):gsub('"[^"]*"', "")
  local _, colons = without_strings:gsub(":", "")
  if colons ~= count_members(contents) then
    error(failed("edited", "the plan was changed after it was made: an object has two members of one name"), 0)
  end
end

-- The summary is what a person reads first: it must be that of the items. Two decisions on one connection could hide
-- one of them.
local function check_items(contents)
  local counts, known = { approve = 0, reject = 0, hold = 0 }, {}
  for n, item in ipairs(contents.items) do
    local path = ("plan.items[%d]"):format(n)
    check_item(item, path)
    local key = item.id:lower()
    if known[key] then error(failed("plan", "%s: the plan has this connection twice", path), 0) end
    known[key], counts[item.action] = true, counts[item.action] + 1
  end
  for _, action in ipairs { "approve", "reject", "hold" } do
    if contents.summary[action] ~= counts[action] then
      error(failed("plan", "plan.summary.%s is %s, but the items have %d", action,
        json.encode(contents.summary[action]), counts[action]), 0)
    end
  end
end

local function check_plan(contents, source, key)
  if type(contents) ~= "table" or contents.azpec_plan == nil then
    error(failed("plan", "not an azpec plan"), 0)
  end
  check_names(contents, source)
  if contents.azpec_plan ~= plan.version then
    local version = json.encode(contents.azpec_plan)
    error(failed("plan", "the plan has version %s; this azpec reads version %d", version, plan.version), 0)
  end
  check(contents, plan_form, "plan")
  local text = digested(contents)
  if sha256.hex(text) ~= contents.sha256 then
    error(failed("edited", "the plan was changed after it was made: its sha256 does not match its contents"), 0)
  end
  if key and not contents.hmac_sha256 then error(failed("edited", "the plan is not signed"), 0) end
  if key and sha256.hmac(key, text) ~= contents.hmac_sha256 then
    error(failed("edited", "the plan was not signed with this key"), 0)
  end
  if not date.parse(contents.made_at) then error(failed("plan", "plan.made_at: it is not a time"), 0) end
  check_items(contents)
  for n, err in ipairs(contents.errors or {}) do check_object(err, error_form, ("plan.errors[%d]"):format(n)) end
end

-- Parses a plan. Returns the plan, or nil and an error { kind = "plan" | "edited", message }. key (string or nil): the
-- plan must be signed with it. `complete` is false if accounts could not be read when the plan was made; `errors` then
-- has why. A plan of azpec before 1.0 may have neither.
function plan.parse(text, key)
  fields.check_argument(text, "string", "bad argument #1 to 'parse'")
  local contents, why = nil, "it is too large"
  if #text <= file.ceilings.plan then contents, why = json.decode(text) end
  if contents == nil then return nil, failed("plan", "not a plan: %s", why) end
  local ok, problem = pcall(check_plan, contents, text, key)
  if ok then return contents end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, problem
end

-- Like parse, from a file. If the file cannot be read, the error's kind is "plan" too.
function plan.read(path, key)
  fields.check_argument(path, "path", "bad argument #1 to 'read'")
  local text, why = file.read(path, "plan")
  if not text then return nil, failed("plan", "%s", why) end
  local contents, err = plan.parse(text, key)
  if err then err.message = path .. ": " .. err.message end
  return contents, err
end

-- ---- comparison with the service -----------------------------------------------------------------------------------

local function change_of(field, facts, before)
  local now, was = facts[field] or "", before[field] or ""
  return now ~= was and ("its %s is '%s', and was '%s'"):format(field:gsub("_", " "), now, was) or nil
end

-- Says how a connection has changed since the plan was made. Returns nil if it has not, or is as the plan leaves it. If
-- it has the planned status, and only the description is another decision's, returns nil and how that differs.
local function change_since(item, connection)
  if not connection then return "it is gone" end
  local facts, before, wanted = select.facts(connection), item.current, item.wanted
  if facts.etag == item.etag then return nil end
  if facts.status == wanted.status then
    local other = change_of("description", facts, wanted.description and wanted or before)
    if not (other and wanted.description) then return nil, other end
  end
  return change_of("status", facts, before) or change_of("description", facts, before)
    or change_of("provisioning_state", facts, before) or "its ETag has changed"
end

-- Reads the connections that the items would change, and sets each item's `connection`. An item whose connection has
-- changed gets `stale`, a text that says how. It gets `other_decision` in place of it if the connection has the planned
-- status, but the description of another decision. One that cannot be read gets `err`, an azpec.Error. options: as in
-- azpec.refresh.read.
function plan.check(items, client, options)
  fields.check_argument(items, "tables", "bad argument #1 to 'check'")
  local changing, connection_ids = {}, {}
  for _, item in ipairs(items) do
    if item.wanted then
      changing[#changing + 1], connection_ids[#connection_ids + 1] = item, item.id
    end
  end
  local now = refresh.read(client, connection_ids, options)
  for _, item in ipairs(changing) do
    local connection, err = now(item.id)
    item.connection, item.err = connection, err
    if not err then item.stale, item.other_decision = change_since(item, connection) end
  end
end

-- Converts an item of the plan to an item of azpec.run, with the findings of plan.check.
function plan.item(item)
  fields.check_argument(item, "table", "bad argument #1 to 'item'")
  return { id = item.id, action = item.action, description = item.wanted.description, etag = item.etag,
    before = item.current.status, rule = item.rule, reason = item.reason, connection = item.connection, err = item.err,
    stale = item.stale, other_decision = item.other_decision }
end

return plan
