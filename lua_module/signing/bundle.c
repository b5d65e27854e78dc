/*
 * bundle.c -- reads PEM, PKCS#12 and DER with OpenSSL's libcrypto.
 *
 * Certificates are kept as their DER bytes and the key lives in the default
 * library context, the one that the administrator's openssl.cnf rules.  Only
 * where that cannot undo an old encryption (RC2, DES), a context of our own
 * with the "legacy" provider does it, and is gone when bundle_read returns:
 * no provider is ever loaded into a context that the host can see.
 */
#include "bundle.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <string.h>

/* What every reader below is told. */
struct task {
	struct bundle *b;
	OSSL_LIB_CTX *context; /* NULL: the default one */
	const char *password;
	int wanted;
};

/* One piece of DER, and as what PEM announced it. */
struct block {
	char *name, *header; /* OpenSSL's */
	unsigned char *data; /* OpenSSL's, secret */
	long n;
};

void bundle_init(struct bundle *b, const struct mem *mem) {
	*b = (struct bundle){ .count = 0 };
	buf_init(&b->der, mem, BUNDLE_MAX_BYTES);
}

void bundle_free(struct bundle *b) {
	buf_free(&b->der);
	EVP_PKEY_free(b->key); /* which overwrites the private numbers */
	b->key = NULL;
	b->count = 0;
}

struct span bundle_certificate(const struct bundle *b, size_t i) {
	size_t from = i == 0 ? 0 : b->ends[i - 1];
	return (struct span){ b->der.p + from, b->ends[i] - from };
}

static bool last_error_is(int lib, int reason) {
	unsigned long e = ERR_peek_last_error();
	return ERR_GET_LIB(e) == lib && ERR_GET_REASON(e) == reason;
}

static enum bundle_result refused(const struct task *t) {
	return *t->password ? BUNDLE_PASSWORD_WRONG : BUNDLE_PASSWORD_NEEDED;
}

/* --- one certificate, one key ------------------------------------------- */

static enum bundle_result add_certificate(struct bundle *b, X509 *x) {
	unsigned char *der = NULL;
	int n;
	if (b->count == BUNDLE_MAX_CERTIFICATES)
		return BUNDLE_TOO_MANY;
	n = i2d_X509(x, &der);
	if (n <= 0)
		return BUNDLE_BAD_CERTIFICATE;
	buf_add(&b->der, (struct span){ (const char *)der, (size_t)n });
	OPENSSL_free(der);
	if (b->der.failed)
		return BUNDLE_NO_MEMORY;
	b->ends[b->count++] = b->der.n;
	return BUNDLE_OK;
}

static enum bundle_result take_certificate(const struct task *t,
                                           const unsigned char *der, long n) {
	X509 *x = d2i_X509(NULL, &der, n);
	enum bundle_result r = BUNDLE_BAD_CERTIFICATE;
	if (x)
		r = add_certificate(t->b, x);
	X509_free(x);
	return r;
}

/* The same key in the default context. */
static EVP_PKEY *moved(EVP_PKEY *key) {
	unsigned char *der = NULL;
	const unsigned char *p;
	EVP_PKEY *fresh = NULL;
	int n = i2d_PrivateKey(key, &der);
	p = der;
	if (n > 0)
		fresh = d2i_AutoPrivateKey(NULL, &p, n);
	if (n > 0)
		OPENSSL_clear_free(der, (size_t)n);
	EVP_PKEY_free(key);
	return fresh;
}

/* The key becomes the bundle's. */
static enum bundle_result add_key(const struct task *t, EVP_PKEY *key) {
	if (key && t->context)
		key = moved(key);
	t->b->key = key;
	return key ? BUNDLE_OK : BUNDLE_BAD_KEY;
}

/* --- old encryptions ---------------------------------------------------- */

typedef enum bundle_result reader(const struct task *t,
                                  const unsigned char *der, long n);

static enum bundle_result in_legacy(reader *read, const struct task *t,
                                    const unsigned char *der, long n) {
	enum bundle_result r = BUNDLE_UNSUPPORTED;
	OSSL_PROVIDER *standard = NULL, *legacy = NULL;
	struct task old = *t;
	old.context = OSSL_LIB_CTX_new();
	if (!old.context)
		return BUNDLE_NO_MEMORY;
	legacy = OSSL_PROVIDER_load(old.context, "legacy");
	standard = OSSL_PROVIDER_load(old.context, "default");
	if (legacy && standard)
		r = read(&old, der, n);
	if (legacy)
		OSSL_PROVIDER_unload(legacy);
	if (standard)
		OSSL_PROVIDER_unload(standard);
	OSSL_LIB_CTX_free(old.context);
	return r;
}

