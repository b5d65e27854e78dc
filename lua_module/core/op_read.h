/* op_read.h -- get and list: operations that only read. */
#ifndef AZPEC_OP_READ_H
#define AZPEC_OP_READ_H

#include "core/op_state.h"

/* Handles an answer that is not retried: ends the operation, or requests the
   page after an empty one. */
void op_read(struct op *o, const struct answer *a);

#endif
