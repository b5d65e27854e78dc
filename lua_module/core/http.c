/* http.c -- requests and replies as values. */
#include "core/http.h"

#include "core/base64.h"
#include "core/date.h"

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
	q->method = HTTP_GET;
	q->timeout_ms = 0;
	q->allow_http = q->no_proxy = q->handshake = q->fresh = false;
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
	return span_only(s, CHAR_PRINTABLE, "");
}

bool request_failed(const struct request *q) {
	return q->url.failed || q->head.failed || q->body.failed ||
	       q->pin.failed;
}

const char *http_method_name(enum http_method m) {
	static const char *const names[] = { "GET", "POST", "PATCH", "DELETE" };
	return names[m];
}

const char *net_error_hint(enum net_error e) {
	static const char *const hints[NET_COUNT] = {
		[NET_RESOLVE] = ("check DNS, the host's name and the cloud, "
		                 "and whether a proxy is required"),
		[NET_CERT] = ("if a private CA issued the server's "
		              "certificate, as with a TLS-inspecting proxy, "
		              "name its CA file (ca_file, or SSL_CERT_FILE)"),
		[NET_CA] = ("check ca_file and ca_path, or SSL_CERT_FILE, "
		            "CURL_CA_BUNDLE and SSL_CERT_DIR"),
		[NET_PROXY] = ("check the proxy's address, and that it allows "
		               "this host: `proxy`, HTTPS_PROXY, NO_PROXY. Its "
		               "URL begins with https:// only if the proxy "
		               "itself speaks TLS"),
		[NET_PROXY_REFUSED] =
			("check the proxy's address, and that it allows this "
		         "host: `proxy`, HTTPS_PROXY, NO_PROXY"),
		[NET_PROXY_AUTH] =
			("give them in the proxy's URL "
		         "(http://USER:PASSWORD@HOST:PORT), in `proxy` or "
		         "HTTPS_PROXY. The request was not repeated because "
		         "wrong passwords can lock an account"),
		[NET_PROXY_TLS] =
			("begin the proxy's URL with http://, in `proxy` or "
		         "HTTPS_PROXY; https:// is right only if the proxy "
		         "itself speaks TLS"),
		[NET_PROXY_CERT] =
			("if a private CA issued the proxy's certificate, name "
		         "its CA file (ca_file, or SSL_CERT_FILE)"),
	};
	return hints[e];
}

bool net_error_of_proxy(enum net_error e) {
	return e >= NET_PROXY && e <= NET_PROXY_CERT;
}

const char *net_error_text(enum net_error e) {
	static const char *const texts[NET_COUNT] = {
		[NET_OK] = "no error",
		[NET_URL] = "the URL cannot be used",
		[NET_RESOLVE] = "the host name could not be resolved",
		[NET_PROXY] = "the proxy could not be used",
		[NET_PROXY_REFUSED] = "the proxy refused the connection",
		[NET_PROXY_AUTH] =
			"the proxy requires a user name and password",
		[NET_PROXY_TLS] = "the TLS handshake with the proxy failed",
		[NET_PROXY_CERT] = "the proxy's certificate is not trusted",
		[NET_CONNECT] = "could not connect to the server",
		[NET_TLS] = "the TLS handshake failed",
		[NET_CERT] = "the server's certificate is not trusted",
		[NET_CA] = "the CA file or directory cannot be read",
		[NET_TIMEOUT] = "the request timed out",
		[NET_SEND] = "the network connection was lost while sending",
		[NET_RECV] = ("the network connection was closed before the "
		              "response was complete"),
		[NET_REFUSED] =
			"the server refused the request before processing it",
		[NET_PROTOCOL] = "the server's response is not HTTP",
		[NET_TOO_BIG] = "the response is larger than allowed",
		[NET_MEMORY] =
			"not enough memory, or a header line is too long",
		[NET_OTHER] = "the transfer failed",
	};
	return texts[e];
}

