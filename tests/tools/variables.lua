-- The variables of the environment that the module reads, from its source: a sorted list. Lists of the tests are made
-- from it, and lists for people compared with it, so that a new credential's variables are missing nowhere.
local seen, names = {}, {}
for _, path in ipairs { "lua_module/lua/credential.c", "lua_module/lua/options.c" } do
  local file <close> = assert(io.open(path))
  for name in file:read "a":gmatch '"([A-Z][A-Z0-9]*_[A-Z0-9_]+)"' do
    if not seen[name] then seen[name], names[#names + 1] = true, name end
  end
end
table.sort(names)
return names
