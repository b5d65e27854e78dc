/* fail.c -- failures: their kinds, and what of foreign text may be shown. */
#include "support.h"

#include "core/fail.h"

/* ---- kinds -------------------------------------------------------------- */

static void test_the_list_of_kinds_is_closed_and_named(void **state) {
	static const char *const names[] = {
		"none",         "credential", "forbidden", "not_found",
		"precondition", "conflict",   "throttled", "service",
		"operation",    "timeout",    "canceled",  "transport",
		"protocol",     "untrusted",  "limit",
	};
	(void)state;
	assert_int_equal(COUNT(names), FAIL_KIND_COUNT);
	for (int i = 0; i < FAIL_KIND_COUNT; i++)
		assert_string_equal(fail_kind_name((enum fail_kind)i),
		                    names[i]);
	assert_string_equal(phase_name(PHASE_TOKEN), "token");
	assert_string_equal(phase_name(PHASE_REQUEST), "request");
	assert_string_equal(phase_name(PHASE_POLL), "poll");
	assert_string_equal(phase_name(PHASE_RESULT), "result");
}

static void test_what_an_http_status_means(void **state) {
	static const struct {
		int status;
		enum fail_kind kind;
	} rows[] = {
		{ 400, FAIL_SERVICE },   { 401, FAIL_CREDENTIAL },
		{ 403, FAIL_FORBIDDEN }, { 404, FAIL_NOT_FOUND },
		{ 405, FAIL_SERVICE },   { 407, FAIL_SERVICE },
		{ 408, FAIL_SERVICE },   { 409, FAIL_CONFLICT },
		{ 410, FAIL_SERVICE },   { 412, FAIL_PRECONDITION },
		{ 413, FAIL_SERVICE },   { 428, FAIL_SERVICE },
		{ 429, FAIL_THROTTLED }, { 500, FAIL_SERVICE },
		{ 503, FAIL_SERVICE },   { 504, FAIL_SERVICE },
		{ 301, FAIL_SERVICE },   { 999, FAIL_SERVICE },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (fail_kind_of(rows[i].status) != rows[i].kind)
			FAIL("%d is %s", rows[i].status,
			     fail_kind_name(fail_kind_of(rows[i].status)));
}

static void test_what_the_lack_of_an_answer_means(void **state) {
	static const enum fail_kind kinds[NET_COUNT] = {
		[NET_OK] = FAIL_TRANSPORT,
		[NET_URL] = FAIL_TRANSPORT,
		[NET_RESOLVE] = FAIL_TRANSPORT,
		[NET_PROXY] = FAIL_TRANSPORT,
		[NET_PROXY_REFUSED] = FAIL_TRANSPORT,
		[NET_PROXY_AUTH] = FAIL_TRANSPORT,
		[NET_CONNECT] = FAIL_TRANSPORT,
		[NET_TLS] = FAIL_TRANSPORT,
		[NET_CERT] = FAIL_UNTRUSTED,
		[NET_CA] = FAIL_TRANSPORT,
		[NET_TIMEOUT] = FAIL_TRANSPORT,
		[NET_SEND] = FAIL_TRANSPORT,
		[NET_RECV] = FAIL_TRANSPORT,
		[NET_PROTOCOL] = FAIL_PROTOCOL,
		[NET_TOO_BIG] = FAIL_LIMIT,
		[NET_MEMORY] = FAIL_LIMIT,
		[NET_REFUSED] = FAIL_TRANSPORT,
		[NET_OTHER] = FAIL_TRANSPORT,
	};
	(void)state;
	for (int i = NET_OK + 1; i < NET_COUNT; i++)
		if (fail_kind_of_net((enum net_error)i) != kinds[i])
			FAIL("%s: %s", net_error_text((enum net_error)i),
			     fail_kind_name(
				     fail_kind_of_net((enum net_error)i)));
}

/* ---- setting and copying ------------------------------------------------ */

static void test_a_new_failure_forgets_the_old_one(void **state) {
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	assert_int_equal(f.kind, FAIL_NONE);
	assert_int_equal(f.retry_after, -1);
	fail_set(&f, FAIL_THROTTLED, PHASE_POLL, "old");
	f.http_status = 429;
	f.retryable = f.body = true;
	f.retry_after = 7000;
	f.hint = "wait";
	buf_adds(&f.code, "TooManyRequests");
	buf_adds(&f.target, "t");
	fail_set(&f, FAIL_TIMEOUT, PHASE_TOKEN, "new");
	assert_int_equal(f.kind, FAIL_TIMEOUT);
	assert_int_equal(f.phase, PHASE_TOKEN);
	assert_int_equal(f.http_status, 0);
	assert_int_equal(f.retry_after, -1);
	assert_false(f.retryable || f.body);
	assert_null(f.hint);
	assert_int_equal(f.code.n + f.target.n, 0);
	assert_span(buf_span(&f.message), "new");
	fail_free(&f);
}

static void test_a_copy_is_whole_and_its_own(void **state) {
	struct fail a, b;
	(void)state;
	fail_init(&a, test_mem());
	fail_init(&b, test_mem());
	fail_set(&a, FAIL_CONFLICT, PHASE_RESULT, "message");
	a.http_status = 409;
	a.retryable = a.body = true;
	a.retry_after = 5;
	a.hint = "hint";
	buf_adds(&a.code, "code");
	buf_adds(&a.target, "target");
	buf_adds(&a.request_id, "request");
	buf_adds(&a.correlation_id, "correlation");
	fail_set(&b, FAIL_LIMIT, PHASE_TOKEN, "something longer than that");
	fail_copy(&b, &a);
	fail_free(&a);
	assert_int_equal(b.kind, FAIL_CONFLICT);
	assert_int_equal(b.phase, PHASE_RESULT);
	assert_int_equal(b.http_status, 409);
	assert_true(b.retryable && b.body);
	assert_int_equal(b.retry_after, 5);
	assert_string_equal(b.hint, "hint");
	assert_span(buf_span(&b.message), "message");
	assert_span(buf_span(&b.code), "code");
	assert_span(buf_span(&b.target), "target");
	assert_span(buf_span(&b.request_id), "request");
	assert_span(buf_span(&b.correlation_id), "correlation");
	fail_free(&b);
}

/* ---- foreign text ------------------------------------------------------- */

#define JWT                                                                    \
	"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwcyJ9.c2ln_bmF-"
#define OPAQUE "0123456789abcdef.ghij-klm_nop~"

struct text {
	const char *foreign, *shown;
};

static void add_all(const struct text *rows, size_t count) {
	struct fail f;
	fail_init(&f, test_mem());
	for (size_t i = 0; i < count; i++) {
		fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
		fail_add(&f, test_text(rows[i].foreign));
		if (!span_eq(buf_span(&f.message), test_text(rows[i].shown)))
			FAIL("row %zu: \"%.*s\"", i, (int)f.message.n,
			     f.message.p);
	}
	fail_free(&f);
}

static void test_tokens_in_foreign_text_are_redacted(void **state) {
	static const struct text rows[] = {
		{ JWT, "<redacted>" },
		{ "x" JWT, "x<redacted>" },
		{ "token " JWT " refused", "token <redacted> refused" },
		{ "{\"access_token\":\"" JWT "\",\"a\":1}",
		  "{\"access_token\":\"<redacted>\",\"a\":1}" },
		{ "'" JWT "', '" JWT "'", "'<redacted>', '<redacted>'" },
		{ "<b>" JWT "</b>", "<b><redacted></b>" },
		{ "Authorization: Bearer " JWT, "Authorization: <redacted>" },
		{ "Authorization: Bearer " OPAQUE "\r\nX: y",
		  "Authorization: <redacted>  X: y" },
		{ "bearer " OPAQUE, "<redacted>" },
		{ "Bearer 0123456789abcdef", "<redacted>" },
		{ "BEARER " OPAQUE "; and", "<redacted>; and" },
		{ "Bearer " OPAQUE " Bearer " OPAQUE, "<redacted> <redacted>" },
		/* words that are no tokens */
		{ "Bearer token is missing", "Bearer token is missing" },
		{ "Bearer error=\"invalid\"", "Bearer error=\"invalid\"" },
		{ "eyJ", "eyJ" },
		{ "the header must be Bearer", "the header must be Bearer" },
		{ "Bearer ", "Bearer" },
	};
	(void)state;
	add_all(rows, COUNT(rows));
}

static void test_more_blanks_do_not_hide_a_token(void **state) {
	static const struct text rows[] = {
		{ "Bearer  " OPAQUE, "<redacted>" },
		{ "Bearer\t" OPAQUE, "<redacted>" },
	};
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	for (size_t i = 0; i < COUNT(rows); i++) {
		fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
		fail_add(&f, test_text(rows[i].foreign));
		assert_lacks(buf_span(&f.message), "ghij");
	}
	fail_free(&f);
}

static void test_a_known_secret_is_redacted_wherever_it_stands(void **state) {
	static const struct {
		const char *secret, *foreign, *shown;
	} rows[] = {
		{ "hunter2hunter2", "it was hunter2hunter2, no?",
		  "it was <redacted>, no?" },
		{ "hunter2hunter2", "xhunter2hunter2x", "x<redacted>x" },
		{ "hunter2hunter2", "hunter2hunter2hunter2hunter2",
		  "<redacted><redacted>" },
		{ "8letters", "8letters", "<redacted>" },
		{ "hunter2hunter2", "hunter2hunter", "hunter2hunter" },
		/* one that was cut off, if enough of it is left */
		{ OPAQUE "0123456789abcdef", "'" OPAQUE "01234567'",
		  "'<redacted>'" },
		{ OPAQUE "0123456789abcdef", "'0123456789abcdef'",
		  "'0123456789abcdef'" },
		{ "Hunter2hunter2", "hunter2hunter2", "hunter2hunter2" },
		/* too short to be told from a word */
		{ "token", "the token", "the token" },
		{ "", "text", "text" },
		{ NULL, "text", "text" },
	};
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	for (size_t i = 0; i < COUNT(rows); i++) {
		fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
		struct span secrets[] = { NO_SPAN, test_text(rows[i].secret) };
		fail_add_without(&f, test_text(rows[i].foreign),
		                 (struct secrets){ secrets, 2 });
		assert_span(buf_span(&f.message), rows[i].shown);
	}
	fail_free(&f);
}

static void test_an_encoded_secret_is_redacted_too(void **state) {
	static const char secret[] = "a+b/c&d%e f=\"g\\h\n\xc3\xa9~'";
	static const char *const echoes[] = {
		"a+b/c&d%e f=\"g\\h\n\xc3\xa9~'",
		/* forms: as azpec sends it, lower case, '+', and a lax encoder */
		"a%2Bb%2Fc%26d%25e%20f%3D%22g%5Ch%0A%C3%A9~%27",
		"a%2bb%2fc%26d%25e%20f%3d%22g%5ch%0a%c3%a9~%27",
		"a%2Bb%2Fc%26d%25e+f%3D%22g%5Ch%0A%C3%A9%7E'",
		"a+b/c%26d%25e%20f=%22g%5Ch%0A%C3%A9~'",
		"%61%2b%62%2f%63%26%64%25%65%20%66%3d%22%67%5c%68%0a%c3%a9~'",
		/* JSON: the least, '/', and all that can be escaped */
		"a+b/c&d%e f=\\\"g\\\\h\\n\xc3\xa9~'",
		"a+b\\/c&d%e f=\\u0022g\\u005Ch\\u000a\\u00e9~'",
		"\\u0061\\u002Bb/c\\u0026d%e f=\\\"g\\\\h\\n\\u00E9~\\u0027",
		/* a form in JSON */
		"a%2Bb%2Fc%26d%25e\\u002Bf%3D%22g%5Ch%0A%C3%A9~%27",
	};
	struct span secrets[] = { test_text(secret) };
	(void)state;
	for (size_t i = 0; i < COUNT(echoes); i++) {
		struct buf out;
		buf_init(&out, test_mem(), 1000);
		buf_adds(&out, "it was [");
		fail_redact(&out, test_text(echoes[i]),
		            (struct secrets){ secrets, 1 }, 1000);
		if (!span_eq(buf_span(&out), SPAN("it was [<redacted>")))
			FAIL("echo %zu: \"%.*s\"", i, (int)out.n, out.p);
		buf_free(&out);
	}
}

static void test_an_encoded_secret_that_was_cut_off_is_redacted(void **state) {
	static const char secret[] = "++++++++++++++++////////////////=====";
	struct span secrets[] = { test_text(secret) };
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
	fail_add_without(&f,
	                 SPAN("%2B%2B%2B%2B%2B%2B%2B%2B%2B%2B%2B%2B%2B%2B%2B"
	                      "%2B%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F"
	                      "%2F%2F%3D'"),
	                 (struct secrets){ secrets, 1 });
	assert_span(buf_span(&f.message), "<redacted>'");
	fail_free(&f);
}

static void test_secret_parameters_of_a_form_are_redacted(void **state) {
	static const struct text rows[] = {
		{ "client_id=i&client_secret=%252B&scope=s",
		  "client_id=i&<redacted>&scope=s" },
		{ "client_secret=abc", "<redacted>" },
		{ "Client_Secret=abc\" was sent", "<redacted>\" was sent" },
		{ "client_assertion_type=jwt&client_assertion=e30.e30.",
		  "client_assertion_type=jwt&<redacted>" },
		{ "refresh_token=0.A;", "<redacted>;" },
		{ "device_code=DAQ password=p access_token=t assertion=a",
		  "<redacted> <redacted> <redacted> <redacted>" },
		/* no values */
		{ "client_secret=", "client_secret=" },
		{ "client_secret=&a", "client_secret=&a" },
		{ "'client_secret' is missing", "'client_secret' is missing" },
		{ "error_code=7", "error_code=7" },
	};
	(void)state;
	add_all(rows, COUNT(rows));
}

/* Its value would end at '&', or at a quote, the secret does not. */
static void test_a_raw_secret_under_its_name_is_redacted_whole(void **state) {
	struct span secrets[] = { SPAN("abcd&efgh'ijkl") };
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
	fail_add_without(&f, SPAN("client_secret=abcd&efgh'ijkl&a=b"),
	                 (struct secrets){ secrets, 1 });
	assert_span(buf_span(&f.message), "<redacted>&a=b");
	fail_free(&f);
}

static void test_redaction_returns_what_is_over_the_limit(void **state) {
	const struct secrets none = { NULL, 0 };
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	assert_span(fail_redact(&out, SPAN("0123456789"), none, 4), "456789");
	assert_span(buf_span(&out), "0123");
	assert_span(fail_redact(&out, SPAN("abc"), none, 100), "");
	assert_span(buf_span(&out), "0123abc");
	buf_free(&out);
}

static void test_foreign_text_is_trimmed_and_on_one_line(void **state) {
	static const struct text rows[] = {
		{ "", "" },
		{ " \r\n\t ", "" },
		{ "  a  b \n", "a  b" },
		{ "a\r\nb\tc", "a  b c" },
		{ "a\x1b[31mb", "a [31mb" },
		{ "a\x01\x02"
		  "b",
		  "a  b" },
		{ "\xe6\x9c\xac\xc3\xbc", "\xe6\x9c\xac\xc3\xbc" },
	};
	struct fail f;
	(void)state;
	add_all(rows, COUNT(rows));
	fail_init(&f, test_mem());
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
	fail_add(&f, SPAN("a\0b"));
	fail_add(&f, NO_SPAN);
	assert_span(buf_span(&f.message), "a b");
	fail_free(&f);
}

static void test_no_control_character_gets_through(void **state) {
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	for (int c = 1; c < 128; c++) {
		char text[] = { 'a', (char)c, 'b', '\0' };
		if (c >= ' ' && c < 0x7f)
			continue;
		fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
		fail_add(&f, test_text(text));
		if (!span_eq(buf_span(&f.message), SPAN("a b")))
			FAIL("character 0x%02x", (unsigned)c);
	}
	fail_free(&f);
}

static void test_text_of_ours_stays_before_the_foreign(void **state) {
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "it said: ");
	fail_add(&f, SPAN(" no "));
	buf_adds(&f.message, " (HTTP 400)");
	assert_span(buf_span(&f.message), "it said: no (HTTP 400)");
	fail_free(&f);
}

