/*
 * op_rules.h -- the conversation as a table: what each answer means, and what
 * an operation does next.  The theory stands at the head of op_rules.c.
 */
#ifndef AZPEC_OP_RULES_H
#define AZPEC_OP_RULES_H

#include "opstate.h"

enum meaning {
	UNHEARD,   /* no answer, or one that tells nothing of the operation */
	REFUSED,   /* this request cannot be served, or was never sent */
	MISSING,   /* 404: nothing there; of a delete: the service says so */
	DENIED,    /* an error that may be the operation's result */
	RUNNING,   /* under way */
	OVER,      /* ended well; the resource is not shown */
	AS_ASKED,  /* our resource, in a final state, as it was asked for */
	OTHERWISE, /* our resource, in a final state, but not so */
	FAILED,    /* the word Failed or Canceled */
	ODD,       /* makes no sense, or speaks of something else */
	MEANINGS
};

/* The tables: of update and ensure, and of delete. */
enum book { BOOK_WRITE, BOOK_DELETE, BOOKS };

/* Where a rule leads besides the legs. */
enum { TO_DONE = LEGS, TO_FAILURE, TO_ITSELF };

/* What an operation may do next. */
struct rule {
	const char *text; /* for people */
	void (*take)(struct op *o, const struct answer *a);
	signed char leads[4]; /* legs and the places below, closed by -1 */
};

enum meaning meaning_of(const struct op *o, const struct answer *a);
/* The rule for that meaning on that leg; NULL: it cannot happen. */
const struct rule *op_rule(enum book book, enum op_leg leg, enum meaning m);
const char *op_leg_name(enum op_leg leg);
const char *op_meaning_name(enum meaning m);

/* An answer that is not worth another try of the same request: moves the
   operation on to where it leads. */
void op_judge(struct op *o, const struct answer *a);

#endif
