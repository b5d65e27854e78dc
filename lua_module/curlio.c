/*
 * curlio.c -- curlio.h on libcurl's multi-socket interface: nothing waits,
 * nothing is scanned, and what a request does not change is not set again.
 */
#include "curlio.h"
#include "sys.h"

#include <curl/curl.h>
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if LIBCURL_VERSION_NUM < 0x075700
#error "azpec needs libcurl 7.87.0 or later (CURLOPT_QUICK_EXIT)"
#endif

enum {
	OLDEST = 0x075700, /* the same for the libcurl at run time */
	/* by number, as the headers may be older than the libcurl */
	USED_PROXY = CURLINFO_LONG + 66, /* since 8.7.0 */
	UNRECOVERABLE_POLL = 99,         /* since 8.4.0 */
	TOO_LARGE = 100,                 /* since 8.6.0 */
	ECH_REQUIRED = 101,              /* since 8.8.0 */
	MAX_STARTING = 8,       /* handshakes at once: one takes a ms */
	MAX_AGE = 300,          /* s: then the name is looked up again */
	KEEP_CONNECTIONS = 128, /* idle ones, when no limit is configured */
	KEEP_TRANSFERS = 64,    /* idle ones, each with an easy handle */
	KEEP_BODY = 32 * 1024,  /* memory that an idle one may hold */
	STEP_EVENTS = 8,        /* sockets served by one step ... */
	STEP_TIMERS = 4,        /* ... and timers ... */
	STEP_MS = 1,            /* ... but not for longer: a step stays short */
	CONNECT_MS = 30000
};

struct list {
	struct transfer *first, *last;
	int n;
};

/* How a request is sent once more, see on_ready. */
enum again { NOT_AGAIN, AS_BEFORE, ON_NEW_CONNECTION };

/* Goes round between idle, active and finished together with its easy handle:
   making a handle costs more than a whole request on a warm connection. */
struct transfer {
	struct transfer *next, *prev;
	struct list *on; /* the list it is on */
	struct curlio *io;
	CURL *easy;
	CURLU *parts; /* of q.url, while it is active */
	void *owner;
	struct request q;
	struct reply reply;
	struct curl_slist *nodes; /* one a line of q.head, pointing there */
	size_t nnodes;
	bool starting;              /* counted in io->starting */
	bool interim;               /* inside a 1xx response's head */
	bool head_done;             /* the final response's is complete */
	bool begun;                 /* sending was, in this turn */
	int tries;                  /* ... and in all turns, how often */
	bool kept;                  /* over a connection that served before */
	bool http2;                 /* ... that speaks HTTP/2 */
	bool ended;                 /* ... that the peer has closed */
	int port;                   /* ... of our end of it */
	int peer_port;              /* that libcurl connected to last */
	enum again again;           /* what the next turn needs */
	enum net_error why;         /* why a callback refused to go on */
	char text[CURL_ERROR_SIZE]; /* libcurl's own words */
	/* what the easy handle is set to */
	enum http_method method;
	bool posting, no_proxy, allow_http, https, fresh;
	bool known; /* the peer by other means than authorities: once */
	int64_t timeout_ms;
};

struct curlio {
	const struct mem *mem;
	struct pollset *ps;
	CURLM *multi;
	CURL *model;             /* all that no request changes */
	struct curl_slist *tail; /* see make_tail */
	size_t max_body;
	bool proxied; /* a proxy was configured */
	bool broken;  /* a socket cannot be watched */
	bool starved; /* no socket could be opened: too many files are */
	int64_t due;
	int starting; /* transfers whose connection does not stand yet */
	struct list active, finished, idle;
	struct note *sockets; /* by descriptor */
	size_t nsockets;
};

/* --- the library ------------------------------------------------------- */

/* What libcurl says of itself.  It answers from buffers that each question
   writes anew, which two threads must not do at once: asked once, kept.  Not
   by curl_version(): that asks libldap, which then looks up this machine's
   name and loads all of SASL's mechanisms. */
static struct {
	curl_version_info_data info;
	/* two questions to an SSL * of OpenSSL's that libcurl does not pass
	   on; NULL: it is not built with OpenSSL */
	int (*has_pending)(const void *ssl);
	void (*alpn)(const void *ssl, const unsigned char **name,
	             unsigned int *n);
} library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A host may close a Lua state, and with it unload this module and libcurl,
   while a resolver thread that CURLOPT_QUICK_EXIT left behind still has to
   return into libcurl's code.  So libcurl, once used, stays mapped. */
