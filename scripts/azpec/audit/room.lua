-- Room on the disk for results: it is taken with the intent, so that a full disk keeps a write from being begun, and
-- not its result from being recorded.
--
-- The room is a file without a name beside the trail (azpec.file's ballast). Where the trail cannot be written, the
-- room is given back to the disk, the line is tried once more, and the room for other results is taken again. The
-- bytes are random: some file systems compress. What has been taken is kept for later results, unless it is much.

local file = require "azpec.file"
local rand = require "openssl.rand"

local room = {}
room.__index = room

local block, kept = 4096, 1 << 18

-- Takes what is needed and not held: true, or nil and why not.
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

-- Takes room for a call's result; true, or nil and why there is none.
function room:reserve(call, bytes)
  self.calls[call], self.needed = bytes, self.needed + bytes
  local ok, why = take(self)
  if not ok then self:release(call) end
  return ok, why
end

-- The call's result is recorded, or never will be.
function room:release(call)
  self.needed = self.needed - (self.calls[call] or 0)
  self.calls[call] = nil
  if self.needed == 0 and self.held > kept then self:give_back() end
end

-- Gives all of it back to the disk; whether there was some. Then take() takes it again as far as it is needed.
function room:give_back()
  local had_some = self.held > 0
  if self.handle then self.handle:close() end
  self.handle, self.held = nil, 0
  return had_some
end

room.take = take

-- path: of the trail.
function room.new(path)
  return setmetatable({ path = path, calls = {}, needed = 0, held = 0 }, room)
end

return room
