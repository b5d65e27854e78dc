-- The progress of a verb that waits for an outside event: a request that has not arrived, a status, or the next read of
-- a watch. azpec.cli.progress shows it as one operation in the phase "waiting".
--
--   local waiting <close> = require "azpec.cli.waiting".new(context, 600)   -- seconds; nil or 0: no limit
--   waiting:sees("Pending, Succeeded", connection.id)
--   waiting:pause(client, 10)

local waiting = {}
waiting.__index = waiting

-- Loaded when a wait begins: the verbs' help needs no clock.
local function now()
  return require "cqueues".monotime()
end

-- Sets the result of the last read, and the id of the connection (or nil).
function waiting:sees(status, id)
  self.status, self.id = status, id
end

-- Waits so many seconds until the next read.
function waiting:looks_in(seconds)
  self.next_at = now() + seconds
  self.shown:follow(self)
end

-- Shows, on a terminal, why a read is tried again later. event: of on_event.
function waiting:retries(event)
  if not self.shown.is_drawn then return end -- with -v there is a line
  self:sees(event.reason)
  self:looks_in(event.wait)
end

-- Shows nothing until the next read.
function waiting:rests()
  self.shown:close()
end

function waiting:pause(client, seconds)
  self:looks_in(seconds)
  client:wait(seconds)
end

-- ---- as azpec.cli.progress asks a poller ---------------------------------------------------------------------------

function waiting:progress()
  local at = now()
  local left = self.next_at - at
  return { id = self.id, elapsed = at - self.begun, limit = self.limit, phase = "waiting", status = self.status,
    next_wait = left > 0 and left or nil }
end

function waiting:done()
  return self.is_over
end

function waiting:__close()
  self.is_over = true
  self.shown:tick()
end

function waiting.new(context, limit)
  context.waiting = setmetatable({ shown = context:progress(), begun = now(), limit = limit ~= 0 and limit or nil,
    is_over = false }, waiting)
  return context.waiting
end

return waiting
