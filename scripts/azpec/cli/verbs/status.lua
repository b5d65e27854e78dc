-- azpec status: one line per account, the most urgent first; with --watch it is drawn again and again.
--
-- The order: accounts that cannot be read, since nothing is known of them; those with approved connections that no rule
-- would approve today (with --rules); those with pending requests, the oldest request first; then the rest, by name.

local ages = require "azpec.ages"
local batch = require "azpec.cli.batch"
local choice = require "azpec.cli.columns"
local convert = require "azpec.cli.convert"
local date = require "azpec.date"
local failure = require "azpec.cli.error"
local fleet = require "azpec.fleet"
local rounds = require "azpec.cli.rounds"
local output = require "azpec.cli.output"
local of_connections = require "azpec.cli.rows"
local select = require "azpec.select"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"
local waiting = require "azpec.cli.waiting"

local age_of, age_order = of_connections.age_of, of_connections.age_order

local every_by_default = 60

-- The notes in a drawing, and the part of its lines that they share: a quarter.
local most_notes, notes_part = 3, 4

-- On a narrow terminal the columns leave in the order of `leaves`.
local columns = of_connections.with({
  { "ACCOUNT", "account_name", whole = true, shown = "place" },
  of_connections.resource_group, of_connections.subscription,
  { "PENDING", "pending" }, { "OLDEST", "oldest", leaves = 1, order = age_order "oldest_at" },
  { "APPROVED", "approved", leaves = 2 }, { "OUTSIDE", "outside", optional = true },
  { "REJECTED", "rejected", leaves = 4 }, { "DISCONNECTED", "disconnected", leaves = 5 },
  { "LAST CHANGE", "last_change", leaves = 3, order = age_order "last_change_at" },
  { "ERROR", "unreadable", optional = true, least = 5 },
  { "OTHER", "other", optional = true, no_zero = true }, { "OLDEST AT", "oldest_at", extra = true },
  { "LAST CHANGE AT", "last_change_at", extra = true }, { "ID", "id", for_programs = true },
}, "connections is_readable kind place")

-- ---- one account ---------------------------------------------------------------------------------------------------

-- Keeps the earlier or the later of two times of RFC 3339.
local function extreme(known, stamp, is_later)
  local time, other = stamp and date.parse(stamp), known and date.parse(known)
  if not time then return known end
  local is_new = not other or (is_later and time > other) or (not is_later and time < other)
  return is_new and stamp or known
end

local function count(row, connection)
  local facts = select.facts(connection)
  local member = of_connections.count(row, facts.status)
  if member == "pending" then row.oldest_at = extreme(row.oldest_at, facts.created_at, false) end
  local system_data = type(connection.systemData) == "table" and connection.systemData or {}
  local changed = type(system_data.lastModifiedAt) == "string" and system_data.lastModifiedAt or facts.created_at
  row.last_change_at = extreme(row.last_change_at, changed, true)
end

local function row_of_place(place)
  return { id = place.id, account_name = place.account_name, kind = place.kind,
    place = not place.account_name and place.id or nil,
    resource_group_name = place.resource_group_name, subscription_id = place.subscription_id }
end

-- The row of an account; set (or nil): the rules.
local function row_of(self, account, connections)
  local context, row = self.context, row_of_place(account)
  for member, number in pairs(of_connections.new_counts()) do row[member] = number end
  row.outside, row.is_readable = self.set and 0 or nil, true
  for _, connection in ipairs(connections) do
    count(row, connection)
    local finding = self.set and batch.finding(context, self.set, connection)
    if finding then row.outside = row.outside + 1 end
  end
  row.oldest, row.last_change = age_of(row.oldest_at, context:now()), age_of(row.last_change_at, context:now())
  return row
end

local function unreadable_row(place, err)
  local row = row_of_place(place)
  row.is_readable, row.unreadable, row.error = false, err.kind, failure.facts(err)
  return row
end

