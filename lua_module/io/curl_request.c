/*
 * curl_request.c -- one request on one easy handle, and the reply's bytes.
 *
 * Options are set at three times, so that none is set more often than it
 * changes:
 *
 *   - on the model handle, once: options that no request changes (TLS,
 *     redirects, proxies, callbacks).  Every other handle is its duplicate;
 *   - on a new handle, once: the pointers to its transfer (tie);
 *   - on each request: URL, header fields, body, time limit, and the options
 *     that differ from the handle's last request, which the transfer remembers.
 *
 * curl_easy_reset is never called.  A handle serves once and is freed if it
 * trusts one peer without a CA (set_peer), or if an option could not be set.
 *
 * Memory: libcurl gets pointers into struct request instead of copies, for the
 * header fields with the token and for the body. transfer_detach removes these
 * pointers before the request is freed, and freeing overwrites the bytes.
 *
 * The head of the final response is kept as "Name: value" lines, each followed
 * by a NUL.  Each buffer has a size limit.  A callback that aborts stores the
 * reason in t->why, because libcurl does not pass it on.
 */
#include "io/curl_private.h"
#include "io/curlio.h"

#include <limits.h>
#include <string.h>

enum {
	MAX_ORIGIN = 512, /* bytes; a longer origin is parsed for each
	                     request */
	MAX_AGE = 300,    /* s: after that the name is resolved again */
	CONNECT_MS = 30000
};

/* --- receiving ----------------------------------------------------------- */

bool transfer_keep(struct transfer *t, struct buf *b, struct span s) {
	if (s.n > buf_max(b) - b->n) {
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
	return transfer_keep(t, &t->reply.body, s) ? s.n : 0;
}

/* A head starts with "HTTP/1.1 100 Continue" or "HTTP/2 200 ".  A 101 is an
   error: another protocol would follow, and libcurl would wait for it until the
   timeout. */
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

/* RFC 9112 section 5.2: a line that starts with white space continues the line
   before.  The line break and the white space become one space. */
static bool unfold(struct transfer *t, struct span line) {
	struct buf *head = &t->reply.head;
	if (head->n == 0)
		return true;
	head->p[head->n - 1] = ' ';
	return transfer_keep(t, head, span_trim(line)) &&
	       transfer_keep(t, head, SPAN("\0"));
}

static bool keep_line(struct transfer *t, struct span line) {
	struct buf *head = &t->reply.head;
	if (line.n == 0) {
		t->head_done = !t->interim;
		return true;
	}
	if (memchr(line.p, ':', line.n) == NULL)
		return true;
	return transfer_keep(t, head, line) &&
	       transfer_keep(t, head, SPAN("\0"));
}

/* The limit of a head is that of all lines together: a peer may send any number
   of 1xx responses and trailers, and libcurl keeps the latter. */
static bool has_room(struct transfer *t, size_t n) {
	t->lines += n;
	if (t->lines > buf_max(&t->reply.head))
		t->why = NET_TOO_BIG;
	return t->why == NET_OK;
}

/* Keeps the final response's fields only; later lines are the trailers of a
   chunked body. */
static bool take_line(struct transfer *t, struct span line) {
	if (!has_room(t, line.n))
		return false;
	if (t->head_done)
		return true;
	if (span_istarts(line, SPAN("HTTP/")))
		return begin_head(t, line);
	if (line.n > 0 && (*line.p == ' ' || *line.p == '\t'))
		return unfold(t, line);
	return keep_line(t, span_trim(line));
}

/* A line that does not fit ends the transfer.  The head may then lack its last
   NUL, so it is cleared. */
static size_t on_head(char *p, size_t size, size_t n, void *ud) {
	struct transfer *t = ud;
	struct span line = { p, size * n };
	bool fine = take_line(t, line);
	if (!fine)
		buf_clear(&t->reply.head);
	return fine ? line.n : 0;
}

/* --- the model handle ---------------------------------------------------- */

static bool set_trust(CURL *easy, const struct curlio_config *cfg) {
	const char *file, *path;
	curlio_trust(cfg, &file, &path);
	if (file == NULL && path == NULL)
		return true; /* the TLS library uses its own trust store */
	return !curl_easy_setopt(easy, CURLOPT_CAINFO, file) &&
	       !curl_easy_setopt(easy, CURLOPT_CAPATH, path) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, path);
}

