-- Microsoft's clients for Python (azure-identity, azure-mgmt-batch), as Debian has them, against the emulator's
-- defaults over TLS, by the fixture of scripts/examples.
package.path = "./tests/?.lua;" .. package.path

local debian = require "peers.debian"
local t = require "loopback.support"

local lua = os.getenv "LUA" or "lua5.4"

-- Of the several hundred libraries only these.
local without = { "./usr/share/*", "*/tests/*", "*/azure/[!cim_]*", "*/azure/c[!o]*", "*/azure/co[!mr]*",
  "*/azure/i[!d]*", "*/azure/m[!g]*", "*/azure/mgmt/[!bc_]*", "*/azure/mgmt/b[!a]*", "*/azure/mgmt/batchai*",
  "*/azure/mgmt/c[!o]*", "*/azure/mgmt/co[!r]*" }

local said, why_not

setup(function ()
  if not t.program "/usr/bin/python3" then
    why_not = "python3 is not installed"
    return
  end
  local paths = {}
  for n, package in ipairs { "python3-azure", "python3-pytest" } do
    local place
    place, why_not = debian.unpacked(package, without)
    if not place then return end
    paths[n] = place .. "/usr/lib/python3/dist-packages"
  end
  local here = assert(io.popen "pwd"):read "l"
  -- Nothing but loopback can be reached.
  local pipe = assert(io.popen(("exec env -u LD_PRELOAD HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 AZPEC=%s "
    .. "PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=%s:%s /usr/bin/python3 -m pytest -v "
    .. "-p no:cacheprovider tests/peers/azure_python 2>&1"):format(
    t.quote(("%s %s/scripts/bin/azpec"):format(lua, here)), table.concat(paths, ":"), "scripts/examples")))
  said = pipe:read "a"
  pipe:close()
  local libraries <close> = io.popen("ls " .. paths[1])
  local names = libraries:read "a"
  print(("# client: azure-mgmt-batch and azure-identity for Python: %s, %s"):format(
    names:match "\nazure_mgmt_batch%-([%w.]+)%.egg" or "installed",
    names:match "\nazure_identity%-([%w.]+)%.egg" or "installed"))
end)
after_each(t.tidy)
teardown(t.close)

describe("azure-mgmt-batch and azure-identity for Python:", function ()
  for name in t.read "tests/peers/azure_python/test_azure.py":gmatch "\ndef test_([%w_]+)%(" do
    it((name:gsub("_", " ")), function ()
      if not said then return pending(why_not) end
      assert.truthy(said:find("::test_" .. name .. " PASSED", 1, true), said)
    end)
  end
end)
