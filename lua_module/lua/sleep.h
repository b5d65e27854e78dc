/* sleep.h -- client:wait: lets time pass while the client's operations go
   on. */
#ifndef AZPEC_SLEEP_H
#define AZPEC_SLEEP_H

#include "lua/objects.h"

void sleep_open(lua_State *L); /* makes the metatable.  [-0, +0] */
int l_client_wait(lua_State *L);

#endif
