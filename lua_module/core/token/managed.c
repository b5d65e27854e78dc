/*
 * managed.c -- the tokens of managed identities.  Each source is a row that
 * describes its request.
 *
 * Rules: "How to use managed identities for Azure resources on an Azure VM to
 * acquire an access token", "How to use managed identities for App Service and
 * Azure Functions", "Authenticate against Azure resources with Azure
 * Arc-enabled servers".
 */
#include "core/base64.h"
#include "core/token/flow.h"

enum {
	PROBE_TIMEOUT = 1000, /* ms: only to find out whether a server
	                         answers */
	TRY_TIMEOUT = 60000,  /* ms */
	LONG = 7200,          /* s */
	IMDS_TRIES = 7,       /* with the pauses below over 70 s */
};

static const struct source {
	const char *api_version;
	const char *secret_header; /* header field for SV_SECRET */
	/* names of the query parameters for the client_id, object_id and
	   resource_id of a user-assigned identity; NULL: not supported here */
	const char *client_id, *object_id, *resource_id;
	bool metadata; /* needs the header field Metadata: true */
	bool post;     /* the resource is sent as a form */
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

struct span flow_resource(const struct chain *s) {
	static const struct span tail = { "/.default", 9 };
	struct span scope = buf_span(&s->scope);
	if (scope.n > tail.n &&
	    span_eq(span_from(scope, scope.n - tail.n), tail))
		scope.n -= tail.n;
	return scope;
}

/* The name of the query parameter for the requested identity. */
static const char *id_parameter(const struct chain *s,
                                const struct source *from) {
	struct span name = flow_value(s, SV_ID_NAME);
	if (span_eq(name, SPAN("client_id")))
		return from->client_id;
	return span_eq(name, SPAN("object_id")) ? from->object_id
	                                        : from->resource_id;
}

void flow_add_query(struct buf *url, const char *name, struct span text) {
	bool has = false;
	for (size_t i = 0; i < url->n; i++)
		has = has || url->p[i] == '?';
	buf_addc(url, has ? '&' : '?');
	buf_adds(url, name);
	buf_addc(url, '=');
	url_encode(url, text);
}

static const char *const secrets[] = { "IDENTITY_HEADER", "MSI_SECRET", NULL };

/* Managed identity endpoints use plain http by design, and never a proxy. */
static void begin_request(const struct chain *s, struct request *q) {
	request_clear(q);
	q->method = HTTP_GET;
	q->timeout_ms = TRY_TIMEOUT;
	q->no_proxy = true;
	q->allow_http = true;
	buf_set(&q->url, flow_value(s, SV_ENDPOINT));
}

static enum chain_want refuse(struct chain *s, enum fail_kind kind,
                              const char *why, struct now now) {
	chain_describe(s, why, NO_SPAN);
	s->fail.kind = kind;
	chain_fail(s, now);
	return CHAIN_IDLE;
}

static enum chain_want ask(struct chain *s, struct request *q,
                           const struct source *from, struct now now) {
	struct span id = flow_value(s, SV_ID);
	if (!http_printable(flow_value(s, SV_SECRET)))
		return refuse(s, FAIL_CREDENTIAL,
		              "IDENTITY_HEADER or MSI_SECRET contains "
		              "characters that a header field does not allow",
		              now);
	if (id.n > 0 && !id_parameter(s, from)) {
		chain_describe(s,
		               "this source has no user-assigned identity by ",
		               flow_value(s, SV_ID_NAME));
		chain_fail(s, now);
		return CHAIN_IDLE;
	}
	begin_request(s, q);
	if (from->api_version)
		flow_add_query(&q->url, "api-version",
		               span_of(from->api_version));
	if (from->post) {
		q->method = HTTP_POST;
		request_header(q, "Content-Type",
		               SPAN("application/x-www-form-urlencoded"));
		form_add(&q->body, "resource", flow_resource(s));
	} else {
		flow_add_query(&q->url, "resource", flow_resource(s));
	}
	if (id.n > 0)
		flow_add_query(&q->url, id_parameter(s, from), id);
	if (from->metadata)
		request_header(q, "Metadata", SPAN("true"));
	if (from->secret_header)
		request_header(q, from->secret_header,
		               flow_value(s, SV_SECRET));
	return CHAIN_SEND;
}

/* These tokens live for a day.  A long-lived one is renewed at half its
   life. */
static void accept(struct chain *s, const struct answer *a) {
	struct answer own = *a;
	int64_t lives;
	if (flow_life(a, &lives) && lives > LONG && token_of(a)->refresh_in < 0)
		own.facts.as.token.refresh_in = lives / 2;
	flow_accept(s, &own);
}

static void fed(struct chain *s, const struct answer *a) {
	if (a->http->status == 200)
		accept(s, a);
	else
		flow_refused(s, a);
}

/* ---- virtual machines --------------------------------------------------- */

enum { IMDS_PROBE, IMDS_ASK };

/* Without the Metadata header the service refuses at once, which proves that it
   exists. */
static enum chain_want ask_imds(struct chain *s, struct request *q,
                                struct now now) {
	if (s->scratch.step == IMDS_ASK || !chain_link(s)->spec.probed)
		return ask(s, q, &imds, now);
	begin_request(s, q);
	q->timeout_ms = PROBE_TIMEOUT;
	return CHAIN_SEND;
}

static bool probing(const struct chain *s) {
	return s->scratch.step == IMDS_PROBE && chain_link(s)->spec.probed;
}

/* The service's errors are one JSON object with both members.  In a chain any
   other answer at this address comes from another server: a router, a proxy,
   the metadata service of another cloud. */
static bool is_its_error(const struct answer *a) {
	return a->facts.oauth_error.n > 0 && a->facts.oauth_description.n > 0;
}

static bool is_stranger(const struct chain *s, const struct answer *a) {
	int status = a->http->status;
	if (!chain_link(s)->spec.probed)
		return false;
	if (probing(s)) /* the refusal of a request without the Metadata
	                   header */
		return status != 400 || !is_its_error(a);
	return status == 200 ? token_of(a)->access_token.n == 0
	                     : !is_its_error(a);
}

/* An error about the scope tells nothing of identities.  Entra ID's own words
   are such an error, too. */
static bool is_about_scope(const struct answer *a) {
	return span_eq(a->facts.oauth_error, SPAN("invalid_resource")) ||
	       span_eq(a->facts.oauth_error, SPAN("invalid_scope")) ||
	       span_icontains(a->facts.oauth_description, SPAN("AADSTS"));
}

/* Why the chain tries its next credential; NULL: it does not. */
static const char *not_here(const struct chain *s, const struct answer *a) {
	int status = a->http->status;
	if (status == 403 &&
	    span_icontains(buf_span(&a->http->body), SPAN("unreachable")))
		return "a proxy answered instead of the metadata service: ";
	if (is_stranger(s, a))
		return "the server that answered is not the metadata service: ";
	if (probing(s))
		return NULL;
	if (status == 400 && flow_value(s, SV_ID).n == 0 && !is_about_scope(a))
		return "this machine has no system-assigned identity: ";
	if (status == 404 && chain_link(s)->spec.probed)
		return "the metadata service does not know this identity: ";
	return NULL;
}

static void fed_imds(struct chain *s, const struct answer *a) {
	const char *why = not_here(s, a);
	struct span said = a->facts.message;
	if (said.n == 0)
		said = reply_header(a->http, "content-type");
	if (why)
		chain_absent(s, why,
		             said.n > 0 ? said : SPAN("no reason given"),
		             a->at);
	else if (probing(s))
		chain_step(s, IMDS_ASK, a->at.mono);
	else
		fed(s, a);
}

/* 404, 410, 429 and 5xx are temporary; 410 lasts up to 70 s. */
static int64_t again_imds(const struct chain *s, const struct answer *a,
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
	.managed = true,
	.secrets = secrets,
};

/* ---- sources with one request
   --------------------------------------------- */

static enum chain_want ask_app_service(struct chain *s, struct request *q,
                                       struct now now) {
	return ask(s, q, &app_service, now);
}

static enum chain_want ask_cloud_shell(struct chain *s, struct request *q,
                                       struct now now) {
	return ask(s, q, &cloud_shell, now);
}

static enum chain_want ask_azure_ml(struct chain *s, struct request *q,
                                    struct now now) {
	return ask(s, q, &azure_ml, now);
}

const struct flow flow_app_service = {
	.name = "managed_identity (App Service)",
	.ask = ask_app_service,
	.fed = fed,
	.managed = true,
	.secrets = secrets,
};
const struct flow flow_cloud_shell = {
	.name = "managed_identity (Cloud Shell)",
	.ask = ask_cloud_shell,
	.fed = fed,
	.managed = true,
	.secrets = secrets,
};
const struct flow flow_azure_ml = {
	.name = "managed_identity (Azure ML)",
	.ask = ask_azure_ml,
	.fed = fed,
	.managed = true,
	.secrets = secrets,
};

/* ---- Azure Arc ---------------------------------------------------------- */

/* The challenge names a file.  The caller proves itself by its content. */
enum { ARC_CHALLENGE, ARC_FILE, ARC_ASK };

/* Only a file that the agent alone can write is a proof. */
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
			return "the challenge's file name contains a slash or "
			       "a control character";
	return span_eq(span_from(name, name.n - tail.n), tail)
	               ? NULL
	               : "the challenge's file is not a .key file";
}

