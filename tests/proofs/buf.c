/* buf.c -- growable bytes with a ceiling and a sticky failure. */
#include "proofs.h"

/* Enough for all that the code does: what holds between its calls. */
static bool valid(const struct buf *b) {
	if (buf_max(b) > BUF_MAX || b->n > buf_max(b))
		return false;
	if (!b->p)
		return b->n == 0 && b->cap == 0;
	return !b->failed && b->n < b->cap && b->cap <= buf_max(b) + 1 &&
	       __CPROVER_OBJECT_SIZE(b->p) == b->cap;
}

/* Any valid one, of any size up to the ceiling that there is. */
static struct buf any_buf(const struct mem *mem, bool secret) {
	struct buf b;
	buf_init(&b, mem, nondet_size());
	b.secret = secret;
	if (nondet_bool()) {
		uint32_t cap = nondet_uint32(), n = nondet_uint32();
		assume(cap > 0 && cap <= buf_max(&b) + 1);
		b.cap = cap;
		b.p = malloc(b.cap);
		assume(b.p != NULL);
		assume(n < cap && n <= buf_max(&b));
		b.n = n;
	} else {
		b.failed = nondet_bool();
	}
	assert(valid(&b));
	return b;
}

/* A block that moves loses its bytes here: they do not matter to sizes. */
static void *hollow(void *ud, void *p, size_t osize, size_t nsize) {
	assert(p ? __CPROVER_OBJECT_SIZE(p) == osize : osize == 0);
	(void)ud;
	return nsize > 0 ? malloc(nsize) : NULL;
}

/* For every state, every size asked for, every answer of the allocator: room
   for the bytes and a closing NUL, or a failure that holds nothing. */
void prove_buf_reserve(void) {
	const struct mem mem = { hollow, NULL };
	struct buf b = any_buf(&mem, false), was = b;
	size_t n = nondet_size();
	bool ok = buf_reserve(&b, n);
	assert(valid(&b) && b.failed == !ok);
	if (ok)
		assert(b.n == was.n && b.cap - b.n > n &&
		       buf_max(&b) - b.n >= n);
	else
		assert(!b.p && b.n == 0);
}

/* What is moved has one owner. */
void prove_buf_move(void) {
	bool secret = nondet_bool();
	const struct mem mem = { any_alloc, &secret };
	struct buf a, b;
	struct span text = any_text(1), seen;
	buf_init(&a, &mem, 4);
	buf_init(&b, &mem, 4);
	a.secret = b.secret = secret;
	buf_add(&a, any_text(2));
	buf_add(&b, text);
	buf_move(&a, &b);
	seen = buf_span(&a);
	assert(valid(&a) && valid(&b) && !b.p);
	assert(a.failed || (seen.n == 1 && *seen.p == *text.p));
	buf_free(&a);
	buf_free(&b);
}

static void add_number(int64_t i, size_t length) {
	static char room[24];
	const struct mem mem = { hollow, NULL };
	struct buf b = { .mem = &mem, .p = room, .cap = 24, .limit = 5 };
	buf_addint(&b, i);
	assert(!b.failed && b.n == length);
	assert((b.p[0] == '-') == (i < 0));
	assert(b.p[b.n - 1] - '0' == (i < 0 ? -(i % 10) : i % 10));
}

/* The longest numbers are within the room for their digits; so is any byte. */
void prove_buf_addint(void) {
	unsigned char c = (unsigned char)nondet_char();
	add_number(INT64_MIN, 20);
	add_number(INT64_MAX, 19);
	add_number(c, c < 10 ? 1 : c < 100 ? 2 : 3);
	add_number(-(int64_t)c, c == 0 ? 1 : c < 10 ? 2 : c < 100 ? 3 : 4);
}
