/*
 * bundle.h -- reads certificates and keys from PEM, PKCS#12 or DER, or from the
 * base64 of the latter two.  The content decides which format it is.  It uses
 * no Lua and opens no file.
 */
#ifndef AZPEC_BUNDLE_H
#define AZPEC_BUNDLE_H

#include "core/buf.h"

enum {
	BUNDLE_MAX_BYTES = 1 << 20,
	BUNDLE_MAX_CERTIFICATES = 32,
	BUNDLE_MAX_KEYS = 8, /* more are skipped */
	BUNDLE_MAX_PASSWORD = 1024,
	BUNDLE_MAX_ROUNDS = 5000000, /* of all hashes of the password in a file:
	                                by PBKDF2, or by scrypt, N * r * p.
	                                Java's keystores have this limit for
	                                each hash */
};

struct bundle {
	struct buf der; /* the certificates in DER, one after the other */
	size_t ends[BUNDLE_MAX_CERTIFICATES]; /* the end of each in `der` */
	size_t count;
	struct evp_pkey_st *keys[BUNDLE_MAX_KEYS]; /* OpenSSL's, in the order of
	                                              the file */
	size_t key_count;
};

/* What to look for.  Everything else is skipped without decryption. */
enum {
	BUNDLE_CERTIFICATES = 1,
	BUNDLE_KEY = 2, /* private keys; of a PKCS#12 file the first */
};

enum bundle_result {
	BUNDLE_OK, /* the file is valid; it may contain nothing of what was
	              wanted */
	BUNDLE_NO_MEMORY,
	BUNDLE_UNKNOWN,         /* none of the formats */
	BUNDLE_DAMAGED,         /* of a known format, but invalid */
	BUNDLE_NO_LINES,        /* PEM without line ends */
	BUNDLE_BAD_CERTIFICATE, /* OpenSSL cannot read a certificate */
	BUNDLE_BAD_KEY,         /* OpenSSL cannot read a private key */
	BUNDLE_TOO_MANY,        /* too many certificates */
	BUNDLE_PASSWORD_NEEDED, /* encrypted, and no password was given */
	BUNDLE_PASSWORD_WRONG,
	BUNDLE_UNSUPPORTED, /* encrypted by an algorithm that OpenSSL lacks */
	BUNDLE_TOO_SLOW,    /* more rounds than BUNDLE_MAX_ROUNDS, or another
	                       password hash */
};

void bundle_init(struct bundle *b, const struct mem *mem);
void bundle_free(struct bundle *b); /* b is empty and usable afterwards */

/* Adds the content of a text of at most BUNDLE_MAX_BYTES.  The password is ""
   if there is none.  OpenSSL's error queue keeps the errors. */
enum bundle_result bundle_read(struct bundle *b, struct span text,
                               const char *password, int wanted);

/* The DER of certificate i < count, in the order of the file. */
struct span bundle_certificate(const struct bundle *b, size_t i);

#endif
