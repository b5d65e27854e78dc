/* enums.h -- the enums of the REST API description as Lua tables. */
#ifndef AZPEC_ENUMS_H
#define AZPEC_ENUMS_H

#include <lua.h>

#include "core/buf.h"

/* Sets azpec.<Name> = { Value = "Value", ... } for each enum in the table on
   the top of the stack.  Reading an unknown name raises.  [-0, +0] */
void enums_set(lua_State *L);
bool enums_is_status(struct span s);
const char *enums_statuses(void); /* for messages */

#endif
