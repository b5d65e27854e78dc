/*
 * child.c -- child.h by posix_spawn: two pipes, and where the kernel has it a
 * pidfd, in the pollset.  No signal handler, no wait for any process but our
 * own, and so nothing that a host could notice.
 */
#include "child.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LINGER_MS = 100, /* for what keeps the pipes after the program's end */
	TERM_MS = 200,   /* between SIGTERM and SIGKILL */
	KILL_MS = 1000,  /* between SIGKILL and giving up */
	END_MS = 200,    /* the longest that child_end waits for a death */
	POLL_MS = 20,    /* where there is no pidfd */
	CHUNK = 4096,
	STEP_BYTES = 64 * 1024 /* read by one step from each pipe: all that a
	                          pipe holds */
};

enum { OUT, ERR, STREAMS };

/* What is kept of each stream, and how much more may be dropped.  Half a token
   is of no use; of an error the beginning says enough. */
static const struct {
	size_t keep, drop;
} limits[STREAMS] = {
	[OUT] = { 256 * 1024, 0 },
	[ERR] = { 16 * 1024, 1024 * 1024 },
};

enum phase {
	RUNNING,
	LINGERING, /* it has ended, somebody it started holds a pipe */
	TERMED,    /* was sent SIGTERM */
	KILLED,    /* was sent SIGKILL */
	ENDED      /* there is a result */
};

struct stream {
	int fd; /* -1: closed */
	uint64_t inode;
	struct buf *to;
	size_t dropped;
};

struct child {
	const struct mem *mem;
	struct pollset *ps;
	enum phase phase;
	int64_t due;  /* when the phase is over */
	int64_t look; /* without a pidfd: when to look after it again */
	pid_t pid;    /* also of its group; 0: there is none, or not any more */
	int pidfd;    /* -1: none */
	struct stream streams[STREAMS];
	struct child_result result;
};

/* --- descriptors ------------------------------------------------------- */

static void shut(int *fd) {
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Only our end is non-blocking: no program expects that of its output. */
static bool open_pipe(int *ours, int *theirs) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = sys_up(ends[0]);
	*theirs = sys_up(ends[1]);
	return *ours >= 0 && *theirs >= 0 &&
	       fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

/* Out of the pollset before it is closed: the number may be given out again at
   once. */
static void unwatch(struct child *c, int *fd) {
	if (*fd >= 0)
		pollset_watch(c->ps, *fd, 0);
	shut(fd);
}

static void unwatch_streams(struct child *c) {
	for (int i = 0; i < STREAMS; i++)
		unwatch(c, &c->streams[i].fd);
}

static void open_pidfd(struct child *c) {
#ifdef SYS_pidfd_open
	c->pidfd = sys_up((int)syscall(SYS_pidfd_open, c->pid, 0));
#endif
	if (c->pidfd >= 0 && pollset_watch(c->ps, c->pidfd, POLLSET_READ) != 0)
		shut(&c->pidfd);
}

/* --- the environment --------------------------------------------------- */

/* For a host without a PATH. */
#define USUAL_PATH "PATH=/usr/local/bin:/usr/bin:/bin"

/* The value, if the entry is one of the variable that `name` begins with. */
static const char *value_in(const char *entry, const char *name) {
	size_t n = strcspn(name, "=");
	if (strncmp(entry, name, n) != 0 || entry[n] != '=')
		return NULL;
	return entry + n + 1;
}

static const char *value_of(char *const *env, const char *name) {
	const char *value = NULL;
	for (; *env != NULL && value == NULL; env++)
		value = value_in(*env, name);
	return value;
}

static bool is_replaced(const char *entry, const char *const *add) {
	for (; add != NULL && *add != NULL; add++)
		if (value_in(entry, *add) != NULL)
			return true;
	return false;
}

/* What posix_spawn is given.  Its prototype lacks a const, and its description
   promises that nothing is written. */
union strings {
	const char *const *ours;
	char *const *theirs;
};

struct launch {
	union strings argv, env;
	const char *path; /* where to search */
	posix_spawnattr_t attr;
	posix_spawn_file_actions_t actions;
};

static size_t env_size(const struct child_spec *spec) {
	size_t n = 2; /* a PATH, and NULL */
	for (char *const *e = spec->env; *e != NULL; e++)
		n++;
	for (const char *const *a = spec->add; a != NULL && *a != NULL; a++)
		n++;
	return n * sizeof(char *);
}

static void fill_env(struct launch *l, const struct child_spec *spec,
                     const char **to) {
	const char *path = value_of(spec->env, "PATH");
	l->env.ours = to;
	for (char *const *e = spec->env; *e != NULL; e++)
		if (!is_replaced(*e, spec->add))
			*to++ = *e;
	for (const char *const *a = spec->add; a != NULL && *a != NULL; a++)
		if (strchr(*a, '=') != NULL)
			*to++ = *a;
	if (path == NULL)
		*to++ = USUAL_PATH;
	*to = NULL;
	l->path = path ? path : value_in(USUAL_PATH, "PATH");
}

/* --- the start --------------------------------------------------------- */

static bool set_actions(posix_spawn_file_actions_t *a, int out, int err) {
	return posix_spawn_file_actions_addchdir_np(a, "/") == 0 &&
	       posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null",
	                                        O_RDONLY, 0) == 0 &&
	       posix_spawn_file_actions_adddup2(a, out, STDOUT_FILENO) == 0 &&
	       posix_spawn_file_actions_adddup2(a, err, STDERR_FILENO) == 0 &&
#if defined(__GLIBC__) && __GLIBC__ * 100 + __GLIBC_MINOR__ >= 234
	       /* elsewhere close-on-exec has to do */
	       posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1) ==
	               0 &&
