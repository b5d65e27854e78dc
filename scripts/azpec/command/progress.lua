-- A line on the terminal's stderr that shows how far much work has come: done, running, failed, rate, time left.
--
--   local bar = progress.new { total = 500 }
--   bar:update { done = 3, running = 97, failed = 0 }
--   bar:close()                                          -- the line is gone
--
-- Whatever else is written meanwhile goes through azpec.command.terminal, which has the line taken away first.

local monotime = require "cqueues".monotime

local terminal = require "azpec.command.terminal"

local progress = {}

local between_draws, between_measures = 0.1, 0.5 -- seconds; a window may be made narrower meanwhile
local widest_bar, narrowest_bar = 40, 8

-- The terminal's columns: as the environment says, or as the terminal on stderr does.
local function columns()
  local said = math.tointeger(tonumber(os.getenv "COLUMNS"))
  if said and said > 0 then return said end
  local pipe <close> = io.popen "stty size <&2 2>/dev/null"
  local found = math.tointeger(tonumber((pipe:read "l" or ""):match " (%d+)$"))
  return found and found > 0 and found or 80
end

local function clock(seconds)
  if seconds >= 3600 then return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60) end
  return ("%d:%02d"):format(seconds // 60, seconds % 60)
end

-- The parts of the line, the more important ones first.
local function parts(counts, elapsed)
  local list = { ("%d/%d"):format(counts.done, counts.total) }
  if counts.failed > 0 then list[#list + 1] = ("%d failed"):format(counts.failed) end
  local rate = elapsed > 0 and counts.done / elapsed or 0
  if rate > 0 then list[#list + 1] = clock(math.ceil((counts.total - counts.done) / rate)) .. " left" end
  list[#list + 1] = ("%d running"):format(counts.running)
  if rate > 0 then list[#list + 1] = ("%.1f/s"):format(rate) end
  return list
end

local function bar(width, counts)
  local filled = counts.total > 0 and math.floor(width * counts.done / counts.total) or width
  return "[" .. ("#"):rep(filled) .. ("-"):rep(width - filled) .. "]"
end

-- The line for so many columns: what does not fit is left out, the least important first.
function progress.line(counts, elapsed, width)
  local line, room = "", width - 1 -- the last column would wrap on some terminals
  for _, part in ipairs(parts(counts, elapsed)) do
    local longer = line == "" and part or line .. "  " .. part
    if #longer > room then break end
    line = longer
  end
  local left = math.min(room - #line - 3, widest_bar)
  if left >= narrowest_bar then line = bar(left, counts) .. " " .. line end
  return line
end

local methods = {}
methods.__index = methods

local function draw(self, now)
  if now - self.measured_at >= between_measures then self.width, self.measured_at = columns(), now end
  io.stderr:write("\r", progress.line(self.counts, now - self.begun, self.width), "\27[K")
  io.stderr:flush()
  self.is_drawn = true
end

-- Takes the line away until the next update.
function methods:clear()
  if not self.is_drawn then return end
  io.stderr:write "\r\27[K"
  io.stderr:flush()
  self.is_drawn = false
end

-- counts: done, running, failed, and perhaps total.
function methods:update(counts)
  for name, value in pairs(counts) do self.counts[name] = value end
  local now = monotime()
  if now - self.drawn_at < between_draws and self.counts.done < self.counts.total then return end
  self.drawn_at = now
  draw(self, now)
end

function methods:close()
  self:clear()
  terminal.bar = nil
end

-- A bar; options: total.
function progress.new(options)
  local self = setmetatable({ counts = { total = options.total, done = 0, running = 0, failed = 0 },
    begun = monotime(), drawn_at = -math.huge, measured_at = -math.huge }, methods)
  terminal.bar = self
  return self
end

return progress
