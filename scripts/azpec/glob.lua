-- Wildcards: `*` matches any run of characters, `?` one character, and `\` quotes the next character. Matching takes at
-- most (length of pattern) x (length of text) steps.

local glob = {}

-- By name, not as methods: in a sandbox strings have other methods.
local byte, lower, sub = string.byte, string.lower, string.sub

local any, run = {}, {}

-- Returns the elements of a pattern (bytes, `any` and `run`), and whether it has a wildcard.
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

-- Returns the position of the next character. A byte of invalid UTF-8 counts as a character.
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

-- Compiles a pattern. Returns a function that says whether a text matches. fold: ASCII letters compare without case.
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
