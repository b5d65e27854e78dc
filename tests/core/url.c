/* url.c -- URLs as text: strict parsing, origins, references, encoding. */
#include "support.h"

#include "core/url.h"

/* ---- parsing ------------------------------------------------------------ */

static void test_plain_urls_are_taken_apart(void **state) {
	static const struct {
		const char *text, *scheme, *host, *path;
		int port;
	} rows[] = {
		{ "https://management.azure.com", "https",
		  "management.azure.com", "", 443 },
		{ "HTTPS://Management.Azure.COM:443/", "HTTPS",
		  "Management.Azure.COM", "/", 443 },
		{ "http://h", "http", "h", "", 80 },
		{ "http://h:8080/a?b#c", "http", "h", "/a?b#c", 8080 },
		{ "https://h:1", "https", "h", "", 1 },
		{ "https://h:65535/", "https", "h", "/", 65535 },
		{ "https://h?q=/", "https", "h", "?q=/", 443 },
		{ "https://h#f", "https", "h", "#f", 443 },
		{ "https://h//a", "https", "h", "//a", 443 },
		{ "https://127.0.0.1:5/", "https", "127.0.0.1", "/", 5 },
		{ "https://[::1]/", "https", "[::1]", "/", 443 },
		{ "https://[2001:db8::1]:8443/x", "https", "[2001:db8::1]",
		  "/x", 8443 },
		{ "https://[::ffff:1.2.3.4]", "https", "[::ffff:1.2.3.4]", "",
		  443 },
		{ "https://[AF:af::]", "https", "[AF:af::]", "", 443 },
		{ "https://h/a@b:c/d", "https", "h", "/a@b:c/d", 443 },
		{ "https://h/?redirect=https://u@e/", "https", "h",
		  "/?redirect=https://u@e/", 443 },
		{ "https://h/$x%24/\xe3\x81\x82", "https", "h",
		  "/$x%24/\xe3\x81\x82", 443 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct url u;
		if (!url_parse(test_text(rows[i].text), &u))
			FAIL("\"%s\" is refused", rows[i].text);
		assert_span(u.scheme, rows[i].scheme);
		assert_span(u.host, rows[i].host);
		assert_span(u.path, rows[i].path);
		assert_int_equal(u.port, rows[i].port);
		assert_false(u.userinfo);
	}
}

static void test_ambiguous_urls_are_refused(void **state) {
	static const struct span rows[] = {
		{ "", 0 },
		LITERAL("https"),
		LITERAL("https:"),
		LITERAL("https:/"),
		LITERAL("https://"),
		LITERAL("https:///path"),
		LITERAL("https://?q"),
		LITERAL("https://:443/"),
		LITERAL("//h/"),
		LITERAL("/path"),
		LITERAL("h/path"),
		LITERAL("ftp://h/"),
		LITERAL("httpss://h/"),
		LITERAL("xhttps://h/"),
		LITERAL("file:///etc/passwd"),
		LITERAL("javascript:alert(1)"),
		LITERAL("https:h"),
		LITERAL("https:\\\\h"),
		/* blanks and control characters */
		LITERAL(" https://h/"),
		LITERAL("https://h/ "),
		LITERAL("https://h /"),
		LITERAL("https://h/a b"),
		LITERAL("https://h/\t"),
		LITERAL("https://h/\r\nX: y"),
		LITERAL("ht\ntps://h/"),
		LITERAL("https://h\0.evil/"),
		LITERAL("https://h/\0"),
		LITERAL("https://h/\x01"),
		LITERAL("https://h/\x7f"),
		/* user-info */
		LITERAL("https://user@h/"),
		LITERAL("https://user:password@h/"),
		LITERAL("https://@h/"),
		LITERAL("https://management.azure.com@evil.example/"),
		LITERAL("https://management.azure.com:443@evil.example/"),
		LITERAL("https://a@b@c/"),
		/* what some take for a slash, or for nothing */
		LITERAL("https://h\\@evil.example/"),
		LITERAL("https://evil.example\\.azure.com/"),
		LITERAL("https:\\/h/"),
		LITERAL("https://h;x/"),
		LITERAL("https://h,x/"),
		LITERAL("https://h%2eevil/"),
		LITERAL("https://h%00/"),
		LITERAL("https://h_x/"),
		LITERAL("https://h*/"),
		LITERAL("https://b\xc3\xbc"
		        "cher.example/"),
		LITERAL("https://evil\xe3\x80\x82"
		        "example/"),
		/* odd ports */
		LITERAL("https://h:"),
		LITERAL("https://h:/"),
		LITERAL("https://h:0/"),
		LITERAL("https://h:65536/"),
		LITERAL("https://h:4294967739/"), /* 443 and 2^32 */
		LITERAL("https://h:99999999999999999999/"),
		LITERAL("https://h:-1/"),
		LITERAL("https://h:+80/"),
		LITERAL("https://h:80x/"),
		LITERAL("https://h:0x50/"),
		LITERAL("https://h:80:80/"),
		/* IPv6 */
		LITERAL("https://::1/"),
		LITERAL("https://[::1"),
		LITERAL("https://[::1/"),
		LITERAL("https://::1]/"),
		LITERAL("https://[]/"),
		LITERAL("https://[::1]x/"),
		LITERAL("https://[::1]x:443/"),
		LITERAL("https://x[::1]/"),
		LITERAL("https://[::1]:x/"),
		LITERAL("https://[fe80::1%25eth0]/"),
		LITERAL("https://[v1.x]/"),
		LITERAL("https://[h.example]/"),
		LITERAL("https://[::1]@h/"),
	};
	struct url u;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (url_parse(rows[i], &u))
			FAIL("row %zu, \"%.*s\", is taken, host \"%.*s\"", i,
			     (int)rows[i].n, rows[i].p, (int)u.host.n,
			     u.host.p);
}

static void test_each_character_of_a_host_counts(void **state) {
	static const char *const hosts[] = { "!ab",   "a!b",   "ab!",  "%61b",
		                             "[!::]", "[::!]", "[::1", "_a b" };
	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		char text[64];
		struct url u;
		snprintf(text, sizeof text, "https://%s/", hosts[i]);
		if (url_parse(test_text(text), &u))
			FAIL("%s", text);
	}
}

