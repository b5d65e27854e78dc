/* completions.h -- client:completions and client:finished: hand out pollers as
   they end. */
#ifndef AZPEC_COMPLETIONS_H
#define AZPEC_COMPLETIONS_H

#include "lua/objects.h"

void completions_open(lua_State *L); /* makes the metatable.  [-0, +0] */
int l_completions(lua_State *L);
int l_finished(lua_State *L);

#endif
