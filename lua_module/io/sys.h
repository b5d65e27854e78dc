/*
 * sys.h -- what only the operating system provides: the time, randomness, files
 * and descriptors.  The core receives the first two as arguments.
 */
#ifndef AZPEC_SYS_H
#define AZPEC_SYS_H

#include "core/http.h"

struct now sys_now(void);
int64_t sys_mono(void);   /* now.mono alone, for waits and deadlines */
int64_t sys_micros(void); /* now.mono in microseconds, for short intervals */
/* Fills p with n random bytes.  False: none available. */
bool sys_random(void *p, size_t n);

/* Reads a small file of at most `max` bytes into out.  With `strict`, neither
   the file nor its folder may be a symbolic link, and only root or the folder's
   owner may have written the file.  NULL: done; otherwise the reason as
   text. */
const char *sys_read(const char *path, size_t max, bool strict,
                     struct buf *out);

/* Adds a text that changes whenever the file is written, replaced or removed;
   its content is not read. */
void sys_add_state(const char *path, struct buf *out);

/* Returns the same close-on-exec descriptor with a number above 2.  A host may
   have closed its standard streams; a new descriptor with such a number would
   be taken for a standard stream. -1: no descriptor left (errno). */
int sys_up(int fd);
/* Occupies those of 0, 1 and 2 that are closed, until sys_vacate: a library
   that is called in between then creates no descriptor with such a number. */
struct occupied {
	uint64_t inode[3]; /* 0: was open */
};
struct occupied sys_occupy(void);
void sys_vacate(const struct occupied *o);
/* The inode, which tells a descriptor from a later one with the same number; 0:
   not open.  It does not help for epoll, timer and event descriptors, which
   share one inode. */
uint64_t sys_inode(int fd);
/* Closes fd if it still has this inode.  A host that becomes a daemon closes
   all descriptors and reuses their numbers for files of its own. */
void sys_close(int fd, uint64_t inode);

#endif
