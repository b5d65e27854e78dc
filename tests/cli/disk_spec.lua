-- Files that cannot be made, written, closed or renamed: the error names the file and the reason, the exit code says
-- it, a file that was there stays whole, and nothing is sent without its intent.

local assert = require "luassert"
local kit = require "cli.kit"
local support = require "loopback.support"

local emulator, azpec = kit.stage { operation_polls = 0 }

local quote = support.quote
local group = "-g rg-contoso-prod --account manyacct"

local reasons = {
  { 28, "No space left on device" }, { 5, "Input/output error" }, { 13, "Permission denied" },
  { 30, "Read-only file system" }, { 122, "Disk quota exceeded" },
}

-- The environment in which a call fails on each file whose name holds the text, from the nth time on (tools/faults.c).
local function failing(call, number, text, nth)
  local so = ("%s/tools/faults.so"):format(os.getenv "BUILD" or "build")
  return { LD_PRELOAD = ("%s %s"):format(os.getenv "LD_PRELOAD" or "", so),
    FAULT = ("%s %d %d %s"):format(call, number, nth or 1, text) }
end

local function updates()
  return #emulator:log "update"
end

local folder

-- What is in the folder of the file under test.
local function names()
  local pipe <close> = io.popen("ls -A " .. quote(folder))
  return (pipe:read "a":gsub("\n$", ""))
end

before_each(function ()
  folder = support.new_path "disk"
  assert(os.execute("mkdir " .. quote(folder)))
end)

local function rules()
  local two = 'approve "two" { when = { name = { "many01*", "many02*" } } }'
  return support.write(support.new_path "rules" .. ".lua", two)
end

local approve = "approve --yes --all --name 'many01*' " .. group

-- The files: `run`, a command line with the file's path in it; `calls`, which fail, from the `nth` time on; `code`, the
-- exit code; `sent`, how many updates went out; `before`, what is in the file, which then stays there alone.
local files = {
  ["a plan"] = { name = "plan.json", run = function (path)
    return ("plan --rules %s %s --out %s"):format(rules(), group, path)
  end, calls = { "open", "write", "fsync", "close", "rename" }, code = 1, sent = 0, before = '{"azpec_plan":1}\n' },
  ["an empty file that becomes a plan"] = { name = "plan.json", run = function (path)
    return ("plan --rules %s %s --out %s"):format(rules(), group, path)
  end, calls = { "write", "rename" }, code = 1, sent = 0, before = "" },
  ["the certificate of the emulator"] = { name = "ca.pem", run = function (path)
    return "emulator --exit-with-stdin --ca-file " .. path
  end, calls = { "open", "write", "fsync", "close", "rename" }, code = 1, sent = 0,
    before = "azpec emulator: its certificate authority, for tests\nmine\n" },
  ["the log of the emulator"] = { name = "log.jsonl", run = function (path)
    return "emulator --exit-with-stdin --no-tls --log " .. path
  end, calls = { "open", "rename" }, code = 1, sent = 0, before = '{"method":"GET","number":1}\n' },
  ["a trail, at the intent"] = { name = "trail.jsonl", run = function (path)
    return ("%s --journal %s"):format(approve, path)
  end, calls = { "open", "write", "close" }, code = 1, sent = 0 },
  ["a journal of auto, at its beginning"] = { name = "run.journal", run = function (path)
    return ("auto --apply --rules %s %s --journal %s"):format(rules(), group, path)
  end, calls = { "open", "write" }, code = 1, sent = 0 },
  ["a lock"] = { name = "run.lock", run = function (path)
    return ("auto --apply --rules %s %s --lock %s"):format(rules(), group, path)
  end, calls = { "open" }, code = 1, sent = 0 },
}

local function command_of(row, path)
  local line = row.run(path)
  local verb, rest = line:match "^(%l+) (.*)$"
  return verb, rest
end