#endif
	       true;
}

/* A session, and with it a process group, of its own: it can be killed with
   all that it started, Ctrl-C at the host's terminal is not for it, and it
   finds no terminal to ask a question on that nobody would answer. */
static bool set_attr(posix_spawnattr_t *attr) {
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	return posix_spawnattr_setsigmask(attr, &none) == 0 &&
	       posix_spawnattr_setsigdefault(attr, &all) == 0 &&
	       posix_spawnattr_setflags(
		       attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
				     POSIX_SPAWN_SETSIGDEF) == 0;
}

/* 0, or the errno.  A look before spares a process for each directory of the
   PATH in which the program is not. */
static int try_file(const struct launch *l, const char *file, pid_t *pid) {
	if (faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) != 0)
		return errno;
	return posix_spawn(pid, file, &l->actions, &l->attr, l->argv.theirs,
	                   l->env.theirs);
}

static int try_in(const struct launch *l, struct span dir, pid_t *pid) {
	const char *name = l->argv.ours[0];
	size_t n = strlen(name) + 1;
	char file[PATH_MAX];
	if (dir.n + 1 + n > sizeof(file))
		return ENAMETOOLONG;
	memcpy(file, dir.p, dir.n);
	file[dir.n] = '/';
	memcpy(file + dir.n + 1, name, n);
	return try_file(l, file, pid);
}

/* Such a file is as good as none: the search goes on, as execvp's does. */
static bool goes_on(int why) {
	switch (why) {
	case EACCES:
	case ELOOP:
	case ENAMETOOLONG:
	case ENODEV:
	case ENOENT:
	case ENOTDIR:
	case ESTALE:
		return true;
	default:
		return false;
	}
}

/* A directory that is not absolute ("." above all) is passed over: no file
   that happens to lie about is taken for the program. */
static int search(const struct launch *l, pid_t *pid) {
	const char *end;
	int why = ENOENT;
	if (l->argv.ours[0] == NULL)
		return EINVAL;
	if (*l->argv.ours[0] == '/')
		return try_file(l, l->argv.ours[0], pid);
	for (const char *dir = l->path; *dir != '\0'; dir = end + (*end != 0)) {
		int e;
		end = strchrnul(dir, ':');
		if (*dir != '/')
			continue;
		e = try_in(l, (struct span){ dir, (size_t)(end - dir) }, pid);
		if (e == 0 || !goes_on(e))
			return e;
		if (e == EACCES)
			why = e; /* worth more than that others are absent */
	}
	return why;
}

