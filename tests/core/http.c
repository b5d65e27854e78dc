/* http.c -- requests and replies as values: fields, waits, dates and claims. */
#include "support.h"

#include "core/date.h"
#include "core/http.h"

/* ---- requests ----------------------------------------------------------- */

static void test_a_request_keeps_its_fields_in_order(void **state) {
	struct request q;
	(void)state;
	request_init(&q, test_mem());
	request_header(&q, "Accept", SPAN("application/json"));
	request_header(&q, "If-Match", SPAN("W/\"0x8D4EDFEBFADF4AB\""));
	request_header(&q, "X-Empty", SPAN(""));
	assert_false(request_failed(&q));
	assert_spans(buf_span(&q.head),
	             SPAN("Accept: application/json\0"
	                  "If-Match: W/\"0x8D4EDFEBFADF4AB\"\0"
	                  "X-Empty: \0"));
	request_free(&q);
}

static void test_a_cleared_request_keeps_nothing(void **state) {
	struct request q;
	(void)state;
	request_init(&q, test_mem());
	buf_set(&q.url, SPAN("https://h/x"));
	request_header(&q, "Authorization", SPAN("Bearer hunter2"));
	buf_set(&q.body, SPAN("{}"));
	request_clear(&q);
	assert_int_equal(q.url.n + q.head.n + q.body.n, 0);
	assert_null(memmem(q.head.p, q.head.cap, "hunter2", 7));
	request_header(&q, "A", SPAN("b"));
	assert_spans(buf_span(&q.head), SPAN("A: b\0"));
	request_free(&q);
}

static void test_characters_allowed_in_a_header_field(void **state) {
	(void)state;
	assert_true(http_printable(NO_SPAN));
	for (int c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'b' };
		if (http_printable((struct span){ text, 3 }) !=
		    (c >= ' ' && c <= '~'))
			FAIL("character 0x%02x", (unsigned)c);
		text[0] = (char)c;
		if (http_printable((struct span){ text, 1 }) !=
		    (c >= ' ' && c <= '~'))
			FAIL("character 0x%02x alone", (unsigned)c);
	}
}

static void build_request(void) {
	struct request q;
	request_init(&q, test_mem());
	buf_set(&q.url, SPAN("https://h/x"));
	request_header(&q, "Accept", SPAN("application/json"));
	request_header(&q, "Authorization", SPAN("Bearer hunter2"));
	buf_set(&q.body, SPAN("{}"));
	if (!request_failed(&q)) {
		assert_span(buf_span(&q.url), "https://h/x");
		assert_span(request_field(&q, "accept"), "application/json");
		assert_span(request_field(&q, "authorization"),
		            "Bearer hunter2");
		assert_span(buf_span(&q.body), "{}");
	} else if (test_memory.failures == 0) {
		FAIL("failed with memory for everything");
	}
	request_free(&q);
}

static void test_a_request_without_memory_is_failed_not_shorter(void **state) {
	(void)state;
	test_each_failure(build_request);
}

static void test_heads_and_bodies_are_wiped(void **state) {
	struct request q;
	struct reply r;
	(void)state;
	test_mem_secret("hunter2");
	request_init(&q, test_mem());
	request_header(&q, "Authorization", SPAN("Bearer hunter2"));
	for (int i = 0; i < 50; i++)
		request_header(&q, "X-More", SPAN("so that it grows"));
	buf_adds(&q.body, "client_secret=hunter2");
	request_free(&q);
	reply_init(&r, test_mem(), 1000);
	assert_int_equal(r.status, 0);
	buf_adds(&r.body, "{\"access_token\":\"hunter2\"}");
	reply_clear(&r);
	buf_adds(&r.body, "{\"access_token\":\"hunter2\"}");
	buf_adds(&r.head, "A: b");
	buf_adds(&r.note, "note");
	reply_free(&r);
}

