/* date.c -- the dates that come over the wire, from span.c's contracts. */
#include "proofs.h"

#define span_word span_word_contract
#define span_uint span_uint_contract
#define span_ieq span_ieq_contract
#define span_eq span_ieq_contract
#define span_istarts span_istarts_contract
#define span_trim span_trim_contract
#include "core/date.c"

/* The contract. */
void prove_date_http(void) {
	assert(date_ensures(date_http(any_part(BOUND))));
}

/* The same for an expiry; a zone west of Greenwich adds up to 14:59 hours. */
void prove_date_token(void) {
	int64_t ms = date_token(any_part(BOUND));
	assert(ms < 0 ? ms == -1 : ms < DATE_END + 899 * INT64_C(60000));
}

/* Any fields: a time from 1970 to the end of 9999, or -1. */
void prove_date_ms(void) {
	struct date d = { nondet_int64(), nondet_int64(), nondet_int64(),
		          nondet_int64(), nondet_int64(), nondet_int64() };
	assume(d.hour >= 0 && d.minute >= 0 && d.second >= 0);
	assert(date_ensures(date_ms(&d)));
}