static void *pin(const void *inside) {
	Dl_info lib;
	if (!dladdr(inside, &lib) || lib.dli_fname == NULL)
		return NULL;
	return dlopen(lib.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void look(void) {
	void *handle;
	library.info = *curl_version_info(CURLVERSION_NOW);
	handle = pin(library.info.version); /* a text inside libcurl */
	if (handle == NULL)
		return;
	/* POSIX's way to make a function of dlsym's result */
	*(void **)&library.has_pending = dlsym(handle, "SSL_has_pending");
	*(void **)&library.alpn = dlsym(handle, "SSL_get0_alpn_selected");
	dlclose(handle);
}

static const curl_version_info_data *library_info(void) {
	pthread_once(&once, look);
	return &library.info;
}

/* No flag of ours says "done already": with the bit THREADSAFE libcurl locks
   and counts by itself, so each Lua state may simply ask again. */
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

/* --- lists of transfers ------------------------------------------------ */

static void append(struct list *l, struct transfer *t) {
	t->on = l;
	t->next = NULL;
	t->prev = l->last;
	if (l->last != NULL)
		l->last->next = t;
	else
		l->first = t;
	l->last = t;
	l->n++;
}

static void unlist(struct transfer *t) {
	struct list *l = t->on;
	if (t->prev != NULL)
		t->prev->next = t->next;
	else
		l->first = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	else
		l->last = t->prev;
	l->n--;
}

/* --- sockets ----------------------------------------------------------- */

/* libcurl asks us to forget a socket after each reply and to watch it again
   with the next request.  A connection's socket stays in the epoll in between
   (two system calls less per request) until it is closed, or until it is ready
   although nobody wants it.  That is safe only for sockets whose closing we
   are told of, the ones we opened: a number may be given out again at once.
   One that never came as far as a connection libcurl closes by itself, with no
   word but that it is to be forgotten: so then we look whether it is there. */
enum {
	WANT_READ = POLLSET_READ, /* what libcurl waits for */
	WANT_WRITE = POLLSET_WRITE,
	WANT = WANT_READ | WANT_WRITE,
	WATCH_SHIFT = 2, /* the same, as the pollset knows it */
	WATCH = WANT << WATCH_SHIFT,
	OPENED = 16 /* by on_open, to be closed by on_close */
};

struct note {
	uint64_t inode; /* tells it from a later one with its number */
	unsigned char bits;
	uint16_t port; /* of its own end; 0: not known yet */
};

static int bits(const struct curlio *io, int fd) {
	return (size_t)fd < io->nsockets ? io->sockets[fd].bits : 0;
}

static bool reach(struct curlio *io, int fd) {
	size_t n = io->nsockets ? io->nsockets : 64, size = sizeof(struct note);
	struct note *p;
	if ((size_t)fd < io->nsockets)
		return true;
	while (n <= (size_t)fd)
		n *= 2;
	p = mem_resize(io->mem, io->sockets, io->nsockets * size, n * size);
	if (p == NULL)
		return false;
	memset(p + io->nsockets, 0, (n - io->nsockets) * size);
	io->sockets = p;
	io->nsockets = n;
	return true;
}

static bool is_there(const struct curlio *io, int fd) {
	return sys_inode(fd) == io->sockets[fd].inode;
}

/* The pollset watches fd for just these events from now on. */
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
	if (events != 0 && (note->bits & OPENED) && !is_there(io, fd))
		note->bits = 0;
	if (events != 0 && (note->bits & OPENED) && note->port == 0)
		note->port = own_port(fd);
	note->bits = (unsigned char)((note->bits & ~WANT) | events);
	if (events == 0 && (note->bits & OPENED))
		return;
	if (!watch(io, fd, events))
		io->broken = true;
}

/* --- what libcurl asks for --------------------------------------------- */

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

/* libcurl tells the port of our end, and not the socket.  Another connection,
   to another host, may have the same: what is asked of one is asked of both. */
static bool is_at(const struct curlio *io, size_t fd, int port) {
	return (io->sockets[fd].bits & OPENED) && io->sockets[fd].port == port;
}

/* The peer's end came, with or without bytes before it. */
static bool has_ended(int fd) {
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	return poll(&p, 1, 0) > 0;
}

static void note_end(struct curlio *io, int fd) {
	if (!(bits(io, fd) & OPENED) || !has_ended(fd))
		return;
	for (struct transfer *t = io->active.first; t != NULL; t = t->next)
		t->ended |= t->port == io->sockets[fd].port;
}

/* The transfer is to be sent over another one, see on_ready. */
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
	io->starved = fd < 0 && (errno == EMFILE || errno == ENFILE);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (!reach(io, fd)) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	forget(io, fd); /* whatever had this number before */
	io->sockets[fd] = (struct note){ sys_inode(fd), OPENED, 0 };
	return fd;
}

static int on_close(void *ud, curl_socket_t fd) {
	note_end(ud, fd);
	forget(ud, fd);
	return close(fd);
}

/* After a fork the sockets are the parent's too: only this process's
   descriptors may go.  What libcurl made for itself, as a lookup's pair of
   sockets, stays open: nothing tells those from the host's own. */
static void close_sockets(struct curlio *io) {
	for (int fd = 0; (size_t)fd < io->nsockets; fd++)
		if (bits(io, fd) & OPENED)
			sys_close(fd, io->sockets[fd].inode);
}

/* --- callbacks --------------------------------------------------------- */

/* libcurl compares with a finer clock: without the extra millisecond we would
   often come too early, and a second time. */
static int on_timer(CURLM *multi, long ms, void *ud) {
	struct curlio *io = ud;
	(void)multi;
	if (ms < 0)
		io->due = NEVER;
	else
		io->due = sys_now().mono + ms + (ms > 0);
	return 0;
}

static void started(struct transfer *t) {
	if (t->starting)
		t->io->starting--;
	t->starting = false;
}

static long info(const struct transfer *t, CURLINFO what) {
	long value = 0;
	curl_easy_getinfo(t->easy, what, &value);
	return value;
}

/* --- the connection stands ---------------------------------------------- */

