/*
 * preload.c -- for the tests under AddressSanitizer, where an uninstrumented
 * lua5.4 loads an instrumented module.  Modules stay loaded, so that a leak's
 * stack still has names at the end of the process.  Leaks of other programs
 * that a test starts (sh, openssl) do not count.  The leak check at the end of
 * a process leaves its exit status alone, which the test compares: the check
 * has its own reports, and it may crash itself (see run.pl).
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void __lsan_disable(void) __attribute__((weak));
extern void __sanitizer_set_death_callback(void (*callback)(void))
	__attribute__((weak));

static int status = -1; /* as Lua's os.exit gives it to exit(3) */

int dlclose(void *handle);
int dlclose(void *handle) {
	(void)handle;
	return 0;
}

void exit(int of_process) {
	void (*next)(int);

	*(void **)&next = dlsym(RTLD_NEXT, "exit");
	status = of_process;
	next(of_process);
	abort();
}

/* By the system call: LeakSanitizer's _exit() turns 0 into 1. */
static void end_with_status(void) {
	if (status >= 0)
		syscall(SYS_exit_group, status);
}

__attribute__((constructor)) static void only_lua(void) {
	if (strncmp(program_invocation_short_name, "lua", 3) != 0) {
		if (__lsan_disable)
			__lsan_disable();
		return;
	}
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(end_with_status);
}
