/*
 * credential.h -- azpec.credential: immutable descriptions of an identity.  The
 * client that fetches a token keeps it.
 */
#ifndef AZPEC_CREDENTIAL_H
#define AZPEC_CREDENTIAL_H

#include <lua.h>

#include "core/token/chain.h"

#define CREDENTIAL_TYPE "azpec.credential"

enum { MAX_LINKS = 16 }; /* links of a chain */

/* Pushes the table azpec.credential.  [-0, +1] */
void credential_open(lua_State *L);
/* Reads the credential at idx, or the default chain if it is nil.  Fills specs
   and returns their number.  Pushes the list of their fields, which anchors all
   strings of specs.  [-0, +1] */
size_t credential_push(lua_State *L, int idx,
                       struct chain_spec specs[MAX_LINKS]);

#endif
