-- Finds the connections of a verb by id, name or properties; exactly one, unless the options allow several.

local convert = require "azpec.cli.convert"
local failure = require "azpec.cli.error"
local ids = require "azpec.resource_id"
local rounds = require "azpec.cli.rounds"
local nearest = require "azpec.nearest"
local options = require "azpec.cli.options"
local piped = require "azpec.cli.piped"
local refresh = require "azpec.refresh"
local scope = require "azpec.scope"
local select = require "azpec.select"
local text_of = require "azpec.text"
local wait = require "azpec.wait"
local waiting = require "azpec.cli.waiting"
local wording = require "azpec.cli.wording"

local targets = {}

-- The options and their fields of azpec.select; values: for completion.
local fields = {
  { "-n --name", "name", "NAME", "connection's name, with or without its GUID",
    "--connection-name", "--private-endpoint-connection-name", completes = "connection" },
  { "--private-endpoint", "private_endpoint", "NAME", "private endpoint, by name or id" },
  { "--private-endpoint-group", "private_endpoint_resource_group", "NAME", "its resource group" },
  { "--private-endpoint-subscription", "private_endpoint_subscription", "ID", "its subscription" },
  { "--described", "description", "TEXT", "connection's description; case-sensitive" },
  { "--group-id", "group_id", "ID", "part of the account that it is for, such as batchAccount" },
  { "--status", "status", "STATUS", "Pending, Approved, Rejected or Disconnected",
    values = select.statuses },
  { "--provisioning-state", "provisioning_state", "STATE", "provisioning state, such as Succeeded",
    values = select.provisioning_states },
  { "--older-than", "older_than", "TIME", "created at least that long ago, such as 7d; the unit is needed" },
}

