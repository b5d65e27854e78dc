/* fields.c -- sets fields of a new table. */
#include "lua/fields.h"

void fields_given(lua_State *L, const char *name, struct span s) {
	if (!s.p)
		return;
	lua_pushlstring(L, s.p, s.n);
	lua_setfield(L, -2, name);
}

void fields_span(lua_State *L, const char *name, struct span s) {
	if (s.n > 0)
		fields_given(L, name, s);
}

void fields_string(lua_State *L, const char *name, const char *s) {
	fields_span(L, name, span_of(s));
}

void fields_integer(lua_State *L, const char *name, lua_Integer i) {
	lua_pushinteger(L, i);
	lua_setfield(L, -2, name);
}

void fields_seconds(lua_State *L, const char *name, int64_t ms) {
	lua_pushnumber(L, (lua_Number)ms / 1000);
	lua_setfield(L, -2, name);
}

void fields_boolean(lua_State *L, const char *name, bool b) {
	lua_pushboolean(L, b);
	lua_setfield(L, -2, name);
}
