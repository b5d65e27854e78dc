/* buf.c -- bytes: views, growable ones, their ceilings, their secrets. */
#include "support.h"

#include "core/buf.h"

/* ---- spans -------------------------------------------------------------- */

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

/* ---- growing ------------------------------------------------------------ */

static void test_absent_until_something_is_added(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 10);
	assert_null(buf_span(&b).p);
	assert_int_equal(test_memory.asked, 0);
	buf_add(&b, SPAN(""));
	assert_span(buf_span(&b), "");
	buf_free(&b);
	assert_null(buf_span(&b).p);
	buf_free(&b);
}

static void test_all_ways_to_add(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	buf_adds(&b, "a");
	buf_addc(&b, '\0');
	buf_add(&b, SPAN("bc"));
	assert_spans(buf_span(&b), SPAN("a\0bc"));
	buf_set(&b, SPAN("anew"));
	assert_span(buf_span(&b), "anew");
	assert_string_equal(buf_cstr(&b), "anew");
	assert_int_equal(b.n, 4);
	buf_free(&b);
	buf_adds(&b, "again"); /* usable after buf_free */
	assert_span(buf_span(&b), "again");
	buf_free(&b);
}

static void test_numbers_in_digits(void **state) {
	static const struct {
		int64_t i;
		const char *digits;
	} rows[] = {
		{ 0, "0" },
		{ 7, "7" },
		{ -1, "-1" },
		{ 1000, "1000" },
		{ INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" },
	};
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_clear(&b);
		buf_addint(&b, rows[i].i);
		assert_span(buf_span(&b), rows[i].digits);
	}
	buf_free(&b);
}

static void test_a_ceiling_may_be_reached_and_not_passed(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 4);
	buf_adds(&b, "four");
	assert_false(b.failed);
	assert_string_equal(buf_cstr(&b), "four");
	buf_add(&b, SPAN(""));
	assert_false(b.failed);
	buf_addc(&b, '!');
	assert_true(b.failed);
	assert_int_equal(b.n, 0);
	assert_null(buf_span(&b).p);
	test_no_leaks();
}

static void test_failure_sticks_until_mended(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 4);
	buf_adds(&b, "five!");
	buf_adds(&b, "a");
	assert_true(b.failed);
	assert_int_equal(b.n, 0);
	assert_null(buf_cstr(&b));
	assert_false(buf_reserve(&b, 0));
	buf_set(&b, SPAN("ok"));
	assert_false(b.failed);
	assert_span(buf_span(&b), "ok");
	buf_free(&b);
}

static void test_a_length_near_the_largest_is_refused(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1 << 20);
	buf_adds(&b, "x");
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buf_clear(&b);
	buf_adds(&b, "x");
	assert_false(buf_reserve(&b, SIZE_MAX - 1));
	buf_free(&b);
}

static void test_bytes_one_by_one_cost_few_allocations(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1 << 20);
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, (char)i);
	for (int i = 0; i < 100000; i++)
		if (b.p[i] != (char)i)
			FAIL("byte %d is another one", i);
	assert_true(test_memory.asked < 40);
	buf_free(&b);
}

static void test_reserved_room_needs_no_more_memory(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	assert_true(buf_reserve(&b, 100));
	test_mem_fail_from(1);
	for (int i = 0; i < 100; i++)
		buf_addc(&b, 'x');
	assert_int_equal(b.n, 100);
	assert_non_null(buf_cstr(&b));
	buf_free(&b);
}

static void test_clearing_keeps_the_memory(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	buf_adds(&b, "0123456789");
	buf_clear(&b);
	assert_int_equal(b.n, 0);
	test_mem_fail_from(1);
	buf_adds(&b, "9876543210");
	assert_span(buf_span(&b), "9876543210");
	buf_free(&b);
}

static void test_moving_takes_the_bytes_along(void **state) {
	struct buf from, to;
	(void)state;
	buf_init(&from, test_mem(), 1000);
	buf_init(&to, test_mem(), 1000);
	buf_adds(&to, "old");
	buf_adds(&from, "new");
	buf_move(&to, &from);
	assert_span(buf_span(&to), "new");
	assert_null(buf_span(&from).p);
	buf_adds(&from, "next"); /* usable, with a block of its own */
	buf_adds(&to, "er");
	assert_span(buf_span(&from), "next");
	assert_span(buf_span(&to), "newer");
	buf_free(&from);
	buf_free(&to);
}

