/* fail.c -- failures and their names. */
#include "fail.h"

#include <string.h>

enum {
	MAX_TEXT = 65536,
	MAX_FOREIGN = 1024, /* of one piece of foreign text */
	MAX_ALL = 16384,    /* where no more of it is added */
	MIN_SECRET = 8,     /* shorter ones would take words away */
	TELLING_HEAD = 32,  /* of a secret that was cut off */
};

const char *fail_kind_name(enum fail_kind k) {
	static const char *const names[FAIL_KIND_COUNT] = {
		[FAIL_NONE] = "none",
		[FAIL_CREDENTIAL] = "credential",
		[FAIL_FORBIDDEN] = "forbidden",
		[FAIL_NOT_FOUND] = "not_found",
		[FAIL_PRECONDITION] = "precondition",
		[FAIL_CONFLICT] = "conflict",
		[FAIL_THROTTLED] = "throttled",
		[FAIL_SERVICE] = "service",
		[FAIL_OPERATION] = "operation",
		[FAIL_TIMEOUT] = "timeout",
		[FAIL_CANCELED] = "canceled",
		[FAIL_TRANSPORT] = "transport",
		[FAIL_PROTOCOL] = "protocol",
		[FAIL_UNTRUSTED] = "untrusted",
		[FAIL_LIMIT] = "limit",
	};
	return names[k];
}

const char *phase_name(enum phase p) {
	static const char *const names[PHASE_COUNT] = {
		[PHASE_TOKEN] = "token",
		[PHASE_REQUEST] = "request",
		[PHASE_POLL] = "poll",
		[PHASE_RESULT] = "result",
	};
	return names[p];
}

void fail_init(struct fail *f, const struct mem *mem) {
	*f = (struct fail){ .kind = FAIL_NONE, .retry_after = -1 };
	buf_init(&f->message, mem, MAX_TEXT);
	buf_init(&f->code, mem, MAX_TEXT);
	buf_init(&f->target, mem, MAX_TEXT);
	buf_init(&f->request_id, mem, MAX_TEXT);
	buf_init(&f->correlation_id, mem, MAX_TEXT);
}

void fail_free(struct fail *f) {
	buf_free(&f->message);
	buf_free(&f->code);
	buf_free(&f->target);
	buf_free(&f->request_id);
	buf_free(&f->correlation_id);
}

void fail_set(struct fail *f, enum fail_kind kind, enum phase phase,
              const char *message) {
	f->kind = kind;
	f->phase = phase;
	f->http_status = 0;
	f->body = false;
	f->retryable = false;
	f->retry_after = -1;
	f->hint = NULL;
	buf_clear(&f->code);
	buf_clear(&f->target);
	buf_set(&f->message, span_of(message));
}

static bool word_end(char c) {
	return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' ||
	       c == ',' || c == ';';
}

/* Where the word at the head of s ends, when it looks like a token: what
   follows "Bearer ", or a JSON Web Token. */
static size_t secret_length(struct span s) {
	static const struct span scheme = { "bearer", 6 };
	size_t skip = 0, n = 0;
	if (span_istarts(s, scheme)) {
		skip = scheme.n;
		while (skip < s.n && (s.p[skip] == ' ' || s.p[skip] == '\t'))
			skip++;
	}
	if (skip == scheme.n || (skip == 0 && !span_istarts(s, SPAN("eyJ"))))
		return 0;
	while (skip + n < s.n && !word_end(s.p[skip + n]))
		n++;
	return n >= 16 ? skip + n : 0;
}

/* How a text that echoes a secret may write it: raw, percent-encoded as in a
   form, escaped as in a JSON string, or in both ways. */
enum { AS_SENT = 0, AS_FORM = 1, AS_JSON = 2, WAYS = 4 };

/* The bytes that the head of a text stands for, and the length of that head. */
struct piece {
	char bytes[3];
	size_t n, length;
};

/* n hexadecimal digits; -1: there are others. */
static long hex_number(struct span s, size_t n) {
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	long number = 0;
	if (s.n < n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *digit = memchr(digits, s.p[i], sizeof digits - 1);
		if (!digit)
			return -1;
		number = number * 16 + (digit - digits) % 16;
	}
	return number;
}

/* RFC 8259, 7: a \u escape as UTF-8; a surrogate becomes nothing known. */
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