static void test_a_host_name_has_a_ceiling(void **state) {
	char text[600] = "https://";
	struct url u;
	(void)state;
	memset(text + 8, 'a', 255);
	assert_true(url_parse((struct span){ text, 8 + 255 }, &u));
	memset(text + 8, 'a', 500);
	assert_false(url_parse((struct span){ text, 8 + 256 }, &u));
	assert_false(url_parse((struct span){ text, 8 + 500 }, &u));
}

/* ---- origins ------------------------------------------------------------ */

static const char home[] = "https://management.azure.com";

static void test_an_origin_is_scheme_host_and_port(void **state) {
	static const struct {
		const char *text;
		bool same;
	} rows[] = {
		{ "https://management.azure.com/x?y#z", true },
		{ "HTTPS://MANAGEMENT.azure.COM/x", true },
		{ "https://management.azure.com:443/x", true },
		{ "http://management.azure.com/x", false },
		{ "http://management.azure.com:443/x", false },
		{ "https://management.azure.com:8443/x", false },
		{ "https://management.azure.com:80/x", false },
		{ "https://management.azure.com./x", false },
		{ "https://management.azure.com../x", false },
		{ "https://management.azure.com.evil.example/x", false },
		{ "https://management.azure.comevil.example/x", false },
		{ "https://evil-management.azure.com/x", false },
		{ "https://evil.management.azure.com/x", false },
		{ "https://management-azure.com/x", false },
		{ "https://azure.com/x", false },
		{ "https://management.azure.com@evil.example/x", false },
		{ "https://evil.example/https://management.azure.com", false },
		{ "https://evil.example?management.azure.com", false },
		{ "https://evil.example#management.azure.com", false },
		{ "https://u@management.azure.com/x", false },
		{ "https://management.azure.com\\.evil.example/", false },
		{ "https:management.azure.com/x", false },
		{ "//management.azure.com/x", false },
		{ "/x", false },
		{ "", false },
	};
	struct url u;
	(void)state;
	assert_true(url_parse(test_text(home), &u));
	for (size_t i = 0; i < COUNT(rows); i++)
		if (url_on(test_text(rows[i].text), &u, 1) != rows[i].same)
			FAIL("\"%s\" is %staken for %s", rows[i].text,
			     rows[i].same ? "not " : "", home);
}

