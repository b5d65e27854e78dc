/*
 * curlio.c -- curlio.h with libcurl's multi-socket interface: one multi handle,
 * its sockets, its timer, its transfers.
 *
 * libcurl does not block, and neither does this file. libcurl says which
 * sockets it wants watched (on_socket), and when it wants to be called without
 * any (on_timer).  The pollset watches them; curlio_step passes ready ones to
 * curl_multi_socket_action.  Nothing is scanned.
 *
 * A transfer moves between three queues, together with its easy handle:
 *
 *   idle --curlio_send--> active --libcurl is done--> finished
 *     ^                                                   |
 *     +------------------curlio_release-------------------+
 *
 * curlio_abort leads from any queue back to idle.
 *
 * Two decisions are made here, because libcurl would make them silently:
 * whether a kept connection may be used, and whether a request is sent a second
 * time (on_ready).  One step handles only a few sockets and timers, so that the
 * host's event loop stays responsive.
 */
#include "io/curlio.h"
#include "io/curl_private.h"
#include "io/sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MULTI_QUICK_EXIT = 21,  /* CURLMOPT_, as a number: since 8.20.0 */
	MAX_PROXY = 64 * 1024,  /* bytes of a proxy's URL */
	MAX_STARTING = 8,       /* handshakes at once; one takes about 1 ms */
	KEEP_CONNECTIONS = 128, /* idle connections, if no limit is
	                           configured */
	KEEP_TRANSFERS = 64,    /* idle transfers, each with an easy handle */
	KEEP_TEXT = 32 * 1024,  /* bytes that the buffers of an idle transfer
	                           may keep */
	STEP_EVENTS = 8,        /* sockets served by one step ... */
	STEP_TIMERS = 4,        /* ... and timers */
};

/* --- sockets ------------------------------------------------------------- */

/* libcurl asks to forget a socket after each reply and to watch it again with
   the next request.  A connection's socket stays in the epoll in between, which
   saves two system calls per request.  It leaves when it is closed, or when it
   is ready and libcurl does not want it.  This is safe only for sockets whose
   closing is reported, those opened by on_open: a number may be reused at once.
   libcurl closes a socket without a report if it never became a connection; it
   only asks to forget it.  So its existence is checked with every request until
   it is known to be a connection. */
enum {
	WANT_READ = POLLSET_READ, /* the events that libcurl waits for */
	WANT_WRITE = POLLSET_WRITE,
	WANT = WANT_READ | WANT_WRITE,
	WATCH_SHIFT = 2, /* the same, as set in the pollset */
	WATCH = WANT << WATCH_SHIFT,
	OPENED = 16,   /* by on_open; on_close will close it */
	CONNECTED = 32 /* ... in any case */
};

struct note {
	uint64_t inode; /* tells it from a later one with the same number */
	unsigned char bits;
	uint16_t port; /* its local port; 0: not known yet */
};

static int bits(const struct curlio *io, int fd) {
	return (size_t)fd < io->nsockets ? io->sockets[fd].bits : 0;
}

static bool reach(struct curlio *io, int fd) {
	struct note *p = mem_reach(io->mem, io->sockets, &io->nsockets,
	                           (size_t)fd, sizeof(*p));
	if (p != NULL)
		io->sockets = p;
	return p != NULL;
}

static bool is_there(const struct curlio *io, int fd) {
	return sys_inode(fd) == io->sockets[fd].inode;
}

/* Makes the pollset watch fd for exactly these events. */
static bool watch(struct curlio *io, int fd, int events) {
	int now = io->sockets[fd].bits, then = events << WATCH_SHIFT;
	if ((now & WATCH) == then)
		return true;
	if (pollset_watch(io->ps, fd, events) != 0)
		return false;
	io->sockets[fd].bits = (unsigned char)((now & ~WATCH) | then);
	return true;
}

static void forget(struct curlio *io, int fd) {
	if (bits(io, fd) == 0)
		return;
	watch(io, fd, 0);
	io->sockets[fd] = (struct note){ 0 };
}

