/* child.c -- programs that are started: what they are given, what they print,
 * and every way they end or do not.  The programs are scripts in a directory
 * of their own, on a PATH of their own. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "sys.h"

/* Idles without using the processor. */
#define HANG "exec tail -f /dev/null\n"
/* ... and outlives SIGTERM. */
#define STUBBORN "trap '' TERM; exec tail -f /dev/null\n"

/* ms: a step that takes longer waits for the program. */
enum { STUCK = 30000 };

static struct {
	struct pollset_pool pool;
	struct pollset *ps;
	char dir[160], path[256];
	char *env[6];
	int descriptors; /* open before the test */
	int turns;       /* of the loop in the last run */
	int64_t slowest; /* step in ms */
} t;

/* ---- before and after each test ----------------------------------------- */

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static int count_descriptors(void) {
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += is_open(fd);
	return n;
}

static bool open_set(void) {
	pollset_pool_init(&t.pool, test_mem());
	t.ps = pollset_take(&t.pool);
	return t.ps != NULL;
}

static void close_set(void) {
	pollset_give(&t.pool, t.ps, false);
	pollset_pool_close(&t.pool);
}

static int begin(void **state) {
	static const char xs[] = { 'X', 'X', 'X', 'X', 'X', 'X' };
	test_begin(state);
	memset(&t, 0, sizeof t);
	t.descriptors = count_descriptors();
	snprintf(t.dir, sizeof t.dir, "%s/azpec-child-%.6s",
	         getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", xs);
	assert_non_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof t.path, "PATH=%s:/usr/bin:/bin", t.dir);
	t.env[0] = t.path;
	assert_true(open_set());
	return 0;
}

static int end(void **state) {
	char command[256];
	close_set();
	snprintf(command, sizeof command, "rm -r %s", t.dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_descriptors(), t.descriptors);
	return test_end(state);
}

#undef TEST
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* ---- programs ----------------------------------------------------------- */

static const char *in_dir(const char *name) {
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", t.dir, name);
	return path;
}