static void test_any_trusted_origin_is_accepted(void **state) {
	struct url u[3];
	(void)state;
	assert_true(url_parse(test_text(home), &u[0]));
	assert_true(url_parse(SPAN("http://127.0.0.1:8080"), &u[1]));
	assert_true(url_parse(SPAN("https://[::1]:9"), &u[2]));
	assert_true(url_on(SPAN("http://127.0.0.1:8080/x"), u, 3));
	assert_true(url_on(SPAN("https://[::1]:9/x"), u, 3));
	assert_false(url_on(SPAN("http://127.0.0.1:8081/x"), u, 3));
	assert_false(url_on(SPAN("http://127.0.0.1:8080/x"), u, 1));
	assert_false(url_on(SPAN("https://management.azure.com"), u, 0));
}

static void test_loopback_is_this_machine_and_nothing_like_it(void **state) {
	static const struct {
		const char *host;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1", true },
		{ "127.255.0.254", true },
		{ "127.0.0.255", true },
		{ "localhost", true },
		{ "LocalHost", true },
		{ "[::1]", true },
		{ "localhost.evil.example", false },
		{ "evil.localhost.example", false },
		{ "localhos", false },
		{ "127.0.0.1.evil.example", false },
		{ "127.evil.example", false },
		{ "127.0.0.evil", false },
		{ "127.0.0.1.", false },
		{ "127.0.0.", false },
		{ "127.0.0", false },
		{ "127.0.0.1.1", false },
		{ "127.0.0.256", false },
		{ "127.999.0.1", false },
		{ "127.0.0.0", true },
		/* for libcurl an octal number, or a name to look up */
		{ "127.0.0.010", false },
		{ "127.0.0.08", false },
		{ "127.00.0.1", false },
		{ "127.256.0.1", false },
		{ "127.255.255.255", true },
		{ "126.0.0.1", false },
		{ "127..0.1", false },
		{ "128.0.0.1", false },
		{ "0.0.0.0", false },
		{ "1270.0.0.1", false },
		{ "[::2]", false },
		{ "[::1:1]", false },
		{ "management.azure.com", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[100];
		struct url u;
		snprintf(text, sizeof text, "http://%s:80/", rows[i].host);
		assert_true(url_parse(test_text(text), &u));
		if (url_is_loopback(&u) != rows[i].loopback)
			FAIL("%s", rows[i].host);
	}
}

/* ---- references --------------------------------------------------------- */

struct resolution {
	const char *reference, *url;
};

static void resolve_all(const char *base, const struct resolution *rows,
                        size_t count) {
	struct buf out;
	buf_init(&out, test_mem(), 64 * 1024);
	for (size_t i = 0; i < count; i++) {
		bool ok = url_resolve(&out, test_text(base),
		                      test_text(rows[i].reference));
		if (ok != (rows[i].url != NULL))
			FAIL("\"%s\" at \"%s\": %s", rows[i].reference, base,
			     ok ? "resolved" : "refused");
		if (ok && !span_eq(buf_span(&out), test_text(rows[i].url)))
			FAIL("\"%s\" at \"%s\" is \"%.*s\" and not \"%s\"",
			     rows[i].reference, base, (int)out.n, out.p,
			     rows[i].url);
	}
	buf_free(&out);
}

/* RFC 3986 5.4.1, without the fragments, which no request has. */
static void test_normal_examples_of_rfc_3986(void **state) {
	static const struct resolution rows[] = {
		{ "g:h", "g:h" },
		{ "g", "http://a/b/c/g" },
		{ "./g", "http://a/b/c/g" },
		{ "g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" },
		{ "//g", "http://g" },
		{ "?y", "http://a/b/c/d;p?y" },
		{ "g?y", "http://a/b/c/g?y" },
		{ "g#s", "http://a/b/c/g" },
		{ "g?y#s", "http://a/b/c/g?y" },
		{ ";x", "http://a/b/c/;x" },
		{ "g;x", "http://a/b/c/g;x" },
		{ "g;x?y#s", "http://a/b/c/g;x?y" },
		{ ".", "http://a/b/c/" },
		{ "./", "http://a/b/c/" },
		{ "..", "http://a/b/" },
		{ "../", "http://a/b/" },
		{ "../g", "http://a/b/g" },
		{ "../..", "http://a/" },
		{ "../../", "http://a/" },
		{ "../../g", "http://a/g" },
	};
	(void)state;
	resolve_all("http://a/b/c/d;p?q", rows, COUNT(rows));
}

/* RFC 3986 5.4.2 */
static void test_abnormal_examples_of_rfc_3986(void **state) {
	static const struct resolution rows[] = {
		{ "../../../g", "http://a/g" },
		{ "../../../../g", "http://a/g" },
		{ "/./g", "http://a/g" },
		{ "/../g", "http://a/g" },
		{ "g.", "http://a/b/c/g." },
		{ ".g", "http://a/b/c/.g" },
		{ "g..", "http://a/b/c/g.." },
		{ "..g", "http://a/b/c/..g" },
		{ "./../g", "http://a/b/g" },
		{ "./g/.", "http://a/b/c/g/" },
		{ "g/./h", "http://a/b/c/g/h" },
		{ "g/../h", "http://a/b/c/h" },
		{ "g;x=1/./y", "http://a/b/c/g;x=1/y" },
		{ "g;x=1/../y", "http://a/b/c/y" },
		{ "g?y/./x", "http://a/b/c/g?y/./x" },
		{ "g?y/../x", "http://a/b/c/g?y/../x" },
		{ "g#s/./x", "http://a/b/c/g" },
		{ "g#s/../x", "http://a/b/c/g" },
		{ "http:g", "http:g" },
	};
	(void)state;
	resolve_all("http://a/b/c/d;p?q", rows, COUNT(rows));
}

static void test_a_base_without_a_path(void **state) {
	static const struct resolution rows[] = {
		{ "g", "https://h:8443/g" },
		{ "/g", "https://h:8443/g" },
		{ "?y", "https://h:8443?y" },
		{ "../g", "https://h:8443/g" },
	};
	(void)state;
	resolve_all("https://h:8443", rows, COUNT(rows));
	resolve_all("https://h:8443?q/r", rows, COUNT(rows));
}

static void test_nothing_is_encoded_decoded_or_folded(void **state) {
	static const struct resolution rows[] = {
		{ "https://H.example/R/Updating$a.b$c?api-version=2022-01-01",
		  "https://H.example/R/Updating$a.b$c?api-version=2022-01-01" },
		{ "https://h/Updating%24a%2fb%2F?x=%7B%7d",
		  "https://h/Updating%24a%2fb%2F?x=%7B%7d" },
		{ "HTTPS://H:443/a/../b/./c//d",
		  "HTTPS://H:443/a/../b/./c//d" },
		{ "Updating$a%24B?t=$%24&api-version=1&api-version=2",
		  "https://Base/S/G/"
		  "Updating$a%24B?t=$%24&api-version=1&api-version=2" },
		{ "/Updating$a%24B'()*+,;=:@!~",
		  "https://Base/Updating$a%24B'()*+,;=:@!~" },
		{ "/\xe3\x81\x82", "https://Base/\xe3\x81\x82" },
		{ "x//y", "https://Base/S/G/x//y" },
		{ "x/%2e%2e/y", "https://Base/S/G/x/%2e%2e/y" },
	};
	(void)state;
	resolve_all("https://Base/S/G/name?q", rows, COUNT(rows));
}

static void test_references_of_no_use_are_refused(void **state) {
	static const struct resolution rows[] = {
		{ "", NULL },      { "a b", NULL },    { "/a\r\nX: y", NULL },
		{ "\ta", NULL },   { "/a\x7f", NULL }, { "https://h/ x", NULL },
		{ "/a\x01", NULL }
	};
	struct buf out;
	(void)state;
	resolve_all("https://h/x", rows, COUNT(rows));
	buf_init(&out, test_mem(), 100);
	assert_false(url_resolve(&out, SPAN("/not/absolute"), SPAN("x")));
	assert_false(url_resolve(&out, SPAN("https://u@h/"), SPAN("x")));
	assert_false(url_resolve(&out, NO_SPAN, SPAN("x")));
	assert_false(url_resolve(&out, SPAN("https://h/"), NO_SPAN));
	assert_false(url_resolve(&out, SPAN("https://h/"), SPAN("a\0b")));
	buf_free(&out);
}

static void test_no_reference_leaves_the_origin_unseen(void **state) {
	static const char *const rows[] = {
		"//evil.example/x",
		"///evil.example/x",
		"https://evil.example/",
		"https:/x",
		"http:x",
		"evil.example:443",
		"HTTPS:\\\\evil.example",
		"//h@evil.example",
		"//h:80/",
		"x:y",
		"//h.evil.example",
	};
	struct buf out;
	struct url origin;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	assert_true(url_parse(SPAN("https://h/a/b"), &origin));
	for (size_t i = 0; i < COUNT(rows); i++)
		if (url_resolve(&out, SPAN("https://h/a/b"),
		                test_text(rows[i])) &&
		    url_on(buf_span(&out), &origin, 1))
			FAIL("\"%s\" became \"%.*s\"", rows[i], (int)out.n,
			     out.p);
	buf_free(&out);
}

static void test_relative_references_stay_on_the_origin(void **state) {
	static const char *const rows[] = {
		"x",
		"/x",
		"?x",
		"../../../x",
		"/..//evil.example/",
		"./x:y",
		"@evil.example",
		".evil.example",
		"%2f%2fevil.example",
	};
	struct buf out;
	struct url origin;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	assert_true(url_parse(SPAN("https://h"), &origin));
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(url_resolve(&out, SPAN("https://h"),
		                        test_text(rows[i])));
		if (!url_on(buf_span(&out), &origin, 1))
			FAIL("\"%s\" became \"%.*s\"", rows[i], (int)out.n,
			     out.p);
	}
	buf_free(&out);
}