static uint16_t port_of(const struct sockaddr *a) {
	return a->sa_family == AF_INET
	               ? ntohs(((const struct sockaddr_in *)a)->sin_port)
	       : a->sa_family == AF_INET6
	               ? ntohs(((const struct sockaddr_in6 *)a)->sin6_port)
	               : 0;
}

static uint16_t own_port(int fd) {
	struct sockaddr_storage own = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof(own);
	if (getsockname(fd, (struct sockaddr *)&own, &n) != 0)
		return 0;
	return port_of((struct sockaddr *)&own);
}

static void want(struct curlio *io, int fd, int events) {
	struct note *note;
	if (!reach(io, fd)) {
		io->broken = true;
		return;
	}
	note = &io->sockets[fd];
	if (events != 0 && (note->bits & (OPENED | CONNECTED)) == OPENED &&
	    !is_there(io, fd))
		note->bits = 0;
	if (events != 0 && (note->bits & OPENED) && note->port == 0)
		note->port = own_port(fd);
	note->bits = (unsigned char)((note->bits & ~WANT) | events);
	if (events == 0 && (note->bits & OPENED))
		return;
	if (!watch(io, fd, events))
		io->broken = true;
}

/* --- what libcurl asks for ----------------------------------------------- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ud,
                     void *mark) {
	(void)easy;
	(void)mark;
	if (what == CURL_POLL_REMOVE) {
		want(ud, fd, 0);
		return 0;
	}
	want(ud, fd,
	     ((what & CURL_POLL_IN) ? WANT_READ : 0) |
	             ((what & CURL_POLL_OUT) ? WANT_WRITE : 0));
	return 0; /* never -1, which would end all transfers for good */
}

/* libcurl reports the local port and not the socket.  A connection to another
   host may have the same local port; then both are checked. */
static bool is_at(const struct curlio *io, size_t fd, int port) {
	return (io->sockets[fd].bits & OPENED) && io->sockets[fd].port == port;
}

/* True when the peer has closed the connection. */
static bool has_ended(int fd) {
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	return poll(&p, 1, 0) > 0;
}

static void note_end(struct curlio *io, int fd) {
	if (!(bits(io, fd) & OPENED) || !has_ended(fd))
		return;
	for (struct queue_link *n = io->active.first; n != NULL; n = n->next) {
		struct transfer *t = transfer_at(n);
		t->ended |= t->port == io->sockets[fd].port;
	}
}

/* The transfer will be sent on another connection, see on_ready. */
static void leave_connection(struct transfer *t) {
	for (size_t fd = 0; t->port != 0 && fd < t->io->nsockets; fd++)
		if (is_at(t->io, fd, t->port))
			note_end(t->io, (int)fd);
	t->port = 0;
}

static curl_socket_t on_open(void *ud, curlsocktype purpose,
                             struct curl_sockaddr *a) {
	struct transfer *t = ud;
	struct curlio *io = t->io;
	int fd = sys_up(
		socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol));
	(void)purpose;
	leave_connection(t);
	t->peer_port = port_of(&a->addr);
	t->out_of_fds = fd < 0 && (errno == EMFILE || errno == ENFILE);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (!reach(io, fd)) {
		t->why = NET_MEMORY;
		close(fd);
		return CURL_SOCKET_BAD;
	}
	forget(io, fd); /* an older socket with the same number */
	io->sockets[fd] = (struct note){ sys_inode(fd), OPENED, 0 };
	return fd;
}

static int on_close(void *ud, curl_socket_t fd) {
	note_end(ud, fd);
	forget(ud, fd);
	return close(fd);
}

/* After a fork the sockets belong to the parent too, so only this process's
   descriptors are closed.  Sockets that libcurl made for itself, such as a
   resolver's pair, stay open: they cannot be told from the host's own. */
static void close_sockets(struct curlio *io) {
	for (int fd = 0; (size_t)fd < io->nsockets; fd++)
		if (bits(io, fd) & OPENED)
			sys_close(fd, io->sockets[fd].inode);
}

