/*
 * redact.c -- finds secrets in foreign text.
 *
 * A service, a proxy or a program may echo what it received: in an error
 * message, an error page or a header field.  Three rules are tried at each
 * position of the text, and the longest match is replaced:
 *
 *   by form       "Bearer " or "PoP " and a long word, a JSON Web Token
 *                 ("eyJ..."), or the user name and password of a URL
 *   by name       a parameter of a token request, such as client_secret=,
 *                 and its value
 *   by value      a secret from the caller's list, in each encoding that the
 *                 text may use: raw, percent-encoded, escaped for JSON or
 *                 HTML, several of these at once, or one in another
 *
 * The first two rules need no list, so they also find secrets of others.  The
 * third rule has limits.  It ignores secrets shorter than MIN_SECRET bytes,
 * because they would match ordinary words.  It accepts the first TELLING_HEAD
 * bytes of a secret as the secret, because the text may be truncated within it.
 *
 * The time is linear in the length of the text.  Bytes compared after the first
 * TELLING_HEAD bytes of a secret are not compared again.  Stretches in which no
 * match can begin (struct heads) are copied in one piece.
 */
#include "core/redact.h"

#include <string.h>

enum {
	MIN_SECRET = 8,
	TELLING_HEAD = 32,
};

static bool word_end(char c) {
	return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' ||
	       c == ',' || c == ';';
}

/* The length of "Bearer" or "PoP" and the blanks after it, or 0. */
static size_t scheme_length(struct span s) {
	static const struct span schemes[] = { { "bearer", 6 }, { "pop", 3 } };
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = schemes[i].n;
		if (!span_istarts(s, schemes[i]))
			continue;
		while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
			n++;
		return n > schemes[i].n ? n : 0;
	}
	return 0;
}

/* The length of the token at the start of s, or 0: a word after a scheme, or a
   JSON Web Token. */
static size_t secret_length(struct span s) {
	size_t skip = scheme_length(s), n = 0;
	if (skip == 0 && !span_istarts(s, SPAN("eyJ")))
		return 0;
	while (skip + n < s.n && !word_end(s.p[skip + n]))
		n++;
	return n >= 16 ? skip + n : 0;
}

static bool login_end(char c) {
	return (unsigned char)c <= ' ' || c == '"' || c == '<';
}

/* The length of "://", or of ":\/\/" as JSON may have it; 0 without it. */
static size_t authority_start(struct span s) {
	if (span_istarts(s, SPAN("://")))
		return 3;
	return span_istarts(s, SPAN(":\\/\\/")) ? 5 : 0;
}

/* The length of "://USER:PASSWORD" before the last '@', or 0.  A password may
   contain '/', so a '/' ends the authority only after a host or a port.  No
   login contains "://", so that the search is linear. */
static size_t login_length(struct span s) {
	size_t start = authority_start(s), colon = 0, at = 0;
	bool digits = true;
	for (size_t n = start; n > 0 && n < s.n && !login_end(s.p[n]); n++) {
		bool ends = colon == 0 || (digits && n > colon + 1);
		char slash = start > 3 ? '\\' : '/'; /* JSON: "\/" */
		if ((s.p[n] == slash && ends) ||
		    authority_start(span_from(s, n)) > 0)
			break;
		if (s.p[n] == '@')
			at = n;
		if (s.p[n] == ':' && colon == 0)
			colon = n;
		else if (colon > 0)
			digits &= char_is(s.p[n], CHAR_DIGIT);
	}
	return colon > 0 && colon < at ? at : 0;
}

/* The encodings in which an echoed secret may appear, as bits: percent-encoded
   as in a form, escaped as in a JSON string, and as HTML character references.
 */
enum {
	FORM = 1,
	JSON = 2,
	HTML = 4,
	MAX_CODE = 12, /* bytes that the inner encoding has for one byte */
};

/* The outer encoding is decoded first.  Several bits: each is decoded where it
   occurs, because most encodings leave the codes of the others as they are. */
