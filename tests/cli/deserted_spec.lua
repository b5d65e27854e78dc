-- A standard output that ends in the middle of the work: nothing more is begun, what was begun is followed to its end
-- and recorded, and the tokens that did not get out are told.

local assert = require "luassert"
local cjson = require "cjson"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator = kit.stage()

local many = "-g rg-contoso-prod --account manyacct"

-- Runs azpec with a standard output that has had no reader from the start: its exit code as the shell has it, and what
-- it said on stderr. to: another standard output; err: where stderr goes.
local function run(line, to, err)
  local said, fifo = support.new_path "said", support.new_path "fifo"
  local verb, rest = line:match "^(%l+) (.*)$"
  local command = kit.command(("%s %s %s"):format(verb, kit.address(emulator), rest), kit.environment(emulator))
  os.execute(("mkfifo %s; exec 3<>%s 4>%s 3<&-; %s </dev/null >%s 2>%s; echo $? >%s.code"):format(fifo, fifo, fifo,
    command, to or "&4", err or said, said))
  local text = support.read(said) or ""
  support.has_no_secret(text, "stderr")
  return tonumber(support.read(said .. ".code")), text
end

-- How many lines of a trail are intents, and how many have each outcome.
local function counts_of(trail)
  local counts = {}
  for line in support.read(trail):gmatch "[^\n]+" do
    local record = cjson.decode(line)
    local what = record.outcome or record.event
    counts[what] = (counts[what] or 0) + 1
  end
  return counts
end

local function rules()
  return support.write(support.new_path "rules" .. ".lua", 'approve "all" { when = { name = "many*" } }')
end

local sigpipe = 128 + 13

