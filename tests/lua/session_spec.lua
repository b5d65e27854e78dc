-- The collector: what is dropped with calls and operations under way.
local kit = dofile "tests/lua/kit.lua"

local quick = { retry = { max_tries = 4, base_delay = 0.001, max_delay = 0.01 } }

describe("under a collector that runs every 50 instructions", function ()
  local function cruelly(f)
    local pause, step = collectgarbage("setpause", 0), collectgarbage("setstepmul", 1000)
    debug.sethook(function () collectgarbage() end, "", 50)
    local ok, e = pcall(f)
    debug.sethook()
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", step)
    if not ok then error(e, 0) end
  end

  it("200 pollers are begun, dropped, and closed with their client", function ()
    local before = kit.sockets()
    cruelly(function ()
      local client = kit.patient()
      for i = 1, 200 do
        client:begin_update(kit.named())
        if i % 20 == 0 then client:step() end
      end
      client:close()
    end)
    collectgarbage()
    assert.equal(before, kit.sockets())
  end)

  it("200 pollers are begun, and their client dropped without being closed", function ()
    local before = kit.sockets()
    cruelly(function ()
      local client = kit.patient()
      local pollers = { client }
      for _ = 1, 200 do pollers[#pollers + 1] = client:begin_update(kit.named()) end
      client:step()
    end)
    for _ = 1, 3 do collectgarbage() end
    assert.equal(before, kit.sockets())
  end)

  it("operations run to their ends, errors and events included", function ()
    cruelly(function ()
      for _ = 1, 5 do
        local told = 0
        local client <close> = kit.client(kit.merged(quick, { on_event = function () told = told + 1 end }))
        local _, err = client:update(kit.named())
        if err.kind ~= "transport" or told == 0 or #tostring(err) < 20 then error "not as it should be" end
      end
    end)
  end)

  it("dropped pollers' results do not come back as another's", function ()
    cruelly(function ()
      local client <close> = kit.client()
      for i = 1, 20 do
        local name = "r" .. i
        local _, err = client:update(kit.named { client_request_id = name })
        client:begin_update(kit.named { client_request_id = "dropped" })
        if err.client_request_id ~= name then error(err.client_request_id) end
      end
    end)
  end)
end)

describe("dropping", function ()
  it("a poller cancels nothing: its client brings it to its end", function ()
    local ended
    local client <close> = kit.client { on_event = function (e) ended = ended or e.event == "end" end }
    client:begin_update(kit.named())
    collectgarbage()
    collectgarbage()
    assert.is_true(kit.drive(client, function () return ended end))
  end)

  it("a client that a poller still holds keeps it usable", function ()
    local poller = kit.client():begin_update(kit.named())
    collectgarbage()
    collectgarbage()
    assert.equal("transport", select(2, poller:wait()).kind)
  end)

  it("everything at once, in one cycle, is no harm in whatever order it is collected", function ()
    for _ = 1, 20 do
      local client = kit.patient()
      local poller = client:begin_update(kit.named())
      client:step()
      local cycle = { client, poller } -- luacheck: ignore
      cycle[3], client, poller = cycle, nil, nil -- luacheck: ignore
    end
    collectgarbage()
    collectgarbage()
  end)

  it("a collected poller's memory is given back: a thousand of them leave no more than a few", function ()
    local client <close> = kit.client()
    local function taken(n)
      for _ = 1, n do
        local poller = client:begin_update(kit.named())
        poller:cancel()
        poller:result()
      end
      client:step()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    local before = taken(100)
    local after = taken(1000)
    assert.truthy(after - before < 100, after - before)
  end)

  it("a closed client keeps no poller alive", function ()
    local client = kit.client()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 20 do weak[client:begin_update(kit.named())] = true end
    client:close()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)
