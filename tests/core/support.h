/*
 * support.h -- what the unit tests of the core share: an allocator that counts,
 * checks and can be told to fail, and short ways to write replies, facts and
 * times.  A unit is one program: `static` here means one per program.
 *
 *     static void test_meaning_of_status_words(void **state) { ... }
 *     int main(void) {
 *             const struct CMUnitTest tests[] = { TEST(test_...) };
 *             return RUN(tests);
 *     }
 *
 * TEST forgets what the last test did, and fails the test when it leaks.
 */
#ifndef AZPEC_TEST_SUPPORT_H
#define AZPEC_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

#include "core/answer.h"
#include "core/fail.h"
#include "core/http.h"

#ifndef assert_int_in_range /* before cmocka 2, which deprecates the other */
#define assert_int_in_range assert_in_range
#endif
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Fails the test with a text that stands in the report (cmocka's own fail_msg
   writes past it). */
__attribute__((format(printf, 3, 4))) static inline void
test_fail(const char *file, int line, const char *format, ...) {
	static char text[8192];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	_assert_true(0, text, file, line);
}

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* ---- memory ------------------------------------------------------------- */

enum { TEST_GUARD = 16, TEST_HEAD = 32 };

static struct {
	struct mem mem;
	size_t bytes, blocks; /* held now */
	size_t peak;          /* the most bytes held at once */
	size_t asked;         /* allocations and growths so far */
	size_t fail_from;     /* this one and all later ones fail; 0: none */
	bool fail_once;       /* this one alone */
	size_t failures;      /* how many did */
	const char *secret;   /* no block may be given back with this in it */
} test_memory;

static inline void test_block_check(const char *block, size_t osize) {
	size_t size;
	memcpy(&size, block, sizeof size);
	if (size != osize)
		FAIL("a block of %zu bytes was called one of %zu", size, osize);
	ASAN_UNPOISON_MEMORY_REGION(block + TEST_HEAD + size, TEST_GUARD);
	for (size_t i = 0; i < TEST_GUARD; i++)
		if ((unsigned char)block[TEST_HEAD + size + i] != 0xa5)
			FAIL("written behind a block of %zu bytes", size);
	if (test_memory.secret &&
	    memmem(block + TEST_HEAD, size, test_memory.secret,
	           strlen(test_memory.secret)))
		FAIL("a block was given back with \"%s\" in it",
		     test_memory.secret);
}

/* Each growth moves the block, and what is given back is overwritten: whoever
   keeps an old pointer reads rubbish. */
static inline void *test_alloc(void *ud, void *ptr, size_t osize,
                               size_t nsize) {
	char *old = ptr ? (char *)ptr - TEST_HEAD : NULL, *new = NULL;
	(void)ud;
	if (old)
		test_block_check(old, osize);
	if (nsize > 0) {
		test_memory.asked++;
		if (test_memory.fail_from &&
		    test_memory.asked >= test_memory.fail_from &&
		    !(test_memory.fail_once && test_memory.failures)) {
			test_memory.failures++;
			return NULL;
		}
		new = malloc(TEST_HEAD + nsize + TEST_GUARD);
		assert_non_null(new);
		memcpy(new, &nsize, sizeof nsize);
		memset(new + TEST_HEAD, 0xdd, nsize);
		memset(new + TEST_HEAD + nsize, 0xa5, TEST_GUARD);
		ASAN_POISON_MEMORY_REGION(new + TEST_HEAD + nsize, TEST_GUARD);
		test_memory.bytes += nsize;
		test_memory.blocks++;
		if (old)
			memcpy(new + TEST_HEAD, old + TEST_HEAD,
			       osize < nsize ? osize : nsize);
	}
	if (test_memory.bytes > test_memory.peak)
		test_memory.peak = test_memory.bytes;
	if (old) {
		test_memory.bytes -= osize;
		test_memory.blocks--;
		memset(old, 0xdf, TEST_HEAD + osize + TEST_GUARD);
		free(old);
	}
	return new ? new + TEST_HEAD : NULL;
}

/* The allocator of everything under test. */
static inline struct mem *test_mem(void) {
	test_memory.mem.alloc = test_alloc;
	return &test_memory.mem;
}

/* From the n-th allocation from now on (1: the next) there is no memory. */
static inline void test_mem_fail_from(size_t n) {
	test_memory.fail_from = n ? test_memory.asked + n : 0;
	test_memory.failures = 0;
}

