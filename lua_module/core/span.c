/* span.c -- views of bytes. */
#include "core/span.h"

#include <string.h>

struct span span_of(const char *cstr) {
	return (struct span){ cstr, cstr ? strlen(cstr) : 0 };
}

bool span_eq(struct span a, struct span b) {
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c) {
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool span_istarts(struct span s, struct span prefix) {
	if (s.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (s.p[i] != prefix.p[i] &&
		    lower(s.p[i]) != lower(prefix.p[i]))
			return false;
	return true;
}

bool span_icontains(struct span s, struct span part) {
	for (; s.n >= part.n; s = span_from(s, 1))
		if (span_istarts(s, part))
			return true;
	return false;
}

bool span_ieq(struct span a, struct span b) {
	return a.n == b.n && (span_eq(a, b) || span_istarts(a, b));
}

static bool is_blank(char c) {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s) {
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	while (s.n > 0 && is_blank(*s.p))
		s = span_from(s, 1);
	return s;
}

struct span span_from(struct span s, size_t at) {
	return at > 0 ? (struct span){ s.p + at, s.n - at } : s;
}

size_t span_utf8(struct span s) {
	unsigned char c = s.n > 0 ? (unsigned char)*s.p : 0xff;
	unsigned char d = s.n > 1 ? (unsigned char)s.p[1] : 0;
	size_t n = c < 0x80   ? 1
	           : c < 0xc2 ? 0
	           : c < 0xe0 ? 2
	           : c < 0xf0 ? 3
	           : c < 0xf5 ? 4
	                      : 0;
	if (n > s.n || (c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) ||
	    (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
		return 0; /* overlong, a surrogate, or beyond U+10FFFF */
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool is_one_of(char c, const char *any) {
	while (*any && *any != c)
		any++;
	return *any != '\0';
}

/* The number of bytes before the first c. */
static size_t before(struct span s, char c) {
	const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

/* Reads s once.  A memchr for each character of `any` would read the rest of a
   long text again for each word. */
size_t span_cspn(struct span s, const char *any) {
	size_t n = 0;
	if (any[0] && !any[1])
		return before(s, any[0]);
	while (n < s.n && !is_one_of(s.p[n], any))
		n++;
	return n;
}

struct span span_word(struct span *s, const char *parting) {
	struct span w;
	while (s->n > 0 && is_one_of(*s->p, parting))
		*s = span_from(*s, 1);
	w = (struct span){ s->p, span_cspn(*s, parting) };
	*s = span_from(*s, w.n);
	return w;
}

struct span span_cut(struct span *s, char c) {
	struct span head = { s->p, before(*s, c) };
	*s = head.n < s->n ? span_from(*s, head.n + 1) : NO_SPAN;
	return head;
}

/* The classes of the ASCII characters; sixteen to a row. */
enum {
	L = CHAR_LOWER,
	U = CHAR_UPPER,
	LX = CHAR_LOWER | CHAR_A_TO_F,
	UX = CHAR_UPPER | CHAR_A_TO_F,
	D = CHAR_DIGIT,
	B = CHAR_BLANK,
	P = CHAR_PUNCT,
};
/* clang-format off */
static const unsigned char kinds_of_ascii[128] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	B, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	D, D, D, D, D, D, D, D, D, D, P, P, P, P, P, P,
	P, UX, UX, UX, UX, UX, UX, U, U, U, U, U, U, U, U, U,
	U, U, U, U, U, U, U, U, U, U, U, P, P, P, P, P,
	P, LX, LX, LX, LX, LX, LX, L, L, L, L, L, L, L, L, L,
	L, L, L, L, L, L, L, L, L, L, L, P, P, P, P, 0,
};
/* clang-format on */

static unsigned kinds_of(char c) {
	unsigned char u = (unsigned char)c;
	return u < 128 ? kinds_of_ascii[u] : CHAR_HIGH;
}

bool char_is(char c, unsigned kinds) {
	return (kinds_of(c) & kinds) != 0;
}

int char_hex_value(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	return char_is(c, CHAR_A_TO_F) ? (c | 0x20) - 'a' + 10 : -1;
}

bool span_only(struct span s, unsigned kinds, const char *more) {
	for (size_t i = 0; i < s.n; i++)
		if (!(kinds_of(s.p[i]) & kinds) && !is_one_of(s.p[i], more))
			return false;
	return true;
}

/* Eight bytes at a time: none is below '!', none above '~'. */
bool span_visible(struct span s) {
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;
		memcpy(&w, s.p + i, 8);
		if (((w - ones * '!') | (w + ones) | w) & highs)
			return false;
	}
	return span_only(span_from(s, i), CHAR_VISIBLE, "");
}

bool span_uint(struct span s, int64_t *out) {
	int64_t v = 0;
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int d = s.p[i] - '0';
		if (d < 0 || d > 9 || v > (INT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}