static enum bundle_result decrypt(reader *read, const struct task *t,
                                  const unsigned char *der, long n) {
	enum bundle_result r = read(t, der, n);
	return r == BUNDLE_UNSUPPORTED ? in_legacy(read, t, der, n) : r;
}

/* --- PKCS#8, encrypted -------------------------------------------------- */

/* Why OpenSSL could not decrypt: a password that does not fit shows in the
   padding, or in what comes out. */
static enum bundle_result why_not_decrypted(const struct task *t) {
	if (last_error_is(ERR_LIB_PKCS12, PKCS12_R_PKCS12_CIPHERFINAL_ERROR) ||
	    last_error_is(ERR_LIB_PKCS12, PKCS12_R_DECODE_ERROR))
		return refused(t);
	return BUNDLE_UNSUPPORTED;
}

static enum bundle_result encrypted_key(const struct task *t,
                                        const unsigned char *der, long n) {
	X509_SIG *sealed = d2i_X509_SIG(NULL, &der, n);
	PKCS8_PRIV_KEY_INFO *plain;
	enum bundle_result r;
	if (!sealed)
		return BUNDLE_BAD_KEY;
	plain = PKCS8_decrypt_ex(sealed, t->password, (int)strlen(t->password),
	                         t->context, NULL);
	if (plain)
		r = add_key(t, EVP_PKCS82PKEY_ex(plain, t->context, NULL));
	else
		r = why_not_decrypted(t);
	PKCS8_PRIV_KEY_INFO_free(plain);
	X509_SIG_free(sealed);
	return r;
}

/* --- PEM ---------------------------------------------------------------- */

enum { PEM_HOW = PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE };

static void free_block(struct block *k) {
	OPENSSL_secure_free(k->name);
	OPENSSL_secure_free(k->header);
	OPENSSL_secure_clear_free(k->data, (size_t)k->n);
}

/* Instead of OpenSSL's own, which asks at the terminal. */
static int give_password(char *out, int size, int writing, void *ud) {
	const char *const *password = ud;
	size_t n = strlen(*password);
	(void)writing;
	if (size < 0 || n > (size_t)size)
		return -1;
	memcpy(out, *password, n);
	return (int)n;
}

/* What the header of the old PEM encryption asks for. */
static enum bundle_result open_block(const struct task *t, struct block *k,
                                     bool *opened) {
	const char *password = t->password;
	EVP_CIPHER_INFO how;
	EVP_CIPHER *cipher;
	if (!PEM_get_EVP_CIPHER_INFO(k->header, &how))
		return BUNDLE_UNSUPPORTED;
	*opened = how.cipher != NULL;
	if (!*opened)
		return BUNDLE_OK;
	cipher = EVP_CIPHER_fetch(NULL, EVP_CIPHER_get0_name(how.cipher), NULL);
	if (!cipher)
		return BUNDLE_UNSUPPORTED;
	EVP_CIPHER_free(cipher);
	if (!PEM_do_header(&how, k->data, &k->n, give_password, &password))
		return refused(t);
	return BUNDLE_OK;
}

static enum bundle_result plain_key(const struct task *t, struct block *k) {
	const unsigned char *p;
	bool opened = false;
	enum bundle_result r = open_block(t, k, &opened);
	if (r)
		return r;
	p = k->data;
	r = add_key(t, d2i_AutoPrivateKey(NULL, &p, k->n));
	return r && opened ? refused(t) : r;
}

static bool ends_with(const char *s, const char *tail) {
	size_t n = strlen(s), m = strlen(tail);
	return n >= m && strcmp(s + n - m, tail) == 0;
}

static enum bundle_result take_block(const struct task *t, struct block *k) {
	bool key = (t->wanted & BUNDLE_KEY) && !t->b->key;
	if (!strcmp(k->name, PEM_STRING_X509) ||
	    !strcmp(k->name, PEM_STRING_X509_OLD) ||
	    !strcmp(k->name, PEM_STRING_X509_TRUSTED))
		return t->wanted & BUNDLE_CERTIFICATES
		               ? take_certificate(t, k->data, k->n)
		               : BUNDLE_OK;
	if (key && !strcmp(k->name, PEM_STRING_PKCS8))
		return decrypt(encrypted_key, t, k->data, k->n);
	if (key && ends_with(k->name, PEM_STRING_PKCS8INF))
		return plain_key(t, k);
	return BUNDLE_OK; /* parameters, requests, public keys */
}

