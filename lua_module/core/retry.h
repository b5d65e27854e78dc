/*
 * retry.h -- one request with its retries.  Time and randomness are arguments:
 * (policy, tries so far, outcome, random) -> give up, or wait so long.
 */
#ifndef AZPEC_RETRY_H
#define AZPEC_RETRY_H

#include "http.h"

struct retry_policy {
	int max_tries;      /* the first one included */
	int64_t base_delay; /* ms */
	int64_t max_delay;  /* ms: ceiling of a delay, the service's included */
	bool conflict;      /* the caller asked to retry a 409 as well */
};

/* Azure SDK guidelines, "HTTP retry": 3 retries, 0.8 s, at most 60 s. */
#define RETRY_DEFAULT                                                          \
	((struct retry_policy){                                                \
		.max_tries = 4, .base_delay = 800, .max_delay = 60000 })

/* Would the same request, sent again, perhaps succeed?  code: the service's
   error code. */
bool retry_worthwhile(const struct retry_policy *p, const struct reply *r,
                      struct span code);
/* Does a conflict of that code last until somebody does something about it? */
bool retry_is_lasting(struct span code);
/* Back-off after so many tries: (2^tries - 1) * base * [0.8, 1.3). */
int64_t retry_backoff(const struct retry_policy *p, int tries, uint32_t random);
/* ms to wait before the next try; -1: give up.  asked: what the service wants
   us to wait, -1 when it said nothing. */
int64_t retry_delay(const struct retry_policy *p, int tries, int64_t asked,
                    uint32_t random);
/* May the request of this outcome have been carried out all the same?  501 and
   505 are answers: it was not. */
bool retry_ambiguous(const struct reply *r);

#endif