/*
 * libcurl tells us when a connection stands and the request is about to go out
 * (CURLOPT_PREREQFUNCTION).  That is the place to refuse two things that it
 * would do silently.
 *
 * It would send on a kept HTTP/1 connection over which something came while it
 * was idle.  Whatever that is, it answers no request (RFC 9112 9.5), and would
 * be taken for the answer to ours.  Nothing was sent yet, so the request goes
 * out on a new connection.  Over TLS the same holds: a server sends its session
 * tickets before its first response, and then nothing unasked.  HTTP/2 names
 * the stream of each frame, and may speak at any time.
 *
 * It would repeat a request by itself, up to five times, for three reasons:
 *   - A kept connection ended before a response.  A GET is sent once more; of
 *     a write nobody knows whether it was carried out.
 *   - The server reset the stream with HTTP_1_1_REQUIRED.  Nothing was done
 *     (RFC 9113 7), and libcurl sends it over HTTP/1.1.
 *   - The server refused the stream, by REFUSED_STREAM or by GOAWAY.  Nothing
 *     was done (RFC 9113 8.7); the caller decides when to try again.
 * Which one it is libcurl does not tell.  On a new connection it is not the
 * first.  It is the second when HTTP/1.1 follows on HTTP/2 and the peer did not
 * end the connection before.
 */

/* The SSL * of the transfer's connection; NULL: plain, or not OpenSSL's. */
static const void *tls_of(const struct transfer *t) {
	struct curl_tlssessioninfo *tls = NULL;
	if (curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &tls) ||
	    tls == NULL || tls->backend != CURLSSLBACKEND_OPENSSL ||
	    library.has_pending == NULL || library.alpn == NULL)
		return NULL;
	return tls->internals;
}

static bool is_http2(const void *tls) {
	const unsigned char *name = NULL;
	unsigned int n = 0;
	if (tls != NULL)
		library.alpn(tls, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

/* Bytes, their end, or an error. */
static bool has_input(int fd) {
	char c;
	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EWOULDBLOCK);
}

static bool is_silent(const struct curlio *io, int port) {
	bool found = false;
	for (size_t fd = 0; fd < io->nsockets; fd++) {
		if (!is_at(io, fd, port))
			continue;
		if (has_input((int)fd))
			return false;
		found = true;
	}
	return found;
}

/* TLS may have read from the socket what a server wrote behind the end of its
   last response.  In doubt the server has spoken. */
static bool has_spoken(const struct transfer *t, const void *tls) {
	if (tls != NULL ? library.has_pending(tls) : t->https)
		return true;
	return !is_silent(t->io, t->port);
}

/* libcurl wants to send it once more: shall it? */
static bool may_repeat(struct transfer *t, bool http2) {
	leave_connection(t);
	t->why = NET_RECV;
	if (t->reply.head.n > 0) /* it was answered, and not refused */
		return false;
	if (t->http2 && !http2 && !(t->kept && t->ended)) {
		t->why = NET_OK;
		return true;
	}
	if (!t->kept)
		t->why = NET_REFUSED;
	else if (t->q.method == HTTP_GET && t->tries == 1)
		t->again = AS_BEFORE;
	return false;
}

static int on_ready(void *ud, char *ip, char *own_ip, int port, int own) {
	struct transfer *t = ud;
	const void *tls = tls_of(t);
	bool http2 = is_http2(tls);
	(void)ip;
	(void)own_ip;
	(void)port;
	started(t);
	if (t->begun && !may_repeat(t, http2))
		return CURL_PREREQFUNC_ABORT;
	t->kept = !t->begun && info(t, CURLINFO_NUM_CONNECTS) == 0;
	t->http2 = http2;
	t->ended = false;
	t->port = own;
	if (t->kept && !http2 && has_spoken(t, tls)) {
		t->again = ON_NEW_CONNECTION;
		return CURL_PREREQFUNC_ABORT;
	}
	t->begun = true;
	t->tries++;
	return CURL_PREREQFUNC_OK;
}

/* --- what comes ---------------------------------------------------------- */

static bool keep(struct transfer *t, struct buf *b, struct span s) {
	if (s.n > b->max - b->n) {
		t->why = NET_TOO_BIG;
		return false;
	}
	buf_add(b, s);
	if (b->failed)
		t->why = NET_MEMORY;
	return !b->failed;
}

static size_t on_body(char *p, size_t size, size_t n, void *ud) {
	struct transfer *t = ud;
	struct span s = { p, size * n };
	return keep(t, &t->reply.body, s) ? s.n : 0;
}

/* "HTTP/1.1 100 Continue" begins a head as well as "HTTP/2 200 ".  After a 101
   another protocol would follow, which nobody asked for: libcurl would wait for
   more until the time is up. */
static bool begin_head(struct transfer *t, struct span line) {
	struct span status;
	span_word(&line, " ");
	status = span_trim(line);
	t->interim = span_istarts(status, SPAN("1"));
	buf_clear(&t->reply.head);
	if (span_istarts(status, SPAN("101")))
		t->why = NET_PROTOCOL;
	return t->why == NET_OK;
}

/* RFC 9112 5.2: a line that begins with a blank goes on with the one before;
   the line break and the blanks become one space. */
static bool unfold(struct transfer *t, struct span line) {
	struct buf *head = &t->reply.head;
	if (head->n == 0)
		return true;
	head->p[head->n - 1] = ' ';
	return keep(t, head, span_trim(line)) && keep(t, head, SPAN("\0"));
}

static bool keep_line(struct transfer *t, struct span line) {
	struct buf *head = &t->reply.head;
	if (line.n == 0) {
		t->head_done = !t->interim;
		return true;
	}
	if (memchr(line.p, ':', line.n) == NULL)
		return true;
	return keep(t, head, line) && keep(t, head, SPAN("\0"));
}

/* Of the final response only.  What comes after it are a chunked body's
   trailers, which nobody asked for.  Where a line finds no room the last one
   may lack its NUL: nothing is left to be read. */
static size_t on_head(char *p, size_t size, size_t n, void *ud) {
	struct transfer *t = ud;
	struct span line = { p, size * n };
	bool fine;
	if (t->head_done)
		return line.n;
	if (span_istarts(line, SPAN("HTTP/")))
		fine = begin_head(t, line);
	else if (line.n > 0 && (*p == ' ' || *p == '\t'))
		fine = unfold(t, line);
	else
		fine = keep_line(t, span_trim(line));
	if (!fine)
		buf_clear(&t->reply.head);
	return fine ? line.n : 0;
}

/* --- the model handle -------------------------------------------------- */

static bool is_hashed(const char *name) {
	for (int i = 0; i < 8; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return name[8] == '.' && isdigit((unsigned char)name[9]);
}

/* Does OpenSSL find certificates in this directory (`c_rehash` was run)? */
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
 * Which certificates to trust.  Debian's libcurl has a bundle and a directory
 * built in, and with both it parses all of the bundle again for each
 * connection.  Measured with Debian's 140 roots, one process, TLS 1.3: both,
 * 51 ms for the first connection and 46 ms for each one more; the bundle
 * alone, 33 ms and then 2.2 ms, as libcurl keeps what it parsed; the hashed
 * directory alone, of which OpenSSL reads what it needs, 5 ms and then 2.4 ms.
 * So the directory where there is one: it takes a hundred connections before
 * the bundle has caught up.
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

static bool set_trust(CURL *easy, const struct curlio_config *cfg) {
	const char *file, *path;
	curlio_trust(cfg, &file, &path);
	if (file == NULL && path == NULL)
		return true; /* a TLS library that has its own ways */
	return !curl_easy_setopt(easy, CURLOPT_CAINFO, file) &&
	       !curl_easy_setopt(easy, CURLOPT_CAPATH, path) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, path);
}

/* With an encoding set libcurl decodes a body that came compressed unasked;
   without, it would hand that on as it is.  The header that asks for it is
   suppressed in make_tail.  The ceiling counts the decoded bytes. */
static bool set_texts(CURL *easy, const struct curlio_config *cfg) {
	return !curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity") &&
	       !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY, cfg->proxy);
}

