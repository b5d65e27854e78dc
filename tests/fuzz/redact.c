/*
 * redact.c -- secrets in foreign text, and faults in JSON's strings:
 *
 *   - a secret of eight bytes or more that stands in a text is not in what
 *     redact_add makes of it, whether raw, percent-encoded, escaped for JSON
 *     or HTML, once or twice, and whatever stands around it; nor can it be
 *     decoded out of that;
 *   - a text that is not redacted keeps its length, and no control characters;
 *   - repaired text has no faults, keeps to its room, and stays as it is when
 *     it is repaired again.
 *
 * The input: how the secret is written, its length, the secret, and a text
 * around it, with a NUL in the secret's place.
 */
#include "fuzz.h"

#include "core/json_repair.h"

enum { LEAST = 8 };

/* ---- writing a secret in some way ---------------------------------------- */

static void add_form(struct buf *out, struct span s, uint8_t how) {
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		char hex[4];
		snprintf(hex, sizeof hex, how & 1 ? "%%%02x" : "%%%02X", c);
		if (plain && !(how & 4))
			buf_addc(out, (char)c);
		else
			buf_adds(out, hex);
	}
}

static void add_json(struct buf *out, struct span s, uint8_t how) {
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char hex[8];
		snprintf(hex, sizeof hex, how & 1 ? "\\u%04x" : "\\u%04X", c);
		if (c < ' ' || (c < 0x80 && how & 4))
			buf_adds(out, hex);
		else if (c == '"' || c == '\\' || (c == '/' && how & 2))
			buf_adds(out, (char[]){ '\\', (char)c, 0 });
		else
			buf_addc(out, (char)c);
	}
}

static void add_html(struct buf *out, struct span s, uint8_t how) {
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		char number[8];
		snprintf(number, sizeof number, how & 1 ? "&#%d;" : "&#x%X;",
		         c);
		if (plain && !(how & 4))
			buf_addc(out, (char)c);
		else if (how & 2 && (c == '&' || c == '"'))
			buf_adds(out, c == '&' ? "&amp;" : "&quot;");
		else
			buf_adds(out, number);
	}
}

static void add_encoded(struct buf *out, struct span s, uint8_t way,
                        uint8_t how) {
	static void (*const ways[])(struct buf *, struct span,
	                            uint8_t) = { add_form, add_json, add_html };
	if (way % 4 == 3)
		buf_add(out, s);
	else
		ways[way % 4](out, s, how);
}

/* In one encoding, and the result in another one or the same. */
static void add_secret(struct buf *out, struct span secret, uint8_t how) {
	struct buf once;
	buf_init(&once, test_mem(), BUF_MAX);
	add_encoded(&once, secret, how, how >> 2);
	add_encoded(out, buf_span(&once), how >> 5, how >> 2);
	buf_free(&once);
}

/* ---- reading it back ----------------------------------------------------- */

static int hex_of(struct span s, size_t at, size_t n) {
	char digits[5] = { 0 }, *end;
	long c;
	if (at + n > s.n)
		return -1;
	memcpy(digits, s.p + at, n);
	c = strtol(digits, &end, 16);
	return strspn(digits, "0123456789abcdefABCDEF") == n ? (int)c : -1;
}

static void decode(struct buf *out, struct span s, bool form, bool json) {
	for (size_t i = 0; i < s.n; i++) {
		int c = -1;
		if (form && s.p[i] == '%' && (c = hex_of(s, i + 1, 2)) >= 0)
			i += 2;
		else if (json && s.p[i] == '\\' && i + 1 < s.n &&
		         s.p[i + 1] == 'u' && (c = hex_of(s, i + 2, 4)) >= 0)
			i += 5;
		else if (json && s.p[i] == '\\' && i + 1 < s.n)
			c = strchr("bfnrt", s.p[++i]) ? ' ' : s.p[i];
		else
			c = s.p[i];
		buf_addc(out, (char)c);
	}
}

static void expect_no_part(struct span text, struct span secret) {
	if (has_span(text, secret))
		wrong("the secret %.*s is in %.*s", (int)secret.n, secret.p,
		      (int)text.n, text.p);
}

/* Neither decoded once nor twice. */
static void expect_absent(struct span text, struct span secret) {
	for (int ways = 0; ways < 16; ways++) {
		struct buf once, twice;
		buf_init(&once, test_mem(), BUF_MAX);
		buf_init(&twice, test_mem(), BUF_MAX);
		decode(&once, text, ways & 1, ways & 2);
		decode(&twice, buf_span(&once), ways & 4, ways & 8);
		expect_no_part(buf_span(&once), secret);
		if ((ways & 3) != 3 && (ways & 12) != 12)
			expect_no_part(buf_span(&twice), secret);
		buf_free(&once);
		buf_free(&twice);
	}
}

static void check_text(struct span in, struct span out) {
	for (size_t i = 0; i < out.n; i++)
		if ((unsigned char)out.p[i] < ' ' || out.p[i] == 0x7f)
			wrong("a control character stays");
	if (!has_span(out, SPAN("<redacted>")) && out.n != in.n)
		wrong("%zu bytes became %zu", in.n, out.n);
}

/* Not one that the mark could be a part of, nor, as control characters become
   blanks, one with a blank. */
static bool is_telling(struct span secret) {
	bool tells = secret.n >= LEAST && !has_span(SPAN("<redacted>"), secret);
	for (size_t i = 0; i < secret.n; i++)
		tells = tells && (unsigned char)secret.p[i] > ' ' &&
		        (unsigned char)secret.p[i] < 0x7f &&
		        secret.p[i] != '<' && secret.p[i] != '>';
	return tells;
}

static void check_redaction(struct span secret, uint8_t how, struct span head,
                            struct span tail) {
	struct buf text, out;
	char *own;
	buf_init(&text, test_mem(), BUF_MAX);
	buf_init(&out, test_mem(), BUF_MAX);
	buf_add(&text, head);
	add_secret(&text, secret, how);
	buf_add(&text, tail);
	own = exactly(buf_span(&text));
	redact_add(&out, (struct span){ own, text.n },
	           (struct secrets){ &secret, 1 }, BUF_MAX);
	check_text(buf_span(&text), buf_span(&out));
	if (is_telling(secret))
		expect_absent(buf_span(&out), secret);
	free(own);
	buf_free(&text);
	buf_free(&out);
}

/* ---- faults -------------------------------------------------------------- */

static void check_repair(struct span s) {
	char *own = exactly(s), *out = malloc(3 * s.n + 1),
	     *again = malloc(9 * s.n + 1);
	size_t faults = json_fault_count((struct span){ own, s.n }), n, m;
	n = json_repair(out, (struct span){ own, s.n });
	if (n > 3 * s.n || (faults == 0 && n != s.n))
		wrong("%zu bytes with %zu faults became %zu", s.n, faults, n);
	m = json_repair(again, (struct span){ out, n });
	if (json_fault_count((struct span){ out, n }) || m != n ||
	    (n && memcmp(out, again, n)))
		wrong("repaired text has faults");
	free(own);
	free(out);
	free(again);
}

static void fuzz(void) {
	uint8_t how = take();
	size_t n = take() % 48;
	struct span secret = { (const char *)input.p,
		               n < input.n ? n : input.n };
	struct span head, tail;
	input.p += secret.n;
	input.n -= secret.n;
	check_repair((struct span){ (const char *)input.p, input.n });
	head = take_text();
	tail = take_rest();
	check_redaction(secret, how, head, tail);
}
