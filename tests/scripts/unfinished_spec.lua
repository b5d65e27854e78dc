-- What a journal knows of a run that was interrupted: what is open, what another run takes up, what is refused.

local chain = require "azpec.journal.chain"
local file = require "azpec.file"
local journal = require "azpec.journal"

local function put(path, text)
  local handle <close> = assert(io.open(path, "wb"))
  assert(handle:write(text))
end

local path

before_each(function ()
  path = os.tmpname()
  os.remove(path)
end)
after_each(function () os.remove(path) end)

local who = { oid = "o" }

local function open(subject)
  return journal.open(path, { subject = subject or "digest", who = who })
end

local function about(id, more)
  local one = { verb = "auto", operation = "ensure", id = id, rule = "r", reason = "why",
    wanted = { status = "Approved" },
    before = { etag = 'W/"1"', properties = { privateLinkServiceConnectionState = { status = "Pending" } } } }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local function ids(items)
  local list = {}
  for n, one in ipairs(items) do list[n] = one.id end
  return table.concat(list, " ")
end

local approved = { etag = 'W/"2"', properties = { privateLinkServiceConnectionState = { status = "Approved" } } }

describe("a journal", function ()
  it("is read with memory for its connections, not for its writes", function ()
    local found, seq, prev = require "azpec.journal.unfinished".new "digest", 0, chain.origin
    local function note(record)
      local line
      seq = seq + 1
      record.at, record.run, record.connection, record.operation = "2026-11-24T09:15:00Z", "r", "/a", "ensure"
      line, prev = chain.seal(record, seq, prev)
      found:note(line .. "\n")
    end
    local function kilobytes()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    local before
    for n = 1, 2000 do
      note { event = "intent", call = "call-" .. n, subject = "digest", wanted = { status = "Approved" } }
      note { event = "result", call = "call-" .. n, outcome = n < 2000 and "changed" or "unknown" }
      before = before or kilobytes()
    end
    assert(kilobytes() - before < 100, kilobytes() - before)
    assert.is_nil(found.changed)
    local items = found:items()
    assert.same({ 1, "call-2000" }, { #items, items[1].call })
  end)

  it("knows what was begun and has no end, and what to do about it", function ()
    local run = open()
    local a = assert(run:intend(about "/a"))
    local b = assert(run:intend(about("/b", { wanted = { status = "Rejected", description = "no" } })))
    local c = assert(run:intend(about("/c", { operation = "delete", call = "call-c" })))
    assert(run:intend(about "/d"))
    assert(run:conclude(a, approved))
    assert(run:conclude(b, nil, { kind = "timeout", message = "late", continuation_token = "a token" }))
    local items = assert(open():unfinished())
    assert.equal("/b /c /d", ids(items))
    assert.same({ id = "/b", action = "reject", status = "Rejected", description = "no", etag = 'W/"1"',
      before = "Pending", found = { etag = 'W/"1"', status = "Pending" }, rule = "r", reason = "why", call = b.call,
      token = "a token", begun_before = true }, items[1])
    assert.equal("delete call-c", items[2].action .. " " .. items[2].call)
    assert(run:conclude(c, true))
    assert.equal("/b /d", ids(assert(open():unfinished())))
  end)

  it("continues the run under its name, and counts each connection of it once", function ()
    local run = open()
    for _, id in ipairs { "/a", "/b" } do assert(run:conclude(assert(run:intend(about(id))), approved)) end
    assert(run:intend(about("/c", { wanted = { status = "Rejected" } })))
    local again = open()
    assert(again:unfinished())
    assert.equal(run.run, again.run)
    assert.same({ Approved = 3, Rejected = 1 }, again:counts { { id = "/D", status = "Approved" },
      { id = "/A", status = "Approved" } })
    -- A run of which nothing is open is over.
    assert(run:conclude(assert(run:intend(about "/c")), approved))
    again = open()
    assert.same({}, assert(again:unfinished()))
    assert.not_equal(run.run, again.run)
    assert.same({ Approved = 1 }, again:counts { { id = "/e", status = "Approved" } })
  end)

  it("returns what another subject has begun if it is wanted, and no longer names its line", function ()
    local run = open "other"
    for _, id in ipairs { "/a", "/b", "/c", "/d" } do
      local entry = assert(run:intend(about(id, { wanted = { status = "Approved", description = "by\t" .. id } })))
      if id == "/b" then
        assert(run:conclude(entry, nil, { kind = "timeout", message = "late", continuation_token = "a token" }))
      end
    end
    local again = open()
    local items = assert(again:unfinished { { id = "/A", action = "approve" }, { id = "/a", action = "approve" },
      { id = "/b", action = "approve", description = "by\t/b" }, { id = "/c", action = "reject" },
      { id = "/d", action = "approve", description = "mine" }, { id = "/e", action = "approve" } })
    assert.equal("/a /b", ids(items))
    assert.same({ "by\t/a", nil, "a token" }, { items[1].description, items[1].token, items[2].token })
    assert.equal(run.run, again.run)
    assert.same({ 4, 5 }, again.open_elsewhere)
  end)

  it("returns nothing that is wanted where a later write of another subject may have changed it", function ()
    assert(open "first":intend(about "/a"))
    assert(open "second":conclude(assert(open "second":intend(about("/a", { wanted = { status = "Rejected" } }))),
      approved))
    assert.same({}, assert(open():unfinished { { id = "/a", action = "approve" } }))
  end)

  it("begins a new run, which counts for itself, and may have another file", function ()
    local interrupted = open()
    assert(interrupted:conclude(assert(interrupted:intend(about "/a")), approved))
    assert(interrupted:intend(about "/b"))
    local daemon = open()
    assert(daemon:unfinished())
    local entry = assert(daemon:follow { operation = "ensure", id = "/b", call = "c" })
    assert(daemon:conclude(entry, approved))
    assert.same({ Approved = 3 }, daemon:counts { { id = "/c", status = "Approved" } })
    daemon:next_run()
    assert.not_equal(interrupted.run, daemon.run)
    assert.same({ Approved = 1 }, daemon:counts { { id = "/c", status = "Approved" } })
    assert(os.remove(path)) -- as if it was rotated
    assert(daemon:conclude(assert(daemon:intend(about "/c")), approved))
    assert.equal(2, assert(journal.verify(path)).lines)
  end)

  it("continues the run of a subject with any characters", function ()
    for _, subject in ipairs { 'the "web" team', "C:\\rules", "two\nlines", "規則", "é", "##[group]", "\u{202e}" } do
      assert(open(subject):intend(about "/a"))
      assert.equal("/a", ids(assert(open(subject):unfinished())), subject)
      assert(os.remove(path))
    end
  end)

  it("takes the end of a later write for the end of an earlier one of the same connection", function ()
    local run = open()
    assert(run:intend(about "/a"))
    assert(run:conclude(assert(run:intend(about "/A")), nil, { kind = "precondition", message = "no" }))
    assert.same({}, assert(open():unfinished()))
  end)

  it("leaves alone what another kind of run has begun", function ()
    assert(open():intend(about "/a"))
    assert(open "another":intend(about "/b"))
    assert(journal.open(path, { who = who }):intend(about "/c"))
    assert.equal("/a", ids(assert(open():unfinished())))
    assert.equal("/b", ids(assert(open "another":unfinished())))
    local third = open "third"
    assert.same({}, assert(third:unfinished()))
    assert.same({ 1, 2, 3 }, third.open_elsewhere)
    assert(open "third":conclude(assert(open "third":intend(about "/A")), approved)) -- a later write of /a
    assert(third:unfinished())
    assert.same({ 2, 3 }, third.open_elsewhere)
  end)

  it("records the end of what another process began, and whose doing it was", function ()
    local run = open()
    local intent = assert(run:intend(about "/a"))
    local again = open()
    local item = assert(again:unfinished())[1]
    local entry = assert(again:follow { operation = "ensure", id = item.id, call = item.call, before = item.found })
    assert(again:conclude(entry, { changed = false, before = approved, after = approved }))
    local write = journal.writes((journal.read(path)))[1]
    assert.equal("changed Pending Approved", ("%s %s %s"):format(write.outcome, write.before.status,
      write.after.status))
    assert.equal(intent.call, write.call)
    assert.same({}, assert(open():unfinished()))
  end)

  it("bears a line that was cut off, wherever, and goes on behind it", function ()
    local run = open()
    assert(run:intend(about "/a"))
    local before = file.read(path, "plan")
    assert(run:intend(about "/b"))
    local whole = file.read(path, "plan")
    for length = #before, #whole, 7 do
      put(path, whole:sub(1, length))
      local known = length >= #whole - 1 and "/a /b" or "/a"
      assert.equal(known, ids(assert(open():unfinished())), length)
      assert(open():intend(about "/c"))
      assert.equal(known .. " /c", ids(assert(open():unfinished())), length)
      assert.is_true(journal.verify(path).ok)
    end
  end)

  it("takes up nothing by a line that was changed", function ()
    local run = open()
    for _, id in ipairs { "/a", "/b", "/c" } do assert(run:intend(about(id))) end
    put(path, (file.read(path, "plan"):gsub('"/b"', '"/x"', 1)))
    local items, err = open():unfinished()
    assert.is_nil(items)
    assert.equal("journal", err.kind)
    assert.equal(path .. ":2: this is not as azpec wrote it (`azpec journal verify`)", err.message)
  end)

  it("that was changed in a line of another run is refused as well", function ()
    for _, id in ipairs { "/a", "/b", "/c" } do assert(open "another":intend(about(id))) end
    put(path, (file.read(path, "plan"):gsub('"/b"', '"/x"', 1)))
    local without_subject = journal.open(path, { who = who })
    for _, check in ipairs { function () return open():unfinished() end,
      function () return without_subject:check_lines() end } do
      local done, err = check()
      assert.is_nil(done)
      assert.equal(path .. ":2: this is not as azpec wrote it (`azpec journal verify`)", err.message)
    end
  end)

  it("bears records with members missing, as anybody could seal them", function ()
    local record = { event = "intent", at = "2026-11-24T00:00:00Z", call = "c", connection = "/a", subject = "digest",
      wanted = require "azpec.json".null }
    put(path, chain.seal(record, 1, chain.origin) .. "\n")
    local items = assert(open():unfinished())
    assert.same({ id = "/a", action = "set", call = "c", begun_before = true,
      impossible = "the journal does not say what it was to become" }, items[1])
  end)

  it("opened without a subject has no runs to continue, and blames the caller", function ()
    local ok, why = pcall(function () journal.open(path):unfinished() end)
    assert.is_false(ok)
    assert.matches("unfinished_spec.lua:%d+: journal.open needs `subject` for unfinished$", why)
    assert.is_nil((io.open(path)))
  end)

  it("is no file of another kind, which stays as it is", function ()
    for _, text in ipairs { "local x = 1\n", "junk", "\n", "\0\1\2", "{}\n", '{"event":"done"}\n', "[1]\n" } do
      put(path, text)
      local items, err = open():unfinished()
      assert.is_nil(items)
      assert.matches("is no journal of azpec's, and was left as it is", err.message, 1, true)
      assert.is_nil((open():intend(about "/a")))
      assert.equal(text, file.read(path, "plan"))
    end
  end)

  it("says where it cannot be written", function ()
    local items, err = journal.open("/nowhere/at/all", { subject = "s" }):unfinished()
    assert.is_nil(items)
    assert.matches("the journal cannot be written: /nowhere/at/all: No such file or directory", err.message, 1, true)
    assert.matches("^nothing was written; ", err.hint)
  end)
end)
