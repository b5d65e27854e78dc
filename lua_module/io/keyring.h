/*
 * keyring.h -- short texts that the processes of one user share, kept by the
 * Linux kernel until a time and never on a disk.  The head of keyring.c says
 * which keyring it is and who can read it.
 */
#ifndef AZPEC_KEYRING_H
#define AZPEC_KEYRING_H

#include "core/buf.h"

/* A key, as the kernel numbers it; another text under the same name is another
   key.  0: none. */
typedef int32_t keyring_id;

/* These return NULL, or why the kernel refuses, for people. */

/* The text under this name, and its key; *id is 0 if there is none. */
const char *keyring_read(const char *name, struct buf *text, keyring_id *id);
/* Stores text under this name and replaces an earlier one.  The kernel removes
   it after `seconds` seconds. */
const char *keyring_store(const char *name, struct span text, int64_t seconds);
/* No error if it is gone already. */
const char *keyring_remove(keyring_id id);

#endif
