-- azpec.nearest -- finds the known words that a misspelt word probably means.
--
--   local nearest = require "azpec.nearest"
--   print(table.concat(nearest.of("aprove", { "approve", "reject" }), " or "))      -- approve

local nearest = {}

-- No methods of strings: azpec.sandbox replaces them.
local byte, lower, prefix = string.byte, string.lower, string.sub

-- Longer words are compared by their first letters, to bound the time.
local longest = 64

-- Returns the distance of two words: the smallest number of letters to insert, delete, replace or swap with their
-- neighbour ("optimal string alignment"). Letter case is ignored. A distance above most (or nil) is math.huge.
function nearest.distance(a, b, most)
  a, b, most = lower(prefix(a, 1, longest)), lower(prefix(b, 1, longest)), most or longest
  if math.abs(#a - #b) > most then return math.huge end
  local rows = { [0] = { [0] = 0 } } -- rows[i][j]: for the first i letters of a, and j of b
  for j = 1, #b do rows[0][j] = j end
  for i = 1, #a do
    local row, last, before = { [0] = i }, rows[i - 1], rows[i - 2]
    rows[i] = row
    local least = i
    for j = 1, #b do
      local same = byte(a, i) == byte(b, j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before and j > 1 and byte(a, i) == byte(b, j - 1) and byte(a, i - 1) == byte(b, j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
      least = math.min(least, row[j])
    end
    if least > most then return math.huge end
  end
  return rows[#a][#b] <= most and rows[#a][#b] or math.huge
end

-- Returns the largest distance of a misspelling: one letter in three, at most two. With three, "description" would be
-- "subscription".
function nearest.limit(word)
  return math.min(2, (#word + 1) // 3)
end

-- Returns the words of a list, each once.
local function each_once(words)
  local list, has = {}, {}
  for _, word in ipairs(words) do
    if not has[lower(word)] then list[#list + 1] = word end
    has[lower(word)] = true
  end
  return list
end

-- Returns the words of a list that the word probably means: the nearest ones, else those that begin with it.
function nearest.of(word, known)
  local found, least = {}, nearest.limit(word)
  known = each_once(known)
  for _, one in ipairs(known) do
    local distance = nearest.distance(word, one, least)
    if distance < least then found, least = {}, distance end
    if distance == least then found[#found + 1] = one end
  end
  if #found > 0 or #word < 2 then return found end
  for _, one in ipairs(known) do
    if lower(prefix(one, 1, #word)) == lower(word) then found[#found + 1] = one end
  end
  return found
end

local most_named = 3

-- Returns "did you mean 'a' or 'b'?" for a list of at least one word; of many words the first three and the number of
-- the others.
function nearest.suggestion(found)
  local more = #found - most_named
  return string.format("did you mean '%s'%s?", table.concat(found, "' or '", 1, math.min(#found, most_named)),
    more == 1 and " or 1 other" or more > 1 and string.format(" or one of %d others", more) or "")
end

-- Returns "; did you mean 'a' or 'b'?", or "" if no known word is near. If more than three are equally near, none is
-- named, unless any_number is true.
function nearest.question(word, known, any_number)
  local found = nearest.of(word, known)
  if #found == 0 or #found > most_named and not any_number then return "" end
  return "; " .. nearest.suggestion(found)
end

return nearest
