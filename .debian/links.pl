# links.pl PACKAGE UPSTREAM -- makes the relative links of PACKAGE's documents lead
# to where dh_installdocs and dh_installexamples have put the files.  A link to a file
# that the package does not have leads to the same file at UPSTREAM.
use strict;
use warnings;

my ($package, $upstream) = @ARGV;
my $folder = "debian/$package/usr/share/doc/$package";

my %installed; # by the path in the tree: the path below $folder
for (['docs', ''], ['examples', 'examples/']) {
	my ($list, $below) = @$_;
	open my $lines, '<', "debian/$package.$list" or next;
	for my $path (map { glob } map { split } <$lines>) {
		my ($name) = $path =~ m{([^/]+)$};
		$installed{$path} = $below . $name;
		$installed{"$path/$_"} = "$below$name/$_" for map { m{([^/]+)$} } glob "$path/*";
	}
}

sub target { # as written in the document at $from
	my ($link, $from) = @_;
	return $link if $link =~ m{^(https?:|#)};
	my ($path, $anchor) = $link =~ m{^([^#]*)(.*)$};
	$path = $from =~ s{[^/]*$}{}r . $path;
	1 while $path =~ s{(^|/)[^/]+/\.\./}{$1};
	return ($installed{$path} // "$upstream/$path") . $anchor;
}

for my $from (grep { /\.md$/ } sort keys %installed) {
	local ($/, $^I, @ARGV) = (undef, '', "$folder/$installed{$from}");
	while (<>) {
		my @parts = split /^(```.*?^```$)/ms; # every other one is a block of code
		for (@parts[grep { $_ % 2 == 0 } 0 .. $#parts]) {
			s{(\]\()([^\s)]+)(\))}{$1 . target($2, $from) . $3}ge;
			s{^(\[[^\]\n]+\]: ?)(\S+)}{$1 . target($2, $from)}gme;
		}
		print @parts;
	}
}
