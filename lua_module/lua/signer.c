/* signer.c -- OpenSSL is loaded only by programs that need it. */
#include "lua/signer.h"

#include <lauxlib.h>

#include "lua/session.h"

bool signer_push(lua_State *L, struct client *c) {
	lua_getglobal(L, "require");
	lua_pushliteral(L, "azpec_signing");
	if (session_pcall(L, c, 1, 1))
		return true;
	lua_pop(L, 1); /* every place it was looked for */
	lua_pushliteral(L, "azpec_signing.so is not installed (it is built "
	                   "where OpenSSL's headers are: libssl-dev)");
	return false;
}