static void test_no_memory_is_a_failure_that_loses_nothing(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	buf_adds(&b, "here");
	test_mem_fail_from(1);
	for (int i = 0; i < 100; i++)
		buf_adds(&b, "more");
	assert_true(b.failed);
	assert_null(buf_span(&b).p);
	test_no_leaks(); /* the bytes are gone, and their block */
	test_mem_fail_from(0);
	buf_set(&b, SPAN("fine"));
	assert_span(buf_span(&b), "fine");
	buf_free(&b);
}

static void build_all(void) {
	struct buf a, b;
	buf_init(&a, test_mem(), 1000);
	buf_init(&b, test_mem(), 1000);
	b.secret = true;
	for (int i = 0; i < 20; i++) {
		buf_adds(&a, "a string");
		buf_addint(&a, i);
		buf_add(&b, buf_span(&a));
	}
	assert_int_equal(a.failed, buf_cstr(&a) == NULL);
	buf_move(&a, &b);
	buf_free(&a);
	buf_free(&b);
}

static void test_no_memory_at_any_point_leaks_nothing(void **state) {
	(void)state;
	test_each_failure(build_all);
}

/* ---- secrets ------------------------------------------------------------ */

static void test_wiped_bytes_are_zeros(void **state) {
	char bytes[5] = "abcd";
	(void)state;
	mem_wipe(bytes, 3);
	assert_memory_equal(bytes, "\0\0\0d", 5);
}

static void secret_buf(struct buf *b, size_t max) {
	buf_init(b, test_mem(), max);
	b->secret = true;
	test_mem_secret("hunter2");
	buf_adds(b, "hunter2");
}

static void test_a_secret_is_wiped_before_it_is_freed(void **state) {
	struct buf b;
	(void)state;
	secret_buf(&b, 1000);
	buf_free(&b);
}

static void test_a_secret_is_wiped_where_it_grew_out_of(void **state) {
	struct buf b;
	(void)state;
	secret_buf(&b, 1000);
	for (int i = 0; i < 50; i++)
		buf_adds(&b, "..........");
	assert_int_equal(b.n, 507);
	assert_memory_equal(b.p, "hunter2...", 10);
	buf_free(&b);
}

static void test_a_secret_is_wiped_when_cleared_or_replaced(void **state) {
	struct buf b;
	(void)state;
	secret_buf(&b, 1000);
	buf_clear(&b);
	assert_null(memmem(b.p, b.cap, "hunter2", 7));
	buf_adds(&b, "hunter2");
	buf_set(&b, SPAN("x"));
	assert_null(memmem(b.p, b.cap, "unter2", 6));
	buf_free(&b);
}

static void test_a_secret_is_wiped_when_its_buffer_fails(void **state) {
	struct buf b;
	(void)state;
	secret_buf(&b, 10);
	buf_adds(&b, "too much for ten");
	assert_true(b.failed);
	secret_buf(&b, 1000);
	test_mem_fail_from(1);
	for (int i = 0; i < 20; i++)
		buf_adds(&b, "no memory");
	assert_true(b.failed);
}

static void test_a_secret_stays_one_when_it_is_moved(void **state) {
	struct buf from, to;
	(void)state;
	secret_buf(&from, 1000);
	buf_init(&to, test_mem(), 1000);
	buf_move(&to, &from);
	buf_adds(&to, "grows and grows and grows and grows");
	buf_free(&to);
	buf_adds(&from, "hunter2"); /* what is left behind is careful, too */
	buf_free(&from);
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
		TEST(test_absent_until_something_is_added),
		TEST(test_all_ways_to_add),
		TEST(test_numbers_in_digits),
		TEST(test_a_ceiling_may_be_reached_and_not_passed),
		TEST(test_failure_sticks_until_mended),
		TEST(test_a_length_near_the_largest_is_refused),
		TEST(test_bytes_one_by_one_cost_few_allocations),
		TEST(test_reserved_room_needs_no_more_memory),
		TEST(test_clearing_keeps_the_memory),
		TEST(test_moving_takes_the_bytes_along),
		TEST(test_no_memory_is_a_failure_that_loses_nothing),
		TEST(test_no_memory_at_any_point_leaks_nothing),
		TEST(test_wiped_bytes_are_zeros),
		TEST(test_a_secret_is_wiped_before_it_is_freed),
		TEST(test_a_secret_is_wiped_where_it_grew_out_of),
		TEST(test_a_secret_is_wiped_when_cleared_or_replaced),
		TEST(test_a_secret_is_wiped_when_its_buffer_fails),
		TEST(test_a_secret_stays_one_when_it_is_moved),
	};
	return RUN(tests);
}
