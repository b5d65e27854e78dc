/*
 * key.h -- a certificate with its private key: loading, reading, signing.  It
 * uses no Lua, and this header needs none of OpenSSL's.  Every function
 * restores OpenSSL's error queue.
 */
#ifndef AZPEC_KEY_H
#define AZPEC_KEY_H

#include "signing/bundle.h"

enum {
	KEY_MIN_BITS = 2048,
	KEY_MAX_SIGNATURE = 2048, /* bytes: the size for OpenSSL's longest RSA
	                             key */
	KEY_MAX_DIGEST = 32,
};

struct key {
	struct mem mem;
	struct bundle bundle;    /* without a certificate: closed */
	struct evp_pkey_st *key; /* one of the bundle's; NULL: none */
	/* The indexes of its own certificate and of the issuers behind it. */
	size_t chain[BUNDLE_MAX_CERTIFICATES];
	size_t chain_count;
	int64_t not_before, expires_on; /* of that certificate; s since 1970 */
	struct buf text;                /* scratch buffer: a file's content,
	                                   secret */
	struct buf why;                 /* the error text of key_load */
};

/* The source of a part: either text or path. field: the option's name, or NULL
   if the part is absent. */
struct key_part {
	const char *field;
	struct span text;
	const char *path;
};

struct key_spec {
	struct key_part certificate, key; /* no key: it is in the certificate's
	                                     file */
	const char *password;             /* "": none */
	bool public_only; /* the certificate only; another program signs */
};

enum key_result {
	KEY_OK,
	KEY_REFUSED, /* see k->why */
	KEY_NO_MEMORY,
};

enum key_algorithm { KEY_PS256, KEY_RS256 };
enum key_digest { KEY_SHA256, KEY_SHA1 };

/* closed; k must not move in memory. */
void key_init(struct key *k, struct mem mem);
void key_close(struct key *k); /* may be called repeatedly */
bool key_is_open(const struct key *k);

/* Loads into a closed key.  Reads files; never prompts on the terminal. */
enum key_result key_load(struct key *k, const struct key_spec *s);

/* Certificate i < k->chain_count in DER: the key's own first, and each further
   one is the issuer of the one before, as RFC 7515 4.1.6 asks of x5c.
   Certificates of the file that are not in this chain are left out. */
struct span key_certificate(const struct key *k, size_t i);

/* These return NULL, or the reason of the failure. */
const char *key_sign(const struct key *k, enum key_algorithm a,
                     struct span data, char out[KEY_MAX_SIGNATURE], size_t *n);
const char *key_thumbprint(const struct key *k, enum key_digest d,
                           char out[KEY_MAX_DIGEST], size_t *n);

/* The length of the standard base64 text of n bytes, without the closing
   NUL. */
static inline size_t key_base64_size(size_t n) {
	return (n + 2) / 3 * 4;
}
void key_base64(struct span s, char *out);

enum { KEY_FINGERPRINTS = 20 + 32 };
/* The fingerprints of the first certificate in a PEM text: its SHA-1, then the
   SHA-256 of its public key (SubjectPublicKeyInfo), which curl pins.  NULL:
   done; otherwise the reason of the failure. */
const char *key_fingerprints(struct span pem, char out[KEY_FINGERPRINTS]);

enum { KEY_HMAC = 64 };
/* HMAC-SHA256 (RFC 2104) in lower-case hexadecimal.  NULL: done; otherwise the
   reason of the failure. */
const char *key_hmac(struct span secret, struct span text, char out[KEY_HMAC]);
/* Compares in constant time. */
bool key_same_hmac(const char a[KEY_HMAC], const char b[KEY_HMAC]);

const char *key_openssl(void); /* the version of the loaded libcrypto */

#endif
