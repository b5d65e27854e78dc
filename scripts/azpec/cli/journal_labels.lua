-- The writes that --ticket and --change-reference of azpec journal choose.

local nearest = require "azpec.nearest"

local labels = {}

local nouns = { ticket = "ticket", change_reference = "change" }

-- Ends the verb if no write of the journal has the ticket, or the change reference, that an option names.
function labels.check(context, writes)
  for _, member in ipairs { "ticket", "change_reference" } do
    local wanted, names, known = context.args[member], {}, {}
    for _, write in ipairs(wanted and writes or {}) do
      for _, name in ipairs { write[member] or false, write["finished_" .. member] } do
        if name and not known[name] then known[name], names[#names + 1] = true, name end
      end
    end
    if wanted and not known[wanted] then
      context:fail(context.codes.not_found, ("the journal knows no %s '%s'%s"):format(nouns[member], wanted,
        nearest.question(wanted, names)))
    end
  end
end

-- Returns whether a write has the ticket and the change reference of the options.
function labels.match(write, args)
  return (not args.ticket or write.ticket == args.ticket or write.finished_ticket == args.ticket)
    and (not args.change_reference or write.change_reference == args.change_reference)
end

return labels
