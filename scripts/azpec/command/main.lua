-- The command's frame: finds the verb, reads the options, runs it, and sees that every ending has its exit code.

local failure = require "azpec.command.failure"
local json = require "azpec.json"
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"

local main = {}

local function version()
  local azpec = require "azpec"
  terminal.write(("%s (%s, %s)\n"):format(azpec._VERSION, _VERSION, azpec.libcurl:match "^%S+"))
  terminal.flush()
  return 0
end

local function usage(message, see)
  error({ kind = "usage", message = message, see = see }, 0)
end

local function show_help(page)
  terminal.write(page)
  terminal.flush()
  return 0
end

-- Runs a verb with the rest of the command line; context is known outside as soon as there is one.
local function run_verb(name, arguments, know)
  local context = require "azpec.command.context"
  local verb = require("azpec.verbs." .. name)
  local parser = require "azpec.command.parser"
  local command = parser.of(name, verb)
  -- Help is wanted, whatever is missing or wrong beside it.
  for _, word in ipairs(arguments) do
    if word == "--" then break end
    if word == "-h" or word == "--help" then return show_help(parser.help(name, verb, command)) end
  end
  local args, complaint = parser.parse(command, arguments)
  if not args then
    usage(complaint, "azpec help " .. name)
  end
  terminal.set_color(args.color or "auto")
  require "azpec.command.signals".begin()
  return verb.run(know(context.new(name, args))) or 0
end

