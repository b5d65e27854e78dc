-- The section with the journal: its verification, and its writes by time.

local html = require "azpec.report.html"
local journal_of = require "azpec.journal"
local parts = require "azpec.report.parts"
local select = require "azpec.select"

local fill = html.fill

local journal = { id = "journal", title = "Journal" }

-- ---- verification --------------------------------------------------------------------------------------------------

local function anchor_of(report)
  return report.last and ("%d:%s"):format(report.last.seq, report.last.hash) or nil
end

local function problem_table(report)
  return parts.table("problem-table", html.count(#report.problems, "problem"), { { "Line", class = "n" },
    { "Problem" }, { "Details" } }, parts.rows(report.problems, 3, function (problem)
      return fill('<tr><td class="n">{line}</td><td>{kind}</td><td>{message}</td></tr>', { line = problem.line,
        kind = problem.kind, message = problem.message })
    end, "azpec journal verify shows all"))
end

local function notes(report, anchor)
  local list = {}
  local function add(text) list[#list + 1] = fill("<li>{text}</li>", { text = text }) end
  if anchor then
    add(fill("{words} the anchor <code class=\"wrap\">{anchor}</code>.", { anchor = anchor,
      words = report.ok and "The journal contains" or "Compared with" }))
  else
    add("No anchor was given. Without one, lines removed at the end and a journal that was rewritten as a whole are "
      .. "not detected.")
  end
  if anchor_of(report) then
    add(fill('Anchor at this time: <code class="wrap">{anchor}</code>', { anchor = anchor_of(report) }))
  end
  if #report.open > 0 then
    add(html.count(#report.open, "write") .. " without a known result: how they ended is unknown.")
  end
  if report.left_out > 0 then
    add(html.count(report.left_out, "line") .. (report.left_out == 1 and " is not as azpec wrote it"
      or " are not as azpec wrote them") .. ", and left out of the writes below.")
  end
  if #report.repaired > 0 then
    add(html.count(#report.repaired, "line") .. " with a fragment of a write that was cut off (a crash, a full disk).")
  end
  return fill("<ul class=\"notes\">\n{list}\n</ul>", { list = html.join(list) })
end

local function verdict_of(report)
  if report.ok then
    return fill('<p class="notice good"><strong>As it was written.</strong> {lines}, each bound to the one before.</p>',
      { lines = html.count(report.lines, "line") })
  elseif #report.problems == 0 then
    return fill('<p class="notice warn"><strong>Empty.</strong> There is nothing to verify: nothing was recorded, or '
      .. 'all lines were removed.</p>', {})
  end
  return fill('<p class="notice bad"><strong>Not as it was written.</strong> {problems} in {lines}.</p>', {
    problems = html.count(#report.problems, "problem"), lines = html.count(report.lines, "line") })
end

local function verification(source)
  local report = source.report
  return html.join { verdict_of(report), #report.problems > 0 and problem_table(report) or html.trusted "",
    notes(report, source.anchor) }
end

-- ---- writes in time ------------------------------------------------------------------------------------------------

-- The outcomes in the order of the bars, each with the class of its colour.
local outcomes = { { "changed", "approved" }, { "unknown", "pending" }, { "failed", "rejected" },
  { "unchanged", "disconnected" } }

local outcome_class = {}
for _, outcome in ipairs(outcomes) do outcome_class[outcome[1]] = outcome[2] end

local function new_day(title)
  return { title = title, total = 0,
    counts = { approved = 0, disconnected = 0, pending = 0, rejected = 0, other = 0 } }
end

local most_days = 31

-- writes: the newest first. Returns their days in the same order. A last entry sums up the earlier ones.
local function days_of(writes)
  local list, by_date = {}, {}
  for _, write in ipairs(writes) do
    local date = write.at:sub(1, 10)
    local day = by_date[date] or list[most_days + 1]
    if not day then
      day = new_day(#list < most_days and date or "earlier")
      by_date[date], list[#list + 1] = day, day
    end
    local class = outcome_class[write.outcome] or "other"
    day.counts[class], day.total = day.counts[class] + 1, day.total + 1
  end
  return list
end

local function timeline(writes)
  local days, most = days_of(writes), 0
  for _, day in ipairs(days) do most = math.max(most, day.total) end
  local columns = { { "Day (UTC)" }, { "" } }
  for _, outcome in ipairs(outcomes) do columns[#columns + 1] = { outcome[1], class = "n" } end
  return parts.table("day-table", "Writes by day and outcome", columns, html.each(days, function (day)
    return fill('<tr><th scope="row">{title}</th><td class="chart">{bar}</td>{cells}</tr>', { title = day.title,
      bar = parts.bar(day.counts, most), cells = html.each(outcomes, function (outcome)
        return parts.number_cell(day.counts[outcome[2]], outcome[2])
      end) })
  end), "bars")
end

local function change_of(write)
  local before, after = (write.before or {}).status, (write.after or {}).status
  if write.operation == "delete" and write.outcome == "changed" then after = "Deleted" end
  if not after then return fill("{before}", { before = before }) end
  return fill("{before} → {after}", { before = before or "?", after = parts.status(after) })
end

local function why_of(write)
  return fill("{rule}{reason}{error}", { rule = write.rule, reason = parts.small(write.reason),
    error = parts.small((write.error or {}).message) })
end

local function named(name, value)
  return value and parts.small(name .. " " .. value)
end

local function write_of(write)
  local facts = select.facts { id = write.connection }
  return fill([[<tr><td>{time}</td><td>{who}</td><td>{verb}</td><th scope="row">{name}<small>{account}</small></th>]]
    .. [[<td>{change}</td><td>{outcome}</td><td>{why}</td>]]
    .. [[<td>{ticket}{second}{reference}{token}{run}{correlation}</td></tr>]], {
    time = parts.time(write.at), verb = write.verb or write.operation,
    who = fill("{name}{finisher}", { name = journal_of.name_of(write.who),
      finisher = named("finished by", write.finished_by) }),
    name = parts.name(facts), account = facts.account_name, change = change_of(write),
    outcome = fill('<span class="dot {class}">{outcome}</span>', { outcome = write.outcome,
      class = outcome_class[write.outcome] or "other" }),
    why = why_of(write), ticket = write.ticket, run = parts.small(write.run),
    second = named("finished for", write.finished_ticket),
    reference = named("change", write.change_reference), token = named("policy token", write.policy_token_id),
    correlation = parts.small(write.correlation_id) })
end

local most_writes = 2000

-- By the times that are shown: a later run may have recorded the result of an earlier write.
local function newest_first(writes)
  local list, place = {}, {}
  for n, write in ipairs(writes) do list[n], place[write] = write, n end
  table.sort(list, function (a, b)
    if a.at ~= b.at then return a.at > b.at end
    return place[a] > place[b]
  end)
  return list
end

local write_columns = { { "Time (UTC)" }, { "Who" }, { "Verb" }, { "Connection" }, { "Change" }, { "Outcome" },
  { "Rule and reason" }, { "Ticket, change reference, ids of the policy token, run and correlation" } }

function journal.render(data)
  local source = data.journal
  local writes = newest_first(source.writes)
  local body = { verification(source) }
  if #writes > 0 then
    body[2] = timeline(writes)
    local shown = table.move(writes, 1, math.min(#writes, most_writes), 1, {})
    body[3] = parts.records("write-table", html.count(#writes, "write") .. ", the newest first" .. (#shown < #writes
      and ("; the first %s are shown, azpec journal show lists all"):format(html.number(#shown)) or ""),
      write_columns, shown, write_of)
  end
  return parts.section(journal.id, journal.title, nil, html.join(body))
end

function journal.is_wanted(data)
  return data.journal ~= nil
end

return journal
