-- Parts that several sections of a report share: tables, times, statuses, bars.

local date = require "azpec.date"
local figures = require "azpec.report.figures"
local html = require "azpec.report.html"
local ids = require "azpec.resource_id"

local fill = html.fill

local parts = {}

-- Returns a section with its heading. note: a text below the heading, or nil.
function parts.section(id, title, note, body)
  return fill([[
<section id="{id}" aria-labelledby="{id}-title">
<h2 id="{id}-title">{title}</h2>
{note}{body}
</section>]], { id = id, title = title, body = body, note = note and fill('<p class="note">{note}</p>\n',
    { note = note }) })
end

-- Returns the cells of a table's head. columns: a list of { title, class }; the class "n" is for numbers.
local function heads(columns)
  return html.each(columns, function (column)
    return fill('<th scope="col" class="{class}">{title}</th>', { title = column[1], class = column.class or "" })
  end)
end

-- Returns a table in a box that scrolls sideways where the table is too wide. The box takes the keyboard's focus.
function parts.table(id, caption, columns, rows, class)
  return fill([[
<div class="scroll" role="region" aria-labelledby="{id}-caption" tabindex="0">
<table id="{id}" class="{class}">
<caption id="{id}-caption">{caption}</caption>
<thead><tr>{columns}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>]], { id = id, caption = caption, class = class or "plain", rows = rows, columns = heads(columns) })
end

-- The rows in a group of a long table. A browser lays out a group only when it comes into view.
local group_size = 50

-- Returns a long table; make(item) returns the row of an item. Narrow screens show each row as a card.
function parts.records(id, caption, columns, list, make)
  local groups = {}
  for first = 1, #list, group_size do
    local rows = table.move(list, first, math.min(first + group_size - 1, #list), 1, {})
    groups[#groups + 1] = fill("<tbody>\n{rows}\n</tbody>", { rows = html.each(rows, make) })
  end
  return fill([[
<table id="{id}" class="records with{count}">
<caption>{caption}</caption>
<thead><tr>{columns}</tr></thead>
{groups}
</table>]], { id = id, caption = caption, count = #columns, groups = html.join(groups), columns = heads(columns) })
end

-- Formats a time in UTC: "2026-11-29 08:00:00 UTC".
function parts.words(seconds)
  return (date.stamp(seconds):gsub("T", " "):gsub("Z$", " UTC"))
end

-- Returns a time in UTC. time: seconds since 1970, or RFC 3339.
function parts.time(time)
  local seconds = type(time) == "number" and time or date.parse(time)
  if not seconds then return fill("{time}", { time = time }) end
  return fill('<time datetime="{stamp}">{words}</time>', { stamp = date.stamp(seconds), words = parts.words(seconds) })
end

-- Returns "1 account and 2 subscriptions" for those that could not be read, and their number.
function parts.places(list)
  local place_ids = {}
  for n, failure in ipairs(list) do place_ids[n] = failure.id end
  return ids.counted(place_ids)
end

-- Returns a second line of a cell, or nil for an empty one.
function parts.small(value)
  return value and value ~= "" and fill("<small>{value}</small>", { value = value }) or nil
end

-- Returns a connection's name in two lines: the base name, and the GUID that the service adds.
function parts.name(facts)
  local base = facts.base_name or "?"
  return fill("{base}{guid}", { base = base, guid = parts.small((facts.name or ""):sub(#base + 1)) })
end

-- Returns a status with its colour and shape.
function parts.status(status)
  return fill('<span class="dot {class}">{status}</span>', { class = figures.class(status),
    status = status or "unknown" })
end

local segments = { "approved", "pending", "rejected", "disconnected", "other" }

-- Returns a bar of counts by status; `most` fills its width. It is hidden from screen readers, since the numbers stand
-- beside it.
function parts.bar(counts, most)
  local at, pieces = 0, {}
  for _, class in ipairs(segments) do
    local width = counts[class] or 0
    if width > 0 then
      pieces[#pieces + 1] = fill('<rect class="{class}" x="{x}" width="{width}" height="1"/>',
        { class = class, x = at, width = width })
      at = at + width
    end
  end
  return fill('<svg class="bar" viewBox="0 0 {most} 1" preserveAspectRatio="none" aria-hidden="true">{rects}</svg>',
    { most = math.max(most, 1), rects = html.join(pieces, "") })
end

-- Returns a cell with a number; zero is faint.
function parts.number_cell(number, class)
  return fill('<td class="n {class}">{number}</td>', { class = number > 0 and class or "",
    number = number > 0 and html.number(number) or fill('<span class="none">0</span>', {}) })
end

-- The longest list of rows in a section; the table of connections has all.
parts.most = 200

-- Returns the rows of a list, and a last row that counts the omitted ones. columns: the number of columns.
function parts.rows(list, columns, make, where)
  local pieces = {}
  for n = 1, math.min(#list, parts.most) do pieces[n] = make(list[n]) end
  if #list > parts.most then
    pieces[#pieces + 1] = fill('<tr><td colspan="{columns}" class="more">{count} more: {where}</td></tr>',
      { columns = columns, count = html.number(#list - parts.most), where = where })
  end
  return html.join(pieces)
end

return parts