local turn = 0
for what, row in support.each(files) do
  for _, call in ipairs(row.calls) do
    turn = turn + 1
    local number, reason = table.unpack(reasons[turn % #reasons + 1])
    it(("%s: %s fails with '%s'"):format(what, call, reason), function ()
      local path = folder .. "/" .. row.name
      if row.before then support.write(path, row.before) end
      local verb, rest = command_of(row, path)
      local is_itself = call == "rename" or not row.before -- and not the new one beside it
      local text = "/" .. row.name .. (is_itself and "$" or ".")
      local env = support.merged(kit.environment(emulator), failing(call, number, text, row.nth))
      local run = verb == "emulator" and function (_, _, more) return kit.run("emulator " .. rest, more) end or azpec
      local result = run(verb, rest, { env = env })
      kit.ended(row.code, result)
      assert.matches(path, result.err, 1, true)
      assert.matches(reason, result.err, 1, true)
      assert.falsy(result.err:find "traceback")
      assert.equal(row.sent, updates())
      if not row.before then return end
      assert.equal(row.before, support.read(path))
      assert.equal(row.name, names())
    end)
  end
end

describe("a link that takes a file's place just before it is opened", function ()
  local swapped = {
    ["trail.jsonl"] = function (path) return ("%s --journal %s"):format(approve, path) end,
    ["run.journal"] = function (path)
      return ("auto --apply --rules %s %s --journal %s"):format(rules(), group, path)
    end,
    ["run.lock"] = function (path) return ("auto --apply --rules %s %s --lock %s"):format(rules(), group, path) end,
  }
  for name, line in support.each(swapped) do
    it("is not followed: " .. name, function ()
      local path = folder .. "/" .. name
      local target = support.write(path .. ".target", "")
      support.write(path, "")
      local verb, rest = command_of({ run = line }, path)
      local result = kit.ended(1, azpec(verb, rest, { env = support.merged(kit.environment(emulator),
        failing("swap", 0, "/" .. name .. "$")) }))
      assert.matches(path .. " is a symbolic link; name the file itself", result.err, 1, true)
      assert.equal("", support.read(target))
      assert.equal(0, updates())
    end)
  end

  it("is not followed where a new file is made beside a plan", function ()
    local path = folder .. "/plan.json"
    local result = kit.ended(1, azpec("plan", ("--rules %s %s --out %s"):format(rules(), group, path), {
      env = support.merged(kit.environment(emulator), failing("swap", 0, "/plan.json.")) }))
    assert.matches(path .. ": File exists", result.err, 1, true)
    assert.is_nil(support.read(path))
  end)
end)

describe("a file that is written while a plan is made", function ()
  it("is not replaced", function ()
    emulator:faults { { match = { kind = "list" }, action = { hold = true } } }
    local path = support.write(folder .. "/plan.json", "")
    local line = ("plan %s -vv --rules %s %s --out %s"):format(kit.address(emulator), rules(), group, path)
    local process = kit.start(line, { env = kit.environment(emulator) })
    process:read_until "> GET"
    support.write(path, "a letter\n")
    emulator:release()
    local result = kit.ended(2, process:finish())
    assert.matches(path .. ": there is another file; name a new one, or remove it", result.err, 1, true)
    assert.equal("a letter\n", support.read(path))
  end)
end)

describe("a full disk", function ()
  it("at the room for a result lets nothing be sent", function ()
    local path = folder .. "/trail.jsonl"
    for _, call in ipairs { "open", "write" } do
      local result = kit.ended(1, azpec("approve", approve:gsub("^approve ", "") .. " --journal " .. path,
        { env = support.merged(kit.environment(emulator), failing(call, 28, "/trail.jsonl.")) }))
      assert.matches(path .. ": no room for the result: No space left on device", result.err, 1, true)
      assert.equal(0, updates())
    end
  end)

  it("at the result of a write shows what could not be recorded", function ()
    local path = folder .. "/trail.jsonl"
    local result = azpec("approve", approve:gsub("^approve ", "") .. " --journal " .. path,
      { env = support.merged(kit.environment(emulator), failing("write", 5, "/trail.jsonl$", 2)) })
    kit.ended(1, result)
    assert.matches('what could not be recorded: {.*"outcome":"changed"', result.err)
    assert.equal(1, updates())
    assert.matches("how the writes of line 1 ended is not known", kit.run("journal verify " .. path).err)
  end)

  it("while a run has begun some lets the same command go on", function ()
    local path, set = folder .. "/run.journal", rules()
    local line = ("--apply --rules %s %s --journal %s"):format(set, group, path)
    local result = kit.ended(1, azpec("auto", line .. " --parallel 1", { env = support.merged(kit.environment(emulator),
      failing("write", 122, "/run.journal$", 3)) }))
    assert.matches("the journal cannot be written: " .. path .. ": Disk quota exceeded", result.err, 1, true)
    assert.equal(1, updates())
    kit.ended(0, azpec("auto", line))
    assert.equal(2, updates())
    assert.is_true(require "azpec.journal".verify(path).ok)
  end)

  it("that is the limit on file sizes is an error, and nothing is written without its intent", function ()
    local path = folder .. "/limited.jsonl"
    support.write(path, "")
    local quoted = kit.command(("approve %s --audit %s %s"):format(emulator.many[1], path, kit.address(emulator)),
      kit.environment(emulator))
    local pipe = io.popen("(ulimit -f 0; " .. quoted .. ") 2>&1")
    local said = pipe:read "a"
    local _, how, code = pipe:close()
    assert.same({ "exit", 1 }, { how, code }, said:sub(1, 500))
    assert.matches("File too large", said)
    assert.equal(0, updates())
  end)

  it("ends an emulator whose log would have holes", function ()
    local path = folder .. "/log.jsonl"
    local env = failing("write", 28, "/log.jsonl")
    local process = support.start(("LD_PRELOAD=%s FAULT=%s %s scripts/emulator.lua --no-tls --exit-with-stdin --log %s"
      ):format(quote(env.LD_PRELOAD), quote(env.FAULT), os.getenv "LUA" or "lua5.4", path))
    support.http(process.endpoint, "GET", "/subscriptions")
    local _, _, status = process.pipe:close()
    process.pipe, process.status = nil, status
    assert.equal(1, status)
    assert.equal(("emulator: --log: %s: No space left on device\n"):format(path), support.read(process.errors))
  end)

  it("at standard output is an error of every page", function ()
    local out = folder .. "/out"
    for n, line in ipairs { "help", "help --man", "completion bash", "completion zsh", "--version",
      "emulator --exit-with-stdin --no-tls" } do
      local number, reason = table.unpack(reasons[n % #reasons + 1])
      local result = kit.ended(1, kit.run(line, { redirect = ">" .. out, env = failing("write", number, "/out") }))
      assert.matches("cannot write to standard output: " .. reason, result.err, 1, true)
    end
    local to_service = kit.address(emulator) .. " " .. group
    for n, line in ipairs { "help", "list " .. to_service, "plan --out - --rules " .. rules() .. " " .. to_service } do
      local number, reason = table.unpack(reasons[n % #reasons + 1])
      for _, call in ipairs { "write", "close" } do
        local result = kit.ended(1, kit.run(line, { redirect = ">" .. out,
          env = support.merged(kit.environment(emulator), failing(call, number, "/out")) }))
        assert.matches("cannot write to standard output: " .. reason, result.err, 1, true)
      end
    end
  end)
end)
