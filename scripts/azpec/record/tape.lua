-- What a recorder has heard, and its way into the file. Secrets are removed when an exchange is added, names when the
-- file is written, since they must all be known then.

local exact = require "azpec.record.exact"
local file = require "azpec.file"
local json = require "azpec.json"
local message = require "azpec.record.message"
local names = require "azpec.record.names"
local recording = require "azpec.record.recording"
local secrets = require "azpec.record.secrets"
local sources = require "azpec.record.sources"

local tape = {}
tape.__index = tape

-- Checks that a path can be written later: what is there may be replaced, and the folder takes new files.
local function check(path)
  local may, why = file.may_replace(path, recording.is_own)
  if not may then return nil, why end
  local probe, problem = file.ballast(path)
  if not probe then return nil, ("%s: %s"):format(path, problem) end
  probe:close()
  return true
end

-- settings: file, endpoint, authority_host, recorded_by, replace_ids. Returns nil and a text if the file cannot be
-- written.
function tape.new(settings, clock)
  local ok, why = check(settings.file)
  if not ok then return nil, why end
  local begun = clock:now()
  return setmetatable({ path = settings.file, replaces_ids = settings.replace_ids, clock = clock, begun = begun,
    secrets = secrets.new(), recording = recording.new(settings, begun) }, tape)
end

local elsewhere = "a sign-in that did not pass through the recorder, such as that of az, azd, a managed identity, "
  .. "a pipeline or a ready token"

-- Counts a token that no recorded answer has brought.
local function count_token(self, request)
  local token = (request.headers.authorization or ""):match "^[Bb]earer%s+(.+)$"
  if not token or self.secrets:knows(token) then return end
  local gaps = self.recording.not_recorded or json.list { { what = elsewhere, times = 0 } }
  gaps[1].times = gaps[1].times + 1
  self.recording.not_recorded = gaps
end

-- Adds an exchange. request: that of azpec.emulator.http; answer: that of azpec.record.upstream, or nil and why.
function tape:add(request, answer, why)
  if not sources.of(request.path) then count_token(self, request) end
  local exchange = { request = message.request(request, self.secrets),
    after = math.floor((self.clock:now() - self.begun) * 1000 + 0.5) / 1000 }
  if answer then
    exchange.response = message.response(answer, self.secrets)
  else
    exchange.failure = self.secrets:clean(why)
  end
  self.recording.exchanges[#self.recording.exchanges + 1] = exchange
end

-- Returns a copy in which names are placeholders.
local function without_names(whole)
  local found = names.new()
  found:learn_all(whole.exchanges)
  local copy = {}
  for name, value in pairs(whole) do copy[name] = value end
  copy.exchanges = exact.map(whole.exchanges, function (text) return found:replace(text) end)
  return copy
end

-- Returns the recording. A secret that became known late is removed from what was added before.
function tape:document()
  local whole = self.recording
  whole.exchanges = exact.map(whole.exchanges, function (text) return self.secrets:clean(text) end)
  return self.replaces_ids and without_names(whole) or whole
end

-- Writes the file. Without an exchange it stays as it is. Returns as file.replace.
function tape:save()
  if #self.recording.exchanges == 0 then return true end
  return recording.write(self.path, self:document())
end

return tape
