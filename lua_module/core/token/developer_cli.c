/* developer_cli.c -- tokens that others have: the host, the Azure CLI, the
   Azure Developer CLI, or nobody.

   Subscriptions and tenants.  A person may be signed in to several tenants, and
   a token is for one.  az knows the tenant of each subscription that it has
   seen, so it is asked for the token of the subscription that the client is
   for; if it has not seen that one, for the token of its own choice.  It takes
   either --subscription or --tenant, not both.  Where the client is for none,
   az's answer names its default subscription, and azd's configuration may have
   one ("Explore Azure Developer CLI configuration": defaults.subscription). */
#include "core/arm.h"
#include "core/base64.h"
#include "core/token/flow.h"

/* ---- ready tokens ------------------------------------------------------- */

static enum chain_want ask_token(struct chain *s, struct request *q,
                                 struct now now) {
	bool given = s->generation > 0 && s->source == s->at && !s->from_cache;
	(void)q;
	s->sent_at = now.mono;
	if (!given) {
		chain_take(s, flow_value(s, SV_SECRET), CHAIN_LONGEST,
		           CHAIN_USUAL, now); /* it has no expiry */
		return CHAIN_IDLE;
	}
	chain_describe(s, "the token that was given cannot be renewed",
	               NO_SPAN);
	s->fail.hint = "give a function (azpec.credential.token{get = ...}) or "
		       "another credential";
	chain_fail(s, now);
	return CHAIN_IDLE;
}

const struct flow flow_token = {
	.name = "token",
	.ask = ask_token,
};

static enum chain_want ask_function(struct chain *s, struct request *q,
                                    struct now now) {
	(void)q;
	(void)now;
	s->scratch.need = NEED_TOKEN;
	return CHAIN_NEED;
}

const struct flow flow_function = {
	.name = "token",
	.ask = ask_function,
	.claims = true,
};

static enum chain_want ask_none(struct chain *s, struct request *q,
                                struct now now) {
	(void)q;
	chain_absent(s,
	             "not set up: the environment has neither "
	             "AZURE_TENANT_ID, AZURE_CLIENT_ID and "
	             "AZURE_CLIENT_SECRET (or a certificate) nor "
	             "AZURE_ACCESS_TOKEN",
	             NO_SPAN, now);
	s->fail.hint = "set these variables, or give one of azpec.credential's "
		       "values as `credential`";
	return CHAIN_IDLE;
}

const struct flow flow_none = {
	.name = "environment",
	.ask = ask_none,
};

/* ---- programs ----------------------------------------------------------- */

static void add(struct buf *argv, const char *word) {
	buf_adds(argv, word);
	buf_addc(argv, '\0');
}

static void add_span(struct buf *argv, struct span s) {
	buf_add(argv, s);
	buf_addc(argv, '\0');
}

/* No shell is involved; what could be read as an option or end an argument is
   refused all the same. */
static bool plain(struct span s, const char *more) {
	if (s.n > 0 && *s.p == '-')
		return false;
	return span_only(s, CHAR_ALNUM, more);
}

static bool arguments_plain(struct chain *s, struct now now) {
	const struct span *v = chain_link(s)->spec.value;
	if (plain(buf_span(&s->scope), ".-_/:") &&
	    plain(chain_tenant(s), ".-") && plain(v[SV_SUBSCRIPTION], "-_. ") &&
	    plain(buf_span(&s->subscription), "-_"))
		return true;
	chain_describe(s,
	               "scope, tenant_id or subscription contains a character "
	               "that is not passed to a program",
	               NO_SPAN);
	chain_fail(s, now);
	return false;
}

static void begin_words(struct chain *s, const char *const *words) {
	buf_clear(&s->scratch.work);
	while (*words)
		add(&s->scratch.work, *words++);
}

static void add_option(struct chain *s, const char *option,
                       struct span argument) {
	if (argument.n == 0)
		return;
	add(&s->scratch.work, option);
	add_span(&s->scratch.work, argument);
}

enum { AZ_BY_SUBSCRIPTION, AZ_BY_ITSELF };

