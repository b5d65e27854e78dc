/* json_repair.c -- invalid characters in the strings of JSON text. */
#include <stdlib.h>

#include "support.h"

#include "core/json_repair.h"

#define FFFD "\xef\xbf\xbd"
#define BYTES(literal)                                                         \
	{ "" literal, sizeof(literal) - 1 }

static struct span repaired(struct span text) {
	static char out[4096];
	assert_true(text.n * 3 <= sizeof out);
	return (struct span){ out, json_repair(out, text) };
}

static void test_a_fault_in_a_string_becomes_the_replacement(void **state) {
	static const struct {
		struct span from;
		const char *to;
	} rows[] = {
		/* half a surrogate pair */
		{ BYTES("\"a\\ud83d\""), "\"a" FFFD "\"" },
		{ BYTES("\"\\uD83D!\""), "\"" FFFD "!\"" },
		{ BYTES("\"\\udc00\""), "\"" FFFD "\"" },
		{ BYTES("\"\\uDFFF\\udbff\""), "\"" FFFD FFFD "\"" },
		{ BYTES("\"\\ud83d\\ud83d\\ude00\""),
		  "\"" FFFD "\\ud83d\\ude00\"" },
		{ BYTES("\"\\ud83d\\n\""), "\"" FFFD "\\n\"" },
		{ BYTES("\"\\ud83d\\u0041\""), "\"" FFFD "\\u0041\"" },
		/* bytes that are not UTF-8 */
		{ BYTES("\"\xff\""), "\"" FFFD "\"" },
		{ BYTES("\"gr\xfc\xdf\""), "\"gr" FFFD FFFD "\"" },
		{ BYTES("\"Stra\xdf"
		        "e 12\""),
		  "\"Stra" FFFD "e 12\"" },
		{ BYTES("\"\xc3\""), "\"" FFFD "\"" },
		{ BYTES("\"\xe2\x82\""), "\"" FFFD FFFD "\"" },
		{ BYTES("\"\xed\xa0\xbd\""), "\"" FFFD FFFD FFFD "\"" },
		{ BYTES("\"\xc0\x80\""), "\"" FFFD FFFD "\"" },
		/* a NUL, and escapes that JSON does not have */
		{ BYTES("\"a\0b\""), "\"a" FFFD "b\"" },
		{ BYTES("\"before\0behind\""), "\"before" FFFD "behind\"" },
		{ BYTES("\"\\x41\""), "\"" FFFD "x41\"" },
		{ BYTES("\"\\u12\""), "\"" FFFD "u12\"" },
		{ BYTES("\"\\u12g4\""), "\"" FFFD "u12g4\"" },
		{ BYTES("\"\\'\""), "\"" FFFD "'\"" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (json_fault_count(rows[i].from) == 0)
			FAIL("row %zu: no fault", i);
		if (!span_eq(repaired(rows[i].from), test_text(rows[i].to)))
			FAIL("row %zu", i);
		if (json_fault_count(repaired(rows[i].from)) > 0)
			FAIL("row %zu: not repaired at once", i);
	}
}

static void test_all_else_stays(void **state) {
	static const struct span rows[] = {
		BYTES(""),
		BYTES("{\"a\":[1,2.5e3,true,null,\"b\"]}"),
		BYTES("\"\\ud83d\\ude00 \\uD83D\\uDE00 \\u0000 \\u001b\""),
		BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
		BYTES("\"\\\\ud83d\""), /* a backslash, then a word */
		BYTES("\"\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 \xc3\xa9\""),
		BYTES("\"a\x01\x1f\x7f\tb\n\""), /* the decoder bears these */
		BYTES("\\ud83d"), /* outside of strings: no JSON */
		BYTES("{\"a\":\0}"),
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (json_fault_count(rows[i]) > 0 ||
		    !span_eq(repaired(rows[i]), rows[i]))
			FAIL("row %zu", i);
}

static void test_a_cut_text_is_read_to_its_end_only(void **state) {
	static const char whole[] = "\"\\ud83d\\ude00\xf0\x9f\x98\x80\"";
	(void)state;
	for (size_t n = 0; n < sizeof whole; n++) {
		char *cut = malloc(n > 0 ? n : 1); /* no byte behind it */
		char *out = malloc(3 * n + 1);
		memcpy(cut, whole, n);
		assert_true(json_repair(out, (struct span){ cut, n }) <= 3 * n);
		free(cut);
		free(out);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_a_fault_in_a_string_becomes_the_replacement),
		TEST(test_all_else_stays),
		TEST(test_a_cut_text_is_read_to_its_end_only),
	};
	return RUN(tests);
}
