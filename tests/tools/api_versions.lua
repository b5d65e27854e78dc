-- api_versions.lua -- prints the table of api-versions and of what each adds, from azpec.api_versions, as
-- scripts/azpec/emulator/README.md shows it.
local api_versions = require "azpec.api_versions"

local words = { GET = "reading and listing", PATCH = "updates", DELETE = "deletion" }

print "| api-version | what it adds |\n|---|---|"
for _, version in ipairs(api_versions.list) do
  local added = {}
  for part, since in pairs(api_versions.since) do
    if since == version then added[#added + 1] = words[part] or "`" .. part .. "`" end
  end
  table.sort(added, function (a, b) return a:gsub("`", "~") < b:gsub("`", "~") end) -- operations before members
  print(("| %s | %s |"):format(version, table.concat(added, ", ")))
end
