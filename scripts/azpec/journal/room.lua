-- Reserves disk space for results. The space is reserved with the intent, so a full disk prevents the write, not the
-- record of its result.
--
-- The space is an unnamed file in the journal's folder (azpec.file's ballast). If the journal cannot be written, the
-- space is freed, the line is written once more, and the space for other results is reserved again. The bytes are
-- random, because some file systems compress. Reserved space is kept for later results, up to a limit.

local file = require "azpec.file"
local rand = require "openssl.rand"

local room = {}
room.__index = room

local block, kept = 4096, 1 << 18

-- Reserves the space that is needed and not held. Returns true, or nil and a text.
local function take(self)
  local why
  if not self.handle then self.handle, why = file.ballast(self.path) end
  if not self.handle then return nil, why end
  while self.held < self.needed do
    local ok, problem = self.handle:write(rand.bytes(block))
    if not ok then return nil, problem end
    self.held = self.held + block
  end
  return true
end

-- Reserves space for the result of an entry, once. Returns true, or nil and a text.
function room:reserve(entry, bytes)
  if self.entries[entry] then return true end
  self.entries[entry], self.needed = bytes, self.needed + bytes
  local ok, why = take(self)
  if not ok then self:release(entry) end
  return ok, why
end

-- Releases the space of an entry whose result is recorded, or never will be.
function room:release(entry)
  self.needed = self.needed - (self.entries[entry] or 0)
  self.entries[entry] = nil
  if self.needed == 0 and self.held > kept then self:give_back() end
end

-- Frees all space. Returns whether there was any. take() then reserves the needed space again.
function room:give_back()
  local had_some = self.held > 0
  if self.handle then self.handle:close() end
  self.handle, self.held = nil, 0
  return had_some
end

room.take = take

-- path: of the journal.
function room.new(path)
  return setmetatable({ path = path, entries = {}, needed = 0, held = 0 }, room)
end

return room
