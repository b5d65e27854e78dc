/* http.c -- header fields, Retry-After, challenges; parts of them by the
   contracts of span.c and date.c. */
#include "proofs.h"

#include "core/date.h"
#define span_word span_word_contract
#define span_ieq span_ieq_contract
#define span_uint span_uint_contract
#define span_trim span_trim_contract
#define date_http date_http_contract
#define base64_decode base64_decode_contract
#include "core/http.c"

static const struct mem mem = { roomy, NULL };

/* Any bytes may come of it, or no memory. */
bool base64_decode_contract(struct buf *out, struct span s) {
	assert(readable(s));
	buf_addc(out, nondet_char());
	return nondet_bool() && !out->failed;
}

/* A head as io/curlio.c keeps it: lines, each closed by a NUL. */
static struct reply reply_of(struct span head) {
	struct reply r = { .status = 200 };
	r.head = (struct buf){ .p = (char *)head.p, .n = (uint32_t)head.n };
	assume(head.n == 0 || head.p[head.n - 1] == '\0');
	return r;
}

/* From the start of any line: the field found can be read, and the place to go
   on from is the start of a later line. */
PROOF(reply_header_next) {
	struct reply r = reply_of(s);
	struct span value;
	size_t was = any_below(s.n + 1), at = was;
	assume(at == 0 || s.p[at - 1] == '\0');
	if (reply_header_next(&r, "a", &at, &value)) {
		assert(readable(value));
		assert(at > was && at <= s.n && s.p[at - 1] == '\0');
	} else {
		assert(at == s.n);
	}
}

/* The last that is not empty. */
PROOF(reply_header) {
	struct reply r = reply_of(s);
	struct span value = reply_header(&r, "a");
	assert(!value.p || (value.n > 0 && readable(value)));
}

/* Whatever number or date the field's value is, by the contracts: a time to
   wait is positive, none is -1, and no number of seconds overflows. */
void prove_http_retry_after(void) {
	static char head[] = "retry-after:12345678901";
	struct reply r = { .head = { .p = head, .n = sizeof head } };
	int64_t wall = nondet_int64(), wait;
	assume(wall >= 0);
	wait = http_retry_after(&r, wall);
	assert(wait == -1 || wait > 0);
}

/* The parameter found and what follows it can be read. */
void prove_next_param(void) {
	struct challenges c = { .rest = any_part(BOUND), .within = true };
	assert(readable(next_param(&c, "B", "c")));
	assert(readable(c.rest));
}

/* Claims are decoded, and begin like a JSON object. */
PROOF(decode_claims) {
	struct buf out = any_room(&mem);
	if (decode_claims(&out, s))
		assert(out.n > 0 && out.p[0] == '{' && !out.failed);
}

/* Unquoted it is no longer. */
PROOF(add_unquoted) {
	struct buf out = any_room(&mem);
	add_unquoted(&out, s);
	assert(out.n <= s.n && out.n >= (s.n + 1) / 2);
}

/* Nothing that ends a field. */
PROOF(http_printable) {
	if (http_printable(s))
		for (size_t i = 0; i < s.n; i++)
			assert(s.p[i] >= 0x20 && s.p[i] < 0x7f);
}
