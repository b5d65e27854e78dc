-- azpec report: writes an HTML page about the connections of a scope, for operators and auditors.

local ages = require "azpec.ages"
local batch = require "azpec.cli.batch"
local convert = require "azpec.cli.convert"
local date = require "azpec.date"
local failure = require "azpec.cli.error"
local files = require "azpec.cli.files"
local fleet = require "azpec.fleet"
local ids = require "azpec.resource_id"
local journal = require "azpec.journal"
local recorded = require "azpec.cli.journal"
local report = require "azpec.report"
local rows = require "azpec.cli.rows"
local text = require "azpec.text"
local verified = require "azpec.cli.verified"

local no_such_file = 2 -- ENOENT

local function define(command)
  command:group("What",
    files.streamed(files.written(command:option("--out", "file to write, - for stdout"):argname "FILE":count(1)
      :convert(convert.given))),
    command:option("--rules", "show the decisions of this file of rules, and approved connections that no rule would "
      .. "approve"):argname "FILE":convert(convert.given),
    batch.enrich_option(command),
    command:option("--journal", "verify and show this journal (AZPEC_JOURNAL)"):target "shown_journal":argname "FILE"
      :convert(convert.given),
    command:option("--anchor", "with --journal: the anchor that an earlier `azpec journal verify` printed")
      :argname "ANCHOR":convert(convert.anchor))
end

-- ---- reading -------------------------------------------------------------------------------------------------------

-- Returns whether there is no such file. AZPEC_JOURNAL names a file that the first write will make.
local function is_missing(path)
  local handle <close>, _, code = require "azpec.file".open_to_read(path)
  return not handle and code == no_such_file
end

local function read_journal(context)
  local given, anchor = context.args.shown_journal, context.args.anchor
  local path = given or recorded.path {}
  if anchor and not path then context:usage "--anchor goes with --journal" end
  if not path then return nil end
  if not given and not anchor and is_missing(path) then
    context:note("azpec: there is no journal %s yet (AZPEC_JOURNAL); the report has none", path)
    return nil
  end
  local records, found = journal.read(path, anchor)
  if not records then context:fail(failure.codes.other, found) end
  return { file = path, report = found, writes = journal.writes(records), anchor = anchor }
end

-- Records the decision on a connection, and the finding on one that is approved.
local function judge(context, set, rules, connection)
  rules.decisions[connection.id] = batch.decision(context, set, connection)
  rules.outside[connection.id] = batch.finding(context, set, connection)
end

