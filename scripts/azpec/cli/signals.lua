-- Signals. SIGINT, SIGTERM and SIGHUP end a wait, and the command reports what is under way and how to continue. Then
-- it dies of the same signal, because a shell ends a loop only if its command did. SIGPIPE is ignored meanwhile: a
-- reader of standard output that goes away ends the output, but not the journal (see azpec.cli.output).
--
-- The three signals are blocked while operations are under way, and each wait checks for them, so no handler
-- interrupts other code. lua's own handler of SIGINT raises "interrupted!" at any instruction: a pcall or a finalizer
-- would swallow the error, and a token could be lost between an answer and its record. So that handler is in force
-- only before the first wait, and while the user's own code runs.
--
-- A signal that was ignored at the start stays ignored, as nohup demands. lua replaces the action of SIGINT before any
-- script runs. But a shell that ignores SIGINT for a background job also ignores SIGQUIT, which can still be seen.

local cqueues = require "cqueues"
local signal = require "cqueues.signal"

local terminal = require "azpec.cli.terminal"

local signals = {}

-- The errors for signals: lua's own for SIGINT.
local errors = { [signal.SIGINT] = "interrupted!", [signal.SIGTERM] = "SIGTERM: interrupted!",
  [signal.SIGHUP] = "SIGHUP: interrupted!" }

-- Returns the mask of signals that were ignored at the start, SigIgn of proc(5), or nil if it cannot be read.
local ignored

local function is_ignored(number)
  if number == signal.SIGINT then number = signal.SIGQUIT end
  return ignored ~= nil and ignored >> (number - 1) & 1 == 1
end

-- Called before a verb runs.
function signals.begin()
  local status <close> = io.open "/proc/self/status"
  ignored = tonumber(status and (status:read "a"):match "\nSigIgn:%s*(%x+)" or "", 16)
  if is_ignored(signal.SIGINT) then signal.ignore(signal.SIGINT) end
  signal.ignore(signal.SIGPIPE)
  require "azpec_file".outlive_size_limit()
end

-- If the mask is not known, no signal is blocked.
local function to_hold()
  local list = {}
  for number in pairs(errors) do
    if ignored and not is_ignored(number) then list[#list + 1] = number end
  end
  return list
end

local held, listener

-- The wait function of clients. It waits for the client, for a signal, which raises an error like that of lua's
-- handler, or until the line of progress must be drawn again.
local function wait(pollable)
  local seconds = terminal.tick()
  if not listener then return cqueues.poll(pollable, seconds) end
  cqueues.poll(pollable, listener, seconds)
  local number = listener:wait(0)
  if number then error(errors[number], 0) end
end

-- Blocks the signals from now on. Returns the wait function for clients.
function signals.hold()
  held = held or to_hold()
  if #held == 0 then return wait end
  signal.block(table.unpack(held))
  listener = listener or signal.listen(table.unpack(held))
  return wait
end

-- Unblocks the signals while nothing is under way and a person is asked.
function signals.release()
  if held and #held > 0 then signal.unblock(table.unpack(held)) end
end

-- Calls f, which may run long without a wait, and which SIGINT ends by an error. Returns its results.
function signals.interruptible(f, ...)
  if not held or #held == 0 or is_ignored(signal.SIGINT) then return f(...) end
  signal.unblock(signal.SIGINT)
  local results = table.pack(pcall(f, ...))
  signal.block(signal.SIGINT)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- Ends the process by a signal, for example "SIGINT". Returns only if that was ignored at the start.
function signals.die_of(name)
  local number = signal[name]
  if not ignored or is_ignored(number) then return end
  signal.default(number)
  signal.unblock(number)
  signal.raise(number)
end

return signals
