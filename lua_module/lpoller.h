/* lpoller.h -- the poller: one operation in Lua's hands. */
#ifndef AZPEC_LPOLLER_H
#define AZPEC_LPOLLER_H

#include "drive.h"

void lpoller_open(lua_State *L); /* makes the metatable.  [-0, +0] */
/* Makes a poller of the client at idx for spec, whose strings may be freed
   afterwards, and pushes it; its operation has not begun.  [-0, +1] */
struct poller *lpoller_new(lua_State *L, int idx, const struct op_spec *spec);
/* Begins the operation of the poller at idx.  To be the last thing that may
   raise: what a call that raised has begun would go on.  [-0, +0] */
void lpoller_begin(lua_State *L, int idx);
/* Pushes what the blocking call returns for the ended poller at idx, and
   takes it off the client's list.  [-0, +(1|2)] */
int lpoller_push_outcome(lua_State *L, int idx);
/* Pushes the waiter to use for the poller at idx.  [-0, +1] */
void lpoller_push_waiter(lua_State *L, int idx);
/* Begins the operation of the poller at the top of the stack, waits for it and
   returns its outcome; should the call be cut short, the operation ends with
   it.  closing: index of a value to be closed at the end, or 0. */
int lpoller_call(lua_State *L, int closing);

#endif
