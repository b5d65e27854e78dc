/*
 * json_error.h -- reads code, text and details from the decoded body of an
 * error, in any of its shapes.
 */
#ifndef AZPEC_JSON_ERROR_H
#define AZPEC_JSON_ERROR_H

#include <lua.h>

#include "core/answer.h"

/* Reads the error in the value at idx, if there is one, into facts; the spans
   live as long as that value.  [-0, +0] */
void json_read_error(lua_State *L, int idx, struct facts *facts);
/* Pushes what the error in the table at idx says beside its text: its details
   and its additionalInfo, tables or nil.  [-0, +2] */
void json_push_details(lua_State *L, int idx);

#endif
