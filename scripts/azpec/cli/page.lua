-- Reads a verb's arguments and options from argparse, in groups: the one source of -h, of the man page, and of the
-- tests that compare both. Lays out the pages of verbs and topics for a terminal.

local page = {}

local function argname(element, default)
  local name = element._argname or default
  return type(name) == "table" and table.concat(name, " ") or name
end

local function label_of(option)
  local label = table.concat(option._public_aliases, ", ")
  return option._maxargs > 0 and label .. " " .. argname(option, "VALUE") or label
end

local function argument_label(argument)
  local label = argname(argument, argument._name:upper())
  if argument._maxargs > 1 then label = label .. " ..." end
  return argument._minargs == 0 and "[" .. label .. "]" or label
end

local function described(option)
  local text = option._description
  if option.variable then text = ("%s (%s)"):format(text, option.variable) end
  return option._default and ("%s (default: %s)"):format(text, option._default) or text
end

local function entries(elements, seen)
  local list = {}
  for _, element in ipairs(elements) do
    if not seen[element] and not element._hidden then
      seen[element] = true
      local is_option = element._public_aliases ~= nil
      list[#list + 1] = { label = is_option and label_of(element) or argument_label(element),
        text = described(element), names = element._public_aliases }
    end
  end
  return list
end

-- Returns a list of { title =, { label =, text =, names = { "-o", "--output" } or nil }, ... } in the order of a page.
function page.groups(command)
  local seen, groups = {}, {}
  local function add(title, elements)
    local group = entries(elements, seen)
    group.title = title
    if #group > 0 then groups[#groups + 1] = group end
  end
  add("Arguments", command._arguments)
  for _, group in ipairs(command._groups) do add(group.name, group) end
  add("More", command._options)
  return groups
end

-- "azpec approve [WHICH ...] [OPTION ...]".
function page.usage(name, command)
  local words = { "azpec", name }
  for _, argument in ipairs(command._arguments) do words[#words + 1] = argument_label(argument) end
  words[#words + 1] = "[OPTION ...]"
  return table.concat(words, " ")
end

-- ---- for the terminal ----------------------------------------------------------------------------------------------

local label_width, page_width = 28, 80

-- Wraps a text into lines of at most so many bytes; default: a page's.
function page.wrapped(text, width)
  local lines, line = {}, ""
  width = width or page_width
  for word in text:gmatch "%S+" do
    if line ~= "" and #line + 1 + #word > width then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

local function add_entry(out, entry)
  local lines = page.wrapped(entry.text, page_width - label_width)
  local first = "  " .. entry.label
  if #entry.label >= label_width - 2 then
    out[#out + 1], first = first, ""
  end
  for n, line in ipairs(lines) do
    out[#out + 1] = (n == 1 and first or ""):gsub("$", (" "):rep(label_width - (n == 1 and #first or 0)), 1) .. line
  end
end

-- Splits a verb's description after its summary. Returns a list of { text =, is_table =, begins = }: paragraphs to
-- fill, and tables, whose lines begin with a space and stay as they are. begins: an empty line is before it.
function page.description(verb)
  local text, parts, last = verb.description or "", {}, nil
  if type(text) == "function" then text = text() end
  for line in text:gmatch "[^\n]*" do
    local is_table = line:find "^ " ~= nil
    if line == "" then
      last = nil
    elseif last and last.is_table == is_table then
      last.text = last.text .. "\n" .. line
    else
      last = { text = line, is_table = is_table, begins = last == nil }
      parts[#parts + 1] = last
    end
  end
  return parts
end

-- Returns the page of a verb: description, examples, usage, options.
function page.help(name, verb, command)
  local out = page.wrapped(("azpec %s: %s"):format(name, verb.summary))
  out[#out + 1] = "\nExamples:"
  for _, example in ipairs(verb.examples) do out[#out + 1] = "  " .. example end
  for _, part in ipairs(page.description(verb)) do
    if part.begins then out[#out + 1] = "" end
    out[#out + 1] = part.is_table and part.text or table.concat(page.wrapped(part.text), "\n")
  end
  out[#out + 1] = "\nUsage: " .. page.usage(name, command)
  for _, group in ipairs(page.groups(command)) do
    out[#out + 1] = "\n" .. group.title .. ":"
    for _, entry in ipairs(group) do add_entry(out, entry) end
  end
  return table.concat(out, "\n") .. "\n"
end

-- ---- topics --------------------------------------------------------------------------------------------------------

local column_width, row_indent = 12, 6

-- Returns the width of the labels, or nil if they are too long for a column.
local function width_of_labels(topic)
  local width = 0
  for _, part in ipairs(topic) do
    if type(part) == "table" then width = math.max(width, #part[1]) end
  end
  return width <= column_width and width or nil
end

-- Adds a row { label, text }. width: of the labels; nil: the text begins on a line of its own.
function page.add_row(out, row, width)
  if not width then out[#out + 1] = row[1] end
  local indent = width and width + 2 or row_indent
  for n, line in ipairs(page.wrapped(row[2], page_width - indent)) do
    local label = width and n == 1 and row[1] or ""
    out[#out + 1] = label .. (" "):rep(indent - #label) .. line
  end
end

-- Returns the page of a topic of azpec.cli.topics.
function page.topic(topic)
  local out, width = { topic.title }, width_of_labels(topic)
  for n, part in ipairs(topic) do
    local is_row = type(part) == "table"
    if not (is_row and type(topic[n - 1]) == "table") then out[#out + 1] = "" end
    if is_row then
      page.add_row(out, part, width)
    else
      out[#out + 1] = table.concat(page.wrapped(part), "\n")
    end
  end
  return table.concat(out, "\n") .. "\n"
end

return page
