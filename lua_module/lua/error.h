/* error.h -- the err table that Lua code gets for a runtime failure. */
#ifndef AZPEC_ERROR_H
#define AZPEC_ERROR_H

#include "lua/objects.h"

#define ERROR_TYPE "azpec.error"

void error_open(lua_State *L); /* makes the metatable.  [-0, +0] */
/* Pushes the err table of the poller at idx, which has failed.  [-0, +1] */
void error_push(lua_State *L, int idx);
/* Pushes a timeout for a poller that has not ended: the wait's limit has passed
   and the operation continues.  [-0, +1] */
void error_push_timeout(lua_State *L, int idx);
/* Pushes an err table with this kind and message.  [-0, +1] */
void error_push_plain(lua_State *L, enum fail_kind kind, const char *message);
/* Raises the error of on_event, which is on the top.  Beneath it are the n
   results of the call: a value, or nil and an error. */
int error_raise_with(lua_State *L, struct client *c, int n);

#endif
