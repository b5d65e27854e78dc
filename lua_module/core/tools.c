/* tools.c -- tokens that others have: the host, the Azure CLI, the Azure
   Developer CLI, or nobody. */
#include "base64.h"
#include "flow.h"

/* ---- ready tokens ------------------------------------------------------- */

static enum signin_want ask_token(struct signin *s, struct request *q,
                                  struct now now) {
	(void)q;
	s->sent_at = now.mono;
	if (s->generation == 0) {
		signin_take(s, signin_link(s)->spec.value[SV_SECRET],
		            SIGNIN_LONGEST, -1, now); /* it does not say */
		return SIGNIN_IDLE;
	}
	signin_describe(s, "the token that was given cannot be renewed",
	                NO_SPAN);
	s->fail.hint = "give a function (azpec.credential.token{get = ...}) or "
		       "another credential";
	signin_fail(s, now);
	return SIGNIN_IDLE;
}

const struct flow flow_token = {
	.name = "token",
	.ask = ask_token,
};

static enum signin_want ask_function(struct signin *s, struct request *q,
                                     struct now now) {
	(void)q;
	(void)now;
	s->scratch.need = NEED_TOKEN;
	return SIGNIN_NEED;
}

const struct flow flow_function = {
	.name = "token",
	.ask = ask_function,
	.claims = true,
};

static enum signin_want ask_none(struct signin *s, struct request *q,
                                 struct now now) {
	(void)q;
	signin_absent(s,
	              "not set up: the environment has neither "
	              "AZURE_TENANT_ID, AZURE_CLIENT_ID and "
	              "AZURE_CLIENT_SECRET (or a certificate) nor "
	              "AZURE_ACCESS_TOKEN",
	              NO_SPAN, now);
	s->fail.hint = "set these variables, or give one of azpec.credential's "
		       "values as `credential`";
	return SIGNIN_IDLE;
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
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		const char *m = more;
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		          (c >= '0' && c <= '9');
		while (!ok && *m)
			ok = *m++ == c;
		if (!ok)
			return false;
	}
	return true;
}

static bool arguments_plain(struct signin *s, struct now now) {
	const struct span *v = signin_link(s)->spec.value;
	if (plain(buf_span(&s->scope), ".-_/:") && plain(v[SV_TENANT], ".-") &&
	    plain(v[SV_SUBSCRIPTION], "-_. "))
		return true;
	signin_describe(s,
	                "scope, tenant_id or subscription holds a character "
	                "that is not passed on to a program",
	                NO_SPAN);
	signin_fail(s, now);
	return false;
}

static enum signin_want ask_azure_cli(struct signin *s, struct request *q,
                                      struct now now) {
	const struct span *v = signin_link(s)->spec.value;
	(void)q;
	if (!arguments_plain(s, now))
		return SIGNIN_IDLE;
	buf_clear(&s->scratch.work);
	add(&s->scratch.work, "az");
	add(&s->scratch.work, "account");
	add(&s->scratch.work, "get-access-token");
	add(&s->scratch.work, "-o");
	add(&s->scratch.work, "json");
	add(&s->scratch.work, "--resource");
	add_span(&s->scratch.work, flow_resource(s));
	if (v[SV_TENANT].n > 0) {
		add(&s->scratch.work, "--tenant");
		add_span(&s->scratch.work, v[SV_TENANT]);
	}
	if (v[SV_SUBSCRIPTION].n > 0) {
		add(&s->scratch.work, "--subscription");
		add_span(&s->scratch.work, v[SV_SUBSCRIPTION]);
	}
	s->scratch.need = NEED_PROGRAM;
	return SIGNIN_NEED;
}

static void add_claims(struct signin *s) {
	struct buf encoded;
	if (s->claims.n == 0)
		return;
	buf_init(&encoded, s->mem, s->scratch.work.max);
	base64_encode(&encoded, buf_span(&s->claims));
	add(&s->scratch.work, "--claims");
	add_span(&s->scratch.work, buf_span(&encoded));
	buf_share_failure(&s->scratch.work, &encoded);
	buf_free(&encoded);
}

static enum signin_want ask_developer_cli(struct signin *s, struct request *q,
                                          struct now now) {
	const struct span *v = signin_link(s)->spec.value;
	(void)q;
	if (!arguments_plain(s, now))
		return SIGNIN_IDLE;
	buf_clear(&s->scratch.work);
	add(&s->scratch.work, "azd");
	add(&s->scratch.work, "auth");
	add(&s->scratch.work, "token");
	add(&s->scratch.work, "-o");
	add(&s->scratch.work, "json");
	add(&s->scratch.work, "--no-prompt");
	add(&s->scratch.work, "--scope");
	add_span(&s->scratch.work, buf_span(&s->scope));
	if (v[SV_TENANT].n > 0) {
		add(&s->scratch.work, "--tenant-id");
		add_span(&s->scratch.work, v[SV_TENANT]);
	}
	add_claims(s);
	s->scratch.need = NEED_PROGRAM;
	return SIGNIN_NEED;
}

static void printed(struct signin *s, const struct answer *a) {
	if (a->facts.json) {
		flow_accept(s, a);
		return;
	}
	signin_describe(s, "", span_of(s->scratch.work.p));
	buf_adds(&s->fail.message, ": what it printed is not the JSON it was "
	                           "asked for");
	signin_fail(s, a->at);
}