void reply_init(struct reply *r, const struct mem *mem, size_t max_body) {
	*r = (struct reply){ .error = NET_OK };
	buf_init(&r->head, mem, MAX_HEAD);
	buf_init(&r->body, mem, max_body);
	buf_init(&r->note, mem, 1024);
	r->body.secret = true; /* the body may contain a token */
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

static bool next_field(const struct buf *head, const char *name, size_t *at,
                       struct span *value) {
	struct span want = span_of(name);
	while (*at < head->n) {
		struct span line = span_of(head->p + *at);
		*at += line.n + 1;
		if (line.n > want.n && line.p[want.n] == ':' &&
		    span_istarts(line, want)) {
			*value = span_trim(span_from(line, want.n + 1));
			return true;
		}
	}
	return false;
}

static struct span field(const struct buf *head, const char *name) {
	struct span value, last = NO_SPAN;
	size_t at = 0;
	while (next_field(head, name, &at, &value))
		if (value.n > 0)
			last = value;
	return last;
}

struct span request_field(const struct request *q, const char *name) {
	return field(&q->head, name);
}

bool reply_header_next(const struct reply *r, const char *name, size_t *at,
                       struct span *value) {
	return next_field(&r->head, name, at, value);
}

struct span reply_header(const struct reply *r, const char *name) {
	return field(&r->head, name);
}

/* ---- waits -------------------------------------------------------------- */

static int64_t usable(int64_t ms) {
	return ms > 0 ? ms : -1;
}

/* hh:mm:ss, perhaps with a fraction, which is rounded up. */
int64_t http_quota_reset(const struct reply *r) {
	struct span s = reply_header(r, "x-ms-user-quota-resets-after");
	int64_t seconds = 0, n;
	for (int part = 0; part < 3; part++) {
		struct span digits = { s.p,
			               span_cspn(s, part < 2 ? ":" : ".") };
		if (!span_uint(digits, &n) || n > 9999)
			return -1;
		seconds = seconds * 60 + n;
		s = span_from(s, digits.n + (part < 2 && digits.n < s.n));
	}
	return usable((seconds + (s.n > 0)) * 1000);
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
	if (v < 0)
		return r->status == 429 ? http_quota_reset(r) : -1;
	return usable(v - wall);
}

/* ---- challenges (RFC 9110 section 11.6.1)
   ---------------------------------- */

/* The value after a parameter's '=': a token, or the inside of a quoted
   string. */
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

/* The rest of a field that holds challenges. */
struct challenges {
	struct span rest;
	bool within; /* a challenge of the scheme asked for */
};

/* The next parameter of that name in a challenge of that scheme; absent: there
   is no other.  One field may hold several challenges; a word without '='
   begins a new one. */
static struct span next_param(struct challenges *c, const char *scheme,
                              const char *param) {
	struct span *s = &c->rest;
	while (s->n > 0) {
		struct span name = span_word(s, " \t,="), value;
		skip_blanks(s);
		if (s->n == 0 || *s->p != '=') {
			c->within = span_ieq(name, span_of(scheme));
			continue;
		}
		*s = span_from(*s, 1);
		skip_blanks(s);
		value = param_value(s);
		if (c->within && span_ieq(name, span_of(param)))
			return value;
	}
	return NO_SPAN;
}

/* Removes the backslashes of a quoted string. */
static void add_unquoted(struct buf *out, struct span s) {
	buf_clear(out);
	for (size_t i = 0; i < s.n; i++) {
		i += s.p[i] == '\\' && i + 1 < s.n;
		buf_addc(out, s.p[i]);
	}
}

bool http_challenge(const struct reply *r, const char *scheme,
                    const char *param, struct buf *out) {
	struct span line, value = NO_SPAN;
	size_t at = 0;
	while (!value.p && reply_header_next(r, "www-authenticate", &at, &line))
		value = next_param(&(struct challenges){ .rest = line }, scheme,
		                   param);
	if (value.p)
		add_unquoted(out, value);
	return value.p != NULL;
}

/* The decoded text is a JSON object, as far as its first character shows. */
static bool decode_claims(struct buf *claims, struct span text) {
	buf_clear(claims);
	return base64_decode(claims, text) &&
	       span_istarts(buf_span(claims), SPAN("{"));
}

bool http_claims(const struct reply *r, struct buf *claims) {
	struct challenges c = { .rest = NO_SPAN };
	size_t at = 0;
	while (reply_header_next(r, "www-authenticate", &at, &c.rest)) {
		struct span text;
		c.within = false;
		while ((text = next_param(&c, "Bearer", "claims")).p)
			if (decode_claims(claims, text))
				return true;
	}
	buf_clear(claims);
	return false;
}
