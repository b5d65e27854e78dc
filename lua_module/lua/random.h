/* random.h -- unpredictable bytes, for ids and seeds. */
#ifndef AZPEC_LUA_RANDOM_H
#define AZPEC_LUA_RANDOM_H

#include <lua.h>

#include <stddef.h>

/* Raises if the system has no random bytes. */
void random_bytes(lua_State *L, void *p, size_t n);

#endif
