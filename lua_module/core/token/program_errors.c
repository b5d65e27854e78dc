/* program_errors.c -- what az and azd print when they fail: the words for
   people, and a cure where the words tell the cause.

   az is a Python program.  It prints "ERROR: why"; for an error that it did not
   expect, the error and a traceback; for one while it starts (its files cannot
   be read, its installation is damaged), a traceback alone.  azd is a Go
   program that prints JSON.  The texts of the table are those of Python's
   requests and of Go's net and crypto packages, which change less often than
   the programs' own. */
#include "core/token/flow.h"

/* ---- the words for people ------------------------------------------------ */

static bool cut_mark(struct span *s, char mark) {
	*s = span_trim(*s);
	if (s->n == 0 || *s->p != mark)
		return false;
	*s = span_from(*s, 1);
	return true;
}

/* The next text of a member of that name, as it stands in JSON; *s begins with
   it then: no name stands in a text.  Absent if there is none. */
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
		if (text.n >= s->n) /* the string is not closed */
			break;
		return text;
	}
	return NO_SPAN;
}

/* Line ends and the like become blanks, quoted characters themselves.  s: of
   `member`, so that no backslash is its last character alone. */
static void add_text(struct buf *out, struct span s) {
	for (size_t i = 0; i < s.n; i++) {
		bool quoted = s.p[i] == '\\';
		char c = s.p[i += quoted];
		bool blank = c == 'n' || c == 'r' || c == 't';
		buf_addc(out, quoted && blank ? ' ' : c);
	}
}

/* The first such member that says something. */
static bool add_member(struct buf *out, struct span s, struct span name) {
	struct span text = member(&s, name);
	for (; text.p; text = member(&s, name)) {
		buf_clear(out);
		add_text(out, text);
		if (span_trim(buf_span(out)).n > 0)
			return true;
	}
	return false;
}

/* From where this text stands first; absent: nowhere. */
static struct span from_text(struct span s, struct span text) {
	for (; s.n >= text.n; s = span_from(s, 1))
		if (span_istarts(s, text))
			return s;
	return NO_SPAN;
}

static struct span last_line(struct span s) {
	size_t at = s.n;
	while (at > 0 && s.p[at - 1] != '\n')
		at--;
	return span_from(s, at);
}

/* The error without Python's traceback: it stands before it, or else in the
   traceback's last line. */
static struct span without_traceback(struct span s) {
	static const struct span lead = { "Here is the traceback:", 22 };
	struct span trace =
		from_text(s, SPAN("Traceback (most recent call last)"));
	struct span before = { s.p, s.n - trace.n };
	struct span led = from_text(before, lead);
	if (led.n > 0 && span_trim(span_from(led, lead.n)).n > 0)
		return span_from(led, lead.n);
	return span_trim(before).n > 0 ? before : last_line(span_trim(trace));
}

/* The lines that az begins with when it cannot load some of its own modules.
   Another command's module is no cause, so the error after them counts. */
static bool is_load_error(struct span line) {
	if (span_istarts(line, SPAN("ERROR: ")))
		line = span_from(line, 7);
	return span_istarts(line, SPAN("Error loading command module"));
}

static struct span without_load_errors(struct span s) {
	struct span rest = s = span_trim(s);
	while (is_load_error(span_cut(&rest, '\n'))) {
		rest = span_trim(rest);
		if (rest.n == 0)
			break;
		s = rest;
	}
	return s;
}

/* az before 2.30 quotes Entra ID's answer, {"error", "error_description": why}.
   azd's errors are JSON: {"error": why} since 1.23.7, before that {"data":
   {"message": why}}, or first such a line without words.  Of all else what
   comes before any JSON: a token may be in that. */
void program_said(struct buf *out, struct span err) {
	if (add_member(out, err, SPAN("\"error_description\"")) ||
	    add_member(out, err, SPAN("\"error\"")) ||
	    add_member(out, err, SPAN("\"message\"")))
		return;
	err = without_load_errors(err);
	buf_set(out, without_traceback(span_cut(&err, '{')));
}

/* ---- troubles that are not the sign-in's --------------------------------- */

static const char network[] =
	"the program cannot reach Microsoft Entra ID: check the network, and "
	"the proxy in HTTPS_PROXY and NO_PROXY";
static const char trust[] =
	"the program does not trust the server's certificate: behind a "
	"TLS-inspecting proxy, name the CA file for az in REQUESTS_CA_BUNDLE, "
	"for azd in SSL_CERT_FILE";
static const char cache[] =
	"the program's token cache is damaged: run az account clear, then az "
	"login";
static const char files[] =
	"the program cannot use its own files: check the owner and the "
	"permissions of ~/.azure (AZURE_CONFIG_DIR), for azd of ~/.azd "
	"(AZD_CONFIG_DIR)";
static const char broken[] =
	"the program's installation is damaged: install it again";
static const char old[] =
	"the program is too old for this: install a newer version";

/* The first row whose text stands in the output counts: a failed connection
   has an errno too. */
static const struct {
	const char *text, *hint;
} troubles[] = {
	{ "certificate verif", trust },
	{ "x509: ", trust },
	{ "Failed to parse: http",
	  "the program cannot read its proxy's URL: in HTTPS_PROXY, write \\ @ "
	  ": and / of the user name and password as %5C %40 %3A and %2F" },
	{ "HTTPSConnectionPool", network },
	{ "Connection aborted", network },
	{ "dial tcp", network },
	{ "proxyconnect", network },
	{ "unknown flag: --claims",
	  "this azd cannot answer the claims challenge: install azd 1.18.1 or "
	  "later, then run azd auth login" },
	{ "unknown flag", old },
	{ "unrecognized arguments", old },
	{ "command module 'profile'", broken }, /* az account */
	{ "ModuleNotFoundError", broken },
	{ "ImportError", broken },
	{ "[Errno ", files },
	{ "permission denied", files },
	{ "read-only file system", files },
	{ "Unable to get authority configuration",
	  "az did not get the tenant's configuration: check the tenant, and a "
	  "proxy that answers for Microsoft Entra ID" },
	{ "MSAL cache", cache },
	{ "JSONDecodeError", cache },
	{ "No subscription found",
	  "az has no default subscription: run az account set --subscription "
	  "ID" },
	{ "Check the spelling and casing",
	  "az does not know this subscription: run az account list --refresh, "
	  "or az login for its tenant" },
};

const char *program_trouble(struct span err) {
	for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
		if (span_icontains(err, span_of(troubles[i].text)))
			return troubles[i].hint;
	return NULL;
}