static int launch(struct child *c, struct launch *l, int out, int err) {
	int e = ENOMEM;
	if (posix_spawnattr_init(&l->attr) != 0)
		return e;
	if (posix_spawn_file_actions_init(&l->actions) == 0) {
		if (set_attr(&l->attr) && set_actions(&l->actions, out, err))
			e = search(l, &c->pid);
		posix_spawn_file_actions_destroy(&l->actions);
	}
	posix_spawnattr_destroy(&l->attr);
	return e;
}

static void conclude(struct child *c, enum child_end end, int status) {
	c->result.end = end;
	c->result.status = status;
}

static void finish(struct child *c) {
	unwatch_streams(c);
	c->phase = ENDED;
	c->due = NEVER;
}

static bool start(struct child *c, const struct child_spec *spec, int out,
                  int err) {
	struct launch l;
	size_t size = env_size(spec);
	const char **env = mem_resize(c->mem, NULL, 0, size);
	int e;
	if (env == NULL)
		return false;
	l.argv.ours = spec->argv;
	fill_env(&l, spec, env);
	e = launch(c, &l, out, err);
	mem_resize(c->mem, env, size, 0);
	if (e == 0) {
		open_pidfd(c);
		return true;
	}
	c->pid = 0;
	conclude(c, e == ENOENT ? CHILD_NOT_FOUND : CHILD_REFUSED, e);
	finish(c);
	return e != ENOMEM;
}

/* All that may fail for want of something comes before the program runs. */
static bool open_and_start(struct child *c, const struct child_spec *spec) {
	int theirs[STREAMS] = { -1, -1 };
	bool fine = true;
	for (int i = 0; fine && i < STREAMS; i++) {
		int *ours = &c->streams[i].fd;
		fine = open_pipe(ours, &theirs[i]) &&
		       pollset_watch(c->ps, *ours, POLLSET_READ) == 0;
		c->streams[i].inode = sys_inode(*ours);
	}
	if (fine)
		fine = start(c, spec, theirs[OUT], theirs[ERR]);
	for (int i = 0; i < STREAMS; i++)
		shut(&theirs[i]);
	return fine;
}

static void init(struct child *c) {
	struct buf *to[STREAMS] = { &c->result.out, &c->result.err };
	for (int i = 0; i < STREAMS; i++) {
		buf_init(to[i], c->mem, limits[i].keep);
		to[i]->secret = true;
		c->streams[i] = (struct stream){ .fd = -1, .to = to[i] };
	}
}

struct child *child_start(const struct mem *mem, struct pollset *ps,
                          const struct child_spec *spec, struct now now) {
	struct child *c = mem_resize(mem, NULL, 0, sizeof(*c));
	if (c == NULL)
		return NULL;
	*c = (struct child){ .mem = mem,
		             .ps = ps,
		             .phase = RUNNING,
		             .due = now.mono + spec->timeout_ms,
		             .look = now.mono + POLL_MS,
		             .pidfd = -1 };
	init(c);
	if (!open_and_start(c, spec)) {
		child_end(c, false);
		return NULL;
	}
	return c;
}

/* --- the end ----------------------------------------------------------- */

static void note_exit(struct child *c, const siginfo_t *si) {
	if (si == NULL)
		conclude(c, CHILD_EXITED, -1);
	else if (si->si_code == CLD_EXITED)
		conclude(c, CHILD_EXITED, si->si_status);
	else
		conclude(c, CHILD_KILLED, si->si_status);
}

/* Looks first and takes then: as long as the process is not taken, its number
   and its group's are nobody else's and a signal can hit no stranger.  What a
   program leaves behind of its own will is left alone; what hides behind one
   that had to be ended is not.  ECHILD: the host ignores SIGCHLD or waits for
   everybody, and the number means nothing any more. */
static bool reap(struct child *c) {
	siginfo_t si;
	int r;
	memset(&si, 0, sizeof(si));
	r = waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT);
	if (r == 0 && si.si_pid == 0)
		return false;
	if (r == 0 && c->phase != RUNNING)
		kill(-c->pid, SIGKILL);
	if (r == 0)
		r = waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG);
	if (c->phase == RUNNING)
		note_exit(c, r == 0 ? &si : NULL);
	c->pid = 0;
	unwatch(c, &c->pidfd);
	return true;
}

