/*
 * preload.c -- for the tests under AddressSanitizer, where an uninstrumented
 * lua5.4 loads an instrumented module.  Modules stay loaded, so that a leak's
 * stack still has names at the end of the process; and leaks of the programs
 * that a test starts (sh, openssl) are none of ours.
 */
#include <errno.h>
#include <string.h>

extern void __lsan_disable(void) __attribute__((weak));

int dlclose(void *handle);
int dlclose(void *handle) {
	(void)handle;
	return 0;
}

__attribute__((constructor)) static void only_lua(void) {
	if (strncmp(program_invocation_short_name, "lua", 3) != 0 &&
	    __lsan_disable != NULL)
		__lsan_disable();
}