/* Is az asked for the token of the client's subscription? */
static bool by_subscription(const struct chain *s) {
	const struct span *v = chain_link(s)->spec.value;
	return chain_link(s)->spec.flow == &flow_azure_cli &&
	       s->scratch.step == AZ_BY_SUBSCRIPTION &&
	       v[SV_SUBSCRIPTION].n == 0 && v[SV_TENANT].n == 0 &&
	       s->subscription.n > 0;
}

static enum chain_want ask_azure_cli(struct chain *s, struct request *q,
                                     struct now now) {
	static const char *const words[] = {
		"az", "account", "get-access-token", "-o", "json", NULL
	};
	struct span named = flow_value(s, SV_SUBSCRIPTION);
	(void)q;
	if (!arguments_plain(s, now))
		return CHAIN_IDLE;
	begin_words(s, words);
	add_option(s, "--resource", flow_resource(s));
	if (named.n > 0)
		add_option(s, "--subscription", named);
	else if (by_subscription(s))
		add_option(s, "--subscription", buf_span(&s->subscription));
	else
		add_option(s, "--tenant", chain_tenant(s));
	s->scratch.need = NEED_PROGRAM;
	return CHAIN_NEED;
}

static void add_claims(struct chain *s) {
	struct buf encoded;
	if (s->claims.n == 0)
		return;
	buf_init(&encoded, s->mem, buf_max(&s->scratch.work));
	base64_encode(&encoded, buf_span(&s->claims));
	add_option(s, "--claims", buf_span(&encoded));
	buf_share_failure(&s->scratch.work, &encoded);
	buf_free(&encoded);
}

enum { AZD_CONFIG, AZD_TOKEN };

/* Its configuration is asked only where the client is for no subscription. */
static bool wants_config(const struct chain *s) {
	return s->scratch.step == AZD_CONFIG && s->subscription.n == 0;
}

static enum chain_want ask_developer_cli(struct chain *s, struct request *q,
                                         struct now now) {
	static const char *const config[] = { "azd", "config", "get",
		                              "defaults.subscription", NULL };
	static const char *const token[] = { "azd", "auth", "token",
		                             "-o",  "json", "--no-prompt",
		                             NULL };
	(void)q;
	if (!arguments_plain(s, now))
		return CHAIN_IDLE;
	begin_words(s, wants_config(s) ? config : token);
	if (!wants_config(s)) {
		add_option(s, "--scope", buf_span(&s->scope));
		add_option(s, "--tenant-id", chain_tenant(s));
		add_claims(s);
	}
	s->scratch.need = NEED_PROGRAM;
	return CHAIN_NEED;
}

/* An account without subscriptions has its tenant's id in that place. */
static void note_subscription(struct chain *s, const struct token_facts *t) {
	if (!span_ieq(t->subscription, t->tenant))
		buf_set(&s->scratch.subscription, t->subscription);
}

static void printed(struct chain *s, const struct answer *a) {
	if (a->facts.json) {
		if (s->subscription.n == 0)
			note_subscription(s, token_of(a));
		flow_accept(s, a);
		return;
	}
	chain_describe(s, "", span_of(s->scratch.work.p));
	buf_adds(&s->fail.message, ": its output is not the expected JSON");
	chain_fail(s, a->at);
}

static const struct sign_in az_sign_in = {
	.command = { "az login", 8 },
	.tenant_option = { " --tenant", 9 },
};
static const struct sign_in azd_sign_in = {
	.command = { "azd auth login", 14 },
	.tenant_option = { " --tenant-id", 12 },
	.also = &az_sign_in,
};

/* Where multifactor authentication or the like is wanted, a sign-in that names
   no tenant gives it to the home tenant alone (Azure/azure-cli#31742). */
