/*
 * buf.h -- bytes: growable ones with a ceiling and a sticky failure, and
 * views of somebody else's.  buf.c is the only caller of the allocator.
 */
#ifndef AZPEC_BUF_H
#define AZPEC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The allocator, in the shape of lua_Alloc, so that a Lua state's own one
   fits.  It outlives everything that was made with it. */
struct mem {
	void *(*alloc)(void *ud, void *ptr, size_t osize, size_t nsize);
	void *ud;
};

/* Grow, shrink (nsize 0: free) a block of osize bytes.  NULL: no memory, the
   old block is still there. */
void *mem_resize(const struct mem *mem, void *ptr, size_t osize, size_t nsize);

/* Overwrite in a way the compiler may not leave out. */
void mem_wipe(void *ptr, size_t n);

/* Bytes owned by somebody else; p == NULL means absent, n == 0 empty. */
struct span {
	const char *p;
	size_t n;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
#define NO_SPAN ((struct span){ NULL, 0 })

struct span span_of(const char *cstr); /* of a C string of ours; NULL: absent */
bool span_eq(struct span a, struct span b);
bool span_ieq(struct span a, struct span b); /* ASCII letters in any case */
bool span_istarts(struct span s, struct span prefix);
bool span_icontains(struct span s, struct span part);
struct span span_trim(struct span s); /* blanks, tabs, line ends cut off */
struct span span_from(struct span s, size_t at); /* the rest after at bytes */
/* The length of the UTF-8 character at the head of s; 0: malformed. */
size_t span_utf8(struct span s);
/* Cuts the next word off; the characters of `parting` part words. */
struct span span_word(struct span *s, const char *parting);
bool span_uint(struct span s, int64_t *out); /* digits only, no overflow */

/* An operation has a dozen of them, and thousands may wait: 32 bits will do. */
enum { BUF_MAX = 0x3fffffff };

struct buf {
	const struct mem *mem;
	char *p;      /* NULL until something was added */
	uint32_t n;   /* bytes used */
	uint32_t cap; /* bytes allocated */
	uint32_t max; /* ceiling of n, at most BUF_MAX */
	bool failed;  /* sticky: ceiling met or no memory; the bytes are gone */
	bool secret;  /* overwritten before it is freed or moved */
};

void buf_init(struct buf *b, const struct mem *mem, size_t max);
void buf_free(struct buf *b);  /* frees, and leaves b empty and usable */
void buf_clear(struct buf *b); /* empties, keeps the memory, mends `failed` */
bool buf_reserve(struct buf *b, size_t n); /* room for n more bytes */
/* What was made of `from` is as good as that was. */
void buf_share_failure(struct buf *b, const struct buf *from);
void buf_add(struct buf *b, struct span s);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *cstr); /* of ours, not the net's */
void buf_addint(struct buf *b, int64_t i);
void buf_set(struct buf *b, struct span s); /* clear, then add */
void buf_move(struct buf *to, struct buf *from);
struct span buf_span(const struct buf *b); /* absent when nothing was added */
const char *buf_cstr(struct buf *b); /* with a closing NUL; NULL on failure */

#endif
