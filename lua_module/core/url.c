/* url.c -- URLs, origins, percent-encoding (RFC 3986). */
#include "core/url.h"

static bool printable(struct span s) {
	return span_visible(s) || span_only(s, CHAR_VISIBLE | CHAR_HIGH, "");
}

/* A bracketed IPv6 address, or letters, digits, dots and hyphens. */
static bool host_ok(struct span h) {
	bool six = h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']';
	if (h.n == 0 || h.n > 255)
		return false;
	return six ? span_only((struct span){ h.p + 1, h.n - 2 }, CHAR_HEX,
	                       ":.")
	           : span_only(h, CHAR_ALNUM, ".-");
}

static bool parse_port(struct span text, struct url *u) {
	int64_t port;
	if (!span_uint(text, &port) || port < 1 || port > 65535)
		return false;
	u->port = (int)port;
	return true;
}

/* host[:port], without user-info */
static bool parse_authority(struct span a, struct url *u) {
	size_t end = a.n > 0 && *a.p == '[' ? span_cspn(a, "]") : 0;
	size_t colon = end + span_cspn(span_from(a, end), ":");
	u->host = (struct span){ a.p, colon };
	u->port = span_ieq(u->scheme, SPAN("https")) ? 443 : 80;
	if (colon < a.n && !parse_port(span_from(a, colon + 1), u))
		return false;
	return host_ok(u->host);
}

bool url_parse(struct span text, struct url *u) {
	size_t colon = span_cspn(text, ":"), end, at;
	struct span rest;
	if (!printable(text) || colon + 3 > text.n)
		return false;
	u->scheme = (struct span){ text.p, colon };
	if (!span_ieq(u->scheme, SPAN("https")) &&
	    !span_ieq(u->scheme, SPAN("http")))
		return false;
	rest = span_from(text, colon);
	if (!span_istarts(rest, SPAN("://")))
		return false;
	rest = span_from(rest, 3);
	end = span_cspn(rest, "/?#");
	u->path = span_from(rest, end);
	at = span_cspn((struct span){ rest.p, end }, "@");
	u->userinfo = at < end;
	if (u->userinfo)
		return false;
	return parse_authority((struct span){ rest.p, end }, u);
}

bool url_same_origin(const struct url *a, const struct url *b) {
	return !a->userinfo && !b->userinfo && a->port == b->port &&
	       span_ieq(a->scheme, b->scheme) && span_ieq(a->host, b->host);
}

bool url_on(struct span text, const struct url *origins, size_t count) {
	struct url u;
	if (!url_parse(text, &u))
		return false;
	for (size_t i = 0; i < count; i++)
		if (url_same_origin(&u, &origins[i]))
			return true;
	return false;
}

/* 0 to 255 without a leading zero. libcurl reads 010 as octal, and a number
   such as 08 as a host name. */
static bool is_octet(struct span s) {
	int64_t n;
	return span_uint(s, &n) && n <= 255 && (s.n == 1 || *s.p != '0');
}

bool url_is_loopback(const struct url *u) {
	struct span last = u->host;
	if (span_ieq(u->host, SPAN("localhost")) ||
	    span_eq(u->host, SPAN("[::1]")))
		return true;
	if (!span_istarts(u->host, SPAN("127.")))
		return false;
	for (int dots = 0; dots < 3; dots++) { /* 127.a.b.c and nothing else */
		size_t dot = span_cspn(last, ".");
		if (dot == last.n || !is_octet((struct span){ last.p, dot }))
			return false;
		last = span_from(last, dot + 1);
	}
	return is_octet(last);
}

struct span url_without_slashes(struct span text) {
	while (text.n > 0 && text.p[text.n - 1] == '/')
		text.n--;
	return text;
}

static struct span without_fragment(struct span s) {
	return (struct span){ s.p, span_cspn(s, "#") };
}

/* RFC 3986 section 5.2.4, for a path that starts with '/'. */
static void add_path(struct buf *out, struct span path) {
	size_t start = out->n;
	while (path.n > 0 && !out->failed) {
		size_t end = 1 + span_cspn(span_from(path, 1), "/");
		struct span seg = { path.p, end };
		bool last = end == path.n;
		path = span_from(path, end);
		if (span_eq(seg, SPAN("/.."))) {
			while (out->n > start && out->p[--out->n] != '/')
				continue;
		} else if (!span_eq(seg, SPAN("/."))) {
			buf_add(out, seg);
			continue;
		}
		if (last)
			buf_addc(out, '/');
	}
}

static void add_query(struct buf *out, struct span reference) {
	buf_add(out, span_from(reference, span_cspn(reference, "?")));
}

static bool has_scheme(struct span s) {
	size_t colon = span_cspn(s, ":/?#");
	return colon < s.n && s.p[colon] == ':' && char_is(*s.p, CHAR_LETTER);
}

/* The base's path up to its last '/', then the reference. */
static void add_merged(struct buf *out, struct span base, struct span ref) {
	struct buf path;
	size_t end = span_cspn(base, "?#");
	buf_init(&path, out->mem, buf_max(out));
	while (end > 0 && base.p[end - 1] != '/')
		end--;
	buf_add(&path, (struct span){ base.p, end });
	if (end == 0)
		buf_addc(&path, '/');
	buf_add(&path, (struct span){ ref.p, span_cspn(ref, "?") });
	add_path(out, buf_span(&path));
	buf_share_failure(out, &path);
	buf_free(&path);
}

bool url_resolve(struct buf *out, struct span base, struct span reference) {
	struct url b;
	struct span ref = without_fragment(reference);
	buf_clear(out);
	if (ref.n == 0 || !printable(ref) || !url_parse(base, &b))
		return false;
	if (has_scheme(ref)) {
		buf_add(out, ref);
		return !out->failed;
	}
	buf_add(out, (struct span){ base.p, b.scheme.n + 1 });
	if (span_istarts(ref, SPAN("//"))) {
		buf_add(out, ref);
		return !out->failed;
	}
	buf_add(out,
	        (struct span){ base.p + b.scheme.n + 1,
	                       (size_t)(b.path.p - base.p) - b.scheme.n - 1 });
	if (*ref.p == '/') {
		add_path(out, (struct span){ ref.p, span_cspn(ref, "?") });
	} else if (*ref.p == '?') {
		buf_add(out,
		        (struct span){ b.path.p, span_cspn(b.path, "?#") });
	} else {
		add_merged(out, b.path, ref);
	}
	add_query(out, ref);
	return !out->failed;
}

/* RFC 3986 section 2.3 */
static bool is_unreserved(char c) {
	return char_is(c, CHAR_ALNUM) || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void url_encode(struct buf *out, struct span text) {
	static const char hex[] = "0123456789ABCDEF";
	while (text.n > 0) {
		unsigned char c = (unsigned char)*text.p;
		size_t n = 0;
		while (n < text.n && is_unreserved(text.p[n]))
			n++;
		buf_add(out, (struct span){ text.p, n });
		if (n == 0) {
			char escape[] = { '%', hex[c >> 4], hex[c & 15] };
			buf_add(out, (struct span){ escape, sizeof escape });
			n = 1;
		}
		text = span_from(text, n);
	}
}

void form_add(struct buf *out, const char *name, struct span value) {
	if (out->n > 0)
		buf_addc(out, '&');
	buf_adds(out, name);
	buf_addc(out, '=');
	url_encode(out, value); /* %20 is equivalent to '+' for a space */
}
