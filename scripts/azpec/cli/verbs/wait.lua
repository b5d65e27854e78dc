-- azpec wait: waits until connections are there, have a state, or are gone.

local convert = require "azpec.cli.convert"
local failure = require "azpec.cli.error"
local rounds = require "azpec.cli.rounds"
local options = require "azpec.cli.options"
local rows = require "azpec.cli.rows"
local select = require "azpec.select"
local targets = require "azpec.cli.targets"
local text = require "azpec.text"
local wait = require "azpec.wait"
local waiting = require "azpec.cli.waiting"

local default_timeout = 300
local longest_look = 30 -- where there is time for one only

local columns = rows.with(rows.columns)
columns[#columns + 1] = { "RESULT", "result", for_programs = true }

local function state_of(connection)
  if not connection then return "no such connection" end
  local facts = select.facts(connection)
  return text.state(facts.status, facts.provisioning_state)
end

local function not_known(context)
  return "not known: " .. context:unread_words()
end

-- "contosobatch/web-frontend...: Pending, Succeeded"
local function state_in(context, row)
  if not row.connection then return state_of(nil) end
  return ("%s%s: %s"):format(context:place_of(row), row.name, state_of(row.connection))
end

-- By result.
local worded = {
  met = function (row) return row.connection and state_of(row.connection) or "gone" end,
  ["not met"] = function (row, what) return ("not so: %s; %s"):format(what, state_of(row.connection)) end,
  unknown = function (_, what, context) return ("%s; %s"):format(not_known(context), what) end,
  failed = function (row) return "failed: " .. row.error.message end,
}

local function words_of(context, row)
  return text.clean(("%s%s: %s"):format(context:place_of(row), row.name,
    worded[row.result](row, context.args.what.text, context)))
end

-- Returns the row of a result of azpec.wait.
local function row_of(context, result)
  local row = result.connection and rows.of(result.connection, context) or result.id and rows.of_id(result.id)
    or { name = result.name }
  row.result = result.is_so and "met" or result.err and "failed" or result.is_unknown and "unknown" or "not met"
  row.error = result.err and failure.facts(result.err)
  return row
end

-- Of several each has its row; an error is shown once.
local function tell_failure(context, err)
  if not err.is_told then context:complain(err) end
  err.is_told = true
end

local function tell_not_met(context, timeout, row)
  local hint = timeout > 0 and ("waited %g s; --timeout waits longer"):format(timeout) or nil
  if row.result == "unknown" then context:fail(context.codes.some_failed, not_known(context), hint) end
  context:fail(context.codes.timeout, ("not so: %s; %s"):format(context.args.what.text, state_in(context, row)), hint)
end

-- Ends the verb for a single connection: the error is the verb's own. Its row is for programs, people read it there.
local function end_alone(context, out, timeout, row, err)
  if context.args.output ~= "table" then out:row(row) end
  if err then error(err, 0) end
  tell_not_met(context, timeout, row)
end

-- Nothing matched in all that time.
local function tell_absent(context, timeout, err)
  if context:last_unread() then context:fail(context.codes.some_failed, not_known(context)) end
  error(failure.with(err, { exit_code = context.codes.timeout,
    message = ("not so: %s; waited %g s; %s"):format(context.args.what.text, timeout, err.message) }), 0)
end

-- Waits, and shows each connection when it has ended. Returns the numbers by result, and of all.
local function wait_for(context, client, timeout, out)
  local args, counts, total = context.args, { met = 0, ["not met"] = 0, unknown = 0, failed = 0 }, 0
  local look, absent = targets.looker(context, rounds.within(context, client, timeout))
  local shown <close> = waiting.new(context, timeout)
  local are_so = wait.all { client = client, what = args.what, timeout = timeout, settle = args.settle,
    interval = args.interval, look = look,
    on_change = function (seen, is_unknown)
      shown:sees(is_unknown and not_known(context) or state_of(seen), seen and seen.id)
    end,
    on_pause = function (seconds, pending)
      local ended = counts.met + counts.failed
      if pending + ended == 0 then shown:sees "no connection matches" end
      if pending + ended > 1 then shown:sees(("%d of %d have ended"):format(ended, pending + ended)) end
      shown:looks_in(seconds)
    end,
    on_result = function (result, count)
      local row = row_of(context, result)
      total, counts[row.result] = count, counts[row.result] + 1
      if count == 1 and not result.is_so then end_alone(context, out, timeout, row, result.err) end
      if result.err then
        tell_failure(context, result.err)
        context:fall_short(result.err, result.id)
      end
      if result.is_so and not result.id then
        context:note("azpec: no connection '%s' was seen: it is gone, or was never there", row.name)
      end
      out:row(row)
    end }
  if total == 0 and not are_so and not args.names_none then tell_absent(context, timeout, absent()) end
  return counts, total
end

local function exit_code(context, counts)
  if counts.failed + counts.unknown > 0 then return context.codes.some_failed end
  return counts["not met"] > 0 and context.codes.timeout or 0
end

local function run(context)
  local timeout = context.args.timeout or default_timeout
  local out = context:output { title = "connections", live = true, -- may choose the api-version
    line = function (row) return words_of(context, row) end }
  local client = context:client { timeout = timeout > 0 and timeout or longest_look }
  local counts, total = wait_for(context, client, timeout, out)
  out:close()
  if total == 0 then context:note("no connection matches") end
  if total > 1 then
    local parts = {}
    for _, result in ipairs { "met", "not met", "unknown", "failed" } do
      if counts[result] > 0 then parts[#parts + 1] = ("%d %s"):format(counts[result], result) end
    end
    context:conclude("%s: %s", text.count(total, "connection"), table.concat(parts, ", "))
  end
  return exit_code(context, counts)
end

return {
  columns = columns,
  looks_once = true,
  summary = "wait until connections exist, have a status, or are gone",
  examples = {
    "azpec wait --for exists --private-endpoint web-frontend -g rg-contoso-prod --account contosobatch",
    "azpec wait --for status=Approved /subscriptions/.../privateEndpointConnections/NAME --timeout 10m",
    "azpec wait --for status=Pending --settle 30s --name 'build-*' --account contosobatch",
    "azpec wait --for provisioning=Succeeded --timeout 0 NAME ...        # poll once: 0 or 8",
    "azpec list --status Disconnected -o jsonl | azpec wait - --for gone",
  },
  description = [[
azpec also waits for a request that has not arrived yet. If there are several connections, each must meet the
condition, and has its line when it does. --all means the connections that match at the first poll that finds any
connection. --timeout is the time for everything (300 s; 0: one poll, which may take 30 s). When it has passed, the exit
code is 8. If the connection can no longer get the status, azpec does not wait (7): for example, Approved when it is
Rejected. With --settle the condition must hold for that long. If one connection cannot be read, azpec still waits for
the others (12). While an account cannot be read, azpec does not know whether a name that is not found is gone (12).]],
  define = function (command)
    targets.define(command, { more = "every" })
    command:group("For what",
      options.suggest(command:option("--for", "status=STATUS, provisioning=STATE, exists or gone"):argname "WHAT"
        :target "what":convert(wait.condition):count(1), wait.conditions),
      command:option("--settle", "how long the condition must hold without a break"):argname "TIME"
        :convert(convert.seconds))
  end,
  run = run,
}
