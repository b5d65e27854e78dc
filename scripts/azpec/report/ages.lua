-- The section with the ages of the connections, by status.

local figures = require "azpec.report.figures"
local html = require "azpec.report.html"
local parts = require "azpec.report.parts"

local fill = html.fill
local first_version = require "azpec.ages".since

local ages = { id = "ages", title = "Ages" }

local columns = { { "Since creation" }, { "" } }
for _, status in ipairs(figures.statuses) do columns[#columns + 1] = { status[1], class = "n" } end
columns[#columns + 1] = { "All", class = "n" }

local function row_of(class, most)
  local counts = class.counts
  return fill('<tr><th scope="row">{title}</th><td class="chart">{bar}</td>{cells}{total}</tr>', {
    title = class.title, bar = parts.bar(counts, most), total = parts.number_cell(counts.total),
    cells = html.each(figures.statuses, function (status)
      return parts.number_cell(counts[status[2]], status[2])
    end) })
end

function ages.render(data, found)
  local most = 0
  for _, class in ipairs(found.ages) do most = math.max(most, class.counts.total) end
  local note = "Counted from the creation of the connection to " .. parts.words(data.made_at)
    .. "."
  if found.ages_unknown > 0 then
    note = note .. " " .. html.count(found.ages_unknown, "connection")
      .. (found.ages_unknown == 1 and " has" or " have") .. " no creation time: api-version "
      .. first_version .. " and later report it."
  end
  return parts.section(ages.id, ages.title, note, parts.table("age-table", "Connections by age and status", columns,
    html.each(found.ages, function (class) return row_of(class, most) end), "bars"))
end

return ages
