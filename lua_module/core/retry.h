/*
 * retry.h -- which outcomes are tried again, and when.
 *
 * Time and randomness are arguments: (policy, tries so far, outcome, random)
 * gives a delay or the order to stop.
 */
#ifndef AZPEC_RETRY_H
#define AZPEC_RETRY_H

#include "core/http.h"

struct retry_policy {
	int max_tries;      /* including the first one */
	int64_t base_delay; /* ms */
	int64_t max_delay;  /* ms: the longest back-off */
	int64_t max_asked;  /* ms: the longest Retry-After that is obeyed */
	bool conflict;      /* also retry a 409 */
	struct span codes;  /* further error codes to retry, one per line */
};

/* Azure SDK guidelines, "HTTP retry": 3 retries, 0.8 s, at most 60 s. */
#define RETRY_DEFAULT                                                          \
	((struct retry_policy){ .max_tries = 4,                                \
	                        .base_delay = 800,                             \
	                        .max_delay = 60000,                            \
	                        .max_asked = 60000 })

/* True when the same request may succeed later, although nobody removes the
   cause. code: the service's error code. */
bool retry_passes(const struct retry_policy *p, const struct reply *r,
                  struct span code);
/* True when azpec sends the same request again.  A conflict may pass only after
   minutes, so it is repeated only if the service or the caller asks for it. */
bool retry_worthwhile(const struct retry_policy *p, const struct reply *r,
                      struct span code);
/* The back-off in ms after that many tries: (2^tries - 1) * base_delay *
   [0.8, 1.3), at most max_delay. */
int64_t retry_backoff(const struct retry_policy *p, int tries, uint32_t random);
/* ms until the next attempt; -1: do not retry. asked: the wait that the service
   asked for in ms, -1 if none.  An `asked` above max_asked also ends the
   retries. */
int64_t retry_delay(const struct retry_policy *p, int tries, int64_t asked,
                    uint32_t random);
/* True when the request may have been carried out despite this outcome. 501 and
   505 prove that it was not (RFC 9110 sections 15.6.2 and 15.6.6). */
bool retry_ambiguous(const struct reply *r);

#endif
