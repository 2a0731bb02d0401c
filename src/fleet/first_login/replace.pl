# Gives a user another password where one of those told opens it, and has the host remember that this was seen to.
# Behind the end, one a line: the user, the file that remembers, the new password (empty: none), the old ones.
use strict;
use warnings;

$ENV{PATH} .= ":/usr/sbin:/sbin";
umask 077;
chomp(my ($user, $note, $new, @old) = <DATA>);
# What arrived cut short would tell of a password that nobody compared.
die "the old passwords did not arrive whole\n" if @old != 2;
die "only root sees passwords\n" if $>;

# With root's rights the hash of /etc/shadow; none where there is no such user.
my $hash = (getpwnam($user))[1] // "*";

sub opens {
    my $crypted = crypt($_[0], $hash);
    return defined $crypted && $crypted eq $hash;
}

# An empty one opens without any.
my $opened = $hash eq "" || grep { opens($_) } @old;
if ($opened && $new eq "") {
    print "kept\n";
    exit;
}
if ($opened) {
    open(my $chpasswd, "|-", "chpasswd") or die "chpasswd: $!\n";
    print $chpasswd "$user:$new\n";
    close($chpasswd) or die "chpasswd ended with $?\n";
}
(my $folder = $note) =~ s{/[^/]+$}{};
mkdir $folder;
# The password is on the disc before anything says so.
system("sync");
open(my $file, ">", $note) or die "$note: $!\n";
close($file) or die "$note: $!\n";
system("sync");
print $opened ? "replaced\n" : "another\n";
__END__
