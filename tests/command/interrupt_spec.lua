-- Ctrl-C, a real one: waiting ends at once, and what is printed goes on where it ended.

local assert = require "luassert"
local kit = require "command.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage()

local function start(verb, line)
  return kit.start(("%s %s %s"):format(verb, kit.address(emulator), line), { env = kit.environment(emulator) })
end

local many = "-g rg-contoso-prod --account manyacct"

-- Interrupts it once the service has been asked to do so many things.
local function interrupted(process, count)
  for _ = 1, count do process:read_until "next look" end
  process:signal "INT"
  return kit.ended(130, process:finish())
end

describe("Ctrl-C", function ()
  it("while a connection is approved prints the line that waits on, and that line does", function ()
    emulator:set { operation_polls = "off", operation_seconds = 3600 }
    local result = interrupted(start("approve", "-vv " .. emulator.sample), 1)
    assert.equal("", result.out)
    assert.matches("\nazpec: interrupted\nAn operation is still running at the service", result.err)
    local line = result.err:match "\n  (azpec resume .*)$"
    assert.matches("^azpec resume %-%-endpoint http://127%.0%.0%.1:%d+ .* %- <<'END'\n{.*}\nEND\n$", line)
    emulator:control("POST", "clock", { advance = 3600 })
    local after = kit.ended(0, kit.shell(line, { env = kit.environment(emulator) }))
    assert.equal(support.sample_name .. ": Approved\n", after.out)
    assert.equal(1, #emulator:log "update")
  end)

  it("while many are approved saves their tokens in a file, and names it", function ()
    emulator:set { operation_polls = 1000000 }
    local result = interrupted(start("approve", "-vv --all --name 'many0*' " .. many), 9)
    local path = result.err:match "\n  azpec resume .* (%S+)\n$"
    assert.matches("\n9 operations are still running at the service", result.err)
    local content = support.read(path)
    assert(os.remove(path))
    assert.equal(9, select(2, content:gsub("\n", "")))
    for line in content:gmatch "[^\n]+" do kit.json(line, { azpec = "=1", operation = "=ensure", open = true }) end
  end)

  it("while nothing was begun prints nothing but that", function ()
    emulator:faults { { match = { kind = "get" }, action = { stall = true } } }
    local process = start("approve", "-vv " .. emulator.sample)
    process:read_until "> GET"
    process:signal "INT"
    local result = kit.ended(130, process:finish())
    assert.matches("\nazpec: interrupted\n$", result.err)
    assert.equal(0, #emulator:log "update")
  end)

  it("ends a sign-in and a list that do not come", function ()
    for _, kind in ipairs { "token", "list" } do
      emulator:faults { { match = { kind = kind }, action = { stall = true } } }
      local process = start("list", "-vv " .. many)
      process:read_until(kind == "token" and "> sign-in" or "> GET")
      process:signal "INT"
      assert.matches("\nazpec: interrupted\n$", kit.ended(130, process:finish()).err)
    end
  end)

  it("ends a wait and a watch", function ()
    for _, verb in ipairs { "wait --for status=Rejected", "watch" } do
      local process = start(verb, "-vv " .. (verb == "watch" and many or emulator.sample))
      process:read_until "< 200"
      process:read_until "< 200"
      process:signal "INT"
      assert.matches("\nazpec: interrupted\n$", kit.ended(130, process:finish()).err)
    end
  end)

  it("typed on a terminal does the same", function ()
    emulator:set { operation_polls = 1000000 }
    local terminal = kit.on_terminal(kit.command(("approve %s -vv %s"):format(kit.address(emulator), emulator.sample),
      support.merged(kit.environment(emulator), { TERM = "xterm" })):gsub("timeout %-k 1 %d+ ", ""))
    terminal:read_until "next look"
    terminal:type "\3"
    local result = kit.ended(130, terminal:finish())
    assert.matches("azpec: interrupted\r?\n", result.err)
    assert.matches("azpec resume %-%-endpoint", result.err)
  end)
end)

describe("a deadline", function ()
  it("that passes prints the same, and ends with 8", function ()
    emulator:set { operation_polls = 1000000 }
    local result = kit.ended(8, azpec("approve", "--timeout 1 -o json " .. emulator.sample))
    assert.matches("^azpec: no end within 1 s", result.err)
    assert.matches("\n  azpec resume .* %- <<'END'\n{.*}\nEND\n$", result.err)
    local line = result.err:match "\n({\"error\".-)\n"
    local failure = kit.json(line, kit.failure)
    assert.equal(8, math.tointeger(failure.exit_code))
    assert.equal("timeout", failure.error.kind)
    assert.is_string(failure.error.continuation_token)
  end)
end)
