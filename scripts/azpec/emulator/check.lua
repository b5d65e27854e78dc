-- Checks a table that a person wrote against a schema. Raises all faults at once: {message}, with a line for each that
-- names the field.

local json = require "azpec.json"

local check = {}

local function fail(path, format, ...)
  error({ message = path .. ": " .. format:format(...) }, 0)
end

check.fail = fail

local function expect(kind)
  return function (value, path)
    if type(value) ~= kind then fail(path, "%s expected, got %s", kind, type(value)) end
    return value
  end
end

local expect_table = expect "table"

local scalar = { string = expect "string", number = expect "number", boolean = expect "boolean" }

function scalar.any(value)
  return value
end

function scalar.seconds(value, path)
  if type(value) ~= "number" or not (value >= 0 and value < 1e9) then fail(path, "seconds expected") end
  return value
end

function scalar.count(value, path)
  local whole = math.type(value) and math.tointeger(value)
  if not whole or whole < 0 then fail(path, "a whole number, not negative, expected") end
  return whole
end

local function names_of(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names, function (a, b) return tostring(a) < tostring(b) end)
  return names
end

local function known(schema)
  return table.concat(names_of(schema), ", ")
end

-- The names of a schema in order, found once.
local orders = setmetatable({}, { __mode = "k" })

local function order_of(schema)
  orders[schema] = orders[schema] or names_of(schema)
  return orders[schema]
end

local function unknown_names(value, schema)
  local unknown = {}
  for name in pairs(value) do
    if not schema[name] then unknown[name] = true end
  end
  return next(unknown) and names_of(unknown) or {}
end

-- Calls a function and adds what it raises to `faults`; returns what it returned.
function check.collect(faults, call, ...)
  local ok, result = pcall(call, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  faults[#faults + 1] = result.message
end

-- Raises the faults that were collected, if there are any.
function check.raise(faults)
  if faults[1] then error({ message = table.concat(faults, "\n") }, 0) end
end

local value_of

-- A table with named fields. Unknown names are refused; JSON null counts as absent.
function check.record(value, schema, path)
  expect_table(value, path)
  local result, faults = {}, {}
  for _, name in ipairs(unknown_names(value, schema)) do
    check.collect(faults, fail, path, "unknown field '%s' (known: %s)", tostring(name), known(schema))
  end
  for _, name in ipairs(order_of(schema)) do
    local item, rule = value[name], schema[name]
    if item == nil and rule.required then
      check.collect(faults, fail, path, "field '%s' is missing", name)
    elseif item ~= nil and item ~= json.null then
      result[name] = check.collect(faults, value_of, item, rule, path .. "." .. name)
    end
  end
  check.raise(faults)
  return result
end

local function list(value, rule, path)
  expect_table(value, path)
  local result, faults = json.list(), {}
  for key in pairs(value) do
    if math.type(key) ~= "integer" then fail(path, "a list expected, found the field '%s'", tostring(key)) end
  end
  for index, item in ipairs(value) do
    result[index] = check.collect(faults, value_of, item, rule, ("%s[%d]"):format(path, index))
  end
  check.raise(faults)
  return result
end

local function map(value, rule, path)
  expect_table(value, path)
  local result = {}
  for name, item in pairs(value) do
    scalar.string(name, path .. ": name of a field")
    result[name] = value_of(item, rule, path .. "." .. name)
  end
  return result
end

local function one_of(value, allowed, path)
  value = math.type(value) and tostring(math.tointeger(value)) or value
  for _, item in ipairs(allowed) do
    if item == value then return value end
  end
  fail(path, "%s expected", table.concat(allowed, " or "))
end

function value_of(value, rule, path)
  if rule.list then return list(value, rule.list, path) end
  if rule.map then return map(value, rule.map, path) end
  if rule.record then return check.record(value, rule.record, path) end
  if rule.one_of then return one_of(value, rule.one_of, path) end
  if rule.with then return rule.with(value, path) end
  value = scalar[rule.is](value, path)
  if rule.match and not value:find(rule.match) then fail(path, "'%s' is not of the form %s", value, rule.match) end
  return value
end

check.value = value_of

return check
