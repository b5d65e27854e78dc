/*
 * passport.h -- continuation tokens: versioned JSON that lets another process
 * go on watching an operation.  It holds no secret, names what was asked, and
 * is bound to endpoint and subscription.
 */
#ifndef AZPEC_PASSPORT_H
#define AZPEC_PASSPORT_H

#include "objects.h"

/* Pushes the token of the poller at idx.  [-0, +1] */
void passport_push(lua_State *L, int idx);
/* Decodes the token on the top of the stack into a table that replaces it and
   into spec and polling URL, whose spans live as long as that table.  NULL:
   fine; otherwise why it is refused.  [-1, +1] */
const char *passport_read(lua_State *L, int codec, const struct lclient *c,
                          struct op_spec *spec, enum poll_source *source,
                          struct span *url, bool *changed);

#endif
