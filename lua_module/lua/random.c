/* random.c -- unpredictable bytes, for ids and seeds. */
#include "lua/random.h"

#include <lauxlib.h>
#include <string.h>

#include "io/sys.h"

void random_bytes(lua_State *L, void *p, size_t n) {
	if (!sys_random(p, n))
		luaL_error(L, "the system provided no random bytes");
}

void random_draw(lua_State *L, struct random_reserve *r, void *p, size_t n) {
	if (r->left < n) {
		random_bytes(L, r->bytes, sizeof r->bytes);
		r->left = sizeof r->bytes;
	}
	r->left -= n;
	memcpy(p, r->bytes + r->left, n);
}
