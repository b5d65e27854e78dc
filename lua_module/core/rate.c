/* rate.c -- the service's counters, and the pace derived from them. */
#include "core/rate.h"

enum {
	BUCKETS = RATE_QUERY, /* the number of kinds before it */
	/* After the own limits: the same three for all principals together. */
	GLOBAL = BUCKETS,
};

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

/* Size of each bucket, and its refill per second. */
static const struct {
	int64_t size, refill;
} buckets[BUCKETS] = { { 250, 25 }, { 200, 10 }, { 200, 10 } };

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

/* Reads one counter, such as "subscription-reads: 11999". */
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

/* True when the 429 is about the subscription's limit, not one busy
   resource. */
static bool is_subscription_limit(const struct answer *a) {
	struct span code = a->facts.code;
	return span_ieq(code, SPAN("SubscriptionRequestsThrottled")) ||
	       span_ieq(code, SPAN("TooManyRequests")) ||
	       span_ieq(reply_header(a->http, "x-ms-failure-cause"),
	                SPAN("gateway"));
}

/* The header: "x-ms-user-quota-remaining: 0". */
static void note_window(struct rate *r, const struct answer *a,
                        int64_t longest) {
	const struct reply *reply = a->http;
	bool refused = reply->status == 429;
	int64_t left, wait = refused ? http_retry_after(reply, a->at.wall)
	                             : http_quota_reset(reply);
	struct span counter = reply_header(reply, "x-ms-user-quota-remaining");
	bool empty = refused || (span_uint(counter, &left) && left == 0);
	if (empty && wait > 0 && wait <= longest)
		r->hold[RATE_QUERY] = a->at.mono + wait;
}

void rate_note(struct rate *r, enum rate_kind kind, const struct answer *a,
               int64_t longest) {
	const struct reply *reply = a->http;
	static const struct span prefix = { "x-ms-ratelimit-remaining-", 25 };
	size_t at = 0;
	if (kind == RATE_QUERY) {
		note_window(r, a, longest);
		return;
	}
	while (at < reply->head.n) {
		struct span line = span_of(reply->head.p + at);
		at += line.n + 1;
		if (span_istarts(line, prefix))
			note_line(r, span_from(line, prefix.n));
	}
	if (reply->status == 429 && is_subscription_limit(a)) {
		int64_t asked = http_retry_after(reply, a->at.wall);
		if (asked > 0 && asked <= longest)
			r->hold[kind] = a->at.mono + asked;
	}
}

/* The budget left after the requests in flight; INT64_MAX: unknown. */
static int64_t left(const struct rate *r, enum rate_kind kind,
                    size_t in_flight) {
	int64_t own = r->remaining[kind], all = r->remaining[GLOBAL + kind];
	int64_t least = own < 0 || (all >= 0 && all < own) ? all : own;
	return least < 0 ? INT64_MAX : least - (int64_t)in_flight;
}

/* Above a tenth of the bucket there is no pause.  Below it the pause grows as
   the budget shrinks.  At exactly a tenth the pace equals the refill rate, so
   the bucket stays there and is never empty. */
static int64_t pause(int64_t left, enum rate_kind kind) {
	int64_t tenth = buckets[kind].size / 10;
	if (left > tenth)
		return 0;
	return 1000 * tenth / buckets[kind].refill / (left > 1 ? left : 1);
}

int64_t rate_next(const struct rate *r, enum rate_kind kind, size_t in_flight) {
	int64_t next = r->last[kind];
	if (kind != RATE_QUERY)
		next += pause(left(r, kind, in_flight), kind);
	return next > r->hold[kind] ? next : r->hold[kind];
}
