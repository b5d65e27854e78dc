/* lcredential.h -- azpec.credential: immutable descriptions of who signs in.
   Tokens live in the client that fetched them. */
#ifndef AZPEC_LCREDENTIAL_H
#define AZPEC_LCREDENTIAL_H

#include <lua.h>

#include "core/signin.h"

#define CREDENTIAL_TYPE "azpec.credential"

enum { MAX_LINKS = 16 }; /* of a chain */

/* Pushes the table azpec.credential.  [-0, +1] */
void lcredential_open(lua_State *L);
/* The credential at idx, or the default chain where it is nil: fills specs and
   returns how many.  Pushes the list of their fields, which anchors all
   strings of specs.  [-0, +1] */
size_t lcredential_push(lua_State *L, int idx,
                        struct signin_spec specs[MAX_LINKS]);

#endif
