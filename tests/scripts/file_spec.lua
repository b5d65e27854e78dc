-- Files with known names in folders of others: made for their owner alone, and no link is followed.

local assert = require "luassert"
local lfs = require "lfs"
local system = require "azpec_file"

local convert = require "azpec.cli.convert"
local datafile = require "azpec.emulator.datafile"
local enrich = require "azpec.enrich"
local file = require "azpec.file"
local journal = require "azpec.journal"
local lock = require "azpec.lock"
local plan = require "azpec.plan"
local quote = require "azpec.text".shell
local recording = require "azpec.record.recording"
local rules = require "azpec.rules"
local upstream = require "azpec.record.upstream"

local folder

local function shell(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local function write(path, text)
  local handle <close> = assert(io.open(path, "wb"))
  handle:write(text)
  return path
end

local function path_of(name)
  return folder .. "/" .. name
end

local id = "/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch"
  .. "/batchAccounts/acct/privateEndpointConnections/pec.1"

-- All that writes files: each returns true, or nil and why not as a text. patience: how long it waits for a lock.
local writers = {
  plan = function (path) return file.replace(path, "a plan\n", function () return true end) end,
  ["journal's intent"] = function (path, patience)
    local entry, err = journal.open(path, { patience = patience }):intend { verb = "approve", id = id }
    return entry and true, err and err.message
  end,
  journal = function (path, patience)
    local items, err = journal.open(path, { subject = "subject", patience = patience }):unfinished()
    return items and true, err and err.message
  end,
  lock = function (path)
    local held, why = lock.take(path)
    if held then held:close() end
    return held and true, why
  end,
}

local anything = function () return true end

before_each(function () folder = shell "mktemp -d" end)
after_each(function () os.execute("rm -rf " .. folder) end)

for name, writer in pairs(writers) do
  describe("the file of a " .. name, function ()
    it("is made for its owner alone", function ()
      local path = path_of "new"
      assert.is_true(writer(path))
      assert.equal("rw-------", lfs.attributes(path, "permissions"))
      assert.equal(path:match "[^/]+$", shell("ls " .. folder))
    end)

    it("is not reached through a symbolic link", function ()
      local target = write(path_of "target", "")
      for _, to in ipairs { target, path_of "missing" } do
        local link = path_of "link"
        os.remove(link)
        assert(lfs.link(to, link, true))
        local ok, why = writer(link)
        assert.is_nil(ok)
        assert.matches(link .. " is a symbolic link; name the file itself", why, 1, true)
        assert.equal("link", lfs.symlinkattributes(link, "mode"))
      end
      assert.equal(0, lfs.attributes(target, "size"))
      assert.is_nil(lfs.attributes(path_of "missing"))
    end)
  end)
end

-- Writes by way of a lock, and the kind of that lock.
local locks = { ["journal's intent"] = "write", journal = "write", lock = "flock" }

for name, kind in pairs(locks) do
  describe("the file of a " .. name, function ()
    it("that others than its owner may write to is refused", function ()
      local path, group = write(path_of "open", ""), "its group may write to %s, so it proves nothing; chmod g-w it"
      local all = "anybody may write to %s, so it proves nothing; chmod go-w it"
      for mode, message in pairs { ["666"] = all, ["602"] = all, ["660"] = group, ["664"] = group, ["620"] = group } do
        assert(os.execute(("chmod %s %s"):format(mode, path)))
        local ok, why = writers[name](path)
        assert.is_nil(ok)
        assert.matches(message:format(path), why, 1, true)
        assert.equal(0, lfs.attributes(path, "size"))
      end
      assert(os.execute("chmod 644 " .. path))
      assert.is_true(writers[name](path))
    end)

    it("that belongs to another user is refused", function ()
      local path = write(path_of "theirs", "")
      if not os.execute("chown 12345 " .. path .. " 2>/dev/null") then return pending "only root may do this" end
      local ok, why = writers[name](path)
      assert.is_nil(ok)
      assert.matches(path .. " belongs to another user (12345)", why, 1, true)
    end)

    it("that has a second name is refused", function ()
      local target = write(path_of "target", "")
      assert(lfs.link(target, path_of "second"))
      local ok, why = writers[name](path_of "second")
      assert.is_nil(ok)
      assert.matches(path_of "second" .. " has another name, too (a hard link)", why, 1, true)
      assert.equal(0, lfs.attributes(target, "size"))
    end)

    it("is one writer's at a time, also within a process", function ()
      local path = write(path_of "taken", "")
      local held = assert(file.open(path))
      assert(file.lock(held, kind))
      assert(io.open(path)):close() -- would end a lock of the process's
      local ok, err = writers[name](path, 0)
      assert.is_nil(ok)
      assert.matches(path, err, 1, true)
      assert.equal(0, lfs.attributes(path, "size"))
      held:close()
      assert.is_true(writers[name](path))
    end)

    it("that is empty and the user's own, as mktemp makes it, is taken", function ()
      assert.is_true(writers[name](shell("mktemp " .. path_of("tmp." .. ("X"):rep(6)))))
    end)

    it("is no folder, pipe or device", function ()
      assert(os.execute("mkfifo " .. path_of "pipe"))
      for _, path in ipairs { folder, path_of "pipe", "/dev/null" } do
        local ok, why = writers[name](path)
        assert.is_nil(ok)
        assert.matches("is no regular file but a", why, 1, true)
      end
    end)
  end)
end

describe("a file that is replaced", function ()
  it("was empty, or of the same kind; any other stays", function ()
    local path = write(path_of "page", "")
    local function is_own(head) return head:find "^a page" ~= nil end
    assert.is_true(file.replace(path, "a page 1", is_own))
    assert.is_true(file.replace(path, "a page 2", is_own))
    for _, kind in ipairs { false, function (head) return head:find "^a plan" end } do
      local ok, why, is_taken = file.replace(path, "another", kind or nil)
      assert.is_nil(ok)
      assert.is_true(is_taken)
      assert.equal(path .. ": there is another file; name a new one, or remove it", why)
    end
    assert.equal("a page 2", file.read(path, "plan"))
  end)

  it("has no name beside it that could be known before", function ()
    local path, target = path_of "plan.json", write(path_of "target", "mine")
    for second = 0, 20 do
      assert(lfs.link(target, ("%s.%d.new"):format(path, os.time() + second), true))
    end
    assert.is_true(file.replace(path, "a plan\n", anything))
    assert.equal("mine", file.read(target, "plan"))
    assert.equal("a plan\n", file.read(path, "plan"))
  end)

  it("is for its owner alone, whatever the mode of the one before was", function ()
    local path = write(path_of "plan.json", "")
    assert(os.execute("chmod 666 " .. path))
    assert.is_true(file.replace(path, "a plan\n", anything))
    assert.equal("rw-------", lfs.attributes(path, "permissions"))
  end)

  it("is a standard stream: what stands in its file stays", function ()
    local path, lua = write(path_of "log", "before\n"), os.getenv "LUA" or "lua5.4"
    shell(([[%s -e 'assert(require "azpec.file".replace("/dev/stdout", "a plan\n"))' >>%s]]):format(lua, path))
    assert.equal("before\na plan\n", file.read(path, "plan"))
  end)

  it("may be a standard stream's name, or a pipe", function ()
    local lua = os.getenv "LUA" or "lua5.4"
    for _, name in ipairs { "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1" } do
      assert.equal("a plan", shell(([[%s -e 'assert(require "azpec.file".replace("%s", "a plan\n"))' | cat]]):format(
        lua, name)))
    end
  end)

  it("is not another user's pipe", function ()
    local path = path_of "pipe"
    assert(os.execute("mkfifo " .. path))
    if not os.execute("chown 12345 " .. path .. " 2>/dev/null") then return pending "only root can give files away" end
    local ok, why = file.replace(path, "a plan\n", anything)
    assert.is_nil(ok)
    assert.equal(path .. " belongs to another user (12345)", why)
  end)
end)

describe("a standard stream", function ()
  local lua = os.getenv "LUA" or "lua5.4"
  -- The start of a command: a process that has written to standard output, and can open no more files.
  local full = ("ulimit -n 20; %s -e '%s "):format(lua, [[local flush, kept, handle = require "azpec.file".flush, {}
    repeat
      handle = io.open "/dev/null"
      kept[#kept + 1] = handle
    until not handle
    io.write "text "]])

  it("is flushed where the process has no free descriptor", function ()
    assert.equal("text true", shell(full .. [[io.write(tostring(flush(io.stdout)))' 2>&1]]))
  end)

  it("that is full is still an error there", function ()
    local command = full .. [[io.stderr:write((select(2, flush(io.stdout))))' 2>&1 >/dev/full]]
    assert.equal("No space left on device", shell(command))
  end)

  for name, closed in pairs { input = "<&-", output = ">&-", ["error output"] = "2>&-" } do
    it("that is closed is not replaced by a file: " .. name, function ()
      local path = path_of "new"
      local code = ([[local handle = assert(require "azpec_file".open("%s", "create"))
        io.write "out"
        io.stderr:write "err"
        assert(handle:write "text" and handle:close())]]):format(path)
      shell(("%s -e '%s' >/dev/null 2>&1 %s"):format(lua, code, closed))
      assert.equal("text", file.read(path, "plan"))
    end)
  end
end)

-- ---- reading -------------------------------------------------------------------------------------------------------

-- All that reads a file of a person's to its end: each returns nil and why not, as a text or an error.
local readers = { plan = plan.read, rules = rules.read, ["function that names owners"] = enrich.read,
  state = datafile.read, recording = recording.read, secret = convert.secret,
  ["list of continuation tokens"] = convert.tokens }

-- All that reads a regular file only.
local strict = {
  journal = journal.verify,
  ["journal to show"] = journal.read,
  ["file of authorities"] = function (path) return upstream.new("https://localhost:1", path) end,
}

-- How each is made, why it is not read, and why it is not where only regular files are.
local unreadable = {
  ["a pipe that nobody writes to"] = { "mkfifo ",
    "%s: nothing was written to it within 0.01 seconds; start the program that writes to it first",
    "%s is no regular file but a named pipe" },
  ["a directory"] = { "mkdir ", "%s is no regular file but a directory" },
  ["a socket"] = { "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1)' ",
    "%s is no regular file but a socket" },
  ["a device that never ends"] = { "ln -s /dev/zero ", "%s: it is larger than ",
    "%s is no regular file but a char device" },
  ["a process's memory"] = { "ln -s /proc/self/mem ", "%s: Input/output error", "" },
  ["a file of 4 GiB"] = { "truncate -s 4G ", "%s: it is larger than ", "" },
  ["a file that is not there"] = { "ln -s nowhere ", "%s: No such file or directory" },
}

describe("a file that is read", function ()
  local patience = file.patience
  before_each(function () file.patience = 0.01 end)
  after_each(function () file.patience = patience end)

  local function is_refused(reader, case, message)
    local path = path_of "given"
    assert(os.execute(case[1] .. path))
    local value, err = reader(path)
    assert.is_nil(value)
    assert.matches(message:format(path), type(err) == "table" and err.message or err, 1, true)
  end

  for kind, case in pairs(unreadable) do
    for name, reader in pairs(readers) do
      it(("as a %s is not %s"):format(name, kind), function () is_refused(reader, case, case[2]) end)
    end
    for name, reader in pairs(strict) do
      it(("as a %s is not %s"):format(name, kind), function () is_refused(reader, case, case[3] or case[2]) end)
    end
  end

  it("as a journal has no more than 100000 lines that are not azpec's", function ()
    local path = path_of "given"
    assert(os.execute("{ echo '{\"a\"'; yes '' | head -c 200000; } >" .. path))
    local report, why = journal.verify(path)
    assert.is_nil(report)
    assert.equal(path .. ": 100000 lines are not as azpec wrote them", why)
  end)

  it("is a pipe that somebody has open, although nothing was written to it yet", function ()
    local path = path_of "pipe"
    assert(os.execute("mkfifo " .. path))
    local writer <close> = assert(io.open(path, "r+"))
    local reader <close> = assert(system.open(path, "read"))
    assert.is_true(system.await(reader, 0))
    writer:write "text\n"
    writer:flush()
    assert(system.block(reader))
    assert.equal("text", reader:read "l")
  end)

  local say = [[$LUA -e 'io.write((assert(require "azpec.file".read(arg[1], "plan"))))' /dev/null ]]
  for name, command in pairs {
    ["a shell's <(...)"] = say .. "<(echo text)",
    ["a shell's <(...) that writes more than a pipe holds"] = say .. "<(yes text | head -c 1000000) | uniq",
    ["a shell's <(...) without a word"] = say .. "<(:); echo text",
    ["standard input, where that is a pipe"] = "echo text | " .. say .. "/dev/stdin",
    ["standard input, where that is a file"] = "echo text >$0/file; " .. say .. "/dev/stdin <$0/file",
    ["a descriptor of the shell's"] = say .. "/proc/self/fd/3 3<<<text",
    ["a pipe by its name, which is written to later"] = "mkfifo $0/pipe; (echo text >$0/pipe) & " .. say .. "$0/pipe",
    ["an empty device"] = say .. "/dev/null; echo text",
  } do
    it("may be " .. name, function ()
      assert.equal("text", shell(("LUA=%s bash -c %s %s 2>&1"):format(os.getenv "LUA" or "lua5.4", quote(command),
        folder)))
    end)
  end
end)

describe("a stream that is written to", function ()
  local patience = file.patience
  after_each(function () file.patience = patience end)

  for name, case in pairs {
    ["a pipe that nobody reads from"] = { "mkfifo ", "%s: nobody opened it to read within 0.01 seconds; start the "
      .. "program that reads from it first" },
    ["a directory"] = { "mkdir ", "%s is no regular file but a directory" },
    ["a socket"] = { unreadable["a socket"][1], "%s is no regular file but a socket" },
  } do
    it("is not " .. name, function ()
      file.patience = 0.01
      local path = path_of "given"
      assert(os.execute(case[1] .. path))
      for _, writer in ipairs { file.replace, file.start } do
        local ok, why = writer(path, "text", anything)
        assert.is_nil(ok)
        assert.equal(case[2]:format(path), why)
      end
    end)
  end

  it("may be a pipe that is read from later, and waits where the pipe is full", function ()
    local path = path_of "pipe"
    assert(os.execute("mkfifo " .. path))
    local reader <close> = io.popen("cat <" .. path .. " | wc -c")
    assert.is_true(file.replace(path, ("x"):rep(1000000)))
    assert.equal(1000000, reader:read "n")
  end)
end)

describe("a temporary file", function ()
  it("has a new name each time, and its owner alone reads it", function ()
    local first, second = assert(file.temporary("azpec-test", "a\n")), assert(file.temporary("azpec-test", "b\n"))
    assert.are_not.equal(first, second)
    assert.equal("a\n", file.read(first, "plan"))
    assert.equal("rw-------", lfs.attributes(second, "permissions"))
    os.remove(first)
    os.remove(second)
  end)
end)

describe("the emulator's --ca-file", function ()
  it("is not reached through a symbolic link", function ()
    local target, link = write(path_of "target", "mine"), path_of "ca.pem"
    assert(lfs.link(target, link, true))
    local lua = os.getenv "LUA" or "lua5.4"
    local said = shell(("%s scripts/emulator.lua --exit-with-stdin --ca-file %s 2>&1 </dev/null"):format(lua, link))
    assert.equal("emulator: --ca-file: " .. link .. " is a symbolic link; name the file itself", said)
    assert.equal("mine", file.read(target, "plan"))
  end)

  it("and its --log take the place of no file that the emulator did not write", function ()
    local lua = os.getenv "LUA" or "lua5.4"
    for option, name in pairs { ["--ca-file"] = "bundle.pem", ["--log"] = "my.log" } do
      local path = write(path_of(name), "mine\n")
      local command = ("%s scripts/emulator.lua --exit-with-stdin %s %s 2>&1 </dev/null"):format(lua, option, path)
      assert.equal(("emulator: %s: %s: there is another file; name a new one, or remove it"):format(option, path),
        shell(command))
      assert.equal("mine\n", file.read(path, "plan"))
      os.remove(path)
      for _ = 1, 2 do assert.matches('^{"', shell(command)) end -- its own of an earlier run
    end
  end)
end)
