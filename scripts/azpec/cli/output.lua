-- Writes rows to standard output: a table or Markdown for people; JSON, JSON lines, TSV or CSV for programs.
--
--   local out = output.new("json", { columns = { { "NAME", "name" }, ... }, title = "connections" })
--   out:row { name = ... }     -- a row is a flat table of facts; columns choose from it, JSON carries all of it
--   out:close()                -- only now the table and the JSON envelope are written
--
-- On a terminal a table is at most as wide as the terminal: long cells lose their middles. Elsewhere cells are
-- complete.
--
-- out.envelope (or nil): further members of the JSON envelope. out.errors: the errors of connections and places;
-- with any of them the JSON envelope has "complete": false. JSON lines have one row per line; if the rows are not all,
-- the last line is the envelope without rows, so that a file of them says so.
--
-- A row that cannot be written (full disk, closed pipe) raises an error. With lasting = true, for results of writes,
-- the error is kept instead: `problem` is the error, `lost` has the unwritten rows. The verb then begins nothing more,
-- collects the results that are under way, and closes the output, which raises the error.

local json = require "azpec.json"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"

local output = {}

-- The version of the envelope and its rows. New members keep the number; removing or changing one needs a new number.
output.schema_version = 1

output.formats = { "table", "json", "jsonl", "tsv", "csv", "md" }

local function value_of(column, row, is_table)
  local value = is_table and column.shown and row[column.shown] or row[column[2]]
  if type(value) == "table" then return table.concat(value, ",") end
  if value == nil then return "" end
  return tostring(math.type(value) == "float" and math.tointeger(value) or value)
end

-- ---- the formats ---------------------------------------------------------------------------------------------------

local formats = {}

-- Disarms finished lines, not their parts: a command of a CI system may be divided over cells.
local function put(lines)
  terminal.write(text.disarm_lines(lines))
end

local styles = { Approved = "green", Pending = "yellow", Rejected = "red", Disconnected = "red", failed = "red",
  changed = "green" }

local function render_line(cells, widths, plain)
  local parts = {}
  for n, cell in ipairs(cells) do
    local padded = n == #cells and cell or text.pad(cell, widths[n])
    parts[n] = plain and padded or terminal.paint(io.stdout, styles[cell], padded)
  end
  return text.disarm_lines(text.trim_end(table.concat(parts, "  "))) .. "\n"
end

-- Returns whether the column's values differ among rows that are equal in the members of column.apart.
local function tells_apart(column, rows)
  local known = {}
  for _, row in ipairs(rows) do
    local parts = {}
    for n, member in ipairs(column.apart) do parts[n] = tostring(row[member]):lower() end
    local key, value = table.concat(parts, "\n"), value_of(column, row):lower()
    if known[key] and known[key] ~= value then return true end
    known[key] = value
  end
  return false
end

