/* span.c -- views of somebody else's bytes. */
#include "proofs.h"

static bool is_blank(char c) {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char lower(char c) {
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static void equal(struct span a, struct span b) {
	bool same = span_eq(a, b), alike = span_ieq(a, b);
	assert(same == span_eq(b, a) && alike == span_ieq(b, a));
	assert(!same || alike);
	if (!alike)
		return;
	assert(a.n == b.n);
	for (size_t i = 0; i < a.n; i++) {
		assert(!same || a.p[i] == b.p[i]);
		assert(lower(a.p[i]) == lower(b.p[i]));
	}
}

/* Equal means the same length and the same bytes; span_ieq passes over the case
   of ASCII letters. */
PROOF(span_eq) {
	equal(s, s);
	for (size_t n = 0; n <= BOUND; n++)
		equal(s, any_text(n));
}

static void contains(struct span s, struct span part) {
	bool somewhere = false;
	for (size_t i = 0; i <= s.n; i++)
		somewhere = somewhere || span_istarts(span_from(s, i), part);
	assert(span_icontains(s, part) == somewhere);
}

/* A part found is one that begins somewhere. */
PROOF(span_icontains) {
	for (size_t n = 0; n <= 3; n++)
		contains(s, any_text(n));
}

/* Within, no blank at either end, nothing lost but blanks. */
PROOF(span_trim) {
	struct span t = span_trim(s);
	assert(within(t, s));
	if (t.n > 0)
		assert(!is_blank(t.p[0]) && !is_blank(t.p[t.n - 1]));
	for (size_t i = 0; i < s.n; i++)
		assert(is_blank(s.p[i]) ||
		       (s.p + i >= t.p && s.p + i < t.p + t.n));
}

/* The Unicode Standard, table 3-7: a character of so many bytes is the shortest
   form of a code point up to U+10FFFF that is no surrogate. */
PROOF(span_utf8) {
	size_t n = span_utf8(s);
	uint32_t code;
	assert(n <= 4 && n <= s.n);
	if (n == 0)
		return;
	code = (unsigned char)s.p[0];
	assert(n > 1 || code < 0x80);
	code &= n == 1 ? 0x7f : n == 2 ? 0x1f : n == 3 ? 0x0f : 0x07;
	for (size_t i = 1; i < n; i++) {
		assert(((unsigned char)s.p[i] & 0xc0) == 0x80);
		code = code << 6 | ((unsigned char)s.p[i] & 0x3f);
	}
	assert(code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
	assert(n == (code < 0x80      ? 1
	             : code < 0x800   ? 2
	             : code < 0x10000 ? 3
	                              : 4));
}

/* The contract; and the word holds none of the characters that part words. */
PROOF(span_word) {
	struct span rest = s, word = span_word(&rest, " ,");
	assert(span_word_ensures(s, word, rest));
	for (size_t i = 0; i < word.n; i++)
		assert(word.p[i] != ' ' && word.p[i] != ',');
	assert(rest.n == 0 || *rest.p == ' ' || *rest.p == ',');
}

/* The first of these characters, or the end. */
PROOF(span_cspn) {
	size_t n = span_cspn(s, "?#");
	assert(n <= s.n);
	for (size_t i = 0; i < n; i++)
		assert(s.p[i] != '?' && s.p[i] != '#');
	assert(n == s.n || s.p[n] == '?' || s.p[n] == '#');
}

/* Head, separator and rest are all of it; without a separator there is no
   rest. */
PROOF(span_cut) {
	struct span rest = s, head = span_cut(&rest, ':');
	assert(head.p == s.p && head.n <= s.n);
	for (size_t i = 0; i < head.n; i++)
		assert(s.p[i] != ':');
	if (rest.p)
		assert(s.p[head.n] == ':' && rest.p == s.p + head.n + 1 &&
		       rest.n == s.n - head.n - 1);
	else
		assert(rest.n == 0 && head.n == s.n);
}

/* No other character gets through. */
PROOF(span_only) {
	if (!span_only(s, CHAR_HEX, ":"))
		return;
	for (size_t i = 0; i < s.n; i++)
		assert((s.p[i] >= '0' && s.p[i] <= '9') ||
		       (lower(s.p[i]) >= 'a' && lower(s.p[i]) <= 'f') ||
		       s.p[i] == ':');
}

/* The contract, without overflow up to and beyond 2^63. */
void prove_span_uint(void) {
	struct span s = any_part(BOUND);
	int64_t v = -1;
	if (span_uint(s, &v))
		assert(span_uint_ensures(s, v));
	else
		assert(v == -1);
}
