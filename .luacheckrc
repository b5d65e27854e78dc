std = "lua54"
max_line_length = 120
unused_args = false
files["tests/**/*_spec.lua"] = { std = "+busted" }
files["*.rockspec"] = { std = "rockspec" }
files["lua_module/azpec.meta.lua"] = { ignore = { "2.." } }
files["scripts/azpec/scripts.meta.lua"] = { ignore = { "2..", "4.." } }
files["scripts/examples/rules.lua"] = { std = "lua54+rules" }
files["scripts/examples/mod_azpec.lua"] = { globals = { "module" } }
files["scripts/examples/lighttpd-approve.lua"] = { globals = { "lighty" } }
stds.rules = { read_globals = { "approve", "reject", "ignore", "hold", "at_most", "expect", "matches" } }