/* From now on every block must be clean of it when it is given back. */
static inline void test_mem_secret(const char *secret) {
	test_memory.secret = secret;
}

/* All that was allocated has been given back. */
static inline void test_no_leaks(void) {
	if (test_memory.bytes || test_memory.blocks)
		FAIL("%zu bytes leaked, in %zu blocks", test_memory.bytes,
		     test_memory.blocks);
}

static inline int test_begin(void **state) {
	(void)state;
	memset(&test_memory, 0, sizeof test_memory);
	return 0;
}

static inline int test_end(void **state) {
	(void)state;
	test_no_leaks();
	return 0;
}

#define TEST(function)                                                         \
	cmocka_unit_test_setup_teardown(function, test_begin, test_end)
#define RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)

/* Tries body(n) with memory failing from the 1st, 2nd, ... allocation on,
   until it gets through without meeting one.  Nothing may leak in any. */
static inline void test_each_failure(void (*body)(void)) {
	size_t n = 0;
	do {
		assert_true(++n < 10000);
		test_mem_fail_from(n);
		body();
		test_no_leaks();
	} while (test_memory.failures > 0);
	assert_true(n > 1); /* it allocates at all */
	test_mem_fail_from(0);
}

/* The same with that one allocation failing, and those after it not. */
static inline void test_each_single_failure(void (*body)(void)) {
	test_memory.fail_once = true;
	test_each_failure(body);
	test_memory.fail_once = false;
}

/* It holds as many bytes as that, and not one more. */
static inline void test_ceiling(struct buf *b, size_t max, const char *what,
                                const char *file, int line) {
	buf_free(b);
	if (!buf_reserve(b, max) || buf_reserve(b, max + 1))
		test_fail(file, line, "%s does not end at %zu bytes", what,
		          max);
	buf_free(b);
}