static void put_file(const char *name, const char *text, mode_t mode) {
	FILE *f = fopen(in_dir(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(in_dir(name), mode), 0);
}

static void put_script(const char *name, const char *body) {
	char text[4096];
	snprintf(text, sizeof text, "#!/bin/sh\n%s", body);
	put_file(name, text, 0755);
}

static struct child *start_with(const char *const *argv, const char *const *add,
                                int64_t timeout_ms) {
	const struct child_spec spec = {
		.argv = argv, .env = t.env, .add = add, .timeout_ms = timeout_ms
	};
	return child_start(test_mem(), t.ps, &spec, sys_now());
}

static struct child *start(const char *name, int64_t timeout_ms) {
	const char *argv[] = { name, NULL };
	struct child *c = start_with(argv, NULL, timeout_ms);
	assert_non_null(c);
	return c;
}

static struct child *start_script(const char *body, int64_t timeout_ms) {
	put_script("program", body);
	return start("program", timeout_ms);
}

static void step(struct child *c) {
	int64_t before = sys_now().mono, took;
	child_step(c, sys_now());
	took = sys_now().mono - before;
	if (took > t.slowest)
		t.slowest = took;
}

/* As a host does it: sleeps on the one descriptor, with its timer. */
static void turn(struct child *const *children, int n) {
	struct pollset_event e[POLLSET_MAX];
	int64_t due = NEVER;
	for (int i = 0; i < n; i++)
		if (child_due(children[i]) < due)
			due = child_due(children[i]);
	pollset_due(t.ps, due);
	pollset_wait(t.ps, STUCK);
	pollset_ready(t.ps, e, POLLSET_MAX);
	for (int i = 0; i < n; i++)
		step(children[i]);
	t.turns++;
}

static const struct child_result *run(struct child *c) {
	t.turns = 0;
	while (child_result(c) == NULL)
		turn(&c, 1);
	assert_true(child_due(c) == NEVER);
	assert_true(t.slowest < STUCK); /* it never waited for a program */
	return child_result(c);
}

static void expect_end(const struct child_result *r, enum child_end end,
                       int status) {
	if (r->end != end || r->status != status)
		FAIL("end %d, status %d; not %d, %d; err: %.*s", r->end,
		     r->status, end, status, (int)r->err.n, r->err.p);
}

/* Starts it, lets it run, and looks at how it ended. */
static struct child *ends(const char *body, int64_t timeout_ms,
                          enum child_end end, int status) {
	struct child *c = start_script(body, timeout_ms);
	expect_end(run(c), end, status);
	return c;
}

static struct span out_of(const struct child *c) {
	return buf_span(&child_result(c)->out);
}

static struct span err_of(const struct child *c) {
	return buf_span(&child_result(c)->err);
}

static void prints(const char *body, const char *text) {
	struct child *c = ends(body, 30000, CHILD_EXITED, 0);
	assert_span(out_of(c), text);
	child_end(c, false);
}

/* A number that the program printed. */
static pid_t pid_in(struct span s) {
	int64_t n = 0;
	assert_true(span_uint(span_trim(s), &n));
	return (pid_t)n;
}

/* Runs: nobody may ever collect what has lost its parent, so a zombie counts
   as gone. */
static bool lives(pid_t pid) {
	char path[64], text[512] = "";
	const char *state;
	FILE *f;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	state = strrchr(text, ')');
	return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

static bool under_valgrind(void) {
	const char *tool = getenv("TEST_UNDER");
	return tool != NULL && strcmp(tool, "valgrind") == 0;
}

/* ---- what it is given --------------------------------------------------- */

static void test_arguments_arrive_as_they_are(void **state) {
	static const char *const argv[] = { "program",  "a b", "",  "$(id)",
		                            "`id`;'\"", "*\n", NULL };
	struct child *c;
	(void)state;
	put_script("program", "printf '[%s]' \"$@\"");
	c = start_with(argv, NULL, 30000);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "[a b][][$(id)][`id`;'\"][*\n]");
	child_end(c, false);
}

static void test_the_environment_is_inherited_and_added_to(void **state) {
	static const char *const argv[] = { "program", NULL };
	static const char *const add[] = { "OURS=new", "MORE=x=y", "AWAY",
		                           NULL };
	struct child *c;
	(void)state;
	put_script("program",
	           "echo \"$THEIRS|$OURS|$MORE|$(env | grep -c OURS)|"
	           "$(env | grep AWAY)\"");
	t.env[1] = (char[]){ "THEIRS=1" };
	t.env[2] = (char[]){ "OURS=old" };
	t.env[3] = (char[]){ "AWAY=secret" };
	t.env[4] = (char[]){ "AWAYS=stays" };
	c = start_with(argv, add, 30000);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "1|new|x=y|1|AWAYS=stays\n");
	child_end(c, false);
}

static void test_nothing_of_the_host_comes_along(void **state) {
	sigset_t usr1;
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */
	char script[256];
	(void)state;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGPIPE, SIG_IGN);
	snprintf(
		script, sizeof script,
		"pwd; wc -c; [ -e /proc/$$/fd/%d ] && echo open\n"
		"sed -nE 's/^(Sig(Blk|Ign)).*(.{7})/\\1 \\3/p' "
		"/proc/self/status\n"
		"(: </dev/tty) 2>/dev/null && echo terminal\n"
		"read -r pid name state parent group session x </proc/$$/stat\n"
		"echo $((group == $$)) $((session == $$))",
		fd);
	prints(script, "/\n0\nSigBlk 0000000\nSigIgn 0000000\n1 1\n");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	close(fd);
}

/* ---- where it is found -------------------------------------------------- */

static void test_a_program_that_is_not_there(void **state) {
	struct child *c = start("azpec-no-such-program", 30000);
	(void)state;
	assert_non_null(child_result(c)); /* at once */
	expect_end(child_result(c), CHILD_NOT_FOUND, ENOENT);
	assert_true(child_due(c) == NEVER);
	step(c);
	child_end(c, false);
	c = start("/azpec/no/such/program", 30000);
	expect_end(child_result(c), CHILD_NOT_FOUND, ENOENT);
	child_end(c, false);
}

static void test_a_program_that_cannot_be_run(void **state) {
	struct child *c;
	(void)state;
	put_file("plain", "#!/bin/sh\n", 0644);
	c = start("plain", 30000);
	expect_end(child_result(c), CHILD_REFUSED, EACCES);
	child_end(c, false);
	mkdir(in_dir("folder"), 0755);
	c = start("folder", 30000);
	if (!under_valgrind()) /* which forks, and so nobody learns why */
		expect_end(child_result(c), CHILD_REFUSED, EACCES);
	child_end(c, false);
}

