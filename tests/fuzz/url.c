/*
 * url.c -- URLs beside libcurl's own parser, which is what sends the request:
 *
 *   - libcurl reads the scheme, host, port, path and query of a URL that
 *     url_parse accepts as url_parse does;
 *   - a URL that is trusted has, for libcurl, the host of the trusted origin;
 *   - a relative reference stays on its base's origin;
 *   - what url_encode writes is what libcurl decodes.
 *
 * The input: a base, a NUL, and a URL or a reference.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <curl/curl.h>

/* As libcurl reads CURLOPT_URL with CURLOPT_PATH_AS_IS. */
enum { AS_SENT = CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME };

static char *part_of(CURLU *u, CURLUPart part, unsigned flags) {
	char *text = NULL;
	if (curl_url_get(u, part, &text, flags))
		return NULL;
	return text;
}

static bool is_part(CURLU *u, CURLUPart part, struct span ours) {
	char *text = part_of(u, part, CURLU_DEFAULT_PORT);
	bool is = text && span_ieq(span_of(text), ours);
	curl_free(text);
	return is;
}

/* Path, query and fragment, put together as they stood in the URL. */
static void add_tail(CURLU *u, struct buf *out) {
	static const struct {
		CURLUPart part;
		const char *mark;
	} parts[] = { { CURLUPART_PATH, "" },
		      { CURLUPART_QUERY, "?" },
		      { CURLUPART_FRAGMENT, "#" } };
	for (size_t i = 0; i < COUNT(parts); i++) {
		char *text = part_of(u, parts[i].part, 0);
		if (text) {
			buf_adds(out, parts[i].mark);
			buf_adds(out, text);
		}
		curl_free(text);
	}
}

/* An empty query or fragment is not told from none. */
static struct span without_mark(struct span s) {
	while (s.n > 0 && (s.p[s.n - 1] == '?' || s.p[s.n - 1] == '#'))
		s.n--;
	return s;
}

static void check_tail(CURLU *u, const struct url *ours) {
	struct buf is, want;
	buf_init(&is, test_mem(), BUF_MAX);
	buf_init(&want, test_mem(), BUF_MAX);
	if (ours->path.n == 0 || *ours->path.p != '/')
		buf_addc(&want, '/');
	buf_add(&want, ours->path);
	add_tail(u, &is);
	if (!span_eq(without_mark(buf_span(&is)),
	             without_mark(buf_span(&want))))
		wrong("libcurl reads the path %.*s and not %.*s", (int)is.n,
		      is.p, (int)want.n, want.p);
	buf_free(&is);
	buf_free(&want);
}

/* libcurl writes addresses in their usual form: 127.1 as 127.0.0.1. */
static bool is_address(struct span host) {
	struct in_addr four;
	char text[256];
	snprintf(text, sizeof text, "%.*s", (int)host.n, host.p);
	return host.n > 0 && (*host.p == '[' || inet_aton(text, &four));
}

static void check_loopback(CURLU *u, const struct url *ours) {
	char *host = part_of(u, CURLUPART_HOST, 0);
	struct in_addr four = { 0 };
	bool is = host && (span_ieq(span_of(host), SPAN("localhost")) ||
	                   !strcmp(host, "[::1]") ||
	                   (inet_pton(AF_INET, host, &four) == 1 &&
	                    ntohl(four.s_addr) >> 24 == 127));
	if (url_is_loopback(ours) && !is)
		wrong("%.*s is no loopback address for libcurl, but %s",
		      (int)ours->host.n, ours->host.p, host ? host : "none");
	curl_free(host);
}

static void check_parts(struct span text, CURLU *u, const struct url *ours) {
	char port[8];
	snprintf(port, sizeof port, "%d", ours->port);
	if (!is_part(u, CURLUPART_SCHEME, ours->scheme))
		wrong("another scheme: %.*s", (int)text.n, text.p);
	if (!is_address(ours->host) && !is_part(u, CURLUPART_HOST, ours->host))
		wrong("another host: %.*s", (int)text.n, text.p);
	if (!is_part(u, CURLUPART_PORT, span_of(port)))
		wrong("another port: %.*s", (int)text.n, text.p);
	check_tail(u, ours);
	check_loopback(u, ours);
}

/* NULL: libcurl does not read it, so nothing is sent there. */
static CURLU *read_by_curl(struct span text) {
	CURLU *u = curl_url();
	char *copy = malloc(text.n + 1);
	if (!u || !copy)
		wrong("no memory");
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (curl_url_set(u, CURLUPART_URL, copy, AS_SENT)) {
		curl_url_cleanup(u);
		u = NULL;
	}
	free(copy);
	return u;
}

static void check_trust(struct span text, CURLU *u, struct span base) {
	struct url origin;
	CURLU *trusted;
	char *host;
	if (!url_parse(base, &origin) || !url_on(text, &origin, 1))
		return;
	trusted = read_by_curl(base);
	if (!trusted)
		return;
	host = part_of(trusted, CURLUPART_HOST, 0);
	if (!host || !is_part(u, CURLUPART_HOST, span_of(host)))
		wrong("%.*s is trusted, and libcurl goes elsewhere",
		      (int)text.n, text.p);
	curl_free(host);
	curl_url_cleanup(trusted);
}

static void check_url(struct span text, struct span base) {
	struct url ours;
	CURLU *u;
	if (!url_parse(text, &ours))
		return;
	u = read_by_curl(text);
	if (!u)
		return;
	check_parts(text, u, &ours);
	check_trust(text, u, base);
	curl_url_cleanup(u);
}

/* Neither "//host" nor "scheme:". */
static bool is_local(struct span reference) {
	for (size_t i = 0; i < reference.n; i++) {
		if (reference.p[i] == ':')
			return false;
		if (strchr("/?#", reference.p[i]))
			break;
	}
	return !span_istarts(reference, SPAN("//"));
}

static void check_resolved(struct span base, struct span reference) {
	struct buf out;
	struct url origin;
	buf_init(&out, test_mem(), BUF_MAX);
	if (url_resolve(&out, base, reference)) {
		struct span whole = buf_span(&out);
		if (!url_parse(base, &origin))
			wrong("resolved against what is no URL");
		if (memchr(whole.p, '#', whole.n) &&
		    !memchr(base.p, '#', base.n))
			wrong("a fragment stays: %.*s", (int)whole.n, whole.p);
		if (is_local(reference) && !url_on(whole, &origin, 1))
			wrong("%.*s leaves the origin by %.*s", (int)whole.n,
			      whole.p, (int)reference.n, reference.p);
		check_url(whole, base);
	}
	buf_free(&out);
}

static void check_encoding(struct span text) {
	struct buf out;
	char *back;
	int n;
	if (text.n == 0)
		return;
	buf_init(&out, test_mem(), BUF_MAX);
	url_encode(&out, text);
	back = curl_easy_unescape(NULL, out.p, (int)out.n, &n);
	if (!back || !span_eq((struct span){ back, (size_t)n }, text))
		wrong("encoded as %.*s", (int)out.n, out.p);
	curl_free(back);
	buf_free(&out);
}

static void fuzz(void) {
	struct span base = take_text(), rest = take_rest();
	char *own = exactly(rest);
	rest.p = own;
	check_url(rest, base);
	check_url(base, rest);
	check_resolved(base, rest);
	check_encoding(rest);
	free(own);
}
