-- Texts for people: without what would move a terminal's cursor, and as wide as they look.

local text = {}

-- A stranger writes the description of his request: control characters, C1 ones and those that turn the direction of
-- writing are shown as a question mark, and so is what is no UTF-8.
function text.clean(value)
  local line = tostring(value)
  if not line:find "[^\32-\126]" then return line end
  if not utf8.len(line) then line = line:gsub("[\128-\255]", "?") end
  line = line:gsub("[%c\127]", "?"):gsub("\xc2[\x80-\x9f]", "?")
  return (line:gsub("\xe2\x80[\x8e\x8f\xaa-\xae]", "?"):gsub("\xe2\x81[\xa6-\xa9]", "?"))
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
