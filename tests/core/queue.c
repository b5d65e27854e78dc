/* queue.c -- queues of things that carry their own links. */
#include "support.h"

#include "core/queue.h"

static struct thing {
	struct queue_link link;
	char name;
} things[] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' } };

static struct queue_link *thing(char name) {
	return &things[name - 'a'].link;
}

/* Forwards and backwards, the queue is these things, and they stand in it. */
static void check(const struct queue *q, const char *names) {
	const struct queue_link *last = NULL;
	size_t n = 0;
	for (struct queue_link *at = q->first; at; at = at->next) {
		assert_int_equal(((const struct thing *)at)->name, names[n++]);
		assert_ptr_equal(at->prev, last);
		assert_ptr_equal(at->queue, q);
		last = at;
	}
	assert_int_equal(names[n], '\0');
	assert_int_equal(q->n, n);
	assert_ptr_equal(q->last, last);
}

static void test_items_join_at_both_ends(void **state) {
	struct queue q = { NULL, NULL, 0 };
	(void)state;
	check(&q, "");
	queue_enter(&q, thing('b'));
	check(&q, "b");
	queue_enter(&q, thing('c'));
	queue_enter_first(&q, thing('a'));
	check(&q, "abc");
}

static void test_items_leave_from_any_position(void **state) {
	struct queue q = { NULL, NULL, 0 };
	(void)state;
	for (char c = 'a'; c <= 'c'; c++)
		queue_enter(&q, thing(c));
	queue_leave(thing('b'));
	check(&q, "ac");
	queue_leave(thing('a'));
	check(&q, "c");
	queue_leave(thing('c'));
	check(&q, "");
	queue_leave(thing('c')); /* it stands in none */
	check(&q, "");
	assert_null(thing('c')->queue);
}

static void test_an_item_is_in_one_queue_at_most(void **state) {
	struct queue q = { NULL, NULL, 0 }, other = { NULL, NULL, 0 };
	(void)state;
	for (char c = 'a'; c <= 'c'; c++)
		queue_enter(&q, thing(c));
	queue_enter(&other, thing('b'));
	check(&q, "ac");
	check(&other, "b");
	queue_enter(&q, thing('a')); /* to the other end */
	check(&q, "ca");
	queue_enter_first(&q, thing('a'));
	check(&q, "ac");
}

static int leave_all(void **state) {
	(void)state;
	for (char c = 'a'; c <= 'c'; c++)
		*thing(c) = (struct queue_link){ NULL, NULL, NULL };
	return 0;
}

#define QUEUE_TEST(f) cmocka_unit_test_setup(f, leave_all)

int main(void) {
	const struct CMUnitTest tests[] = {
		QUEUE_TEST(test_items_join_at_both_ends),
		QUEUE_TEST(test_items_leave_from_any_position),
		QUEUE_TEST(test_an_item_is_in_one_queue_at_most),
	};
	return RUN(tests);
}
