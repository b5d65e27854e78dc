/*
 * curl_proxy.c -- the proxy of a transfer, and what messages say of it.
 *
 * libcurl does not report the URL of the proxy that it used.  It takes the
 * option, else the first of the environment variables below that is not empty,
 * unless no_proxy excepts the host (libcurl-env(3)).  Only libcurl 8.7.0 and
 * later report whether a proxy was used, and not if it was not reached.
 *
 * A proxy's URL may contain a password.  What is shown begins after the last
 * '@', even one that is encoded, and ends before a query, or a port that is no
 * number: that may be the password of a URL without a host.
 */
#include "io/curl_private.h"

#include <stdlib.h>

enum {
	/* as numbers, because the headers may be older than the libcurl */
	USED_PROXY = CURLINFO_LONG + 66, /* since 8.7.0 */
};

static const char *set_one(const char *const *names, const char **name) {
	for (size_t i = 0; names[i] != NULL; i++) {
		const char *value = getenv(names[i]);
		if (value == NULL || *value == '\0')
			continue;
		*name = names[i];
		return value;
	}
	return NULL;
}

/* Before 8.7.0, and of a proxy that was not reached: it was used for sure where
   nothing is excepted, or if the connection went to another port than the
   URL's. */
static bool was_used(const struct transfer *t) {
	static const char *const exceptions[] = { "no_proxy", "NO_PROXY",
		                                  NULL };
	const char *name;
	struct url u;
	long used = 0;
	CURLcode c = curl_easy_getinfo(t->easy, (CURLINFO)USED_PROXY, &used);
	if (c == CURLE_OK && (used != 0 || t->tries > 0))
		return used != 0;
	return set_one(exceptions, &name) == NULL ||
	       (t->peer_port != 0 && url_parse(buf_span(&t->q.url), &u) &&
	        t->peer_port != u.port);
}

/* Plain http is only sent without a proxy, see request.no_proxy. */
struct proxy transfer_proxy(const struct transfer *t) {
	static const char *const variables[] = { "https_proxy", "HTTPS_PROXY",
		                                 "all_proxy", "ALL_PROXY",
		                                 NULL };
	struct proxy p = { NO_SPAN, "`proxy`" };
	if (transfer_is_direct(t) || !was_used(t))
		return p;
	if (t->io->proxy.n > 0)
		p.url = buf_span(&t->io->proxy);
	else
		p.url = span_of(set_one(variables, &p.from));
	return p;
}

/* ---- the URL ------------------------------------------------------------ */

/* The length of the scheme, or 0.  A password may contain "://" too. */
static size_t scheme_of(struct span url) {
	size_t n = span_cspn(url, ":");
	bool is = span_istarts(span_from(url, n), SPAN("://")) &&
	          span_only((struct span){ url.p, n }, CHAR_ALNUM, "+-.");
	return is ? n : 0;
}

/* How many '@' there are; *rest: what follows the last one, encoded or not, or
   the scheme. */
static size_t count_at(struct span url, struct span *rest) {
	size_t scheme = scheme_of(url), count = 0;
	*rest = span_from(url, scheme > 0 ? scheme + 3 : 0);
	for (size_t i = 0; i < url.n; i++) {
		if (span_istarts(span_from(url, i), SPAN("%40")))
			*rest = span_from(url, i + 3);
		if (url.p[i] != '@')
			continue;
		*rest = span_from(url, i + 1);
		count++;
	}
	rest->n = span_cspn(*rest, "?#");
	return count;
}

/* What follows the host: a port and a path, or nothing. */
static struct span after_host(struct span rest) {
	size_t bracket = span_cspn(rest, "]");
	if (rest.n > 0 && *rest.p == '[' && bracket < rest.n)
		rest = span_from(rest, bracket);
	return span_from(rest, span_cspn(rest, ":/"));
}

static bool is_bad_port(struct span after) {
	struct span port = { after.p, span_cspn(after, "/") };
	return port.n > 1 && !span_only(span_from(port, 1), CHAR_DIGIT, "");
}

static bool has_scheme(struct span url, const char *const *schemes) {
	struct span scheme = { url.p, scheme_of(url) };
	for (size_t i = 0; schemes[i] != NULL; i++)
		if (span_ieq(scheme, span_of(schemes[i])))
			return true;
	return scheme.n == 0; /* http */
}

bool proxy_speaks_http(const struct proxy *p) {
	static const char *const schemes[] = { "http", "https", NULL };
	return p->url.p && has_scheme(p->url, schemes);
}

static bool has_other_scheme(struct span url) {
	static const char *const schemes[] = { "http",    "https",  "socks4",
		                               "socks4a", "socks5", "socks5h",
		                               NULL };
	return !has_scheme(url, schemes);
}

static bool has_blank(struct span url) {
	return span_cspn(url, " \t\r\n") < url.n;
}

static bool has_two_at(struct span url) {
	struct span rest;
	return count_at(url, &rest) > 1;
}

static bool has_path(struct span url) {
	struct span rest;
	count_at(url, &rest);
	return span_cspn(rest, "/") + 1 < rest.n;
}

static bool has_bad_port(struct span url) {
	struct span rest;
	count_at(url, &rest);
	return is_bad_port(after_host(rest));
}

static bool has_no_port(struct span url) {
	struct span rest;
	count_at(url, &rest);
	rest = after_host(rest);
	return !span_istarts(url, SPAN("https:")) &&
	       (rest.n == 0 || *rest.p == '/');
}

/* ---- what messages say -------------------------------------------------- */

static const char *about_password(const struct transfer *t, struct span url) {
	long offered = transfer_info(t, CURLINFO_PROXYAUTH_AVAIL);
	struct span rest;
	if (offered != 0 && !(offered & CURLAUTH_BASIC))
		return "; it does not offer Basic authentication, the only "
		       "kind that is supported";
	return count_at(url, &rest) > 0
	               ? "; it refused the user name and password of its URL"
	               : "; its URL has no user name and password";
}

void proxy_describe(struct buf *out, const struct proxy *p,
                    const struct transfer *t) {
	static const struct {
		bool (*fits)(struct span url);
		const char *text;
	} rows[] = {
		{ has_other_scheme, "; curl knows no proxies of this scheme" },
		{ has_blank, "; its URL contains a blank" },
		{ has_two_at, "; write @ in its user name or password as %40" },
		{ has_path, "; its path is not used, and a PAC file cannot be "
		            "given here" },
		{ has_bad_port, "; its port is not a number" },
		{ has_no_port, "; without a port, curl uses 1080" },
	};
	size_t scheme = scheme_of(p->url);
	struct span rest, after;
	count_at(p->url, &rest);
	after = after_host(rest);
	if (is_bad_port(after))
		rest.n -= after.n;
	buf_adds(out, " (");
	if (scheme > 0)
		buf_add(out, (struct span){ p->url.p, scheme + 3 });
	buf_add(out, rest);
	buf_adds(out, ", from ");
	buf_adds(out, p->from);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].fits(p->url))
			buf_adds(out, rows[i].text);
	if (t->reply.error == NET_PROXY_AUTH)
		buf_adds(out, about_password(t, p->url));
	buf_addc(out, ')');
}
