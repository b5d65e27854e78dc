-- The module table, its enumerations, and what `require` leaves behind.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

describe("require 'azpec'", function ()
  it("sets no global, neither its own name nor another", function ()
    assert.equal("none", kit.child [[
      local before = {}
      for k in pairs(_G) do before[k] = true end
      local azpec = require "azpec"
      azpec.client({}):close()
      local new = {}
      for k in pairs(_G) do if not before[k] then new[#new + 1] = tostring(k) end end
      print(#new == 0 and "none" or table.concat(new, " "))
    ]])
  end)

  it("opens no socket, no epoll, no timer, and starts no thread", function ()
    assert.equal("0 1", kit.child [[
      local stat = io.open "/proc/self/stat"
      local pid = stat:read "n"
      stat:close()
      local function open()
        local n = 0
        local pipe <close> = io.popen("ls -l /proc/" .. pid .. "/fd 2>/dev/null")
        for line in pipe:lines() do
          if line:find "socket:" or line:find "anon_inode:" then n = n + 1 end
        end
        return n
      end
      local before = open() -- what the test's own process has left open is there, too
      require "azpec"
      local after, threads = open(), nil
      for line in io.lines "/proc/self/status" do threads = line:match "^Threads:%s+(%d+)" or threads end
      io.write(after - before, " ", threads)
    ]])
  end)

  -- curl_version() would: for LDAP's version it looks up this machine's name and loads all of SASL's mechanisms.
  it("loads no library but those that it is linked with, and lua-cjson", function ()
    assert.equal("none", kit.child [[
      require "cjson"
      local function maps()
        local libraries = {}
        for line in io.lines "/proc/self/maps" do libraries[line:match "/[^/]*%.so" or ""] = true end
        return libraries
      end
      local known, new = maps(), {}
      local pipe <close> = io.popen("ldd '" .. package.searchpath("azpec", package.cpath) .. "'")
      for line in pipe:lines() do known[line:match "/[^/]*%.so" or ""] = true end
      known["/azpec.so"] = true
      require "azpec".client({}):close()
      for library in pairs(maps()) do
        if not known[library] then new[#new + 1] = library end
      end
      print(#new == 0 and "none" or table.concat(new, " "))
    ]])
  end)

  it("gives the same table each time", function ()
    assert.equal(azpec, require "azpec")
  end)

  it("gives a table with these fields and no others", function ()
    local names = {}
    for k, v in pairs(azpec) do names[#names + 1] = k .. ":" .. type(v) end
    table.sort(names)
    assert.equal("PrivateEndpointConnectionProvisioningState:table PrivateLinkServiceConnectionStatus:table "
      .. "_RELEASED:string _VERSION:string client:function credential:table libcurl:string "
      .. "transitions:table type:function update:function",
      table.concat(names, " "))
  end)

  it("says its name and the version of azpec.h in _VERSION, and the version's date in _RELEASED", function ()
    local file <close> = assert(io.open "lua_module/azpec.h")
    local text = file:read "a"
    local version = text:match '#define AZPEC_VERSION "([^"]+)"'
    assert.equal("azpec " .. version, azpec._VERSION)
    assert.truthy(version:match "^%d+%.%d+%.%d+$")
    assert.equal(text:match '#define AZPEC_RELEASED "(%d%d%d%d%-%d%d%-%d%d)"', azpec._RELEASED)
  end)

  it("says in libcurl which libcurl was loaded", function ()
    assert.truthy(azpec.libcurl:match "^libcurl/%d+%.%d+%.%d+ %a+/%d")
  end)
end)

describe("azpec.type", function ()
  it("names azpec's own objects", function ()
    local client <close> = kit.client()
    local poller = client:begin_update(kit.named())
    local _, err = client:resume "no token"
    assert.equal("azpec.client", azpec.type(client))
    assert.equal("azpec.poller", azpec.type(poller))
    assert.equal("azpec.error", azpec.type(err))
    assert.equal("azpec.credential", azpec.type(azpec.credential.default()))
  end)

  it("names them still when they are closed", function ()
    local client = kit.client()
    client:close()
    assert.equal("azpec.client", azpec.type(client))
  end)

  it("is nil for all else, a table that looks like an error included", function ()
    for _, v in ipairs { 1, "azpec.client", true, {}, print, io.stdout, coroutine.create(print),
                         { kind = "timeout", message = "x" }, setmetatable({}, { __name = "azpec.error" }) } do
      assert.is_nil(azpec.type(v))
    end
    assert.is_nil(azpec.type(nil))
  end)

  it("raises when called without an argument, as io.type does", function ()
    assert.equal("bad argument #1 to 'type' (value expected)", kit.raised(function () local _ = azpec.type() end))
  end)
end)

describe("azpec.transitions", function ()
  local statuses = azpec.PrivateLinkServiceConnectionStatus

  it("has each status, which is unchanged if it is asked for again, and can be deleted", function ()
    for status in pairs(statuses) do
      local rules = assert(azpec.transitions[status], status)
      assert.equal("unchanged", rules[status].result)
      assert.equal("allowed", rules.Deleted.result)
    end
  end)

  it("has statuses alone, and asks for statuses or the deletion", function ()
    for status, rules in pairs(azpec.transitions) do
      assert.equal(status, statuses[status])
      for wanted in pairs(rules) do assert(wanted == "Deleted" or statuses[wanted], wanted) end
    end
  end)
end)

-- The REST description's enumerations, by its own words.
local enums = {
  PrivateLinkServiceConnectionStatus = { "Approved", "Disconnected", "Pending", "Rejected" },
  PrivateEndpointConnectionProvisioningState = { "Cancelled", "Creating", "Deleting", "Failed", "Succeeded",
                                                 "Updating" },
}

for name, values in pairs(enums) do
  describe("azpec." .. name, function ()
    local enum = azpec[name]

    it("holds the values of the REST description and no others, for pairs too", function ()
      local found = {}
      for k, v in pairs(enum) do
        assert.equal(k, v)
        found[#found + 1] = k
      end
      table.sort(found)
      assert.same(values, found)
    end)

    it("gives each value as a plain string by its name", function ()
      for _, v in ipairs(values) do assert.equal(v, enum[v]) end
    end)

    it("raises for a mistyped name, naming the enumeration and the typo", function ()
      assert.equal("unknown " .. name .. " 'Aproved'", kit.raised(function () return enum.Aproved end))
    end)

    it("raises for the right name in another letter case", function ()
      local typo = values[1]:lower()
      assert.equal(("unknown %s '%s'"):format(name, typo), kit.raised(function () return enum[typo] end))
    end)

    it("raises for a key that is no string", function ()
      assert.equal("unknown " .. name .. " '1'", kit.raised(function () return enum[1] end))
    end)

    it("refuses a new value", function ()
      assert.equal(name .. " is constant", kit.raised(function () enum.New = "New" end))
    end)

    -- In a process of its own: the others go on with the constants.
    it("refuses to change a value that it has", function ()
      assert.equal(("false %s"):format(values[1]), kit.child(([[
        local enum = require "azpec".%s
        local ok = pcall(function () enum.%s = "other" end)
        print(tostring(ok) .. " " .. enum.%s)
      ]]):format(name, values[1], values[1])))
    end)

    it("refuses to lose a value", function ()
      assert.equal(("false %s"):format(values[1]), kit.child(([[
        local enum = require "azpec".%s
        local ok = pcall(function () enum.%s = nil end)
        print(tostring(ok) .. " " .. select(2, pcall(function () return enum.%s end)))
      ]]):format(name, values[1], values[1])))
    end)
  end)
end
