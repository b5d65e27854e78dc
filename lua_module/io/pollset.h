/*
 * pollset.h -- one descriptor for all sockets, pipes and timers of a client.
 *
 * It is an epoll descriptor that also watches a timerfd (the next due time) and
 * an eventfd (news: a wake-up that some waiter has not seen yet).  It knows
 * neither libcurl nor Lua.  A version for kqueue would be as small.
 *
 * Event loops remember descriptors by number.  So a descriptor that was handed
 * out is not closed before its pool is: it is emptied, returned to the pool and
 * used again.
 */
#ifndef AZPEC_POLLSET_H
#define AZPEC_POLLSET_H

#include "core/buf.h"

enum { POLLSET_READ = 1, POLLSET_WRITE = 2 };

struct pollset; /* opaque */
struct pollset_pool {
	const struct mem *mem;
	struct pollset *idle; /* returned to the pool, ready for use */
};

void pollset_pool_init(struct pollset_pool *pool, const struct mem *mem);
void pollset_pool_close(struct pollset_pool *pool); /* closes the idle sets */

/* Takes a set from the pool or creates one.  NULL: out of memory or
   descriptors.  After a fork the parent's idle sets are not used. */
struct pollset *pollset_take(struct pollset_pool *pool);
/* Returns a set to the pool; all that it watched must be closed. forked: the
   epoll belongs to the parent too, so it is only closed here, not changed. */
void pollset_give(struct pollset_pool *pool, struct pollset *ps, bool forked);

int pollset_fd(const struct pollset *ps);
/* Sets the watched events of fd: POLLSET_READ | POLLSET_WRITE; 0 removes fd,
   which may be closed already.  Returns 0, or -1 (errno; fd is not watched
   then). */
int pollset_watch(struct pollset *ps, int fd, int events);
/* Makes the descriptor readable from `due` (ms of the monotonic clock) until
   the next call.  Each step ends with such a call.  NEVER (INT64_MAX): no
   timer. */
int pollset_due(struct pollset *ps, int64_t due);
/* Makes the descriptor readable until the next call with false. */
void pollset_news(struct pollset *ps, bool news);

struct pollset_event {
	int fd;
	int events;
};
enum { POLLSET_MAX = 64 }; /* the most events that one call reports */
/* Reports the descriptors that are ready now, without blocking; timer and news
   are not reported.  Returns how many entries of `out` were filled.  If it
   returns max (or POLLSET_MAX), more may be ready; the next call reports those
   first. */
int pollset_ready(struct pollset *ps, struct pollset_event *out, int max);
/* Blocks until the descriptor is readable, at most ms (-1: no limit); a signal
   ends it. */
void pollset_wait(struct pollset *ps, int64_t ms);

#endif
