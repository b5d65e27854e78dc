-- The line of progress on a terminal, Ctrl-C in the middle of much work, and in the middle of a pause.

local cqueues = require "cqueues"
local kit = require "cli.kit"
local progress = require "azpec.cli.progress"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 2 }

local group = "-g rg-contoso-prod --account manyacct"
local function rules(text)
  return support.write(support.new_path "rules" .. ".lua", text)
end
local all = 'approve "all" { when = { name = "many*" } }'
local few = 'approve "few" { when = { name = "many0*" } }' -- nine

-- Runs it on a pseudo-terminal of so many columns; what the terminal was sent. stdout goes to a file.
local function on_terminal(line, columns, env)
  local out = support.new_path "out"
  local inner = ("stty cols %d 2>/dev/null; exec %s >%s"):format(columns,
    kit.command(line, support.merged({ TERM = "xterm" }, env)), out)
  local pipe <close> = io.popen(kit.in_terminal(inner) .. " </dev/null")
  return pipe:read "a", support.read(out)
end

-- A line whose clock stands still until :at() moves it; what it was given to draw, or to say.
local function shown_by(options)
  local line, last = { time = 100, said = {} }, nil
  local stream = { flush = function () end, write = function (_, ...) last = table.concat { ... } end }
  line.shown = progress.new { is_drawn = options.is_drawn ~= false, now = function () return line.time end,
    columns = function () return options.columns or 120 end, stream = stream,
    is_in_background = function () return false end,
    say = function (said) line.said[#line.said + 1] = said end }
  function line.at(_, seconds)
    line.time, last = 100 + seconds, nil
    line.next = line.shown:tick()
    return last and last:match "^\r(.*)\27%[K$"
  end
  return line
end

local function many(options)
  local line = shown_by(options or {})
  line.shown:begin(500)
  function line.ended(_, done, failed) line.shown:update { done = done, running = 40, failed = failed or 0 } end
  return line
end

-- A poller that says what it is told to.
local function operation(facts)
  return { facts = facts, progress = function (self) return self.facts end,
    done = function (self) return self.facts.over or false end }
end

describe("the line of progress of many", function ()
  it("shows what is done, failed and running, the time, an estimate and the rate", function ()
    local line = many()
    line:at(5)
    line:ended(60)
    line:at(10)
    line:ended(123, 2)
    assert.equal("[#########" .. ("-"):rep(31) .. "] 123/500  2 failed  0:11  about 30 s left  40 running  12.3/s",
      line:at(11))
  end)

  it("says nothing of what it does not know: no estimate before something has ended for a while", function ()
    local line = many()
    assert.equal("[" .. ("-"):rep(40) .. "] 0/500  0:01  0 running", line:at(1))
    line:at(59)
    line:ended(2)
    assert.is_nil(line:at(60):find "left")
    line = many()
    line:ended(100)
    assert.is_nil(line:at(1):find "left")
  end)

  it("takes an estimate back when its time has passed and nothing has ended", function ()
    local line = many()
    for second = 1, 49 do
      line:at(second)
      line:ended(second * 8)
    end
    assert.truthy(line:at(50):find("about 20 s left", 1, true))
    for second = 64, 600 do
      local drawn = line:at(second)
      assert(not (drawn or ""):find "left", drawn)
    end
  end)

  it("goes by the rate of the last minute, and moves on every second", function ()
    local line = many()
    for second = 1, 20 do
      line:at(second)
      line:ended(second * 10) -- ten a second, then one
    end
    for second = 21, 100 do
      line:at(second)
      line:ended(180 + second)
    end
    local drawn = line:at(101)
    assert.truthy(drawn:find("280/500  1:41  about 4 min left  40 running  1.0/s", 1, true), drawn)
    for second = 102, 330 do
      local later = line:at(second)
      assert(later ~= drawn, later)
      drawn = later
    end
    assert.truthy(drawn:find("280/500  5:30  40 running", 1, true), drawn)
  end)

  it("rounds an estimate up: seconds to tens, then minutes, then hours", function ()
    for rate, words in pairs { [50] = "about 10 s left", [12] = "about 40 s left", [5] = "about 2 min left",
      [100] = "0:06  40 running" } do
      local line = many()
      for second = 1, 5 do
        line:at(second)
        line:ended(second * rate)
      end
      assert.truthy(line:at(6):find(words, 1, true), words)
    end
    local line = shown_by {}
    line.shown:begin(100000)
    line:at(5)
    line.shown:update { done = 10, running = 1 }
    assert.truthy(line:at(6):find("about 14 h left", 1, true))
  end)

  it("fits any width, and leaves out the least important first", function ()
    local function drawn_in(width)
      local line = many { columns = width }
      line:at(5)
      line:ended(60)
      line:at(10)
      line:ended(123, 2)
      return line:at(11)
    end
    for width = 1, 130 do
      local line = drawn_in(width)
      assert(#line < width or line == "", ("%d: %s"):format(width, line))
    end
    assert.equal("123/500", drawn_in(12))
    assert.equal("123/500  2 failed", drawn_in(20))
    assert.equal("123/500  2 failed  0:11", drawn_in(30))
  end)
end)

describe("the line of progress of one operation", function ()
  local name = "web-frontend.24d6b4b5"
  local at = { id = "/subscriptions/x/privateEndpointConnections/" .. name, elapsed = 12.3, phase = "poll",
    status = "Updating", next_wait = 2.4 }

  it("shows the time, the phase, the last status and the next poll", function ()
    local line = shown_by {}
    line.shown:follow(operation(at))
    assert.is_nil(line:at(0.5)) -- what is over at once shows nothing
    assert.equal(0.5, line.next)
    assert.equal("0:12  polling  Updating  next poll in 3 s  " .. name, line:at(1))
    assert.equal(1, line.next)
    line.shown:follow(operation { elapsed = 3700, phase = "token" })
    assert.equal("1:01:40  sign-in", (line:at(2.5):gsub("%s+$", "")))
    line.shown:follow(operation { id = at.id, elapsed = 1, phase = "poll", status = "a\27[2Jb\nc" })
    assert.is_nil(line:at(4):find "[\27\n]")
  end)

  it("draws no more when the operation has ended", function ()
    local line, poller = shown_by {}, operation(at)
    line.shown:follow(poller)
    assert.truthy(line:at(1))
    poller.facts = { over = true }
    assert.equal("", line:at(2))
    assert.is_nil(line.next)
    assert.is_nil(line:at(3))
  end)

  it("is a line every 30 s and on each change of status where none can be drawn", function ()
    local line, poller = shown_by { is_drawn = false }, operation { elapsed = 0, phase = "request", id = at.id }
    line.shown:follow(poller)
    for second = 0, 29 do line:at(second) end
    assert.same({}, line.said)
    line:at(30)
    assert.same({ "azpec: " .. name .. ": 0:00, request" }, line.said)
    poller.facts = at
    line:at(31)
    line:at(32)
    assert.equal("azpec: " .. name .. ": 0:12, polling, Updating, next poll in 3 s", line.said[2])
    for second = 33, 60 do line:at(second) end
    assert.equal(2, #line.said)
    line:at(61)
    assert.equal(3, #line.said)
  end)
end)

describe("the line of progress", function ()
  it("is on a terminal's stderr, and gone at the end", function ()
    local env = kit.environment(emulator)
    local line = ("auto %s --rules %s %s --apply"):format(kit.address(emulator), rules(all), group)
    local shown, out = on_terminal(line, 72, env)
    assert.truthy(shown:find "%] %d+/64", shown)
    for drawn in shown:gmatch "\r([^\r\n\27]+)\27%[K" do assert(#drawn < 72, drawn) end
    assert.truthy(shown:find "\r\27%[K[^\r]*64 connections: 64 changed", shown)
    assert.is_nil(out:find("\27", 1, true))
    assert.equal(64, select(2, out:gsub("Approved %(was Pending%)", "")))
  end)

  it("fits a window that is made narrower meanwhile", function ()
    local out = support.new_path "out"
    local command = kit.command(("auto %s --rules %s %s --apply --parallel 1"):format(kit.address(emulator), rules(few),
      group), support.merged({ TERM = "xterm" }, kit.environment(emulator))):gsub("timeout %-k 1 %d+ ", "")
    emulator:faults { { match = { kind = "update", nth = 4 }, action = { hold = true } } }
    local now, narrow = support.new_path "now", support.new_path "narrow"
    assert(os.execute("mkfifo " .. now))
    local inner = ("stty cols 100; %s >%s & read -r word <%s; stty cols 30; : >%s; wait"):format(command, out, now,
      narrow)
    local pipe <close> = io.popen(kit.in_terminal(inner) .. " </dev/null")
    support.await("the fourth update", function () return emulator:has_met(4) end)
    support.write(now, "now\n")
    support.await("the narrow window", function () return support.read(narrow) end)
    cqueues.sleep(0.5) -- how seldom the window is measured
    emulator:release()
    local widest, last = 0, nil
    for drawn in pipe:read "a":gmatch "\r([^\r\n\27]+)\27%[K" do widest, last = math.max(widest, #drawn), drawn end
    assert(widest > 30, widest)
    assert(#last < 30, last)
  end)

  it("is not there for a file, a pipe, or with -q", function ()
    local line = ("--rules %s %s --apply"):format(rules(few), group)
    local result = kit.ended(0, azpec("auto", line))
    assert.is_nil(result.err:find("[\r\27]"))
    emulator:reset()
    local shown = on_terminal(("auto %s -q %s"):format(kit.address(emulator), line), 72, kit.environment(emulator))
    assert.is_nil(shown:find("[\27]"), shown)
    assert.is_nil(shown:find("/9", 1, true))
  end)

  it("moves every second while one operation goes on, and is gone at the end", function ()
    emulator:set { update_answer = "202", poll_answer = "monitor" }
    emulator:faults { { match = { kind = "poll", nth = 2 }, action = { hold = true } } }
    local process = kit.on_terminal(kit.command(("approve %s %s"):format(kit.address(emulator), emulator.sample),
      support.merged({ TERM = "xterm", COLUMNS = "100" }, kit.environment(emulator))))
    local seen, seconds = {}, 0 -- a slow machine may leave out a second; an event draws the line again within one
    repeat
      local now = process:read_some("\r0:%d%d  polling  %a+  "):match "0:(%d%d)  polling  %a+  $"
      if not seen[now] then seen[now], seconds = true, seconds + 1 end
    until seconds == 3
    emulator:release()
    local result = kit.ended(0, process:finish())
    assert.truthy(result.err:find "\r\27%[K[^\r]*: Approved", result.err)
    assert.is_nil(result.err:match ": Approved.*$":find "\27")
  end)

  it("is lines with -v where there is no terminal, nothing without, and nothing with -q", function ()
    emulator:set { update_answer = "202", poll_answer = "monitor" }
    emulator:faults { { match = { kind = "poll", nth = 2 }, action = { hold = true } } }
    local process = kit.start(("approve %s -v %s"):format(kit.address(emulator), emulator.sample),
      { env = kit.environment(emulator) })
    process:read_until ", polling, "
    emulator:release()
    local result = kit.ended(0, process:finish())
    assert.is_nil(result.err:find "[\r\27]")
    for _, quiet in ipairs { "", "-q" } do
      emulator:reset()
      assert.equal("", kit.ended(0, azpec("approve", emulator.sample .. " " .. quiet)).err)
    end
  end)
end)

describe("the line of progress of a verb that waits for somebody else", function ()
  local never = "--interval 9 --timeout 30"

  local function on_pty(line)
    return kit.on_terminal(kit.command(("%s --endpoint %s --authority-host %s"):format(line, emulator.endpoint,
      emulator.endpoint), support.merged({ TERM = "xterm", COLUMNS = "160" }, kit.environment(emulator)))
      :gsub("timeout %-k 1 %d+ ", ""))
  end

  it("moves every second, with the time that is left, the state and the next poll", function ()
    local process = on_pty(("wait --for gone %s %s"):format(never, emulator.sample))
    process:read_some "\r0:%d%d of 0:30  waiting  Pending, Succeeded  next poll in %d s  test%S+\27%[K"
    process:read_some "\r0:%d%d of 0:30  waiting"
    process:type "\3"
    assert.matches("\r\27%[K[^\r]*interrupted", process:finish().err)
  end)

  it("is not drawn while the command is a background job", function ()
    local line = kit.command(("wait --for gone --timeout 2.5 %s --endpoint %s --authority-host %s"):format(
      emulator.sample, emulator.endpoint, emulator.endpoint), support.merged({ TERM = "xterm", COLUMNS = "160" },
      kit.environment(emulator))):gsub("timeout %-k 1 %d+ ", "")
    for suffix, is_drawn in pairs { [""] = true, [" & wait $!"] = false } do
      local result = kit.on_terminal("bash -mc " .. support.quote(line .. suffix)):finish()
      assert.matches("not so: gone", result.err)
      assert.equal(is_drawn, result.err:find "\r0:01" ~= nil, result.err)
    end
  end)

  it("is there for approve --wait, a watch and the pause of auto, too", function ()
    for line, words in support.each {
      ["approve --wait 30 --interval 9 not-yet " .. group] =
        "0:%d%d of 0:30  waiting  not there yet  next poll in %d s",
      ["watch --changes-only 'many*' " .. group] = "0:%d%d  waiting  64 connections  next poll in %d s",
      ["auto --settle 30 --rules " .. rules(few) .. " " .. group] = "0:%d%d  waiting  9 to settle  next poll in %d+ s",
    } do
      local process = on_pty(line)
      process:read_some("\r" .. words)
      process:type "\3"
      process:finish()
    end
  end)

  it("is a line with -v on each change of state", function ()
    local result = kit.ended(8, azpec("wait", "-v --for gone --timeout 0.1 " .. emulator.sample))
    assert.matches("^azpec: test%S+: 0:00 of 0:00, waiting, Pending, Succeeded\n", result.err
      :gsub(", next poll in 1 s", ""))
  end)
end)

describe("-v and -vv with -o json", function ()
  it("write lines to standard error; standard output stays one document, and an error's is the last line", function ()
    for _, option in ipairs { "-v", "-vv" } do
      emulator:reset()
      emulator:set { update_answer = "202", poll_answer = "monitor", operation_polls = 2 }
      local result = kit.ended(0, azpec("approve", ("-o json %s %s"):format(option, emulator.sample)))
      kit.json(result.out, kit.results)
      assert.matches(option == "-v" and "azpec: test%S+: 0:00, polling, " or "> PATCH http", result.err)
      assert.is_nil(result.err:find "[{}\27\r]")
      result = kit.ended(8, azpec("wait", ("--for gone --timeout 0.1 -o json %s %s"):format(option, emulator.sample)))
      assert.matches('"result":"not met"', result.out, 1, true)
      local lines, document = result.err:match "^(.*\n)({[^\n]*}\n)$"
      assert.matches("waiting, Approved", lines)
      assert.equal(8, kit.json(document, kit.failure).exit_code)
    end
  end)
end)

-- Starts it, interrupts it as soon as `ready` is true, and returns its exit code and what it said.
local function interrupted(line, ready)
  local out = support.new_path "said"
  local command = kit.command(("auto %s %s"):format(kit.address(emulator), line), kit.environment(emulator))
    :gsub(" timeout %-k 1 %d+ ", " ", 1)
  -- A shell's background job ignores SIGINT and SIGQUIT, and so would azpec: env gives them back their meaning.
  local pipe <close> = io.popen(("sh -c %s"):format(support.quote(
    ("%s >%s 2>&1 & echo $!; wait $!; echo $?"):format(command:gsub("^env", "env --default-signal=INT,QUIT"), out))))
  local pid = pipe:read "l"
  support.await("the right moment", ready)
  os.execute("kill -INT " .. pid)
  local status = tonumber(pipe:read "l")
  return status, support.read(out)
end

describe("Ctrl-C", function ()
  it("ends a run with 130, and the next goes on where it stopped", function ()
    emulator:set { operation_polls = 100000 }
    local journal = support.new_path "journal"
    local line = ("--rules %s %s --apply --journal %s"):format(rules(all), group, journal)
    -- Polled more often, those that have begun would use up the service's limit of reads before the last ones begin.
    local status, said = interrupted(line .. " --interval 5", function () return #emulator:log "update" == 64 end)
    assert.equal(130, status, said)
    assert.truthy(said:find("azpec: interrupted", 1, true), said)
    assert.truthy(said:find("to go on, run the same command again", 1, true), said)
    assert.truthy(support.read(journal):find('"token":"{', 1, true))
    emulator:set { operation_polls = 0 }
    local result = kit.ended(0, azpec("auto", line))
    assert.truthy(result.err:find "64 connections: %d+ changed", result.err)
    assert.equal(64, #emulator:log "update")
    for n = 1, 64 do assert.equal("Approved", emulator:connection(emulator.many[n]).status) end
  end)

  it("says how to go on waiting where there is no journal", function ()
    emulator:set { operation_polls = 100000 }
    local status, said = interrupted(("--rules %s %s --apply"):format(rules(all), group),
      function () return #emulator:log "poll" > 64 end)
    assert.equal(130, status, said)
    assert.truthy(said:find("operations are still running at the service", 1, true), said)
    assert.truthy(said:find("azpec resume", 1, true), said)
  end)

  it("ends the pause of a watch at once", function ()
    local line = ("--rules %s %s --apply --watch --every 1h"):format(rules 'hold "all" {}', group)
    local status, said = interrupted(line, function () return #emulator:log "list" > 0 end)
    assert.equal(130, status, said)
  end)
end)

describe("the line of a verb that waits", function ()
  it("shows on a terminal why a read is tried again later", function ()
    for _, words in ipairs { "watch --stop-after 0 " .. group, "wait --for exists many01 " .. group } do
      emulator:reset()
      emulator:faults { { match = { kind = "list", times = 1 }, action = { status = 429,
        headers = { ["Retry-After"] = "2" } } } }
      local sent = on_terminal(("%s %s"):format(words, kit.address(emulator)), 120, kit.environment(emulator))
      assert.matches("0:01[^\r\n]*waiting  [^\r\n]*429[^\r\n]*next poll in [12] s", sent)
    end
  end)
end)