static void test_each_part_has_its_ceiling(void **state) {
	struct request q;
	struct reply r;
	(void)state;
	request_init(&q, test_mem());
	assert_ceiling(q.url, 65536);
	assert_ceiling(q.head, 262144);
	assert_ceiling(q.body, 1048576);
	assert_ceiling(q.pin, 128);
	reply_init(&r, test_mem(), 4096);
	assert_ceiling(r.head, 262144);
	assert_ceiling(r.body, 4096);
	assert_ceiling(r.note, 1024);
}

static void test_every_method_and_every_error_has_a_name(void **state) {
	(void)state;
	assert_string_equal(http_method_name(HTTP_GET), "GET");
	assert_string_equal(http_method_name(HTTP_POST), "POST");
	assert_string_equal(http_method_name(HTTP_PATCH), "PATCH");
	assert_string_equal(http_method_name(HTTP_DELETE), "DELETE");
	for (int i = 0; i < NET_COUNT; i++) {
		const char *text = net_error_text((enum net_error)i);
		assert_non_null(text);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
				text, net_error_text((enum net_error)j));
		assert_int_equal(net_error_of_proxy((enum net_error)i),
		                 strstr(text, "proxy") != NULL);
	}
}

/* ---- replies ------------------------------------------------------------ */

static void test_a_field_is_found_in_any_case_of_its_name(void **state) {
	static const struct {
		const char *head, *name, *value;
	} rows[] = {
		{ "Location: https://h/x", "location", "https://h/x" },
		{ "lOcAtIoN: https://h/x", "Location", "https://h/x" },
		{ "Azure-AsyncOperation:https://h/x", "azure-asyncoperation",
		  "https://h/x" },
		{ "ETag:  \tW/\"a:b\"\t ", "etag", "W/\"a:b\"" },
		{ "A: b: c", "a", "b: c" },
		{ "Location: x", "locatio", NULL },
		{ "Location: x", "location2", NULL },
		{ "X-Location: x", "location", NULL },
		{ "Location : x", "location", NULL },
		{ "Location", "location", NULL },
		{ ": x", "location", NULL },
		{ "", "location", NULL },
		/* empty, twice */
		{ "Location:", "location", NULL },
		{ "Location: \t ", "location", NULL },
		{ "Location: a\nLocation: b", "location", "b" },
		{ "location: a\nLOCATION:", "location", "a" },
		{ "Location: a\nOther: z\nLocation: b\nOther: y", "location",
		  "b" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span v = reply_header(reply_of(200, rows[i].head, NULL),
		                             rows[i].name);
		if (!span_eq(v, test_text(rows[i].value)) ||
		    !v.p != !rows[i].value)
			FAIL("row %zu: \"%.*s\"", i, (int)v.n, v.p ? v.p : "");
	}
}

static void test_fields_of_one_name_come_in_their_order(void **state) {
	const struct reply *r =
		reply_of(200, "A: 1\nB: 2\na: \nC: 3\nA: 4", NULL);
	struct span v;
	size_t at = 0;
	(void)state;
	assert_true(reply_header_next(r, "a", &at, &v));
	assert_span(v, "1");
	assert_true(reply_header_next(r, "a", &at, &v));
	assert_span(v, "");
	assert_true(reply_header_next(r, "a", &at, &v));
	assert_span(v, "4");
	assert_false(reply_header_next(r, "a", &at, &v));
	assert_false(reply_header_next(r, "a", &at, &v));
}

static void test_a_cleared_reply_tells_nothing(void **state) {
	struct reply *r = reply_of(503, "Retry-After: 7", "body");
	(void)state;
	r->error = NET_RECV;
	buf_adds(&r->note, "note");
	reply_clear(r);
	assert_int_equal(r->status, 0);
	assert_int_equal(r->error, NET_OK);
	assert_false(r->sent);
	assert_int_equal(r->body.n + r->head.n + r->note.n, 0);
	assert_null(reply_header(r, "retry-after").p);
}

/* ---- dates -------------------------------------------------------------- */

static void test_dates_in_all_three_forms(void **state) {
	static const struct {
		const char *text;
		int64_t seconds; /* -1: not a date */
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Sun Nov 16 08:49:37 1994", 784111777 + 864000 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Thu, 29 Feb 2024 23:59:59 GMT", 1709251199 },
		{ "Fri, 01 Mar 2024 00:00:00 GMT", 1709251200 },
		{ "Mon, 01 Jan 2024 00:00:00 GMT", 1704067200 },
		{ "Tue, 31 Dec 2024 23:59:60 GMT", 1735689600 },
		{ "Mon, 01 Mar 2100 00:00:00 GMT", 4107542400 },
		{ "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
		{ "Wed, 01 Mar 2000 00:00:00 GMT", 951868800 },
		{ "Thu, 28 Feb 2400 23:59:59 GMT", 13574563199 },
		{ "Sat, 01 Jan 2000 00:00:00 GMT", 946684800 },
		{ "Wed, 31 Jan 2024 00:00:00 GMT", 1706659200 },
		{ "Wed, 31 Jul 2024 12:30:15 GMT", 1722429015 },
		{ "Saturday, 01-Jan-00 00:00:00 GMT", 946684800 },
		{ "Thursday, 01-Jan-70 00:00:00 GMT", 0 },
		{ "Wednesday, 01-Jan-69 00:00:00 GMT", 3124224000 },
		{ "Tuesday, 01-Jan-30 00:00:00 GMT", 1893456000 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
		/* not dates */
		{ "", -1 },
		{ "GMT", -1 },
		{ "Sun", -1 },
		{ "tomorrow", -1 },
		{ "2024-01-01T00:00:00Z", -1 },
		{ "Sun, 06 Nov 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 PST", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 +0100", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT and more", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT,", -1 },
		{ "Sun, 06 Nox 1994 08:49:37 GMT", -1 },
		{ "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 32 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 31 Nov 2550 14:03:19 GMT", -1 },
		{ "Wed, 29 Feb 2023 00:00:00 GMT", -1 },
		{ "Mon, 29 Feb 2100 00:00:00 GMT", -1 },
		{ "Fri, 30 Feb 2024 00:00:00 GMT", -1 },
		{ "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:37:00 GMT", -1 },
		{ "Sun, 06 Nov 199 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 19940 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1969 08:49:37 GMT", -1 },
		{ "Sun, 99999999999999999999 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun Nov  6 08:49:37 1994 GMT", -1 },
		{ "Sun Nov  6 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 19x4 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 0x:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:4x:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:3x GMT", -1 },
		{ "Sun Nox  6 08:49:37 1994", -1 },
		{ "Sun Nov 6x 08:49:37 1994", -1 },
		{ "Sun Nov  6 08:49 1994", -1 },
		{ "Sun Nov  6 08:49:37 199x", -1 },
		{ "Sun Nov  6 08:49:37 199", -1 },
		{ "-5", -1 },
		{ "1 2 3 4 5 6 7 8", -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t v = date_http(test_text(rows[i].text));
		if (v != (rows[i].seconds < 0 ? -1 : rows[i].seconds * 1000))
			FAIL("\"%s\" is %lld", rows[i].text, (long long)v);
	}
}

/* As the sources of managed identities, az and azd print a token's end. */
static void test_the_end_of_a_token_in_every_published_form(void **state) {
	static const struct {
		const char *text;
		int64_t s; /* -1: none of them */
	} rows[] = {
		{ "2026-11-24T15:04:05Z", 1795532645 },
		{ "2026-11-24T15:04:05.123456789Z", 1795532645 },
		{ "2026-11-24T17:04:05+02:00", 1795532645 },
		{ "2026-11-24T10:04:05-0500", 1795532645 },
		{ "2026-11-24 15:04:05", 1795532645 },
		{ "2026-11-24 15:04:05.123456", 1795532645 },
		{ "11/24/2026 15:04:05 +00:00", 1795532645 },
		/* App Service on Windows (Azure/azure-sdk-for-python#9393) */
		{ "11/24/2026 3:04:05 PM +00:00", 1795532645 },
		{ "11/24/2026 03:04:05 PM", 1795532645 },
		{ "11/24/2026 12:00:00 PM +00:00", 1795521600 },
		{ "11/24/2026 12:00:00 AM +00:00", 1795478400 },
		{ "11/24/2026 9:04:05 AM +00:00", 1795511045 },
		{ "1/6/2026 5:04:05 AM +00:00", 1767675845 },
		{ "11/24/2026 00:00:00 PM +00:00", 1795521600 },
		/* Azure/azure-sdk-for-net#46714 */
		{ "2026-11-24T15:04:05.0000000+00:00", 1795532645 },
		{ "24/11/2026 15:04:05", -1 }, /* or it would live for years */
		{ "2026-11-24T15:04:05 GMT", 1795532645 },
		{ "2026-11-24t15:04:05z", 1795532645 },
		{ "2026-11-24 T15:04:05Z", 1795532645 },
		{ "2026-11-24 t15:04:05Z", 1795532645 },
		{ "2026-11-24T17:04:05+02", 1795532645 },
		{ "2026-11-25T05:04:05+14:00", 1795532645 },
		{ "2026-11-24T16:03:05+0059", 1795532645 },
		{ "2026-11-24T01:04:05-14:00", 1795532645 },
		{ "2026-11-24 15:04:05 pm", 1795532645 },
		{ "2026-11-25T06:04:05+15:00", -1 },
		{ "2026-11-24T16:04:05+00:60", -1 },
		{ "2026-11-24T15:04:05+xx:00", -1 },
		{ "2026-11-24T15:04:05+00:xx", -1 },
		{ "2026-11-24T15:04:05/00:00", -1 },
		{ "20x6-11-24T15:04:05Z", -1 },
		{ "2026-1x-24T15:04:05Z", -1 },
		{ "2026-11-2xT15:04:05Z", -1 },
		{ "2026-11-24-1T15:04:05Z", -1 },
		{ "2026-00-24T15:04:05Z", -1 },
		{ "2026-13-01T00:00:00Z", -1 },
		{ "2026-11-31T00:00:00Z", -1 },
		{ "02/29/2026 00:00:00 +00:00", -1 },
		{ "1970-01-01 05:30:00+05:30", 0 },
		{ "1970-01-01 00:07:10+05:30", -1 }, /* of 1969 */
		{ "01/01/10000 00:00:00", -1 },
		{ "12/31/9999 23:59:59", 253402300799 },
		{ "9223372036854775807/01/2026 00:00:00", -1 },
		{ "2026-11-24T15:04:05 XM", -1 },
		{ "2026-11-24T15:04:05+99:00", -1 },
		{ "2026-11-24", -1 },
		{ "soon", -1 },
		{ "", -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t ms = date_token(test_text(rows[i].text));
		int64_t is = ms < 0 ? -1 : ms / 1000;
		if (is != rows[i].s)
			FAIL("%s: %lld", rows[i].text, (long long)is);
	}
}

/* ---- Retry-After -------------------------------------------------------- */

static void test_the_wait_that_a_reply_asks_for(void **state) {
	static const struct {
		const char *head;
		int64_t ms; /* at 2024-01-01 00:00:00; -1: nothing usable */
	} rows[] = {
		{ NULL, -1 },
		{ "Retry-After: 15", 15000 },
		{ "retry-after:1", 1000 },
		{ "RETRY-AFTER:  120  ", 120000 },
		{ "Retry-After: 007", 7000 },
		/* dates */
		{ "Retry-After: Mon, 01 Jan 2024 00:00:30 GMT", 30000 },
		{ "Retry-After: Monday, 01-Jan-24 00:00:30 GMT", 30000 },
		{ "Retry-After: Mon Jan  1 00:00:30 2024", 30000 },
		{ "Retry-After: Tue, 02 Jan 2024 00:00:00 GMT", 86400000 },
		{ "Retry-After: Mon, 01 Jan 2024 00:00:00 GMT", -1 },
		{ "Retry-After: Sun, 31 Dec 2023 23:59:59 GMT", -1 },
		{ "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", -1 },
		/* zero, garbage */
		{ "Retry-After: 0", -1 },
		{ "Retry-After: 000", -1 },
		{ "Retry-After: -5", -1 },
		{ "Retry-After: 1.5", -1 },
		{ "Retry-After: +5", -1 },
		{ "Retry-After: 5s", -1 },
		{ "Retry-After: 5, 10", -1 },
		{ "Retry-After: soon", -1 },
		{ "Retry-After:", -1 },
		{ "Retry-After: 5\nRetry-After:", 5000 },
		{ "Retry-After: 5\nRetry-After: 6", 6000 },
		/* in milliseconds, which win */
		{ "retry-after-ms: 250", 250 },
		{ "x-ms-retry-after-ms: 250", 250 },
		{ "X-MS-Retry-After-MS: 1", 1 },
		{ "Retry-After: 15\nretry-after-ms: 250", 250 },
		{ "retry-after-ms: 250\nRetry-After: 15", 250 },
		{ "Retry-After: 15\nx-ms-retry-after-ms: 250", 250 },
		{ "x-ms-retry-after-ms: 300\nretry-after-ms: 250", 250 },
		{ "retry-after-ms: 0\nRetry-After: 15", 15000 },
		{ "retry-after-ms: x\nx-ms-retry-after-ms: 9", 9 },
		{ "retry-after-ms: -1\nx-ms-retry-after-ms: z\nRetry-After: 2",
		  2000 },
		{ "retry-after-ms: 0", -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t v = http_retry_after(reply_of(429, rows[i].head, NULL),
		                             TEST_WALL);
		if (v != rows[i].ms)
			FAIL("\"%s\" asks for %lld", rows[i].head,
			     (long long)v);
	}
}

/* A machine whose clock has not been set may be before 1970. */
static void test_a_date_by_a_clock_before_1970(void **state) {
	static const char epoch[] =
		"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT";
	(void)state;
	assert_int_equal(http_retry_after(reply_of(503, epoch, NULL), -5000),
	                 5000);
	assert_int_equal(http_retry_after(reply_of(503, epoch, NULL), 0), -1);
	assert_int_equal(
		http_retry_after(reply_of(503, "Retry-After: x", NULL), -5000),
		-1);
}

static void test_an_absurd_wait_never_becomes_a_short_one(void **state) {
	static const char *const heads[] = {
		"Retry-After: 9223372036854775807",
		"Retry-After: 9223372036854775",
		"Retry-After: 9223372036854776",
		"Retry-After: 18446744073709552",
		"Retry-After: 18446744073709551617",
		"Retry-After: 99999999999999999999999999",
		"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
		"retry-after-ms: 9223372036854775807",
		"retry-after-ms: 99999999999999999999999999",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		int64_t v = http_retry_after(reply_of(429, heads[i], NULL),
		                             TEST_WALL);
		if (v != -1 && v < INT64_C(1000) * 365 * 24 * 3600 * 1000)
			FAIL("\"%s\" asks for %lld", heads[i], (long long)v);
	}
}

/* ---- challenges --------------------------------------------------------- */

#define NBF_64                                                                 \
	"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwi"             \
	"dmFsdWUiOiIxNjA0MTA2NjUxIn19fQ"
#define NBF                                                                    \
	"{\"access_token\":{\"nbf\":{\"essential\":true,"                      \
	"\"value\":\"1604106651\"}}}"
#define ODD                                                                    \
	"{\"a\":\"~~~?"                                                        \
	"?"                                                                    \
	"?>>>\"}"

struct challenge {
	const char *head, *claims; /* NULL: none */
};

static void challenge_all(const struct challenge *rows, size_t count) {
	struct buf claims;
	buf_init(&claims, test_mem(), 1000);
	for (size_t i = 0; i < count; i++) {
		bool found;
		buf_set(&claims, SPAN("{\"of\":\"an older one\"}"));
		found = http_claims(reply_of(401, rows[i].head, NULL), &claims);
		if (found != (rows[i].claims != NULL))
			FAIL("row %zu, %s: %sclaims found", i, rows[i].head,
			     found ? "" : "no ");
		if (!span_eq(buf_span(&claims), test_text(rows[i].claims)))
			FAIL("row %zu, %s: \"%.*s\"", i, rows[i].head,
			     (int)claims.n, claims.p);
	}
	buf_free(&claims);
}

static void test_claims_of_a_bearer_challenge_are_decoded(void **state) {
	static const struct challenge rows[] = {
		{ "WWW-Authenticate: Bearer realm=\"\", authorization_uri=\""
		  "https://login.microsoftonline.com/common/oauth2/authorize\","
		  " error=\"insufficient_claims\", claims=\"" NBF_64 "==\"",
		  NBF },
		{ "WWW-Authenticate: Bearer error=\"invalid_token\","
		  "claims=\"" NBF_64 "==\"",
		  NBF },
		{ "WWW-Authenticate: Bearer claims=\"" NBF_64 "==\"", NBF },
		{ "WWW-Authenticate: Bearer claims=" NBF_64 "==", NBF },
		{ "www-authenticate: bearer claims=\"" NBF_64 "==\"", NBF },
		{ "WWW-AUTHENTICATE: BEARER CLAIMS=\"" NBF_64 "==\"", NBF },
		{ "WWW-Authenticate:   Bearer \t claims=\"" NBF_64
		  "==\"  ,  error=\"x\"",
		  NBF },
		{ "WWW-Authenticate: Bearer a=\"b\",,, claims=\"" NBF_64
		  "==\",",
		  NBF },
		{ "WWW-Authenticate: Bearer claims=\"e30=\"", "{}" },
	};
	(void)state;
	challenge_all(rows, COUNT(rows));
}

/* RFC 9110 5.6.4: a backslash quotes what follows it. */
static void test_a_parameter_is_a_word_or_a_quoted_string(void **state) {
	static const struct {
		const char *head, *realm; /* NULL: none is found */
	} rows[] = {
		{ "WWW-Authenticate: Basic realm=\"a\\b\"", "ab" },
		{ "WWW-Authenticate: Basic realm=\"a\\\"b\"", "a\"b" },
		{ "WWW-Authenticate: Basic realm=\"a\\\"\"", "a\"" },
		{ "WWW-Authenticate: Basic realm=\"a\\\\\"", "a\\" },
		{ "WWW-Authenticate: Basic realm=\"\\a\", x=y", "a" },
		{ "WWW-Authenticate: Basic realm=\"a\\", "a\\" },
		{ "WWW-Authenticate: Basic realm=\"a", "a" },
		{ "WWW-Authenticate: Basic realm=\"\"", "" },
		{ "WWW-Authenticate: Basic realm=a\\b", "ab" },
		{ "WWW-Authenticate: Basic realm=", "" },
		{ "WWW-Authenticate: Basic realm=, x=y", "" },
		{ "WWW-Authenticate: Bearer realm=a\nWWW-Authenticate: Basic "
		  "realm=b",
		  "b" },
		{ "WWW-Authenticate: Basic x=a\nWWW-Authenticate: Basic "
		  "realm=b\nWWW-Authenticate: Basic realm=c",
		  "b" },
		{ "WWW-Authenticate: Basic", NULL },
		{ NULL, NULL },
	};
	struct buf realm;
	(void)state;
	buf_init(&realm, test_mem(), 100);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reply *r = reply_of(401, rows[i].head, NULL);
		buf_set(&realm, SPAN("older"));
		if (http_challenge(r, "basic", "realm", &realm) !=
		    (rows[i].realm != NULL))
			FAIL("row %zu", i);
		if (rows[i].realm &&
		    !span_eq(buf_span(&realm), test_text(rows[i].realm)))
			FAIL("row %zu: %.*s", i, (int)realm.n, realm.p);
	}
	buf_free(&realm);
}

/* RFC 9110 11.2: auth-param = token BWS "=" BWS ( token / quoted-string ) */
static void test_blanks_around_the_equals_sign(void **state) {
	static const struct challenge rows[] = {
		{ "WWW-Authenticate: Bearer claims =\"e30=\"", "{}" },
		{ "WWW-Authenticate: Bearer claims= \"e30=\"", "{}" },
		{ "WWW-Authenticate: Bearer error = \"invalid_token\" , claims"
		  " = \"e30=\"",
		  "{}" },
	};
	(void)state;
	challenge_all(rows, COUNT(rows));
}

static void test_both_base64_alphabets_padded_or_not(void **state) {
	static const struct challenge rows[] = {
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoifn5+Pz8/Pj4+In0="
		  "\"",
		  ODD },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoifn5+Pz8/Pj4+In0"
		  "\"",
		  ODD },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoifn5-Pz8_Pj4-In0="
		  "\"",
		  ODD },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoifn5-Pz8_Pj4-In0"
		  "\"",
		  ODD },
		{ "WWW-Authenticate: Bearer claims=eyJhIjoifn5+Pz8/Pj4+In0=",
		  ODD },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoxfQ==\"",
		  "{\"a\":1}" },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoxfQ\"",
		  "{\"a\":1}" },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoxMn0=\"",
		  "{\"a\":12}" },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjoxMn0\"",
		  "{\"a\":12}" },
	};
	(void)state;
	challenge_all(rows, COUNT(rows));
}

