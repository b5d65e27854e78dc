-- --columns and --sort: the shown columns, and the order of rows.

local nearest = require "azpec.nearest"
local text = require "azpec.text"

local columns = {}

-- "PRIVATE ENDPOINT", "private-endpoint" and "private_endpoint" are equal.
local function plain(name)
  return (name:lower():gsub("[- ]", "_"))
end

-- Returns the names in "name,-status" as a list.
function columns.list(word)
  local names = {}
  for name in (word .. ","):gmatch "(.-)," do
    name = text.trim(name)
    if name == "" then return nil, ("'%s' has an empty name"):format(word) end
    names[#names + 1] = name
  end
  return names
end

-- Returns the column of that member, else that of that title, or nil. private_endpoint is a member, and "private
-- endpoint" the title of another one.
local function named(known, name)
  for _, column in ipairs(known) do
    if name:lower() == column[2] then return column end
  end
  for _, column in ipairs(known) do
    if plain(name) == column[2] or plain(name) == plain(column[1]) then return column end
  end
end

-- The members that only newer api-versions have, and what they tell.
local of_creation = { created_at = "ages", age = "ages", created_by = "creators" }

-- Returns the column of that title or member. Ends the verb if there is none.
local function find(context, known, option, name)
  local column, names = named(known, name), {}
  if column then
    local what = of_creation[column[2]]
    if what then context:need_ages(option .. " " .. column[2], what) end
    return column
  end
  for n, other in ipairs(known) do names[n] = other[2] end
  context:usage(("%s: there is no column '%s'; there are %s%s"):format(option, name, table.concat(names, ", "),
    nearest.question(plain(name), names)))
end

-- Returns the columns that --columns names; nil for the default ones.
function columns.chosen(context, known)
  local names = context.args.columns
  if not names then return nil end
  local list = {}
  for n, name in ipairs(names) do list[n] = find(context, known, "--columns", name) end
  return list
end

-- Returns a row's values to sort by: numbers, strings in lower case, or false for a missing value.
local function values_of(row, keys)
  local values = {}
  for n, key in ipairs(keys) do
    local value
    if key.order then value = key.order(row) else value = row[key.member] end
    if type(value) == "table" then value = table.concat(value, ",") end
    if type(value) ~= "number" then value = value ~= nil and value ~= "" and tostring(value):lower() end
    values[n] = value
  end
  return values
end

-- Rows without a value come last in both directions. Equal rows keep their order.
local function comes_before(keys, a, b)
  for n, key in ipairs(keys) do
    local x, y = a.values[n], b.values[n]
    if x ~= y then
      if not (x and y) then return x ~= false end
      if key.is_descending then return x > y end
      return x < y
    end
  end
  return a.place < b.place
end

-- Returns the members of columns, each once.
local function names_of(known)
  local names, has = {}, {}
  for _, column in ipairs(known) do
    if not has[column[2]] then
      has[column[2]], names[#names + 1] = true, column[2]
    end
  end
  return names
end

-- Sets the names that completion offers for an option that takes several, with commas between. of_actions (or nil): a
-- list of { action, its columns }, for a verb with actions.
local function list_names(option, known, of_actions)
  option.values, option.takes_list = names_of(known), true
  option.values_of = of_actions and {}
  for n, one in ipairs(of_actions or {}) do option.values_of[n] = { name = one[1], values = names_of(one[2]) } end
  return option
end

-- Adds --columns to a verb that has these columns. of_actions (or nil): a list of { action, its columns }.
function columns.define(command, known, of_actions)
  local option = command:option("--columns"):argname "NAMES":convert(columns.list)
  local lists = { table.concat(list_names(option, known, of_actions).values, ", ") }
  for n, one in ipairs(option.values_of or {}) do
    lists[n] = ("of %s: %s"):format(one.name, table.concat(one.values, ", "))
  end
  option.summary = "only these columns, separated by commas"
  return option:description(option.summary .. "; for JSON, members" .. (of_actions and "; " or ": ")
    .. table.concat(lists, "; "))
end

-- Adds --sort to a verb that has these columns, and whose output writes its rows at its end. of_actions: as above.
function columns.define_sort(command, known, of_actions)
  local sort = command:option("--sort", "sort by these columns (see --columns), separated by commas; - before a name "
    .. "sorts in descending order; rows without a value come last")
    :argname "NAMES":convert(columns.list)
  sort.takes_dash = true
  return list_names(sort, known, of_actions)
end

-- Returns a function that sorts a list of rows by --sort; nil without --sort.
function columns.sorter(context, known)
  if not context.args.sort then return nil end
  local keys = {}
  for n, name in ipairs(context.args.sort) do
    local sign, bare = name:match "^(%-?)(.*)$"
    local column = find(context, known, "--sort", bare)
    keys[n] = { member = column[2], order = column.order, is_descending = sign == "-" }
  end
  return function (rows)
    local order = {}
    for n, row in ipairs(rows) do order[n] = { row = row, place = n, values = values_of(row, keys) } end
    table.sort(order, function (a, b) return comes_before(keys, a, b) end)
    for n, one in ipairs(order) do rows[n] = one.row end
  end
end

return columns
