-- The error object: one shape for every failure of the world.
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

local kinds = {}
for k in ("credential forbidden not_found precondition conflict throttled service operation timeout canceled transport "
          .. "protocol untrusted limit"):gmatch "%S+" do kinds[k] = true end

local secret = "T0p~secret-token-0123456789"

-- Errors as different as they can be had without a network.
local function refused()
  local client <close> = kit.client { credential = azpec.credential.token { token = secret } }
  return (select(2, client:update(kit.named { description = "why", client_request_id = "mine" })))
end
local function expired()
  local client <close> = kit.client { credential = azpec.credential.token { token = secret } }
  return (select(2, client:update(kit.named { timeout = 0 })))
end
local function waited()
  local client <close> = kit.patient { credential = azpec.credential.token { token = secret } }
  local poller = client:begin_update(kit.named())
  kit.drive(client, function () return poller:progress().next_wait end)
  return (select(2, poller:wait(0)))
end
local function canceled()
  local client <close> = kit.patient { credential = azpec.credential.token { token = secret } }
  local poller = client:begin_update(kit.named())
  poller:cancel()
  return (select(2, poller:result()))
end
local function tokenless()
  local client <close> = kit.client {
    credential = azpec.credential.token { get = function () error("no: Bearer " .. secret, 0) end },
  }
  return (select(2, client:update(kit.named())))
end
local function signin_refused()
  local client <close> = kit.client { credential = azpec.credential.client_secret {
    tenant_id = "contoso.com", client_id = "b1e0", client_secret = secret } }
  return (select(2, client:update(kit.named())))
end
local function not_resumed()
  local client <close> = kit.client()
  return (select(2, client:resume "no token"))
end

local cases = {
  { "a refused connection", refused, "transport", "request" },
  { "an expired operation", expired, "timeout", "request" },
  { "an expired wait", waited, "timeout", "request" },
  { "a canceled operation", canceled, "canceled", "request" },
  { "a token function that failed", tokenless, "credential", "token" },
  { "a refused connection of sign-in", signin_refused, "transport", "token" },
  { "a refused continuation token", not_resumed, "protocol" },
}

