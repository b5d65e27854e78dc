/*
 * pollset.h -- one descriptor for all sockets, pipes and timers of a client:
 * an epoll with a timerfd (the next due time) and an eventfd (news that some
 * waiter has not seen) in it.  Small enough that a kqueue twin could stand
 * beside it.  It knows neither libcurl nor Lua.
 *
 * Event loops keep their own note of a descriptor's number: one that was
 * handed out is therefore never closed before its pool is, but emptied, put
 * back, and used again.
 */
#ifndef AZPEC_POLLSET_H
#define AZPEC_POLLSET_H

#include "core/buf.h"

enum { POLLSET_READ = 1, POLLSET_WRITE = 2 };

struct pollset; /* opaque */
struct pollset_pool {
	const struct mem *mem;
	struct pollset *idle; /* put back, ready to be used again */
};

void pollset_pool_init(struct pollset_pool *pool, const struct mem *mem);
void pollset_pool_close(struct pollset_pool *pool); /* closes the idle ones */

/* A set from the pool, or a new one; NULL: no memory or no descriptor.  Taken
   by another process than the one that made it, an idle set is not reused. */
struct pollset *pollset_take(struct pollset_pool *pool);
/* Puts it back; what it watched is closed by now.  With forked true the epoll
   is the parent's too: it is not touched, only closed here. */
void pollset_give(struct pollset_pool *pool, struct pollset *ps, bool forked);

int pollset_fd(const struct pollset *ps);
/* events: POLLSET_READ | POLLSET_WRITE; 0 forgets fd, which may be closed
   already.  0 or -1 (errno; then fd is not watched). */
int pollset_watch(struct pollset *ps, int fd, int events);
/* Readable at due, ms of the monotonic clock, until pollset_ready has seen it
   or another time is set; NEVER (INT64_MAX): no timer. */
int pollset_due(struct pollset *ps, int64_t due);
/* Readable until it is called again with false. */
void pollset_news(struct pollset *ps, bool news);

struct pollset_event {
	int fd;
	int events;
};
enum { POLLSET_MAX = 64 }; /* events that one call reports at most */
/* What is ready now, without waiting, except timer and news: returns how many
   of `out` were filled.  More may be there when it returns max (or
   POLLSET_MAX); the next call begins with those. */
int pollset_ready(struct pollset *ps, struct pollset_event *out, int max);
/* Sleep until readable, at most ms (-1: without end); a signal ends it. */
void pollset_wait(struct pollset *ps, int64_t ms);

#endif
