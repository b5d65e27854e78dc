/*
 * age.c -- connections grow old.  The clock that libcurl and azpec read is this
 * program's, and moved at once: nothing waits.
 */
#include "host.h"

#include <sys/syscall.h>
#include <time.h>

static int64_t passed; /* seconds, beyond the real ones */

static int64_t moved(clockid_t id) {
	return id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_RAW ? passed : 0;
}

/* In place of libc's, for all that is linked or loaded here.  The wall clock
   stays: by that one tokens and certificates expire. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t id,
                                                         struct timespec *t) {
#ifdef SYS_clock_gettime64
	int result = (int)syscall(SYS_clock_gettime64, id, t);
#else
	int result = (int)syscall(SYS_clock_gettime, id, t);
#endif
	t->tv_sec += moved(id);
	return result;
}

#ifdef SYS_clock_gettime64 /* libcurl may have 32 bits of time, as on i386 */
struct short_time {
	int32_t sec, nsec;
};
__attribute__((visibility("default"))) int
short_gettime(clockid_t id, struct short_time *t) __asm__("clock_gettime");
int short_gettime(clockid_t id, struct short_time *t) {
	int result = (int)syscall(SYS_clock_gettime, id, t);
	t->sec += (int32_t)moved(id);
	return result;
}
#endif

/* Seconds of the real clock. */
static int64_t real_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec - passed;
}

/* How many connections there have been when each of these seconds, the real
   ones included, had passed and one more GET was done. */
static void expect_connections(const int (*rows)[2], size_t n) {
	lua_State *L = host_state(&emulator);
	int64_t start = real_now();
	host_expect(L, "c = client() return 1", "1");
	for (size_t i = 0; i < n; i++) {
		passed = rows[i][0] - (real_now() - start);
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
		{ 0, 1 },   { 100, 1 }, { 200, 1 }, { 290, 1 }, { 340, 2 },
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
