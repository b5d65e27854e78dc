/*
 * host.h -- what the C hosts of tests/hosts share: an emulator of their own,
 * Lua states that have azpec and lua-cjson linked in, and counts of what a
 * process holds.  Nothing here changes a signal, a locale or a directory: the
 * hosts look for exactly that.
 */
#ifndef AZPEC_TEST_HOST_H
#define AZPEC_TEST_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Fails the test with a text that stands in the report. */
__attribute__((format(printf, 3, 4))) void host_fail(const char *file, int line,
                                                     const char *format, ...);
#define FAIL(...) host_fail(__FILE__, __LINE__, __VA_ARGS__)

/* How much longer everything may take under the tool at hand. */
int host_patience(void);
int64_t host_now(void); /* ms of a clock that only goes forward */
/* ms after which a call hangs; nothing is judged by a shorter time. */
int host_hang(void);

/* ---- the emulator ------------------------------------------------------- */

enum { HOST_CONNECTIONS = 96 }; /* all Pending in the account hostacct */

struct emulator {
	pid_t pid;
	int in; /* it ends when this is closed */
	char endpoint[64], tls_endpoint[64], tls_thumbprint[64], ca_file[256];
	char state[256], log[256]; /* files */
	long from;                 /* where the log begins for this test */
};

/* With fault rules and a log of all requests; it ends with the program. */
void emulator_start(struct emulator *e);
void emulator_stop(struct emulator *e);
/* As at start: state, faults, options and log. */
void emulator_reset(struct emulator *e);
/* One call of its control; the answer's body, to be freed. */
char *emulator_control(struct emulator *e, const char *method, const char *what,
                       const char *body);
/* How many requests of a kind ("update", "poll", "token" ...) have come; with
   a text, only those whose line in the log holds it too. */
int emulator_count(struct emulator *e, const char *kind, const char *text);

/* The emulator of a program's tests, and the program: it is started before the
   first of them, and as at start before each. */
extern struct emulator emulator;
int host_start(void **state);
int host_fresh(void **state);
int host_stop(void **state);
#define TEST(f) cmocka_unit_test_setup(f, host_fresh)
#define RUN(tests) cmocka_run_group_tests(tests, host_start, host_stop)

/* An access token that it knows; to be freed. */
char *emulator_token(struct emulator *e);
/* Over how many connections the requests came. */
int emulator_connections(struct emulator *e);

/* ---- Lua states --------------------------------------------------------- */

/*
 * A state with the standard libraries, azpec and cjson, and these globals:
 *   azpec             the module
 *   id(n)             the id of the emulator's n-th connection, from 1
 *   approve(n [, t])  the options that approve it, with the fields of t
 *   client([t])       a client over TLS, with the fields of t
 *   e                 endpoint, tls_endpoint, tls_thumbprint, ca_file and the
 *                     sign-in's fields
 *   patience, hang    see above; hang in seconds
 */
lua_State *host_state(const struct emulator *e);
/* The same for a state that was made in another way; false: no memory. */
bool host_furnish(lua_State *L, const struct emulator *e);
/* Runs a chunk; what it returns, as text that lives as long as it stands on
   the stack, or the error that it raised with "error: " before it. */
const char *host_run(lua_State *L, const char *chunk);
/* The same, and it must return just this. */
void host_expect(lua_State *L, const char *chunk, const char *expected);

/* ---- files --------------------------------------------------------------- */

/* A new directory's path, put into dir; it goes with the program. */
const char *host_folder(char *dir, size_t size);

/* ---- what a process holds ----------------------------------------------- */

int host_descriptors(void);
int host_threads(void);
/* With the first thread comes the one of a tool that the tests run under. */
void host_first_thread(void);
/* Waits until no more threads than so many are left; how many there are. */
int host_wait_threads(int wanted);
/* Ends a forked child at once, with 0 or 1: without exit's handlers, and
   without a tool's words on libcurl's handles, which a child has to abandon. */
_Noreturn void host_end_child(int status);
/* Waits for the process; its exit status, or 128 + the signal. */
int host_wait(pid_t pid);

#endif
