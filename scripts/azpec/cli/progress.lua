-- Shows progress on stderr: on a terminal, one line that is redrawn every second; elsewhere, with -v, a line every 30
-- seconds and on each change of status.
--
--   local shown = progress.new { is_drawn = true }
--   shown:follow(poller)                        -- one operation: time, phase, status, next poll
--   shown:begin(500)                            -- many: done, failed, time, estimate, running, rate
--   shown:update { done = 3, running = 97, failed = 0 }
--   shown:close()                               -- removes the line
--   local seconds = shown:tick()                -- while waiting: draws, and returns the seconds until the next drawing
--
-- Other output meanwhile goes through azpec.cli.terminal, which removes the line first.

local monotime = require "cqueues".monotime

local failure = require "azpec.cli.error"
local ids = require "azpec.resource_id"
local terminal = require "azpec.cli.terminal"
local text = require "azpec.text"

local progress = {}
progress.__index = progress

-- Seconds. The terminal's width may change meanwhile.
local between_draws, between_ticks, between_lines, between_measures = 0.1, 1, 30, 0.5
local widest_bar, narrowest_bar = 40, 8

local function clock(seconds)
  seconds = math.floor(seconds)
  if seconds >= 3600 then return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60) end
  return ("%d:%02d"):format(seconds // 60, seconds % 60)
end

-- ---- an estimate ---------------------------------------------------------------------------------------------------

-- The rate is that of the last minute with an ending; it needs several endings over some seconds.
local window, shortest_time, fewest_ended = 60, 3, 3

-- marks: { at, done } for the start and each ending; the last one before the window is kept.
local function mark(self, now)
  local marks, done = self.marks, self.counts.done
  if done == marks[#marks].done then return end
  marks[#marks + 1] = { at = now, done = done }
  while marks[2].at <= now - window do table.remove(marks, 1) end
end

-- Returns the endings per second, or nil if not known yet.
local function rate_of(self)
  local first, last = self.marks[1], self.marks[#self.marks]
  local ended, time = last.done - first.done, last.at - first.at
  if ended >= fewest_ended and time >= shortest_time then return ended / time end
end

-- Returns the seconds until all are done; nil if not known, or if the last estimate has already passed.
local function estimate(self, now)
  local counts, rate = self.counts, rate_of(self)
  local left = counts.total - counts.done
  if not rate or left == 0 then return nil end
  local seconds = left / rate - (now - self.marks[#self.marks].at)
  return seconds > 0 and seconds or nil
end

local function about(seconds)
  if seconds <= 60 then return ("about %d s left"):format(math.ceil(seconds / 10) * 10) end
  if seconds <= 5400 then return ("about %d min left"):format(math.ceil(seconds / 60)) end
  return ("about %d h left"):format(math.ceil(seconds / 3600))
end

-- ---- the parts of the line, the more important ones first ----------------------------------------------------------

local function parts_of_many(self, now)
  local counts, rate, left = self.counts, rate_of(self), estimate(self, now)
  local list = { ("%d/%d"):format(counts.done, counts.total) }
  if counts.failed > 0 then list[#list + 1] = ("%d failed"):format(counts.failed) end
  list[#list + 1] = clock(now - self.begun)
  list[#list + 1] = left and about(left)
  list[#list + 1] = ("%d running"):format(counts.running)
  list[#list + 1] = rate and ("%.1f/s"):format(rate)
  return list
end

local phases = {}
for _, phase in ipairs(failure.phases) do phases[phase[1]] = phase[2] end

local function parts_of_one(at)
  local time = clock(at.elapsed) .. (at.limit and " of " .. clock(at.limit) or "")
  local list = { time, phases[at.phase] or at.phase }
  list[#list + 1] = at.status and text.clean(at.status)
  if at.next_wait then list[#list + 1] = ("next poll in %d s"):format(math.ceil(at.next_wait)) end
  return list
end

-- Returns the name of the operation's connection; nil for several, or if not known yet.
local function name_of(at)
  return at.id and text.clean(ids.last_segment(at.id) or "")
end

local function bar(width, counts)
  local filled = counts.total > 0 and math.floor(width * counts.done / counts.total) or width
  return "[" .. ("#"):rep(filled) .. ("-"):rep(width - filled) .. "]"
end

-- Joins the parts up to so many columns; the least important ones are left out first.
local function fitted(list, room)
  local line = ""
  for _, part in ipairs(list) do
    local longer = line == "" and part or line .. "  " .. part
    if text.width(longer) > room then break end
    line = longer
  end
  return line
end

-- Returns the line for so many columns, or nil. The last column stays free, because some terminals would wrap.
local function line_of(self, now, width)
  local room = width - 1
  if self.counts then
    local line = fitted(parts_of_many(self, now), room)
    local left = math.min(room - #line - 3, widest_bar)
    return left >= narrowest_bar and bar(left, self.counts) .. " " .. line or line
  end
  local at = self.poller:progress()
  local list = parts_of_one(at)
  list[#list + 1] = name_of(at)
  return fitted(list, room)
end

local function is_over(self)
  return not self.counts and (not self.poller or self.poller:done())
end

-- ---- on a terminal -------------------------------------------------------------------------------------------------

-- Nothing is drawn, and nothing is removed, while the process is in the background.
local function draw(self, now)
  self.drawn_at = now
  if self.is_in_background(self.stream) then return end
  if now - self.measured_at >= between_measures then self.width, self.measured_at = self.columns() or 80, now end
  self.stream:write("\r", line_of(self, now, self.width), "\27[K")
  self.stream:flush()
  self.is_there = true
end

-- Removes the line until it is drawn again.
function progress:clear()
  if not self.is_there or self.is_in_background(self.stream) then return end
  self.stream:write "\r\27[K"
  self.stream:flush()
  self.is_there = false
end

-- ---- without one ---------------------------------------------------------------------------------------------------

local function say(self, now)
  local at = not self.counts and self.poller:progress()
  local list = at and parts_of_one(at) or parts_of_many(self, now)
  local name = at and name_of(at)
  self.say(("azpec: %s%s"):format(name and name .. ": " or "", table.concat(list, ", ")))
  self.said_at = now
end

-- Returns whether the operation's status has changed since the last call.
local function has_news(self)
  local status = not self.counts and self.poller:progress().status
  if not status or status == self.status then return false end
  self.status = status
  return true
end

-- ---- the object ----------------------------------------------------------------------------------------------------

-- Draws if it is due. Returns the seconds until the next drawing; nil if nothing is under way.
function progress:tick()
  if is_over(self) then
    self:clear()
    return nil
  end
  local now = self.now()
  if self.is_drawn then
    local since = now - math.max(self.drawn_at, self.begun)
    if since >= between_ticks then
      draw(self, now)
      since = 0
    end
    return between_ticks - since
  end
  if has_news(self) or now - self.said_at >= between_lines then say(self, now) end
  return math.max(0, math.min(between_ticks, self.said_at + between_lines - now))
end

local function start(self)
  self.begun = self.now()
  self.said_at, self.status, self.drawn_at = self.begun, nil, -math.huge
end

-- Shows one operation until its end.
function progress:follow(poller)
  if self.poller == poller then return end
  self.poller = poller
  if not self.counts then start(self) end
end

-- Shows the progress of so many operations until close.
function progress:begin(total)
  start(self)
  self.counts = { total = total, done = 0, running = 0, failed = 0 }
  self.marks = { { at = self.begun, done = 0 } }
end

-- counts: done, running, failed.
function progress:update(counts)
  for name, value in pairs(counts) do self.counts[name] = value end
  local now = self.now()
  mark(self, now)
  local is_due = now - self.drawn_at >= between_draws or self.counts.done == self.counts.total
  if self.is_drawn and is_due then draw(self, now) end
end

function progress:close()
  self:clear()
  self.counts, self.poller = nil, nil
end

-- options: is_drawn: draw a line; otherwise say(line) writes one; now, columns, is_in_background and stream:
-- replace the machine's.
function progress.new(options)
  return setmetatable({ is_drawn = options.is_drawn, say = options.say, now = options.now or monotime,
    columns = options.columns or terminal.columns,
    is_in_background = options.is_in_background or terminal.is_in_background, stream = options.stream or io.stderr,
    measured_at = -math.huge }, progress)
end

return progress
