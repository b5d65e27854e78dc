-- The text that goes to a connection: its places, as {ticket}, and its length.

local description = {}

-- Microsoft.Network limits the text of a request to 140 characters ("Private Link Service Connections",
-- requestMessage); nothing says that Batch takes more.
local longest = 140

-- A template with its places filled; values: texts by name. What has no value stays as it stands.
function description.fill(template, values)
  return (template:gsub("{(%a+)}", values))
end

-- What is wrong with the length of a text; nil: nothing.
function description.excess(text)
  local length = utf8.len(text) or #text
  if length > longest then return ("%d characters long, and %d are the most"):format(length, longest) end
end

return description
