/* lerror.h -- the err table that Lua code is handed when the world failed. */
#ifndef AZPEC_LERROR_H
#define AZPEC_LERROR_H

#include "objects.h"

#define ERROR_TYPE "azpec.error"

void lerror_open(lua_State *L); /* makes the metatable.  [-0, +0] */
/* Pushes the err table of the poller at idx, which has failed.  [-0, +1] */
void lerror_push(lua_State *L, int idx);
/* The same of one that has not: its operation goes on, a wait's time is up.
   [-0, +1] */
void lerror_push_timeout(lua_State *L, int idx);
/* Pushes an err table of that kind and message.  [-0, +1] */
void lerror_push_plain(lua_State *L, enum fail_kind kind, const char *message);

#endif