for _, c in ipairs(cases) do
  describe("the error of " .. c[1], function ()
    local err = c[2]()

    it("is an azpec.error of its kind, one of the closed list", function ()
      assert.equal("azpec.error", azpec.type(err))
      assert.equal("table", type(err))
      assert.equal(c[3], err.kind)
      assert.is_true(kinds[err.kind])
    end)

    it("has a message in one line", function ()
      assert.equal("string", type(err.message))
      assert.truthy(#err.message > 10)
      assert.is_nil(err.message:find "%c")
    end)

    if c[4] then
      it("says in which phase it happened, and where the time went", function ()
        assert.equal(c[4], err.phase)
        local sum = 0
        for _, phase in ipairs { "token", "request", "poll", "result" } do
          assert.equal("number", type(err.elapsed[phase]))
          assert.truthy(err.elapsed[phase] >= 0)
          sum = sum + err.elapsed[phase]
        end
        assert.truthy(math.abs(err.elapsed.total - sum) < 1e-6)
        assert.truthy(err.elapsed.total < kit.hang)
      end)

      it("names the connection and the request id that was sent", function ()
        assert.equal(kit.id, err.id)
        assert.truthy(#err.client_request_id > 0)
      end)
    end

    it("says whether the same call may succeed later", function ()
      assert.equal("boolean", type(err.retryable))
    end)

    it("has no code, status or ids of a service that was not reached", function ()
      for _, field in ipairs { "code", "target", "details", "additional_info", "http_status", "request_id",
                               "correlation_id", "retry_after" } do
        assert.is_nil(err[field])
      end
    end)

    it("has no continuation token: nothing can have reached the service", function ()
      assert.is_nil(err.continuation_token)
    end)

    it("prints as 'kind: message' and what follows", function ()
      local text = tostring(err)
      assert.equal(c[3] .. ": " .. err.message, text:sub(1, #c[3] + 2 + #err.message))
      if err.hint then assert.truthy(text:find("; " .. err.hint, 1, true)) end
    end)

    it("joins with strings, numbers and its like, on both sides", function ()
      local text = tostring(err)
      assert.equal("x: " .. text, "x: " .. err)
      assert.equal(text .. " :x", err .. " :x")
      assert.equal("1" .. text, 1 .. err)
      assert.equal(text .. text, err .. err)
    end)

    it("goes through error as it is", function ()
      assert.is_true(rawequal(err, select(2, pcall(error, err))))
    end)

    it("shows no secret, in no field however deep", function ()
      local function look(v)
        if type(v) == "table" then
          for k, x in pairs(v) do look(k) look(x) end
        else
          assert.is_nil(tostring(v):find("T0p", 1, true))
        end
      end
      look(err)
      look(tostring(err))
    end)

    it("belongs to the caller: changing it is allowed, and prints still", function ()
      local mine = c[2]()
      mine.message, mine.more = nil, true
      assert.equal(c[3], tostring(mine):match "^[%a_]+")
    end)
  end)
end

describe("the error's text", function ()
  it("of an expired operation says its time, fractions too, and the last error", function ()
    local client <close> = kit.patient()
    local poller = client:resume(kit.passport(), { timeout = 1.25 })
    local _, err = poller:wait()
    assert.equal("timeout", err.kind)
    assert.truthy(err.message:find("^timed out after 1%.25 s; "), err.message)
    assert.truthy(err.message:find("last error: could not connect", 1, true), err.message)
  end)

  it("of a refused connection names address and port", function ()
    local err = refused()
    local found = err.message:find "127%.0%.0%.1 port 1%D" or err.message:find "127%.0%.0%.1:1%D" -- libcurl's words
    assert.truthy(found, err.message)
    assert.is_true(err.retryable)
  end)

  it("of a wait that timed out says that the operation continues", function ()
    assert.equal("still running: the wait timed out, the operation continues", waited().message)
  end)

  it("of a cancel before the write says that nothing was changed", function ()
    assert.equal("stopped waiting: nothing was changed", canceled().message)
  end)

  it("is the same for the client_request_id that the caller gave", function ()
    assert.equal("mine", refused().client_request_id)
  end)

  it("carries a random GUID of version 4 where the caller gave none", function ()
    local a, b = canceled().client_request_id, canceled().client_request_id
    local guid = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"
    assert.truthy(a:find(guid))
    assert.truthy(b:find(guid))
    assert.are_not.equal(a, b)
  end)
end)

describe("an error prints whole", function ()
  local names = { "kind", "message", "hint", "request_id" }
  local heads = { kind = "", message = ": ", hint = "; ", request_id = "; request id " }
  local lengths = {}
  for n = 0, 300 do lengths[#lengths + 1] = n end
  for _, size in ipairs { 512, 1024, 2048, 4096 } do -- LUAL_BUFFERSIZE is 1024 where pointers have 8 bytes
    for n = size - 80, size + 40 do lengths[#lengths + 1] = n end
  end
  lengths[#lengths + 1] = 5000
  lengths[#lengths + 1] = 70000

  local err = canceled()

  -- What the error says with these members alone.
  local function text_of(members)
    local parts = {}
    for _, name in ipairs(names) do
      err[name] = members[name]
      if members[name] then parts[#parts + 1] = heads[name] .. members[name] end
    end
    return table.concat(parts)
  end

  for long = 1, #names do
    it("whatever the length of its " .. names[long] .. ", with and without the other members", function ()
      for others = 0, 2 ^ #names - 1 do
        local members = {}
        for n, name in ipairs(names) do
          if others >> (n - 1) & 1 == 1 then members[name] = name:upper() end
        end
        for _, length in ipairs(lengths) do
          members[names[long]] = ("x"):rep(length)
          local text = text_of(members)
          assert.is_true(text == tostring(err))
          assert.is_true("<" .. text .. ">" == "<" .. err .. ">")
        end
      end
    end)
  end
end)

it("Lua's assert raises the error itself, and an uncaught one prints well", function ()
  -- In a process of its own: busted has made another thing of assert.
  assert.equal("lua5.4: protocol: the continuation token is refused: it is not JSON true", kit.child [[
    local client = require "azpec".client { subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10" }
    local ok, err = pcall(function () assert(client:resume "x") end)
    io.write("lua5.4: ", tostring(err), " ", tostring(require "azpec".type(err) == "azpec.error"), "\n")
  ]])
  assert.truthy(kit.child [[
    local client = require "azpec".client { subscription_id = "3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10" }
    assert(client:resume "x")
  ]]:find("protocol: the continuation token is refused: it is not JSON", 1, true))
end)

it("the error of an operation that continues in the service has its continuation token, without secrets", function ()
  local client <close> = kit.patient { credential = azpec.credential.token { token = secret } }
  local poller = client:resume(kit.passport())
  poller:cancel()
  local _, err = poller:result()
  assert.equal("canceled", err.kind)
  assert.equal("poll", err.phase)
  assert.equal(poller:continuation_token(), err.continuation_token)
  assert.is_nil(err.continuation_token:find("T0p", 1, true))
  local again = assert(client:resume(err.continuation_token))
  assert.equal(err.continuation_token, again:continuation_token())
end)
