/*
 * json.h -- the only file that uses lua-cjson: decodes a reply into a table
 * once, reads the facts for the core, and encodes tables.  It uses its own
 * instance of lua-cjson, so the settings of the shared module are neither used
 * nor changed.
 */
#ifndef AZPEC_JSON_H
#define AZPEC_JSON_H

#include <lua.h>

#include "core/answer.h"
#include "core/redact.h"

/* Requires lua-cjson and pushes our instance of it.  [-0, +1] */
void json_push_codec(lua_State *L);
/* Decodes text with the codec at index codec and pushes the value, or nil
   where text is no JSON object or array; *facts says which.  Faults in single
   strings are repaired, see core/json_repair.h.  Raises only if there is no
   memory.  [-0, +1] */
void json_decode(lua_State *L, int codec, struct span text,
                 struct facts *facts);
/* What the readers put into *facts are spans; they live as long as the value
   that was read, and until json_redact changes it. */
/* Adds the facts of a resource or a status monitor, from what json_decode
   pushed.  [-0, +0], like the next ones */
void json_read_resource(lua_State *L, int idx, struct facts *facts);
/* ... of a page, if it is one. */
void json_read_page(lua_State *L, int idx, struct facts *facts);
/* ... of a query's answer, likewise. */
void json_read_rows(lua_State *L, int idx, struct facts *facts);
/* ... of a response of the token or device authorization endpoint. */
void json_read_token(lua_State *L, int idx, struct facts *facts);
/* ... of the output of az, azd or another program. */
void json_read_program(lua_State *L, int idx, struct facts *facts);
/* ... of a cloud's metadata.  The value at idx is one object or an array of
   them.  Of several, the cloud whose Resource Manager is the endpoint is
   used. */
void json_read_cloud(lua_State *L, int idx, struct span endpoint,
                     struct facts *facts);
/* ... of the answer to a request for a policy token, or of its monitor.  The
   new string is stored in a member of that table or of its properties, so that
   it is not collected. */
void json_read_policy(lua_State *L, int idx, struct facts *facts);
/* Pushes the text of the value at the top, which it replaces.  [-1, +1] */
void json_encode(lua_State *L, int codec);
/* Prepares the connection at idx for Lua code: removes JSON nulls, and sets
   both actionRequired and actionsRequired if one is there.  [-0, +0] */
void json_polish(lua_State *L, int idx);

/* Takes what looks like a token, and the secrets, out of all strings of the
   table at idx; scratch is written over.  [-0, +0] */
void json_redact(lua_State *L, int idx, struct secrets secrets,
                 struct buf *scratch);

#endif
