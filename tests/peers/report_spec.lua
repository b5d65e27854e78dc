-- The page of azpec.report in a real browser: what it looks like to it in light, in dark, on a phone and on paper, and
-- that it stays silent and asks for nothing, whatever texts are in it.
package.path = "./tests/?.lua;" .. package.path

local assert = require "luassert"
local base64 = require "azpec.base64"
local report = require "azpec.report"
local s = require "scripts.report_support"
local t = require "loopback.support"
local chromium = require "peers.browser"

local browser, why

local hostile = [[</script><script>document.title="taken"</script><img src=x onerror="document.title='taken'">]]
  .. [[<a href="javascript:document.title='taken'">x</a>"onmouseover="alert(1)]]

-- Connections with texts of every kind.
local function mixed()
  local list = s.connections(12, 120)
  for n, text in ipairs { hostile, "承認をお願いします（チケット 4711）", "يرجى الموافقة على الاتصال رقم 4711",
    "=HYPERLINK(\"http://elsewhere.example\")", ("long"):rep(200), "two\nlines" } do
    list[#list + 1] = s.connection { number = 1000 + n, name = "special" .. n, description = text, days = n }
  end
  return list
end

local function write(data)
  return t.write(t.new_path "page" .. ".html", (report.render(data)))
end

local function open(data, how)
  return browser:open(write(data), how)
end

-- Each element with a text, whose colour has less contrast to what is behind it than WCAG 2.2 (1.4.3) asks for.
local too_faint = [[(() => {
  const parse = (value) => value.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, n) => c * a + below[n] * (1 - a));
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const colour = parse(getComputedStyle(element).backgroundColor);
    return colour[3] === undefined ? colour : over(colour, behind(element.parentElement));
  };
  const faint = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const has_text = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
    if (!has_text || element.closest("script, select, .skip")) continue;
    const back = behind(element), front = over(parse(getComputedStyle(element).color), back);
    const [low, high] = [light(back), light(front)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.add([element.tagName, element.className, front, back].join(" "));
  }
  return Array.from(faint).join("\n");
})()]]

-- How far the page reaches beyond the window, in CSS pixels.
local beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

-- Waits until the filter has been applied.
local function filtered(page, statement)
  return page.value(([[(async () => {
    const form = document.getElementById("filter");
    %s;
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    return Array.from(document.querySelectorAll("#connection-table tbody tr")).length;
  })()]]):format(statement))
end

local function names(page)
  return page.value [[Array.from(document.querySelectorAll("#connection-table tbody th"))
    .map((cell) => cell.firstChild.textContent).join(" ")]]
end

