-- A guest's manners: lua-cjson, require, warnings, and the tables that callers pass in.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

-- An update's way as far as it goes here, and a continuation token's there and back: all that azpec does with JSON.
local work = [[
  local azpec = require "azpec"
  local client = azpec.client { endpoint = "http://127.0.0.1:1", proxy = "", retry = { max_tries = 1 },
    subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10",
    credential = azpec.credential.token { token = "t" } }
  local _, err = client:update { resource_group_name = "rg", account_name = "acct",
    private_endpoint_connection_name = "pe", status = "Approved", description = "a" }
  local token = [=[{"azpec":1,"operation":"update","endpoint":"http://127.0.0.1:1","id":"/subscriptions/]=]
    .. [=[3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/]=]
    .. [=[privateEndpointConnections/pe","api_version":"2022-06-01","status":"Approved","poll":"resource",]=]
    .. [=["client_request_id":"r-1","changed":true}]=]
  local poller = assert(client:resume(token))
  assert(client:resume(poller:continuation_token()))
  print(err.kind)
]]

describe("lua-cjson", function ()
  it("keeps the settings that the host gave it", function ()
    assert.equal("transport\nsame", kit.child([[
      local cjson = require "cjson"
      local names = { "encode_sparse_array", "encode_max_depth", "decode_max_depth", "encode_number_precision",
                      "encode_keep_buffer", "encode_invalid_numbers", "decode_invalid_numbers" }
      local function settings()
        local t = {}
        for _, name in ipairs(names) do
          local r = table.pack(cjson[name]())
          for i = 1, r.n do t[#t + 1] = name .. tostring(r[i]) end
        end
        return table.concat(t, " ")
      end
      cjson.encode_sparse_array(true, 3, 4)
      cjson.decode_max_depth(7)
      local before = settings()
    ]] .. work .. [[
      print(before == settings() and "same" or settings())
    ]]))
  end)

  for _, setting in ipairs {
    "encode_sparse_array(true)", "encode_sparse_array(false, 1, 0)", "encode_max_depth(1)", "decode_max_depth(1)",
    "decode_max_depth(2)", "encode_number_precision(1)", "encode_keep_buffer(false)", "encode_invalid_numbers(true)",
    "decode_invalid_numbers(false)", "encode_keep_buffer(true)",
  } do
    it("set to " .. setting .. " by the host does not disturb azpec", function ()
      assert.equal("transport", kit.child("require 'cjson'." .. setting .. "\n" .. work))
    end)

    it("set to " .. setting .. " after the client was made does not either", function ()
      assert.equal("transport", kit.child((work:gsub("local _, err", "require 'cjson'." .. setting .. "\n%0", 1))))
    end)
  end

  it("is not among the globals afterwards", function ()
    assert.equal("transport\nnil", kit.child(work .. "print(cjson)"))
  end)

  it("is needed, and its lack said plainly", function ()
    local said = kit.child("package.preload.cjson = function () error 'no cjson here' end\n" .. work)
    assert.truthy(said:find("no cjson here", 1, true))
  end)

  -- lua-cjson itself ends the process, with exit(-1) and "Out of memory", where malloc fails.
  it("ends no process where there is no memory for a text", function ()
    if (os.getenv "TEST_UNDER" or "nothing") ~= "nothing" then return pending "the tools need the address space" end
    local read = ([[
      local azpec = require "azpec"
      local client = azpec.client { endpoint = "http://127.0.0.1:1", proxy = "", subscription_id = "s",
        credential = azpec.credential.token { token = "t" } }
      local text = '"' .. ("x"):rep(1 << 23) .. '"'
      collectgarbage()
      if %q then
        local statm <close> = io.open "/proc/self/statm"
        return print(statm:read "n" * 4)
      end
      print(pcall(client.resume, client, text))
    ]])
    local kilobytes = tonumber(kit.child((read:gsub("%%q", "true"))))
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write((read:gsub("%%q", "false")))
    file:flush()
    local ends = {}
    for more = 0, 28 do
      local pipe <close> = io.popen(("ulimit -v %d; %s %s 2>&1"):format(kilobytes + more * 1024,
        os.getenv "LUA" or "lua5.4", name))
      local said = pipe:read "a"
      assert.falsy(said:find "Out of memory", more)
      ends[said:match "not enough memory" or said:match "not JSON" or "not even begun"] = true
    end
    os.remove(name)
    assert.is_true(ends["not enough memory"] and ends["not JSON"])
  end)

  it("is taken from package.loaded in a sandbox without require", function ()
    assert.equal("transport", kit.child((work:gsub('local azpec = require "azpec"',
      'local azpec = require "azpec"; require "cjson"; require = nil; package.path = ""; package.cpath = ""'))))
  end)
end)

describe("warn", function ()
  local open = [[local azpec = require "azpec"
    local client = azpec.client { endpoint = "http://127.0.0.1:1", subscription_id = "%s", proxy = "" }
    %s]]
  local begin = [[client:begin_update { resource_group_name = "rg", account_name = "acct",
    private_endpoint_connection_name = "pe", status = "Approved" }]]
  local text = "Lua warning: azpec: subscription_id is not a GUID"

  it("warns of a subscription id that is not a GUID", function ()
    assert.equal(text, kit.child(open:format("subid", ""), nil, "-W"))
  end)

  it("says nothing of a GUID, in either letter case", function ()
    assert.equal("", kit.child(open:format(kit.subscription, begin), nil, "-W"))
    assert.equal("", kit.child(open:format(kit.subscription:upper(), begin), nil, "-W"))
  end)

  it("says nothing where the host has warnings off, as lua has by default", function ()
    assert.equal("", kit.child(open:format("subid", begin)))
  end)

  it("warns of one in AZURE_SUBSCRIPTION_ID", function ()
    assert.equal(text, kit.child([[require "azpec".client()]], { AZURE_SUBSCRIPTION_ID = "subid" }, "-W"))
  end)

  it("warns of one in a call's options", function ()
    assert.equal(text, kit.child(open:format(kit.subscription, begin:gsub("{", "{ subscription_id = 'subid',")), nil,
      "-W"))
  end)

  it("warns of the client's once, not at every call", function ()
    assert.equal(text, kit.child(open:format("subid", begin .. "\n" .. begin), nil, "-W"))
  end)

  it("warns of azpec.update's once", function ()
    assert.equal(text, kit.child([[
      local azpec = require "azpec"
      azpec.update { endpoint = "http://127.0.0.1:1", subscription_id = "subid", proxy = "",
        resource_group_name = "rg", account_name = "acct", private_endpoint_connection_name = "pe",
        status = "Approved", retry = { max_tries = 1 }, credential = azpec.credential.token { token = "t" } }
    ]], nil, "-W"))
  end)

  for situation, id in pairs { ["too short"] = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f1",
      ["a group too many, as in the API document's own sample"] = "12345678-1234-1234-1234-1234-123456789012",
      ["a letter beyond f"] = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f1g",
      ["its hyphens elsewhere"] = "3f1c2a546a1e-4b7d-9c55-0e8d-1b2a7f10" } do
    it("counts one with " .. situation .. " as no GUID", function ()
      assert.equal(text, kit.child(open:format(id, ""), nil, "-W"))
    end)
  end
end)

describe("the caller's tables", function ()
  -- A table that tells when it is written to, and one level of what is in it.
  local function copy(t)
    local c = {}
    for k, v in pairs(t) do c[k] = type(v) == "table" and copy(v) or v end
    return c
  end

  it("are never changed, neither by client nor by call, nor by the end of the operation", function ()
    local config = kit.config { trusted_origins = { "https://a", "https://b" }, retry = { max_tries = 1 } }
    local options = kit.named { description = "why", timeout = 5 }
    local config_was, options_was = copy(config), copy(options)
    local client <close> = azpec.client(config)
    client:update(options)
    client:ensure(options)
    client:begin_update(options):wait()
    azpec.update(kit.merged(config, options))
    assert.same(config_was, config)
    assert.same(options_was, options)
  end)

  it("may be read-only", function ()
    local function frozen(t)
      return setmetatable(t, { __newindex = function () error "written to" end })
    end
    local client <close> = azpec.client(frozen(kit.config { retry = frozen { max_tries = 1 } }))
    assert.equal("transport", select(2, client:update(frozen(kit.named()))).kind)
  end)

  it("may be emptied as soon as the call has returned: they are not read again", function ()
    local config = kit.config { application_id = "mine", retry = { max_tries = 1 },
                                trusted_origins = { "https://a" } }
    local options = kit.named { description = ("why"):rep(3), if_match = ('"%d"'):format(5) }
    local client <close> = azpec.client(config)
    local poller = client:begin_update(options)
    for _, t in ipairs { config, options } do
      for k in pairs(t) do t[k] = nil end
    end
    for _ = 1, 3 do collectgarbage() end
    local _, err = poller:wait()
    assert.equal("transport", err.kind)
    assert.equal(kit.id, err.id)
  end)

  it("are read raw: no metamethod of theirs is called", function ()
    local called = {}
    local function spied(t)
      return setmetatable(t, { __len = function () called[#called + 1] = "len" return 0 end,
                               __pairs = function (x) called[#called + 1] = "pairs" return next, x end })
    end
    local client <close> = azpec.client(spied(kit.config()))
    client:begin_update(spied(kit.named())):cancel()
    assert.same({}, called)
  end)

  it("one table may serve many calls", function ()
    local client <close> = kit.client()
    local options = kit.named()
    local a, b = client:begin_update(options), client:begin_update(options)
    a:wait()
    b:wait()
    assert.are_not.equal(a:progress().client_request_id, b:progress().client_request_id)
  end)
end)

describe("several clients", function ()
  it("live beside each other, with a descriptor each", function ()
    local a <close> = kit.client()
    local b <close> = kit.client { endpoint = "http://localhost:1" }
    assert.are_not.equal(a:pollfd(), b:pollfd())
    assert.equal("azpec.client (http://localhost:1)", tostring(b))
    a:close()
    assert.equal("transport", select(2, b:update(kit.named())).kind)
  end)

  it("use a closed one's descriptor again, so that none is ever closed under an event loop", function ()
    local a = kit.client()
    local fd = a:pollfd()
    a:close()
    local b <close> = kit.client()
    assert.equal(fd, b:pollfd())
  end)

  it("a thousand, one after the other, take no more descriptors than one", function ()
    local fds, n = {}, 0
    for _ = 1, 1000 do
      local client <close> = kit.client()
      if not fds[client:pollfd()] then
        fds[client:pollfd()] = true
        n = n + 1
      end
    end
    assert.equal(1, n)
  end)

  it("do nothing before their first call: no socket, no token", function ()
    local asked = 0
    local client <close> = kit.client { credential = azpec.credential.token { get = function ()
      asked = asked + 1
      return "t"
    end } }
    local before = kit.sockets() -- libcurl's own pair included
    for _ = 1, 3 do client:step() end
    assert.equal(before, kit.sockets())
    assert.equal(0, asked)
  end)
end)
