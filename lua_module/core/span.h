/*
 * span.h -- views of bytes that another object owns: comparison, cutting, and
 * character classes.  Nothing here allocates memory or needs a closing NUL: the
 * bytes may come from the network.
 */
#ifndef AZPEC_SPAN_H
#define AZPEC_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that the holder does not own. p == NULL: absent. n == 0: empty. */
struct span {
	const char *p;
	size_t n;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
#define NO_SPAN ((struct span){ NULL, 0 })

/* Of a NUL-terminated string of azpec's own, never of foreign text; NULL:
   absent. */
struct span span_of(const char *cstr);
bool span_eq(struct span a, struct span b);
/* Ignores the case of ASCII letters. */
bool span_ieq(struct span a, struct span b);
bool span_istarts(struct span s, struct span prefix);
bool span_icontains(struct span s, struct span part);
/* Removes blanks, tabs and line ends at both ends. */
struct span span_trim(struct span s);
/* s without its first `at` bytes. */
struct span span_from(struct span s, size_t at);
/* The length in bytes of the first UTF-8 character of s; 0: malformed. */
size_t span_utf8(struct span s);
/* Removes the first word from *s and returns it.  Words are separated by the
   characters in `parting`. */
struct span span_word(struct span *s, const char *parting);
/* false: not only digits, or above INT64_MAX. */
bool span_uint(struct span s, int64_t *out);

/* The number of bytes of s before the first one in `any`, like strcspn. */
size_t span_cspn(struct span s, const char *any);
/* Returns the part of *s before the first c and sets *s to the part after it.
   Without a c it returns all of *s, and *s becomes absent. */
struct span span_cut(struct span *s, char c);

/* Character classes, independent of the locale. */
enum {
	CHAR_LOWER = 1,
	CHAR_UPPER = 2,
	CHAR_DIGIT = 4,
	CHAR_BLANK = 8,   /* the space character only */
	CHAR_PUNCT = 16,  /* all other visible ASCII */
	CHAR_HIGH = 32,   /* every byte above 0x7f */
	CHAR_A_TO_F = 64, /* a to f and A to F, in addition to the letter's
	                     class */
	CHAR_LETTER = CHAR_LOWER | CHAR_UPPER,
	CHAR_ALNUM = CHAR_LETTER | CHAR_DIGIT,
	CHAR_HEX = CHAR_DIGIT | CHAR_A_TO_F,
	CHAR_VISIBLE = CHAR_ALNUM | CHAR_PUNCT,
	CHAR_PRINTABLE = CHAR_VISIBLE | CHAR_BLANK,
};

bool char_is(char c, unsigned kinds);
int char_hex_value(char c); /* 0 to 15; -1: not a hexadecimal digit */
/* True when every character of s is in one of the classes `kinds` or in the
   string `more`; also true when s is empty. */
bool span_only(struct span s, unsigned kinds, const char *more);
/* span_only(s, CHAR_VISIBLE, ""), for the bytes of every request. */
bool span_visible(struct span s);

#endif
