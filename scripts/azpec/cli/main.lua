-- The command's frame: finds the verb, reads the options, runs it, and gives every ending its exit code.

local failure = require "azpec.cli.error"
local json = require "azpec.json"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"

local main = {}

local function version()
  local azpec = require "azpec"
  terminal.write(("%s (%s, %s)\n"):format(azpec._VERSION, _VERSION, azpec.libcurl:match "^%S+"))
  terminal.flush()
  return 0
end

local function usage(message, see)
  error(failure.new("usage", message, { see = see }), 0)
end

local function show_help(page)
  terminal.write(page)
  terminal.flush()
  return 0
end

-- Runs a verb with the rest of the command line. The caller gets the context as soon as it exists.
local function run_verb(name, arguments, know)
  local context = require "azpec.cli.context"
  local verb = require("azpec.cli.verbs." .. name)
  local parser = require "azpec.cli.parser"
  local command = parser.of(name, verb)
  -- --help takes precedence over missing and wrong options.
  for _, word in ipairs(arguments) do
    if word == "--" then break end
    if word == "-h" or word == "--help" then return show_help(parser.help(name, verb, command)) end
  end
  local args, complaint = parser.parse(command, arguments)
  if not args then
    usage(complaint, "azpec help " .. name)
  end
  terminal.set_color(args.color or "auto")
  require "azpec.cli.unfinished" -- before any write: at the end no descriptor may be free
  require "azpec.cli.signals".begin()
  local paths = require "azpec.cli.files".paths(command, args)
  local made = know(context.new(name, args, arguments, paths))
  if type(args.which) == "table" then require "azpec.cli.targets".prepare(made) end
  return made:code_of(verb.run(made) or 0)
end

