/*
 * pollset.c -- pollset.h on Linux: epoll, timerfd, eventfd.
 */
#include "io/pollset.h"
#include "io/sys.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NO_DUE INT64_MAX

struct pollset {
	const struct mem *mem;
	struct pollset *next; /* the next set of the pool */
	pid_t pid;            /* the process that made it; only this one changes
	                         the epoll */
	int epoll, timer, event;
	uint64_t epoll_inode, timer_inode, event_inode;
	int64_t due;            /* the time that the timer is set to */
	bool news, overdue;     /* the reasons for the eventfd to be readable
	                           ... */
	bool signalled;         /* ... and whether it is, see signal_now */
	unsigned char *watched; /* by descriptor: the watched events */
	size_t size;            /* of `watched` */
};

/* --- one set ------------------------------------------------------------- */

/* After a fork the descriptors are shared with the parent, and must not be
   changed.  The child's copies stay open: all descriptors of these kinds have
   one inode, so they cannot be told from later ones with the same number. */
static bool is_parents(const struct pollset *ps) {
	return ps->pid != getpid();
}

static void drop(struct pollset *ps) {
	const struct mem *mem = ps->mem;
	if (!is_parents(ps)) {
		sys_close(ps->event, ps->event_inode);
		sys_close(ps->timer, ps->timer_inode);
		sys_close(ps->epoll, ps->epoll_inode);
	}
	mem_resize(mem, ps->watched, ps->size, 0);
	mem_resize(mem, ps, sizeof(*ps), 0);
}

static int control(struct pollset *ps, int op, int fd, int events) {
	struct epoll_event e = { .events = 0 };
	if (events & POLLSET_READ)
		e.events |= EPOLLIN;
	if (events & POLLSET_WRITE)
		e.events |= EPOLLOUT;
	e.data.fd = fd;
	return epoll_ctl(ps->epoll, op, fd, &e);
}

