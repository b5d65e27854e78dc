-- Ctrl-C, SIGTERM and SIGHUP, real ones: waiting ends at once, and what is printed goes on where it ended.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local function start(verb, line)
  return kit.start(("%s %s %s"):format(verb, kit.address(emulator), line), { env = kit.environment(emulator) })
end

local many = "-g rg-contoso-prod --account manyacct"

local endings = { { "INT", 130, "interrupted" }, { "TERM", 143, "interrupted by SIGTERM" },
  { "HUP", 129, "interrupted by SIGHUP" } }

for _, ending in ipairs(endings) do
  local name, code, words = table.unpack(ending)

  local function ended(process)
    process:signal(name)
    return kit.ended(code, process:finish())
  end

  -- Interrupts it once operations have said so often that they will poll again.
  local function interrupted(process, count)
    for _ = 1, count do process:read_until "next poll" end
    return ended(process)
  end

  describe("SIG" .. name, function ()
    it("prints a line that moves no cursor and is no command of a CI system, whatever stands in it", function ()
      emulator:set { operation_polls = "off", operation_seconds = 3600 }
      local trail = support.new_path "trail \27[31m"
      local ticket = "T ##vso[task.x]y"
      local hidden = "\u{202e}\u{9b}2J\u{1f600}\u{e9}"
      local result = interrupted(start("approve", ("-vv %s --journal %s --ticket '%s' --description '##vso[]%s'")
        :format(emulator.sample, support.quote(trail), ticket, hidden)), 1)
      local shown = result.err:match "\nAn operation is still running.*$"
      assert.falsy(shown:find "[\27\r]", shown)
      assert.falsy(shown:find("##vso[", 1, true), shown)
      assert.falsy(shown:find "[\128-\255]", shown)
      emulator:control("POST", "clock", { advance = 3600 })
      kit.ended(0, kit.shell(shown:match "\n  (azpec resume .*)$", { env = kit.environment(emulator) }))
      assert.matches(hidden, emulator:connection(emulator.sample).description, 1, true)
      local records = require "azpec.journal".read(trail)
      assert.equal(ticket, records[#records].ticket)
    end)

    it("while a connection is approved prints the line that waits on, and that line does", function ()
      emulator:set { operation_polls = "off", operation_seconds = 3600 }
      local trail = support.new_path "trail"
      local result = interrupted(start("approve", ("-vv %s --journal %s --ticket 'T 1'"):format(emulator.sample,
        trail)), 1)
      assert.equal("", result.out)
      assert.matches("\nazpec: " .. words .. "\nAn operation is still running at the service", result.err)
      local line = result.err:match "\n  (azpec resume .*)$"
      assert.matches("^azpec resume %-%-endpoint http://127%.0%.0%.1:%d+ .* %-%-ticket 'T 1' %- <<'END'\n{.*}\nEND\n$",
        line)
      emulator:control("POST", "clock", { advance = 3600 })
      local after = kit.ended(0, kit.shell(line, { env = kit.environment(emulator) }))
      assert.equal(support.sample_name .. ": Approved\n", after.out)
      assert.equal(1, #emulator:log "update")
      assert.matches("approve +sampleacct +testprivate%S+ +Pending +Approved +changed +T 1 +1\n$",
        kit.ended(0, kit.run("journal show " .. trail)).out)
    end)

    it("before the service has answered the write says that it may not have arrived, and what to type", function ()
      emulator:faults { { match = { kind = "update" }, action = { stall = true } } }
      local process = start("approve", "-vv " .. emulator.sample)
      support.await("the update", function () return emulator:has_met(1) end)
      local result = ended(process)
      assert.matches("\nAn operation is still running at the service, or not known to have ended %(it may not have "
        .. "reached the service; %-%-write sends the change again if it did not%); to go on waiting:\n", result.err)
      emulator:reset()
      local line = result.err:match "\n  (azpec resume .*)$"
      kit.ended(6, kit.shell(line, { env = kit.environment(emulator) }))
      assert.equal(0, #emulator:log "update")
      line = line:gsub("resume", "resume --write --interval 0.02", 1)
      kit.ended(0, kit.shell(line, { env = kit.environment(emulator) }))
      assert.equal(1, #emulator:log "update")
    end)

    -- Its standard error where many are approved and each is under way, with that temporary folder.
    local function many_interrupted(folder)
      emulator:faults { { match = { kind = "poll" }, action = { hold = true } } } -- so each says it once
      local process = kit.start(("approve %s -vv --yes --all --name 'many0*' %s"):format(kit.address(emulator), many),
        { env = support.merged(kit.environment(emulator), { TMPDIR = folder }) })
      local result = interrupted(process, 9)
      assert.matches("\n9 operations are still running at the service", result.err)
      local tokens = result.err:match "\n  azpec resume [^\n]* %- <<'END'\n(.*)\nEND\n$"
      assert.equal(8, select(2, tokens:gsub("\n", "")))
      for token in tokens:gmatch "[^\n]+" do kit.json(token, { azpec = "=1", operation = "=ensure", open = true }) end
    end

    it("while many are approved prints the command with all their tokens, and leaves no file", function ()
      local folder = support.new_path "tmp"
      assert(os.execute("mkdir " .. folder))
      many_interrupted(folder)
      local pipe <close> = io.popen("ls " .. folder)
      assert.equal("", pipe:read "a")
    end)

    it("prints them where there is no temporary folder, too", function ()
      many_interrupted(support.new_path "none")
    end)

    it("says which command begins the rest, and which waits for what is under way", function ()
      emulator:faults { { match = { kind = "poll" }, action = { hold = true } } }
      local process = kit.start(("approve %s -vv --parallel 2 --yes --all --name 'many0*' %s"):format(
        kit.address(emulator), many), { env = kit.environment(emulator) })
      local result = interrupted(process, 2)
      assert.matches("\n7 connections were not begun; to begin them, run the same command again\nazpec: " .. words
        .. "[^\n]*2 under way, 7 not begun\n2 operations are still running", result.err)
    end)

    it("while nothing was begun prints nothing but that", function ()
      emulator:faults { { match = { kind = "get" }, action = { stall = true } } }
      local process = start("approve", "-vv " .. emulator.sample)
      process:read_until "> GET"
      assert.matches("\nazpec: " .. words .. "\n$", ended(process).err)
      assert.equal(0, #emulator:log "update")
    end)

    it("ends a sign-in and a list that do not come", function ()
      for _, kind in ipairs { "token", "list" } do
        emulator:faults { { match = { kind = kind }, action = { stall = true } } }
        local process = start("list", "-vv " .. many)
        process:read_until(kind == "token" and "> sign-in" or "> GET")
        assert.matches("\nazpec: " .. words .. "\n$", ended(process).err)
      end
    end)

    it("ends a wait, a watch and the pause of auto", function ()
      local rules = support.write(support.new_path "rules" .. ".lua", 'hold "all" { because = "of that" }')
      for verb, line in pairs { wait = "--for status=Rejected " .. emulator.sample, watch = many,
        auto = ("--rules %s --watch --every 1m %s"):format(rules, many) } do
        local process = start(verb, "-vv " .. line)
        for _ = 1, verb == "auto" and 1 or 2 do process:read_until "< 200 " end
        assert.matches("\nazpec: " .. words .. "\n$", ended(process).err)
      end
    end)

    it("ends a doctor, and is no finding of his", function ()
      emulator:faults { { match = { kind = "permissions" }, action = { stall = true } } }
      local process = start("doctor", "-vv --check account,rights,limits " .. many)
      process:read_until "/permissions"
      local result = ended(process)
      assert.matches("\nazpec: " .. words .. "\n$", result.err)
      assert.matches("^ok +account [^\n]*\n$", result.out)
    end)

    it("is an error in JSON, too, where data is", function ()
      emulator:faults { { match = { kind = "list" }, action = { stall = true } } }
      local process = start("list", "-vv -o json " .. many)
      process:read_until "> GET"
      local told = kit.json(ended(process).err:match "[^\n]*\n$", kit.failure) -- after what -vv told
      assert.equal("interrupted", told.error.kind)
      assert.equal(code, math.tointeger(told.exit_code))
    end)
  end)
end

describe("a signal", function ()
  it("that is ignored when the command begins stays so, as nohup has it", function ()
    emulator:faults { { match = { kind = "list" }, action = { hold = true } } }
    local process = kit.start(("list %s -vv %s"):format(kit.address(emulator), many),
      { env = kit.environment(emulator), before = "trap '' HUP; " })
    process:read_until "> GET"
    process:signal "HUP"
    emulator:release()
    assert.matches("many64", kit.ended(0, process:finish()).out)
  end)

  it("that a background job ignores stays so: Ctrl-C is another one's", function ()
    emulator:faults { { match = { kind = "list" }, action = { delay = 0.5 } } }
    local process = kit.start(("list %s -vv %s"):format(kit.address(emulator), many),
      { env = kit.environment(emulator), signals = "" })
    process:read_until "> GET"
    process:signal "INT"
    assert.matches("many64", kit.ended(0, process:finish()).out)
  end)

  it("is what the command dies of, so a loop of the shell's ends, too", function ()
    for _, shell in ipairs { "sh", "bash" } do
      emulator:reset()
      emulator:set { operation_polls = 1000000 }
      local command = kit.command(("approve -vv %s \"$id\""):format(kit.address(emulator)),
        support.merged(kit.environment(emulator), { TERM = "xterm" })):gsub("timeout %-k 1 %d+ ", "")
      local terminal = kit.on_terminal(("%s -c %s"):format(shell, support.quote(("for id in %s %s; do %s; done"):format(
        emulator.many[1], emulator.many[2], command))))
      terminal:read_until "next poll"
      terminal:type "\3"
      kit.ended(130, terminal:finish())
      assert.equal(1, #emulator:log "update", shell)
    end
  end)

  it("ends the user's own code, too: Ctrl-C while the function of --enrich runs", function ()
    local started = support.new_path "started"
    local file = support.write(support.new_path "enrich" .. ".lua", ('return function () io.open(%q, "w"):close() '
      .. 'while true do end end'):format(started))
    local rules = support.write(support.new_path "rules" .. ".lua",
      'approve "ours" { when = { where = function (c) return c.facts.ours end } }')
    local process = start("auto", ("--apply --rules %s --enrich %s %s"):format(rules, file, many))
    support.await("the function", function () return support.read(started) end)
    process:signal "INT"
    assert.matches("azpec: interrupted", kit.ended(130, process:finish()).err, 1, true)
    assert.equal(0, #emulator:log "update")
  end)

  it("while a person is asked ends the command at once: nothing has begun", function ()
    local pid = support.new_path "pid"
    local terminal = kit.on_terminal(("sh -c %s"):format(support.quote(("echo $$ >%s; exec %s"):format(pid,
      kit.command(("approve --all %s %s"):format(kit.address(emulator), many), kit.environment(emulator))
        :gsub("timeout %-k 1 %d+ ", "")))))
    terminal:read_some "%[y/N%]"
    assert(os.execute("kill -TERM " .. support.read(pid)))
    terminal:finish()
    assert.equal(0, #emulator:log "update")
  end)

  it("typed on a terminal does the same", function ()
    emulator:set { operation_polls = 1000000 }
    local terminal = kit.on_terminal(kit.command(("approve %s -vv %s"):format(kit.address(emulator), emulator.sample),
      support.merged(kit.environment(emulator), { TERM = "xterm" })):gsub("timeout %-k 1 %d+ ", ""))
    terminal:read_until "next poll"
    terminal:type "\3"
    local result = kit.ended(130, terminal:finish())
    assert.matches("azpec: interrupted\r?\n", (result.err:gsub("\27%[%d+m", "")))
    assert.matches("azpec resume %-%-endpoint", result.err)
  end)
end)

describe("a deadline", function ()
  it("that passes in the sign-in says so, in words and in JSON", function ()
    emulator:faults { { match = { kind = "token" }, action = { stall = true } } }
    for verb, line in pairs { list = many, approve = emulator.sample, wait = "--for exists " .. emulator.sample } do
      local result = kit.ended(8, azpec(verb, "--timeout 0.4 " .. line))
      assert.matches("^azpec: timed out after 0%.4 s.*sign%-in", result.err)
      assert.matches("\n  time spent: sign%-in %d+%.%d s\n", result.err)
      local told = kit.json(kit.ended(8, azpec(verb, "--timeout 0.4 -o json " .. line)).err, kit.failure).error
      assert.matches("^timed out after 0%.4 s.*sign%-in", told.message)
      assert.equal("token", told.phase)
      assert(told.elapsed.token > 0.3)
    end
  end)

  it("that passes prints the same, and ends with 8", function ()
    emulator:set { operation_polls = 1000000 }
    local result = kit.ended(8, azpec("approve", "--timeout 2 " .. emulator.sample))
    assert.matches("^azpec: timed out after 2 s", result.err)
    assert.matches("\n  azpec resume .* %- <<'END'\n{.*}\nEND\n$", result.err)
  end)

  it("that passes is one JSON document with the token and how to go on, where data is JSON", function ()
    emulator:set { operation_polls = 1000000 }
    local failure = kit.json(kit.ended(8, azpec("approve", "--timeout 2 -o json " .. emulator.sample)).err, kit.failure)
    assert.matches("^azpec resume .* %-$", failure.resume)
    assert.same({ failure.error.continuation_token }, failure.continuation_tokens)
    assert.equal(8, math.tointeger(failure.exit_code))
    assert.equal("timeout", failure.error.kind)
    assert.is_string(failure.error.continuation_token)
  end)
end)
