-- The emulator itself: dispatches each request to a service, applies a matching fault, and logs it.

local arm = require "azpec.emulator.arm"
local clock = require "azpec.emulator.clock"
local control = require "azpec.emulator.control"
local cqueues = require "cqueues"
local entra = require "azpec.emulator.entra"
local faults = require "azpec.emulator.faults"
local identity = require "azpec.emulator.identity"
local operations = require "azpec.emulator.operations"
local pipeline = require "azpec.emulator.pipeline"
local policies = require "azpec.emulator.policies"
local reply = require "azpec.emulator.reply"
local routes = require "azpec.emulator.routes"
local spoil = require "azpec.emulator.inject"
local state = require "azpec.emulator.state"
local throttle = require "azpec.emulator.throttle"
local text = require "azpec.emulator.text"
local tokens = require "azpec.emulator.tokens"

local app = {}

local others = { entra = entra, identity = identity, pipeline = pipeline }

local function service_answer(emulator, request, route)
  local other = others[route.service]
  if other then return other.answer(emulator.world, emulator.tokens, request, route) end
  return arm.answer(emulator, request, route)
end

local function answer_under_faults(emulator, request, route)
  local kind = route.kind == "method" and route.service == "entra" and "token" or route.kind
  local rule = emulator.faults:pick(request, kind)
  local function handle() return service_answer(emulator, request, route) end
  if not rule then return handle(), kind end
  local surroundings = {
    clock = emulator.clock, tokens = emulator.tokens, hold = function () emulator.faults:hold() end,
    challenge = function (to, claims)
      return arm.challenge(emulator.world, to, "insufficient_claims",
        "Continuous access evaluation resulted in challenge.", claims)
    end,
    finish = function (to, answer) return others[route.service] and answer or arm.finish(emulator, to, answer) end,
  }
  return spoil.answer(surroundings, request, rule, handle), kind, rule.name
end

local function genuine(emulator, request)
  local route = routes.find(request.method, request.path)
  request.is_secret = others[route.service] ~= nil
  local latency = emulator.world.options.latency
  if latency > 0 then cqueues.sleep(latency) end
  return answer_under_faults(emulator, request, route)
end

local function answer(emulator, request)
  if emulator.has_control and control.is_for(request) then return control.answer(emulator, request), "control" end
  return genuine(emulator, request)
end

-- Reports a bug of the emulator on stderr, and answers 500.
local function mishap(why)
  io.stderr:write("emulator: ", debug.traceback(tostring(why), 2), "\n")
  return reply.error(500, "InternalServerError", "The emulator made a mistake; its stderr says more."), "mistake"
end

local function logged(emulator, request, begun, result, kind, fault)
  emulator.log:write(request, result, { time = emulator.clock:now(), duration = cqueues.monotime() - begun,
    kind = kind, fault = fault })
  return result
end

local function load_state(emulator, spec, identity_from)
  emulator.world = state.new(spec, emulator.overrides, emulator.clock, identity_from)
  emulator.operations = operations.new(emulator.world)
  emulator.policies = policies.new(emulator.world)
  emulator.tokens = tokens.new(emulator.world)
  emulator.graph_windows = {}
  emulator.throttle = throttle.new(emulator.clock, emulator.world.options)
  local hidden = {}
  for _, secret in ipairs(emulator.world:secrets()) do
    local encoded = text.percent_encode(secret)
    table.move({ secret, encoded, (encoded:gsub("%%20", "+")) }, 1, 3, #hidden + 1, hidden)
  end
  emulator.log:hide(hidden)
end

local function copy_scopes(scopes)
  local result = {}
  for scope, values in pairs(scopes) do
    result[scope] = {}
    for name, value in pairs(values) do result[scope][name] = value end
  end
  return result
end

-- The functions that control adds to the emulator's parts.
local function add_resets(emulator, settings)
  function emulator.load_state(spec) load_state(emulator, spec, emulator.world) end
  function emulator.reset_state() load_state(emulator, settings.spec, settings.sample) end
  function emulator.reset_options()
    emulator.overrides = copy_scopes(settings.overrides)
    if emulator.world then emulator.world.overrides = emulator.overrides end
  end
end

-- Returns an emulator. settings: spec (the state), sample (has tenant and application where spec names none), overrides
-- (options by scope), faults (rules), log, has_control.
function app.new(settings)
  local emulator = { clock = clock.new(), faults = faults.new(), log = settings.log,
    has_control = settings.has_control }
  add_resets(emulator, settings)
  emulator.faults:load(settings.faults)
  emulator.reset_options()
  emulator.reset_state()
  emulator.world:check_scopes()

  function emulator.answer(request)
    local begun = cqueues.monotime()
    return logged(emulator, request, begun, select(2, xpcall(answer, mishap, emulator, request)))
  end
  local handshakes, last_rule = 0, nil
  -- Selects the server certificate of the next TLS connection.
  function emulator.choose_context(secured)
    local rule = emulator.world.options.tls_certificate
    handshakes = rule == last_rule and handshakes + 1 or 1
    last_rule = rule
    local other = rule == "other" or rule == "alternating" and handshakes % 2 == 0
    return other and secured.other or secured.context
  end
  function emulator.refuse(request, fault)
    local result = reply.error(fault.status, "BadRequest", fault.message)
    return logged(emulator, request, cqueues.monotime(), result, "refused")
  end
  return emulator
end

return app