describe("a reader that is gone", function ()
  it("ends the output, not the bookkeeping: what is under way is followed to its end", function ()
    emulator:set { operation_polls = 3 }
    local trail = support.new_path "trail"
    local code, err = run(("approve --all --yes --name 'many0*' --journal %s %s"):format(trail, many))
    assert.equal(sigpipe, code)
    assert.same({ intent = 9, changed = 9 }, counts_of(trail))
    assert.equal("9 connections: 9 changed\n", err)
  end)

  it("has nothing new begun", function ()
    local trail = support.new_path "trail"
    local code, err = run(("auto --apply --parallel 5 --rules %s --journal %s %s"):format(rules(), trail, many))
    assert.equal(sigpipe, code)
    local counts = counts_of(trail)
    assert.equal(counts.intent, counts.changed)
    assert(counts.changed >= 1 and counts.changed <= 5, counts.changed)
    assert.equal(counts.changed, #emulator:log "update")
    assert.matches(("azpec: %d connections were not begun, because nobody reads standard output any more\n"):format(
      64 - counts.changed), err, 1, true)
  end)

  it("has a watch end after the round", function ()
    local code = run(("auto --apply --watch --every 1h --parallel 5 --rules %s %s"):format(rules(), many))
    assert.equal(sigpipe, code)
    assert(#emulator:log "update" <= 5)
  end)

  it("gets the tokens on standard error, in each format", function ()
    for _, format in ipairs { "table", "json", "jsonl", "tsv", "csv", "md" } do
      emulator:reset()
      emulator:set { operation_polls = 1000000 }
      local code, err = run(("approve --no-wait -o %s %s"):format(format, emulator.sample))
      assert.equal(sigpipe, code, format)
      if format == "json" or format == "jsonl" then
        assert.equal(1, #cjson.decode(err).continuation_tokens)
      else
        assert.matches("An operation is still running at the service.*\n{[^\n]*}\nEND\n", err)
      end
    end
  end)

  it("has resume follow what it was given", function ()
    emulator:set { operation_polls = 1000000 }
    local file = support.new_path "begun"
    run(("approve --no-wait -o jsonl --yes --all --name 'many0*' %s"):format(many), file)
    emulator:set { operation_polls = 0 }
    emulator:control("POST", "clock", { advance = 3600 })
    local code, err = run("resume " .. file)
    assert.equal(sigpipe, code)
    assert.equal("9 connections: 9 changed\n", err)
  end)

  it("of both streams changes nothing in the trail", function ()
    local trail = support.new_path "trail"
    local code = run(("approve --all --yes --name 'many0*' --journal %s %s"):format(trail, many), nil, "&4")
    assert.equal(sigpipe, code)
    assert.same({ intent = 9, changed = 9 }, counts_of(trail))
  end)

  it("is the same for an undo", function ()
    local trail = support.new_path "trail"
    run(("approve --all --yes --name 'many0*' --journal %s %s"):format(trail, many), "/dev/null")
    local name = support.read(trail):match '"run":"([^"]+)"'
    assert.equal(sigpipe, (run(("audit undo %s --run %s --apply --yes -o jsonl"):format(trail, name))))
    assert.same({ intent = 18, changed = 18 }, counts_of(trail))
  end)
end)

describe("a process without free descriptors", function ()
  it("is no wrong command line", function ()
    local command = kit.command("list " .. kit.address(emulator), kit.environment(emulator))
    for limit = 5, 9 do
      local pipe = io.popen(("exec 2>&1; ulimit -n %d; exec %s"):format(limit, command))
      local said = pipe:read "a"
      assert.equal(1, select(3, pipe:close()), said)
      assert.is_nil(said:find("azpec help", 1, true), said)
    end
  end)

  it("prints a token for each write that was accepted, and never a traceback", function ()
    local most = 0
    for limit = 8, 32, 6 do
      emulator:reset()
      emulator:set { operation_polls = 1000000 }
      local command = kit.command(("approve %s --max 20 --yes --no-preflight --name 'many0*' --timeout 1 "
        .. "-g rg-contoso-prod --account manyacct"):format(kit.address(emulator)), kit.environment(emulator))
      local pipe = io.popen(("ulimit -n %d; %s 2>&1"):format(limit, command))
      local said = pipe:read "a"
      pipe:close()
      assert.is_nil(said:find("traceback", 1, true), said)
      local begun, tokens = #emulator:log "update", select(2, said:gsub('"azpec":1', ""))
      assert(tokens >= begun, ("ulimit -n %d: %d writes, %d tokens\n%s"):format(limit, begun, tokens, said))
      most = math.max(most, begun)
    end
    assert(most > 2, most)
  end)
end)

describe("a full disk behind standard output", function ()
  it("is told at the end, when all that was begun has ended", function ()
    local trail = support.new_path "trail"
    local code, err = run(("approve --all --yes --name 'many0*' --journal %s %s"):format(trail, many), "/dev/full")
    assert.equal(1, code)
    assert.same({ intent = 9, changed = 9 }, counts_of(trail))
    assert.matches("\nazpec: cannot write to standard output: No space left on device; "
      .. "9 results were not written: 9 changed\n", err)
  end)

  it("is one error, which says how many were not begun", function ()
    local code, err = run("approve --all --yes --parallel 2 " .. many, "/dev/full")
    assert.equal(1, code)
    assert.matches("^64 connections: %d+ changed, (%d+) not begun\nazpec: cannot write to standard output: [^\n]*; "
      .. "%1 connections were not begun; %d+ results were not written: %d+ changed\n$", err)
  end)

  it("has the error say what was done, and in JSON to what", function ()
    for _, line in ipairs { "approve --all --yes --name 'many0*' ", "auto --apply --rules " .. rules() .. " " } do
      emulator:reset()
      local code, err = run(line .. many .. " -o json", "/dev/full")
      assert.equal(1, code, line)
      local told = kit.json(err, kit.failure)
      local changed = #emulator:log "update"
      assert.matches(("cannot write to standard output: .*; %d results were not written: %d changed"):format(changed,
        changed), told.error.message)
      assert.equal(changed, #told.results)
      for _, row in ipairs(told.results) do assert.equal("changed", row.result) end
    end
  end)

  it("has the error say how many, in each other format", function ()
    for _, format in ipairs { "table", "tsv", "csv", "md" } do
      emulator:reset()
      local code, err = run(("approve --all --yes -q --name 'many0*' %s -o %s"):format(many, format), "/dev/full")
      assert.equal(1, code)
      assert.matches("; %d results were not written: %d changed\n$", err, nil, format)
    end
  end)
end)