static enum bundle_result read_blocks(const struct task *t, BIO *bio) {
	struct block k = { .n = 0 };
	while (PEM_read_bio_ex(bio, &k.name, &k.header, &k.data, &k.n,
	                       PEM_HOW)) {
		enum bundle_result r = take_block(t, &k);
		free_block(&k);
		if (r)
			return r;
	}
	return last_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE) ? BUNDLE_OK
	                                                       : BUNDLE_DAMAGED;
}

/* From the first "-----BEGIN " on: a mark at the beginning of the file (of
   UTF-8, say) would hide that line. */
static enum bundle_result read_pem(const struct task *t, struct span text) {
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	enum bundle_result r;
	if (!bio)
		return BUNDLE_NO_MEMORY;
	r = read_blocks(t, bio);
	BIO_free(bio);
	return r;
}

/* --- PKCS#12 and bare DER ----------------------------------------------- */

static enum bundle_result add_chain(const struct task *t, X509 *leaf,
                                    const STACK_OF(X509) * others) {
	enum bundle_result r = BUNDLE_OK;
	if (!(t->wanted & BUNDLE_CERTIFICATES))
		return r;
	if (leaf)
		r = add_certificate(t->b, leaf);
	for (int i = 0; i < sk_X509_num(others) && !r; i++)
		r = add_certificate(t->b, sk_X509_value(others, i));
	return r;
}

static enum bundle_result open_pkcs12(const struct task *t, PKCS12 *p12) {
	EVP_PKEY *key = NULL;
	X509 *leaf = NULL;
	STACK_OF(X509) *others = NULL;
	enum bundle_result r;
	/* PKCS12_parse checks a password by the MAC, and wants one */
	if (*t->password && !PKCS12_mac_present(p12))
		PKCS12_set_mac(p12, t->password, -1, NULL, 0, 1, NULL);
	if (!PKCS12_parse(p12, t->password, &key, &leaf, &others))
		return last_error_is(ERR_LIB_PKCS12,
		                     PKCS12_R_MAC_VERIFY_FAILURE)
		               ? refused(t)
		               : BUNDLE_UNSUPPORTED;
	r = add_chain(t, leaf, others);
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	if (!r && key && (t->wanted & BUNDLE_KEY) && !t->b->key)
		return add_key(t, key);
	EVP_PKEY_free(key);
	return r;
}

/* BUNDLE_UNKNOWN: it is no PKCS#12. */
static enum bundle_result pkcs12(const struct task *t, const unsigned char *der,
                                 long n) {
	PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, t->context, NULL);
	enum bundle_result r = BUNDLE_UNKNOWN;
	if (!p12)
		return BUNDLE_NO_MEMORY;
	if (d2i_PKCS12(&p12, &der, n)) /* frees p12 where it fails */
		r = open_pkcs12(t, p12);
	PKCS12_free(p12);
	return r;
}

static enum bundle_result bare_key(const struct task *t,
                                   const unsigned char *der, long n) {
	enum bundle_result r = decrypt(encrypted_key, t, der, n);
	if (r == BUNDLE_BAD_KEY)
		r = add_key(t, d2i_AutoPrivateKey(NULL, &der, n));
	return r;
}

static enum bundle_result read_der(const struct task *t, struct span text) {
	const unsigned char *der = (const unsigned char *)text.p;
	long n = (long)text.n;
	enum bundle_result r = decrypt(pkcs12, t, der, n);
	if (r == BUNDLE_UNKNOWN && (t->wanted & BUNDLE_CERTIFICATES)) {
		r = take_certificate(t, der, n);
		if (r == BUNDLE_BAD_CERTIFICATE)
			r = BUNDLE_UNKNOWN;
	}
	if (r == BUNDLE_UNKNOWN && t->wanted == BUNDLE_KEY) {
		r = bare_key(t, der, n);
		if (r == BUNDLE_BAD_KEY)
			r = BUNDLE_UNKNOWN;
	}
	return r;
}

enum bundle_result bundle_read(struct bundle *b, struct span text,
                               const char *password, int wanted) {
	static const char begin[] = "-----BEGIN ";
	struct task t = { .b = b, .password = password, .wanted = wanted };
	const char *at = memmem(text.p, text.n, begin, sizeof begin - 1);
	if (at)
		return read_pem(&t, span_from(text, (size_t)(at - text.p)));
	if (text.n > 0 && text.p[0] == 0x30) /* an ASN.1 sequence */
		return read_der(&t, text);
	return BUNDLE_UNKNOWN;
}
