/* json_repair.c -- invalid characters in the strings of JSON text. */
#include "core/json_repair.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The characters that may follow a backslash. */
static const char escapes[] = { '"', '\\', '/', 'b', 'f', 'n', 'r', 't' };

/* The UTF-16 code unit of the "\u0123" at the start of s, or -1. */
static long unit_of(struct span s) {
	long unit = 0;
	if (s.n < 6 || s.p[0] != '\\' || s.p[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		static const char hex[] = "0123456789abcdef";
		char lower = (char)(s.p[i] | 0x20);
		const char *digit = memchr(hex, lower, sizeof hex - 1);
		if (!digit || s.p[i] < '0')
			return -1;
		unit = unit * 16 + (digit - hex);
	}
	return unit;
}

/* The length of the escape at the start of s.  *fault: it is invalid. */
static size_t escape(struct span s, bool *fault) {
	long unit = unit_of(s), low;
	if (s.n > 1 && s.p[1] != 'u') {
		*fault = !memchr(escapes, s.p[1], sizeof escapes);
		return *fault ? 1 : 2;
	}
	*fault = unit < 0 || (unit >= 0xd800 && unit < 0xe000);
	if (unit < 0)
		return 1;
	low = unit < 0xdc00 ? unit_of(span_from(s, 6)) : -1;
	if (*fault && low >= 0xdc00 && low < 0xe000) {
		*fault = false;
		return 12;
	}
	return 6;
}

/* The length of the ASCII text at the start of s without quotes, backslashes
   and NULs.  Nearly all text is of this kind. */
static size_t plain(struct span s) {
	size_t n = 0;
	while (n < s.n && (signed char)s.p[n] > 0 && s.p[n] != '"' &&
	       s.p[n] != '\\')
		n++;
	return n;
}

/* The length of the next piece of s. quoted: inside a string.  *fault: the
   piece must be replaced. */
static size_t piece(struct span s, bool quoted, bool *fault) {
	size_t n = plain(s);
	*fault = false;
	if (n > 0)
		return n;
	if (*s.p == '\\' && quoted)
		return escape(s, fault);
	if ((unsigned char)*s.p < 0x80) {
		*fault = *s.p == '\0' && quoted;
		return 1;
	}
	n = span_utf8(s);
	*fault = n == 0;
	return n > 0 ? n : 1;
}

/* True when the text has no byte and no escape that may be invalid.  It reads
   eight bytes at a time, since it runs on every answer. */
static bool has_no_fault(struct span s) {
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;
		memcpy(&w, s.p + i, 8);
		if (((w - ones) | w) & highs) /* a NUL, or beyond ASCII */
			return false;
	}
	for (; i < s.n; i++)
		if ((signed char)s.p[i] <= 0)
			return false;
	for (const char *p = s.p, *end = s.p + s.n;
	     p < end && (p = memchr(p, '\\', (size_t)(end - p)));)
		if (++p == end || !memchr(escapes, *p++, sizeof escapes))
			return false;
	return true;
}

/* Counts the faults, and writes the repaired text when out is not NULL. */
static size_t repair(struct span s, char *out, size_t *faults) {
	bool quoted = false, fault;
	size_t written = 0;
	while (s.n > 0) {
		size_t n = piece(s, quoted, &fault);
		size_t put = fault ? sizeof REPLACEMENT - 1 : n;
		quoted ^= *s.p == '"';
		if (out)
			memcpy(out + written, fault ? REPLACEMENT : s.p, put);
		written += put;
		*faults += fault;
		s = span_from(s, n);
	}
	return written;
}

size_t json_fault_count(struct span text) {
	size_t faults = 0;
	if (!has_no_fault(text))
		repair(text, NULL, &faults);
	return faults;
}

size_t json_repair(char *out, struct span text) {
	size_t faults = 0;
	return repair(text, out, &faults);
}
