/*
 * waiting.h -- who waits at a client's descriptor, and what for: the end of a
 * poller, or the next one to end of many.  Knows no Lua state: nothing here can
 * throw.
 */
#ifndef AZPEC_WAITING_H
#define AZPEC_WAITING_H

#include "objects.h"

/* A call begins, and ends, to wait for it; each arm has its disarm.  limit:
   when it gives up, ms of the monotonic clock. */
void waiting_arm(struct waiting *w, int64_t limit);
void waiting_disarm(struct waiting *w);
/* It is there: whoever waits for it is woken. */
void waiting_tell(struct waiting *w);
/* Nobody waits for it in this process: it is a fork's child. */
void waiting_forget(struct waiting *w);

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
