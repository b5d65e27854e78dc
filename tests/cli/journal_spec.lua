-- azpec journal, and the writes of other verbs in the trail that --journal names.

local assert = require "luassert"
local journal = require "azpec.journal"
local cjson = require "cjson"
local kit = require "cli.kit"
local support = require "loopback.support"
local documents = require "tools.documents"

local emulator, azpec = kit.stage { operation_polls = 0 }

local group = "-g rg-contoso-prod --account manyacct"

-- A trail's path, and its option.
local function new_trail()
  local path = support.new_path "trail"
  return path, "--journal " .. path
end

local function records(path)
  local list, report = journal.read(path)
  for _, problem in ipairs(report.problems) do error(problem.message) end
  support.has_no_secret(support.read(path), "a trail")
  return list, report
end

describe("--journal", function ()
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

  it("is AZPEC_JOURNAL without the option", function ()
    local path = new_trail()
    kit.ended(0, azpec("approve", "many01 " .. group, { env = support.merged(kit.environment(emulator),
      { AZPEC_JOURNAL = path }) }))
    assert.equal(2, #records(path))
    kit.ended(0, azpec("list", group, { env = support.merged(kit.environment(emulator),
      { AZPEC_JOURNAL = path }) }))
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
    for _, write in ipairs(journal.writes(list)) do outcomes[write.outcome] = outcomes[write.outcome] + 1 end
    assert.same({ changed = 63, failed = 1 }, outcomes)
  end)

  it("writes nothing to the service when it cannot write to the trail", function ()
    local result = kit.ended(1, azpec("approve", ("many01 %s --journal /dev/full"):format(group)))
    assert.matches("^azpec: the journal cannot be written: /dev/full is no regular file", result.err)
    assert.matches("\n  hint: nothing was written;", result.err, 1, true)
    assert.equal(0, #emulator:log "update")
    emulator:control("DELETE", "log")
    kit.ended(1, azpec("approve", ("--all --yes %s --journal /nowhere/trail"):format(group)))
    assert.equal("", emulator:kinds())
  end)

  -- The lines of all verbs that write, each to be run with an --journal of its own.
  local function lines()
    local function rules(names)
      return support.write(support.new_path "rules" .. ".lua",
        ('approve "ours" { when = { name = "%s" }, because = "they are ours" }'):format(names))
    end
    local plan, done = support.new_path "plan" .. ".json", support.new_path "done"
    kit.ended(0, azpec("plan", ("--rules %s %s --out %s"):format(rules "many0*", group, plan)))
    kit.ended(0, azpec("approve", ("many20 %s --journal %s"):format(group, done)))
    return { approve = "many21 " .. group, reject = "many22 " .. group, delete = "many23 --yes " .. group,
      auto = ("--rules %s %s --apply"):format(rules "many3*", group), apply = plan, resume = "- --write",
      journal = ("undo %s --run %s --apply --yes"):format(done, records(done)[1].run) }
  end

  local function token(more)
    return cjson.encode(support.merged({ azpec = 1, operation = "ensure", endpoint = emulator.endpoint,
      id = emulator.sample, api_version = "2022-06-01", status = "Approved", client_request_id = "r-1",
      poll = "resource", changed = false }, more or {}))
  end

  it("lets no verb write whose intent cannot be put down", function ()
    for verb, line in support.each(lines()) do
      local before = #emulator:log("update", "delete")
      if verb == "journal" then
        os.execute("chmod o+w " .. line:match "undo (%S+)")
      else
        line = line .. " --journal /nonexistent/trail"
      end
      assert(azpec(verb, line, { stdin = token() }).code ~= 0, verb)
      assert.equal(before, #emulator:log("update", "delete"))
    end
  end)

  it("has as many intents as there were writes, whichever verb made them", function ()
    for verb, line in support.each(lines()) do
      local path = verb == "journal" and line:match "undo (%S+)" or support.new_path "trail"
      local before, known = #emulator:log("update", "delete"), support.read(path) and #records(path) or 0
      emulator:faults { { match = { kind = { "update", "delete" }, nth = 1 }, action = { status = 503 } } }
      kit.ended(0, azpec(verb, verb == "journal" and line or line .. " --journal " .. path, { stdin = token() }))
      local writes, intents, list = #emulator:log("update", "delete") - before, 0, records(path)
      for n = known + 1, #list do intents = intents + (list[n].event == "intent" and 1 or 0) end
      assert(writes > 1, verb)
      assert.equal(writes, intents, verb)
      assert.is_true(journal.verify(path).ok)
    end
  end)

  it("sends nothing at all where resume could not put the end down", function ()
    local asked = emulator:kinds()
    kit.ended(1, azpec("resume", "- --journal /nonexistent/trail", { stdin = token { operation = "update",
      changed = true } }))
    assert.equal(asked, emulator:kinds())
  end)

  it("that was changed gets no line of any verb, which writes nothing", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    local changed = support.read(path):gsub("Pending", "pending", 1)
    local plan, rules = support.new_path "plan", support.write(support.new_path "rules",
      'approve "x" { when = { name = "many03" }, because = "ours" }')
    kit.ended(0, azpec("plan", ("--rules %s %s --out %s"):format(rules, group, plan)))
    emulator:control("DELETE", "log")
    for verb, line in support.each { approve = "many02 " .. group, reject = "many02 --yes " .. group,
      delete = "many02 --yes " .. group, auto = ("--apply --rules %s %s"):format(rules, group), apply = plan,
      resume = "- --write" } do
      support.write(path, changed)
      local result = kit.ended(1, azpec(verb, line .. " " .. option, { stdin = token() }))
      assert.matches(path .. ":1: this is not as azpec wrote it (`azpec journal verify`)", result.err, 1, true)
      assert.equal(changed, support.read(path))
    end
    assert.equal(0, #emulator:log "update" + #emulator:log "delete")
  end)

  it("is full in the midst of many: no write without its intent, and the end tells", function ()
    local path, option = new_trail()
    local line = kit.command(("approve %s --all --yes %s %s"):format(kit.address(emulator), group, option),
      kit.environment(emulator))
    local _, _, code = os.execute(("sh -c 'trap \"\" XFSZ; ulimit -f 200; exec \"$@\"' sh %s >/dev/null 2>%s.err")
      :format(line, path))
    assert.equal(1, code)
    local said = support.read(path .. ".err")
    assert.matches("the journal cannot be written: .*File too large", said)
    assert.matches("hint: nothing was written; make the journal writable, free space on its disk, or", said)
    for message in said:gmatch "\n?(azpec: the journal cannot be written[^\n]*)" do
      assert.equal(1, select(2, said:gsub(message:gsub("%p", "%%%0"), "")), message)
    end
    local seen = {}
    for _, record in ipairs((journal.read(path))) do seen[record.call] = true end
    local sent = emulator:log "update"
    for _, entry in ipairs(sent) do
      assert(seen[entry.headers["x-ms-client-request-id"]], "a write that is not in the journal")
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
    local result = azpec("auto", ("--apply --rules %s %s --journal %s/trail"):format(rules, group, disk))
    local ok, list, report = pcall(records, disk .. "/trail")
    os.execute("umount -l " .. disk)
    kit.ended(1, result)
    -- Which of the two finds the disk full first, the intent or the room for its result, depends on the order of ends.
    assert.matches("azpec: [^\n]*: No space left on device\n", result.err)
    assert(ok, list)
    assert.same({}, report.open)
    local counts = { intent = 0, result = 0, repair = 0 } -- a line that found no room is marked
    for _, record in ipairs(list) do counts[record.event] = counts[record.event] + 1 end
    assert.equal(counts.intent, #emulator:log "update")
    assert.equal(counts.intent, counts.result)
    assert(counts.intent > 0 and counts.intent < 64, counts.intent)
  end)

  it("that is replaced while a write is under way leaves its end unknown: the exit code is 8", function ()
    local path = new_trail()
    emulator:set { operation_polls = 1000000 }
    local process = kit.start(("approve %s -vv --timeout 3 %s --journal %s"):format(kit.address(emulator),
      emulator.many[1], path), { env = kit.environment(emulator) })
    process:read_until "next poll"
    assert(os.execute(("mv %s %s.old; ln -s %s.old %s"):format(path, path, path, path)))
    local result = kit.ended(8, process:finish())
    assert.matches("\nazpec: the journal cannot be written", result.err)
    assert.matches("azpec resume", result.err)
  end)

  it("needs to know who it is, so no sign-in is no line", function ()
    local path, option = new_trail()
    kit.ended(4, azpec("approve", ("%s %s"):format(emulator.many[1], option), { env = support.merged(
      kit.environment(emulator), { AZURE_CLIENT_SECRET = "wrong" }) }))
    assert.equal("", support.read(path))
    assert.equal(0, #emulator:log "update")
  end)

  it("has no token in it, though the service repeats it", function ()
    local path, option = new_trail()
    local server = support.server { { method = "GET", headers = { support.json_type },
      body = support.connection_json "Pending" }, { status = 403, headers = { support.json_type },
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
    assert.matches("^azpec: %-%-ticket needs a place: %-%-journal FILE, or {ticket} in %-%-description", result.err)
    result = kit.ended(2, azpec("delete", ("many01 %s --ticket 1"):format(group))) -- has no --description
    assert.matches("^azpec: %-%-ticket needs a place: %-%-journal FILE %(", result.err)
    result = kit.ended(2, azpec("approve", ("many01 %s --description 'x {ticket}'"):format(group)))
    assert.matches("--description speaks of a {ticket}, but there is no --ticket", result.err, 1, true)
    result = kit.ended(2, azpec("approve", ("many01 %s --description '{ticket}' --ticket %s"):format(group,
      ("x"):rep(141))))
    assert.matches("--description, filled in, is 141 characters long, and 140 are the most", result.err, 1,
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
    assert.same({ 1 }, report.open)
    assert.equal("unknown", list[2].outcome)
    assert.equal("canceled", list[2].error.kind)
    assert.is_nil(support.read(path):find("continuation", 1, true))
  end)

  it("has an intent of its own for what resume writes", function ()
    local path, option = new_trail()
    kit.ended(6, azpec("resume", "- " .. option, { stdin = token() }))
    assert.equal(0, #emulator:log "update")
    assert.same({}, records(path))
    kit.ended(0, azpec("resume", "- --write " .. option, { stdin = token() }))
    local list = records(path)
    assert.equal(2, #list)
    assert.equal("intent", list[1].event)
    assert.equal("Approved", list[1].wanted.status)
    assert.equal("changed", list[2].outcome)
  end)

  it("has the end of what was not waited for, once it is resumed", function ()
    local path, option = new_trail()
    emulator:set { operation_polls = 2 }
    local tokens = kit.ended(0, azpec("approve", ("many01 --no-wait -o jsonl %s %s"):format(group, option))).out
    assert.equal("unknown", journal.writes(records(path))[1].outcome)
    kit.ended(0, azpec("resume", "- " .. option, { stdin = tokens }))
    local list, report = records(path)
    assert.same({}, report.open)
    local writes = journal.writes(list)
    assert.equal(1, #writes)
    assert.equal("changed", writes[1].outcome)
    assert.equal("Approved", writes[1].after.status)
    assert.is_nil(support.read(path):find("continuation", 1, true))
  end)

  it("has the end of what --no-wait began, once the same command finds it ended", function ()
    emulator:set { operation_polls = "off", operation_seconds = 250 }
    emulator:faults { { match = { kind = "poll" }, action = { delay = 0.3 } } } -- longer than between two polls
    for verb, done in pairs { approve = "Approved", reject = "Rejected", delete = "deleted" } do
      local path, option = new_trail()
      local words = ("%s --yes --no-wait %s"):format(emulator.many[1], option)
      assert.matches("^{[^\n]+}\n$", kit.ended(0, azpec(verb, words)).out)
      local still = kit.ended(0, azpec(verb, words))
      assert.matches("^{[^\n]+}\n$", still.out)
      emulator:control("POST", "clock", { advance = 260 })
      local last = kit.ended(0, azpec(verb, words))
      emulator:control("POST", "clock", { advance = -260 })
      emulator:control("DELETE", "state")
      assert.same({ "", "many01.5a7e0001-91c4-4d2b-8f36-70b1e2c30001: " .. done .. " (an earlier run began it)\n" },
        { last.out, last.err })
      local list, report = records(path)
      assert.same({}, report.open)
      local events = {}
      for n, record in ipairs(list) do events[n] = record.outcome or record.event end
      assert.equal("intent unknown unknown changed", table.concat(events, " "))
    end
  end)

  it("has deletions", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("delete", ("many01 --yes %s %s"):format(group, option)))
    local write = journal.writes(records(path))[1]
    assert.equal("delete changed Pending", ("%s %s %s"):format(write.operation, write.outcome, write.before.status))
    assert.is_nil(write.after)
    local result = kit.ended(7, azpec("journal", ("undo %s --run %s --apply --yes"):format(path, write.run)))
    local refusal = "manyacct/many01%S*: stays as it is: it was deleted; only its private endpoint's owner can"
    assert.equal("", result.out)
    assert.matches("^azpec: stays as it is: it was deleted\n  about: %S+/many01[^\n]*\n  hint: only its private "
      .. "endpoint's owner can", result.err)
    result = kit.ended(7, azpec("journal", ("undo %s --run %s"):format(path, write.run)))
    assert.matches(refusal, result.out)
    assert.falsy(result.err:find("--apply", 1, true)) -- there is nothing that it would do
  end)

  it("says to another command that a line is unfinished, until its own command has ended it", function ()
    local _, option = new_trail()
    signaled("KILL", option)
    emulator:reset()
    local function other(options)
      return kit.ended(0, azpec("approve", ("many02 %s %s %s"):format(group, option, options or ""))).err
    end
    assert.equal("azpec: line 1 of the journal is unfinished; repeat its command (azpec journal verify shows it), "
      .. "unless it is still running\n",
      other())
    assert.equal("", other "-q")
    kit.ended(6, azpec("approve", ("many01 %s %s"):format(group, option))) -- the reset has changed the ETag
    assert.equal("", other())
  end)

  it("lets a command that names the connection by id finish what another one began", function ()
    local path, option = new_trail()
    local rules = support.write(support.new_path "rules" .. ".lua",
      'approve "ours" { when = { name = { "many01", "many02" } }, description = "by the rule" }')
    kit.ended(0, azpec("auto", ("--apply --rules %s %s %s"):format(rules, group, option)))
    support.write(path, (support.read(path):match "^[^\n]*\n[^\n]*\n")) -- killed before it recorded the ends
    local both = ("%s %s --yes %s"):format(emulator.many[1], emulator.many[2], option)
    local result = kit.ended(0, azpec("approve", both))
    assert.equal(2, select(2, result.out:gsub("Approved %(an earlier run began it%)\n", "")))
    assert.same({}, select(2, records(path)).open)
    assert.equal("by the rule", emulator:connection(emulator.many[1]).description)
    assert.equal(2, #emulator:log "update")
    assert.equal(2, select(2, kit.ended(0, azpec("approve", both)).out:gsub("already Approved\n", "")))
  end)

  it("counts the write of a killed run as a change of the run that finds it done", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    support.write(path, support.read(path):match "^[^\n]*\n") -- killed before it recorded the end
    local again = ("many01 -q --detailed-exitcode %s %s"):format(group, option)
    local result = kit.ended(10, azpec("approve", again))
    assert.matches("^many01%S*: Approved %(an earlier run began it%)\n$", result.out)
    assert.matches("already Approved", kit.ended(0, azpec("approve", again)).out)
    assert.equal(1, #emulator:log "update")
  end)

  -- Approves many01, whose request does not reach the service, and then as somebody else without a journal. Returns the
  -- first command's journal, its line, and its continuation token.
  local function approved_by_another(description)
    local path, option = new_trail()
    local line = ("many01 %s %s"):format(group, option)
    emulator:faults { { match = { kind = "update" }, action = { close = true } } }
    local lost = kit.ended(8, azpec("approve", line .. " --max-tries 1 -o json"))
    emulator:faults {}
    kit.ended(0, azpec("approve", ("many01 %s --description '%s'"):format(group, description)))
    return path, line, cjson.decode(lost.err).continuation_tokens[1]
  end

  it("does not take another's approval for that of an interrupted run", function ()
    local path, line, left = approved_by_another "by somebody else"
    local unfinished = #records(path)
    local message = "the requested status, but not the description that this write leaves: somebody else changed it"
    for _, options in ipairs { "", "--write " } do
      local result = kit.ended(6, azpec("resume", ("- %s--journal %s"):format(options, path), { stdin = left }))
      assert.matches(message, result.err, 1, true)
      assert.equal(unfinished, #records(path))
    end
    local result = kit.ended(6, azpec("approve", line))
    assert.equal("", result.out)
    assert.matches(message, result.err, 1, true)
    local list, report = records(path)
    assert.same({ "failed", "precondition" }, { list[#list].outcome, list[#list].error.kind })
    assert.same({}, report.open)
    kit.ended(0, azpec("approve", line)) -- already Approved
    assert.equal(#list, #records(path))
  end)

  it("finishes a run whose write took effect, although its answer was lost", function ()
    local path, option = new_trail()
    local line = ("many01 %s %s"):format(group, option)
    emulator:faults { { match = { kind = "update" }, action = { lose = true } },
      { match = { kind = "get" }, action = { close = true } } }
    kit.ended(8, azpec("approve", line .. " --max-tries 1"))
    emulator:faults {}
    assert.matches("an earlier run began it", kit.ended(0, azpec("approve", line)).out, 1, true)
    local list = records(path)
    assert.equal("changed", list[#list].outcome)
  end)

  it("takes a command with other settings for the same one, and one with another description for another", function ()
    local path, option = new_trail()
    local line = ("many01 %s %s"):format(group, option)
    emulator:faults { { match = { kind = "update" }, action = { close = true } } }
    kit.ended(8, azpec("approve", line .. " --max-tries 1"))
    emulator:faults {}
    local other = kit.ended(0, azpec("approve", line .. " --description other --dry-run")).err
    assert.matches("line 1 of the journal is unfinished; repeat its command", other, 1, true)
    local settings = " --timeout 9m --max-tries 3 --parallel 2 --ticket CHG-1 -v"
    assert.matches("an earlier run began it", kit.ended(0, azpec("approve", line .. settings)).out, 1, true)
    assert.same({}, select(2, records(path)).open)
  end)

  it("says of a write whose answer was lost that it may have taken effect before another change", function ()
    local path, option = new_trail()
    local line = ("many01 %s %s"):format(group, option)
    emulator:set { update_answer = "200" }
    emulator:faults { { match = { kind = "update" }, action = { lose = true } },
      { match = { kind = "get" }, action = { close = true } } }
    kit.ended(8, azpec("approve", line .. " --max-tries 1"))
    emulator:faults {}
    kit.ended(0, azpec("reject", ("many01 %s --yes"):format(group)))
    local result = kit.ended(6, azpec("approve", line .. " -o json"))
    assert.is_true(cjson.decode(result.err).error.replaced)
    local list, report = records(path)
    assert.same({ "failed", true }, { list[#list].outcome, list[#list].error.replaced })
    assert.matches("an earlier attempt may have taken effect", list[#list].error.message, 1, true)
    assert.same({}, report.open)
  end)

  it("shows a run that was killed", function ()
    local path, option = new_trail()
    signaled("KILL", option)
    local shown = {}
    for action, words in pairs { verify = "^how the writes of line 1 ended is not known; to finish them",
      show = "^to finish what has no known result", runs = "^to finish what has no known result" } do
      local result = kit.ended(0, kit.run(("journal %s %s"):format(action, path)))
      shown[action] = result.err:match(words .. ", run this command again, unless it is still running:\n  ([^\n]+)\n$")
      assert(shown[action], result.err)
      assert.equal("", kit.ended(0, kit.run(("journal %s %s -q"):format(action, path))).err)
    end
    assert.matches("unknown +1\n", kit.ended(0, kit.run("journal show " .. path)).out)
    local left = cjson.decode(kit.ended(0, kit.run("journal verify -o json " .. path)).out).unfinished
    assert.same({ 1, 1, emulator.many[1], "approve" }, { #left, left[1].line, left[1].id, left[1].verb })
    for _, command in ipairs { shown.verify, shown.show, shown.runs,
      cjson.decode(kit.ended(0, kit.run("journal show -o json " .. path)).out).writes[1].command,
      cjson.decode(kit.ended(0, kit.run("journal runs -o json " .. path)).out).runs[1].command } do
      assert.equal(left[1].command, command)
    end
    local renamed = path .. ".old"
    os.execute(("cp -p %s %s"):format(path, renamed))
    assert.truthy(kit.ended(0, kit.run("journal verify " .. renamed)).err:find(
      "\n  but with --journal " .. renamed .. ", which has these writes\n", 1, true))
    emulator:set { operation_polls = 0 }
    local pasted = kit.ended(0, kit.shell(left[1].command, { env = kit.environment(emulator) }))
    assert.matches("many01%S*: Approved", pasted.out)
    assert.same({}, journal.verify(path).open)
    assert.equal("", kit.ended(0, kit.run("journal runs " .. path)).err)
  end)

  it("has the command line of each run once, for a shell, and AZPEC_JOURNAL where the environment named the file",
    function ()
    local path, option = new_trail()
    local rules = support.write(support.new_path "it's the rules" .. ".lua",
      'approve "ours" { when = { name = { "many01", "many02" } } }')
    kit.ended(0, azpec("auto", ("--apply --rules %s %s"):format(support.quote(rules), group),
      { env = support.merged(kit.environment(emulator), { AZPEC_JOURNAL = path }) }))
    local address, commands = kit.address(emulator), {}
    for _, record in ipairs((records(path))) do commands[#commands + 1] = record.command end
    local subscription = "--subscription " .. emulator.subscription_id
    assert.same({ ("AZPEC_JOURNAL=%s azpec auto %s %s --apply --rules %s %s"):format(path, subscription, address,
      support.quote(rules), group) }, commands)
    kit.ended(0, azpec("approve", ("many03 --description '$(x) ö' %s %s"):format(group, option)))
    kit.ended(0, azpec("approve", ("- %s %s"):format(group, option), { stdin = emulator.many[4] }))
    local runs = journal.runs((records(path)))
    assert.equal(("azpec approve %s %s many03 --description '$(x) ö' %s %s"):format(subscription, address, group,
      option), runs[2].command)
    assert.equal(("azpec approve %s - %s %s"):format(address, group, option), runs[3].command)
    assert.is_nil(cjson.decode(kit.ended(0, kit.run("journal show -o json " .. path)).out).writes[1].command)
  end)

  it("has a command line that means the same subscription, service and folder in any shell", function ()
    local path, folder = new_trail(), support.new_path "folder"
    assert(os.execute("mkdir " .. folder))
    support.write(folder .. "/r.lua", 'approve "ours" { when = { name = "many01" } }')
    local env = support.merged(kit.environment(emulator), { AZPEC_JOURNAL = path })
    kit.ended(0, kit.shell(('root=$PWD; cd %s && LUA_CPATH="$root/build/?.so;;" $root/scripts/bin/azpec auto --apply '
      .. "--rules r.lua %s %s"):format(folder, group, kit.address(emulator)), { env = env }))
    local command = journal.runs((records(path)))[1].command
    assert.equal(("cd %s && AZPEC_JOURNAL=%s azpec auto --subscription %s --apply --rules r.lua %s %s"):format(folder,
      path, emulator.subscription_id, group, kit.address(emulator)), command)
  end)

  local another = "0f0f0f0f-6a1e-4b7d-9c55-0e8d1b2a7f10"

  it("is another command's in another subscription, and its recorded line stays in its own", function ()
    local path, option = new_trail()
    signaled("KILL", option)
    local elsewhere = support.merged(kit.environment(emulator), { AZURE_SUBSCRIPTION_ID = another })
    local command = cjson.decode(kit.ended(0, kit.run("journal show -o json " .. path)).out).writes[1].command
    local other = kit.run(("approve --all --yes %s %s %s"):format(kit.address(emulator), group, option),
      { env = elsewhere })
    assert.matches("line 1 of the journal is unfinished", other.err)
    assert.same({ 1 }, journal.verify(path).open)
    emulator:set { operation_polls = 0 }
    kit.ended(0, kit.shell(command, { env = elsewhere }))
    assert.same({}, journal.verify(path).open)
  end)

  it("of an older version is finished in its subscription, and no run begins in another", function ()
    local path, option = new_trail()
    local rules = support.write(support.new_path "rules" .. ".lua", 'approve "ours" { when = { name = "many01" } }')
    local subject = require "azpec.json".encode { require "azpec.sha256".hex(support.read(rules)),
      { resource_group_name = "rg-contoso-prod", account_name = "manyacct" } }
    local old = journal.open(path, { who = {}, subject = require "azpec.sha256".hex("auto\n" .. subject) })
    assert(old:intend { verb = "auto", operation = "ensure", id = emulator.many[1], wanted = { status = "Approved" } })
    local line = ("--rules %s --apply %s %s"):format(rules, group, option)
    emulator:control("DELETE", "log")
    local result = kit.ended(6, azpec("auto", line, { env = support.merged(kit.environment(emulator),
      { AZURE_SUBSCRIPTION_ID = another }) }))
    assert.matches(("writes are in subscription %s, and this command looks in %s; nothing was done\n"):format(
      emulator.subscription_id, another), result.err, 1, true)
    assert.matches("give --subscription " .. emulator.subscription_id, result.err, 1, true)
    assert.equal(0, #emulator:log "update")
    kit.ended(0, azpec("auto", line))
    assert.same({}, journal.verify(path).open)
  end)

  it("says where to look up a run whose command line it does not have", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("%s %s %s --yes"):format(("many01 "):rep(3000), group, option)))
    support.write(path, (support.read(path):match "^[^\n]*\n"))
    assert.matches("to finish them, run the commands that began them again, with this journal; azpec journal show "
      .. "lists these writes with their verbs and connections\n", kit.ended(0, kit.run("journal verify " .. path)).err)
    local other = kit.ended(0, azpec("approve", ("many02 %s %s"):format(group, option)))
    assert.matches("line 1 of the journal is unfinished", other.err)
    support.write(path, (support.read(path):match "^[^\n]*\n[^\n]*\n"))
    assert.matches("\n  azpec approve [^\n]* many02 [^\n]*\nazpec journal show lists the other writes with their verbs "
      .. "and connections\n$", kit.ended(0, kit.run("journal show " .. path)).err)
  end)

  it("does not advise to repeat a command with a journal from which lines are missing", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    local anchor = kit.ended(0, kit.run("journal verify " .. path)).out:match "anchor (%S+)"
    support.write(path, support.read(path):match "^[^\n]*\n") -- without the result
    local result = kit.ended(1, kit.run(("journal verify %s --anchor %s"):format(path, anchor)))
    assert.matches("^how the writes of line 1 ended is not known; lines with their results may be missing", result.err)
    assert.falsy(result.err:find("run the same command", 1, true))
  end)
end)

describe("journal verify", function ()
  local path

  before_each(function ()
    local option
    path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
  end)

  it("tells that all is well, and the anchor", function ()
    local result = kit.ended(0, kit.run("journal verify " .. path))
    local last = journal.verify(path).last
    assert.equal(("%s: 4 lines, as they were written\nanchor 4:%s\n"):format(path, last.hash), result.out)
    assert.equal("", result.err)
    kit.ended(0, kit.run(("journal verify %s --anchor 4:%s"):format(path, last.hash)))
    local report = kit.json(kit.ended(0, kit.run("journal verify -o json " .. path)).out, { schema_version = "=1",
      file = "=" .. path, ok = "=true", lines = "=4", anchor = "=4:" .. last.hash, problems = {}, repaired = {},
      open = {}, unfinished = {}, left_out = "=0" })
    assert.same({}, report.problems)
  end)

  it("tells the anchor on stderr where the rows of the output are problems, also with -q", function ()
    local said = ("%s: 4 lines, as they were written\nanchor 4:%s\n"):format(path, journal.verify(path).last.hash)
    for _, format in ipairs { "csv", "tsv", "md", "jsonl" } do
      for _, quiet in ipairs { "", "-q " } do
        local result = kit.ended(0, kit.run(("journal verify %s-o %s %s"):format(quiet, format, path)))
        assert.same({ "", said }, { result.out, result.err })
      end
    end
    local result = kit.ended(0, kit.run("journal verify " .. path, { env = { AZPEC_OUTPUT = "csv" } }))
    assert.same({ "", said }, { result.out, result.err })
  end)

  it("verifies a file that was rotated, by its anchor, and the next run begins a new one", function ()
    local anchor = kit.run("journal verify " .. path).out:match "anchor (%S+)"
    local old = path .. ".1"
    assert(os.rename(path, old))
    kit.ended(0, azpec("approve", ("many03 %s --journal %s"):format(group, path)))
    assert.matches("2 lines, as they were written", kit.ended(0, kit.run("journal verify " .. path)).out, 1, true)
    kit.ended(0, kit.run(("journal verify %s --anchor %s"):format(old, anchor)))
    kit.ended(0, azpec("journal", ("undo %s --run last --apply --yes"):format(old)))
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
    kit.ended(0, kit.run(("journal verify %s --anchor %s"):format(old, anchor)))
  end)

  it("names what was changed, and ends with code 1", function ()
    local whole = support.read(path)
    support.write(path, (whole:gsub("many02", "many03", 1)))
    local result = kit.ended(1, kit.run("journal verify " .. path))
    assert.equal("LINE  PROBLEM  WHICH IS\n2     changed  line 2 was changed: it is not as azpec wrote it\n",
      (result.out:gsub("\n%d+ +changed", "\n2     changed"):gsub("line %d", "line 2")))
    assert.equal(("azpec: %s: 1 problem in 4 lines; 1 line is left out of what is listed\n"):format(path), result.err)
    local report = cjson.decode(kit.ended(1, kit.run("journal verify -o json " .. path)).out)
    assert.same({ "changed", 1, nil }, { report.problems[1].kind, report.left_out, report.anchor })
    support.write(path, (whole:gsub("^[^\n]*\n", "")))
    assert.matches("number 1 is missing before line 1", kit.ended(1, kit.run("journal verify " .. path)).out)
    support.write(path, whole:match "^[^\n]*\n")
    local cut = kit.ended(1, kit.run(("journal verify %s --anchor %s"):format(path, "4:" .. ("0"):rep(64))))
    assert.not_matches("anchor 1:", cut.out)
    assert.matches("number 4, which the anchor knows, is missing: the journal ends at line 1", cut.out)
  end)

  it("says that an empty journal has nothing to verify, and ends with 3", function ()
    support.write(path, "")
    local result = kit.ended(3, kit.run("journal verify " .. path))
    assert.equal("", result.out)
    assert.equal(("azpec: %s: it is empty, so there is nothing to verify\n  hint: nothing was recorded, or all lines "
      .. "were removed; only --anchor tells which\n"):format(path), result.err)
    result = kit.ended(3, kit.run("journal verify -o json " .. path))
    assert.is_false(cjson.decode(result.out).ok)
    assert.equal("not_found", kit.json(result.err, kit.failure).error.kind)
    kit.ended(1, kit.run(("journal verify %s --anchor 4:%s"):format(path, ("0"):rep(64))))
  end)

  it("names the result of a write that was not announced", function ()
    emulator:set { operation_polls = 2 }
    local tokens = kit.ended(0, azpec("approve", "many03 --no-wait -o jsonl " .. group)).out
    kit.ended(0, azpec("resume", "- --journal " .. path, { stdin = tokens }))
    local result = kit.ended(1, kit.run("journal verify " .. path))
    assert.matches("\n5 +unannounced +line 5 is the result of a write without an intent in this journal\n", result.out)
    assert.matches("1 problem in 5 lines\n$", result.err)
    assert.matches('"line":5', kit.ended(1, kit.run("journal verify -o json " .. path)).out, 1, true)
    kit.ended(0, kit.run("journal show " .. path)) -- each line is as it was written
  end)

  it("wants a trail, and an anchor that is one", function ()
    assert.matches("no journal is named: give its file, or AZPEC_JOURNAL", kit.ended(2, kit.run "journal verify").err,
      1, true)
    assert.matches("No such file", kit.ended(1, kit.run "journal verify /nowhere").err)
    assert.matches("'x' is no anchor", kit.ended(2, kit.run("journal verify --anchor x " .. path)).err)
    assert.matches("ACTION: 'prove' is not one of verify, runs, show, undo", kit.ended(2, kit.run "audit prove x").err)
  end)
end)

describe("journal show", function ()
  local path

  setup(function ()
    local option
    path, option = new_trail()
    emulator:reset()
    kit.ended(0, azpec("approve", ("many01 %s %s --ticket '=1+1|x'"):format(group, option)))
    kit.ended(0, azpec("reject", ("many02 %s %s"):format(group, option)))
  end)

  it("has a line for each write", function ()
    local out = kit.ended(0, kit.run("journal show " .. path)).out
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line:gsub(" +", " ") end
    assert.equal(3, #lines)
    assert.matches("^TIME RUN WHO VERB ACCOUNT NAME BEFORE AFTER RESULT TICKET LINE$", lines[1])
    assert.matches("^%d+%-%d+%-%d+T[%d:]+Z %d+T%d+Z%-%x+ " .. emulator.client_id:gsub("%-", "%%-")
      .. " approve manyacct many01%S* Pending Approved changed =1%+1|x 1$", lines[2])
    assert.matches(" reject manyacct many02%S* Pending Rejected changed 3$", lines[3])
  end)

  it("comes as JSON, CSV and Markdown", function ()
    local rows = cjson.decode(kit.ended(0, kit.run("journal show -o json " .. path)).out).writes
    assert.equal(2, #rows)
    assert.equal("Pending Approved changed", ("%s %s %s"):format(rows[1].before, rows[1].after, rows[1].result))
    assert.equal("Approved", rows[1].state_after.status)
    assert.equal(emulator.many[1], rows[1].id)
    assert.is_nil(rows[1].connection)
    assert.equal(emulator.tenant_id, rows[1].who.tid)
    assert.is_nil(rows[1].hash)
    local csv = kit.ended(0, kit.run("journal show -o csv " .. path)).out
    assert.matches("^at,run,by,verb,account_name,name,before,after,result,rule,reason,ticket,", csv)
    assert.matches(",'=1+1|x,", csv, 1, true)
    assert.equal(3, select(2, csv:gsub("\r\n", "")))
    local md = kit.ended(0, kit.run("journal show -o md " .. path)).out
    assert.matches("^| TIME | RUN | WHO | VERB | ACCOUNT | NAME | BEFORE | AFTER | RESULT | TICKET | LINE |\n| %-%-%- ",
      md)
    assert.matches("| =1+1\\|x |", md, 1, true)
  end)

  it("and verify say that another file is no journal", function ()
    local other = support.write(support.new_path "other", "return 1\n")
    for _, action in ipairs { "show", "verify" } do
      local result = kit.ended(1, kit.run(("journal %s %s"):format(action, other)))
      assert.equal("", result.out)
      assert.equal(("azpec: %s: it is no journal of azpec's\n"):format(other), result.err)
    end
  end)

  it("can be asked for less", function ()
    local run = cjson.decode(kit.ended(0, kit.run("journal show -o json " .. path)).out).writes[2].run
    local function count(line)
      return #cjson.decode(kit.ended(0, kit.run(("journal show -o json %s %s"):format(path, line))).out).writes
    end
    assert.equal(1, count("--run " .. run))
    for _, since in ipairs { "1h", "99999999999999w", "1066-10-14T09:00:00Z" } do
      assert.equal(2, count("--since " .. since), since)
    end
    assert.equal(0, count "--since 2999-01-01T00:00:00Z")
    assert.equal(1, count("--connection " .. emulator.many[1]:upper()))
    for _, name in ipairs { "many01", "manyacct/many01", "many01*", emulator.many[1]:match "[^/]+$" } do
      assert.equal(1, count("--connection '" .. name .. "'"))
    end
    assert.equal(2, count "--connection many01 --connection many02")
    assert.matches("azpec: the journal knows no connection 'many0'; did you mean 'many01' or 'many02'?",
      kit.ended(3, kit.run("journal show --connection many0 " .. path)).err, 1, true)
    for option, message in pairs { ["--run nosuch"] = "run 'nosuch'", ["--ticket other"] = "ticket 'other'",
      ["--change-reference C3"] = "change 'C3'" } do
      local result = kit.ended(3, kit.run(("journal show %s %s"):format(option, path)))
      assert.matches("the journal knows no " .. message, result.err, 1, true)
    end
    assert.equal(1, count "--ticket '=1+1|x'")
    for line, takers in pairs { ["show --anchor 2:" .. ("ab"):rep(32)] = "verify",
      ["verify --since 7d"] = "runs or show", ["verify --run last"] = "show or undo",
      ["verify --ticket x"] = "runs, show or undo", ["show --apply"] = "undo",
      ["show --policy-token always"] = "undo" } do
      assert.matches(" goes with " .. takers .. " (see", kit.ended(2, kit.run(("journal %s %s"):format(line,
        path))).err, 1, true)
    end
    assert.matches("--since: '7' has no unit; write 7d for days", kit.ended(2, kit.run("journal show --since 7 "
      .. path)).err, 1, true)
    local soon = kit.ended(2, kit.run("journal show --since soon " .. path))
    assert.matches("--since: 'soon' is not a time", soon.err, 1, true)
  end)

  it("takes the times that date prints, and a date; not a time without its zone", function ()
    local function count(since)
      local shown = kit.ended(0, kit.run(("journal show -o json %s '--since=%s'"):format(path, since)))
      return #cjson.decode(shown.out).writes
    end
    local now = os.time()
    for _, format in ipairs { "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S,553377901+00:00", "%Y-%m-%d %H:%M:%SZ",
      "@" .. now - 3600 } do
      assert.equal(2, count(os.date("!" .. format, now - 3600)), format)
    end
    assert.equal(2, count(os.date("!%Y-%m-%d", now - 86400)))
    assert.equal(0, count(os.date("!%Y-%m-%d", now + 86400)))
    assert.equal(0, count("@" .. now + 3600))
    for _, zoneless in ipairs { "2021-08-18T14:25:36", "2021-08-18 14:25:36" } do
      assert.matches(("--since: '%s' has no time zone; write %sZ for UTC"):format(zoneless, zoneless),
        kit.ended(2, kit.run(("journal show %s --since '%s'"):format(path, zoneless))).err, 1, true)
    end
  end)

  it("says when the journal was changed", function ()
    local changed = support.write(support.new_path "changed", (support.read(path):gsub("approve", "approv3", 1)))
    local result = kit.ended(1, kit.run("journal show " .. changed))
    assert.matches("the journal is not as it was written: line 1 was changed", result.err, 1, true)
  end)
end)

describe("journal runs", function ()
  it("has a line for each run: how many writes, how they ended, why, and for which ticket", function ()
    local path, option = new_trail()
    assert.equal("the journal is empty\n", kit.ended(0, kit.run("journal runs " .. support.write(path, ""))).err)
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s --ticket CHG-42"):format(group, option)))
    emulator:faults { { match = { method = "PATCH" }, action = { status = 403 } } }
    kit.ended(5, azpec("reject", ("many03 %s %s"):format(group, option)))
    emulator:faults {}
    local first = records(path)[1].run
    kit.ended(0, azpec("journal", ("undo %s --run %s --apply --reject --yes"):format(path, first)))
    local lines = {}
    for line in kit.ended(0, kit.run("journal runs " .. path)).out:gmatch "[^\n]+" do
      lines[#lines + 1] = line:gsub(" +", " "):gsub("^%S+ %S+ " .. emulator.client_id:gsub("%p", "%%%0") .. " ", "")
    end
    assert.same({ "TIME RUN WHO VERB WRITES CHANGED FAILED UNFINISHED TICKET REASON", "approve 2 2 0 0 CHG-42",
      "reject 1 0 1 0", "undo 2 2 0 0 undoes run " .. first }, lines)
    local rows = cjson.decode(kit.ended(0, kit.run("journal runs -o json " .. path)).out).runs
    assert.equal(first, rows[1].run)
    assert.equal(emulator.client_id, rows[1].who.appid)
    assert.is_nil(rows[1].changes)
    assert.equal(3, #cjson.decode(kit.ended(0, kit.run("journal runs --since 1h -o json " .. path)).out).runs)
    for sort, verbs in support.each { ["-verb"] = "undo reject approve", ["writes,verb"] = "reject approve undo" } do
      local out = kit.ended(0, kit.run(("journal runs -o tsv --columns verb --sort %s %s"):format(sort, path))).out
      assert.equal(verbs, (out:gsub("\n$", ""):gsub("\n", " ")))
    end
    assert.equal("reject", cjson.decode(kit.ended(0, kit.run("journal show --sort -result,name -o json " ..
      path)).out).writes[1].verb)
    assert.equal(0, #cjson.decode(kit.ended(0, kit.run("journal runs --since 2999-01-01T00:00:00Z -o json "
      .. path)).out).runs)
  end)

  it("takes the runs that have a write with the ticket, or the change reference", function ()
    local path, option = new_trail()
    local function verbs(options)
      local out = kit.ended(0, kit.run(("journal runs -o tsv --columns verb %s %s"):format(options, path))).out
      return (out:gsub("\n", " "))
    end
    kit.ended(0, azpec("approve", ("many01 --no-wait %s %s --ticket CHG-1"):format(group, option)))
    kit.ended(0, azpec("approve", ("many01 %s %s --ticket CHG-2"):format(group, option))) -- finishes it
    kit.ended(0, azpec("reject", ("many02 %s %s --ticket CHG-2 --change-reference C1 --policy-token auto"):format(group,
      option)))
    assert.equal("approve ", verbs "--ticket CHG-1")
    assert.equal("approve reject ", verbs "--ticket CHG-2")
    assert.equal("reject ", verbs "--change-reference C1")
    assert.equal("reject ", verbs "--ticket CHG-2 --change-reference C1")
    assert.matches("the journal knows no ticket 'CHG-3'; did you mean 'CHG-1' or 'CHG-2'?",
      kit.ended(3, kit.run("journal runs --ticket CHG-3 " .. path)).err, 1, true)
    assert.matches(("--run last; azpec journal runs %s --ticket CHG-2 lists those of this ticket"):format(path),
      kit.ended(2, azpec("journal", ("undo %s --ticket CHG-2"):format(path))).err, 1, true)
  end)

  it("and show name who sent a write and for which ticket, also where others finished it", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 --no-wait %s %s --ticket CHG-1"):format(group, option)))
    local env = kit.environment(emulator)
    env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET = nil, nil
    kit.ended(0, azpec("approve", ("many01 --credential managed-identity %s %s --ticket CHG-2"):format(group, option),
      { env = support.merged(env, { AZURE_POD_IDENTITY_AUTHORITY_HOST = emulator.endpoint }) }))
    local write = cjson.decode(kit.ended(0, kit.run("journal show -o json --ticket CHG-2 " .. path)).out).writes[1]
    assert.equal("CHG-1 CHG-2 changed", ("%s %s %s"):format(write.ticket, write.finished_ticket, write.result))
    assert.equal(emulator.client_id, write.by)
    assert.not_equal(emulator.client_id, write.finished_by)
    local run = cjson.decode(kit.ended(0, kit.run("journal runs -o json " .. path)).out).runs[1]
    assert.equal("CHG-1 1", ("%s %d"):format(run.ticket, run.writes))
    assert.equal(write.begun_at, run.at)
  end)

  it("counts what is unfinished, and says when the journal was changed", function ()
    local path, option = new_trail()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    local intent = support.read(path):match "^[^\n]*\n"
    local cut = support.write(support.new_path "cut", intent)
    local row = cjson.decode(kit.ended(0, kit.run("journal runs -o json " .. cut)).out).runs[1]
    assert.equal("1 0 1", ("%d %d %d"):format(row.writes, row.changed, row.unfinished))
    local changed = support.write(support.new_path "changed", (support.read(path):gsub("approve", "approv3", 1)))
    local result = kit.ended(1, kit.run("journal runs -o json " .. changed))
    assert.matches("the journal is not as it was written: line 1 was changed", result.err, 1, true)
    assert.is_false(cjson.decode(result.out).complete)
    assert.equal(1, cjson.decode(result.out).left_out)
  end)
end)

describe("a dry run with --journal", function ()
  local path, option, both

  -- As an interrupted run leaves the journal: with one intent, and no result.
  before_each(function ()
    path, option = new_trail()
    both = ("many01 many02 %s %s"):format(group, option)
    kit.ended(0, azpec("approve", both .. " --yes"))
    support.write(path, (support.read(path):match "^[^\n]*\n"))
    emulator:reset()
  end)

  after_each(function ()
    assert.equal(0, #emulator:log("update", "delete"))
    assert.equal(1, #records(path))
  end)

  -- Decides without the journal, as somebody else.
  local function decided(verb, line)
    kit.ended(0, azpec(verb, ("many01 --yes %s %s"):format(group, line or "")))
    emulator:control("DELETE", "log")
  end

  local begun = "an earlier run began it, and its end is not known"

  it("shows what an earlier run has begun, as it is now", function ()
    local result = kit.ended(0, azpec("approve", both .. " --dry-run"))
    assert.matches("many01%S*: would become Approved %(is Pending%): " .. begun .. "\n", result.out)
    assert.matches("many02%S*: would become Approved %(is Pending%)\n", result.out)
    assert.equal("2 connections: 2 would change\n", result.err)
    result = kit.ended(10, azpec("approve", both .. " --dry-run --detailed-exitcode -o json"))
    local rows = cjson.decode(result.out).results
    assert.same({ true, begun, "would change" }, { rows[1].resumed, rows[1].why, rows[1].result })
    assert.is_nil(rows[2].resumed)
    decided "approve"
    result = kit.ended(0, azpec("approve", both .. " --dry-run"))
    assert.matches("many01%S*: already Approved %(an earlier run began it%)\n", result.out)
    decided "reject"
    assert.matches("many01%S*: cannot become Approved: ", kit.ended(12, azpec("approve", both .. " --dry-run")).out)
    decided "delete"
    assert.matches("many01%S*: failed: there is no such connection\n",
      kit.ended(12, azpec("approve", both .. " --dry-run")).out)
  end)

  it("says which lines are another command's to finish", function ()
    local result = kit.ended(0, azpec("approve", ("many02 %s %s --dry-run"):format(group, option)))
    assert.equal("azpec: line 1 of the journal is unfinished; repeat its command (azpec journal verify shows it), "
      .. "unless it is still running\n",
      result.err)
    assert.falsy(result.out:find("many01", 1, true))
  end)

  it("ends as the command would where the journal was changed, and makes none", function ()
    local other, its_option = new_trail()
    support.write(other, (support.read(path):gsub("many01", "many03")))
    local result = kit.ended(1, azpec("approve", ("many02 %s %s --dry-run"):format(group, its_option)))
    assert.matches("its last line is not as azpec wrote it", result.err, 1, true)
    os.remove(other)
    kit.ended(0, azpec("approve", ("many02 %s %s --dry-run"):format(group, its_option)))
    assert.is_nil(support.read(other))
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
    return azpec("journal", ("undo %s --run %s %s"):format(path, run_of(), line or ""))
  end

  it("shows what it would do, and does it when it is told to", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    local result = kit.ended(0, undo())
    assert.equal(2, select(2, result.out:gsub(": would become Pending %(is Approved%): undoes run ", "")))
    assert.matches("2 connections: 2 would change\nnothing was done; --apply does it\n", result.err, 1, true)
    assert.matches("the service may refuse to make an approved connection Pending", result.err, 1, true)
    assert.equal(result.out, kit.ended(0, undo "--dry-run").out)
    assert.matches("can not be used together", kit.ended(2, undo "--apply --dry-run").err, 1, true)
    assert.equal(2, #emulator:log "update")
    kit.ended(10, undo "--detailed-exitcode")
    result = kit.ended(0, undo "--yes --apply")
    assert.matches("2 connections: 2 changed", result.err)
    for n = 1, 2 do assert.equal("Pending", emulator:connection(emulator.many[n]).status) end
    for n, entry in ipairs(emulator:log "update") do
      if n > 2 then assert.is_string(entry.headers["if-match"]) end
    end
    local list = records(path)
    assert.equal(8, #list)
    assert.equal("undoes run " .. list[1].run, list[8].reason)
    assert.equal("undo", list[8].verb)
  end)

  it("shows what an interrupted undo has begun", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    kit.ended(0, undo "--yes --apply")
    local lines = {}
    for line in support.read(path):gmatch "[^\n]*\n" do lines[#lines + 1] = line end
    support.write(path, table.concat(lines, "", 1, 5)) -- the intent of its first write
    emulator:control("DELETE", "log")
    local name = journal.read(path)[5].connection:match "many%d%d"
    kit.ended(0, azpec("approve", ("%s %s"):format(name, group)))
    local result = kit.ended(0, undo())
    assert.matches(name .. "%S*: would become Pending %(is Approved%): an earlier run began it, and its end is not "
      .. "known\n", result.out)
    assert.matches("\nnothing was done; %-%-apply does it\n$", result.err)
    assert.equal(1, #emulator:log "update")
  end)

  it("leaves alone what was changed since, and says so before it writes", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    kit.ended(0, azpec("approve", ("many01 --description 'mine' %s"):format(group)))
    local result = kit.ended(12, undo "--yes --apply")
    assert.matches("^manyacct/many01%S*: stays as it is: it was changed since: its ETag is ", result.err)
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    assert.equal("Pending", emulator:connection(emulator.many[2]).status)
  end)

  it("brings back what it can read; with --fail-fast nothing, where it cannot read an account", function ()
    local other = emulator.sample:match "/([^/]+)$"
    kit.ended(0, azpec("approve", ("many01 %s --yes --subscription %s %s"):format(other, emulator.subscription_id,
      option)))
    emulator:faults { { match = { kind = "list", path = "/sampleacct/" }, action = { status = 403,
      error = { code = "AuthorizationFailed", message = "no" } } } }
    for line, writes in support.each { ["--fail-fast"] = 2, ["--yes --apply --fail-fast"] = 2 } do
      local result = kit.ended(5, undo(line))
      assert.matches("^azpec: AuthorizationFailed: no[^\n]*\n  about: %S*/sampleacct[^\n]*\n", result.err)
      assert.equal("", result.out)
      assert.equal(writes, #emulator:log "update")
    end
    assert.matches("\n2 connections: 1 would change, 1 failed\n", kit.ended(12, undo()).err)
    local result = kit.ended(12, undo "--yes --apply")
    assert.matches("\n2 connections: 1 changed, 1 failed\n", result.err)
    assert.equal(3, #emulator:log "update")
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
    assert.equal("Approved", emulator:connection(emulator.sample).status)
  end)

  it("is harmless the second time, and can be undone itself", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    kit.ended(0, undo "--yes --apply")
    local result = kit.ended(0, undo "--yes --apply --detailed-exitcode")
    assert.equal(2, select(2, result.out:gsub(": already Pending\n", "")))
    assert.matches("^azpec: run [^\n]+\n2 connections: 0 changed, 2 unchanged\n$", result.err)
    assert.equal(4, #emulator:log "update")
    local list = records(path)
    kit.ended(0, azpec("journal", ("undo %s --run %s --apply --yes"):format(path, list[#list].run)))
    for n = 1, 2 do assert.equal("Approved", emulator:connection(emulator.many[n]).status) end
    assert.equal(6, #emulator:log "update")
    kit.ended(0, azpec("reject", "many01 --yes " .. group))
    result = kit.ended(12, undo "--yes --apply")
    assert.matches("\nazpec: stays as it is: it was changed since: it is Rejected, the run left it Approved\n  about: "
      .. "%S+/many01", result.err)
    assert.falsy(result.err:find "/many01%S*: stays as it is") -- said once
    assert.matches("manyacct/many01%S*: stays as it is: it was changed since: it is Rejected, the run left it "
      .. "Approved\n", kit.ended(12, undo()).out)
  end)

  it("tells how to go on waiting where it is broken off", function ()
    kit.ended(0, azpec("approve", ("many01 many02 --yes %s %s"):format(group, option)))
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } } -- so each says it once
    local run = kit.start(("audit %s undo %s --run %s --apply --yes -v -v"):format(kit.address(emulator), path,
      run_of()), { env = kit.environment(emulator) })
    for _ = 1, 2 do run:read_until "next poll" end
    run:signal "INT"
    local result = run:finish()
    assert.equal(130, result.code)
    assert.matches("2 operations are still running at the service", result.err, 1, true)
    assert.matches("azpec resume", result.err, 1, true)
  end)

  it("of a run that resume finished reverts it; it stays the run of the verb that sent the writes", function ()
    local token = support.write(support.new_path "token",
      kit.ended(0, azpec("approve", ("many01 --no-wait %s %s"):format(group, option))).out)
    kit.ended(0, azpec("resume", ("%s %s"):format(token, option)))
    local rows = cjson.decode(kit.ended(0, kit.run("journal runs -o json " .. path)).out).runs
    assert.same({ 1, "approve", 1 }, { #rows, rows[1].verb, rows[1].changed })
    local list = records(path)
    local write = cjson.decode(kit.ended(0, kit.run(("journal show -o json --run %s %s"):format(list[#list].run,
      path))).out).writes[1]
    assert.same({ rows[1].run, list[#list].run, "Pending" }, { write.run, write.finished_run, write.before })
    kit.ended(0, undo "--yes --apply")
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
  end)

  it("of a run that was undone changes nothing, and names the run whose undo is the redo", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    local function undo_run(name, code)
      return kit.ended(code or 0, azpec("journal", ("undo %s --run %s --apply --yes"):format(path, name))).err
    end
    local function last()
      local list = records(path)
      return list[#list].run
    end
    local first = last()
    assert.falsy(undo_run(first):find "was undone")
    local undone = last()
    for _, name in ipairs { first, "last" } do
      local said = undo_run(name)
      assert.matches(("azpec: run %s was undone by run %s; to revert that, give --run %s\n"):format(first, undone,
        undone), said, 1, true)
      assert.matches("1 connection: 0 changed, 1 unchanged\n", said, 1, true)
    end
    undo_run(undone)
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    assert.matches(("run %s was undone by run %s, which was undone by run %s; to revert the last of these, give "
      .. "--run %s"):format(first, undone, last(), last()), undo_run(first, 6), 1, true)
    undo_run(last())
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
    support.write(path, (support.read(path):gsub("Pending", "pending", 1)))
    assert.falsy(undo_run(first, 1):find "was undone")
  end)

  it("that was interrupted and continued stays an undo, which --run last passes over", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
    local line = ("undo %s --run last --apply --yes"):format(path)
    local run = kit.start(("journal %s %s -v -v"):format(kit.address(emulator), line), {
      env = kit.environment(emulator) })
    run:read_until "next poll"
    run:signal "INT"
    assert.equal(130, run:finish().code)
    emulator:faults {}
    kit.ended(0, azpec("approve", ("many02 %s %s"):format(group, option))) -- somebody else's, meanwhile
    local again = kit.ended(0, azpec("journal", line))
    assert.matches("azpec: the undo of run %S+ is unfinished, so %-%-run last means that run\n", again.err)
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
    assert.equal("Approved", emulator:connection(emulator.many[2]).status)
    local result = kit.ended(0, azpec("journal", line))
    assert.matches("many02%S*: Pending %(was Approved%): undoes run ", result.out)
    result = kit.ended(0, azpec("journal", line))
    assert.matches("many02%S*: already Pending\n", result.out)
    assert.equal("Pending", emulator:connection(emulator.many[1]).status)
  end)

  it("says in words what Batch does not let it undo", function ()
    kit.ended(0, azpec("reject", ("many03 %s %s"):format(group, option)))
    local result = kit.ended(7, undo "--yes --apply")
    assert.matches("stays as it is: it is Rejected, which is final\n  about: %S+/many03[^\n]*\n  hint: .*delete it",
      result.err)
    assert.equal(1, #emulator:log "update")
  end)

  it("rejects instead of asking for Pending, where the service refuses that", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    emulator:set { request_pending = "refuse" }
    kit.ended(7, undo "--yes --apply")
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    local result = kit.ended(0, undo "--yes --apply --reject")
    assert.matches("Rejected is final: " .. require "azpec".transitions.Rejected.Approved.way_out, result.err, 1, true)
    assert.equal("Rejected", emulator:connection(emulator.many[1]).status)
  end)

  it("wants a run that is in the trail", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    kit.ended(0, azpec("approve", ("many02 many03 --yes %s %s"):format(group, option)))
    local list = records(path)
    local first, last = list[1].run, list[#list].run
    local latest = ("the latest that changed something: %s (approve, 2 writes), %s (approve, 1 write)")
      :format(last, first)
    assert.matches("no run is named: give --run RUN, or --run last; " .. latest,
      kit.ended(2, azpec("journal", "undo " .. path)).err, 1, true)
    local undone = kit.ended(0, azpec("journal", "undo --run last " .. path)).out
    assert.equal(2, select(2, undone:gsub("undoes run " .. last:gsub("%p", "%%%0"), "")))
    assert.equal(2, select(2, kit.ended(0, azpec("journal", "show --run last -o jsonl " .. path)).out:gsub("\n", "")))
    assert.matches("the journal knows no run 'x'", kit.ended(3, azpec("journal", "undo --run x " .. path)).err, 1, true)
  end)

  it("does not take a last run that changed nothing, such as a refused undo, for the one that is meant", function ()
    kit.ended(0, azpec("approve", ("many01 %s %s"):format(group, option)))
    emulator:faults { { match = { kind = "update" }, action = { status = 403 } } }
    kit.ended(5, undo "--yes --apply --reject")
    emulator:control("DELETE", "faults")
    local list = records(path)
    local result = kit.ended(3, azpec("journal", "undo --run last --apply --yes --reject " .. path))
    assert.matches(("the last run, %s (undo), changed nothing, so nothing was undone; the latest that changed "
      .. "something: %s (approve, 1 write)"):format(list[#list].run, list[1].run), result.err, 1, true)
    assert.equal("Approved", emulator:connection(emulator.many[1]).status)
    result = kit.ended(0, azpec("journal", ("undo --run %s %s"):format(list[#list].run, path)))
    assert.matches("changed nothing; there is nothing to undo", result.err, 1, true)
  end)
end)

it("does what the documents show", function ()
  kit.play_sample(emulator)
  local path = support.new_path "journal"
  for _, one in ipairs(documents.commands "azpec journal verify") do
    local verb, rest = one.line:match "^azpec (%S+) (.*)$"
    local result = kit.ended(0, azpec(verb, (rest:gsub("journal%.jsonl", path))))
    assert.equal(kit.steady(one.output), kit.steady((result.out:gsub(path:gsub("%p", "%%%0"), "journal.jsonl"))))
  end
end)
