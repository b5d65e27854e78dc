/* fields.h -- sets fields of the table at the top of the stack.  [-0, +0] */
#ifndef AZPEC_FIELDS_H
#define AZPEC_FIELDS_H

#include <lua.h>

#include "core/buf.h"

/* fields_given sets nothing if s is absent; the next two set nothing if the
   text is empty. */
void fields_given(lua_State *L, const char *name, struct span s);
void fields_span(lua_State *L, const char *name, struct span s);
void fields_string(lua_State *L, const char *name, const char *s);
void fields_integer(lua_State *L, const char *name, lua_Integer i);
void fields_seconds(lua_State *L, const char *name, int64_t ms);
void fields_boolean(lua_State *L, const char *name, bool b);

#endif
