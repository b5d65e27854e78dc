/* module.c -- luaopen_azpec: makes the table that require "azpec" returns. */
#include <lauxlib.h>

#include "azpec.h"
#include "io/curlio.h"
#include "lua/loop.h"
#include "lua/enums.h"
#include "lua/client.h"
#include "lua/completions.h"
#include "lua/credential.h"
#include "lua/error.h"
#include "lua/session.h"
#include "lua/sleep.h"
#include "lua/poller.h"

#if LUA_VERSION_NUM != 504
#error "azpec is made for Lua 5.4"
#endif

/* type(v): the name of an azpec object, or nil, like io.type. */
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
	luaL_checkversion(L); /* raises unless the Lua version is 5.4 */
	why = curlio_global();
	if (why)
		return luaL_error(L, "azpec cannot use this libcurl: %s", why);
	error_open(L);
	session_open(L);
	client_open(L);
	poller_open(L);
	completions_open(L);
	sleep_open(L);
	loop_open(L);
	luaL_newlib(L, functions);
	enums_set(L);
	credential_open(L);
	lua_setfield(L, -2, "credential");
	lua_pushliteral(L, "azpec " AZPEC_VERSION);
	lua_setfield(L, -2, "_VERSION");
	lua_pushliteral(L, AZPEC_RELEASED);
	lua_setfield(L, -2, "_RELEASED");
	lua_pushfstring(L, "libcurl/%s %s", curlio_version(), curlio_tls());
	lua_setfield(L, -2, "libcurl");
	return 1;
}
