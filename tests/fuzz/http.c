/*
 * http.c -- what is read out of a reply's head:
 *
 *   - a field's value lies in its own line, trimmed, and each line is given
 *     once;
 *   - the wait that is asked for is -1 or more than 0, and the number or the
 *     date that the field holds;
 *   - a parameter of a challenge that was written as RFC 9110 11.2 has it is
 *     read back as it was; what is read from any other is no longer than it;
 *   - the counters of limits are what the service said, and the pace that they
 *     allow has an end;
 *   - a polling URL is on a trusted origin.
 *
 * The input: a byte, the value of a parameter, a NUL, and the lines of a head.
 */
#include "fuzz.h"

#include "core/date.h"
#include "core/poll.h"
#include "core/rate.h"

enum { LONGEST = 60000 };

#define HOST "https://management.azure.com"

static const char *const names[] = { "retry-after",
	                             "retry-after-ms",
	                             "x-ms-retry-after-ms",
	                             "location",
	                             "azure-asyncoperation",
	                             "www-authenticate",
	                             "content-type",
	                             "etag",
	                             "x" };

static struct reply reply; /* its head is a block of the head's own size */

static void make_head(struct span lines) {
	reply = (struct reply){ .status = 429, .sent = true };
	reply.head.mem = test_mem();
	reply.head.n = reply.head.cap = (uint32_t)lines.n + 1;
	reply.head.p = malloc(lines.n + 1);
	memcpy(reply.head.p, lines.p, lines.n);
	reply.head.p[lines.n] = '\0';
	for (size_t i = 0; i < lines.n; i++)
		if (lines.p[i] == '\n')
			reply.head.p[i] = '\0';
}

static bool is_inside(struct span s) {
	return s.p >= reply.head.p && s.p + s.n < reply.head.p + reply.head.n;
}

static bool is_trimmed(struct span s) {
	return s.n == 0 ||
	       (!strchr(" \t\r\n", s.p[0]) && !strchr(" \t\r\n", s.p[s.n - 1]));
}

static void check_fields(const char *name) {
	struct span value, last = NO_SPAN;
	size_t at = 0, before = 0;
	while (reply_header_next(&reply, name, &at, &value)) {
		if (at <= before || at > reply.head.n)
			wrong("%s: from %zu to %zu", name, before, at);
		if (!is_inside(value) || !is_trimmed(value) ||
		    memchr(value.p, '\0', value.n))
			wrong("%s is not a value", name);
		before = at;
		last = value.n > 0 ? value : last;
	}
	value = reply_header(&reply, name);
	if (value.p != last.p || value.n != last.n)
		wrong("%s is not the last one", name);
}

/* ---- waits --------------------------------------------------------------- */

/* By the C library: -1 where it is no number. */
static double number_in(struct span s) {
	char *copy, *end;
	double n = -1;
	copy = strndup(s.p ? s.p : "", s.n);
	if (s.n > 0 && strspn(copy, "0123456789") == s.n)
		n = strtod(copy, &end);
	free(copy);
	return n;
}

static void check_wait(void) {
	int64_t wait = http_retry_after(&reply, TEST_WALL);
	double s = number_in(reply_header(&reply, "retry-after")),
	       ms = number_in(reply_header(&reply, "retry-after-ms")),
	       old = number_in(reply_header(&reply, "x-ms-retry-after-ms"));
	if (wait == 0 || wait < -1)
		wrong("a wait of %lld ms", (long long)wait);
	if (ms > 0 && ms < 9e18 && (double)wait != ms)
		wrong("retry-after-ms %g is %lld ms", ms, (long long)wait);
	if (ms <= 0 && old <= 0 && s > 0 && s < 9e15 &&
	    (double)wait != s * 1000)
		wrong("retry-after %g is %lld ms", s, (long long)wait);
	if (ms <= 0 && old <= 0 && s > 9e15 && wait > 0 && wait < LONGEST)
		wrong("retry-after %g is but %lld ms", s, (long long)wait);
}

