/*
 * calls.h -- the API's calls as methods of a client.  Each is a row of a table,
 * named after its operation in the REST API description of Batch.
 */
#ifndef AZPEC_CALLS_H
#define AZPEC_CALLS_H

#include "lua/objects.h"

/* Sets the methods in the table at the top.  [-0, +0] */
void calls_set(lua_State *L);
/* azpec.update.  Stack: 1 = the checked options, 2 = the client, which is
   closed at the end. */
int calls_update(lua_State *L);
/* Option flags of an update: FOR_... of options.h. */
int calls_update_fields(void);

#endif
