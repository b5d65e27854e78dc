/* retry.c -- which outcomes are worth another try, and when. */
#include "support.h"

#include "core/retry.h"

/* ---- which -------------------------------------------------------------- */

static void test_which_statuses_are_tried_again(void **state) {
	static const int yes[] = { 408, 429, 500, 502, 503, 504 };
	const struct retry_policy p = RETRY_DEFAULT;
	(void)state;
	for (int status = 100; status < 700; status++) {
		const struct reply *r = reply_of(status, NULL, NULL);
		bool want = false;
		for (size_t i = 0; i < COUNT(yes); i++)
			want |= yes[i] == status;
		if (retry_worthwhile(&p, r, NO_SPAN) != want)
			FAIL("%d is %stried again", status, want ? "not " : "");
	}
}

static void test_which_breaks_of_the_transport_are_tried_again(void **state) {
	static const bool again[NET_COUNT] = {
		[NET_RESOLVE] = true,   [NET_PROXY] = true,
		[NET_PROXY_TLS] = true, [NET_CONNECT] = true,
		[NET_TLS] = true,       [NET_TIMEOUT] = true,
		[NET_SEND] = true,      [NET_RECV] = true,
		[NET_REFUSED] = true,   [NET_OTHER] = true,
	};
	const struct retry_policy p = RETRY_DEFAULT;
	(void)state;
	for (int e = NET_OK + 1; e < NET_COUNT; e++) {
		struct reply *r = no_reply((enum net_error)e, true);
		if (retry_worthwhile(&p, r, NO_SPAN) != again[e])
			FAIL("%s: %stried again", net_error_text(r->error),
			     again[e] ? "not " : "");
		/* a status that came before the break changes nothing */
		r->status = 200;
		assert_int_equal(retry_worthwhile(&p, r, NO_SPAN), again[e]);
		r->status = 503;
		assert_int_equal(retry_worthwhile(&p, r, NO_SPAN), again[e]);
	}
}

