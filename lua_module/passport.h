/*
 * passport.h -- continuation tokens: versioned JSON that lets another process
 * go on watching an operation.  It holds no secret, names what was asked, and
 * is bound to endpoint and subscription.  It is not signed: anybody can write
 * one.  So it has no say in whether something is written (the caller has), and
 * every member is checked; one that this version does not write, writes in
 * another type or longer, or writes once, is refused.
 */
#ifndef AZPEC_PASSPORT_H
#define AZPEC_PASSPORT_H

#include "objects.h"

/* Pushes the token of the poller at idx.  [-0, +1] */
void passport_push(lua_State *L, int idx);
/* Decodes the token on the top of the stack into a table that replaces it and
   into spec and polling URL, whose spans live as long as that table.  NULL:
   fine; otherwise why it is refused, as a text that lives as long as the stack
   is not cut.  [-1, +1], and more where it is refused */
const char *passport_read(lua_State *L, int codec, const struct lclient *c,
                          struct op_spec *spec, enum poll_source *source,
                          struct span *url, bool *changed);

#endif
