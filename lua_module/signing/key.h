/*
 * key.h -- a certificate with its private key: loaded, asked, signed with.
 * No Lua here, and nothing of OpenSSL's in this header.  Every function leaves
 * OpenSSL's error queue as it found it.
 */
#ifndef AZPEC_KEY_H
#define AZPEC_KEY_H

#include "bundle.h"

enum {
	KEY_MIN_BITS = 2048,
	KEY_MAX_SIGNATURE = 2048, /* bytes: OpenSSL's longest RSA key */
	KEY_MAX_DIGEST = 32,
};

struct key {
	struct mem mem;
	struct bundle bundle;           /* no certificate: closed */
	size_t leaf;                    /* which certificate is the key's */
	int64_t not_before, expires_on; /* of the leaf; s since 1970 */
	struct buf text;                /* scratch: a file, secret */
	struct buf why;                 /* what key_load has to say */
};

/* Where a part comes from.  field: what the caller calls it; NULL: it is not
   given.  Exactly one of text and path. */
struct key_part {
	const char *field;
	struct span text;
	const char *path;
};

struct key_spec {
	struct key_part certificate, key; /* no key: it is with the former */
	const char *password;             /* "": none */
	bool public_only; /* the certificate alone: somebody else signs */
};

enum key_result {
	KEY_OK,
	KEY_REFUSED, /* k->why tells */
	KEY_NO_MEMORY,
};

enum key_algorithm { KEY_PS256, KEY_RS256 };
enum key_digest { KEY_SHA256, KEY_SHA1 };

void key_init(struct key *k, struct mem mem); /* closed; k must not move */
void key_close(struct key *k);                /* any number of times */
bool key_is_open(const struct key *k);

/* Of a closed key.  Reads files; never asks at the terminal. */
enum key_result key_load(struct key *k, const struct key_spec *s);

/* Certificate i < k->bundle.count: the key's own first, the others in the
   order of the file. */
struct span key_certificate(const struct key *k, size_t i);

/* These return NULL, or why they failed. */
const char *key_sign(const struct key *k, enum key_algorithm a,
                     struct span data, char out[KEY_MAX_SIGNATURE], size_t *n);
const char *key_thumbprint(const struct key *k, enum key_digest d,
                           char out[KEY_MAX_DIGEST], size_t *n);

/* Standard base64 of n bytes takes this much, and a closing NUL. */
static inline size_t key_base64_size(size_t n) {
	return (n + 2) / 3 * 4;
}
void key_base64(struct span s, char *out);

enum { KEY_FINGERPRINTS = 20 + 32 };
/* Of the first certificate in a PEM text: SHA-1 of the whole, then SHA-256 of
   its public key (SubjectPublicKeyInfo), which is what curl pins.  NULL: fine,
   or why not. */
const char *key_fingerprints(struct span pem, char out[KEY_FINGERPRINTS]);

const char *key_openssl(void); /* the version of libcrypto that is loaded */

#endif
