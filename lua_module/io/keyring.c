/*
 * keyring.c -- the user's keyring, by Linux's system calls.
 *
 * Which keyring.  The user keyring (user-keyring(7)) is one for all processes
 * of a user, whether they come from a terminal, cron or a service.  The session
 * keyring would part the sessions of one user, and a session without
 * pam_keyinit has none of its own.  The persistent keyring would outlive the
 * last process of a user for days; a token does not need that, some kernels
 * lack it, and it has to be linked to another keyring to be used.
 *
 * Who can read a key.  Its owner, by the user bits of its permissions, and
 * nobody else.  The possessor bits are all off: a process that root has started
 * as another user may still have root's session keyring, and then it possesses
 * what is in root's user keyring.  For the same reason an owner need not
 * possess a key to read it, as in services and CI systems, whose session
 * keyring has no link to the user keyring.
 *
 * The kernel takes the user keyring by the real user id, and the owner of a key
 * by that of the file system.  Where those two or the effective one differ, as
 * in a set-user-ID program, nothing is read or stored.
 *
 * A key is made in the keyring of the thread, which no other thread has.  There
 * it gets its permissions and its time; then it is linked to the user keyring
 * in the place of the one before.  So nobody sees a key without its end, and a
 * process that is killed half-way leaves none.  A fork's child has no part in
 * it: nothing here is kept between two calls.
 *
 * The type is "user": its payload is in the kernel's memory and is not swapped
 * (keyrings(7)).
 */
#include "io/keyring.h"

#include "core/span.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	MAX_TEXT = 32767,         /* of a key of the type "user" */
	OWNER_ALONE = 0x003f0000, /* keyctl_setperm(3): all the user bits */
};

static const char type[] = "user";

static const char *reason(int why) {
	switch (why) {
	case EPERM:
		return "the kernel forbids it, as in many containers (EPERM)";
	case ENOSYS:
		return "the kernel has no keyrings (ENOSYS)";
	case EDQUOT:
		return "the user's quota of keys is used up (EDQUOT, see "
		       "/proc/key-users)";
	case EACCES:
		return "a permission is missing (EACCES)";
	case ENOMEM:
		return "the kernel has not enough memory (ENOMEM)";
	default:
		return "the kernel refuses access";
	}
}

/* NULL where all of the process's user ids are one. */
static const char *check_user(void) {
	uid_t real = getuid();
	/* -1 is nobody's id: nothing is changed */
	return geteuid() == real && (uid_t)setfsuid((uid_t)-1) == real
	               ? NULL
	               : "the process acts for another user than its own "
	                 "(set-user-ID)";
}

static long control(int operation, long a, long b, long c, long d) {
	return syscall(SYS_keyctl, operation, a, b, c, d);
}

/* Not there, or not any more; or another's that may not even be looked at, and
   that storing will replace. */
static bool is_gone(int why) {
	return why == ENOKEY || why == EKEYEXPIRED || why == EKEYREVOKED ||
	       why == ENOENT || why == EACCES;
}

/* Who possesses this user's keyring could have put a key of another user there.
   keyctl_describe(3): "type;uid;gid;permissions;name". */
static bool is_own(keyring_id id) {
	char text[256];
	long n = control(KEYCTL_DESCRIBE, id, (long)text, sizeof text, 0);
	struct span rest = { text, 0 };
	int64_t owner;
	if (n <= 0 || n > (long)sizeof text)
		return false;
	rest.n = (size_t)n;
	span_cut(&rest, ';');
	return span_uint(span_cut(&rest, ';'), &owner) && owner == getuid();
}

static void read_key(keyring_id id, struct buf *text) {
	long n = control(KEYCTL_READ, id, (long)text->p, MAX_TEXT, 0);
	text->n = n > 0 && n <= MAX_TEXT ? (uint32_t)n : 0;
}

const char *keyring_read(const char *name, struct buf *text, keyring_id *id) {
	const char *why = check_user();
	long found = -1;
	*id = 0;
	buf_clear(text);
	if (why)
		return why;
	found = control(KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, (long)type,
	                (long)name, 0);
	if (found < 0)
		return is_gone(errno) ? NULL : reason(errno);
	if (!buf_reserve(text, MAX_TEXT))
		return reason(ENOMEM);
	*id = (keyring_id)found;
	if (is_own(*id))
		read_key(*id, text);
	return NULL;
}

/* A key that is the thread's alone becomes the one of its name. */
static bool publish(long id, int64_t seconds) {
	return control(KEYCTL_SET_TIMEOUT, id, (long)seconds, 0, 0) == 0 &&
	       control(KEYCTL_SETPERM, id, OWNER_ALONE, 0, 0) == 0 &&
	       control(KEYCTL_LINK, id, KEY_SPEC_USER_KEYRING, 0, 0) == 0;
}

const char *keyring_store(const char *name, struct span text, int64_t seconds) {
	const char *why = check_user();
	long id;
	if (why)
		return why;
	if (text.n > MAX_TEXT)
		return "the token is larger than a key may be";
	id = syscall(SYS_add_key, type, name, text.p, text.n,
	             KEY_SPEC_THREAD_KEYRING);
	if (id < 0)
		return reason(errno);
	if (!publish(id, seconds))
		why = reason(errno);
	control(KEYCTL_UNLINK, id, KEY_SPEC_THREAD_KEYRING, 0, 0);
	return why;
}

/* Not KEYCTL_UNLINK, which removes whatever has the key's name by now. */
const char *keyring_remove(keyring_id id) {
	const char *why = check_user();
	if (why)
		return why;
	return control(KEYCTL_INVALIDATE, id, 0, 0, 0) == 0 || is_gone(errno)
	               ? NULL
	               : reason(errno);
}
