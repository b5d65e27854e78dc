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

static void test_kind_of_an_http_status(void **state) {
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

static void test_meaning_of_no_answer(void **state) {
	static const enum fail_kind kinds[NET_COUNT] = {
		[NET_OK] = FAIL_TRANSPORT,
		[NET_URL] = FAIL_TRANSPORT,
		[NET_RESOLVE] = FAIL_TRANSPORT,
		[NET_PROXY] = FAIL_TRANSPORT,
		[NET_PROXY_REFUSED] = FAIL_TRANSPORT,
		[NET_PROXY_AUTH] = FAIL_TRANSPORT,
		[NET_PROXY_TLS] = FAIL_TRANSPORT,
		[NET_PROXY_CERT] = FAIL_UNTRUSTED,
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
	buf_adds(&b.advice, "made of parts"); /* a copy has its own text */
	fail_advise(&b);
	fail_init(&a, test_mem());
	fail_copy(&a, &b);
	assert_ptr_not_equal(a.hint, b.hint);
	assert_string_equal(a.hint, "made of parts");
	fail_free(&a);
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
		/* Azure/azure-cli#15305 */
		{ "Failed to parse: http://domain\\user:12345@proxy:8080",
		  "Failed to parse: http://<redacted>@proxy:8080" },
		{ "'http://u:p@ss@proxy' and http://u:@p",
		  "'http://<redacted>@proxy' and http://<redacted>@p" },
		{ "https://host:443/a@b u:p@h http://user@h https://h:1, a@b",
		  "https://host:443/a@b u:p@h http://user@h https://h:1, a@b" },
		{ "Failed to parse: http://u:pa/ss@proxy:8080",
		  "Failed to parse: http://<redacted>@proxy:8080" },
		{ "http://u:a,b;c'd@e/f@proxy http://u:1x/2@p",
		  "http://<redacted>@proxy http://<redacted>@p" },
		{ "http://h:1/a@b", "http://h:1/a@b" },
		{ "{\"p\": \"https:\\/\\/u:pa\\/ss@h\\/x\" https:\\/\\/u:p@h",
		  "{\"p\": \"https:\\/\\/<redacted>@h\\/x\" "
		  "https:\\/\\/<redacted>@h" },
		{ "https:\\/\\/h:1\\/a@b https:\\/\\/h\\/u:p@h",
		  "https:\\/\\/h:1\\/a@b https:\\/\\/h\\/u:p@h" },
		{ "http://h:1,http://u:/p@h http://h/u:p@h",
		  "http://h:1,http://<redacted>@h http://h/u:p@h" },
		{ "Bearer " OPAQUE ", and", "<redacted>, and" },
		{ "Bearer " OPAQUE "<br>", "<redacted><br>" },
		{ "Bearer 0123456789abcde", "Bearer 0123456789abcde" },
		{ "Bearer " OPAQUE " Bearer " OPAQUE, "<redacted> <redacted>" },
		/* words that are no tokens */
		{ "Bearer token is missing", "Bearer token is missing" },
		{ "Bearer error=\"invalid\"", "Bearer error=\"invalid\"" },
		{ "a Bearer 'authorization_uri'",
		  "a Bearer 'authorization_uri'" },
		{ "eyJ", "eyJ" },
		{ "the header must be Bearer", "the header must be Bearer" },
		{ "Bearer ", "Bearer" },
	};
	(void)state;
	add_all(rows, COUNT(rows));
}

static void test_extra_blanks_do_not_hide_a_token(void **state) {
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
		{ OPAQUE "0123456789abcdef", "'" OPAQUE "01'", "'<redacted>'" },
		{ OPAQUE "0123456789abcdef", "'" OPAQUE "0'", "'" OPAQUE "0'" },
		{ "7letter", "7letter", "7letter" },
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
	static const char secret[] =
		"a+b/c&d%e f=\"g\\h\n\xc3\xa9\xe2\x82\xac~'";
	static const char *const echoes[] = {
		"a+b/c&d%e f=\"g\\h\n\xc3\xa9\xe2\x82\xac~'",
		/* forms: as azpec sends it, lower case, '+', a lax encoder */
		"a%2Bb%2Fc%26d%25e%20f%3D%22g%5Ch%0A%C3%A9%E2%82%AC~%27",
		"a%2bb%2fc%26d%25e%20f%3d%22g%5ch%0a%c3%a9%e2%82%ac~%27",
		"a%2Bb%2Fc%26d%25e+f%3D%22g%5Ch%0A%C3%A9%E2%82%AC%7E'",
		"a+b/c%26d%25e%20f=%22g%5Ch%0A%C3%A9%E2%82%AC~'",
		"%61%2b%62%2f%63%26%64%25%65%20%66%3d%22%67%5c%68%0a%c3%a9%e2%"
		"82%ac~'",
		/* JSON: the least, '/', and all that can be escaped */
		"a+b/c&d%e f=\\\"g\\\\h\\n\xc3\xa9\xe2\x82\xac~'",
		"a+b\\/c&d%e f=\\u0022g\\u005Ch\\u000a\\u00e9\\u20ac~'",
		"\\u0061\\u002Bb/c\\u0026d%e "
		"f=\\\"g\\\\h\\n\\u00E9\\u20AC~\\u0027",
		/* a form in JSON */
		"a%2Bb%2Fc%26d%25e\\u002Bf%3D%22g%5Ch%0A%C3%A9%E2%82%AC~%27",
		/* an error page: named, decimal, hexadecimal */
		"a+b/c&amp;d%e f=&quot;g\\h\n\xc3\xa9\xe2\x82\xac~&apos;",
		"&#97;&#43;b&#47;c&#38;d&#37;e&#32;f&#61;&#34;g&#92;h"
		"&#10;&#233;&#8364;~&#39;",
		"a&#x2B;b&#x2f;c&AMP;d%e "
		"f=&#x22;g\\h&#xA;&#xE9;&#x20AC;~&#x27;",
		/* with zeros, and without the end */
		"&#00000097;&#x000000000000002B;b/c&#038;d%e "
		"f=&#034;g\\h&#010;&#00233;&#008364;~&#x0027;",
		"a&#43b&#47c&#38d&#37e&#32f&#61&#34g&#92h&#10&#233&#8364~&#39",
		/* twice: a form, JSON, an error page, and one in another */
		"a%252Bb%252Fc%2526d%2525e%2520f%253D%2522g%255Ch%250A"
		"%25C3%25A9%25E2%2582%25AC~%2527",
		"a+b/c&d%e f=\\\\\\\"g\\\\\\\\h\\\\n\xc3\xa9\xe2\x82\xac~'",
		"a+b\\\\/c\\\\u0026d%e f=\\\\u0022g\\u005Cu005Ch\\\\u000a"
		"\\\\u00e9\\\\u20ac~\\\\u0027",
		"a+b/c&amp;amp;d%e f=&amp;quot;g\\h\n\xc3\xa9\xe2\x82\xac~"
		"&amp;#39;",
		"&amp;#00000097;&#38;#x2B;b/c&#x26;amp;d%e "
		"f=&#0038;quot;g\\h\n\xc3\xa9\xe2\x82\xac~&amp;apos;",
		"a%2Bb%2Fc%26d%25e%20f%3D%5C%22g%5C%5Ch%5Cn%C3%A9%E2%82%AC~%27",
		"a+b/c&amp;d%e f=\\&quot;g\\\\h\\n\xc3\xa9\xe2\x82\xac~&#39;",
		"a%2Bb%2Fc%26amp%3Bd%25e+f%3D%26%2334%3Bg%5Ch%0A%C3%A9%E2"
		"%82%AC~%26%2339%3B",
	};
	struct span secrets[] = { test_text(secret) };
	(void)state;
	for (size_t i = 0; i < COUNT(echoes); i++) {
		struct buf out;
		buf_init(&out, test_mem(), 1000);
		buf_adds(&out, "it was [");
		redact_add(&out, test_text(echoes[i]),
		           (struct secrets){ secrets, 1 }, 1000);
		if (!span_eq(buf_span(&out), SPAN("it was [<redacted>")))
			FAIL("echo %zu: \"%.*s\"", i, (int)out.n, out.p);
		buf_free(&out);
	}
}

/* WHATWG URL: a query has its backslashes as they are. */
static void test_a_form_s_own_backslash_is_no_escape(void **state) {
	struct span secrets[] = { SPAN("hunter\\2 hunter2") };
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	redact_add(&out, SPAN("hunter\\2%20hunter2"),
	           (struct secrets){ secrets, 1 }, 1000);
	assert_span(buf_span(&out), "<redacted>");
	buf_free(&out);
}

static void test_text_that_is_no_html_reference_stays(void **state) {
	static const char *const texts[] = {
		"a&b; c",       "&",       "&;",        "&#;",        "&#x;",
		"&#xfffff;",    "&#7a;",   "&#x7g;",    "&#70000;",   "&amp",
		"&#0000000000", "&bogus;", "&amp;#;",   "%25G0",      "%25",
		"\\\\",         "%255",    "a &#120;y", "&lt;b&gt;&", "&#x",
	};
	struct span secrets[] = { SPAN("&secret<with>\"marks'") };
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	for (size_t i = 0; i < COUNT(texts); i++) {
		buf_clear(&out);
		redact_add(&out, test_text(texts[i]),
		           (struct secrets){ secrets, 1 }, 1000);
		assert_span(buf_span(&out), texts[i]);
	}
	buf_free(&out);
}

/* Every character of two and three bytes, but for surrogates. */
static void test_a_secret_in_json_s_escapes_is_redacted(void **state) {
	(void)state;
	for (unsigned c = 0x80; c < 0x10000; c += c < 0x900 ? 1 : 61) {
		char secret[] = "hunter2-...", echo[32];
		struct span secrets[] = { test_text(secret) };
		struct buf out;
		if (c >= 0xd800 && c < 0xe000)
			continue;
		snprintf(echo, sizeof echo, "hunter2-\\u%04x", c);
		secret[8] = (char)(c < 0x800 ? 0xc0 | c >> 6 : 0xe0 | c >> 12);
		secret[9] = (char)(0x80 | (c < 0x800 ? c & 63 : c >> 6 & 63));
		secret[10] = (char)(c < 0x800 ? '\0' : 0x80 | (c & 63));
		secrets[0] = test_text(secret);
		buf_init(&out, test_mem(), 1000);
		redact_add(&out, test_text(echo),
		           (struct secrets){ secrets, 1 }, 1000);
		if (!span_eq(buf_span(&out), SPAN("<redacted>")))
			FAIL("%s: \"%.*s\"", echo, (int)out.n, out.p);
		buf_free(&out);
	}
}

/* What only begins like an escape, or stands for more than is left. */
static void test_text_that_is_nearly_an_encoded_secret_stays(void **state) {
	static const struct {
		const char *secret, *foreign;
	} rows[] = {
		{ "hunter2\xc3", "hunter2\\u00e9" },
		{ "hunter2\xc3\xa9", "hunter2\\u00e" },
		{ "hunter2\xc3\xa9", "hunter2\\u00g9" },
		{ "hunter2\xc3\xa9", "hunter2%C3%A" },
		{ "hunter2\x01", "hunter2%0" },
		{ "hunter2\x01", "hunter2%G0" },
		{ "hunter2\xc3\xa9", "hunter2%C3%G9" },
		{ "hunter2\\x", "hunter2\\" },
		{ "hunter2 x", "hunter2-x" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span secrets[] = { test_text(rows[i].secret) };
		struct buf out;
		buf_init(&out, test_mem(), 1000);
		redact_add(&out, test_text(rows[i].foreign),
		           (struct secrets){ secrets, 1 }, 1000);
		assert_span(buf_span(&out), rows[i].foreign);
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

/* Each head of it ends where its block does. */
static void test_no_text_is_read_beyond_its_end(void **state) {
	static const char *const texts[] = {
		("Bearer " OPAQUE),      "client_secret=",
		"hunter2%C3%A9%E2%82",   "hunter2\\u00e9",
		"hunter2&#xe9;&eacute;",
	};
	struct span secrets[] = { SPAN("hunter2\xc3\xa9\xe2\x82\xac"),
		                  SPAN("another secret") };
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t n = 1; n <= strlen(texts[i]); n++) {
			char *head = malloc(n);
			struct buf out;
			assert_non_null(head);
			memcpy(head, texts[i], n);
			buf_init(&out, test_mem(), 1000);
			redact_add(&out, (struct span){ head, n },
			           (struct secrets){ secrets, 2 }, 1000);
			assert_int_in_range(out.n, 1, n + 10);
			buf_free(&out);
			free(head);
		}
}

static void test_redaction_returns_what_is_over_the_limit(void **state) {
	const struct secrets none = { NULL, 0 };
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	assert_span(redact_add(&out, SPAN("0123456789"), none, 4), "456789");
	assert_span(buf_span(&out), "0123");
	assert_span(redact_add(&out, SPAN("abc"), none, 100), "");
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

static void test_own_text_precedes_foreign_text(void **state) {
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

static void test_the_ceilings_to_the_byte(void **state) {
	static char text[2000];
	struct fail f;
	(void)state;
	memset(text, 'x', sizeof text);
	fail_init(&f, test_mem());
	assert_ceiling(f.message, 65536);
	assert_ceiling(f.code, 65536);
	assert_ceiling(f.target, 65536);
	assert_ceiling(f.request_id, 256);
	assert_ceiling(f.correlation_id, 256);
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "said: ");
	fail_add(&f, (struct span){ text, 1024 });
	assert_int_equal(f.message.n, 6 + 1024);
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "said: ");
	fail_add(&f, (struct span){ text, 1025 });
	assert_int_equal(f.message.n, 6 + 1024 + 3);
	fail_set(&f, FAIL_SERVICE, PHASE_REQUEST, "");
	for (int i = 0; i < 16; i++) /* of all pieces together */
		fail_add(&f, (struct span){ text, 1024 });
	assert_int_equal(f.message.n, 16384);
	fail_add(&f, (struct span){ text, 1 });
	assert_int_equal(f.message.n, 16384 + 3);
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
		TEST(test_kind_of_an_http_status),
		TEST(test_meaning_of_no_answer),
		TEST(test_a_new_failure_forgets_the_old_one),
		TEST(test_a_copy_is_whole_and_its_own),
		TEST(test_tokens_in_foreign_text_are_redacted),
		TEST(test_extra_blanks_do_not_hide_a_token),
		TEST(test_a_known_secret_is_redacted_wherever_it_stands),
		TEST(test_an_encoded_secret_is_redacted_too),
		TEST(test_a_form_s_own_backslash_is_no_escape),
		TEST(test_text_that_is_no_html_reference_stays),
		TEST(test_a_secret_in_json_s_escapes_is_redacted),
		TEST(test_text_that_is_nearly_an_encoded_secret_stays),
		TEST(test_an_encoded_secret_that_was_cut_off_is_redacted),
		TEST(test_secret_parameters_of_a_form_are_redacted),
		TEST(test_a_raw_secret_under_its_name_is_redacted_whole),
		TEST(test_no_text_is_read_beyond_its_end),
		TEST(test_redaction_returns_what_is_over_the_limit),
		TEST(test_foreign_text_is_trimmed_and_on_one_line),
		TEST(test_no_control_character_gets_through),
		TEST(test_own_text_precedes_foreign_text),
		TEST(test_foreign_text_is_cut_at_a_ceiling),
		TEST(test_the_ceilings_to_the_byte),
		TEST(test_the_cut_leaves_no_part_of_a_token),
		TEST(test_many_long_texts_do_not_lose_the_first),
		TEST(test_without_memory_the_kind_is_still_right),
	};
	return RUN(tests);
}