static bool acquire(struct pollset *ps) {
	ps->epoll = sys_up(epoll_create1(EPOLL_CLOEXEC));
	ps->timer = sys_up(
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	ps->event = sys_up(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	ps->epoll_inode = sys_inode(ps->epoll);
	ps->timer_inode = sys_inode(ps->timer);
	ps->event_inode = sys_inode(ps->event);
	return ps->epoll >= 0 && ps->timer >= 0 && ps->event >= 0 &&
	       control(ps, EPOLL_CTL_ADD, ps->timer, POLLSET_READ) == 0 &&
	       control(ps, EPOLL_CTL_ADD, ps->event, POLLSET_READ) == 0;
}

static struct pollset *make(const struct mem *mem) {
	struct pollset *ps = mem_resize(mem, NULL, 0, sizeof(*ps));
	if (ps == NULL)
		return NULL;
	memset(ps, 0, sizeof(*ps));
	ps->mem = mem;
	ps->pid = getpid();
	ps->due = NO_DUE;
	if (!acquire(ps)) {
		drop(ps);
		return NULL;
	}
	return ps;
}

/* --- the pool ------------------------------------------------------------ */

void pollset_pool_init(struct pollset_pool *pool, const struct mem *mem) {
	pool->mem = mem;
	pool->idle = NULL;
}

static struct pollset *pop(struct pollset_pool *pool) {
	struct pollset *ps = pool->idle;
	if (ps != NULL)
		pool->idle = ps->next;
	return ps;
}

void pollset_pool_close(struct pollset_pool *pool) {
	struct pollset *ps;
	while ((ps = pop(pool)) != NULL)
		drop(ps);
}

/* A host may close all descriptors, as a daemon does at its start. */
static bool is_whole(const struct pollset *ps) {
	return !is_parents(ps) && sys_inode(ps->epoll) == ps->epoll_inode &&
	       sys_inode(ps->timer) == ps->timer_inode &&
	       sys_inode(ps->event) == ps->event_inode;
}

struct pollset *pollset_take(struct pollset_pool *pool) {
	struct pollset *ps;
	while ((ps = pop(pool)) != NULL) {
		if (is_whole(ps))
			return ps;
		drop(ps);
	}
	return make(pool->mem);
}

/* The owner of each descriptor removed it before closing, or the kernel did.
   Its number may belong to another thread now. */
static void empty(struct pollset *ps) {
	if (ps->size > 0)
		memset(ps->watched, 0, ps->size);
	pollset_due(ps, NO_DUE);
	pollset_news(ps, false);
}

void pollset_give(struct pollset_pool *pool, struct pollset *ps, bool forked) {
	if (forked || ps->pid != getpid()) {
		drop(ps);
		return;
	}
	empty(ps);
	ps->next = pool->idle;
	pool->idle = ps;
}

/* --- what is in a set ---------------------------------------------------- */

int pollset_fd(const struct pollset *ps) {
	return ps->epoll;
}

static bool reach(struct pollset *ps, size_t fd) {
	unsigned char *p = mem_reach(ps->mem, ps->watched, &ps->size, fd, 1);
	if (p == NULL) {
		errno = ENOMEM;
		return false;
	}
	ps->watched = p;
	return true;
}

/* Removes fd.  It is no error if epoll does not know it: closing a descriptor
   removes it. */
static void forget(struct pollset *ps, size_t fd) {
	if (fd >= ps->size || ps->watched[fd] == 0)
		return;
	control(ps, EPOLL_CTL_DEL, (int)fd, 0);
	ps->watched[fd] = 0;
}

/* Adds or changes fd.  `watched` and the kernel differ when fd was closed and
   its number reused; then the kernel's error decides. */
static int put(struct pollset *ps, int fd, int events) {
	int op = ps->watched[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int r = control(ps, op, fd, events);
	if (r != 0 && op == EPOLL_CTL_MOD && errno == ENOENT)
		r = control(ps, EPOLL_CTL_ADD, fd, events);
	else if (r != 0 && op == EPOLL_CTL_ADD && errno == EEXIST)
		r = control(ps, EPOLL_CTL_MOD, fd, events);
	return r;
}

int pollset_watch(struct pollset *ps, int fd, int events) {
	if (is_parents(ps))
		return 0;
	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (events == 0) {
		forget(ps, (size_t)fd);
		return 0;
	}
	if (!reach(ps, (size_t)fd))
		return -1;
	if (put(ps, fd, events) != 0) {
		int why = errno;
		forget(ps, (size_t)fd);
		errno = why;
		return -1;
	}
	ps->watched[fd] = (unsigned char)events;
	return 0;
}

/* Sets the eventfd to the wanted state. */
static void signal_now(struct pollset *ps) {
	uint64_t one = 1;
	bool wanted = ps->news || ps->overdue;
	if (wanted == ps->signalled || is_parents(ps))
		return;
	if (wanted)
		ps->signalled = write(ps->event, &one, sizeof(one)) > 0;
	else
		ps->signalled = read(ps->event, &one, sizeof(one)) < 0 &&
		                errno != EAGAIN;
}

/* A time that has passed is signalled by the eventfd.  Setting the timer to it
   would cost an interrupt, which takes many times longer. */
int pollset_due(struct pollset *ps, int64_t due) {
	struct itimerspec t = { .it_value = { 0, 0 } }; /* zero: no timer */
	if (due == 0 && ps->overdue && ps->signalled)
		return 0; /* of many operations that begin, the first did it */
	ps->overdue = due <= sys_mono();
	signal_now(ps);
	if (ps->overdue || due == ps->due || is_parents(ps))
		return 0;
	if (due != NO_DUE) {
		t.it_value.tv_sec = (time_t)(due / 1000);
		t.it_value.tv_nsec = (long)(due % 1000) * 1000000;
	}
	if (timerfd_settime(ps->timer, TFD_TIMER_ABSTIME, &t, NULL) != 0)
		return -1;
	ps->due = due;
	return 0;
}

void pollset_news(struct pollset *ps, bool news) {
	ps->news = news;
	signal_now(ps);
}

/* --- what is ready ------------------------------------------------------- */

/* An expired timer stays readable until it is read. */
static void drain(struct pollset *ps) {
	uint64_t times;
	if (read(ps->timer, &times, sizeof(times)) > 0)
		ps->due = NO_DUE;
}

/* A descriptor with an error counts as ready for all watched events, so that
   its owner sees the error. */
static int events_of(const struct pollset *ps, const struct epoll_event *e) {
	int events = 0;
	if (e->events & EPOLLIN)
		events |= POLLSET_READ;
	if (e->events & EPOLLOUT)
		events |= POLLSET_WRITE;
	if (e->events & (EPOLLERR | EPOLLHUP))
		events |= ps->watched[e->data.fd];
	return events;
}

int pollset_ready(struct pollset *ps, struct pollset_event *out, int max) {
	struct epoll_event e[POLLSET_MAX + 2]; /* and the timer and the
	                                          eventfd */
	int n, used = 0;
	if (max > POLLSET_MAX)
		max = POLLSET_MAX;
	n = epoll_wait(ps->epoll, e, max + 2, 0);
	for (int i = 0; i < n && used < max; i++) {
		int fd = e[i].data.fd;
		if (fd == ps->timer)
			drain(ps);
		else if (fd == ps->event)
			ps->overdue = false; /* pollset_due signals */
		else
			out[used++] = (struct pollset_event){
				.fd = fd, .events = events_of(ps, &e[i])
			};
	}
	return used;
}

void pollset_wait(struct pollset *ps, int64_t ms) {
	struct pollfd p = { .fd = ps->epoll, .events = POLLIN };
	poll(&p, 1, ms < 0 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms);
}
