/* rate.c -- the service's counters and its waits; the fields by a contract. */
#include "proofs.h"

#include "core/answer.h"
#define span_ieq span_ieq_contract
static char value[3];

static struct span reply_header_contract(const struct reply *r,
                                         const char *name) {
	assert(r && name);
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = nondet_char();
	return (struct span){ value, any_below(sizeof value + 1) };
}

/* http_retry_after, http_quota_reset: a time, or -1. */
static int64_t http_wait_contract(const struct reply *r, int64_t wall) {
	int64_t ms = nondet_int64();
	assert(r && wall >= 0);
	assume(ms == -1 || ms > 0);
	return ms;
}
#define reply_header reply_header_contract
#define http_retry_after http_wait_contract
#define http_quota_reset(r) http_wait_contract(r, 0)
#include "core/rate.c"

/* As between the calls: no budget below "not reported". */
static struct rate any_rate(void) {
	struct rate r;
	for (int i = 0; i < RATE_COUNT; i++) {
		r.remaining[i] = nondet_int64();
		assume(r.remaining[i] >= -1);
	}
	for (int i = 0; i < RATE_KINDS; i++) {
		r.last[i] = nondet_int64();
		r.hold[i] = nondet_int64();
	}
	return r;
}

/* Whatever the line of a counter has for a number: one budget changes, and none
   is negative. */
void prove_note_line(void) {
	static char line[] = "tenant-reads:999";
	enum { DIGITS = 3, TENANT_READS = 6 };
	struct rate r = any_rate(), was = r;
	for (size_t i = 0; i < DIGITS; i++)
		line[sizeof line - 2 - i] = nondet_char();
	note_line(&r, (struct span){ line, sizeof line - 1 });
	for (int i = 0; i < RATE_COUNT; i++)
		assert(r.remaining[i] == was.remaining[i] ||
		       (i == TENANT_READS && r.remaining[i] >= 0 &&
		        r.remaining[i] < 1000));
}

/* Whatever wait an answer asks for: a hold is of the request's kind and ends
   within `longest`, and no other time changes. */
void prove_rate_note(void) {
	struct reply reply = { .status = nondet_int() };
	struct answer a = { .http = &reply };
	struct rate r = any_rate(), was = r;
	int kind = nondet_int();
	int64_t longest = nondet_int64();
	assume(kind >= 0 && kind < RATE_KINDS);
	assume(longest >= 0 && longest <= 86400000);
	a.at = (struct now){ nondet_int64(), nondet_int64() };
	assume(a.at.mono >= 0 && a.at.mono <= INT64_MAX / 2);
	assume(a.at.wall >= 0);
	rate_note(&r, (enum rate_kind)kind, &a, longest);
	for (int i = 0; i < RATE_KINDS; i++) {
		assert(r.last[i] == was.last[i]);
		assert(r.hold[i] == was.hold[i] ||
		       (i == kind && r.hold[i] > a.at.mono &&
		        r.hold[i] - a.at.mono <= longest));
	}
	if (reply.status != 429 && kind != RATE_QUERY)
		assert(r.hold[kind] == was.hold[kind]);
}

/* The next request: not before the last one, nor before its hold, and within 20
   seconds of the later of both. */
void prove_rate_next(void) {
	struct rate r = any_rate();
	int kind = nondet_int();
	uint32_t in_flight = nondet_uint32();
	int64_t at;
	assume(kind >= 0 && kind < RATE_KINDS);
	assume(r.last[kind] >= 0 && r.last[kind] <= INT64_MAX / 2);
	at = rate_next(&r, (enum rate_kind)kind, in_flight);
	assert(at >= r.last[kind] && at >= r.hold[kind]);
	assert(at == r.hold[kind] || at - r.last[kind] <= 20000);
}
