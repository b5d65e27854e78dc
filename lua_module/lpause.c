/* lpause.c -- client:wait: time passes, and the client's work with it. */
#include "lpause.h"

#include <lauxlib.h>

#include "drive.h"
#include "sys.h"

#define PAUSE_TYPE "azpec.pause"

/* Nothing ends it before its time but the end of the client. */
static bool over(const void *client) {
	const struct lclient *c = client;
	return !c->open;
}

static int passed(lua_State *L) {
	(void)L;
	return 0;
}

/* stack: 1 = the client, 2 = seconds */
int l_client_wait(lua_State *L) {
	struct lclient *c = lclient_open_at(L, 1);
	lua_Number s = luaL_checknumber(L, 2);
	struct waiting *w;
	luaL_argcheck(L, s >= 0 && s <= 1e9, 2, "seconds expected");
	lua_settop(L, 1);
	w = lua_newuserdatauv(L, sizeof *w, UV_CLIENT);
	*w = (struct waiting){ .client = c, .over = over, .of = c };
	luaL_setmetatable(L, PAUSE_TYPE);
	lua_insert(L, DRIVE_OBJECT);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, DRIVE_OBJECT, UV_CLIENT);
	drive_push_waiter(L, 2);
	lua_insert(L, DRIVE_WAIT); /* and the client is what it is given */
	lua_settop(L, DRIVE_CLOSE);
	return drive_until(L, w, sys_now().mono + (int64_t)(s * 1000), passed);
}

void lpause_open(lua_State *L) {
	luaL_newmetatable(L, PAUSE_TYPE);
	lua_pop(L, 1);
}
