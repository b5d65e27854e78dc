/*
 * random.h -- numbers and GUIDs that only need to differ: for jitter, and for
 * the ids of requests and assertions.  The seed is the system's random bytes
 * (io/sys.h).  Secrets are never made here.
 */
#ifndef AZPEC_RANDOM_H
#define AZPEC_RANDOM_H

#include <stdint.h>

/* The next number of the sequence (xorshift32).  *state must not be 0; it never
   becomes 0. */
uint32_t random_next(uint32_t *state);

enum { GUID_BYTES = 16, GUID_LENGTH = 36 };
/* Writes a version 4 GUID made from these bytes (RFC 9562 section 5.4), without
   a closing NUL. */
void random_guid(const unsigned char bytes[GUID_BYTES], char out[GUID_LENGTH]);

#endif
