-- The issued tokens, each with its audience, expiry and claims.

local accesstoken = require "azpec.emulator.accesstoken"
local json = require "azpec.json"

local tokens = {}
tokens.__index = tokens

local kept_at_most = 65536

function tokens.new(world)
  return setmetatable({ world = world, clock = world.clock, by_text = {}, order = {}, first = 1 }, tokens)
end

-- Issues a token: {principal, audience, lifetime, claims}.
function tokens:issue(token)
  local now = self.clock:now()
  token.expires = now + token.lifetime
  local text = accesstoken.write(self.world, token, now)
  self.by_text[text] = token
  self.order[#self.order + 1] = text
  if #self.order - self.first >= kept_at_most then
    self.by_text[self.order[self.first]], self.order[self.first] = nil, false
    self.first = self.first + 1
  end
  return text
end

function tokens:find(authorization)
  local text = authorization and authorization:match "^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+) *$"
  return text and self.by_text[text]
end

function tokens:is_expired(token)
  return self.clock:now() >= token.expires
end

-- Returns whether `given` contains everything in `asked`.
local function covers(given, asked)
  if type(asked) ~= "table" then return given == asked end
  if type(given) ~= "table" then return false end
  for name, value in pairs(asked) do
    if not covers(given[name], value) then return false end
  end
  return true
end

-- From now on accepts only tokens that were requested with these claims (a JSON text).
function tokens:demand(claims)
  self.demanded = { text = claims, value = json.decode(claims) }
end

-- Returns the claims that the token lacks, as text, or nil.
function tokens:missing_claims(token)
  local demanded = self.demanded
  if not demanded or covers(token.claims, demanded.value) then return nil end
  return demanded.text
end

return tokens
