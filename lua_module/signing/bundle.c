/*
 * bundle.c -- reads PEM, PKCS#12 and DER with OpenSSL's libcrypto.
 *
 * Certificates are kept as DER bytes.  The key lives in the default library
 * context, which the administrator's openssl.cnf configures.  If that context
 * lacks an old encryption (RC2, DES), a private context with the "legacy"
 * provider decrypts it. bundle_read frees that context before it returns: no
 * provider is ever loaded into a context that the host can see.
 */
#include "signing/bundle.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <string.h>

/* The arguments of every reader below. */
struct task {
	struct bundle *b;
	OSSL_LIB_CTX *context; /* NULL: the default one */
	const char *password;
	int wanted;
	int64_t *left; /* rounds of hashing, see `charge` */
};

/* One piece of DER, with its PEM name and header. */
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
	while (b->key_count > 0) /* overwrites the private numbers */
		EVP_PKEY_free(b->keys[--b->key_count]);
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

/* --- one certificate, one key -------------------------------------------- */

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

/* Returns the same key in the default context. */
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

/* The bundle takes ownership of the key. */
static enum bundle_result add_key(const struct task *t, EVP_PKEY *key) {
	if (key && t->context)
		key = moved(key);
	if (key)
		t->b->keys[t->b->key_count++] = key;
	return key ? BUNDLE_OK : BUNDLE_BAD_KEY;
}

/* --- old encryptions ----------------------------------------------------- */

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
	int64_t left = *t->left;
	enum bundle_result r = read(t, der, n);
	if (r != BUNDLE_UNSUPPORTED)
		return r;
	*t->left = left; /* for the same hashes again */
	return in_legacy(read, t, der, n);
}

/* --- limits of password hashing ------------------------------------------ */

/* A file contains these numbers: six bytes could cause hours of work.  More
   than the limit, and less than nothing, count as one more than the limit. */
static int64_t number(const ASN1_INTEGER *a) {
	int64_t n;
	bool is = ASN1_INTEGER_get_int64(&n, a) && n >= 0 &&
	          n <= BUNDLE_MAX_ROUNDS;
	return is ? n : BUNDLE_MAX_ROUNDS + 1;
}

/* Takes a hash's rounds from those that are left for the text.  False: too
   many. */
static bool charge(const struct task *t, int64_t rounds) {
	if (rounds > *t->left)
		return false;
	*t->left -= rounds;
	return true;
}

/* OpenSSL 3.4 to 3.6 computed PBMAC1 with any salt, and with keys longer than
   its buffer (CVE-2025-11187). */
static bool is_sound(const PBKDF2PARAM *p) {
	return p->salt && p->salt->type == V_ASN1_OCTET_STRING &&
	       (!p->keylength || number(p->keylength) <= EVP_MAX_MD_SIZE);
}

static bool charge_pbkdf2(const struct task *t, const X509_ALGOR *how) {
	PBKDF2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM),
	                                           how->parameter);
	bool is = !p || (is_sound(p) && charge(t, number(p->iter)));
	PBKDF2PARAM_free(p);
	return is;
}

/* The work of scrypt grows with the product of its three numbers. */
static bool charge_scrypt(const struct task *t, const X509_ALGOR *how) {
	SCRYPT_PARAMS *p = ASN1_TYPE_unpack_sequence(
		ASN1_ITEM_rptr(SCRYPT_PARAMS), how->parameter);
	int64_t rounds = 0;
	if (p)
		rounds = number(p->costParameter) * number(p->blockSize);
	if (p && rounds <= BUNDLE_MAX_ROUNDS)
		rounds *= number(p->parallelizationParameter);
	SCRYPT_PARAMS_free(p);
	return charge(t, rounds);
}

static bool charge_kdf(const struct task *t, const X509_ALGOR *how) {
	switch (OBJ_obj2nid(how->algorithm)) {
	case NID_id_pbkdf2:
		return charge_pbkdf2(t, how);
	case NID_id_scrypt:
		return charge_scrypt(t, how);
	default:
		return false; /* its work is not known */
	}
}

/* PBES2, and PBMAC1, whose parameters have the same form: RFC 8018 A.4, A.5. */
static bool charge_pbes2(const struct task *t, const X509_ALGOR *how) {
	PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM),
	                                         how->parameter);
	bool is = !p || charge_kdf(t, p->keyfunc);
	PBE2PARAM_free(p);
	return is;
}

/* Parameters that cannot be read cost nothing: OpenSSL refuses them before it
   hashes. */
