/* base64.c -- RFC 4648. */
#include "core/base64.h"

/* The first 62 digits; the two alphabets differ in the last two. */
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789";

static int base64_value(char c) {
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	for (int i = 0; digits[i]; i++)
		if (digits[i] == c)
			return i;
	return -1;
}

bool base64_decode(struct buf *out, struct span s) {
	uint32_t bits = 0;
	int have = 0;
	while (s.n > 0 && s.p[s.n - 1] == '=')
		s.n--;
	for (size_t i = 0; i < s.n; i++) {
		int v = base64_value(s.p[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_addc(out, (char)(unsigned char)(bits >> have));
		}
	}
	return s.n > 0 && s.n % 4 != 1 && !out->failed;
}

static void encode(struct buf *out, struct span s, const char *last) {
	uint32_t bits = 0;
	int have = 0;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n) {
			bits = bits << 8 | (unsigned char)s.p[i];
			have += 8;
		} else if (have > 0) { /* the last group, filled up with
		                          zeros */
			bits <<= 6 - have;
			have = 6;
		}
		for (; have >= 6; have -= 6) {
			uint32_t v = bits >> (have - 6) & 63;
			buf_addc(out, v < 62 ? digits[v] : last[v - 62]);
		}
	}
}

void base64url(struct buf *out, struct span s) {
	encode(out, s, "-_");
}

void base64_encode(struct buf *out, struct span s) {
	encode(out, s, "+/");
	for (size_t n = s.n; n % 3 != 0; n++)
		buf_addc(out, '=');
}
