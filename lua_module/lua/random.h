/* random.h -- unpredictable bytes, for ids and seeds. */
#ifndef AZPEC_LUA_RANDOM_H
#define AZPEC_LUA_RANDOM_H

#include <lua.h>

#include <stddef.h>

/* Raises if the system has no random bytes. */
void random_bytes(lua_State *L, void *p, size_t n);

/* Random bytes in reserve: one system call provides those of 16 GUIDs.  After a
   fork the child has to empty it (left = 0), or both draw the same bytes. */
struct random_reserve {
	unsigned char bytes[256];
	size_t left; /* the unused ones are the first */
};

/* n: at most 256.  Raises as random_bytes. */
void random_draw(lua_State *L, struct random_reserve *r, void *p, size_t n);

#endif
