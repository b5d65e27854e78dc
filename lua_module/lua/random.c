/* random.c -- unpredictable bytes, for ids and seeds. */
#include "lua/random.h"

#include <lauxlib.h>

#include "io/sys.h"

void random_bytes(lua_State *L, void *p, size_t n) {
	if (!sys_random(p, n))
		luaL_error(L, "the system provided no random bytes");
}
