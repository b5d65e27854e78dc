/* entra.c -- the token endpoint of Microsoft Entra ID: what each credential
   sends, what is made of tokens and refusals, a person on another device. */
#include "script.h"

#include "core/base64.h"

#define GUID "12345678-1234-1234-1234-123456789abc"
#define ENDPOINT AUTHORITY "/tenant/oauth2/v2.0/token"
#define APP                                                                    \
	[SV_TENANT] = LITERAL("tenant"), [SV_CLIENT] = LITERAL("app"),         \
	[SV_PATH] = LITERAL("/run/token")

static const struct chain_spec function = { .flow = &flow_function };
static const struct chain_spec secret = {
	.flow = &flow_client_secret,
	.value = { APP, [SV_SECRET] = LITERAL("hunter2") },
};

/* ---- a client secret ---------------------------------------------------- */

#define HARD "8Q~+/=&%41 \"'\xc3\xbc#?\\;,:@!$*()[]{}<>"

static const struct chain_spec guid = {
	.flow = &flow_client_secret,
	.value = { [SV_TENANT] = LITERAL(GUID),
	           [SV_CLIENT] = LITERAL("app"),
	           [SV_SECRET] = LITERAL("hunter2") },
};
static const struct chain_spec hard = {
	.flow = &flow_client_secret,
	.value = { [SV_TENANT] = LITERAL("contoso.onmicrosoft.com"),
	           [SV_CLIENT] = LITERAL("a&b=c"),
	           [SV_SECRET] = LITERAL(HARD) },
};
static const struct chain_spec astray = {
	.flow = &flow_client_secret,
	.value = { [SV_TENANT] = LITERAL("../x?y#z@evil.example/"),
	           [SV_SECRET] = LITERAL("hunter2") },
};

static const struct scenario requests[] = {
	{ "of_a_client_secret",
	  { &guid },
	  { ASKS, POSTS(AUTHORITY "/" GUID "/oauth2/v2.0/token"),
	    FIELD("Content-Type", "application/x-www-form-urlencoded"),
	    NO_FIELD("Authorization"), FIELD("Accept", "application/json"),
	    BODY("client_id=app&grant_type=client_credentials"
	         "&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
	         "&client_secret=hunter2"),
	    ROUTE(false, false, 30 * SECOND) } },
	{ "with_hard_characters",
	  { &hard },
	  { FOR_SCOPE("api://x y/.default"), ASKS,
	    POSTS(AUTHORITY "/contoso.onmicrosoft.com/oauth2/v2.0/token"),
	    BODY("client_id=a%26b%3Dc&grant_type=client_credentials"
	         "&scope=api%3A%2F%2Fx%20y%2F.default"
	         "&client_secret=8Q~%2B%2F%3D%26%2541%20%22%27%C3%BC%23%3F"
	         "%5C%3B%2C%3A%40%21%24%2A%28%29%5B%5D%7B%7D%3C%3E") } },
	{ "a_tenant_cannot_lead_elsewhere",
	  { &astray },
	  { ASKS, POSTS(AUTHORITY "/..%2Fx%3Fy%23z%40evil.example%2F"
	                          "/oauth2/v2.0/token") } },
	/* a proxy would read the secret */
	{ "plain_http_only_where_the_authority_is",
	  { &guid },
	  { BY_AUTHORITY("http://127.0.0.1:8080"), ASKS,
	    POSTS("http://127.0.0.1:8080/" GUID "/oauth2/v2.0/token"),
	    ROUTE(true, true, 30 * SECOND) } },
};

/* ---- answers ------------------------------------------------------------ */

/* It stands in no header field, or is none. */
#define NO_TOKEN(name, content)                                                \
	static struct facts name(void) {                                       \
		struct facts f = facts_token(NULL, 3600);                      \
		f.as.token.access_token = SPAN(content);                       \
		return f;                                                      \
	}
NO_TOKEN(empty, "")
NO_TOKEN(two_words, "a b")
NO_TOKEN(crlf, "a\r\nX: y")
NO_TOKEN(line_feed, "a\nb")
NO_TOKEN(tab, "a\tb")
NO_TOKEN(nul, "a\0b")
NO_TOKEN(del, "a\x7f")
NO_TOKEN(umlaut, "\xc3\xbc")
NO_TOKEN(blank_first, " a")

