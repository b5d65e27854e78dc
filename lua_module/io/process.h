/*
 * process.h -- runs a program and collects its output without blocking.
 *
 * process.c is the only file that starts programs.  It uses the pollset, and
 * knows neither Lua, libcurl nor the developer CLIs.  No shell is involved.
 * The program gets its arguments unchanged, the host's environment, "/" as its
 * directory and an empty standard input.  It gets no terminal, and none of the
 * host's descriptors, signal mask or signal handlers.
 */
#ifndef AZPEC_PROCESS_H
#define AZPEC_PROCESS_H

#include "core/http.h"
#include "io/pollset.h"

/* Used during process_start only. */
struct process_spec {
	const char *const *argv; /* NULL-terminated.  argv[0] is executed as it
	                            is if it begins with '/'; otherwise it is
	                            searched in the absolute directories of
	                            env's PATH */
	char *const *env;        /* the host's environment: environ */
	const char *const *add;  /* NULL-terminated or NULL.  "NAME=value"
	                            replaces a variable of env; "NAME" removes
	                            it */
	int64_t timeout_ms;
};

enum process_end {
	PROCESS_EXITED,    /* status: the exit status; -1: unknown, because the
	                      host reaps or ignores all children itself */
	PROCESS_KILLED,    /* by a signal of somebody else; status: the
	                      signal */
	PROCESS_NOT_FOUND, /* no such file, or none on the PATH */
	PROCESS_REFUSED,   /* found, but cannot be executed; status: the
	                      errno */
	PROCESS_TIMED_OUT,
	PROCESS_FLOODED, /* it printed more than the limit */
	PROCESS_MEMORY,  /* out of memory for the output */
};

struct process_result {
	enum process_end end;
	int status;
	struct buf out; /* at most 256 KiB; like err, it may contain a token */
	struct buf err; /* the first 16 KiB; the rest is dropped */
};

struct process; /* opaque */

/* Starts a program.  NULL: out of memory or descriptors.  A program that cannot
   be started gives a process whose result is available at once. */
struct process *process_start(const struct mem *mem, struct pollset *ps,
                              const struct process_spec *spec, struct now now);
/* Makes progress without blocking.  Call it when the pollset is readable and
   when the process is due. */
void process_step(struct process *c, struct now now);
/* The time of the next process_step, in ms of the monotonic clock; NEVER once
   the result is available. */
int64_t process_due(const struct process *c);
/* The result, valid until process_free; NULL: the program still runs. */
const struct process_result *process_result(const struct process *c);
/* Frees c, which may be NULL.  If the program still runs, its process group is
   killed and the program is reaped. forked: c belongs to the parent process, so
   only this process's descriptors are closed. */
void process_free(struct process *c, bool forked);

#endif
