-- azpec.rules -- decides on connections by a file of rules, which is read in a sandbox.
--
--   local rules = require "azpec.rules"
--   local set = assert(rules.read "rules.lua")
--   local decision = set:decide(connection)      -- { action, rule, reason, status, changes, ... }
--
-- The file is Lua:
--
--   at_most { approve = 20 }                     -- a run that would approve more changes nothing
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
-- The first rule that matches decides. A request that no rule matches is held, so nothing is approved without a rule.
-- A rule without `status` applies to pending requests only. `when` and `unless` take the fields of azpec.select,
-- `older_than`, `younger_than` ("90s", "15m", "2h", "7d", "2w") and `where`. `where` is a function of the facts
-- (azpec.select) and of the time in UTC, a table: time (seconds since 1970), year, month, day, hour, min, weekday. It
-- returns true or false, and optionally a reason. The fact `facts` is a table of the host's own data (azpec.enrich),
-- empty without any.

local count = require "azpec.text".count
local duration = require "azpec.duration"
local ages = require "azpec.ages"
local description = require "azpec.description"
local enrich = require "azpec.enrich"
local fields = require "azpec.fields"
local file = require "azpec.file"
local sandbox = require "azpec.sandbox"
local select = require "azpec.select"
local sha256 = require "azpec.sha256"
local transitions = require "azpec.transitions"

local rules = {}

local set = {}
set.__index = set
set.__name = "azpec.rules"

local instructions_to_read, instructions_to_decide = 1000000, 100000

local statuses = { approve = "Approved", reject = "Rejected" }
local actions = { "approve", "reject", "ignore", "hold" }

-- ---- checking ------------------------------------------------------------------------------------------------------

-- Raises an error that names the file, the line and the statement.
local function fault(at, format, ...)
  error({ message = ("%s:%d: %s: %s"):format(at.source, at.line, at.what, format:format(...)) }, 0)
end

local function expect_type(at, field, value, kind)
  if type(value) ~= kind then fault(at, "bad field '%s' (%s expected, got %s)", field, kind, type(value)) end
  return value
end

-- The longest text of a rule in bytes: such texts go to plans, journals and tables.
local longest_text = 1000

-- Says what is wrong with a text, or returns nil.
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
for _, field in ipairs(select.fields) do
  if not condition_fields[field] then selectable[field], condition_fields[field] = true, true end
end

local function seconds_of(at, field, value)
  if value == nil then return nil end
  local seconds, why = duration.age(value)
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
    older = seconds_of(at, field .. ".older_than", given.older_than),
    younger = seconds_of(at, field .. ".younger_than", given.younger_than) }
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

-- The fields that are templates, and the words in braces that each may contain.
local templates = { because = { "rule", "description", "name", "ticket" },
  description = { "rule", "reason", "description", "name", "ticket" } }

local function check_template(at, field, given)
  local words = "{" .. table.concat(templates[field], "}, {") .. "}"
  for place in expect_text(at, field, given):gmatch "{[^{}]*}" do
    if not words:find(place, 1, true) then fault(at, "bad field '%s' ('%s' is none of %s)", field, place, words) end
  end
  return given
end

local function check_description(at, action, template)
  if not statuses[action] then fault(at, "bad field 'description' (%s writes none)", action) end
  return check_template(at, "description", template)
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
  if body.because ~= nil then rule.because = check_template(at, "because", body.because) end
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

-- The host's own facts: a table, or a function, which is called at most once, before the first rule function.
local function own_facts(subject)
  local own = subject.own
  if type(own) == "function" then own = enrich.ask(own, subject.connection) end
  subject.own = own
  return own and enrich.copy(own) or {}
end

