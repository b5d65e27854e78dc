#include "sys.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_ms(clockid_t id) {
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct now sys_now(void) {
	return (struct now){ .mono = clock_ms(CLOCK_MONOTONIC),
		             .wall = clock_ms(CLOCK_REALTIME) };
}

bool sys_random(void *p, size_t n) {
	char *at = p;
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
	return true;
}