/* --- the timer ----------------------------------------------------------- */

/* libcurl compares with a finer clock.  Without the extra millisecond the timer
   would often fire too early, and a second time. */
static int on_timer(CURLM *multi, long ms, void *ud) {
	struct curlio *io = ud;
	(void)multi;
	if (ms < 0)
		io->due = NEVER;
	else
		io->due = sys_mono() + ms + (ms > 0);
	return 0;
}

static void started(struct transfer *t) {
	if (t->starting)
		t->io->starting--;
	t->starting = false;
}

/* --- the connection is established
   ------------------------------------------- */

/*
 * libcurl calls on_ready when a connection is established and the request is
 * about to be sent (CURLOPT_PREREQFUNCTION).  Here two things are refused that
 * libcurl would do silently.
 *
 * It would use a kept HTTP/1 connection that received bytes while it was idle.
 * These bytes answer no request (RFC 9112 section 9.5), and would be taken for
 * the response to the next one.  Nothing was sent yet, so the request goes out
 * on a new connection.  The same holds over TLS: a server sends its session
 * tickets before its first response, and then nothing unasked.  HTTP/2 is
 * exempt, because it numbers its streams and may send at any time.
 *
 * It would repeat a request by itself, up to five times, for three reasons:
 *
 *   - A kept connection ended before the response.  A GET is sent once more;
 *     a write may have been carried out.
 *   - The server reset the stream with HTTP_1_1_REQUIRED.  Nothing was done
 *     (RFC 9113 section 7), and libcurl sends it over HTTP/1.1.
 *   - The server refused the stream, by REFUSED_STREAM or GOAWAY.  Nothing
 *     was done (RFC 9113 section 8.7); the caller decides about a retry.
 *
 * libcurl does not tell which reason applies.  On a new connection it is not
 * the first.  It is the second if HTTP/1.1 follows HTTP/2 and the peer did not
 * close the connection before.
 */

/* True for bytes, the end of the stream, or an error. */
static bool has_input(int fd) {
	char c;
	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EWOULDBLOCK);
}

static bool is_silent(struct curlio *io, int port) {
	struct note *found = NULL;
	size_t n = 0;
	for (size_t fd = 0; fd < io->nsockets; fd++) {
		if (!is_at(io, fd, port))
			continue;
		if (has_input((int)fd))
			return false;
		found = &io->sockets[fd];
		n++;
	}
	if (n == 1) /* no other can be the kept connection */
		found->bits |= CONNECTED;
	return n > 0;
}

/* The TLS layer may have read bytes that the server sent after its last
   response.  If that is unknown, the answer is true. */
static bool has_spoken(const struct transfer *t, const void *tls) {
	if (tls != NULL ? library_has_pending(tls) : t->https)
		return true;
	return !is_silent(t->io, t->port);
}

/* Decides whether libcurl may send the request once more. */
static bool may_repeat(struct transfer *t, bool http2) {
	leave_connection(t);
	t->why = NET_RECV;
	if (t->reply.head.n > 0) /* it was answered, not refused */
		return false;
	if (t->http2 && !http2 && !(t->reused && t->ended)) {
		t->why = NET_OK;
		return true;
	}
	if (!t->reused)
		t->why = NET_REFUSED;
	else if (t->q.method == HTTP_GET && t->tries == 1)
		t->again = AS_BEFORE;
	return false;
}

static int on_ready(void *ud, char *ip, char *own_ip, int port, int own) {
	struct transfer *t = ud;
	const void *tls = library_tls(t->easy);
	bool http2 = library_is_http2(tls);
	(void)ip;
	(void)own_ip;
	(void)port;
	started(t);
	if (t->begun && !may_repeat(t, http2))
		return CURL_PREREQFUNC_ABORT;
	t->reused = transfer_info(t, CURLINFO_NUM_CONNECTS) == t->connects;
	t->connects = transfer_info(t, CURLINFO_NUM_CONNECTS);
	t->http2 = http2;
	t->ended = false;
	t->port = own;
	if (t->reused && !http2 && has_spoken(t, tls)) {
		t->again = ON_NEW_CONNECTION;
		return CURL_PREREQFUNC_ABORT;
	}
	t->begun = true;
	t->tries++;
	return CURL_PREREQFUNC_OK;
}