/* With an encoding set, libcurl decodes a body that is compressed although the
   request did not ask for it. make_tail suppresses the header field that would
   ask.  The size limit applies to the decoded bytes. */
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
		{ CURLOPT_QUICK_EXIT, 1 }, /* do not wait for resolver
		                              threads */
		{ CURLOPT_PATH_AS_IS, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_PROXY_SSL_VERIFYPEER, 1 },
		{ CURLOPT_PROXY_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
		/* A proxy gets none of the request's header fields, and its own
		   response is not shown. */
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

static bool set_callbacks(CURL *easy) {
	return !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
}

static bool add_line(struct curl_slist **list, const char *line) {
	struct curl_slist *l = line ? curl_slist_append(*list, line) : NULL;
	if (l != NULL)
		*list = l;
	return l != NULL;
}

/* The lines at the end of every request's head.  A name without a value keeps
   libcurl from adding that field.  Requests without a body begin at the third
   line, those with a body at the second, an empty POST at the first.  The user
   agent is here because libcurl would build its own field again for each
   request, at twice the cost. */
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

bool model_open(struct curlio *io, const struct curlio_config *cfg) {
	io->model = curl_easy_init();
	return io->model != NULL && make_tail(io, cfg->user_agent) &&
	       set_numbers(io->model) && set_texts(io->model, cfg) &&
	       set_trust(io->model, cfg) && set_callbacks(io->model);
}

void model_close(struct curlio *io, bool forked) {
	if (!forked)
		curl_easy_cleanup(io->model);
	curl_slist_free_all(io->tail);
}

/* --- transfers and their handles ----------------------------------------- */

long transfer_info(const struct transfer *t, CURLINFO what) {
	long value = 0;
	curl_easy_getinfo(t->easy, what, &value);
	return value;
}

static int64_t point(const struct transfer *t, CURLINFO what) {
	curl_off_t us = 0;
	curl_easy_getinfo(t->easy, what, &us);
	return us;
}

/* From one point to the next; -1: one of the two was not reached. */
static int64_t part(int64_t from, int64_t to) {
	return from >= 0 && to > 0 ? (to > from ? to - from : 0) : -1;
}

/* libcurl reports points of time since the begin of the transfer, and 0 for
   one that was not reached (curl_easy_getinfo(3), TIMES). */
struct transfer_times transfer_times(const struct transfer *t) {
	int64_t resolved = point(t, CURLINFO_NAMELOOKUP_TIME_T),
		connected = point(t, CURLINFO_CONNECT_TIME_T),
		secured = point(t, CURLINFO_APPCONNECT_TIME_T),
		ready = point(t, CURLINFO_PRETRANSFER_TIME_T),
		first = point(t, CURLINFO_STARTTRANSFER_TIME_T),
		last = point(t, CURLINFO_TOTAL_TIME_T);
	struct transfer_times p = { -1, -1, -1, -1, -1 };
	if (!t->reused) {
		p.dns = part(0, resolved);
		p.connect = part(resolved, connected);
		p.tls = part(connected, secured);
	}
	if (t->reply.status > 0) {
		p.wait = part(ready, first);
		p.receive = part(first, last);
	}
	return p;
}

/* Sets the pointers to the transfer, valid as long as the handle. */
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

void transfer_free(struct curlio *io, struct transfer *t, bool forked) {
	if (!forked)
		curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->curlu);
	buf_free(&t->origin);
	request_free(&t->q);
	reply_free(&t->reply);
	mem_resize(io->mem, t->nodes, t->nnodes * sizeof(*t->nodes), 0);
	mem_resize(io->mem, t, sizeof(*t), 0);
}

