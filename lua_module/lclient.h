/* lclient.h -- the client: endpoint, sign-in and descriptor in Lua's hands. */
#ifndef AZPEC_LCLIENT_H
#define AZPEC_LCLIENT_H

#include "objects.h"

void lclient_open(lua_State *L); /* makes the metatable.  [-0, +0] */
/* azpec.client and azpec.update */
int l_client(lua_State *L);
int l_update(lua_State *L);

#endif