static bool set_numbers(CURL *easy) {
	static const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_QUICK_EXIT, 1 }, /* wait for no resolver thread */
		{ CURLOPT_PATH_AS_IS, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_PROXY_SSL_VERIFYPEER, 1 },
		{ CURLOPT_PROXY_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
		/* A proxy sees neither our headers nor we its own. */
		{ CURLOPT_HEADEROPT, CURLHEADER_SEPARATE },
		{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_MAXLIFETIME_CONN, MAX_AGE },
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (curl_easy_setopt(easy, numbers[i].option, numbers[i].value))
			return false;
	return true;
}

static bool set_callbacks(CURL *easy, struct curlio *io) {
	return !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) &&
	       !curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready) &&
	       !curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) &&
	       !curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) &&
	       !curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, io);
}

/* --- opening and closing ----------------------------------------------- */

static bool set_multi(struct curlio *io, long max) {
	long idle = max > 0 ? max : KEEP_CONNECTIONS;
	CURLM *m = io->multi;
	return !curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) &&
	       !curl_multi_setopt(m, CURLMOPT_SOCKETDATA, io) &&
	       !curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer) &&
	       !curl_multi_setopt(m, CURLMOPT_TIMERDATA, io) &&
	       !curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, max) &&
	       /* by default as many as there are transfers just now, times 4:
	          too few whenever most of them wait between two polls */
	       !curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, idle);
}

static bool add_line(struct curl_slist **list, const char *line) {
	struct curl_slist *l = line ? curl_slist_append(*list, line) : NULL;
	if (l != NULL)
		*list = l;
	return l != NULL;
}

/* What every request's own head goes on with: a name without a value keeps
   libcurl from adding that header.  Requests without a body begin at the third
   line, those with one at the second, an empty POST at the first.  The user
   agent is here because a header that libcurl makes of an option is made anew
   for each request, at twice the price. */
static bool make_tail(struct curlio *io, const char *agent) {
	struct buf line;
	bool fine;
	buf_init(&line, io->mem, 1024);
	buf_adds(&line, "User-Agent: ");
	buf_adds(&line, agent);
	fine = add_line(&io->tail, "Content-Type:") &&
	       add_line(&io->tail, "Expect:") &&
	       add_line(&io->tail, "Accept-Encoding:") &&
	       add_line(&io->tail, buf_cstr(&line));
	buf_free(&line);
	return fine;
}

static struct curl_slist *tail_of(const struct curlio *io,
                                  const struct transfer *t) {
	if (!t->posting)
		return io->tail->next->next;
	return t->q.body.n > 0 ? io->tail->next : io->tail;
}

struct curlio *curlio_open(const struct mem *mem, struct pollset *ps,
                           const struct curlio_config *cfg) {
	struct curlio *io = mem_resize(mem, NULL, 0, sizeof(*io));
	if (io == NULL)
		return NULL;
	*io = (struct curlio){ .mem = mem, .ps = ps, .due = NEVER };
	io->max_body = cfg->max_body;
	io->proxied = cfg->proxy != NULL && *cfg->proxy != '\0';
	io->multi = curl_multi_init();
	io->model = curl_easy_init();
	if (io->multi == NULL || io->model == NULL ||
	    !make_tail(io, cfg->user_agent) ||
	    !set_multi(io, cfg->max_connections) || !set_numbers(io->model) ||
	    !set_texts(io->model, cfg) || !set_trust(io->model, cfg) ||
	    !set_callbacks(io->model, io)) {
		curlio_close(io, false);
		return NULL;
	}
	return io;
}