/* As where there was no memory for its name. */
static void test_a_program_without_a_name(void **state) {
	static const char *const argv[] = { NULL };
	struct child *c = start_with(argv, NULL, 30000);
	(void)state;
	expect_end(child_result(c), CHILD_REFUSED, EINVAL);
	child_end(c, false);
}

static void test_the_search_goes_on_behind_what_cannot_be_run(void **state) {
	char path[400];
	(void)state;
	mkdir(in_dir("second"), 0755);
	put_file("program", "#!/bin/sh\necho first", 0644);
	put_script("second/program", "echo second");
	snprintf(path, sizeof path, "PATH=/nowhere:%s::/dev/null:%s/second/",
	         t.dir, t.dir);
	t.env[0] = path;
	struct child *c = start("program", 30000);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "second\n");
	child_end(c, false);
}

static void test_no_local_file_is_taken_for_the_program(void **state) {
	char *const paths[] = { (char[]){ "PATH=." }, (char[]){ "PATH=:" },
		                (char[]){ "PATH=" },
		                (char[]){ "PATH=bin:./:" } };
	char *here = getcwd(NULL, 0);
	(void)state;
	put_script("program", "echo local");
	mkdir(in_dir("bin"), 0755);
	put_script("bin/program", "echo local");
	assert_int_equal(chdir(t.dir), 0);
	for (size_t i = 0; i < COUNT(paths); i++) {
		t.env[0] = paths[i];
		struct child *c = start("program", 30000);
		expect_end(child_result(c), CHILD_NOT_FOUND, ENOENT);
		child_end(c, false);
	}
	assert_int_equal(chdir(here), 0);
	free(here);
}

static void test_without_a_path_the_usual_one_is_meant(void **state) {
	struct child *c;
	(void)state;
	t.env[0] = NULL;
	c = start("env", 30000);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "PATH=/usr/local/bin:/usr/bin:/bin\n");
	child_end(c, false);
}

/* ---- how it ends -------------------------------------------------------- */

static void test_the_exit_status_and_both_streams(void **state) {
	struct child *c =
		ends("echo WARNING: old >&2; echo token; echo more >&2\n"
	             "exit 3",
	             30000, CHILD_EXITED, 3);
	(void)state;
	assert_span(out_of(c), "token\n");
	assert_span(err_of(c), "WARNING: old\nmore\n");
	assert_true(t.turns < 100);
	child_end(c, false);
}

static void test_it_may_end_at_once_or_close_its_output_first(void **state) {
	struct child *c;
	(void)state;
	put_script("program", "");
	c = start("true", 30000);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "");
	child_end(c, false);
	c = ends("echo x; exec >&- 2>&-; kill -9 $$", 30000, CHILD_KILLED, 9);
	assert_span(out_of(c), "x\n");
	child_end(c, false);
}

static void test_one_that_hangs_is_ended(void **state) {
	struct child *c =
		ends("echo $$; echo busy >&2\n" HANG, 1000, CHILD_TIMED_OUT, 0);
	(void)state;
	assert_span(err_of(c), "busy\n");
	assert_false(lives(pid_in(out_of(c))));
	assert_true(t.turns < 100); /* and the loop did not spin */
	child_end(c, false);
}

static void test_one_that_closed_its_output_and_hangs_is_ended(void **state) {
	(void)state;
	child_end(ends("exec >/dev/null 2>&1\n" HANG, 1000, CHILD_TIMED_OUT, 0),
	          false);
	assert_true(t.turns < 100);
}

static void test_one_that_ignores_the_polite_signal_is_killed(void **state) {
	struct child *c =
		ends("trap '' TERM; echo $$\n" HANG, 1000, CHILD_TIMED_OUT, 0);
	(void)state;
	assert_false(lives(pid_in(out_of(c))));
	assert_true(t.turns < 100);
	child_end(c, false);
}

/* The program itself obeys; what it started would not. */
static void test_what_hides_behind_it_is_killed_too(void **state) {
	struct child *c =
		ends("(trap '' TERM; exec tail -f /dev/null) & echo $!\n"
	             "wait",
	             1000, CHILD_TIMED_OUT, 0);
	pid_t hidden = pid_in(out_of(c));
	(void)state;
	for (int i = 0; i < STUCK && lives(hidden); i++)
		poll(NULL, 0, 1);
	assert_false(lives(hidden));
	child_end(c, false);
}

