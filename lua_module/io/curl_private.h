/*
 * curl_private.h -- shared by the files that use libcurl, and by no others.
 *
 * A request passes through five files:
 *
 *   curl_library  the libcurl of this process: is it usable, which
 *                 certificates does it trust, what its TLS library knows
 *   curl_request  one request on one easy handle, and the reply's bytes
 *   curl_proxy    the proxy that it used, and what messages say of it
 *   curl_error    how a transfer ended: a CURLcode becomes an enum net_error
 *   curlio        one multi handle: its sockets, its timer, all transfers
 *
 * Each file calls only those above it in this list. libcurl's callbacks about
 * sockets belong to curlio, those about bytes to curl_request.
 */
#ifndef AZPEC_CURL_PRIVATE_H
#define AZPEC_CURL_PRIVATE_H

#include "core/http.h"
#include "core/queue.h"
#include "io/pollset.h"

#include <curl/curl.h>

#if LIBCURL_VERSION_NUM < 0x075700
#error "azpec needs libcurl 7.87.0 or later (CURLOPT_QUICK_EXIT)"
#endif

struct curlio_config;

/* How a request is sent again, see on_ready in curlio.c. */
enum again { NOT_AGAIN, AS_BEFORE, ON_NEW_CONNECTION };

/* A transfer moves between the queues idle, active and finished together with
   its easy handle.  Creating a handle costs more than a request on a warm
   connection. */
struct transfer {
	struct queue_link link;
	struct curlio *io;
	CURL *easy;
	CURLU *curlu;      /* of q.url */
	struct buf origin; /* the origin that `curlu` holds; empty: it belongs
	                      to q */
	void *owner;
	struct request q;
	struct reply reply;
	struct curl_slist *nodes; /* one for each line of q.head, pointing into
	                             it */
	size_t nnodes;
	bool starting;              /* counted in io->starting */
	size_t lines;               /* bytes of all lines of heads and trailers
	                             */
	bool interim;               /* the current head is a 1xx response's */
	bool head_done;             /* the head of the final response is
	                               complete */
	bool begun;                 /* sending began in this attempt */
	int tries;                  /* number of attempts in which sending
	                               began */
	long connects;              /* connections that this attempt opened */
	bool reused;                /* uses a connection that was used before */
	bool http2;                 /* ... and speaks HTTP/2 */
	bool ended;                 /* ... and was closed by the peer */
	int port;                   /* ... with this local port */
	int peer_port;              /* the remote port of the last connection */
	bool out_of_fds;            /* its socket could not be opened: too many
	                               open files */
	enum again again;           /* how to send it again */
	enum net_error why;         /* the reason if a callback aborted it */
	char text[CURL_ERROR_SIZE]; /* libcurl's error text */
	/* the current settings of the easy handle */
	enum http_method method;
	bool posting, no_proxy, allow_http, https, fresh;
	bool once; /* do not use the easy handle again */
	int64_t timeout_ms;
};

static inline struct transfer *transfer_at(struct queue_link *n) {
	return (struct transfer *)n;
}

struct curlio {
	const struct mem *mem;
	struct pollset *ps;
	CURLM *multi;
	CURL *model;             /* holds the options that no request changes */
	struct curl_slist *tail; /* see make_tail */
	size_t max_body;
	long max_connections; /* 0: no limit */
	struct buf proxy;     /* the URL of the proxy that is configured */
	bool direct;          /* no proxy at all, not even from the
	                         environment */
	bool broken;          /* a socket cannot be watched */
	bool begun;           /* a transfer was added since the last step */
	bool doubtful;        /* the multi handle must be replaced, see renew */
	int64_t due;
	int starting; /* transfers whose connection is not established */
	struct queue active, finished, idle;
	struct note *sockets; /* indexed by descriptor */
	size_t nsockets;
};

/* ---- curl_library ------------------------------------------------------- */

const curl_version_info_data *library_info(void);
/* The SSL * of the handle's connection; NULL: plain, or not OpenSSL. */
const void *library_tls(CURL *easy);
bool library_is_http2(const void *tls);
/* True when the TLS layer holds unread bytes of the peer. */
bool library_has_pending(const void *tls);

/* ---- curl_request ------------------------------------------------------- */

/* Creates io->model and io->tail.  False: out of memory. */
bool model_open(struct curlio *io, const struct curlio_config *cfg);
void model_close(struct curlio *io, bool forked);

/* Creates a transfer with its own easy handle, in no queue.  NULL: out of
   memory. */
struct transfer *transfer_new(struct curlio *io);
/* Frees it. forked: libcurl's handle is abandoned, see curlio_close. */
void transfer_free(struct curlio *io, struct transfer *t, bool forked);
/* Prepares its handle for t->q. */
CURLcode transfer_set(struct curlio *io, struct transfer *t);
CURLcode transfer_set_timeouts(struct transfer *t);
CURLcode transfer_set_fresh(struct transfer *t, bool fresh);
/* Removes the idle handle's pointers to memory that will be freed. */
void transfer_detach(struct transfer *t);
/* Appends s to a buffer of its reply.  False: t->why has the reason. */
bool transfer_keep(struct transfer *t, struct buf *b, struct span s);
long transfer_info(const struct transfer *t, CURLINFO what);
/* True when no proxy is used, not even from the environment. */
bool transfer_is_direct(const struct transfer *t);

/* ---- curl_proxy --------------------------------------------------------- */

struct proxy {
	struct span url;  /* absent: none was used */
	const char *from; /* the option or variable that names it */
};

/* The spans are valid until the environment changes. */
struct proxy transfer_proxy(const struct transfer *t);
/* True for a proxy by HTTP, which answers CONNECT. */
bool proxy_speaks_http(const struct proxy *p);
/* Appends its URL without user name and password, where this is from, and what
   is odd about it. */
void proxy_describe(struct buf *out, const struct proxy *p,
                    const struct transfer *t);

/* ---- curl_error --------------------------------------------------------- */

/* Completes the reply of a transfer that ended with this code. */
void transfer_judge(struct transfer *t, CURLcode code);

#endif
