/* buf.c -- growable byte buffers; the only caller of the allocator. */
#include "core/buf.h"

#include <string.h>

void *mem_resize(const struct mem *mem, void *ptr, size_t osize, size_t nsize) {
	return mem->alloc(mem->ud, ptr, osize, nsize);
}

void *mem_reach(const struct mem *mem, void *table, size_t *n, size_t at,
                size_t size) {
	size_t more = 64;
	char *p;
	if (at < *n)
		return table;
	while (more <= at)
		more *= 2;
	p = mem_resize(mem, table, *n * size, more * size);
	if (!p)
		return NULL;
	memset(p + *n * size, 0, (more - *n) * size);
	*n = more;
	return p;
}

void mem_wipe(void *ptr, size_t n) {
	memset(ptr, 0, n);
	__asm__ volatile(""
	                 :
	                 : "r"(ptr)
	                 : "memory"); /* tells the compiler that the bytes are
	                                 read */
}

void buf_init(struct buf *b, const struct mem *mem, size_t max) {
	unsigned most = max < BUF_MAX ? (unsigned)max : BUF_MAX;
	unsigned limit = most > 1 ? 32 - __builtin_clz(most - 1) : 0;
	*b = (struct buf){ .mem = mem, .limit = limit };
}

void buf_free(struct buf *b) {
	if (b->p) {
		if (b->secret)
			mem_wipe(b->p, b->cap);
		mem_resize(b->mem, b->p, b->cap, 0);
	}
	b->p = NULL;
	b->n = b->cap = 0;
	b->failed = false;
}

void buf_clear(struct buf *b) {
	if (b->secret && b->p)
		mem_wipe(b->p, b->n);
	b->n = 0;
	b->failed = false;
}

/* Moves the bytes to a block of their own. */
static char *relocate(struct buf *b, size_t cap) {
	char *p = mem_resize(b->mem, NULL, 0, cap);
	if (p) {
		memcpy(p, b->p, b->n);
		if (b->secret)
			mem_wipe(b->p, b->cap);
		mem_resize(b->mem, b->p, b->cap, 0);
	}
	return p;
}

/* Secrets are not passed to realloc, because the old block must be wiped. */
static char *regrow(struct buf *b, size_t cap) {
	return b->secret && b->p ? relocate(b, cap)
	                         : mem_resize(b->mem, b->p, b->cap, cap);
}

static bool poison(struct buf *b) {
	buf_free(b);
	b->failed = true;
	return false;
}

void buf_share_failure(struct buf *b, const struct buf *from) {
	if (from->failed)
		poison(b);
}

/* The block is doubled, within the greatest length. */
static size_t next_cap(const struct buf *b, size_t need) {
	size_t most = buf_max(b) + 1, cap = (size_t)b->cap * 2;
	cap = cap < most ? cap : most;
	return cap > need ? cap : need;
}

/* Also reserves a byte for the closing NUL. */
bool buf_reserve(struct buf *b, size_t n) {
	size_t cap;
	char *p;
	if (n < (size_t)b->cap - b->n) /* within the limit, as cap is */
		return true;
	if (b->failed)
		return false;
	if (n > buf_max(b) - b->n)
		return poison(b);
	cap = next_cap(b, (size_t)b->n + n + 1);
	p = regrow(b, cap);
	if (!p)
		return poison(b);
	b->p = p;
	b->cap = (uint32_t)cap;
	return true;
}

/* Always in a new block: a block that shrinks in place leaves a hole behind it,
   one for each of ten thousand operations.  The old block serves the next text.
   When out of memory, b stays as it is. */
void buf_fit(struct buf *b) {
	size_t cap = (size_t)b->n + 1;
	char *p = b->cap > cap ? relocate(b, cap) : NULL;
	if (!p)
		return;
	b->p = p;
	b->cap = (uint32_t)cap;
}

void buf_add(struct buf *b, struct span s) {
	if (!buf_reserve(b, s.n))
		return;
	if (s.n > 0)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += (uint32_t)s.n;
}

void buf_addc(struct buf *b, char c) {
	buf_add(b, (struct span){ &c, 1 });
}

void buf_adds(struct buf *b, const char *cstr) {
	buf_add(b, span_of(cstr));
}

void buf_addint(struct buf *b, int64_t i) {
	char digits[20];
	size_t at = sizeof digits;
	uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	do {
		digits[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (i < 0)
		buf_addc(b, '-');
	buf_add(b, (struct span){ digits + at, sizeof digits - at });
}

/* The number of bytes at the start of s that JSON takes as they are. */
static size_t plain_json(struct span s) {
	size_t n = 0;
	while (n < s.n && (unsigned char)s.p[n] >= ' ' && s.p[n] != '"' &&
	       s.p[n] != '\\')
		n++;
	return n;
}

static void add_escaped(struct buf *b, char c) {
	static const char digits[] = "0123456789abcdef";
	buf_addc(b, '\\');
	if (c == '"' || c == '\\') {
		buf_addc(b, c);
	} else {
		buf_adds(b, "u00");
		buf_addc(b, digits[c >> 4]);
		buf_addc(b, digits[c & 15]);
	}
}

void buf_add_json(struct buf *b, struct span s) {
	buf_addc(b, '"');
	while (s.n > 0) {
		size_t n = plain_json(s);
		buf_add(b, (struct span){ s.p, n });
		if (n < s.n)
			add_escaped(b, s.p[n++]);
		s = span_from(s, n);
	}
	buf_addc(b, '"');
}

void buf_set(struct buf *b, struct span s) {
	buf_clear(b);
	buf_add(b, s);
}

void buf_move(struct buf *to, struct buf *from) {
	buf_free(to);
	*to = *from;
	from->p = NULL;
	from->n = from->cap = 0;
}

void buf_swap(struct buf *a, struct buf *b) {
	struct buf c = *a;
	*a = *b;
	*b = c;
}

struct span buf_span(const struct buf *b) {
	return (struct span){ b->p, b->n };
}

const char *buf_cstr(struct buf *b) {
	if (!buf_reserve(b, 0))
		return NULL;
	b->p[b->n] = '\0';
	return b->p;
}
