-- --journal and --ticket: records each write of a verb, and continues an interrupted run.

local convert = require "azpec.cli.convert"
local description = require "azpec.description"
local files = require "azpec.cli.files"
local is_there = require "azpec.file".is_there
local json = require "azpec.json"
local nearest = require "azpec.nearest"
local shell = require "azpec.text".shell

local journal = {}

function journal.define(command)
  command:group("Journal",
    files.written(command:option("--journal", "record each write in this file; the same command, run again, finishes "
      .. "what was interrupted (AZPEC_JOURNAL)")
      :hidden_name "--audit":hidden_name "--checkpoint":target "journal":argname "FILE"
      :convert(convert.given), journal.path),
    command:option("--ticket", "number of the ticket, for the journal and for {ticket} in a description, where it is "
      .. "required"):argname "TEXT"
      :convert(convert.ticket))
end

-- Returns the file that the command line or the environment names, or nil.
function journal.path(args)
  local path = args.journal or os.getenv "AZPEC_JOURNAL" or os.getenv "AZPEC_AUDIT_FILE"
  return path ~= "" and path or nil
end

-- The words in braces that --description may contain, as in a rule's description.
local places = { "description", "name", "ticket" }

local function has_place(text, name)
  return text ~= nil and text:find("{" .. name .. "}", 1, true) ~= nil
end

local function check_places(context, text)
  for name in text:gmatch "{([^{}]*)}" do
    local is_known = false
    for _, place in ipairs(places) do is_known = is_known or place == name end
    if not is_known then
      context:usage(("--description: '{%s}' is none of {description}, {name}, {ticket}%s"):format(name,
        nearest.question(name, places)))
    end
  end
  if has_place(text, "ticket") and not context.args.ticket then
    context:usage "--description speaks of a {ticket}, but there is no --ticket"
  end
end

-- Checks --description. Returns { of = function (facts), needs_facts = whether it contains the connection's own text },
-- or nil. `of` returns a connection's text, or nil and a message if that is too long.
function journal.description(context)
  local args = context.args
  local template = args.description
  if not template then return nil end
  if not utf8.len(template) then context:usage "--description: it is no UTF-8" end
  check_places(context, template)
  local function of(facts)
    local text = description.fill(template, { description = facts.description or "", name = facts.name or "",
      ticket = args.ticket })
    local excess = text ~= template and description.excess(text)
    if excess then return nil, "--description, filled in, is " .. excess end
    return text
  end
  local text, why = of {}
  if not text then context:usage(why) end
  return { of = of, needs_facts = has_place(template, "description") }
end

-- Returns the command line, to be pasted into a shell. It has no secret, since options only name files with secrets. A
-- journal that the environment names is added.
local function command_line(context, path)
  local words, is_named = { "azpec", context.verb }, false
  for _, word in ipairs(context.words) do
    words[#words + 1] = shell(word)
    is_named = is_named or word == path or word:sub(-#path - 1) == "=" .. path
  end
  if not is_named then table.insert(words, 1, "AZPEC_JOURNAL=" .. shell(path)) end
  return table.concat(words, " ")
end

-- Returns the journal of a run, shared by all its clients; nil without --journal. Refuses a --ticket that would not be
-- recorded. context.has_description: the verb has --description. subject: the run's task, a string or a table of the
-- options that define it.
function journal.open(context, subject)
  local args = context.args
  local path = journal.path(args)
  if not path then
    if args.ticket and not (has_place(args.description, "ticket") or context.ticket_has_place) then
      context:usage("--ticket needs a place: --journal FILE" .. (context.has_description
        and ", or {ticket} in --description" or ""))
    end
    return nil
  end
  if not context.journal then
    local digest = subject and require "azpec.sha256".hex(context.verb .. "\n" .. json.encode(subject)) or nil
    context.journal = require "azpec.journal".open(path, { ticket = args.ticket, subject = digest,
      command = digest and command_line(context, path) })
  end
  return context.journal
end

-- Tells of writes that another command has begun and whose end is not recorded.
local function tell_elsewhere(context, lines)
  if #lines == 1 then
    context:note("azpec: line %d of the journal is unfinished; repeat its command, unless it is still running",
      lines[1])
  elseif #lines > 1 then
    context:note("azpec: %d lines of the journal are unfinished, the first is line %d; repeat their commands, unless "
      .. "they are still running", #lines, lines[1])
  end
end

-- Returns whether a dry run would make the journal.
local function is_unmade(context)
  local path = journal.path(context.args)
  return context.args.dry_run and path and not is_there(path)
end

-- Returns the operations that an interrupted run of the same subject has begun, as items of azpec.run: a run carries
-- them out first, and a dry run shows them. Ends the verb if the journal cannot be used, or was changed. Every verb
-- that may write calls this first; subject: nil for one that continues what its input names. wanted (or nil): items
-- that another command may have begun.
function journal.unfinished(context, subject, wanted)
  local file = journal.open(context, subject)
  if not file or is_unmade(context) then return {} end
  local items, err = file[subject and "unfinished" or "check_lines"](file, wanted)
  if not items then context:fail(context.exit_code(err), err.message, err.hint) end
  if not subject then return {} end
  tell_elsewhere(context, file.open_elsewhere)
  return items
end

-- Returns the begun items first, then those of the others that are not among them.
function journal.join(unfinished, items)
  local known = {}
  for _, item in ipairs(unfinished) do known[item.id:lower()] = true end
  for _, item in ipairs(items) do
    if not known[item.id:lower()] then unfinished[#unfinished + 1] = item end
  end
  return unfinished
end

-- Returns a client with these fields. With a journal its writes are recorded, with the reasons that
-- context:because was given.
function journal.client(context, fields)
  local file = journal.open(context)
  if not file then return require "azpec".client(fields) end
  return require "azpec.journal".client(fields, file, { verb = context.verb, about = function (id)
    return context.reasons[id:lower()]
  end })
end

return journal
