/*
 * measure.c -- runs commands by turns and prints for each the medians of its
 * wall time and CPU time (ms) and of its peak memory (MB).
 *
 *     measure TURNS COMMAND... [-- COMMAND...]...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WALL, CPU, PEAK, FIGURES, MOST_TURNS = 999, MOST_COMMANDS = 8 };

static double results[MOST_COMMANDS][FIGURES][MOST_TURNS];

static void run(char **command, int which, int turn) {
	struct timespec from, to;
	struct rusage use;
	int status;
	pid_t pid;
	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = fork();
	if (pid == 0) {
		alarm(30); /* lasts through exec: nothing hangs */
		if (dup2(open("/dev/null", O_WRONLY), 1) == 1)
			execvp(command[0], command);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &use) < 0 || status != 0) {
		fprintf(stderr, "measure: %s failed\n", command[0]);
		exit(1);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	results[which][WALL][turn] = (double)(to.tv_sec - from.tv_sec) * 1e3 +
	                             (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	results[which][CPU][turn] =
		(double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
	results[which][PEAK][turn] = (double)use.ru_maxrss / 1024;
}

static int by_size(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv) {
	char **commands[MOST_COMMANDS];
	int count = 0, turns = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;
	if (turns < 1 || turns > MOST_TURNS)
		return 2;
	for (int i = 2, start = 2; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], "--") != 0)
			continue;
		if (count == MOST_COMMANDS)
			return 2;
		argv[i] = NULL;
		commands[count++] = argv + start;
		start = i + 1;
	}
	for (int t = 0; t < turns; t++)
		for (int c = 0; c < count; c++)
			run(commands[c], c, t);
	for (int c = 0; c < count; c++)
		for (int f = 0; f < FIGURES; f++) {
			double *r = results[c][f];
			qsort(r, (size_t)turns, sizeof *r, by_size);
			printf("%.3f%c", r[turns / 2],
			       f + 1 < FIGURES ? ' ' : '\n');
		}
	return 0;
}
