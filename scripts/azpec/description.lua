-- The text that goes to a connection: its places, as {ticket}, and its length.

local description = {}

-- Microsoft.Network limits the text of a request to 140 characters ("Private Link Service Connections",
-- requestMessage); nothing says that Batch takes more.
local longest = 140

-- Removes the places at one end of a template whose texts are empty, with the blanks beside them.
local function without_empty(template, values, place, place_and_blanks)
  while values[template:match(place)] == "" do template = template:gsub(place_and_blanks, "") end
  return template
end

-- A template with its places filled; values: texts by name. What has no value stays as it stands. An empty text leaves
-- no blank at the beginning or the end.
function description.fill(template, values)
  template = without_empty(template, values, "^{(%a+)}", "^{%a+}%s*")
  template = without_empty(template, values, "{(%a+)}$", "%s*{%a+}$")
  return (template:gsub("{(%a+)}", values))
end

-- What is wrong with the length of a text; nil: nothing.
function description.excess(text)
  local length = utf8.len(text) or #text
  if length > longest then return ("%d characters long, and %d are the most"):format(length, longest) end
end

return description
