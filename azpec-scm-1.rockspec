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
  "lua-cjson >= 2.1",
}
build = {
  type = "builtin",
  modules = {
    azpec = {
      sources = {
        "lua_module/child.c",
        "lua_module/curlio.c",
        "lua_module/drive.c",
        "lua_module/enums.c",
        "lua_module/events.c",
        "lua_module/fields.c",
        "lua_module/json.c",
        "lua_module/lclient.c",
        "lua_module/lcompletions.c",
        "lua_module/lpause.c",
        "lua_module/lcredential.c",
        "lua_module/lerror.c",
        "lua_module/lidentity.c",
        "lua_module/lpoller.c",
        "lua_module/lsignin.c",
        "lua_module/module.c",
        "lua_module/options.c",
        "lua_module/passport.c",
        "lua_module/pollset.c",
        "lua_module/sys.c",
        "lua_module/waiting.c",
        "lua_module/core/arm.c",
        "lua_module/core/tools.c",
        "lua_module/core/oauth.c",
        "lua_module/core/managed.c",
        "lua_module/core/date.c",
        "lua_module/core/base64.c",
        "lua_module/core/buf.c",
        "lua_module/core/client.c",
        "lua_module/core/discover.c",
        "lua_module/core/fail.c",
        "lua_module/core/http.c",
        "lua_module/core/legs.c",
        "lua_module/core/op.c",
        "lua_module/core/opfail.c", "lua_module/core/opstate.c",
        "lua_module/core/poll.c", "lua_module/core/rate.c",
        "lua_module/core/retry.c",
        "lua_module/core/signin.c",
        "lua_module/core/url.c",
      },
      defines = { "_GNU_SOURCE" },
      incdirs = { "lua_module" },
      libraries = { "curl" },
    },
    azpec_signing = {
      sources = {
        "lua_module/signing/bundle.c",
        "lua_module/signing/key.c",
        "lua_module/signing/signing.c",
        "lua_module/core/buf.c",
      },
      defines = { "_GNU_SOURCE" },
      incdirs = { "lua_module" },
      libraries = { "crypto" },
    },
  },
  install = {
    lua = {
      ["azpec.meta"] = "lua_module/azpec.meta.lua",
      ["azpec.loop.cqueues"] = "scripts/azpec/loop/cqueues.lua",
      ["azpec.loop.luv"] = "scripts/azpec/loop/luv.lua",
      ["azpec.loop.socket"] = "scripts/azpec/loop/socket.lua",
      ["azpec.loop.waiters"] = "scripts/azpec/loop/waiters.lua",
    },
  },
}
test = {
  type = "command",
  command = "make test",
}
