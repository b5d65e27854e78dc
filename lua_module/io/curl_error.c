/*
 * curl_error.c -- how a transfer ended: a CURLcode becomes an enum net_error.
 *
 * The core decides by net_error alone whether a request is sent again and which
 * message is shown.  Some of libcurl's codes are finer (five mean that TLS
 * failed), others are coarser.  So there are two steps:
 *
 *   - a table with a row for each code (error_of);
 *   - refine: a callback aborted the transfer; the proxy failed and not the
 *     server; the proxy asks for a password.
 *
 * Until the response to CONNECT came, the peer is the proxy: a failure is the
 * proxy's.  SOCKS has no such response, so TLS may have failed behind the
 * proxy.
 *
 * The text for messages is libcurl's own, because it names the host or the
 * certificate. take_note omits texts that may contain a password.
 */
#include "io/curl_private.h"
#include "io/curlio.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	/* as numbers, because the headers may be older than the libcurl */
	UNRECOVERABLE_POLL = 99, /* since 8.4.0 */
	TOO_LARGE = 100,         /* since 8.6.0 */
	ECH_REQUIRED = 101,      /* since 8.8.0 */
};

static enum net_error error_of(CURLcode code) {
	static const struct {
		CURLcode code;
		enum net_error error;
	} rows[] = {
		{ CURLE_URL_MALFORMAT, NET_URL },
		{ CURLE_LOGIN_DENIED, NET_URL },          /* the URL has
		                                             user:password@ */
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

/* The error for a status of the proxy's CONNECT response.  Temporary failures
   may be retried; a wrong password or a forbidden host may not. */
static enum net_error error_of_connect(long status) {
	switch (status) {
	case 401: /* tinyproxy's answer to a wrong password */
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

/* The error for one that came before the response to CONNECT. */
static enum net_error error_at_proxy(enum net_error e, const struct proxy *p) {
	switch (e) {
	case NET_CONNECT:
	case NET_SEND:
	case NET_RECV:
		return p->url.p ? NET_PROXY : e;
	case NET_TLS:
		return proxy_speaks_http(p) ? NET_PROXY_TLS : e;
	case NET_CERT:
		return proxy_speaks_http(p) ? NET_PROXY_CERT : e;
	default:
		return e;
	}
}

/* A numeric host needs no look-up. libcurl (7.88.1) then fails to resolve only
   when out of memory. */
static bool is_numeric(const struct transfer *t) {
	struct in6_addr address;
	char host[INET6_ADDRSTRLEN];
	struct url u;
	if (!url_parse(buf_span(&t->q.url), &u) || u.host.n >= sizeof host)
		return false;
	memcpy(host, u.host.p, u.host.n);
	host[u.host.n] = '\0';
	return inet_pton(AF_INET, host, &address) == 1 || *host == '[';
}

/* Refines the error by what the code alone does not tell. */
static enum net_error refine(const struct transfer *t, const struct proxy *p,
                             CURLcode code) {
	enum net_error e = error_of(code);
	long answer = transfer_info(t, CURLINFO_HTTP_CONNECTCODE);
	bool begun = t->tries > 0;
	if (t->why != NET_OK)
		return t->why;
	if (!begun && answer != 0 && answer / 100 != 2)
		return error_of_connect(answer);
	if (e == NET_CONNECT && t->peer_port == 0 && transfer_is_direct(t))
		return NET_MEMORY; /* no socket was opened, see on_open */
	if (code == CURLE_URL_MALFORMAT && !begun && !http_printable(p->url))
		return NET_PROXY; /* a host that IDNA does not allow */
	if (e == NET_RESOLVE && is_numeric(t))
		return NET_MEMORY;
	if (code == CURLE_URL_MALFORMAT && is_numeric(t))
		return NET_MEMORY; /* libcurl 8.14.1: the URL is valid, so
		                      memory is short */
	if (e == NET_PROXY)
		return error_of_socks(transfer_info(t, CURLINFO_PROXY_ERROR));
	if (!begun && answer == 0)
		return error_at_proxy(e, p);
	if (e == NET_URL && begun)
		return NET_PROTOCOL; /* "unsupported" means HTTP/0.9 */
	return e;
}

/* libcurl quotes the URL of a proxy that it cannot use. */
static bool may_have_password(const char *text) {
	return strchr(text, '@') != NULL ||
	       span_istarts(span_of(text), SPAN("Unsupported proxy"));
}

/* libcurl's text names a host or a certificate, and may quote the latter, so
   only printable characters are kept.  The text is omitted for URL errors,
   because the URL of a proxy may contain a password, and for errors raised by a
   callback.  The proxy is named where it failed, or did not answer in time. */
static void take_note(struct transfer *t, const struct proxy *p,
                      CURLcode code) {
	struct buf *note = &t->reply.note;
	bool waiting = t->reply.error == NET_TIMEOUT && t->tries == 0 &&
	               transfer_info(t, CURLINFO_HTTP_CONNECTCODE) == 0;
	if (t->why != NET_OK)
		return;
	if (code == CURLE_COULDNT_CONNECT && t->out_of_fds)
		buf_adds(note, "no more files may be opened (ulimit -n)");
	else if (t->text[0] == '\0' || t->reply.error == NET_URL ||
	         may_have_password(t->text))
		buf_adds(note, curl_easy_strerror(code));
	else
		buf_adds(note, t->text);
	if (p->url.p && (waiting || net_error_of_proxy(t->reply.error)))
		proxy_describe(note, p, t);
	for (size_t i = 0; i < note->n; i++)
		if (note->p[i] < ' ' || note->p[i] > '~')
			note->p[i] = '?';
}

/* The first certificate is the peer's own. libcurl lists it as "Cert:" and PEM
   among its other fields. */
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
		return transfer_keep(t, &t->reply.body, span_from(line, name.n))
		               ? CURLE_OK
		               : CURLE_OUT_OF_MEMORY;
	}
	return CURLE_SSL_CERTPROBLEM;
}

void transfer_judge(struct transfer *t, CURLcode code) {
	struct reply *r = &t->reply;
	struct proxy p;
	if (t->q.handshake && code == CURLE_OK)
		code = take_certificate(t);
	else if (t->head_done)
		r->status = (int)transfer_info(t, CURLINFO_RESPONSE_CODE);
	else if (code == CURLE_OK)
		code = CURLE_PARTIAL_FILE; /* it ended inside the head */
	r->sent = transfer_sent(t);
	if (code == CURLE_OK)
		return;
	p = transfer_proxy(t);
	r->error = refine(t, &p, code);
	take_note(t, &p, code);
}