#define NOT_TAKEN(what, as, says)                                              \
	{                                                                      \
#what, { &secret }, {                                          \
			SENT, ANSWERS(200, NULL, "{}", what), FAILS(as, says), \
				ASKS                                           \
		}                                                              \
	}
#define UNUSABLE "a header field does not allow"
#define TOKENLESS(name, content, what)                                         \
	{                                                                      \
		name, { &secret }, {                                           \
			SENT, ANSWERS(200, NULL, content, what),               \
				FAILS(FAIL_PROTOCOL, "access_token"),          \
				STATUS(200)                                    \
		}                                                              \
	}

static struct facts error_of_a_service(void) {
	return facts_error("Code", "in a 200");
}

static const struct scenario answers[] = {
	NOT_TAKEN(empty, FAIL_PROTOCOL, "has no access_token"),
	NOT_TAKEN(two_words, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(crlf, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(line_feed, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(tab, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(nul, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(del, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(umlaut, FAIL_CREDENTIAL, UNUSABLE),
	NOT_TAKEN(blank_first, FAIL_CREDENTIAL, UNUSABLE),
	TOKENLESS("an_object_without_a_token", "{}", facts_object),
	TOKENLESS("a_page", "<html>", facts_broken),
	TOKENLESS("nothing", NULL, no_facts),
	TOKENLESS("half_a_token", "{\"access_token\":\"ey", facts_broken),
	{ "an_oauth_error_in_a_200",
	  { &secret },
	  { SENT, REFUSES(200, "invalid_client", "AADSTS7000222: expired"),
	    FAILS(FAIL_CREDENTIAL, ""),
	    MESSAGE("sign-in refused: invalid_client: AADSTS7000222: expired "
	            "(HTTP 200)"),
	    CODE("AADSTS7000222"), HINT("the client secret has expired"),
	    STATUS(200) } },
	{ "another_error_in_a_200",
	  { &secret },
	  { SENT, ANSWERS(200, NULL, "{}", error_of_a_service),
	    FAILS(FAIL_CREDENTIAL, ""),
	    MESSAGE("sign-in failed: in a 200 (HTTP 200)"), CODE("Code"),
	    STATUS(200) } },
};

/* ---- refusals ------------------------------------------------------------ */

static void play_ids(const struct step *s) {
	(void)s;
	same(buf_span(&failure()->request_id), SPAN("trace"), "the id");
	same(buf_span(&failure()->correlation_id), SPAN("correlation"),
	     "the correlation id");
}
/* As Entra ID refuses, with its ids. */
static void play_entra(const struct step *s) {
	struct facts f = facts_oauth(s->text, s->more);
	f.as.token.trace_id = SPAN("trace");
	f.as.token.correlation_id = SPAN("correlation");
	feed(reply_of(s->n, NULL, "{}"), f);
}

/* It is never sent again of itself. */
#define REFUSAL(status, error, description, code, hint)                        \
	{                                                                      \
		error " " code, { &secret }, {                                 \
			SENT,                                                  \
				STEP(play_entra, .n = status, .text = error,   \
			             .more = description),                     \
				AT(HOUR), FAILS(FAIL_CREDENTIAL, error),       \
				SAYS(description), CODE(code), STATUS(status), \
				RETRYABLE(0), STEP(play_ids), HINT(hint)       \
		}                                                              \
	}
#define ENTRA(status, error, number, says, hint)                               \
	REFUSAL(status, error, "AADSTS" number ": " says, "AADSTS" number, hint)

static const struct scenario refusals[] = {
	ENTRA(401, "invalid_client", "7000215",
	      "Invalid client secret provided.", "secret's value"),
	ENTRA(401, "invalid_client", "7000222",
	      "The provided client secret keys are expired.", "expired"),
	ENTRA(400, "unauthorized_client", "700016",
	      "Application with identifier 'x' was not found in the directory.",
	      "client_id"),
	ENTRA(400, "unauthorized_client", "7000112", "Application is disabled.",
	      "disabled"),
	ENTRA(400, "invalid_request", "90002", "Tenant 'x' not found.",
	      "tenant_id"),
	ENTRA(400, "invalid_request", "900023",
	      "Specified tenant identifier 'x' is neither a valid DNS name, "
	      "nor a valid external domain.",
	      "GUID"),
	ENTRA(400, "invalid_resource", "500011",
	      "The resource principal was not found.", "scope"),
	ENTRA(400, "invalid_scope", "70011", "bad scope", "/.default"),
	ENTRA(400, "invalid_request", "90038", "another cloud", "cloud"),
	ENTRA(400, "invalid_grant", "65001",
	      "The user or administrator has not consented.", "consent"),
	REFUSAL(400, "consent_required", "", "consent_required", "consent"),
	ENTRA(401, "invalid_client", "700027",
	      "The certificate with identifier used to sign the client "
	      "assertion is expired on application.",
	      "expired"),
	ENTRA(401, "invalid_client", "50012", "x", "registered"),
	ENTRA(401, "invalid_client", "700024", "x", "clock"),
	ENTRA(401, "invalid_client", "7000218", "x", "public client"),
	ENTRA(400, "invalid_client", "70021", "x", "federated"),
	ENTRA(400, "interaction_required", "50076", "x", "multifactor"),
	ENTRA(400, "interaction_required", "50079", "x", "multifactor"),
	ENTRA(400, "invalid_grant", "53003", "x", "policy"),
	ENTRA(400, "invalid_request", "9001023", "x", "tenant_id"),
	ENTRA(400, "invalid_request", "90055", "x", "wait"),
	ENTRA(400, "invalid_scope", "700022", "x", "one resource"),
	/* numbers nobody has a hint for, or that only begin alike */
	ENTRA(400, "invalid_request", "900", "something", NULL),
	ENTRA(400, "invalid_request", "9000234", "something", NULL),
	REFUSAL(400, "invalid_grant", "no number at all", "invalid_grant",
	        NULL),
	REFUSAL(400, "invalid_client", "", "invalid_client", NULL),
};

/* TEST_WALL is 00:00:00 of that day. */
#define DATED(date, off)                                                       \
	{                                                                      \
		"Date: " date, { &secret }, {                                  \
			SENT,                                                  \
				REFUSES_WITH(400, "Date: " date,               \
			                     "invalid_grant", "no"),           \
				off                                            \
		}                                                              \
	}
#define CLOCK HINT("this machine's clock")
#define MOVED(status, content, what, as, says, hint)                           \
	{                                                                      \
		"HTTP " #status, { &secret }, {                                \
			SENT,                                                  \
				ANSWERS(status,                                \
			                "Location: https://portal.example/",   \
			                content, what),                        \
				AT(HOUR), FAILS(as, says), STATUS(status),     \
				HINT(hint)                                     \
		}                                                              \
	}
#define LONG_CODE "AADSTS90000000000000000000000000000000000"

static struct facts timed(void) {
	struct facts f = facts_oauth("invalid_request", "AADSTS900: no");
	f.as.token.timestamp = SPAN("2026-11-24 15:04:05Z");
	return f;
}

static const struct scenario other_refusals[] = {
	DATED("Thu, 01 Jan 1970 00:00:00 GMT", CLOCK),
	DATED("Mon, 01 Jan 2024 00:00:00 GMT", NO_HINT),
	DATED("Mon, 01 Jan 2024 00:05:00 GMT", NO_HINT),
	DATED("Mon, 01 Jan 2024 00:05:01 GMT", CLOCK),
	DATED("Sun, 31 Dec 2023 23:55:00 GMT", NO_HINT),
	DATED("Sun, 31 Dec 2023 23:54:59 GMT", CLOCK),
	DATED("soon", NO_HINT),
	MOVED(403, "<html>Blocked by the proxy</html>", facts_broken,
	      FAIL_CREDENTIAL, "not an OAuth error", "captive portal"),
	MOVED(404, NULL, no_facts, FAIL_CREDENTIAL,
	      "not an OAuth error (no Content-Type) (HTTP 404)",
	      "captive portal"),
	MOVED(407, NULL, no_facts, FAIL_CREDENTIAL, "HTTP 407",
	      "requires authentication"),
	MOVED(300, NULL, no_facts, FAIL_PROTOCOL, "HTTP 300", "captive portal"),
	MOVED(302, "<html>Moved</html>", facts_broken, FAIL_PROTOCOL,
	      "HTTP 302", "captive portal"),
	MOVED(307, NULL, no_facts, FAIL_PROTOCOL, "HTTP 307", "captive portal"),
	{ "another_content_type_is_named",
	  { &secret },
	  { SENT, ANSWERS(403, "Content-Type: text/html", "<p>", facts_broken),
	    SAYS("not an OAuth error but text/html (HTTP 403)") } },
	{ "has_its_time",
	  { &secret },
	  { SENT, ANSWERS(400, NULL, "{}", timed),
	    MESSAGE("sign-in refused: invalid_request: AADSTS900: no at "
	            "2026-11-24 15:04:05Z (HTTP 400)") } },
	{ "has_the_ids_of_its_own_answer",
	  { &secret },
	  { SENT,
	    STEP(play_entra, .n = 401, .text = "invalid_client", .more = "x"),
	    STEP(play_ids), SENT,
	    STEP(play_entra, .n = 401, .text = "invalid_client", .more = "x"),
	    STEP(play_ids) } },
	{ "a_code_has_a_greatest_length",
	  { &secret },
	  { SENT, REFUSES(400, "invalid_request", LONG_CODE),
	    CODE("AADSTS90000000000000000000000000") } },
	{ "a_number_without_a_text_is_a_code_all_the_same",
	  { &secret },
	  { SENT, REFUSES(400, "invalid_request", "AADSTS90002"),
	    CODE("AADSTS90002"), HINT("no such tenant") } },
	{ "shows_no_jwt",
	  { &secret },
	  { SENT,
	    REFUSES(400, "invalid_request",
	            "AADSTS50027: token "
	            "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1.x.y bad"),
	    SAYS_NOT("eyJ") } },
	{ "shows_no_bearer_token",
	  { &secret },
	  { SENT,
	    REFUSES(400, "invalid_request",
	            "you sent Bearer 0123456789abcdefghij"),
	    SAYS_NOT("0123456789") } },
};

/* ---- a secret with a line end -------------------------------------------- */

/* As it was given, and as a function gave it. */
#define ENDING(name, content)                                                  \
	static const struct chain_spec name = {                                \
		.flow = &flow_client_secret,                                   \
		.value = { APP, [SV_SECRET] = LITERAL(content) },              \
	}
ENDING(with_line_end, "hunter2\n");
ENDING(with_blank, "hunter2 ");
ENDING(with_mark, "hunter2!");
ENDING(without_secret, "");
static const struct chain_spec by_function = { .flow = &flow_client_secret,
	                                       .value = { APP } };
static const struct chain_spec assertion = { .flow = &flow_client_assertion,
	                                     .value = { APP } };

#define WRONG(error) REFUSES(401, error, "AADSTS7000215: Invalid client secret")
#define GIVEN(name, spec, error, hint)                                         \
	{                                                                      \
		name, { &spec }, {                                             \
			SENT, WRONG(error), HINT(hint)                         \
		}                                                              \
	}
#define MADE(name, content, error, hint)                                       \
	{                                                                      \
		name ", by a function", { &by_function }, {                    \
			ASKS, NEEDS(NEED_SECRET), PROVIDES(content), SENDS,    \
				WRONG(error), HINT(hint)                       \
		}                                                              \
	}

static const struct scenario line_ends[] = {
	GIVEN("a line end", with_line_end, "invalid_client",
	      "ends with a line break"),
	GIVEN("a blank", with_blank, "invalid_client",
	      "ends with a line break"),
	GIVEN("another sign", with_mark, "invalid_client", "secret's value"),
	GIVEN("nothing at all", without_secret, "invalid_client",
	      "secret's value"),
	GIVEN("another error", with_line_end, "invalid_grant",
	      "secret's value"),
	MADE("a line end", "hunter2\n", "invalid_client",
	     "ends with a line break"),
	MADE("a blank", "hunter2 ", "invalid_client", "ends with a line break"),
	MADE("another sign", "hunter2!", "invalid_client", "secret's value"),
	MADE("another error", "hunter2\n", "invalid_grant", "secret's value"),
	{ "one byte, by a function",
	  { &by_function },
	  { ASKS, NEEDS(NEED_SECRET), PROVIDES("x"), SENDS,
	    BODY_HAS("&client_secret=x") } },
	{ "nothing, by a function",
	  { &by_function },
	  { ASKS, NEEDS(NEED_SECRET), PROVIDES(""),
	    FAILS(FAIL_CREDENTIAL, "function returned nothing") } },
	{ "an_assertion_has_no_tail_to_cut_off",
	  { &assertion },
	  { ASKS, NEEDS(NEED_ASSERTION), PROVIDES("e.f.g"), SENDS,
	    REFUSES(401, "invalid_client", "AADSTS700024: expired"),
	    HINT("clock") } },
};

/* ---- assertions --------------------------------------------------------- */

#define BEARER                                                                 \
	"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion" \
	"-type%3Ajwt-bearer&client_assertion="

static const struct chain_spec workload = { .flow = &flow_workload_identity,
	                                    .value = { APP } };
static const struct chain_spec bare = { .flow = &flow_workload_identity };
static const struct chain_spec certificate = { .flow = &flow_client_certificate,
	                                       .value = { APP } };
static const struct chain_spec with_chain = {
	.flow = &flow_client_certificate,
	.value = { APP, [SV_ALGORITHM] = LITERAL("RS256") },
	.send_x5c = true,
};
static const struct chain_spec quoted = {
	.flow = &flow_client_certificate,
	.value = { [SV_TENANT] = LITERAL("tenant"),
	           [SV_CLIENT] = LITERAL("a\"b\\c") },
};

/* The part of a token, decoded. */
static struct span part(struct span jwt, int which) {
	static struct buf out;
	struct span s = NO_SPAN;
	static const struct mem plain = { test_plain_alloc, NULL };
	for (int i = 0; i <= which; i++)
		s = span_word(&jwt, ".");
	if (out.mem)
		buf_free(&out);
	buf_init(&out, &plain, 4096);
	assert_true(base64_decode(&out, s));
	return buf_span(&out);
}

static void play_head(const struct step *s) {
	same(part(buf_span(&t.s.scratch.work), 0), test_text(s->text),
	     "the assertion's head");
}
#define HEAD(is) STEP(play_head, .text = is)
static void play_claims(const struct step *s) {
	has(part(buf_span(&t.s.scratch.work), 1), s->text, true);
}
#define CLAIMS_HAVE(text_) STEP(play_claims, .text = text_)

/* RFC 9562: version 4; and never the same one. */
static void play_own_id(const struct step *s) {
	static const char shape[] = "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx\"";
	struct span claims = part(buf_span(&t.s.scratch.work), 1);
	const char *id = memmem(claims.p, claims.n, "\"jti\":\"", 7);
	(void)s;
	assert_non_null(id);
	for (size_t i = 0; i + 1 < sizeof shape; i++) {
		char c = id[7 + i];
		bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		if (shape[i] == 'x' ? !hex : c != shape[i])
			OFF("%.38s", id + 7);
	}
	if (memcmp(t.token, id + 7, 36) == 0)
		OFF("the same id again: %.36s", id + 7);
	memcpy(t.token, id + 7, 36);
}
#define OWN_ID STEP(play_own_id)

#define SIGNS                                                                  \
	NEEDS(NEED_CERTIFICATE), PROVIDES("th-um_b\0[\"MIIB\"]"),              \
		NEEDS(NEED_SIGNATURE)

static const struct scenario assertions[] = {
	{ "of_a_function",
	  { &assertion },
	  { ASKS, NEEDS(NEED_ASSERTION), PROVIDES("j.w.t"), POSTS(ENDPOINT),
	    BODY_HAS("client_id=app&grant_type=client_credentials"
	             "&scope=https%3A"),
	    BODY_HAS(BEARER "j.w.t"), GRANTS("a", 3600), TOKEN("a") } },
	{ "of_a_file",
	  { &workload },
	  { ASKS, NEEDS_FOR(NEED_FILE, "/run/token"), PROVIDES("  f.e.d \r\n"),
	    POSTS(ENDPOINT), BODY_HAS(BEARER "f.e.d"), GRANTS("w", 3600),
	    TOKEN("w") } },
	{ "of_an_empty_file",
	  { &workload },
	  { ASKS, NEEDS(NEED_FILE), PROVIDES(" \n"),
	    FAILS(FAIL_CREDENTIAL, "the assertion is empty") } },
	{ "a_workload_that_is_not_set_up_lets_the_chain_go_on",
	  { &bare, &function },
	  { ASKS, NEEDS(NEED_TOKEN), LINK(0, LINK_ABSENT, "") } },
	/* base64url: neither '/' nor '+' */
	{ "of_a_certificate",
	  { &certificate },
	  { ASKS, SIGNS,
	    HEAD("{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"th-um_"
	         "b\"}"),
	    CLAIMS_HAVE("{\"aud\":\"" ENDPOINT "\",\"iss\":\"app\","
	                "\"sub\":\"app\",\"jti\":\""),
	    CLAIMS_HAVE("\",\"nbf\":1704067200,\"iat\":1704067200,"
	                "\"exp\":1704067800}"),
	    PROVIDES("\xff\xfe\xfd"), POSTS(ENDPOINT), BODY_HAS(".__79"),
	    BODY_LACKS("%2B") } },
	{ "each_attempt_has_its_own_id",
	  { &certificate },
	  { ASKS, SIGNS, OWN_ID, PROVIDES("s"), POSTS(ENDPOINT),
	    GRANTS("c", 3600), AT(HOUR), ASKS, SIGNS, OWN_ID } },
	{ "a_name_in_it_stays_one_string",
	  { &quoted },
	  { ASKS, SIGNS,
	    CLAIMS_HAVE("\"iss\":\"a\\\"b\\\\c\",\"sub\":\"a\\\"b\\\\c\",") } },
	{ "of_another_algorithm_with_its_chain",
	  { &with_chain },
	  { ASKS, SIGNS,
	    HEAD("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"th-um_b\","
	         "\"x5c\":[\"MIIB\"]}"),
	    PROVIDES(""), FAILS(FAIL_CREDENTIAL, "the signature is empty") } },
};

/* ---- a person on another device ----------------------------------------- */

#define DEVICE AUTHORITY "/organizations/oauth2/v2.0/devicecode"
#define PERSON AUTHORITY "/organizations/oauth2/v2.0/token"

static const struct chain_spec person = {
	.flow = &flow_device_code,
	.value = { [SV_TENANT] = LITERAL("organizations"),
	           [SV_CLIENT] = LITERAL("app") },
};

static struct facts device(int64_t expires_in, int64_t interval) {
	struct facts f = facts_object();
	f.document = DOCUMENT_DEVICE;
	f.as.device = NO_DEVICE;
	f.as.device.device_code = SPAN("d-code");
	f.as.device.expires_in = expires_in;
	f.as.device.interval = interval;
	return f;
}
static struct facts device_prompt(void) {
	struct facts f = device(900, 5);
	f.as.device.user_code = SPAN("ABCD");
	f.as.device.verification_uri =
		SPAN("https://microsoft.com/devicelogin");
	f.as.device.prompt = SPAN("open the page");
	return f;
}
static struct facts device_without_code(void) {
	struct facts f = device(60, 1);
	f.as.device.device_code = NO_SPAN;
	return f;
}
static struct facts device_of_a_minute(void) {
	return device(60, 1);
}

static void play_device(const struct step *s) {
	feed(reply_of(200, NULL, "{}"), device(s->ms, s->most));
}

#define PROMPTED                                                               \
	ASKS, POSTS(DEVICE),                                                   \
		BODY_HAS("client_id=app&scope=https%3A%2F%2Fmanagement."       \
	                 "azure.com%2F.default%20offline_access"),             \
		ANSWERS(200, NULL, "{}", device_prompt),                       \
		NEEDS_FOR(NEED_PROMPT,                                         \
	                  "ABCD\0https://microsoft.com/devicelogin\0"          \
	                  "open the page\0"),                                  \
		PROVIDES(""), WAITS(5 * SECOND)
#define PENDING REFUSES(400, "authorization_pending", "AADSTS70016: x")
#define POLLS(answer, pause)                                                   \
	POSTS(PERSON),                                                         \
		BODY_HAS("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type" \
	                 "%3Adevice_code&device_code=d-code"),                 \
		answer, WAITS(pause)
/* A later token, by the refresh token of the one before. */
#define REFRESHES(at, with)                                                    \
	AT(at), ASKS, POSTS(PERSON), BODY_HAS("grant_type=refresh_token"),     \
		BODY_HAS("refresh_token=" with)
#define DECLINED(word, hint)                                                   \
	{                                                                      \
		word, { &person }, {                                           \
			PROMPTED, POSTS(PERSON), REFUSES(400, word, "no"),     \
				FAILS(FAIL_CREDENTIAL, word), HINT(hint)       \
		}                                                              \
	}
/* RFC 8628 3.2: an interval that is not given is 5 s; a life that is not given
   is Entra ID's quarter of an hour.  All in s. */
#define CODE_OF(name, expires_in, interval, ends, pause)                       \
	{                                                                      \
		name, { &person }, {                                           \
			ASKS, POSTS(DEVICE),                                   \
				STEP(play_device, .ms = expires_in,            \
			             .most = interval),                        \
				NEEDS(NEED_PROMPT), PROVIDES(""),              \
				WAITS(pause *SECOND), AT(ends *SECOND - 1),    \
				POSTS(PERSON), PENDING, WAITS(pause *SECOND),  \
				POSTS(PERSON), PENDING,                        \
				FAILS(FAIL_CREDENTIAL,                         \
			              "authorization_pending")                 \
		}                                                              \
	}

static const struct scenario devices[] = {
	/* slow_down is five seconds more, for good; refresh tokens are each
	   replaced by the next; one that is worth nothing: a code again */
	{ "a_person_signs_in_elsewhere",
	  { &person },
	  { PROMPTED, POLLS(PENDING, 5 * SECOND),
	    POLLS(REFUSES(400, "slow_down", "x"), 10 * SECOND),
	    POLLS(PENDING, 10 * SECOND), POSTS(PERSON),
	    GRANTS_WITH("p-1", "refresh-1"), TOKEN("p-1"),
	    REFRESHES(HOUR + 30 * SECOND, "refresh-1"),
	    GRANTS_WITH("p-2", "refresh-2"), TOKEN("p-2"),
	    REFRESHES(2 * HOUR + 30 * SECOND, "refresh-2"),
	    GRANTS_WITH("p-3", "refresh-2"), TOKEN("p-3"),
	    REFRESHES(3 * HOUR + 30 * SECOND, "refresh-2"),
	    REFUSES(400, "invalid_grant", "x"), POSTS(DEVICE) } },
	{ "by_201",
	  { &person },
	  { PROMPTED, POSTS(PERSON),
	    STEP(play_grants, .n = 201, .text = "person", .ms = 3600),
	    TOKEN("person") } },
	CODE_OF("no_output", -1, -1, 900, 5),
	CODE_OF("zeros_are_reported", 0, 0, 900, 5),
	CODE_OF("a_minute", 60, 1, 60, 1),
	CODE_OF("ten_minutes_and_seven_seconds", 600, 7, 600, 7),
	{ "a_second",
	  { &person },
	  { ASKS, POSTS(DEVICE), STEP(play_device, .ms = 1, .most = 1),
	    NEEDS(NEED_PROMPT), PROVIDES(""), WAITS(SECOND), POSTS(PERSON),
	    PENDING, FAILS(FAIL_CREDENTIAL, "authorization_pending") } },
	{ "an_answer_without_a_code",
	  { &person },
	  { ASKS, POSTS(DEVICE), ANSWERS(200, NULL, "{}", device_without_code),
	    FAILS(FAIL_CREDENTIAL, "HTTP 200") } },
	{ "a_code_with_400",
	  { &person },
	  { ASKS, POSTS(DEVICE), ANSWERS(400, NULL, "{}", device_of_a_minute),
	    FAILS(FAIL_CREDENTIAL, "HTTP 400") } },
	DECLINED("authorization_declined", "declined"),
	DECLINED("access_denied", "declined"),
	DECLINED("expired_token", "start again"),
	DECLINED("code_expired", "start again"),
	DECLINED("bad_verification_code", NULL),
	{ "never",
	  { &person },
	  { PROMPTED, AT(901 * SECOND), POSTS(PERSON), PENDING,
	    FAILS(FAIL_CREDENTIAL, "authorization_pending"),
	    HINT("start again") } },
	{ "claims_are_asked_for",
	  { &person },
	  { PROMPTED, POSTS(PERSON), GRANTS("first", 3600), TOKEN("first"),
	    CHALLENGED("{\"a\":1}"), POSTS(DEVICE),
	    BODY_HAS("&claims=%7B%22a%22%3A1%7D") } },
};

int main(void) {
	return RUN_TABLES(NULL, 0, SCRIPTS(requests), SCRIPTS(answers),
	                  SCRIPTS(refusals), SCRIPTS(other_refusals),
	                  SCRIPTS(line_ends), SCRIPTS(assertions),
	                  SCRIPTS(devices));
}