/* Sets NEED_KEY_FILE: the only place where Azure Arc needs a file. */
static enum chain_want ask_key_file(struct chain *s, struct now now) {
	const char *why = check_key_path(buf_span(&s->scratch.work));
	if (why && !s->scratch.work.failed)
		return refuse(s, FAIL_UNTRUSTED, why, now);
	s->scratch.need = NEED_KEY_FILE;
	return CHAIN_NEED;
}

static enum chain_want ask_arc(struct chain *s, struct request *q,
                               struct now now) {
	enum chain_want want;
	if (s->scratch.step == ARC_FILE)
		return ask_key_file(s, now);
	want = ask(s, q, &arc, now);
	if (want == CHAIN_SEND && s->scratch.step == ARC_ASK) {
		buf_adds(&q->head, "Authorization: Basic ");
		buf_add(&q->head, buf_span(&s->scratch.assertion));
		buf_addc(&q->head, '\0');
	}
	return want;
}

static void fed_arc(struct chain *s, const struct answer *a) {
	if (s->scratch.step == ARC_ASK) {
		fed(s, a);
	} else if (a->http->status == 401 &&
	           http_challenge(a->http, "Basic", "realm",
	                          &s->scratch.work)) {
		chain_step(s, ARC_FILE, a->at.mono);
	} else {
		flow_refused(s, a);
	}
}

