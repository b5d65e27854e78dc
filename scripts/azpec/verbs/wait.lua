-- azpec wait: until a connection is there, is in a state, or is gone.

local convert = require "azpec.command.convert"
local rows = require "azpec.command.rows"
local select = require "azpec.select"
local targets = require "azpec.command.targets"
local text = require "azpec.text"

local most_between, first_between, default_timeout = 15, 2, 300
local longest_look = 30 -- where there is time for one only

-- ---- what is waited for --------------------------------------------------------------------------------------------

local states = {
  status = { field = "status", "Approved", "Disconnected", "Pending", "Rejected" },
  provisioning = { field = "provisioning_state", "Cancelled", "Creating", "Deleting", "Failed", "Succeeded",
    "Updating" },
}

local function one_of(list, word)
  for _, known in ipairs(list) do
    if known:lower() == word:lower() then return known end
  end
end

-- "exists", "gone", "status=Approved", "provisioning=Succeeded" as { text =, holds = function (connection) }.
local function condition(word)
  if word == "exists" then return { text = word, holds = function (connection) return connection ~= nil end } end
  if word == "gone" then return { text = word, holds = function (connection) return connection == nil end } end
  local name, value = word:match "^(%l+)=(.+)$"
  local state = states[name]
  local known = state and one_of(state, value)
  if not known then
    return nil, state and ("'%s' is none of %s"):format(value, table.concat(state, ", "))
      or ("'%s' is none of status=STATUS, provisioning=STATE, exists, gone"):format(word)
  end
  return { text = name .. "=" .. known, holds = function (connection)
    return connection ~= nil and select.facts(connection)[state.field] == known
  end }
end

local function words_of(connection)
  if not connection then return "no such connection" end
  local facts = select.facts(connection)
  return ("%s: %s"):format(facts.name, text.state(facts.status, facts.provisioning_state))
end

-- ---- the waiting ---------------------------------------------------------------------------------------------------

-- Looks until the condition has held for so long; returns the connection and, if it did, true.
local function watch(context, client, wanted, timeout)
  local now = require "cqueues".monotime
  local find, settle = targets.finder(context, client), context.args.settle or 0
  local deadline, between, since, last = now() + timeout, context.args.interval or first_between, nil, false
  while true do
    local connection = find()
    local words = words_of(connection)
    if words ~= last then context:detail("%s", text.clean(words)) end
    last = words
    since = wanted.holds(connection) and (since or now()) or nil
    local left = deadline - now()
    if since and now() - since >= settle then return connection, true end
    if left <= 0 then return connection, false end
    local pause = math.min(between, left)
    if since then pause = math.min(pause, math.max(since + settle - now(), 0)) end
    client:wait(pause)
    if not context.args.interval then between = math.min(between * 1.5, most_between) end
  end
end

local function run(context)
  local args = context.args
  local timeout = args.timeout or default_timeout
  local client = context:client { timeout = timeout > 0 and timeout or longest_look }
  local connection, so = watch(context, client, args.what, timeout)
  if not so then
    context:fail(context.codes.timeout, ("not so: %s; %s"):format(args.what.text, words_of(connection)),
      timeout > 0 and ("waited %g s; --timeout waits longer"):format(timeout) or nil)
  end
  local out = context:output { columns = rows.columns, title = "connections",
    line = function () return text.clean(words_of(connection)) end }
  if connection then out:row(rows.of(connection)) end
  out:close()
  if not connection then context:note("it is gone") end
end

return {
  summary = "wait until a connection is there, has a status, or is gone",
  examples = {
    "azpec wait --for exists --private-endpoint web-frontend -g rg-contoso-prod --account contosobatch",
    "azpec wait --for status=Approved /subscriptions/.../privateEndpointConnections/NAME --timeout 10m",
    "azpec wait --for status=Pending --settle 30s --name 'build-*' --account contosobatch",
    "azpec wait --for provisioning=Succeeded --timeout 0 NAME ...        # look once: 0 or 8",
  },
  description = [[
A request that has not arrived yet is waited for. --timeout is the time for everything (300 s; 0: one look, which
may take 30 s); when it has passed the exit code is 8. With --settle it must stay so for that long.]],
  define = function (command)
    targets.define(command)
    command:group("For what",
      command:option("--for", "status=STATUS, provisioning=STATE, exists or gone"):argname "WHAT":target "what"
        :convert(condition):count(1),
      command:option("--settle", "how long it must have been so, without a break"):argname "TIME"
        :convert(convert.seconds))
  end,
  run = run,
}
