-- What the command tells of its requests: --trace FILE (HAR 1.2), and the distributed trace of TRACEPARENT.

local assert = require "luassert"
local cjson = require "cjson"
local har = require "azpec.cli.har"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 1 }

local many = "-g rg-contoso-prod --account manyacct"
local quote = support.quote

-- The members that HAR 1.2 asks for, and those of ours; nothing else.
local pair = { name = "string", value = "string" }
local entry = {
  startedDateTime = "string", time = "number", cache = {}, ["comment?"] = "string",
  timings = { blocked = "number", dns = "number", connect = "number", ssl = "number", send = "number", wait = "number",
    receive = "number" },
  request = { method = "string", url = "string", httpVersion = "string", cookies = {}, headers = { pair },
    queryString = { pair }, headersSize = "=-1", bodySize = "=-1" },
  response = { status = "number", statusText = "string", httpVersion = "string", cookies = {}, headers = { pair },
    content = { size = "number", mimeType = "string", comment = "string" }, redirectURL = "string",
    headersSize = "=-1", bodySize = "number" },
  ["_resourceId?"] = "string", ["_phase?"] = "string", ["_attempt?"] = "number", ["_traceId?"] = "string",
  ["_spanId?"] = "string", ["_parentSpanId?"] = "string", ["_requestId?"] = "string", ["_correlationId?"] = "string",
}
local document = { log = { version = "=1.2", creator = { name = "=azpec", version = "string" }, entries = { entry },
  ["comment?"] = "string" } }

-- The entries of a document, which is checked.
local function entries_of(text)
  support.has_no_secret(text, "the trace")
  local entries = kit.json(text, document).log.entries
  for _, one in ipairs(entries) do
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", one.startedDateTime)
    local sum = 0
    for name, time in pairs(one.timings) do
      assert(time >= 0 or time == -1, name)
      if name ~= "ssl" then sum = sum + math.max(0, time) end
    end
    assert.near(one.time, sum, 0.01)
    assert(one.timings.ssl <= one.timings.connect)
  end
  return entries
end

local function trace_file()
  local folder = support.new_path "traces"
  assert(os.execute("mkdir " .. quote(folder)))
  return folder .. "/trace.har", folder
end

local function traced(line, more)
  local path = trace_file()
  return azpec("approve", ("%s --trace %s"):format(line, quote(path)), more), path
end