/* ---- challenges ---------------------------------------------------------- */

static void check_challenges(void) {
	struct buf out;
	buf_init(&out, test_mem(), BUF_MAX);
	if (http_challenge(&reply, "Bearer", "claims", &out) &&
	    out.n >= reply.head.n)
		wrong("a parameter is longer than its field");
	buf_clear(&out);
	if (http_claims(&reply, &out) && (out.n == 0 || *out.p != '{'))
		wrong("claims that are no object");
	buf_free(&out);
}

/* RFC 9110 5.6.4: in quotes, where a backslash stands before a quote or
   another. */
static void add_quoted(struct buf *out, struct span s) {
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}

static void check_written(uint8_t how, struct span value) {
	static const char *const before[] = {
		"Bearer ", "Basic realm=\"a, b\",Bearer ",
		"Negotiate, bearer\t", "Negotiate YWJj==, BEARER x=y, "
	};
	struct buf head, out;
	buf_init(&head, test_mem(), BUF_MAX);
	buf_init(&out, test_mem(), BUF_MAX);
	buf_adds(&head, "WWW-Authenticate: ");
	buf_adds(&head, before[how % COUNT(before)]);
	buf_adds(&head, how & 4 ? "claims = " : "claims=");
	add_quoted(&head, value);
	buf_adds(&head, how & 8 ? ", z=\"1\"" : "");
	make_head(buf_span(&head));
	if (!http_challenge(&reply, "Bearer", "claims", &out) ||
	    !span_eq((struct span){ out.p ? out.p : "", out.n },
	             (struct span){ value.p, value.n }))
		wrong("%.*s is read as '%.*s'", (int)head.n, head.p, (int)out.n,
		      out.p ? out.p : "");
	free(reply.head.p);
	buf_free(&head);
	buf_free(&out);
}

/* ---- limits, places ------------------------------------------------------ */

static void check_limits(void) {
	struct answer a = { .http = &reply, .at = now_at(1000) };
	struct rate r;
	rate_init(&r);
	a.facts.code = SPAN("TooManyRequests");
	for (int kind = 0; kind < RATE_KINDS; kind++) {
		int64_t next;
		rate_sent(&r, (enum rate_kind)kind, now_at(1000));
		rate_note(&r, (enum rate_kind)kind, &a, LONGEST);
		next = rate_next(&r, (enum rate_kind)kind, take());
		if (next < 1000 || next > 1000 + LONGEST)
			wrong("the next one at %lld", (long long)next);
	}
	for (int i = 0; i < RATE_COUNT; i++)
		if (r.remaining[i] < -1)
			wrong("%s: %lld left", rate_name(i),
			      (long long)r.remaining[i]);
}

static void check_place(void) {
	struct url origin;
	struct poll_place place = { .base = SPAN(HOST "/a?api-version=1"),
		                    .resource = SPAN(HOST "/a?api-version=1"),
		                    .api_version = SPAN("1"),
		                    .origins = &origin,
		                    .count = 1 };
	struct poll p;
	url_parse(SPAN(HOST "/"), &origin);
	poll_init(&p, test_mem(), 0);
	poll_follow(&p, &reply, &place);
	if (p.source != POLL_RESOURCE && !url_on(buf_span(&p.url), &origin, 1))
		wrong("polls %.*s", (int)p.url.n, p.url.p);
	if (p.url.n > POLL_MAX_URL)
		wrong("a URL of %u bytes", p.url.n);
	poll_free(&p);
}

static bool is_line(struct span s) {
	return http_printable(s);
}

static void fuzz(void) {
	uint8_t how = take();
	struct span value = take_text();
	if (is_line(value))
		check_written(how, value);
	make_head(take_rest());
	for (size_t i = 0; i < COUNT(names); i++)
		check_fields(names[i]);
	check_wait();
	check_challenges();
	check_limits();
	check_place();
	free(reply.head.p);
}