static bool set_callbacks(struct curlio *io) {
	CURL *m = io->model;
	return !curl_easy_setopt(m, CURLOPT_PREREQFUNCTION, on_ready) &&
	       !curl_easy_setopt(m, CURLOPT_OPENSOCKETFUNCTION, on_open) &&
	       !curl_easy_setopt(m, CURLOPT_CLOSESOCKETFUNCTION, on_close) &&
	       !curl_easy_setopt(m, CURLOPT_CLOSESOCKETDATA, io);
}

/* --- opening and closing ------------------------------------------------- */

static bool set_multi(struct curlio *io, CURLM *m) {
	long max = io->max_connections;
	long idle = max > 0 ? max : KEEP_CONNECTIONS;
	/* Since 8.20.0 the resolver threads belong to the multi handle; an
	   older libcurl rejects the option. */
	curl_multi_setopt(m, (CURLMoption)MULTI_QUICK_EXIT, 1L);
	return !curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) &&
	       !curl_multi_setopt(m, CURLMOPT_SOCKETDATA, io) &&
	       !curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer) &&
	       !curl_multi_setopt(m, CURLMOPT_TIMERDATA, io) &&
	       !curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, max) &&
	       /* The default is four times the number of current transfers,
	          which is too small while most operations wait between two
	          polls. */
	       !curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, idle);
}

/*
 * Replaces the multi handle, if there is one.  False: out of memory, and the
 * old one stays.  When libcurl (7.88.1) runs out of memory, it keeps two things
 * that it must not use again:
 *
 *   - The entry of a socket whose table of transfers was freed.  The next
 *     connection with the same descriptor number divides by zero.
 *   - Certificates whose keys OpenSSL could not read.  They are cached for a
 *     day, and every handshake fails.
 */
static bool renew(struct curlio *io) {
	struct occupied low = sys_occupy(); /* it creates a pair of sockets */
	CURLM *m = curl_multi_init();
	sys_vacate(&low);
	if (m == NULL || !set_multi(io, m)) {
		curl_multi_cleanup(m);
		return false;
	}
	curl_multi_cleanup(io->multi); /* calls on_close */
	io->multi = m;
	io->due = NEVER;
	io->doubtful = false;
	return true;
}

/* True when the multi handle must be replaced after this error. */
static bool casts_doubt(enum net_error e) {
	return e == NET_MEMORY || e == NET_TLS || e == NET_CERT ||
	       e == NET_PROXY_TLS || e == NET_PROXY_CERT;
}

struct curlio *curlio_open(const struct mem *mem, struct pollset *ps,
                           const struct curlio_config *cfg) {
	struct curlio *io = mem_resize(mem, NULL, 0, sizeof(*io));
	if (io == NULL)
		return NULL;
	*io = (struct curlio){ .mem = mem, .ps = ps, .due = NEVER };
	io->max_body = cfg->max_body;
	io->max_connections = cfg->max_connections;
	io->direct = cfg->proxy != NULL && *cfg->proxy == '\0';
	buf_init(&io->proxy, mem, MAX_PROXY);
	io->proxy.secret = true;
	buf_adds(&io->proxy, cfg->proxy);
	if (io->proxy.failed || !renew(io) || !model_open(io, cfg) ||
	    !set_callbacks(io)) {
		curlio_close(io, false);
		return NULL;
	}
	return io;
}

static void drop_all(struct curlio *io, struct queue *q, bool forked) {
	struct transfer *t;
	while ((t = transfer_at(q->first)) != NULL) {
		queue_leave(&t->link);
		if (!forked && q == &io->active)
			curl_multi_remove_handle(io->multi, t->easy);
		transfer_free(io, t, forked);
	}
}

