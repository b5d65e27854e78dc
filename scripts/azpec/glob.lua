-- Texts with wildcards: `*` stands for any run of characters, `?` for one, `\` takes the next one as it is. Matching
-- takes at most length times length steps, whatever a stranger has written into the text.

local glob = {}

-- By name, not as methods: in a sandbox texts have few.
local byte, lower, sub = string.byte, string.lower, string.sub

local any, run = {}, {}

-- The elements of a pattern: bytes, `any` and `run`; and whether a wildcard is among them.
local function parse(pattern)
  local elements, at, wild = {}, 1, false
  while at <= #pattern do
    local c = sub(pattern, at, at)
    if c == "*" then
      if elements[#elements] ~= run then elements[#elements + 1] = run end
      wild = true
    elseif c == "?" then
      elements[#elements + 1], wild = any, true
    else
      if c == "\\" and at < #pattern then at = at + 1 end
      elements[#elements + 1] = byte(pattern, at)
    end
    at = at + 1
  end
  return elements, wild
end

-- Where the character after the one at `at` begins; a byte that is no UTF-8 is a character.
local function after(text, at)
  at = at + 1
  while at <= #text and byte(text, at) & 0xC0 == 0x80 do at = at + 1 end
  return at
end

local function fits(elements, text)
  local at, e, resume_at, resume_e = 1, 1, nil, nil
  while at <= #text do
    local element = elements[e]
    if element == run then
      resume_at, resume_e = at, e
      e = e + 1
    elseif element == any then
      at, e = after(text, at), e + 1
    elseif element == byte(text, at) then
      at, e = at + 1, e + 1
    elseif resume_e then -- the last run takes one byte more
      resume_at = resume_at + 1
      at, e = resume_at, resume_e + 1
    else
      return false
    end
  end
  while elements[e] == run do e = e + 1 end
  return e > #elements
end

-- A function that says whether a text matches; fold: letters of ASCII compare without case.
function glob.compile(pattern, fold)
  if fold then pattern = lower(pattern) end
  local elements, wild = parse(pattern)
  if not wild then
    local bytes = {}
    for n, code in ipairs(elements) do bytes[n] = string.char(code) end
    local whole = table.concat(bytes)
    return function (text) return (fold and lower(text) or text) == whole end
  end
  return function (text) return fits(elements, fold and lower(text) or text) end
end

return glob