static bool charge_pbe(const struct task *t, const X509_ALGOR *how) {
	PBEPARAM *p;
	bool is;
	if (OBJ_obj2nid(how->algorithm) == NID_pbes2)
		return charge_pbes2(t, how);
	p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), how->parameter);
	is = !p || charge(t, number(p->iter));
	PBEPARAM_free(p);
	return is;
}

static bool charge_sealed(const struct task *t, const X509_SIG *sealed) {
	const X509_ALGOR *how;
	X509_SIG_get0(sealed, &how, NULL);
	return charge_pbe(t, how);
}

static bool charge_bags(const struct task *t,
                        const STACK_OF(PKCS12_SAFEBAG) * bags) {
	bool is = true;
	for (int i = 0; is && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
		const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
		const STACK_OF(PKCS12_SAFEBAG) *more =
			PKCS12_SAFEBAG_get0_safes(bag);
		if (PKCS12_SAFEBAG_get_nid(bag) == NID_pkcs8ShroudedKeyBag)
			is = charge_sealed(t, PKCS12_SAFEBAG_get0_pkcs8(bag));
		else if (more)
			is = charge_bags(t, more);
	}
	return is;
}

/* Charges one part of a PKCS#12 file.  A part that cannot be opened is refused
   later. */
static bool charge_part(const struct task *t, PKCS7 *part) {
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	bool is = true;
	if (PKCS7_type_is_data(part))
		bags = PKCS12_unpack_p7data(part);
	else if (PKCS7_type_is_encrypted(part) && part->d.encrypted)
		is = charge_pbe(t, part->d.encrypted->enc_data->algorithm);
	if (is && PKCS7_type_is_encrypted(part) && part->d.encrypted)
		bags = PKCS12_unpack_p7encdata(part, t->password, -1);
	is = is && charge_bags(t, bags);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return is;
}

/* OpenSSL 3.4 and later verify PBMAC1; its rounds are in its parameters. */
static bool charge_mac(const struct task *t, const PKCS12 *p12) {
	const ASN1_INTEGER *rounds = NULL;
	const X509_ALGOR *how = NULL;
	PKCS12_get0_mac(NULL, &how, NULL, &rounds, p12);
	if (how && OBJ_obj2nid(how->algorithm) == NID_pbmac1 &&
	    !charge_pbes2(t, how))
		return false;
	return !rounds || charge(t, number(rounds));
}

static bool charge_pkcs12(const struct task *t, PKCS12 *p12) {
	STACK_OF(PKCS7) * parts;
	bool is;
	if (!charge_mac(t, p12))
		return false;
	parts = PKCS12_unpack_authsafes(p12);
	is = true;
	for (int i = 0; is && i < sk_PKCS7_num(parts); i++)
		is = charge_part(t, sk_PKCS7_value(parts, i));
	sk_PKCS7_pop_free(parts, PKCS7_free);
	return is;
}

/* --- encrypted PKCS#8 ---------------------------------------------------- */

/* Why OpenSSL could not decrypt.  A wrong password shows as invalid padding or
   as an invalid result. */
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
	if (!charge_sealed(t, sealed)) {
		X509_SIG_free(sealed);
		return BUNDLE_TOO_SLOW;
	}
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

/* --- PEM ----------------------------------------------------------------- */

enum { PEM_HOW = PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE };

static void free_block(struct block *k) {
	OPENSSL_secure_free(k->name);
	OPENSSL_secure_free(k->header);
	OPENSSL_secure_clear_free(k->data, (size_t)k->n);
}

/* Replaces OpenSSL's callback, which would prompt on the terminal. */
static int give_password(char *out, int size, int writing, void *ud) {
	const char *const *password = ud;
	size_t n = strlen(*password);
	(void)writing;
	if (size < 0 || n > (size_t)size)
		return -1;
	memcpy(out, *password, n);
	return (int)n;
}

/* Decrypts a block that has the header of the old PEM encryption. */
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

static bool wants_key(const struct task *t) {
	return (t->wanted & BUNDLE_KEY) && t->b->key_count < BUNDLE_MAX_KEYS;
}

static enum bundle_result take_key(const struct task *t, struct block *k) {
	if (!strcmp(k->name, PEM_STRING_PKCS8))
		return decrypt(encrypted_key, t, k->data, k->n);
	if (ends_with(k->name, PEM_STRING_PKCS8INF))
		return plain_key(t, k);
	return BUNDLE_OK; /* parameters, requests, public keys */
}

