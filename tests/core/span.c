/* span.c -- views of bytes: comparing, cutting, kinds of characters. */
#include "support.h"

#include <ctype.h>

#include "core/span.h"

static void test_absent_is_not_empty_but_equal_to_it(void **state) {
	(void)state;
	assert_null(span_of(NULL).p);
	assert_non_null(span_of("").p);
	assert_true(span_eq(NO_SPAN, SPAN("")));
	assert_true(span_ieq(NO_SPAN, NO_SPAN));
	assert_false(span_eq(NO_SPAN, SPAN("a")));
	assert_true(span_istarts(SPAN("a"), NO_SPAN));
	assert_int_equal(span_trim(NO_SPAN).n, 0);
}

static void test_only_ascii_letters_have_two_cases(void **state) {
	static const struct {
		struct span a, b;
		bool same;
	} rows[] = {
		{ { "Location", 8 }, { "lOCATION", 8 }, true },
		{ { "a", 1 }, { "A", 1 }, true },
		{ { "z", 1 }, { "Z", 1 }, true },
		{ { "@", 1 }, { "`", 1 }, false },
		{ { "[", 1 }, { "{", 1 }, false },
		{ { "a\0b", 3 }, { "A\0B", 3 }, true },
		{ { "a\0b", 3 }, { "a\0c", 3 }, false },
		{ { "\xc3\x84", 2 }, { "\xc3\xa4", 2 }, false },
		{ { "ab", 2 }, { "abc", 3 }, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (span_ieq(rows[i].a, rows[i].b) != rows[i].same ||
		    span_ieq(rows[i].b, rows[i].a) != rows[i].same)
			FAIL("row %zu", i);
		if (span_eq(rows[i].a, rows[i].b))
			FAIL("row %zu: they differ", i);
	}
}

static void test_a_prefix_in_any_case(void **state) {
	(void)state;
	assert_true(span_istarts(SPAN("HTTPS://x"), SPAN("https:")));
	assert_false(span_istarts(SPAN("http"), SPAN("https")));
	assert_false(span_istarts(NO_SPAN, SPAN("a")));
}

static void test_blanks_and_line_ends_are_trimmed(void **state) {
	(void)state;
	assert_span(span_trim(SPAN(" \t\r\n a b \n\r\t ")), "a b");
	assert_span(span_trim(SPAN(" \t ")), "");
	assert_span(span_trim(SPAN("\vx")), "\vx");
	assert_span(span_from(SPAN("abc"), 1), "bc");
	assert_span(span_from(SPAN("abc"), 3), "");
}

static void test_digits_become_a_number_or_nothing(void **state) {
	static const struct {
		const char *text;
		int64_t value; /* -1: no number */
	} rows[] = {
		{ "0", 0 },
		{ "007", 7 },
		{ "3599", 3599 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", -1 },
		{ "18446744073709551617", -1 },
		{ "99999999999999999999999999", -1 },
		{ "", -1 },
		{ "-1", -1 },
		{ "+1", -1 },
		{ " 1", -1 },
		{ "1 ", -1 },
		{ "1.0", -1 },
		{ "0x10", -1 },
		{ "1e3", -1 },
		{ "\xd9\xa1", -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t v = -7;
		bool ok = span_uint(test_text(rows[i].text), &v);
		if (ok != (rows[i].value >= 0))
			FAIL("\"%s\" taken: %d", rows[i].text, ok);
		if (ok && v != rows[i].value)
			FAIL("\"%s\" is %lld", rows[i].text, (long long)v);
	}
	assert_false(span_uint(NO_SPAN, &(int64_t){ 0 }));
	assert_false(span_uint((struct span){ "1\0", 2 }, &(int64_t){ 0 }));
}

static void test_the_length_of_a_utf8_character(void **state) {
	static const struct {
		struct span s;
		size_t n; /* 0: malformed */
	} rows[] = {
		{ LITERAL("a"), 1 },
		{ LITERAL("\x7f"), 1 },
		{ LITERAL("\0"), 1 },
		{ LITERAL("\xc2\x80"), 2 },
		{ LITERAL("\xc3\xbc!"), 2 },
		{ LITERAL("\xdf\xbf"), 2 },
		{ LITERAL("\xe0\xa0\x80"), 3 },
		{ LITERAL("\xe6\x9c\xac\xe7"), 3 },
		{ LITERAL("\xed\x9f\xbf"), 3 },
		{ LITERAL("\xee\x80\x80"), 3 },
		{ LITERAL("\xf0\x90\x80\x80"), 4 },
		{ LITERAL("\xf4\x8f\xbf\xbf"), 4 },
		{ LITERAL(""), 0 },
		{ LITERAL("\x80"), 0 },
		{ LITERAL("\xbf"), 0 },
		{ LITERAL("\xc0\xaf"), 0 }, /* '/' in two bytes */
		{ LITERAL("\xc1\xbf"), 0 },
		{ LITERAL("\xc3"), 0 },
		{ LITERAL("\xc3("), 0 },
		{ LITERAL("\xc3\xc3"), 0 },
		{ LITERAL("\xe6\x9c"), 0 },
		{ LITERAL("\xe6(\xac"), 0 },
		{ LITERAL("\xe6\x9c("), 0 },
		{ LITERAL("\xf0\x90\x80"), 0 },
		{ LITERAL("\xf0\x90\x80("), 0 },
		{ LITERAL("\xf8\x88\x80\x80\x80"), 0 },
		{ LITERAL("\xff"), 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (span_utf8(rows[i].s) != rows[i].n)
			FAIL("row %zu: %zu", i, span_utf8(rows[i].s));
	assert_int_equal(span_utf8(NO_SPAN), 0);
}

/* RFC 3629 3 and 4: neither overlong, nor surrogates, nor beyond U+10FFFF */
static void test_malformed_utf8_of_the_right_shape(void **state) {
	static const struct span rows[] = {
		LITERAL("\xe0\x80\xaf"),     LITERAL("\xe0\x9f\xbf"),
		LITERAL("\xf0\x80\x80\xaf"), LITERAL("\xf0\x8f\xbf\xbf"),
		LITERAL("\xed\xa0\x80"),     LITERAL("\xed\xbf\xbf"),
		LITERAL("\xf4\x90\x80\x80"),
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (span_utf8(rows[i]) != 0)
			FAIL("row %zu: %zu", i, span_utf8(rows[i]));
}

static void test_the_length_of_a_head_without_these_characters(void **state) {
	(void)state;
	assert_int_equal(span_cspn(SPAN("a/b?c"), "?/"), 1);
	assert_int_equal(span_cspn(SPAN("abc"), "?/"), 3);
	assert_int_equal(span_cspn(SPAN("abc"), ""), 3);
	assert_int_equal(span_cspn(SPAN("a\0b"), "b"), 2);
	assert_int_equal(span_cspn(NO_SPAN, "a"), 0);
}

static void test_a_head_is_cut_off_with_its_separator(void **state) {
	struct span s = SPAN("key:a:");
	(void)state;
	assert_span(span_cut(&s, ':'), "key");
	assert_span(s, "a:");
	assert_span(span_cut(&s, ':'), "a");
	assert_span(s, "");
	assert_non_null(s.p); /* there was a separator */
	assert_span(span_cut(&s, ':'), "");
	assert_null(s.p);
	assert_null(span_cut(&s, ':').p);
}

static void test_a_nul_can_be_the_separator(void **state) {
	struct span s = SPAN("ab\0c");
	(void)state;
	assert_span(span_cut(&s, '\0'), "ab");
	assert_span(s, "c");
}

/* All 256 characters, beside what isxdigit and the like say in the C locale. */
static void test_kinds_of_characters_are_those_of_the_c_locale(void **state) {
	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool ascii = i < 128;
		if (char_is(c, CHAR_ALNUM) != (ascii && isalnum(i)) ||
		    char_is(c, CHAR_LETTER) != (ascii && isalpha(i)) ||
		    char_is(c, CHAR_LOWER) != (ascii && islower(i)) ||
		    char_is(c, CHAR_DIGIT) != (ascii && isdigit(i)) ||
		    char_is(c, CHAR_HEX) != (ascii && isxdigit(i)) ||
		    char_is(c, CHAR_VISIBLE) != (ascii && isgraph(i)) ||
		    char_is(c, CHAR_PRINTABLE) != (ascii && isprint(i)) ||
		    char_is(c, CHAR_HIGH) != !ascii)
			FAIL("character %d", i);
		if ((char_hex_value(c) >= 0) != char_is(c, CHAR_HEX))
			FAIL("digit %d", i);
	}
	for (int i = 0; i < 16; i++) {
		assert_int_equal(char_hex_value("0123456789abcdef"[i]), i);
		assert_int_equal(char_hex_value("0123456789ABCDEF"[i]), i);
	}
}

static void test_only_these_kinds_and_these_others(void **state) {
	(void)state;
	assert_true(span_only(SPAN("a-b_1"), CHAR_ALNUM, "-_"));
	assert_false(span_only(SPAN("a.b"), CHAR_ALNUM, "-_"));
	assert_false(span_only(SPAN("a\0"), CHAR_ALNUM, "-_"));
	assert_true(span_only(SPAN("--"), 0, "-"));
	assert_true(span_only(NO_SPAN, 0, ""));
}

/* Each byte at each place of the words that are read at once, and behind
   them. */
static void test_visible_is_visible_at_each_place(void **state) {
	(void)state;
	assert_true(span_visible(NO_SPAN));
	for (size_t n = 1; n <= 19; n++) {
		for (size_t at = 0; at < n; at++) {
			for (int c = 0; c < 256; c++) {
				char text[20] = "!~!~!~!~!~!~!~!~!~!";
				struct span s = { text, n };
				text[at] = (char)c;
				if (span_visible(s) !=
				    char_is((char)c, CHAR_VISIBLE))
					FAIL("byte %d at %zu of %zu", c, at, n);
			}
		}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_absent_is_not_empty_but_equal_to_it),
		TEST(test_only_ascii_letters_have_two_cases),
		TEST(test_a_prefix_in_any_case),
		TEST(test_blanks_and_line_ends_are_trimmed),
		TEST(test_digits_become_a_number_or_nothing),
		TEST(test_the_length_of_a_utf8_character),
		TEST(test_malformed_utf8_of_the_right_shape),
		TEST(test_the_length_of_a_head_without_these_characters),
		TEST(test_a_head_is_cut_off_with_its_separator),
		TEST(test_a_nul_can_be_the_separator),
		TEST(test_kinds_of_characters_are_those_of_the_c_locale),
		TEST(test_only_these_kinds_and_these_others),
		TEST(test_visible_is_visible_at_each_place),
	};
	return RUN(tests);
}
