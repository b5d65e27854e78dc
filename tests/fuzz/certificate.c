/*
 * certificate.c -- files of certificates and keys beside OpenSSL:
 *
 *   - a key that is loaded signs what OpenSSL verifies with the certificate
 *     that comes first, and all its certificates are ones;
 *   - what is refused is refused by a text that begins with the field's name
 *     and holds neither the password nor bytes of the file;
 *   - OpenSSL's queue of errors is left empty, and no memory is kept.
 *
 * The input: a byte, and a file: PEM, PKCS#12 or DER.
 */
#include "fuzz.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "signing/key.h"

#define PASSWORD "p4ssw0rd-of-the-fuzzer"

/* PS256: RFC 7518 3.5. */
static bool is_signed(EVP_PKEY *key, struct span text, struct span signature) {
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pc = NULL;
	bool is = EVP_DigestVerifyInit(c, &pc, EVP_sha256(), NULL, key) == 1 &&
	          EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) > 0 &&
	          EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, 32) > 0 &&
	          EVP_DigestVerify(c, (const unsigned char *)signature.p,
	                           signature.n, (const unsigned char *)text.p,
	                           text.n) == 1;
	EVP_MD_CTX_free(c);
	return is;
}

static X509 *certificate_of(const struct key *k, size_t i) {
	struct span der = key_certificate(k, i);
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	if (!x || p != (const unsigned char *)der.p + der.n)
		wrong("certificate %zu is none", i);
	return x;
}

static void check_signature(const struct key *k) {
	char out[KEY_MAX_SIGNATURE], digest[KEY_MAX_DIGEST];
	struct span text = SPAN("text");
	X509 *leaf = certificate_of(k, 0);
	size_t n;
	const char *why = key_sign(k, KEY_PS256, text, out, &n);
	if (!why &&
	    !is_signed(X509_get0_pubkey(leaf), text, (struct span){ out, n }))
		wrong("OpenSSL does not verify the signature");
	if (!why && key_thumbprint(k, KEY_SHA256, digest, &n))
		wrong("there is no thumbprint");
	X509_free(leaf);
}

static void check_chain(const struct key *k) {
	for (size_t i = 0; i < k->chain_count; i++)
		X509_free(certificate_of(k, i));
	if (k->not_before > k->expires_on + INT64_C(400000000000))
		wrong("its times make no sense");
}

static void check_refusal(const struct key *k) {
	struct span why = buf_span(&k->why);
	if (!span_istarts(why, SPAN("certificate: ")) &&
	    !span_istarts(why, SPAN("key: ")))
		wrong("it names no field: %.*s", (int)why.n, why.p);
	if (!http_printable(why) || has_span(why, SPAN(PASSWORD)) ||
	    has_span(why, SPAN("-----")))
		wrong("it says too much: %.*s", (int)why.n, why.p);
}

static void check_fingerprints(struct span text) {
	char out[KEY_FINGERPRINTS];
	const char *why = key_fingerprints(text, out);
	if (why && !*why)
		wrong("no fingerprints, without a word");
}

static void fuzz(void) {
	uint8_t how = take();
	struct span text = take_rest();
	char *own = exactly(text);
	struct key_spec spec = { .password = how & 1 ? PASSWORD : "",
		                 .public_only = how & 2 };
	struct key k;
	text.p = own;
	spec.certificate = (struct key_part){ "certificate", text, NULL };
	if (how & 4 && !(how & 2))
		spec.key = (struct key_part){ "key", text, NULL };
	key_init(&k, *test_mem());
	if (key_load(&k, &spec) == KEY_OK) {
		check_chain(&k);
		if (!spec.public_only)
			check_signature(&k);
	} else {
		check_refusal(&k);
	}
	key_close(&k);
	check_fingerprints(text);
	if (ERR_peek_error())
		wrong("an error stays in OpenSSL's queue");
	free(own);
}
