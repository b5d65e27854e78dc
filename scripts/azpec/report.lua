-- azpec.report -- an HTML page about the private endpoint connections of many accounts, for operators and auditors:
-- pending requests, consumers, decisions of the rules, and the journal.
--
--   local report = require "azpec.report"
--   local html = report.render {
--     made_at = os.time(), made_by = azpec._VERSION, endpoint = client:settings().endpoint,
--     connections = connections,                       -- a list, as the service sent them
--     unreadable = { { id = "/subscriptions/...", kind = "forbidden", message = "..." } },
--   }
--   local page <close> = assert(io.open("report.html", "w"))
--   assert(page:write(html))
--
-- The page depends on the data alone: equal data produce equal bytes. It loads nothing. Its Content-Security-Policy
-- (W3C, Content Security Policy Level 3) allows only its own style and script, by their hashes. azpec.report.html
-- escapes all texts. The script holds no data; it reads the table. A section is a module with id, title, render(data,
-- figures), and optionally is_wanted(data).

local about = require "azpec.report.about"
local fields = require "azpec.fields"
local figures = require "azpec.report.figures"
local head = require "azpec.report.head"
local html = require "azpec.report.html"
local parts = require "azpec.report.parts"
local script = require "azpec.report.script"
local sha256 = require "azpec.sha256"
local style = require "azpec.report.style"

local report = {}

local sections = { require "azpec.report.accounts", require "azpec.report.rules", require "azpec.report.consumers",
  require "azpec.report.ages", require "azpec.report.connections", require "azpec.report.journal", about.unreadable,
  about.about }

local generator = '<meta name="generator" content="azpec report">'

local page = [[
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
{generator}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#connections">Skip to the connections</a>
<main>
{head}
{sections}
</main>
<script>{script}</script>
</body>
</html>
]]

local policy = ("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; img-src data:; base-uri 'none'; "
  .. "form-action 'none'"):format(sha256.base64(style), sha256.base64(script))

-- Returns whether a file that begins so is a report.
function report.is_one(beginning)
  fields.check_argument(beginning, "string", "bad argument #1 to 'is_one'")
  return beginning:find(generator, 1, true) ~= nil
end

local known = { made_at = "!number", made_by = "string", endpoint = "string", api_version = "string",
  identity = "string", scope = "string", accounts_from = "string", subscriptions = "strings", connections = "!tables",
  accounts = "strings", unreadable = "tables", gone = "strings", rules = "table", journal = "table" }

-- Returns the page and its totals: accounts that could be read, connections, approved, pending, rejected, disconnected,
-- other (of any other status), outside, and unrecorded: approved or rejected, and not by a write whose end the journal
-- knows. data:
--   made_at       seconds since 1970, with which ages are calculated; made_by, the program and its version
--   endpoint      where the connections were read; api_version, identity, scope: texts (or nil) about that
--   accounts_from "graph" or "arm", the service that listed the accounts (nil: they were named)
--   subscriptions a list of the ids of the subscriptions that were searched, or nil
--   connections   a list, as the service sent them; accounts, a list of ids (or nil) that includes empty accounts
--   unreadable    a list of { id, kind, code, message } (or nil): accounts and subscriptions that could not be read
--   gone          a list of ids (or nil): accounts that were found, and were deleted before they were read
--   rules         nil, or { file, sha256, names, decisions, outside }: the names of all rules in their order; decisions
--                 (azpec.rules) by the connection's id; outside has those on approved connections that no rule would
--                 approve
--   journal       nil, or { file, report, writes, anchor }: report and writes as azpec.journal's read and writes give
--                 them; anchor, with which it was read, or nil
-- Raises an error for another member, and without made_at or connections.
function report.render(data)
  fields.check(data, known)
  local found, shown = figures.of(data), {}
  for _, section in ipairs(sections) do
    if not section.is_wanted or section.is_wanted(data) then shown[#shown + 1] = section end
  end
  local counts = found.counts
  local source = html.fill(page, {
    policy = policy, generator = html.trusted(generator), style = html.trusted(style), script = html.trusted(script),
    title = "Private endpoint connections, " .. parts.words(data.made_at),
    head = head.render(data, found, shown),
    sections = html.each(shown, function (section) return section.render(data, found) end),
  }).source
  return source, { accounts = found.read, connections = counts.total, approved = counts.approved,
    pending = counts.pending, rejected = counts.rejected, disconnected = counts.disconnected, other = counts.other,
    outside = counts.outside, unrecorded = counts.unrecorded }
end

return report