local function dispatch(arguments, know)
  local first = arguments[1]
  if not first then usage("what is to be done?", "azpec help") end
  if first == "--version" or first == "-V" then return version() end
  if first == "-h" or first == "--help" then return run_verb("help", {}, know) end
  if first:find "^%-" then usage(("the verb comes first, then '%s'"):format(first), "azpec help") end
  if first == "ls" then first = "list" end
  local found, nearest = require "azpec.command.parser".find_verb(first)
  if not found then
    usage(("there is no verb '%s'%s"):format(first, nearest and ("; did you mean '" .. nearest .. "'?") or ""),
      "azpec help")
  end
  return run_verb(first, table.move(arguments, 2, #arguments, 1, {}), know)
end

-- ---- endings -------------------------------------------------------------------------------------------------------

-- What the C module refuses of a call stems from the command line; a module that is not there, from the place. All
-- else that is raised as a text is our own fault, and told with all that helps to find it.
local function traced(err)
  if type(err) ~= "string" or failure.is_interrupt(err) then return err end
  local refused, missing = err:match "bad field '[^\n]*", err:match "module '([%w_.]+)' not found"
  if refused and refused:find "^bad field 'subscription_id' %(string expected, got nil" then
    return { kind = "usage", message = "which subscription? --subscription ID, or AZURE_SUBSCRIPTION_ID" }
  elseif refused then
    return { kind = "usage", message = require "azpec.command.wording".complaint(refused) }
  elseif missing then
    return { kind = "other", message = ("the Lua module '%s' is not installed here"):format(missing),
      hint = ("install it for %s, or set LUA_PATH and LUA_CPATH"):format(_VERSION) }
  end
  return debug.traceback(err, 2)
end

-- The output format, also where the options could not be read.
local function format_of(context, arguments)
  if context and context.args.output then return context.args.output end
  local line = " " .. table.concat(arguments, " ", 1, #arguments) .. " "
  return line:match " %-%-output[= ](%l+) " or line:match " %-o ?(%l+) "
end

-- What had been done when it ended is told in every format.
local function tell_rows(context)
  local out = context and context.out
  if not out or out.is_closed or out.count == 0 then return end
  local ok, err = pcall(out.close, out)
  if not ok and not (terminal.is_write_error(err) and err.is_broken_pipe) then context:complain(tostring(err)) end
end

-- "16 results were not written: 1 failed, 15 changed"; nil where none is lost.
local function lost_results(context)
  local lost = context and context.out and context.out.lost or {}
  if #lost == 0 then return nil end
  local counts, parts = {}, {}
  for _, row in ipairs(lost) do counts[row.result] = (counts[row.result] or 0) + 1 end
  for result, count in pairs(counts) do parts[#parts + 1] = ("%d %s"):format(count, result) end
  table.sort(parts)
  return ("%s not written: %s"):format(text.count(#lost, "result") .. (#lost == 1 and " was" or " were"),
    table.concat(parts, ", "))
end

-- Standard output has ended: what was not begun because of that is said, and what was done. The error; nil: nobody
-- reads on.
local function output_ended(err, context)
  local left = context and context.not_begun or 0
  if left > 0 then
    context:say("azpec: %s not begun, because %s", text.count(left, "connection") .. (left == 1 and " was" or " were"),
      err.is_broken_pipe and "nobody reads standard output any more" or "standard output cannot be written")
  end
  local lost = lost_results(context)
  return not err.is_broken_pipe and tostring(err) .. (lost and "; " .. lost or "") or nil
end

-- The error that ended the verb, as it is told; nil: stdout is gone, and nobody reads on.
local function told(err, context)
  if terminal.is_write_error(err) then return output_ended(err, context) end
  tell_rows(context)
  if failure.is_interrupt(err) then err = failure.interruption(err) end
  if failure.is_misuse(err) and context then err.see = err.see or "azpec help " .. context.verb end
  return err
end

-- An audited client may have something to say that must not get lost.
local function close_clients(context, code)
  for _, client in ipairs(context and context.clients or {}) do
    local ok, err = pcall(client.close, client)
    if not ok then
      context:complain(err)
      code = code == 0 and failure.exit_code(err) or code
    end
  end
  return code
end

-- For people each thing is told in its turn, for programs an error and all around it in one JSON document.
local function tell(err, format, context, code, tokens)
  local unfinished = require "azpec.command.unfinished"
  if not failure.is_json(format) then
    if err then failure.show(err) end
    if context then unfinished.show(context.args, tokens) end
    return
  end
  local others, said = json.list(), context and context.said
  for n, complaint in ipairs(context and context.complaints or {}) do others[n] = failure.facts(complaint) end
  if not err and (code == 0 or code == failure.codes.changes) and #others == 0 then
    if said and not context.args.quiet then context:prompt(table.concat(said, "\n")) end
    return
  end
  err = err or { kind = failure.kind(code), exit_code = code,
    message = said and table.concat(said, "; ") or "not all was done" }
  local lost = context and context.out and context.out.lost or {}
  failure.show(err, format, { errors = #others > 0 and others or nil, results = #lost > 0 and json.list(lost) or nil,
    continuation_tokens = #tokens > 0 and json.list(tokens) or nil,
    resume = #tokens > 0 and unfinished.command_line(context.args, tokens) .. " -" or nil })
end

-- Runs the command line; returns the exit code, unless it has to die of a signal.
function main.run(arguments)
  if not terminal.hold_streams() then
    io.stderr:write("azpec: standard output is closed\n")
    return failure.codes.other
  end
  io.stdout:setvbuf "full"
  local context
  local function know(made)
    context = made
    return made
  end
  local ok, result = xpcall(dispatch, traced, arguments, know)
  local err = not ok and told(result, context) or nil
  local is_gone = not ok and terminal.is_write_error(result)
  local code = ok and result or is_gone and failure.codes.other or failure.exit_code(err)
  local tokens = require "azpec.command.unfinished".tokens(context, err)
  code = close_clients(context, code)
  if err or not is_gone or context and (#tokens > 0 or context.not_begun) then
    tell(err, format_of(context, arguments), context, code, tokens)
  end
  local signal = is_gone and result.is_broken_pipe and "SIGPIPE" or type(err) == "table" and err.signal
  if signal then require "azpec.command.signals".die_of(signal) end
  return code
end

return main
