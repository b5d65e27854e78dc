/*
 * drive.h -- moves a client's work, and waits for something of it: the end of
 * an operation, the next of many.  The one loop: blocking, yielding and a guest
 * in an event loop differ only in the waiter that it calls.
 */
#ifndef AZPEC_DRIVE_H
#define AZPEC_DRIVE_H

#include "objects.h"

void drive_open(lua_State *L); /* makes its metatable.  [-0, +0] */
/* One step of the client at idx: never waits.  [-0, +0] */
void drive_step(lua_State *L, int idx);

/* Tells all who wait, and on_event, that the job of the client at idx has
   ended; once.  A step does; so does whoever takes the outcome before it.
   [-0, +0] */
void drive_conclude(lua_State *L, int idx, struct job *job);

/* The stack of a driven call; a waiter may yield between two turns. */
enum {
	DRIVE_OBJECT = 1, /* what is waited for; its user value UV_CLIENT */
	DRIVE_WAIT,       /* the waiter */
	DRIVE_PASSED,     /* what the waiter is given */
	DRIVE_CLOSE,      /* to be closed at the end, or nil */
	DRIVE_GUARD,      /* drive's own */
	DRIVE_TOP = DRIVE_GUARD
};

/* Called when what was waited for is there, or the limit has passed. */
typedef int (*drive_end)(lua_State *L);

/* Makes ready to wait for w, the object's, at most until limit (ms of the
   monotonic clock).  The slots below DRIVE_GUARD are filled. */
void drive_guard(lua_State *L, struct waiting *w, int64_t limit);
/* Waits, then returns what end returns. */
int drive_on(lua_State *L, drive_end end);
/* Both of them. */
int drive_until(lua_State *L, struct waiting *w, int64_t limit, drive_end end);

/* Pushes the waiter to use for the client at idx.  [-0, +1] */
void drive_push_waiter(lua_State *L, int idx);

#endif
