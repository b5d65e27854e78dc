-- The audit trail: what stands in it, and that no change of it stays unseen.

local journal = require "azpec.journal"
local azpec = require "azpec"
local chain = require "azpec.journal.chain"
local json = require "azpec.json"
local sha256 = require "azpec.sha256".hex

local lua = os.getenv "LUA" or "lua5.4"

local function run(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local folder = run "mktemp -d"
local numbers = 0

local function new_path()
  numbers = numbers + 1
  return ("%s/trail%d.jsonl"):format(folder, numbers)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, bytes, mode)
  local file <close> = assert(io.open(path, mode or "wb"))
  assert(file:write(bytes))
  return path
end

teardown(function () os.execute("rm -rf " .. folder) end)

local id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch"
  .. "/batchAccounts/acct/privateEndpointConnections/pec.1"

local function connection(status, etag, description)
  return { id = id, name = "pec.1", etag = etag, properties = { provisioningState = "Succeeded",
    privateLinkServiceConnectionState = { status = status, description = description } } }
end

local waiting, approved = connection("Pending", 'W/"1"', "Bitte, für 日本"), connection("Approved", 'W/"2"', "done")

-- A trail of so many writes, two lines each.
local function made(writes, options)
  local path = new_path()
  local trail = journal.open(path, options or { run = "r1", who = { oid = "o" } })
  for _ = 1, writes do
    local entry = assert(trail:intend { verb = "approve", id = id, before = waiting, rule = "ours" })
    assert(trail:conclude(entry, approved))
  end
  return path, trail
end

