-- Each verb on a terminal, as a person sees it: what it shows, in how many columns, and its exit code.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"
local text = require "azpec.text"

local emulator, azpec = kit.stage()

local columns = 80
local account = "-g default-azurebatch-japaneast --account sampleacct "
local name = support.sample_name
local rules = 'approve "all" { when = { description = "Please*" }, because = "a test" }'

-- Starts a command line on a terminal.
local function begin(line)
  local command = kit.command(line, support.merged(kit.environment(emulator), { TERM = "xterm" }))
  return kit.on_terminal(("sh -c %s"):format(support.quote(("stty cols %d; exec %s"):format(columns, command))))
end

-- Ends it, and returns what stayed on the terminal: without colours, and without lines that were drawn over.
local function finished(code, terminal)
  local shown = kit.ended(code, { code = terminal.code, out = terminal.err, err = "" }).out
  return (shown:gsub("\27%[[%d;?]*%a", ""):gsub("[^\n]*\r([^\r\n])", "%1"):gsub("\r", ""))
end

-- Runs a verb to its end, and answers yes if it asks.
local function shown(code, verb, line, asks)
  local terminal = begin(("%s %s %s"):format(verb, kit.address(emulator), line))
  if asks then terminal:answer "y\n" end
  return finished(code, terminal:finish())
end

local function file(content)
  return support.write(support.new_path "file" .. ".lua", content)
end

local function journal()
  local path = support.new_path "journal"
  kit.ended(0, azpec("approve", ("--journal %s --ticket CHG-5102 %s"):format(path, emulator.sample)))
  return path
end

local function plan()
  local path = support.new_path "plan"
  kit.ended(0, azpec("plan", ("--rules %s --out %s %s"):format(file(rules), path, account)))
  return path
end

-- By verb: the exit code; a function that returns its further words; what it shows; whether it asks.
local verbs = {
  status = { 0, function () return "" end, "\nsampleacct +1 " },
  list = { 0, function () return account end, "^ACCOUNT +NAME +STATUS [^\n]*\nsampleacct +test[^\n]+ Pending " },
  show = { 0, function () return account .. name end, "\nCan: +approve, reject, delete\n" },
  watch = { 0, function () return account .. "--stop-after 0s" end, ": Pending" },
  drift = { 10, function ()
    kit.ended(0, azpec("approve", emulator.sample))
    return account .. "--rules " .. file('hold "all" { because = "a test" }')
  end, "1 approved connection, 1 that no rule would approve today\n" },
  report = { 0, function () return account .. "--out " .. support.new_path "page" .. ".html" end,
    ": 1 connection of 1 account, 1 pending\n" },
  approve = { 0, function () return account .. name end, ": Approved %(was Pending%)\n" },
  reject = { 0, function ()
    kit.ended(0, azpec("approve", emulator.sample))
    return account .. name
  end, ": Rejected %(was Approved%)\n", true },
  delete = { 0, function () return account .. name end, ": deleted %(was Pending%)\n", true },
  auto = { 0, function () return account .. "--apply --rules " .. file(rules) end,
    ": Approved %(was Pending%): rule 'all', a test\n" },
  plan = { 0, function () return account .. "--rules " .. file(rules) end, "1 to approve" },
  apply = { 0, plan, ": Approved %(was Pending%): rule 'all', a test\n" },
  wait = { 0, function () return account .. "--for status=Pending " .. name end, ": Pending, Succeeded\n" },
  resume = { 0, function ()
    return support.write(support.new_path "token", kit.ended(0, azpec("approve", "--no-wait " .. emulator.sample)).out)
  end, ": Approved\n" },
  ["journal show"] = { 0, journal, "^RUN +NAME +BEFORE +AFTER +RESULT +LINE\n%d+T%d+Z%-%x+  test%S+  Pending " },
  ["journal runs"] = { 0, journal, "^RUN +VERB +WRITES +CHANGED +FAILED +UNFINISHED\n%d+T%d+Z%-%x+  approve " },
  doctor = { 0, function () return account .. "--check signin,account" end, "ok +signin .*\nok +account " },
}

local tables = { status = true, list = true, drift = true, ["journal show"] = true, ["journal runs"] = true }

describe("on a terminal", function ()
  for verb, case in support.each(verbs) do
    it(("%s shows a person what it does"):format(verb), function ()
      local code, words, pattern, asks = table.unpack(case, 1, 4)
      local said = shown(code, verb, words(), asks)
      assert.matches(pattern, said)
      assert.falsy(said:find "[\1-\8\11-\31\127]")
      for line in said:gmatch "[^\n]+" do assert(not tables[verb] or text.width(line) <= columns, line) end
    end)
  end

  it("help and completion are pages as elsewhere", function ()
    for _, line in ipairs { "help", "help approve", "completion bash" } do
      assert.equal(kit.ended(0, kit.run(line)).out, finished(0, begin(line):finish()), line)
    end
  end)

  it("emulator says where it listens, and ends by Ctrl-C", function ()
    local terminal = begin "emulator"
    terminal:read_until '"endpoint":"http://127.0.0.1:'
    terminal:type "\3"
    finished(0, terminal:finish())
  end)

  it("each verb was looked at", function ()
    local known = { help = true, completion = true, emulator = true }
    for verb in pairs(verbs) do known[verb:match "^%a+"] = true end
    for _, group in ipairs(require "azpec.cli.verbs") do
      for n = 2, #group do assert(known[group[n]], group[n]) end
    end
  end)
end)
