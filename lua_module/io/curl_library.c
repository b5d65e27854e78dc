/*
 * curl_library.c -- the libcurl of this process: its version, its TLS library,
 * its trust store.
 *
 * A process has one libcurl, shared by all Lua states and threads.  So this
 * file holds the module's only mutable data at file scope: libcurl's facts
 * about itself, read once under pthread_once.  All other data belongs to one
 * struct curlio.
 *
 * Two facts come from outside libcurl's API:
 *
 *   - Two functions of OpenSSL, found by dlsym in the library that libcurl
 *     uses.  This module is not linked with OpenSSL.  Without the functions a
 *     kept TLS connection counts as one that received bytes while it was idle
 *     (curlio.c).
 *   - Whether the directory of certificates has OpenSSL's hashed names.
 */
#include "io/curl_private.h"
#include "io/curlio.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* The minimum at run time, equal to that of the headers. */
enum { OLDEST = 0x075700 };

/* libcurl's facts about itself.  It writes them to static buffers on each call,
   which two threads must not do at once, so they are read once. curl_version()
   is not called: it asks libldap, which looks up the host's name and loads all
   mechanisms of SASL. */
static struct {
	curl_version_info_data info;
	/* two functions for an OpenSSL SSL *, which libcurl does not offer;
	   NULL: libcurl is not built with OpenSSL */
	int (*has_pending)(const void *ssl);
	void (*alpn)(const void *ssl, const unsigned char **name,
	             unsigned int *n);
} library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A host may close a Lua state and thereby unload this module and libcurl.  A
   resolver thread left by CURLOPT_QUICK_EXIT may then still run libcurl's code.
   So libcurl stays mapped once it was used. */
static void *pin(const void *inside) {
	Dl_info lib;
	if (!dladdr(inside, &lib) || lib.dli_fname == NULL)
		return NULL;
	return dlopen(lib.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void look(void) {
	void *handle;
	library.info = *curl_version_info(CURLVERSION_NOW);
	handle = pin(library.info.version); /* points into libcurl */
	if (handle == NULL)
		return;
	/* the way that POSIX gives to convert dlsym's result to a function */
	*(void **)&library.has_pending = dlsym(handle, "SSL_has_pending");
	*(void **)&library.alpn = dlsym(handle, "SSL_get0_alpn_selected");
	dlclose(handle);
}

const curl_version_info_data *library_info(void) {
	pthread_once(&once, look);
	return &library.info;
}

/* No flag is needed: with the feature THREADSAFE libcurl locks and counts the
   calls itself, so each Lua state may call it again. */
const char *curlio_global(void) {
	const curl_version_info_data *v = library_info();
	if (v->version_num < OLDEST)
		return "libcurl 7.87.0 or later is needed";
	if (!(v->features & CURL_VERSION_SSL))
		return "a libcurl with TLS is needed";
	if (!(v->features & CURL_VERSION_ASYNCHDNS))
		return "a libcurl with an asynchronous resolver is needed";
	if (!(v->features & CURL_VERSION_THREADSAFE))
		return "a libcurl with thread-safe initialization is needed";
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return "libcurl could not be initialized";
	return NULL;
}

const char *curlio_version(void) {
	return library_info()->version;
}

const char *curlio_tls(void) {
	return library_info()->ssl_version;
}

/* --- the TLS library ----------------------------------------------------- */

const void *library_tls(CURL *easy) {
	struct curl_tlssessioninfo *tls = NULL;
	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) ||
	    tls == NULL || tls->backend != CURLSSLBACKEND_OPENSSL ||
	    library.has_pending == NULL || library.alpn == NULL)
		return NULL;
	return tls->internals;
}

bool library_is_http2(const void *tls) {
	const unsigned char *name = NULL;
	unsigned int n = 0;
	if (tls != NULL)
		library.alpn(tls, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

bool library_has_pending(const void *tls) {
	return library.has_pending(tls);
}

/* --- the trust store ----------------------------------------------------- */

static bool is_hashed(const char *name) {
	for (int i = 0; i < 8; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return name[8] == '.' && isdigit((unsigned char)name[9]);
}

/* True if OpenSSL finds certificates in this directory (`c_rehash` was run). */
static bool has_hashed(const char *path) {
	struct dirent *e;
	bool found = false;
	DIR *dir = path ? opendir(path) : NULL;
	if (dir == NULL)
		return false;
	while (!found && (e = readdir(dir)) != NULL)
		found = is_hashed(e->d_name);
	closedir(dir);
	return found;
}

/*
 * Chooses which certificates to trust.  Debian's libcurl has a bundle and a
 * directory built in.  With both it parses the whole bundle for each
 * connection.  Measured with Debian's 140 roots, one process, TLS 1.3:
 *
 *   both                  51 ms for the first connection, then 46 ms each
 *   the bundle            33 ms, then 2.2 ms: libcurl keeps the parsed bundle
 *   the hashed directory   5 ms, then 2.4 ms: OpenSSL reads what it needs
 *
 * So the directory is used if it exists.  The bundle would be faster only after
 * a hundred connections.
 */
void curlio_trust(const struct curlio_config *cfg, const char **file,
                  const char **path) {
	const curl_version_info_data *v = library_info();
	*file = cfg->ca_file;
	*path = cfg->ca_path;
	if (*file != NULL || *path != NULL)
		return;
	if (has_hashed(v->capath))
		*path = v->capath;
	else
		*file = v->cainfo;
}
