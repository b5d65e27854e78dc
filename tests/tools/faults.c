/*
 * faults.c -- preloaded into a Lua program whose files cannot be written.
 * FAULT="CALL ERRNO NTH TEXT": from the NTH time on, CALL fails with ERRNO on
 * each file whose name holds TEXT, or ends so where TEXT ends in $.  CALL is
 * open, write, fsync, close or rename (its new name counts).  Half of a write
 * still arrives, as on a disk that becomes full.  For "swap" see below.
 */
#undef _FILE_OFFSET_BITS /* by which open would mean open64 */
#undef _TIME_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int seen;

/* Whether the name holds the text; a text that ends in $ is a name's end. */
static bool holds(const char *name, const char *text) {
	size_t n = strlen(name), m = strlen(text);
	if (m > 0 && text[m - 1] == '$')
		return --m <= n && memcmp(name + n - m, text, m) == 0;
	return strstr(name, text) != NULL;
}

static bool fails(const char *call, const char *name) {
	char wanted[16], text[256];
	const char *fault = getenv("FAULT");
	int number, nth;
	if (fault == NULL || name == NULL ||
	    strncmp(program_invocation_short_name, "lua", 3) != 0 ||
	    sscanf(fault, "%15s %d %d %255s", wanted, &number, &nth, text) <
	            4 ||
	    strcmp(call, wanted) != 0 || !holds(name, text) || ++seen < nth)
		return false;
	errno = number;
	return true;
}

static bool fd_fails(const char *call, int fd) {
	char link[64], name[512];
	ssize_t n;
	int was = errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof name - 1);
	name[n > 0 ? n : 0] = '\0';
	errno = was;
	return fails(call, name);
}

/* The call "swap": just before the file is opened, somebody puts a link to
   NAME.target in its place. */
static void swap(const char *name) {
	char target[512];
	if (!fails("swap", name))
		return;
	snprintf(target, sizeof target, "%s.target", name);
	unlink(name);
	if (symlink(target, name) != 0)
		abort();
}

/* The function that this one stands in front of. */
static void *real(const char *name) {
	void *f = dlsym(RTLD_NEXT, name);
	if (f == NULL)
		abort();
	return f;
}
#define REAL(type, name)                                                       \
	type real_##name;                                                      \
	*(void **)&real_##name = real(#name)

typedef int opener(const char *, int, ...);
typedef FILE *stream_opener(const char *, const char *);
typedef size_t writer(const void *, size_t, size_t, FILE *);
typedef int closer(FILE *);
typedef int syncer(int);
typedef int renamer(const char *, const char *);

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...);                            \
	int name(const char *path, int flags, ...) {                           \
		va_list list;                                                  \
		int mode;                                                      \
		REAL(opener *, name);                                          \
		va_start(list, flags);                                         \
		mode = flags & O_CREAT ? va_arg(list, int) : 0;                \
		va_end(list);                                                  \
		swap(path);                                                    \
		return fails("open", path) ? -1                                \
		                           : real_##name(path, flags, mode);   \
	}
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                                            \
	FILE *name(const char *path, const char *mode);                        \
	FILE *name(const char *path, const char *mode) {                       \
		REAL(stream_opener *, name);                                   \
		swap(path);                                                    \
		return fails("open", path) ? NULL : real_##name(path, mode);   \
	}
FOPEN(fopen)
FOPEN(fopen64)

size_t fwrite(const void *p, size_t size, size_t n, FILE *f) {
	REAL(writer *, fwrite);
	if (fd_fails("write", fileno(f))) {
		int why = errno;
		real_fwrite(p, size, n / 2, f);
		errno = why;
		return 0;
	}
	return real_fwrite(p, size, n, f);
}

int fclose(FILE *f) {
	bool bad = fd_fails("close", fileno(f));
	int why = errno, status;
	REAL(closer *, fclose);
	status = real_fclose(f);
	if (!bad)
		return status;
	errno = why;
	return EOF;
}

int close(int fd) {
	REAL(syncer *, close);
	bool bad = fd_fails("close", fd);
	int why = errno, status = real_close(fd);
	if (!bad)
		return status;
	errno = why;
	return -1;
}

int fsync(int fd) {
	REAL(syncer *, fsync);
	return fd_fails("fsync", fd) ? -1 : real_fsync(fd);
}

int rename(const char *from, const char *to) {
	REAL(renamer *, rename);
	return fails("rename", to) ? -1 : real_rename(from, to);
}
