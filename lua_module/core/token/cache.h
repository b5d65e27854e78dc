/*
 * cache.h -- a token that the processes of one user share: what its record
 * holds, and which record is believed.  The head of cache.c explains the rules.
 */
#ifndef AZPEC_CACHE_H
#define AZPEC_CACHE_H

#include "core/token/chain.h"

/* Comes before the links of a chain that shares its tokens. */
extern const struct flow flow_cache;

/* What is to be done now; each duty is returned once.  CACHE_STORE: the record
   was written, and is good for *life seconds. */
enum cache_duty cache_duty(struct chain *s, struct now now, struct buf *record,
                           int64_t *life);

/* Adds what decides which token is right, as far as the chain knows it: two
   chains with the same text may use each other's tokens. */
void cache_add_identity(const struct chain *s, struct buf *out);
/* One part of such a text, which no other parts can add up to. */
void cache_add_part(struct buf *out, struct span part);

#endif
