-- Texts for people: without what would move a terminal's cursor or command a CI system, and as wide as they look.
--
-- A stranger writes the description of a request, and the service may say anything. `hidden` says which characters are
-- never shown as they are, to people by text.clean and in JSON by azpec.json; `disarm` says what a CI system would take
-- for a command in a log. The formats of azpec.command.output are made of these.

local text = {}

-- In UTF-8: C1 controls; the zero-width space; what turns the direction of writing; line and paragraph separators;
-- invisible operators; the byte order mark; tags.
local hidden = { "\xc2[\x80-\x9f]", "\xd8\x9c", "\xe2\x80[\x8b\x8e\x8f\xa8-\xae]", "\xe2\x81[\xa0-\xaf]",
  "\xef\xbb\xbf", "\xf3\xa0[\x80\x81][\x80-\xbf]" }

-- The text (UTF-8) with each hidden character replaced, as gsub does.
function text.replace_hidden(line, replacement)
  for _, pattern in ipairs(hidden) do line = line:gsub(pattern, replacement) end
  return line
end

-- The text with each byte replaced that belongs to no character in UTF-8; replace(byte) returns what stands for it.
function text.mend(line, replace)
  local parts, from, ok, bad = {}, 1, utf8.len(line)
  while not ok do
    parts[#parts + 1] = line:sub(from, bad - 1) .. replace(line:sub(bad, bad))
    from = bad + 1
    ok, bad = utf8.len(line, from)
  end
  return table.concat(parts) .. line:sub(from)
end

local function question_mark()
  return "?"
end

-- Azure Pipelines and TeamCity find "##vso[" and the like anywhere in a line, GitHub Actions "::name ...::" at its
-- start, behind blanks; a line may be begun by a "%0A" that a system decodes. A blank keeps each from being a command.
local function disarm(line)
  if line:find("##", 1, true) then line = line:gsub("##(%a*%[)", "# #%1") end
  if not line:find "::.*::" then return line end
  line = line:gsub("^([%s\128-\255]*):(:%a)", "%1: %2")
  return (line:gsub("(%%0[ADad][%s\128-\255]*):(:%a)", "%1: %2"))
end

-- One line for people: control characters and hidden ones are shown as a question mark, and so is what is no UTF-8.
function text.clean(value)
  local line = tostring(value)
  if line:find "[^\32-\126]" then
    line = text.mend(line, question_mark)
    line = text.replace_hidden(line:gsub("[%c\127]", "?"), "?")
  end
  return disarm(line)
end

-- The same for several lines.
function text.clean_lines(value)
  return (tostring(value):gsub("[^\n]+", text.clean))
end

-- East Asian wide characters take two columns, combining ones none (Unicode Standard Annex 11, in its main blocks).
local widths = {
  { 0x300, 0x36f, 0 }, { 0x1100, 0x115f, 2 }, { 0x200b, 0x200d, 0 }, { 0x2e80, 0x303e, 2 }, { 0x3041, 0xa4cf, 2 },
  { 0xac00, 0xd7a3, 2 }, { 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 }, { 0xfe30, 0xfe6f, 2 }, { 0xff00, 0xff60, 2 },
  { 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1f64f, 2 }, { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
}

local function width_of(code)
  for _, range in ipairs(widths) do
    if code < range[1] then return 1 end
    if code <= range[2] then return range[3] end
  end
  return 1
end

-- How many columns a cleaned text takes.
function text.width(line)
  if not line:find "[\128-\255]" then return #line end
  local columns = 0
  for _, code in utf8.codes(line) do columns = columns + width_of(code) end
  return columns
end

function text.pad(line, columns)
  return line .. (" "):rep(columns - text.width(line))
end

local escapes = { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r", ["\\"] = "\\\\" }

-- A field of tab-separated values.
function text.field(value)
  return (tostring(value):gsub("[\t\n\r\\]", escapes))
end

-- What a spreadsheet passes over in front of a formula: blanks of every kind, invisible characters, quotes.
local passed_over = { "^[%s%c\"'`]+", "^\xc2\xa0", "^\xe2\x80[\x80-\x8f\xaf]", "^\xe2\x81[\x9f-\xaf]", "^\xe3\x80\x80",
  "^\xef\xbb\xbf" }

-- What begins a formula: = + - @, their full-width and small forms, the minus sign.
local formula_starts = { "^[=+@-]", "^\xef\xbc[\x8b\x8d\x9d\xa0]", "^\xef\xb9[\xa2\xa3\xa6\xab]", "^\xe2\x88\x92" }

local function starts_with_any(value, patterns)
  for _, pattern in ipairs(patterns) do
    local _, last = value:find(pattern)
    if last then return last end
  end
end

-- Whether a spreadsheet might take a cell for a formula.
function text.is_formula(cell)
  if cell:find "^[\t\r\n]" then return true end
  local rest = cell
  repeat
    local last = starts_with_any(rest, passed_over)
    rest = last and rest:sub(last + 1) or rest
  until not last
  return starts_with_any(rest, formula_starts) ~= nil
end

-- A word for the shell, quoted only where it must be.
function text.shell(word)
  if word:find "^[%w_./:=@%%+,-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The parts of a connection's state in words, of which the service may leave out any.
function text.state(...)
  local parts = {}
  for n = 1, select("#", ...) do
    local part = select(n, ...)
    if part and part ~= "" then parts[#parts + 1] = part end
  end
  return #parts > 0 and table.concat(parts, ", ") or "in no known state"
end

-- "1 connection", "2 connections".
function text.count(number, noun)
  return ("%d %s%s"):format(number, noun, number == 1 and "" or "s")
end

return text