local function lines_of(path)
  local lines = {}
  for line in io.lines(path, "L") do lines[#lines + 1] = line end
  return lines
end

local function judged(lines, anchor)
  return assert(journal.verify(write(folder .. "/changed", table.concat(lines)), anchor))
end

-- What the report complains of, as "kind line: message" texts.
local function complaints(report)
  local texts = {}
  for n, problem in ipairs(report.problems) do texts[n] = ("%s: %s"):format(problem.kind, problem.message) end
  return table.concat(texts, "\n")
end

describe("a trail", function ()
  it("holds both lines of a write, with all that is known of it", function ()
    local path = new_path()
    local trail = journal.open(path, { run = "r7", ticket = "CHG-1", who = journal.who { credential = "client_secret",
      expires_on = 1, claims = { oid = "o-1", tid = "t-1", appid = "a-1", exp = 5, secret = "never", iss = "i" } } })
    local entry = assert(trail:intend { verb = "approve", id = id, before = waiting, rule = "ours",
      reason = "it is ours", wanted = { status = "Approved", description = "done" } })
    assert(trail:conclude(entry, { changed = true, before = waiting, after = approved }, nil,
      { request_id = "q", correlation_id = "c" }))
    local records = assert(journal.read(path))
    assert.equal(2, #records)
    local both = { audit = 1, run = "r7", ticket = "CHG-1", azpec = azpec._VERSION, verb = "approve", connection = id,
      rule = "ours", reason = "it is ours" }
    for _, record in ipairs(records) do
      for name, value in pairs(both) do assert.equal(value, record[name]) end
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", record.at)
      assert.same({ credential = "client_secret", oid = "o-1", tid = "t-1", appid = "a-1" }, record.who)
      assert.same({ etag = 'W/"1"', status = "Pending", description = "Bitte, für 日本",
        provisioning_state = "Succeeded" }, record.before)
      assert.equal(entry.call, record.call)
    end
    assert.equal("intent", records[1].event)
    assert.same({ status = "Approved", description = "done" }, records[1].wanted)
    assert.equal("result", records[2].event)
    assert.equal("changed", records[2].outcome)
    assert.equal("Approved", records[2].after.status)
    assert.equal('W/"2"', records[2].after.etag)
    assert.equal("q", records[2].request_id)
    assert.equal("c", records[2].correlation_id)
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", entry.call)
  end)

  it("numbers each write by its last intent, as its report does one without a known result", function ()
    local path, trail = made(1)
    local about = { verb = "approve", id = id }
    local entries = { assert(trail:intend(about)), assert(trail:intend(about)) }
    assert(trail:intend { again = entries[1], attempt = 2 })
    assert(trail:conclude(entries[2], true))
    assert(trail:conclude(entries[1], nil, { kind = "timeout", continuation_token = "t" }))
    local records, report = journal.read(path)
    local lines = {}
    for n, one in ipairs(journal.writes(records)) do lines[n] = one.line end
    assert.same({ { 1, 5, 4 }, 5 }, { lines, report.unfinished[1].line })
    assert(os.execute(("sed -i 1d %s"):format(path)))
    assert.equal(1, journal.writes((journal.read(path)))[1].line) -- a result without its intent
  end)

  it("tells how a write ended", function ()
    local path = new_path()
    local trail = journal.open(path)
    local function outcome(...)
      local entry = assert(trail:intend { verb = "approve", id = id })
      assert(trail:conclude(entry, ...))
      local records = journal.read(path)
      return records[#records]
    end
    assert.equal("changed", outcome(true).outcome)
    assert.equal("unchanged", outcome({ changed = false, before = approved, after = approved }).outcome)
    local failed = outcome(nil, { kind = "precondition", code = "PreconditionFailed", message = "no", http_status = 412,
      request_id = "q" })
    assert.equal("failed", failed.outcome)
    assert.equal("q", failed.request_id)
    assert.same({ kind = "precondition", code = "PreconditionFailed", message = "no", http_status = 412 },
      failed.error)
    assert.equal("unknown",
      outcome(nil, { kind = "timeout", message = "late", continuation_token = "secret" }).outcome)
    assert.equal("secret", json.decode(lines_of(path)[8]).token) -- for a run that goes on with it
  end)

  it("is its owner's alone, and refuses a file that proves nothing", function ()
    local path, trail = made(1)
    assert.equal("600", run("stat -c %a " .. path))
    assert(os.execute("chmod 662 " .. path))
    local entry, err = trail:intend { verb = "approve", id = id }
    assert.is_nil(entry)
    assert.matches("anybody may write to", err.message, 1, true)
    assert(os.execute("chmod 660 " .. path))
    entry, err = trail:intend { verb = "approve", id = id }
    assert.is_nil(entry)
    assert.matches("its group may write to", err.message, 1, true)
    entry, err = journal.open("/dev/full"):intend { verb = "approve", id = id }
    assert.is_nil(entry)
    assert.matches("no regular file but a char device", err.message, 1, true)
    entry, err = journal.open(folder .. "/none/trail"):intend { verb = "approve", id = id }
    assert.is_nil(entry)
    assert.matches("No such file", err.message, 1, true)
  end)

  it("is an error that names the file where a followed operation cannot be looked up in it", function ()
    local path, trail = made(1)
    local lines = lines_of(path)
    write(path, lines[1] .. ("x"):rep(2 << 20) .. "\n" .. lines[2])
    local entry, err = trail:follow { operation = "ensure", id = id, call = "c" }
    assert.is_nil(entry)
    assert.same({ "journal", ("the journal cannot be read: %s: a line is longer than 1 MiB"):format(path) },
      { err.kind, err.message })
    assert(trail:follow { operation = "ensure", id = id, call = "c", before = { status = "Pending" } })
  end)

  it("can be verified with a shell's tools", function ()
    local path = made(2)
    local before = ("0"):rep(64)
    for n, line in ipairs(lines_of(path)) do
      local hash = run(([[sed -n %dp %s | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum]]):format(n, path))
      assert.equal(hash:match "^%x+", json.decode(line).hash)
      assert.equal(before, json.decode(line).prev)
      before = json.decode(line).hash
    end
  end)

  it("refuses what is no option", function ()
    assert.has_error(function () journal.open(1) end, "bad argument #1 to 'open' (a path expected, got number)")
    assert.has_error(function () journal.open("x", { tikcet = "1" }) end,
      "unknown field 'tikcet'; did you mean 'ticket'?")
    assert.has_error(function () journal.open("x", { ticket = 1 }) end,
      "bad field 'ticket' (string expected, got number)")
  end)
end)

describe("writes with one client_request_id", function ()
  local other = id:gsub("pec%.1$", "pec.2")

  local function outcomes(path)
    local words = {}
    for _, one in ipairs(journal.writes(assert(journal.read(path)))) do
      words[#words + 1] = one.connection:match "[^.]+$" .. " " .. one.outcome
    end
    return table.concat(words, ", ")
  end

  it("of several connections are several writes, and an open one stays open", function ()
    local path = new_path()
    local trail = journal.open(path, { run = "r1", subject = "server" })
    local first = assert(trail:intend { verb = "approve", id = id, call = "req-1", before = waiting })
    local second = assert(trail:intend { verb = "approve", id = other, call = "req-1", before = waiting })
    assert(trail:conclude(second, approved))
    assert.equal("1 unknown, 2 changed", outcomes(path))
    assert.same({ 1 }, journal.verify(path).open)
    local items = assert(journal.open(path, { run = "r2", subject = "server" }):unfinished())
    assert.same({ 1, id }, { #items, items[1].id })
    assert(trail:conclude(first, nil, { kind = "forbidden", message = "no" }))
    assert.equal("1 failed, 2 changed", outcomes(path))
    assert.equal(2, journal.runs(journal.read(path))[1].writes)
  end)

  it("of one connection, one after the other, are several writes", function ()
    local path = new_path()
    local trail = journal.open(path, { run = "r1", subject = "server" })
    for _ = 1, 2 do
      local entry = assert(trail:intend { verb = "approve", id = id, call = "req-1", before = waiting })
      assert(trail:conclude(entry, approved))
    end
    assert(trail:intend { verb = "approve", id = id, call = "req-1", before = waiting })
    assert.equal("1 changed, 1 changed, 1 unknown", outcomes(path))
    assert.equal(1, #assert(journal.open(path, { run = "r2", subject = "server" }):unfinished()))
  end)
end)

describe("journal.verify", function ()
  local path = made(3)
  local lines = lines_of(path)

  it("finds nothing where nothing was changed", function ()
    local report = assert(journal.verify(path))
    assert.equal("", complaints(report))
    assert.is_true(report.ok)
    assert.equal(6, report.lines)
    assert.equal(6, report.last.seq)
    assert.same({}, report.open)
    local none, why = journal.verify(folder .. "/none")
    assert.is_nil(none)
    assert.matches("No such file", why, 1, true)
  end)

  it("does not call an empty journal as it was written: an emptied one looks the same", function ()
    local empty = write(new_path(), "")
    local report = assert(journal.verify(empty))
    assert.same({ false, 0, {}, nil }, { report.ok, report.lines, report.problems, report.last })
    assert.matches("number 6, which the anchor knows, is missing", complaints(assert(journal.verify(empty,
      "6:" .. ("0"):rep(64)))))
  end)

  it("counts the lines that it leaves out, and names the writes whose end is not known", function ()
    local damaged = write(new_path(), table.concat(lines, "", 1, 5) .. lines[6]:gsub("result", "Result"))
    local records, report = journal.read(damaged)
    assert.same({ 5, 1, 6 }, { #records, report.left_out, report.lines })
    assert.same({ 5 }, report.open)
    local intent = records[5]
    assert.same({ { line = 5, at = intent.at, run = intent.run, verb = intent.verb, ticket = intent.ticket,
      call = intent.call, connection = intent.connection } }, report.unfinished)
  end)

  it("finds every flip of a bit in a line, its line feed included, and names the line", function ()
    local short = new_path() -- each of some thousand looks costs the hashes of all lines
    local trail = journal.open(short, { run = "r" })
    for _ = 1, 3 do assert(trail:intend { verb = "approve", id = "/x" }) end
    local few = lines_of(short)
    for at = 1, #few[2] do
      for bit = 0, 7 do
        local flipped = string.char(few[2]:byte(at) ~ 1 << bit)
        local copy = { few[1], few[2]:sub(1, at - 1) .. flipped .. few[2]:sub(at + 1), few[3] }
        local report = judged(copy)
        assert(not report.ok, ("byte %d, bit %d"):format(at, bit))
        assert(report.problems[1].line == 2, ("byte %d, bit %d: line %d"):format(at, bit, report.problems[1].line))
      end
    end
  end)

  it("finds a changed line wherever it is", function ()
    for n = 1, 6 do
      local copy = table.move(lines, 1, 6, 1, {})
      copy[n] = copy[n]:gsub("approve", "reject!")
      assert.equal(("changed: line %d was changed: it is not as azpec wrote it"):format(n), complaints(judged(copy)))
    end
  end)

  it("finds removed lines wherever they were, those at the end by an anchor", function ()
    for n = 1, 5 do
      for count = 1, 6 - n do
        local copy = table.move(lines, 1, 6, 1, {})
        for _ = 1, count do table.remove(copy, n) end
        local gone = count == 1 and ("number %d is"):format(n) or ("numbers %d to %d are"):format(n, n + count - 1)
        local found = ("removed: %s missing before line %d"):format(gone, n)
        if (n + count) % 2 == 0 then -- a result now follows whose intent is gone
          found = found .. ("\nunannounced: line %d is the result of a write without an intent in this "
            .. "journal"):format(n)
        end
        if n + count <= 6 then assert.equal(found, complaints(judged(copy))) end
      end
    end
    local last = assert(journal.verify(path)).last
    local anchor = ("%d:%s"):format(last.seq, last.hash)
    assert.is_true(judged(lines, anchor).ok)
    for n = 0, 5 do
      local report = judged(table.move(lines, 1, n, 1, {}), anchor)
      assert.equal(("removed: number 6, which the anchor knows, is missing: the journal ends at line %d"):format(n),
        complaints(report))
    end
  end)

  it("finds lines that changed places", function ()
    for a = 1, 5 do
      for b = a + 1, 6 do
        local copy = table.move(lines, 1, 6, 1, {})
        copy[a], copy[b] = copy[b], copy[a]
        assert.matches("reordered: line %d+ has the number " .. a, complaints(judged(copy)))
      end
    end
  end)
end)

describe("audit.verify (lines that were made up)", function ()
  local path = made(3)
  local lines = lines_of(path)

  it("finds a line that is there twice, and one that was made up", function ()
    for n = 1, 6 do
      for at = 1, 7 do
        local copy = table.move(lines, 1, 6, 1, {})
        table.insert(copy, at, lines[n])
        assert.matches("added: line %d+ has the number " .. n .. ", which line %d+ has too", complaints(judged(copy)))
      end
    end
    local other = lines_of(made(3))
    for n = 1, 6 do
      for at = 1, 7 do
        local copy = table.move(lines, 1, 6, 1, {})
        table.insert(copy, at, other[n])
        assert(not judged(copy).ok, ("line %d of another at %d"):format(n, at))
      end
    end
    for n = 1, 6 do
      local copy = table.move(lines, 1, 6, 1, {})
      copy[n] = other[n]
      local report = judged(copy, n == 6 and ("6:" .. json.decode(lines[6]).hash) or nil)
      assert(not report.ok, "line " .. n)
    end
  end)

  it("finds each line as it was written, whatever the service and a caller said", function ()
    for _, odd in ipairs { true, 5, { 1 }, { a = {} }, json.null } do
      local state = { etag = odd, properties = { provisioningState = odd,
        privateLinkServiceConnectionState = { status = odd, description = odd } } }
      local trail = journal.open(new_path())
      for _, before in ipairs { state, { properties = odd } } do
        local entry = assert(trail:intend { verb = "approve", id = id, rule = odd, reason = odd, before = before,
          wanted = { status = "Approved", description = odd } })
        assert(trail:conclude(entry, state, nil, { request_id = odd, correlation_id = odd }))
        assert(trail:conclude(entry, nil, { kind = "x", code = odd, message = odd, http_status = odd }))
      end
      assert.equal("", complaints(journal.verify(trail.path)))
    end
  end)

  it("is needed by a client, which names the argument that is none", function ()
    for _, wrong in ipairs { false, "trail.jsonl", {}, io.stdout } do
      local ok, why = pcall(function () journal.client({}, wrong or nil) end)
      assert.is_false(ok)
      assert.matches("journal_spec.lua:%d+: bad argument #2 to 'client' %(a journal of journal.open expected",
        why)
    end
  end)

  it("has a client that blames its caller for unknown options, its own and azpec's", function ()
    local trail = journal.open(new_path())
    for why, call in pairs {
      ["unknown field 'timout'; did you mean 'timeout'?"] = function () journal.client({ timout = 3 }, trail) end,
      ["bad field 'timeout' "] = function () journal.client({ timeout = "x" }, trail) end,
      ["bad argument #1 to 'client' "] = function () journal.client(nil, trail) end,
      ["unknown field 'verbs'; did you mean 'verb'?"] =
        function () journal.client({}, trail, { verbs = "x" }) end,
      ["bad field 'about' (function expected, got string)"] =
        function () journal.client({}, trail, { about = "x" }) end,
    } do
      local ok, problem = pcall(call)
      assert.is_false(ok)
      assert.matches("^[^:]*journal_spec.lua:%d+: " .. why:gsub("%p", "%%%0"), problem)
    end
  end)

  it("takes no record that azpec does not write, whatever its hash", function ()
    local good = { event = "intent", at = "2026-11-24T00:00:00Z", call = "c", connection = id, verb = "approve" }
    local function judge(changes)
      local record = {}
      for _, part in ipairs { good, changes } do
        for name, value in pairs(part) do record[name] = value end
      end
      record.audit, record.seq, record.prev = chain.version, 1, chain.origin
      local body = json.encode(record):sub(1, -2)
      local sealed = write(new_path(), ('%s,"hash":"%s"}\n'):format(body, sha256(body)))
      local records = assert(journal.read(sealed))
      return #journal.writes(records, { since = 1767225600, connection = "x" }), journal.verify(sealed)
    end
    assert.is_true(select(2, judge { before = json.null, run = "r" }).ok)
    for name, value in pairs { at = 1, call = {}, connection = 7, event = "result", run = {}, before = "x",
      after = { etag = 1 }, who = "o", error = { message = {} }, outcome = true, rule = 1, change_reference = {},
      policy_token_id = {}, policy_attempts = "x", attempt = {} } do
      local _, report = judge { [name] = value, event = name == "event" and 1 or "result" }
      assert.equal("changed: line 1 was changed: it is not as azpec wrote it", complaints(report), name)
    end
    for _, name in ipairs { "at", "call", "connection" } do
      local _, report = judge { [name] = json.null }
      assert.equal("changed: line 1 was changed: it is not as azpec wrote it", complaints(report), name)
    end
  end)

  it("finds by an anchor that all of it was written anew, and goes on knowing it as the trail grows", function ()
    local older = json.decode(lines[4])
    local anchor = "4:" .. older.hash
    assert.is_true(judged(lines, anchor).ok)
    assert.equal("changed: number 4 is another one than the anchor knows: the journal was written anew",
      complaints(judged(lines_of(made(3)), anchor)))
    for _, bad in ipairs { "", "x", "4", "4:12", "0:" .. older.hash, "4:" .. older.hash .. "0" } do
      local none, why = journal.verify(path, bad)
      assert.is_nil(none)
      assert.matches("is no anchor; NUMBER:HASH", why, 1, true)
    end
  end)

  it("takes no number for granted", function ()
    local record = { event = "intent", call = "x", connection = id, at = "" }
    local forged = chain.seal(record, 1 << 40, json.decode(lines[6]).hash)
    local copy = table.move(lines, 1, 6, 1, {})
    copy[7] = forged .. "\n"
    assert.equal("removed: numbers 7 to 1099511627775 are missing before line 7", complaints(judged(copy)))
  end)

  it("names the writes whose end is not in it", function ()
    local mine, trail = made(1)
    assert(trail:intend { verb = "approve", id = id })
    local report = assert(journal.verify(mine))
    assert.is_true(report.ok)
    assert.same({ 3 }, report.open)
  end)
end)

describe("a write that was cut off", function ()
  local whole = read(made(2))

  it("is told from a changed one, and repaired by the next, wherever it ended", function ()
    local third = 1
    for _ = 1, 2 do third = whole:find("\n", third, true) + 1 end
    local fourth = whole:find("\n", third, true) + 1
    for cut = third, fourth - 1 do
      local path = write(new_path(), whole:sub(1, cut))
      local is_whole = cut >= fourth - 2
      local report = assert(journal.verify(path))
      assert.equal(is_whole, report.ok)
      if not is_whole then
        assert.equal("torn: line 3 was cut off (a crash, a full disk), or the journal was", complaints(report))
      end
      assert(journal.open(path):intend { verb = "approve", id = id })
      report = assert(journal.verify(path))
      assert.equal("", complaints(report))
      assert.equal(4, report.lines)
      assert.same(is_whole and {} or { 3 }, report.repaired)
      assert.equal(whole:sub(1, cut), read(path):sub(1, cut))
    end
  end)

  it("is repaired though the repair was cut off, too", function ()
    local path = write(new_path(), whole:sub(1, -20))
    assert(journal.open(path):intend { verb = "approve", id = id })
    local repaired = read(path)
    local from = #whole - 19
    for cut = from, #repaired - 1, 7 do
      local mine = write(new_path(), repaired:sub(1, cut))
      assert(journal.open(mine):intend { verb = "approve", id = id })
      assert.equal("", complaints(assert(journal.verify(mine))))
    end
  end)

  it("cannot be made up: a fragment that was changed shows", function ()
    local path = write(new_path(), whole:sub(1, -20))
    assert(journal.open(path):intend { verb = "approve", id = id })
    local lines = lines_of(path)
    assert.equal(5, #lines)
    lines[4] = lines[4]:gsub("approve", "reject!", 1)
    assert.equal("changed: line 4 was changed: it is not as azpec wrote it", complaints(judged(lines)))
  end)

  it("is repaired by no record that names other bytes", function ()
    local torn = '{"a' .. ("x"):rep(300)
    local function line_of(change)
      local record = chain.repair(torn)
      record.at = "2026-01-01T00:00:00Z"
      change(record)
      return torn .. chain.seal(record, 1, chain.origin)
    end
    local record = assert(chain.open(line_of(function () end)))
    assert.same({ "repair", #torn }, { record.event, record.torn.bytes })
    for _, change in ipairs {
      function (it) it.torn.bytes = it.torn.bytes - 1 end, function (it) it.torn.bytes = 0 end,
      function (it) it.torn.bytes = 1 << 40 end, function (it) it.torn.sha256 = ("0"):rep(64) end,
      function (it) it.torn = nil end, function (it) it.event = "result" end,
    } do
      assert.is_nil(chain.open(line_of(change)))
    end
  end)

  it("is no reason to write behind a line that was changed", function ()
    local path = write(new_path(), (whole:gsub('"result"', '"resutl"')))
    local entry, err = journal.open(path):intend { verb = "approve", id = id }
    assert.is_nil(entry)
    assert.matches("its last line is not as azpec wrote it", err.message, 1, true)
  end)

  it("takes no line that is too long to be found again", function ()
    local path, trail = made(1)
    local entry, err = trail:intend { verb = "approve", id = id, reason = ("x"):rep(1 << 20) }
    assert.is_nil(entry)
    assert.matches("the line would be too long to be found again", err.message, 1, true)
    assert(trail:intend { verb = "approve", id = id })
    assert.is_true(assert(journal.verify(path)).ok)
  end)

  it("is a file, and no folder", function ()
    for _, call in ipairs { journal.verify, journal.read } do
      local report, why = call(folder)
      assert.is_nil(report)
      assert.equal(folder .. " is no regular file but a directory", why)
    end
  end)
end)

describe("a write on a full disk", function ()
  -- The shell's limit on a file's size stands for the disk: a write goes as far as it reaches, and then fails.
  it("is an error, and the trail stays sound, when the disk is full", function ()
    local path = new_path()
    local script = write(new_path(), ([[
      local journal = require "azpec.journal"
      local trail = journal.open(%q)
      local lines, failed = 0
      repeat
        local entry, err = trail:intend { verb = "approve", id = %q, reason = ("x"):rep(lines %% 50) }
        local ok, problem = entry, err
        if entry then ok, problem = trail:conclude(entry, true) end
        lines, failed = lines + (entry and 1 or 0) + (ok and entry and 1 or 0), problem and problem.message
      until failed
      print(lines, failed)
    ]]):format(path, id))
    local said = run(("trap '' XFSZ; ulimit -f 100; exec %s %s"):format(lua, script))
    local lines, why = said:match "^(%d+)\t(.*)$"
    assert.matches("the journal cannot be written: " .. path .. ": File too large", why, 1, true)
    local report = assert(journal.verify(path))
    assert.equal("torn", report.problems[1].kind)
    assert.equal(1, #report.problems)
    assert(journal.open(path):intend { verb = "approve", id = id })
    report = assert(journal.verify(path))
    assert.equal("", complaints(report))
    assert.equal(tonumber(lines) + 2, report.lines)
    assert.equal(1, #report.repaired)
  end)

  -- What a disk of its own, of so many bytes, says to f(path, fill); fill takes all that is left of it.
  local function on_small_disk(size, f)
    local disk = folder .. "/disk" .. size
    assert(os.execute("mkdir " .. disk))
    if not os.execute(("mount -t tmpfs -o size=%s tmpfs %s 2>/dev/null"):format(size, disk)) then
      return pending "mounting is not permitted"
    end
    local ok, problem = pcall(f, disk .. "/trail", function ()
      os.execute(("cat /dev/zero >%s/rest 2>/dev/null"):format(disk))
    end)
    os.execute("umount -l " .. disk)
    if not ok then error(problem, 0) end
  end

  local function intend_until_full(trail)
    local entries = {}
    while true do
      local entry, problem = trail:intend { verb = "approve", id = id, reason = ("x"):rep(#entries % 50) }
      if not entry then return entries, problem end
      entries[#entries + 1] = entry
    end
  end

  it("has room for the result of each intent, when the disk is full", function ()
    on_small_disk("1m", function (path, fill)
      local trail = journal.open(path)
      local entries, problem = intend_until_full(trail)
      assert.matches("no room for the result: No space left on device", problem.message, 1, true)
      assert.equal("journal", problem.kind)
      assert(#entries > 10)
      fill()
      local long = ("\u{1F600}"):rep(10000) .. ("\1"):rep(5000)
      for n, entry in ipairs(entries) do
        local failed = { kind = "service", code = "X", message = long, http_status = 400 }
        assert(trail:conclude(entry, n % 2 == 0 or nil, n % 2 == 1 and failed or nil))
        fill()
      end
      local report = assert(journal.verify(path))
      assert.same({}, report.open)
      for _, one in ipairs(report.problems) do assert.equal("torn", one.kind) end
    end)
  end)

  it("does not begin what would find no room", function ()
    on_small_disk("16k", function (path)
      local entries, problem = intend_until_full(journal.open(path))
      assert.same({}, entries)
      assert.matches("No space left on device", problem.message, 1, true)
    end)
  end)
end)

describe("a run whose file is no longer there", function ()
  local ways = {
    ["renamed"] = "mv %s %s.1",
    ["renamed, with an empty one in its place"] = "mv %s %s.1 && : >%s && chmod 600 %s",
    ["renamed, with a copy in its place"] = "mv %s %s.1 && cp %s.1 %s",
    ["removed"] = "rm %s",
    ["cut off"] = ": >%s",
    ["cut off by a line"] = "sed -i.1 '$d' %s && cat %s >%s.1 && mv %s.1 %s",
  }

  local function refused(done, err)
    assert.is_nil(done)
    assert.matches("it is not the file in which this run began, which was renamed, removed or truncated; move that "
      .. "back, or start a new run", err.message, 1, true)
  end

  for way, command in pairs(ways) do
    it("has written no line without its intent: it was " .. way, function ()
      local path, trail = made(1, { run = "r1", who = { oid = "o" }, subject = "s" })
      local entry = assert(trail:intend { verb = "approve", id = id })
      local trails = { trail, journal.open(path, { subject = "s" }), journal.open(path) }
      assert(trails[2]:unfinished())
      local follower = assert(trails[3]:follow { verb = "resume", id = id })
      assert(os.execute((command:gsub("%%s", path))))
      local bytes = run(("cat %s 2>/dev/null"):format(path))
      refused(trail:conclude(entry, approved))
      refused(trails[3]:conclude(follower, approved))
      for _, one in ipairs(trails) do
        refused(one:intend { verb = "approve", id = id })
        refused(one:check())
      end
      assert.equal(bytes, run(("cat %s 2>/dev/null"):format(path)))
      if way == "renamed" or way == "removed" then assert.is_nil(io.open(path)) end
      os.remove(path)
      assert(journal.open(path):intend { verb = "approve", id = id })
    end)
  end

  it("goes on when it was moved back, and when another process has written", function ()
    local path, trail = made(1)
    assert(os.rename(path, path .. ".1"))
    refused(trail:intend { verb = "approve", id = id })
    assert(os.rename(path .. ".1", path))
    assert(journal.open(path):intend { verb = "reject", id = id })
    local entry = assert(trail:intend { verb = "approve", id = id })
    assert(trail:conclude(entry, approved))
    assert.is_true(assert(journal.verify(path)).ok)
  end)
end)

describe("several writers", function ()
  it("lose no line and keep one chain", function ()
    local path = new_path()
    local script = write(new_path(), ([[
      local journal = require "azpec.journal"
      local trail = journal.open(%q, { run = arg[1], patience = 300 })
      for n = 1, 50 do
        local entry = assert(trail:intend { verb = "approve", id = %q, reason = tostring(n) })
        assert(trail:conclude(entry, true))
      end
      print "done"
    ]]):format(path, id))
    local pipes = {}
    for n = 1, 3 do pipes[n] = io.popen(("%s %s run%d 2>&1"):format(lua, script, n)) end
    local seen = 0
    while seen < 100 do -- a reader meets no line that is half written
      local report = journal.verify(path)
      if report then
        assert.equal("", complaints(report))
        assert(report.lines >= seen)
        seen = report.lines
      end
    end
    for n = 1, 3 do
      assert.equal("done\n", pipes[n]:read "a")
      pipes[n]:close()
    end
    local records, report = journal.read(path)
    assert.equal("", complaints(report))
    assert.equal(300, report.lines)
    assert.same({}, report.open)
    for n = 1, 3 do
      local writes = journal.writes(records, { run = "run" .. n })
      assert.equal(50, #writes)
      for k, one in ipairs(writes) do assert.equal(tostring(k), one.reason) end
    end
  end)

  it("lose nothing when one is killed in the midst of it", function ()
    local path = new_path()
    local script = write(new_path(), ([[
      local trail = require "azpec.journal".open(%q)
      for n = 1, math.huge do
        assert(trail:intend { verb = "approve", id = %q, reason = tostring(n) })
        print(n)
        io.stdout:flush()
      end
    ]]):format(path, id))
    local written = 0
    for turn = 1, 5 do
      local pipe = io.popen(("echo $$; exec %s %s"):format(lua, script))
      local pid = pipe:read "n"
      for _ = 1, 20 * turn do pipe:read "n" end
      os.execute(("kill -KILL %d"):format(pid))
      local last = 20 * turn
      for n in pipe:lines "n" do last = n or last end
      pipe:close()
      written = written + last
    end
    assert(journal.open(path):intend { verb = "approve", id = id })
    local report = assert(journal.verify(path))
    assert.equal("", complaints(report))
    assert(report.lines > written, ("%d lines, %d written"):format(report.lines, written))
  end)

  it("wait for each other no longer than they want to", function ()
    local path = made(1)
    local holder = write(new_path(), ([[
      local file = io.open(%q, "a+b")
      assert(require "lfs".lock(file, "w"))
      print "locked"
      io.stdout:flush()
      io.stdin:read "a"
    ]]):format(path))
    local fifo = folder .. "/fifo"
    assert(os.execute("mkfifo " .. fifo))
    local pipe = io.popen(("%s %s >%s"):format(lua, holder, fifo), "w")
    local said <close> = io.open(fifo)
    assert.equal("locked", said:read "l")
    local entry, err = journal.open(path, { patience = 0.05 }):intend { verb = "approve", id = id }
    assert.is_nil(entry)
    assert.matches("not locked within 0.05 seconds", err.message, 1, true)
    pipe:close()
    assert(journal.open(path):intend { verb = "approve", id = id })
  end)
end)
