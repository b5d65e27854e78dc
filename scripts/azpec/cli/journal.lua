-- --journal and --ticket: records each write of a verb, and continues an interrupted run.

local convert = require "azpec.cli.convert"
local description = require "azpec.description"
local files = require "azpec.cli.files"
local ids = require "azpec.resource_id"
local is_there = require "azpec.file".is_there
local json = require "azpec.json"
local nearest = require "azpec.nearest"

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
      context:usage(("--description: '{%s}' is not one of {description}, {name}, {ticket}%s"):format(name,
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

-- Returns the journal of a run, shared by all its clients; nil without --journal. Refuses a --ticket that would not be
-- recorded. context.has_description: the verb has --description.
function journal.open(context)
  local args = context.args
  local path = journal.path(args)
  if not path then
    if args.ticket and not (has_place(args.description, "ticket") or context.ticket_has_place) then
      context:usage("--ticket needs a place: --journal FILE" .. (context.has_description
        and ", or {ticket} in --description" or ""))
    end
    return nil
  end
  context.journal = context.journal or require "azpec.journal".open(path, { ticket = args.ticket })
  return context.journal
end

-- Tells of writes that another command has begun and whose end is not recorded.
local function tell_elsewhere(context, lines)
  if #lines == 1 then
    context:note("azpec: line %d of the journal is unfinished; repeat its command (azpec journal verify shows it), "
      .. "unless it is still running", lines[1])
  elseif #lines > 1 then
    context:note("azpec: %d lines of the journal are unfinished, the first is line %d; repeat their commands (azpec "
      .. "journal verify shows them), unless they are still running", #lines, lines[1])
  end
end

-- Returns whether a dry run would make the journal.
local function is_unmade(context)
  local path = journal.path(context.args)
  return context.args.dry_run and path and not is_there(path)
end

local function digest_of(context, subject)
  return require "azpec.sha256".hex(context.verb .. "\n" .. json.encode(subject))
end

-- Ends the verb if operations that the same words began are in another subscription than the one it looks in.
local function check_place(context, items, implied)
  for _, item in ipairs(items) do
    local own = (ids.parse(item.id) or {}).subscription_id or ""
    if own:lower() ~= implied:lower() then
      context:fail(context.codes.conflict, ("the journal's unfinished writes are in subscription %s, and this command "
        .. "looks in %s; nothing was done"):format(own, implied), ("to finish them, give --subscription %s; for %s, "
        .. "use another journal"):format(own, implied))
    end
  end
end

-- Reads what is unfinished of a search. The subscription in which it looks is part of its subject; in an older
-- journal, only if the command line named it.
local function unfinished_search(context, file, search, wanted, implied)
  local scope = context:scope()
  local old = digest_of(context, search(scope))
  scope.subscription_ids = implied and { implied } or scope.subscription_ids
  file.subject = digest_of(context, search(scope))
  local items, err = file:unfinished(wanted)
  if not (implied and items and #items == 0 and #file.open_elsewhere > 0) then return items, err end
  local own = file.subject
  file.subject = old
  items, err = file:unfinished(wanted)
  file.subject = own
  check_place(context, items or {}, implied)
  return items, err
end

-- Adds the accounts of the interrupted run to those that lines tell apart, since its rows may come before any listing.
local function know_places(context, items, begun)
  for _, item in ipairs(items) do context.places:add(ids.parse(item.id) or {}) end
  for id in pairs(begun) do context.places:add(ids.parse(id) or {}) end
end

-- Returns the operations that an interrupted run of the same subject has begun, as items of azpec.run: a run carries
-- them out first, and a dry run shows them. Ends the verb if the journal cannot be used, or was changed. Every verb
-- that may write calls this first. subject: the run's task, a string or a table of the options that define it; for a
-- verb that looks in the options' scope, a function of the scope that returns it, and client: the verb's; nil for a
-- verb that continues what its input names. wanted (or nil): items that another command may have begun.
function journal.unfinished(context, subject, wanted, client)
  local file = journal.open(context)
  if not file or is_unmade(context) then return {} end
  local items, err
  if not subject then
    items, err = file:check_lines()
  else
    local implied = client and context:implied_subscription(client)
    file.command = require "azpec.cli.pasted".line(context, file.path, implied)
    if client then
      items, err = unfinished_search(context, file, subject, wanted, implied)
    else
      file.subject = digest_of(context, subject)
      items, err = file:unfinished()
    end
  end
  if not items then context:fail(context.exit_code(err), err.message, err.hint) end
  if subject then
    know_places(context, items, file.begun)
    tell_elsewhere(context, file.open_elsewhere)
  end
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
