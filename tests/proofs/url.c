/* url.c -- URLs as text. */
#include "proofs.h"

#include "core/url.c"

static const struct mem mem = { roomy, NULL };

static void parse(struct span s) {
	struct url u;
	if (!url_parse(s, &u))
		return;
	assert(u.scheme.p == s.p && (u.scheme.n == 4 || u.scheme.n == 5));
	assert(u.host.p == s.p + u.scheme.n + 3 && u.host.n > 0);
	assert(within(u.host, s) && within(u.path, s));
	assert(u.path.p >= u.host.p + u.host.n);
	assert(u.path.p + u.path.n == s.p + s.n);
	assert(u.port >= 1 && u.port <= 65535 && !u.userinfo);
	for (size_t i = 0; i < u.host.n; i++)
		assert(char_is(u.host.p[i], CHAR_ALNUM) || u.host.p[i] == '.' ||
		       u.host.p[i] == '-' || u.host.p[i] == ':' ||
		       u.host.p[i] == '[' || u.host.p[i] == ']');
}

/* What is parsed of "http://" and any text lies within it and covers it in
   order; the host holds no character that ends one, or begins another. */
PROOF(url_parse) {
	struct span text = any_text(7 + s.n);
	for (size_t i = 0; i < 7; i++)
		((char *)text.p)[i] = "http://"[i];
	parse(text);
}

/* Only unreserved characters and escapes, and what they stand for is the
   text. */
PROOF(url_encode) {
	struct buf out = any_room(&mem);
	size_t at = 0;
	url_encode(&out, s);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)out.p[at++];
		if (c == '%') {
			char h = out.p[at++], l = out.p[at++];
			c = (unsigned char)((h <= '9' ? h - '0'
			                              : h - 'A' + 10) *
			                            16 +
			                    (l <= '9' ? l - '0'
			                              : l - 'A' + 10));
		} else {
			assert(is_unreserved((char)c));
		}
		assert(c == (unsigned char)s.p[i]);
	}
	assert(at == out.n);
}

/* Cut at the end only, and all of them. */
PROOF(url_without_slashes) {
	struct span t = url_without_slashes(s);
	assert(t.p == s.p && t.n <= s.n);
	assert(t.n == 0 || t.p[t.n - 1] != '/');
	assert(t.n == s.n || s.p[t.n] == '/');
}
