#!/usr/bin/perl
# run.pl COUNT SEED [core/FILE.c ...]
#
# Measures what the unit tests notice.  Makes COUNT small changes ("mutants") to
# the C core, one at a time, and runs the unit tests under AddressSanitizer with
# each.  COUNT is divided among the files by their size; SEED chooses the places.
#
# A mutant is noticed when a test program fails, crashes or exceeds its limit of
# processor time.  A change that does not compile, or that gives the same object
# code as the original or as an earlier mutant, is not counted.  Survivors have
# to be in tests/mutants/survivors, with a reason.  Fails for one that is not,
# and for less than 95 % noticed.  COMPILE: the compiler and its options;
# JOBS: how many run at once.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use Storable qw(store retrieve);

my ($count, $seed, @wanted) = @ARGV;
my $compile = $ENV{COMPILE} // die "run.pl: use `make mutants`\n";
my $out     = 'build/mutants';
my $floor   = 95; # percent
my $jobs    = $ENV{JOBS} || `nproc` + 0;
my @core    = glob 'lua_module/core/*.c lua_module/core/*/*.c';
my @tests   = map { m{^tests/core/(.*)\.c$} } glob 'tests/core/*.c tests/core/*/*.c';
$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';
$ENV{ASAN_OPTIONS} = 'hard_rss_limit_mb=2000:detect_stack_use_after_return=1';

sub slurp { open my $in, '<', $_[0] or die "$_[0]: $!\n"; local $/; <$in> }
sub spew  { open my $to, '>', $_[0] or die "$_[0]: $!\n"; print $to $_[1]; close $to }

# ---- what is changed ---------------------------------------------------------

# A change: a pattern that finds its places in code without comments and strings,
# and a function that gives the texts to replace what it matched.
my %opposite = map { my ($x, $y) = split; ($x => $y, $y => $x) }
  '< <=', '> >=', '== !=', '&& ||', '+ -', '* /', '<< >>', '+= -=', '|= &=', '++ --', 'true false';
