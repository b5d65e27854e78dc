/* client.h -- azpec.client: endpoint, sign-in and descriptor as a Lua
   object. */
#ifndef AZPEC_CLIENT_H
#define AZPEC_CLIENT_H

#include "lua/objects.h"

void client_open(lua_State *L); /* makes the metatable.  [-0, +0] */
/* azpec.client and azpec.update */
int l_client(lua_State *L);
int l_update(lua_State *L);

#endif
