/* http.c -- requests, replies and URLs as values. */
#include "http.h"

enum { MAX_URL = 64 * 1024, MAX_HEAD = 256 * 1024, MAX_BODY = 1024 * 1024 };

void request_init(struct request *q, const struct mem *mem) {
	*q = (struct request){ .method = HTTP_GET };
	buf_init(&q->url, mem, MAX_URL);
	buf_init(&q->head, mem, MAX_HEAD);
	buf_init(&q->body, mem, MAX_BODY);
	q->head.secret = q->body.secret = true;
}

void request_clear(struct request *q) {
	buf_clear(&q->url);
	buf_clear(&q->head);
	buf_clear(&q->body);
}

void request_free(struct request *q) {
	buf_free(&q->url);
	buf_free(&q->head);
	buf_free(&q->body);
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
	return q->url.failed || q->head.failed || q->body.failed;
}

const char *http_method_name(enum http_method m) {
	static const char *const names[] = { "GET", "POST", "PATCH", "DELETE" };
	return names[m];
}

const char *net_error_text(enum net_error e) {
	static const char *const texts[NET_COUNT] = {
		[NET_OK] = "no error",
		[NET_URL] = "the URL cannot be used",
		[NET_RESOLVE] = "the host's name could not be resolved",
		[NET_PROXY] = "the proxy could not be used",
		[NET_CONNECT] = "the connection was refused or not possible",
		[NET_TLS] = "the TLS handshake failed",
		[NET_CERT] = "the server's certificate is not trusted",
		[NET_CA] = "the CA file or directory cannot be read",
		[NET_TIMEOUT] = "no answer in time",
		[NET_SEND] = "the connection broke while sending",
		[NET_RECV] =
			"the connection ended before the whole answer came",
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

/* ---- dates and waits ---------------------------------------------------- */

static bool is_one_of(char c, const char *any) {
	while (*any && *any != c)
		any++;
	return *any != '\0';
}

/* Cuts the next word off; the characters of `parting` part words. */
static struct span word(struct span *s, const char *parting) {
	struct span w;
	while (s->n > 0 && is_one_of(*s->p, parting))
		*s = span_from(*s, 1);
	w = (struct span){ s->p, 0 };
	while (w.n < s->n && !is_one_of(s->p[w.n], parting))
		w.n++;
	*s = span_from(*s, w.n);
	return w;
}

struct date {
	int64_t year, month, day, hour, minute, second;
};

/* Days since 1970 of a Gregorian date; March is month 0 of the year. */
static int64_t days(int64_t y, int64_t m, int64_t d) {
	int64_t year = m <= 2 ? y - 1 : y;
	int64_t march = m <= 2 ? m + 9 : m - 3;
	return year * 365 + year / 4 - year / 100 + year / 400 +
	       (march * 153 + 2) / 5 + d - 1 - 719468;
}

static int64_t date_ms(const struct date *d) {
	if (d->year < 1970 || d->year > 9999 || d->month < 1 || d->day < 1 ||
	    d->day > 31 || d->hour > 23 || d->minute > 59 || d->second > 60)
		return -1;
	return (((days(d->year, d->month, d->day) * 24 + d->hour) * 60 +
	         d->minute) *
	                60 +
	        d->second) *
	       1000;
}

static bool parse_month(struct span s, int64_t *out) {
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	for (int m = 0; m < 12; m++) {
		*out = m + 1;
		if (span_ieq(s, (struct span){ names + m * 3, 3 }))
			return true;
	}
	return false;
}

static bool parse_year(struct span s, int64_t *out) {
	if (!span_uint(s, out))
		return false;
	if (s.n == 2) /* RFC 850's: the century nearest to our service */
		*out += *out >= 70 ? 1900 : 2000;
	return s.n == 2 || s.n == 4;
}

static bool parse_time(struct span s, struct date *d) {
	struct span h = word(&s, ":"), m = word(&s, ":"), sec = word(&s, ":");
	return s.n == 0 && span_uint(h, &d->hour) && span_uint(m, &d->minute) &&
	       span_uint(sec, &d->second);
}

int64_t http_date(struct span text) {
	struct date d = { .year = 0 };
	struct span w[6];
	bool ok;
	for (int i = 0; i < 6; i++)
		w[i] = word(&text, " ,-");
	if (text.n > 0)
		return -1;
	if (span_uint(w[1], &d.day)) /* Sun, 06 Nov 1994 08:49:37 GMT */
		ok = parse_month(w[2], &d.month) && parse_year(w[3], &d.year) &&
		     parse_time(w[4], &d) && span_eq(w[5], SPAN("GMT"));
	else /* asctime: Sun Nov  6 08:49:37 1994 */
		ok = parse_month(w[1], &d.month) && span_uint(w[2], &d.day) &&
		     parse_time(w[3], &d) && parse_year(w[4], &d.year) &&
		     w[5].n == 0;
	return ok ? date_ms(&d) : -1;
}

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
	v = http_date(s);
	return v < 0 ? -1 : usable(v - wall);
}

/* ---- challenges (RFC 9110 11.6.1) --------------------------------------- */

static int base64_value(char c) {
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789";
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	for (int i = 0; digits[i]; i++)
		if (digits[i] == c)
			return i;
	return -1;
}

/* Both alphabets of RFC 4648, with or without padding. */
static bool base64_decode(struct buf *out, struct span s) {
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

/* The value after a parameter's '=': a token, or a quoted string's inside
   (no backslash can stand in base64, so none is undone). */
static struct span param_value(struct span *s) {
	struct span v;
	if (s->n == 0 || *s->p != '"')
		return word(s, " \t,");
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

/* One field may hold several challenges: a word without '=' begins one. */
static struct span bearer_claims(struct span s) {
	bool bearer = false;
	while (s.n > 0) {
		struct span name = word(&s, " \t,");
		size_t eq = 0;
		while (eq < name.n && name.p[eq] != '=')
			eq++;
		if (eq == name.n) {
			if (name.n > 0)
				bearer = span_ieq(name, SPAN("Bearer"));
			continue;
		}
		s = (struct span){ name.p + eq + 1,
			           (size_t)(s.p + s.n - name.p) - eq - 1 };
		name.n = eq;
		struct span value = param_value(&s);
		if (bearer && span_ieq(name, SPAN("claims")))
			return value;
	}
	return NO_SPAN;
}

bool http_claims(const struct reply *r, struct buf *claims) {
	struct span field, text;
	size_t at = 0;
	while (reply_header_next(r, "www-authenticate", &at, &field)) {
		text = bearer_claims(field);
		buf_clear(claims);
		if (text.p && base64_decode(claims, text) && claims->n > 0 &&
		    *claims->p == '{')
			return true;
	}
	buf_clear(claims);
	return false;
}