static void drop(struct curlio *io, struct transfer *t) {
	request_free(&t->q);
	reply_free(&t->reply);
	mem_resize(io->mem, t->nodes, t->nnodes * sizeof(*t->nodes), 0);
	mem_resize(io->mem, t, sizeof(*t), 0);
}

static void drop_all(struct curlio *io, struct list *l, bool forked) {
	struct transfer *t;
	while ((t = l->first) != NULL) {
		unlist(t);
		if (!forked && l == &io->active)
			curl_multi_remove_handle(io->multi, t->easy);
		if (!forked)
			curl_easy_cleanup(t->easy);
		curl_url_cleanup(t->parts);
		drop(io, t);
	}
}

/* In a forked child libcurl's handles are abandoned, a leak on purpose:
   cleaning them up would work on the epoll that is the parent's too, and send
   a TLS close_notify into the parent's connections. */
void curlio_close(struct curlio *io, bool forked) {
	drop_all(io, &io->active, forked);
	drop_all(io, &io->finished, forked);
	drop_all(io, &io->idle, forked);
	if (forked) {
		close_sockets(io);
	} else {
		curl_multi_cleanup(io->multi); /* calls on_close */
		curl_easy_cleanup(io->model);
	}
	curl_slist_free_all(io->tail);
	mem_resize(io->mem, io->sockets, io->nsockets * sizeof(*io->sockets),
	           0);
	mem_resize(io->mem, io, sizeof(*io), 0);
}

/* --- transfers and their handles --------------------------------------- */

/* Pointers into the transfer, good for as long as the handle lives. */
static bool tie(struct transfer *t) {
	return !curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) &&
	       !curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t) &&
	       !curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t) &&
	       !curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t) &&
	       !curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t) &&
	       !curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->text) &&
	       !curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST,
	                         http_method_name(t->method));
}

static struct transfer *make(struct curlio *io) {
	struct transfer *t = mem_resize(io->mem, NULL, 0, sizeof(*t));
	if (t == NULL)
		return NULL;
	*t = (struct transfer){ .io = io, .method = HTTP_GET };
	request_init(&t->q, io->mem);
	reply_init(&t->reply, io->mem, io->max_body);
	t->easy = curl_easy_duphandle(io->model);
	if (t->easy == NULL || !tie(t)) {
		curl_easy_cleanup(t->easy);
		drop(io, t);
		return NULL;
	}
	return t;
}

static struct transfer *take(struct curlio *io) {
	struct transfer *t = io->idle.last; /* the one used last is in cache */
	if (t == NULL)
		return make(io);
	unlist(t);
	return t;
}

/* Forget what was of the last request; secrets in it are overwritten. */
static void recycle(struct curlio *io, struct transfer *t) {
	unlist(t);
	if (io->idle.n >= KEEP_TRANSFERS || t->known) {
		curl_easy_cleanup(t->easy);
		drop(io, t);
		return;
	}
	request_free(&t->q);
	if (t->reply.body.cap > KEEP_BODY || t->reply.head.cap > KEEP_BODY)
		reply_free(&t->reply);
	reply_clear(&t->reply);
	append(&io->idle, t);
}

/* --- a request onto its handle ----------------------------------------- */

static size_t count_lines(struct span head) {
	const char *end;
	size_t n = 0;
	while (head.n > 0 && (end = memchr(head.p, '\0', head.n)) != NULL) {
		head = span_from(head, (size_t)(end - head.p) + 1);
		n++;
	}
	return n;
}

static bool have_nodes(struct curlio *io, struct transfer *t, size_t n) {
	size_t size = sizeof(*t->nodes);
	struct curl_slist *p;
	if (n <= t->nnodes)
		return true;
	n = (n + 7) / 8 * 8;
	p = mem_resize(io->mem, t->nodes, t->nnodes * size, n * size);
	if (p == NULL)
		return false;
	t->nodes = p;
	t->nnodes = n;
	return true;
}

/* CURLOPT_HTTPHEADER neither copies nor changes its list: ours points into the
   head, and no second copy of the token comes to be. */
static CURLcode set_head(struct curlio *io, struct transfer *t) {
	struct curl_slist *list = tail_of(io, t);
	char *p = t->q.head.p;
	size_t n = count_lines(buf_span(&t->q.head));
	if (!have_nodes(io, t, n))
		return CURLE_OUT_OF_MEMORY;
	for (size_t i = 0; i < n; i++) {
		t->nodes[i].data = p;
		t->nodes[i].next = i + 1 < n ? &t->nodes[i + 1] : list;
		p += strlen(p) + 1;
	}
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER,
	                        n > 0 ? t->nodes : list);
}

/* An idle handle is set to GET without a body, see detach. */
static CURLcode set_body(struct transfer *t) {
	const struct buf *body = &t->q.body;
	CURLcode c;
	t->posting = body->n > 0 || t->q.method == HTTP_POST ||
	             t->q.method == HTTP_PATCH;
	if (!t->posting)
		return CURLE_OK;
	c = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
	                     (curl_off_t)body->n);
	if (c == CURLE_OK)
		c = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS,
		                     body->n > 0 ? body->p : "");
	return c;
}

static CURLcode set_method(struct transfer *t) {
	if (t->method == t->q.method)
		return CURLE_OK;
	t->method = t->q.method;
	return curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST,
	                        http_method_name(t->method));
}

