/*
 * guard.c -- guard SECONDS COMMAND [ARGUMENT ...]
 *
 * Runs one test program in a session of its own, with a temporary folder of
 * its own (TMPDIR), and looks after what it leaves:
 *
 *  - After SECONDS the program and all its descendants are killed.
 *  - A descendant that still runs when the program has ended is given GRACE
 *    seconds to end by itself; then it is killed and counts as a failure.
 *    PR_SET_CHILD_SUBREAPER makes orphans our children, whatever session or
 *    process group they moved to.
 *  - With descriptors.so preloaded, a descriptor that the program still holds
 *    when it exits counts as a failure.
 *  - The temporary folder is removed.
 *
 * The exit status is the program's, 128 + N for the signal N, or one of the
 * numbers below; lines that begin with "# guard: " say why.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMED_OUT = 124, LEFT_BEHIND = 125, CANNOT_RUN = 126, GRACE = 10 };

static char folder[256], left_open[280];

static _Noreturn void die(const char *what) {
	printf("# guard: %s: %s\n", what, strerror(errno));
	exit(CANNOT_RUN);
}

static int drop(const char *path, const struct stat *st, int type,
                struct FTW *at) {
	(void)type, (void)at;
	if (S_ISDIR(st->st_mode))
		chmod(path, 0700);
	return remove(path), 0;
}

/* The first line of a file of /proc, with blanks for NULs. */
static bool proc(char *to, size_t size, const char *pid, const char *name) {
	char path[64];
	size_t n = 0;
	FILE *f;
	snprintf(path, sizeof path, "/proc/%.20s/%s", pid, name);
	if ((f = fopen(path, "r")) == NULL)
		return false;
	n = fread(to, 1, size - 1, f);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		if (to[i] == '\0' || to[i] == '\n')
			to[i] = ' ';
	to[n] = '\0';
	return n > 0;
}

static bool is_child(const char *pid) {
	char stat[512], *end;
	char state;
	int parent;
	return proc(stat, sizeof stat, pid, "stat") &&
	       (end = strrchr(stat, ')')) != NULL &&
	       sscanf(end + 1, " %c %d", &state, &parent) == 2 &&
	       parent == getpid() && state != 'Z';
}

/* Kills every child; named: says which. */
static void kill_children(bool named) {
	DIR *dir = opendir("/proc");
	struct dirent *e;
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char line[512];
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    !is_child(e->d_name))
			continue;
		if (named && proc(line, sizeof line, e->d_name, "cmdline"))
			printf("# guard: left running: %s: %s\n", e->d_name,
			       line);
		kill((pid_t)atol(e->d_name), SIGKILL);
	}
	if (dir != NULL)
		closedir(dir);
}

/* Kills all descendants: the orphans of a killed child become children. */
static void kill_all(bool named) {
	kill_children(named);
	while (waitpid(-1, NULL, 0) > 0)
		kill_children(named);
}

/* Waits for a signal of the set until the deadline; false: it has passed. */
static bool next_signal(const sigset_t *set, const struct timespec *deadline,
                        int *number) {
	struct timespec now, left;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = deadline->tv_sec - now.tv_sec;
	left.tv_nsec = deadline->tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0)
		left.tv_sec--, left.tv_nsec += 1000000000;
	if (left.tv_sec < 0)
		return false;
	*number = sigtimedwait(set, NULL, &left);
	return *number > 0 || errno != EAGAIN;
}

/* Reaps until `pid` (0: every child) has ended; false: the time was up. */
static bool reap(const sigset_t *set, pid_t pid, int seconds, int *status) {
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += seconds;
	for (;;) {
		int s, number = 0;
		pid_t ended;
		while ((ended = waitpid(-1, &s, WNOHANG)) > 0)
			if (ended == pid) {
				*status = s;
				return true;
			}
		if (ended < 0) /* no child is left */
			return true;
		if (!next_signal(set, &deadline, &number))
			return false;
		if (number != SIGCHLD && number > 0) { /* asked to end */
			kill_all(false);
			nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
			_exit(128 + number);
		}
	}
}

static pid_t start(char **command, const sigset_t *old) {
	char own[24];
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	setsid();
	snprintf(own, sizeof own, "%ld", (long)getpid());
	setenv("TEST_PROGRAM", own, 1);
	sigprocmask(SIG_SETMASK, old, NULL);
	for (int i = 1; i < NSIG; i++) /* a background job ignores SIGINT */
		signal(i, SIG_DFL);
	execvp(command[0], command);
	die(command[0]);
}

/* Prints what the program held at its exit; true: something. */
static bool tell_left_open(void) {
	char line[512];
	FILE *f = fopen(left_open, "r");
	bool any = false;
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		any = printf("# guard: left open: %s", line) > 0;
	if (f != NULL)
		fclose(f);
	return any;
}

static void prepare(void) {
	static const char pattern[] = { 'X', 'X', 'X', 'X', 'X', 'X', '\0' };
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof folder, "%s/azpec-test-%s",
	         tmp != NULL && *tmp ? tmp : "/tmp", pattern);
	if (mkdtemp(folder) == NULL)
		die(folder);
	snprintf(left_open, sizeof left_open, "%s/.left-open", folder);
	setenv("TMPDIR", folder, 1);
	setenv("TEST_LEFT_OPEN", left_open, 1);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0)
		die("prctl");
}

int main(int argc, char **argv) {
	sigset_t set, old;
	int status = 0, result, seconds = argc > 2 ? atoi(argv[1]) : 0;
	pid_t pid;
	if (seconds <= 0) {
		fputs("usage: guard SECONDS COMMAND [ARGUMENT ...]\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	prepare();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD), sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT), sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &old);
	if ((pid = start(argv + 2, &old)) < 0)
		die("fork");
	if (!reap(&set, pid, seconds, &status)) {
		printf("# guard: did not end within %d seconds\n", seconds);
		kill_all(true);
		result = TIMED_OUT;
	} else {
		bool left = !reap(&set, 0, GRACE, &status);
		kill_all(left);
		left |= tell_left_open();
		result = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
		         : left              ? LEFT_BEHIND
		                             : WEXITSTATUS(status);
	}
	nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
	return result;
}
