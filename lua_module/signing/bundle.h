/*
 * bundle.h -- what lies in a file of certificates and keys: PEM or PKCS#12
 * (or bare DER), told by its content.  Knows no Lua and opens no file.
 */
#ifndef AZPEC_BUNDLE_H
#define AZPEC_BUNDLE_H

#include "core/buf.h"

enum {
	BUNDLE_MAX_BYTES = 1 << 20,
	BUNDLE_MAX_CERTIFICATES = 32,
	BUNDLE_MAX_PASSWORD = 1024,
};

struct bundle {
	struct buf der; /* the certificates, one behind the other */
	size_t ends[BUNDLE_MAX_CERTIFICATES]; /* where each ends in `der` */
	size_t count;
	struct evp_pkey_st *key; /* OpenSSL's; NULL: none was found */
};

/* What is looked for; all else is passed over, and not decrypted. */
enum {
	BUNDLE_CERTIFICATES = 1,
	BUNDLE_KEY = 2, /* the first one */
};

enum bundle_result {
	BUNDLE_OK, /* which does not say that anything was found */
	BUNDLE_NO_MEMORY,
	BUNDLE_UNKNOWN,         /* none of the formats */
	BUNDLE_DAMAGED,         /* begins like one, and goes wrong */
	BUNDLE_BAD_CERTIFICATE, /* one that OpenSSL cannot read */
	BUNDLE_BAD_KEY,         /* the same of a private key */
	BUNDLE_TOO_MANY,        /* certificates */
	BUNDLE_PASSWORD_NEEDED, /* encrypted, and no password was given */
	BUNDLE_PASSWORD_WRONG,
	BUNDLE_UNSUPPORTED, /* encrypted as this OpenSSL cannot do it */
};

void bundle_init(struct bundle *b, const struct mem *mem);
void bundle_free(struct bundle *b); /* leaves it empty and usable */

/* Adds what is in the text, of at most BUNDLE_MAX_BYTES.  The password is ""
   where there is none.  Leaves its errors in OpenSSL's queue. */
enum bundle_result bundle_read(struct bundle *b, struct span text,
                               const char *password, int wanted);

/* The DER of certificate i < count, in the order of the file. */
struct span bundle_certificate(const struct bundle *b, size_t i);

#endif
