rockspec_format = "3.0"
package = "azpec"
version = "scm-1"
source = {
  url = "git+https://github.com/azpec/azpec.git",
}
description = {
  summary = "Approve, reject and watch private endpoint connections of Azure Batch accounts",
  detailed = [[
azpec drives the "Private Endpoint Connection" operations of Azure Batch's
management API from Lua: one blocking call, coroutines, or a guest in any event
loop, with the polling, the sign-in and the errors done right.]],
  license = "MIT",
  labels = { "azure", "cloud", "http" },
}
dependencies = {
  "lua >= 5.4, < 5.5",
  "lua-cjson >= 2.1", -- all that the C module needs; what follows is the command's
  "argparse >= 0.7",
  "cqueues >= 20200726",
  "luaossl >= 20200709",
}
-- The Makefile knows the sources, their flags and where each file goes.
build = {
  type = "make",
  build_variables = {
    CC = "$(CC)", CFLAGS = "$(CFLAGS)", LUA = "$(LUA)", LUA_INCDIR = "$(LUA_INCDIR)",
  },
  install_target = "install-rock",
  install_variables = {
    CC = "$(CC)", CFLAGS = "$(CFLAGS)", LUA = "$(LUA)", LUA_INCDIR = "$(LUA_INCDIR)",
    INSTALL_BIN = "$(BINDIR)", INSTALL_LMOD = "$(LUADIR)", INSTALL_CMOD = "$(LIBDIR)",
  },
}
test = {
  type = "command",
  command = "make test",
}