struct way {
	unsigned outer, inner;
};

static const struct way ways[] = {
	{ 0, 0 },           { FORM, 0 },
	{ JSON, 0 },        { HTML, 0 },
	{ FORM | JSON, 0 }, { FORM | HTML, 0 },
	{ JSON | HTML, 0 }, { FORM | JSON | HTML, 0 },
	{ FORM, FORM },     { FORM, JSON },
	{ FORM, HTML },     { JSON, FORM },
	{ JSON, JSON },     { JSON, HTML },
	{ HTML, FORM },     { HTML, JSON },
	{ HTML, HTML },
};

/* The bytes that an encoded byte begins with. */
static const char coded_heads[] = "%+\\&";

/* The bytes that the start of a text encodes, and the length of that start. */
struct piece {
	char bytes[3];
	size_t n, length;
};

/* The value of n hexadecimal digits; -1: others are among them. */
static long hex_number(struct span s, size_t n) {
	long number = 0;
	if (s.n < n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int digit = char_hex_value(s.p[i]);
		if (digit < 0)
			return -1;
		number = number * 16 + digit;
	}
	return number;
}

/* RFC 8259 section 7: a \u escape, as UTF-8.  A surrogate becomes bytes that
   match no secret. */
static struct piece unicode_piece(long c) {
	struct piece p = { { (char)c }, 1, 6 };
	if (c >= 0x800) {
		p.bytes[0] = (char)(0xe0 | c >> 12);
		p.bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		p.bytes[2] = (char)(0x80 | (c & 0x3f));
		p.n = 3;
	} else if (c >= 0x80) {
		p.bytes[0] = (char)(0xc0 | c >> 6);
		p.bytes[1] = (char)(0x80 | (c & 0x3f));
		p.n = 2;
	}
	return p;
}

/* The number at the start of "43;" or "x2B;", and its length with the end,
   which may be absent.  It may have any number of leading zeros. -1: no number
   that unicode_piece takes. */
static long html_number(struct span s, size_t *length) {
	bool hex = s.n > 0 && (*s.p | 0x20) == 'x';
	long base = hex ? 16 : 10, number = 0;
	size_t n = hex;
	for (; n < s.n && number <= 0xffff; n++) {
		int digit = char_hex_value(s.p[n]);
		if (digit < 0 || digit >= base)
			break;
		number = number * base + digit;
	}
	*length = n + (n < s.n && s.p[n] == ';');
	return n > (size_t)hex && number <= 0xffff ? number : -1;
}

/* The HTML character reference at the start of s: the five names that an error
   page needs, and all numbers.  Length 0: no reference. */
static struct piece html_piece(struct span s) {
	static const struct {
		const char *name;
		char c;
	} named[] = { { "&amp;", '&' },
		      { "&lt;", '<' },
		      { "&gt;", '>' },
		      { "&quot;", '"' },
		      { "&apos;", '\'' } };
	struct piece p = { { 0 }, 0, 0 };
	size_t length = 0;
	long c = -1;
	if (span_istarts(s, SPAN("&#")))
		c = html_number(span_from(s, 2), &length);
	if (c >= 0) {
		p = unicode_piece(c);
		p.length = length + 2;
		return p;
	}
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (span_istarts(s, span_of(named[i].name)))
			p = (struct piece){ { named[i].c },
				            1,
				            strlen(named[i].name) };
	return p;
}

static struct piece json_piece(struct span s) {
	static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
	const char *letter = memchr(letters, s.p[1], sizeof letters - 1);
	long c = s.p[1] == 'u' ? hex_number(span_from(s, 2), 4) : -1;
	if (c >= 0)
		return unicode_piece(c);
	return (struct piece){ { letter ? controls[letter - letters] : s.p[1] },
		               1,
		               2 };
}

