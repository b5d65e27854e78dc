-- The section with the decisions of the rules, and with approved connections that no rule would approve today.

local html = require "azpec.report.html"
local parts = require "azpec.report.parts"
local words = require "azpec.rules".result

local fill = html.fill

local rules = { id = "rules", title = "Rules" }

local function lead(row)
  return fill('<th scope="row">{name}</th><td>{account}</td>', { name = parts.name(row.facts),
    account = row.account.name })
end

local function deciding(decision)
  return fill("<td>{rule}</td><td>{reason}</td>", { reason = decision.reason,
    rule = decision.rule or fill("<em>no rule</em>", {}) })
end

local place = { { "Connection" }, { "Account" } }

local function columns(...)
  return table.move({ ... }, 1, select("#", ...), 3, table.move(place, 1, 2, 1, {}))
end

local function chosen(found, is_wanted)
  local list = {}
  for _, row in ipairs(found.rows) do
    if is_wanted(row) then list[#list + 1] = row end
  end
  return list
end

local where = "filter the table of connections"

local function outside_of(found)
  local list = chosen(found, function (row) return row.outside end)
  if #list == 0 then
    return fill('<h3>Outside the rules</h3>\n<p class="good">A rule would approve each approved connection today.</p>',
      {})
  end
  return fill("<h3>Outside the rules</h3>\n{table}", { table = parts.table("outside-table",
    html.count(#list, "approved connection") .. " that no rule would approve today, with the rule that decides",
    columns({ "Consumer" }, { "Deciding rule" }, { "Reason" }), parts.rows(list, 5, function (row)
      return fill('<tr>{lead}<td><code>{consumer}</code></td>{deciding}</tr>', { lead = lead(row),
        consumer = row.consumer, deciding = deciding(row.outside) })
    end, where)) })
end

local function changes_of(found)
  local list = chosen(found, function (row) return row.decision and row.decision.changes end)
  if #list == 0 then
    return fill('<h3>Changes that the rules would make</h3><p class="note">None.</p>', {})
  end
  return fill("<h3>Changes that the rules would make</h3>\n{table}", { table = parts.table("change-table",
    html.count(#list, "connection") .. " that the rules would change, with the rule that decides",
    columns({ "Now" }, { "Would become" }, { "Deciding rule" }, { "Reason" }), parts.rows(list, 6, function (row)
      return fill("<tr>{lead}<td>{now}</td><td>{next}</td>{deciding}</tr>", { lead = lead(row),
        now = parts.status(row.facts.status), next = parts.status(row.decision.status),
        deciding = deciding(row.decision) })
    end, where)) })
end

-- The kinds of decisions in the order of the columns.
local decided = { { "Would approve", "approve" }, { "Would reject", "reject" }, { "Held", "hold" },
  { "Unchanged", "unchanged" }, { "Ignored", "ignore" } }

local rule_columns = { { "Rule" } }
for _, one in ipairs(decided) do rule_columns[#rule_columns + 1] = { one[1], class = "n" } end

local function by_rule(found)
  return parts.table("rule-table", "Connections by the rule that decides, in the order of the file",
    rule_columns, html.each(found.rules, function (rule)
      return fill('<tr><th scope="row">{name}</th>{cells}</tr>', {
        name = rule.name or fill("<em>no rule matches</em>", {}), cells = html.each(decided, function (one)
          return parts.number_cell(rule.counts[one[2]])
        end) })
    end))
end

local function summary(data, found)
  local counts = found.decided
  return fill([[<p>The rules in <code>{file}</code> would approve <b>{approve}</b>, reject <b>{reject}</b>, hold
<b>{hold}</b>, leave <b>{unchanged}</b> as they are and ignore <b>{ignore}</b>. Nothing was changed for this report.</p>
<p class="note">SHA-256 of the file: <code class="wrap">{sha256}</code></p>]], { file = data.rules.file,
    sha256 = data.rules.sha256,
    approve = html.number(counts.approve), reject = html.number(counts.reject), hold = html.number(counts.hold),
    unchanged = html.number(counts.unchanged), ignore = html.number(counts.ignore) })
end

function rules.render(data, found)
  return parts.section(rules.id, rules.title, nil, html.join { summary(data, found), by_rule(found),
    outside_of(found), changes_of(found) })
end

-- Returns a decision as a cell of the table of connections; "" if no rule concerns the connection.
function rules.cell(row)
  local decision = row.outside or row.decision
  if not decision or decision.action == "ignore" and not decision.rule and not row.outside then return "" end
  local word = row.outside and fill('<b class="outside">outside the rules</b>', {}) or words(decision)
  return fill("{word}<small>{rule}{reason}</small>", { word = word, reason = decision.reason,
    rule = decision.rule and fill("{rule}: ", { rule = decision.rule }) })
end

function rules.is_wanted(data)
  return data.rules ~= nil
end

return rules
