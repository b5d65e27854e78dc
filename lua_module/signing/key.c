/* key.c -- certificates and keys with OpenSSL's libcrypto. */
#include "signing/key.h"
#include "io/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WHY = 8192, PSS_SALT = 32 };

void key_init(struct key *k, struct mem mem) {
	*k = (struct key){ .mem = mem };
	bundle_init(&k->bundle, &k->mem);
	buf_init(&k->text, &k->mem, BUNDLE_MAX_BYTES);
	k->text.secret = true;
	buf_init(&k->why, &k->mem, MAX_WHY);
}

static void drop_bundle(struct key *k) {
	bundle_free(&k->bundle);
	k->key = NULL;
	k->chain_count = 0;
}

void key_close(struct key *k) {
	drop_bundle(k);
	buf_free(&k->text);
	buf_free(&k->why);
}

bool key_is_open(const struct key *k) {
	return k->bundle.count > 0;
}

struct span key_certificate(const struct key *k, size_t i) {
	return bundle_certificate(&k->bundle, k->chain[i]);
}

/* --- errors -------------------------------------------------------------- */

static enum key_result refuse(struct key *k, const struct key_part *part,
                              const char *why) {
	buf_clear(&k->why);
	buf_adds(&k->why, part->field);
	if (part->path) {
		buf_adds(&k->why, " '");
		buf_adds(&k->why, part->path);
		buf_adds(&k->why, "'");
	}
	buf_adds(&k->why, ": ");
	buf_adds(&k->why, why);
	return k->why.failed ? KEY_NO_MEMORY : KEY_REFUSED;
}

static const char no_lines[] =
	"its PEM text has no line ends; end each line with a line feed";

static const char unsupported[] =
	"damaged, or encrypted in a way that this OpenSSL does not support";

static const char too_slow[] =
	"the hashes of its password are unknown or have more than 5000000 "
	"rounds together; export it with PBKDF2 and fewer rounds";

static enum key_result refuse_bundle(struct key *k, const struct key_part *part,
                                     enum bundle_result r, int wanted) {
	static const char *const reasons[] = {
		[BUNDLE_DAMAGED] = "a PEM block in it is damaged",
		[BUNDLE_NO_LINES] = no_lines,
		[BUNDLE_BAD_CERTIFICATE] = "a certificate in it cannot be read",
		[BUNDLE_BAD_KEY] = "the private key in it cannot be read",
		[BUNDLE_TOO_MANY] = "more than 32 certificates in it",
		[BUNDLE_PASSWORD_NEEDED] = "it is encrypted: password needed",
		[BUNDLE_PASSWORD_WRONG] = "the password is wrong",
		[BUNDLE_UNSUPPORTED] = unsupported,
		[BUNDLE_TOO_SLOW] = too_slow,
	};
	_Static_assert(BUNDLE_MAX_CERTIFICATES == 32, "the text above says so");
	_Static_assert(BUNDLE_MAX_ROUNDS == 5000000, "the text above says so");
	if (r == BUNDLE_NO_MEMORY)
		return KEY_NO_MEMORY;
	if (r == BUNDLE_UNKNOWN)
		return refuse(k, part,
		              wanted == BUNDLE_KEY
		                      ? "no private key in it (it is neither "
		                        "PEM nor PKCS#12)"
		                      : "no certificate in it (it is neither "
		                        "PEM nor PKCS#12)");
	return refuse(k, part, reasons[r]);
}

/* --- reading ------------------------------------------------------------- */

/* Reads at most `size` bytes, the file's size when it was opened, because the
   buffer has that capacity.  Returns an errno or 0. */
static int read_all(int fd, struct buf *to, size_t size) {
	while (to->n < size) {
		ssize_t got = read(fd, to->p + to->n, size - to->n);
		if (got < 0 && errno != EINTR)
			return errno;
		if (got == 0)
			break;
		if (got > 0)
			to->n += (size_t)got;
	}
	return 0;
}

