/*
 * child.h -- runs a program and collects what it prints, without ever waiting
 * for it.  child.c is the only file that starts one.  It knows the pollset,
 * and neither Lua nor libcurl nor what az and azd are.
 *
 * No shell takes part.  The program gets the arguments one by one, the host's
 * environment, "/" as its directory, nothing on its standard input, no
 * terminal, and none of the host's descriptors, signal mask or handlers.
 */
#ifndef AZPEC_CHILD_H
#define AZPEC_CHILD_H

#include "core/http.h"
#include "pollset.h"

/* Borrowed during child_start only. */
struct child_spec {
	const char *const *argv; /* closed by NULL; argv[0] is looked for in
	                            the absolute directories of env's PATH */
	char *const *env;        /* the host's: environ */
	const char *const *add;  /* "NAME=value", closed by NULL, in the place
	                            of env's of that name; "NAME": it is
	                            taken away; NULL: nothing */
	int64_t timeout_ms;
};

enum child_end {
	CHILD_EXITED,    /* status: what it exited with, or -1 where the host
	                    collects or ignores all children itself */
	CHILD_KILLED,    /* not by us; status: the signal */
	CHILD_NOT_FOUND, /* it is not on the PATH */
	CHILD_REFUSED,   /* it is, but cannot be run; status: the errno */
	CHILD_TIMED_OUT,
	CHILD_FLOODED, /* it printed more than anybody wants */
	CHILD_MEMORY,  /* there was none for what it printed */
};

struct child_result {
	enum child_end end;
	int status;
	struct buf out; /* may hold a token, as may err; at most 256 KiB */
	struct buf err; /* the first 16 KiB; the rest is dropped */
};

struct child; /* opaque */

/* NULL: no memory, or no descriptor.  A program that cannot be started is a
   result, and that is there at once. */
struct child *child_start(const struct mem *mem, struct pollset *ps,
                          const struct child_spec *spec, struct now now);
/* Call it whenever the pollset is readable, and when the child is due.  Never
   waits. */
void child_step(struct child *c, struct now now);
/* ms of the monotonic clock; NEVER once there is a result. */
int64_t child_due(const struct child *c);
/* The child's until child_end; NULL: it has not ended. */
const struct child_result *child_result(const struct child *c);
/* Frees it (or NULL).  If the program still runs, its process group is killed
   and it is reaped.  With forked true it is the parent's: only this process's
   descriptors are closed. */
void child_end(struct child *c, bool forked);

#endif
