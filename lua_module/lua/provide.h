/*
 * provide.h -- provides what the sign-in needs from outside the core: the
 * host's functions, files, programs, certificates.
 */
#ifndef AZPEC_PROVIDE_H
#define AZPEC_PROVIDE_H

#include "lua/objects.h"

/* Starts to provide what the current link of the client at idx needs.  [-0,
   +0] */
void provide_start(lua_State *L, int idx);
/* Moves the program that runs for it, if one does.  [-0, +0] */
void provide_step(lua_State *L, int idx);

#endif
