-- Consent: several writes, and any write that removes access, need a confirmation (deny by default).
--
-- On a terminal the person is asked, with the counts by account and status and the first names. Without a terminal, or
-- with the variable CI, which CI systems set and some of them with a terminal, the command line must confirm: with
-- --yes, or with --max N if the verb has that. --max N confirms no write that removes access, unless the connection is
-- Pending or --status is given: an id means a connection of any status. Rules with --apply, and a plan, need no further
-- confirmation.

local azpec = require "azpec"
local ids = require "azpec.resource_id"
local select = require "azpec.select"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"

local consent = {}

local most_accounts, most_names = 10, 3

-- Adds one to the count of a name. Names keep the order of their first use.
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
  terminal.discard_input()
  io.stderr:write(question, " [y/N] ")
  io.stderr:flush()
  local signals = require "azpec.cli.signals"
  signals.release()
  local answer = io.stdin:read "l"
  signals.hold()
  return answer ~= nil and answer:lower():find "^%s*ye?s?%s*$" ~= nil
end

-- Returns whether these targets need consent. removes(target) (or nil): whether its write removes access.
local function is_needed(list, removes)
  if #list > 1 then return true end
  return removes ~= nil and list[1] ~= nil and removes(list[1])
end

-- Says why nobody can be asked; nil: a person can.
local function unasked()
  if not (terminal.is(io.stdin) and terminal.is(io.stderr)) then return "there is no terminal to ask on" end
  local ci = os.getenv "CI" or ""
  if ci ~= "" and ci ~= "0" and ci:lower() ~= "false" then return "nobody is asked where CI is set" end
end

-- Returns whether --max would select these connections, too: without --status it means Pending ones.
local function max_means(args, list, removes)
  for _, target in ipairs(#args.by_status == 0 and list or {}) do
    local is_known = target.connection ~= nil
    if is_known and status_of(target) ~= "Pending" then return false end
    if not is_known and removes and removes(target) then return false end
  end
  return true
end

-- Ends a verb that is to wait for several connections first if nobody could be asked then.
function consent.need_early(context, spec)
  local args, named = context.args, #context.args.which
  local why = named > 1 and not (args.yes or args.max) and unasked()
  if why then
    context:usage(("%s %s: %s, so --yes is needed; nothing was done"):format(spec.verb:lower(),
      text.count(named, spec.noun), why))
  end
end

-- Says that a status is final, and the way out; nil: it is not.
function consent.final(status)
  local rule = (azpec.transitions[status] or {}).Approved
  return rule and rule.way_out and ("%s is final: %s"):format(status, rule.way_out) or nil
end

-- Ends the verb without consent. spec: verb ("Delete"), noun ("connection"), removes (see above), final (a line that
-- says so, or nil), and complete(list), which reads the missing connections of a list of { id =, connection = }.
function consent.need(context, list, spec)
  local args = context.args
  if args.yes or #list == 0 then return end
  local why = unasked()
  if args.max and why and not spec.removes then return end
  if spec.complete and (not why or args.max or #list == 1) then spec.complete(list) end
  local is_max = spec.has_max and max_means(args, list, spec.removes)
  if not is_needed(list, spec.removes) or args.max and why and is_max then return end
  local what = text.count(#list, spec.noun)
  if why then
    if args.max then why = why .. ", and --max confirms only Pending connections" end
    context:usage(("%s %s: %s, so --yes%s is needed; nothing was done"):format(
      spec.verb:lower(), what, why, is_max and " or --max N" or ""))
  end
  local lines = account_lines(list)
  lines[#lines + 1] = names_line(list)
  lines[#lines + 1] = spec.final and "  " .. spec.final or nil
  for _, line in ipairs(lines) do context:prompt(line) end
  local reference = args.change_reference
  local change = reference and (" under change reference %s"):format(text.clean(reference)) or ""
  if not ask(("%s %s%s?"):format(spec.verb, what, change)) then
    context:fail(context.codes.other, "nothing was done")
  end
end

return consent
