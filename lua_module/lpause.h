/* lpause.h -- client:wait: time passes, and the client's work with it. */
#ifndef AZPEC_LPAUSE_H
#define AZPEC_LPAUSE_H

#include "objects.h"

void lpause_open(lua_State *L); /* makes the metatable.  [-0, +0] */
int l_client_wait(lua_State *L);

#endif
