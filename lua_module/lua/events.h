/*
 * events.h -- tells on_event what happens: request, response, retry, poll,
 * token, subscription, policy_token, end.  Without on_event nothing is built
 * and nothing is called.  Header fields and query parameters pass an
 * allow-list; bodies never do.
 */
#ifndef AZPEC_EVENTS_H
#define AZPEC_EVENTS_H

#include "lua/objects.h"

/* client: index of the client; job NULL: the sign-in's.  An error of on_event
   is kept for the poller concerned.  These functions raise only when out of
   memory, and on Ctrl-C. */
void event_request(lua_State *L, int client, struct job *job,
                   const struct request *q);
/* poller: index of the poller, or of nil for the sign-in. */
void event_response(lua_State *L, int client, int poller, const struct op *o,
                    const struct transfer *t);
/* Reports a policy token that was issued. */
void event_policy(lua_State *L, int client, int poller, const struct op *o);
/* After the answer was judged: what it led to. */
void event_after(lua_State *L, int client, int poller, const struct op *o,
                 struct now now);
/* Reports the outcome of a token cache access: "found", "stored", "removed" or
   "refused". why: the reason if "refused"; otherwise NULL. */
void event_cache(lua_State *L, int client, const char *outcome,
                 const char *why);
void event_end(lua_State *L, int client, struct job *job);
/* The client's subscription was found by its sign-in. */
void event_subscription(lua_State *L, int client);

#endif