/* Decodes each of these encodings once. */
static struct piece once_piece(struct span s, unsigned encodings) {
	if (encodings & HTML && *s.p == '&') {
		struct piece p = html_piece(s);
		if (p.length > 0)
			return p;
	}
	if (encodings & FORM && *s.p == '%') {
		long c = hex_number(span_from(s, 1), 2);
		if (c >= 0)
			return (struct piece){ { (char)c }, 1, 3 };
	}
	if (encodings & JSON && *s.p == '\\' && s.n > 1)
		return json_piece(s);
	return (struct piece){ { *s.p }, 1, 1 };
}

static bool is_coded_head(char c) {
	return memchr(coded_heads, c, sizeof coded_heads - 1);
}

/* How many bytes the code has that begins with these n. */
static size_t code_length(const char *code, size_t n) {
	switch (*code) {
	case '%':
		return 3;
	case '\\':
		return n > 1 && code[1] == 'u' ? 6 : 2;
	case '&':
		return code[n - 1] == ';' ? n : MAX_CODE;
	default:
		return 1;
	}
}

/* Decodes a code of the inner encoding, whose bytes are encoded again. */
static struct piece twice_piece(struct span s, struct way way) {
	struct piece p;
	char code[MAX_CODE];
	size_t ends[MAX_CODE] = { 0 }, n = 0, at = 0;
	do {
		p = once_piece(span_from(s, at), way.outer);
		at += p.length;
		code[n] = p.bytes[0];
		ends[n++] = at;
	} while (n < code_length(code, n) && at < s.n);
	p = once_piece((struct span){ code, n }, way.inner);
	p.length = ends[p.length - 1];
	return p;
}

static struct piece piece_of(struct span s, struct way way) {
	struct piece p = once_piece(s, way.outer);
	bool is_code = way.inner && is_coded_head(p.bytes[0]);
	return is_code ? twice_piece(s, way) : p;
}

static bool begins_with(struct span secret, struct piece p, struct way way) {
	if (p.n > secret.n)
		return false;
	if ((way.outer | way.inner) & FORM && p.bytes[0] == '+' &&
	    *secret.p == ' ')
		return true;
	return memcmp(secret.p, p.bytes, p.n) == 0;
}

/* The length of the secret at the start of s, or of a truncated secret of at
   least TELLING_HEAD bytes; otherwise 0.  The second case also keeps the search
   linear: compared bytes are not compared again. */
static size_t echo_length(struct span s, struct span secret, struct way way) {
	struct span left = secret;
	size_t length = 0;
	while (left.n > 0 && length < s.n) {
		struct piece p = piece_of(span_from(s, length), way);
		if (!begins_with(left, p, way))
			break;
		left = span_from(left, p.n);
		length += p.length;
	}
	return left.n == 0 || secret.n - left.n >= TELLING_HEAD ? length : 0;
}

static bool is_usable(struct span secret) {
	return secret.n >= MIN_SECRET;
}

/* Can a listed secret begin here in any way?  A quick answer for most bytes. */
static bool may_begin(struct span s, struct secrets secrets) {
	struct piece raw = { { *s.p }, 1, 1 };
	struct way any = { FORM | JSON | HTML, 0 };
	struct piece first = once_piece(s, any.outer);
	bool may = first.length > 1 && is_coded_head(first.bytes[0]);
	for (size_t i = 0; i < secrets.count && !may; i++)
		may = is_usable(secrets.list[i]) &&
		      (begins_with(secrets.list[i], raw, any) ||
		       begins_with(secrets.list[i], first, any));
	return may;
}