static void test_a_conflict_is_retried_by_option_or_retry_after(void **state) {
	static const struct {
		const char *head, *code;
		bool asked, again, passes;
	} rows[] = {
		{ NULL, "Conflict", false, false, true },
		{ NULL, NULL, false, false, true },
		{ "Retry-After: 5", "Conflict", false, true, true },
		{ "Retry-After: 5", NULL, false, true, true },
		{ "Retry-After: Mon, 01 Jan 2024 00:00:30 GMT",
		  "AnotherOperationInProgress", false, true, true },
		{ "x-ms-retry-after-ms: 500", "Conflict", false, true, true },
		{ "retry-after-ms: 500", "Conflict", false, true, true },
		{ NULL, "AnotherOperationInProgress", true, true, true },
		{ NULL, "ScopeLocked", true, false, false },
		{ "Retry-After: 5", "ScopeLocked", false, false, false },
		{ "Retry-After: 5", "SCOPELOCKED", true, false, false },
		{ NULL, "ResourceGroupBeingDeleted", true, false, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct reply *r = reply_of(409, rows[i].head, NULL);
		struct span code = test_text(rows[i].code);
		struct retry_policy p = RETRY_DEFAULT;
		p.conflict = rows[i].asked;
		if (retry_worthwhile(&p, r, code) != rows[i].again ||
		    retry_passes(&p, r, code) != rows[i].passes)
			FAIL("row %zu", i);
	}
}

static void test_codes_that_the_caller_lists_are_tried_again(void **state) {
	static const struct {
		int status;
		const char *code;
		bool again;
	} rows[] = {
		{ 400, "AccountBusy", true },   { 409, "accountbusy", true },
		{ 403, "Later", true },         { 400, "AccountBus", false },
		{ 400, "AccountBusyX", false }, { 400, "", false },
		{ 400, NULL, false },           { 200, "Later", false },
		{ 409, "ScopeLocked", false },
	};
	struct retry_policy p = RETRY_DEFAULT;
	(void)state;
	p.codes = SPAN("AccountBusy\nLater\n");
	for (size_t i = 0; i < COUNT(rows); i++)
		if (retry_worthwhile(&p, reply_of(rows[i].status, NULL, NULL),
		                     test_text(rows[i].code)) != rows[i].again)
			FAIL("row %zu", i);
}

static void test_which_outcomes_leave_a_write_in_doubt(void **state) {
	static const struct {
		int status;
		bool doubt;
	} rows[] = {
		{ 200, false }, { 202, false }, { 204, false }, { 400, false },
		{ 401, false }, { 403, false }, { 404, false }, { 408, true },
		{ 409, false }, { 412, false }, { 429, false }, { 499, false },
		{ 500, true },  { 501, false }, { 502, true },  { 503, true },
		{ 504, true },  { 505, false }, { 506, true },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (retry_ambiguous(reply_of(rows[i].status, NULL, NULL)) !=
		    rows[i].doubt)
			FAIL("%d", rows[i].status);
	for (int e = NET_OK + 1; e < NET_COUNT; e++) {
		assert_true(retry_ambiguous(no_reply((enum net_error)e, true)));
		assert_false(
			retry_ambiguous(no_reply((enum net_error)e, false)));
	}
}

/* ---- when --------------------------------------------------------------- */

static void test_back_off_grows_between_its_edges(void **state) {
	static const struct {
		int tries;
		int64_t least, most; /* ms, with jitter from 0.8 to 1.3 */
	} rows[] = {
		{ 1, 640, 1040 },    /* 0.8 s */
		{ 2, 1920, 3120 },   /* 2.4 s */
		{ 3, 4480, 7280 },   /* 5.6 s */
		{ 4, 9600, 15600 },  /* 12 s */
		{ 5, 19840, 32240 }, /* 24.8 s */
		{ 6, 40320, 60000 }, /* 50.4 s */
		{ 7, 48000, 60000 }, /* the ceiling */
		{ 20, 48000, 60000 },
		{ 1000, 48000, 60000 },
		{ INT32_MAX, 48000, 60000 },
	};
	const struct retry_policy p = RETRY_DEFAULT;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t least = INT64_MAX, most = 0;
		for (uint32_t random = 0; random < 5000; random++) {
			int64_t ms = retry_backoff(&p, rows[i].tries, random);
			if (ms < rows[i].least || ms > rows[i].most)
				FAIL("%d tries, random %u: %lld ms",
				     rows[i].tries, (unsigned)random,
				     (long long)ms);
			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		/* the jitter uses its whole range */
		assert_true(least <= rows[i].least * 101 / 100);
		assert_true(most >= rows[i].most * 99 / 100);
	}
	retry_backoff(&p, 1, UINT32_MAX);
}

static void test_back_off_with_extreme_policies(void **state) {
	static const struct {
		int64_t base, max;
		int tries;
		int64_t least, most;
	} rows[] = {
		{ 0, 60000, 1, 0, 0 },
		{ 0, 60000, 50, 0, 0 },
		{ 800, 0, 3, 0, 0 },
		{ 60000, 1000, 1, 800, 1000 },
		{ 1, 1, 1, 0, 1 },
		{ 86400000, 86400000, 20, 69120000, 86400000 },
		{ INT64_MAX, 60000, 20, 48000, 60000 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct retry_policy p = { .max_tries = 4,
			                  .base_delay = rows[i].base,
			                  .max_delay = rows[i].max };
		for (uint32_t random = 0; random < 1000; random += 7) {
			int64_t ms = retry_backoff(&p, rows[i].tries, random);
			if (ms < rows[i].least || ms > rows[i].most)
				FAIL("row %zu: %lld ms", i, (long long)ms);
		}
	}
}

static void test_the_same_randomness_gives_the_same_pause(void **state) {
	static const struct {
		int tries;
		uint32_t random;
		int64_t ms;
	} rows[] = {
		{ 1, 0, 800 },
		{ 1, 499, 1299 },
		{ 1, 500, 800 },
		{ 2, 0, 2400 },
		{ 3, 200, 7000 },
		{ 19, 0, 419429600 },
		/* with the 20th try the pause has its greatest length */
		{ 20, 0, 838860000 },
		{ 21, 0, 838860000 },
		{ 99, 0, 838860000 },
	};
	const struct retry_policy p = { .max_tries = 100,
		                        .base_delay = 1000,
		                        .max_delay = INT64_C(1) << 40 };
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t ms = retry_backoff(&p, rows[i].tries, rows[i].random);
		if (ms != rows[i].ms)
			FAIL("row %zu: %lld ms", i, (long long)ms);
	}
}

static void test_how_long_to_wait_and_when_to_give_up(void **state) {
	static const struct {
		int max_tries, tries;
		int64_t asked, least, most; /* ms; -1: give up */
	} rows[] = {
		{ 4, 1, -1, 640, 1040 },
		{ 4, 3, -1, 4480, 7280 },
		{ 4, 4, -1, -1, -1 },
		{ 4, 5, -1, -1, -1 },
		{ 1, 1, -1, -1, -1 },
		{ 1, 1, 10, -1, -1 },
		{ 4, 4, 10, -1, -1 },
		/* the service's wish replaces the back-off */
		{ 4, 1, 5000, 5000, 5000 },
		{ 4, 3, 1, 1, 1 },
		{ 4, 1, 0, 640, 1040 },
		/* up to the ceiling, and not beyond it */
		{ 4, 1, 60000, 60000, 60000 },
		{ 4, 1, 60001, -1, -1 },
		{ 4, 1, INT64_MAX, -1, -1 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct retry_policy p = RETRY_DEFAULT;
		p.max_tries = rows[i].max_tries;
		for (uint32_t random = 0; random < 1000; random += 7) {
			int64_t ms = retry_delay(&p, rows[i].tries,
			                         rows[i].asked, random);
			if (ms < rows[i].least || ms > rows[i].most)
				FAIL("row %zu: %lld ms", i, (long long)ms);
		}
	}
}

static void test_the_service_may_ask_for_more_than_the_back_off(void **state) {
	struct retry_policy p = RETRY_DEFAULT;
	(void)state;
	p.max_tries = 20;
	p.max_asked = 300000;
	assert_int_equal(retry_delay(&p, 1, 300000, 0), 300000);
	assert_int_equal(retry_delay(&p, 1, 300001, 0), -1);
	assert_true(retry_delay(&p, 19, -1, 499) <= 60000);
}

static void test_the_default_is_three_retries_within_a_minute(void **state) {
	const struct retry_policy p = RETRY_DEFAULT;
	int tries = 1;
	(void)state;
	while (retry_delay(&p, tries, -1, 0) >= 0)
		tries++;
	assert_int_equal(tries, 4);
	assert_int_equal(p.base_delay, 800);
	assert_int_equal(p.max_delay, 60000);
	assert_int_equal(p.max_asked, 60000);
	assert_false(p.conflict);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_which_statuses_are_tried_again),
		TEST(test_which_breaks_of_the_transport_are_tried_again),
		TEST(test_a_conflict_is_retried_by_option_or_retry_after),
		TEST(test_codes_that_the_caller_lists_are_tried_again),
		TEST(test_which_outcomes_leave_a_write_in_doubt),
		TEST(test_back_off_grows_between_its_edges),
		TEST(test_back_off_with_extreme_policies),
		TEST(test_the_same_randomness_gives_the_same_pause),
		TEST(test_how_long_to_wait_and_when_to_give_up),
		TEST(test_the_service_may_ask_for_more_than_the_back_off),
		TEST(test_the_default_is_three_retries_within_a_minute),
	};
	return RUN(tests);
}
