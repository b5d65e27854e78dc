/* linear.c -- whatever reads foreign text takes a time that grows as the text
 * does, on texts that were made to be hard.
 *
 * Each reader is given n bytes and 16 n.  A linear one takes 16 times as long,
 * one that looks back or ahead for each byte 256 times.  What counts is this
 * thread's processor time, the least of several tries.  A busy machine adds to
 * it and never takes from it, so more tries are made while a reader seems
 * slow. */
#include "support.h"

#include <time.h>

#include "core/base64.h"
#include "core/date.h"
#include "core/token/flow.h"
#include "core/url.h"

enum { SMALL = 4096, FACTOR = 16, LIMIT = 80, FEWEST = 5, MOST = 50 };

static char text[SMALL * FACTOR + 64];

struct reading {
	const char *name;
	const char *head, *again, *tail; /* head, again and again, tail */
	void (*read)(struct span s);
};

/* ---- the readers -------------------------------------------------------- */

static struct buf scratch;

static void clear(size_t max) {
	buf_free(&scratch);
	buf_init(&scratch, test_mem(), max);
}

static void read_json(struct span s) {
	chain_json(s);
}

static struct chain chain;
static struct request request;

static void with_program(const struct program_result *p) {
	static const struct chain_spec az = { .flow = &flow_azure_cli };
	struct answer a = answer_of(NULL, no_facts(), 0);
	int64_t until;
	request_init(&request, test_mem());
	assert_true(chain_init(&chain, test_mem(), &az, 1, SPAN("https://a"),
	                       SPAN("https://b/.default"), 1));
	chain_token(&chain, 0, NO_SPAN, now_at(0));
	assert_int_equal(chain_next(&chain, now_at(0), &request, &until),
	                 CHAIN_NEED);
	chain_sent(&chain, now_at(0));
	chain_program(&chain, p, &a);
	chain_free(&chain);
	request_free(&request);
}

static void read_error(struct span s) {
	struct program_result p = { .status = 1, .err = s };
	with_program(&p);
}

static void read_output(struct span s) {
	struct program_result p = { .out = s };
	with_program(&p);
}

static void redact(struct span s) {
	struct span secret = span_from(s, s.n / 2); /* nearly everywhere */
	clear(BUF_MAX);
	redact_add(&scratch, (struct span){ s.p, s.n - 1 },
	           (struct secrets){ &secret, 1 }, BUF_MAX);
}

static void redact_encoded(struct span s) {
	struct span secret = SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaX");
	clear(BUF_MAX);
	redact_add(&scratch, s, (struct secrets){ &secret, 1 }, BUF_MAX);
}

static void redact_words(struct span s) {
	clear(BUF_MAX);
	redact_add(&scratch, s, (struct secrets){ NULL, 0 }, BUF_MAX);
}

static struct reply *reply_with(struct span head) {
	struct reply *r = test_fresh_reply();
	buf_add(&r->head, SPAN("WWW-Authenticate: "));
	buf_add(&r->head, head);
	buf_addc(&r->head, '\0');
	return r;
}

static void read_challenge(struct span s) {
	clear(BUF_MAX);
	http_challenge(reply_with(s), "Basic", "realm", &scratch);
	http_claims(reply_with(s), &scratch);
}

static void read_fields(struct span s) {
	struct reply *r = test_fresh_reply();
	buf_add(&r->head, s);
	for (size_t i = 0; i < r->head.n; i++)
		if (r->head.p[i] == '\n')
			r->head.p[i] = '\0';
	buf_addc(&r->head, '\0');
	reply_header(r, "x");
	http_retry_after(r, 0);
}

static void read_claims(struct span s) {
	struct chain_spec spec = { .flow = &flow_token };
	clear(BUF_MAX);
	assert_true(chain_init(&chain, test_mem(), &spec, 1, SPAN("https://a"),
	                       SPAN("https://b"), 1));
	buf_init(&chain.token, test_mem(), BUF_MAX);
	chain.token.secret = true;
	buf_set(&chain.token, s);
	chain_claims(&chain, &scratch);
	chain_free(&chain);
}

static void read_date(struct span s) {
	date_http(s);
	date_token(s);
}

static void read_url(struct span s) {
	struct url u;
	url_parse(s, &u);
	clear(BUF_MAX);
	url_encode(&scratch, s);
	url_without_slashes(s);
}

static void find(struct span s) {
	span_icontains(s, SPAN("az login"));
	span_trim(s);
}

static void decode(struct span s) {
	clear(BUF_MAX);
	base64_decode(&scratch, s);
}