static void add_tenant(const struct chain *s, const struct sign_in *way,
                       bool named, struct buf *out) {
	struct span tenant = chain_tenant(s);
	if (by_subscription(s) && named) {
		buf_adds(out, " --tenant \"$(az account show --subscription ");
		buf_add(out, buf_span(&s->subscription));
		buf_adds(out, " --query tenantId -o tsv)\"");
	} else if (tenant.n > 0) {
		buf_add(out, way->tenant_option);
		buf_addc(out, ' ');
		buf_add(out, tenant);
	}
}

/* az decodes only padded base64 of the standard alphabet. */
static void advise_claims(const struct chain *s, struct buf *out) {
	struct buf encoded;
	buf_init(&encoded, s->mem, buf_max(out));
	base64_encode(&encoded, buf_span(&s->claims));
	buf_adds(out, "run: az login");
	add_tenant(s, &az_sign_in, true, out);
	buf_adds(out, " --claims-challenge ");
	buf_add(out, buf_span(&encoded));
	buf_adds(out, " --scope ");
	buf_add(out, buf_span(&s->scope));
	buf_share_failure(out, &encoded);
	buf_free(&encoded);
}

/* Where az and azd note who is signed in, and to which cloud; they write these
   files at a sign-in, a sign-out and when another account is chosen. */
#define AZ_FILES                                                               \
	{ "AZURE_CONFIG_DIR", ".azure", "azureProfile.json" },                 \
		{ "AZURE_CONFIG_DIR", ".azure", "clouds.config" }, {           \
		"AZURE_CONFIG_DIR", ".azure", "config"                         \
	}
static const struct profile az_profile[] = { AZ_FILES, { NULL, NULL, NULL } };
/* azd can be told to sign in as az has. */
static const struct profile azd_profile[] = {
	{ "AZD_CONFIG_DIR", ".azd", "auth.json" },
	{ "AZD_CONFIG_DIR", ".azd", "config.json" },
	AZ_FILES,
	{ NULL, NULL, NULL },
};

const struct flow flow_azure_cli = {
	.name = "azure_cli",
	.ask = ask_azure_cli,
	.printed = printed,
	.subscribes = true,
	.advise_claims = advise_claims,
	.sign_in = &az_sign_in,
	.shared = true,
	.profile = az_profile,
};
const struct flow flow_azure_developer_cli = {
	.name = "azure_developer_cli",
	.ask = ask_developer_cli,
	.printed = printed,
	.subscribes = true,
	.claims = true,
	.sign_in = &azd_sign_in,
	.shared = true,
	.profile = azd_profile,
};

static size_t blanks_at(struct span s, size_t at) {
	size_t n = 0;
	while (at + n < s.n && (s.p[at + n] == ' ' || s.p[at + n] == '\t' ||
	                        s.p[at + n] == '\r' || s.p[at + n] == '\n'))
		n++;
	return n;
}

/* Returns the text up to the brace that closes the first one; empty if none
   does. */
static struct span object_at_head(struct span s) {
	size_t depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '{')
			depth++;
		else if (!quoted && c == '}' && --depth == 0)
			return (struct span){ s.p, i + 1 };
	}
	return NO_SPAN;
}

/* An object begins with a brace and a quote, or ends at once; where it does
   not, the search continues behind what was looked at. */
static struct span from_object(struct span out) {
	size_t at = 0, next = 0;
	while (at < out.n) {
		next = at + 1;
		if (out.p[at] == '{') {
			next += blanks_at(out, next);
			if (next < out.n &&
			    (out.p[next] == '"' || out.p[next] == '}'))
				break;
		}
		at = next;
	}
	return at < out.n ? span_from(out, at) : NO_SPAN;
}

static bool holds_token(struct span object) {
	return span_icontains(object, SPAN("\"accessToken\"")) ||
	       span_icontains(object, SPAN("\"token\""));
}

enum { MAX_OBJECTS = 8 };

struct span chain_json(struct span out) {
	struct span first = NO_SPAN;
	out = from_object(out);
	for (int i = 0; i < MAX_OBJECTS && out.n > 0; i++) {
		struct span object = object_at_head(out);
		if (holds_token(object))
			return object;
		if (!first.p)
			first = object;
		out = from_object(span_from(out, object.n > 0 ? object.n : 1));
	}
	return first;
}