static void test_several_challenges_in_one_line(void **state) {
	static const struct challenge rows[] = {
		{ "WWW-Authenticate: Basic realm=\"x\", Bearer error=\"y\", "
		  "claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Negotiate, Bearer claims=\"e30=\"", "{}" },
		{ "WWW-Authenticate: Negotiate,NTLM,Bearer claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Negotiate YIIabc==, Bearer "
		  "claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer claims=\"e30=\", Basic "
		  "realm=\"x\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer error=\"x\", Bearer "
		  "claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer error_description=\"a, Bearer "
		  "claims=b\", claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer error_description=\"say "
		  "\\\"hello, claims=\\\"\", claims=\"e30=\"",
		  "{}" },
		/* claims that cannot be read, and others behind them */
		{ "WWW-Authenticate: Bearer claims=\"%%%\", Bearer "
		  "claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer claims=\"W10=\", error=\"x\", PoP "
		  "claims=\"eyJhIjoxfQ==\", Bearer claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer claims=\"\", claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer claims=\"W10=\", PoP "
		  "claims=\"e30=\"",
		  NULL },
		/* claims of another scheme, or of none */
		{ "WWW-Authenticate: Basic claims=\"e30=\"", NULL },
		{ "WWW-Authenticate: PoP claims=\"e30=\", Bearer error=\"x\"",
		  NULL },
		{ "WWW-Authenticate: Bearer error=\"x\", Basic "
		  "claims=\"e30=\"",
		  NULL },
		{ "WWW-Authenticate: Basic realm=Bearer, claims=\"e30=\"",
		  NULL },
		{ "WWW-Authenticate: Basic realm=\"Bearer claims=e30=\"",
		  NULL },
		{ "WWW-Authenticate: BearerX claims=\"e30=\"", NULL },
		{ "WWW-Authenticate: claims=\"e30=\"", NULL },
	};
	(void)state;
	challenge_all(rows, COUNT(rows));
}

