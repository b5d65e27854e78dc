-- The file that lets a run go on: what it remembers, what it bears, what it refuses.

local checkpoint = require "azpec.checkpoint"
local file = require "azpec.file"
local lfs = require "lfs"

local path

before_each(function ()
  path = os.tmpname()
  os.remove(path)
end)
after_each(function () os.remove(path) end)

local function open(subject)
  return checkpoint.open(path, "auto", subject or "digest")
end

local function item(id, more)
  local one = { id = id, etag = 'W/"1"', status = "Approved", rule = "r", reason = "why" }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local function ids(items)
  local list = {}
  for n, one in ipairs(items) do list[n] = one.id end
  return table.concat(list, " ")
end

local function refused(pattern, opened, err)
  assert.is_nil(opened)
  assert.equal(pattern:find "belongs to" and "conflict" or "checkpoint", err.kind)
  assert(tostring(err):find(pattern), tostring(err))
end

describe("a checkpoint", function ()
  it("remembers what was begun and has not ended", function ()
    local run <close> = assert(open())
    assert.same({}, run:unfinished())
    for _, id in ipairs { "/a", "/b", "/c", "/d" } do assert(run:begin(item(id, { description = "d" .. id }))) end
    assert(run:finish("/a", "changed"))
    assert(run:token("/c", "a token"))
    assert(run:finish("/d", "failed"))
    run:close()
    local again <close> = assert(open())
    assert.equal("/b /c", ids(again:unfinished()))
    assert.same({ id = "/c", etag = 'W/"1"', status = "Approved", description = "d/c", rule = "r", reason = "why",
      token = "a token", begun_before = true }, again:unfinished()[2])
    assert.equal("changed", again.ended["/a"])
  end)

  it("takes up one that is begun anew after it had failed", function ()
    local run <close> = assert(open())
    assert(run:begin(item "/a"))
    assert(run:finish("/a", "failed"))
    assert(run:begin(item("/a", { etag = 'W/"2"' })))
    run:close()
    local again <close> = assert(open())
    assert.equal(1, #again:unfinished())
    assert.equal('W/"2"', again:unfinished()[1].etag)
  end)

  it("forgets a run that is done, and begins another behind it", function ()
    local run <close> = assert(open())
    assert(run:begin(item "/a"))
    assert(run:finish("/a", "changed"))
    assert(run:done())
    assert.same({ Rejected = 1 }, run:counts { item("/c", { status = "Rejected" }) })
    assert(run:begin(item "/b"))
    run:close()
    local again <close> = assert(open())
    assert.equal("/b", ids(again:unfinished()))
    assert(again:done())
    again:close()
    assert(checkpoint.open(path, "apply", "something else")):close()
  end)

  it("counts each connection once", function ()
    local run <close> = assert(open())
    assert(run:begin(item "/a"))
    assert(run:begin(item("/b", { status = "Rejected" })))
    run:close()
    local again <close> = assert(open())
    assert.same({ Approved = 2, Rejected = 1 }, again:counts { item "/a", item "/c" })
  end)

  it("belongs to what it was made for, until that is done", function ()
    local run <close> = assert(open())
    assert(run:begin(item "/a"))
    run:close()
    refused("belongs to an unfinished `auto` of something else", open "another digest")
    refused("belongs to an unfinished `auto`", checkpoint.open(path, "apply", "digest"))
    assert(open()):close()
  end)

  it("bears a line that was cut off, wherever, and goes on behind it", function ()
    local run <close> = assert(open())
    assert(run:begin(item "/a"))
    local before = file.read(path)
    assert(run:begin(item "/b"))
    run:close()
    local whole = file.read(path)
    for length = #before, #whole do
      assert(file.replace(path, whole:sub(1, length)))
      local again <close> = assert(open())
      -- The line counts where only its line feed is missing.
      assert.equal(length >= #whole - 1 and "/a /b" or "/a", ids(again:unfinished()), length)
      assert(again:begin(item "/c"))
      again:close()
      local third <close> = assert(open())
      assert.equal(length >= #whole - 1 and "/a /b /c" or "/a /c", ids(third:unfinished()), length)
    end
  end)

  it("is refused where it was spoilt otherwise", function ()
    local run <close> = assert(open())
    for _, id in ipairs { "/a", "/b", "/c" } do assert(run:begin(item(id))) end
    run:close()
    local lines = {}
    for line in io.lines(path, "L") do lines[#lines + 1] = line end
    local function with(second)
      assert(file.replace(path, lines[1] .. second .. lines[3] .. lines[4]))
      return open()
    end
    refused(":2: this is not as azpec wrote it$", with(lines[2]:sub(1, 20) .. "\n"))
    refused(":2: no line of azpec's$", with "{}\n")
    refused(":2: no line of azpec's$", with "7\n")
    refused(":2: no id$", with '{"event":"begin"}\n')
    refused(":2: no status$", with '{"event":"begin","id":"/x"}\n')
    refused(":2: a form that is not known$", with '{"event":"open","checkpoint":2}\n')
  end)

  it("is no file of another kind, which stays as it is", function ()
    for _, text in ipairs { "local x = 1\n", "junk", "\n", "\0\1\2", "{}\n", '{"event":"done"}\n', "[1]\n",
      'approve "a" {}\n{"event":"open","checkpoint":1}\n' } do
      assert(file.replace(path, text))
      refused("is no checkpoint of azpec's", open())
      assert.equal(text, file.read(path))
    end
  end)

  it("is its owner's alone, and one process's at a time", function ()
    local run <close> = assert(open())
    assert.equal("rw-------", lfs.attributes(path).permissions)
    local code = ("local c, e = require 'azpec.checkpoint'.open('%s', 'auto', 'digest') io.write(tostring(e or 'ok'))")
      :format(path)
    local function other()
      local pipe <close> = io.popen(('lua5.4 -e "%s"'):format(code))
      return pipe:read "a"
    end
    assert.truthy(other():find(path .. ": another process is at it", 1, true))
    run:close()
    assert.equal("ok", other())
  end)

  it("says where it cannot be written, and then nothing is to be begun", function ()
    refused("No such file or directory", checkpoint.open("/nowhere/at/all", "auto", "x"))
    refused("^/dev/full is no regular file but a char device$", checkpoint.open("/dev/full", "auto", "x"))
    local code = [[
      local c = require 'azpec.checkpoint'.open('%s', 'auto', 'digest')
      local ok, err
      for n = 1, 100 do
        ok, err = c:begin { id = '/' .. n, status = 'Approved' }
        if not ok then break end
      end
      io.write(tostring(err))]]
    local script = os.tmpname()
    assert(file.replace(script, code:format(path)))
    -- A limit on the size of files stands for a full disk.
    local pipe <close> = io.popen(("trap '' XFSZ; ulimit -f 1; lua5.4 %s"):format(script))
    local said = pipe:read "a"
    os.remove(script)
    assert.truthy(said:find("the checkpoint cannot be written, so nothing more is begun: " .. path
      .. ": File too large", 1, true), said)
    -- What was written before is read again; the line that found no room is not.
    local again <close> = assert(open())
    assert(#again:unfinished() > 3)
  end)
end)
