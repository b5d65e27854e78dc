-- The three streams: what they are, colours, and writing that never fails unnoticed.

local terminal = {}

local numbers = { [io.stdin] = 0, [io.stdout] = 1, [io.stderr] = 2 }
local kinds, known = {}, {}

local bad_descriptor, broken_pipe = 9, 32 -- EBADF, EPIPE; in Linux's numbers and all others'

-- "file", "closed" or "other". A stream is sought in once, before anything is written: with `>log 2>&1` both streams
-- share the position in the file, and glibc's second fseek would set the position that the first one had found.
local function kind_of(stream)
  if not kinds[stream] then
    local position, _, code = stream:seek()
    kinds[stream] = position and "file" or code == bad_descriptor and "closed" or "other"
  end
  return kinds[stream]
end

-- Whether a stream is a terminal; only what is no file is worth asking a shell for.
function terminal.is(stream)
  if known[stream] == nil then
    known[stream] = kind_of(stream) == "other" and os.execute("[ -t " .. numbers[stream] .. " ]") == true
  end
  return known[stream]
end

-- A closed stream's number would be given to the next file or socket, and what is printed would go there: /dev/null
-- takes its place. Returns whether stdout was open.
function terminal.hold_streams()
  local held, was_open = {}, true
  for number, stream in ipairs { io.stdin, io.stdout, io.stderr } do
    if kind_of(stream) == "closed" then
      held[number] = io.open("/dev/null", number == 1 and "r" or "w")
      known[stream] = false
      if stream == io.stdout then was_open = false end
    end
  end
  terminal.held = held
  return was_open
end

local when = "auto"

-- "auto": on a terminal, unless NO_COLOR is set (https://no-color.org).
function terminal.set_color(choice)
  when = choice
end

local styles = { bold = 1, red = 31, green = 32, yellow = 33, dim = 2 }

-- Whether a stream is a terminal that understands more than text: TERM says which it is.
function terminal.can_draw(stream)
  local kind = os.getenv "TERM" or ""
  return kind ~= "" and kind ~= "dumb" and terminal.is(stream)
end

function terminal.has_color(stream)
  if when ~= "auto" then return when == "always" end
  return (os.getenv "NO_COLOR" or "") == "" and terminal.can_draw(stream)
end

function terminal.paint(stream, style, text)
  if not style or not terminal.has_color(stream) then return text end
  return ("\27[%dm%s\27[0m"):format(styles[style], text)
end

local write_error = { __name = "azpec.command.write_error" }

function write_error:__tostring()
  return "cannot write to standard output: " .. self.message
end

local function check(ok, message, code)
  if ok then return end
  error(setmetatable({ message = message, is_broken_pipe = code == broken_pipe }, write_error), 0)
end

-- A line of progress that is on the terminal is taken away before anything else is written.
function terminal.make_room()
  if terminal.bar then terminal.bar:clear() end
end

-- Writes data; raises what goes wrong.
function terminal.write(text)
  terminal.make_room()
  check(io.stdout:write(text))
end

-- What was written is out, or an error tells that it is not.
function terminal.flush()
  check(io.stdout:flush())
end

function terminal.is_write_error(value)
  return getmetatable(value) == write_error
end

return terminal
