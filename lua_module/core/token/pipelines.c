/*
 * pipelines.c -- jobs of GitHub Actions and Azure Pipelines.  The service
 * issues an ID token to the job, and the token endpoint accepts it as the
 * application's assertion.  Both are requested for each access token, because
 * an ID token lives for five or ten minutes.
 *
 * Rules: "OpenID Connect reference" (GitHub Docs); "Oidctoken - Create" (Azure
 * DevOps REST API 7.1); AzurePipelinesCredential of Azure's own libraries;
 * "Workload identity federation" (Microsoft Entra); RFC 7523.
 */
#include "core/token/flow.h"

enum { TRY_TIMEOUT = 30000 /* ms */ };

enum { JOB_ASK, JOB_EXCHANGE };

#define PERMISSION                                                             \
	"; the job needs 'permissions: id-token: write', which pull requests " \
	"from forks do not get"
#define MAPPING                                                                \
	"; the step needs 'env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)'"

static const struct pipeline {
	const char *service;
	enum http_method method;
	const char *api_version; /* NULL: it is in the URL */
	const char *parameter;   /* name of the query parameter for the audience
	                            ... */
	enum chain_value about;  /* ... and the value to send */
	struct {
		enum chain_value value;
		const char *missing;
	} needs[5];              /* all required; the message names the first
	                            missing one */
	const char *url, *token; /* names of the two variables, for messages */
	const char *hint;        /* when the service issues no ID token */
} github = {
	.service = "GitHub Actions",
	.method = HTTP_GET,
	.parameter = "audience",
	.about = SV_AUDIENCE,
	.needs = { { SV_ENDPOINT, "ACTIONS_ID_TOKEN_REQUEST_URL is "
	                          "missing" PERMISSION },
	           { SV_SECRET, "ACTIONS_ID_TOKEN_REQUEST_TOKEN is "
	                        "missing" PERMISSION },
	           { SV_TENANT, "AZURE_TENANT_ID is missing" },
	           { SV_CLIENT, "AZURE_CLIENT_ID is missing" } },
	.url = "ACTIONS_ID_TOKEN_REQUEST_URL",
	.token = "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
	.hint = "the request token is valid only while its job runs: run this in a step of the job, with 'permissions: id-token: write'",
}, azure = {
	.service = "Azure Pipelines",
	.method = HTTP_POST,
	.api_version = "7.1",
	.parameter = "serviceConnectionId",
	.about = SV_CONNECTION,
	.needs = { { SV_ENDPOINT, "SYSTEM_OIDCREQUESTURI is missing; Azure "
	                          "Pipelines sets it in each job" },
	           { SV_SECRET, "SYSTEM_ACCESSTOKEN is missing" MAPPING },
	           { SV_TENANT, "AZURESUBSCRIPTION_TENANT_ID is missing" },
	           { SV_CLIENT, "AZURESUBSCRIPTION_CLIENT_ID is missing" },
	           { SV_CONNECTION, "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID "
	                            "is missing" } },
	.url = "SYSTEM_OIDCREQUESTURI",
	.token = "SYSTEM_ACCESSTOKEN",
	.hint = "check that SYSTEM_ACCESSTOKEN is this job's "
		"$(System.AccessToken), and that service_connection_id is the "
		"id (not the name) of a connection with workload identity "
		"federation that this pipeline may use",
};

static const struct pipeline *pipeline_of(const struct chain *s) {
	return chain_link(s)->spec.flow == &flow_github_actions ? &github
	                                                        : &azure;
}

/* The audience that a federated credential has in each cloud (azure/login,
   input `audience`). */
