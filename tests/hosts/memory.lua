-- memory.lua -- all that a client does, while memory.c lets allocations fail: arm(true) .. arm(false).  Then, with
-- memory to be had again: nothing was sent by a call that raised, all that was begun is handed out.  Reaches nobody.
local arm = ...
local azpec = require "azpec"
local kit = dofile "tests/lua/kit.lua"

local COUNT, RESUMED, CALLED = 4, 5, 6 -- numbers of operations, also their client_request_id
local sent, begun = {}, {}
for n = 1, CALLED do sent[n], begun[n] = false, false end

local config = kit.config { wait = coroutine.yield, on_event = function (event)
  if event.event == "request" then sent[tonumber(event.client_request_id)] = true end
end }
local options = {}
for n = 1, CALLED do
  options[n] = kit.named { client_request_id = tostring(n), private_endpoint_connection_name = "one" .. n }
end
local account = { resource_group_name = "rg", account_name = "acct", client_request_id = tostring(CALLED) }
local token = kit.passport { client_request_id = tostring(RESUMED) }
local resume_options = { timeout = 0.05 }

local client
local pollers, threads = {}, {}
for n = 1, 5 do pollers[n], threads[n] = false, false end

local bodies = {
  function () for _ in client:completions { pollers[1], pollers[2] } do end end,
  function () for poller in client:completions() do if poller:done() then break end end end,
  function () return client:update(options[CALLED]) end,
  function () return pollers[3]:wait(0.05) end,
  function () for _ in client:list(account) do end end,
}

local function resume_all()
  for n, thread in ipairs(threads) do
    if thread and coroutine.status(thread) == "suspended" then
      local fine = coroutine.resume(thread)
      if fine and n == 3 then begun[CALLED] = true end
      if not fine then pcall(coroutine.close, thread) end
    end
  end
end

local function work()
  for n = 1, COUNT do
    local fine, poller = pcall(client.begin_update, client, options[n])
    if fine then pollers[n], begun[n] = poller, true end
  end
  local fine, poller = pcall(client.resume, client, token, resume_options)
  begun[RESUMED] = fine and poller ~= nil
  for n, body in ipairs(bodies) do
    local made, thread = pcall(coroutine.create, body)
    threads[n] = made and thread
  end
  for _ = 1, 20 do resume_all() end
  if pollers[COUNT] then
    pcall(pollers[COUNT].cancel, pollers[COUNT])
    pcall(pollers[COUNT].result, pollers[COUNT])
  end
end

local function hand_out_the_rest()
  local loop = coroutine.create(function () for _ in client:completions() do end end)
  local deadline = kit.now() + kit.hang
  repeat
    local fine, why = coroutine.resume(loop)
    if not fine then -- what on_event raised for a poller, out of memory: told once
      assert(tostring(why):find("not enough memory", 1, true), why)
      coroutine.close(loop)
      return hand_out_the_rest()
    end
    assert(kit.now() < deadline, "something is never handed out")
  until coroutine.status(loop) == "dead"
end

arm(true)
local fine, opened = pcall(azpec.client, config)
if fine then
  client = opened
  pcall(work)
end
arm(false)
if client then
  for _, thread in ipairs(threads) do
    if thread then pcall(coroutine.close, thread) end -- of two loops over all completions one would be refused
  end
  pcall(collectgarbage)
  pcall(collectgarbage)
  client:step() -- what had been left behind would be sent
  hand_out_the_rest()
  for n = 1, CALLED - 1 do assert(begun[n] or not sent[n], "sent, though the call raised: " .. n) end
  client:close()
end
