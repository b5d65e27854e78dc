/*
 * date.h -- dates in header fields and token responses, as ms since 1970.
 */
#ifndef AZPEC_DATE_H
#define AZPEC_DATE_H

#include "core/buf.h"

/* An HTTP date in one of its three forms (RFC 9110 section 5.6.7); -1: not
   one. */
int64_t date_http(struct span text);
/* A token's expiry date as managed identity endpoints and the developer CLIs
   write it: RFC 3339, "yyyy-mm-dd hh:mm:ss" or "mm/dd/yyyy hh:mm:ss +00:00";
   UTC without a zone. -1: not one. */
int64_t date_token(struct span text);

#endif
