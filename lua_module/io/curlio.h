/*
 * curlio.h -- sends requests with libcurl; it makes no decisions about the
 * protocol.  One curlio is one multi handle with its connections, TLS sessions
 * and timer.  Only the files io/curl* include curl.h, through curl_private.h.
 * Nothing here knows Lua. libcurl's callbacks only copy bytes or note a
 * deadline.
 */
#ifndef AZPEC_CURLIO_H
#define AZPEC_CURLIO_H

#include "core/http.h"
#include "io/pollset.h"

struct curlio_config {
	const char *ca_file; /* NULL: see curlio_trust.  The caller reads
	                        SSL_CERT_FILE and CURL_CA_BUNDLE */
	const char *ca_path;
	const char *proxy; /* NULL: the environment variables, as curl does; "":
	                      no proxy */
	const char *user_agent;
	long max_connections; /* 0: no limit */
	size_t max_body;      /* the limit of a reply's body in bytes */
};

struct curlio;   /* opaque */
struct transfer; /* a request in flight, and later its reply */

/* Initializes libcurl once per process; thread-safe.  NULL: done; otherwise why
   this libcurl cannot be used (too old, no asynchronous resolver, no TLS). */
const char *curlio_global(void);
const char *curlio_version(void); /* "7.88.1" */
const char *curlio_tls(void);     /* "OpenSSL/3.0.19" */

/* The CA file and CA directory that a curlio of this configuration trusts.
   Both NULL: those that the TLS library knows. */
void curlio_trust(const struct curlio_config *cfg, const char **file,
                  const char **path);

/* NULL: out of memory or descriptors.  The strings of cfg are copied. */
struct curlio *curlio_open(const struct mem *mem, struct pollset *ps,
                           const struct curlio_config *cfg);
/* Aborts all transfers and frees everything. forked: only closes the sockets,
   sends nothing to any peer and changes no epoll. */
void curlio_close(struct curlio *io, bool forked);

/* Moves q's buffers into a new transfer (q is left empty) and starts it.  NULL:
   out of memory. owner is returned by transfer_owner.  A transfer that fails at
   once is reported like any other.  A GET is sent once more if a kept
   connection ended during it; any other request then fails as NET_RECV with
   `sent` set.  Two states of a connection are handled here (see on_ready in
   curlio.c): bytes that came over it while it was idle, and a server that
   demands HTTP/1.1. */
struct transfer *curlio_send(struct curlio *io, struct request *q, void *owner);
void curlio_abort(struct curlio *io, struct transfer *t);

/* Handles ready sockets and timers until the time `enough` (sys_micros),
   without blocking.  At least one socket and one timer are served. */
void curlio_step(struct curlio *io, int64_t enough);
/* The next finished transfer, or NULL.  It stays first until it is released. */
struct transfer *curlio_finished(struct curlio *io);
void *transfer_owner(const struct transfer *t);
const struct request *transfer_request(const struct transfer *t);
/* True when a part of the request may have reached the peer. */
bool transfer_sent(const struct transfer *t);
const struct reply *transfer_reply(const struct transfer *t);

/* The parts of a finished transfer's last try, in microseconds; -1: it had no
   such part.  A kept connection has no dns, connect and tls, and without an
   answer there is no wait and no receive. */
struct transfer_times {
	int64_t dns, connect, tls, wait, receive;
};
struct transfer_times transfer_times(const struct transfer *t);
void curlio_release(struct curlio *io, struct transfer *t);

/* When curlio_step is due even if no descriptor is ready: ms of the monotonic
   clock; NEVER: not at all. */
int64_t curlio_due(const struct curlio *io);
/* True when no further connection should be started now.  If the first one does
   not speak HTTP/2, all waiting transfers start at once, which makes one step
   long. */
bool curlio_at_connect_limit(const struct curlio *io);

#endif
