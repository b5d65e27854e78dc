/* rate.c -- the service's counters. */
#include "rate.h"

static const char *const names[RATE_COUNT] = {
	"subscription-reads",
	"subscription-writes",
	"subscription-deletes",
	"subscription-global-reads",
	"subscription-global-writes",
	"subscription-global-deletes",
	"tenant-reads",
	"tenant-writes",
	"subscription-resource-requests",
	"subscription-resource-entities-read",
};

void rate_init(struct rate *r) {
	for (int i = 0; i < RATE_COUNT; i++)
		r->remaining[i] = -1;
}

const char *rate_name(int i) {
	return names[i];
}

/* One counter: "subscription-reads: 11999". */
static void note_line(struct rate *r, struct span line) {
	for (int i = 0; i < RATE_COUNT; i++) {
		struct span name = span_of(names[i]);
		int64_t n;
		if (line.n > name.n && line.p[name.n] == ':' &&
		    span_istarts(line, name) &&
		    span_uint(span_trim(span_from(line, name.n + 1)), &n))
			r->remaining[i] = n;
	}
}

void rate_note(struct rate *r, const struct reply *reply) {
	static const struct span prefix = { "x-ms-ratelimit-remaining-", 25 };
	size_t at = 0;
	while (at < reply->head.n) {
		struct span line = span_of(reply->head.p + at);
		at += line.n + 1;
		if (span_istarts(line, prefix))
			note_line(r, span_from(line, prefix.n));
	}
}
