/*
 * regular.h -- which files azpec reads: regular ones.  A pipe could block the
 * host, and a device could block or never end.
 */
#ifndef AZPEC_REGULAR_H
#define AZPEC_REGULAR_H

#include <stddef.h>
#include <sys/stat.h>

/* open(2) flags with which no file blocks. */
#define REGULAR_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* NULL, or why a file of this mode is not read. */
static inline const char *regular_refuse(mode_t mode) {
	switch (mode & S_IFMT) {
	case S_IFREG:
		return NULL;
	case S_IFDIR:
		return "not a regular file but a directory";
	case S_IFIFO:
		return "not a regular file but a pipe";
	case S_IFSOCK:
		return "not a regular file but a socket";
	default:
		return "not a regular file but a device";
	}
}

/* Likewise for a file that could not be opened; NULL: it may be regular.  A
   socket and a terminal that is not there give the same errno (ENXIO). */
static inline const char *regular_refuse_path(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 ? regular_refuse(st.st_mode) : NULL;
}

#endif
