/*
 * before_write.h -- asks the host's before_write whether a PATCH or DELETE may
 * be sent.  Without before_write nothing is built and nothing is called.
 */
#ifndef AZPEC_BEFORE_WRITE_H
#define AZPEC_BEFORE_WRITE_H

#include "lua/objects.h"

/* client: index of the client.  Any result but true, and any error, ends the
   job as canceled; the function may also cancel it.  The caller keeps the job's
   poller on the stack.  Raises only when out of memory, and on Ctrl-C.  [-0,
   +0] */
void before_write_ask(lua_State *L, int client, struct job *job);

#endif
