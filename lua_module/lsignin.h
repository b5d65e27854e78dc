/* lsignin.h -- sees to what the sign-in needs: the host's functions, files,
   programs, certificates. */
#ifndef AZPEC_LSIGNIN_H
#define AZPEC_LSIGNIN_H

#include "objects.h"

/* What the present link of the client at idx needs.  [-0, +0] */
void lsignin_meet(lua_State *L, int idx);
/* Moves the program that runs for it, if one does.  [-0, +0] */
void lsignin_step(lua_State *L, int idx);

#endif
