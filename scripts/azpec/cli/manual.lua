-- The man pages in roff: azpec(1) from `azpec help --man`, a page for each verb from `azpec help VERB --man`, azpec(7)
-- from `azpec help concepts --man`. All come from the texts of `azpec help`: verbs, their options, and topics.

local page = require "azpec.cli.page"
local parser = require "azpec.cli.parser"
local topics = require "azpec.cli.topics"

-- Characters for which roff has others in mind: a hyphen, quotation marks and accents, of which none can be pasted into
-- a shell. A double quote in a macro's argument would be lost.
local as_typed = { ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ['"'] = "\\(dq", ["`"] = "\\(ga", ["^"] = "\\(ha",
  ["~"] = "\\(ti" }

-- Characters beyond ASCII by their numbers: groff reads UTF-8 only with -k, which no page can ask for.
local function in_ascii(character)
  return ("\\[u%04X]"):format(utf8.codepoint(character))
end

-- Escapes a text, in which no line then begins with a request.
local function escaped(text)
  return (text:gsub("[\\%-'\"`^~]", as_typed):gsub("[\xC2-\xF4][\x80-\xBF]+", in_ascii):gsub("\n%.", "\n\\&.")
    :gsub("^%.", "\\&."))
end

-- A paragraph in lines of at most 80 bytes, as mandoc wants them.
local function filled(text)
  local lines = page.wrapped(escaped(text), 80)
  for n, line in ipairs(lines) do lines[n] = line:gsub("^%.", "\\&.") end
  return table.concat(lines, "\n")
end

local function as_typed_in(lines)
  return (".nf\n%s\n.fi"):format(escaped(lines))
end

local function tagged(label, text)
  return (".TP\n.B %s\n%s"):format(escaped(label), filled(text))
end

local function add_options(out, command)
  for _, group in ipairs(page.groups(command)) do
    out[#out + 1] = (".SS %s"):format(escaped(group.title))
    for _, entry in ipairs(group) do out[#out + 1] = tagged(entry.label, entry.text) end
  end
end

-- The parts of a topic under a heading.
local function add_topic(out, topic)
  out[#out + 1] = ".SH " .. escaped(topic.title:upper())
  for n, part in ipairs(topic) do
    if type(part) == "table" then
      out[#out + 1] = tagged(part[1]:match "%S.*", part[2])
    else
      out[#out + 1] = (n > 1 and ".PP\n" or "") .. filled(part)
    end
  end
end

-- Words are not divided at the ends of lines, so that names can be found and copied.
local function head(title, section, name, summary)
  local azpec = require "azpec"
  return { ('.TH %s %d %s "%s" "User Commands"'):format(title, section, azpec._RELEASED, azpec._VERSION),
    ".nr HY 0\n.ds AD l\n.nh\n.ad l\n.SH NAME", ("%s \\- %s"):format(escaped(name), escaped(summary)) }
end

-- References to other pages: ".BR azpec (1)" and the like.
local function add_see_also(out, ...)
  out[#out + 1] = ".SH SEE ALSO"
  local pages = { ... }
  for n, one in ipairs(pages) do
    out[#out + 1] = (".BR %s%s"):format(escaped(one):gsub("%(", " ("), n < #pages and "," or "")
  end
end

local manual = {}

-- Returns the page of a verb.
function manual.of_verb(name)
  local verb = require("azpec.cli.verbs." .. name)
  local command = parser.of(name, verb)
  local out = head("AZPEC\\-" .. name:upper(), 1, "azpec-" .. name, verb.summary)
  out[#out + 1] = ".SH SYNOPSIS\n.B " .. escaped(page.usage(name, command))
  for n, part in ipairs(page.description(verb)) do
    out[#out + 1] = n == 1 and ".SH DESCRIPTION" or part.begins and ".PP" or nil
    out[#out + 1] = part.is_table and as_typed_in(part.text) or filled(part.text)
  end
  out[#out + 1] = ".SH EXAMPLES\n" .. as_typed_in(table.concat(verb.examples, "\n"))
  out[#out + 1] = ".SH OPTIONS"
  add_options(out, command)
  out[#out + 1] = ".SH EXIT STATUS AND ENVIRONMENT\nAs in\n.BR azpec (1)."
  add_see_also(out, "azpec(1)", "azpec(7)")
  return table.concat(out, "\n") .. "\n"
end

-- Returns the page of the whole command, which refers to those of the verbs.
function manual.of_all()
  local out = head("AZPEC", 1, "azpec", "private endpoint connections of Azure Batch accounts")
  out[#out + 1] = ".SH SYNOPSIS\n.B azpec\n.I VERB\n[\\fIARGUMENT\\fR ...] [\\fIOPTION\\fR ...]"
  out[#out + 1] = ".SH VERBS\nEach has a page of its own."
  for _, name in parser.verbs() do
    out[#out + 1] = (".TP\n.BR azpec\\-%s (1)\n%s"):format(escaped(name),
      filled(require("azpec.cli.verbs." .. name).summary))
  end
  for _, topic in ipairs(topics.reference) do add_topic(out, topic) end
  add_see_also(out, "azpec(7)")
  return table.concat(out, "\n") .. "\n"
end

-- Returns the page of the concepts.
function manual.of_concepts()
  local out = head("AZPEC", 7, "azpec", "concepts of the command azpec: connections, operations, rules, journals")
  for _, topic in ipairs(topics.concepts) do add_topic(out, topic) end
  add_see_also(out, "azpec(1)")
  return table.concat(out, "\n") .. "\n"
end

return manual
