/* managed.c -- a managed identity: each place that hands its tokens out is a
   row of what is to be sent there.

   Rules: "How to use managed identities for Azure resources on an Azure VM to
   acquire an access token", "How to use managed identities for App Service and
   Azure Functions", "Authenticate against Azure resources with Azure
   Arc-enabled servers". */
#include "base64.h"
#include "flow.h"

enum {
	PROBE_TIMEOUT = 1000, /* ms: is anybody there? */
	TRY_TIMEOUT = 60000,  /* ms */
	LONG = 7200,          /* s */
	IMDS_TRIES = 7,       /* with the pauses below: over 70 s */
};

static const struct source {
	const char *api_version;
	const char *secret_header; /* carries SV_SECRET */
	/* what the query calls a user-assigned identity's client_id,
	   object_id and resource_id; NULL: not to be had here */
	const char *client_id, *object_id, *resource_id;
	bool metadata; /* wants the header Metadata: true */
	bool post;     /* resource goes into a form */
} imds = { "2018-02-01", NULL, "client_id", "object_id",
	   "msi_res_id", true, false },
  app_service = { "2019-08-01",   "X-IDENTITY-HEADER", "client_id",
	          "principal_id", "mi_res_id",         false,
	          false },
  arc = { "2020-06-01", NULL, NULL, NULL, NULL, true, false },
  cloud_shell = { NULL, NULL, NULL, NULL, NULL, true, true },
  azure_ml = { "2017-09-01", "secret", "clientid", NULL, NULL, false, false },
  service_fabric = {
	  "2019-07-01-preview", "Secret", NULL, NULL, NULL, false, false
  };

static struct span value(const struct signin *s, enum signin_value v) {
	return signin_link(s)->spec.value[v];
}

struct span flow_resource(const struct signin *s) {
	static const struct span tail = { "/.default", 9 };
	struct span scope = buf_span(&s->scope);
	if (scope.n > tail.n &&
	    span_eq(span_from(scope, scope.n - tail.n), tail))
		scope.n -= tail.n;
	return scope;
}

/* What this source calls the identity that was asked for. */
static const char *id_parameter(const struct signin *s,
                                const struct source *from) {
	struct span name = value(s, SV_ID_NAME);
	if (span_eq(name, SPAN("client_id")))
		return from->client_id;
	return span_eq(name, SPAN("object_id")) ? from->object_id
	                                        : from->resource_id;
}

static void add_query(struct buf *url, const char *name, struct span text) {
	bool has = false;
	for (size_t i = 0; i < url->n; i++)
		has = has || url->p[i] == '?';
	buf_addc(url, has ? '&' : '?');
	buf_adds(url, name);
	buf_addc(url, '=');
	url_encode(url, text);
}

/* Never through a proxy, and by its design over plain http. */
static void begin_request(const struct signin *s, struct request *q) {
	request_clear(q);
	q->method = HTTP_GET;
	q->timeout_ms = TRY_TIMEOUT;
	q->authorize = false;
	q->no_proxy = true;
	q->allow_http = true;
	buf_set(&q->url, value(s, SV_ENDPOINT));
}

static enum signin_want refuse(struct signin *s, enum fail_kind kind,
                               const char *why, struct now now) {
	signin_describe(s, why, NO_SPAN);
	s->fail.kind = kind;
	signin_fail(s, now);
	return SIGNIN_IDLE;
}

static enum signin_want ask(struct signin *s, struct request *q,
                            const struct source *from, struct now now) {
	struct span id = value(s, SV_ID);
	if (!http_printable(value(s, SV_SECRET)))
		return refuse(s, FAIL_CREDENTIAL,
		              "IDENTITY_HEADER or MSI_SECRET holds characters "
		              "that cannot stand in a header field",
		              now);
	if (id.n > 0 && !id_parameter(s, from)) {
		signin_describe(s,
		                "this source has no user-assigned identity by ",
		                value(s, SV_ID_NAME));
		signin_fail(s, now);
		return SIGNIN_IDLE;
	}
	begin_request(s, q);
	if (from->api_version)
		add_query(&q->url, "api-version", span_of(from->api_version));
	if (from->post) {
		q->method = HTTP_POST;
		request_header(q, "Content-Type",
		               SPAN("application/x-www-form-urlencoded"));
		form_add(&q->body, "resource", flow_resource(s));
	} else {
		add_query(&q->url, "resource", flow_resource(s));
	}
	if (id.n > 0)
		add_query(&q->url, id_parameter(s, from), id);
	if (from->metadata)
		request_header(q, "Metadata", SPAN("true"));
	if (from->secret_header)
		request_header(q, from->secret_header, value(s, SV_SECRET));
	return SIGNIN_SEND;
}

