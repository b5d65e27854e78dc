/*
 * date.h -- the dates that come over the wire, as ms since 1970.
 */
#ifndef AZPEC_DATE_H
#define AZPEC_DATE_H

#include "buf.h"

/* An HTTP date in any of its three forms (RFC 9110 5.6.7); -1: not one. */
int64_t date_http(struct span text);
/* A token's expiry as the sources of managed identities and the developers'
   tools write it: RFC 3339, "yyyy-mm-dd hh:mm:ss", "mm/dd/yyyy hh:mm:ss
   +00:00"; without a zone UTC.  -1: not one. */
int64_t date_token(struct span text);

#endif
