/* fail.c -- failures, and the names of their kinds. */
#include "core/fail.h"

enum {
	MAX_TEXT = 65536,
	MAX_ID = 256,
	MAX_FOREIGN = 1024, /* bytes of one piece of foreign text */
	MAX_ALL = 16384,    /* bytes of a message; no foreign text is added
	                       beyond */
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
		[PHASE_TOKEN] = "token",     [PHASE_POLICY] = "policy",
		[PHASE_REQUEST] = "request", [PHASE_POLL] = "poll",
		[PHASE_RESULT] = "result",
	};
	return names[p];
}

void fail_init(struct fail *f, const struct mem *mem) {
	*f = (struct fail){ .kind = FAIL_NONE, .retry_after = -1 };
	buf_init(&f->advice, mem, MAX_ALL);
	buf_init(&f->message, mem, MAX_TEXT);
	buf_init(&f->code, mem, MAX_TEXT);
	buf_init(&f->target, mem, MAX_TEXT);
	buf_init(&f->request_id, mem, MAX_ID);
	buf_init(&f->correlation_id, mem, MAX_ID);
}

void fail_free(struct fail *f) {
	buf_free(&f->advice);
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

void fail_add_without(struct fail *f, struct span foreign,
                      struct secrets secrets) {
	size_t limit = f->message.n + MAX_FOREIGN;
	struct span rest = redact_add(&f->message, span_trim(foreign), secrets,
	                              limit < MAX_ALL ? limit : MAX_ALL);
	if (rest.n > 0)
		buf_adds(&f->message, "...");
}

void fail_add(struct fail *f, struct span foreign) {
	fail_add_without(f, foreign, (struct secrets){ NULL, 0 });
}

void fail_advise(struct fail *f) {
	f->hint = buf_cstr(&f->advice);
}

void fail_copy_hint(struct fail *to, const struct fail *from) {
	bool made = from->hint && from->hint == from->advice.p;
	to->hint = from->hint;
	if (!made)
		return;
	buf_set(&to->advice, span_of(from->hint));
	fail_advise(to);
}

void fail_copy(struct fail *to, const struct fail *from) {
	to->kind = from->kind;
	to->phase = from->phase;
	to->http_status = from->http_status;
	to->body = from->body;
	to->retryable = from->retryable;
	to->retry_after = from->retry_after;
	fail_copy_hint(to, from);
	buf_set(&to->message, buf_span(&from->message));
	buf_set(&to->code, buf_span(&from->code));
	buf_set(&to->target, buf_span(&from->target));
	if (to->request_id.n == 0)
		buf_set(&to->request_id, buf_span(&from->request_id));
	if (to->correlation_id.n == 0)
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
	case NET_PROXY_CERT:
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
