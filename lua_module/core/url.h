/*
 * url.h -- URLs as text: strict parsing, origins, relative references and
 * percent-encoding.
 */
#ifndef AZPEC_URL_H
#define AZPEC_URL_H

#include "core/buf.h"

/* A parsed absolute URL; the spans point into the parsed text. */
struct url {
	struct span scheme, host, path; /* path: from the first '/' or '?' on */
	int port;                       /* the scheme's default when the URL has
	                                   none */
	bool userinfo;
};
/* False for everything but `scheme://host[:port]/...` with http or https.  The
   parser is this strict so that libcurl cannot read another host from the same
   text. */
bool url_parse(struct span text, struct url *u);
bool url_same_origin(const struct url *a, const struct url *b);
/* True when text is a valid URL on one of these origins. */
bool url_on(struct span text, const struct url *origins, size_t count);
bool url_is_loopback(const struct url *u);
/* Without slashes at the end. */
struct span url_without_slashes(struct span text);
/* Resolves a reference against an absolute base (RFC 3986 section 5.2) without
   re-encoding.  An absolute reference is copied byte for byte, without its
   fragment. */
bool url_resolve(struct buf *out, struct span base, struct span reference);
/* Percent-encodes all but the unreserved characters of RFC 3986. */
void url_encode(struct buf *out, struct span text);
/* Appends `&name=value`, encoded for application/x-www-form-urlencoded. */
void form_add(struct buf *out, const char *name, struct span value);

#endif