/* These tokens live for a day; a long one is renewed at half its life. */
static void accept(struct signin *s, const struct answer *a) {
	struct answer own = *a;
	int64_t lives;
	if (flow_life(a, &lives) && lives > LONG && token_of(a)->refresh_in < 0)
		own.facts.as.token.refresh_in = lives / 2;
	flow_accept(s, &own);
}

static void fed(struct signin *s, const struct answer *a) {
	if (a->http->status == 200)
		accept(s, a);
	else
		flow_refused(s, a);
}

/* ---- virtual machines --------------------------------------------------- */

enum { IMDS_PROBE, IMDS_ASK };

/* Without its header the service refuses at once: enough to know it. */
static enum signin_want ask_imds(struct signin *s, struct request *q,
                                 struct now now) {
	if (s->scratch.step == IMDS_ASK || !signin_link(s)->spec.probed)
		return ask(s, q, &imds, now);
	begin_request(s, q);
	q->timeout_ms = PROBE_TIMEOUT;
	return SIGNIN_SEND;
}

static bool probing(const struct signin *s) {
	return s->scratch.step == IMDS_PROBE && signin_link(s)->spec.probed;
}

/* Its errors are one JSON object with both of these.  In a chain all else that
   answers at this address is somebody else: a router, a proxy, the metadata
   service of another cloud. */
static bool is_its_error(const struct answer *a) {
	return a->facts.oauth_error.n > 0 && a->facts.oauth_description.n > 0;
}

static bool is_stranger(const struct signin *s, const struct answer *a) {
	int status = a->http->status;
	if (!signin_link(s)->spec.probed)
		return false;
	if (probing(s)) /* the header was missing, as it says */
		return status != 400 || !is_its_error(a);
	return status == 200 ? token_of(a)->access_token.n == 0
	                     : !is_its_error(a);
}

/* Why the chain asks its next credential; NULL: it does not. */
static const char *not_here(const struct signin *s, const struct answer *a) {
	int status = a->http->status;
	if (status == 403 &&
	    span_icontains(buf_span(&a->http->body), SPAN("unreachable")))
		return "a proxy answers for the metadata service: ";
	if (is_stranger(s, a))
		return "what answers is not the metadata service: ";
	if (probing(s))
		return NULL;
	if (status == 400 && value(s, SV_ID).n == 0)
		return "this machine has no system-assigned identity: ";
	if (status == 404 && signin_link(s)->spec.probed)
		return "the metadata service knows no such identity: ";
	return NULL;
}

static void fed_imds(struct signin *s, const struct answer *a) {
	const char *why = not_here(s, a);
	struct span said = a->facts.message;
	if (said.n == 0)
		said = reply_header(a->http, "content-type");
	if (why)
		signin_absent(s, why,
		              said.n > 0 ? said : SPAN("it does not say why"),
		              a->at);
	else if (probing(s))
		signin_step(s, IMDS_ASK, a->at.mono);
	else
		fed(s, a);
}

/* 404, 410, 429 and 5xx pass, 410 after up to 70 s. */
static int64_t again_imds(const struct signin *s, const struct answer *a,
                          int64_t asked) {
	static const int64_t pauses[] = {
		2000, 4000, 8000, 16000, 25000, 25000
	};
	int status = a->http->status;
	bool none = a->http->error != NET_OK;
	bool passes = none || status == 404 || status == 410 || status == 429 ||
	              status >= 500;
	if (!passes || s->scratch.tries >= IMDS_TRIES || is_stranger(s, a))
		return -1;
	return asked > 0 && asked < 60000 ? asked
	                                  : pauses[s->scratch.tries - 1];
}

