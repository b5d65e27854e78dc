-- The section with the table of all connections. azpec.report.script adds the filter and sorting.

local date = require "azpec.date"
local figures = require "azpec.report.figures"
local html = require "azpec.report.html"
local journal = require "azpec.journal"
local parts = require "azpec.report.parts"
local rules = require "azpec.report.rules"

local fill = html.fill

local connections = { id = "connections", title = "Connections" }

-- ---- the filter ----------------------------------------------------------------------------------------------------

local function status_boxes(found)
  local list = {}
  for _, status in ipairs(figures.statuses) do
    list[#list + 1] = fill('<label><input type="checkbox" name="status" value="{class}"> <span class="dot {class}">'
      .. '{status}</span></label>', { class = status[2], status = status[1] })
  end
  if found.counts.other > 0 then
    list[#list + 1] = fill('<label><input type="checkbox" name="status" value="other"> <span class="dot other">Other'
      .. '</span></label>', {})
  end
  if found.counts.outside > 0 then
    list[#list + 1] = fill('<label><input type="checkbox" name="outside"> <span class="dot outside">Outside the rules'
      .. '</span></label>', {})
  end
  if found.counts.unrecorded > 0 then
    list[#list + 1] = fill('<label><input type="checkbox" name="unrecorded"> <span class="dot outside">Not in the '
      .. 'journal</span></label>', {})
  end
  return html.join(list)
end

local function account_choice(found)
  local by_name = table.move(found.accounts, 1, #found.accounts, 1, {})
  table.sort(by_name, function (a, b)
    if a.name:lower() ~= b.name:lower() then return a.name:lower() < b.name:lower() end
    return a.number < b.number
  end)
  return html.each(by_name, function (account)
    return fill('<option value="{number}">{name}</option>', { number = account.number,
      name = fill('{name} ({group})', { name = account.name, group = account.resource_group_name }) })
  end)
end

local function filter(found)
  return fill([[
<form id="filter" role="search" aria-label="Filter connections" hidden>
<label class="words">Contains <input type="search" name="words" autocomplete="off" spellcheck="false"></label>
<label>Account <select name="account"><option value="">all</option>
{accounts}
</select></label>
<fieldset><legend>Only</legend>
{boxes}
</fieldset>
<button type="reset">Clear</button>
</form>]], { accounts = account_choice(found), boxes = status_boxes(found) })
end

-- ---- the table -----------------------------------------------------------------------------------------------------

local small = parts.small

local row_template = [[<tr data-account="{account_number}" class="{class}"><th scope="row">{name}</th>]]
  .. [[<td>{account}<small>{group}</small></td><td>{status}{state}</td><td class="n" data-value="{age_seconds}">{age}]]
  .. [[{created}</td><td>{endpoint}{consumer}</td><td class="said">{description}</td>{record}{decision}</tr>]]

-- The persons and tickets of a write: of its first line, and of the call that finished it where they differ.
local function people_of(write)
  return fill("{who}{ticket}{finisher}{second}", {
    who = small(journal.name_of(write.who)), ticket = small(write.ticket),
    finisher = small(write.finished_by and "finished by " .. write.finished_by),
    second = small(write.finished_ticket and "finished for " .. write.finished_ticket) })
end

local function status_left(write)
  return write.outcome == "changed" and write.operation == "delete" and "deleted" or (write.after or {}).status
end

-- Returns who changed the connection last and when, as the journal has it.
local function record_of(row)
  local write = row.write
  local mark = row.is_unrecorded and fill('<b class="outside">{words}</b>', {
    words = row.decider and "the end is not known" or "not in the journal" }) or nil
  if not write then return mark or "" end
  if not row.is_recorded then
    local last = status_left(write)
    return fill("{mark}{last}{people}", { mark = mark, people = last and people_of(write),
      last = last and small(("there %s since %s"):format(last, write.at:sub(1, 10))) })
  end
  if not row.decider then
    return fill("{mark}{before}{people}", { mark = mark, people = people_of(write),
      before = small(("%s before a write of %s"):format(row.facts.status, write.at:sub(1, 10))) })
  end
  local day, is_unknown = write.at:sub(1, 10), write.outcome == "unknown" and not mark
  return fill("{mark}{day}{people}{unknown}", { mark = mark, day = mark and small(day) or day,
    people = people_of(write), unknown = is_unknown and small "the end is not known" or nil })
end

local function row_of(row, data)
  local facts = row.facts
  local created = facts.created_at and date.parse(facts.created_at)
  local state = facts.provisioning_state
  return fill(row_template, {
    account_number = row.account.number, class = row.class .. (row.outside and " outside" or "")
      .. (row.is_unrecorded and " unrecorded" or ""),
    name = parts.name(facts), account = row.account.name, group = row.account.resource_group_name,
    status = parts.status(facts.status), state = state ~= "Succeeded" and small(state) or nil,
    age_seconds = row.age and ("%d"):format(row.age // 1) or "", age = figures.age(row.age),
    created = created and small(facts.created_at:sub(1, 10)) or nil,
    endpoint = facts.private_endpoint_name, consumer = small(facts.private_endpoint_subscription),
    description = facts.description and fill("“{text}”", { text = facts.description }) or nil,
    record = data.journal and fill('<td class="recorded">{cell}</td>', { cell = record_of(row) }) or nil,
    decision = data.rules and fill('<td class="ruled">{cell}</td>', { cell = rules.cell(row) }) or nil })
end

local columns = { { "Connection" }, { "Account" }, { "Status" }, { "Age", class = "n" }, { "Private endpoint" },
  { "Description" } }

local function caption(found)
  return fill('{count}, by account and name<output id="shown" aria-live="polite"></output>', {
    count = html.count(#found.rows, "connection") })
end

function connections.render(data, found)
  local shown = table.move(columns, 1, #columns, 1, {})
  if data.journal then shown[#shown + 1] = { "Journal" } end
  if data.rules then shown[#shown + 1] = { "Rules" } end
  return parts.section(connections.id, connections.title, "The description is free text by the requester, or by the "
    .. "person who decided last. It proves nothing.", html.join { filter(found), parts.records("connection-table",
      caption(found), shown, found.rows, function (row) return row_of(row, data) end) })
end

return connections