-- Reads the accounts of the scope and their connections, and asks the rules, if there are any.
local function read_accounts(context, client, set)
  local accounts, list, seen = {}, {}, {}
  local rules = set and { file = context.args.rules, sha256 = set.sha256, names = set:names(), decisions = {},
    outside = {} }
  for place, connections in context:accounts(client) do
    if connections then accounts[#accounts + 1] = place.id end
    for _, connection in ipairs(connections or {}) do
      if not seen[connection.id:lower()] then
        seen[connection.id:lower()], list[#list + 1] = true, connection
        if rules then judge(context, set, rules, connection) end
      end
    end
  end
  context:tell_unread()
  return accounts, list, rules
end

-- Lists the accounts and subscriptions that could not be read.
local function unreadable(context)
  local list = {}
  for n, place in ipairs(context.incomplete) do
    local err = context.unread[place.id:lower()]
    list[n] = { id = place.id, kind = err.kind, code = err.code, message = err.message }
  end
  return list
end

-- ---- the outcome ---------------------------------------------------------------------------------------------------

-- Describes the scope.
local function scope_of(context, client)
  local args = context.args
  if args.id then return args.id end
  local parts = {}
  if args.account then parts[1] = "account " .. args.account end
  if args.resource_group then parts[#parts + 1] = "resource group " .. args.resource_group end
  local subscriptions = args.subscription or {}
  if args.all_subscriptions then
    parts[#parts + 1] = "all subscriptions"
  else
    if #subscriptions == 0 then subscriptions = { client:settings().subscription_id } end
    parts[#parts + 1] = (#subscriptions == 1 and "subscription " or "subscriptions ")
      .. table.concat(subscriptions, ", ")
  end
  return table.concat(parts, ", ")
end

-- Lists the subscriptions that were looked in.
local function subscriptions_of(context, client)
  local args = context.args
  if args.all_subscriptions then return fleet.subscriptions(client, args.timeout) end
  local place = args.id and ids.parse(args.id)
  if place then return { place.subscription_id } end
  local given = context:subscriptions()
  return #given > 0 and given or { client:settings().subscription_id }
end

-- "b1e0c6a4-... (application, tenant 8d5d7f62-...)"
local function identity_of(client)
  local identity = client:identity()
  local who = identity and journal.who(identity)
  local name, about = journal.name_of(who), {}
  if not name then return nil end
  if who.idtyp == "app" then about[1] = "application" end
  if who.tid then about[#about + 1] = "tenant " .. who.tid end
  return #about > 0 and ("%s (%s)"):format(name, table.concat(about, ", ")) or name
end

local columns = rows.with({ { "FILE", "file" }, { "ACCOUNTS", "accounts" }, { "CONNECTIONS", "connections" },
  { "PENDING", "pending" }, { "OUTSIDE THE RULES", "outside", optional = true },
  { "NOT IN THE JOURNAL", "unrecorded", optional = true }, { "UNREADABLE", "unreadable" },
  { "UNREADABLE SUBSCRIPTIONS", "unreadable_subscriptions", optional = true, no_zero = true },
  { "GONE", "gone", extra = true }, { "JOURNAL OK", "journal_ok", optional = true },
  { "JOURNAL UNFINISHED", "journal_unfinished", optional = true, no_zero = true } },
  "approved disconnected made_at other rejected")

local function words(row)
  return ("%s: %s of %s, %d pending%s%s"):format(text.clean(row.file), text.count(row.connections, "connection"),
    text.count(row.accounts, "account"), row.pending,
    row.outside and (", %d outside the rules"):format(row.outside) or "",
    row.unrecorded and (", %d not in the journal"):format(row.unrecorded) or "")
    .. (row.unreadable > 0 and ("; %s could not be read"):format(text.count(row.unreadable, "account")) or "")
    .. ((row.unreadable_subscriptions or 0) > 0 and ("; %s could not be read"):format(
      text.count(row.unreadable_subscriptions, "subscription")) or "")
end

local function tell(context, data, counts)
  local out = context:output { title = "reports", line = words }
  local found = data.journal and data.journal.report
  local row = { file = context.args.out, made_at = date.stamp(data.made_at), gone = #data.gone }
  counts.outside, counts.unrecorded = data.rules and counts.outside or nil, data.journal and counts.unrecorded or nil
  context:add_totals(counts)
  for name, number in pairs(context.envelope.totals) do row[name] = number end
  if found then
    row.journal = verified.facts(data.journal.file, found)
    row.journal_unfinished = #found.unfinished
    row.journal_ok = found.ok and row.journal_unfinished == 0
  end
  out:row(row)
  out:close()
end

-- Notes that the journal may be another one: no write of it is of the accounts of the report.
local function note_foreign(context, data)
  local known = {}
  for _, id in ipairs(data.accounts) do known[id:lower()] = true end
  for _, write in ipairs(data.journal.writes) do
    if known[(ids.account_of(write.connection) or ""):lower()] then return end
  end
  if #data.journal.writes > 0 then context:note "azpec: no write of the journal is of the accounts of this report" end
end

-- ---- the verb ------------------------------------------------------------------------------------------------------

local function check_journal(context, data)
  local found = data.journal and data.journal.report
  if found then
    if found.lines == 0 then context:note("azpec: the journal is empty, so there is nothing to verify") end
    verified.tell_notable(context, found, data.journal.file)
    verified.check_damage(context, found)
  end
end

local function make(context)
  local args = context.args
  batch.check_place(context, report.is_one)
  local set = args.rules and batch.rules(context, true) or nil
  if not set and args.enrich then context:usage "--enrich goes with --rules" end
  args.api_version = args.api_version or ages.since
  local data = { journal = read_journal(context) }
  local client = context:client()
  data.accounts, data.connections, data.rules = read_accounts(context, client, set)
  data.made_at, data.made_by = math.floor(context:now()), require "azpec"._VERSION
  data.endpoint, data.api_version = client:settings().endpoint, args.api_version
  data.scope, data.identity, data.unreadable = scope_of(context, client), identity_of(client), unreadable(context)
  data.gone, data.accounts_from = context.gone, context.accounts_from
  data.subscriptions = subscriptions_of(context, client)
  if data.journal then note_foreign(context, data) end
  local page, counts = report.render(data)
  batch.save(context, page, report.is_one)
  if args.out ~= "-" then tell(context, data, counts) end
  check_journal(context, data)
end

return {
  columns = columns,
  takes_source = true,
  summary = "write an HTML page about all connections, for operators and auditors",
  examples = {
    "azpec report --out report.html                                             # the whole subscription",
    "azpec report --subscription ID1 --subscription ID2 --rules rules.lua --journal journal.jsonl --out report.html",
    "azpec report --journal journal.jsonl --anchor 12:5c2e... --out report.html   # also finds a truncated journal",
  },
  description = [[
The page is a single file that loads nothing: accounts, consumers, ages, all connections, decisions of the rules, and
the journal with its verification. It names accounts that could not be read; the exit code is then 12. The exit code is
1 if the journal was changed. The file has the mode 0600. `azpec journal show --since 30d -o csv` has the writes of a
period.]],
  define = define,
  run = make,
}
