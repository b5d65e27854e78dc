/* trace.c -- traceparent and tracestate, read and written. */
#include "core/trace.h"

enum { MAX_MEMBERS = 32, LENGTH = 55 };

/* True when the n characters from `at` on are lower-case hexadecimal digits.
   If `zero` is false, one of them must not be '0'. */
static bool is_hex(struct span s, size_t at, size_t n, bool zero) {
	for (size_t i = at; i < at + n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		zero = zero || c != '0';
	}
	return zero;
}

static bool is_version(struct span s) {
	if (!is_hex(s, 0, 2, true) || (s.p[0] == 'f' && s.p[1] == 'f'))
		return false;
	if (s.p[0] == '0' && s.p[1] == '0')
		return s.n == LENGTH;
	return s.n == LENGTH || s.p[LENGTH] == '-';
}

bool trace_parse(struct span s, struct trace *t) {
	if (s.n < LENGTH || !is_version(s) || s.p[2] != '-' || s.p[35] != '-' ||
	    s.p[52] != '-' || !is_hex(s, 3, 32, false) ||
	    !is_hex(s, 36, 16, false) || !is_hex(s, 53, 2, true))
		return false;
	t->trace_id = (struct span){ s.p + 3, 32 };
	t->span_id = (struct span){ s.p + 36, 16 };
	/* the lowest bit of the flags: '1', '3', ... '9', 'b', 'd', 'f' */
	t->sampled = (s.p[54] <= '9') == ((s.p[54] & 1) != 0);
	return true;
}

bool trace_state_fits(struct span s) {
	size_t members = 1;
	for (size_t i = 0; i < s.n; i++)
		members += s.p[i] == ',';
	return s.n > 0 && http_printable(s) && members <= MAX_MEMBERS;
}

void trace_add(struct request *q, const struct trace *parent,
               const unsigned char random[TRACE_SPAN_BYTES],
               struct span tracestate) {
	static const char hex[] = "0123456789abcdef";
	char text[LENGTH] = "00-";
	size_t at = 3;
	for (size_t i = 0; i < parent->trace_id.n; i++)
		text[at++] = parent->trace_id.p[i];
	text[at++] = '-';
	for (size_t i = 0; i < TRACE_SPAN_BYTES; i++) {
		text[at++] = hex[random[i] >> 4];
		text[at++] = hex[random[i] & 15];
	}
	text[at++] = '-';
	text[at++] = '0';
	text[at++] = parent->sampled ? '1' : '0';
	request_header(q, "traceparent", (struct span){ text, at });
	if (tracestate.n > 0)
		request_header(q, "tracestate", tracestate);
}

bool trace_of(const struct request *q, struct trace *t) {
	return trace_parse(request_field(q, "traceparent"), t);
}
