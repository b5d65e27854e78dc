/*
 * static.c -- an embedding program in small: azpec.h and libazpec.a, two Lua
 * states beside each other, and a name of its own that azpec also uses inside.
 * Prints TAP.
 */
#include <azpec.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int buf_init(void);
int buf_init(void) {
	return 42;
}

static lua_State *open_state(void) {
	lua_State *L = luaL_newstate();
	if (L == NULL)
		return NULL;
	luaL_openlibs(L);
	luaL_requiref(L, "azpec", luaopen_azpec, 0);
	lua_pop(L, 1);
	return L;
}

int main(void) {
	static const char script[] =
		"local azpec = require 'azpec'\n"
		"local client <close> = azpec.client {\n"
		"  endpoint = 'http://127.0.0.1:1',\n"
		"  subscription_id = '00000000-0000-0000-0000-000000000000',\n"
		"  credential = azpec.credential.token { token = 't' } }\n"
		"return azpec._VERSION\n";
	lua_State *first = open_state(), *second = open_state();
	int bad = first == NULL || second == NULL;
	if (!bad && (luaL_dostring(first, script) != LUA_OK ||
	             luaL_dostring(second, script) != LUA_OK))
		bad = 1;
	if (first != NULL)
		printf("# %s\n", lua_tostring(first, -1));
	if (second != NULL)
		lua_close(second);
	if (first != NULL)
		lua_close(first);
	bad = bad || buf_init() != 42;
	printf("%sok 1 - the archive is linked and two states are opened\n"
	       "1..1\n",
	       bad ? "not " : "");
	return bad;
}
