/*
 * process.c -- process.h with posix_spawn.
 *
 * Each process has two pipes and, if the kernel supports it, a pidfd; all are
 * in the pollset.  There is no signal handler, and only azpec's own children
 * are waited for, so the host notices nothing.
 */
#include "io/process.h"
#include "io/sys.h"

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
	LINGER_MS = 100, /* for a grandchild that keeps a pipe open after the
	                    program ended */
	TERM_MS = 200,   /* from SIGTERM to SIGKILL */
	KILL_MS = 1000,  /* from SIGKILL to giving up */
	END_MS = 200,    /* the longest that process_free blocks */
	POLL_MS = 20,    /* interval of checks without a pidfd */
	CHUNK = 4096,
	STEP_BYTES = 64 * 1024 /* read by one step from each pipe: a pipe's
	                          capacity */
};

enum { OUT, ERR, STREAMS };

/* Bytes kept of each stream, and bytes that may be dropped beyond.  A truncated
   token is useless; of an error message the beginning suffices. */
static const struct {
	size_t keep, drop;
} limits[STREAMS] = {
	[OUT] = { 256 * 1024, 0 },
	[ERR] = { 16 * 1024, 1024 * 1024 },
};

enum phase {
	RUNNING,
	LINGERING, /* the program ended, but a grandchild keeps a pipe open */
	TERMED,    /* was sent SIGTERM */
	KILLED,    /* was sent SIGKILL */
	ENDED      /* the result is available */
};

struct stream {
	int fd; /* -1: closed */
	uint64_t inode;
	struct buf *to;
	size_t dropped;
};

struct process {
	const struct mem *mem;
	struct pollset *ps;
	enum phase phase;
	int64_t due;  /* when the phase times out */
	int64_t look; /* without a pidfd: the time of the next check */
	pid_t pid;    /* also the process group; 0: not running, or reaped */
	int pidfd;    /* -1: none */
	struct stream streams[STREAMS];
	struct process_result result;
};

/* --- descriptors --------------------------------------------------------- */

static void shut(int *fd) {
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Only the reading end is non-blocking: programs expect blocking output. */
static bool open_pipe(int *ours, int *theirs) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = sys_up(ends[0]);
	*theirs = sys_up(ends[1]);
	return *ours >= 0 && *theirs >= 0 &&
	       fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

/* Leaves the pollset before closing: another thread may get the same number at
   once. */
static void unwatch(struct process *c, int *fd) {
	if (*fd >= 0)
		pollset_watch(c->ps, *fd, 0);
	shut(fd);
}

static void unwatch_streams(struct process *c) {
	for (int i = 0; i < STREAMS; i++)
		unwatch(c, &c->streams[i].fd);
}

static void open_pidfd(struct process *c) {
#ifdef SYS_pidfd_open
	c->pidfd = sys_up((int)syscall(SYS_pidfd_open, c->pid, 0));
#endif
	if (c->pidfd >= 0 && pollset_watch(c->ps, c->pidfd, POLLSET_READ) != 0)
		shut(&c->pidfd);
}

/* --- the environment ----------------------------------------------------- */

/* For a host without a PATH. */
#define USUAL_PATH "PATH=/usr/local/bin:/usr/bin:/bin"

/* The entry's value, if it sets the variable that `name` begins with. */
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

/* The arguments of posix_spawn.  Its prototype lacks a const, but POSIX says
   that the strings are not modified. */
union strings {
	const char *const *ours;
	char *const *theirs;
};

struct launch {
	union strings argv, env;
	const char *path; /* the directories to search */
	posix_spawnattr_t attr;
	posix_spawn_file_actions_t actions;
};

static size_t env_size(const struct process_spec *spec) {
	size_t n = 2; /* a PATH, and NULL */
	for (char *const *e = spec->env; *e != NULL; e++)
		n++;
	for (const char *const *a = spec->add; a != NULL && *a != NULL; a++)
		n++;
	return n * sizeof(char *);
}

static void fill_env(struct launch *l, const struct process_spec *spec,
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

/* --- the start ----------------------------------------------------------- */

static bool set_actions(posix_spawn_file_actions_t *a, int out, int err) {
	return posix_spawn_file_actions_addchdir_np(a, "/") == 0 &&
	       posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null",
	                                        O_RDONLY, 0) == 0 &&
	       posix_spawn_file_actions_adddup2(a, out, STDOUT_FILENO) == 0 &&
	       posix_spawn_file_actions_adddup2(a, err, STDERR_FILENO) == 0 &&
#if defined(__GLIBC__) && __GLIBC__ * 100 + __GLIBC_MINOR__ >= 234
	       /* on other systems close-on-exec must suffice */
	       posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1) ==
	               0 &&
#endif
	       true;
}

/* The program gets a session and a process group of its own.  So it can be
   killed with all its descendants, Ctrl-C at the host's terminal does not reach
   it, and it has no terminal to prompt on. */
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

/* Returns 0 or an errno.  The check avoids a process for each directory of the
   PATH that does not contain the program. */
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

/* The search continues after these errors, as that of execvp does. */
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

/* Relative directories (such as ".") are skipped, so that no unrelated file in
   the current directory is executed. */
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
			why = e; /* more useful than ENOENT from other
			            directories */
	}
	return why;
}

