/*
 * curlio.h -- moves bytes with libcurl and never decides.  One curlio is one
 * multi handle: its connections, its TLS sessions, its timer.  curlio.c is the
 * only file that includes curl.h.  Nothing here knows Lua, and no callback
 * given to libcurl does more than copy bytes or note a deadline.
 */
#ifndef AZPEC_CURLIO_H
#define AZPEC_CURLIO_H

#include "core/http.h"
#include "pollset.h"

struct curlio_config {
	const char *ca_file; /* NULL: SSL_CERT_FILE, CURL_CA_BUNDLE, then the
	                          system's store; read by the caller of curlio */
	const char *ca_path;
	const char *proxy; /* NULL: the environment, as curl does; "": none */
	const char *user_agent;
	long max_connections; /* 0: no limit */
	size_t max_body;      /* ceiling of one reply's body */
};

struct curlio;   /* opaque */
struct transfer; /* one request on its way and the reply that comes back */

/* Once in a process, thread-safe.  NULL: fine; otherwise why this libcurl
   cannot be used (too old, no asynchronous resolver, no TLS). */
const char *curlio_global(void);
const char *curlio_version(void); /* "7.88.1" */
const char *curlio_tls(void);     /* "OpenSSL/3.0.19" */

/* The file and the directory of certificates that a curlio of this trusts;
   both NULL: those that the TLS library itself knows. */
void curlio_trust(const struct curlio_config *cfg, const char **file,
                  const char **path);

/* NULL: no memory or no descriptor.  The strings of cfg are copied. */
struct curlio *curlio_open(const struct mem *mem, struct pollset *ps,
                           const struct curlio_config *cfg);
/* Ends all transfers without feeding anybody and frees everything.  With
   forked true: only closes the sockets, tells no peer and touches no epoll. */
void curlio_close(struct curlio *io, bool forked);

/* Takes q's buffers over (q is left empty) and begins.  NULL: no memory.
   owner is handed back with the finished transfer.  What fails at once ends
   like any other transfer.  A GET is sent once more when a kept connection
   ended under it; anything else ends as NET_RECV, sent, for the caller to
   decide.  The connection's state costs nobody a try: what came unasked over
   an idle one, and a server that wants HTTP/1.1 (see on_ready in curlio.c). */
struct transfer *curlio_send(struct curlio *io, struct request *q, void *owner);
void curlio_abort(struct curlio *io, struct transfer *t);

/* Moves whatever can be moved now; never waits. */
void curlio_step(struct curlio *io);
/* The next finished transfer, which stays on the list until it is released;
   NULL: none. */
struct transfer *curlio_finished(struct curlio *io);
void *transfer_owner(const struct transfer *t);
const struct request *transfer_request(const struct transfer *t);
/* May any of the request have reached the peer by now? */
bool transfer_sent(const struct transfer *t);
const struct reply *transfer_reply(const struct transfer *t);
void curlio_release(struct curlio *io, struct transfer *t);

/* When libcurl wants to be stepped even if no descriptor is ready: ms of the
   monotonic clock, NEVER for not at all. */
int64_t curlio_due(const struct curlio *io);
/* Enough connections are being made for now: more would start all at once, when
   the first of them turns out not to speak HTTP/2, and keep one step busy. */
bool curlio_crowded(const struct curlio *io);

#endif