static void provided_arc(struct chain *s, struct span bytes, struct now now) {
	struct span key = span_trim(bytes);
	if (key.n == 0 || !http_printable(key)) {
		refuse(s, FAIL_CREDENTIAL,
		       "the challenge's file is empty or contains characters "
		       "that a header field does not allow",
		       now);
		return;
	}
	buf_set(&s->scratch.assertion, key);
	chain_step(s, ARC_ASK, now.mono);
}

const struct flow flow_arc = {
	.name = "managed_identity (Azure Arc)",
	.ask = ask_arc,
	.fed = fed_arc,
	.provided = provided_arc,
	.managed = true,
	.secrets = secrets,
};

/* ---- Service Fabric ----------------------------------------------------- */

/* "How to use a Service Fabric application's managed identity to access Azure
   services": no CA signed the endpoint's certificate; it is identified by its
   SHA-1 thumbprint.  So the first step is a handshake that sends nothing.  If
   the certificate is the right one, the request is sent, and only to a peer
   that holds that certificate's key. */
enum { FABRIC_LOOK, FABRIC_PROVE, FABRIC_ASK };

enum { SHA1_BYTES = 20, SHA256_BYTES = 32 };

bool flow_thumbprint(struct span s, unsigned char *out, size_t bytes) {
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		int v = char_hex_value(s.p[i]);
		if (s.p[i] == ':' || s.p[i] == ' ')
			continue;
		if (v < 0 || n == 2 * bytes)
			return false;
		out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] | v : v << 4);
		n++;
	}
	return n == 2 * bytes;
}

