-- azpec.report: what the page says, and that no text of others becomes more than text. How a browser shows it is tested
-- in tests/peers/report_spec.lua.
package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local report = require "azpec.report"
local s = require "scripts.report_support"

local function has(text, page) assert.truthy(page:find(text, 1, true), text) end
local function has_not(text, page) assert.falsy(page:find(text, 1, true), text) end

-- The page without tags, with its entities as they are.
local function words(page)
  return (page:gsub("<style>.-</style>", ""):gsub("<script>.-</script>", ""):gsub("<[^>]*>", " "):gsub("%s+", " "))
end

-- A part of the page from the tag with that id to the next end of such a tag.
local function part(page, tag, id)
  return assert(page:match(("<%s id=\"%s\".-</%s>"):format(tag, id:gsub("%-", "%%-"), tag)), id)
end

describe("the page", function ()
  it("is the same for the same data, in whatever order they come", function ()
    local connections = s.connections(9, 200)
    local page = report.render(s.data(connections))
    local shuffled = {}
    for n, connection in ipairs(connections) do shuffled[n * 77 % 200 + 1] = connection end
    assert.equal(200, #shuffled)
    assert.equal(page, (report.render(s.data(shuffled))))
  end)

  it("says when it was made and from where, in UTC", function ()
    local page = words((report.render(s.data())))
    has("2026-11-29 08:00:00 UTC", page)
    has("https://management.azure.com", page)
    has("ops@contoso.example", page)
    has("api-version 2025-06-01", page)
    has("All times are UTC", page)
  end)

  it("has its totals, and returns them", function ()
    local page, counts = report.render(s.data())
    assert.same({ accounts = 12, connections = 120, approved = 60, pending = 20, rejected = 20, disconnected = 20,
      other = 0, outside = counts.outside, unrecorded = 80 }, counts)
    for title, number in pairs { Connections = 120, Approved = 60, ["Outside the rules"] = counts.outside } do
      has(("<dt>%s</dt><dd>%d"):format(title, number), page)
    end
  end)

  it("counts accounts without any connection where they are known", function ()
    local page, counts = report.render(s.data(nil, { unreadable = false, accounts = { s.account_id(50) } }))
    assert.equal(13, counts.accounts)
    has("no connections", words(page))
  end)

  it("is known as a report by its beginning", function ()
    local page = report.render(s.data())
    assert.is_true(report.is_one(page:sub(1, 1000)))
    assert.is_false(report.is_one "<!doctype html><title>report</title>")
  end)

  it("can be made of nothing", function ()
    local page, counts = report.render { made_at = s.made_at, connections = {} }
    assert.equal(0, counts.connections)
    has("There is no account", words(page))
    has_not("Outside the rules", part(page, "section", "accounts"))
  end)
end)

describe("data", function ()
  it("that lack what the page needs, or have a name that it does not know, are the caller's error", function ()
    for why, call in pairs {
      ["bad field 'made_at' (number expected, got nil)"] = function () report.render { connections = {} } end,
      ["bad field 'connections' (list of tables expected, got nil)"] = function () report.render { made_at = 1 } end,
      ["unknown field 'unreadeable'; did you mean 'unreadable'?"] =
        function () report.render { made_at = 1, connections = {}, unreadeable = {} } end,
    } do
      local ok, problem = pcall(call)
      assert.is_false(ok)
      assert.matches("report_spec.lua:%d+: " .. why:gsub("%p", "%%%0"), problem)
    end
  end)
end)

describe("what is missing", function ()
  it("is said at the top, named and counted", function ()
    local page = report.render(s.data())
    has("Not everything could be read.", page)
    has("1 account is missing.", page)
    has("1 account and 2 subscriptions are missing.", report.render(s.data(nil, { unreadable = {
      { id = s.account_id(99) }, { id = "/subscriptions/a" }, { id = "/subscriptions/b" } } })))
    local table_of = part(page, "table", "unread-table")
    has("account099", table_of)
    has("AuthorizationFailed", table_of)
    has("unreadable", part(page, "section", "accounts"))
  end)

  it("is nothing where all was read", function ()
    local page = report.render(s.data(nil, { unreadable = false }))
    has_not("Not everything could be read.", page)
    has("All accounts and subscriptions that were found were read.", page)
  end)

  it("of a long list is counted in its last line", function ()
    local connections = {}
    for n = 1, 250 do connections[n] = s.connection { number = n, status = "Approved", name = "team1" } end
    local page = report.render(s.data(connections))
    has("50 more: filter the table of connections", part(page, "table", "outside-table"))
  end)

  it("of ages is said", function ()
    local page = words((report.render(s.data({ s.connection {}, s.connection { number = 2, days = 3 } }))))
    has("1 connection has no creation time", page)
  end)
end)

describe("the matrix of consumers", function ()
  -- The numbers of the cells, without those of pending ones; sums are in the last column.
  local function cells(page)
    local matrix, sum, total = part(page, "table", "matrix"):gsub("<small.-</small>", ""), 0, 0
    for number in matrix:gmatch '<td class="n heat%d">([%d,]+)</td>' do sum = sum + number:gsub(",", "") end
    for number in matrix:gmatch '<td class="n sum">([%d,]+)</td>' do total = total + number:gsub(",", "") end
    return sum, total
  end

  it("holds every connection once, also where it is cut", function ()
    for _, size in ipairs { { 3, 90 }, { 60, 900 }, { 300, 900 } } do
      local sum, total = cells((report.render(s.data(s.connections(size[1], size[2]), { rules = false }))))
      assert.same({ size[2], size[2] }, { sum, total })
    end
  end)

  it("tells subscriptions that have none of the accounts", function ()
    local page = report.render(s.data({ s.connection { account = 1, consumer = 1 },
      s.connection { account = 1, consumer = 40, number = 2 } }, { rules = false }))
    local _, count = part(page, "table", "matrix"):gsub(">external<", "")
    assert.equal(1, count)
  end)
end)

describe("the rules", function ()
  it("are shown with the one that decides, and the file's digest", function ()
    local connections = { s.connection { number = 1 }, s.connection { number = 2, endpoint = "other", name = "other" } }
    local page = report.render(s.data(connections))
    has(s.rules.sha256, page)
    local changes = part(page, "table", "change-table")
    has("the web team", changes)
    has("it is theirs", changes)
    has_not("other", changes)
    has("would approve <b>1</b>", page)
    has("hold\n<b>1</b>", page)
  end)

  it("that decide nothing are listed with the others, in the order of the file", function ()
    local page = part((report.render(s.data({ s.connection { endpoint = "other" } }))), "table", "rule-table")
    assert(page:find("the web team", 1, true) < page:find("the rest", 1, true))
  end)

  it("and what is outside of them", function ()
    local page = report.render(s.data({ s.connection { name = "team1", status = "Approved" } }))
    has("a person has to look", part(page, "table", "outside-table"))
    has("1 approved connection that no rule would approve today", page)
  end)
end)

describe("the journal", function ()
  it("is verified on the page", function ()
    local page = report.render(s.data())
    has("As it was written.", page)
    has("60:" .. ("ab"):rep(32), page)
    has("CHG-30", part(page, "table", "write-table"))
    has("2026-11-29 08:00:00 UTC", part(page, "table", "write-table"))
    has("correlation-30", part(page, "table", "write-table"))
  end)

  it("shows the change that allowed a write, and the id of the policy token that it had", function ()
    local journal = s.journal(2)
    journal.writes[1].change_reference, journal.writes[1].policy_token_id = "<CHG>0009", "token-7"
    local page = part(report.render(s.data(nil, { journal = journal })), "table", "write-table")
    has("<small>change &lt;CHG&gt;0009</small><small>policy token token-7</small>", page)
    has("without one nobody has checked the reference", words((report.render(s.data(nil, { journal = journal })))))
    has_not("nobody has checked", words((report.render(s.data(nil, { journal = false })))))
  end)

  it("names each approved or rejected connection that is not known to be so by one of its writes", function ()
    local function write(number, more)
      local one = { at = "2026-11-2" .. number .. "T08:00:00Z", outcome = "changed", ticket = "CHG-7",
        connection = s.connection { number = number }.id:upper(), who = { upn = "ops@contoso.example" },
        after = { status = "Approved" } }
      for name, value in pairs(more or {}) do one[name] = value end
      return one
    end
    local connections, journal = {}, s.journal(0)
    for n, status in ipairs { "Approved", "Approved", "Rejected", "Approved", "Approved", "Pending", "Disconnected",
      "Approved", "Approved" } do
      connections[n] = s.connection { number = n, name = "c" .. n, status = status, days = n == 8 and 0 or 90 }
      connections[n].id, connections[n].etag = s.connection { number = n }.id, "tag" .. n
    end
    connections[#connections + 1] = s.connection { number = 10, status = "Approved" }
    journal.writes = { write(10, { at = "2026-11-20T08:00:00Z", operation = "delete", after = false }),
      write(1, { after = { status = "Approved", etag = "tag1" }, finished_by = "two@contoso.example",
        finished_ticket = "CHG-8" }), write(3), write(4, {
      outcome = "unknown", after = false, wanted = { status = "Approved" } }), write(6), write(7, {
      outcome = "unknown", after = false, wanted = { status = "Rejected" } }), write(8), write(9, {
      after = { status = "Approved", etag = "another" } }),
      write(5, { outcome = "unchanged" }), write(5, { outcome = "failed" }), write(5, { at = "2026-11-01T08:00:00Z",
        after = { status = "Rejected" } }) }
    local page, counts = report.render(s.data(connections, { journal = journal, rules = false, unreadable = false }))
    assert.equal(7, counts.unrecorded)
    has("<strong>Not in the journal.</strong> 7 connections approved or rejected", page)
    local cells = {}
    for cell in page:gmatch '<td class="recorded">(.-)</td>' do
      cells[#cells + 1] = cell:gsub("</?b[^>]*>", ""):gsub("<[^>]*>", "|")
    end
    local by, un = "|ops@contoso.example||CHG-7|", "not in the journal"
    assert.same({ "2026-11-21" .. by .. "|finished by two@contoso.example||finished for CHG-8|", un,
      un .. "|there Approved since 2026-11-23|" .. by, "the end is not known|2026-11-24|" .. by,
      un .. "|there Rejected since 2026-11-01|" .. by, "|there Approved since 2026-11-26|" .. by, "",
      un .. "|there Approved since 2026-11-28|" .. by, un .. "|there Approved since 2026-11-29|" .. by,
      un .. "|there deleted since 2026-11-20|" .. by }, cells)
    assert.equal(7, select(2, page:gsub('<tr data%-account="%d+" class="%l+ unrecorded">', "")))
    has("finished by two@contoso.example", part(page, "table", "write-table"))
    has("finished for CHG-8", part(page, "table", "write-table"))
    has_not("<strong>Not in the journal", (report.render(s.data(connections, { journal = false }))))
  end)

  it("counts a decision that its writes found already made, and none for a clock that is behind", function ()
    local function write(day, tag, before)
      return { at = ("2026-11-%02dT08:00:00Z"):format(day), outcome = "changed", connection = s.connection {}.id,
        before = before, after = { status = "Approved", etag = tag } }
    end
    local connection = s.connection { status = "Approved", days = 0 }
    connection.etag = "last"
    local function count(writes)
      local journal = s.journal(0)
      journal.writes = writes
      local page, counts = report.render(s.data({ connection }, { journal = journal, rules = false,
        unreadable = false }))
      return counts.unrecorded, page
    end
    local function as(status, tag) return { status = status, etag = tag } end
    local unrecorded, page = count { write(20, "last", as("Approved", "first")) }
    assert.equal(1, unrecorded)
    has("<small>Approved before a write of 2026-11-20</small>", page)
    -- created later than the write, by the service's clock; the ETag proves that it is the same
    assert.equal(0, (count { write(20, "last", as("Pending", "first")) }))
    assert.equal(0, (count { write(20, "first", as "Pending"), write(21, "last", as("Approved", "first")) }))
    assert.equal(1, (count { write(20, "first", as "Pending"), write(21, "last", as("Approved", "other")) }))
    assert.equal(1, (count { write(20, "first", as "Pending"), write(21, "last", as("Rejected", "first")),
      write(22, "last", as("Approved", "second")) }))
  end)

  it("that was changed is named with each problem, at the top as well", function ()
    local page = report.render(s.data(nil, { journal = s.journal(4, { ok = false, problems = {
      { line = 3, kind = "changed", message = "line 3 was changed: it is not as azpec wrote it" } } }) }))
    has("The journal is not as it was written.", page:sub(1, (page:find('id="accounts"', 1, true))))
    has("line 3 was changed", part(page, "table", "problem-table"))
    has_not("As it was written.", page)
  end)

  it("says that a truncated file cannot be noticed without an anchor", function ()
    has("No anchor was given", (report.render(s.data())))
    has("<small>60 lines as written, no anchor given</small>", (report.render(s.data())))
    local journal = s.journal(2)
    journal.anchor = "2:" .. ("cd"):rep(32)
    has_not("No anchor was given", (report.render(s.data(nil, { journal = journal }))))
    has("The journal contains the anchor", (report.render(s.data(nil, { journal = journal }))))
    has("as written, with the given anchor</small>", (report.render(s.data(nil, { journal = journal }))))
    journal.report.ok, journal.report.problems = false, { { line = 1, kind = "changed", message = "it was changed" } }
    has_not("contains the anchor", (report.render(s.data(nil, { journal = journal }))))
    has_not("as written, ", (report.render(s.data(nil, { journal = journal }))))
  end)

  it("of many writes has the newest, and says how many there are", function ()
    local page = report.render(s.data(nil, { journal = s.journal(2500) }))
    has("2,500 writes, the newest first; the first 2,000 are shown", page)
    has("CHG-2500<", page)
    has_not("CHG-500<", page)
  end)

  it("has its writes and days by the time of the result, which a later run may have recorded", function ()
    local journal = s.journal(3)
    for n, time in ipairs { "2026-11-27T08:00:00Z", "2026-11-30T08:00:00Z", "2026-11-28T08:00:00Z" } do
      journal.writes[n].at = time
    end
    local page = report.render(s.data(nil, { journal = journal }))
    for _, name in ipairs { "write-table", "day-table" } do
      assert.matches("2026%-11%-30.*2026%-11%-28.*2026%-11%-27", (part(page, "table", name)))
    end
  end)
end)

-- Each text of the data in turn is hostile: the page has the same elements and attributes as with a harmless one.
describe("a hostile text", function ()
  local hostile = table.concat({ "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    '" onload="alert(1)',
    "'><svg/onload=alert(1)>", "</title></style><b>", "<!--", "]]>", "{style}{script}{name}", "%1%s%%", "&lt;b&gt;",
    "javascript:alert(1)" }, " ")

  -- The tags of a page, without those that isolate a text and without attributes' values.
  local function tags(page)
    local list = {}
    for tag in page:gsub("</?bdi>", ""):gmatch "<[^>]*>" do list[#list + 1] = tag:gsub('"[^"]*"', '""') end
    return table.concat(list, "\n")
  end

  -- Calls f with each place in the data where a text is: a table and a key of it.
  local function each_text(value, f, path)
    local names = {}
    for name in pairs(value) do names[#names + 1] = name end
    table.sort(names, function (a, b) return tostring(a) < tostring(b) end)
    for _, name in ipairs(names) do
      local inner, here = value[name], path .. "." .. tostring(name)
      if type(inner) == "table" then each_text(inner, f, here) end
      if type(inner) == "string" then f(value, name, here) end
    end
  end

  local function small_data()
    local connections = { s.connection { description = "d", days = 2 },
      s.connection { number = 2, name = "team1", status = "Approved", description = "d", days = 9 } }
    local data = s.data(connections, { journal = s.journal(2) })
    data.journal.report.problems = { { line = 1, kind = "changed", message = "m" } }
    data.journal.report.ok = false
    data.journal.writes[1].error = { kind = "k", message = "m" }
    return data
  end

  -- What decides about structure is no text that is only shown.
  local decides = { id = true, status = true, createdAt = true, outcome = true, action = true, at = true,
    connection = true, operation = true, provisioningState = true, rule = true }

  it("adds no element and no attribute, wherever it stands", function ()
    local before = tags((report.render(small_data())))
    local places = 0
    each_text(small_data(), function (_, _, path)
      if decides[path:match "[^.]+$"] or path:find(".names.", 1, true) then return end
      places = places + 1
      local data = small_data()
      each_text(data, function (value, key, here) if here == path then value[key] = hostile end end, "data")
      assert.equal(before, tags((report.render(data))), path)
    end, "data")
    assert(places > 25, places .. " places")
  end)

  it("in an id, a status, a time or a rule's name makes no tag of its own", function ()
    local known = {}
    for tag in (report.render(small_data())):gmatch "<(/?[%w]+)" do known[tag] = true end
    local data = small_data()
    each_text(data, function (value, key, here)
      if decides[here:match "[^.]+$"] or here:find(".names.", 1, true) then value[key] = hostile end
    end, "data")
    local page = report.render(data)
    for tag in page:gmatch "<(/?[%w]+)" do assert(known[tag] or tag:find "^/?bdi$" or tag:find "^/?em$", tag) end
    for name in page:gsub("<script>.-</script>", ""):gmatch '<[^>]-%s(on%a+)=' do error(name) end
  end)

  it("is shown as it is", function ()
    local page = report.render(s.data({ s.connection { description = "<b>&amp; \"x\" 'y'" } }))
    has("“&lt;b&gt;&amp;amp; &quot;x&quot; &#39;y&#39;”", page)
  end)

  it("of control characters and bytes that are no UTF-8 shows them as question marks", function ()
    local page = report.render(s.data({ s.connection { description = "a\0b\x1b[2Jc\xffd\xed\xa0\x80e\u{202e}f" } }))
    has("a?b?[2Jc?d", page)
    assert.truthy(utf8.len(page))
    has_not("\u{202e}", page)
  end)

  it("keeps its line ends", function ()
    has("one\ntwo", (report.render(s.data({ s.connection { description = "one\r\ntwo" } }))))
  end)

  it("that a spreadsheet would take for a formula stands behind a quotation mark where it is copied", function ()
    for _, text in ipairs { "=1+1", "+1", "-1", "@SUM(1)", "\t=1" } do
      has_not(">" .. text, (report.render(s.data({ s.connection { description = text } }))))
    end
  end)
end)

describe("a text from right to left, or in Japanese", function ()
  it("is isolated", function ()
    local page = report.render(s.data({ s.connection { description = "يرجى الموافقة" },
      s.connection { number = 2, description = "承認をお願いします" } }))
    has("“<bdi>يرجى الموافقة</bdi>”", page)
    has("“<bdi>承認をお願いします</bdi>”", page)
  end)
end)

describe("what a browser may do with the page", function ()
  local page = report.render(s.data())

  it("is limited to its own style and script, by their hashes", function ()
    local policy = page:match '<meta http%-equiv="Content%-Security%-Policy" content="([^"]*)"'
    has("default-src &#39;none&#39;", policy)
    has_not("unsafe", policy)
    for tag in ("style script"):gmatch "%S+" do
      local path = os.tmpname()
      local file = assert(io.open(path, "wb"))
      file:write(page:match(("<%s>(.-)</%s>"):format(tag, tag)))
      file:close()
      local hash <close> = assert(io.popen("openssl dgst -sha256 -binary <" .. path .. " | openssl base64 -A"))
      has(("%s-src &#39;sha256-%s&#39;"):format(tag, hash:read "a"), policy)
      os.remove(path)
    end
  end)

  it("asks for nothing elsewhere", function ()
    for name, value in page:gmatch '%s(%l+)="([^"]*)"' do
      local is_address = name == "href" or name == "src" or name == "action" or name == "srcset" or name == "data"
      assert(not is_address or value:find "^#" or value == "data:,", name .. "=" .. value)
    end
    has_not("url(", page)
    has_not("@import", page)
  end)

  it("has no style in attributes, which the policy forbids", function ()
    has_not(" style=", page)
  end)
end)
