/*
 * op.h -- one operation as a state machine: request, polls, final GET, and the
 * read, compare and write of ensure.  It says what it wants (op_next) and is
 * told what happened (op_feed and others).  No I/O, no clock: `now` is an
 * argument.
 *
 *     op_next -> OP_TOKEN   op_grant, or op_no_token
 *             -> OP_SEND    op_sent, later op_feed with the answer; or
 *                           op_veto, if it is a write that must not be sent
 *             -> OP_WAIT    call again at *until, or after the next feed
 *             -> OP_DONE, OP_FAIL   the end; op_next then returns it again
 */
#ifndef AZPEC_OP_H
#define AZPEC_OP_H

#include "core/op_state.h"

/* False: out of memory; op_free must be called all the same. */
bool op_init(struct op *o, const struct op_config *cfg,
             const struct op_spec *spec);
void op_free(struct op *o);

enum op_want op_next(struct op *o, struct now now, struct request *out,
                     int64_t *until);
/* There is a token: the wait for it is over, though its turn may come later. */
void op_signed_in(struct op *o, struct now now);
/* Allows the token of that generation (never 0) for the next request. */
void op_grant(struct op *o, uint32_t generation, struct now now);
void op_no_token(struct op *o, const struct fail *why, struct now now);
void op_sent(struct op *o, struct now now);
/* Ends the operation: the write that op_next returned must not be sent. */
void op_veto(struct op *o, struct span why, struct now now);
/* After the end: the request in flight was never sent. */
void op_unsent(struct op *o);
void op_feed(struct op *o, const struct answer *a);
/* list: is it at the end of a page that has a next one? */
bool op_has_next_page(const struct op *o);
/* list: continues from a DONE page to the next one.  False: that was the
   last. */
bool op_next_page(struct op *o);
/* How far an operation of another process had come. */
struct op_begun {
	enum poll_source source;
	struct span url;  /* the polling URL; absent for POLL_RESOURCE */
	struct span from; /* the status before its write; or absent */
	bool changed;     /* its write was accepted */
};

/* Continues it: from its polling URL, or without one from the resource.  Only
   an ensure can write again, unless it is read_only.  False: out of memory. */
bool op_resume(struct op *o, const struct op_begun *begun);

#endif