static void test_four_kilobytes_and_more_come_through(void **state) {
	static const char head[] = "https://h/r/Updating$x%24?t=";
	char long_url[9000];
	struct buf out;
	(void)state;
	memset(long_url, '$', sizeof long_url);
	memcpy(long_url, head, sizeof head - 1);
	buf_init(&out, test_mem(), 64 * 1024);
	for (size_t n = 4000; n <= sizeof long_url; n += 1000) {
		struct span s = { long_url, n };
		assert_true(url_resolve(&out, SPAN("https://h/"), s));
		assert_spans(buf_span(&out), s);
		assert_true(
			url_resolve(&out, SPAN("https://h/"), span_from(s, 9)));
		assert_spans(buf_span(&out), s);
	}
	buf_free(&out);
}

static void test_a_result_beyond_the_ceiling_is_refused(void **state) {
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 16);
	assert_true(url_resolve(&out, SPAN("https://h/a"), SPAN("012345")));
	assert_false(url_resolve(&out, SPAN("https://h/a"), SPAN("0123456")));
	assert_false(url_resolve(&out, SPAN("https://h/a"),
	                         SPAN("https://h/a/012345")));
	assert_true(url_resolve(&out, SPAN("https://h/a"), SPAN("b")));
	assert_span(buf_span(&out), "https://h/b");
	buf_free(&out);
}

