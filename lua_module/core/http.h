/*
 * http.h -- a request and a reply as values, and the parts that are read from
 * them: header fields, Retry-After, challenges.  It does no I/O.
 */
#ifndef AZPEC_HTTP_H
#define AZPEC_HTTP_H

#include "core/url.h"

/* The two clocks, in milliseconds.  Callers pass them in; the core reads
   none. */
struct now {
	int64_t mono; /* monotonic clock, for waits and deadlines */
	int64_t wall; /* since 1970: only for dates that a server sent */
};

#define NEVER INT64_MAX

static inline int64_t sooner(int64_t a, int64_t b) {
	return a < b ? a : b;
}

enum http_method { HTTP_GET, HTTP_POST, HTTP_PATCH, HTTP_DELETE };

/* One try of one request.  Its holder owns the fields. */
struct request {
	enum http_method method;
	struct buf url;     /* sent byte for byte */
	struct buf head;    /* "Name: value" lines, each followed by a NUL */
	struct buf body;    /* empty: no body */
	int64_t timeout_ms; /* for this try, name resolution included */
	bool no_proxy;      /* do not use a proxy */
	bool allow_http;    /* accept a plain http:// URL */
	bool fresh;         /* use a new connection, not a kept one */
	/* Only the TLS handshake, without verifying the peer.  Nothing is sent;
	   the reply's body is the peer's certificate (PEM). */
	bool handshake;
	/* "sha256//" and base64: accept only a peer with this public key
	   (CURLOPT_PINNEDPUBLICKEY), whether or not a CA signed its
	   certificate. */
	struct buf pin;
};

/* How a try ended below HTTP. */
enum net_error {
	NET_OK,            /* a complete reply was received */
	NET_URL,           /* the URL cannot be used */
	NET_RESOLVE,       /* no such host, or the name server failed */
	NET_PROXY,         /* the proxy could not be reached or used */
	NET_PROXY_REFUSED, /* the proxy refuses connections to this host */
	NET_PROXY_AUTH,    /* the proxy asks for other credentials */
	NET_PROXY_TLS,     /* the handshake with the proxy itself failed */
	NET_PROXY_CERT,    /* the proxy's own certificate is not trusted */
	NET_CONNECT,       /* refused, unreachable */
	NET_TLS,      /* the handshake failed, other than by the next two */
	NET_CERT,     /* the peer's certificate is not trusted */
	NET_CA,       /* the CA file or directory cannot be read */
	NET_TIMEOUT,  /* the try timed out */
	NET_SEND,     /* the connection broke while sending */
	NET_RECV,     /* it broke, or ended early, while receiving */
	NET_REFUSED,  /* the server refused it before processing */
	NET_PROTOCOL, /* the peer does not speak HTTP */
	NET_TOO_BIG,  /* the reply exceeds the limit */
	NET_MEMORY,   /* out of memory */
	NET_OTHER,
	NET_COUNT
};

struct reply {
	int status;      /* of the final response; 0: no response */
	struct buf head; /* its "Name: value" lines, each followed by a NUL;
	                    without 1xx responses and the proxy's CONNECT
	                    response */
	struct buf body;
	enum net_error error;
	bool sent;       /* the request may have reached the peer */
	struct buf note; /* the transport error as text */
};

void request_init(struct request *q, const struct mem *mem);
void request_clear(struct request *q); /* removes what an unsent request left */
void request_free(struct request *q);
void request_header(struct request *q, const char *name, struct span value);
/* Like reply_header, for a request. */
struct span request_field(const struct request *q, const char *name);
/* True when s contains no character that could end a header field. */
bool http_printable(struct span s);
/* Out of memory or above a limit. */
bool request_failed(const struct request *q);
const char *http_method_name(enum http_method m);
const char *net_error_text(enum net_error e); /* a short text for messages */
const char *net_error_hint(enum net_error e); /* what to do; NULL: nothing */
/* True where the proxy failed, and not the server. */
bool net_error_of_proxy(enum net_error e);

void reply_init(struct reply *r, const struct mem *mem, size_t max_body);
void reply_clear(struct reply *r);
void reply_free(struct reply *r);
/* The last non-empty field of that name, trimmed.  Names are compared without
   regard to case. */
struct span reply_header(const struct reply *r, const char *name);
/* The next field of that name at or after *at, which starts at 0. */
bool reply_header_next(const struct reply *r, const char *name, size_t *at,
                       struct span *value);

/* The wait that the reply asks for, in ms; -1: none that can be used (absent,
   zero, in the past, malformed). retry-after-ms and x-ms-retry-after-ms take
   precedence over Retry-After, which is in seconds or an HTTP date (RFC 9110
   section 5.6.7).  A 429 without them may have Azure Resource Graph's own
   header.  `wall` is the time at which the reply came, in ms since 1970. */
int64_t http_retry_after(const struct reply *r, int64_t wall);
/* ms until Azure Resource Graph resets its count of queries, from
   x-ms-user-quota-resets-after; -1: absent, zero or malformed. */
int64_t http_quota_reset(const struct reply *r);
/* Reads WWW-Authenticate: a parameter of the first challenge of that scheme
   that has it, unquoted (RFC 9110 section 11.6.1).  False: not found. */
bool http_challenge(const struct reply *r, const char *scheme,
                    const char *param, struct buf *out);
/* The base64-decoded claims of a Bearer challenge.  False: none. */
bool http_claims(const struct reply *r, struct buf *claims);

#endif