describe("--trace", function ()
  it("has each request with its answer, ids and times, in the order in which they were sent", function ()
    local result, path = traced(emulator.sample)
    kit.ended(0, result)
    assert.equal("", result.err)
    local entries, log = entries_of(support.read(path)), emulator:log()
    assert.equal(#log, #entries)
    for n, one in ipairs(entries) do
      local sent = log[n]
      assert.equal(sent.method, one.request.method)
      assert.equal(sent.status, one.response.status)
      assert.equal(sent.kind == "token" and "token" or emulator.sample, one._resourceId or "token")
      if sent.kind == "update" then
        assert.equal(emulator.endpoint .. sent.target, one.request.url)
        assert.same({ { name = "api-version", value = "2022-06-01" } }, one.request.queryString)
        assert.same({ { name = "x-ms-client-request-id", value = sent.headers["x-ms-client-request-id"] } },
          one.request.headers)
        assert.truthy(one._requestId)
      end
    end
  end)

  it("has the parts of the time: a connection is made once, and used again", function ()
    local path = trace_file()
    local line = ("approve --endpoint %s --authority-host %s --ca-file %s --interval 0.02 --trace %s %s"):format(
      emulator.tls_endpoint, emulator.tls_endpoint, emulator.ca_file, quote(path), emulator.sample)
    kit.ended(0, kit.run(line, { env = kit.environment(emulator) }))
    local entries, made, kept = entries_of(support.read(path)), 0, 0
    for _, one in ipairs(entries) do
      local timings = one.timings
      if timings.connect >= 0 then
        made = made + 1
        assert(timings.ssl > 0 and timings.dns >= 0)
      else
        kept = kept + 1
        assert.equal("-1 -1", ("%d %d"):format(timings.dns, timings.ssl))
      end
    end
    assert.equal(emulator:connection_count(), made)
    assert(kept > 0, kept)
    for _, one in ipairs(entries) do assert(one.timings.wait > 0) end
  end)

  it("replaces a trace, and no other file", function ()
    local path, folder = trace_file()
    for _ = 1, 2 do kit.ended(0, azpec("list", many .. " --trace " .. quote(path))) end
    entries_of(support.read(path))
    for name, text in pairs { ["rules.lua"] = "return 1\n", ["plan.json"] = '{\n  "azpec_plan": 1}\n',
      ["other.har"] = '{"log":{"creator":{"name":"a browser"}}}', ["journal.jsonl"] = '{"at":"2026-11-24"}\n' } do
      local other = support.write(folder .. "/" .. name, text)
      local result = kit.ended(2, azpec("approve", ("--trace %s %s"):format(quote(other), emulator.sample)))
      assert.matches(("azpec: --trace: %s: there is another file; name a new one"):format(other), result.err, 1, true)
      assert.equal(text, support.read(other))
    end
    assert.equal(0, #emulator:log "update")
  end)

  it("has no bodies, no query but the api-version, and is its owner's alone", function ()
    local result, path = traced("--description hush-hush " .. emulator.sample)
    kit.ended(0, result)
    local text = support.read(path)
    for _, word in ipairs { "hush%-hush", "[Bb]earer", "[Aa]uthorization", "client_secret", "access_token", "%?t=" } do
      assert.is_nil(text:find(word), word)
    end
    local pipe <close> = io.popen("stat -c %a " .. quote(path))
    assert.equal("600", pipe:read "l")
  end)

  it("has what was not answered, too: a fault below HTTP, and what Ctrl-C has cut off", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { reset = true } } }
    local result, path = traced(emulator.sample)
    kit.ended(0, result)
    local lost
    for _, one in ipairs(entries_of(support.read(path))) do
      lost = lost or one.request.method == "PATCH" and one
    end
    assert.equal(0, lost.response.status)
    assert.truthy(lost.comment)
  end)

  for signal, code in pairs { INT = 130, TERM = 143 } do
    it("is a whole document also after SIG" .. signal, function ()
      emulator:faults { { match = { kind = "update", nth = 1 }, action = { hold = true } } }
      local path = trace_file()
      local process = kit.start(("approve %s -vv --trace %s %s"):format(kit.address(emulator), quote(path),
        emulator.sample), { env = kit.environment(emulator) })
      process:read_until "> PATCH"
      support.await("the update", function () return emulator:has_met(1) end)
      process:signal(signal)
      local result = process:finish()
      emulator:release()
      assert.equal(code, result.code)
      local entries = entries_of(support.read(path))
      local last = entries[#entries]
      assert.equal("PATCH", last.request.method)
      assert.equal("no answer came before azpec ended", last.comment)
    end)
  end

  it("is a whole document while azpec runs, and when it is killed", function ()
    emulator:faults { { match = { kind = "update", nth = 1 }, action = { hold = true } } }
    local path = trace_file()
    local process = kit.start(("approve %s -vv --trace %s %s"):format(kit.address(emulator), quote(path),
      emulator.sample), { env = kit.environment(emulator) })
    process:read_until "> PATCH"
    assert.same({}, entries_of(support.read(path)))
    process:signal "KILL"
    process:finish()
    emulator:release()
    assert.same({}, entries_of(support.read(path)))
  end)

  it("that cannot be written ends the command before anything is sent", function ()
    local _, folder = trace_file()
    assert(os.execute(("ln -s nowhere %s/link"):format(quote(folder))))
    for path, why in support.each { ["/nowhere/trace.har"] = ": No such file or directory",
      [folder] = " is no regular file but a directory", [folder .. "/"] = " is no regular file but a directory",
      [folder .. "/link"] = " is a symbolic link; name the file itself" } do
      local result = kit.ended(2, azpec("approve", ("--trace %s %s"):format(quote(path), emulator.sample)))
      assert.matches("azpec: --trace: " .. path .. why, result.err, 1, true)
      assert.equal("", emulator:kinds())
    end
  end)

  it("that the disk has no room for is told, the file stays a document, and the rest is done", function ()
    local so = ("%s/tools/faults.so"):format(os.getenv "BUILD" or "build")
    local result, path = traced(emulator.sample, { env = support.merged(kit.environment(emulator),
      { LD_PRELOAD = ("%s %s"):format(os.getenv "LD_PRELOAD" or "", so), FAULT = "write 28 2 trace.har" }) })
    kit.ended(1, result)
    assert.matches(": Approved", result.out)
    assert.matches("azpec: %-%-trace: .*: No space left on device\n", result.err)
    assert.same({}, entries_of(support.read(path)))
    local pipe <close> = io.popen(("ls -A \"$(dirname %s)\""):format(quote(path)))
    assert.equal("trace.har\n", pipe:read "a")
  end)

  it("goes into a pipe as one document", function ()
    local result = kit.ended(0, azpec("list", ("%s -q -o json --trace /dev/stderr"):format(many)))
    assert(#entries_of(result.err) >= 2)
  end)

  it("keeps the last ten thousand, and says how many it left out", function ()
    local path = trace_file()
    local recorder = assert(har.start(path, "1", function () return 7 end, 1000000000.25))
    for n = 1, 10003 do
      local event = { id = "/x", client_request_id = tostring(n), method = "GET", url = "https://example/x" }
      recorder:observe(support.merged({ event = "request" }, event))
      recorder:observe(support.merged({ event = "response", status = 200 }, event))
    end
    assert(recorder:finish())
    local log = cjson.decode(support.read(path)).log
    assert.equal(10000, #log.entries)
    assert.equal("3 earlier requests are left out", log.comment)
    assert.equal("2001-09-09T01:46:40.250Z", log.entries[1].startedDateTime)
    assert.equal("4", log.entries[1].request.headers[1].value)
  end)
end)

describe("TRACEPARENT", function ()
  local trace_id, parent_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
  local parent = ("00-%s-%s-01"):format(trace_id, parent_id)

  local function in_trace(env, line)
    return azpec("approve", ("%s %s"):format(emulator.sample, line or ""),
      { env = support.merged(kit.environment(emulator), env) })
  end

  it("is the parent of every request, each with a span id of its own; --trace and -vv tell them", function ()
    local path = trace_file()
    local result = kit.ended(0, in_trace({ TRACEPARENT = parent, TRACESTATE = "congo=t61" },
      "-vv --trace " .. quote(path)))
    local entries, seen = entries_of(support.read(path)), {}
    for n, sent in ipairs(emulator:log()) do
      local span = sent.headers.traceparent:match(("^00%%-%s%%-(%%x+)%%-01$"):format(trace_id))
      assert(#span == 16 and span ~= parent_id and not seen[span], sent.headers.traceparent)
      seen[span] = true
      assert.equal("congo=t61", sent.headers.tracestate)
      assert.same({ trace_id, span, parent_id }, { entries[n]._traceId, entries[n]._spanId, entries[n]._parentSpanId })
      assert.matches("span " .. span, result.err, 1, true)
    end
  end)

  for what, value in pairs {
    ["a trace id of zeros"] = ("00-%s-%s-01"):format(("0"):rep(32), parent_id),
    ["a span id of zeros"] = ("00-%s-%s-01"):format(trace_id, ("0"):rep(16)),
    ["upper case"] = parent:upper(), ["version ff"] = parent:gsub("^00", "ff"),
    ["something behind version 00"] = parent .. "-00", ["another text"] = "yes", ["a line feed"] = parent .. "\n",
  } do
    it("that is not valid is ignored, with a note in -v: " .. what, function ()
      local result = kit.ended(0, in_trace({ TRACEPARENT = value, TRACESTATE = "congo=t61" }))
      assert.equal("", result.err)
      for _, sent in ipairs(emulator:log()) do
        assert.is_nil(sent.headers.traceparent)
        assert.is_nil(sent.headers.tracestate)
      end
      emulator:reset()
      result = kit.ended(0, in_trace({ TRACEPARENT = value }, "-v"))
      assert.matches("azpec: TRACEPARENT is ignored: it is not as W3C Trace Context has it\n", result.err, 1, true)
    end)
  end

  it("stays where TRACESTATE alone is not valid, and that alone is nothing", function ()
    local result = kit.ended(0, in_trace({ TRACEPARENT = parent, TRACESTATE = ("a=1,"):rep(40) }, "-v"))
    assert.matches("azpec: TRACESTATE is ignored", result.err, 1, true)
    for _, sent in ipairs(emulator:log()) do
      assert.matches(trace_id, sent.headers.traceparent, 1, true)
      assert.is_nil(sent.headers.tracestate)
    end
    emulator:reset()
    for _, env in ipairs { { TRACESTATE = "congo=t61" }, { TRACEPARENT = "" } } do
      kit.ended(0, in_trace(env))
      assert.is_nil(emulator:log "token"[1].headers.tracestate)
    end
  end)
end)
