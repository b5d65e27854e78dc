-- azpec audit, and the writes of other verbs in the trail that --audit names.

local assert = require "luassert"
local audit = require "azpec.audit"
local cjson = require "cjson"
local kit = require "command.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0 }

local group = "-g rg-contoso-prod --account manyacct"

-- A trail's path, and its option.
local function new_trail()
  local path = support.new_path "trail"
  return path, "--audit " .. path
end

local function records(path)
  local list, report = audit.read(path)
  for _, problem in ipairs(report.problems) do error(problem.message) end
  support.has_no_secret(support.read(path), "a trail")
  return list, report
end

describe("--audit", function ()
  it("puts down who did what, from what to what, and why", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 %s %s --ticket CHG-42 --description 'ok by {ticket}'"):format(group,
      option)))
    local intent, result = table.unpack((records(path)))
    assert.equal("intent result", intent.event .. " " .. result.event)
    for _, record in ipairs { intent, result } do
      assert.equal("approve", record.verb)
      assert.equal("ensure", record.operation)
      assert.equal(emulator.many[1], record.connection)
      assert.equal("CHG-42", record.ticket)
      assert.equal("Pending", record.before.status)
      assert.equal("client_secret", record.who.credential)
      assert.equal(emulator.client_id, record.who.appid)
      assert.equal(emulator.tenant_id, record.who.tid)
      assert.is_string(record.who.oid)
    end
    assert.same({ status = "Approved", description = "ok by CHG-42" }, intent.wanted)
    assert.equal("changed", result.outcome)
    assert.equal("ok by CHG-42", result.after.description)
    assert.equal(emulator:connection(emulator.many[1]).etag, result.after.etag)
    assert.equal(emulator:log "update"[1].request_id, result.request_id)
  end)

  it("is AZPEC_AUDIT_FILE without the option", function ()
    local path = new_trail()
    kit.ended(0, azpec("approve", "many01 " .. group, { env = support.merged(kit.environment(emulator),
      { AZPEC_AUDIT_FILE = path }) }))
    assert.equal(2, #records(path))
    kit.ended(0, azpec("list", group, { env = support.merged(kit.environment(emulator),
      { AZPEC_AUDIT_FILE = path }) }))
    assert.equal(2, #records(path))
  end)

  it("keeps many, failures among them, and has no secret in it", function ()
    local path, option = new_trail()
    emulator:faults { { match = { method = "PATCH", nth = 3 }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    kit.ended(12, azpec("approve", ("--all --status Pending --yes %s %s"):format(group, option)))
    local list, report = records(path)
    assert.equal(128, #list)
    assert.same({}, report.open)
    local outcomes = { changed = 0, failed = 0 }
    for _, write in ipairs(audit.writes(list)) do outcomes[write.outcome] = outcomes[write.outcome] + 1 end
    assert.same({ changed = 63, failed = 1 }, outcomes)
  end)

  it("writes nothing to the service when it cannot write to the trail", function ()
    local result = kit.ended(1, azpec("approve", ("many01 %s --audit /dev/full"):format(group)))
    assert.matches("^azpec: the audit trail cannot be written: /dev/full is no regular file", result.err)
    assert.matches("\n  hint: nothing was sent;", result.err, 1, true)
    assert.equal(0, #emulator:log "update")
    result = azpec("approve", ("--all --yes %s --audit /nowhere/trail"):format(group))
    kit.ended(12, result)
    assert.equal(0, #emulator:log "update")
  end)

  it("is full in the midst of many: no write without its intent, and the end tells", function ()
    local path, option = new_trail()
    local line = kit.command(("approve %s --all --yes %s %s"):format(kit.address(emulator), group, option),
      kit.environment(emulator))
    local _, _, code = os.execute(("sh -c 'trap \"\" XFSZ; ulimit -f 200; exec \"$@\"' sh %s >/dev/null 2>%s.err")
      :format(line, path))
    assert.equal(12, code)
    assert.matches("the audit trail cannot be written: .*File too large", support.read(path .. ".err"))
    local seen = {}
    for _, record in ipairs((audit.read(path))) do seen[record.call] = true end
    local sent = emulator:log "update"
    for _, entry in ipairs(sent) do
      assert(seen[entry.headers["x-ms-client-request-id"]], "a write that is not in the trail")
    end
    assert(#sent < 64, #sent)
  end)

  it("has each result of what was begun, and begins no more, when the disk is full", function ()
    local disk = support.new_path "disk"
    assert(os.execute("mkdir " .. disk))
    if not os.execute(("mount -t tmpfs -o size=100k tmpfs %s 2>/dev/null"):format(disk)) then
      return pending "mounting is not permitted"
    end
    local rules = support.write(support.new_path "rules" .. ".lua", 'approve "all" { when = { name = "many*" } }')
    local result = azpec("auto", ("--apply --rules %s %s --audit %s/trail"):format(rules, group, disk))
    local ok, list, report = pcall(records, disk .. "/trail")
    os.execute("umount -l " .. disk)
    kit.ended(1, result)
    assert.matches("no room for the result: No space left on device", result.err, 1, true)
    assert(ok, list)
    assert.same({}, report.open)
    assert.equal(#list, 2 * #emulator:log "update")
    assert(#list > 0 and #list < 128, #list)
  end)

  it("needs to know who it is, so no sign-in is no line", function ()
    local path, option = new_trail()
    kit.ended(4, azpec("approve", ("%s %s"):format(emulator.many[1], option), { env = support.merged(
      kit.environment(emulator), { AZURE_CLIENT_SECRET = "wrong" }) }))
    assert.is_nil(support.read(path))
    assert.equal(0, #emulator:log "update")
  end)

  it("has no token in it, though the service repeats it", function ()
    local path, option = new_trail()
    local server = support.server { { status = 403, headers = { support.json_type },
      body = ('{"error":{"code":"AuthorizationFailed","message":"Bearer %s may not"}}'):format(support.canary) } }
    local result = kit.ended(5, kit.run(("approve %s --credential token --endpoint %s %s"):format(support.id,
      server.endpoint, option), { env = { AZURE_ACCESS_TOKEN = support.canary } }))
    assert.matches("may not", result.err)
    local list = records(path)
    assert.equal("failed", list[2].outcome)
    assert.matches("may not", list[2].error.message)
    assert.equal("token", list[1].who.credential)
  end)

  it("does not come without a place for the ticket", function ()
    local result = kit.ended(2, azpec("approve", ("many01 %s --ticket 1"):format(group)))
    assert.matches("^azpec: %-%-ticket needs a place: %-%-audit FILE, or {ticket} in %-%-description", result.err)
    result = kit.ended(2, azpec("approve", ("many01 %s --description 'x {ticket}'"):format(group)))
    assert.matches("--description speaks of a {ticket}, but there is no --ticket", result.err, 1, true)
    result = kit.ended(2, azpec("approve", ("many01 %s --description '{ticket}' --ticket %s"):format(group,
      ("x"):rep(141))))
    assert.matches("--description, its ticket included, is 141 characters long, and 140 are the most", result.err, 1,
      true)
    assert.equal(0, #emulator:log "update")
  end)

  -- Approves many01, which takes long, and sends a signal once it is polled for. Returns what was said on stderr.
  local function signaled(signal, option)
    emulator:set { operation_polls = 1000 }
    local command = kit.command(("approve %s many01 %s %s"):format(kit.address(emulator), group, option),
      kit.environment(emulator)):gsub("timeout %-k 1 %d+ ", "")
    local pipe = io.popen(("echo $$; exec %s 2>&1"):format(command))
    local pid = pipe:read "n"
    while #emulator:log "poll" < 1 do emulator:log() end
    os.execute(("kill -%s %d"):format(signal, pid))
    local said = pipe:read "a"
    pipe:close()
    return said
  end

  it("has two runs at once in one chain", function ()
    local path, option = new_trail()
    local pipes = {}
    for n = 1, 2 do
      pipes[n] = io.popen(kit.command(("approve %s --all --name 'many%d*' --yes -q %s %s"):format(
        kit.address(emulator), 2 * n, group, option), kit.environment(emulator)))
    end
    for n = 1, 2 do assert(select(2, pipes[n]:read "a":gsub("Approved", "")) == 10 and pipes[n]:close()) end
    local list, report = records(path)
    assert.equal(40, #list)
    assert.same({}, report.open)
  end)

  it("knows that an interrupted write may go on", function ()
    local path, option = new_trail()
    local said = signaled("INT", option)
    assert.matches("interrupted", said)
    local list, report = records(path)
    assert.equal(2, #list)
    assert.same({}, report.open)
    assert.equal("unknown", list[2].outcome)
    assert.equal("canceled", list[2].error.kind)
    assert.is_nil(support.read(path):find("continuation", 1, true))
  end)

  it("has an intent of its own for what resume writes", function ()
    local path, option = new_trail()
    local token = cjson.encode { azpec = 1, operation = "ensure", endpoint = emulator.endpoint, id = emulator.sample,
      api_version = "2022-06-01", status = "Approved", client_request_id = "r-1", poll = "resource", changed = false }
    kit.ended(6, azpec("resume", "- " .. option, { stdin = token }))
    assert.equal(0, #emulator:log "update")
    local before = #records(path)
    kit.ended(0, azpec("resume", "- --write " .. option, { stdin = token }))
    local list = records(path)
    assert.equal("intent", list[before + 1].event)
    assert.equal("Approved", list[before + 1].wanted.status)
    assert.equal("changed", list[before + 2].outcome)
    kit.ended(1, azpec("resume", "- --write --audit /nonexistent/trail", { stdin = token }))
    assert.equal(1, #emulator:log "update")
  end)

  it("has the end of what was not waited for, once it is resumed", function ()
    local path, option = new_trail()
    emulator:set { operation_polls = 2 }
    local tokens = kit.ended(0, azpec("approve", ("many01 --no-wait -o jsonl %s %s"):format(group, option))).out
    assert.equal("unknown", audit.writes(records(path))[1].outcome)
    kit.ended(0, azpec("resume", "- " .. option, { stdin = tokens }))
    local list, report = records(path)
    assert.same({}, report.open)
    local writes = audit.writes(list)
    assert.equal(1, #writes)
    assert.equal("changed", writes[1].outcome)
    assert.equal("Approved", writes[1].after.status)
    assert.is_nil(support.read(path):find("continuation", 1, true))
  end)

  it("has deletions", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("delete", ("many01 --yes %s %s"):format(group, option)))
    local write = audit.writes(records(path))[1]
    assert.equal("delete changed Pending", ("%s %s %s"):format(write.operation, write.outcome, write.before.status))
    assert.is_nil(write.after)
    local result = kit.ended(12, azpec("audit", ("undo %s --run %s --apply --yes"):format(path, write.run)))
    assert.matches("^many01%S* stays as it is: it was deleted; only its private endpoint's owner can", result.err)
  end)

  it("shows a run that was killed", function ()
    local path, option = new_trail()
    signaled("KILL", option)
    local result = kit.ended(0, kit.run("audit verify " .. path))
    assert.equal("how the writes of line 1 ended is not known: their results are not in the trail\n", result.err)
    assert.matches("unknown", kit.ended(0, kit.run("audit show " .. path)).out)
  end)
end)

describe("audit verify", function ()
  local path

  before_each(function ()
    local option
    path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
  end)

  it("tells that all is well, and the anchor", function ()
    local result = kit.ended(0, kit.run("audit verify " .. path))
    local last = audit.verify(path).last
    assert.equal(("%s: 4 lines, as they were written\nanchor 4:%s\n"):format(path, last.hash), result.out)
    assert.equal("", result.err)
    kit.ended(0, kit.run(("audit verify %s --anchor 4:%s"):format(path, last.hash)))
    local report = kit.json(kit.ended(0, kit.run("audit verify -o json " .. path)).out, { schema_version = "=1",
      file = "=" .. path, ok = "=true", lines = "=4", anchor = "=4:" .. last.hash, problems = {}, repaired = {},
      open = {} })
    assert.same({}, report.problems)
  end)

  it("names what was changed, and ends with code 1", function ()
    local whole = support.read(path)
    support.write(path, (whole:gsub("many02", "many03", 1)))
    local result = kit.ended(1, kit.run("audit verify " .. path))
    assert.equal("LINE  PROBLEM  WHICH IS\n2     changed  line 2 was changed: it is not as azpec wrote it\n",
      (result.out:gsub("\n%d+ +changed", "\n2     changed"):gsub("line %d", "line 2")))
    assert.matches("1 problem in 4 lines\n$", result.err)
    assert.matches('"kind":"changed"', kit.ended(1, kit.run("audit verify -o json " .. path)).out)
    support.write(path, (whole:gsub("^[^\n]*\n", "")))
    assert.matches("number 1 is missing before line 1", kit.ended(1, kit.run("audit verify " .. path)).out)
    support.write(path, whole:match "^[^\n]*\n")
    local cut = kit.ended(1, kit.run(("audit verify %s --anchor %s"):format(path, "4:" .. ("0"):rep(64))))
    assert.matches("number 4, which the anchor knows, is missing: the trail ends at line 1", cut.out)
  end)

  it("wants a trail, and an anchor that is one", function ()
    assert.matches("which trail?", kit.ended(2, kit.run "audit verify").err, 1, true)
    assert.matches("No such file", kit.ended(1, kit.run "audit verify /nowhere").err)
    assert.matches("'x' is no anchor", kit.ended(2, kit.run("audit verify --anchor x " .. path)).err)
    assert.matches("argument 'action' must be one of", kit.ended(2, kit.run "audit prove x").err)
  end)
end)

describe("audit show", function ()
  local path

  setup(function ()
    local option
    path, option = new_trail()
    emulator:reset()
    kit.ended(0, azpec("approve", ("many01 %s %s --ticket '=1+1|x'"):format(group, option)))
    kit.ended(0, azpec("reject", ("many02 %s %s"):format(group, option)))
  end)

  it("has a line for each write", function ()
    local out = kit.ended(0, kit.run("audit show " .. path)).out
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line:gsub(" +", " ") end
    assert.equal(3, #lines)
    assert.matches("^TIME RUN WHO VERB NAME BEFORE AFTER OUTCOME TICKET$", lines[1])
    assert.matches("^%d+%-%d+%-%d+T[%d:]+Z %d+T%d+Z%-%x+ " .. emulator.client_id:gsub("%-", "%%-")
      .. " approve many01%S* Pending Approved changed =1%+1|x$", lines[2])
    assert.matches(" reject many02%S* Pending Rejected changed$", lines[3])
  end)

  it("comes as JSON, CSV and Markdown", function ()
    local rows = cjson.decode(kit.ended(0, kit.run("audit show -o json " .. path)).out).writes
    assert.equal(2, #rows)
    assert.equal("Approved", rows[1].after.status)
    assert.equal(emulator.tenant_id, rows[1].who.tid)
    assert.is_nil(rows[1].hash)
    local csv = kit.ended(0, kit.run("audit show -o csv " .. path)).out
    assert.matches("^at,run,by,verb,name,status_before,status_after,outcome,rule,reason,ticket,", csv)
    assert.matches(",'=1+1|x,", csv, 1, true)
    assert.equal(3, select(2, csv:gsub("\r\n", "")))
    local md = kit.ended(0, kit.run("audit show -o md " .. path)).out
    assert.matches("^| TIME | RUN | WHO | VERB | NAME | BEFORE | AFTER | OUTCOME | TICKET |\n| %-%-%- |", md)
    assert.matches("| =1+1\\|x |", md, 1, true)
  end)

  it("can be asked for less", function ()
    local run = cjson.decode(kit.ended(0, kit.run("audit show -o json " .. path)).out).writes[2].run
    local function count(line)
      return #cjson.decode(kit.ended(0, kit.run(("audit show -o json %s %s"):format(path, line))).out).writes
    end
    assert.equal(1, count("--run " .. run))
    assert.equal(2, count "--since 1h")
    assert.equal(0, count "--since 2999-01-01T00:00:00Z")
    assert.equal(1, count("--connection " .. emulator.many[1]:upper()))
    assert.matches("--since 'soon' is no time", kit.ended(2, kit.run("audit show --since soon " .. path)).err, 1, true)
  end)

  it("says when the trail was changed", function ()
    local changed = support.write(support.new_path "changed", (support.read(path):gsub("approve", "approv3", 1)))
    local result = kit.ended(1, kit.run("audit show " .. changed))
    assert.matches("the trail is not as it was written: line 1 was changed", result.err, 1, true)
  end)
end)

describe("audit undo", function ()
  local path, option

  before_each(function () path, option = new_trail() end)

  local function run_of()
    local list = records(path)
    return list[1].run
  end

  local function undo(line)
    return azpec("audit", ("undo %s --run %s %s"):format(path, run_of(), line or ""))
  end

  it("shows what it would do, and does it when it is told to", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    local result = kit.ended(0, undo())
    assert.equal(2, select(2, result.out:gsub("would change +Approved +Pending", "")))
    assert.matches("2 changes would be undone; nothing was done; --apply does it\n", result.err, 1, true)
    assert.matches("Pending is asked for; should the service refuse", result.err, 1, true)
    assert.equal(2, #emulator:log "update")
    kit.ended(10, undo "--detailed-exitcode")
    result = kit.ended(0, undo "--yes --apply")
    assert.matches("2 changes undone, 0 failed, 0 stay as they are", result.err)
    for n = 1, 2 do assert.equal("Pending", emulator:connection(emulator.many[n]).status) end
    for n, entry in ipairs(emulator:log "update") do
      if n > 2 then assert.is_string(entry.headers["if-match"]) end
    end
    local list = records(path)
    assert.equal(8, #list)
    assert.equal("undoes run " .. list[1].run, list[8].reason)
    assert.equal("undo", list[8].verb)
  end)

  it("leaves alone what was changed since, and says so before it writes", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    kit.ended(0, azpec("approve", ("many01 --description 'mine' %s"):format(group)))
    local result = kit.ended(12, undo "--yes --apply")
    assert.matches("^many01%S* stays as it is: it was changed since: its ETag is ", result.err)
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    assert.equal("Pending", emulator:connection(emulator.many[2]).status)
  end)

  it("is harmless the second time, and can be undone itself", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    kit.ended(0, undo "--yes --apply")
    local result = kit.ended(0, undo "--yes --apply --detailed-exitcode")
    assert.equal(2, select(2, result.out:gsub("unchanged +Pending +Pending +it is so already", "")))
    assert.equal("0 changes undone, 0 failed, 0 stay as they are, 2 so already\n", result.err)
    assert.equal(4, #emulator:log "update")
    local list = records(path)
    kit.ended(0, azpec("audit", ("undo %s --run %s --apply --yes"):format(path, list[#list].run)))
    for n = 1, 2 do assert.equal("Approved", emulator:connection(emulator.many[n]).status) end
    assert.equal(6, #emulator:log "update")
    kit.ended(0, azpec("reject", "many01 --yes " .. group))
    result = kit.ended(12, undo "--yes --apply")
    assert.matches("^many01%S* stays as it is: it was changed since: it is Rejected, the run left it Approved\n",
      result.err)
  end)

  it("tells how to go on waiting where it is broken off", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } } -- so each says it once
    local run = kit.start(("audit %s undo %s --run %s --apply --yes -v -v"):format(kit.address(emulator), path,
      run_of()), { env = kit.environment(emulator) })
    for _ = 1, 2 do run:read_until "next look" end
    run:signal "INT"
    local result = run:finish()
    assert.equal(130, result.code)
    assert.matches("2 operations are still running at the service", result.err, 1, true)
    assert.matches("azpec resume", result.err, 1, true)
  end)

  it("says in words what Batch does not let it undo", function ()
    kit.ended(0, azpec("reject", ("many03 %s %s"):format(group, option)))
    local result = kit.ended(12, undo "--yes --apply")
    assert.matches("^many03%S* stays as it is: it is Rejected, and cannot be approved again; delete it,", result.err)
    assert.equal(1, #emulator:log "update")
  end)

  it("rejects instead of asking for Pending, where the service refuses that", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    emulator:set { request_pending = "refuse" }
    kit.ended(12, undo "--yes --apply")
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    local result = kit.ended(0, undo "--yes --apply --reject")
    assert.matches("what is rejected now cannot be approved again", result.err, 1, true)
    assert.equal("Rejected", emulator:connection(emulator.many[1]).status)
  end)

  it("wants a run that is in the trail", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    assert.matches("which run?", kit.ended(2, azpec("audit", "undo " .. path)).err, 1, true)
    assert.matches("the trail knows no run 'x'", kit.ended(1, azpec("audit", "undo --run x " .. path)).err, 1, true)
  end)
end)

it("does what the README shows", function ()
  kit.play_sample(emulator)
  local path = support.new_path "readme"
  for _, one in ipairs(kit.readme "azpec audit verify") do
    local verb, rest = one.line:match "^azpec (%S+) (.*)$"
    local result = kit.ended(0, azpec(verb, (rest:gsub("trail%.jsonl", path))))
    assert.equal(kit.steady(one.output), kit.steady((result.out:gsub(path:gsub("%p", "%%%0"), "trail.jsonl"))))
  end
end)
