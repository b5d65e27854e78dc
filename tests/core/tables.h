/* tables.h -- runs the rows of tables as tests of their own. */
#ifndef AZPEC_TEST_TABLES_H
#define AZPEC_TEST_TABLES_H

#include "support.h"

#include <stdio.h>

/* Each row begins with its name; play is given its address. */
struct table {
	const char *name;
	const void *rows;
	size_t size, n;
	void (*play)(void **row);
};

#define TABLE(rows, play)                                                      \
	{ #rows, rows, sizeof *(rows), COUNT(rows), play }

static inline struct CMUnitTest table_test(const struct table *of, size_t row,
                                           char (*name)[160]) {
	union { /* cmocka hands it on as it is; nobody changes it */
		const void *given;
		void *state;
	} one = { (const char *)of->rows + row * of->size };
	snprintf(*name, sizeof *name, "%s: %s", of->name,
	         *(const char *const *)one.given);
	return (struct CMUnitTest){ *name, of->play, test_begin, test_end,
		                    one.state };
}

/* The functions, then the rows of each table. */
static inline int run_tables(const struct CMUnitTest *functions, size_t count,
                             const struct table *tables, size_t n) {
	size_t total = count, at = count;
	struct CMUnitTest *tests;
	char(*names)[160];
	int failed;
	for (size_t i = 0; i < n; i++)
		total += tables[i].n;
	tests = calloc(total, sizeof *tests);
	names = calloc(total, sizeof *names);
	assert_true(tests && names);
	if (count > 0)
		memcpy(tests, functions, count * sizeof *tests);
	for (size_t i = 0; i < n; i++)
		for (size_t row = 0; row < tables[i].n; row++, at++)
			tests[at] = table_test(&tables[i], row, &names[at]);
	failed = _cmocka_run_group_tests(tables[0].name, tests, total, NULL,
	                                 NULL);
	free(names);
	free(tests);
	return failed;
}
#define RUN_TABLES(functions, count, ...)                                      \
	run_tables(functions, count, (const struct table[]){ __VA_ARGS__ },    \
	           sizeof((const struct table[]){ __VA_ARGS__ }) /             \
	                   sizeof(struct table))

#endif