local function dispatch(arguments, know)
  local first = arguments[1]
  if not first then usage("no verb is given", "azpec help") end
  if first == "--version" or first == "-V" then return version() end
  if first == "-h" or first == "--help" then return run_verb("help", {}, know) end
  if first:find "^%-" then
    local question = require "azpec.nearest".question(first, { "--version", "--help" })
    usage(("the verb comes first, then '%s'%s"):format(first, question), "azpec help")
  end
  local verb, question = require "azpec.cli.parser".find_verb(first)
  if not verb then usage(("there is no verb '%s'%s"):format(first, question), "azpec help") end
  return run_verb(verb, table.move(arguments, 2, #arguments, 1, {}), know)
end

-- ---- endings -------------------------------------------------------------------------------------------------------

-- A module that cannot be opened for want of a descriptor is reported as missing by Lua.
local function lacks_descriptors(err, missing)
  local too_many = 24 -- EMFILE
  local probe <close>, _, code = io.open "/dev/null"
  return (missing and not probe and code == too_many) or err:find("Too many open files", 1, true)
end

-- A call that the C module refuses is an error of the command line; a missing module is one of the installation. Any
-- other error string is a bug of azpec, and is reported with a traceback.
local function traced(err)
  if type(err) ~= "string" or failure.is_interrupt(err) then return err end
  local refused, missing = err:match "bad field '.*", err:match "module '([%w_.]+)' not found"
  if refused and refused:find "^bad field 'subscription_id' %(string expected, got nil" then
    return failure.new("usage", "no subscription is named: give --subscription ID, or AZURE_SUBSCRIPTION_ID; az and "
      .. "azd name none by default (az account set --subscription ID)")
  elseif refused then
    return failure.new("usage", require "azpec.cli.wording".complaint(refused))
  elseif lacks_descriptors(err, missing) then
    return failure.new("limit", "no more files may be opened (ulimit -n)")
  elseif err:find("not enough memory", 1, true) then
    return failure.new("limit", err:match "not enough memory[^\n]*",
      { hint = "raise the limits of open files and memory (ulimit -n, ulimit -v)" })
  elseif missing then
    return failure.new("other", ("the Lua module '%s' is not installed here"):format(missing),
      { hint = ("install it for %s, or set LUA_PATH and LUA_CPATH"):format(_VERSION) })
  end
  return debug.traceback(err, 2)
end

-- Returns the output format, even if the options could not be parsed.
local function format_of(context, arguments)
  if context and context.args.output then return context.args.output end
  local line = " " .. table.concat(arguments, " ", 1, #arguments) .. " "
  return line:match " %-%-output[= ](%l+) " or line:match " %-o ?(%l+) " or os.getenv "AZPEC_OUTPUT"
end

-- Shows the rows before the error in every format; the JSON envelope says that they are incomplete.
local function tell_rows(context, problem)
  local out = context and context.out
  if not out or out.is_closed or out.count == 0 then return end
  out.errors[#out.errors + 1] = failure.facts(problem)
  local ok, err = pcall(out.close, out)
  if not ok and not (terminal.is_write_error(err) and err.is_broken_pipe) then context:complain(err) end
end

-- Returns "16 results were not written: 1 failed, 15 changed", or nil if none is lost.
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

-- Returns "61 connections were not begun", or nil.
local function left_out(context)
  local left = context and context.not_begun or 0
  if left == 0 then return nil end
  return text.count(left, "connection") .. (left == 1 and " was not begun" or " were not begun")
end

-- Handles the end of standard output: reports what was done and what was not begun. Returns the error, or nil if the
-- reader has gone.
local function output_ended(err, context)
  local left = left_out(context)
  if err.is_broken_pipe then
    if left then context:say("azpec: %s, because nobody reads standard output any more", left) end
    return nil
  end
  if context then context:tell_unread() end
  local parts = { err.message }
  parts[#parts + 1] = left
  parts[#parts + 1] = lost_results(context)
  return failure.with(err, { message = table.concat(parts, "; ") })
end

-- Returns the error that ended the verb in its shown form, or nil if the reader of stdout has gone.
local function told(err, context)
  if terminal.is_write_error(err) then return output_ended(err, context) end
  if failure.is_interrupt(err) then err = failure.interruption(err, context and context.interrupted_at) end
  tell_rows(context, err)
  if context then context:tell_unread() end
  if failure.is_misuse(err) and context then err.see = err.see or "azpec help " .. context.verb end
  return err
end

-- Closes the clients; one with a journal may report results that could not be recorded.
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

-- Writes the recording of --trace after every ending of the command.
local function finish_trace(context, code)
  if not (context and context.har) then return code end
  local ok, written, why = pcall(context.har.finish, context.har)
  if ok and written then return code end
  context:complain(failure.new("other", "--trace: " .. tostring(why or written)))
  return code == 0 and failure.codes.other or code
end

-- Returns the notes of a JSON document, and the lines that are its message unless an error ended the verb. Lines on
-- stderr begin with the command's name, these do not.
local function notes_of(context, err)
  local notes, conclusions = json.list(), {}
  for _, said in ipairs(context and context.said or {}) do
    local list = said.ends and not err and conclusions or notes
    list[#list + 1] = said.line:gsub("^azpec: ", "")
  end
  return notes, conclusions
end

-- Reports the ending: line by line for people, in one JSON document for programs.
local function tell(err, format, context, code, tokens, to_write)
  local unfinished = require "azpec.cli.unfinished"
  if not failure.is_json(format) then
    if err then failure.show(err) end
    if context then unfinished.show(context.args, tokens, to_write) end
    return
  end
  local others, notes, conclusions = json.list(), notes_of(context, err)
  for n, complaint in ipairs(context and context.complaints or {}) do others[n] = failure.facts(complaint) end
  if not err and (code == 0 or code == failure.codes.changes) and #others == 0 then
    if context then context:tell_held() end
    return
  end
  err = err or failure.ending(code, conclusions)
  local lost = context and context.out and context.out.lost or {}
  failure.show(err, format, { notes = #notes > 0 and notes or nil, errors = #others > 0 and others or nil,
    results = #lost > 0 and json.list(lost) or nil, continuation_tokens = #tokens > 0 and json.list(tokens) or nil,
    resume = #tokens > 0 and unfinished.command_line(context.args, tokens, to_write) .. " -" or nil })
end

-- Runs the command line. Returns the exit code, unless the process has to die of a signal.
function main.run(arguments)
  if not terminal.hold_streams() then
    failure.show(failure.new("output", "standard output is closed"), format_of(nil, arguments))
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
  local tokens, to_write = require "azpec.cli.unfinished".tokens(context, err)
  code = close_clients(context, code)
  terminal.make_room()
  code = finish_trace(context, code)
  if context then context:tell_repeated() end
  if err or not is_gone or context and (#tokens > 0 or context.not_begun) then
    tell(err, format_of(context, arguments), context, code, tokens, to_write)
  end
  local signal = is_gone and result.is_broken_pipe and "SIGPIPE" or type(err) == "table" and err.signal
  if signal then require "azpec.cli.signals".die_of(signal) end
  return code
end

return main
