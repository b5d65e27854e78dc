/*
 * rate.h -- client-side pacing by the service's rate limits.
 *
 * The service reports the rest of each limit in the headers
 * x-ms-ratelimit-remaining-*.  Near the end of a limit the requests are spread
 * out, so that no 429 stops them.
 *
 * Rules: "Understand how Azure Resource Manager throttles requests".  Each
 * subscription and principal has one token bucket for reads, one for writes and
 * one for deletes.  Their sizes and refill rates are fixed.
 *
 * Azure Resource Graph counts queries separately, in windows of a few seconds
 * ("Guidance for throttled requests in Azure Resource Graph").  If none is
 * left, the next query waits for the end of the window.
 */
#ifndef AZPEC_RATE_H
#define AZPEC_RATE_H

#include "core/answer.h"

enum { RATE_COUNT = 10 };
enum rate_kind { RATE_READ, RATE_WRITE, RATE_DELETE, RATE_QUERY, RATE_KINDS };

struct rate {
	int64_t remaining[RATE_COUNT]; /* -1: not reported yet */
	int64_t last[RATE_KINDS];      /* ms: time of the last request */
	int64_t hold[RATE_KINDS];      /* ms: no request before this, because of
	                                  a 429 or an empty window */
};

void rate_init(struct rate *r);
/* The limit's name, as in the header after "remaining-". */
const char *rate_name(int i);

void rate_sent(struct rate *r, enum rate_kind kind, struct now now);
/* Records the counters of an answer, and its Retry-After if it is a 429.  The
   429 holds back all requests of its kind, if it asks for at most `longest` ms;
   a longer wait concerns only the request that it answered. */
void rate_note(struct rate *r, enum rate_kind kind, const struct answer *a,
               int64_t longest);
/* The time, in ms of the monotonic clock, at which the next request may be
   sent. in_flight: the number of requests of this kind in flight. */
int64_t rate_next(const struct rate *r, enum rate_kind kind, size_t in_flight);

#endif
