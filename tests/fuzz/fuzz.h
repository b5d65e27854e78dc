/*
 * fuzz.h -- what the fuzz targets share: the input as a cursor, texts made of
 * it, and the way a target says that something does not hold.
 *
 * A target is one program for libFuzzer.  It defines fuzz(), which is called
 * with each input; what must hold is said at the head of its file, and wrong()
 * ends the program where it does not.
 */
#ifndef AZPEC_FUZZ_H
#define AZPEC_FUZZ_H

#include "support.h"

static struct {
	const uint8_t *p;
	size_t n;
} input;

__attribute__((format(printf, 1, 2))) static inline _Noreturn void
wrong(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fputs("fuzz: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

/* The next byte; 0 where there is none. */
static inline uint8_t take(void) {
	if (input.n == 0)
		return 0;
	input.n--;
	return *input.p++;
}

static inline uint32_t take_number(size_t bytes) {
	uint32_t n = 0;
	while (bytes-- > 0)
		n = n << 8 | take();
	return n;
}

/* The rest of the input, up to a NUL, which is passed over. */
static inline struct span take_text(void) {
	struct span s = { (const char *)input.p, 0 };
	while (s.n < input.n && s.p[s.n])
		s.n++;
	input.p += s.n + (s.n < input.n);
	input.n -= s.n + (s.n < input.n);
	return s;
}

static inline struct span take_rest(void) {
	struct span s = { (const char *)input.p, input.n };
	input.n = 0;
	return s;
}

/* The same bytes in a block of their own size, so that AddressSanitizer sees a
   look behind the end.  Freed with free(). */
static inline char *exactly(struct span s) {
	char *p = malloc(s.n ? s.n : 1);
	if (!p)
		wrong("no memory");
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

static inline bool has_span(struct span s, struct span part) {
	return part.n > 0 && s.n >= part.n && memmem(s.p, s.n, part.p, part.n);
}

static void fuzz(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	input.p = data;
	input.n = size;
	memset(&test_memory, 0, sizeof test_memory);
	fuzz();
	test_no_leaks();
	return 0;
}

#endif
