-- Which connections a verb is about: by id, by name, by what they say of themselves; one, unless more are asked for.

local convert = require "azpec.command.convert"
local ids = require "azpec.ids"
local scope = require "azpec.scope"
local select = require "azpec.select"
local wording = require "azpec.command.wording"

local targets = {}

-- The options, and the fields of azpec.select that they stand for.
local fields = {
  { "-n --name", "name", "NAME", "connection's name, with or without its GUID" },
  { "--private-endpoint", "private_endpoint", "NAME", "private endpoint, by name or id" },
  { "--private-endpoint-group", "private_endpoint_resource_group", "NAME", "its resource group" },
  { "--private-endpoint-subscription", "private_endpoint_subscription", "ID", "its subscription" },
  { "--described", "description", "TEXT", "connection's description" },
  { "--group-id", "group_id", "ID", "part of the account that it is for, as batchAccount" },
  { "--status", "status", "STATUS", "Pending, Approved, Rejected or Disconnected" },
  { "--provisioning-state", "provisioning_state", "STATE", "provisioning state, as Succeeded" },
}

-- The options that choose: one connection, or with more = true as many as match.
function targets.define(command, how)
  command:argument("which", "ids or names of connections"):args "*":convert(convert.name_or_id)
  local group = { "Which (exact, or with * and ?; several of one kind: any of them)" }
  for _, field in ipairs(fields) do
    group[#group + 1] = command:option(field[1], field[4]):argname(field[3]):target("by_" .. field[2]):count "*"
      :convert(convert.name_or_id)
  end
  if how and how.more then
    group[#group + 1] = command:flag("--all", "all Pending ones that match, or all of --status")
    group[#group + 1] = command:option("--max", "as --all, but refuse if more than that match"):argname "N"
      :convert(convert.positive)
    group[#group + 1] = command:flag("--allow-none", "no match is no error")
  end
  command:group(table.unpack(group))
end

-- The fields of a selector that the options name, and how many.
local function wanted_by(args)
  local wanted, count = {}, 0
  for _, field in ipairs(fields) do
    local values = args["by_" .. field[2]]
    if values and #values > 0 then
      wanted[field[2]], count = values, count + 1
    end
  end
  return wanted, count
end

local option_of = {}
for _, field in ipairs(fields) do option_of[field[2]] = field[1]:match "%-%-%S+$" end

local function new_selector(context, wanted)
  local ok, selector = pcall(select.new, wanted)
  if not ok then context:usage(wording.complaint(tostring(selector), option_of)) end
  return selector
end

-- Where to look; an id of a connection or of a private endpoint is a word that says which, not where.
local function where_of(context)
  local where = context:scope()
  local found = where.id and ids.parse(where.id)
  if found and (found.kind == "connection" or found.kind == "private_endpoint") then where.id = nil end
  return where, found and not where.id and found.id or nil
end

-- A word of the command line as the field that it means, and its value; a connection's id needs no search, but has to
-- be where the options say.
local function meaning(context, word)
  if word == "" then context:usage "an empty word names no connection" end
  if not word:find "/" then return "name", word end
  local found = ids.parse(word)
  if found and found.kind == "private_endpoint" then return "private_endpoint", found.id end
  if not found or found.kind ~= "connection" then
    context:usage(("'%s' is no id of a private endpoint connection, nor of a private endpoint"):format(word))
  end
  scope.check(where_of(context), found.id)
  return "id", found.id
end

-- The selector of a word: what it means, and what the options say beside it.
local function selector_of(context, field, word, wanted)
  if wanted[field] then
    context:usage(("'%s' and %s are two answers to one question"):format(word, option_of[field]))
  end
  local both = { [field] = word }
  for name, value in pairs(wanted) do both[name] = value end
  return new_selector(context, both)
end

-- What --all and --max search for: where --status does not say more, what waits for a decision.
local function pending_of(args, wanted)
  if not (args.all or args.max) or wanted.status then return wanted end
  local pending = { status = { "Pending" } }
  for name, value in pairs(wanted) do pending[name] = value end
  return pending
end

-- What the words mean, each together with the options, or else the options alone: a list of { selector =, id =,
-- is_known = }; id: of that connection, is_known: and nothing else has to hold.
local function read(context)
  local args = context.args
  local wanted, count = wanted_by(args)
  local searched = pending_of(args, wanted)
  local words = table.move(args.which, 1, #args.which, 1, {})
  local _, word_of_id = where_of(context)
  if word_of_id then table.insert(words, 1, word_of_id) end
  if #words == 0 then return { { selector = new_selector(context, searched) } } end
  local searches = {}
  for n, word in ipairs(words) do
    local field, value = meaning(context, word)
    local is_id = field == "id"
    searches[n] = { selector = selector_of(context, field, value, is_id and wanted or searched),
      id = is_id and value or nil, is_known = is_id and count == 0 }
  end
  return searches
end

-- A function that tells whether a connection is among those meant; and whether all are.
function targets.matcher(context)
  local searches = read(context)
  return function (connection)
    for _, search in ipairs(searches) do
      if search.selector:matches(connection) then return true end
    end
    return false
  end, searches[1].selector:is_empty()
end

local function list(context, client)
  local where, connections = where_of(context), {}
  for connection in scope.connections(client, where) do connections[#connections + 1] = connection end
  return connections
end

local function several(args, selector, connections)
  local found, err
  if args.all or args.max then
    found, err = selector:all(connections, args.max and { max = args.max })
  else
    local one, problem = selector:one(connections)
    found, err = one and { one }, problem
  end
  if found then return found end
  if err.kind == "no_match" and args.allow_none then return {} end
  if err.kind == "no_match" and (args.all or args.max) and #args.by_status == 0 then
    err.hint = "--all and --max mean Pending ones; --status names others"
  end
  error(err, 0)
end

-- What a search finds: a list of { id =, connection = }, without the connection where nothing had to be looked for.
local function results_of(context, search, client, whole)
  if search.is_known then return { { id = search.id } } end
  local connections = nil
  if search.id then
    local connection, err = client:get { id = search.id }
    connections = connection and { connection } or error(err, 0)
  end
  local found = several(context.args, search.selector, connections or whole())
  for n, connection in ipairs(found) do found[n] = { id = search.id or connection.id, connection = connection } end
  return found
end

-- The connections meant, each once: a list as above. Raises where none or too many match.
function targets.find(context, client)
  local args, listed = context.args, nil
  local searches, found, seen = read(context), {}, {}
  if searches[1].selector:is_empty() and not (args.all or args.max) then
    context:usage("which connection? Name it by its id or name, or by what it says of itself")
  end
  local function whole()
    listed = listed or list(context, client)
    return listed
  end
  for _, search in ipairs(searches) do
    for _, target in ipairs(results_of(context, search, client, whole)) do
      if not seen[target.id:lower()] then found[#found + 1] = target end
      seen[target.id:lower()] = true
    end
  end
  if args.max and #found > args.max then
    context:fail(context.codes.ambiguous, ("%d connections match, and at most %d may"):format(#found, args.max))
  end
  return found
end

-- The connection of an id; nil: there is none, though its account is there; nil, err: that is not known.
function targets.get(client, id, timeout)
  local connection, err = client:get { id = id, timeout = timeout }
  if connection or err.kind ~= "not_found" then return connection, err end
  -- What is missing may be the account, or may not be seen: then nothing is known of the connection.
  local account, why = client:get_account { id = ids.account_of(id) }
  return nil, not account and why or nil
end

-- A function that looks for the one connection that is meant: it, or nil when there is none yet. Raises all else.
function targets.finder(context, client)
  local searches = read(context)
  local search = searches[1]
  if #searches > 1 then context:usage("one connection at a time") end
  if search.selector:is_empty() then context:usage("which connection?") end
  return function ()
    local connection, err
    if search.id then
      connection, err = targets.get(client, search.id)
      if connection and not search.selector:matches(connection) then connection = nil end
    else
      connection, err = search.selector:one(list(context, client))
      if err and err.kind == "no_match" then err = nil end
    end
    if err then error(err, 0) end
    return connection
  end
end

return targets