-- Returns the columns for which a row has a value, and those that are needed to tell rows apart.
local function used_columns(columns, rows, is_chosen)
  local used = {}
  for _, column in ipairs(columns) do
    local is_used = is_chosen or not (column.optional or column.extra) or column.apart and tells_apart(column, rows)
    for _, row in ipairs(column.optional and rows or {}) do
      local value = value_of(column, row)
      is_used = is_used or value ~= "" and not (column.no_zero and value == "0")
    end
    if is_used and (is_chosen or not column.for_programs) then used[#used + 1] = column end
  end
  return used
end

local narrowest = 8

local function total(widths)
  local sum = 2 * (#widths - 1)
  for _, width in ipairs(widths) do sum = sum + width end
  return sum
end

-- Returns the narrowest width of a column.
local function least_of(column)
  return math.max(column.least or narrowest, text.width(column[1]))
end

-- How far columns are narrowed, in this order: not those that are to stay whole, and none below its title; none below
-- its title; each to a character.
local floors = {
  function (column) return column.whole and math.huge or least_of(column) end,
  least_of,
  function () return 1 end,
}

-- Narrows the widest columns until the line fits. Removes the last ones if even a character of each does not.
local function fit(widths, columns, room)
  while #widths > 1 and 3 * #widths - 2 > room do widths[#widths] = nil end
  local excess = total(widths) - room
  for _, floor in ipairs(floors) do
    while excess > 0 do
      local widest
      for n, width in ipairs(widths) do
        if width > floor(columns[n]) and (not widest or width > widths[widest]) then widest = n end
      end
      if not widest then break end
      widths[widest], excess = widths[widest] - 1, excess - 1
    end
  end
end

-- Returns the lines' cells, titles first, and the columns' widths.
local function cells_of(columns, rows)
  local widths, lines = {}, { {} }
  for n, column in ipairs(columns) do
    lines[1][n], widths[n] = column[1], text.width(column[1])
  end
  for r, row in ipairs(rows) do
    local cells = {}
    for n, column in ipairs(columns) do
      cells[n] = text.clean(value_of(column, row, true))
      widths[n] = math.max(widths[n], text.width(cells[n]))
    end
    lines[r + 1] = cells
  end
  return lines, widths
end

-- Removes columns until the rest fits, if it can: those with the highest `leaves` first.
local function remove_columns(columns, rows, room)
  local _, natural = cells_of(columns, rows)
  local function width_of(n)
    return columns[n].whole and natural[n] or math.min(natural[n], least_of(columns[n]))
  end
  while room do
    local widths, first = {}, nil
    for n, column in ipairs(columns) do
      widths[n] = width_of(n)
      if column.leaves and (not first or column.leaves > columns[first].leaves) then first = n end
    end
    if total(widths) <= room or not first then return end
    table.remove(columns, first)
    table.remove(natural, first)
  end
end

-- Returns the lines of a table, each with its line end. room: the terminal's columns; nil: no limit. is_chosen: all
-- columns are shown.
function output.table_lines(columns, rows, room, is_chosen)
  columns = used_columns(columns, rows, is_chosen)
  if not is_chosen then remove_columns(columns, rows, room) end
  local lines, widths = cells_of(columns, rows)
  if room then fit(widths, columns, room) end
  for n, cells in ipairs(lines) do
    local shown = {}
    for c, width in ipairs(widths) do shown[c] = text.shorten(cells[c], width) end
    lines[n] = render_line(shown, widths, n == 1)
  end
  return lines
end

formats.table = { row = function (self, row) self.rows[#self.rows + 1] = row end }

function formats.table.close(self)
  if #self.rows == 0 then return end
  local room = terminal.is(io.stdout) and terminal.columns() or nil
  for _, line in ipairs(output.table_lines(self.all_columns, self.rows, room, self.is_chosen)) do
    terminal.write(line)
  end
end

-- Writes one line of words for each row at once.
formats.lines = { close = function () end }

function formats.lines.row(self, row)
  local line = self.line(row)
  if line then put(line .. "\n") end
end

formats.json = { row = formats.table.row }

-- Returns the members of the envelope beside the rows, each behind a comma.
local function envelope_of(self)
  local rest = self.envelope and next(self.envelope) and "," .. json.encode(self.envelope):sub(2, -2) or ""
  return rest .. (#self.errors > 0 and (',"errors":%s'):format(json.encode(json.list(self.errors))) or "")
end

function formats.json.close(self)
  local parts = {}
  for n, row in ipairs(self.rows) do parts[n] = json.encode(row) end
  local items = #parts == 0 and "[]" or "[\n" .. table.concat(parts, ",\n") .. "\n]"
  terminal.write(('{"schema_version":%d,"%s":%s,"complete":%s%s}\n'):format(output.schema_version, self.title, items,
    #self.errors == 0, envelope_of(self)))
end

local mark = '{"schema_version":%d,"complete":false'

formats.jsonl = { row = function (_, row) terminal.write(json.encode(row) .. "\n") end }

function formats.jsonl.close(self)
  if #self.errors > 0 then terminal.write(mark:format(output.schema_version) .. envelope_of(self) .. "}\n") end
end

-- Returns whether a line is the last one of JSON lines that are not all.
function output.is_mark(line)
  return line:find("^" .. mark:gsub("%%d", "%%d+")) ~= nil
end

-- Text for a program is unchanged, except for commands of CI systems, whose log it may reach. On a terminal it has no
-- control characters.
local function bare_value(column, row)
  local value = value_of(column, row)
  return terminal.is(io.stdout) and text.clean(value) or value
end

formats.tsv = { close = function () end }

function formats.tsv.row(self, row)
  local cells = {}
  for n, column in ipairs(self.columns) do cells[n] = text.field(bare_value(column, row)) end
  put(table.concat(cells, "\t") .. "\n")
end

-- CSV by RFC 4180, with a header. A text that a spreadsheet would read as a formula is changed.
formats.csv = { close = function () end }

local function csv_line(cells)
  for n, cell in ipairs(cells) do
    cell = text.no_formula(cell)
    if cell:find '[",;\t\r\n]' then cell = '"' .. cell:gsub('"', '""') .. '"' end
    cells[n] = cell
  end
  return table.concat(cells, ",") .. "\r\n"
end

local function csv_header(self)
  self.has_header = true
  local titles = {}
  for n, column in ipairs(self.columns) do titles[n] = column[2] end
  put(csv_line(titles))
end

function formats.csv.row(self, row)
  if not self.has_header then csv_header(self) end
  local cells = {}
  for n, column in ipairs(self.columns) do cells[n] = bare_value(column, row) end
  put(csv_line(cells))
end

-- A table of GitHub Flavored Markdown.
formats.md = { row = formats.table.row }

local function md_line(cells)
  for n, cell in ipairs(cells) do
    cells[n] = text.clean(cell):gsub("[\\`*_{}%[%]<>#|~&]", "\\%0")
  end
  return "| " .. table.concat(cells, " | ") .. " |\n"
end

function formats.md.close(self)
  if #self.rows == 0 then return end
  local columns, titles, rules = used_columns(self.all_columns, self.rows, self.is_chosen), {}, {}
  for n, column in ipairs(columns) do titles[n], rules[n] = column[1], "---" end
  put(md_line(titles) .. "| " .. table.concat(rules, " | ") .. " |\n")
  for _, row in ipairs(self.rows) do
    local cells = {}
    for n, column in ipairs(columns) do cells[n] = value_of(column, row) end
    put(md_line(cells))
  end
end

local is_json = { [formats.json] = true, [formats.jsonl] = true }

-- ---- the object ----------------------------------------------------------------------------------------------------

local methods = {}
methods.__index = methods

-- With --columns, JSON has only these members too.
local function chosen_members(columns, row)
  local members = {}
  for _, column in ipairs(columns) do members[column[2]] = row[column[2]] end
  return members
end

local function write_row(self, row)
  self.format.row(self, self.is_chosen and is_json[self.format] and chosen_members(self.columns, row) or row)
  if self.live then terminal.flush() end
end

local function note(self, problem, lost)
  if not (self.lasting and terminal.is_write_error(problem)) then error(problem, 0) end
  self.problem = self.problem or problem
  table.move(lost, 1, #lost, #self.lost + 1, self.lost)
end

function methods:row(row)
  if self.hides and not is_json[self.format] and self.hides(row) then return end
  self.count = self.count + 1
  if self.sort then
    self.unsorted[#self.unsorted + 1] = row
    return
  end
  local ok, problem = pcall(write_row, self, row)
  if not ok then note(self, problem, { row }) end
end

local function write_rest(self)
  if self.sort then self.sort(self.unsorted) end
  for _, row in ipairs(self.unsorted) do write_row(self, row) end
  self.format.close(self)
  terminal.flush()
end

-- Writes the rest, and raises an error unless all of it is written.
function methods:close()
  self.is_closed = true
  local ok, problem = pcall(write_rest, self)
  if not ok then note(self, problem, self.rows) end
  if self.problem then error(self.problem, 0) end
end

-- Returns the default columns of formats for programs.
local function usual(columns)
  local list = {}
  for _, column in ipairs(columns) do
    if not column.extra then list[#list + 1] = column end
  end
  return list
end

-- Returns an output. options:
--   columns   list of { TITLE, member of the row, ... }: optional = true, hidden if no row has it; for_programs = true,
--             not in tables; no_zero = true, a 0 counts as nothing; shown = NAME, the member that a table shows if a
--             row
--             has it; extra = true, only if chosen; apart = a list of members, shown in a table if rows that are
--             equal in these differ in the column; leaves = N, hidden if the terminal is too narrow, those with
--             the highest N first; whole = true, narrowed last; least = N, its narrowest width (8); order =
--             function that returns what --sort compares in place of the row's member
--   chosen    the columns to show instead of the default ones
--   title     the name of the rows in the JSON envelope
--   line      function that returns a row in words, in place of a table (nil: no line)
--   hides     function that returns whether only JSON has a row (nil: no row)
--   live      write each row at once
--   sort      function that sorts a list of rows; then all rows are written at the end
--   lasting   see above
function output.new(format, options)
  local chosen = formats[format == "table" and options.line and not options.chosen and "lines" or format]
  return setmetatable({ format = chosen, columns = options.chosen or usual(options.columns or {}),
    all_columns = options.chosen or options.columns or {},
    is_chosen = options.chosen ~= nil, title = options.title or "items",
    line = options.line, hides = options.hides, live = options.live, lasting = options.lasting, rows = {}, lost = {},
    count = 0,
    sort = options.sort, unsorted = {},
    errors = {} }, methods)
end

return output
