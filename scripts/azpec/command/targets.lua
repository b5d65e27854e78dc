-- Which connections a verb is about: by id, by name, by what they say of themselves; one, unless more are asked for.

local convert = require "azpec.command.convert"
local scope = require "azpec.scope"
local select = require "azpec.select"

local targets = {}

-- The options, and the fields of azpec.select that they stand for.
local fields = {
  { "--name", "name", "NAME", "connection's name, with or without its GUID" },
  { "--private-endpoint", "private_endpoint", "NAME", "private endpoint, by name or id" },
  { "--private-endpoint-group", "private_endpoint_resource_group", "NAME", "its resource group" },
  { "--private-endpoint-subscription", "private_endpoint_subscription", "ID", "its subscription" },
  { "--described", "description", "TEXT", "connection's description" },
  { "--group-id", "group_id", "ID", "part of the account that it is for, as batchAccount" },
  { "--status", "status", "STATUS", "Pending, Approved, Rejected or Disconnected" },
  { "--provisioning-state", "provisioning_state", "STATE", "provisioning state, as Succeeded" },
}

-- The options that choose: one connection, or with more = true as many as match.
function targets.define(command, options)
  command:argument("which", "ids or names of connections"):args "*"
  local group = { "Which (exact, or with * and ?; several of one kind: any of them)" }
  for _, field in ipairs(fields) do
    group[#group + 1] = command:option(field[1], field[4]):argname(field[3]):target("by_" .. field[2]):count "*"
  end
  if options and options.more then
    group[#group + 1] = command:flag("--all", "all that match, not just one")
    group[#group + 1] = command:option("--max", "as --all, but refuse if more than that match"):argname "N"
      :convert(convert.positive)
    group[#group + 1] = command:flag("--allow-none", "with --all: no match is no error")
  end
  command:group(table.unpack(group))
end

-- The fields of a selector that the options name.
function targets.wanted(args)
  local wanted, count = {}, 0
  for _, field in ipairs(fields) do
    local values = args["by_" .. field[2]]
    if values and #values > 0 then
      wanted[field[2]], count = values, count + 1
    end
  end
  return wanted, count
end

function targets.selector(context, wanted)
  local ok, selector = pcall(select.new, wanted)
  if not ok then context:usage((tostring(selector):gsub("^.-:%d+: ", ""))) end
  return selector
end

-- A word of the command line as the field that it means; a connection's id needs no search.
local function meaning(context, word)
  if not word:find "/" then return "name" end
  local found = scope.parse_id(word)
  local kind = found and found.kind
  if kind == "connection" then return "id" end
  if kind == "private_endpoint" then return "private_endpoint" end
  context:usage(("'%s' is no id of a private endpoint connection, nor of a private endpoint"):format(word))
end

local function copy_with(wanted, field, value)
  local copy = { [field] = value }
  for name, given in pairs(wanted) do
    if copy[name] == nil then copy[name] = given end
  end
  return copy
end

-- What the words and options mean: a list of { id = } and { selector = }, each for one connection; and the selector
-- of all others.
local function read(context)
  local args = context.args
  local wanted, count = targets.wanted(args)
  local words = table.move(args.which, 1, #args.which, 1, {})
  local kind = args.id and (scope.parse_id(args.id) or {}).kind
  if kind == "connection" or kind == "private_endpoint" then table.insert(words, 1, args.id) end
  local ones = {}
  for n, word in ipairs(words) do
    local field = meaning(context, word)
    if field == "id" and count == 0 then
      ones[n] = { id = word }
    else
      ones[n] = { selector = targets.selector(context, copy_with(wanted, field, word)) }
    end
  end
  return ones, #words == 0 and targets.selector(context, wanted)
end

local function list(context, client)
  local where, connections = context:scope(), {}
  if where.id and (scope.parse_id(where.id) or {}).kind == "private_endpoint" then where.id = nil end
  for connection in scope.connections(client, where) do connections[#connections + 1] = connection end
  return connections
end

local function chosen(connection, err)
  if not connection then error(err, 0) end
  return connection
end

local function several(context, selector, connections)
  local args = context.args
  if not (args.all or args.max) then return { chosen(selector:one(connections)) } end
  local found, err = selector:all(connections, args.max and { max = args.max })
  if found then return found end
  if err.kind == "no_match" and args.allow_none then return {} end
  error(err, 0)
end

-- The connections meant: a list of { id =, connection = }; without the connection where an id alone was given and
-- nothing had to be looked for. Raises where none or too many match.
function targets.find(context, client)
  local ones, selector = read(context)
  local args = context.args
  if selector and selector:is_empty() and not (args.all or args.max) then
    context:usage("which connection? Name it by its id or name, or by what it says of itself")
  end
  local connections, found = nil, {}
  for n, one in ipairs(ones) do
    if one.selector then
      connections = connections or list(context, client)
      one.connection = chosen(one.selector:one(connections))
    end
    found[n] = { id = one.id or one.connection.id, connection = one.connection }
  end
  if selector then
    for n, connection in ipairs(several(context, selector, list(context, client))) do
      found[n] = { id = connection.id, connection = connection }
    end
  end
  return found
end

-- The connection of an id; nil: there is none, though its account is there; nil, err: that is not known.
function targets.get(client, id, timeout)
  local connection, err = client:get { id = id, timeout = timeout }
  if connection or err.kind ~= "not_found" then return connection, err end
  -- What is missing may be the account, or may not be seen: then nothing is known of the connection.
  local account, why = client:get_account { id = id:match "^(.*)/[^/]*/[^/]*$" }
  return nil, not account and why or nil
end

-- A function that looks for the one connection that is meant: it, or nil when there is none yet. Raises all else.
function targets.finder(context, client)
  local ones, selector = read(context)
  if #ones > 1 then context:usage("one connection at a time") end
  if selector and selector:is_empty() then context:usage("which connection?") end
  local one = ones[1] or { selector = selector }
  return function ()
    local connection, err
    if one.id then
      connection, err = targets.get(client, one.id)
    else
      connection, err = one.selector:one(list(context, client))
      if err and err.kind == "no_match" then err = nil end
    end
    if err then error(err, 0) end
    return connection
  end
end

return targets
