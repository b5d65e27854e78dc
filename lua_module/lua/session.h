/*
 * session.h -- what an open client holds, and which process may use it. Nothing
 * here waits, steps the client or knows a method of the API.  Of the other
 * files in lua/ it uses only wakeup.
 *
 * Three things are decided only here:
 *
 * Ownership.  A client belongs to the process that opened its descriptor.
 * After a fork the child's first call of session_check_open ends the parent's
 * operations.  It sends nothing, closes nothing of the parent's, and opens a
 * descriptor and a libcurl handle for the child.
 *
 * Guarded calls. session_pcall runs every function of the host: on_event,
 * before_write, a credential's function, tostring of its errors.  Such a
 * function may raise and may fork, but may not step or close the client.
 *
 * The life of a poller.  The client keeps a poller in its list until its
 * outcome was collected.  The functions below also end the transfer of a
 * dropped poller.
 */
#ifndef AZPEC_SESSION_H
#define AZPEC_SESSION_H

#include "lua/objects.h"

/* Makes the metatable of the pool of descriptors, and the Lua state's pool,
   which is finalized after all clients.  [-0, +0] */
void session_open(lua_State *L);

/* ---- the client --------------------------------------------------------- */

/* Returns the client at idx, open or closed; raises if it is not a client. */
struct client *session_check(lua_State *L, int idx);
/* The same, but raises if the client is closed.  In a forked child it first
   leaves the parent's resources. */
struct client *session_check_open(lua_State *L, int idx);
/* Pushes the Lua state's pool of descriptors.  [-0, +1] */
struct pollset_pool *session_push_pool(lua_State *L);
/* Opens the descriptor and libcurl's handle; raises on failure. */
void session_open_io(lua_State *L, struct client *c);
/* Ends all operations of the client at idx as canceled, and closes it.  May be
   called repeatedly. */
void session_close(lua_State *L, int idx);

/* ---- the host's functions ----------------------------------------------- */

/* Calls the function below its n arguments.  False: the error that it raised is
   on the top of the stack. */
bool session_pcall(lua_State *L, struct client *c, int n, int results);
/* True when the value on the top is what lua raises after SIGINT
   ("interrupted!", lstop in lua.c).  It may be raised wherever Lua code runs.
   [-0, +0] */
bool session_interrupted(lua_State *L);
/* Converts the value on the top to a string, also if its __tostring fails.  Of
   a table that has a text `message`, that is taken.  Access is raw.  [-1,
   +1] */
struct span session_text(lua_State *L, struct client *c);

/* ---- pollers ------------------------------------------------------------ */

/* Returns the poller at idx; raises if it is not a poller. */
struct poller *session_check_poller(lua_State *L, int idx);
/* Pushes the poller of a job of the client at idx.  [-0, +1] */
void session_push_poller(lua_State *L, int idx, const struct job *job);
/* Adds the poller at idx to its client's list, or removes it.  [-0, +0] */
void session_list(lua_State *L, int idx, struct poller *p);
void session_unlist(lua_State *L, int idx, struct poller *p);
/* Aborts the job's transfer, if one is in flight. */
void session_abort(struct client *c, struct job *job);
/* Removes the operation from its client, in any state. */
void session_drop(struct poller *p);
/* Call this when the outcome of the poller at idx was handed out.  [-0, +0] */
void session_collect(lua_State *L, int idx, struct poller *p);
/* Ends the operation as canceled, if it has not ended. */
void session_cancel(struct poller *p);
/* Ends it as canceled because the process was forked, if it has not ended. */
void session_left_to_parent(struct op *op, struct now now);
/* session_cancel, then session_collect.  [-0, +0] */
void session_let_go(lua_State *L, int idx);

#endif
