local assert = require "luassert"
local api_versions = require "azpec.api_versions"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("azpec.api_versions", function ()
  it("has in `since` versions of its list", function ()
    for part, version in pairs(api_versions.since) do assert.is_true(api_versions.is_known(version), part) end
  end)

  it("gives the versions that describe a part, the newest first", function ()
    local all = api_versions.with "GET"
    assert.same({ #api_versions.list, api_versions.list[1] }, { #all, all[#all] })
    local some = api_versions.with "systemData"
    assert.same({ all[1], api_versions.since.systemData }, { some[1], some[#some] })
    for n = 2, #all do assert(all[n] < all[n - 1], all[n]) end
  end)

  it("is what the types say of each member", function ()
    local types = read "lua_module/azpec.meta.lua"
    for _, member in ipairs { "tags", "systemData" } do
      local first = types:match("field " .. member .. "%? [^\n]* from api%-version (%S+) on")
      assert.equal(api_versions.since[member], first)
    end
    assert.equal(api_versions.since.actionsRequired,
      types:match "sent as actionRequired, from api%-version (%S+) on\n%-%-%- as actionsRequired")
  end)
end)
