-- azpec.select -- the right connection, never the first: selectors of private endpoint connections.
--
--   local select = require "azpec.select"
--   local selector = select.new { private_endpoint_name = "build-*", status = "Pending" }
--   local connection, err = selector:one(connections)          -- none and several are errors that list the candidates
--   local connections, err = selector:all(connections, { max = 10 })
--
-- A field's value is a text, or a list of texts any of which may match: exact, or with `*` and `?`. Names of Azure's
-- compare without letter case; descriptions, which people write, compare with it. `connections` is a list, or the
-- function of an iterator, in which case its further values may follow.

local glob = require "azpec.glob"
local ids = require "azpec.ids"
local text = require "azpec.text"

local select = {}

-- ---- what a connection says of itself -------------------------------------------------------------------------------

local guid = "%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"

-- The service calls a connection "NAME-OF-THE-ENDPOINT.GUID".
local function without_guid(whole)
  return (whole:gsub("%." .. guid .. "$", ""))
end

-- What an id of that kind names; of any other one: nothing.
local function parse(id, kind)
  local found = type(id) == "string" and ids.parse(id)
  return found and found.kind == kind and found or {}
end

local function table_of(value)
  return type(value) == "table" and value or {}
end

local text_facts = { "id", "etag", "status", "description", "provisioning_state", "name", "private_endpoint",
  "created_at" }

-- What can be asked of a connection, in one flat table: its fields are absent where the connection does not say.
function select.facts(connection)
  local found, properties = parse(connection.id, "connection"), table_of(connection.properties)
  local state = table_of(properties.privateLinkServiceConnectionState)
  local facts = { id = connection.id, etag = connection.etag, status = state.status, description = state.description,
    provisioning_state = properties.provisioningState, group_ids = table_of(properties.groupIds) }
  facts.subscription_id, facts.resource_group_name = found.subscription_id, found.resource_group_name
  facts.account_name, facts.name = found.account_name, found.name or connection.name
  if not facts.name and type(connection.id) == "string" then facts.name = connection.id:match "[^/]+$" end
  facts.private_endpoint = table_of(properties.privateEndpoint).id
  local endpoint = parse(facts.private_endpoint, "private_endpoint")
  facts.private_endpoint_subscription = endpoint.subscription_id
  facts.private_endpoint_resource_group, facts.private_endpoint_name = endpoint.resource_group_name, endpoint.name
  facts.created_at = table_of(connection.systemData).createdAt
  for _, name in ipairs(text_facts) do
    if type(facts[name]) ~= "string" then facts[name] = nil end
  end
  facts.base_name = facts.name and without_guid(facts.name)
  return facts
end

local longest_etag = 1024

-- The ETag that guards a write to a connection; nil where the service sent none. One that cannot be given back as
-- If-Match is nil and an error of the kind "protocol", so that no write goes out without its guard.
function select.etag(connection)
  local etag = connection.etag
  if etag == nil then return nil end
  if type(etag) == "string" and #etag <= longest_etag and etag:find "^[\32-\126]+$" then return etag end
  return nil, { kind = "protocol", id = connection.id,
    message = ("the service sent an ETag that cannot be given back, for '%s'"):format(connection.id),
    hint = "a proxy in the way may change ETags" }
end

-- ---- fields ---------------------------------------------------------------------------------------------------------

local statuses = { "Approved", "Disconnected", "Pending", "Rejected" }

local function known_status(value, field)
  local test = glob.compile(value, true)
  for _, status in ipairs(statuses) do
    if test(status) then return end
  end
  error(("bad field '%s' ('%s' is none of %s)"):format(field, value, table.concat(statuses, ", ")), 0)
end

local function is_id(value)
  return value:find("/", 1, true) ~= nil
end

-- A private endpoint's id where a connection's is wanted finds its connection.
local function id_or_endpoint(value)
  return value:lower():find("/privateendpoints/", 1, true) and "private_endpoint" or "id"
end