local function copy_of(subject)
  local facts, copy = subject.facts, {}
  for name, value in pairs(facts) do copy[name] = value end
  copy.group_ids = table.move(facts.group_ids, 1, #facts.group_ids, 1, {})
  copy.facts = own_facts(subject)
  return copy
end

local function time_table(now)
  local t = os.date("!*t", math.floor(now))
  return { time = now, year = t.year, month = t.month, day = t.day, hour = t.hour, min = t.min,
    weekday = os.date("!%A", math.floor(now)) }
end

-- Calls a rule's function. Raises a table if the function raises an error or does not return a boolean.
local function ask(self, condition, subject)
  local ok, answer, reason = self.box:run(self.source, instructions_to_decide, condition.where, copy_of(subject),
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

-- Returns whether a condition holds, and the reason that its function gave.
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

-- Returns a rule's template, filled in for the connection. reason: why the rule decides so, where that is known.
local function fill(template, rule, subject, reason)
  local facts = subject.facts
  return description.fill(template, { rule = rule.name, reason = reason, description = facts.description or "",
    name = facts.name or "", ticket = subject.ticket or "" })
end

-- Applies a matching rule to the connection's current state.
local function decision_of(rule, reason, subject)
  local facts = subject.facts
  local decision = { action = rule.action, rule = rule.name, line = rule.line,
    reason = reason or rule.because and fill(rule.because, rule, subject) or rule.when and rule.when.text
      or "it is about all that come so far" }
  local status = statuses[rule.action]
  if not status then return decision end
  local forecast, why = transitions.of(facts, status)
  if why then
    decision.action, decision.reason, decision.impossible = "hold", why, forecast == "impossible" or nil
    return decision
  end
  local changes = facts.status ~= status
  local filled = changes and rule.description and fill(rule.description, rule, subject, decision.reason) or nil
  local excess = filled and description.excess(filled)
  if excess then
    return { action = "hold", rule = rule.name, line = rule.line, failed = true,
      reason = ("its description would be %s"):format(excess) }
  end
  decision.status, decision.changes, decision.description = status, changes, filled
  return decision
end

local decide_fields = { now = "number", first_seen = "number", ticket = "string", facts = "table or function" }

local function judge(self, subject)
  for _, rule in ipairs(self.rules) do
    local ok, matched, reason = pcall(matches, self, rule, subject)
    if not ok then
      if type(matched) ~= "table" then error(matched, 0) end -- not the rule's error
      return { action = "hold", rule = rule.name, line = rule.line, reason = matched.message, failed = true }
    end
    if matched then return decision_of(rule, reason, subject) end
  end
  local status = subject.facts.status or "unknown"
  if status == "Pending" then return { action = "hold", reason = "no rule matches" } end
  return { action = "ignore", reason = ("it is %s, and no rule speaks of that"):format(status) }
end

-- Decides on a connection. Returns a table:
--   action       "approve", "reject", "ignore" or "hold"
--   rule, line   the name and the line of the rule that matched; nil if none did
--   reason       the reason, for people
--   status       the status to set; nil: unchanged
--   description  the description to write; nil: unchanged
--   changes      whether the connection has to be written
--   impossible   true if a rule asks for a change that the service does not make (azpec.transitions)
--   failed       true if a rule's function failed; the request is then held
-- options (table or nil): now, the time, and first_seen, the time when the connection was first listed, both in seconds
-- since 1970; ticket (string), which replaces {ticket} in a rule's texts; facts, the host's own facts for the
-- rules' functions, or a function that returns them for a connection (azpec.enrich). If that fails, the request is
-- held.
function set:decide(connection, options)
  options = options or {}
  fields.check(options, decide_fields)
  local now = options.now or os.time()
  if type(options.facts) == "table" then enrich.copy(options.facts) end
  local facts = select.facts(connection)
  local known = ages.of(facts, now)
  local seen = options.first_seen and now - options.first_seen
  return judge(self, { facts = facts, connection = connection, own = options.facts, now = now, age = known,
    ticket = options.ticket, least_age = known and math.max(known, seen or 0) or seen })
end

local would = { approve = "would approve", reject = "would reject", hold = "held", ignore = "ignored" }

-- Returns the result of a decision that is only shown: "would approve", "would reject", "held", "ignored", "unchanged"
-- or "impossible".
function rules.result(decision)
  return decision.impossible and "impossible" or decision.status and not decision.changes and "unchanged"
    or would[decision.action]
end

-- Lists the names of the rules, in the order of the file.
function set:names()
  local list = {}
  for n, rule in ipairs(self.rules) do list[n] = rule.name end
  return list
end

-- Returns the name of a rule whose texts contain {ticket}, or nil.
function set:speaks_of_ticket()
  for _, rule in ipairs(self.rules) do
    for field in pairs(templates) do
      if (rule[field] or ""):find("{ticket}", 1, true) then return rule.name end
    end
  end
end

-- Returns the name of a rule that uses ages, or nil. azpec.ages knows the api-versions that return the needed dates.
function set:speaks_of_age()
  for _, rule in ipairs(self.rules) do
    for _, condition in pairs { rule.when or {}, rule.unless or {} } do
      if condition.older or condition.younger then return rule.name end
    end
  end
end

-- Returns the name of a rule that is not about pending requests alone, or nil.
function set:speaks_of_status()
  for _, rule in ipairs(self.rules) do
    if rule.of_any_status then return rule.name end
  end
end

local plural = { approve = "approve", reject = "reject", changes = "change" }

local count_fields = {}
for name in ("approve reject hold ignore unchanged Approved Rejected"):gmatch "%S+" do count_fields[name] = "number" end

-- Returns a message if the counts exceed at_most, else nil. counts: approve and reject, as in a plan's summary, or
-- Approved and Rejected, as returned by the journal's counts(). Of the others only the summary's hold, ignore and
-- unchanged are accepted, since no limit applies to them. more: the caller's own limit on the sum.
function set:excess(counts, more)
  fields.check(counts, count_fields)
  local wanted = { approve = (counts.approve or 0) + (counts.Approved or 0),
    reject = (counts.reject or 0) + (counts.Rejected or 0) }
  wanted.changes = wanted.approve + wanted.reject
  for _, what in ipairs { "approve", "reject", "changes" } do
    local limit = self.limits[what]
    if limit and wanted[what] > limit then
      return ("this would %s %s, and %s allows at most %d"):format(plural[what],
        count(wanted[what], "connection"), self.source, limit), what
    end
  end
  if more and wanted.changes > more then
    return ("this would change %s, and at most %d were allowed"):format(count(wanted.changes, "connection"), more),
      "more"
  end
end

-- ---- expectations --------------------------------------------------------------------------------------------------

local expectation_fields = { age = true, group_id = true, rule = true, facts = true }
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
  local known = seconds_of(at, "age", body.age)
  if body.facts ~= nil then expect_type(at, "facts", body.facts, "table") end
  return { facts = facts, own = body.facts, now = os.time(), age = known, least_age = known }
end

-- Returns what a rule asks for and a connection lacks, or nil. An expectation always has a group_id.
local function lack_of(rule, subject)
  local when = rule.when or { names = {} }
  for _, field in ipairs(select.fields) do
    if when.names[field] and field ~= "group_id" and not subject.facts[field] then
      return expectation_fields[field] and field or field .. " (of the whole id private_endpoint)"
    end
  end
  if (when.older or when.younger) and not subject.age then return "age" end
end

-- Returns the end of a message about an expectation: what the meant rule asks for and the connection lacks.
local function advice(self, statement, subject)
  for _, rule in ipairs(self.rules) do
    local is_meant = rule.action == statement.name and (statement.body.rule or rule.name) == rule.name
    local lack = is_meant and lack_of(rule, subject)
    if lack then return ("; rule '%s' asks for %s, which is not given here"):format(rule.name, lack) end
  end
  return ""
end

-- Checks one expectation of the file.
local function check_expectation(self, at, statement)
  local body = statement.body
  if not body then fault(at, "it has no body; write expect \"%s\" { ... }", statement.name) end
  check_known(at, body, expectation_fields)
  for field, value in pairs(body) do
    if field ~= "age" and field ~= "facts" then expect_text(at, field, value) end
  end
  local subject = subject_of(at, body)
  local decision = judge(self, subject)
  local by = decision.rule and ("by rule '%s'"):format(decision.rule) or "by no rule"
  if decision.action ~= statement.name or body.rule and body.rule ~= decision.rule then
    fault(at, "the rules %s it, %s: %s%s", decision.action, by, decision.reason, advice(self, statement, subject))
  end
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- The line of the file from which a statement was called.
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
  -- `word "name" { ... }` is only recorded here. It is checked outside the sandbox, after the whole file has run.
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

-- Reads rules from a text. Returns the set, or nil and a message with file and line. name: the file's name in messages.
function rules.parse(source, name)
  name = name or "rules"
  local statements, words = new_statements()
  local self = setmetatable({ source = name, rules = {}, limits = {}, box = sandbox.new(words),
    sha256 = sha256.hex(source) }, set)
  local chunk, why = self.box:load(source, name)
  if not chunk then return nil, why end
  local ran, message = self.box:run(name, instructions_to_read, chunk)
  statements.closed = true
  if not ran then return nil, message end
  local ok, problem = pcall(build, self, statements)
  if ok then return self end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, problem.message
end

-- Reads rules from a file. Returns the set, or nil and a message.
function rules.read(path)
  local source, why = file.read(path, "lua")
  if not source then return nil, why end
  return rules.parse(source, path)
end

return rules
