-- The three standard streams: their kinds, colours, and writing with all errors reported.

local failure = require "azpec.failure"
local quote = require "azpec.text".shell

local terminal = {}

local numbers = { [io.stdin] = 0, [io.stdout] = 1, [io.stderr] = 2 }
local kinds, known = {}, {}

local bad_descriptor, broken_pipe = 9, 32 -- EBADF, EPIPE: the same numbers on all systems

-- Returns "file", "closed" or "other". Each stream gets one seek, before any output. With `>log 2>&1` both streams
-- share the position in the file, and glibc's second fseek would restore an old one.
local function kind_of(stream)
  if not kinds[stream] then
    local position, _, code = stream:seek()
    kinds[stream] = position and "file" or code == bad_descriptor and "closed" or "other"
  end
  return kinds[stream]
end

-- Returns whether a stream is a terminal. Only for a stream that is not a file a shell is started to find out.
function terminal.is(stream)
  if known[stream] == nil then
    known[stream] = kind_of(stream) == "other" and os.execute("[ -t " .. numbers[stream] .. " ]") == true
  end
  return known[stream]
end

-- Drops input that was typed before the question: it is not an answer.
function terminal.discard_input()
  if terminal.is(io.stdin) then require "azpec_file".discard_input(io.stdin) end
end

-- Returns whether a shell runs this process as a background job. The terminal then shows what somebody types.
function terminal.is_in_background(stream)
  return require "azpec_file".is_in_background(stream)
end

-- Opens /dev/null in place of a closed stream. Otherwise the next file or socket would get its number, and receive the
-- output. It is opened for writing also in place of stdin, so that reading is an error there (EBADF), and not the end
-- of an empty input. Returns whether stdout was open.
function terminal.hold_streams()
  local held, was_open = {}, true
  for number, stream in ipairs { io.stdin, io.stdout, io.stderr } do
    if kind_of(stream) == "closed" then
      held[number] = io.open("/dev/null", "w")
      known[stream] = false
      if stream == io.stdout then was_open = false end
    end
  end
  terminal.held = held
  return was_open
end

local when = "auto"

-- "auto": colours on a terminal, unless NO_COLOR is set (https://no-color.org).
function terminal.set_color(choice)
  when = choice
end

local styles = { bold = 1, red = 31, green = 32, yellow = 33, dim = 2 }

-- Returns whether a stream is a terminal with control sequences, by TERM.
function terminal.can_draw(stream)
  local kind = os.getenv "TERM" or ""
  return kind ~= "" and kind ~= "dumb" and terminal.is(stream)
end

-- PATH without relative folders: a ./stty would run with the secrets of the environment.
local function safe_path()
  local list = {}
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    if folder:find "^/" then list[#list + 1] = folder end
  end
  return table.concat(list, ":")
end

-- Returns what a pattern captures in the output of `stty size`, or nil. Some CI systems have terminals of 0 columns.
local function from_terminal(pattern)
  local pipe <close> = io.popen(("PATH=%s; { stty size <&2 || stty size </dev/tty; } 2>/dev/null"):format(
    quote(safe_path())))
  local found = math.tointeger(tonumber((pipe:read "l" or ""):match(pattern)))
  return found and found > 0 and found or nil
end

local function from_environment(variable)
  local said = math.tointeger(tonumber(os.getenv(variable)))
  return said and said > 0 and said or nil
end

-- Returns the terminal's columns, as the environment or else the terminal says; nil: neither knows.
function terminal.columns()
  return from_environment "COLUMNS" or from_terminal " (%d+)$"
end

-- Returns the terminal's rows. The terminal knows better than the environment, which a resized window leaves behind; a
-- drawing with more rows than there are could not be drawn over.
function terminal.rows()
  return from_terminal "^(%d+) " or from_environment "LINES"
end

function terminal.has_color(stream)
  if when ~= "auto" then return when == "always" end
  return (os.getenv "NO_COLOR" or "") == "" and terminal.can_draw(stream)
end

function terminal.paint(stream, style, text)
  if not style or not terminal.has_color(stream) then return text end
  return ("\27[%dm%s\27[0m"):format(styles[style], text)
end

local function check(ok, message, code)
  if ok then return end
  error(failure.new("output", "cannot write to standard output: " .. message,
    { is_broken_pipe = code == broken_pipe }), 0)
end

-- Removes the line of progress before other output.
function terminal.make_room()
  if terminal.bar then terminal.bar:clear() end
end

-- Draws the progress if it is due. Returns the seconds until the next time, or nil.
function terminal.tick()
  return terminal.bar and terminal.bar:tick()
end

-- Writes data, or raises an error.
function terminal.write(text)
  terminal.make_room()
  check(io.stdout:write(text))
end

-- Flushes the stream, or raises an error.
function terminal.flush()
  check(require "azpec.file".flush(io.stdout))
end

function terminal.is_write_error(value)
  return type(value) == "table" and value.kind == "output"
end

return terminal
