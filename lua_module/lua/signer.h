/* signer.h -- the module azpec_signing, loaded where it is needed. */
#ifndef AZPEC_SIGNER_H
#define AZPEC_SIGNER_H

#include "lua/objects.h"

/* Pushes the module; false: why not.  [-0, +1] */
bool signer_push(lua_State *L, struct client *c);

#endif
