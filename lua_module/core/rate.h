/*
 * rate.h -- what the service last said of the limits it keeps: the headers
 * x-ms-ratelimit-remaining-* ("Understand how Azure Resource Manager throttles
 * requests").
 */
#ifndef AZPEC_RATE_H
#define AZPEC_RATE_H

#include "http.h"

enum { RATE_COUNT = 10 };

struct rate {
	int64_t remaining[RATE_COUNT]; /* -1: never heard of */
};

void rate_init(struct rate *r);
void rate_note(struct rate *r, const struct reply *reply);
/* The limit's name, as in the header after "remaining-". */
const char *rate_name(int i);

#endif
