/* lcredential.h -- azpec.credential: immutable descriptions of who signs in.
   Tokens live in the client that fetched them. */
#ifndef AZPEC_LCREDENTIAL_H
#define AZPEC_LCREDENTIAL_H

#include <lua.h>

#include "core/signin.h"

#define CREDENTIAL_TYPE "azpec.credential"

/* Pushes the table azpec.credential.  [-0, +1] */
void lcredential_open(lua_State *L);
/* The credential at idx, or what the environment offers where it is nil.  The
   spans are anchored: in its table, which is pushed.  Its token function, or
   nil, is pushed above.  [-0, +2] */
void lcredential_read(lua_State *L, int idx, struct signin_spec *spec);

#endif