static enum key_result read_open(struct key *k, const struct key_part *part,
                                 int fd) {
	struct stat st;
	int e;
	if (fstat(fd, &st))
		return refuse(k, part, strerror(errno));
	if (regular_refuse(st.st_mode))
		return refuse(k, part, regular_refuse(st.st_mode));
	if (st.st_size > BUNDLE_MAX_BYTES)
		return refuse(k, part, "larger than 1 MiB");
	if (!buf_reserve(&k->text, (size_t)st.st_size))
		return KEY_NO_MEMORY;
	e = read_all(fd, &k->text, (size_t)st.st_size);
	return e ? refuse(k, part, strerror(e)) : KEY_OK;
}

static enum key_result read_file(struct key *k, const struct key_part *part) {
	enum key_result r;
	int fd = open(part->path, REGULAR_FLAGS);
	if (fd < 0) {
		const char *why =
			errno == ENXIO ? regular_refuse_path(part->path) : NULL;
		return refuse(k, part, why ? why : strerror(errno));
	}
	r = read_open(k, part, fd);
	close(fd);
	return r;
}

static enum key_result read_part(struct key *k, const struct key_part *part,
                                 const char *password, int wanted) {
	struct span text = part->text;
	enum bundle_result r;
	if (part->path) {
		enum key_result failed = read_file(k, part);
		if (failed)
			return failed;
		text = buf_span(&k->text);
	}
	if (text.n == 0)
		return refuse(k, part, "it is empty");
	if (text.n > BUNDLE_MAX_BYTES)
		return refuse(k, part, "larger than 1 MiB");
	r = bundle_read(&k->bundle, text, password, wanted);
	buf_free(&k->text);
	return r ? refuse_bundle(k, part, r, wanted) : KEY_OK;
}

/* --- checks -------------------------------------------------------------- */

/* True when a signature of the key verifies.  In a file with damaged private
   numbers the public half may still be valid. */
static bool signs_well(EVP_PKEY *key) {
	static const unsigned char text[] = { 'a', 'z', 'p', 'e', 'c' };
	unsigned char out[KEY_MAX_SIGNATURE];
	EVP_MD_CTX *sign = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
	size_t n = sizeof out;
	bool well = sign && verify &&
	            EVP_DigestSignInit_ex(sign, NULL, "SHA256", NULL, NULL, key,
	                                  NULL) > 0 &&
	            EVP_DigestSign(sign, out, &n, text, sizeof text) > 0 &&
	            EVP_DigestVerifyInit_ex(verify, NULL, "SHA256", NULL, NULL,
	                                    key, NULL) > 0 &&
	            EVP_DigestVerify(verify, out, n, text, sizeof text) == 1;
	EVP_MD_CTX_free(sign);
	EVP_MD_CTX_free(verify);
	return well;
}

static enum key_result check_key(struct key *k, const struct key_part *part,
                                 EVP_PKEY *key) {
	struct buf *why = &k->why;
	int bits = EVP_PKEY_get_bits(key);
	if (!EVP_PKEY_is_a(key, "RSA")) {
		refuse(k, part, "the private key is not RSA but ");
		buf_adds(why, EVP_PKEY_get0_type_name(key));
		buf_adds(why, "; Microsoft Entra ID accepts RSA keys only");
		return why->failed ? KEY_NO_MEMORY : KEY_REFUSED;
	}
	if (bits < KEY_MIN_BITS) {
		refuse(k, part, "the RSA key is too short: ");
		buf_addint(why, bits);
		buf_adds(why, " bits, at least 2048 are needed");
		return why->failed ? KEY_NO_MEMORY : KEY_REFUSED;
	}
	if (!signs_well(key))
		return refuse(k, part, "the private key in it is damaged");
	return KEY_OK;
}

