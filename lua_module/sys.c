/* sys.c -- clocks, random bytes, small files and descriptors, of Linux. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

/* A signal may come in between; a file does not block. */
static ssize_t read_some(int fd, char *p, size_t n) {
	ssize_t got;
	do
		got = read(fd, p, n);
	while (got < 0 && errno == EINTR);
	return got;
}

static const char *read_all(int fd, size_t max, struct buf *out) {
	char block[1024];
	const char *why = NULL;
	ssize_t got;
	while (!why && (got = read_some(fd, block, sizeof block)) != 0) {
		if (got < 0)
			why = "it cannot be read";
		else if (out->n + (size_t)got > max)
			why = "larger than it may be";
		else
			buf_add(out, (struct span){ block, (size_t)got });
	}
	mem_wipe(block, sizeof block); /* it may hold a token */
	return why;
}

/* What is in it proves something only where root or the folder's owner wrote
   it, and nobody else can. */
static const char *check_owner(const char *path, const struct stat *file) {
	const char *end = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;
	size_t n = end ? (size_t)(end - path) : 0;
	if (n == 0 || n >= sizeof folder)
		return "it is in no folder";
	memcpy(folder, path, n);
	folder[n] = '\0';
	if (stat(folder, &st) != 0)
		return "its folder cannot be read";
	if (file->st_uid != 0 && file->st_uid != st.st_uid)
		return "it belongs neither to root nor to its folder's owner";
	return file->st_mode & S_IWOTH ? "anybody may write it" : NULL;
}

const char *sys_read(const char *path, size_t max, bool strict,
                     struct buf *out) {
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	struct stat st;
	const char *why = NULL;
	int fd = open(path, strict ? flags | O_NOFOLLOW : flags);
	if (fd < 0)
		return errno == ENOENT   ? "no such file"
		       : errno == EACCES ? "permission denied"
		                         : "it cannot be opened";
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		why = "not a regular file";
	if (!why && strict)
		why = check_owner(path, &st);
	if (!why)
		why = read_all(fd, max, out);
	close(fd);
	return why;
}

int sys_up(int fd) {
	int up, why;
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	why = errno;
	close(fd);
	errno = why;
	return up;
}

uint64_t sys_inode(int fd) {
	struct stat st;
	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

void sys_close(int fd, uint64_t inode) {
	if (fd >= 0 && sys_inode(fd) == inode)
		close(fd);
}
