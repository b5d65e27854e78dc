/* keyring.c -- keys in the user's keyring of the kernel that runs this: who
 * reads them, when they end, and what is said where the kernel refuses. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tools/forbid.h"
#include "io/keyring.h"

enum { HOUR = 3600, NOBODY = 65534, POOR = 54321 /* nobody else is */ };

static struct {
	char name[64];
	struct buf text;
} t;

/* ---- before and after each test ----------------------------------------- */

static long control(int operation, long a, long b, long c, long d) {
	return syscall(SYS_keyctl, operation, a, b, c, d);
}

static long find(void) {
	return control(KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, (long)"user",
	               (long)t.name, 0);
}

static int begin(void **state) {
	static int tests;
	test_begin(state);
	snprintf(t.name, sizeof t.name, "azpec:test:%d:%d", (int)getpid(),
	         tests++);
	buf_init(&t.text, test_mem(), 100000);
	return 0;
}

static int end(void **state) {
	long id = find();
	if (id > 0)
		control(KEYCTL_UNLINK, id, KEY_SPEC_USER_KEYRING, 0, 0);
	buf_free(&t.text);
	return test_end(state);
}

#undef TEST
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* ---- short ways ---------------------------------------------------------- */

#define assert_fine(call) assert_null(call)
#define assert_refused(call, part)                                             \
	do {                                                                   \
		const char *why_ = call;                                       \
		assert_non_null(why_);                                         \
		assert_non_null(strstr(why_, part));                           \
	} while (0)

static void store(const char *text) {
	assert_fine(keyring_store(t.name, test_text(text), HOUR));
}

/* The key; text "": there is none that can be read. */
static keyring_id expect(const char *text) {
	keyring_id id = -1;
	assert_fine(keyring_read(t.name, &t.text, &id));
	assert_true(span_eq(buf_span(&t.text).p ? buf_span(&t.text) : SPAN(""),
	                    test_text(text)));
	return id;
}