-- ---- all of them ---------------------------------------------------------------------------------------------------

local function rank(row)
  if not row.is_readable then return 1 end
  if (row.outside or 0) > 0 then return 2 end
  return row.pending > 0 and 3 or 4
end

local function is_worse(a, b)
  local x, y = rank(a), rank(b)
  if x ~= y then return x < y end
  if x == 2 and a.outside ~= b.outside then return a.outside > b.outside end
  if x < 4 and a.oldest_at ~= b.oldest_at then
    if not (a.oldest_at and b.oldest_at) then return a.oldest_at ~= nil end
    return date.parse(a.oldest_at) < date.parse(b.oldest_at)
  end
  if x < 4 and a.pending ~= b.pending then return a.pending > b.pending end
  x, y = (a.account_name or ""):lower(), (b.account_name or ""):lower()
  if x ~= y then return x < y end
  return a.id:lower() < b.id:lower()
end

-- Returns whether an account needs somebody: it is not of the last rank.
local function waits(row)
  return rank(row) < 4
end

-- Returns the rows to show: with --waiting only accounts that need somebody.
local function shown_of(self, rows)
  local shown = {}
  for _, row in ipairs(rows) do
    if not self.context.args.waiting or waits(row) then shown[#shown + 1] = row end
  end
  return shown
end

-- Reads all accounts. Returns the rows in order, and their sums.
local function look(self)
  local rows = {}
  for place, connections, err in self.context:accounts(self.reader or self.client) do
    if not (err and err.is_gone) then
      rows[#rows + 1] = err and unreadable_row(place, err) or row_of(self, place, connections)
    end
  end
  table.sort(rows, is_worse)
  return rows
end

-- set (or nil): the rules, outside of which connections are counted.
local function sums_of(rows, set)
  local sums = of_connections.new_counts()
  sums.outside = set and 0 or nil
  local added = {}
  for member in pairs(sums) do added[#added + 1] = member end
  for _, member in ipairs { "accounts", "unreadable", "unreadable_subscriptions", "waiting" } do
    sums[member] = 0
  end
  for _, row in ipairs(rows) do
    if row.is_readable then
      sums.accounts = sums.accounts + 1
      sums.waiting = sums.waiting + (row.pending > 0 and 1 or 0)
      for _, member in ipairs(added) do
        sums[member] = sums[member] + (row[member] or 0)
      end
      sums.oldest_at = row.pending > 0 and extreme(sums.oldest_at, row.oldest_at, false) or sums.oldest_at
    else
      local member = row.kind == "subscription" and "unreadable_subscriptions" or "unreadable"
      sums[member] = sums[member] + 1
    end
  end
  return sums
end

local function number(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- "200 accounts: 34 pending in 12, the oldest for 3d; 2 unreadable"
local function summary(self, rows)
  local sums = sums_of(rows, self.set)
  local line = number(sums.accounts, "account")
  if sums.accounts > 0 then
    line = line .. (sums.pending == 0 and ": nothing is pending"
      or (": %d pending in %d"):format(sums.pending, sums.waiting))
  end
  local oldest = age_of(sums.oldest_at, self.context:now())
  if oldest then line = line .. ", the oldest for " .. oldest end
  if self.set then line = line .. ("; %d approved that no rule would approve today"):format(sums.outside) end
  if sums.unreadable > 0 then line = line .. "; " .. number(sums.unreadable, "account") .. " unreadable" end
  if sums.unreadable_subscriptions > 0 then
    line = line .. "; the accounts of " .. number(sums.unreadable_subscriptions, "subscription") .. " are unknown"
  end
  if not ages.are_told(self.context.args.api_version) then
    line = line .. "; ages are unknown, api-version " .. self.context.args.api_version .. " returns none"
  end
  return line
end

-- ---- again and again -----------------------------------------------------------------------------------------------

-- Adds a sentence in lines of at most so many columns.
local function add_wrapped(lines, sentence, width)
  local line = ""
  for word in sentence:gmatch "%S+" do
    if line ~= "" and text.width(line) + 1 + text.width(word) > width then
      lines[#lines + 1], line = line .. "\n", ""
    end
    line = line == "" and text.shorten(word, width) or line .. " " .. word
  end
  lines[#lines + 1] = line .. "\n"
end

-- Returns the notes of a round, with the first error of what could not be read.
local function notes_of(self)
  local notes, untold = table.move(self.context.notes, 1, #self.context.notes, 1, {}), self.context.untold
  if untold[1] then
    notes[#notes + 1] = failure.lines(untold[1])[1] .. (#untold > 1 and ("; and %d more"):format(#untold - 1) or "")
  end
  return notes
end

-- Adds a sentence in at most so many lines. The middle of a longer one is cut out.
local function add_shortened(lines, sentence, width, most)
  local size, wrapped = width * most
  repeat
    wrapped = {}
    add_wrapped(wrapped, text.shorten(sentence, math.max(2, size)), width)
    size = size - 8
  until #wrapped <= most or size < 2
  table.move(wrapped, 1, most, #lines + 1, lines)
end

-- Adds the first notes, which share so many lines.
local function add_notes(lines, notes, width, most)
  local told = math.min(#notes, most_notes)
  for n = 1, told do add_shortened(lines, text.clean(notes[n]), width, math.max(1, most // told)) end
  if #notes > told then lines[#lines + 1] = ("%d more notes\n"):format(#notes - told) end
end

-- Returns the lines of a drawing that fits into the terminal, and its size: time and sum, notes, and the table's first
-- lines. The time is that of the round that brought the rows. The last row stays free for the line of progress.
local function drawing(self, rows, notes)
  local width, height, lines = terminal.columns() or 80, terminal.rows() or 24, {}
  local most = math.max(1, height - 1)
  add_shortened(lines, ("%s %s"):format(date.stamp(self.read_at), summary(self, rows)), width - 1, most)
  add_notes(lines, notes, width - 1, height // notes_part)
  local shown_rows = shown_of(self, rows)
  if self.sort then self.sort(shown_rows) end
  local rest = #shown_rows > 0 and output.table_lines(self.columns, shown_rows, width - 1, self.is_chosen) or {}
  local room = math.max(0, most - #lines)
  local shown = #rest <= room and #rest or math.max(0, room - 1)
  table.move(rest, 1, shown, #lines + 1, lines)
  if shown < #rest then lines[#lines + 1] = ("%d more\n"):format(#rest - math.max(1, shown)) end
  return table.move(lines, 1, most, 1, {}), ("%dx%d"):format(width, height)
end

-- Draws over the last drawing. If the terminal's size has changed, the screen is cleared, because lines have moved.
local function draw(self, rows, notes)
  local lines, size = drawing(self, rows, notes)
  local back = ""
  if self.drawn then back = self.size == size and ("\27[%dF\27[J"):format(self.drawn) or "\27[H\27[2J" end
  self.drawn, self.size = #lines, size
  terminal.write(back .. table.concat(lines))
  terminal.flush()
end

-- After a temporary error the last drawing stays, with a message. The exit code and the errors at the end are those of
-- the last round.
local function watch_once(self, shown)
  local context = self.context
  context:start_anew()
  local ok, rows = pcall(look, self)
  shown:rests()
  local notes = notes_of(self)
  context.notes = nil
  if not ok and not failure.may_pass(rows) then error(rows, 0) end
  self.failed = not ok and rows or nil
  if not ok and not self.rows then
    return context:note("azpec: %s; trying again in the next round", text.clean(rows.message))
  end
  if ok then
    self.rows, self.read_at = rows, math.floor(context:now())
  else
    notes = { ("the round at %s failed: %s"):format(date.stamp(), rows.message) }
  end
  draw(self, self.rows, notes)
end

local function watch(self)
  local args = self.context.args
  local shown <close> = waiting.new(self.context, args.stop_after)
  local times = rounds.new(self.context, { length = args.stop_after,
    between = args.every or args.interval or every_by_default })
  self.reader = times:reader(self.client)
  self.columns = choice.chosen(self.context, columns)
  self.is_chosen = self.columns ~= nil
  self.columns = self.columns or columns
  self.sort = choice.sorter(self.context, columns)
  while true do
    times:begin()
    watch_once(self, shown)
    local seconds, is_last = times:pause()
    if seconds > 0 then self.client:wait(seconds) end
    if is_last then return self.failed and error(self.failed, 0) end
  end
end

local function check_watch(context)
  local args = context.args
  if not args.watch then
    if args.every or args.stop_after then context:usage "--every and --stop-after go with --watch" end
  elseif args.output ~= "table" or not terminal.can_draw(io.stdout) then
    context:usage("--watch draws on a terminal; without one, run `azpec status -o json` again and again, or "
      .. "`azpec watch`")
  end
end

-- Makes one round, and shows its result.
local function show(self)
  local context = self.context
  local out = context:output { title = "accounts" }
  local rows = look(self)
  context:add_totals(sums_of(rows, self.set))
  for _, row in ipairs(shown_of(self, rows)) do out:row(row) end
  out:close()
  context:note("%s", summary(self, rows))
  self.rows = rows
end

-- ---- the verb ------------------------------------------------------------------------------------------------------

local function run(context)
  local args = context.args
  check_watch(context)
  args.api_version = args.api_version or ages.since
  local self = { context = context, set = args.rules and batch.rules(context, true) }
  context.candidates = { status = not self.set and "Pending" or nil }
  self.client = context:client()
  if args.watch then watch(self) else show(self) end
  local worst = self.rows[1]
  return args.detailed_exitcode and worst and waits(worst) and failure.codes.changes or 0
end

return {
  columns = columns,
  takes_candidates = true,
  summary = "show the pending requests, one line per account, the most urgent accounts first",
  examples = {
    "azpec status --all-subscriptions",
    "azpec status --all-subscriptions --waiting                     # only accounts that need somebody",
    "azpec status --all-subscriptions --candidates-from graph       # reads only accounts with pending requests",
    "azpec status --all-subscriptions --rules rules.lua --watch",
    "azpec status --all-subscriptions -q --detailed-exitcode >/dev/null # 10: there is something to decide",
    "azpec status --all-subscriptions -o json | jq '[.accounts[].pending] | add'",
  },
  description = "OLDEST is the age of the oldest pending request, LAST CHANGE that of the last change to a connection."
    .. "\nOUTSIDE counts approved connections that no rule of --rules would approve today (azpec drift names them).\n"
    .. "Accounts that cannot be read come first; the exit code is then 12.\n\n"
    .. ("%d accounts are read at once; --parallel, which other verbs have, is about writes only. Azure Resource "
    .. "Manager allows 25 reads a second in a subscription. If its counters (x-ms-ratelimit-remaining-*) run low, "
    .. "azpec slows down. After a 429 it waits as long as Retry-After says."):format(fleet.at_once),
  define = function (command)
    command:group("What",
      command:option("--rules", "file of rules, by which approved connections are judged"):argname "FILE"
        :convert(convert.given),
      batch.enrich_option(command),
      command:flag("--waiting", "only accounts that are unreadable, outside the rules, or have pending requests"),
      command:flag("--detailed-exitcode", "10 where an account is outside the rules, or has pending requests"),
      choice.define_sort(command, columns))
    command:group("When",
      command:flag("--watch", "draw it again and again, on a terminal"),
      command:option("--every", "with --watch: time between two rounds (--interval, or 1m)"):argname "TIME"
        :convert(convert.some_seconds),
      command:option("--stop-after", "with --watch: end by itself after that time"):argname "TIME"
        :convert(convert.seconds))
  end,
  run = run,
}
