/* sleep.c -- client:wait: lets time pass while the client's operations go
   on. */
#include "lua/sleep.h"

#include <lauxlib.h>

#include "lua/loop.h"
#include "lua/session.h"
#include "io/sys.h"

#define PAUSE_TYPE "azpec.pause"

/* Only the client's end ends the wait before its time. */
static bool holds(const void *client) {
	const struct client *c = client;
	return !c->open;
}

static int passed(lua_State *L) {
	(void)L;
	return 0;
}

/* stack: 1 = the client, 2 = seconds */
int l_client_wait(lua_State *L) {
	struct client *c = session_check_open(L, 1);
	struct condition *w;
	lua_Number s;
	luaL_checktype(L, 2, LUA_TNUMBER); /* no string of digits */
	s = lua_tonumber(L, 2);
	luaL_argcheck(L, s >= 0 && s <= 1e9, 2,
	              "from 0 to 1e9 seconds expected");
	lua_settop(L, 1);
	w = lua_newuserdatauv(L, sizeof *w, UV_CLIENT);
	*w = (struct condition){ .client = c, .holds = holds, .of = c };
	luaL_setmetatable(L, PAUSE_TYPE);
	lua_insert(L, LOOP_OBJECT);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, LOOP_OBJECT, UV_CLIENT);
	loop_push_waiter(L, 2);
	lua_insert(L, LOOP_WAIT); /* and the waiter gets the client as its
	                             argument */
	lua_settop(L, LOOP_CLOSE);
	return loop_until(L, w, sys_mono() + (int64_t)(s * 1000), passed);
}

void sleep_open(lua_State *L) {
	luaL_newmetatable(L, PAUSE_TYPE);
	lua_pop(L, 1);
}
