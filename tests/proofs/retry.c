/* retry.c -- how long to wait before the next try. */
#include "proofs.h"

#include "core/retry.h"

/* As the options of a client permit it: up to a day. */
static struct retry_policy any_policy(void) {
	struct retry_policy p = { .max_tries = nondet_int(),
		                  .base_delay = nondet_uint32(),
		                  .max_delay = nondet_uint32(),
		                  .max_asked = nondet_uint32() };
	assume(p.max_tries >= 1);
	assume(p.base_delay <= 86400000 && p.max_delay <= 86400000);
	return p;
}

static void backs_off(int tries) {
	struct retry_policy p = RETRY_DEFAULT;
	int64_t ms = retry_backoff(&p, tries, nondet_uint32());
	assert(ms >= (tries > 6 ? 48000 : 640) && ms <= p.max_delay);
}

/* By the default policy, with any random number: never longer than the longest,
   and no shorter than 0.8 of the base. */
void prove_retry_backoff(void) {
	for (int tries = 1; tries <= 22; tries++)
		backs_off(tries);
	backs_off(INT32_MAX);
}

/* What the service asks for is what is waited, or it is given up. */
void prove_retry_delay(void) {
	struct retry_policy p = any_policy();
	int tries = nondet_int();
	int64_t asked = nondet_int64(), ms;
	assume(tries >= 1 && (asked == -1 || asked > 0));
	ms = retry_delay(&p, tries, asked, nondet_uint32());
	assert(ms >= -1 && ms <= (asked == -1 ? p.max_delay : p.max_asked));
	assert((ms == -1) == (tries >= p.max_tries || asked > p.max_asked));
	assert(ms == -1 || asked == -1 || ms == asked);
}
