-- Runs the programs of scripts/examples as they stand there, in hosts that nobody here wrote.

local azpec_shim = [[
-- Stands before the module: the emulator's addresses replace Azure's own.
io.stdout:setvbuf "line"
local azpec = assert(package.loadlib(package.searchpath("azpec", package.cpath), "luaopen_azpec"))()
local more = require "cjson".decode(os.getenv "EMULATOR_FIELDS")
for _, name in ipairs { "client", "update" } do
  local real = azpec[name]
  azpec[name] = function (options)
    local all = {}
    for k, v in pairs(more) do all[k] = v end
    for k, v in pairs(options) do all[k] = v end
    return real(all)
  end
end
return azpec
]]

local cjson = require "cjson"
local t = require "loopback.support"

local here = io.popen "pwd":read "l"
local examples = { folder = here .. "/scripts/examples" }

-- Under ASan the module needs its runtime in the host, too; what the host leaks is its own business.
local tool = os.getenv "TEST_UNDER" == "asan"
  and ("env LD_PRELOAD=%s ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 "):format(
    t.quote(os.getenv "LD_PRELOAD")) or ""

-- Makes a folder for a host, with the shim in it.
function examples.host_folder()
  local folder = t.new_path "host"
  assert(os.execute("mkdir " .. t.quote(folder)))
  t.write(folder .. "/azpec.lua", azpec_shim)
  return folder
end

-- The environment of a program that approves at that emulator, over TLS.
function examples.environment(folder, emulator)
  local fields = emulator:fields(true)
  local env = {
    LUA_PATH = ("%s/?.lua;%s/scripts/?.lua;;"):format(folder, here),
    AZURE_TENANT_ID = emulator.tenant_id, AZURE_CLIENT_ID = emulator.client_id, AZURE_CLIENT_SECRET = t.secret,
    EMULATOR_FIELDS = cjson.encode(fields),
  }
  local list = {}
  for name, value in t.each(env) do list[#list + 1] = t.quote(name .. "=" .. value) end
  return tool .. "env " .. table.concat(list, " ") .. " "
end

return examples