/* In a forked child libcurl's handles are abandoned: a deliberate leak.
   Cleaning them up would change the parent's epoll, and send a TLS close_notify
   into the parent's connections. */
void curlio_close(struct curlio *io, bool forked) {
	drop_all(io, &io->active, forked);
	drop_all(io, &io->finished, forked);
	drop_all(io, &io->idle, forked);
	if (forked)
		close_sockets(io);
	else
		curl_multi_cleanup(io->multi); /* calls on_close */
	model_close(io, forked);
	buf_free(&io->proxy);
	mem_resize(io->mem, io->sockets, io->nsockets * sizeof(*io->sockets),
	           0);
	mem_resize(io->mem, io, sizeof(*io), 0);
}

/* --- the idle transfers -------------------------------------------------- */

static struct transfer *take(struct curlio *io) {
	/* the last one used is in the processor's cache */
	struct transfer *t = transfer_at(io->idle.last);
	if (t == NULL)
		return transfer_new(io);
	queue_leave(&t->link);
	return t;
}

static bool is_large(const struct buf *b) {
	return b->cap > KEEP_TEXT;
}

/* Removes what belongs to the last request; secrets are overwritten. */
static void recycle(struct curlio *io, struct transfer *t) {
	queue_leave(&t->link);
	if (io->idle.n >= KEEP_TRANSFERS || t->once) {
		transfer_free(io, t, false);
		return;
	}
	request_clear(&t->q);
	if (is_large(&t->q.url) || is_large(&t->q.head) || is_large(&t->q.body))
		request_free(&t->q);
	if (is_large(&t->reply.body) || is_large(&t->reply.head))
		reply_free(&t->reply);
	reply_clear(&t->reply);
	queue_enter(&io->idle, &t->link);
}

/* --- how a transfer ends ------------------------------------------------- */

static void begin_turn(struct curlio *io, struct transfer *t) {
	t->interim = t->head_done = t->begun = false;
	t->lines = 0;
	t->again = NOT_AGAIN;
	t->port = t->peer_port = 0;
	t->connects = 0;
	t->why = NET_OK;
	t->text[0] = '\0';
	t->starting = true;
	io->starting++;
}

static int64_t spent_ms(const struct transfer *t) {
	curl_off_t us = 0;
	curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &us);
	return us / 1000;
}

static void end(struct curlio *io, struct transfer *t, CURLcode code) {
	transfer_judge(t, code);
	io->doubtful |= casts_doubt(t->reply.error);
	started(t);
	curl_multi_remove_handle(io->multi, t->easy);
	transfer_detach(t);
	queue_enter(&io->finished, &t->link);
}

static CURLcode begin_again(struct curlio *io, struct transfer *t) {
	enum again again = t->again;
	CURLcode c;
	curl_multi_remove_handle(io->multi, t->easy);
	t->q.timeout_ms -= spent_ms(t);
	begin_turn(io, t);
	c = transfer_set_fresh(t, t->q.fresh || again == ON_NEW_CONNECTION);
	if (c == CURLE_OK)
		c = transfer_set_timeouts(t);
	if (c == CURLE_OK && curl_multi_add_handle(io->multi, t->easy))
		c = CURLE_OUT_OF_MEMORY;
	return c;
}

static void conclude(struct curlio *io, struct transfer *t, CURLcode code) {
	if (code == CURLE_ABORTED_BY_CALLBACK && t->again != NOT_AGAIN) {
		code = begin_again(io, t);
		if (code == CURLE_OK)
			return;
	}
	end(io, t, code);
}

/* --- from sending to release --------------------------------------------- */

