/*
 * rate.h -- what the service last said of the limits it keeps, in the headers
 * x-ms-ratelimit-remaining-*, and how fast its clients may therefore go on:
 * slower and slower before a 429 stops them.
 *
 * Rules: "Understand how Azure Resource Manager throttles requests".  Each
 * subscription and principal has a bucket for reads, one for writes, one for
 * deletes, of a known size, into which so many come back each second.
 */
#ifndef AZPEC_RATE_H
#define AZPEC_RATE_H

#include "answer.h"

enum { RATE_COUNT = 10 };
enum rate_kind { RATE_READ, RATE_WRITE, RATE_DELETE, RATE_KINDS };

struct rate {
	int64_t remaining[RATE_COUNT]; /* -1: never heard of */
	int64_t last[RATE_KINDS];      /* ms: when a request went out */
	int64_t hold[RATE_KINDS];      /* ms: none before, by a 429 */
};

void rate_init(struct rate *r);
/* The limit's name, as in the header after "remaining-". */
const char *rate_name(int i);

void rate_sent(struct rate *r, enum rate_kind kind, struct now now);
/* longest: ms that a 429 may stop all
   requests of its kind, beyond that it only concerns the one it answered. */
void rate_note(struct rate *r, enum rate_kind kind, const struct answer *a,
               int64_t longest);
/* ms of the monotonic clock: when the next request may go out, with so many of
   its kind on their way. */
int64_t rate_next(const struct rate *r, enum rate_kind kind, size_t flying);

#endif
