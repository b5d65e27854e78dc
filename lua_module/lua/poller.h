/* poller.h -- the poller: one operation as a Lua object. */
#ifndef AZPEC_POLLER_H
#define AZPEC_POLLER_H

#include "lua/loop.h"

void poller_open(lua_State *L); /* makes the metatable.  [-0, +0] */
/* Pushes a poller of the client at idx; poller_init makes its operation later.
   [-0, +1] */
struct poller *poller_new(lua_State *L, int idx, enum op_kind kind);
/* Makes the operation from spec, whose strings are copied.  It allocates no
   memory of Lua, so no finalizer of the host runs: spec may be in the client's
   scratch buffers.  [-0, +0] */
void poller_init(lua_State *L, struct poller *p, const struct op_spec *spec);
/* Starts the operation of the poller at idx.  Nothing may raise after it: the
   operation would go on although the call failed.  [-0, +0] */
void poller_begin(lua_State *L, int idx);
/* Pushes what the blocking call returns for the ended poller at idx, and
   removes it from the client's list.  [-0, +(1|2)] */
int poller_push_outcome(lua_State *L, int idx);
/* Pushes the waiter function for the poller at idx.  [-0, +1] */
void poller_push_waiter(lua_State *L, int idx);
/* Starts the operation of the poller on the top, waits for it and returns its
   outcome.  If the call is aborted, the operation is canceled. closing: the
   index of a value to close at the end, or 0. */
int poller_call(lua_State *L, int closing);

#endif
