/*
 * wakeup.h -- the calls that wait at a client's descriptor, and what each waits
 * for: the end of one poller, or of the next of several.  It knows no Lua
 * state, so nothing here can raise.
 */
#ifndef AZPEC_WAKEUP_H
#define AZPEC_WAKEUP_H

#include "lua/objects.h"

/* False in a forked child until it calls session_check_open. */
bool client_in_own_process(const struct client *c);

/* A call starts to wait, and stops.  Disarming twice has no effect. */
void waiter_arm(struct waiter *w);
void waiter_disarm(struct waiter *w);
/* True when a call waits for this condition. */
bool condition_armed(const struct condition *w);
/* Call this when the condition holds: wakes the calls that wait for it. */
void condition_signal(struct condition *w);
/* After a fork or the client's end: in this process no call waits any more. */
void wakeup_forget(struct client *c);

/* Wakes the calls whose limit has passed, and notes the next limit. */
void wakeup_check(struct client *c, int64_t now);
/* Makes the descriptor readable at that time. */
void wakeup_due(struct client *c, int64_t due);

/* Returns the descriptor of a closed client to the pool, unless a call
   waits. */
void wakeup_release(struct client *c);

/* ---- the completion queue: pollers of begin_* calls, to be collected
   --------- */

void completion_init(struct completion_queue *s, struct client *c);
/* Adds a poller whose operation was started by a begin_* call. */
void completion_offer(struct poller *p);
/* The poller's operation has ended: wakes the call that waits for the next
   one. */
void completion_ended(struct poller *p);
/* Removes the poller: it was collected, or will never be. */
void completion_take(struct poller *p);
void completion_move(struct poller *p, struct completion_queue *to);

#endif
