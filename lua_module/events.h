/*
 * events.h -- tells on_event what happens: request, response, retry, poll,
 * token, end.  Without on_event nothing is built and nothing is called.
 * Header fields and query parameters pass an allow-list; bodies never do.
 */
#ifndef AZPEC_EVENTS_H
#define AZPEC_EVENTS_H

#include "objects.h"

/* client: index of the client; job NULL: the sign-in's.  What on_event raises
   is kept for the poller concerned: these raise on no memory, and on Ctrl-C. */
void event_request(lua_State *L, int client, struct job *job,
                   const struct request *q);
/* poller: index of the poller, or of nil for the sign-in. */
void event_response(lua_State *L, int client, int poller, const struct op *o,
                    const struct transfer *t);
/* After the answer was judged: what it led to. */
void event_after(lua_State *L, int client, int poller, const struct op *o,
                 struct now now);
void event_end(lua_State *L, int client, struct job *job);

#endif
