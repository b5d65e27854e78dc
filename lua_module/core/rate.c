/* rate.c -- the service's counters, and the pace that they allow. */
#include "rate.h"

enum { GLOBAL = RATE_KINDS }; /* the same three, of all principals together */

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

/* The buckets' sizes, and what comes back each second. */
static const struct {
	int64_t size, refill;
} buckets[RATE_KINDS] = { { 250, 25 }, { 200, 10 }, { 200, 10 } };

void rate_init(struct rate *r) {
	*r = (struct rate){ .last = { 0 } };
	for (int i = 0; i < RATE_COUNT; i++)
		r->remaining[i] = -1;
}

const char *rate_name(int i) {
	return names[i];
}

void rate_sent(struct rate *r, enum rate_kind kind, struct now now) {
	r->last[kind] = now.mono;
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

/* Of the subscription's limit, not of one resource that is busy. */
static bool by_the_front_door(const struct answer *a) {
	struct span code = a->facts.code;
	return span_ieq(code, SPAN("SubscriptionRequestsThrottled")) ||
	       span_ieq(code, SPAN("TooManyRequests")) ||
	       span_ieq(reply_header(a->http, "x-ms-failure-cause"),
	                SPAN("gateway"));
}

void rate_note(struct rate *r, enum rate_kind kind, const struct answer *a,
               int64_t longest) {
	const struct reply *reply = a->http;
	static const struct span prefix = { "x-ms-ratelimit-remaining-", 25 };
	size_t at = 0;
	while (at < reply->head.n) {
		struct span line = span_of(reply->head.p + at);
		at += line.n + 1;
		if (span_istarts(line, prefix))
			note_line(r, span_from(line, prefix.n));
	}
	if (reply->status == 429 && by_the_front_door(a)) {
		int64_t asked = http_retry_after(reply, a->at.wall);
		if (asked > 0 && asked <= longest)
			r->hold[kind] = a->at.mono + asked;
	}
}

/* What is left when those on their way have arrived; INT64_MAX: unknown. */
static int64_t left(const struct rate *r, enum rate_kind kind, size_t flying) {
	int64_t own = r->remaining[kind], all = r->remaining[GLOBAL + kind];
	int64_t least = own < 0 || (all >= 0 && all < own) ? all : own;
	return least < 0 ? INT64_MAX : least - (int64_t)flying;
}

/* With more than a tenth of the bucket left, as fast as one can; from there on
   the pause grows as what is left shrinks.  Where a tenth is left the pace is
   that of the refill, so the bucket stays there, and does not run dry. */
static int64_t pause(int64_t left, enum rate_kind kind) {
	int64_t tenth = buckets[kind].size / 10;
	if (left > tenth)
		return 0;
	return 1000 * tenth / buckets[kind].refill / (left > 1 ? left : 1);
}

int64_t rate_next(const struct rate *r, enum rate_kind kind, size_t flying) {
	int64_t next = r->last[kind] + pause(left(r, kind, flying), kind);
	return next > r->hold[kind] ? next : r->hold[kind];
}
