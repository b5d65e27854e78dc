/* lcompletions.h -- client:completions and client:finished: pollers handed out
   as they end. */
#ifndef AZPEC_LCOMPLETIONS_H
#define AZPEC_LCOMPLETIONS_H

#include "objects.h"

void lcompletions_open(lua_State *L); /* makes the metatable.  [-0, +0] */
int l_completions(lua_State *L);
int l_finished(lua_State *L);

#endif
