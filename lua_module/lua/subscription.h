/*
 * subscription.h -- the default subscription of a client without
 * subscription_id.
 *
 * az or azd reports it together with a token.  So a call without a subscription
 * signs in first.  Other credentials report none.
 */
#ifndef AZPEC_SUBSCRIPTION_H
#define AZPEC_SUBSCRIPTION_H

#include "lua/objects.h"

/* Can the sign-in of the client at idx bring the subscription that the options
   at opts do not name? */
bool subscription_is_wanted(lua_State *L, int idx, int opts);
/* Calls the function at the top (client:identity), then `then`, with the
   results at the top.  The continuation's context is the start time, never 0.
   The options timeout and wait apply. */
int subscription_find(lua_State *L, int idx, int opts, lua_KFunction then);
/* ms since that time. */
int64_t subscription_time_since(lua_KContext began);
/* Takes what the sign-in has brought, and tells on_event.  [-0, +0] */
void subscription_adopt(lua_State *L, int idx);

#endif
