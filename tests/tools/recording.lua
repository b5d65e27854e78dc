-- recording.lua -- prints the picture of the command at work that README.md shows: an SVG, made from a run on a
-- terminal against the emulator. `make pictures` writes scripts/pictures/command.svg by it; tests/check.sh compares.
--
-- What the terminal shows in the end is the picture. Each line is hidden until its time, which is made up: equal output
-- makes equal bytes. So a viewer without animations, a printer, and a reader who prefers reduced motion see all of it.
-- It loads no font: textLength keeps the columns whatever font the viewer has.
local emulator = require "azpec.emulator"
local text = require "azpec.text"

local columns, font, width, height, margin = 100, 14, 8.4, 20, 16

-- What is typed, and the answers to questions.
local typed = {
  { "azpec status -g rg-contoso-prod" },
  { "azpec list 'web-*' 'old-*' --account contosobatch" },
  { "azpec approve web-frontend --account contosobatch --description 'ticket 5102'" },
  { "azpec delete old-lab --account contosobatch", "y" },
}

-- ---- the run -------------------------------------------------------------------------------------------------------

local function environment(server)
  local variables = { AZPEC_ENDPOINT = server.tls_endpoint, AZPEC_AUTHORITY_HOST = server.tls_endpoint,
    AZPEC_CA_FILE = server.ca_file, AZURE_SUBSCRIPTION_ID = server.subscription_id, AZURE_TENANT_ID = server.tenant_id,
    AZURE_CLIENT_ID = server.client_id, AZURE_CLIENT_SECRET = server.client_secret, TERM = "xterm", SHELL = "/bin/sh",
    PATH = "scripts/bin:" .. os.getenv "PATH" }
  local words = { "env -u CI -u COLUMNS -u NO_COLOR -u AZPEC_OUTPUT" }
  for name, value in pairs(variables) do words[#words + 1] = text.shell(name .. "=" .. value) end
  return table.concat(words, " ")
end

-- Returns the bytes that a command writes to a terminal.
local function run(env, command, answer)
  local fifo = os.tmpname()
  assert(os.execute(("rm %s && mkfifo -m 600 %s"):format(fifo, fifo)))
  local keys = assert(io.popen(("exec %s script -qefc %s /dev/null >%s"):format(env,
    text.shell(("stty cols %d rows 40; exec %s"):format(columns, command)), fifo), "w"))
  local said, terminal = "", assert(io.open(fifo))
  for char in function () return terminal:read(1) end do
    said = said .. char
    if answer and said:find "%[y/N%] $" then
      keys:write(answer, "\n")
      keys:flush()
      answer = nil
    end
  end
  terminal:close()
  assert(keys:close(), said)
  os.remove(fifo)
  return said
end

-- ---- the terminal --------------------------------------------------------------------------------------------------

-- Returns the lines that a terminal shows after these bytes: lists of { char =, style = an SGR number }. It knows the
-- control sequences that azpec writes.
local function lines_of(bytes)
  local lines, row, column, style = { {} }, 1, 1, 0
  local function put(char)
    if column > columns then row, column = row + 1, 1 end
    lines[row] = lines[row] or {}
    lines[row][column], column = { char = char, style = style }, column + 1
  end
  local rest = bytes
  while rest ~= "" do
    local sequence, parameter, final = rest:match "^(\27%[(%d*)(%a))"
    local char = rest:match("^" .. utf8.charpattern)
    if final == "m" then
      style = tonumber(parameter) or 0
    elseif final == "K" then
      for n = column, #lines[row] do lines[row][n] = nil end
    elseif char == "\r" then
      column = 1
    elseif char == "\n" then
      row, column = row + 1, 1
      lines[row] = lines[row] or {}
    else
      assert(char:byte() >= 32, "unknown control sequence")
      put(char)
    end
    rest = rest:sub(#(sequence or char) + 1)
  end
  return lines
end

-- ---- the picture ---------------------------------------------------------------------------------------------------

local head = [[
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">
<title id="title">The command azpec in a terminal</title>
<style>
:root { --back: #ffffff; --edge: #d0d7de; --text: #1f2328; --dim: #59636e; --red: #cf222e; --green: #1a7f37;
  --yellow: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --edge: #3d444d; --text: #e6edf3; --dim: #9198a1;
  --red: #ff7b72; --green: #3fb950; --yellow: #d29922 } }
rect { fill: var(--back); stroke: var(--edge) }
text { fill: var(--text); font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre }
.s1 { font-weight: bold } .s2 { fill: var(--dim) } .s31 { fill: var(--red) } .s32 { fill: var(--green) }
.s33 { fill: var(--yellow) }
@keyframes wait { from, to { opacity: 0 } }
@keyframes type { from { clip-path: inset(0 100%% 0 0) } to { clip-path: inset(0) } }
@media (prefers-reduced-motion: reduce) { text { animation: none !important } }
</style>
<rect x="0.5" y="0.5" width="%d" height="%d" rx="8"/>
]]

local function escaped(char)
  return ({ ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" })[char] or char
end

-- The cells from first to last as text, in elements by their style.
local function styled(cells, first, last)
  local out, style = {}, 0
  for n = first, last do
    local cell = cells[n] or { char = " ", style = 0 }
    if cell.style ~= style then
      if style ~= 0 then out[#out + 1] = "</tspan>" end
      if cell.style ~= 0 then out[#out + 1] = ('<tspan class="s%d">'):format(cell.style) end
      style = cell.style
    end
    out[#out + 1] = escaped(cell.char)
  end
  return table.concat(out) .. (style ~= 0 and "</tspan>" or "")
end

local picture = { at = 0.4, row = 0 }

-- Adds a part of a row, which is shown from now on; typing: the seconds during which it appears character by character.
function picture:add(cells, first, last, typing)
  local animation = ("wait %.1fs"):format(self.at)
  if typing then animation = ("%s, type %.1fs steps(%d) %.1fs"):format(animation, typing, last - first + 1, self.at) end
  self[#self + 1] = ('<text x="%g" y="%g" textLength="%g" xml:space="preserve" style="animation: %s">%s</text>'):format(
    margin + (first - 1) * width, margin + self.row * height + font, (last - first + 1) * width, animation,
    styled(cells, first, last))
end

local function cells_of(line, style)
  local cells = {}
  for _, code in utf8.codes(line) do cells[#cells + 1] = { char = utf8.char(code), style = style } end
  return cells
end

function picture:add_command(command)
  if self.row > 0 then self.row = self.row + 0.5 end
  self:add({ { char = "$", style = 2 } }, 1, 1)
  local cells = cells_of("  " .. command, 1)
  local seconds = #command * 0.03
  self:add(cells, 3, #cells, seconds)
  self.at, self.row = self.at + seconds + 0.5, self.row + 1
end

-- Adds a line of output; what was typed after a question comes later.
function picture:add_line(cells)
  local line = {}
  for n = 1, #cells do line[n] = #cells[n].char == 1 and cells[n].char or "?" end
  local question = #(table.concat(line):match "^.*%[y/N%] " or "")
  if question > 0 then
    self:add(cells, 1, question)
    self.at = self.at + 1
    self:add(cells, question + 1, #cells)
    self.at = self.at + 0.5
  elseif #cells > 0 then
    self:add(cells, 1, #cells)
    self.at = self.at + 0.1
  end
  self.row = self.row + 1
end

local server <close> = emulator.start { options = { operation_polls = 1, retry_after = "none" } }
local env = environment(server)
for _, step in ipairs(typed) do
  picture:add_command(step[1])
  local lines = lines_of(run(env, step[1], step[2]))
  if #lines[#lines] == 0 then lines[#lines] = nil end
  for _, cells in ipairs(lines) do picture:add_line(cells) end
  picture.at = picture.at + 1
end
local wide, high = columns * width + 2 * margin, picture.row * height + 2 * margin
io.write(head:format(wide, high, wide, high, font, wide - 1, high - 1), table.concat(picture, "\n"), "\n</svg>\n")