static X509 *certificate(const struct bundle *b, size_t i) {
	struct span s = bundle_certificate(b, i);
	const unsigned char *p = (const unsigned char *)s.p;
	return d2i_X509(NULL, &p, (long)s.n);
}

static int64_t seconds(const ASN1_TIME *t) {
	struct tm tm;
	return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* Makes certificate i the key's own if it is. */
static bool take_leaf(struct key *k, size_t i, EVP_PKEY *key) {
	X509 *x = certificate(&k->bundle, i);
	bool is = x && (!key || X509_check_private_key(x, key) == 1);
	if (is) {
		k->key = key;
		k->chain[0] = i;
		k->chain_count = 1;
		k->not_before = seconds(X509_get0_notBefore(x));
		k->expires_on = seconds(X509_get0_notAfter(x));
	}
	X509_free(x);
	return is;
}

static bool find_leaf(struct key *k, EVP_PKEY *key) {
	bool found = false;
	for (size_t i = 0; i < k->bundle.count && !found; i++)
		found = take_leaf(k, i, key);
	return found;
}

/* Finds the first key with a certificate.  Keys and certificates may be in any
   order, and others between them. */
static bool find_pair(struct key *k) {
	bool found = false;
	for (size_t i = 0; i < k->bundle.key_count && !found; i++)
		found = find_leaf(k, k->bundle.keys[i]);
	return found;
}

static bool in_chain(const struct key *k, size_t i) {
	for (size_t j = 0; j < k->chain_count; j++)
		if (k->chain[j] == i)
			return true;
	return false;
}

/* Adds the issuer of the last one; false: it is not in the file. */
static bool add_issuer(struct key *k) {
	X509 *last = certificate(&k->bundle, k->chain[k->chain_count - 1]);
	bool found = false;
	for (size_t i = 0; last && i < k->bundle.count && !found; i++) {
		X509 *x = in_chain(k, i) ? NULL : certificate(&k->bundle, i);
		found = x && X509_check_issued(x, last) == X509_V_OK &&
		        X509_cmp(x, last) != 0;
		if (found)
			k->chain[k->chain_count++] = i;
		X509_free(x);
	}
	X509_free(last);
	return found;
}

static enum key_result read_key(struct key *k, const struct key_spec *s) {
	bool apart = s->key.field != NULL;
	const struct key_part *part = apart ? &s->key : &s->certificate;
	enum key_result r =
		apart ? read_part(k, part, s->password, BUNDLE_KEY) : KEY_OK;
	if (!r && k->bundle.key_count == 0)
		r = refuse(
			k, part,
			apart ? "no private key in it"
			      : "no private key in it, and neither 'key' nor "
				"'key_path' is given");
	if (!r)
		r = check_key(k, part,
		              find_pair(k) ? k->key : k->bundle.keys[0]);
	return r;
}

static enum key_result load(struct key *k, const struct key_spec *s) {
	bool together = !s->key.field && !s->public_only;
	enum key_result r =
		read_part(k, &s->certificate, s->password,
	                  BUNDLE_CERTIFICATES | (together ? BUNDLE_KEY : 0));
	if (!r && k->bundle.count == 0)
		r = refuse(k, &s->certificate, "no certificate in it");
	if (!r && !s->public_only)
		r = read_key(k, s);
	if (!r && s->public_only)
		find_leaf(k, NULL);
	if (!r && k->chain_count == 0)
		r = refuse(k, s->key.field ? &s->key : &s->certificate,
		           "the certificate and the private key do not belong "
		           "together");
	return r;
}

enum key_result key_load(struct key *k, const struct key_spec *s) {
	enum key_result r;
	ERR_set_mark();
	r = load(k, s);
	while (!r && k->chain_count < k->bundle.count && add_issuer(k))
		continue;
	ERR_pop_to_mark();
	buf_free(&k->text);
	if (r)
		drop_bundle(k);
	return r;
}

/* --- using it ------------------------------------------------------------ */

static int set_padding(EVP_PKEY_CTX *c, enum key_algorithm a) {
	if (a == KEY_RS256)
		return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md_name(c, "SHA256", NULL) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, PSS_SALT) > 0;
}

