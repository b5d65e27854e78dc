-- Runs the examples of the emulator's README without changes.
package.path = "./tests/?.lua;" .. package.path

local kit = require "cli.kit"
local t = require "loopback.support"

local lua = os.getenv "LUA" or "lua5.4"
local text = t.read "scripts/azpec/emulator/README.md"

-- The block that begins with the file's name, as a file of that name.
local function block(name)
  for code in text:gmatch "\n```lua\n(.-)```\n" do
    if code:find("-- " .. name, 1, true) == 1 then
      assert(os.execute("mkdir -p " .. t.path "readme"))
      return t.write(t.path "readme" .. "/" .. name, code)
    end
  end
  error("no block is named " .. name)
end

describe("the emulator's README", function ()
  after_each(t.tidy)
  teardown(t.close)

  it("shows a state file and a fault file that the emulator takes", function ()
    local emulator = t.start(("%s scripts/emulator.lua --control --exit-with-stdin --no-tls --state %s "
      .. "--faults %s"):format(lua, block "state.lua", block "faults.lua"))
    assert.equal(2, #emulator.connections)
    assert.matches("/batchAccounts/renderbatch/privateEndpointConnections/web.", emulator.connections[1], 1, true)
    local status, answer = t.http(emulator.endpoint, "GET", "/_emulator/faults")
    assert.same({ 200, 2 }, { status, #require "cjson".decode(answer) })
  end)

  it("shows a program that approves", function ()
    local pipe <close> = io.popen(("exec %s %s 2>&1 </dev/null"):format(lua, block "approve.lua"))
    assert.equal("approved\n", pipe:read "a")
  end)

  it("shows how a shell points the command at the emulator", function ()
    local shown = assert(text:match "\n    (%. /tmp/emulator%.env\n.-)\n\n")
    local file = t.new_path "env"
    t.start(("%s scripts/emulator.lua --exit-with-stdin --env-file %s"):format(lua, file))
    local result = kit.ended(0, kit.shell((shown:gsub("/tmp/emulator%.env", file)), { env = {} }))
    assert.matches("testprivateEndpointConnection5", result.out, 1, true)
  end)

  it("names options of the command line that it has", function ()
    local help = kit.ended(0, kit.run "emulator --help").out
    for option in text:match "\n| option |.-\n\n":gmatch "%-%-%l[%l-]+" do assert.matches(option, help, 1, true) end
  end)

  it("names requests of control that are served", function ()
    local emulator = t.emulator()
    for row in text:match "\n| request to .-\n\n":gmatch "\n(| `%u[^\n]+)" do
      local left = row:match "^| (.-) |"
      for part in (left .. ", "):gmatch "(.-`%l+`),? ?" do
        local what = part:match "`(%l+)`$"
        for method in part:gmatch "`(%u+)`" do
          local status = t.http(emulator.endpoint, method, "/_emulator/" .. what, method ~= "GET" and "[]" or nil)
          assert.truthy(status ~= 404 and status ~= 405, ("%s %s: %d"):format(method, what, status))
        end
      end
    end
  end)
end)