struct transfer *curlio_send(struct curlio *io, struct request *q,
                             void *owner) {
	struct transfer *t;
	CURLcode c;
	if (io->doubtful && io->active.n == 0 && !renew(io))
		return NULL;
	t = take(io);
	if (t == NULL)
		return NULL;
	t->q.method = q->method;
	t->q.timeout_ms = q->timeout_ms;
	t->q.no_proxy = q->no_proxy;
	t->q.allow_http = q->allow_http;
	t->q.handshake = q->handshake;
	t->q.fresh = q->fresh;
	buf_swap(&t->q.url, &q->url);
	buf_swap(&t->q.head, &q->head);
	buf_swap(&t->q.body, &q->body);
	buf_swap(&t->q.pin, &q->pin);
	t->owner = owner;
	t->tries = 0;
	queue_enter(&io->active, &t->link);
	begin_turn(io, t);
	c = transfer_set(io, t);
	io->begun = true;
	if (c == CURLE_OK && curl_multi_add_handle(io->multi, t->easy))
		c = CURLE_OUT_OF_MEMORY;
	if (c != CURLE_OK)
		conclude(io, t, c);
	return t;
}

void curlio_abort(struct curlio *io, struct transfer *t) {
	if (t->link.queue == &io->active) {
		started(t);
		curl_multi_remove_handle(io->multi, t->easy);
		transfer_detach(t);
	}
	recycle(io, t);
}

static void act(struct curlio *io, curl_socket_t fd, int mask) {
	int running;
	if (curl_multi_socket_action(io->multi, fd, mask, &running) > CURLM_OK)
		io->broken = true;
}

/* The pollset also holds descriptors of others. */
static void serve(struct curlio *io, const struct pollset_event *e) {
	int known = bits(io, e->fd);
	if (known & WANT)
		act(io, e->fd,
		    ((e->events & POLLSET_READ) ? CURL_CSELECT_IN : 0) |
		            ((e->events & POLLSET_WRITE) ? CURL_CSELECT_OUT
		                                         : 0));
	else if (known != 0)
		watch(io, e->fd, 0);
}

static void collect(struct curlio *io) {
	CURLMsg *m;
	int left;
	while ((m = curl_multi_info_read(io->multi, &left)) != NULL) {
		CURLcode code = m->data.result;
		char *t = NULL;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		conclude(io, (struct transfer *)(void *)t, code);
	}
}

/* A socket that cannot be watched (no memory, no more watches) would leave its
   transfer waiting for its timeout.  All active transfers fail with that
   reason. */
static void give_up(struct curlio *io) {
	while (io->active.first != NULL)
		conclude(io, transfer_at(io->active.first),
		         CURLE_OUT_OF_MEMORY);
	io->broken = false;
}

static bool is_due(const struct curlio *io) {
	return io->due != NEVER && io->due <= sys_mono();
}

static void serve_all(struct curlio *io, const struct pollset_event *e, int n,
                      int64_t enough) {
	for (int i = 0; i < n; i++) {
		serve(io, &e[i]);
		if (sys_micros() >= enough)
			break;
	}
	for (int i = 0; i < STEP_TIMERS && is_due(io); i++) {
		io->due = NEVER;
		act(io, CURL_SOCKET_TIMEOUT, 0);
		if (sys_micros() >= enough)
			break;
	}
}

/* What does not fit into the time is still ready in the next step.  A name
   lookup of libcurl begins with a pair of sockets, usually in the step after
   its transfer was added; a check in each step costs a quarter of the rate. */
void curlio_step(struct curlio *io, int64_t enough) {
	struct pollset_event e[STEP_EVENTS];
	int n = pollset_ready(io->ps, e, STEP_EVENTS);
	if (io->begun) {
		struct occupied low = sys_occupy();
		io->begun = false;
		serve_all(io, e, n, enough);
		sys_vacate(&low);
	} else if (n > 0 || is_due(io)) {
		serve_all(io, e, n, enough);
	}
	collect(io);
	if (io->broken)
		give_up(io);
}

struct transfer *curlio_finished(struct curlio *io) {
	return transfer_at(io->finished.first);
}

void curlio_release(struct curlio *io, struct transfer *t) {
	recycle(io, t);
}

int64_t curlio_due(const struct curlio *io) {
	return io->due;
}

bool curlio_at_connect_limit(const struct curlio *io) {
	return io->starting >= MAX_STARTING;
}
