-- The control endpoints for tests, under /_emulator/: faults, state, options, log and clock. They need no token, and
-- are off by default.

local json = require "azpec.json"
local options = require "azpec.emulator.options"
local reply = require "azpec.emulator.reply"

local control = {}

local function bad(message)
  return reply.error(400, "BadRequest", message)
end

local function body_of(request)
  local value, why = json.decode(request.body)
  if type(value) ~= "table" then error({ message = "JSON expected: " .. tostring(why) }, 0) end
  return value
end

local done = function () return reply.new(204) end

local function set_options(emulator, request)
  for key, value in pairs(body_of(request)) do
    local scope, name = tostring(key):match "^(.*):([^:]*)$"
    local checked = options.check({ [name or key] = value }, "option")
    emulator.world:set_option((scope or ""):lower(), checked)
  end
  return done()
end

local function move_clock(emulator, request)
  local seconds = body_of(request).advance
  if type(seconds) ~= "number" then error({ message = "advance: seconds expected" }, 0) end
  emulator.clock:advance(seconds)
  return reply.json(200, { now = emulator.clock:now() })
end

local calls = {
  ["GET faults"] = function (emulator) return reply.json(200, emulator.faults:describe()) end,
  ["PUT faults"] = function (emulator, request)
    emulator.faults:load(body_of(request))
    return done()
  end,
  ["POST faults"] = function (emulator, request)
    emulator.faults:add(body_of(request))
    return done()
  end,
  ["DELETE faults"] = function (emulator)
    emulator.faults:load {}
    return done()
  end,
  ["GET state"] = function (emulator)
    for _, account in ipairs(emulator.world.accounts) do emulator.operations:settle_all(account) end
    return reply.json(200, emulator.world:describe())
  end,
  ["PUT state"] = function (emulator, request)
    emulator.load_state(body_of(request))
    return done()
  end,
  ["POST connections"] = function (emulator, request)
    return reply.json(201, { id = emulator.world:arrive(body_of(request)).id })
  end,
  ["DELETE state"] = function (emulator)
    emulator.reset_state()
    return done()
  end,
  ["PATCH options"] = set_options,
  ["DELETE options"] = function (emulator)
    emulator.reset_options()
    return done()
  end,
  ["GET log"] = function (emulator) return reply.json(200, json.list(emulator.log.entries)) end,
  ["GET counts"] = function (emulator) return reply.json(200, emulator.log.counts) end,
  ["DELETE log"] = function (emulator)
    emulator.log:clear()
    return done()
  end,
  ["POST clock"] = move_clock,
  ["DELETE clock"] = function (emulator)
    emulator.clock:reset()
    return done()
  end,
}

function control.is_for(request)
  return request.path:find "^/_emulator/" ~= nil
end

-- Answers a control request.
function control.answer(emulator, request)
  request.is_secret = true
  local call = calls[request.method .. " " .. request.path:match "^/_emulator/(.*)$"]
  if not call then return reply.error(404, "NotFound", "No such control: " .. request.method .. " " .. request.path) end
  local ok, result = pcall(call, emulator, request)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return bad(result.message)
end

return control