/* "az: why": beside a chain's list the program is not named otherwise. */
static void begin_why(const struct chain *s, struct buf *why) {
	buf_init(why, s->mem, buf_max(&s->scratch.work));
	why->secret = true; /* what follows may contain a token */
	buf_add(why, span_of(s->scratch.work.p));
	buf_adds(why, ": ");
}

static void add_time(struct buf *why, int64_t ms) {
	bool whole = ms % 1000 == 0;
	buf_addint(why, whole ? ms / 1000 : ms);
	buf_adds(why, whole ? " s" : " ms");
}

static void add_numbered(struct buf *why, const char *what, int number) {
	buf_adds(why, what);
	buf_addint(why, number);
}

/* A program may be a shell script that runs the true one.  A shell ends with
   127 if it cannot find a command, so a script that says nothing and ends with
   127 counts as if it were missing itself.  One that gives a reason has failed
   like any other program. */
static bool is_missing(const struct program_result *p) {
	enum { COMMAND_NOT_FOUND = 127 };
	return p->not_found ||
	       (p->status == COMMAND_NOT_FOUND && p->err.n == 0);
}

/* The end of a program that gave no reason. */
static void add_end(struct buf *why, const struct program_result *p) {
	if (is_missing(p)) {
		buf_adds(why, "not installed (not on the PATH)");
	} else if (p->refused) {
		buf_adds(why, "found on the PATH, but it cannot be executed: "
		              "check its permissions and its first line");
	} else if (p->timed_out) {
		buf_adds(why, "timed out after ");
		add_time(why, p->timeout);
		buf_adds(why, " and was terminated (raise `timeout`)");
	} else if (p->flooded) {
		buf_adds(why, "printed too much output and was terminated");
	} else if (p->signal > 0) {
		add_numbered(why, "terminated by signal ", p->signal);
	} else {
		buf_adds(why, "failed without an error message");
		if (p->status > 0)
			add_numbered(why, ", exit status ", p->status);
	}
}

static bool was_cut(const struct program_result *p) {
	return is_missing(p) || p->refused || p->timed_out || p->flooded;
}

/* ---- what a person can run ----------------------------------------------- */

/* The command with options as the program itself has printed it; absent: it
   printed none, or one that a shell could misread. */
static struct span printed_command(struct span err, struct span command) {
	for (; err.n > command.n; err = span_from(err, 1)) {
		size_t n = command.n;
		if (!span_istarts(err, command) ||
		    !span_istarts(span_from(err, n), SPAN(" --")))
			continue;
		while (n < err.n && (char_is(err.p[n], CHAR_ALNUM) ||
		                     span_cspn((struct span){ err.p + n, 1 },
		                               " -_.:/=+\"") == 0))
			n++;
		if (n < err.n && span_cspn(span_from(err, n), "\r\n`'") > 0)
			return NO_SPAN;
		return span_trim((struct span){ err.p, n });
	}
	return NO_SPAN;
}

static const struct sign_in *way_of(const struct chain *s) {
	return chain_link(s)->spec.flow->sign_in;
}

/* The sign-in whose command an error names; NULL: none. */
static const struct sign_in *way_in(const struct chain *s, struct span err) {
	const struct sign_in *way = way_of(s);
	while (way && !span_icontains(err, way->command))
		way = way->also;
	return way;
}

/* "run: az login --tenant ID", with the options that the program asks for. */
static void add_command(const struct chain *s, struct span err,
                        struct buf *out) {
	const struct sign_in *named = way_in(s, err);
	const struct sign_in *way = named ? named : way_of(s);
	struct span command = printed_command(err, way->command);
	if (command.n == 0)
		command = way->command;
	buf_adds(out, "run: ");
	redact_add(out, command, (struct secrets){ NULL, 0 }, buf_max(out));
	if (!span_icontains(command, way->tenant_option))
		add_tenant(s, way, span_icontains(err, SPAN("AADSTS")), out);
}

