/* buf.c -- growable bytes: their ceilings, their secrets. */
#include "support.h"

#include "core/buf.h"

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

static void test_a_text_becomes_a_json_string(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	buf_add_json(&b,
	             (struct span){ "a\"b\\c\0\x0b\x1f d\xe2\x82\xac", 13 });
	assert_span(buf_span(&b),
	            "\"a\\\"b\\\\c\\u0000\\u000b\\u001f d\xe2\x82\xac\"");
	buf_free(&b);
	test_no_leaks();
}

static void test_a_buffer_may_reach_its_limit_and_not_exceed_it(void **state) {
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

static void test_a_limit_is_a_power_of_two(void **state) {
	static const struct {
		size_t max, limit;
	} rows[] = {
		{ 0, 1 },
		{ 1, 1 },
		{ 2, 2 },
		{ 5, 8 },
		{ 1024, 1024 },
		{ 1025, 2048 },
		{ BUF_MAX, BUF_MAX },
		{ SIZE_MAX, BUF_MAX },
	};
	struct buf b;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_init(&b, test_mem(), rows[i].max);
		assert_int_equal(buf_max(&b), rows[i].limit);
	}
	assert_int_equal(sizeof b, 2 * sizeof(void *) + 8);
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

static void test_a_fitted_text_takes_no_more_than_it_needs(void **state) {
	struct buf b;
	(void)state;
	buf_init(&b, test_mem(), 1000);
	buf_fit(&b);
	assert_int_equal(test_memory.bytes, 0);
	buf_reserve(&b, 100);
	buf_adds(&b, "short");
	test_mem_fail_from(1);
	buf_fit(&b); /* without memory it keeps the room */
	assert_int_equal(test_memory.bytes, 101);
	test_mem_fail_from(0);
	buf_fit(&b);
	assert_int_equal(test_memory.bytes, 6); /* with a closing NUL */
	assert_string_equal(buf_cstr(&b), "short");
	buf_adds(&b, "er");
	assert_span(buf_span(&b), "shorter");
	buf_free(&b);
}

static void test_swapping_allocates_nothing(void **state) {
	struct buf a, b;
	(void)state;
	buf_init(&a, test_mem(), 1000);
	buf_init(&b, test_mem(), 1000);
	buf_adds(&a, "one");
	test_mem_fail_from(1);
	buf_swap(&a, &b);
	test_mem_fail_from(0);
	assert_null(buf_span(&a).p);
	assert_span(buf_span(&b), "one");
	buf_free(&a);
	buf_free(&b);
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

static void test_a_table_that_cannot_grow_stays_as_it_is(void **state) {
	const struct mem *mem = test_mem();
	size_t n = 0;
	int *table = mem_reach(mem, NULL, &n, 0, sizeof *table);
	(void)state;
	assert_non_null(table);
	table[0] = 7;
	test_mem_fail_from(1);
	assert_null(mem_reach(mem, table, &n, n, sizeof *table));
	test_mem_fail_from(0);
	assert_int_equal(n, 64);
	assert_int_equal(table[0], 7);
	mem_resize(mem, table, n * sizeof *table, 0);
}

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

static void test_a_table_reaches_an_entry(void **state) {
	const struct mem *mem = test_mem();
	size_t n = 0;
	int *table = mem_reach(mem, NULL, &n, 5, sizeof *table);
	(void)state;
	assert_int_equal(n, 64);
	assert_int_equal(table[63], 0);
	table[63] = 7;
	assert_ptr_equal(mem_reach(mem, table, &n, 63, sizeof *table), table);
	assert_int_equal(n, 64);
	table = mem_reach(mem, table, &n, 300, sizeof *table);
	assert_int_equal(n, 512);
	assert_int_equal(table[63], 7);
	for (size_t i = 64; i < n; i++)
		assert_int_equal(table[i], 0);
	mem_resize(mem, table, n * sizeof *table, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_absent_until_something_is_added),
		TEST(test_all_ways_to_add),
		TEST(test_numbers_in_digits),
		TEST(test_a_text_becomes_a_json_string),
		TEST(test_a_buffer_may_reach_its_limit_and_not_exceed_it),
		TEST(test_a_limit_is_a_power_of_two),
		TEST(test_failure_sticks_until_mended),
		TEST(test_a_length_near_the_largest_is_refused),
		TEST(test_bytes_one_by_one_cost_few_allocations),
		TEST(test_reserved_room_needs_no_more_memory),
		TEST(test_clearing_keeps_the_memory),
		TEST(test_moving_takes_the_bytes_along),
		TEST(test_a_fitted_text_takes_no_more_than_it_needs),
		TEST(test_swapping_allocates_nothing),
		TEST(test_no_memory_is_a_failure_that_loses_nothing),
		TEST(test_no_memory_at_any_point_leaks_nothing),
		TEST(test_a_table_reaches_an_entry),
		TEST(test_a_table_that_cannot_grow_stays_as_it_is),
		TEST(test_wiped_bytes_are_zeros),
		TEST(test_a_secret_is_wiped_before_it_is_freed),
		TEST(test_a_secret_is_wiped_where_it_grew_out_of),
		TEST(test_a_secret_is_wiped_when_cleared_or_replaced),
		TEST(test_a_secret_is_wiped_when_its_buffer_fails),
		TEST(test_a_secret_stays_one_when_it_is_moved),
	};
	return RUN(tests);
}
