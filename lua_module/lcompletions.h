/* lcompletions.h -- client:completions and client:finished: pollers handed out
   as they end. */
#ifndef AZPEC_LCOMPLETIONS_H
#define AZPEC_LCOMPLETIONS_H

#include "objects.h"

void lcompletions_open(lua_State *L); /* makes the metatable.  [-0, +0] */
int l_completions(lua_State *L);
int l_finished(lua_State *L);

void stock_init(struct stock *s, struct lclient *c);
/* The poller was begun for somebody to collect. */
void stock_offer(struct poller *p);
/* It has ended: who waits for the next one is woken. */
void stock_ended(struct poller *p);
/* Somebody has it, or nobody ever will. */
void stock_take(struct poller *p);

#endif
