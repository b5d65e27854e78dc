/*
 * heap.c -- a Lua function that returns the bytes of all blocks in use: what
 * the process holds, without what malloc and Lua's collector keep in reserve.
 */
#include <lua.h>
#include <malloc.h>

int luaopen_heap(lua_State *L);

static int l_heap(lua_State *L) {
	struct mallinfo2 m = mallinfo2();
	lua_pushinteger(L, (lua_Integer)(m.uordblks + m.hblkhd));
	return 1;
}

int luaopen_heap(lua_State *L) {
	lua_pushcfunction(L, l_heap);
	return 1;
}
