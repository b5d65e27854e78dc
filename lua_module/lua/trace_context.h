/*
 * trace_context.h -- makes each request a span of the distributed trace that
 * its operation belongs to; for the sign-in, the client's trace.
 */
#ifndef AZPEC_TRACE_CONTEXT_H
#define AZPEC_TRACE_CONTEXT_H

#include "lua/objects.h"

/* Adds traceparent and tracestate to the client's next request. job NULL: the
   sign-in's.  Raises if the system has no random bytes.  [-0, +0] */
void trace_context_add(lua_State *L, struct client *c, const struct job *job);
/* Sets trace_id, span_id and parent_id of the event on the top, if the request
   has them. o NULL: the sign-in's.  [-0, +0] */
void trace_context_tell(lua_State *L, const struct client *c,
                        const struct op *o, const struct request *q);

#endif
