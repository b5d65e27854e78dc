/*
 * url.h -- URLs as text: parsing that is stricter than any client's, origins,
 * relative references, percent-encoding.
 */
#ifndef AZPEC_URL_H
#define AZPEC_URL_H

#include "buf.h"

/* A parsed absolute URL; spans into the text given. */
struct url {
	struct span scheme, host, path; /* path: from the first '/', '?' on */
	int port;                       /* the scheme's own when not written */
	bool userinfo;
};
/* False for all that is not plainly `scheme://host[:port]/...` with http or
   https: the strictness keeps two parsers from reading two hosts. */
bool url_parse(struct span text, struct url *u);
bool url_same_origin(const struct url *a, const struct url *b);
/* Does text parse, and lie on one of these origins? */
bool url_on(struct span text, const struct url *origins, size_t count);
bool url_is_loopback(const struct url *u);
struct span url_without_slashes(struct span text); /* at its end */
/* RFC 3986 5.2: reference against an absolute base, nothing re-encoded; an
   absolute reference is taken byte for byte, without its fragment. */
bool url_resolve(struct buf *out, struct span base, struct span reference);
/* Percent-encode all but RFC 3986's unreserved characters. */
void url_encode(struct buf *out, struct span text);
/* The same as application/x-www-form-urlencoded asks: `&name=value`. */
void form_add(struct buf *out, const char *name, struct span value);

#endif
