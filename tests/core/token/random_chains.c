/* random_chains.c -- random chains of ways to a token (random_chain.h).  The
 * answers are drawn by a generator of this file, from seeds that are fixed:
 * each run is the same everywhere. */
#include "random_chain.h"

enum { RUNS = 50000, RUNS_UNDER_VALGRIND = 5000 };

static uint32_t runs(void) {
	const char *under = getenv("TEST_UNDER");
	bool slow = under && strcmp(under, "valgrind") == 0;
	return slow ? RUNS_UNDER_VALGRIND : RUNS;
}

static uint32_t random_number;

static uint32_t draw(uint32_t below) {
	random_number = random_number * 1664525u + 1013904223u;
	return (random_number >> 8) % below;
}

static void test_links_do_not_affect_each_other(void **state) {
	(void)state;
	memset(&t, 0, sizeof t);
	for (uint32_t seed = 1; seed <= runs(); seed++) {
		random_number = seed * 2654435761u;
		start();
		play();
	}
}

/* ---- memory ------------------------------------------------------------- */

static uint32_t seed_of_play;

/* With answers that are all good, so that want of memory is what ends it. */
static void play_well(void) {
	random_number = seed_of_play;
	play();
	if (test_memory.failures == 0)
		return;
	if (!t.s.live && t.s.fail.kind != FAIL_NONE &&
	    t.s.fail.kind != FAIL_LIMIT)
		FAIL("%s: kind %s: %.*s", t.specs[0].flow->name,
		     fail_kind_name(t.s.fail.kind), (int)t.s.fail.message.n,
		     t.s.fail.message.p);
}

/* Those that can give a token at all. */
static bool gives(const struct flow *flow) {
	return flow != &flow_none && flow != &flow_token;
}

static void test_memory_may_run_out_in_every_kind(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(flows); i++) {
		if (!gives(flows[i]))
			continue;
		for (uint32_t n = 1; n <= 4; n++) {
			memset(&t, 0, sizeof t);
			t.kind = true;
			random_number = seed_of_play = n;
			t.count = 1 + n % 2;
			t.specs[0] = spec_of(0, flows[i]);
			t.specs[1] = spec_of(1, flows[n]);
			test_each_failure(play_well);
			test_each_single_failure(play_well);
		}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_links_do_not_affect_each_other),
		TEST(test_memory_may_run_out_in_every_kind),
	};
	return RUN(tests);
}
