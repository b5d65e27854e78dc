/*
 * descriptors.c -- preloaded into a test program by tests/run.pl.  When the
 * program exits it writes what it still holds open, beyond what it was
 * started with, to the file TEST_LEFT_OPEN, one descriptor per line.  Only the
 * process TEST_PROGRAM does so, none of its children.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 256 };
static char inherited[MOST]; /* by number */
static pid_t program;

static void each(DIR *dir, void (*visit)(FILE *, int), FILE *to) {
	struct dirent *e;
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir))
			visit(to, atoi(e->d_name));
	if (dir != NULL)
		closedir(dir);
}

static void note(FILE *to, int fd) {
	(void)to;
	if (fd < MOST)
		inherited[fd] = 1;
}

static void tell(FILE *to, int fd) {
	char link[64], target[256];
	ssize_t n;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof target - 1);
	if (n > 0 && fd != fileno(to) && (fd >= MOST || !inherited[fd]))
		fprintf(to, "%d %.*s\n", fd, (int)n, target);
}

__attribute__((constructor)) static void begin(void) {
	const char *pid = getenv("TEST_PROGRAM");
	if (pid == NULL || (pid_t)atol(pid) != getpid())
		return;
	program = getpid();
	unsetenv("LD_PRELOAD");
	each(opendir("/proc/self/fd"), note, NULL);
}

__attribute__((destructor)) static void end(void) {
	const char *path = getenv("TEST_LEFT_OPEN");
	FILE *to;
	if (program != getpid() || path == NULL ||
	    (to = fopen(path, "we")) == NULL)
		return;
	each(opendir("/proc/self/fd"), tell, to);
	fclose(to);
}
