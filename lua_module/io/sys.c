/* sys.c -- clocks, random bytes, small files and descriptors on Linux. */
#include "io/sys.h"
#include "io/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t id) {
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t sys_mono(void) {
	return clock_ms(CLOCK_MONOTONIC);
}

struct now sys_now(void) {
	return (struct now){ .mono = sys_mono(),
		             .wall = clock_ms(CLOCK_REALTIME) };
}

int64_t sys_micros(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
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

/* A signal may interrupt the read; a regular file does not block. */
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
			why = "too large";
		else
			buf_add(out, (struct span){ block, (size_t)got });
	}
	mem_wipe(block, sizeof block); /* it may contain a token */
	return why;
}

/* Opens the folder of a path, but no symbolic link. */
static int open_folder(const char *path, const char **name) {
	const char *end = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t n = end ? (size_t)(end - path) : 0;
	errno = ENOTDIR;
	if (n == 0 || n >= sizeof folder)
		return -1;
	memcpy(folder, path, n);
	folder[n] = '\0';
	*name = end + 1;
	return open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens a file, but neither a symbolic link nor a file in a symbolic link.
   Sets *folder to the status of its folder. */
static int open_strict(const char *path, struct stat *folder) {
	const char *name;
	int dir = open_folder(path, &name), fd = -1, why;
	if (dir < 0)
		return -1;
	if (fstat(dir, folder) == 0)
		fd = openat(dir, name, REGULAR_FLAGS | O_NOFOLLOW);
	why = errno;
	close(dir);
	errno = why;
	return fd;
}

/* The file is evidence only if root or the folder's owner wrote it, and nobody
   else can.  Azure Arc's agent creates the folder with mode 0750, and the files
   without write permission for the group. */
static const char *check_owner(const struct stat *folder,
                               const struct stat *file) {
	if (folder->st_mode & S_IWOTH)
		return "everybody can write to its folder";
	if (file->st_uid != 0 && file->st_uid != folder->st_uid)
		return "its owner is neither root nor its folder's owner";
	if (file->st_mode & S_IWOTH)
		return "everybody can write to it";
	return file->st_mode & S_IWGRP ? "its group can write to it" : NULL;
}

static const char *why_not_open(const char *path) {
	const char *why = errno == ENXIO ? regular_refuse_path(path) : NULL;
	if (why)
		return why;
	switch (errno) {
	case ENOENT:
		return "no such file";
	case EACCES:
		return "permission denied";
	case ENOTDIR:
		return "its folder is a symbolic link or not a folder";
	default:
		return "it cannot be opened";
	}
}

const char *sys_read(const char *path, size_t max, bool strict,
                     struct buf *out) {
	struct stat st, folder;
	const char *why;
	int fd =
		strict ? open_strict(path, &folder) : open(path, REGULAR_FLAGS);
	if (fd < 0)
		return why_not_open(path);
	why = fstat(fd, &st) != 0 ? "it cannot be read"
	                          : regular_refuse(st.st_mode);
	if (!why && strict)
		why = check_owner(&folder, &st);
	if (!why)
		why = read_all(fd, max, out);
	close(fd);
	return why;
}

void sys_add_state(const char *path, struct buf *out) {
	struct stat st = { .st_size = -1 }; /* there is none */
	int known = stat(path, &st);
	const int64_t facts[] = { known,
		                  (int64_t)st.st_dev,
		                  (int64_t)st.st_ino,
		                  st.st_size,
		                  st.st_mtim.tv_sec,
		                  st.st_mtim.tv_nsec,
		                  st.st_ctim.tv_sec,
		                  st.st_ctim.tv_nsec };
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		buf_addint(out, facts[i]);
		buf_addc(out, ' ');
	}
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

/* A socket has an inode of its own, unlike /dev/null: if the host replaces it
   meanwhile, sys_vacate notices that.  Reads and writes of it fail at once. */
struct occupied sys_occupy(void) {
	struct occupied o = { { 0 } };
	struct pollfd low[3] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };
	if (poll(low, 3, 0) <= 0) /* one system call, if all are open */
		return o;
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		int got;
		if (!(low[fd].revents & POLLNVAL))
			continue;
		got = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		             0);
		if (got > STDERR_FILENO) /* the host opened fd meanwhile */
			close(got);
		else if (got >= 0)
			o.inode[got] = sys_inode(got);
	}
	return o;
}

void sys_vacate(const struct occupied *o) {
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (o->inode[fd] != 0)
			sys_close(fd, o->inode[fd]);
}