static void resolve_each(void) {
	static const char *const references[] = { "https://h/absolute",
		                                  "//h2/x", "/a/b/../c",
		                                  "x/../../y?z", "?q" };
	for (size_t i = 0; i < COUNT(references); i++) {
		struct buf out;
		bool ok;
		buf_init(&out, test_mem(), 1000);
		ok = url_resolve(&out, SPAN("https://h/a/b/c?d"),
		                 test_text(references[i]));
		assert_int_equal(ok, !out.failed);
		if (!test_memory.failures)
			assert_true(ok);
		buf_free(&out);
	}
}

static void test_resolving_without_memory_says_so(void **state) {
	(void)state;
	test_each_failure(resolve_each);
}

static void test_no_memory_never_gives_a_shorter_url(void **state) {
	static const char whole[] = "https://h/a/b/c/x/y/z?w";
	(void)state;
	for (size_t n = 1; n < 20; n++) {
		struct buf out;
		buf_init(&out, test_mem(), 1000);
		test_mem_fail_from(n);
		if (url_resolve(&out, SPAN("https://h/a/b/c/d"),
		                SPAN("x/y/z?w")))
			assert_span(buf_span(&out), whole);
		buf_free(&out);
	}
}

/* ---- encoding ----------------------------------------------------------- */

