-- azpec.rules -- decides on connections by a file of rules, which is read in a sandbox.
--
--   local rules = require "azpec.rules"
--   local set = assert(rules.read "rules.lua")
--   local decision = set:decide(connection)      -- { action, rule, reason, status, changes, ... }
--   items[#items + 1] = rules.item(connection, decision)       -- for azpec.run, if the decision changes something
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
-- (azpec.select) and of the time in UTC, a table: time (seconds since 1970), year, month, day, hour, min, weekday
-- ("Monday"). It returns true or false, and optionally a reason. The fact `facts` is a table of the host's own data
-- (azpec.enrich). Reading `facts` without such data is an error, and so is reading another unknown member.

local duration = require "azpec.duration"
local ages = require "azpec.ages"
local description = require "azpec.description"
local enrich = require "azpec.enrich"
local fields = require "azpec.fields"
local file = require "azpec.file"
local glob = require "azpec.glob"
local nearest = require "azpec.nearest"
local sandbox = require "azpec.sandbox"
local select = require "azpec.select"
local sha256 = require "azpec.sha256"
local text = require "azpec.text"
local transitions = require "azpec.transitions"

local rules = {}

local set = {}
set.__index = set
set.__name = "azpec.rules"

local instructions_to_read, instructions_to_decide = 1000000, 100000

local statuses = { approve = "Approved", reject = "Rejected" }
local actions = { "approve", "reject", "ignore", "hold" }

-- ---- errors --------------------------------------------------------------------------------------------------------

-- How many errors of a file are shown.
local most_shown = 20

-- Keeps an error of a file, one line. A loop in the file may make the same one again.
local function keep(problems, message)
  message = text.clean(message)
  if problems[message] then return end
  problems.count = problems.count + 1
  if #problems < most_shown then problems[#problems + 1], problems[message] = message, true end
end

-- Returns the message of a file's errors: a line for each, and for several a last one with their number.
local function message_of(source, problems)
  if problems.count > 1 then
    local rest = problems.count > #problems and ("; the first %d are shown"):format(#problems) or ""
    problems[#problems + 1] = text.clean(("%s: %d errors%s"):format(source, problems.count, rest))
  end
  return table.concat(problems, "\n")
end

-- Raises an error that names the file, the line and the statement.
local function fault(at, format, ...)
  error({ message = ("%s:%d: %s: %s"):format(at.source, at.line, at.what, format:format(...)) }, 0)
end

-- Calls f(at, ...), and keeps the error that it raises by `fault`, so that further ones are found. Sets at.failed then.
-- Returns the result, or nil.
local function attempt(at, f, ...)
  local ok, result = pcall(f, at, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end -- not an error of the file
  keep(at.problems, result.message)
  at.failed = true
end

-- ---- checking ------------------------------------------------------------------------------------------------------

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

local function sorted_names(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Keeps an error for each unknown field; of a large table for some of them.
local function check_known(at, given, known)
  local unknown = {}
  for field in pairs(given) do
    if not known[field] then unknown[#unknown + 1] = tostring(field) end
    if #unknown == most_shown then break end
  end
  table.sort(unknown)
  for _, field in ipairs(unknown) do
    local names = sorted_names(known)
    local question = nearest.question(field, names)
    attempt(at, fault, "unknown field '%s'%s", field,
      question ~= "" and question or (" (known: %s)"):format(table.concat(names, ", ")))
  end
end

-- ---- conditions ----------------------------------------------------------------------------------------------------

local selectable, condition_fields = {}, { older_than = true, younger_than = true, where = true }
for _, field in ipairs(select.fields) do
  if not condition_fields[field] then selectable[#selectable + 1], condition_fields[field] = field, true end
end

local function new_selector(at, wanted)
  local ok, selector = pcall(select.new, wanted)
  if not ok then fault(at, "%s", (tostring(selector):gsub("^[^\n]-:%d+: ", ""))) end
  return selector
end

-- Returns the fields of azpec.select that a condition has, each checked.
local function wanted_by(at, given)
  local wanted = {}
  for _, name in ipairs(selectable) do
    local value = given[name]
    wanted[name] = value
    if value ~= nil then attempt(at, new_selector, { [name] = value }) end
  end
  return wanted
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

-- Returns a condition; nil if it has errors.
local function compile(at, field, given)
  if type(given) == "function" then given = { where = given } end
  expect_type(at, field, given, "table")
  local within = { source = at.source, line = at.line, what = at.what .. ": " .. field, problems = at.problems }
  check_known(within, given, condition_fields)
  local condition = { where = given.where, names = wanted_by(within, given), at = at,
    older = attempt(at, seconds_of, field .. ".older_than", given.older_than),
    younger = attempt(at, seconds_of, field .. ".younger_than", given.younger_than) }
  if given.where ~= nil then attempt(at, expect_type, field .. ".where", given.where, "function") end
  at.failed = at.failed or within.failed
  if at.failed then return nil end
  condition.selector = new_selector(within, condition.names)
  condition.text = describe(condition, given)
  condition.older_than, condition.younger_than = given.older_than, given.younger_than
  if condition.text == "" then fault(at, "bad field '%s' (it says nothing)", field) end
  return condition
end

-- ---- rules ---------------------------------------------------------------------------------------------------------

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
    if not words:find(place, 1, true) then
      fault(at, "bad field '%s' ('%s' is not one of %s%s)", field, place, words,
        nearest.question(place:sub(2, -2), templates[field]))
    end
  end
  return given
end

local function check_description(at, field, given)
  if not statuses[at.word] then fault(at, "bad field 'description' (%s writes none)", at.word) end
  return check_template(at, field, given)
end

-- The fields of a rule, and what reads each.
local rule_fields = { when = compile, unless = compile, because = check_template, description = check_description }

local function check_name(at, name)
  local wrong = flaw(name)
  if not wrong then return end
  at.what = at.word
  fault(at, "its name: %s", wrong)
end

-- Returns a rule; nil if it has errors.
local function build_rule(at, statement)
  local body, action = statement.body, statement.word
  if not body then fault(at, "it has no body; write %s \"%s\" { ... }", action, statement.name) end
  attempt(at, check_name, statement.name)
  check_known(at, body, rule_fields)
  local rule = { name = statement.name, action = action, line = statement.line }
  for _, field in ipairs { "when", "unless", "because", "description" } do
    if body[field] ~= nil then rule[field] = attempt(at, rule_fields[field], field, body[field]) end
  end
  if at.failed then return nil end
  if action == "approve" and not (rule.when and names_somebody(rule.when)) then
    fault(at, "it would approve whoever asks; let `when` say who: %s or where", table.concat(says_who, ", "))
  end
  rule.of_any_status = rule.when and (rule.when.names.status or rule.when.names.provisioning_state) ~= nil
  return rule
end

local function set_limit(at, limits, field, value)
  if math.type(value) ~= "integer" or value < 0 then
    fault(at, "bad field '%s' (whole number, not negative, expected)", field)
  end
  if limits[field] then fault(at, "bad field '%s' (it is limited twice)", field) end
  limits[field] = value
end

local limit_fields = { approve = true, reject = true, changes = true }

local function build_limits(at, statement, limits)
  check_known(at, statement.body, limit_fields)
  for _, field in ipairs(sorted_names(limit_fields)) do
    local value = statement.body[field]
    if value ~= nil then attempt(at, set_limit, limits, field, value) end
  end
end

-- ---- deciding ------------------------------------------------------------------------------------------------------

-- Returns a copy of the host's own facts, nil if it gave none. A function for them is called at most once, before the
-- first rule function.
local function own_facts(subject)
  local own = subject.own
  if type(own) == "function" then own = enrich.ask(own, subject.connection) end
  subject.own = own
  return own and enrich.copy(own)
end

local fact_names = table.move(select.fact_names, 1, #select.fact_names, 1, {})
fact_names[#fact_names + 1] = "facts"
table.sort(fact_names)

-- Makes reading an unknown member of a table an error. names: all that may be read. what: the table, for messages.
-- absent (or nil): by a known member that the table lacks, the message of the error that reading it raises. The sandbox
-- replaces the methods of strings, so __index calls none.
local function guard(members, names, what, absent)
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  return setmetatable(members, { __metatable = false, __index = function (_, name)
    if absent and absent[name] then error(absent[name], 2) end
    if known[name] then return nil end
    name = tostring(name)
    error(string.format("unknown member '%s' of the %s%s", name, what, nearest.question(name, names)), 2)
  end })
end

-- Returns a copy of the facts for a rule's function, with the host's own.
local function copy_of(self, subject)
  local facts, copy = subject.facts, {}
  for name, value in pairs(facts) do copy[name] = value end
  copy.group_ids = table.move(facts.group_ids, 1, #facts.group_ids, 1, {})
  copy.facts = own_facts(subject)
  return guard(copy, fact_names, "connection",
    { facts = not copy.facts and ("no facts are given; the member 'facts' needs %s"):format(self.called.facts) })
end

local time_names = { "day", "hour", "min", "month", "time", "weekday", "year" }

local function time_table(now)
  local t = os.date("!*t", math.floor(now))
  return guard({ time = now, year = t.year, month = t.month, day = t.day, hour = t.hour, min = t.min,
    weekday = os.date("!%A", math.floor(now)) }, time_names,
    "time, which has " .. table.concat(time_names, ", "))
end

-- Calls a rule's function. Raises a table if the function raises an error or does not return a boolean.
local function ask(self, condition, subject)
  local ok, answer, reason = self.box:run(self.source, instructions_to_decide, condition.where,
    copy_of(self, subject), time_table(subject.now))
  if not ok then error({ message = answer }, 0) end
  if answer ~= nil and type(answer) ~= "boolean" then
    fault(condition.at, "`where` returned a %s; true or false is expected", type(answer))
  end
  if type(reason) ~= "string" then return answer end
  local wrong = flaw(reason)
  if wrong then fault(condition.at, "the reason that `where` returned: %s", wrong) end
  return answer, reason
end

-- Says that an age is not in a bound, such as "older_than".
local function of_age(age, bound, wanted)
  return ("its age is %s, not %s %s"):format(age and duration.text(age) or "not known", bound:gsub("_", " "), wanted)
end

-- Returns whether a condition holds, and the reason that its function gave; or false, and what does not hold.
local function holds(self, condition, subject)
  if #condition.selector:differences(subject.facts) > 0 then
    return false, subject.explain and condition.selector:difference(subject.facts)
  end
  if condition.older and not (subject.least_age and subject.least_age >= condition.older) then
    return false, of_age(subject.least_age, "older_than", condition.older_than)
  end
  if condition.younger and not (subject.age and subject.age < condition.younger) then
    return false, of_age(subject.age, "younger_than", condition.younger_than)
  end
  if not condition.where then return true end
  local answer, reason = ask(self, condition, subject)
  if answer then return true, reason end
  return false, "its function returned false" .. (reason and ": " .. reason or "")
end

-- Returns whether a rule matches, and the reason that its function gave; or false, and why not.
local function matches(self, rule, subject)
  local status = subject.facts.status
  if not rule.of_any_status and status ~= "Pending" then
    return false, ("status is '%s', and the rule is about pending requests"):format(status or "unknown")
  end
  local reason
  if rule.when then
    local yes
    yes, reason = holds(self, rule.when, subject)
    if not yes then return false, reason end
  end
  if rule.unless and holds(self, rule.unless, subject) then return false, "unless matches: " .. rule.unless.text end
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
      or "it matches every request that no earlier rule decided" }
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

local decide_fields = { now = "number", first_seen = "number", ticket = "string", facts = "table or function",
  explain = "boolean" }

-- subject.explain (or nil): a list to which the rules before the one that decides are added.
local function judge(self, subject)
  for _, rule in ipairs(self.rules) do
    local ok, matched, reason = pcall(matches, self, rule, subject)
    if not ok then
      if type(matched) ~= "table" then error(matched, 0) end -- not the rule's error
      return { action = "hold", rule = rule.name, line = rule.line, reason = matched.message, failed = true }
    end
    if matched then return decision_of(rule, reason, subject) end
    if subject.explain then table.insert(subject.explain, { rule = rule.name, line = rule.line, why = reason }) end
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
--   unmatched    with `explain`: the rules before that one, a list of { rule, line, why = what does not hold }
-- options (table or nil): now, the time, and first_seen, the time when the connection was first listed, both in seconds
-- since 1970; ticket (string), which replaces {ticket} in a rule's texts; facts, the host's own facts for the
-- rules' functions, or a function that returns them for a connection. If that function fails, or azpec.enrich does not
-- take the facts, the request is held; explain (boolean).
function set:decide(connection, options)
  fields.check_argument(connection, "table", "bad argument #1 to 'decide'")
  options = options or {}
  fields.check(options, decide_fields)
  local now = options.now or os.time()
  local facts = select.facts(connection)
  local known = ages.of(facts, now)
  local seen = options.first_seen and now - options.first_seen
  local unmatched = options.explain and {} or nil
  local decision = judge(self, { facts = facts, connection = connection, own = options.facts, now = now, age = known,
    ticket = options.ticket, least_age = known and math.max(known, seen or 0) or seen, explain = unmatched })
  decision.unmatched = unmatched
  return decision
end

local would = { approve = "would approve", reject = "would reject", hold = "held", ignore = "ignored" }

-- Returns the result of a decision that is only shown: "would approve", "would reject", "held", "ignored", "unchanged"
-- or "impossible".
function rules.result(decision)
  fields.check_argument(decision, "table", "bad argument #1 to 'result'")
  return decision.impossible and "impossible" or decision.status and not decision.changes and "unchanged"
    or would[decision.action]
end

-- Returns the item of azpec.run that carries a decision out; nil if the decision changes nothing. An ETag that cannot
-- be given back is the item's error, so that no write is sent without it.
function rules.item(connection, decision)
  fields.check_argument(connection, "table", "bad argument #1 to 'item'")
  fields.check_argument(decision, "table", "bad argument #2 to 'item'")
  if not decision.changes then return nil end
  local etag, err = select.etag(connection)
  return { id = connection.id, action = decision.action, description = decision.description, etag = etag, err = err,
    connection = connection, rule = decision.rule, reason = decision.reason }
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

-- Returns the statuses that a rule's `when` names and that never become the rule's own: a list, and the way out.
local function final_for(rule)
  local given, wanted, final, way_out = rule.when and rule.when.names.status, statuses[rule.action], {}, nil
  for _, pattern in ipairs(wanted and (type(given) == "table" and given or { given }) or {}) do
    local found, is_named = {}, glob.compile(pattern, true)
    for _, status in ipairs(select.statuses) do
      local forecast, why = transitions.of({ status = status }, wanted)
      if is_named(status) and forecast ~= "impossible" then found = {} break end
      if is_named(status) then found[#found + 1], way_out = status, why:match "; (.*)$" end
    end
    table.move(found, 1, #found, #final + 1, final)
  end
  return final, way_out
end

-- Returns a list of messages with file and line, for people: which rules name a status that they never change, since it
-- is final.
function set:warnings()
  local list = {}
  for _, rule in ipairs(self.rules) do
    local final, way_out = final_for(rule)
    if #final > 0 then
      list[#list + 1] = text.clean(("%s:%d: %s '%s': it never changes what is %s; %s"):format(self.source, rule.line,
        rule.action, rule.name, table.concat(final, " or "), way_out))
    end
  end
  return list
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
        text.count(wanted[what], "connection"), self.source, limit), what
    end
  end
  if more and wanted.changes > more then
    return ("this would change %s, and at most %d were allowed"):format(text.count(wanted.changes, "connection"),
      more), "more"
  end
end

-- ---- expectations --------------------------------------------------------------------------------------------------

-- The fields of an expectation that are texts, and all of them.
local expectation_texts, expectation_fields = {}, { age = true, facts = true }
for name in ("id name status description provisioning_state private_endpoint group_id rule subscription_id "
  .. "resource_group_name account_name"):gmatch "%S+" do
  expectation_texts[#expectation_texts + 1], expectation_fields[name] = name, true
end

local function subject_of(body, age)
  local facts = select.facts { id = body.id, name = body.name, properties = {
    provisioningState = body.provisioning_state, groupIds = { body.group_id or "batchAccount" },
    privateEndpoint = { id = body.private_endpoint },
    privateLinkServiceConnectionState = { status = body.status or "Pending", description = body.description },
  } }
  for _, name in ipairs { "subscription_id", "resource_group_name", "account_name" } do
    facts[name] = facts[name] or body[name]
  end
  return { facts = facts, own = body.facts or {}, now = os.time(), age = age, least_age = age }
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

local function check_action(at, name)
  for _, action in ipairs(actions) do
    if action == name then return end
  end
  fault(at, "one of %s is expected%s", table.concat(actions, ", "), nearest.question(name, actions))
end

-- Returns an expectation; nil if it has errors.
local function build_expectation(at, statement)
  local body = statement.body
  attempt(at, check_action, statement.name)
  if not body then fault(at, "it has no body; write expect \"%s\" { ... }", statement.name) end
  check_known(at, body, expectation_fields)
  for _, field in ipairs(expectation_texts) do
    if body[field] ~= nil then attempt(at, expect_text, field, body[field]) end
  end
  local age = attempt(at, seconds_of, "age", body.age)
  if body.facts ~= nil then attempt(at, expect_type, "facts", body.facts, "table") end
  return not at.failed and { at = at, statement = statement, subject = subject_of(body, age) } or nil
end

local function is_rule(self, name)
  for _, rule in ipairs(self.rules) do
    if rule.name == name then return true end
  end
  return false
end

-- Checks that the rules decide as an expectation says.
local function check_expectation(at, self, expectation)
  local statement, subject = expectation.statement, expectation.subject
  local body, decision = statement.body, judge(self, subject)
  if body.rule and not is_rule(self, body.rule) then
    fault(at, "there is no rule '%s'%s", body.rule, nearest.question(body.rule, self:names()))
  end
  if decision.failed then
    fault(at, "rule '%s' failed, so its decision is hold: %s", decision.rule, decision.reason)
  end
  local by = decision.rule and ("by rule '%s'"):format(decision.rule) or "by no rule"
  local is_by_other = decision.action == statement.name and body.rule ~= nil and body.rule ~= decision.rule
  if decision.action ~= statement.name or is_by_other then
    fault(at, "the rules %s it, %s%s: %s%s", decision.action, is_by_other and "but " or "", by, decision.reason,
      advice(self, statement, subject))
  end
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- The line of the file that has called the caller of this; more (or nil): of the calls between them.
local function line_of_caller(more)
  return debug.getinfo(3 + (more or 0), "l").currentline
end

-- Returns the list of statements, which the file fills; the words that make them; and azpec.sandbox's stand-in.
local function new_statements()
  local statements = { closed = false }
  local function add(statement)
    if statements.closed then error("rules are not made while others are asked", 3) end
    statements[#statements + 1] = statement
    return statement
  end
  -- `word "name" { ... }` is only recorded here, also where it is wrong. It is checked outside the sandbox, after the
  -- file has run.
  local function named(word)
    return function (name)
      local statement = add { word = word, line = line_of_caller() }
      if type(name) == "string" and name ~= "" then
        statement.name = name
      else
        statement.wrong = "a name in quotes is expected"
      end
      return function (body)
        local is_wrong = type(body) ~= "table" or statement.body
        if is_wrong then statement.wrong = statement.wrong or "one table is expected after the name" end
        statement.body = body
      end
    end
  end
  local words = { expect = named "expect" }
  for _, action in ipairs(actions) do words[action] = named(action) end
  function words.at_most(body)
    add { word = "at_most", body = body, line = line_of_caller(),
      wrong = type(body) ~= "table" and "a table is expected" or nil }
  end
  -- A word that is nearly one of these is a wrong statement, so that the reading continues.
  local known = sorted_names(words)
  local function misspelt(word)
    local question = not statements.closed and nearest.question(word, known) or ""
    if question == "" then return nil end
    local statement = add { word = word, line = line_of_caller(1), wrong = "unknown word" .. question }
    return function (name)
      statement.name = type(name) == "string" and name or nil
      return function () end
    end
  end
  return statements, words, misspelt
end

local function check_unique(at, lines, statement)
  local name = statement.name
  if lines[name] then fault(at, "line %d has a rule of that name already", lines[name]) end
  lines[name] = statement.line
end

-- Makes rules, limits and expectations of the statements. Returns the expectations.
local function build(self, statements, problems)
  local lines, expectations = {}, {}
  for _, statement in ipairs(statements) do
    local word, name = statement.word, statement.name
    local at = { source = self.source, line = statement.line, word = word, problems = problems,
      what = name and ("%s '%s'"):format(word, name) or word }
    if statement.wrong then
      attempt(at, fault, "%s", statement.wrong)
    elseif word == "at_most" then
      attempt(at, build_limits, statement, self.limits)
    elseif word == "expect" then
      expectations[#expectations + 1] = attempt(at, build_expectation, statement)
    else
      attempt(at, check_unique, lines, statement)
      self.rules[#self.rules + 1] = attempt(at, build_rule, statement)
    end
  end
  return expectations
end

-- The statement in which the file has ended by an error may lack its body.
local function drop_unfinished(statements)
  local last = statements[#statements]
  if last and not (last.body or last.wrong) then statements[#statements] = nil end
end

-- Runs the file and collects its errors: those of the statements until the one, if any, by which it ended; or else
-- those of the expectations.
local function examine(self, chunk, statements, problems)
  local ran, message = self.box:run(self.source, instructions_to_read, chunk)
  statements.closed = true
  if not ran then drop_unfinished(statements) end
  local expectations = build(self, statements, problems)
  if not ran then return keep(problems, message) end
  if problems.count > 0 then return end
  if #self.rules == 0 then return keep(problems, self.source .. ": there is no rule in it") end
  for _, one in ipairs(expectations) do attempt(one.at, check_expectation, self, one) end
  self.expectations = #expectations
end

local own_names = { facts = "the option 'facts' of decide" }

-- Reads rules from a text. Returns the set; or nil and a message: a line with file and line for each error, and for
-- several a last one with their number. An error of Lua itself ends the reading. name: the file's name in messages.
-- names (table or nil): what messages call decide's option `facts`.
function rules.parse(source, name, names)
  fields.check_argument(source, "string", "bad argument #1 to 'parse'")
  name = name or "rules"
  local statements, words, misspelt = new_statements()
  local self = setmetatable({ source = name, rules = {}, limits = {}, box = sandbox.new(words, nil, misspelt),
    called = names or own_names, sha256 = sha256.hex(source) }, set)
  local chunk, why = self.box:load(source, name)
  if not chunk then return nil, why end
  local problems = { count = 0 }
  examine(self, chunk, statements, problems)
  if problems.count > 0 then return nil, message_of(name, problems) end
  return self
end

-- Reads rules from a file. Returns the set, or nil and a message. names: as for parse.
function rules.read(path, names)
  fields.check_argument(path, "path", "bad argument #1 to 'read'")
  local source, why = file.read(path, "lua")
  if not source then return nil, why end
  return rules.parse(source, path, names)
end

return rules
