/* forbid.c -- forbid ERRNO COMMAND [ARGUMENT ...]: runs a program for which the
   kernel's keyrings fail with that number. */
#include "forbid.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
	if (argc < 3) {
		fputs("usage: forbid ERRNO COMMAND [ARGUMENT ...]\n", stderr);
		return 2;
	}
	if (!forbid_keyrings(atoi(argv[1]))) {
		perror("forbid: seccomp");
		return 126;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
