-- azpec.rules -- who may connect: a file of rules, read in a sandbox, and what it decides on a connection.
--
--   local rules = require "azpec.rules"
--   local set = assert(rules.read "rules.lua")
--   local decision = set:decide(connection)      -- { action, rule, reason, status, changes, ... }
--
-- The file is Lua, and reads aloud:
--
--   at_most { approve = 20 }                     -- a run that would do more does nothing
--
--   approve "our build agents" {
--     when = { private_endpoint_subscription = "3f1c2a54-...", private_endpoint_name = "build-*" },
--     unless = { description = "*test*" },
--     because = "the build team's own subscription",
--   }
--   reject "requests that nobody claimed" { when = { older_than = "30d" } }
--   hold "the rest" {}
--
--   expect "approve" { private_endpoint = "/subscriptions/3f1c2a54-.../privateEndpoints/build-7" }
--
-- The first rule that matches decides; where none does a request is held: nothing is approved that no rule names. A
-- rule that does not speak of `status` is about pending requests alone. `when` and `unless` take the fields of
-- azpec.select, `older_than`, `younger_than` ("90s", "15m", "2h", "7d", "2w") and `where`, a function that gets the
-- facts of azpec.select and the time, and returns true or false and perhaps a reason.

local age = require "azpec.age"
local description = require "azpec.description"
local file = require "azpec.file"
local sandbox = require "azpec.sandbox"
local select = require "azpec.select"
local sha256 = require "azpec.sha256"

local rules = {}

local set = {}
set.__index = set
set.__name = "azpec.rules"

local instructions_to_read, instructions_to_decide = 1000000, 100000

local statuses = { approve = "Approved", reject = "Rejected" }
local actions = { "approve", "reject", "ignore", "hold" }

-- ---- checking ------------------------------------------------------------------------------------------------------

-- A fault of the file: at a line, in a statement.
local function fault(at, format, ...)
  error({ message = ("%s:%d: %s: %s"):format(at.source, at.line, at.what, format:format(...)) }, 0)
end

local function expect_type(at, field, value, kind)
  if type(value) ~= kind then fault(at, "bad field '%s' (%s expected, got %s)", field, kind, type(value)) end
  return value
end

-- Texts that a rule writes stand in plans, in audit trails and in front of people.
local longest_text = 1000

-- What is wrong with a text; nil: nothing.
local function flaw(value)
  if value == "" then return "it is empty" end
  if #value > longest_text then return ("it is longer than %d bytes"):format(longest_text) end
  if not utf8.len(value) then return "it is not UTF-8" end
end

local function expect_text(at, field, value)
  local wrong = flaw(expect_type(at, field, value, "string"))
  if wrong then fault(at, "bad field '%s' (%s)", field, wrong) end
  return value
end