-- In the order in which texts name them. from: the facts that the value is compared with, any of them; or a function
-- that says which from the value.
local fields = {
  { "id", takes_ids = true, from = function (value) return { id_or_endpoint(value) } end },
  { "name", from = { "name", "base_name" } },
  { "status", from = { "status" }, check = known_status },
  { "provisioning_state", from = { "provisioning_state" } },
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

-- The names of the fields, in that order.
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
  if rule.takes_ids then value = (ids.parse(value) or { id = value }).id end
  local from = type(rule.from) == "function" and rule.from(value) or rule.from
  return { test = glob.compile(value, not rule.exact_case), from = from }
end

-- The tests of a field, one of which has to succeed.
local function compile(rule, value)
  local values = type(value) == "table" and value or { value }
  if #values == 0 then error(("bad field '%s' (the list is empty)"):format(rule[1]), 0) end
  local tests, count = { field = rule[1] }, 0
  for _ in pairs(values) do count = count + 1 end
  if count ~= #values then error(("bad field '%s' (list of strings expected)"):format(rule[1]), 0) end
  local texts = {}
  for n, one in ipairs(values) do
    tests[n] = compile_one(rule, one)
    texts[n] = ("'%s'"):format(one)
  end
  tests.text = tests.field .. " " .. table.concat(texts, " or ")
  return tests
end

local function succeeds(tests, facts)
  for _, one in ipairs(tests) do
    for _, fact in ipairs(one.from) do
      if fits_any(one.test, facts[fact]) then return true end
    end
  end
  return false
end

-- ---- selectors ------------------------------------------------------------------------------------------------------

local selector = {}
selector.__index = selector
selector.__name = "azpec.selector"

-- A selector from a table of the fields above; without any it matches every connection. An unknown field or a wrong
-- type raises.
function select.new(wanted)
  if type(wanted) ~= "table" then
    error(("bad argument #1 to 'new' (table expected, got %s)"):format(type(wanted)), 2)
  end
  for field in pairs(wanted) do
    if not rules[field] then error(("unknown field '%s'"):format(tostring(field)), 2) end
  end
  local self = {}
  for _, rule in ipairs(fields) do
    local value = wanted[rule[1]]
    if value ~= nil then
      local ok, tests = pcall(compile, rule, value)
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

-- Whether it asks for nothing, so matches all.
function selector:is_empty()
  return #self == 0
end

-- The fields in which the facts of a connection differ from what is wanted, as a list; empty: it matches.
function selector:differences(facts)
  local differing = {}
  for _, tests in ipairs(self) do
    if not succeeds(tests, facts) then differing[#differing + 1] = tests.field end
  end
  return differing
end

-- Whether the connection is meant.
function selector:matches(connection)
  local facts = select.facts(connection)
  for _, tests in ipairs(self) do
    if not succeeds(tests, facts) then return false end
  end
  return true
end

-- ---- failures -------------------------------------------------------------------------------------------------------

local most_candidates, most_shown = 100, 10

-- One line that shows which connection it is.
function select.describe(connection)
  local facts = select.facts(connection)
  local line = ("%s  %s"):format(text.clean(facts.id or facts.name), text.clean(text.state(facts.status)))
  if facts.private_endpoint then line = line .. "  from " .. text.clean(facts.private_endpoint) end
  if facts.description then line = line .. ("  \"%s\""):format(text.clean(facts.description)) end
  return line
end

local failure = { __name = "azpec.selection_error" }

function failure:__tostring()
  local lines = { self.message }
  for n, connection in ipairs(self.candidates) do
    if n > most_shown then break end
    lines[#lines + 1] = "  " .. select.describe(connection)
  end
  local more = math.max(self.count, #self.candidates) - math.min(#self.candidates, most_shown)
  if more > 0 then lines[#lines + 1] = ("  and %d more"):format(more) end
  return table.concat(lines, "\n")
end

function failure.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local function fail(kind, message, candidates, count)
  return nil, setmetatable({ kind = kind, message = message, candidates = candidates, count = count }, failure)
end

-- ---- choosing -------------------------------------------------------------------------------------------------------

-- A function that yields each connection once, though two lists may hold it; stop closes what the iterator has.
local function walk(connections, state, control, closing)
  local seen, index = {}, 0
  local function following()
    if type(connections) == "table" and not (getmetatable(connections) or {}).__call then
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

-- Those nearest to what is wanted, while all are looked at.
local function new_nearest()
  local best, fewest, examined = {}, math.huge, 0
  local function note(connection, missing)
    examined = examined + 1
    if missing < fewest then best, fewest = {}, missing end
    if missing == fewest and #best < most_candidates then best[#best + 1] = connection end
  end
  return note, function () return best, examined, fewest end
end

local function collect(self, most, ...)
  local found, count = {}, 0
  local note, nearest = new_nearest()
  for connection in walk(...) do
    local missing = #self:differences(select.facts(connection))
    if missing == 0 then
      count = count + 1
      if count <= math.max(most, most_candidates) then found[count] = connection end
    elseif count == 0 then
      note(connection, missing)
    end
  end
  if count > 0 then return found, count end
  local candidates, examined, fewest = nearest()
  if examined == 0 then return fail("no_match", "there is no connection at all", {}, 0) end
  local said = fewest == #self and "there are:"
    or #candidates == 1 and "this one comes nearest:" or "these come nearest:"
  return fail("no_match", ("no connection matches %s; %s"):format(self, said), candidates, 0)
end

local function first(list, most)
  return table.move(list, 1, math.min(#list, most), 1, {})
end

-- The one connection that matches, or nil and an error of the kind "no_match" or "ambiguous". The error has `message`,
-- `candidates` (connections: those that match, or else come nearest; at most 100), `count` (of those that match);
-- tostring shows them.
function selector:one(...)
  local found, count = collect(self, 1, ...)
  if not found then return nil, count end
  if count == 1 then return found[1] end
  return fail("ambiguous", ("%d connections match %s; name one by its id:"):format(count, self),
    first(found, most_candidates), count)
end

local function check_most(options)
  for field in pairs(options) do
    if field ~= "max" then error(("unknown field '%s'"):format(tostring(field)), 3) end
  end
  local most = options.max
  if most == nil then return math.huge end
  if math.type(most) ~= "integer" or most < 1 then
    error(("bad field 'max' (positive integer expected, got %s)"):format(tostring(most)), 3)
  end
  return most
end

-- All that match, as a list, or nil and an error of the kind "no_match" or, with options.max, "too_many".
function selector:all(connections, options)
  local most = check_most(options or {})
  local found, count = collect(self, most, connections)
  if not found then return nil, count end
  if count <= most then return found end
  return fail("too_many", ("%d connections match %s, and at most %d may:"):format(count, self, most),
    first(found, most_candidates), count)
end

-- The values of an iterator, for a generic `for`: only those whose first, the connection, matches.
function selector:filter(iterator, state, control, closing)
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
