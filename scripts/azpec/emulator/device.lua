-- Simulates a person who signs in on another device (RFC 8628): the sign-in ends after some polls. Also refresh tokens.

local ids = require "azpec.emulator.ids"
local reply = require "azpec.emulator.reply"

local device = {}

local function refuse(word, number, format, ...)
  error({ status = 400, word = word, number = number, message = format:format(...) }, 0)
end

-- Answers a request for a device code.
function device.begin(world, request, form)
  local settings = world.options
  local code = ids.token()
  world.device_codes[code] = { polls = 0, scope = form.scope, client_id = form.client_id,
    ends = world.clock:now() + settings.device_lifetime }
  local uri = request.origin .. "/devicelogin"
  local user_code = ids.guid():sub(1, 8):upper()
  return reply.json(200, {
    device_code = code, user_code = user_code, verification_uri = uri,
    expires_in = settings.device_lifetime, interval = settings.device_interval,
    message = ("To sign in, use a web browser to open the page %s and enter the code %s to authenticate."):format(
      uri, user_code),
  })
end

local ends = {
  declined = function () refuse("authorization_declined", 50097, "The end user denied the authorization request.") end,
  expired = function () refuse("expired_token", 70020, "The provided value for the input parameter 'device_code' is "
    .. "not valid. This device code has expired.") end,
  approved = function () end,
}

-- Raises an error until the person has signed in. Sets the form's scope to that of the device code's request.
function device.poll(world, form)
  local settings = world.options
  local begun = world.device_codes[form.device_code]
  if not begun or begun.client_id ~= form.client_id then
    refuse("bad_verification_code", 70018, "The verification code is not valid.")
  end
  if world.clock:now() >= begun.ends then ends.expired() end
  begun.polls = begun.polls + 1
  if begun.polls <= settings.device_slow_down then
    refuse("slow_down", 70037, "The client asks too often.")
  elseif begun.polls <= settings.device_polls then
    refuse("authorization_pending", 70016, "OAuth 2.0 device flow error. Authorization is pending. Continue polling.")
  end
  ends[settings.device_end]()
  world.device_codes[form.device_code] = nil
  return begun.scope
end

local function has_word(scope, word)
  return (" " .. scope .. " "):find(" " .. word .. " ", 1, true) ~= nil
end

-- Returns a refresh token for the scope, or nil if none was requested.
function device.refresh_token(world, scope, client_id)
  if not has_word(scope, "offline_access") then return nil end
  local token = ids.token()
  world.refresh_tokens[token] = client_id
  return token
end

-- Redeems a refresh token; a rotated one becomes invalid.
function device.redeem(world, form)
  local token = form.refresh_token
  if world.options.refresh_token == "refuse" or world.refresh_tokens[token] ~= form.client_id then
    refuse("invalid_grant", 700082, "The refresh token has expired due to inactivity.")
  end
  if world.options.refresh_token == "rotate" then world.refresh_tokens[token] = nil end
end

return device