const struct flow flow_azure_cli = {
	.name = "azure_cli",
	.ask = ask_azure_cli,
	.printed = printed,
	.claims_hint = "run az login",
};
const struct flow flow_azure_developer_cli = {
	.name = "azure_developer_cli",
	.ask = ask_developer_cli,
	.printed = printed,
	.claims = true,
};

static size_t blanks_at(struct span s, size_t at) {
	size_t n = 0;
	while (at + n < s.n && (s.p[at + n] == ' ' || s.p[at + n] == '\t' ||
	                        s.p[at + n] == '\r' || s.p[at + n] == '\n'))
		n++;
	return n;
}

/* An object begins with a brace and a quote, or ends at once; where it does
   not, the search continues behind what was looked at. */
struct span signin_json(struct span out) {
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
	out = span_from(out, at);
	while (out.n > 0 && out.p[out.n - 1] != '}')
		out.n--;
	return out;
}

static bool cut_mark(struct span *s, char mark) {
	*s = span_from(*s, blanks_at(*s, 0));
	if (s->n == 0 || *s->p != mark)
		return false;
	*s = span_from(*s, 1);
	return true;
}

/* The next text of a member of that name, as it stands in JSON; *s becomes what
   follows it.  Absent: there is none. */
static struct span member(struct span *s, struct span name) {
	while (s->n >= name.n && name.n > 0) {
		struct span text;
		bool is = span_istarts(*s, name);
		*s = span_from(*s, is ? name.n : 1);
		if (!is || !cut_mark(s, ':') || !cut_mark(s, '"'))
			continue;
		text = (struct span){ s->p, 0 };
		while (text.n < s->n && s->p[text.n] != '"')
			text.n += s->p[text.n] == '\\' ? 2 : 1;
		if (text.n >= s->n) /* it has no end */
			break;
		*s = span_from(*s, text.n);
		return text;
	}
	return NO_SPAN;
}

/* Line ends and the like become blanks, quoted characters themselves. */
static void add_text(struct buf *out, struct span s) {
	for (size_t i = 0; i < s.n; i++) {
		bool quoted = s.p[i] == '\\' && i + 1 < s.n;
		char c = s.p[i += quoted];
		bool blank = c == 'n' || c == 'r' || c == 't';
		buf_addc(out, quoted && blank ? ' ' : c);
	}
}

/* The first such member that says something. */
static bool add_member(struct buf *out, struct span s, struct span name) {
	for (;;) {
		struct span text = member(&s, name);
		if (!text.p)
			return false;
		buf_clear(out);
		add_text(out, text);
		if (span_trim(buf_span(out)).n > 0)
			return true;
	}
}

/* What it says for people.  azd's errors are JSON: {"error": why} since 1.23.7,
   before that {"data": {"message": why}}, or first such a line without words.
   Of all else what comes before any JSON: a token may be in that. */
static void add_said(struct buf *out, struct span err) {
	size_t n = 0;
	if (add_member(out, err, SPAN("\"error\"")) ||
	    add_member(out, err, SPAN("\"message\"")))
		return;
	while (n < err.n && err.p[n] != '{')
		n++;
	buf_set(out, (struct span){ err.p, n });
}

/* "az: why": beside a chain's list the program is not named otherwise. */
static void begin_why(const struct signin *s, struct buf *why) {
	buf_init(why, s->mem, s->scratch.work.max);
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

/* How it ended without saying why. */
static void add_end(struct buf *why, const struct program_result *p) {
	if (p->not_found) {
		buf_adds(why, "not installed (not on the PATH)");
	} else if (p->refused) {
		buf_adds(why, "it is on the PATH but cannot be run: see its "
		              "permissions and its first line");
	} else if (p->timed_out) {
		buf_adds(why, "no answer within its timeout of ");
		add_time(why, p->timeout);
		buf_adds(why, "; it was ended (raise `timeout`)");
	} else if (p->flooded) {
		buf_adds(why, "it printed far more than a token; it was ended");
	} else if (p->signal > 0) {
		add_numbered(why, "it was ended by signal ", p->signal);
	} else {
		buf_adds(why, "it failed silently");
		if (p->status > 0)
			add_numbered(why, ", with exit status ", p->status);
	}
}

static void fail_program(struct signin *s, const struct program_result *p,
                         struct now now) {
	bool cut = p->not_found || p->refused || p->timed_out || p->flooded;
	bool absent = p->not_found || p->refused;
	struct buf why, words;
	buf_init(&words, s->mem, s->scratch.work.max);
	words.secret = true; /* a token may be in it */
	add_said(&words, p->err);
	begin_why(s, &why);
	if (cut || span_trim(buf_span(&words)).n == 0) {
		add_end(&why, p);
	} else {
		buf_add(&why, span_trim(buf_span(&words)));
		absent = span_icontains(p->err, SPAN("az login")) ||
		         span_icontains(p->err, SPAN("azd auth login")) ||
		         span_icontains(p->err, SPAN("AADSTS"));
	}
	signin_fail_need(s, buf_span(&why), absent, now);
	buf_free(&why);
	buf_free(&words);
}

void signin_program(struct signin *s, const struct program_result *p,
                    const struct answer *a) {
	if (p->not_found || p->refused || p->timed_out || p->flooded ||
	    p->signal != 0 || p->status != 0)
		fail_program(s, p, a->at);
	else
		signin_print(s, a);
}