struct transfer *transfer_new(struct curlio *io) {
	struct transfer *t = mem_resize(io->mem, NULL, 0, sizeof(*t));
	if (t == NULL)
		return NULL;
	*t = (struct transfer){ .io = io, .method = HTTP_GET };
	request_init(&t->q, io->mem);
	reply_init(&t->reply, io->mem, io->max_body);
	buf_init(&t->origin, io->mem, MAX_ORIGIN);
	t->easy = curl_easy_duphandle(io->model);
	if (t->easy == NULL || !tie(t)) {
		transfer_free(io, t, false);
		return NULL;
	}
	return t;
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

/* --- setting a request on its handle
   ---------------------------------------- */

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

/* CURLOPT_HTTPHEADER neither copies nor changes its list.  The list points into
   the head, so no second copy of the token exists. */
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

/* An idle handle is set to GET without a body, see transfer_detach. */
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

CURLcode transfer_set_timeouts(struct transfer *t) {
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

/* Waiting for a connection that may speak HTTP/2 saves sockets.  With plain
   http it never does, so waiting would only delay the requests. */
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

CURLcode transfer_set_fresh(struct transfer *t, bool fresh) {
	if (t->fresh == fresh)
		return CURLE_OK;
	t->fresh = fresh;
	return curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, (long)fresh);
}

bool transfer_is_direct(const struct transfer *t) {
	return t->q.no_proxy || t->io->direct;
}

/* The path and query are sent as the URL has them (CURLOPT_REQUEST_TARGET), and
   libcurl parses only the origin.  In the URL, libcurl would copy them three
   times, character by character: a seventh of a whole request.  Out of memory,
   libcurl (7.88.1) even omits the query, and so sends another request.  NULL:
   they must stay in the URL.  This holds for a proxy with plain http, which
   needs the whole URL, and for characters that libcurl would cut off, refuse or
   encode. */
static char *target_in(const struct transfer *t, char *url) {
	struct span all = span_of(url);
	size_t scheme = span_istarts(all, SPAN("https://"))  ? 8
	                : span_istarts(all, SPAN("http://")) ? 7
	                                                     : 0;
	char *target = url + scheme;
	if (scheme == 0 || (scheme == 7 && !transfer_is_direct(t)))
		return NULL;
	target += strcspn(target, "/?#\\");
	if (*target != '/' || !span_visible(span_of(target)) ||
	    strchr(target, '#') != NULL)
		return NULL;
	return target;
}

static CURLcode code_of_url(CURLUcode code) {
	return code == CURLUE_OK              ? CURLE_OK
	       : code == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY
	                                      : CURLE_URL_MALFORMAT;
}

static void forget_parts(struct transfer *t) {
	curl_easy_setopt(t->easy, CURLOPT_CURLU, NULL);
	curl_url_cleanup(t->curlu);
	t->curlu = NULL;
	buf_clear(&t->origin);
}

/* The URL is parsed here, because the handle would assemble a copy again,
   character by character.  It is set as well, since libcurl makes that copy if
   it has no text.  The CURLU is always new: an old one would resolve a relative
   URL against its last host. */
static CURLcode set_parts(struct transfer *t, const char *url) {
	unsigned int flags = CURLU_PATH_AS_IS | CURLU_DISALLOW_USER;
	CURLcode c;
	forget_parts(t);
	t->curlu = curl_url();
	if (t->curlu == NULL)
		return CURLE_OUT_OF_MEMORY;
	c = code_of_url(curl_url_set(t->curlu, CURLUPART_URL, url, flags));
	if (c == CURLE_OK)
		c = curl_easy_setopt(t->easy, CURLOPT_URL, url);
	if (c == CURLE_OK)
		c = curl_easy_setopt(t->easy, CURLOPT_CURLU, t->curlu);
	return c;
}

/* The handle's last request probably went to the same origin. */
static CURLcode set_origin(struct transfer *t, char *url, char *target) {
	struct span origin = { url, (size_t)(target - url) };
	CURLcode c;
	if (span_eq(origin, buf_span(&t->origin)))
		return CURLE_OK;
	*target = '\0';
	c = set_parts(t, url);
	*target = '/';
	if (c == CURLE_OK)
		buf_set(&t->origin, origin);
	return c;
}

static CURLcode set_url(struct transfer *t) {
	char *url, *target;
	CURLcode c;
	if (buf_cstr(&t->q.url) == NULL)
		return CURLE_OUT_OF_MEMORY;
	url = t->q.url.p;
	if (strlen(url) != t->q.url.n) /* a NUL inside */
		return CURLE_URL_MALFORMAT;
	target = target_in(t, url);
	c = curl_easy_setopt(t->easy, CURLOPT_REQUEST_TARGET, target);
	if (c != CURLE_OK)
		return c;
	return target ? set_origin(t, url, target) : set_parts(t, url);
}

/* Trusts one peer by its public key, without a CA.  The pin is set first: if
   this libcurl cannot do that, verification stays on.  The connection and TLS
   session are not shared, and the handle is freed afterwards. */
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
	t->once = true;
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

CURLcode transfer_set(struct curlio *io, struct transfer *t) {
	CURLcode c = set_url(t);
	if (c == CURLE_OK)
		c = transfer_set_fresh(t, t->q.fresh);
	if (c == CURLE_OK)
		c = set_peer(t);
	if (c == CURLE_OK)
		c = set_route(t);
	if (c == CURLE_OK)
		c = transfer_set_timeouts(t);
	if (c == CURLE_OK)
		c = set_method(t);
	if (c == CURLE_OK)
		c = set_body(t);
	if (c == CURLE_OK)
		c = set_head(io, t);
	t->once |= c != CURLE_OK; /* its settings are unknown */
	return c;
}

void transfer_detach(struct transfer *t) {
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
	if (t->origin.n == 0)
		forget_parts(t);
	transfer_set_fresh(t, false);
	if (!t->posting)
		return;
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	t->posting = false;
}
