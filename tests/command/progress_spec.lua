-- The line of progress on a terminal, Ctrl-C in the middle of much work, and in the middle of a pause.

local cqueues = require "cqueues"
local kit = require "command.kit"
local progress = require "azpec.command.progress"
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
  local pipe <close> = io.popen(("SHELL=/bin/sh script -qec %s /dev/null </dev/null"):format(support.quote(inner)))
  return pipe:read "a", support.read(out)
end

describe("the line of progress", function ()
  local counts = { done = 123, total = 500, running = 40, failed = 2 }

  it("shows what is done, running and failed, the rate and the time left", function ()
    assert.equal("[#########" .. ("-"):rep(31) .. "] 123/500  2 failed  0:31 left  40 running  12.3/s",
      progress.line(counts, 10, 120))
    assert.equal("1:00:10 left", progress.line({ done = 1, total = 362, running = 1, failed = 0 }, 10, 80):match
      "%d+:%d+:%d+ left")
    assert.equal("[" .. ("-"):rep(40) .. "] 0/500  100 running",
      progress.line({ done = 0, total = 500, running = 100, failed = 0 }, 0, 120))
    assert.equal("[" .. ("#"):rep(40) .. "] 5/5  0:00 left  0 running  5.0/s",
      progress.line({ done = 5, total = 5, running = 0, failed = 0 }, 1, 120))
  end)

  it("fits any width, and leaves out the least important first", function ()
    for width = 1, 130 do
      local line = progress.line(counts, 10, width)
      assert(#line < width or line == "", ("%d: %s"):format(width, line))
    end
    assert.equal("123/500", progress.line(counts, 10, 12))
    assert.equal("123/500  2 failed", progress.line(counts, 10, 20))
    assert.equal("123/500  2 failed  0:31 left", progress.line(counts, 10, 34))
  end)

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
      group), support.merged({ TERM = "xterm" }, kit.environment(emulator)))
    emulator:faults { { match = { kind = "update", nth = 4 }, action = { hold = true } } }
    local now, narrow = support.new_path "now", support.new_path "narrow"
    assert(os.execute("mkfifo " .. now))
    local inner = ("stty cols 100; %s >%s & read -r word <%s; stty cols 30; : >%s; wait"):format(command, out, now,
      narrow)
    local pipe <close> = io.popen(("SHELL=/bin/sh script -qec %s /dev/null </dev/null"):format(support.quote(inner)))
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
    local checkpoint = support.new_path "checkpoint"
    local line = ("--rules %s %s --apply --checkpoint %s"):format(rules(all), group, checkpoint)
    -- Polled more often, those that have begun would use up the service's limit of reads before the last ones begin.
    local status, said = interrupted(line .. " --interval 5", function () return #emulator:log "update" == 64 end)
    assert.equal(130, status, said)
    assert.truthy(said:find("azpec: interrupted", 1, true), said)
    assert.truthy(support.read(checkpoint):find('"event":"token"', 1, true))
    emulator:set { operation_polls = 0 }
    local result = kit.ended(0, azpec("auto", line))
    assert.truthy(result.err:find "64 connections: %d+ changed", result.err)
    assert.equal(64, #emulator:log "update")
    for n = 1, 64 do assert.equal("Approved", emulator:connection(emulator.many[n]).status) end
  end)

  it("says how to go on waiting where there is no checkpoint", function ()
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
