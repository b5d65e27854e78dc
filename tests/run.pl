#!/usr/bin/perl
# run.pl [--under=asan|tsan|valgrind] [GROUP|FILE|NAME ...]
#
# Runs the test programs in parallel by TAP::Harness, the library behind prove.
# Each file is one program; tests/tools/guard.c gives it a session, a temporary
# folder and a time limit of its own, and fails it for what it leaves behind.
# Prints a line for each program, what failed, the slowest ten, and last
# "N passed, N failed[, N skipped]".  A program that crashes, hangs, stops
# half-way or runs no test counts as a failure.  No test is tried twice.
#
# GROUP is a folder of tests/, or one in it (core/token); NAME is a file's name
# with or without its ending ("sleep" finds tests/lua/sleep_spec.lua).  If one of
# them is no such name, nothing is run.  JOBS=N: how many run at once;
# TEST_SECONDS=N: how long each may take.
use strict;
use warnings;
use Cwd qw(getcwd);
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use TAP::Harness;
use Time::HiRes qw(time);

my $build = $ENV{BUILD} || 'build';
my $lua   = $ENV{LUA}   || 'lua5.4';
my $cc    = $ENV{CC}    || 'cc';
my $here  = getcwd();
my ($under, @wanted) = ('');
for (@ARGV) { /^--under=(\w+)$/ ? ($under = $1) : push @wanted, $_ }
$build = "build/$under" if $under eq 'asan' or $under eq 'tsan';

# How a program runs under each tool, for how long at the most (seconds: these
# limits only end a hang), how many at once for each processor, and which the
# tool has something to say of: ThreadSanitizer of programs that are built for
# it as a whole, valgrind where the test does not happen in other programs.
my @valgrind = qw(valgrind -q --error-exitcode=99 --leak-check=full --num-callers=20
  --show-leak-kinds=definite --errors-for-leak-kinds=definite --keep-debuginfo=yes
  --child-silent-after-fork=yes --trace-children=no --suppressions=tests/tools/valgrind.supp);
my $output   = "$build/test-output" . ($under && "-$under");
my %tool = (
    ''       => { seconds => 300, jobs => 3, preload => ["$build/tools/descriptors.so"] },
    asan     => { seconds => 900, jobs => 2, runs => qr{^tests/(?!emulator|peers|scripts|harness)}, lua_preload => [`$cc -print-file-name=libasan.so`, "$build/tools/preload.so"] },
    tsan     => { seconds => 900, jobs => 1, runs => qr{^tests/(hosts|soak)/.*\.c$} },
    valgrind => { seconds => 1800, jobs => 1.5, runs => qr{^tests/(?!cli|emulator|peers|scripts|harness)}, command => \@valgrind },
);
my $tool = $tool{$under} or die "run.pl: --under=asan, tsan or valgrind\n";

# The kinds of test programs.  `request`: only when named.
# busted by lines: TAP::Harness waits for a line's end, and begins no other program meanwhile.
my @busted = ($lua, '-e', 'io.stdout:setvbuf "line"', '/usr/bin/busted', '-o', 'TAP');
my @groups = (
    { name => 'hosts',     files => 'tests/hosts/*.c' },
    { name => 'hosts',     files => 'tests/hosts/*_spec.lua' },
    { name => 'cli',       files => 'tests/cli/*_spec.lua' },
    { name => 'loopback',  files => 'tests/loopback/*_spec.lua' },
    { name => 'peers',     files => 'tests/peers/*_spec.lua' },
    { name => 'emulator',  files => 'tests/emulator/*_spec.lua' },
    { name => 'scripts',   files => 'tests/scripts/*_spec.lua' },
    { name => 'lua',       files => 'tests/lua/*_spec.lua' },
    { name => 'core',      files => 'tests/core/*.c tests/core/token/*.c' },
    { name => 'signing',   files => 'tests/signing/*_spec.lua' },
    { name => 'io',        files => 'tests/io/*.c' },
    { name => 'soak',      files => 'tests/soak/*.c', request => 1 },
    { name => 'harness',   files => 'tests/harness.sh' },
    { name => 'packaging', files => 'tests/packaging.sh', request => 1 },
);

# The variables that the module reads, of all its credentials, and the programs'
# that it asks: names in its source.
sub of_the_module {
    local (@ARGV, $/) = glob dirname(__FILE__) . '/../lua_module/{lua,core/token}/*.c';
    return map { /"([A-Z]+_[A-Z_]+)"/g } <>;
}

# A folder of links to the programs of another, but az and azd.
sub without_az {
    my ($folder, $links) = @_;
    make_path($links);
    for my $program (grep { !m{/azd?$} } glob "\Q$folder\E/*") {
        symlink $program, "$links/" . basename $program or die "run.pl: $links: $!\n";
    }
    return $links;
}

