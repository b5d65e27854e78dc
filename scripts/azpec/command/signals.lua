-- SIGTERM and SIGHUP end a wait as Ctrl-C does, so that what is under way is told, and how to go on. While the command
-- has work at the service they are held back, and each wait looks for them: no handler runs in the midst of anything.

local cqueues = require "cqueues"
local signal = require "cqueues.signal"

local signals = {}

local names = { [signal.SIGTERM] = "SIGTERM", [signal.SIGHUP] = "SIGHUP" }

-- What was ignored when the command began, as nohup has it, stays so: the mask SigIgn of proc(5). Without it nothing is
-- known, and nothing is held back.
local function not_ignored()
  local status <close> = io.open "/proc/self/status"
  local mask = tonumber(status and (status:read "a"):match "\nSigIgn:%s*(%x+)" or "", 16)
  local list = {}
  for number in pairs(names) do
    if mask and mask >> (number - 1) & 1 == 0 then list[#list + 1] = number end
  end
  return list
end

local held, listener

-- How a client waits: for itself, or for a signal, of which it raises what Lua raises of Ctrl-C.
local function wait(pollable)
  cqueues.poll(pollable, listener)
  local number = listener:wait(0)
  if number then error(names[number] .. ": interrupted!", 0) end
end

-- From now on they are held back. Returns how a client is to wait; nil: as it does by itself.
function signals.hold()
  held = held or not_ignored()
  if #held == 0 then return nil end
  signal.block(table.unpack(held))
  listener = listener or signal.listen(table.unpack(held))
  return wait
end

-- They end the command by themselves again, while nothing is under way and a person is waited for.
function signals.release()
  if held and #held > 0 then signal.unblock(table.unpack(held)) end
end

return signals
