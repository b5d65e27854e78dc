-- azpec.select -- selects private endpoint connections by their properties, and never guesses among several.
--
--   local select = require "azpec.select"
--   local selector = select.new { private_endpoint_name = "build-*", status = "Pending" }
--   local connection, err = selector:one(connections)          -- no match or several: an error with the candidates
--   local connections, err = selector:all(connections, { max = 10 })
--
-- A field's value is a string, or a list of strings of which one must match: exactly, or with the wildcards `*` and
-- `?`. Azure's names compare without letter case; descriptions compare with it. `connections` is a list, or an iterator
-- function, optionally followed by the iterator's other values.

local ages = require "azpec.ages"
local duration = require "azpec.duration"
local failure = require "azpec.failure"
local glob = require "azpec.glob"
local ids = require "azpec.resource_id"
local nearest = require "azpec.nearest"
local options_of = require "azpec.fields"
local text = require "azpec.text"

local select = {}

-- ---- facts ----------------------------------------------------------------------------------------------------------

local guid = "%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"

-- The service names a connection "NAME-OF-THE-ENDPOINT.GUID".
local function without_guid(whole)
  return (whole:gsub("%." .. guid .. "$", ""))
end

-- Returns the parts of an id of that kind; an empty table for any other id.
local function parse(id, kind)
  local found = type(id) == "string" and ids.parse(id)
  return found and found.kind == kind and found or {}
end

local function table_of(value)
  return type(value) == "table" and value or {}
end

local function text_of(value)
  return type(value) == "string" and value or nil
end

