/* token_cache.h -- tokens in the user's keyring: the driver's part of
   core/token/cache. */
#ifndef AZPEC_TOKEN_CACHE_H
#define AZPEC_TOKEN_CACHE_H

#include "lua/objects.h"

/* The chain of the client at idx wants a record (NEED_CACHED).  [-0, +0] */
void token_cache_look(lua_State *L, int idx);
/* Stores or removes the cached token, as cache_duty says.  [-0, +0] */
void token_cache_settle(lua_State *L, int idx);

#endif