static struct span audience_of(const struct chain *s) {
	static const struct {
		const char *authority, *audience;
	} rows[] = {
		{ "https://login.microsoftonline.us",
		  "api://AzureADTokenExchangeUSGov" },
		{ "https://login.chinacloudapi.cn",
		  "api://AzureADTokenExchangeChina" },
		{ "https://login.partner.microsoftonline.cn",
		  "api://AzureADTokenExchangeChina" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (span_ieq(buf_span(&s->authority),
		             span_of(rows[i].authority)))
			return span_of(rows[i].audience);
	return SPAN("api://AzureADTokenExchange");
}

/* ---- checks
   ----------------------------------------------------------------- */

static bool refuse(struct chain *s, const char *variable, const char *why,
                   struct now now) {
	chain_describe(s, variable, NO_SPAN);
	buf_adds(&s->fail.message, why);
	chain_fail(s, now);
	return false;
}

static bool is_set_up(struct chain *s, const struct pipeline *p,
                      struct now now) {
	for (size_t i = 0; i < sizeof p->needs / sizeof *p->needs; i++) {
		const char *missing = p->needs[i].missing;
		if (!missing || flow_value(s, p->needs[i].value).n > 0)
			continue;
		chain_absent(s, "not set up: ", span_of(missing), now);
		return false;
	}
	return true;
}

/* Plain http is allowed only if the authority also uses it: a loopback address
   that the caller named. */
static bool is_safe(const struct chain *s) {
	struct url to, authority;
	if (!url_parse(flow_value(s, SV_ENDPOINT), &to))
		return false;
	return span_ieq(to.scheme, SPAN("https")) ||
	       (url_is_loopback(&to) &&
	        url_parse(buf_span(&s->authority), &authority) &&
	        span_ieq(authority.scheme, SPAN("http")) &&
	        url_is_loopback(&authority));
}

/* Azure Pipelines leaves the reference to an unknown variable unexpanded. */
static bool check(struct chain *s, const struct pipeline *p, struct now now) {
	struct span token = flow_value(s, SV_SECRET);
	if (!is_set_up(s, p, now))
		return false;
	if (!is_safe(s))
		return refuse(s, p->url, " is not an https URL", now);
	if (span_istarts(token, SPAN("$(")))
		return refuse(s, p->token,
		              " contains a variable's name, not its value: the "
		              "pipeline has no such variable" MAPPING,
		              now);
	if (!http_printable(token))
		return refuse(s, p->token,
		              " contains characters that a header field does "
		              "not allow",
		              now);
	return true;
}

/* ---- request and answer
   --------------------------------------------------- */

static void write_request(const struct chain *s, const struct pipeline *p,
                          struct request *q) {
	struct span about = flow_value(s, p->about);
	request_clear(q);
	q->method = p->method;
	q->timeout_ms = TRY_TIMEOUT;
	q->allow_http = span_istarts(flow_value(s, SV_ENDPOINT), SPAN("http:"));
	q->no_proxy = q->allow_http; /* the proxy could read the request
	                                token */
	buf_set(&q->url, flow_value(s, SV_ENDPOINT));
	if (p->api_version)
		flow_add_query(&q->url, "api-version", span_of(p->api_version));
	flow_add_query(&q->url, p->parameter,
	               about.n > 0 ? about : audience_of(s));
	request_header(q, "Accept", SPAN("application/json"));
	if (p->method == HTTP_POST) {
		request_header(q, "Content-Type", SPAN("application/json"));
		/* otherwise an invalid token is answered by a redirect */
		request_header(q, "X-TFS-FedAuthRedirect", SPAN("Suppress"));
	}
	buf_adds(&q->head, "Authorization: Bearer ");
	buf_add(&q->head, flow_value(s, SV_SECRET));
	buf_addc(&q->head, '\0');
}

static enum chain_want ask(struct chain *s, struct request *q, struct now now) {
	const struct pipeline *p = pipeline_of(s);
	if (s->scratch.step == JOB_EXCHANGE)
		return flow_send_assertion(s, q);
	if (!check(s, p, now))
		return CHAIN_IDLE;
	write_request(s, p, q);
	return CHAIN_SEND;
}

/* Azure DevOps has words in the `value` of some errors; no token has blanks. */
static bool is_words(struct span text) {
	return span_cspn(text, " ") < text.n;
}

/* Azure DevOps answers an invalid token with 203 and a page, or with {message,
   typeKey}, and others with {count, value}. */
static void no_id_token(struct chain *s, const struct answer *a) {
	const struct pipeline *p = pipeline_of(s);
	struct span said = a->facts.message;
	struct span id_token = token_of(a)->id_token;
	if (id_token.n > 0) /* the message may be the token's text */
		said = is_words(id_token) ? id_token : NO_SPAN;
	if (said.n == 0)
		said = reply_header(a->http, "content-type");
	chain_describe(s, p->service, NO_SPAN);
	buf_adds(&s->fail.message, " returned no ID token: ");
	chain_add(s, said.n > 0 ? said : SPAN("no reason given"));
	flow_add_status(s, a);
	s->fail.hint = p->hint;
	chain_fail(s, a->at);
}

static void fed(struct chain *s, const struct answer *a) {
	struct span id_token = token_of(a)->id_token;
	if (s->scratch.step == JOB_EXCHANGE)
		flow_fed_token(s, a);
	else if (a->http->status == 200 && id_token.n > 0 &&
	         !is_words(id_token))
		flow_prove(s, id_token, a->at);
	else
		no_id_token(s, a);
}

static const char *const github_secrets[] = { "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
	                                      NULL };
static const char *const azure_secrets[] = { "SYSTEM_ACCESSTOKEN", NULL };

const struct flow flow_github_actions = {
	.name = "github_actions",
	.ask = ask,
	.fed = fed,
	.claims = true,
	.secrets = github_secrets,
	.shared = true,
};
const struct flow flow_azure_pipelines = {
	.name = "azure_pipelines",
	.ask = ask,
	.fed = fed,
	.claims = true,
	.secrets = azure_secrets,
	.shared = true,
};