const struct flow flow_imds = {
	.name = "managed_identity (virtual machine)",
	.ask = ask_imds,
	.fed = fed_imds,
	.again = again_imds,
	.local = true,
};

/* ---- those that need one request ---------------------------------------- */

static enum signin_want ask_app_service(struct signin *s, struct request *q,
                                        struct now now) {
	return ask(s, q, &app_service, now);
}

static enum signin_want ask_cloud_shell(struct signin *s, struct request *q,
                                        struct now now) {
	return ask(s, q, &cloud_shell, now);
}

static enum signin_want ask_azure_ml(struct signin *s, struct request *q,
                                     struct now now) {
	return ask(s, q, &azure_ml, now);
}

const struct flow flow_app_service = {
	.name = "managed_identity (App Service)",
	.ask = ask_app_service,
	.fed = fed,
	.local = true,
};
const struct flow flow_cloud_shell = {
	.name = "managed_identity (Cloud Shell)",
	.ask = ask_cloud_shell,
	.fed = fed,
	.local = true,
};
const struct flow flow_azure_ml = {
	.name = "managed_identity (Azure ML)",
	.ask = ask_azure_ml,
	.fed = fed,
	.local = true,
};

/* ---- Azure Arc ---------------------------------------------------------- */

/* The challenge names a file, and what is in it proves the caller. */
enum { ARC_CHALLENGE, ARC_FILE, ARC_ASK };

/* Only a file that the agent alone can write there proves anything. */
static const char *check_key_path(struct span path) {
	static const struct span dir = { "/var/opt/azcmagent/tokens/", 26 };
	static const struct span tail = { ".key", 4 };
	struct span name;
	if (path.n <= dir.n + tail.n ||
	    !span_eq((struct span){ path.p, dir.n }, dir))
		return "the challenge names a file outside the agent's "
		       "directory";
	name = span_from(path, dir.n);
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == '/' || (unsigned char)name.p[i] < ' ')
			return "the challenge's file name is not plain";
	return span_eq(span_from(name, name.n - tail.n), tail)
	               ? NULL
	               : "the challenge's file is no .key";
}

/* Whatever is read for Azure Arc is asked for here. */
static enum signin_want ask_key_file(struct signin *s, struct now now) {
	const char *why = check_key_path(buf_span(&s->scratch.work));
	if (why && !s->scratch.work.failed)
		return refuse(s, FAIL_UNTRUSTED, why, now);
	s->scratch.need = NEED_KEY_FILE;
	return SIGNIN_NEED;
}

static enum signin_want ask_arc(struct signin *s, struct request *q,
                                struct now now) {
	enum signin_want want;
	if (s->scratch.step == ARC_FILE)
		return ask_key_file(s, now);
	want = ask(s, q, &arc, now);
	if (want == SIGNIN_SEND && s->scratch.step == ARC_ASK) {
		buf_adds(&q->head, "Authorization: Basic ");
		buf_add(&q->head, buf_span(&s->scratch.assertion));
		buf_addc(&q->head, '\0');
	}
	return want;
}

static void fed_arc(struct signin *s, const struct answer *a) {
	if (s->scratch.step == ARC_ASK) {
		fed(s, a);
	} else if (a->http->status == 401 &&
	           http_challenge(a->http, "Basic", "realm",
	                          &s->scratch.work)) {
		signin_step(s, ARC_FILE, a->at.mono);
	} else {
		flow_refused(s, a);
	}
}

static void met_arc(struct signin *s, struct span bytes, struct now now) {
	struct span key = span_trim(bytes);
	if (key.n == 0 || !http_printable(key)) {
		refuse(s, FAIL_CREDENTIAL,
		       "the challenge's file is empty or holds characters that "
		       "cannot stand in a header field",
		       now);
		return;
	}
	buf_set(&s->scratch.assertion, key);
	signin_step(s, ARC_ASK, now.mono);
}

const struct flow flow_arc = {
	.name = "managed_identity (Azure Arc)",
	.ask = ask_arc,
	.fed = fed_arc,
	.met = met_arc,
	.local = true,
};

