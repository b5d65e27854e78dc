/*
 * age.c -- connections grow old.  The clock that libcurl and azpec read is this
 * program's, and moved at once: nothing waits.
 */
#include "host.h"

#include <sys/syscall.h>
#include <time.h>

static time_t passed; /* seconds, beyond the real ones */

/* In place of libc's, for all that is linked or loaded here.  The wall clock
   stays: by that one tokens and certificates expire. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t id,
                                                         struct timespec *t) {
	int result = (int)syscall(SYS_clock_gettime, id, t);
	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_RAW)
		t->tv_sec += passed;
	return result;
}

/* How many connections there have been when each of these seconds had passed
   and one more GET was done. */
static void expect_connections(const int (*rows)[2], size_t n) {
	lua_State *L = host_state(&emulator);
	host_expect(L, "c = client() return 1", "1");
	for (size_t i = 0; i < n; i++) {
		passed = rows[i][0];
		host_expect(L,
		            "return assert(c:get { id = id(1) }).id == id(1)",
		            "true");
		if (emulator_connections(&emulator) != rows[i][1])
			FAIL("after %d s: %d connections", rows[i][0],
			     emulator_connections(&emulator));
	}
	lua_close(L);
}

static void test_a_connection_is_left_after_five_minutes(void **state) {
	static const int rows[][2] = {
		{ 0, 1 },   { 100, 1 }, { 200, 1 }, { 290, 1 }, { 310, 2 },
		{ 400, 2 }, { 500, 2 }, { 600, 2 }, { 700, 3 },
	};
	(void)state;
	expect_connections(rows, COUNT(rows));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_connection_is_left_after_five_minutes),
	};
	return RUN(tests);
}