local function check_known(at, given, known)
  for field in pairs(given) do
    if type(field) ~= "string" or not known[field] then
      local names = {}
      for name in pairs(known) do names[#names + 1] = name end
      table.sort(names)
      fault(at, "unknown field '%s' (known: %s)", tostring(field), table.concat(names, ", "))
    end
  end
end

-- ---- conditions ----------------------------------------------------------------------------------------------------

local selectable, condition_fields = {}, { older_than = true, younger_than = true, where = true }
for _, field in ipairs(select.fields) do selectable[field], condition_fields[field] = true, true end

local function duration(at, field, value)
  if value == nil then return nil end
  local seconds, why = age.seconds(value)
  if not seconds then fault(at, "bad field '%s' (%s)", field, why) end
  return seconds
end

local function describe(condition, given)
  local parts = {}
  if not condition.selector:is_empty() then parts[1] = tostring(condition.selector) end
  for _, field in ipairs { "older_than", "younger_than" } do
    if given[field] then parts[#parts + 1] = field .. " " .. given[field] end
  end
  if condition.where then parts[#parts + 1] = "what its function says" end
  return table.concat(parts, " and ")
end

local function compile(at, field, given)
  if type(given) == "function" then given = { where = given } end
  expect_type(at, field, given, "table")
  check_known({ source = at.source, line = at.line, what = at.what .. ": " .. field }, given, condition_fields)
  local wanted = {}
  for name, value in pairs(given) do
    if selectable[name] then wanted[name] = value end
  end
  local ok, selector = pcall(select.new, wanted)
  if not ok then fault(at, "%s: %s", field, (tostring(selector):gsub("^[^\n]-:%d+: ", ""))) end
  if given.where ~= nil then expect_type(at, field .. ".where", given.where, "function") end
  local condition = { selector = selector, where = given.where, names = wanted, at = at,
    older = duration(at, field .. ".older_than", given.older_than),
    younger = duration(at, field .. ".younger_than", given.younger_than) }
  condition.text = describe(condition, given)
  if condition.text == "" then fault(at, "bad field '%s' (it says nothing)", field) end
  return condition
end

-- ---- rules ---------------------------------------------------------------------------------------------------------

local rule_fields = { when = true, unless = true, because = true, description = true }

local says_who = { "id", "name", "private_endpoint", "private_endpoint_name", "private_endpoint_resource_group",
  "private_endpoint_subscription", "description" }

local function names_somebody(condition)
  for _, field in ipairs(says_who) do
    if condition.names[field] then return true end
  end
  return condition.where ~= nil
end

local fillable = { rule = true, reason = true, description = true, name = true, ticket = true }

local function check_description(at, action, template)
  if not statuses[action] then fault(at, "bad field 'description' (%s writes none)", action) end
  for name in expect_text(at, "description", template):gmatch "{([^{}]*)}" do
    if not fillable[name] then
      fault(at, "bad field 'description' ('{%s}' is none of {rule}, {reason}, {description}, {name}, {ticket})", name)
    end
  end
  return template
end

local function build_rule(at, statement)
  local body, action = statement.body, statement.word
  if not body then fault(at, "it has no body; write %s \"%s\" { ... }", action, statement.name) end
  check_known(at, body, rule_fields)
  local wrong = flaw(statement.name)
  if wrong then fault({ source = at.source, line = at.line, what = action }, "its name: %s", wrong) end
  local rule = { name = statement.name, action = action, line = statement.line }
  if body.when ~= nil then rule.when = compile(at, "when", body.when) end
  if body.unless ~= nil then rule.unless = compile(at, "unless", body.unless) end
  if body.because ~= nil then rule.because = expect_text(at, "because", body.because) end
  if body.description ~= nil then rule.description = check_description(at, action, body.description) end
  if action == "approve" and not (rule.when and names_somebody(rule.when)) then
    fault(at, "it would approve whoever asks; let `when` say who: %s or where", table.concat(says_who, ", "))
  end
  rule.of_any_status = rule.when and (rule.when.names.status or rule.when.names.provisioning_state) ~= nil
  return rule
end

local limit_fields = { approve = true, reject = true, changes = true }

local function build_limits(at, statement, limits)
  check_known(at, statement.body, limit_fields)
  for field, value in pairs(statement.body) do
    if math.type(value) ~= "integer" or value < 0 then
      fault(at, "bad field '%s' (whole number, not negative, expected)", field)
    end
    if limits[field] then fault(at, "bad field '%s' (it is limited twice)", field) end
    limits[field] = value
  end
end

-- ---- deciding ------------------------------------------------------------------------------------------------------

local function copy_of(facts)
  local copy = {}
  for name, value in pairs(facts) do copy[name] = value end
  copy.group_ids = table.move(facts.group_ids, 1, #facts.group_ids, 1, {})
  return copy
end

local function time_table(now)
  local t = os.date("!*t", math.floor(now))
  return { time = now, year = t.year, month = t.month, day = t.day, hour = t.hour, min = t.min,
    weekday = os.date("!%A", math.floor(now)) }
end

-- Asks a rule's function; what it raises, or an answer that is none, is raised as a table.
local function ask(self, condition, subject)
  local ok, answer, reason = self.box:run(self.source, instructions_to_decide, condition.where, copy_of(subject.facts),
    time_table(subject.now))
  if not ok then error({ message = answer }, 0) end
  if answer ~= nil and type(answer) ~= "boolean" then
    fault(condition.at, "`where` returned a %s; true or false is expected", type(answer))
  end
  if type(reason) ~= "string" then return answer end
  local wrong = flaw(reason)
  if wrong then fault(condition.at, "the reason that `where` returned: %s", wrong) end
  return answer, reason
end

-- Whether a condition holds, and the reason its function gave.
local function holds(self, condition, subject)
  if #condition.selector:differences(subject.facts) > 0 then return false end
  if condition.older and not (subject.least_age and subject.least_age >= condition.older) then return false end
  if condition.younger and not (subject.age and subject.age < condition.younger) then return false end
  if not condition.where then return true end
  return ask(self, condition, subject)
end

local function matches(self, rule, subject)
  if not rule.of_any_status and subject.facts.status ~= "Pending" then return false end
  local reason
  if rule.when then
    local yes
    yes, reason = holds(self, rule.when, subject)
    if not yes then return false end
  end
  if rule.unless and holds(self, rule.unless, subject) then return false end
  return true, reason
end

local function fill(template, decision, subject)
  local facts = subject.facts
  local values = { rule = decision.rule, reason = decision.reason, description = facts.description or "",
    name = facts.name or "", ticket = subject.ticket or "" }
  return description.fill(template, values)
end

local in_progress = { Creating = true, Updating = true, Deleting = true }

-- What a rule that matches means for the connection as it is.
local function decision_of(rule, reason, subject)
  local facts = subject.facts
  local decision = { action = rule.action, rule = rule.name, line = rule.line,
    reason = reason or rule.because or rule.when and rule.when.text or "it is about all that come so far" }
  local status = statuses[rule.action]
  if not status then return decision end
  if in_progress[facts.provisioning_state] and facts.status ~= status then
    decision.action = "hold"
    decision.reason = ("it is %s; to be looked at again when that is over"):format(facts.provisioning_state)
    return decision
  end
  local changes = facts.status ~= status
  local text = changes and rule.description and fill(rule.description, decision, subject) or nil
  local excess = text and description.excess(text)
  if excess then
    return { action = "hold", rule = rule.name, line = rule.line, failed = true,
      reason = ("its description would be %s"):format(excess) }
  end
  decision.status, decision.changes, decision.description = status, changes, text
  return decision
end

local function judge(self, subject)
  for _, rule in ipairs(self.rules) do
    local ok, matched, reason = pcall(matches, self, rule, subject)
    if not ok then
      if type(matched) ~= "table" then error(matched, 0) end -- no fault of the rule's
      return { action = "hold", rule = rule.name, line = rule.line, reason = matched.message, failed = true }
    end
    if matched then return decision_of(rule, reason, subject) end
  end
  local status = subject.facts.status or "unknown"
  if status == "Pending" then return { action = "hold", reason = "no rule matches" } end
  return { action = "ignore", reason = ("it is %s, and no rule speaks of that"):format(status) }
end

-- What the rules say to a connection: a table of
--   action       "approve", "reject", "ignore" or "hold"
--   rule, line   the rule's name and where it stands; nil: none matched
--   reason       why, for people
--   status       what the connection's is to be; nil: as it is
--   description  what is to be written; nil: what stands there stays
--   changes      whether it has to be written for that
--   failed       true where a rule's function failed, which holds the request
-- options: now, the time; first_seen, since when the connection has been known, both in seconds since 1970; ticket, for
-- {ticket} in a rule's description.
function set:decide(connection, options)
  options = options or {}
  local now = options.now or os.time()
  local facts = select.facts(connection)
  local created = facts.created_at and age.parse(facts.created_at)
  local known = created and now - created
  local seen = options.first_seen and now - options.first_seen
  return judge(self, { facts = facts, now = now, age = known, ticket = options.ticket,
    least_age = known and math.max(known, seen or 0) or seen })
end

-- The name of a rule whose description speaks of a {ticket}, if there is one.
function set:speaks_of_ticket()
  for _, rule in ipairs(self.rules) do
    if rule.description and rule.description:find("{ticket}", 1, true) then return rule.name end
  end
end

local plural = { approve = "approve", reject = "reject", changes = "change" }

-- Whether so many changes are more than at_most allows: nil, or a message. counts: approve, reject; more: a limit of
-- the caller's own on all of them.
function set:excess(counts, more)
  local wanted = { approve = counts.approve or 0, reject = counts.reject or 0 }
  wanted.changes = wanted.approve + wanted.reject
  for _, what in ipairs { "approve", "reject", "changes" } do
    local limit = self.limits[what]
    if limit and wanted[what] > limit then
      return ("this would %s %d connections, and %s allows at most %d"):format(plural[what], wanted[what],
        self.source, limit)
    end
  end
  if more and wanted.changes > more then
    return ("this would change %d connections, and at most %d were allowed"):format(wanted.changes, more)
  end
end

-- ---- expectations --------------------------------------------------------------------------------------------------

local expectation_fields = { age = true, group_id = true, rule = true }
for name in ("id name status description provisioning_state private_endpoint subscription_id resource_group_name "
  .. "account_name"):gmatch "%S+" do
  expectation_fields[name] = true
end

local function subject_of(at, body)
  local facts = select.facts { id = body.id, name = body.name, properties = {
    provisioningState = body.provisioning_state, groupIds = { body.group_id or "batchAccount" },
    privateEndpoint = { id = body.private_endpoint },
    privateLinkServiceConnectionState = { status = body.status or "Pending", description = body.description },
  } }
  for _, name in ipairs { "subscription_id", "resource_group_name", "account_name" } do
    facts[name] = facts[name] or body[name]
  end
  local known = duration(at, "age", body.age)
  return { facts = facts, now = os.time(), age = known, least_age = known }
end

-- An example that the file gives of itself has to come out as it says.
local function check_expectation(self, at, statement)
  local body = statement.body
  if not body then fault(at, "it has no body; write expect \"%s\" { ... }", statement.name) end
  check_known(at, body, expectation_fields)
  for field, value in pairs(body) do
    if field ~= "age" then expect_text(at, field, value) end
  end
  local decision = judge(self, subject_of(at, body))
  local by = decision.rule and ("by rule '%s'"):format(decision.rule) or "by no rule"
  if decision.action ~= statement.name or body.rule and body.rule ~= decision.rule then
    fault(at, "the rules %s it, %s: %s", decision.action, by, decision.reason)
  end
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- Where in the file a word of it was called.
local function line_of_caller()
  return debug.getinfo(3, "l").currentline
end

local function new_statements()
  local statements = { closed = false }
  local function add(statement)
    if statements.closed then error("rules are not made while others are asked", 3) end
    statements[#statements + 1] = statement
    return statement
  end
  -- `word "name" { ... }`: only noted here; it is checked when the whole file has run, outside the sandbox.
  local function named(word)
    return function (name)
      if type(name) ~= "string" or name == "" then error(word .. ": a name in quotes is expected", 2) end
      local statement = add { word = word, name = name, line = line_of_caller() }
      return function (body)
        if type(body) ~= "table" or statement.body then error(word .. ": one table is expected after the name", 2) end
        statement.body = body
      end
    end
  end
  local words = { expect = named "expect" }
  for _, action in ipairs(actions) do words[action] = named(action) end
  function words.at_most(body)
    if type(body) ~= "table" then error("at_most: a table is expected", 2) end
    add { word = "at_most", body = body, line = line_of_caller() }
  end
  return statements, words
end

local function build(self, statements)
  local lines, expectations = {}, {}
  for _, statement in ipairs(statements) do
    local at = { source = self.source, line = statement.line,
      what = statement.name and ("%s '%s'"):format(statement.word, statement.name) or statement.word }
    if statement.word == "at_most" then
      build_limits(at, statement, self.limits)
    elseif statement.word == "expect" then
      if not (statuses[statement.name] or statement.name == "ignore" or statement.name == "hold") then
        fault(at, "one of %s is expected", table.concat(actions, ", "))
      end
      expectations[#expectations + 1] = { at = at, statement = statement }
    else
      if lines[statement.name] then fault(at, "line %d has a rule of that name already", lines[statement.name]) end
      lines[statement.name] = statement.line
      self.rules[#self.rules + 1] = build_rule(at, statement)
    end
  end
  if #self.rules == 0 then error({ message = self.source .. ": there is no rule in it" }, 0) end
  for _, one in ipairs(expectations) do check_expectation(self, one.at, one.statement) end
end

-- The rules in a text, or nil and a message with file and line. name: what messages call the file.
function rules.parse(text, name)
  name = name or "rules"
  local statements, words = new_statements()
  local self = setmetatable({ source = name, rules = {}, limits = {}, box = sandbox.new(words),
    sha256 = sha256.hex(text) }, set)
  local chunk, why = self.box:load(text, name)
  if not chunk then return nil, why end
  local ran, message = self.box:run(name, instructions_to_read, chunk)
  statements.closed = true
  if not ran then return nil, message end
  local ok, problem = pcall(build, self, statements)
  if ok then return self end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, problem.message
end

-- The rules in a file, or nil and a message.
function rules.read(path)
  local text, why = file.read(path)
  if not text then return nil, why end
  return rules.parse(text, path)
end

return rules
