/* base64.h -- RFC 4648. */
#ifndef AZPEC_BASE64_H
#define AZPEC_BASE64_H

#include "buf.h"

/* Both alphabets, with or without padding; false: it is neither. */
bool base64_decode(struct buf *out, struct span s);
/* The plain alphabet, padded. */
void base64_encode(struct buf *out, struct span s);
/* The URL's alphabet, without padding, as RFC 7515 wants it. */
void base64url(struct buf *out, struct span s);

#endif
