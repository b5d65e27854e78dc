-- Markup for azpec.report. Every text is escaped unless this module made it, so no text of the service, of a rule or of
-- a journal becomes an element or an attribute.
--
--   local fill, join = html.fill, html.join
--   fill('<td title="{id}">{name}</td>', { id = id, name = name })    -- markup
--
-- Text between tags that is not ASCII is isolated (<bdi>, HTML Standard section 4.5.25), so that text written from
-- right to left does not reorder its neighbours. Control and hidden characters become "?" (azpec.text).

local text_of = require "azpec.text"

local html = {}

local markup = { __name = "azpec.report.markup" }

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- The first test is for speed: most texts are names without special characters.
local function escape(value)
  value = tostring(value)
  if not value:find "[^%w ._/()-]" then return value end
  return (text_of.clean_lines(value:gsub("\r\n", "\n")):gsub("[&<>\"']", entities))
end

-- Returns markup from a source that needs no escaping. Never pass text of others.
function html.trusted(source)
  return setmetatable({ source = source }, markup)
end

local function in_text(value)
  local escaped = escape(value)
  return escaped:find "[\128-\255]" and "<bdi>" .. escaped .. "</bdi>" or escaped
end

-- Returns markup from a template. {name} stands for a value: markup, text that is escaped, or nil for nothing. A place
-- directly behind a straight quotation mark belongs to an attribute.
function html.fill(template, values)
  return html.trusted((template:gsub('(.?){([%w_]+)}', function (before, name)
    local value = values[name]
    if value == nil then return before end
    if getmetatable(value) == markup then return before .. value.source end
    return before .. (before == '"' and escape or in_text)(value)
  end)))
end

-- Joins pieces of markup.
function html.join(pieces, separator)
  local sources = {}
  for n, piece in ipairs(pieces) do sources[n] = piece.source end
  return html.trusted(table.concat(sources, separator or "\n"))
end

-- Joins the markup that make(item, number) returns for each item.
function html.each(list, make)
  local pieces = {}
  for n, item in ipairs(list) do pieces[n] = make(item, n) end
  return html.join(pieces)
end

-- Formats an integer with commas between thousands.
function html.number(number)
  local digits = ("%d"):format(number)
  return (digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

-- Formats a number with its noun: "1 connection", "5,000 connections". plural: default: noun .. "s".
function html.count(number, noun, plural)
  return ("%s %s"):format(html.number(number), number == 1 and noun or plural or noun .. "s")
end

return html