static CURLcode set_times(struct transfer *t) {
	int64_t all = t->q.timeout_ms;
	CURLcode c;
	if (all == t->timeout_ms)
		return CURLE_OK;
	t->timeout_ms = all;
	if (all < 1)
		all = 1; /* 0 would mean: no limit */
	if (all > INT_MAX)
		all = INT_MAX;
	c = curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)all);
	if (c == CURLE_OK)
		c = curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
		                     all < CONNECT_MS ? (long)all : CONNECT_MS);
	return c;
}

/* Waiting for a connection that may turn out to speak HTTP/2 saves sockets;
   with plain http it never does, and only puts requests in a queue. */
static CURLcode set_route(struct transfer *t) {
	bool https = span_istarts(buf_span(&t->q.url), SPAN("https:"));
	CURLcode c = CURLE_OK;
	if (t->https != https)
		c = curl_easy_setopt(t->easy, CURLOPT_PIPEWAIT, (long)https);
	if (c == CURLE_OK && t->no_proxy != t->q.no_proxy)
		c = curl_easy_setopt(t->easy, CURLOPT_NOPROXY,
		                     t->q.no_proxy ? "*" : NULL);
	if (c == CURLE_OK && t->allow_http != t->q.allow_http)
		c = curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR,
		                     t->q.allow_http ? "http,https" : "https");
	t->https = https;
	t->no_proxy = t->q.no_proxy;
	t->allow_http = t->q.allow_http;
	return c;
}

static CURLcode set_fresh(struct transfer *t, bool fresh) {
	if (t->fresh == fresh)
		return CURLE_OK;
	t->fresh = fresh;
	return curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, (long)fresh);
}

/* The URL is parsed here and not left to the handle, which would print a copy
   together again, character by character: a fifth of a whole request.  It is
   set as well, for libcurl makes that copy when it has no text.  Always a new
   CURLU: an old one would resolve a relative URL against its last host. */
static CURLcode set_url(struct transfer *t) {
	const char *url = buf_cstr(&t->q.url);
	unsigned int flags = CURLU_PATH_AS_IS | CURLU_DISALLOW_USER;
	CURLcode c;
	if (url == NULL)
		return CURLE_OUT_OF_MEMORY;
	t->parts = curl_url();
	if (t->parts == NULL)
		return CURLE_OUT_OF_MEMORY;
	if (strlen(url) != t->q.url.n || /* a NUL inside */
	    curl_url_set(t->parts, CURLUPART_URL, url, flags) != CURLUE_OK)
		return CURLE_URL_MALFORMAT;
	c = curl_easy_setopt(t->easy, CURLOPT_URL, url);
	if (c == CURLE_OK)
		c = curl_easy_setopt(t->easy, CURLOPT_CURLU, t->parts);
	return c;
}

/* Whom no authority vouches for: the pin first, so that where this libcurl
   cannot do that, verification stays on.  Neither the connection nor its TLS
   session serves anybody else, and the handle is thrown away. */
static CURLcode set_peer(struct transfer *t) {
	static const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_SSL_VERIFYPEER, 0 },
		{ CURLOPT_SSL_VERIFYHOST, 0 },
		{ CURLOPT_FRESH_CONNECT, 1 },
		{ CURLOPT_FORBID_REUSE, 1 },
		{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
	};
	CURLcode c;
	if (!t->q.handshake && t->q.pin.n == 0)
		return CURLE_OK;
	t->known = true;
	if (t->q.handshake) {
		c = curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
		if (c == CURLE_OK)
			c = curl_easy_setopt(t->easy, CURLOPT_CERTINFO, 1L);
	} else if (buf_cstr(&t->q.pin) != NULL) {
		c = curl_easy_setopt(t->easy, CURLOPT_PINNEDPUBLICKEY,
		                     t->q.pin.p);
	} else {
		c = CURLE_OUT_OF_MEMORY;
	}
	for (size_t i = 0;
	     c == CURLE_OK && i < sizeof(numbers) / sizeof(*numbers); i++)
		c = curl_easy_setopt(t->easy, numbers[i].option,
		                     numbers[i].value);
	return c;
}

static CURLcode set_request(struct curlio *io, struct transfer *t) {
	CURLcode c = set_url(t);
	if (c == CURLE_OK)
		c = set_fresh(t, t->q.fresh);
	if (c == CURLE_OK)
		c = set_peer(t);
	if (c == CURLE_OK)
		c = set_route(t);
	if (c == CURLE_OK)
		c = set_times(t);
	if (c == CURLE_OK)
		c = set_method(t);
	if (c == CURLE_OK)
		c = set_body(t);
	if (c == CURLE_OK)
		c = set_head(io, t);
	return c;
}

/* --- how a transfer ended ---------------------------------------------- */

