/* buf.c -- growable bytes; the only caller of the allocator. */
#include "buf.h"

#include <string.h>

void *mem_resize(const struct mem *mem, void *ptr, size_t osize, size_t nsize) {
	return mem->alloc(mem->ud, ptr, osize, nsize);
}

void mem_wipe(void *ptr, size_t n) {
	memset(ptr, 0, n);
	__asm__ volatile(""
	                 :
	                 : "r"(ptr)
	                 : "memory"); /* it is being looked at */
}

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
		if (lower(s.p[i]) != lower(prefix.p[i]))
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
	return a.n == b.n && span_istarts(a, b);
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

/* Cuts the next word off; the characters of `parting` part words. */
struct span span_word(struct span *s, const char *parting) {
	struct span w;
	while (s->n > 0 && is_one_of(*s->p, parting))
		*s = span_from(*s, 1);
	w = (struct span){ s->p, 0 };
	while (w.n < s->n && !is_one_of(s->p[w.n], parting))
		w.n++;
	*s = span_from(*s, w.n);
	return w;
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

void buf_init(struct buf *b, const struct mem *mem, size_t max) {
	*b = (struct buf){ .mem = mem,
		           .max = (uint32_t)(max < BUF_MAX ? max : BUF_MAX) };
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

/* A secret never travels through realloc: the block it leaves is wiped. */
static char *regrow(struct buf *b, size_t cap) {
	char *p;
	if (!b->secret || !b->p)
		return mem_resize(b->mem, b->p, b->cap, cap);
	p = mem_resize(b->mem, NULL, 0, cap);
	if (p) {
		memcpy(p, b->p, b->n);
		mem_wipe(b->p, b->cap);
		mem_resize(b->mem, b->p, b->cap, 0);
	}
	return p;
}

static bool fail(struct buf *b) {
	buf_free(b);
	b->failed = true;
	return false;
}

void buf_share_failure(struct buf *b, const struct buf *from) {
	if (from->failed)
		fail(b);
}

/* ... and for a closing NUL. */
bool buf_reserve(struct buf *b, size_t n) {
	size_t need, cap;
	char *p;
	if (b->failed)
		return false;
	if (n > b->max - b->n)
		return fail(b);
	need = (size_t)b->n + n + 1;
	if (need <= b->cap)
		return true;
	cap = b->cap ? (size_t)b->cap * 2 : need;
	if (cap < need)
		cap = need;
	p = regrow(b, cap);
	if (!p)
		return fail(b);
	b->p = p;
	b->cap = (uint32_t)cap;
	return true;
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

struct span buf_span(const struct buf *b) {
	return (struct span){ b->p, b->n };
}

const char *buf_cstr(struct buf *b) {
	if (!buf_reserve(b, 0))
		return NULL;
	b->p[b->n] = '\0';
	return b->p;
}