static void test_foreign_text_is_cut_at_a_ceiling(void **state) {
	struct fail f;
	struct buf big;
	(void)state;
	buf_init(&big, test_mem(), 2 << 20);
	for (int i = 0; i < 1 << 20; i++)
		buf_addc(&big, 'x');
	fail_init(&f, test_mem());
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "it said: ");
	fail_add(&f, buf_span(&big));
	assert_true(f.message.n > 100 && f.message.n < 1100);
	assert_has(buf_span(&f.message), "it said: xxxx");
	assert_memory_equal(f.message.p + f.message.n - 4, "x...", 4);
	buf_free(&big);
	fail_free(&f);
}

static void test_the_cut_leaves_no_part_of_a_token(void **state) {
	char text[1200];
	struct fail f;
	(void)state;
	fail_init(&f, test_mem());
	for (size_t before = 900; before < 1100; before++) {
		memset(text, 'x', before);
		strcpy(text + before, JWT);
		fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
		fail_add(&f, test_text(text));
		assert_lacks(buf_span(&f.message), "eyJ");
	}
	fail_free(&f);
}

static void test_many_long_texts_do_not_lose_the_first(void **state) {
	char text[2000];
	struct fail f;
	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	fail_init(&f, test_mem());
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "it said: ");
	for (int i = 0; i < 10; i++) {
		fail_add(&f, test_text(text));
		buf_adds(&f.message, "; and: ");
	}
	assert_has(buf_span(&f.message), "it said: xxxx");
	fail_free(&f);
}