static enum net_error error_of(CURLcode code) {
	static const struct {
		CURLcode code;
		enum net_error error;
	} rows[] = {
		{ CURLE_URL_MALFORMAT, NET_URL },
		{ CURLE_LOGIN_DENIED, NET_URL }, /* user:password@ in it */
		{ CURLE_BAD_FUNCTION_ARGUMENT, NET_URL }, /* over 8 MB */
		{ CURLE_UNSUPPORTED_PROTOCOL, NET_URL },
		{ CURLE_COULDNT_RESOLVE_HOST, NET_RESOLVE },
		{ CURLE_COULDNT_RESOLVE_PROXY, NET_PROXY },
		{ CURLE_PROXY, NET_PROXY },
		{ CURLE_COULDNT_CONNECT, NET_CONNECT },
		{ CURLE_INTERFACE_FAILED, NET_CONNECT },
		{ CURLE_SSL_CONNECT_ERROR, NET_TLS },
		{ CURLE_SSL_CIPHER, NET_TLS },
		{ CURLE_SSL_ENGINE_NOTFOUND, NET_TLS },
		{ CURLE_SSL_ENGINE_INITFAILED, NET_TLS },
		{ CURLE_SSL_CERTPROBLEM, NET_TLS },
		{ CURLE_SSL_CLIENTCERT, NET_TLS },
		{ CURLE_PEER_FAILED_VERIFICATION, NET_CERT },
		{ CURLE_SSL_ISSUER_ERROR, NET_CERT },
		{ CURLE_SSL_INVALIDCERTSTATUS, NET_CERT },
		{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, NET_CERT },
		{ CURLE_SSL_CACERT_BADFILE, NET_CA },
		{ CURLE_SSL_CRL_BADFILE, NET_CA },
		{ CURLE_OPERATION_TIMEDOUT, NET_TIMEOUT },
		{ CURLE_SEND_ERROR, NET_SEND },
		{ CURLE_RECV_ERROR, NET_RECV },
		{ CURLE_GOT_NOTHING, NET_RECV },
		{ CURLE_PARTIAL_FILE, NET_RECV },
		{ CURLE_HTTP2, NET_RECV },
		{ CURLE_HTTP2_STREAM, NET_RECV },
		{ CURLE_WEIRD_SERVER_REPLY, NET_PROTOCOL },
		{ CURLE_BAD_CONTENT_ENCODING, NET_PROTOCOL },
		{ CURLE_OUT_OF_MEMORY, NET_MEMORY },
		{ (CURLcode)UNRECOVERABLE_POLL, NET_MEMORY },
		{ (CURLcode)TOO_LARGE, NET_TOO_BIG },
		{ (CURLcode)ECH_REQUIRED, NET_TLS },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].code == code)
			return rows[i].error;
	return NET_OTHER;
}

/* Before 8.7.0 libcurl does not say that it took a proxy from the environment;
   but where it connected to another port than the URL's, it did. */
static bool through_proxy(const struct curlio *io, const struct transfer *t) {
	struct url u;
	long used = 0;
	if (t->q.no_proxy)
		return false;
	if (curl_easy_getinfo(t->easy, (CURLINFO)USED_PROXY, &used) == CURLE_OK)
		return used != 0;
	return io->proxied ||
	       (t->peer_port != 0 && url_parse(buf_span(&t->q.url), &u) &&
	        t->peer_port != u.port);
}

/* Its answer to CONNECT.  One that may pass by itself is worth another try; a
   wrong password is not, nor is a place that it lets nobody through to. */
static enum net_error error_of_connect(long status) {
	switch (status) {
	case 407:
		return NET_PROXY_AUTH;
	case 408:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return NET_PROXY;
	default:
		return NET_PROXY_REFUSED;
	}
}

static enum net_error error_of_socks(long code) {
	switch (code) {
	case CURLPX_NO_AUTH:
	case CURLPX_USER_REJECTED:
	case CURLPX_IDENTD:
	case CURLPX_IDENTD_DIFFER:
		return NET_PROXY_AUTH;
	case CURLPX_REPLY_NOT_ALLOWED:
	case CURLPX_REPLY_COMMAND_NOT_SUPPORTED:
	case CURLPX_REQUEST_FAILED:
		return NET_PROXY_REFUSED;
	default:
		return NET_PROXY;
	}
}

/* What the code alone does not say. */
static enum net_error refine(const struct curlio *io, const struct transfer *t,
                             enum net_error e) {
	long answer = info(t, CURLINFO_HTTP_CONNECTCODE);
	bool begun = t->tries > 0;
	if (t->why != NET_OK)
		return t->why;
	if (!begun && answer != 0 && answer / 100 != 2)
		return error_of_connect(answer);
	if (e == NET_PROXY)
		return error_of_socks(info(t, CURLINFO_PROXY_ERROR));
	if (!begun && answer == 0 && through_proxy(io, t) &&
	    (e == NET_CONNECT || e == NET_SEND || e == NET_RECV))
		return NET_PROXY;
	if (e == NET_URL && begun)
		return NET_PROTOCOL; /* "unsupported": HTTP/0.9 came */
	return e;
}

/* libcurl's words name a host or a certificate, and may quote the latter: only
   plain characters are let through.  About a URL, or a proxy's with a password
   in it, it says too much, and about what a callback of ours refused, nothing
   of use. */
static void take_note(struct transfer *t, CURLcode code) {
	struct buf *note = &t->reply.note;
	if (t->why != NET_OK)
		return;
	if (code == CURLE_COULDNT_CONNECT && t->io->starved)
		buf_adds(note, "no more files may be opened (ulimit -n)");
	else if (t->text[0] == '\0' || t->reply.error == NET_URL ||
	         strchr(t->text, '@') != NULL)
		buf_adds(note, curl_easy_strerror(code));
	else
		buf_adds(note, t->text);
	for (size_t i = 0; i < note->n; i++)
		if (note->p[i] < ' ' || note->p[i] > '~')
			note->p[i] = '?';
}

/* The peer's own certificate is the first; libcurl gives it as "Cert:" and PEM
   among what else it read of it. */
static CURLcode take_certificate(struct transfer *t) {
	static const struct span name = { "Cert:", 5 };
	struct curl_certinfo *chain = NULL;
	struct curl_slist *l;
	if (curl_easy_getinfo(t->easy, CURLINFO_CERTINFO, &chain) ||
	    chain == NULL || chain->num_of_certs < 1)
		return CURLE_SSL_CERTPROBLEM;
	for (l = chain->certinfo[0]; l != NULL; l = l->next) {
		struct span line = span_of(l->data);
		if (!span_istarts(line, name))
			continue;
		return keep(t, &t->reply.body, span_from(line, name.n))
		               ? CURLE_OK
		               : CURLE_OUT_OF_MEMORY;
	}
	return CURLE_SSL_CERTPROBLEM;
}

