-- Files with known names in folders of others: made for their owner alone, and no link is followed.

local assert = require "luassert"
local lfs = require "lfs"

local audit = require "azpec.audit"
local checkpoint = require "azpec.checkpoint"
local file = require "azpec.file"
local lock = require "azpec.lock"

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

-- All that writes files: each returns true, or nil and why not as a text.
local writers = {
  plan = function (path) return file.replace(path, "a plan\n") end,
  ["audit trail"] = function (path)
    local entry, err = audit.open(path):intend { verb = "approve", id = id }
    return entry and true, err and err.message
  end,
  checkpoint = function (path)
    local opened, err = checkpoint.open(path, "auto", "subject")
    if opened then opened:close() end
    return opened and true, err and tostring(err)
  end,
  lock = function (path)
    local held, why = lock.take(path)
    if held then held:close() end
    return held and true, why
  end,
}

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

for _, name in ipairs { "audit trail", "checkpoint", "lock" } do
  describe("the file of a " .. name, function ()
    it("that anybody may write to is refused", function ()
      local path = write(path_of "open", "")
      assert(os.execute("chmod 666 " .. path))
      local ok, why = writers[name](path)
      assert.is_nil(ok)
      assert.matches("anybody may write to " .. path, why, 1, true)
      assert.equal(0, lfs.attributes(path, "size"))
    end)

    it("that belongs to another user is refused", function ()
      local path = write(path_of "theirs", "")
      if not os.execute("chown 12345 " .. path .. " 2>/dev/null") then return pending "only root may do this" end
      local ok, why = writers[name](path)
      assert.is_nil(ok)
      assert.matches(path .. " belongs to another user (12345)", why, 1, true)
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
  it("has no name beside it that could be known before", function ()
    local path, target = path_of "plan.json", write(path_of "target", "mine")
    for second = 0, 20 do
      assert(lfs.link(target, ("%s.%d.new"):format(path, os.time() + second), true))
    end
    assert.is_true(file.replace(path, "a plan\n"))
    assert.equal("mine", file.read(target))
    assert.equal("a plan\n", file.read(path))
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
    local ok, why = file.replace(path, "a plan\n")
    assert.is_nil(ok)
    assert.equal(path .. " belongs to another user (12345)", why)
  end)
end)

describe("a temporary file", function ()
  it("has a new name each time, and its owner alone reads it", function ()
    local first, second = assert(file.temporary("azpec-test", "a\n")), assert(file.temporary("azpec-test", "b\n"))
    assert.are_not.equal(first, second)
    assert.equal("a\n", file.read(first))
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
    assert.equal("mine", file.read(target))
  end)
end)
