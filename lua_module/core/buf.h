/*
 * buf.h -- growable byte buffers with a size limit and a sticky error state.
 * buf.c is the only file that calls the allocator.
 */
#ifndef AZPEC_BUF_H
#define AZPEC_BUF_H

#include "core/span.h"

/* The allocator, with the signature of lua_Alloc, so that a Lua state's own
   allocator can be used.  It must outlive everything allocated from it. */
struct mem {
	void *(*alloc)(void *ud, void *ptr, size_t osize, size_t nsize);
	void *ud;
};

/* Resizes a block of osize bytes; nsize 0 frees it.  NULL: out of memory, and
   the old block is unchanged. */
void *mem_resize(const struct mem *mem, void *ptr, size_t osize, size_t nsize);

/* Grows a table of *n entries, each `size` bytes, so that index `at` is valid.
   New entries are zero.  NULL: out of memory, and the old table is
   unchanged. */
void *mem_reach(const struct mem *mem, void *table, size_t *n, size_t at,
                size_t size);

/* Overwrites n bytes with zeros; the compiler cannot remove this. */
void mem_wipe(void *ptr, size_t n);

/* The largest limit. */
enum { BUF_MAX = 1 << 26 };

/* Packed into 24 bytes, because an operation has a dozen buffers, and ten
   thousand operations may wait at once. */
struct buf {
	const struct mem *mem;
	char *p;            /* NULL until something is added */
	uint32_t n : 27;    /* bytes used */
	uint32_t limit : 5; /* n is at most 1 << limit */
	uint32_t cap : 30;  /* bytes allocated, at most 1 more than the limit */
	uint32_t failed : 1; /* sticky: above the limit or out of memory; the
	                        bytes are freed */
	uint32_t secret : 1; /* overwritten before it is freed or moved */
};

/* The limit of b->n. */
static inline size_t buf_max(const struct buf *b) {
	return (size_t)1 << b->limit;
}

/* max: a power of two; another number is rounded up to one. */
void buf_init(struct buf *b, const struct mem *mem, size_t max);
void buf_free(struct buf *b); /* frees the memory; b is empty and usable */
/* Empties b, keeps the memory, resets `failed`. */
void buf_clear(struct buf *b);
bool buf_reserve(struct buf *b, size_t n); /* room for n more bytes */
/* Frees the unused capacity, for text that is kept for long. */
void buf_fit(struct buf *b);
/* Marks b as failed when `from` failed, for a b made from its content. */
void buf_share_failure(struct buf *b, const struct buf *from);
void buf_add(struct buf *b, struct span s);
void buf_addc(struct buf *b, char c);
/* Of a string of azpec's own, not of foreign text. */
void buf_adds(struct buf *b, const char *cstr);
void buf_addint(struct buf *b, int64_t i);
/* As a JSON string, quotes included (RFC 8259, section 7). */
void buf_add_json(struct buf *b, struct span s);
void buf_set(struct buf *b, struct span s); /* clear, then add */
void buf_move(struct buf *to, struct buf *from);
void buf_swap(struct buf *a, struct buf *b);
struct span buf_span(const struct buf *b); /* absent when nothing was added */
const char *buf_cstr(struct buf *b); /* adds a closing NUL; NULL on failure */

#endif