static enum bundle_result take_block(const struct task *t, struct block *k) {
	bool first = t->b->key_count == 0;
	enum bundle_result r;
	if (!strcmp(k->name, PEM_STRING_X509) ||
	    !strcmp(k->name, PEM_STRING_X509_OLD) ||
	    !strcmp(k->name, PEM_STRING_X509_TRUSTED))
		return t->wanted & BUNDLE_CERTIFICATES
		               ? take_certificate(t, k->data, k->n)
		               : BUNDLE_OK;
	r = wants_key(t) ? take_key(t, k) : BUNDLE_OK;
	/* another key may be somebody else's */
	return first || r == BUNDLE_NO_MEMORY ? r : BUNDLE_OK;
}

/* Reads a text that contains "-----BEGIN ". */
static enum bundle_result read_blocks(const struct task *t, BIO *bio) {
	struct block k = { .n = 0 };
	bool any = false;
	while (PEM_read_bio_ex(bio, &k.name, &k.header, &k.data, &k.n,
	                       PEM_HOW)) {
		enum bundle_result r = take_block(t, &k);
		free_block(&k);
		if (r)
			return r;
		any = true;
	}
	if (!last_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE))
		return BUNDLE_DAMAGED;
	return any ? BUNDLE_OK : BUNDLE_NO_LINES;
}

/* Starts at the first "-----BEGIN ", because a byte order mark in front would
   hide that line. */
static enum bundle_result read_pem(const struct task *t, struct span text) {
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	enum bundle_result r;
	if (!bio)
		return BUNDLE_NO_MEMORY;
	r = read_blocks(t, bio);
	BIO_free(bio);
	return r;
}

/* --- PKCS#12 and bare DER ------------------------------------------------ */

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
	if (!charge_pkcs12(t, p12))
		return BUNDLE_TOO_SLOW;
	/* PKCS12_parse verifies the password by the MAC, so it needs one */
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
	if (!r && key && wants_key(t))
		return add_key(t, key);
	EVP_PKEY_free(key);
	return r;
}

/* BUNDLE_UNKNOWN: not PKCS#12. */
static enum bundle_result pkcs12(const struct task *t, const unsigned char *der,
                                 long n) {
	PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, t->context, NULL);
	enum bundle_result r = BUNDLE_UNKNOWN;
	if (!p12)
		return BUNDLE_NO_MEMORY;
	if (d2i_PKCS12(&p12, &der, n)) /* frees p12 on failure */
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

/* --- base64 -------------------------------------------------------------- */

/* Writes at most text.n bytes to out; returns how many, or -1. */
static int decode(struct span text, unsigned char *out) {
	EVP_ENCODE_CTX *c = EVP_ENCODE_CTX_new();
	int n = 0, more = 0;
	bool ok = c != NULL;
	if (ok) {
		EVP_DecodeInit(c);
		ok = EVP_DecodeUpdate(c, out, &n, (const unsigned char *)text.p,
		                      (int)text.n) >= 0 &&
		     EVP_DecodeFinal(c, out + n, &more) == 1;
	}
	EVP_ENCODE_CTX_free(c);
	return ok ? n + more : -1;
}

/* Azure Key Vault returns a certificate's PKCS#12 file in this form. */
static enum bundle_result read_base64(const struct task *t, struct span text) {
	enum bundle_result r = BUNDLE_UNKNOWN;
	unsigned char *der = OPENSSL_malloc(text.n);
	int n;
	if (!der)
		return BUNDLE_NO_MEMORY;
	n = decode(text, der);
	if (n > 0)
		r = read_der(t, (struct span){ (char *)der, (size_t)n });
	OPENSSL_clear_free(der, text.n);
	return r;
}

/* The base64 of an ASN.1 sequence of more than 127 bytes. */
static bool is_base64(struct span text) {
	return span_istarts(text, SPAN("MI")) &&
	       span_only(text, CHAR_ALNUM, "+/=\r\n\t ");
}

enum bundle_result bundle_read(struct bundle *b, struct span text,
                               const char *password, int wanted) {
	static const char begin[] = "-----BEGIN ";
	int64_t left = BUNDLE_MAX_ROUNDS;
	struct task t = { b, NULL, password, wanted, &left };
	const char *at = memmem(text.p, text.n, begin, sizeof begin - 1);
	if (at)
		return read_pem(&t, span_from(text, (size_t)(at - text.p)));
	if (text.n > 0 && text.p[0] == 0x30) /* an ASN.1 sequence */
		return read_der(&t, text);
	text = span_trim(text);
	return is_base64(text) ? read_base64(&t, text) : BUNDLE_UNKNOWN;
}