static void send_signal(struct child *c, enum phase phase, int64_t due) {
	c->phase = phase;
	c->due = due;
	kill(-c->pid, phase == TERMED ? SIGTERM : SIGKILL);
}

/* The result is there when the program is gone. */
static void stop(struct child *c, enum child_end why, struct now now) {
	conclude(c, why, 0);
	unwatch_streams(c);
	if (c->pid != 0)
		send_signal(c, TERMED, now.mono + TERM_MS);
	else
		finish(c);
}

static void expire(struct child *c, struct now now) {
	switch (c->phase) {
	case RUNNING:
		stop(c, CHILD_TIMED_OUT, now);
		break;
	case TERMED:
		send_signal(c, KILLED, now.mono + KILL_MS);
		break;
	case LINGERING:
	case KILLED: /* stuck in the kernel: child_end tries once more */
		finish(c);
		break;
	case ENDED:
		break;
	}
}

/* --- what it prints ---------------------------------------------------- */

/* Past the ceiling: read, so that the program does not get stuck, and
   dropped. */
static ssize_t drop(struct stream *s) {
	char scratch[CHUNK];
	ssize_t n = read(s->fd, scratch, sizeof(scratch));
	mem_wipe(scratch, sizeof(scratch));
	if (n > 0)
		s->dropped += (size_t)n;
	return n;
}

/* Straight into the buffer: no copy of a token on the stack. */
static ssize_t take(struct stream *s) {
	struct buf *b = s->to;
	size_t room = b->max - b->n;
	ssize_t n;
	if (room == 0)
		return drop(s);
	if (room > CHUNK)
		room = CHUNK;
	if (!buf_reserve(b, room))
		return -1;
	n = read(s->fd, b->p + b->n, room);
	if (n > 0)
		b->n += (size_t)n;
	return n;
}

static void drain(struct child *c, int i, struct now now) {
	struct stream *s = &c->streams[i];
	for (size_t sum = 0; s->fd >= 0 && sum < STEP_BYTES;) {
		ssize_t n = take(s);
		if (s->to->failed)
			stop(c, CHILD_MEMORY, now);
		else if (s->dropped > limits[i].drop)
			stop(c, CHILD_FLOODED, now);
		else if (n > 0)
			sum += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		else
			unwatch(c, &s->fd);
	}
}

/* --- the outside ------------------------------------------------------- */

void child_step(struct child *c, struct now now) {
	c->look = now.mono + POLL_MS;
	if (c->pid != 0 && reap(c)) {
		if (c->phase != RUNNING) {
			finish(c);
			return;
		}
		c->phase = LINGERING;
		c->due = now.mono + LINGER_MS;
	}
	for (int i = 0; i < STREAMS; i++)
		drain(c, i, now);
	if (c->phase == LINGERING && c->streams[OUT].fd < 0 &&
	    c->streams[ERR].fd < 0)
		finish(c);
	if (now.mono >= c->due)
		expire(c, now);
}

int64_t child_due(const struct child *c) {
	bool looks = c->pid != 0 && c->pidfd < 0 && c->phase != ENDED;
	return looks && c->look < c->due ? c->look : c->due;
}

const struct child_result *child_result(const struct child *c) {
	return c->phase == ENDED ? &c->result : NULL;
}

/* SIGKILL takes effect within a millisecond or two, unless the process is
   stuck in the kernel; then it is left to whoever reaps orphans. */
static void put_down(struct child *c) {
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	if (c->pid == 0 || reap(c))
		return;
	send_signal(c, KILLED, NEVER);
	for (int ms = 0; ms < END_MS && !reap(c); ms++)
		poll(&p, 1, 1);
}

void child_end(struct child *c, bool forked) {
	if (c == NULL)
		return;
	if (!forked) {
		put_down(c);
		unwatch(c, &c->pidfd);
		unwatch_streams(c);
	}
	for (int i = 0; i < STREAMS; i++) {
		sys_close(c->streams[i].fd, c->streams[i].inode);
		buf_free(c->streams[i].to);
	}
	mem_resize(c->mem, c, sizeof(*c), 0);
}