static void test_what_it_leaves_behind_holds_nobody_up(void **state) {
	int64_t before = sys_now().mono, took;
	struct child *c =
		ends("tail -f /dev/null & echo $!", 30000, CHILD_EXITED, 0);
	pid_t left = pid_in(out_of(c));
	(void)state;
	took = sys_now().mono - before;
	assert_true(took >= 100);
	assert_true(t.turns < 100);
	assert_true(lives(left)); /* and it is not ours to kill */
	child_end(c, false);
	assert_true(lives(left));
	kill(left, SIGKILL);
}

/* Time stands still: the program's end is long past before it is late. */
static void test_what_comes_late_from_behind_it_is_read(void **state) {
	struct child *c;
	struct now then = sys_now();
	int go;
	(void)state;
	put_script("program",
	           "(read -r x <\"$0.go\"; echo $x) & echo soon >&2");
	assert_int_equal(mkfifo(in_dir("program.go"), 0600), 0);
	c = start("program", 30000);
	go = open(in_dir("program.go"), O_WRONLY); /* when it is read */
	for (int i = 0; i < 20; i++) {
		pollset_wait(t.ps, 10);
		child_step(c, then);
	}
	assert_null(child_result(c));
	assert_int_equal(write(go, "late\n", 5), 5);
	close(go);
	while (child_result(c) == NULL) {
		pollset_wait(t.ps, STUCK);
		child_step(c, then);
	}
	assert_span(out_of(c), "late\n");
	assert_span(err_of(c), "soon\n");
	child_end(c, false);
}

/* ---- too much ----------------------------------------------------------- */

static void test_a_whole_quarter_of_a_megabyte_is_read(void **state) {
	struct child *c =
		ends("head -c 262144 /dev/zero", 30000, CHILD_EXITED, 0);
	(void)state;
	assert_int_equal(out_of(c).n, 262144);
	child_end(c, false);
	c = ends("trap '' PIPE; head -c 262145 /dev/zero", 30000, CHILD_FLOODED,
	         0);
	child_end(c, false);
}

static void test_an_endless_flood_is_stopped(void **state) {
	(void)state;
	child_end(ends("yes", 30000, CHILD_FLOODED, 0), false);
	assert_true(test_memory.peak < 1024 * 1024);
	child_end(ends("exec yes >&2", 30000, CHILD_FLOODED, 0), false);
	child_end(ends("trap '' PIPE TERM; while :; do echo x; done", 30000,
	               CHILD_FLOODED, 0),
	          false);
}

static void test_many_warnings_are_cut_and_do_no_harm(void **state) {
	struct child *c = ends("echo first >&2; head -c 100000 /dev/zero >&2\n"
	                       "echo token",
	                       30000, CHILD_EXITED, 0);
	(void)state;
	assert_span(out_of(c), "token\n");
	assert_int_equal(err_of(c).n, 16 * 1024);
	assert_memory_equal(err_of(c).p, "first\n", 6);
	child_end(c, false);
}

/* ---- secrets, memory, descriptors --------------------------------------- */

static void test_what_it_printed_is_overwritten(void **state) {
	(void)state;
	test_mem_secret("very-secret-token");
	child_end(ends("head -c 9000 /dev/zero; echo very-secret-token\n"
	               "echo very-secret-token >&2; head -c 9000 /dev/zero",
	               30000, CHILD_EXITED, 0),
	          false);
}

static void each_failure_body(void) {
	static const char *const argv[] = { "program", NULL };
	static const char *const add[] = { "A=b", NULL };
	struct child *c;
	if (!open_set()) {
		pollset_pool_close(&t.pool);
		return;
	}
	c = start_with(argv, add, 30000);
	if (c != NULL) {
		const struct child_result *r = run(c);
		if (test_memory.failures > 0 && r->end != CHILD_MEMORY &&
		    r->end != CHILD_REFUSED && r->end != CHILD_EXITED)
			FAIL("end %d", r->end);
		child_end(c, false);
	}
	close_set();
}