static int launch(struct process *c, struct launch *l, int out, int err) {
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

static void conclude(struct process *c, enum process_end end, int status) {
	c->result.end = end;
	c->result.status = status;
}

static void finish(struct process *c) {
	unwatch_streams(c);
	c->phase = ENDED;
	c->due = NEVER;
}

static bool start(struct process *c, const struct process_spec *spec, int out,
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
	conclude(c, e == ENOENT ? PROCESS_NOT_FOUND : PROCESS_REFUSED, e);
	finish(c);
	return e != ENOMEM;
}

/* Everything that may run out is allocated before the program starts. */
static bool open_and_start(struct process *c, const struct process_spec *spec) {
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

static void init(struct process *c) {
	struct buf *to[STREAMS] = { &c->result.out, &c->result.err };
	for (int i = 0; i < STREAMS; i++) {
		buf_init(to[i], c->mem, limits[i].keep);
		to[i]->secret = true;
		c->streams[i] = (struct stream){ .fd = -1, .to = to[i] };
	}
}

struct process *process_start(const struct mem *mem, struct pollset *ps,
                              const struct process_spec *spec, struct now now) {
	struct process *c = mem_resize(mem, NULL, 0, sizeof(*c));
	if (c == NULL)
		return NULL;
	*c = (struct process){ .mem = mem,
		               .ps = ps,
		               .phase = RUNNING,
		               .due = now.mono + spec->timeout_ms,
		               .look = now.mono + POLL_MS,
		               .pidfd = -1 };
	init(c);
	if (!open_and_start(c, spec)) {
		process_free(c, false);
		return NULL;
	}
	return c;
}

/* --- the end ------------------------------------------------------------- */

static void note_exit(struct process *c, const siginfo_t *si) {
	if (si == NULL)
		conclude(c, PROCESS_EXITED, -1);
	else if (si->si_code == CLD_EXITED)
		conclude(c, PROCESS_EXITED, si->si_status);
	else
		conclude(c, PROCESS_KILLED, si->si_status);
}

/* Checks with WNOWAIT first and reaps afterwards.  Until a process is reaped,
   its pid and process group belong to nobody else, so a signal cannot hit a
   stranger.  Descendants of a program that ended by itself are left alone;
   those of a killed one are killed.  ECHILD: the host ignores SIGCHLD or reaps
   all children, and the pid is no longer valid. */
static bool reap(struct process *c) {
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

static void send_signal(struct process *c, enum phase phase, int64_t due) {
	c->phase = phase;
	c->due = due;
	kill(-c->pid, phase == TERMED ? SIGTERM : SIGKILL);
}

/* The result becomes available when the program has ended. */
static void stop(struct process *c, enum process_end why, struct now now) {
	conclude(c, why, 0);
	unwatch_streams(c);
	if (c->pid != 0)
		send_signal(c, TERMED, now.mono + TERM_MS);
	else
		finish(c);
}

static void expire(struct process *c, struct now now) {
	switch (c->phase) {
	case RUNNING:
		stop(c, PROCESS_TIMED_OUT, now);
		break;
	case TERMED:
		send_signal(c, KILLED, now.mono + KILL_MS);
		break;
	case LINGERING:
	case KILLED: /* stuck in the kernel; process_free tries once more */
		finish(c);
		break;
	case ENDED:
		break;
	}
}

/* --- what it prints ------------------------------------------------------ */

/* Beyond the limit: reads and discards, so that the program does not block. */
static ssize_t drop(struct stream *s) {
	char scratch[CHUNK];
	ssize_t n = read(s->fd, scratch, sizeof(scratch));
	mem_wipe(scratch, sizeof(scratch));
	if (n > 0)
		s->dropped += (size_t)n;
	return n;
}

/* Reads straight into the buffer: no copy of a token stays on the stack. */
static ssize_t take(struct stream *s) {
	struct buf *b = s->to;
	size_t room = buf_max(b) - b->n;
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

static void drain(struct process *c, int i, struct now now) {
	struct stream *s = &c->streams[i];
	for (size_t sum = 0; s->fd >= 0 && sum < STEP_BYTES;) {
		ssize_t n = take(s);
		if (s->to->failed)
			stop(c, PROCESS_MEMORY, now);
		else if (s->dropped > limits[i].drop)
			stop(c, PROCESS_FLOODED, now);
		else if (n > 0)
			sum += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		else
			unwatch(c, &s->fd);
	}
}

/* --- the outside --------------------------------------------------------- */

void process_step(struct process *c, struct now now) {
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

int64_t process_due(const struct process *c) {
	bool looks = c->pid != 0 && c->pidfd < 0 && c->phase != ENDED;
	return looks && c->look < c->due ? c->look : c->due;
}

const struct process_result *process_result(const struct process *c) {
	return c->phase == ENDED ? &c->result : NULL;
}

/* SIGKILL takes effect within a few milliseconds, unless the process is stuck
   in the kernel; then init reaps it later. */
static void put_down(struct process *c) {
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	if (c->pid == 0 || reap(c))
		return;
	send_signal(c, KILLED, NEVER);
	for (int ms = 0; ms < END_MS && !reap(c); ms++)
		poll(&p, 1, 1);
}

void process_free(struct process *c, bool forked) {
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
