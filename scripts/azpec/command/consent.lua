-- Consent: more than one write, and any write that removes access, needs a yes (deny by default).
--
-- On a terminal a person is asked, with the counts by account and status and the first names. Elsewhere, in a cron job
-- or a pipeline, nobody can answer: there the command line has to say it, by --yes, or by --max N where the verb has
-- that. A file of rules with --apply, and a plan, say by themselves what is to be done.

local ids = require "azpec.ids"
local select = require "azpec.select"
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"

local consent = {}

local most_accounts, most_names = 10, 3

-- Adds one to what is counted under a name; the names keep the order in which they came.
local function count(counts, name)
  if not counts[name] then counts[#counts + 1], counts[name] = name, 0 end
  counts[name] = counts[name] + 1
end

local function status_of(target)
  return target.connection and select.facts(target.connection).status or "of unknown status"
end

-- "  contosobatch: 7 Pending, 2 Approved" for each account.
local function account_lines(list)
  local accounts, statuses, lines = {}, {}, {}
  for _, target in ipairs(list) do
    local key = (ids.account_of(target.id) or target.id):lower()
    count(accounts, key)
    statuses[key] = statuses[key] or { name = select.facts({ id = target.id }).account_name or target.id }
    count(statuses[key], status_of(target))
  end
  for n, key in ipairs(accounts) do
    if n > most_accounts then break end
    local parts = {}
    for p, status in ipairs(statuses[key]) do parts[p] = ("%d %s"):format(statuses[key][status], status) end
    lines[n] = ("  %s: %s"):format(statuses[key].name, table.concat(parts, ", "))
  end
  if #accounts > most_accounts then
    lines[#lines + 1] = ("  and %s"):format(text.count(#accounts - most_accounts, "more account"))
  end
  return lines
end

local function names_line(list)
  local names = {}
  for n = 1, math.min(#list, most_names) do
    names[n] = select.facts({ id = list[n].id }).name or list[n].id
  end
  local more = #list - #names
  return ("  %s%s"):format(table.concat(names, ", "), more > 0 and (" and %d more"):format(more) or "")
end

local function ask(question)
  terminal.make_room()
  io.stderr:write(question, " [y/N] ")
  io.stderr:flush()
  local signals = require "azpec.command.signals"
  signals.release()
  local answer = io.stdin:read "l"
  signals.hold()
  return answer ~= nil and answer:lower():find "^%s*ye?s?%s*$" ~= nil
end

-- Whether consent has to be given for these targets. removes(target) (or nil): whether its write removes access.
local function is_needed(list, removes)
  if #list > 1 then return true end
  return removes ~= nil and list[1] ~= nil and removes(list[1])
end

-- Ends the verb unless these writes may be made. spec: verb ("Delete"), noun ("connection"), removes (see above),
-- complete(list), which reads what is not known of the targets, a list of { id =, connection = }.
function consent.need(context, list, spec)
  local args = context.args
  if args.yes or #list == 0 then return end
  local is_asked = terminal.is(io.stdin) and terminal.is(io.stderr)
  if args.max and not is_asked then return end
  if spec.complete and (is_asked or #list == 1) then spec.complete(list) end
  if not is_needed(list, spec.removes) then return end
  local what = text.count(#list, spec.noun)
  if not is_asked then
    context:usage(("%s %s: there is no terminal to ask on, so --yes%s is needed; nothing was done"):format(
      spec.verb:lower(), what, spec.has_max and " or --max N" or ""))
  end
  local lines = account_lines(list)
  lines[#lines + 1] = names_line(list)
  for _, line in ipairs(lines) do context:prompt(line) end
  if not ask(("%s %s?"):format(spec.verb, what)) then context:fail(context.codes.other, "nothing was done") end
end

return consent