/* Runs it in a process of its own, whose answer is true or false. */
static bool apart(bool (*what)(void)) {
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(what() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

static bool become(uid_t user) {
	return setresgid(user, user, user) == 0 &&
	       setresuid(user, user, user) == 0;
}

/* Only root can be somebody else. */
static void need_root(void) {
	if (geteuid() != 0) {
		print_message("# this needs root\n");
		skip();
	}
}

/* ---- what is kept -------------------------------------------------------- */

static void test_what_was_stored_is_read(void **state) {
	(void)state;
	assert_int_equal(expect(""), 0);
	store("text");
	assert_true(expect("text") > 0);
	assert_true(expect("text") > 0);
}

static bool reads_text(void) {
	keyring_id id;
	return !keyring_read(t.name, &t.text, &id) &&
	       span_eq(buf_span(&t.text), SPAN("text"));
}

static bool stores_text(void) {
	return !keyring_store(t.name, SPAN("text"), HOUR);
}

static void test_another_process_of_the_user_reads_it(void **state) {
	(void)state;
	store("text");
	assert_true(apart(reads_text));
}

static void test_it_outlives_the_process_that_stored_it(void **state) {
	(void)state;
	assert_true(apart(stores_text));
	assert_true(expect("text") > 0);
}

static void test_bytes_of_any_kind(void **state) {
	char bytes[32767];
	keyring_id id;
	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	assert_fine(keyring_store(t.name, (struct span){ bytes, sizeof bytes },
	                          HOUR));
	assert_fine(keyring_read(t.name, &t.text, &id));
	assert_int_equal(t.text.n, sizeof bytes);
	assert_memory_equal(t.text.p, bytes, sizeof bytes);
}

static void test_a_byte_more_is_too_large(void **state) {
	static const char bytes[32768];
	(void)state;
	assert_refused(keyring_store(t.name,
	                             (struct span){ bytes, sizeof bytes },
	                             HOUR),
	               "larger than a key may be");
	assert_int_equal(expect(""), 0);
}

static void test_another_text_takes_its_place(void **state) {
	keyring_id first, second;
	(void)state;
	store("first");
	first = expect("first");
	store("second");
	second = expect("second");
	assert_int_not_equal(first, second);
	assert_fine(keyring_remove(first)); /* is gone; the new one stays */
	assert_int_equal(expect("second"), second);
}

static void test_what_was_removed_is_gone(void **state) {
	keyring_id id;
	(void)state;
	store("text");
	id = expect("text");
	assert_fine(keyring_remove(id));
	assert_int_equal(expect(""), 0);
	assert_fine(keyring_remove(id));
}

static void test_what_was_revoked_is_gone(void **state) {
	(void)state;
	store("text");
	assert_int_equal(control(KEYCTL_REVOKE, expect("text"), 0, 0, 0), 0);
	assert_int_equal(expect(""), 0);
	store("more");
	expect("more");
}

static void test_its_time_is_up_by_itself(void **state) {
	long id;
	(void)state;
	assert_fine(keyring_store(t.name, SPAN("text"), 1));
	id = find();
	while (control(KEYCTL_DESCRIBE, id, 0, 0, 0) > 0)
		poll(NULL, 0, 10); /* until the kernel says so */
	assert_true(errno == EKEYEXPIRED || errno == ENOKEY);
	assert_int_equal(expect(""), 0);
	store("more");
	expect("more");
}

/* The line of /proc/keys: its time, its permissions. */
static void test_its_owner_alone_has_rights_and_it_has_an_end(void **state) {
	static char keys[1 << 20];
	size_t n;
	const char *line, *mask;
	char number[16];
	int fd = open("/proc/keys", O_RDONLY | O_CLOEXEC);
	(void)state;
	store("text");
	snprintf(number, sizeof number, "%08x", (unsigned)expect("text"));
	for (n = 0; n < sizeof keys - 1;) {
		ssize_t got = read(fd, keys + n, sizeof keys - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	keys[n] = '\0';
	line = strstr(keys, number);
	assert_non_null(line);
	mask = strstr(line, " 003f0000 ");
	assert_non_null(mask);
	assert_true(mask < strchr(line, '\n'));
	assert_memory_not_equal(mask - 4, "perm", 4); /* "59m" or " 1h" */
}

/* Nothing is left in the keyring in which it was made. */
static void test_the_thread_keeps_no_key(void **state) {
	int32_t ids[4];
	(void)state;
	store("text");
	assert_int_equal(control(KEYCTL_READ, KEY_SPEC_THREAD_KEYRING,
	                         (long)ids, sizeof ids, 0),
	                 0);
}

/* ---- other users --------------------------------------------------------- */

static long key_of_root;

static bool nobody_finds_nothing(void) {
	keyring_id id;
	return become(NOBODY) && !keyring_read(t.name, &t.text, &id) &&
	       id == 0 && t.text.n == 0;
}

static bool nobody_cannot_read(void) {
	char text[16];
	return become(NOBODY) &&
	       control(KEYCTL_READ, key_of_root, (long)text, sizeof text, 0) <
	               0 &&
	       errno == EACCES;
}

/* As pam_keyinit has it at a login: who is started from there as another user
   possesses all that is in the user keyring. */
static bool join_session_with_keyring(void) {
	return control(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) > 0 &&
	       control(KEYCTL_LINK, KEY_SPEC_USER_KEYRING,
	               KEY_SPEC_SESSION_KEYRING, 0, 0) == 0;
}

static bool nobody_in_roots_session_cannot_read(void) {
	return join_session_with_keyring() && nobody_cannot_read();
}

static void test_another_user_finds_and_reads_nothing(void **state) {
	(void)state;
	need_root();
	store("text");
	key_of_root = expect("text");
	assert_true(apart(nobody_finds_nothing));
	assert_true(apart(nobody_cannot_read));
	assert_true(apart(nobody_in_roots_session_cannot_read));
}

static bool nobody_plants_a_key(void) {
	long ring =
		control(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0, 0, 0);
	return join_session_with_keyring() && become(NOBODY) &&
	       syscall(SYS_add_key, "user", t.name, "evil", 4, ring) > 0;
}

static void test_a_key_of_another_user_is_not_read_but_replaced(void **state) {
	(void)state;
	need_root();
	assert_true(apart(nobody_plants_a_key));
	assert_true(expect("") > 0);
	store("text");
	expect("text");
}

static bool acts_for_nobody(void) {
	keyring_id id = 1;
	const char *why;
	if (seteuid(NOBODY) != 0)
		return false;
	why = keyring_store(t.name, SPAN("text"), HOUR);
	return why && strstr(why, "set-user-ID") &&
	       keyring_read(t.name, &t.text, &id) && id == 0 &&
	       keyring_remove(1);
}

static void test_who_acts_for_another_user_stores_nothing(void **state) {
	(void)state;
	need_root();
	assert_true(apart(acts_for_nobody));
	assert_int_equal(expect(""), 0);
}

static bool becomes_nobody_for_good(void) {
	return become(NOBODY) && stores_text() && reads_text() && find() > 0 &&
	       control(KEYCTL_UNLINK, find(), KEY_SPEC_USER_KEYRING, 0, 0) == 0;
}

static void test_who_has_become_another_user_has_that_ones_keys(void **state) {
	(void)state;
	need_root();
	store("mine");
	assert_true(apart(becomes_nobody_for_good));
	expect("mine");
}

/* ---- where the kernel refuses -------------------------------------------- */

static int refusal;

static bool is_refused(void) {
	keyring_id id = 1;
	const char *word = refusal == EPERM ? "EPERM" : "ENOSYS";
	const char *why;
	if (!forbid_keyrings(refusal))
		return false;
	why = keyring_read(t.name, &t.text, &id);
	if (!why || !strstr(why, word) || id != 0)
		return false;
	why = keyring_store(t.name, SPAN("text"), HOUR);
	return why && strstr(why, word) && keyring_remove(1);
}

static void test_a_container_without_keyrings(void **state) {
	(void)state;
	refusal = EPERM;
	assert_true(apart(is_refused));
	refusal = ENOSYS;
	assert_true(apart(is_refused));
}

static bool uses_up_the_quota(void) {
	static const char bytes[9000];
	const char *why = NULL;
	bool ok;
	if (!become(POOR))
		return false;
	for (int i = 0; i < 1000 && !why; i++) {
		snprintf(t.name, sizeof t.name, "azpec:test:%d:quota:%d",
		         (int)getpid(), i);
		why = keyring_store(t.name, (struct span){ bytes, 9000 }, HOUR);
	}
	ok = why && strstr(why, "EDQUOT") && find() < 0;
	control(KEYCTL_CLEAR, KEY_SPEC_USER_KEYRING, 0, 0, 0);
	return ok;
}

static void test_a_quota_that_is_used_up(void **state) {
	(void)state;
	need_root();
	assert_true(apart(uses_up_the_quota));
}

static void test_without_memory_nothing_is_read(void **state) {
	keyring_id id = 1;
	(void)state;
	store("text");
	test_memory.fail_from = test_memory.asked + 1;
	assert_refused(keyring_read(t.name, &t.text, &id), "memory");
	assert_int_equal(id, 0);
	test_memory.fail_from = 0;
}

static void test_the_kernel_here_has_keyrings(void **state) {
	(void)state;
	print_message("# the kernel refuses: %s\n", strerror(errno));
	skip();
}

/* Not in many containers. */
static bool has_keyrings(void) {
	return control(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1, 0, 0) >
	       0;
}

int main(void) {
	const struct CMUnitTest none[] = { cmocka_unit_test(
		test_the_kernel_here_has_keyrings) };
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_stored_is_read),
		TEST(test_another_process_of_the_user_reads_it),
		TEST(test_it_outlives_the_process_that_stored_it),
		TEST(test_bytes_of_any_kind),
		TEST(test_a_byte_more_is_too_large),
		TEST(test_another_text_takes_its_place),
		TEST(test_what_was_removed_is_gone),
		TEST(test_what_was_revoked_is_gone),
		TEST(test_its_time_is_up_by_itself),
		TEST(test_its_owner_alone_has_rights_and_it_has_an_end),
		TEST(test_the_thread_keeps_no_key),
		TEST(test_another_user_finds_and_reads_nothing),
		TEST(test_a_key_of_another_user_is_not_read_but_replaced),
		TEST(test_who_acts_for_another_user_stores_nothing),
		TEST(test_who_has_become_another_user_has_that_ones_keys),
		TEST(test_a_container_without_keyrings),
		TEST(test_a_quota_that_is_used_up),
		TEST(test_without_memory_nothing_is_read),
	};
	return has_keyrings() ? RUN(tests) : RUN(none);
}