/* Nobody has signed in to the program, or not for this. */
static bool is_signed_out(const struct chain *s, struct span err) {
	return way_in(s, err) ||
	       (way_of(s) && span_icontains(err, SPAN("AADSTS")));
}

/* Is it cured by a person's next sign-in to the program? */
static bool wants_login(const struct chain *s, struct span err) {
	const struct entra_error *known = entra_error_of(err);
	return known ? known->anew : is_signed_out(s, err);
}

/* Entra ID's number says why, and a command what to do. */
static void advise(struct chain *s, struct span err) {
	const struct entra_error *known = entra_error_of(err);
	const char *trouble = known ? NULL : program_trouble(err);
	struct span why = span_of(known ? known->hint : trouble);
	struct buf *out = &s->fail.advice;
	buf_clear(out);
	if (trouble || !wants_login(s, err)) {
		buf_add(out, why);
	} else {
		buf_add(out, span_cut(&why, ':'));
		buf_adds(out, out->n > 0 ? "; " : "");
		add_command(s, err, out);
	}
	if (out->n > 0)
		fail_advise(&s->fail);
}

/* ---- how it ended -------------------------------------------------------- */

/* It is not to be had here. */
static bool is_absent(const struct program_result *p) {
	return is_missing(p) || p->refused;
}

/* "az: why" becomes the failure. */
static void describe_end(struct chain *s, const struct program_result *p) {
	struct buf why, words;
	buf_init(&words, s->mem, buf_max(&s->scratch.work));
	words.secret = true; /* they may contain a token */
	program_said(&words, p->err);
	begin_why(s, &why);
	if (was_cut(p) || span_trim(buf_span(&words)).n == 0)
		add_end(&why, p);
	else
		buf_add(&why, span_trim(buf_span(&words)));
	chain_describe(s, "", buf_span(&why));
	buf_free(&why);
	buf_free(&words);
}

static void fail_program(struct chain *s, const struct program_result *p,
                         struct now now) {
	if (!chain_close_need(s))
		return;
	describe_end(s, p);
	if (!was_cut(p) && way_of(s))
		advise(s, p->err);
	if (is_absent(p))
		chain_go_on(s, LINK_ABSENT, now);
	else if (is_signed_out(s, p->err))
		chain_go_on(s, LINK_FAILED, now);
	else
		chain_fail(s, now);
}

/* az has never seen the subscription; the tenant of its own choice, or the one
   that is usual here, may be the right one all the same. */
static bool is_unseen(const struct chain *s, const struct program_result *p) {
	return by_subscription(s) && p->status > 0 &&
	       span_icontains(p->err, buf_span(&s->subscription)) &&
	       (span_icontains(p->err, SPAN("not found")) ||
	        span_icontains(p->err, SPAN("not recognized")) ||
	        span_icontains(p->err, SPAN("doesn't exist")));
}

/* The first GUID in what azd prints. */
static struct span find_guid(struct span out) {
	enum { LENGTH = 36 };
	for (; out.n >= LENGTH; out = span_from(out, 1)) {
		struct span guid = { out.p, LENGTH };
		if (arm_is_guid(guid))
			return guid;
	}
	return NO_SPAN;
}

static bool is_config(const struct chain *s) {
	return chain_link(s)->spec.flow == &flow_azure_developer_cli &&
	       wants_config(s);
}

/* On to the flow's next step, whatever the program made of this one. */
static void go_to(struct chain *s, int step, struct now now) {
	if (chain_close_need(s))
		chain_step(s, step, now.mono);
}

void chain_program(struct chain *s, const struct program_result *p,
                   const struct answer *a) {
	if (is_unseen(s, p)) {
		go_to(s, AZ_BY_ITSELF, a->at);
	} else if (is_config(s) && !was_cut(p)) {
		if (p->status == 0)
			buf_set(&s->scratch.subscription, find_guid(p->out));
		go_to(s, AZD_TOKEN, a->at);
	} else if (was_cut(p) || p->signal != 0 || p->status != 0) {
		fail_program(s, p, a->at);
	} else {
		chain_feed_output(s, a);
	}
}
