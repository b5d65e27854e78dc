/* http.c -- requests and replies as values. */
#include "http.h"

#include "base64.h"
#include "date.h"

enum {
	MAX_URL = 64 * 1024,
	MAX_HEAD = 256 * 1024,
	MAX_BODY = 1024 * 1024,
	MAX_PIN = 128,
};

void request_init(struct request *q, const struct mem *mem) {
	*q = (struct request){ .method = HTTP_GET };
	buf_init(&q->url, mem, MAX_URL);
	buf_init(&q->head, mem, MAX_HEAD);
	buf_init(&q->body, mem, MAX_BODY);
	buf_init(&q->pin, mem, MAX_PIN);
	q->head.secret = q->body.secret = true;
}

void request_clear(struct request *q) {
	buf_clear(&q->url);
	buf_clear(&q->head);
	buf_clear(&q->body);
	buf_clear(&q->pin);
	q->handshake = q->fresh = false;
}

void request_free(struct request *q) {
	buf_free(&q->url);
	buf_free(&q->head);
	buf_free(&q->body);
	buf_free(&q->pin);
	q->handshake = false;
}

void request_header(struct request *q, const char *name, struct span value) {
	buf_adds(&q->head, name);
	buf_add(&q->head, SPAN(": "));
	buf_add(&q->head, value);
	buf_addc(&q->head, '\0');
}