/* ---- Service Fabric ----------------------------------------------------- */

/* "How to use a Service Fabric application's managed identity to access Azure
   services": the endpoint's certificate is no authority's, it is known by its
   SHA-1 thumbprint.  So first a handshake that sends nothing; then, once the
   certificate has proved to be the right one, the request, to nobody but who
   holds that certificate's key. */
enum { FABRIC_LOOK, FABRIC_PROVE, FABRIC_ASK };

enum { SHA1_BYTES = 20, SHA256_BYTES = 32 };

static int hex_value(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Colons and blanks, as certificates are shown with, do not count. */
static bool read_thumbprint(struct span s, unsigned char out[SHA1_BYTES]) {
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		int v = hex_value(s.p[i]);
		if (s.p[i] == ':' || s.p[i] == ' ')
			continue;
		if (v < 0 || n == 2 * SHA1_BYTES)
			return false;
		out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] | v : v << 4);
		n++;
	}
	return n == 2 * SHA1_BYTES;
}

/* In the same time wherever they differ. */
static bool equal_bytes(const unsigned char *a, const char *b, size_t n) {
	unsigned char differ = 0;
	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ (unsigned char)b[i]);
	return differ == 0;
}

static enum signin_want ask_handshake(struct signin *s, struct request *q,
                                      struct now now) {
	unsigned char ignored[SHA1_BYTES];
	if (!span_istarts(value(s, SV_ENDPOINT), SPAN("https://")))
		return refuse(s, FAIL_CREDENTIAL,
		              "IDENTITY_ENDPOINT of Service Fabric is "
		              "not https",
		              now);
	if (!read_thumbprint(value(s, SV_THUMBPRINT), ignored))
		return refuse(s, FAIL_CREDENTIAL,
		              "IDENTITY_SERVER_THUMBPRINT is no SHA-1 "
		              "thumbprint (40 hexadecimal digits)",
		              now);
	begin_request(s, q);
	q->allow_http = false;
	q->handshake = true;
	return SIGNIN_SEND;
}

static enum signin_want ask_service_fabric(struct signin *s, struct request *q,
                                           struct now now) {
	enum signin_want want;
	if (s->scratch.step == FABRIC_PROVE) {
		s->scratch.need = NEED_FINGERPRINTS;
		return SIGNIN_NEED;
	}
	want = ask(s, q, &service_fabric, now); /* may refuse */
	if (want != SIGNIN_SEND)
		return want;
	if (s->scratch.step == FABRIC_LOOK)
		return ask_handshake(s, q, now);
	q->allow_http = false;
	buf_set(&q->pin, buf_span(&s->scratch.assertion));
	return want;
}

static void fed_service_fabric(struct signin *s, const struct answer *a) {
	if (s->scratch.step == FABRIC_LOOK) {
		buf_set(&s->scratch.work, buf_span(&a->http->body));
		signin_step(s, FABRIC_PROVE, a->at.mono);
	} else {
		fed(s, a);
	}
}

static void met_service_fabric(struct signin *s, struct span bytes,
                               struct now now) {
	unsigned char wanted[SHA1_BYTES];
	if (bytes.n != SHA1_BYTES + SHA256_BYTES ||
	    !read_thumbprint(value(s, SV_THUMBPRINT), wanted) ||
	    !equal_bytes(wanted, bytes.p, SHA1_BYTES)) {
		refuse(s, FAIL_UNTRUSTED,
		       "the certificate of IDENTITY_ENDPOINT is not the "
		       "one that IDENTITY_SERVER_THUMBPRINT names",
		       now);
		return;
	}
	buf_set(&s->scratch.assertion, SPAN("sha256//"));
	base64_encode(&s->scratch.assertion, span_from(bytes, SHA1_BYTES));
	signin_step(s, FABRIC_ASK, now.mono);
}

const struct flow flow_service_fabric = {
	.name = "managed_identity (Service Fabric)",
	.ask = ask_service_fabric,
	.fed = fed_service_fabric,
	.met = met_service_fabric,
	.local = true,
};
