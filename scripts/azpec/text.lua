-- Makes foreign text safe for terminals, logs, spreadsheets and shells, and measures its width.
--
-- A stranger writes the description of a request, and the service may send any text. `hidden` defines the characters
-- that are never shown unchanged, neither to people (text.clean) nor in JSON (azpec.json). A spreadsheet may pass over
-- them, so text.is_formula does. `disarm` defines the texts that a CI system would execute in a log. azpec.cli.output
-- builds its formats from these.

local text = {}

-- In UTF-8: C1 controls, line and paragraph separators, interlinear annotations, and the default-ignorable characters
-- of Unicode except those of `joining`.
local hidden = {
  "\xc2[\x80-\x9f\xad]", -- C1 controls, soft hyphen
  "\xcd\x8f", -- combining grapheme joiner
  "\xd8\x9c", -- Arabic letter mark
  "\xe1\x85[\x9f\xa0]", -- Hangul fillers
  "\xe1\x9e[\xb4\xb5]", -- Khmer inherent vowels
  "\xe1\xa0\x8e", -- Mongolian vowel separator
  "\xe2\x80[\x8b\x8e\x8f\xa8-\xae]", -- zero-width space, direction marks, separators
  "\xe2\x81[\xa0-\xaf]", -- word joiner, invisible operators, direction marks
  "\xe3\x85\xa4", -- Hangul filler
  "\xef\xbb\xbf", -- byte order mark
  "\xef\xbe\xa0", -- half-width Hangul filler
  "\xef\xbf[\xb0-\xbb]", -- unassigned ones, interlinear annotations
  "\xf0\x9b\xb2[\xa0-\xa3]", -- shorthand format controls
  "\xf0\x9d\x85[\xb3-\xba]", -- musical format controls
  "\xf3\xa0[\x80-\x83\x88-\xbf][\x80-\xbf]", "\xf3\xa0\x87[\xb0-\xbf]", -- tags, unassigned ones
}

-- These are default-ignorable too, but change the form of the letters beside them, so they are shown: joiners and
-- variation selectors.
local joining = { "\xe2\x80[\x8c\x8d]", "\xe1\xa0[\x8b-\x8d\x8f]", "\xef\xb8[\x80-\x8f]",
  "\xf3\xa0[\x84-\x86][\x80-\xbf]", "\xf3\xa0\x87[\x80-\xaf]" }

-- Replaces each hidden character of a UTF-8 text, as gsub does.
function text.replace_hidden(line, replacement)
  if not line:find "[\x80-\xff]" then return line end
  for _, pattern in ipairs(hidden) do line = line:gsub(pattern, replacement) end
  return line
end

-- Replaces each byte that is not part of a UTF-8 character by the result of replace(byte).
function text.mend(line, replace)
  local parts, from, ok, bad = {}, 1, utf8.len(line)
  if ok then return line end
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

-- Returns a text without blanks at its start and end.
function text.trim(value)
  return value:find "^%s*$" and "" or value:match "^%s*(.*%S)"
end

-- Returns a text without blanks at its end.
function text.trim_end(value)
  return value:match "^.*%S" or ""
end

-- Azure Pipelines and TeamCity execute "##vso[" and the like anywhere in a line; GitHub Actions executes "::name ...::"
-- at its start, after blanks. A system may decode "%0A" to a new line. An added blank prevents each.
local function disarm(line)
  if line:find("##", 1, true) then line = line:gsub("##(%a*%[)", "# #%1") end
  if not line:find "::.*::" then return line end
  line = line:gsub("^([%s\128-\255]*):(:%a)", "%1: %2")
  return (line:gsub("(%%0[ADad][%s\128-\255]*):(:%a)", "%1: %2"))
end

-- Changes the text so that no line of it is a command of a CI system. A carriage return also starts a line there.
function text.disarm_lines(value)
  return (value:gsub("[^\r\n]+", disarm))
end

-- Returns one line for people: control characters, hidden characters and invalid UTF-8 become question marks.
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

