/* transition.c -- the table of transitions of a connection. */
#include "core/transition.h"

static const char asks_anew[] =
	"a rejected or disconnected connection cannot be approved again: "
	"delete it and have the private endpoint's owner create a new one";

const struct transition_rule transition_rules[] = {
	{ "Pending", "Pending", TRANSITION_UNCHANGED, NULL },
	{ "Pending", "Approved", TRANSITION_ALLOWED, NULL },
	{ "Pending", "Rejected", TRANSITION_ALLOWED, NULL },
	{ "Pending", "Deleted", TRANSITION_ALLOWED, NULL },
	{ "Approved", "Approved", TRANSITION_UNCHANGED, NULL },
	{ "Approved", "Rejected", TRANSITION_ALLOWED, NULL },
	{ "Approved", "Deleted", TRANSITION_ALLOWED, NULL },
	{ "Rejected", "Approved", TRANSITION_IMPOSSIBLE, asks_anew },
	{ "Rejected", "Pending", TRANSITION_IMPOSSIBLE, asks_anew },
	{ "Rejected", "Rejected", TRANSITION_UNCHANGED, NULL },
	{ "Rejected", "Deleted", TRANSITION_ALLOWED, NULL },
	{ "Disconnected", "Approved", TRANSITION_IMPOSSIBLE, asks_anew },
	{ "Disconnected", "Pending", TRANSITION_IMPOSSIBLE, asks_anew },
	{ "Disconnected", "Disconnected", TRANSITION_UNCHANGED, NULL },
	{ "Disconnected", "Deleted", TRANSITION_ALLOWED, NULL },
	{ NULL, NULL, TRANSITION_UNKNOWN, NULL },
};

const char *transition_name(enum transition t) {
	static const char *const names[] = {
		[TRANSITION_UNKNOWN] = NULL,
		[TRANSITION_UNCHANGED] = "unchanged",
		[TRANSITION_ALLOWED] = "allowed",
		[TRANSITION_IMPOSSIBLE] = "impossible",
	};
	return names[t];
}

const struct transition_rule *transition_find(struct span status,
                                              struct span wanted) {
	const struct transition_rule *r;
	for (r = transition_rules; r->status; r++)
		if (span_ieq(span_of(r->status), status) &&
		    span_ieq(span_of(r->wanted), wanted))
			return r;
	return NULL;
}