static void judge(const struct curlio *io, struct transfer *t, CURLcode code) {
	struct reply *r = &t->reply;
	if (t->q.handshake && code == CURLE_OK)
		code = take_certificate(t);
	else if (t->head_done)
		r->status = (int)info(t, CURLINFO_RESPONSE_CODE);
	else if (code == CURLE_OK)
		code = CURLE_PARTIAL_FILE; /* ended inside the head */
	r->sent = transfer_sent(t);
	if (code == CURLE_OK)
		return;
	r->error = refine(io, t, error_of(code));
	take_note(t, code);
}

static void begin_turn(struct curlio *io, struct transfer *t) {
	t->interim = t->head_done = t->begun = false;
	t->again = NOT_AGAIN;
	t->port = t->peer_port = 0;
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

/* The idle handle keeps no pointer to what is going to be freed. */
static void detach(struct transfer *t) {
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(t->easy, CURLOPT_CURLU, NULL);
	curl_url_cleanup(t->parts);
	t->parts = NULL;
	set_fresh(t, false);
	if (!t->posting)
		return;
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	t->posting = false;
}

static void end(struct curlio *io, struct transfer *t, CURLcode code) {
	judge(io, t, code);
	started(t);
	curl_multi_remove_handle(io->multi, t->easy);
	detach(t);
	unlist(t);
	append(&io->finished, t);
}

static CURLcode begin_again(struct curlio *io, struct transfer *t) {
	enum again again = t->again;
	CURLcode c;
	curl_multi_remove_handle(io->multi, t->easy);
	t->q.timeout_ms -= spent_ms(t);
	begin_turn(io, t);
	c = set_fresh(t, t->q.fresh || again == ON_NEW_CONNECTION);
	if (c == CURLE_OK)
		c = set_times(t);
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

/* --- the way of a transfer --------------------------------------------- */

struct transfer *curlio_send(struct curlio *io, struct request *q,
                             void *owner) {
	struct transfer *t = take(io);
	CURLcode c;
	if (t == NULL)
		return NULL;
	t->q.method = q->method;
	t->q.timeout_ms = q->timeout_ms;
	t->q.authorize = q->authorize;
	t->q.no_proxy = q->no_proxy;
	t->q.allow_http = q->allow_http;
	t->q.handshake = q->handshake;
	t->q.fresh = q->fresh;
	buf_move(&t->q.url, &q->url);
	buf_move(&t->q.head, &q->head);
	buf_move(&t->q.body, &q->body);
	buf_move(&t->q.pin, &q->pin);
	t->owner = owner;
	t->tries = 0;
	append(&io->active, t);
	begin_turn(io, t);
	c = set_request(io, t);
	if (c == CURLE_OK && curl_multi_add_handle(io->multi, t->easy))
		c = CURLE_OUT_OF_MEMORY;
	if (c != CURLE_OK)
		conclude(io, t, c);
	return t;
}

void curlio_abort(struct curlio *io, struct transfer *t) {
	if (t->on == &io->active) {
		started(t);
		curl_multi_remove_handle(io->multi, t->easy);
		detach(t);
	}
	recycle(io, t);
}

static void act(struct curlio *io, curl_socket_t fd, int mask) {
	int running;
	if (curl_multi_socket_action(io->multi, fd, mask, &running) > CURLM_OK)
		io->broken = true;
}

/* The pollset holds other people's descriptors too. */
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

/* A socket that could not be watched (no memory, no more watches) would leave
   its transfer to its time-out.  Better an end that says so. */
static void give_up(struct curlio *io) {
	while (io->active.first != NULL)
		conclude(io, io->active.first, CURLE_OUT_OF_MEMORY);
	io->broken = false;
}

static bool is_due(const struct curlio *io) {
	return io->due != NEVER && io->due <= sys_now().mono;
}

/* At least one socket and one timer have their turn; what a TLS handshake's
   time leaves no room for is still ready in the next step. */
void curlio_step(struct curlio *io) {
	struct pollset_event e[STEP_EVENTS];
	int n = pollset_ready(io->ps, e, STEP_EVENTS);
	int64_t enough = sys_now().mono + STEP_MS;
	for (int i = 0; i < n; i++) {
		serve(io, &e[i]);
		if (sys_now().mono >= enough)
			break;
	}
	for (int i = 0; i < STEP_TIMERS && is_due(io); i++) {
		io->due = NEVER;
		act(io, CURL_SOCKET_TIMEOUT, 0);
		if (sys_now().mono >= enough)
			break;
	}
	collect(io);
	if (io->broken)
		give_up(io);
}

struct transfer *curlio_finished(struct curlio *io) {
	return io->finished.first;
}

void *transfer_owner(const struct transfer *t) {
	return t->owner;
}

const struct request *transfer_request(const struct transfer *t) {
	return &t->q;
}

bool transfer_sent(const struct transfer *t) {
	return t->tries > 0 && t->why != NET_REFUSED;
}

const struct reply *transfer_reply(const struct transfer *t) {
	return &t->reply;
}

void curlio_release(struct curlio *io, struct transfer *t) {
	recycle(io, t);
}

int64_t curlio_due(const struct curlio *io) {
	return io->due;
}

bool curlio_crowded(const struct curlio *io) {
	return io->starting >= MAX_STARTING;
}
