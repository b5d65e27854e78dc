-- Which parts of a conversation are secret, and what a recording has in their place.
--
-- Headers are kept by a list of names that hold no secret; all others are left out. In bodies and URLs a secret is
-- known by the name of its member or parameter; in a form of a sign-in, everything is one but for a list of names. Each
-- secret becomes "hidden-1", "hidden-2" ..., the same one everywhere, so that what a client sends back still matches
-- what it was given. A value that was once known as a secret, also from a header that is left out, is replaced in any
-- text.

local encode = require "azpec.emulator.text"
local exact = require "azpec.record.exact"
local sources = require "azpec.record.sources"
local token_patterns = require "azpec.emulator.ids".token_patterns

local secrets = {}
secrets.__index = secrets

function secrets.new()
  return setmetatable({ placeholders = {}, values = {} }, secrets)
end

local function set(words)
  local result = {}
  for word in words:gmatch "%S+" do result[word] = true end
  return result
end

-- ---- names ---------------------------------------------------------------------------------------------------------

local harmless_headers = {
  request = set "accept content-type if-match if-none-match prefer",
  response = set [[allow azure-asyncoperation content-encoding content-type date etag location retry-after
    retry-after-ms www-authenticate x-ms-correlation-request-id x-ms-error-code x-ms-failure-cause x-ms-request-id
    x-ms-retry-after-ms x-ms-user-quota-remaining x-ms-user-quota-resets-after]],
}

-- And those of azpec.record.sources.
local secret_headers = set [[authorization cookie set-cookie proxy-authorization metadata
  x-ms-policy-external-evaluations]]
sources.add_secret_headers(secret_headers)

local harmless_fields = set [[client_assertion_type client_id client_info grant_type requested_token_use resource
  response_type scope]]

local harmless_members = set "tokentype"
local secret_members = set "code devicecode usercode sig"
local secret_parts = { "token", "secret", "password", "passwd", "assertion", "credential", "connectionstring",
  "signature", "privatekey", "cookie", "authorization", "^sas", "sas$", "keys?$" }

-- The parameters of a signature in a URL: those of a shared access signature, and of Azure Resource Manager's URLs of
-- asynchronous operations.
local signing_parameters = set "sig s h c code"

local function is_secret_name(name)
  local plain = name:lower():gsub("[^%w]", "")
  if harmless_members[plain] then return false end
  for _, part in ipairs(secret_parts) do
    if plain:find(part) then return true end
  end
  return false
end

-- Not "code": an error has one.
local function is_secret_member(name)
  local plain = name:lower():gsub("[^%w]", "")
  return plain ~= "code" and secret_members[plain] or is_secret_name(name)
end

-- ---- values --------------------------------------------------------------------------------------------------------

local shortest = 8 -- a shorter one would hide ordinary words

-- An id, or a URL without parameters, is not a secret, even in a member "token_endpoint" or "authorization".
local function is_public(value)
  return value:find "^/subscriptions/" or value:find "^https?://[^?]*$"
end

-- Whether a value is known as a secret.
function secrets:knows(value)
  return self.placeholders[value] ~= nil
end

-- Returns what stands in the place of a secret.
function secrets:placeholder(value)
  if value:find "^hidden%-%d+$" or is_public(value) then return value end
  local known = self.placeholders[value]
  if known then return known end
  self.values[#self.values + 1] = value
  self.placeholders[value] = ("hidden-%d"):format(#self.values)
  return self.placeholders[value]
end

local function blot(self, text, value)
  local placeholder, encoded = self.placeholders[value], encode.percent_encode(value)
  for _, form in ipairs { value, encoded, (encoded:gsub("%%20", "+")) } do
    text = encode.replace(text, form, placeholder)
  end
  return text
end

-- Returns a text without the secrets that are known so far, tokens, and parameters that are secret.
function secrets:clean(text)
  for _, value in ipairs(self.values) do
    if #value >= shortest then text = blot(self, text, value) end
  end
  for _, pattern in ipairs(token_patterns) do
    text = text:gsub(pattern, function (token) return self:placeholder(token) end)
  end
  text = text:gsub("([?&]([%w_$.-]+)=)([^&#%s\"'<>]+)", function (head, name, value)
    return signing_parameters[name:lower()] and head .. self:placeholder(value) or nil
  end)
  return (text:gsub("(%f[%w_$]([%w_$.-]+)=)([^&#;%s\"'<>]+)", function (head, name, value)
    return is_secret_name(name) and head .. self:placeholder(value) or nil
  end))
end

-- ---- parts of a message --------------------------------------------------------------------------------------------

-- headers: a list of {name, value}. kind: "request" or "response". Returns those without secrets, by name in lower
-- case, and learns the secrets of the others.
function secrets:headers(headers, kind)
  local kept = {}
  for _, header in ipairs(headers) do
    local name, value = header[1]:lower(), header[2]
    if harmless_headers[kind][name] or name:find "^x%-ms%-ratelimit%-remaining%-" then
      kept[name] = kept[name] and kept[name] .. ", " .. value or value
    elseif secret_headers[name] and value ~= "" then
      self:placeholder(value:match "^%a+%s+(.+)$" or value)
    end
  end
  return exact.map(kept, function (text) return self:clean(text) end)
end

-- Returns a decoded JSON value without secrets. All texts below a member with a secret name are secret.
function secrets:json(value, is_secret)
  if type(value) == "string" then return is_secret and value ~= "" and self:placeholder(value) or self:clean(value) end
  if type(value) ~= "table" then return value end
  if exact.number(value) then return is_secret and self:placeholder(value.text) or value end
  local copy = setmetatable({}, getmetatable(value))
  for _, name in ipairs(exact.names(value)) do
    copy[name] = self:json(value[name], is_secret or type(name) == "string" and is_secret_member(name))
  end
  return copy
end

-- Returns a form (application/x-www-form-urlencoded) without secrets.
function secrets:form(text)
  return (text:gsub("([^&=]+)=([^&]*)", function (name, value)
    if harmless_fields[name:lower()] or value == "" then return nil end
    return name .. "=" .. self:placeholder(encode.form_decode(value))
  end))
end

return secrets
