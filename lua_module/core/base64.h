/* base64.h -- RFC 4648. */
#ifndef AZPEC_BASE64_H
#define AZPEC_BASE64_H

#include "core/buf.h"

/* Decodes both alphabets, with or without padding.  False: invalid. */
bool base64_decode(struct buf *out, struct span s);
/* The standard alphabet, with padding. */
void base64_encode(struct buf *out, struct span s);
/* The URL-safe alphabet without padding, as RFC 7515 requires. */
void base64url(struct buf *out, struct span s);

#endif
