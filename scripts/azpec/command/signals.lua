-- Signals. SIGINT, SIGTERM and SIGHUP end a wait, so that the command tells what is under way and how to go on. Then it
-- dies of the signal that it got: a shell ends a loop only if its command did. SIGPIPE is ignored meanwhile: a reader
-- of standard output that goes away ends the output, and not the bookkeeping (see azpec.command.output).
--
-- SIGTERM and SIGHUP are held back while the command has work at the service, and each wait looks for them: no handler
-- runs in the midst of anything. SIGINT is lua's: its handler raises "interrupted!".
--
-- A signal that was ignored when the command began stays so, as nohup has it. lua replaces SIGINT's action before any
-- script runs. But a shell that ignores SIGINT for a background job ignores SIGQUIT, too, and that is still to be seen.

local cqueues = require "cqueues"
local signal = require "cqueues.signal"

local signals = {}

local names = { [signal.SIGTERM] = "SIGTERM", [signal.SIGHUP] = "SIGHUP" }

-- The signals that were ignored when the command began, a mask: SigIgn of proc(5). nil: that is not known.
local ignored

local function is_ignored(number)
  return ignored ~= nil and ignored >> (number - 1) & 1 == 1
end

-- Before a verb does anything.
function signals.begin()
  local status <close> = io.open "/proc/self/status"
  ignored = tonumber(status and (status:read "a"):match "\nSigIgn:%s*(%x+)" or "", 16)
  if is_ignored(signal.SIGQUIT) then signal.ignore(signal.SIGINT) end
  signal.ignore(signal.SIGPIPE)
end

-- Where it is not known what was ignored, nothing is held back.
local function to_hold()
  local list = {}
  for number in pairs(names) do
    if ignored and not is_ignored(number) then list[#list + 1] = number end
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
  held = held or to_hold()
  if #held == 0 then return nil end
  signal.block(table.unpack(held))
  listener = listener or signal.listen(table.unpack(held))
  return wait
end

-- They end the command by themselves again, while nothing is under way and a person is waited for.
function signals.release()
  if held and #held > 0 then signal.unblock(table.unpack(held)) end
end

-- Ends the process by a signal, "SIGINT" for example. Returns where that was ignored when the command began.
function signals.die_of(name)
  local number = signal[name]
  if not ignored or is_ignored(number) then return end
  signal.default(number)
  signal.unblock(number)
  signal.raise(number)
end

return signals