bool http_printable(struct span s) {
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 ||
		    (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

bool request_failed(const struct request *q) {
	return q->url.failed || q->head.failed || q->body.failed ||
	       q->pin.failed;
}

const char *http_method_name(enum http_method m) {
	static const char *const names[] = { "GET", "POST", "PATCH", "DELETE" };
	return names[m];
}

const char http_proxy_hint[] =
	"give them in the proxy's URL (http://USER:PASSWORD@HOST:PORT), in "
	"`proxy` or HTTPS_PROXY. The request was not repeated: wrong passwords "
	"lock accounts";

const char *net_error_text(enum net_error e) {
	static const char *const texts[NET_COUNT] = {
		[NET_OK] = "no error",
		[NET_URL] = "the URL cannot be used",
		[NET_RESOLVE] = "the host's name could not be resolved",
		[NET_PROXY] = "the proxy could not be used",
		[NET_PROXY_REFUSED] = "the proxy refused the connection",
		[NET_PROXY_AUTH] =
			"the proxy asks for a user name and password",
		[NET_CONNECT] = "the connection was refused or not possible",
		[NET_TLS] = "the TLS handshake failed",
		[NET_CERT] = "the server's certificate is not trusted",
		[NET_CA] = "the CA file or directory cannot be read",
		[NET_TIMEOUT] = "no answer in time",
		[NET_SEND] = "the connection broke while sending",
		[NET_RECV] =
			"the connection ended before the whole answer came",
		[NET_REFUSED] = "the server refused the request unread",
		[NET_PROTOCOL] = "the server's answer is not HTTP",
		[NET_TOO_BIG] = "the answer is larger than allowed",
		[NET_MEMORY] =
			"not enough memory, or a header line beyond all limits",
		[NET_OTHER] = "the transfer failed",
	};
	return texts[e];
}

void reply_init(struct reply *r, const struct mem *mem, size_t max_body) {
	*r = (struct reply){ .status = 0 };
	buf_init(&r->head, mem, MAX_HEAD);
	buf_init(&r->body, mem, max_body);
	buf_init(&r->note, mem, 1024);
	r->body.secret = true; /* it may hold a token */
}

void reply_clear(struct reply *r) {
	r->status = 0;
	r->error = NET_OK;
	r->sent = false;
	buf_clear(&r->head);
	buf_clear(&r->body);
	buf_clear(&r->note);
}

void reply_free(struct reply *r) {
	buf_free(&r->head);
	buf_free(&r->body);
	buf_free(&r->note);
}

bool reply_header_next(const struct reply *r, const char *name, size_t *at,
                       struct span *value) {
	struct span want = span_of(name);
	while (*at < r->head.n) {
		struct span line = span_of(r->head.p + *at);
		*at += line.n + 1;
		if (line.n > want.n && line.p[want.n] == ':' &&
		    span_istarts(line, want)) {
			*value = span_trim(span_from(line, want.n + 1));
			return true;
		}
	}
	return false;
}

struct span reply_header(const struct reply *r, const char *name) {
	struct span value, last = NO_SPAN;
	size_t at = 0;
	while (reply_header_next(r, name, &at, &value))
		if (value.n > 0)
			last = value;
	return last;
}

/* ---- waits -------------------------------------------------------------- */

static int64_t usable(int64_t ms) {
	return ms > 0 ? ms : -1;
}

int64_t http_retry_after(const struct reply *r, int64_t wall) {
	static const char *const in_ms[] = { "retry-after-ms",
		                             "x-ms-retry-after-ms" };
	struct span s;
	int64_t v;
	for (size_t i = 0; i < sizeof in_ms / sizeof *in_ms; i++)
		if (span_uint(reply_header(r, in_ms[i]), &v) && v > 0)
			return v;
	s = reply_header(r, "retry-after");
	if (span_uint(s, &v))
		return usable(v < INT64_MAX / 1000 ? v * 1000 : INT64_MAX / 2);
	v = date_http(s);
	return v < 0 ? -1 : usable(v - wall);
}

/* ---- challenges (RFC 9110 11.6.1) --------------------------------------- */

/* The value after a parameter's '=': a token, or a quoted string's inside. */
static struct span param_value(struct span *s) {
	struct span v;
	if (s->n == 0 || *s->p == ',') /* the end of a token68 */
		return (struct span){ s->p, 0 };
	if (*s->p != '"')
		return span_word(s, " \t,");
	v = (struct span){ s->p + 1, 0 };
	*s = span_from(*s, 1);
	while (s->n > 0 && *s->p != '"') {
		size_t step = *s->p == '\\' && s->n > 1 ? 2 : 1;
		v.n += step;
		*s = span_from(*s, step);
	}
	if (s->n > 0)
		*s = span_from(*s, 1);
	return v;
}

static void skip_blanks(struct span *s) {
	while (s->n > 0 && (*s->p == ' ' || *s->p == '\t'))
		*s = span_from(*s, 1);
}

/* The parameter of the field's first challenge of that scheme that has it.  One
   field may hold several challenges: a word without '=' begins one. */
static struct span challenge_param(struct span s, const char *scheme,
                                   const char *param) {
	bool within = false;
	while (s.n > 0) {
		struct span name = span_word(&s, " \t,="), value;
		skip_blanks(&s);
		if (s.n == 0 || *s.p != '=') {
			within = span_ieq(name, span_of(scheme));
			continue;
		}
		s = span_from(s, 1);
		skip_blanks(&s);
		value = param_value(&s);
		if (within && span_ieq(name, span_of(param)))
			return value;
	}
	return NO_SPAN;
}

/* A backslash quotes what follows it. */
static void add_unquoted(struct buf *out, struct span s) {
	buf_clear(out);
	for (size_t i = 0; i < s.n; i++) {
		i += s.p[i] == '\\' && i + 1 < s.n;
		buf_addc(out, s.p[i]);
	}
}

bool http_challenge(const struct reply *r, const char *scheme,
                    const char *param, struct buf *out) {
	struct span field, value = NO_SPAN;
	size_t at = 0;
	while (!value.p &&
	       reply_header_next(r, "www-authenticate", &at, &field))
		value = challenge_param(field, scheme, param);
	if (value.p)
		add_unquoted(out, value);
	return value.p != NULL;
}

bool http_claims(const struct reply *r, struct buf *claims) {
	struct span field, text;
	size_t at = 0;
	while (reply_header_next(r, "www-authenticate", &at, &field)) {
		text = challenge_param(field, "Bearer", "claims");
		buf_clear(claims);
		if (text.p && base64_decode(claims, text) && claims->n > 0 &&
		    *claims->p == '{')
			return true;
	}
	buf_clear(claims);
	return false;
}
