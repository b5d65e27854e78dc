/*
 * sys.h -- what only the operating system knows: the time, randomness, files,
 * descriptors.  The core is handed the first two as arguments.
 */
#ifndef AZPEC_SYS_H
#define AZPEC_SYS_H

#include "core/http.h"

struct now sys_now(void);
/* Fills p with random bytes.  False: the system has none to give. */
bool sys_random(void *p, size_t n);

/* Reads a small file into out.  strict: it is no symbolic link, root or the
   folder's owner has written it, and not everybody can.
   NULL: fine; otherwise why not, in the system's words. */
const char *sys_read(const char *path, size_t max, bool strict,
                     struct buf *out);

/* The same close-on-exec descriptor, above the standard ones: in a host that
   has closed those, a new one may get such a number, and would be taken for
   the input or output of the host or of a program.  -1, errno: none is left. */
int sys_up(int fd);
/* Tells a descriptor from a later one with its number; 0: there is none.  Not
   those of epoll, timers and events, which all have one inode. */
uint64_t sys_inode(int fd);
/* Closes it, if the number still means what it did: a host that becomes a
   daemon closes all, and gives the numbers to files of its own. */
void sys_close(int fd, uint64_t inode);

#endif
