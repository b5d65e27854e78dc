-- The helpers of scripts/examples for tests in other languages: each is run by the test program it is for.
package.path = "./tests/?.lua;" .. package.path

local debian = require "peers.debian"
local t = require "loopback.support"

local lua = os.getenv "LUA" or "lua5.4"
local here = assert(io.popen "pwd"):read "l"
local azpec = ("%s %s/scripts/bin/azpec"):format(lua, here)

-- Runs a command for a shell; true, or fails with what it printed.
local function passes(command, ...)
  local pipe = assert(io.popen("{ unset LD_PRELOAD; " .. command:format(...) .. "; } 2>&1"))
  local said = pipe:read "a"
  assert(pipe:close(), said)
  return said
end

describe("the example helper", function ()
  it("for busted gives each test an emulator as at the start", function ()
    local said = passes("AZPEC_LUA='env -u LD_PRELOAD %s' LUA_PATH='%s/scripts/examples/?.lua;%s' busted -o TAP "
      .. "--lpath= --cpath= --lua=%s tests/emulator/examples/with_busted_spec.lua", lua, here, package.path, lua)
    assert.matches("\nok 2 ", said, 1, true)
  end)

  it("for node:test does", function ()
    if not t.program "node" then return pending "node is not installed" end
    local said = passes("AZPEC=%s EXAMPLES=%s/scripts/examples node --test --test-reporter=tap "
      .. "tests/emulator/examples/with_node.test.mjs", t.quote(azpec), here)
    assert.matches("# pass 3", said, 1, true)
  end)

  it("for pytest does", function ()
    if not t.program "/usr/bin/python3" then return pending "python3 is not installed" end
    local place, why = debian.unpacked("python3-pytest", { "./usr/share/*" })
    if not place then return pending(why) end
    local said = passes("AZPEC=%s PYTHONDONTWRITEBYTECODE=1 "
      .. "PYTHONPATH=%s/usr/lib/python3/dist-packages:scripts/examples "
      .. "/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/emulator/examples/test_with_pytest.py",
      t.quote(azpec), place)
    assert.matches("3 passed", said, 1, true)
  end)
end)
