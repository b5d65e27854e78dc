-- The head of a report: its origin, notices about missing or unexpected things, and totals.

local figures = require "azpec.report.figures"
local html = require "azpec.report.html"
local parts = require "azpec.report.parts"

local fill = html.fill

local head = {}

local function fact(name, value)
  return value and fill("<div><dt>{name}</dt><dd>{value}</dd></div>", { name = name, value = value })
end

local function file_of(source)
  return source and fill("<code>{file}</code>", { file = source.file })
end

-- Returns the journal's name and, if nothing is wrong with it, how much that says.
local function journal_of(source)
  if not (source and source.report.ok) then return file_of(source) end
  return fill("{file}{verdict}", { file = file_of(source), verdict = parts.small(("%s as written, %s"):format(
    html.count(source.report.lines, "line"), source.anchor and "with the given anchor" or "no anchor given")) })
end

local function facts_of(data)
  local list = {}
  local function add(...) list[#list + 1] = fact(...) end
  add("Created", parts.time(data.made_at))
  add("Endpoint", fill("<code>{endpoint}</code>", { endpoint = data.endpoint or "" }))
  add("Identity", data.identity)
  add("Scope", data.scope)
  add("Rules", file_of(data.rules) or "none")
  add("Journal", journal_of(data.journal) or "none")
  return html.join(list)
end

-- ---- notices -------------------------------------------------------------------------------------------------------

-- mark: the check box of the table of connections that "Show" sets, or nil.
local function notice(class, title, text, target, mark)
  return fill('<p class="notice {class}"><strong>{title}</strong> {text} <a href="#{target}"{mark}>Show</a></p>',
    { class = class, title = title, text = text, target = target,
      mark = mark and fill(' data-mark="{mark}"', { mark = mark }) or nil })
end

local function notices(data, found)
  local list = {}
  if #found.unreadable > 0 then
    local places, count = parts.places(found.unreadable)
    list[#list + 1] = notice("bad", "Not everything could be read.",
      places .. (count == 1 and " is" or " are") .. " missing.", "unreadable")
  end
  local verified = data.journal and data.journal.report or { problems = {}, open = {} }
  if #verified.problems > 0 then
    list[#list + 1] = notice("bad", "The journal is not as it was written.",
      html.count(#verified.problems, "problem") .. " found.", "journal")
  end
  if #verified.problems == 0 and verified.ok == false then
    list[#list + 1] = notice("warn", "The journal is empty.", "Nothing was recorded, or all lines were removed.",
      "journal")
  end
  if #verified.open > 0 then
    list[#list + 1] = notice("warn", "The journal has unfinished writes.",
      html.count(#verified.open, "write") .. " without a known result.", "journal")
  end
  if found.counts.outside > 0 then
    list[#list + 1] = notice("warn", "Outside the rules.",
      html.count(found.counts.outside, "approved connection") .. " that no rule would approve today.", "rules")
  end
  if found.counts.unrecorded > 0 then
    list[#list + 1] = notice("warn", "Not in the journal.", html.count(found.counts.unrecorded, "connection")
      .. " approved or rejected, and not by a write whose end the journal knows.", "connections", "unrecorded")
  end
  return html.join(list)
end

-- ---- numbers -------------------------------------------------------------------------------------------------------

local function figure(class, title, number, note)
  return fill('<div class="figure {class}"><dt>{title}</dt><dd>{number}{note}</dd></div>', { class = class,
    title = title, number = html.number(number), note = note and fill("<small>{note}</small>", { note = note }) })
end

local function numbers(data, found)
  local counts, list = found.counts, {}
  local function add(...) list[#list + 1] = figure(...) end
  add("", "Accounts", found.read)
  add("", "Connections", counts.total)
  for _, status in ipairs(figures.statuses) do
    local class = status[2]
    add(class, status[1], counts[class], class == "pending" and counts.oldest
      and "oldest " .. figures.age(counts.oldest) or nil)
  end
  if counts.other > 0 then add("other", "Other", counts.other) end
  if data.rules then add(counts.outside > 0 and "outside" or "", "Outside the rules", counts.outside) end
  if data.journal then
    add(counts.unrecorded > 0 and "outside" or "", "Not in the journal", counts.unrecorded)
  end
  if #found.unreadable > 0 then add("unread", "Unreadable", #found.unreadable) end
  return html.join(list)
end

local function links(sections)
  return html.each(sections, function (section)
    return fill('<li><a href="#{id}">{title}</a></li>', { id = section.id, title = section.title })
  end)
end

-- Returns the head. sections: a list of { id, title } for the links.
function head.render(data, found, sections)
  return fill([[
<header>
<p class="maker">azpec report</p>
<h1>Private endpoint connections</h1>
<dl class="facts">
{facts}
</dl>
</header>
{notices}
<dl class="figures" aria-label="Totals">
{numbers}
</dl>
<nav aria-label="Sections"><ul>
{links}
</ul></nav>]], { facts = facts_of(data), notices = notices(data, found), numbers = numbers(data, found),
    links = links(sections) })
end

return head