-- Splits a word at blanks, because "$(az ... -o tsv)" passes several ids as one word, and no id contains a blank.
local function add_ids(words, text)
  local slash = text:find("/", 1, true)
  if not (slash and text:find("%s", slash)) then
    words[#words + 1] = text
  else
    for id in text:gmatch "%S+" do words[#words + 1] = convert.name_or_id(id) end
  end
end

local function check_stdin_is_free(context)
  for _, name in ipairs { "client_secret_file", "access_token_file", "token_key_file" } do
    if context.args[name] == "-" then
      context:usage(("--%s - and the word - cannot both read standard input"):format(name:gsub("_", "-")))
    end
  end
end

-- Replaces the word "-" by the words of standard input. An empty input means no connection, never all.
local function read_stdin(context)
  local args, words = context.args, {}
  for _, word in ipairs(args.which) do
    if word == "-" then
      check_stdin_is_free(context)
      piped.read(context, function (given) add_ids(words, given) end)
    else
      add_ids(words, word)
    end
  end
  args.names_none = #words == 0 and #args.which > 0
  if args.names_none and not args.allow_none then
    error(failure.new("no_match", "standard input names no connection"), 0)
  end
  args.which = words
end

-- Called before a client is created: reads the words of standard input, and checks that the api-version returns ages if
-- an option needs them.
function targets.prepare(context)
  read_stdin(context)
  if #context.args.by_older_than > 0 then context:need_ages "--older-than" end
end

-- Each use of --ids adds words.
local function add_words(args, target, words)
  table.move(words, 1, #words, #args[target] + 1, args[target])
end

-- Adds the options that select one connection or, with more = true, all that match. more = "every": --all means every
-- connection, in any status.
function targets.define(command, how)
  options.named(command:argument("which", "ids or names of connections, also ACCOUNT/NAME, or addresses of their "
    .. "pages in the Azure portal; - reads them from standard input, one per line")
    :args "*":convert(convert.name_or_id):action(add_words):init {}, "connection place")
  command:option "--ids":hidden(true):args "+":count "*":target "which":convert(convert.name_or_id)
    :action(add_words):init {}
  local group = { "Which (exact, or with * and ?; several of one kind: any of them)" }
  for _, field in ipairs(fields) do
    local option = command:option(field[1], field[4]):argname(field[3]):target("by_" .. field[2]):count "*"
      :convert(convert.name_or_id)
    for n = 5, #field do option:hidden_name(field[n]) end
    group[#group + 1] = options.named(options.suggest(option, field.values), field.completes)
  end
  if how and how.more then
    local is_every = how.more == "every"
    group[#group + 1] = command:flag("--all", is_every and "all that match"
      or "all Pending ones that match, or all of --status")
    group[#group + 1] = not is_every and command:option("--max", "as --all, but refuse if more than that match")
      :argname "N":convert(convert.positive) or nil
    group[#group + 1] = options.allow_none(command, "no connection matches, or no Batch account is found")
  end
  command:group(table.unpack(group))
end

-- Returns the fields of a selector from the options, and their number.
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

local nouns = convert.nouns

-- Messages name the options of the fields; for a word of the command line they name the field.
local function new_selector(context, wanted, field_of_word)
  local names = {}
  for field, option in pairs(option_of) do names[field] = field ~= field_of_word and option or nil end
  for field, noun in pairs(nouns) do names[field] = noun end
  local ok, selector = pcall(select.new, wanted, names, function () return context:now() end)
  if not ok then context:usage(wording.complaint(tostring(selector), option_of)) end
  return selector
end

-- Returns the scope. An id of a connection or of a private endpoint is a selector, not a scope.
local function where_of(context)
  local where = context:scope()
  local found = where.id and ids.parse(where.id)
  if found and (found.kind == "connection" or found.kind == "private_endpoint") then where.id = nil end
  return where, found and not where.id and found.id or nil
end

local places = { subscription = "a subscription", resource_group = "a resource group", account = "a Batch account" }

-- How many columns of a word a message shows; more than a connection's id can have.
local longest_shown = 600

-- Ends the verb if a word's place and the options contradict each other.
local function check_place(context, place, word)
  local where = where_of(context)
  local given = { resource_group_name = { where.resource_group_name }, account_name = { where.account_name },
    subscription_id = not where.all_subscriptions and where.subscription_ids or nil }
  for name, noun in pairs(nouns) do
    local others, is_in = place[name] and given[name] or {}, false
    for _, one in ipairs(others) do is_in = is_in or one:lower() == place[name]:lower() end
    if #others > 0 and not is_in and not place[name]:find "[*?]" then
      error(failure.new("usage", ("'%s' is not in the %s '%s'"):format(text_of.clean(word), noun,
        table.concat(others, "', '")), { hint = "leave one of the two out" }), 0)
    end
  end
end

-- Returns the field and the value of a word, and the fields of the place that it names. A connection's id needs no
-- search, but must lie in the scope.
local function meaning(context, word)
  if word == "" then context:usage "an empty word names no connection" end
  if not word:find "/" then return "name", word end
  local place = not word:find "^%a+://" and convert.place_and_name(word)
  if place then
    check_place(context, place, word)
    return "name", place.name, place
  end
  local found = ids.parse(word)
  if found and found.kind == "private_endpoint" then return "private_endpoint", found.id end
  if not found then
    context:usage(("'%s' is not the id of a private endpoint connection or of a private endpoint; a name with its "
      .. "place is ACCOUNT/NAME, GROUP/ACCOUNT/NAME or SUBSCRIPTION/GROUP/ACCOUNT/NAME"):format(
      text_of.shorten(text_of.clean(word), longest_shown)))
  elseif found.kind ~= "connection" then
    context:usage(("'%s' is the id of %s, not of a connection; give it with --id"):format(word, places[found.kind]))
  end
  scope.check(where_of(context), found.id)
  return "id", found.id
end

-- Returns the selector of a word, combined with the options.
local function selector_of(context, field, word, wanted, place)
  if wanted[field] then
    context:usage(("'%s' and %s contradict each other; give one of them"):format(word, option_of[field]))
  end
  local both = { [field] = word }
  for name, value in pairs(place or {}) do both[name] = value end
  for name, value in pairs(wanted) do both[name] = value end
  return new_selector(context, both, field), both
end

-- Returns whether --all and --max mean requests that wait for a decision, unless --status is given. For `azpec wait`,
-- which has --for (args.what), --all means every connection.
local function are_pending(args)
  return (args.all or args.max) and not args.what and #args.by_status == 0
end

local function pending_of(args, wanted)
  if not are_pending(args) then return wanted end
  local pending = { status = { "Pending" } }
  for name, value in pairs(wanted) do pending[name] = value end
  return pending
end

-- Returns a list of { selector =, id =, is_known = } for the words, each combined with the options; without words, for
-- the options alone. id: of that connection; is_known: there is no other condition.
local function read(context)
  local args = context.args
  local wanted, count = wanted_by(args)
  local searched = pending_of(args, wanted)
  local words = table.move(args.which, 1, #args.which, 1, {})
  local _, word_of_id = where_of(context)
  if word_of_id then table.insert(words, 1, word_of_id) end
  if #words == 0 then return { { selector = new_selector(context, searched), wanted = searched } } end
  local searches = {}
  for n, word in ipairs(words) do
    local field, value, place = meaning(context, word)
    local is_id = field == "id"
    local selector, both = selector_of(context, field, value, is_id and wanted or searched, place)
    searches[n] = { selector = selector, wanted = both, place = place,
      name = word, id = is_id and value or nil, is_known = is_id and count == 0 }
  end
  return searches
end

-- The fields of azpec.select that Azure Resource Graph's copies of connections have.
local fields_of_graph = { name = true, status = true, private_endpoint = true, private_endpoint_subscription = true,
  private_endpoint_resource_group = true, description = true }

-- Sets which connections make an account worth reading, with --candidates-from: those that match by what Azure Resource
-- Graph knows of them.
local function set_candidates(context, searches)
  local wanted, selectors = wanted_by(context.args), {}
  for _, search in ipairs(searches) do
    local known = {}
    for name, value in pairs(search.wanted) do known[name] = fields_of_graph[name] and value or nil end
    selectors[#selectors + 1] = new_selector(context, known)
  end
  local statuses = pending_of(context.args, wanted).status
  local is_one = statuses and #statuses == 1 and not statuses[1]:find "[*?]"
  context.candidates = { status = is_one and statuses[1] or nil, matches = function (connection)
    for _, selector in ipairs(selectors) do
      if selector:matches(connection) then return true end
    end
    return false
  end }
end

-- Returns the place that all searches name, without wildcards; else nil.
local function common_place(searches)
  local first = searches[1].place
  for _, search in ipairs(searches) do
    for name in pairs(nouns) do
      local value = search.place and (search.place[name] or ""):lower()
      if not value or value:find "[*?]" or value ~= (first[name] or ""):lower() then return nil end
    end
  end
  return first
end

-- Narrows a scope to the place that all searches name, if there is one.
local function narrow(where, searches)
  local place = not where.id and common_place(searches)
  if not place then return false end
  where.account_name = where.account_name or place.account_name
  where.resource_group_name = where.resource_group_name or place.resource_group_name
  if place.subscription_id then
    where.subscription_ids, where.all_subscriptions = { place.subscription_id }, nil
  end
  return true
end

-- Returns the ids of the accounts of these searches; nil: they are not all by a connection's id.
local function accounts_of(searches)
  local connection_ids = {}
  for n, search in ipairs(searches) do connection_ids[n] = search.id end
  return #connection_ids == #searches and ids.accounts_of(connection_ids) or nil
end

-- Returns the scope of a listing in which these searches are found: the accounts that they name, else the
-- subscriptions. An id or a place may be in another subscription than the command's. nil: the options' scope.
local function scope_of(context, searches)
  local where, listed, is_open = where_of(context), {}, false
  if where.id or context.args.id then return nil end
  local account_ids = accounts_of(searches)
  if account_ids then return { account_ids = account_ids } end
  if narrow(where, searches) then return where end
  if where.all_subscriptions or where.subscription_ids then return nil end
  local function add(id)
    if id and not listed[id:lower()] then listed[#listed + 1], listed[id:lower()] = id, true end
  end
  for _, search in ipairs(searches) do
    local place = search.place or search.id and ids.parse(search.id) or {}
    local is_named = place.subscription_id and not place.subscription_id:find "[*?]"
    add(is_named and place.subscription_id)
    is_open = is_open or not is_named
  end
  if #listed == 0 then return nil end
  if is_open then add(context:subscriptions()[1]) end
  where.subscription_ids = listed
  return where
end

-- Returns a function that tells whether a connection is among those meant; whether all are; a function that returns
-- those that were probably meant, if none was; and one that returns the scope to list, or nil for that of the options.
function targets.matcher(context)
  local searches = read(context)
  set_candidates(context, searches)
  local look, nearest_ones = searches[1].selector:follow_nearest()
  local found = #searches > 1
  return function (connection)
    for _, search in ipairs(searches) do
      if search.selector:matches(connection) then
        found = true
        return true
      end
    end
    if not found then look(connection) end
    return false
  end, searches[1].selector:is_empty(), function () return found and {} or nearest_ones() end, function ()
    return scope_of(context, searches)
  end
end

local function list(context, client, searches)
  local where, connections = where_of(context), {}
  narrow(where, searches)
  for connection in context:connections(client, where) do connections[#connections + 1] = connection end
  context:tell_unread()
  return connections
end

local function may_be_in(place, unread)
  for name in pairs(nouns) do
    local wanted, found = place[name], unread[name]
    if wanted and found and not wanted:find "[*?]" and wanted:lower() ~= found:lower() then return false end
  end
  return true
end

-- Returns whether no account of the place that a search names could be read.
local function is_all_unread(context, search)
  local place, unread = search.place, 0
  for id in pairs(place and context.unread or {}) do
    local found = ids.parse(id) or {}
    if found.account_name and may_be_in(place, found) then unread = unread + 1 end
  end
  return unread > 0 and unread == context.places:count(place)
end

-- Returns the error of a partial listing, which may lack a match. one: the single match, or nil; err: none was found.
local function not_all_seen(context, search, one, err)
  local words, exit_code = context:unread_words(), context.codes.some_failed
  if not one then
    local is_all = is_all_unread(context, search)
    local seen = failure.with(err, { kind = "some_failed", exit_code = exit_code, is_none = true,
      message = is_all and ("the account of '%s' could not be read"):format(text_of.clean(search.name))
        or ("%s; %s"):format(words, err.message) })
    if is_all then seen.candidates, seen.count = nil, nil end
    return seen
  end
  local account = context.args.resource_group and "--account" or "-g, --account"
  return failure.new("some_failed", ("'%s' matches, but %s, so another connection may match as well"):format(
    select.facts(one).name, words), { exit_code = exit_code, id = one.id,
    hint = ("name the account (%s) or give the connection's id"):format(account) })
end

-- Returns whether the last listing lacks a place in which the search could have found something.
local function is_partial_for(context, search)
  for id in pairs(context.unread) do
    if not search.place or may_be_in(search.place, ids.parse(id) or {}) then return true end
  end
  return false
end

-- Returns the advice after a search that has found nothing.
local function advice_on_none(context, search)
  local parts = { are_pending(context.args) and "--all and --max mean Pending ones; --status names others" or nil }
  parts[#parts + 1] = not search.id and context:where_searched(search.place) or nil
  return #parts > 0 and table.concat(parts, "; ") or nil
end

-- Returns the options that take all matching connections.
local function how_to_take_all(args)
  local is_every = args.what or #args.by_status > 0
  return ("%s takes all that match%s"):format(args.what and "--all" or "--all, or --max N,", is_every and ""
    or " and are Pending; --status names others")
end

-- Returns the list of those that match a search: one, or all of them with --all or --max. Returns nil and an error if
-- none matches, or after a partial listing if another one may match as well. Raises other errors.
function targets.matches(context, search, connections)
  local args, selector = context.args, search.selector
  local are_several, is_partial = args.all or args.max, is_partial_for(context, search)
  local found, err
  if are_several then
    found, err = selector:all(connections, args.max and { max = args.max })
  else
    found, err = selector:one(connections)
  end
  if err and err.kind ~= "no_match" then
    error(failure.of_several(err, how_to_take_all(args)), 0)
  end
  if err then err.hint = advice_on_none(context, search) end
  if is_partial and (err or not are_several and not args.what) then
    return nil, not_all_seen(context, search, found, err)
  end
  if err then return nil, err end
  return are_several and found or { found }
end

-- Ends the verb if a word names an account that is not among the listed ones: it may be misspelt, or elsewhere.
local function check_account(context, search)
  local place, args = search.place, context.args
  if not place or args.candidates_from == "graph" or is_partial_for(context, search) then return end
  if context.places:count(place) > 0 then return end
  for name in pairs(nouns) do
    if (place[name] or ""):find "[*?]" then return end
  end
  local account = place.account_name
  local whole = (place.resource_group_name and place.resource_group_name .. "/" or "") .. account
  context:fail(context.codes.not_found, ("there is no Batch account '%s' among those listed%s"):format(
    text_of.clean(whole), nearest.question(account, context.places:names(), true)),
    scope.only_readable .. (args.all_subscriptions and ""
      or "; --all-subscriptions looks in its other subscriptions"))
end

-- Searches. Returns a list of { id =, connection = }, without the connection if no search was needed.
local function results_of(context, search, client, whole)
  if search.is_known then return { { id = search.id } } end
  local connections = nil
  if search.id then
    local connection, err = client:get { id = search.id }
    connections = connection and { connection } or error(err, 0)
  end
  connections = connections or whole()
  check_account(context, search)
  local found, err = targets.matches(context, search, connections)
  if not found then
    local is_none = err.kind == "no_match" or err.is_none
    return context.args.allow_none and is_none and {} or error(err, 0)
  end
  for n, connection in ipairs(found) do found[n] = { id = search.id or connection.id, connection = connection } end
  return found
end

-- Returns a function that lists the connections of the scope once.
local function once(context, client, searches)
  local listed
  return function ()
    listed = listed or list(context, client, searches)
    return listed
  end
end

-- Ends the verb if --candidates-from would decide what the verb is about: which connection is the only one, and whether
-- one is there.
local function check_candidates(context)
  local args = context.args
  if args.candidates_from ~= "graph" then return end
  if not (args.all or args.max) then
    context:usage("--candidates-from graph goes with --all or --max: Azure Resource Graph may not show every match yet")
  end
  if args.wait then context:usage("--candidates-from graph and --wait exclude each other") end
end

-- Returns the searches of the command line, of which none is for every connection.
local function searches_of(context)
  local args, searches = context.args, read(context)
  if searches[1].selector:is_empty() and not (args.all or args.max) then
    context:usage("no connection is named: give its id or name, an option such as --private-endpoint, or --all")
  end
  set_candidates(context, searches)
  return searches
end

-- Returns the targets each once. Ends the verb if they are more than --max.
local function each_once(context, list_of_targets)
  local found, seen, most = {}, {}, context.args.max
  for _, target in ipairs(list_of_targets) do
    if not seen[target.id:lower()] then found[#found + 1] = target end
    seen[target.id:lower()] = true
  end
  if most and #found > most then
    context:fail(context.codes.ambiguous, ("%d connections match, and at most %d may"):format(#found, most))
  end
  return found
end

-- Returns the selected connections, each once, as a list like the above. Raises an error if none or too many match.
function targets.find(context, client)
  if context.args.names_none then return {} end
  check_candidates(context)
  local found, searches = {}, searches_of(context)
  local whole = once(context, client, searches)
  for _, search in ipairs(searches) do
    for _, target in ipairs(results_of(context, search, client, whole)) do found[#found + 1] = target end
  end
  return each_once(context, found)
end

-- ---- connections that may not have arrived yet ---------------------------------------------------------------------

-- Returns the connections of these searches by id, as azpec.wait takes them.
local function look_at(searches, client)
  local connection_ids, found = {}, {}
  for n, search in ipairs(searches) do connection_ids[n] = search.id end
  local now = refresh.read(client, connection_ids)
  for n, search in ipairs(searches) do
    local connection, err, no_account = now(search.id)
    if connection and not search.selector:matches(connection) then connection = nil end
    found[n] = { key = search.key, id = search.id, connection = connection, err = err or no_account,
      missing = failure.new("no_match", "there is no such connection", { id = search.id }) }
  end
  return found
end

-- Returns what a search finds among the listed connections, and the searches for later polls: with --all those by the
-- ids that it found.
local function look_among(context, search, connections)
  check_account(context, search)
  local found, err = targets.matches(context, search, connections)
  local is_unknown = not found and is_partial_for(context, search)
  if not (context.args.all or context.args.max) then
    local connection = found and found[1]
    return { { key = search.key, id = connection and connection.id, name = search.name, connection = connection,
      is_unknown = is_unknown, missing = err } }, { search }
  end
  local entries, by_id = {}, {}
  for n, connection in ipairs(found or {}) do
    local id = connection.id
    entries[n] = { key = id:lower(), id = id, connection = connection }
    by_id[n] = { key = id:lower(), id = id, selector = select.new {} }
  end
  return entries, found and by_id or { search }, err
end

-- Looks for the connections of the searches that have not ended. Returns the entries, the searches for later polls, and
-- whether the listing lacks a place in which nothing was found.
local function look_for(context, client, searches, absent)
  local by_id, following, entries, is_partial = {}, {}, {}, false
  local whole = once(context, client, searches)
  for _, search in ipairs(searches) do
    if search.id then
      by_id[#by_id + 1], following[#following + 1] = search, search
    else
      local found, later, err = look_among(context, search, whole())
      table.move(found, 1, #found, #entries + 1, entries)
      table.move(later, 1, #later, #following + 1, following)
      absent[#absent + 1] = err
      is_partial = is_partial or err ~= nil and is_partial_for(context, search)
    end
  end
  local found = look_at(by_id, client)
  table.move(found, 1, #found, #entries + 1, entries)
  for _, entry in ipairs(entries) do absent[#absent + 1] = not entry.connection and entry.missing or nil end
  return entries, following, is_partial
end

-- Returns a function that looks for the selected connections, each time anew, for azpec.wait; and a function that
-- returns the error of the first one that the last poll did not find, and the number of those.
function targets.looker(context, client)
  check_candidates(context)
  local searches, absent = context.args.names_none and {} or searches_of(context), nil
  for n, search in ipairs(searches) do search.key = search.id and search.id:lower() or "search " .. n end
  return function (has_ended)
    local pending = {}
    for _, search in ipairs(searches) do
      if not has_ended(search.key) then pending[#pending + 1] = search end
    end
    absent = {}
    local entries, following, is_partial = look_for(context, client, pending, absent)
    searches = following
    return entries, is_partial
  end, function () return absent[1], #absent end
end

-- Like targets.find; with --wait it waits until all of them have arrived.
function targets.await(context, client)
  local longest = context.args.wait
  if not longest then return targets.find(context, client) end
  local shown <close> = waiting.new(context, longest)
  local look, absent = targets.looker(context, rounds.within(context, client, longest))
  local are_there, found = wait.all { client = client, what = "exists", timeout = longest, look = look,
    interval = context.args.interval,
    on_result = function (result) if result.err then error(result.err, 0) end end,
    on_pause = function (seconds)
      local _, count = absent()
      if not shown.status then
        context:note("%s; waiting for up to %g s", #context.args.which > 1 and count .. " not there yet"
          or "no connection matches yet", longest)
      end
      shown:sees(count > 1 and count .. " not there yet" or "not there yet")
      shown:looks_in(seconds)
    end }
  if are_there then
    -- One that came early may have changed since: its ETag is not to guard a write.
    return shown.status and targets.find(context, client) or each_once(context, found)
  end
  local err, count = absent()
  error(failure.with(err, { exit_code = err.exit_code or context.codes.timeout,
    message = ("waited %g s; %s%s"):format(longest, count > 1 and ("%d of them are missing; "):format(count) or "",
      err.message) }), 0)
end

return targets