static void test_memory_may_run_out_anywhere(void **state) {
	(void)state;
	close_set();
	put_script("program", "echo token; echo warning >&2");
	test_each_failure(each_failure_body);
	assert_true(open_set());
}

/* Leaves room for so many more descriptors. */
static struct rlimit leave_free(int n) {
	struct rlimit old, new;
	int fd = 0;
	getrlimit(RLIMIT_NOFILE, &old);
	new = old;
	for (; n > 0 || is_open(fd); fd++)
		n -= !is_open(fd);
	new.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &new), 0);
	return old;
}

static void test_descriptors_may_run_out(void **state) {
	static const char *const argv[] = { "/bin/echo", "token", NULL };
	(void)state;
	for (int n = 0; n < 4; n++) {
		struct rlimit old = leave_free(n);
		assert_null(start_with(argv, NULL, 30000));
		setrlimit(RLIMIT_NOFILE, &old);
	}
}

/* Room for the pipes only: as on a kernel that has no pidfd. */
static void test_without_a_pidfd_it_is_looked_after(void **state) {
	static const char *const hang[] = { "/usr/bin/tail", "-f", "/dev/null",
		                            NULL };
	static const char *const echo[] = { "/bin/echo", "token", NULL };
	struct rlimit old = leave_free(4);
	struct child *c = start_with(echo, NULL, 30000);
	(void)state;
	setrlimit(RLIMIT_NOFILE, &old);
	assert_non_null(c);
	assert_true(child_due(c) < sys_now().mono + 1000);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "token\n");
	child_end(c, false);
	old = leave_free(4);
	c = start_with(hang, NULL, 500);
	setrlimit(RLIMIT_NOFILE, &old);
	expect_end(run(c), CHILD_TIMED_OUT, 0);
	assert_true(t.turns < 100);
	child_end(c, false);
	old = leave_free(4);
	c = start_with(hang, NULL, 30000);
	setrlimit(RLIMIT_NOFILE, &old);
	child_end(c, false);
}

/* ---- hosts -------------------------------------------------------------- */

static void test_a_host_that_ignores_sigchld(void **state) {
	struct child *c;
	(void)state;
	signal(SIGCHLD, SIG_IGN);
	c = ends("echo token; exit 3", 30000, CHILD_EXITED, -1);
	assert_span(out_of(c), "token\n");
	child_end(c, false);
	child_end(ends(HANG, 200, CHILD_TIMED_OUT, 0), false);
	child_end(start_script(HANG, 30000), false);
	signal(SIGCHLD, SIG_DFL);
}

static void test_a_host_that_collects_everybody(void **state) {
	struct child *c = start_script("echo token; exit 3", 30000);
	(void)state;
	assert_true(waitpid(-1, NULL, 0) > 0);
	expect_end(run(c), CHILD_EXITED, -1);
	assert_span(out_of(c), "token\n");
	child_end(c, false);
	c = start_script("exit 3", 30000);
	assert_true(waitpid(-1, NULL, 0) > 0);
	child_end(c, false); /* that number is not ours any more */
}

