/* rate.c -- the service's counters, and how fast they let the next request go:
   "Understand how Azure Resource Manager throttles requests". */
#include "support.h"

#include "core/rate.h"

enum { LONGEST = 60000 };

#define LEFT(kind, n) "x-ms-ratelimit-remaining-subscription-" kind ": " n

static void hear(struct rate *r, enum rate_kind kind, int status,
                 const char *head, const char *code, int64_t ms) {
	struct facts f = code ? facts_error(code, "slower") : no_facts();
	struct answer a = answer_of(reply_of(status, head, "{}"), f, ms);
	rate_note(r, kind, &a, LONGEST);
}

/* The pause after a request at 1000 ms. */
static int64_t pause_of(const char *head, enum rate_kind kind,
                        size_t in_flight) {
	struct rate r;
	rate_init(&r);
	hear(&r, kind, 200, head, NULL, 0);
	rate_sent(&r, kind, now_at(1000));
	return rate_next(&r, kind, in_flight) - 1000;
}

static void test_the_pause_grows_as_the_bucket_empties(void **state) {
	static const struct {
		enum rate_kind kind;
		const char *head;
		size_t in_flight;
		int64_t pause;
	} rows[] = {
		/* buckets of 250 and 200, 25 and 10 come back each second */
		{ RATE_READ, NULL, 0, 0 },
		{ RATE_READ, LEFT("reads", "250"), 0, 0 },
		{ RATE_READ, LEFT("reads", "26"), 0, 0 },
		{ RATE_READ, LEFT("reads", "25"), 0, 40 },
		{ RATE_READ, LEFT("reads", "5"), 0, 200 },
		{ RATE_READ, LEFT("reads", "2"), 0, 500 },
		{ RATE_READ, LEFT("reads", "1"), 0, 1000 },
		{ RATE_READ, LEFT("reads", "0"), 0, 1000 },
		{ RATE_WRITE, LEFT("writes", "21"), 0, 0 },
		{ RATE_WRITE, LEFT("writes", "20"), 0, 100 },
		{ RATE_WRITE, LEFT("writes", "1"), 0, 2000 },
		{ RATE_DELETE, LEFT("deletes", "20"), 0, 100 },
		{ RATE_DELETE, LEFT("deletes", "21"), 0, 0 },
		/* those on their way have taken theirs */
		{ RATE_READ, LEFT("reads", "30"), 5, 40 },
		{ RATE_READ, LEFT("reads", "3"), 9, 1000 },
		/* the less of one's own and of all principals together */
		{ RATE_READ,
		  LEFT("reads", "100") "\n" LEFT("global-reads", "5"), 0, 200 },
		{ RATE_READ,
		  LEFT("reads", "5") "\n" LEFT("global-reads", "100"), 0, 200 },
		{ RATE_READ, LEFT("global-reads", "5"), 0, 200 },
		{ RATE_READ, LEFT("reads", "5") "\n" LEFT("global-reads", "0"),
		  0, 1000 },
		{ RATE_WRITE, LEFT("global-writes", "10"), 0, 200 },
		{ RATE_DELETE, LEFT("global-deletes", "10"), 0, 200 },
		/* of another kind */
		{ RATE_WRITE, LEFT("reads", "0"), 0, 0 },
		{ RATE_READ, LEFT("writes", "0"), 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t is =
			pause_of(rows[i].head, rows[i].kind, rows[i].in_flight);
		if (is != rows[i].pause)
			FAIL("row %zu: %lld ms", i, (long long)is);
	}
}

static void test_429_of_the_subscription_holds_its_kind(void **state) {
	static const struct {
		int status;
		const char *head, *code;
		int64_t hold; /* ms from then on; 0: none */
	} rows[] = {
		{ 429, "Retry-After: 7", "SubscriptionRequestsThrottled",
		  7000 },
		{ 429, "Retry-After: 7", "toomanyrequests", 7000 },
		{ 429, "Retry-After: 7\nx-ms-failure-cause: Gateway", NULL,
		  7000 },
		{ 429, "Retry-After: 60", "TooManyRequests", 60000 },
		{ 429, "Retry-After: 61", "TooManyRequests", 0 },
		{ 429, "Retry-After: 0", "TooManyRequests", 0 },
		{ 429, NULL, "TooManyRequests", 0 },
		/* one resource is busy */
		{ 429, "Retry-After: 7", "Busy", 0 },
		{ 429, "Retry-After: 7\nx-ms-failure-cause: service", NULL, 0 },
		{ 503, "Retry-After: 7", "TooManyRequests", 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rate r;
		int64_t hold;
		rate_init(&r);
		hear(&r, RATE_WRITE, rows[i].status, rows[i].head, rows[i].code,
		     5000);
		hold = rate_next(&r, RATE_WRITE, 0);
		if (hold != (rows[i].hold ? 5000 + rows[i].hold : 0))
			FAIL("row %zu: until %lld ms", i, (long long)hold);
		assert_int_equal(rate_next(&r, RATE_READ, 0), 0);
	}
}

static void test_each_limit_has_its_counter(void **state) {
	(void)state;
	for (int i = 0; i < RATE_COUNT; i++) {
		char head[128];
		struct rate r;
		rate_init(&r);
		snprintf(head, sizeof head,
		         "Date: x\nX-Ms-RateLimit-Remaining-%s:  %d \nVia: y",
		         rate_name(i), i + 7);
		hear(&r, RATE_READ, 200, head, NULL, 0);
		for (int j = 0; j < RATE_COUNT; j++)
			assert_int_equal(r.remaining[j], i == j ? i + 7 : -1);
	}
}

static void test_a_line_that_is_no_counter_is_ignored(void **state) {
	static const char *const lines[] = {
		LEFT("reads", "many"),
		LEFT("reads", ""),
		LEFT("reads", "-1"),
		"x-ms-ratelimit-remaining-subscription-reads",
		"x-ms-ratelimit-remaining-subscription-readsx: 5",
		"x-ms-ratelimit-remaining-subscription-read: 5",
		"x-ms-ratelimit-remaining-",
		"x-ms-ratelimit-used-subscription-reads: 5",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct rate r;
		rate_init(&r);
		hear(&r, RATE_READ, 200, lines[i], NULL, 0);
		for (int j = 0; j < RATE_COUNT; j++)
			if (r.remaining[j] != -1)
				FAIL("%s: %s is %lld", lines[i], rate_name(j),
				     (long long)r.remaining[j]);
	}
}

#define WINDOW(left, ends)                                                     \
	"x-ms-user-quota-remaining: " left                                     \
	"\nx-ms-user-quota-resets-after: " ends

static void test_a_query_waits_for_the_end_of_its_window(void **state) {
	static const struct {
		int status;
		const char *head;
		int64_t hold; /* ms from then on; 0: none */
	} rows[] = {
		{ 200, WINDOW("0", "00:00:05"), 5000 },
		{ 200, WINDOW("0", "00:01:00"), 60000 },
		{ 200, WINDOW("0", "00:00:02.5000000"), 3000 },
		{ 200, WINDOW("1", "00:00:05"), 0 },
		{ 200, WINDOW("0", "00:00:00"), 0 },
		{ 200, WINDOW("0", "00:01:01"), 0 }, /* longer than it may */
		{ 200, WINDOW("0", "soon"), 0 },
		{ 200, WINDOW("0", "5"), 0 },
		{ 200, WINDOW("0", "00:00:"), 0 },
		{ 200, WINDOW("", "00:00:05"), 0 },
		{ 200, NULL, 0 },
		{ 429, "x-ms-user-quota-resets-after: 00:00:04", 4000 },
		{ 429, WINDOW("3", "00:00:04"), 4000 },
		{ 429, WINDOW("0", "00:00:04") "\nRetry-After: 9", 9000 },
		{ 429, NULL, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rate r;
		int64_t hold;
		rate_init(&r);
		hear(&r, RATE_QUERY, rows[i].status, rows[i].head, NULL, 5000);
		hold = rate_next(&r, RATE_QUERY, 7);
		if (hold != (rows[i].hold ? 5000 + rows[i].hold : 0))
			FAIL("row %zu: until %lld ms", i, (long long)hold);
		assert_int_equal(rate_next(&r, RATE_READ, 0), 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_pause_grows_as_the_bucket_empties),
		TEST(test_429_of_the_subscription_holds_its_kind),
		TEST(test_each_limit_has_its_counter),
		TEST(test_a_line_that_is_no_counter_is_ignored),
		TEST(test_a_query_waits_for_the_end_of_its_window),
	};
	return RUN(tests);
}