/* Ends what ERR_set_mark began; returns NULL or the reason. */
static const char *outcome(int ok) {
	const char *why = NULL;
	if (!ok) {
		why = ERR_reason_error_string(ERR_peek_last_error());
		if (!why)
			why = "OpenSSL gave no reason";
	}
	ERR_pop_to_mark();
	return why;
}

const char *key_sign(const struct key *k, enum key_algorithm a,
                     struct span data, char out[KEY_MAX_SIGNATURE], size_t *n) {
	EVP_MD_CTX *c;
	if (!k->key)
		return "it was loaded without its private key";
	EVP_PKEY_CTX *pc = NULL; /* owned by c */
	int ok;
	ERR_set_mark();
	c = EVP_MD_CTX_new();
	*n = KEY_MAX_SIGNATURE;
	ok = c &&
	     EVP_DigestSignInit_ex(c, &pc, "SHA256", NULL, NULL, k->key, NULL) >
	             0 &&
	     set_padding(pc, a) &&
	     EVP_DigestSign(c, (unsigned char *)out, n,
	                    (const unsigned char *)data.p, data.n) > 0;
	EVP_MD_CTX_free(c);
	return outcome(ok);
}

const char *key_thumbprint(const struct key *k, enum key_digest d,
                           char out[KEY_MAX_DIGEST], size_t *n) {
	static const char *const names[] = {
		[KEY_SHA256] = "SHA256", [KEY_SHA1] = "SHA1"
	};
	struct span s = key_certificate(k, 0);
	ERR_set_mark();
	return outcome(EVP_Q_digest(NULL, names[d], NULL, s.p, s.n,
	                            (unsigned char *)out, n));
}

void key_base64(struct span s, char *out) {
	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)s.p,
	                (int)s.n);
}

static bool fingerprints(X509 *x, unsigned char *out) {
	unsigned char *der = NULL;
	unsigned int n;
	size_t sha256;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	bool ok = size > 0 && X509_digest(x, EVP_sha1(), out, &n) == 1 &&
	          EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)size, out + n,
	                       &sha256) == 1 &&
	          n + sha256 == KEY_FINGERPRINTS;
	OPENSSL_free(der);
	return ok;
}

const char *key_fingerprints(struct span pem, char out[KEY_FINGERPRINTS]) {
	char password[] = ""; /* with NULL OpenSSL prompts on the terminal */
	BIO *in;
	X509 *x;
	bool ok;
	ERR_set_mark();
	in = BIO_new_mem_buf(pem.p, (int)pem.n);
	x = in ? PEM_read_bio_X509(in, NULL, NULL, password) : NULL;
	ok = x && fingerprints(x, (unsigned char *)out);
	X509_free(x);
	BIO_free(in);
	return outcome(ok);
}

const char *key_hmac(struct span secret, struct span text, char out[KEY_HMAC]) {
	static const char hex[] = "0123456789abcdef";
	unsigned char mac[KEY_HMAC / 2];
	size_t n = 0;
	bool ok;
	ERR_set_mark();
	ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret.p, secret.n,
	               (const unsigned char *)text.p, text.n, mac, sizeof mac,
	               &n) != NULL &&
	     n == sizeof mac;
	for (size_t i = 0; ok && i < n; i++) {
		out[2 * i] = hex[mac[i] >> 4];
		out[2 * i + 1] = hex[mac[i] & 15];
	}
	return outcome(ok);
}

bool key_same_hmac(const char a[KEY_HMAC], const char b[KEY_HMAC]) {
	return CRYPTO_memcmp(a, b, KEY_HMAC) == 0;
}

const char *key_openssl(void) {
	return OpenSSL_version(OPENSSL_VERSION);
}
