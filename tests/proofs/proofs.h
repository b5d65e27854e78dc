/*
 * proofs.h -- what the proofs share: any input up to a bound, an allocator that
 * watches its callers, and the contracts of the functions below.
 *
 * A contract is asserted where its function is proven, and stands in for the
 * function where a caller is proven: so that callers are proven for longer
 * inputs than the function's loops would permit.
 */
#ifndef AZPEC_PROOFS_H
#define AZPEC_PROOFS_H

#include "core/buf.h"
#include "core/span.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* CBMC gives these any value. */
size_t nondet_size(void);
int nondet_int(void);
int64_t nondet_int64(void);
uint32_t nondet_uint32(void);
char nondet_char(void);
unsigned char nondet_byte(void);
bool nondet_bool(void);
#define assume(condition) __CPROVER_assume(condition)

/* A choice of eight bits, not of 64: such a formula is soon solved. */
static inline size_t any_below(size_t end) {
	size_t i = nondet_byte();
	assert(end > 0 && end <= 256);
	assume(i < end);
	return i;
}

/* Any text of n bytes, alone in its block: a read of the byte before or after
   it is a failure. */
static inline struct span any_text(size_t n) {
	char *p = malloc(n);
	assume(p != NULL);
	return (struct span){ p, n };
}

/* Any text of at most `most` bytes, at the end of a block of its own: what a
   contract gives for a part of another text, whose place is forgotten. */
static inline struct span any_part(size_t most) {
	char *block = malloc(BOUND);
	size_t n = any_below(most + 1);
	assume(block != NULL && n <= BOUND);
	return (struct span){ block + (BOUND - n), n };
}

/* The function that CBMC starts with: what follows in braces is proven for an
   absent text s, and any text of each length up to the bound.  Lengths that are
   constants make for small formulas. */
#define PROOF(name)                                                            \
	static void holds_##name(struct span s);                               \
	void prove_##name(void) {                                              \
		holds_##name(NO_SPAN);                                         \
		for (size_t n = 0; n <= BOUND; n++)                            \
			holds_##name(any_text(n));                             \
	}                                                                      \
	static void holds_##name(struct span s)

/* Byte by byte: CBMC 6.6's own lose bytes where the length is no constant. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = ((const char *)from)[i];
	return to;
}
void *memset(void *to, int c, size_t n) {
	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = (char)c;
	return to;
}

/* CBMC 6.6 has no body for it. */
void *memchr(const void *s, int c, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (((const unsigned char *)s)[i] == (unsigned char)c)
			return (unsigned char *)s + i;
	return NULL;
}

static inline bool readable(struct span s) {
	return s.n == 0 || __CPROVER_r_ok(s.p, s.n);
}

static inline bool within(struct span a, struct span b) {
	return a.n == 0 || (__CPROVER_same_object(a.p, b.p) && a.p >= b.p &&
	                    a.p + a.n <= b.p + b.n);
}

/* Checks the sizes that it is told; `secret` (ud) blocks are to be overwritten
   before they come back, and never moved.  Each call may fail. */
static inline void *any_alloc(void *ud, void *p, size_t osize, size_t nsize) {
	const bool *secret = ud;
	void *to = NULL;
	assert(p ? __CPROVER_OBJECT_SIZE(p) == osize : osize == 0);
	if (*secret && p) {
		assert(nsize == 0);
		assert(((char *)p)[any_below(osize)] == 0);
	}
	if (nsize > 0 && (to = malloc(nsize)) == NULL)
		return NULL;
	if (nsize > 0)
		memcpy(to, p, osize < nsize ? osize : nsize);
	free(p);
	return to;
}

/* Room for all that is added: where growing is not the question. */
enum { ROOM = 64 + 1 };
static inline void *roomy(void *ud, void *p, size_t osize, size_t nsize) {
	assert(!p || nsize == 0);
	assert(nsize <= ROOM);
	(void)ud, (void)osize;
	return nsize > 0 ? malloc(ROOM) : NULL;
}
static inline struct buf any_room(const struct mem *mem) {
	struct buf b = { .mem = mem, .cap = ROOM, .limit = 6 };
	b.p = malloc(ROOM);
	assume(b.p != NULL);
	return b;
}

/* ---- contracts ---------------------------------------------------------- */

/* span_word: the word, and after it the rest up to the end, which is shorter
   than all that there was. */
static inline bool span_word_ensures(struct span before, struct span word,
                                     struct span rest) {
	if (before.n == 0)
		return word.n == 0 && rest.n == 0;
	return within(word, before) && rest.n < before.n &&
	       rest.p == word.p + word.n &&
	       rest.p + rest.n == before.p + before.n;
}
static inline struct span span_word_contract(struct span *s,
                                             const char *parting) {
	struct span word;
	assert(readable(*s) && parting);
	if (s->n == 0)
		return *s;
	word = any_part(s->n);
	*s = any_part(s->n - 1);
	return word;
}

/* span_uint: digits alone, so a short one is small. */
static inline bool span_uint_ensures(struct span s, int64_t v) {
	return s.n > 0 && v >= 0 && (s.n > 1 || v < 10) &&
	       (s.n > 2 || v < 100) && (s.n > 4 || v < 10000);
}
static inline bool span_uint_contract(struct span s, int64_t *out) {
	int64_t v = nondet_int64();
	assert(readable(s));
	if (!span_uint_ensures(s, v))
		return false;
	*out = v;
	return true;
}

/* span_ieq, span_eq, span_istarts: what is too short is another text. */
static inline bool span_ieq_contract(struct span a, struct span b) {
	assert(readable(a) && readable(b));
	return a.n == b.n && nondet_bool();
}
static inline bool span_istarts_contract(struct span s, struct span prefix) {
	assert(readable(s) && readable(prefix));
	return s.n >= prefix.n && nondet_bool();
}

/* span_trim: a part of it. */
static inline struct span span_trim_contract(struct span s) {
	assert(readable(s));
	return any_part(s.n);
}

/* date_http: -1, or a time up to the end of 9999. */
#define DATE_END INT64_C(253402300801000)
static inline bool date_ensures(int64_t ms) {
	return ms == -1 || (ms >= 0 && ms < DATE_END);
}
static inline int64_t date_http_contract(struct span text) {
	int64_t ms = nondet_int64();
	assert(readable(text));
	assume(date_ensures(ms));
	return ms;
}

#endif