/* Compares in constant time. */
static bool equal_bytes(const unsigned char *a, const char *b, size_t n) {
	unsigned char differ = 0;
	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ (unsigned char)b[i]);
	return differ == 0;
}

static enum chain_want ask_handshake(struct chain *s, struct request *q,
                                     struct now now) {
	unsigned char ignored[SHA1_BYTES];
	if (!span_istarts(flow_value(s, SV_ENDPOINT), SPAN("https://")))
		return refuse(s, FAIL_CREDENTIAL,
		              "IDENTITY_ENDPOINT of Service Fabric is "
		              "not https",
		              now);
	if (!flow_thumbprint(flow_value(s, SV_THUMBPRINT), ignored, SHA1_BYTES))
		return refuse(s, FAIL_CREDENTIAL,
		              "IDENTITY_SERVER_THUMBPRINT is not a SHA-1 "
		              "thumbprint (40 hexadecimal digits)",
		              now);
	begin_request(s, q);
	q->allow_http = false;
	q->handshake = true;
	return CHAIN_SEND;
}

static enum chain_want ask_service_fabric(struct chain *s, struct request *q,
                                          struct now now) {
	enum chain_want want;
	if (s->scratch.step == FABRIC_PROVE) {
		s->scratch.need = NEED_FINGERPRINTS;
		return CHAIN_NEED;
	}
	want = ask(s, q, &service_fabric, now); /* it may refuse */
	if (want != CHAIN_SEND)
		return want;
	if (s->scratch.step == FABRIC_LOOK)
		return ask_handshake(s, q, now);
	q->allow_http = false;
	buf_set(&q->pin, buf_span(&s->scratch.assertion));
	return want;
}

static void fed_service_fabric(struct chain *s, const struct answer *a) {
	if (s->scratch.step == FABRIC_LOOK) {
		buf_set(&s->scratch.work, buf_span(&a->http->body));
		chain_step(s, FABRIC_PROVE, a->at.mono);
	} else {
		fed(s, a);
	}
}

static void provided_service_fabric(struct chain *s, struct span bytes,
                                    struct now now) {
	unsigned char wanted[SHA1_BYTES];
	if (bytes.n != SHA1_BYTES + SHA256_BYTES ||
	    !flow_thumbprint(flow_value(s, SV_THUMBPRINT), wanted,
	                     SHA1_BYTES) ||
	    !equal_bytes(wanted, bytes.p, SHA1_BYTES)) {
		refuse(s, FAIL_UNTRUSTED,
		       "the certificate of IDENTITY_ENDPOINT does not match "
		       "IDENTITY_SERVER_THUMBPRINT",
		       now);
		return;
	}
	buf_set(&s->scratch.assertion, SPAN("sha256//"));
	base64_encode(&s->scratch.assertion, span_from(bytes, SHA1_BYTES));
	chain_step(s, FABRIC_ASK, now.mono);
}

const struct flow flow_service_fabric = {
	.name = "managed_identity (Service Fabric)",
	.ask = ask_service_fabric,
	.fed = fed_service_fabric,
	.provided = provided_service_fabric,
	.managed = true,
	.secrets = secrets,
};
