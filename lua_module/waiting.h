/*
 * waiting.h -- who waits at a client's descriptor, and what for: the end of a
 * poller, or the next one to end of many.  Knows no Lua state: nothing here can
 * throw.
 */
#ifndef AZPEC_WAITING_H
#define AZPEC_WAITING_H

#include "objects.h"

/* A call begins to wait, and ends; disarming twice does nothing. */
void waiter_arm(struct waiter *w);
void waiter_disarm(struct waiter *w);
/* Does anybody wait for it? */
bool waiting_armed(const struct waiting *w);
/* It is there: whoever waits for it is woken. */
void waiting_tell(struct waiting *w);
/* Nobody waits at the client any more, in this process at least: a fork, or
   its end, came between. */
void waiting_forget(struct lclient *c);

/* Those whose limit has passed are woken, and the soonest other is noted. */
void waiting_check(struct lclient *c, struct now now);
/* The descriptor is readable from then on. */
void waiting_due(struct lclient *c, int64_t due);

/* ---- the stock: pollers that were begun for somebody to collect ---------- */

void stock_init(struct stock *s, struct lclient *c);
/* The poller was begun for somebody to collect. */
void stock_offer(struct poller *p);
/* It has ended: who waits for the next one is woken. */
void stock_ended(struct poller *p);
/* Somebody has it, or nobody ever will. */
void stock_take(struct poller *p);
void stock_move(struct poller *p, struct stock *to);

#endif