static void test_another_child_of_the_host_is_left_alone(void **state) {
	int status = 0;
	pid_t other = fork();
	(void)state;
	if (other == 0)
		_exit(7);
	child_end(ends("exit 3", 30000, CHILD_EXITED, 3), false);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_a_host_without_standard_descriptors(void **state) {
	static const char *const argv[] = { "program", NULL };
	int status = 0;
	pid_t pid;
	(void)state;
	put_script("program", "echo token; echo warning >&2; wc -c");
	pid = fork();
	if (pid == 0) {
		struct child *c;
		pollset_give(&t.pool, t.ps, true);
		close(0), close(1), close(2);
		if (!open_set())
			_exit(2);
		c = start_with(argv, NULL, 30000);
		while (child_result(c) == NULL)
			turn(&c, 1);
		_exit(!(child_result(c)->end == CHILD_EXITED &&
		        span_eq(out_of(c), SPAN("token\n0\n")) &&
		        span_eq(err_of(c), SPAN("warning\n"))));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_a_fork_of_the_host_lets_it_be(void **state) {
	struct child *c = start_script("read -r x <\"$0.go\"; echo $x", 30000);
	int status = 0, go;
	pid_t pid;
	(void)state;
	child_end(c, false);
	assert_int_equal(mkfifo(in_dir("program.go"), 0600), 0);
	c = start("program", 30000);
	pid = fork();
	if (pid == 0) {
		int before = count_descriptors();
		child_end(c, true);
		_exit(count_descriptors() >= before);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	go = open(in_dir("program.go"), O_WRONLY);
	assert_int_equal(write(go, "going\n", 6), 6);
	close(go);
	expect_end(run(c), CHILD_EXITED, 0);
	assert_span(out_of(c), "going\n");
	child_end(c, false);
}

static void test_it_can_be_ended_at_any_moment(void **state) {
	static const char *const scripts[] = {
		HANG, STUBBORN, "echo a; echo b >&2", "exit 1",
		"trap '' TERM; (trap '' TERM; exec tail -f /dev/null) & wait"
	};
	(void)state;
	child_end(NULL, false);
	for (size_t i = 0; i < COUNT(scripts); i++)
		for (int turns = 0; turns < 4; turns++) {
			struct child *c = start_script(scripts[i], 50);
			for (int n = 0; n < turns && !child_result(c); n++)
				turn(&c, 1);
			child_end(c, false);
		}
}

static void test_fifty_beside_each_other(void **state) {
	static const char *const scripts[] = {
		"echo token", "echo no >&2; exit 1", HANG, STUBBORN,
		"tail -f /dev/null --pid=$PPID & yes"
	};
	static const enum child_end wanted[] = { CHILD_EXITED, CHILD_EXITED,
		                                 CHILD_TIMED_OUT,
		                                 CHILD_TIMED_OUT,
		                                 CHILD_FLOODED };
	struct child *all[50];
	size_t n = COUNT(all), open = n;
	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++)
		put_script((char[]){ (char)('a' + (int)i), '\0' }, scripts[i]);
	for (size_t i = 0; i < n; i++)
		all[i] = start((char[]){ (char)('a' + (int)(i % 5)), '\0' },
		               wanted[i % 5] == CHILD_TIMED_OUT ? 1000 : STUCK);
	while (open > 0) {
		turn(all, (int)n);
		open = 0;
		for (size_t i = 0; i < n; i++)
			open += child_result(all[i]) == NULL;
	}
	assert_true(t.slowest < STUCK);
	for (size_t i = 0; i < n; i++) {
		if (child_result(all[i])->end != wanted[i % 5])
			FAIL("%zu: end %d", i, child_result(all[i])->end);
		child_end(all[i], false);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_arguments_arrive_as_they_are),
		TEST(test_the_environment_is_inherited_and_added_to),
		TEST(test_nothing_of_the_host_comes_along),
		TEST(test_a_program_that_is_not_there),
		TEST(test_a_program_that_cannot_be_run),
		TEST(test_a_program_without_a_name),
		TEST(test_the_search_goes_on_behind_what_cannot_be_run),
		TEST(test_no_local_file_is_taken_for_the_program),
		TEST(test_without_a_path_the_usual_one_is_meant),
		TEST(test_the_exit_status_and_both_streams),
		TEST(test_it_may_end_at_once_or_close_its_output_first),
		TEST(test_one_that_hangs_is_ended),
		TEST(test_one_that_closed_its_output_and_hangs_is_ended),
		TEST(test_one_that_ignores_the_polite_signal_is_killed),
		TEST(test_what_hides_behind_it_is_killed_too),
		TEST(test_what_it_leaves_behind_holds_nobody_up),
		TEST(test_what_comes_late_from_behind_it_is_read),
		TEST(test_a_whole_quarter_of_a_megabyte_is_read),
		TEST(test_an_endless_flood_is_stopped),
		TEST(test_many_warnings_are_cut_and_do_no_harm),
		TEST(test_what_it_printed_is_overwritten),
		TEST(test_memory_may_run_out_anywhere),
		TEST(test_descriptors_may_run_out),
		TEST(test_without_a_pidfd_it_is_looked_after),
		TEST(test_a_host_that_ignores_sigchld),
		TEST(test_a_host_that_collects_everybody),
		TEST(test_another_child_of_the_host_is_left_alone),
		TEST(test_a_host_without_standard_descriptors),
		TEST(test_a_fork_of_the_host_lets_it_be),
		TEST(test_it_can_be_ended_at_any_moment),
		TEST(test_fifty_beside_each_other),
	};
	return RUN(tests);
}
