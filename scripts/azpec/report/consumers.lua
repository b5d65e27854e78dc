-- The section with the matrix of consumers: the subscriptions of the private endpoints by account. The longer list
-- makes the rows. A last row and a last column sum up the items beyond the limits, so the totals are complete.

local html = require "azpec.report.html"
local parts = require "azpec.report.parts"

local fill = html.fill

local consumers = { id = "consumers", title = "Consumers" }

-- The matrix has so many columns and rows, and so many columns with level titles; the titles of more are upright.
local most_columns, most_rows, most_level = 20, 250, 3

local function consumer_label(consumer)
  if consumer.id == "" then return fill("<em>not reported</em>", {}) end
  return fill('<code>{id}</code>{tag}', { id = consumer.id,
    tag = not consumer.is_own and fill(' <span class="tag">external</span>', {}) or nil })
end

local function account_label(account)
  return fill("{name}", { name = account.name })
end

local function cell_of(consumer, account)
  return consumer.cells[account]
end

-- Returns rows, columns, and cell(row, column). Each side has a list, a noun and a label.
local function sides(found)
  local by_total = table.move(found.accounts, 1, #found.accounts, 1, {})
  table.sort(by_total, function (a, b)
    if a.counts.total ~= b.counts.total then return a.counts.total > b.counts.total end
    return a.number < b.number
  end)
  local of_consumers = { list = found.consumers, noun = "consumer subscription", label = consumer_label }
  local of_accounts = { list = by_total, noun = "account", label = account_label }
  if #of_accounts.list >= #of_consumers.list then
    return of_accounts, of_consumers, function (account, consumer) return cell_of(consumer, account) end
  end
  return of_consumers, of_accounts, cell_of
end

-- Returns a group for each of the first items of a side, and one group for the rest.
local function groups(side, most)
  local list = {}
  for n, item in ipairs(side.list) do
    if n <= most then
      list[n] = { label = side.label(item), item }
    else
      local rest = list[most + 1] or { is_rest = true }
      rest[#rest + 1], list[most + 1] = item, rest
    end
  end
  local rest = list[most + 1]
  if rest then rest.label = fill("<em>{count} more</em>", { count = html.number(#rest) }) end
  return list
end

local function sum(row, column, cell)
  local total, pending = 0, 0
  for _, one in ipairs(row) do
    for _, other in ipairs(column) do
      local counts = cell(one, other)
      if counts then total, pending = total + counts.total, pending + counts.pending end
    end
  end
  return total, pending
end

-- Returns the shade of a cell, from 1 to 4.
local function shade(number)
  return number >= 100 and 4 or number >= 20 and 3 or number >= 5 and 2 or 1
end

local function show(total, pending)
  if total == 0 then return fill("<td></td>", {}) end
  return fill('<td class="n heat{shade}">{total}{pending}</td>', { shade = shade(total), total = html.number(total),
    pending = pending > 0 and fill('<small class="dot pending">{count}</small>', { count = html.number(pending) })
      or nil })
end

local function total_of(group)
  local total = 0
  for _, item in ipairs(group) do total = total + item.counts.total end
  return total
end

local function row_of(row, columns, cell)
  return fill('<tr><th scope="row">{label}</th>{cells}<td class="n sum">{total}</td></tr>', { label = row.label,
    total = html.number(total_of(row)), cells = html.each(columns, function (column)
      return show(sum(row, column, cell))
    end) })
end

local function matrix(rows, columns, cell, caption)
  return fill([[
<div class="scroll tall" role="region" aria-labelledby="matrix-caption" tabindex="0">
<table id="matrix" class="matrix">
<caption id="matrix-caption">{caption}</caption>
<thead><tr><td></td>{heads}<th scope="col" class="n">All</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>]], { caption = caption, heads = html.each(columns, function (column)
      return fill('<th scope="col" class="{class}"><span>{label}</span></th>', { label = column.label,
        class = #columns > most_level and "up" or "n" })
    end), rows = html.each(rows, function (row) return row_of(row, columns, cell) end) })
end

function consumers.render(_, found)
  local down, across, cell = sides(found)
  local rows, columns = groups(down, most_rows), groups(across, most_columns)
  local caption = ("Connections by %s (rows) and %s (columns), the largest first"):format(down.noun,
    across.noun)
  local known, foreign = 0, 0
  for _, consumer in ipairs(found.consumers) do
    if consumer.id ~= "" then known = known + 1 end
    if consumer.id ~= "" and not consumer.is_own then foreign = foreign + 1 end
  end
  return parts.section(consumers.id, consumers.title, html.count(known, "subscription")
    .. (known == 1 and " has" or " have") .. " private endpoints connected to these accounts. External subscriptions, "
    .. html.number(foreign) .. " of them, have none of these accounts. The number beside a circle counts pending "
    .. "connections.", matrix(rows, columns, cell, caption))
end

return consumers