static struct piece piece_of(struct span s, unsigned way) {
	if (way & AS_FORM && *s.p == '%') {
		long c = hex_number(span_from(s, 1), 2);
		if (c >= 0)
			return (struct piece){ { (char)c }, 1, 3 };
	}
	if (way & AS_JSON && *s.p == '\\' && s.n > 1)
		return json_piece(s);
	return (struct piece){ { *s.p }, 1, 1 };
}

static bool begins_with(struct span secret, struct piece p, unsigned way) {
	if (p.n > secret.n)
		return false;
	if (way & AS_FORM && p.bytes[0] == '+' && *secret.p == ' ')
		return true;
	return memcmp(secret.p, p.bytes, p.n) == 0;
}

/* How much of the text's head is the secret, or so much of the secret's head
   that it is nothing else.  The latter also keeps the search linear: what was
   compared beyond that is not looked at again. */
static size_t echo_length(struct span s, struct span secret, unsigned way) {
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

/* A secret itself, were it echoed without its scheme or its name. */
static size_t known_length(struct span s, struct secrets secrets) {
	size_t longest = 0;
	for (size_t i = 0; i < secrets.count; i++) {
		if (secrets.list[i].n < MIN_SECRET)
			continue;
		for (unsigned way = AS_SENT; way < WAYS; way++) {
			size_t n = echo_length(s, secrets.list[i], way);
			longest = n > longest ? n : longest;
		}
	}
	return longest;
}

/* A parameter of a form that was echoed, with its value: it may be cut off, or
   encoded in a way of its own. */
static size_t parameter_length(struct span s, struct secrets secrets) {
	static const char *const names[] = {
		"client_secret=", "client_assertion=", "assertion=",
		"refresh_token=", "device_code=",      "access_token=",
		"password=",
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct span name = span_of(names[i]);
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

static size_t hidden_length(struct span s, struct secrets secrets) {
	size_t all[] = { secret_length(s), known_length(s, secrets),
		         parameter_length(s, secrets) };
	size_t n = all[0] > all[1] ? all[0] : all[1];
	return n > all[2] ? n : all[2];
}

struct span fail_redact(struct buf *out, struct span text,
                        struct secrets secrets, size_t limit) {
	while (text.n > 0 && out->n < limit && !out->failed) {
		bool control = (unsigned char)*text.p < ' ' || *text.p == 0x7f;
		size_t n = hidden_length(text, secrets);
		if (n > 0)
			buf_adds(out, "<redacted>");
		else
			buf_addc(out, control ? ' ' : *text.p);
		text = span_from(text, n > 0 ? n : 1);
	}
	return text;
}

void fail_add_without(struct fail *f, struct span foreign,
                      struct secrets secrets) {
	size_t limit = f->message.n + MAX_FOREIGN;
	struct span rest = fail_redact(&f->message, span_trim(foreign), secrets,
	                               limit < MAX_ALL ? limit : MAX_ALL);
	if (rest.n > 0)
		buf_adds(&f->message, "...");
}

void fail_add(struct fail *f, struct span foreign) {
	fail_add_without(f, foreign, (struct secrets){ NULL, 0 });
}

void fail_copy(struct fail *to, const struct fail *from) {
	to->kind = from->kind;
	to->phase = from->phase;
	to->http_status = from->http_status;
	to->body = from->body;
	to->retryable = from->retryable;
	to->retry_after = from->retry_after;
	to->hint = from->hint;
	buf_set(&to->message, buf_span(&from->message));
	buf_set(&to->code, buf_span(&from->code));
	buf_set(&to->target, buf_span(&from->target));
	buf_set(&to->request_id, buf_span(&from->request_id));
	buf_set(&to->correlation_id, buf_span(&from->correlation_id));
}

enum fail_kind fail_kind_of(int status) {
	switch (status) {
	case 401:
		return FAIL_CREDENTIAL;
	case 403:
		return FAIL_FORBIDDEN;
	case 404:
		return FAIL_NOT_FOUND;
	case 409:
		return FAIL_CONFLICT;
	case 412:
		return FAIL_PRECONDITION;
	case 429:
		return FAIL_THROTTLED;
	default:
		return FAIL_SERVICE;
	}
}

enum fail_kind fail_kind_of_net(enum net_error e) {
	switch (e) {
	case NET_CERT:
		return FAIL_UNTRUSTED;
	case NET_TOO_BIG:
	case NET_MEMORY:
		return FAIL_LIMIT;
	case NET_PROTOCOL:
		return FAIL_PROTOCOL;
	default:
		return FAIL_TRANSPORT;
	}
}