# The developer's PATH, on which no program is signed in.
sub path_without_az {
    my ($links, $n) = ("$here/$build/test-path", 0);
    remove_tree($links);
    return join ':', map { -e "$_/az" || -e "$_/azd" ? without_az($_, "$links/" . ++$n) : $_ } split /:/, $ENV{PATH};
}

# The environment of every test: nothing that a developer's own shell says
# about clouds, proxies, certificates, languages, Lua or azpec itself, and not
# its az and azd; no managed identity of the machine; and paths of temporary
# files that need no quotes in a shell.
sub clean_environment {
    umask 022;
    delete @ENV{ of_the_module() };
    for (keys %ENV) {
        delete $ENV{$_} if /^AZURE_/ or /^(AZPEC|LUA_INIT|LUA_C?PATH)_?/ or /^(SSLKEYLOGFILE|COLUMNS|NO_COLOR|LANG|LANGUAGE|POSIXLY_CORRECT)$/ or /^LC_/ or /^[a-z]+_proxy$/i;
    }
    my %set = (
        AZURE_POD_IDENTITY_AUTHORITY_HOST => 'http://127.0.0.1:9',
        PATH                  => path_without_az(),
        CMOCKA_MESSAGE_OUTPUT => 'TAP',
        LC_ALL                => 'C',
        TMPDIR                => ($ENV{TMPDIR} // '') =~ m{^(/[\w./-]+)$} ? $1 : '/tmp',
        BUILD                 => $build,
        TEST_UNDER            => $under || 'nothing',
        LUA_CPATH             => "$here/$build/?.so;;",
        LUA_PATH              => "$here/scripts/?.lua;$here/tests/?.lua;;",
        UBSAN_OPTIONS         => 'print_stacktrace=1',
        LSAN_OPTIONS          => "print_suppressions=0:suppressions=$here/tests/tools/lsan.supp",
        PERL_TEST_HARNESS_DUMP_TAP => "$here/$output",
    );
    @ENV{ keys %set } = values %set;
}

# Where AddressSanitizer writes its reports of a program and of all processes
# that it starts: a test may ignore their exit status and what they print.
sub reports { my ($file) = @_; return "$output/$file.report" }

sub command {
    my ($file) = @_;
    unlink glob reports($file) . '.*';
    my @command = $file =~ /_spec\.lua$/ ? (@busted, $file) : $file =~ /\.sh$/ ? ('bash', $file) : ();
    my @preload = @{ $tool->{preload} || [] };
    @preload = @{ $tool->{lua_preload} } if @command and $tool->{lua_preload};
    @preload = () if $file =~ /\.sh$/; # bash keeps its script open
    @command = $file =~ m{^tests/(.*)\.c$} unless @command;
    $command[0] = "$build/$command[0]" if @command == 1;
    chomp @preload;
    unshift @command, @{ $tool->{command} } if $tool->{command} and $file !~ /\.sh$/;
    my @set;
    push @set, 'LD_PRELOAD=' . join ' ', map { m{^/} ? $_ : "$here/$_" } @preload if @preload;
    push @set, "ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1:log_path=$here/" . reports($file)
      if $under eq 'asan';
    unshift @command, 'env', @set if @set;
    return ["$build/tools/guard", $ENV{TEST_SECONDS} || $tool->{seconds}, @command];
}

sub in_folder {
    my ($file, $folder) = @_;
    $folder =~ s{^tests/|/$}{}g;
    return index($file, "tests/$folder/") == 0;
}

sub is_called {
    my ($program, $word) = @_;
    my ($group, $file) = @$program;
    (my $name = basename $file) =~ s/(_spec)?\.\w+$//;
    return in_folder($file, $word) || grep { $_ eq $word } $group->{name}, $file, basename($file), $name, "${name}_spec";
}

# The words that name none of these programs.
sub unknown {
    my @programs = @_;
    return grep { my $word = $_; !grep { is_called($_, $word) } @programs } @wanted;
}

sub is_wanted {
    my ($program) = @_;
    return !$program->[0]{request} unless @wanted;
    return grep { is_called($program, $_) } @wanted;
}

# The slowest of the last run begin first, so that none is alone at the end.
my $times_file = "$output/times";
my %took       = map { /^(\S+) (\S+)$/ } do { local @ARGV = grep { -f } $times_file; @ARGV ? <> : () };
my @programs; # that the tool runs: [group, file]
for my $group (@groups) {
    push @programs, map { [ $group, $_ ] } grep { $_ =~ ($tool->{runs} // qr{}) } sort glob $group->{files};
}
if (my @unknown = unknown(@programs)) {
    print 'not ok: no test program', $under && " under $under", ' is called ', join(' or ', @unknown), "\n0 passed, ",
      scalar @unknown, " failed\n";
    exit 1;
}
my @files = sort { ($took{$b} // 1e9) <=> ($took{$a} // 1e9) } map { $_->[1] } grep { is_wanted($_) } @programs;

# ---- what a program said ---------------------------------------------------

my $left_behind = 125; # guard's exit status for a process or a descriptor
# LeakSanitizer of GCC 12 may crash itself where a thread ends while it looks for
# leaks, at the end of a process.  That look is then missing, and counted.  The
# exit status of a program in C is then LeakSanitizer's; for Lua see preload.c.
my $leak_check_crashed = qr{LeakSanitizer has encountered a fatal error};
my %total = (passed => 0, failed => 0, skipped => 0);
my @failures;

# The lines to show of a program: of its failed tests, or the last ones.
sub excerpt {
    my ($whole, @lines) = @_;
    return @lines > 150 ? @lines[ -150 .. -1 ] : @lines if $whole;
    my ($keep, @shown) = 0;
    for (@lines) {
        $keep = /^not ok\b/ || ($keep && !/^(ok\b|1\.\.)/);
        push @shown, $_ if $keep or /^# guard: /;
    }
    return @shown;
}

# How many leak checks crashed in a program and its processes, and their other reports.
sub reported {
    my ($file) = @_;
    my @reports = map { local (@ARGV, $/) = $_; scalar <> } glob reports($file) . '.*';
    my @others = grep { $_ !~ $leak_check_crashed } @reports;
    return @reports - @others, @others;
}

sub judge {
    my ($file, $parser) = @_;
    open my $log, '<', "$output/$file" or die "run.pl: $file: no output: $!\n";
    chomp(my @lines = <$log>);
    # "not ok" is a failure, whatever directive follows; but cmocka's skip()
    # prints "not ok N # SKIP name", without a description before the directive.
    my %skipped = map { /^not ok (\d+) # SKIP / ? ($1 => 1) : () } @lines;
    my %failed  = map { $_ => 1 } grep { !$skipped{$_} } $parser->actual_failed;
    my %n       = (failed => scalar keys %failed, skipped => scalar grep { !$failed{$_} } $parser->skipped);
    my $ran     = $parser->tests_run;
    $n{passed} = $parser->actual_passed + $parser->actual_failed - $n{failed} - $n{skipped};
    my ($no_leak_check, @reported) = reported($file);
    my @broken = (
        (map { "a report of AddressSanitizer:\n$_" } @reported),
        $ran ? () : 'it ran no test',
        (grep { defined } ($parser->parse_errors)[ 0 .. 2 ]),
        $parser->exit && !$n{failed} && !($no_leak_check && $file =~ /\.c$/) ? 'exit status ' . $parser->exit : ()
    );
    my $whole = @broken && ($parser->exit // 0) != $left_behind;
    $n{failed}++ if @broken;
    $n{skipped} += $no_leak_check;
    $total{$_} += $n{$_} for keys %n;
    $took{$file} = sprintf '%.2f', ($parser->end_time // time) - $parser->start_time;
    printf "%-6s %s (%d) %.1f s\n", $n{failed} ? 'not ok' : 'ok', $file, $ran, $took{$file};
    print map { "  $_\n" } map { /^# (measured: .*)/ ? $1 : () } @lines;
    print "  skipped: $_\n" for map { /# SKIP *(.*)/ ? $1 : () } @lines;
    print "  skipped: the leak check at the end crashed\n" x $no_leak_check;
    return unless $n{failed};
    my @shown = map { "  $_\n" } (map { "not ok: $_" } @broken), excerpt($whole, @lines);
    push @failures, "$file\n", @shown;
    print @shown;
}

# ---- the run ---------------------------------------------------------------

$| = 1;
clean_environment();
chomp(my $processors = `nproc`);
my $jobs = $ENV{JOBS} || int($processors * $tool->{jobs}) || 1;
my $harness = TAP::Harness->new({
    jobs      => $jobs,
    exec      => sub { command($_[1]) },
    merge     => 1,
    timer     => 1,
    verbosity => -3,
});
$harness->callback(after_test => sub { judge($_[0][0], $_[1]) });
my $began = time;
unless (eval { $harness->runtests(@files); 1 }) {
    print "not ok: the run ended early: $@"; # a program bailed out
    $total{failed}++;
}

if (open my $out, '>', $times_file) {
    print $out "$_ $took{$_}\n" for sort keys %took;
}
my @slowest = sort { $took{$b} <=> $took{$a} } grep { defined $took{$_} } @files;
if (@slowest > 10) {
    print "# the slowest ten of ", scalar @files, " programs, $jobs at once:\n";
    printf "# %6.1f s  %s\n", $took{$_}, $_ for @slowest[ 0 .. 9 ];
}
print "# what failed:\n", @failures if @failures and @files > 1;
printf "# %d s\n", time - $began;
printf "%d passed, %d failed%s\n", @total{qw(passed failed)}, $total{skipped} ? ", $total{skipped} skipped" : '';
exit($total{failed} ? 1 : 0);