static void test_several_lines_of_challenges(void **state) {
	static const struct challenge rows[] = {
		{ "WWW-Authenticate: Basic realm=\"x\"\n"
		  "Date: x\n"
		  "WWW-Authenticate: Bearer claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer claims=\"e30=\"\n"
		  "WWW-Authenticate: Negotiate",
		  "{}" },
		{ "WWW-Authenticate: Bearer claims=\"!!!\"\n"
		  "WWW-Authenticate: Bearer claims=\"e30=\"",
		  "{}" },
		{ "WWW-Authenticate: Bearer error=\"x\"\n"
		  "WWW-Authenticate: Basic claims=\"e30=\"",
		  NULL },
		{ "WWW-Authenticate: Bearer error=\"x\"\n"
		  "WWW-Authenticate: claims=\"e30=\"",
		  NULL },
		{ "Proxy-Authenticate: Bearer claims=\"e30=\"", NULL },
	};
	(void)state;
	challenge_all(rows, COUNT(rows));
}

static void test_claims_that_cannot_be_read_are_none(void **state) {
	static const struct challenge rows[] = {
		{ NULL, NULL },
		{ "WWW-Authenticate:", NULL },
		{ "WWW-Authenticate: Bearer", NULL },
		{ "WWW-Authenticate: Bearer error=\"invalid_token\"", NULL },
		{ "WWW-Authenticate: Bearer claims", NULL },
		{ "WWW-Authenticate: Bearer claims=", NULL },
		{ "WWW-Authenticate: Bearer claims=\"\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"=\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"e\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"e30=e30=\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"e3 0=\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"{}\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"e3\\0\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"e30*\"", NULL },
		{ "WWW-Authenticate: Bearer claims=\"eyJhIjox\xc3\xa4\"",
		  NULL },
		{ "WWW-Authenticate: Bearer claims=\"bm8ganNvbg==\"", NULL },
		{ "WWW-Authenticate: Bearer xclaims=\"e30=\"", NULL },
		{ "WWW-Authenticate: Bearer claims_x=\"e30=\"", NULL },
	};
	(void)state;
	challenge_all(rows, COUNT(rows));
}