static const struct reading readings[] = {
	{ "JSON in what a program prints", "", "x", "{", read_json },
	{ "JSON behind blanks", "", " ", "x", read_json },
	{ "JSON behind text and blanks", "xxxxxxxx", "x ", "   ", read_json },
	{ "braces that begin no JSON", "", "{", "", read_json },
	{ "braces and blanks", "", "{    ", "", read_json },
	{ "a brace and blanks", "{", " ", "", read_json },
	{ "a program's output", "", "\"message\"", "", read_error },
	{ "a program's output in white space", "\"message\"", " ", "",
	  read_error },
	{ "members without a text", "", "\"error\" : ", "", read_error },
	{ "a text without an end", "\"message\":\"", "\\\"", "", read_error },
	{ "a program's output", "", "{ ", "", read_output },
	{ "a text that is nearly the secret", "", "a", "b", redact },
	{ "a secret that nearly stands there, percent-encoded", "", "%61", "",
	  redact_encoded },
	{ "a secret that nearly stands there, in JSON", "", "\\u0061", "",
	  redact_encoded },
	{ "a secret that nearly stands there, encoded twice", "", "%2561", "",
	  redact_encoded },
	{ "a secret that nearly stands there, twice in JSON", "", "\\\\u0061",
	  "", redact_encoded },
	{ "a secret that nearly stands there, twice in HTML", "", "&amp;#97;",
	  "", redact_encoded },
	{ "references with zeros", "", "&#0000000000000000097", "",
	  redact_encoded },
	{ "a reference of zeros", "&amp;#", "0", "", redact_encoded },
	{ "ampersands", "", "&amp;", "", redact_encoded },
	{ "backslashes", "", "\\", "", redact_encoded },
	{ "percent signs", "", "%", "", redact_encoded },
	{ "parameters without a value", "", "client_secret=&", "",
	  redact_words },
	{ "a parameter in a parameter", "", "client_secret=", "",
	  redact_words },
	{ "a text that is no token", "", "bearer ", "", redact_words },
	{ "bearer and blanks", "bearer", " ", "", redact_words },
	{ "URLs without a login", "@", "://a:b", "", redact_words },
	{ "a password of slashes", "@ ://a:1b", "/", "", redact_words },
	{ "short tokens", "", "eyJ", "", redact_words },
	{ "short tokens in quotes", "", "eyJ'", "", redact_words },
	{ "a challenge without parameters", "", "a ", "", read_challenge },
	{ "a challenge of parameters", "", "a=b,", "", read_challenge },
	{ "a challenge of '='", "", "=", "", read_challenge },
	{ "a challenge of quotes", "a=\"", "\\\"", "", read_challenge },
	{ "a challenge of commas", "a=", ",", "", read_challenge },
	{ "a challenge of blanks", "a", " ", "", read_challenge },
	{ "header fields", "", "X: y\n", "", read_fields },
	{ "header fields without a value", "", "x:\n", "", read_fields },
	{ "a date of digits", "", "1", "", read_date },
	{ "a date of blanks", "Mon,", " ", "", read_date },
	{ "a date of colons", "2024-01-01T", ":", "", read_date },
	{ "a URL of dots", "https://a/", "../", "", read_url },
	{ "a URL of percent signs", "https://a/", "%2e", "", read_url },
	{ "a URL of slashes", "https://a/", "/", "", read_url },
	{ "a token of dots", "", ".", "", read_claims },
	{ "a token of one part", "", "a", "", read_claims },
	{ "claims without an end", "a.", "a", ".", read_claims },
	{ "texts that nearly match", "", "az logi", "", find },
	{ "base64", "", "YQ==", "", decode },
	{ "the end of base64", "", "=", "", decode },
};

/* ---- the measure -------------------------------------------------------- */

static struct span make(const struct reading *r, size_t n) {
	size_t head = strlen(r->head), unit = strlen(r->again);
	size_t tail = strlen(r->tail), at = head;
	memcpy(text, r->head, head);
	for (; at + unit + tail <= n; at += unit)
		memcpy(text + at, r->again, unit);
	memcpy(text + at, r->tail, tail);
	return (struct span){ text, at + tail };
}

static double seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double time_of(const struct reading *r, size_t n) {
	struct span s = make(r, n);
	double begun = seconds();
	r->read(s);
	return seconds() - begun;
}

static void keep_less(double *least, double took) {
	*least = took < *least ? took : *least;
}

static void assert_linear(const struct reading *r) {
	double small = 1e9, large = 1e9;
	bool linear = false;
	for (int i = 0; i < (linear ? FEWEST : MOST); i++) {
		/* below a microsecond the clock itself is what is measured */
		keep_less(&small, time_of(r, SMALL) + 1e-6);
		keep_less(&large, time_of(r, SMALL * FACTOR));
		linear = large <= LIMIT * small;
	}
	if (!linear)
		FAIL("%s: %d bytes take %.6f s, and %d take %.6f s", r->name,
		     SMALL, small, SMALL * FACTOR, large);
}

static void test_parsers_of_foreign_text_are_linear(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(readings); i++)
		assert_linear(&readings[i]);
	buf_free(&scratch);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_parsers_of_foreign_text_are_linear),
	};
	return RUN(tests);
}
