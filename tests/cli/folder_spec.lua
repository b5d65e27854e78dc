-- The current folder may hold anything, as a folder of downloads does: no code is loaded from it.

local assert = require "luassert"
local support = require "loopback.support"

local quote = support.quote

local function output(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local here = output "pwd"

-- Modules by names that the command, the emulator and the demo load, in every form that Lua looks for.
local traps = { "cjson", "azpec", "lfs", "argparse", "cqueues", "_cqueues", "openssl/rand", "azpec/cli/main",
  "azpec/json", "azpec/emulator/command", "azpec/emulator/sample" }

-- A folder full of them; each leaves a mark when it runs. A C module cannot be loaded at all: that is an error.
local function folder_of_traps(mark)
  local folder = support.new_path "downloads"
  for _, name in ipairs(traps) do
    local code = ("io.open(%q, 'a'):write(%q, '\\n')"):format(mark, name)
    for _, path in ipairs { name .. ".lua", name .. "/init.lua", "lib/" .. name .. ".lua" } do
      assert(os.execute("mkdir -p " .. quote((folder .. "/" .. path):match "^(.*)/")))
      support.write(folder .. "/" .. path, code)
    end
    support.write(folder .. "/" .. name .. ".so", "no library")
  end
  return folder
end

-- The environments in which Lua looks in the current folder.
local environments = {
  "-u LUA_PATH -u LUA_CPATH",
  "LUA_PATH=';;' LUA_CPATH=';;'",
  "LUA_PATH='./?.lua;;' LUA_CPATH='./?.so;;'",
  "LUA_PATH='?.lua;lib/?.lua;;' LUA_CPATH='?.so;lib/?.so;;'",
  "-u LUA_PATH -u LUA_CPATH LUA_PATH_5_4='./?/init.lua;;' LUA_CPATH_5_4='./?.so;;'",
}

describe("the current folder", function ()
  teardown(support.close)

  -- What a program says there; the build's own folder is named by an absolute path, as tests/run.pl does.
  local function run_in(folder, environment, command)
    local build = os.getenv "LUA_CPATH":match "^(/[^;]*);"
    local own = build and environment:gsub("(LUA_CPATH[_54]*=')", "%1" .. build .. ";") or environment
    return output(("cd %s && env -u LUA_INIT %s %s 2>&1 </dev/null"):format(quote(folder), own, command))
  end

  for _, environment in ipairs(environments) do
    it("is not where code comes from: " .. environment, function ()
      local mark = support.new_path "mark"
      local folder = folder_of_traps(mark)
      local lua = os.getenv "LUA" or "lua5.4"
      assert.matches("^azpec %d", run_in(folder, environment, ("%s %s/scripts/bin/azpec --version"):format(lua, here)))
      assert.matches("not the id of a private", run_in(folder, environment,
        ("%s %s/scripts/bin/azpec approve /x"):format(lua, here)))
      assert.matches("Emulates Azure", run_in(folder, environment,
        ("%s %s/scripts/emulator.lua --help"):format(lua, here)))
      assert.is_nil(support.read(mark))
    end)
  end

  it("is not where programs come from, even by a relative PATH", function ()
    local mark = support.new_path "mark"
    local folder = support.new_path "downloads"
    assert(os.execute("mkdir " .. quote(folder)))
    for _, name in ipairs { "stty", "readlink" } do
      support.write(folder .. "/" .. name, ("#!/bin/sh\necho %s >>%s\n"):format(name, quote(mark)))
    end
    assert(os.execute(("chmod +x %s/*; ln -s %s/scripts/bin/azpec %s/linked"):format(quote(folder), here,
      quote(folder))))
    local lua = os.getenv "LUA" or "lua5.4"
    run_in(folder, "-u LUA_PATH PATH=.:bin:$PATH", lua .. " ./linked --version")
    run_in(folder, "PATH=.::$PATH", ("script -qec '%s %s/scripts/bin/azpec list' /dev/null"):format(lua, here))
    assert.is_nil(support.read(mark))
  end)

  it("is not reached by a semicolon in the program's path", function ()
    local folder = support.new_path "a;b"
    assert(os.execute(("mkdir -p %s && cp -r scripts %s"):format(quote(folder), quote(folder))))
    assert.matches("azpec: Lua's search paths cannot hold ';' or '?'", run_in(folder, "-u LUA_PATH",
      ("%s %s/scripts/bin/azpec --version"):format(os.getenv "LUA" or "lua5.4", quote(folder))), 1, true)
  end)

  it("is not where the demo's code comes from", function ()
    local mark = support.new_path "mark"
    local folder = folder_of_traps(mark)
    assert.matches("\nApproved%.$", run_in(folder, "LUA_PATH=';;' LUA_CPATH=';;'",
      ("%s %s/scripts/demo.lua"):format(os.getenv "LUA" or "lua5.4", here)))
    assert.is_nil(support.read(mark))
  end)
end)