static void test_a_truncated_challenge_is_harmless(void **state) {
	static const char whole[] =
		"WWW-Authenticate: Basic realm=\"a\\\"b\", Bearer "
		"error=\"x\", claims=\"eyJhIjoxfQ==\"";
	struct buf claims;
	(void)state;
	buf_init(&claims, test_mem(), 1000);
	for (size_t n = 0; n < sizeof whole; n++) {
		char cut[sizeof whole];
		memcpy(cut, whole, n);
		cut[n] = '\0';
		if (http_claims(reply_of(401, cut, NULL), &claims))
			assert_int_equal(*claims.p, '{');
	}
	buf_free(&claims);
}

static void test_claims_beyond_the_ceiling_are_none(void **state) {
	struct buf claims;
	(void)state;
	buf_init(&claims, test_mem(), 4);
	assert_false(http_claims(reply_of(401,
	                                  "WWW-Authenticate: Bearer "
	                                  "claims=\"eyJhIjoxfQ==\"",
	                                  NULL),
	                         &claims));
	buf_free(&claims);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_keeps_its_fields_in_order),
		TEST(test_a_cleared_request_keeps_nothing),
		TEST(test_characters_allowed_in_a_header_field),
		TEST(test_a_request_without_memory_is_failed_not_shorter),
		TEST(test_heads_and_bodies_are_wiped),
		TEST(test_each_part_has_its_ceiling),
		TEST(test_every_method_and_every_error_has_a_name),
		TEST(test_a_field_is_found_in_any_case_of_its_name),
		TEST(test_fields_of_one_name_come_in_their_order),
		TEST(test_a_cleared_reply_tells_nothing),
		TEST(test_dates_in_all_three_forms),
		TEST(test_the_end_of_a_token_in_every_published_form),
		TEST(test_the_wait_that_a_reply_asks_for),
		TEST(test_a_date_by_a_clock_before_1970),
		TEST(test_an_absurd_wait_never_becomes_a_short_one),
		TEST(test_claims_of_a_bearer_challenge_are_decoded),
		TEST(test_a_parameter_is_a_word_or_a_quoted_string),
		TEST(test_blanks_around_the_equals_sign),
		TEST(test_both_base64_alphabets_padded_or_not),
		TEST(test_several_challenges_in_one_line),
		TEST(test_several_lines_of_challenges),
		TEST(test_claims_that_cannot_be_read_are_none),
		TEST(test_a_truncated_challenge_is_harmless),
		TEST(test_claims_beyond_the_ceiling_are_none),
	};
	return RUN(tests);
}
