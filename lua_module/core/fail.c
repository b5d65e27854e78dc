/* fail.c -- failures and their names. */
#include "fail.h"

enum {
	MAX_TEXT = 65536,
	MAX_FOREIGN = 1024, /* of one piece of foreign text */
	MAX_ALL = 16384,    /* where no more of it is added */
	MIN_SECRET = 8,     /* shorter ones would take words away */
	TELLING_HEAD = 32,  /* of a secret that was cut off */
};

const char *fail_kind_name(enum fail_kind k) {
	static const char *const names[FAIL_KIND_COUNT] = {
		[FAIL_NONE] = "none",
		[FAIL_CREDENTIAL] = "credential",
		[FAIL_FORBIDDEN] = "forbidden",
		[FAIL_NOT_FOUND] = "not_found",
		[FAIL_PRECONDITION] = "precondition",
		[FAIL_CONFLICT] = "conflict",
		[FAIL_THROTTLED] = "throttled",
		[FAIL_SERVICE] = "service",
		[FAIL_OPERATION] = "operation",
		[FAIL_TIMEOUT] = "timeout",
		[FAIL_CANCELED] = "canceled",
		[FAIL_TRANSPORT] = "transport",
		[FAIL_PROTOCOL] = "protocol",
		[FAIL_UNTRUSTED] = "untrusted",
		[FAIL_LIMIT] = "limit",
	};
	return names[k];
}

const char *phase_name(enum phase p) {
	static const char *const names[PHASE_COUNT] = {
		[PHASE_TOKEN] = "token",
		[PHASE_REQUEST] = "request",
		[PHASE_POLL] = "poll",
		[PHASE_RESULT] = "result",
	};
	return names[p];
}

void fail_init(struct fail *f, const struct mem *mem) {
	*f = (struct fail){ .kind = FAIL_NONE, .retry_after = -1 };
	buf_init(&f->message, mem, MAX_TEXT);
	buf_init(&f->code, mem, MAX_TEXT);
	buf_init(&f->target, mem, MAX_TEXT);
	buf_init(&f->request_id, mem, MAX_TEXT);
	buf_init(&f->correlation_id, mem, MAX_TEXT);
}

void fail_free(struct fail *f) {
	buf_free(&f->message);
	buf_free(&f->code);
	buf_free(&f->target);
	buf_free(&f->request_id);
	buf_free(&f->correlation_id);
}

void fail_set(struct fail *f, enum fail_kind kind, enum phase phase,
              const char *message) {
	f->kind = kind;
	f->phase = phase;
	f->http_status = 0;
	f->body = false;
	f->retryable = false;
	f->retry_after = -1;
	f->hint = NULL;
	buf_clear(&f->code);
	buf_clear(&f->target);
	buf_set(&f->message, span_of(message));
}

static bool word_end(char c) {
	return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' ||
	       c == ',' || c == ';';
}

/* Where the word at the head of s ends, when it looks like a token: what
   follows "Bearer ", or a JSON Web Token. */
static size_t secret_length(struct span s) {
	static const struct span scheme = { "bearer", 6 };
	size_t skip = 0, n = 0;
	if (span_istarts(s, scheme)) {
		skip = scheme.n;
		while (skip < s.n && (s.p[skip] == ' ' || s.p[skip] == '\t'))
			skip++;
	}
	if (skip == scheme.n || (skip == 0 && !span_istarts(s, SPAN("eyJ"))))
		return 0;
	while (skip + n < s.n && !word_end(s.p[skip + n]))
		n++;
	return n >= 16 ? skip + n : 0;
}

static size_t common_length(struct span a, struct span b) {
	size_t n = 0;
	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	return n;
}

/* A secret itself, were it echoed without its scheme; or so much of its head
   that it is nothing else.  The latter also keeps the search linear: what was
   compared beyond that is not looked at again. */
static size_t known_length(struct span s, struct secrets secrets) {
	size_t longest = 0;
	for (size_t i = 0; i < secrets.count; i++) {
		struct span secret = secrets.list[i];
		size_t n = common_length(s, secret);
		if (secret.n >= MIN_SECRET && n > longest &&
		    (n == secret.n || n >= TELLING_HEAD))
			longest = n;
	}
	return longest;
}

struct span fail_redact(struct buf *out, struct span text,
                        struct secrets secrets, size_t limit) {
	while (text.n > 0 && out->n < limit && !out->failed) {
		bool control = (unsigned char)*text.p < ' ' || *text.p == 0x7f;
		size_t n = secret_length(text);
		if (n == 0)
			n = known_length(text, secrets);
		if (n > 0)
			buf_adds(out, "<redacted>");
		else
			buf_addc(out, control ? ' ' : *text.p);
		text = span_from(text, n > 0 ? n : 1);
	}
	return text;
}

void fail_add_without(struct fail *f, struct span foreign,
                      struct secrets secrets) {
	size_t limit = f->message.n + MAX_FOREIGN;
	struct span rest = fail_redact(&f->message, span_trim(foreign), secrets,
	                               limit < MAX_ALL ? limit : MAX_ALL);
	if (rest.n > 0)
		buf_adds(&f->message, "...");
}

void fail_add(struct fail *f, struct span foreign) {
	fail_add_without(f, foreign, (struct secrets){ NULL, 0 });
}

void fail_copy(struct fail *to, const struct fail *from) {
	to->kind = from->kind;
	to->phase = from->phase;
	to->http_status = from->http_status;
	to->body = from->body;
	to->retryable = from->retryable;
	to->retry_after = from->retry_after;
	to->hint = from->hint;
	buf_set(&to->message, buf_span(&from->message));
	buf_set(&to->code, buf_span(&from->code));
	buf_set(&to->target, buf_span(&from->target));
	buf_set(&to->request_id, buf_span(&from->request_id));
	buf_set(&to->correlation_id, buf_span(&from->correlation_id));
}

enum fail_kind fail_kind_of(int status) {
	switch (status) {
	case 401:
		return FAIL_CREDENTIAL;
	case 403:
		return FAIL_FORBIDDEN;
	case 404:
		return FAIL_NOT_FOUND;
	case 409:
		return FAIL_CONFLICT;
	case 412:
		return FAIL_PRECONDITION;
	case 429:
		return FAIL_THROTTLED;
	default:
		return FAIL_SERVICE;
	}
}

enum fail_kind fail_kind_of_net(enum net_error e) {
	switch (e) {
	case NET_CERT:
		return FAIL_UNTRUSTED;
	case NET_TOO_BIG:
	case NET_MEMORY:
		return FAIL_LIMIT;
	case NET_PROTOCOL:
		return FAIL_PROTOCOL;
	default:
		return FAIL_TRANSPORT;
	}
}