-- Returns whether a text contains control characters, hidden characters or invalid UTF-8.
function text.has_control(value)
  return not utf8.len(value) or text.replace_hidden(value, "\0"):find "%c" ~= nil
end

-- East Asian wide characters take two columns, combining characters none (the main blocks of Unicode Annex 11).
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

-- Returns the width of a cleaned text in columns.
function text.width(line)
  if not line:find "[\128-\255]" then return #line end
  local columns = 0
  for _, code in utf8.codes(line) do columns = columns + width_of(code) end
  return columns
end

function text.pad(line, columns)
  return line .. (" "):rep(columns - text.width(line))
end

-- Returns the first characters of a text, at most so many columns wide.
local function beginning(codes, columns)
  local parts, taken = {}, 0
  for n, code in ipairs(codes) do
    taken = taken + width_of(code)
    if taken > columns then break end
    parts[n] = utf8.char(code)
  end
  return parts
end

local function reversed(list)
  local other = {}
  for n, item in ipairs(list) do other[#list + 1 - n] = item end
  return other
end

-- Shortens a cleaned text to so many columns (at least 2). The middle is cut out, because names often differ at their
-- beginnings and ends.
function text.shorten(line, columns)
  if text.width(line) <= columns then return line end
  local codes = {}
  for _, code in utf8.codes(line) do codes[#codes + 1] = code end
  local head = beginning(codes, columns // 2)
  local tail = reversed(beginning(reversed(codes), (columns - 1) // 2))
  return table.concat(head) .. "…" .. table.concat(tail)
end

local escapes = { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r", ["\\"] = "\\\\" }

-- A field of tab-separated values.
function text.field(value)
  return (tostring(value):gsub("[\t\n\r\\]", escapes))
end

-- The characters that a spreadsheet skips before a formula are quotes, all kinds of blanks, and invisible characters.
local blanks = { "[%s%c\"'`]+", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80[\x80-\x8a\xaf]", "\xe2\x81\x9f", "\xe2\xa0\x80",
  "\xe3\x80\x80" }
local passed_over = { blanks, joining, hidden }

-- The characters that start a formula: = + - @, their full-width and small forms, the minus sign.
local formula_starts = { "^[=+@-]", "^\xef\xbc[\x8b\x8d\x9d\xa0]", "^\xef\xb9[\xa2\xa3\xa6\xab]", "^\xe2\x88\x92" }

-- Returns the beginning of a text without the characters that are passed over: at least its first other character.
local function first_shown(cell)
  local head, after = cell:match "^([%s%c\"'`\x80-\xff]*)()"
  for _, patterns in ipairs(passed_over) do
    for _, pattern in ipairs(patterns) do head = head:gsub(pattern, "") end
  end
  return head .. cell:sub(after, after)
end

-- Returns whether a spreadsheet may read a text as a formula.
function text.is_formula(cell)
  if cell:find "^[\t\r\n]" then return true end
  local shown = first_shown(cell)
  for _, pattern in ipairs(formula_starts) do
    if shown:find(pattern) then return true end
  end
  return false
end

-- Returns a cell that is not a formula. This includes the text after a character that may end a cell or a row: if the
-- list separator is ";" or a tab, quotes do not keep such a cell together.
function text.no_formula(cell)
  if text.is_formula(cell) then cell = "'" .. cell end
  return (cell:gsub("([;\t\r\n])([^;\t\r\n]+)", function (sign, part)
    return text.is_formula(part) and sign .. "'" .. part or nil
  end))
end

local function octal(char)
  return ("\\0%03o"):format(char:byte())
end

-- Quotes a word for the shell, if needed. Characters that a terminal or a CI system would interpret become octal
-- escapes of printf.
function text.shell(word)
  if text.clean(word) ~= word then return ([["$(printf %%b '%s')"]]):format(word:gsub("[^%w ._/=-]", octal)) end
  if word:find "^[%w_./:=@%%+,-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Describes a connection's state; the service may leave out any part.
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
