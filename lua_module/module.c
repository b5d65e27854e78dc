/* module.c -- luaopen_azpec: what require "azpec" hands out. */
#include <lauxlib.h>

#include "azpec.h"
#include "curlio.h"
#include "drive.h"
#include "enums.h"
#include "lclient.h"
#include "lcompletions.h"
#include "lcredential.h"
#include "lerror.h"
#include "lpause.h"
#include "lpoller.h"

#if LUA_VERSION_NUM != 504
#error "azpec is made for Lua 5.4"
#endif

/* The name of an object of ours, or nil: like io.type. */
static int l_type(lua_State *L) {
	static const char *const types[] = { CLIENT_TYPE, POLLER_TYPE,
		                             CREDENTIAL_TYPE };
	luaL_checkany(L, 1);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (luaL_testudata(L, 1, types[i])) {
			lua_pushstring(L, types[i]);
			return 1;
		}
	}
	luaL_getmetatable(L, ERROR_TYPE);
	if (lua_getmetatable(L, 1) && lua_rawequal(L, -1, -2))
		lua_pushliteral(L, ERROR_TYPE);
	else
		lua_pushnil(L);
	return 1;
}

static const luaL_Reg functions[] = { { "client", l_client },
	                              { "update", l_update },
	                              { "type", l_type },
	                              { NULL, NULL } };

int luaopen_azpec(lua_State *L) {
	const char *why;
	luaL_checkversion(L); /* refuses another Lua than 5.4 */
	why = curlio_global();
	if (why)
		return luaL_error(L, "azpec cannot use this libcurl: %s", why);
	lerror_open(L);
	lclient_open(L);
	lpoller_open(L);
	lcompletions_open(L);
	lpause_open(L);
	drive_open(L);
	luaL_newlib(L, functions);
	enums_set(L);
	lcredential_open(L);
	lua_setfield(L, -2, "credential");
	lua_pushliteral(L, "azpec " AZPEC_VERSION);
	lua_setfield(L, -2, "_VERSION");
	lua_pushfstring(L, "libcurl/%s %s", curlio_version(), curlio_tls());
	lua_setfield(L, -2, "libcurl");
	return 1;
}
