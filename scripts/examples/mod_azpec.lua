-- A module for Prosody 0.12 and later. Every minute it approves the pending connections of one account whose
-- descriptions match a pattern. It runs in Prosody's own event loop. In prosody.cfg.lua:
--
--   azpec = {
--     client = {},                                                -- the options of azpec.client
--     account = { resource_group_name = "...", account_name = "..." },
--     pattern = "^Please approve",                                -- a Lua pattern
--     interval = 60,                                              -- seconds, the default
--   }
local server = require "net.server"
local azpec = require "azpec"
local options = module:get_option("azpec")

local resume
options.client.wait, resume = require "azpec.loop.waiters" (
  function (fd) return server.watchfd(fd, function () resume(fd) end) end,
  function (watch) watch:close() end)
local client = azpec.client(options.client)

local function approve()
  for connection in client:list(options.account) do
    local state = connection.properties.privateLinkServiceConnectionState
    if state.status == "Pending" and (state.description or ""):find(options.pattern) then
      local done, err = client:ensure { id = connection.id, status = "Approved", if_match = connection.etag }
      module:log(done and "info" or "error", "%s: %s", connection.name, done and "approved" or tostring(err))
    end
  end
end

module:add_timer(1, function ()
  coroutine.wrap(function ()
    local ok, err = pcall(approve)
    if not ok then module:log("error", "%s", tostring(err)) end
  end)()
  return options.interval or 60
end)

function module.unload() client:close() end