my $opposite = sub { $opposite{ $_[0] } };
my $balanced = qr/(\((?:[^()]++|(?-1))*\))/;
my @changes  = (
    [ qr/(?<= )(?:[<>]=?|[!=]=|&&|\|\||[-+*]|<<|>>|[-+|&]=)(?= )/ => $opposite ],
    [ qr/(?<=\w)(?:\+\+|--)/                   => $opposite ],
    [ qr/\b(?:true|false)\b/                   => $opposite ],
    [ qr/(?<![\w.])(?:0x[0-9a-f]+|\d+)\b(?!\.)/ => sub { "($_[0] + 1)", "($_[0] - 1)" } ],
    [ qr/(?<![\w&])!(?=[\w(])/                 => sub { '' } ],
    [ qr/\b(?:if|while) $balanced/             => sub { $_[0] =~ /^(\w+) (.*)$/s; "$1 (!$2)" } ],
    [ qr/(?<= )\?(?= )/                        => sub { '|| 1 ?', '&& 0 ?' } ],
    [ qr/\breturn [^;{}]+;/                    => sub { 'return 0;', 'return 1;' } ],
    # a statement that begins a line, up to its end
    [ qr/(?<=[;{})]\n)\t+(?!return\b|const |struct |enum |static |case |goto )[\w*(][^;{}?:]*;/ => sub { $_[0] =~ tr/\n//cdr . ';' } ],
);

# The mutants of a file, in the order that SEED gives.
sub mutants_of {
    my ($file) = @_;
    my $text = slurp $file;
    my $code = join '', map { s/^[^:]*:\d+://r } `lua5.4 tests/tools/code.lua -s $file`;
    $code =~ s/^#.*/' ' x length $&/gme;
    my @found;
    for my $change (@changes) {
        my ($pattern, $replacements) = @$change;
        while ($code =~ /$pattern/g) {
            my ($from, $length) = ($-[0], $+[0] - $-[0]);
            my $old = substr $text, $from, $length;
            pos($code) = $from + 1;
            push @found, map { mutant($file, $text, $from, $old, $_) } grep { $_ ne $old } $replacements->($old);
        }
    }
    srand($seed * 1000 + length $file);
    return map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @found;
}

# Its text, and its description as in the file of survivors: the function or
# table, the whole lines before and after.
sub mutant {
    my ($file, $text, $from, $old, $new) = @_;
    my $squeeze = sub { join ' ', split ' ', $_[0] };
    my $begin   = rindex($text, "\n", $from) + 1;
    my $behind  = $from + length $old;
    my $end     = index $text, "\n", $behind;
    my ($head, $tail) = (substr($text, $begin, $from - $begin), substr $text, $behind, $end - $behind);
    my ($place) = substr($text, 0, $end) =~ /^.*^[a-z][^\n;]*?(\w+)(?:\(|\[| = |;| \{)/ms;
    return {
        file  => $file,
        text  => substr($text, 0, $from) . $new . substr($text, $behind),
        title => sprintf("%s %s\n- %s\n+ %s", $file =~ s{^lua_module/}{}r, $place // '?', map { $squeeze->("$head$_$tail") } $old, $new),
    };
}

# ---- running -----------------------------------------------------------------

# The results of FUNCTION for each item, in their order, from $jobs processes.
sub in_parallel {
    my ($function, @items) = @_;
    my (%index, @result);
    my $most = @items < $jobs ? @items : $jobs;
    for my $i (0 .. $#items + $most) {
        if ($i >= $most) {
            my $pid = wait;
            die "run.pl: a process failed\n" if $?;
            my $done = delete $index{$pid};
            $result[$done] = ${ retrieve "$out/result.$done" } if defined $done;
        }
        next if $i > $#items;
        my $pid = fork // die "fork: $!\n";
        $index{$pid} = $i, next if $pid;
        store \$function->($items[$i]), "$out/result.$i";
        exit 0;
    }
    return @result;
}

sub compiles { # SOURCE OBJECT FILE: FILE's text or a mutant's
    my ($source, $object, $file) = @_;
    return !system "$compile -w -iquote " . dirname($file) . " -c -o $object $source 2>/dev/null";
}
sub object { return "$out/" . ($_[0] =~ s/\.c$/.o/r) }

# The core as a shared library in a folder, with another object for one file.
sub link_core {
    my ($folder, $file, $object) = @_;
    make_path $folder;
    my @objects = map { defined $file && $_ eq $file ? $object : object($_) } @core;
    system("$compile -shared -o $folder/libcore.so @objects") == 0 or die "run.pl: cannot link\n";
}

# The first mutants of a file whose object code is new; FILE and their number.
sub choose {
    my ($file, $number) = @{ $_[0] };
    my $base = object($file) =~ s/\.o$//r;
    my (%seen, @chosen);
    for my $m ({ text => slurp $file }, mutants_of($file)) {
        last if @chosen > $number;
        my $object = "$base." . @chosen . '.o';
        spew("$base.c", $m->{text}); # always the same name: it is in the object
        next unless compiles("$base.c", $object, $file) and !$seen{ slurp $object }++;
        push @chosen, { file => $file, title => $m->{title}, object => $object };
    }
    shift @chosen; # the original
    return \@chosen;
}

# How a test program failed, or ''.
sub run_test {
    my ($folder, $test, $seconds) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', "$folder/output" and open STDERR, '>&', \*STDOUT or die;
        $ENV{LD_LIBRARY_PATH} = $folder;
        alarm 60 * $seconds; # one that sleeps; the machine may be under load
        exec 'sh', '-c', "ulimit -t $seconds; exec $out/tests/$test" or die;
    }
    waitpid $pid, 0;
    return $? & 127 ? 'signal ' . ($? & 127) : $? ? 'failure' : '';
}

# The program that notices a mutant, or ''.
my (%seconds, @order);
sub attempt {
    my ($m) = @_;
    my $folder = "$out/with-$$";
    link_core($folder, $m->{file}, $m->{object});
    my ($kin) = $m->{file} =~ m{core/(token/|[a-z0-9]+)}; # their tests come first
    my $notices = '';
    for my $test (sort { ($b =~ /^$kin/) <=> ($a =~ /^$kin/) } @order) {
        $notices = $test, last if run_test($folder, $test, $seconds{$test});
    }
    remove_tree $folder;
    return $notices;
}

# ---- the run -----------------------------------------------------------------

sub build {
    make_path map { dirname $_ } (map { object($_) } @core), map { "$out/tests/$_" } @tests;
    in_parallel(sub { compiles($_[0], object($_[0]), $_[0]) or die "$_[0]\n" }, @core);
    link_core($out);
    in_parallel(sub { system("$compile -O0 -Itests/core -o $out/tests/$_[0] tests/core/$_[0].c -L$out -lcore -lcmocka") == 0 or die "$_[0]\n" }, @tests);
    for my $test (@tests) {
        my $before = (times)[2] + (times)[3];
        die "tests/core/$test.c fails without any change\n", slurp "$out/output" if run_test($out, $test, 60);
        $seconds{$test} = (times)[2] + (times)[3] - $before;
    }
    @order = sort { $seconds{$a} <=> $seconds{$b} } @tests;
    $_ = int(5 * $_) + 3 for values %seconds; # the limit of processor time
}

sub shares { # COUNT by the sizes of the files
    my $all = 0;
    $all += -s $_ for @_;
    return map { [ $_, int($count * (-s $_) / $all) + 1 ] } @_;
}

# "FILE PLACE", "- LINE", "+ LINE", then the reason; paragraphs.
my $list = 'tests/mutants/survivors';
my %known = map { /^(\S+ \S+\n- .*\n\+ .*)\n\s+\S/ ? ($1 => 1) : /^#/ ? () : die "$list: cannot read\n$_\n" } split /\n\n+/, slurp $list;
for my $name (@wanted) {
    die "run.pl: no file of the core is called $name\n" unless grep { /\Q$name\E$/ } @core;
}
my @files = grep { my $file = $_; !@wanted or grep { $file =~ /\Q$_\E$/ } @wanted } @core;
remove_tree $out;
build();
my @mutants = map { @$_ } in_parallel(\&choose, shares(@files));
my @notices = in_parallel(\&attempt, @mutants);

my (%tried, %noticed, @survivors);
for my $i (0 .. $#mutants) {
    my $m = $mutants[$i];
    $tried{ $m->{file} }++;
    $notices[$i] ? $noticed{ $m->{file} }++ : push @survivors, $m->{title};
}
my @unknown = grep { !$known{$_} } @survivors;
my $noticed = @mutants - @survivors;
my $rate    = 100 * $noticed / @mutants;
printf "%-36s %4d of %4d noticed\n", $_, $noticed{$_} // 0, $tried{$_} for sort keys %tried;
print "\n$_\n" for @unknown;
printf "# measured: %d of %d mutants noticed (%.1f %%), %d survivors explained, %d not (COUNT=%d SEED=%d)\n",
  $noticed, scalar @mutants, $rate, @survivors - @unknown, scalar @unknown, $count, $seed;
print "write a test that notices these survivors, or explain them in $list\n" if @unknown;
print "fewer than $floor % were noticed\n" if $rate < $floor;
exit(@unknown || $rate < $floor ? 1 : 0);
