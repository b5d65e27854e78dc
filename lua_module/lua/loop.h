/*
 * loop.h -- makes a client's operations progress, and waits for a condition:
 * the end of an operation, or of the next of several.  Blocking, yielding and a
 * guest in an event loop differ only in the waiter function that is called.
 */
#ifndef AZPEC_LOOP_H
#define AZPEC_LOOP_H

#include "lua/objects.h"

void loop_open(lua_State *L); /* makes its metatable.  [-0, +0] */
/* Performs one step of the client at idx without blocking.  [-0, +0] */
void loop_step(lua_State *L, int idx);

/* Reports the end of a job of the client at idx, once: to the calls that wait
   and to on_event.  A step does this; a call that takes the outcome earlier
   does it first.  [-0, +0] */
void loop_conclude(lua_State *L, int idx, struct job *job);

/* The stack of a waiting call; the waiter may yield between two turns. */
enum {
	LOOP_OBJECT = 1, /* what is waited for; its user value UV_CLIENT is the
	                    client */
	LOOP_WAIT,       /* the waiter function */
	LOOP_PASSED,     /* the argument of the waiter */
	LOOP_CLOSE,      /* to be closed at the end, or nil */
	LOOP_GUARD,      /* the loop's own value */
	LOOP_TOP = LOOP_GUARD
};

/* Called when the condition holds or the limit has passed. */
typedef int (*loop_end)(lua_State *L);

/* Prepares the wait for the object's condition w, until limit (ms of the
   monotonic clock; NEVER: no limit).  The slots below LOOP_GUARD must be
   filled. */
void loop_guard(lua_State *L, struct condition *w, int64_t limit);
/* Waits, then returns what `end` returns. */
int loop_on(lua_State *L, loop_end end);
/* loop_guard, then loop_on. */
int loop_until(lua_State *L, struct condition *w, int64_t limit, loop_end end);

/* Pushes the waiter function for the client at idx.  [-0, +1] */
void loop_push_waiter(lua_State *L, int idx);

#endif