/* ---- no memory ---------------------------------------------------------- */

static void fail_twice(void) {
	struct fail a, b;
	fail_init(&a, test_mem());
	fail_init(&b, test_mem());
	fail_set(&a, FAIL_SERVICE, PHASE_REQUEST, "it said: ");
	fail_add(&a, SPAN("Bearer " OPAQUE " was refused, for a reason"));
	buf_adds(&a.code, "Code");
	fail_copy(&b, &a);
	assert_int_equal(b.kind, FAIL_SERVICE);
	fail_free(&a);
	fail_free(&b);
}

static void test_without_memory_the_kind_is_still_right(void **state) {
	(void)state;
	test_each_failure(fail_twice);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_list_of_kinds_is_closed_and_named),
		TEST(test_what_an_http_status_means),
		TEST(test_what_the_lack_of_an_answer_means),
		TEST(test_a_new_failure_forgets_the_old_one),
		TEST(test_a_copy_is_whole_and_its_own),
		TEST(test_tokens_in_foreign_text_are_redacted),
		TEST(test_more_blanks_do_not_hide_a_token),
		TEST(test_a_known_secret_is_redacted_wherever_it_stands),
		TEST(test_an_encoded_secret_is_redacted_too),
		TEST(test_an_encoded_secret_that_was_cut_off_is_redacted),
		TEST(test_secret_parameters_of_a_form_are_redacted),
		TEST(test_a_raw_secret_under_its_name_is_redacted_whole),
		TEST(test_redaction_returns_what_is_over_the_limit),
		TEST(test_foreign_text_is_trimmed_and_on_one_line),
		TEST(test_no_control_character_gets_through),
		TEST(test_text_of_ours_stays_before_the_foreign),
		TEST(test_foreign_text_is_cut_at_a_ceiling),
		TEST(test_the_cut_leaves_no_part_of_a_token),
		TEST(test_many_long_texts_do_not_lose_the_first),
		TEST(test_without_memory_the_kind_is_still_right),
	};
	return RUN(tests);
}
