/* op_list.h -- a list: its pages, and the checks of the link to the next
   one. */
#ifndef AZPEC_OP_LIST_H
#define AZPEC_OP_LIST_H

#include "core/op_state.h"

/* Handles a page: it is the result, or, if it is empty, the next one is
   requested. */
void op_list_page(struct op *o, const struct answer *a);
/* The body that asks for the next page of a query. */
void op_list_query(const struct op *o, struct buf *out);

#endif
