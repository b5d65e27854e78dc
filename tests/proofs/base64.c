/* base64.c -- RFC 4648. */
#include "proofs.h"

#include "core/base64.h"

static const struct mem mem = { roomy, NULL };

/* Any text: three bytes for each four digits, or a failure. */
PROOF(base64_decode) {
	struct buf out = any_room(&mem);
	bool ok = base64_decode(&out, s);
	assert(out.n <= s.n / 4 * 3 + 2);
	assert(!ok || (out.n > 0 && s.n >= 2));
}

static void same_again(const struct buf *text, struct span s) {
	struct buf back = any_room(&mem);
	bool ok = base64_decode(&back, buf_span(text));
	assert(ok == (s.n > 0));
	assert(span_eq(buf_span(&back), s));
}

/* decode(encode(x)) is x; padded to fours. */
PROOF(base64_encode) {
	struct buf text = any_room(&mem);
	base64_encode(&text, s);
	assert(text.n == (s.n + 2) / 3 * 4);
	same_again(&text, s);
}

/* The same for the URL's alphabet; no character that a URL would escape. */
PROOF(base64url) {
	struct buf text = any_room(&mem);
	base64url(&text, s);
	assert(text.n == (s.n * 8 + 5) / 6);
	for (size_t i = 0; i < text.n; i++)
		assert(text.p[i] != '+' && text.p[i] != '/' &&
		       text.p[i] != '=');
	same_again(&text, s);
}
