/*
 * http.h -- a request and a reply as values, and what can be read from them:
 * header fields, Retry-After, challenges.  Never any I/O.
 */
#ifndef AZPEC_HTTP_H
#define AZPEC_HTTP_H

#include "url.h"

/* The two clocks, handed in: milliseconds. */
struct now {
	int64_t mono; /* of a monotonic clock: for every wait and deadline */
	int64_t wall; /* since 1970: only for dates that came over the wire */
};

#define NEVER INT64_MAX

static inline int64_t sooner(int64_t a, int64_t b) {
	return a < b ? a : b;
}

enum http_method { HTTP_GET, HTTP_POST, HTTP_PATCH, HTTP_DELETE };

/* One try of one request.  The fields are owned by whoever holds it. */
struct request {
	enum http_method method;
	struct buf url;     /* sent byte for byte */
	struct buf head;    /* "Name: value" lines, each closed by a NUL */
	struct buf body;    /* empty: no body */
	int64_t timeout_ms; /* for this try, name resolution included */
	bool authorize;     /* wants the bearer token */
	bool no_proxy;      /* never through a proxy */
	bool allow_http;    /* a plain http:// URL may be used */
	bool fresh;         /* on a new connection, not on a kept one */
	/* Not sent: the handshake alone, with a peer that nobody verifies;
	   the reply's body is its certificate (PEM). */
	bool handshake;
	/* "sha256//..." and base64: the peer is whoever has this public key
	   (CURLOPT_PINNEDPUBLICKEY), and no authority's word counts. */
	struct buf pin;
};

/* How a try ended below HTTP. */
enum net_error {
	NET_OK,            /* a whole reply came */
	NET_URL,           /* the URL cannot be used */
	NET_RESOLVE,       /* no such host, or the name server failed */
	NET_PROXY,         /* the proxy could not be reached or used */
	NET_PROXY_REFUSED, /* it lets nobody through to there */
	NET_PROXY_AUTH,    /* it wants another user name or password */
	NET_CONNECT,       /* refused, unreachable */
	NET_TLS,     /* handshake failed for another reason than the next two */
	NET_CERT,    /* the peer's certificate was not accepted */
	NET_CA,      /* our own CA file or directory cannot be read */
	NET_TIMEOUT, /* the try's time was up */
	NET_SEND,    /* broke while sending */
	NET_RECV,    /* broke, or ended early, while receiving */
	NET_REFUSED, /* by the server, before it was looked at */
	NET_PROTOCOL, /* the peer does not speak HTTP */
	NET_TOO_BIG,  /* reply larger than the ceiling */
	NET_MEMORY,   /* out of memory */
	NET_OTHER,
	NET_COUNT
};

struct reply {
	int status;      /* of the final response; 0 without one */
	struct buf head; /* its "Name: value" lines, each closed by a NUL; of no
	                    proxy's CONNECT answer and no 1xx */
	struct buf body;
	enum net_error error;
	bool sent;       /* the request may have reached the peer */
	struct buf note; /* a transport error's text for people */
};

void request_init(struct request *q, const struct mem *mem);
void request_clear(struct request *q); /* what an unsent one left */
void request_free(struct request *q);
void request_header(struct request *q, const char *name, struct span value);
/* Nothing in it could end a header field. */
bool http_printable(struct span s);
bool request_failed(const struct request *q); /* out of memory or ceiling */
const char *http_method_name(enum http_method m);
const char *net_error_text(enum net_error e); /* short, for people */
extern const char http_proxy_hint[]; /* what to do about NET_PROXY_AUTH */

void reply_init(struct reply *r, const struct mem *mem, size_t max_body);
void reply_clear(struct reply *r);
void reply_free(struct reply *r);
/* The last non-empty field of that name, blanks trimmed; any case of name. */
struct span reply_header(const struct reply *r, const char *name);
/* The next field of that name from *at on (start with 0). */
bool reply_header_next(const struct reply *r, const char *name, size_t *at,
                       struct span *value);

/* What the reply asks us to wait, in ms; -1 when it names no usable time
   (absent, zero, past, garbage).  retry-after-ms and x-ms-retry-after-ms win
   over Retry-After (seconds or an HTTP date, RFC 9110 5.6.7). */
int64_t http_retry_after(const struct reply *r, int64_t wall);
/* WWW-Authenticate: a parameter of the first challenge of that scheme that has
   it (RFC 9110 11.6.1), unquoted. */
bool http_challenge(const struct reply *r, const char *scheme,
                    const char *param, struct buf *out);
/* The decoded claims of a Bearer challenge. */
bool http_claims(const struct reply *r, struct buf *claims);

#endif
