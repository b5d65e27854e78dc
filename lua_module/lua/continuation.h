/*
 * continuation.h -- continuation tokens: versioned JSON that lets another
 * process go on watching an operation.  It holds no secret, names what was
 * asked, and is bound to endpoint and subscription.  Without a key anybody can
 * write one.  The token alone never allows a write; the caller of resume does.
 * Every member is checked.  A token with an unknown, repeated, too long or
 * wrongly typed member is refused.  With a key its last member is the
 * HMAC-SHA256 (RFC 2104) of the token without that member.
 */
#ifndef AZPEC_CONTINUATION_H
#define AZPEC_CONTINUATION_H

#include "lua/objects.h"

/* Pushes the key that tokens of the client at idx are signed with: `key` of the
   options table (or nil) at options, or the client's; nil: none.  [-0, +1] */
void continuation_push_key(lua_State *L, int idx, int options);
/* Replaces the key (or nil) at the top by the token of the poller at idx.
   Raises where it cannot be signed.  [-1, +1] */
void continuation_push(lua_State *L, int idx);
/* Checks the token at the top with the key (or nil) at index key.  wanted: the
   id of the connection that it must belong to; absent: it must belong to the
   client's subscription.  Replaces the token by its decoded table, and fills
   spec and begun; their spans point into that table.  Returns NULL, or the
   reason of the refusal, which is valid until the stack is popped.  [-1, +1],
   and more if the token is refused */
const char *continuation_read(lua_State *L, int codec, int key,
                              struct client *c, struct span wanted,
                              struct op_spec *spec, struct op_begun *begun);

#endif
