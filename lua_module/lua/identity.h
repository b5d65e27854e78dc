/* identity.h -- the identity that signed in, and the outcome of each source of
   its credential, as tables for people. */
#ifndef AZPEC_IDENTITY_H
#define AZPEC_IDENTITY_H

#include "lua/objects.h"

/* Pushes { credential, expires_on, claims } for the token of the client at idx,
   which must have one; never the token itself.  [-0, +1] */
void identity_push(lua_State *L, int idx);
/* Pushes the outcome of each link of its credential, in order.  [-0, +1] */
void identity_push_links(lua_State *L, int idx);

#endif
