-- Rows on standard output: for people a table or Markdown, for programs JSON, JSON lines, tab- or comma-separated
-- values.
--
--   local out = output.new("json", { columns = { { "NAME", "name" }, ... }, title = "connections" })
--   out:row { name = ... }     -- a row is a flat table of facts; columns choose from it, JSON carries all of it
--   out:close()                -- only now the table and the JSON envelope are written
--
-- A row that cannot be written (a full disk, a reader that is gone) raises. With lasting = true, for rows that tell of
-- writes at the service, it is only noted: `problem` is the error, `lost` has the rows that did not get out. Whoever
-- carries out begins nothing more then, takes the results of what is under way, and closes the output, which raises.

local json = require "azpec.json"
local terminal = require "azpec.command.terminal"
local text = require "azpec.text"

local output = {}

-- Of the envelope and of the rows in it: a member may be added without a new number, never taken away or changed.
output.schema_version = 1

output.formats = { "table", "json", "jsonl", "tsv", "csv", "md" }

local function value_of(column, row)
  local value = row[column[2]]
  if type(value) == "table" then return table.concat(value, ",") end
  if value == nil then return "" end
  return tostring(value)
end

-- ---- the formats ---------------------------------------------------------------------------------------------------

local formats = {}

local styles = { Approved = "green", Pending = "yellow", Rejected = "red", Disconnected = "red", failed = "red",
  changed = "green" }

local function render_line(cells, widths, plain)
  local parts = {}
  for n, cell in ipairs(cells) do
    local padded = n == #cells and cell or text.pad(cell, widths[n])
    parts[n] = plain and padded or terminal.paint(io.stdout, styles[cell], padded)
  end
  return table.concat(parts, "  "):gsub(" +$", "") .. "\n"
end

-- The columns that some row has something for.
local function used_columns(columns, rows)
  local used = {}
  for _, column in ipairs(columns) do
    local is_used = not column.optional
    for _, row in ipairs(rows) do is_used = is_used or value_of(column, row) ~= "" end
    if is_used and not column.for_programs then used[#used + 1] = column end
  end
  return used
end

formats.table = { row = function (self, row) self.rows[#self.rows + 1] = row end }

function formats.table.close(self)
  if #self.rows == 0 then return end
  local columns, widths, lines = used_columns(self.columns, self.rows), {}, { {} }
  for n, column in ipairs(columns) do
    lines[1][n], widths[n] = column[1], text.width(column[1])
  end
  for r, row in ipairs(self.rows) do
    local cells = {}
    for n, column in ipairs(columns) do
      cells[n] = text.clean(value_of(column, row))
      widths[n] = math.max(widths[n], text.width(cells[n]))
    end
    lines[r + 1] = cells
  end
  for n, cells in ipairs(lines) do terminal.write((render_line(cells, widths, n == 1))) end
end

-- One line for each row at once, in words.
formats.lines = { close = function () end }

function formats.lines.row(self, row)
  local line = self.line(row)
  if line then terminal.write(line .. "\n") end
end

formats.json = { row = formats.table.row }

function formats.json.close(self)
  local parts = {}
  for n, row in ipairs(self.rows) do parts[n] = json.encode(row) end
  local items = #parts == 0 and "[]" or "[\n" .. table.concat(parts, ",\n") .. "\n]"
  terminal.write(('{"schema_version":%d,"%s":%s}\n'):format(output.schema_version, self.title, items))
end

formats.jsonl = { row = function (_, row) terminal.write(json.encode(row) .. "\n") end, close = function () end }

-- What goes to a program goes as it is; on a terminal it moves no cursor.
local function bare_value(column, row)
  local value = value_of(column, row)
  return terminal.is(io.stdout) and text.clean(value) or value
end

formats.tsv = { close = function () end }

function formats.tsv.row(self, row)
  local cells = {}
  for n, column in ipairs(self.columns) do cells[n] = text.field(bare_value(column, row)) end
  terminal.write(table.concat(cells, "\t") .. "\n")
end

-- RFC 4180, with a header; what a spreadsheet would take for a formula is one to nobody.
formats.csv = { close = function () end }

local function csv_line(cells)
  for n, cell in ipairs(cells) do
    if text.is_formula(cell) then cell = "'" .. cell end
    if cell:find '[",;\t\r\n]' then cell = '"' .. cell:gsub('"', '""') .. '"' end
    cells[n] = cell
  end
  return table.concat(cells, ",") .. "\r\n"
end

local function csv_header(self)
  local titles = {}
  for n, column in ipairs(self.columns) do titles[n] = column[2] end
  terminal.write(csv_line(titles))
end

function formats.csv.row(self, row)
  if self.count == 1 then csv_header(self) end
  local cells = {}
  for n, column in ipairs(self.columns) do cells[n] = bare_value(column, row) end
  terminal.write(csv_line(cells))
end

-- A table of GitHub Flavored Markdown.
formats.md = { row = formats.table.row }

local function md_line(cells)
  for n, cell in ipairs(cells) do
    cells[n] = text.clean(cell):gsub("[\\`*_{}%[%]<>#|~]", "\\%0")
  end
  return "| " .. table.concat(cells, " | ") .. " |\n"
end

function formats.md.close(self)
  if #self.rows == 0 then return end
  local columns, titles, rules = used_columns(self.columns, self.rows), {}, {}
  for n, column in ipairs(columns) do titles[n], rules[n] = column[1], "---" end
  terminal.write(md_line(titles) .. "| " .. table.concat(rules, " | ") .. " |\n")
  for _, row in ipairs(self.rows) do
    local cells = {}
    for n, column in ipairs(columns) do cells[n] = value_of(column, row) end
    terminal.write(md_line(cells))
  end
end

-- ---- the object ----------------------------------------------------------------------------------------------------

local methods = {}
methods.__index = methods

local function write_row(self, row)
  self.format.row(self, row)
  if self.live then terminal.flush() end
end

local function note(self, problem, lost)
  if not (self.lasting and terminal.is_write_error(problem)) then error(problem, 0) end
  self.problem = self.problem or problem
  table.move(lost, 1, #lost, #self.lost + 1, self.lost)
end

function methods:row(row)
  self.count = self.count + 1
  local ok, problem = pcall(write_row, self, row)
  if not ok then note(self, problem, { row }) end
end

local function write_rest(self)
  self.format.close(self)
  terminal.flush()
end

-- Writes what was held back, and sees that all of it is out.
function methods:close()
  self.is_closed = true
  local ok, problem = pcall(write_rest, self)
  if not ok then note(self, problem, self.rows) end
  if self.problem then error(self.problem, 0) end
end

-- options: columns, a list of { TITLE, member of the row, optional = true: not where no row has it,
-- for_programs = true: not in tables }; title: of the rows in the JSON envelope; line: a function that words a row,
-- in place of a table (nil: says nothing); live: each row is to be seen at once; lasting: see above.
function output.new(format, options)
  local chosen = formats[format == "table" and options.line and "lines" or format]
  return setmetatable({ format = chosen, columns = options.columns, title = options.title or "items",
    line = options.line, live = options.live, lasting = options.lasting, rows = {}, lost = {}, count = 0 }, methods)
end

return output