local function texts_of(list)
  local texts = {}
  for _, item in ipairs(table_of(list)) do texts[#texts + 1] = text_of(item) end
  return texts
end

-- The names of all facts.
select.fact_names = { "account_name", "base_name", "created_at", "created_by", "description", "etag", "group_ids", "id",
  "name", "private_endpoint", "private_endpoint_name", "private_endpoint_resource_group",
  "private_endpoint_subscription", "provisioning_state", "resource_group_name", "status", "subscription_id" }

-- Returns the facts of a connection as one flat table. Each fact is a string; group_ids is a list of strings. A fact
-- that the service did not send, or sent with another type, is nil.
function select.facts(connection)
  options_of.check_argument(connection, "table", "bad argument #1 to 'facts'")
  local id, properties = text_of(connection.id), table_of(connection.properties)
  local found, state = parse(id, "connection"), table_of(properties.privateLinkServiceConnectionState)
  local private_endpoint = text_of(table_of(properties.privateEndpoint).id)
  local endpoint = parse(private_endpoint, "private_endpoint")
  local name = found.name or text_of(connection.name) or id and ids.last_segment(id)
  return {
    id = id, etag = text_of(connection.etag), status = text_of(state.status),
    description = text_of(state.description), provisioning_state = text_of(properties.provisioningState),
    group_ids = texts_of(properties.groupIds), name = name, base_name = name and without_guid(name),
    subscription_id = found.subscription_id, resource_group_name = found.resource_group_name,
    account_name = found.account_name, private_endpoint = private_endpoint,
    private_endpoint_subscription = endpoint.subscription_id, private_endpoint_name = endpoint.name,
    private_endpoint_resource_group = endpoint.resource_group_name,
    created_at = text_of(table_of(connection.systemData).createdAt),
    created_by = text_of(table_of(connection.systemData).createdBy),
  }
end

local longest_etag = 1024

-- Returns the ETag to send as If-Match, or nil if the service sent none. For an ETag that cannot be sent, returns nil
-- and an error of the kind "protocol", so that no write is sent without it.
function select.etag(connection)
  options_of.check_argument(connection, "table", "bad argument #1 to 'etag'")
  local etag = connection.etag
  if etag == nil then return nil end
  if type(etag) == "string" and #etag <= longest_etag and etag:find "^[\32-\126]+$" then return etag end
  return nil, failure.new("protocol", ("the service sent an ETag that cannot be given back, for '%s'"):format(
    connection.id), { id = connection.id, hint = "a proxy in the way may change ETags" })
end

-- ---- fields ---------------------------------------------------------------------------------------------------------

-- The statuses and provisioning states of the Batch Management REST API.
select.statuses = { "Approved", "Disconnected", "Pending", "Rejected" }
select.provisioning_states = { "Cancelled", "Creating", "Deleting", "Failed", "Succeeded", "Updating" }

local function known_status(value, field)
  local test = glob.compile(value, true)
  for _, status in ipairs(select.statuses) do
    if test(status) then return end
  end
  error(("bad field '%s' ('%s' is not one of %s%s)"):format(field, value, table.concat(select.statuses, ", "),
    nearest.question(value, select.statuses)), 0)
end

-- A test of the age. A connection without a date is not older than any age.
local function is_older(value, field)
  local least, why = duration.age(value)
  if not least then error(("bad field '%s' (%s)"):format(field, why), 0) end
  return function (facts, now)
    local age = ages.of(facts, now)
    return age ~= nil and age >= least
  end
end

local function is_id(value)
  return value:find("/", 1, true) ~= nil
end

-- The field `id` also accepts a private endpoint's id, which selects that endpoint's connection.
local function id_or_endpoint(value)
  return value:lower():find("/privateendpoints/", 1, true) and "private_endpoint" or "id"
end

-- The fields, in the order in which messages list them. is_state: the value is one of a fixed set. from: the facts of
-- which one must match, or a function that returns them for the value. compile(value, field): returns a test of all
-- facts, in place of the comparison.
local fields = {
  { "id", takes_ids = true, from = function (value) return { id_or_endpoint(value) } end },
  { "name", from = { "name", "base_name" } },
  { "status", from = { "status" }, check = known_status, is_state = true },
  { "provisioning_state", from = { "provisioning_state" }, is_state = true },
  { "older_than", compile = is_older, is_state = true },
  { "private_endpoint", takes_ids = true, from = function (value)
    return { is_id(value) and "private_endpoint" or "private_endpoint_name" }
  end },
  { "private_endpoint_name", from = { "private_endpoint_name" } },
  { "private_endpoint_resource_group", from = { "private_endpoint_resource_group" } },
  { "private_endpoint_subscription", from = { "private_endpoint_subscription" } },
  { "description", from = { "description" }, exact_case = true },
  { "group_id", from = { "group_ids" } },
  { "subscription_id", from = { "subscription_id" } },
  { "resource_group_name", from = { "resource_group_name" } },
  { "account_name", from = { "account_name" } },
}

-- The names of the fields, in the same order.
select.fields = {}
local rules = {}
for n, field in ipairs(fields) do
  select.fields[n] = field[1]
  rules[field[1]] = field
end

local function fits_any(test, fact)
  if type(fact) ~= "table" then return type(fact) == "string" and test(fact) end
  for _, item in ipairs(fact) do
    if type(item) == "string" and test(item) then return true end
  end
  return false
end

local function compile_one(rule, value)
  local field = rule[1]
  if type(value) ~= "string" then
    error(("bad field '%s' (string expected, got %s)"):format(field, type(value)), 0)
  end
  if value == "" then error(("bad field '%s' (it is empty)"):format(field), 0) end
  if rule.check then rule.check(value, field) end
  if rule.compile then return { holds = rule.compile(value, field), text = value } end
  if rule.takes_ids then value = (ids.parse(value) or { id = value }).id end
  local from = type(rule.from) == "function" and rule.from(value) or rule.from
  local test = glob.compile(value, not rule.exact_case)
  local function holds(facts)
    for _, fact in ipairs(from) do
      if fits_any(test, facts[fact]) then return true end
    end
    return false
  end
  return { holds = holds, from = from, text = value }
end

-- Compiles the tests of a field, of which one must succeed.
local function compile(rule, value, name)
  local values = type(value) == "table" and value or { value }
  if #values == 0 then error(("bad field '%s' (the list is empty)"):format(rule[1]), 0) end
  local tests, count = { field = rule[1], is_state = rule.is_state }, 0
  for _ in pairs(values) do count = count + 1 end
  if count ~= #values then error(("bad field '%s' (list of strings expected)"):format(rule[1]), 0) end
  local texts = {}
  for n, one in ipairs(values) do
    tests[n] = compile_one(rule, one)
    texts[n] = ("'%s'"):format(one)
  end
  tests.name, tests.wanted = name or tests.field, table.concat(texts, " or ")
  tests.text = tests.name .. " " .. tests.wanted
  return tests
end

local function succeeds(tests, facts, now)
  for _, one in ipairs(tests) do
    if one.holds(facts, now) then return true end
  end
  return false
end

-- ---- selectors ------------------------------------------------------------------------------------------------------

local selector = {}
selector.__index = selector
selector.__name = "azpec.selector"

-- Returns a selector for a table of the fields above. Without a field it matches every connection. Raises an error for
-- an unknown field or a wrong type. names (table or nil): a field's name in messages; now: a function that returns the
-- time from which ages are computed, in seconds since 1970 (default: os.time; see azpec.service_clock).
function select.new(wanted, names, now)
  if type(wanted) ~= "table" then
    error(("bad argument #1 to 'new' (table expected, got %s)"):format(type(wanted)), 2)
  end
  options_of.check_names(wanted, rules)
  local self = { now = now or os.time }
  for _, rule in ipairs(fields) do
    local value = wanted[rule[1]]
    if value ~= nil then
      local ok, tests = pcall(compile, rule, value, names and names[rule[1]])
      if not ok then error(tests, 2) end
      self[#self + 1] = tests
    end
  end
  return setmetatable(self, selector)
end

-- "name 'build' and status 'Pending'".
function selector:__tostring()
  local texts = {}
  for n, tests in ipairs(self) do texts[n] = tests.text end
  return #texts > 0 and table.concat(texts, " and ") or "every connection"
end

-- Returns whether the selector has no field, and so matches every connection.
function selector:is_empty()
  return #self == 0
end

-- Returns the list of fields that do not match the facts; empty if all match.
function selector:differences(facts)
  options_of.check_argument(facts, "table", "bad argument #1 to 'differences'")
  local differing = {}
  for _, tests in ipairs(self) do
    if not succeeds(tests, facts, self.now()) then differing[#differing + 1] = tests.field end
  end
  return differing
end

local longest_told = 300

-- Returns the facts that a field compares, as a text; nil: there are none.
local function told(tests, facts)
  for _, name in ipairs(tests[1].from) do
    local fact = facts[name]
    local list = type(fact) == "table" and fact or { fact }
    if list[1] then return ("'%s'"):format(text.shorten(text.clean(table.concat(list, ", ")), longest_told)) end
  end
end

-- Says why the facts do not match, by the first field: "name is 'lab-1', not 'web-*'". nil: they match.
function selector:difference(facts)
  options_of.check_argument(facts, "table", "bad argument #1 to 'difference'")
  for _, tests in ipairs(self) do
    if not succeeds(tests, facts, self.now()) then
      local is = tests[1].from and ("is %s, "):format(told(tests, facts) or "absent") or "is "
      return ("%s %snot %s"):format(tests.name, is, tests.wanted)
    end
  end
end

-- Returns whether the connection matches.
function selector:matches(connection)
  options_of.check_argument(connection, "table", "bad argument #1 to 'matches'")
  local facts = select.facts(connection)
  for _, tests in ipairs(self) do
    if not succeeds(tests, facts, self.now()) then return false end
  end
  return true
end

-- ---- errors ---------------------------------------------------------------------------------------------------------

local most_candidates = 100

-- Describes a connection in one line.
function select.describe(connection)
  options_of.check_argument(connection, "table", "bad argument #1 to 'describe'")
  local facts = select.facts(connection)
  local line = ("%s  %s"):format(text.clean(facts.id or facts.name), text.clean(text.state(facts.status)))
  if facts.private_endpoint then line = line .. "  from " .. text.clean(facts.private_endpoint) end
  if facts.description then line = line .. ("  \"%s\""):format(text.clean(facts.description)) end
  return line
end

-- total: the number of all candidates.
local function fail(kind, message, candidates, count, total)
  return nil, failure.new(kind, message, { candidates = candidates, count = count, more = total - #candidates })
end

-- ---- choosing -------------------------------------------------------------------------------------------------------

local function is_list(connections)
  return type(connections) == "table" and not (getmetatable(connections) or {}).__call
end

-- Checks the first argument of a method, for its caller.
local function check_connections(connections, name)
  local wanted = is_list(connections) and "tables" or "function or table or userdata"
  options_of.check_argument(connections, wanted, ("bad argument #1 to '%s'"):format(name), 3)
end

-- Returns a function that yields each connection once, even if two lists hold it, and a function `stop` that closes the
-- iterator.
local function walk(connections, state, control, closing)
  local seen, index = {}, 0
  local function following()
    if is_list(connections) then
      index = index + 1
      return connections[index]
    end
    control = connections(state, control)
    return control
  end
  local function each()
    local connection = following()
    while connection and connection.id do
      local key = connection.id:lower()
      if not seen[key] then
        seen[key] = true
        break
      end
      connection = following()
    end
    return connection
  end
  return each, nil, nil, closing
end

-- Returns the distance between a fact and a wanted text: 0 if the fact contains the text, else the number of differing
-- letters, or math.huge if there are too many. For ids the last name is compared.
local function letters_off(wanted, fact)
  wanted = (ids.last_segment((wanted:gsub("[*?]", ""))) or ""):lower()
  fact = (ids.last_segment(fact) or ""):lower()
  return fact:find(wanted, 1, true) and 0 or nearest.distance(wanted, fact, nearest.limit(wanted))
end

-- Returns the distance of a test: that of its nearest fact.
local function test_off(one, facts)
  local least = math.huge
  for _, name in ipairs(one.from) do
    local fact = facts[name]
    for _, item in ipairs(type(fact) == "table" and fact or { fact }) do
      if type(item) == "string" then least = math.min(least, letters_off(one.text, item)) end
    end
  end
  return least
end

-- Returns the distance of a field, and whether it is near enough to be a misspelling. A state is not misspelt; it
-- counts as near if another field of the connection matches.
local function field_off(tests, facts, any_matches)
  if tests.is_state then return 0, any_matches end
  local least = math.huge
  for _, one in ipairs(tests) do
    least = math.min(least, test_off(one, facts))
  end
  return least, least < math.huge
end

-- Returns the same for all fields that differ.
local function likeness(self, facts, missing)
  local sum, all_near = 0, true
  for _, tests in ipairs(self) do
    if not succeeds(tests, facts, self.now()) then
      local off, is_near = field_off(tests, facts, missing < #self)
      sum, all_near = sum + off, all_near and is_near
    end
  end
  return sum, all_near
end

-- Inserts a candidate into a list that is sorted by distance; equal ones keep their order.
local function insert_by_distance(list, candidate)
  local at = #list + 1
  while at > 1 and list[at - 1].off > candidate.off do at = at - 1 end
  table.insert(list, at, candidate)
  list[most_candidates + 1] = nil
end

-- Collects the connections nearest to the selector: those that differ in the fewest fields, then those with the
-- smallest distance. If some are probable misspellings, only these are kept.
local function new_nearest(self)
  local best, fewest, examined, any_near, total = {}, math.huge, 0, false, 0
  local function note(connection, facts, missing)
    examined = examined + 1
    if missing > fewest then return end
    if missing < fewest then best, fewest, any_near, total = {}, missing, false, 0 end
    local off, is_near = likeness(self, facts, missing)
    if is_near and not any_near then best, any_near, total = {}, true, 0 end
    if is_near ~= any_near then return end
    total = total + 1
    insert_by_distance(best, { connection = connection, off = off })
  end
  return note, function ()
    for n, candidate in ipairs(best) do best[n] = candidate.connection end
    return best, examined, fewest == #self and not any_near, any_near, total
  end
end

-- Follows a listing in which nothing may match: a function that takes each connection, and one that returns those whose
-- names are probably meant, a list of connections; empty if none is near.
function selector:follow_nearest()
  local note, those_nearest = new_nearest(self)
  local function look(connection)
    local facts = select.facts(connection)
    note(connection, facts, #self:differences(facts))
  end
  return look, function ()
    local best, _, _, any_near = those_nearest()
    return any_near and best or {}
  end
end

local function collect(self, most, ...)
  local found, count = {}, 0
  local note, those_nearest = new_nearest(self)
  for connection in walk(...) do
    local facts = select.facts(connection)
    local missing = #self:differences(facts)
    if missing == 0 then
      count = count + 1
      if count <= math.max(most, most_candidates) then found[count] = connection end
    elseif count == 0 then
      note(connection, facts, missing)
    end
  end
  if count > 0 then return found, count end
  local candidates, examined, are_any, any_near, total = those_nearest()
  if examined == 0 then return fail("no_match", "there is no connection at all", {}, 0, 0) end
  local bare = ("no connection matches %s"):format(self)
  if not (are_any or any_near) then return fail("no_match", bare, {}, 0, 0) end
  local said = are_any and "there are:"
    or #candidates == 1 and "this one comes nearest:" or "these come nearest:"
  return fail("no_match", bare .. "; " .. said, candidates, 0, total)
end

local function first(list, most)
  return table.move(list, 1, math.min(#list, most), 1, {})
end

-- Returns the one connection that matches, or nil and an error of the kind "no_match" or "ambiguous". The error has
-- `message`, `candidates` (at most 100 connections: those that match, else the nearest, if any is near), `count` (the
-- number that match) and `more` (the number of candidates that are not in the list). tostring(err) lists the
-- candidates.
function selector:one(...)
  check_connections(..., "one")
  local found, count = collect(self, 1, ...)
  if not found then return nil, count end
  if count == 1 then return found[1] end
  return fail("ambiguous", ("%d connections match %s; name one by its id:"):format(count, self),
    first(found, most_candidates), count, count)
end

local function check_most(options)
  options_of.check_names(options, { max = true }, 3)
  local most = options.max
  if most == nil then return math.huge end
  if math.type(most) ~= "integer" or most < 1 then
    error(("bad field 'max' (positive integer expected, got %s)"):format(tostring(most)), 3)
  end
  return most
end

-- Returns the list of all connections that match, or nil and an error of the kind "no_match" or, if more than
-- options.max match, "too_many".
function selector:all(connections, options)
  check_connections(connections, "all")
  local most = check_most(options or {})
  local found, count = collect(self, most, connections)
  if not found then return nil, count end
  if count <= most then return found end
  return fail("too_many", ("%d connections match %s, and at most %d may:"):format(count, self, most),
    first(found, most_candidates), count, count)
end

-- Filters an iterator for a generic `for`: yields those whose first value, the connection, matches.
function selector:filter(iterator, state, control, closing)
  options_of.check_argument(iterator, "function or table or userdata", "bad argument #1 to 'filter'")
  local function pass(connection, ...)
    control = connection
    return connection ~= nil and not self:matches(connection), connection, ...
  end
  local function following(skip, ...)
    if skip then return following(pass(iterator(state, control))) end
    return ...
  end
  return function () return following(true) end, nil, nil, closing
end

return select
