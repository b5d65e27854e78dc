/* lidentity.h -- who is signed in, and what each link of the credential made
   of it: for people. */
#ifndef AZPEC_LIDENTITY_H
#define AZPEC_LIDENTITY_H

#include "objects.h"

/* { credential, expires_on, claims } of the token of the client at idx, which
   has one; never the token.  [-0, +1] */
void lidentity_push(lua_State *L, int idx);
/* What became of each link of its credential, in order.  [-0, +1] */
void lidentity_push_links(lua_State *L, int idx);

#endif