#define assert_ceiling(buf, max)                                               \
	test_ceiling(&(buf), max, #buf, __FILE__, __LINE__)

/* ---- spans -------------------------------------------------------------- */

static inline struct span test_text(const char *text) {
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline void test_span(struct span is, struct span want, const char *what,
                             const char *file, int line) {
	if (is.n == want.n && !is.p == !want.p &&
	    (is.n == 0 || memcmp(is.p, want.p, is.n) == 0))
		return;
	test_fail(file, line, "%s is %s\"%.*s\" (%zu) and not %s\"%.*s\" (%zu)",
	          what, is.p ? "" : "absent ", (int)is.n, is.n ? is.p : "",
	          is.n, want.p ? "" : "absent ", (int)want.n,
	          want.n ? want.p : "", want.n);
}

/* A span in a constant table. */
#define LITERAL(text)                                                          \
	{ "" text, sizeof(text) - 1 }
/* text NULL: absent. */
#define assert_span(span, text)                                                \
	test_span(span, test_text(text), #span, __FILE__, __LINE__)
#define assert_spans(span, other)                                              \
	test_span(span, other, #span, __FILE__, __LINE__)

static inline bool test_has(struct span s, const char *part) {
	return s.n > 0 && memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static inline void test_needs(struct span s, const char *part, bool there,
                              const char *file, int line) {
	if (test_has(s, part) != there)
		test_fail(file, line, "\"%.*s\" %s \"%s\"", (int)s.n,
		          s.n ? s.p : "", there ? "lacks" : "has", part);
}

#define assert_has(span, part) test_needs(span, part, true, __FILE__, __LINE__)
#define assert_lacks(span, part)                                               \
	test_needs(span, part, false, __FILE__, __LINE__)

/* ---- times -------------------------------------------------------------- */

/* 2024-01-01 00:00:00 GMT in ms: the wall clock when the other says 0. */
#define TEST_WALL INT64_C(1704067200000)

static inline struct now now_at(int64_t ms) {
	return (struct now){ .mono = ms, .wall = TEST_WALL + ms };
}

/* ---- replies ------------------------------------------------------------ */

static inline void *test_plain_alloc(void *ud, void *ptr, size_t osize,
                                     size_t nsize) {
	(void)ud;
	(void)osize;
	if (nsize == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, nsize);
}

/* Replies belong to this file, not to the test: the last sixteen are valid,
   and none counts as a leak. */
static inline struct reply *test_fresh_reply(void) {
	static const struct mem plain = { test_plain_alloc, NULL };
	static struct reply ring[16];
	static size_t next;
	struct reply *r = &ring[next++ % COUNT(ring)];
	if (r->head.mem)
		reply_free(r);
	reply_init(r, &plain, 1024 * 1024);
	return r;
}

/* head: "Name: value" lines parted by '\n'; NULL: none.  body NULL: none. */
static inline struct reply *reply_of(int status, const char *head,
                                     const char *body) {
	struct reply *r = test_fresh_reply();
	r->status = status;
	r->sent = true;
	if (head && *head)
		buf_add(&r->head,
		        (struct span){ head, strlen(head) + 1 }); /* with NUL */
	for (size_t i = 0; i < r->head.n; i++)
		if (r->head.p[i] == '\n')
			r->head.p[i] = '\0';
	if (body)
		buf_add(&r->body, test_text(body));
	return r;
}

/* No reply: the try ended below HTTP.  sent: it may have reached the peer. */
static inline struct reply *no_reply(enum net_error error, bool sent) {
	struct reply *r = test_fresh_reply();
	r->error = error;
	r->sent = sent;
	return r;
}

/* ---- facts, as they are read from a body -------------------------------- */

/* No body, or one of which nobody asks anything. */
static inline struct facts no_facts(void) {
	return NO_FACTS;
}

/* {} */
static inline struct facts facts_object(void) {
	struct facts f = NO_FACTS;
	f.json = true;
	return f;
}

/* The body is there and is no JSON: HTML, or cut off. */
static inline struct facts facts_broken(void) {
	struct facts f = NO_FACTS;
	f.broken = true;
	return f;
}

static inline struct facts facts_state(void) {
	struct facts f = facts_object();
	f.document = DOCUMENT_RESOURCE;
	f.as.resource = NO_RESOURCE;
	return f;
}

/* {"status": word} */
static inline struct facts facts_monitor(const char *word) {
	struct facts f = facts_state();
	f.as.resource.status = test_text(word);
	return f;
}

/* The connection that an operation of a test asks for. */
#define TEST_ID "/x"

/* One of many: the nth operation's own.  Good until the next. */
static inline struct span test_id(size_t n) {
	static char id[32];
	snprintf(id, sizeof id, "/%zu", n);
	return test_text(id);
}

/* That connection; state, status: NULL where it is not there. */
static inline struct facts facts_resource(const char *state,
                                          const char *status) {
	struct facts f = facts_state();
	f.as.resource.is_resource = true;
	f.as.resource.id = SPAN(TEST_ID);
	f.as.resource.provisioning_state = test_text(state);
	f.as.resource.connection_status = test_text(status);
	return f;
}

/* The same, where it is a connection's, of the one with that id. */
static inline struct facts facts_about(struct facts f, struct span id) {
	if (f.document == DOCUMENT_RESOURCE && f.as.resource.is_resource)
		f.as.resource.id = id;
	return f;
}

/* {"error": {"code": ..., "message": ...}} */
static inline struct facts facts_error(const char *code, const char *message) {
	struct facts f = facts_object();
	f.error = true;
	f.code = test_text(code);
	f.message = test_text(message);
	return f;
}

/* {"value": [...], "nextLink": next}; next NULL: the last page */
static inline struct facts facts_page(const char *next, bool empty) {
	struct facts f = facts_object();
	f.document = DOCUMENT_PAGE;
	f.as.page.empty = empty;
	f.as.page.next_link = test_text(next);
	return f;
}

/* {"access_token": token, "expires_in": seconds} */
static inline struct facts facts_token(const char *token, int64_t expires_in) {
	struct facts f = facts_object();
	f.document = DOCUMENT_TOKEN;
	f.as.token = NO_TOKEN_FACTS;
	f.as.token.access_token = test_text(token);
	f.as.token.expires_in = expires_in;
	return f;
}

/* {"error": "invalid_client", "error_description": "AADSTS..."} */
static inline struct facts facts_oauth(const char *error,
                                       const char *description) {
	struct facts f = facts_token(NULL, -1);
	f.error = true;
	f.oauth_error = test_text(error);
	f.message = f.oauth_description = test_text(description);
	return f;
}

/* ---- answers ------------------------------------------------------------ */

static inline struct answer answer_of(const struct reply *r, struct facts f,
                                      int64_t ms) {
	return (struct answer){ .http = r, .facts = f, .at = now_at(ms) };
}

#endif
