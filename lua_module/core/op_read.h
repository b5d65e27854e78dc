/* op_read.h -- get and list: one request, and no write. */
#ifndef AZPEC_OP_READ_H
#define AZPEC_OP_READ_H

#include "opstate.h"

/* An answer that is not worth another try: ends the operation, or asks for the
   page after an empty one. */
void op_read(struct op *o, const struct answer *a);

#endif
