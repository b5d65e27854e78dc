/*
 * opinner.h -- what the files of the operation's machine share, and nobody
 * else may touch: op.c asks and is told, legs.c judges answers, opfail.c finds
 * the words for failures.  All changes of state go through these functions.
 */
#ifndef AZPEC_OPINNER_H
#define AZPEC_OPINNER_H

#include "op.h"

enum { OP_MAX_TEXT = 256 * 1024 };

enum phase op_phase(const struct op *o);
bool op_writes(const struct op *o);
struct span op_request_url(const struct op *o);

/* To another leg, whose request may go out at not_before. */
void op_turn(struct op *o, enum op_leg leg, int64_t not_before);
/* The next look, when the answer or the default says so. */
void op_poll_at(struct op *o, const struct reply *r, struct now now);
/* The service has said how the write ended: nothing is left to resume. */
void op_decided(struct op *o);
void op_done(struct op *o, enum op_keep keep);
void op_failed(struct op *o); /* o->fail says why */

#endif
