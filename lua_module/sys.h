/*
 * sys.h -- what only the operating system knows: the time, and randomness.
 * The core is handed both as arguments.
 */
#ifndef AZPEC_SYS_H
#define AZPEC_SYS_H

#include "core/http.h"

struct now sys_now(void);
/* Fills p with random bytes.  False: the system has none to give. */
bool sys_random(void *p, size_t n);

#endif
