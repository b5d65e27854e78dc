-- --audit and --ticket: each write that a verb makes is put down in an audit trail.

local convert = require "azpec.command.convert"
local description = require "azpec.description"

local audited = {}

function audited.define(command)
  command:group("Audit",
    command:option("--audit", "put each write down in this file (AZPEC_AUDIT_FILE)"):argname "FILE"
      :convert(convert.given),
    command:option("--ticket", "number of the ticket, for the audit trail and for {ticket} in --description")
      :argname "TEXT":convert(convert.given))
end

-- The file that the command line or the environment names; nil: none.
function audited.path(args)
  local path = args.audit or os.getenv "AZPEC_AUDIT_FILE"
  return path ~= "" and path or nil
end

local function has_place(text)
  return text and text:find("{ticket}", 1, true)
end

-- The text of --description with the ticket in it.
function audited.description(context)
  local args = context.args
  local text = args.description
  if text and not utf8.len(text) then context:usage "--description: it is no UTF-8" end
  if not has_place(text) then return text end
  if not args.ticket then context:usage "--description speaks of a {ticket}, but there is no --ticket" end
  local whole = description.fill(text, { ticket = args.ticket })
  local excess = description.excess(whole)
  if excess then context:usage("--description, its ticket included, is " .. excess) end
  return whole
end

-- The trail of a run, one for all its clients; nil: none is wanted. A ticket that would be nowhere is refused.
function audited.open(context)
  local args = context.args
  local path = audited.path(args)
  if not path then
    if args.ticket and not (has_place(args.description) or context.ticket_has_place) then
      context:usage "--ticket needs a place: --audit FILE, or {ticket} in --description"
    end
    return nil
  end
  context.trail = context.trail or require "azpec.audit".open(path, { ticket = args.ticket })
  return context.trail
end

-- The client with its writes put down, saying what context:because told of each.
function audited.wrap(context, client)
  return require "azpec.audit".client(client, context.trail, { verb = context.verb, about = function (id)
    return context.reasons[id:lower()]
  end })
end

-- The events of a client go to the trail first, then to whoever else wants them.
function audited.observing(trail, other)
  return function (event)
    trail:observe(event)
    if other then other(event) end
  end
end

return audited
