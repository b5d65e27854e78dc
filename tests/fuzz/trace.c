/*
 * trace.c -- distributed traces (W3C Trace Context, level 1):
 *
 *   - a traceparent is taken only if its parts are hex digits of the right
 *     number, and its ids lie in it and are not all zeros;
 *   - the request that becomes its span can be read back: the same trace, the
 *     given span id, the flag;
 *   - a tracestate that fits has no byte that could end a header field.
 *
 * The input: a traceparent, a NUL, and a tracestate.
 */
#include "fuzz.h"

#include "core/trace.h"

static const unsigned char own_id[TRACE_SPAN_BYTES] = {
	1, 2, 3, 4, 5, 6, 7, 8
};

static bool is_id(struct span s, struct span within, size_t digits) {
	size_t zeros = 0;
	if (s.n != digits || s.p < within.p || s.p + s.n > within.p + within.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!s.p[i] || !strchr("0123456789abcdef", s.p[i]))
			return false;
		zeros += s.p[i] == '0';
	}
	return zeros < digits;
}

static void check_parsed(struct span field, const struct trace *t) {
	if (!is_id(t->trace_id, field, 32) || !is_id(t->span_id, field, 16))
		wrong("'%.*s' is taken", (int)field.n, field.p);
	if (field.n < 55 || field.p[2] != '-' || field.p[35] != '-' ||
	    field.p[52] != '-' || (field.n > 55 && field.p[55] != '-'))
		wrong("'%.*s' has no such form", (int)field.n, field.p);
	if (field.p[0] == 'f' && field.p[1] == 'f')
		wrong("version ff is taken");
}

static void check_added(const struct trace *parent, struct span state) {
	struct request q;
	struct trace t;
	request_init(&q, test_mem());
	trace_add(&q, parent, own_id, state);
	if (request_failed(&q) || !trace_of(&q, &t))
		wrong("what was added cannot be read");
	if (!span_eq(t.trace_id, parent->trace_id) ||
	    !span_eq(t.span_id, SPAN("0102030405060708")) ||
	    t.sampled != parent->sampled)
		wrong("another span than the one that was added");
	if (!span_eq(request_field(&q, "tracestate"), span_trim(state)))
		wrong("another tracestate than '%.*s'", (int)state.n, state.p);
	request_free(&q);
}

static void fuzz(void) {
	struct span field = take_text(), state = take_rest();
	struct trace t;
	bool fits = trace_state_fits(state);
	if (fits && !http_printable(state))
		wrong("a tracestate that ends its field");
	if (!trace_parse(field, &t))
		return;
	check_parsed(field, &t);
	check_added(&t, fits ? state : NO_SPAN);
}