static void test_all_but_the_unreserved_is_percent_encoded(void **state) {
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	for (int c = 0; c < 256; c++) {
		char byte = (char)c, want[4] = { byte, 0, 0, 0 };
		bool plain = memchr(unreserved, c, sizeof unreserved - 1);
		if (!plain)
			snprintf(want, sizeof want, "%%%02X", c);
		buf_clear(&out);
		url_encode(&out, (struct span){ &byte, 1 });
		assert_span(buf_span(&out), want);
	}
	buf_clear(&out);
	url_encode(&out, SPAN("\xe8\xb3\x87\xe6\xba\x90 (1)"));
	assert_span(buf_span(&out), "%E8%B3%87%E6%BA%90%20%281%29");
	buf_free(&out);
}

static void test_a_form_keeps_hard_characters_apart(void **state) {
	struct buf out;
	(void)state;
	buf_init(&out, test_mem(), 1000);
	form_add(&out, "a", SPAN("x+y z&b=c%20/?~"));
	form_add(&out, "empty", SPAN(""));
	form_add(&out, "c", SPAN("\xc3\xa4\n"));
	assert_span(buf_span(&out), "a=x%2By%20z%26b%3Dc%2520%2F%3F~"
	                            "&empty=&c=%C3%A4%0A");
	buf_free(&out);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_plain_urls_are_taken_apart),
		TEST(test_ambiguous_urls_are_refused),
		TEST(test_each_character_of_a_host_counts),
		TEST(test_a_host_name_has_a_ceiling),
		TEST(test_an_origin_is_scheme_host_and_port),
		TEST(test_any_trusted_origin_is_accepted),
		TEST(test_loopback_is_this_machine_and_nothing_like_it),
		TEST(test_normal_examples_of_rfc_3986),
		TEST(test_abnormal_examples_of_rfc_3986),
		TEST(test_a_base_without_a_path),
		TEST(test_nothing_is_encoded_decoded_or_folded),
		TEST(test_references_of_no_use_are_refused),
		TEST(test_no_reference_leaves_the_origin_unseen),
		TEST(test_relative_references_stay_on_the_origin),
		TEST(test_four_kilobytes_and_more_come_through),
		TEST(test_a_result_beyond_the_ceiling_is_refused),
		TEST(test_resolving_without_memory_says_so),
		TEST(test_no_memory_never_gives_a_shorter_url),
		TEST(test_all_but_the_unreserved_is_percent_encoded),
		TEST(test_a_form_keeps_hard_characters_apart),
	};
	return RUN(tests);
}