describe("azpec.report in chromium", function ()
  setup(function () browser, why = chromium.start() end)
  teardown(function ()
    if browser then browser:close() end
    t.close()
  end)
  after_each(t.tidy)

  local function shown(title, f)
    it(title, function ()
      if not browser then return pending(why) end
      f()
    end)
  end

  for _, how in ipairs { { "light" }, { "dark", dark = true }, { "on a phone", width = 390, height = 844 },
    { "dark on a phone", width = 390, height = 844, dark = true }, { "without JavaScript", script = false } } do
    shown(("is silent, asks for nothing, and has enough contrast, %s"):format(how[1]), function ()
      local page = open(s.data(mixed()), how)
      assert.same({}, page.said)
      assert.equal(1, #page.requests)
      assert.matches("^file://", page.requests[1])
      assert.not_equal("taken", page.value "document.title")
      assert.equal(126, page.value [[document.querySelectorAll("#connection-table tbody tr").length]])
      assert.equal("", page.value(too_faint))
    end)
  end

  shown("is no wider than a phone's window, a tablet's, or a desk's", function ()
    local page = open(s.data(mixed()))
    for _, width in ipairs { 320, 390, 768, 1024, 1400 } do
      page.call("Emulation.setDeviceMetricsOverride", { width = width, height = 900, deviceScaleFactor = 1,
        mobile = false })
      assert.equal(0, page.value(beyond), width)
    end
  end)

  shown("is light on paper, whatever the screen has", function ()
    for _, dark in ipairs { false, true } do
      local page = open(s.data(mixed()), { print = true, dark = dark })
      assert.equal("rgb(255, 255, 255)", page.value "getComputedStyle(document.body).backgroundColor")
      assert.equal("", page.value(too_faint))
    end
  end)

  -- A4 in landscape, without its margins, is 1,016 CSS pixels wide.
  shown("is no wider than the paper, with the most columns that the matrix has", function ()
    local page = open(s.data(s.connections(60, 900)), { print = true, width = 1016 })
    assert.equal(22, page.value [[document.querySelectorAll("#matrix thead th").length]])
    assert.equal(0, page.value(beyond))
  end)

  shown("prints each connection, and nothing that scrolls", function ()
    local page = open(s.data(mixed()), { print = true, width = 1040 })
    assert.equal("none", page.value [[getComputedStyle(document.getElementById("filter")).display]])
    assert.equal(0, page.value [[Array.from(document.querySelectorAll(".scroll, .tall, table.records, tbody"))
      .filter((box) => /auto|scroll|hidden/.test(getComputedStyle(box).overflow)).length]])
    assert.equal(126, page.value [[Array.from(document.querySelectorAll("#connection-table tbody tr"))
      .filter((row) => row.getBoundingClientRect().height > 10).length]])
    assert.equal("table-header-group", page.value
      [[getComputedStyle(document.querySelector("#connection-table thead")).display]])
    local pdf = base64.decode(page.call("Page.printToPDF", { preferCSSPageSize = true }).data)
    assert.matches("^%%PDF%-", pdf)
    local _, pages = pdf:gsub("/Type%s*/Page%f[^%w]", "")
    assert(pages >= 6, pages .. " pages")
  end)

  shown("shows hostile texts as they are", function ()
    local page = open(s.data(mixed()))
    assert.equal("“" .. hostile .. "”", page.value [[Array.from(document.querySelectorAll("td.said"))
      .map((cell) => cell.textContent).find((text) => text.includes("taken"))]])
    assert.equal(1, page.value "document.scripts.length")
    assert.equal(0, page.value "document.images.length")
  end)

  shown("writes Arabic from right to left, and the words around it from left to right", function ()
    local page = open(s.data(mixed()))
    local found = page.value [[(() => {
      const cell = Array.from(document.querySelectorAll("td.said")).find((one) => one.textContent.includes("4711")
        && /[\u0600-\u06ff]/.test(one.textContent));
      return [getComputedStyle(cell.querySelector("bdi")).direction, getComputedStyle(cell).direction];
    })()]]
    assert.same({ "rtl", "ltr" }, found)
  end)

  shown("is filtered by words, account, status and what is outside of the rules", function ()
    local page = open(s.data(mixed()))
    assert.equal(6, filtered(page, [[form.elements.words.value = "special"]]))
    assert.equal(1, filtered(page, [[form.elements.words.value = "SPECIAL2 承認"]]))
    assert.matches("1 shown", page.value [[document.querySelector("#connection-table caption").textContent]])
    assert.equal(26, filtered(page, [[form.reset(); form.querySelector("[value=pending]").checked = true]]))
    local outside = page.value [[document.querySelectorAll("#outside-table tbody tr").length]]
    assert.equal(outside, filtered(page, [[form.reset(); form.elements.outside.checked = true]]))
    assert.equal(126, filtered(page, "form.reset()"))
    local unrecorded = page.value [[document.querySelectorAll("#connection-table .recorded b").length]]
    assert.equal(unrecorded, filtered(page, [[form.reset(); form.elements.unrecorded.checked = true]]))
    assert.equal(unrecorded, filtered(page, [[form.reset(); form.elements.words.value = "special2",
      document.querySelector("a[data-mark]").click()]]))
    filtered(page, "form.reset()")
    assert.equal(page.value [[document.querySelectorAll(".tile")[1].querySelector(".counts").textContent.match(/\d+/g)
      .reduce((sum, number) => sum + Number(number), 0)]], page.value [[(() => {
        document.querySelectorAll(".tile a")[1].click();
        return document.querySelectorAll("#connection-table tbody tr").length;
      })()]])
  end)

  shown("is sorted by a button of the column's head, numbers as numbers, and what says nothing last", function ()
    local connections = { s.connection { number = 1, name = "b10", days = 9 },
      s.connection { number = 2, name = "B9", days = 100 }, s.connection { number = 3, name = "a" } }
    local page = open(s.data(connections, { rules = false, journal = false, unreadable = false }))
    local function press(column)
      page.value(([[document.querySelectorAll("#connection-table th button")[%d].click()]]):format(column))
      return names(page)
    end
    assert.equal("a B9 b10", press(0))
    assert.equal("b10 B9 a", press(0))
    assert.equal("b10 B9 a", press(3))
    assert.equal("B9 b10 a", press(3))
    assert.equal("descending", page.value [[document.querySelectorAll("#connection-table thead th")[3].ariaSort]])
  end)

  shown("has a heading for each section, a caption for each table, and heads with a scope", function ()
    local page = open(s.data(mixed()))
    assert.equal(0, page.value [[Array.from(document.querySelectorAll("section")).filter((section) =>
      !section.querySelector("h2") || !document.getElementById(section.getAttribute("aria-labelledby"))).length]])
    assert.equal(0, page.value [[Array.from(document.querySelectorAll("table")).filter((table) =>
      !table.caption || !table.caption.textContent.trim()).length]])
    assert.equal(0, page.value [[document.querySelectorAll("th:not([scope])").length]])
    assert.equal(0, page.value [[Array.from(document.querySelectorAll("a[href^='#']")).filter((link) =>
      !document.querySelector(link.getAttribute("href"))).length]])
    assert.equal(0, page.value [[(() => { const ids = Array.from(document.querySelectorAll("[id]"), (one) => one.id);
      return ids.length - new Set(ids).size; })()]])
    assert.equal(0, page.value [[Array.from(document.querySelectorAll(".scroll")).filter((box) => box.tabIndex !== 0)
      .length]])
    assert.equal(0, page.value [[Array.from(document.querySelectorAll("input, select")).filter((field) =>
      !field.labels.length).length]])
  end)

  -- Jenkins' HTML Publisher sends such a policy: neither style nor script is applied, the page has to be read without.
  shown("can be read where a server's policy forbids its style and its script", function ()
    local page_source = report.render(s.data(mixed()))
    local server = t.server { { status = 200, body = page_source, headers = { "Content-Type: text/html",
      "Content-Security-Policy: sandbox; default-src 'none'; img-src 'self'; style-src 'self';" } } }
    local page = browser:open(server.endpoint .. "/report.html")
    assert.equal(126, page.value [[document.querySelectorAll("#connection-table tbody tr").length]])
    assert.equal(0, page.value [[Array.from(document.querySelectorAll("#connection-table tbody tr"))
      .filter((row) => row.getBoundingClientRect().height < 10).length]])
    assert.equal(1, #server:requests())
  end)

  -- The time is that of the processor, which does not depend on what else the machine does.
  shown("opens 200 accounts with 5,000 connections in less than a second of a processor", function ()
    local path = write(s.data(s.connections(200, 5000), { journal = s.journal(1500) }))
    local page = browser:open(path, { before = function (call) call "Performance.enable" end })
    local spent = {}
    for _, metric in ipairs(page.call "Performance.getMetrics".metrics) do spent[metric.name] = metric.value end
    assert.equal(5000, page.value [[document.querySelectorAll("#connection-table tbody tr").length]])
    assert(spent.ThreadTime < 1, spent.ThreadTime .. " s")
    assert.equal(125, filtered(page, [[form.elements.words.value = "team27"]]))
  end)
end)
