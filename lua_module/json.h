/*
 * json.h -- the only file that talks to lua-cjson: a reply becomes a table,
 * once, and the few facts that the core asks for; a table becomes text.  The
 * instance of lua-cjson is our own: the shared module's settings are neither
 * used nor touched.
 */
#ifndef AZPEC_JSON_H
#define AZPEC_JSON_H

#include <lua.h>

#include "core/answer.h"

/* Requires lua-cjson and pushes our instance of it.  [-0, +1] */
void json_push_codec(lua_State *L);
/* Decodes text with the codec at index codec and pushes the value, or nil
   where text is no JSON object or array; *facts says which.  Faults in single
   strings are mended, see core/mend.h.  Raises on no memory only.  [-0, +1] */
void json_decode(lua_State *L, int codec, struct span text,
                 struct facts *facts);
/* What the readers put into *facts are spans; they live as long as the value
   that was read, and until json_redact changes it. */
/* Pushes the member of the table at idx, its name in any letter case, as Azure
   Resource Manager compares names; nil where it is absent.  [-0, +1] */
int json_push_member(lua_State *L, int idx, const char *name);
/* Adds the facts of a resource or a status monitor, from what json_decode
   pushed.  [-0, +0], like the next ones */
void json_read_resource(lua_State *L, int idx, struct facts *facts);
/* ... of a page, if it is one. */
void json_read_page(lua_State *L, int idx, struct facts *facts);
/* ... of what a token's or a device code's endpoint answers, or a program
   prints. */
void json_read_token(lua_State *L, int idx, struct facts *facts);
/* ... of a cloud's metadata, where the value at idx is such, or a list of
   such: of the one whose Resource Manager is at the endpoint. */
void json_read_cloud(lua_State *L, int idx, struct span endpoint,
                     struct facts *facts);
/* Pushes the text of the value at the top, which it replaces.  [-1, +1] */
void json_encode(lua_State *L, int codec);
/* Makes the connection at idx one that Lua code likes to read: JSON's nulls
   are gone, and actionRequired and actionsRequired both there when either
   came.  [-0, +0] */
void json_polish(lua_State *L, int idx);

/* Takes what looks like a token, and the secret, out of all strings of the
   table at idx; scratch is written over.  [-0, +0] */
void json_redact(lua_State *L, int idx, struct span secret,
                 struct buf *scratch);

#endif
