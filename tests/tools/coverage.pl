#!/usr/bin/perl
# coverage.pl OBJECTS SOURCES -- what the unit tests have executed of the C core, by gcov.
#
# OBJECTS is the folder of the objects that gcc built with --coverage, where the
# programs left their counts; SOURCES the folder to report.  Prints a line a
# file, then each line that was not executed.  A branch counts when it was taken
# at least once.  Fails below 100 % of the lines or 97 % of the branches.
# -v: prints the branches that were not taken, too.
use strict;
use warnings;
use JSON::PP qw(decode_json);

my $verbose = @ARGV && $ARGV[0] eq '-v' && shift;
my ($objects, $sources) = @ARGV;
my %floor = (lines => 100, branches => 97);

# A header's functions are compiled into many objects: their counts are added.
my (%lines, %branches);
for my $counts (glob "$objects/$sources/*.gcda $objects/$sources/*/*.gcda") {
    my $json = `gcov --json-format --branch-probabilities --stdout '$counts'`;
    for my $file (map { @{ $_->{files} } } decode_json($json)) {
        next unless index($file->{file}, "$sources/") == 0;
        for my $line (@{ $file->{lines} }) {
            my $n = $line->{line_number};
            $lines{ $file->{file} }{$n} += $line->{count};
            my $i = 0;
            $branches{ $file->{file} }{ $n . '.' . $i++ } += $_->{count} for @{ $line->{branches} };
        }
    }
}

sub share { my ($hit, $all) = @_; return $all ? 100 * $hit / $all : 100 }

sub row {
    my ($title, $l, $b) = @_;
    printf "%-36s %5d lines %6.2f %%  %5d branches %6.2f %%\n", $title, $l->[1], share(@$l), $b->[1], share(@$b);
}
sub counted { my @counts = values %{ $_[0] || {} }; return [ scalar(grep { $_ } @counts), scalar @counts ] }

my (@l, @b) = (0, 0);
@b = (0, 0);
for my $file (sort keys %lines) {
    my ($l, $b) = (counted($lines{$file}), counted($branches{$file}));
    row($file, $l, $b);
    $l[$_] += $l->[$_], $b[$_] += $b->[$_] for 0, 1;
}
die "coverage.pl: no counts in $objects/$sources\n" unless $l[1];
row('all', \@l, \@b);

for my $file (sort keys %lines) {
    my %missed;
    $missed{$_} = 'not executed' for grep { !$lines{$file}{$_} } keys %{ $lines{$file} };
    if ($verbose) {
        for (grep { !$branches{$file}{$_} } keys %{ $branches{$file} || {} }) {
            my ($n, $i) = split /\./;
            $missed{$n} //= 'branch not taken:';
            $missed{$n} .= " $i" if $missed{$n} =~ /branch/;
        }
    }
    next unless %missed;
    open my $in, '<', $file or die "$file: $!\n";
    my @text = ('', <$in>);
    print "$file:$_: $missed{$_}: $text[$_]" for sort { $a <=> $b } keys %missed;
}
my $low = share(@l) < $floor{lines} || share(@b) < $floor{branches};
print "below $floor{lines} % of the lines or $floor{branches} % of the branches: write the missing tests\n" if $low;
exit($low ? 1 : 0);