/* The length of the longest listed secret that is encoded in this way. */
static size_t encoded_length(struct span s, struct secrets secrets,
                             struct way way) {
	struct piece first = piece_of(s, way);
	size_t longest = 0, n;
	for (size_t i = 0; i < secrets.count; i++) {
		struct span secret = secrets.list[i];
		if (!is_usable(secret) || !begins_with(secret, first, way))
			continue;
		n = echo_length(s, secret, way);
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* The length of a listed secret that was echoed without its scheme or name. */
static size_t known_length(struct span s, struct secrets secrets) {
	size_t longest = 0, n;
	if (s.n == 0 || !may_begin(s, secrets))
		return 0;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		n = encoded_length(s, secrets, ways[i]);
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* The length of an echoed form parameter with its value.  The value may be
   truncated or encoded in a way of its own. */
static size_t parameter_length(struct span s, struct secrets secrets) {
	static const struct span names[] = {
		{ "client_secret=", 14 }, { "client_assertion=", 17 },
		{ "assertion=", 10 },     { "refresh_token=", 14 },
		{ "device_code=", 12 },   { "access_token=", 13 },
		{ "password=", 9 },
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct span name = names[i];
		size_t n = 0, known;
		if (!span_istarts(s, name))
			continue;
		s = span_from(s, name.n);
		while (n < s.n && s.p[n] != '&' && !word_end(s.p[n]))
			n++;
		known = known_length(s, secrets);
		n = known > n ? known : n;
		return n > 0 ? name.n + n : 0;
	}
	return 0;
}

/* What may begin at a byte, as bits. */
enum {
	BY_FORM = 1,
	BY_NAME = 2,
	BY_VALUE = 4,
	LOGIN = 8,
	CONTROL = 16, /* it is replaced itself */
};

/* What may begin at each byte of a text. */
struct heads {
	unsigned char at[256];
};

static void add_heads(struct heads *h, const char *heads, unsigned char rule) {
	for (; *heads; heads++)
		h->at[(unsigned char)*heads] |= rule;
}

/* A text without "=" contains no form parameter, one without "@" no login. */
static struct heads heads_of(struct span text, struct secrets secrets) {
	struct heads h = { .at = { [0x7f] = CONTROL } };
	memset(h.at, CONTROL, ' ');
	add_heads(&h, coded_heads, BY_VALUE);
	add_heads(&h, "bBeEpP", BY_FORM); /* for secret_length */
	if (text.n > 0 && memchr(text.p, '=', text.n))
		add_heads(&h, "cardpCARDP", BY_NAME); /* for parameter_length */
	if (text.n > 0 && memchr(text.p, '@', text.n))
		add_heads(&h, ":", LOGIN); /* for login_length */
	for (size_t i = 0; i < secrets.count; i++)
		if (is_usable(secrets.list[i]))
			h.at[(unsigned char)*secrets.list[i].p] |= BY_VALUE;
	return h;
}

static size_t hidden_length(struct span s, const struct heads *h,
                            struct secrets secrets) {
	unsigned rules = h->at[(unsigned char)*s.p];
	size_t form = rules & BY_FORM ? secret_length(s) : 0,
	       name = rules & BY_NAME ? parameter_length(s, secrets) : 0,
	       value = rules & BY_VALUE ? known_length(s, secrets) : 0;
	size_t n = form > name ? form : name;
	return n > value ? n : value;
}

/* The number of bytes at the start of s at which no secret can begin. */
static size_t plain_length(struct span s, const struct heads *h, size_t most) {
	size_t n = 0;
	while (n < s.n && n < most && h->at[(unsigned char)s.p[n]] == 0)
		n++;
	return n;
}

struct span redact_add(struct buf *out, struct span text,
                       struct secrets secrets, size_t limit) {
	struct heads heads = heads_of(text, secrets);
	while (text.n > 0 && out->n < limit && !out->failed) {
		unsigned rules = heads.at[(unsigned char)*text.p];
		size_t n = plain_length(text, &heads, limit - out->n);
		if (n > 0) {
			buf_add(out, (struct span){ text.p, n });
		} else if ((n = hidden_length(text, &heads, secrets)) > 0) {
			buf_adds(out, "<redacted>");
		} else if (rules & LOGIN && (n = login_length(text)) > 0) {
			struct span start = { text.p, authority_start(text) };
			buf_add(out, start);
			buf_adds(out, "<redacted>");
		} else {
			buf_addc(out, rules & CONTROL ? ' ' : *text.p);
			n = 1;
		}
		text = span_from(text, n);
	}
	return text;
}
