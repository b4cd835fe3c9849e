#!/usr/bin/perl
# Submits mail in clear text with Perl's Authen::SASL and its security layers.
#
#   client.pl PORT USER PASSWORD FILE
#
# Lines `MECHANISM QOP SSF` on standard input; QOP is auth, auth-int or auth-conf, SSF the strength of the cipher, by which Authen::SASL chooses it.
# For each line it submits FILE, whose lines end in CRLF, over a connection of its own, and says `done QOP`; the first failure is the end, with
# status 1.
use strict;
use warnings;
use Authen::SASL qw(Perl);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64 decode_base64);

my ($port, $user, $password, $file) = @ARGV;
open my $input, '<:raw', $file or die "$file: $!\n";
my $message = do { local $/; <$input> };
$| = 1;

my ($socket, $sasl, $heard);

while (my $way = <STDIN>) {
    my ($mechanism, $qop, $ssf) = split ' ', $way;
    ($heard, $sasl) = ('', undef);
    $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp', Timeout => 60) or die "connect: $!\n";
    expect(220);
    ask('EHLO client.example', 250);
    my $exchange = authenticate($mechanism, $qop, $ssf);
    # What is protected from here on is what comes and goes after 235.
    $sasl = $exchange if $qop ne 'auth';
    ask('EHLO client.example', 250);
    ask("MAIL FROM:<$user>", 250);
    ask('RCPT TO:<you@example.com>', 250);
    ask('DATA', 354);
    (my $stuffed = $message) =~ s/^\./../mg;
    put($stuffed . ".\r\n");
    expect(250);
    ask('QUIT', 221);
    print 'done ', ($sasl ? $sasl->property('ssf') > 1 ? 'auth-conf' : 'auth-int' : 'auth'), "\n";
}

sub authenticate {
    my ($mechanism, $qop, $ssf) = @_;
    my $exchange = Authen::SASL->new(mechanism => $mechanism, callback => { user => $user, pass => $password })->client_new('smtp', 'localhost');
    my %bounds = ('auth' => 0, 'auth-int' => 1, 'auth-conf' => $ssf);
    $exchange->property(minssf => $bounds{$qop}, maxssf => $bounds{$qop});
    my $first = $exchange->client_start();
    write_line("AUTH $mechanism" . (defined $first && length $first ? ' ' . encode_base64($first, '') : ''));
    my $reply = reply();
    while ($reply =~ /^334 (.*)/) {
        my $response = $exchange->client_step(decode_base64($1));
        die 'no response: ', $exchange->error, "\n" unless defined $response;
        write_line(encode_base64($response, ''));
        $reply = reply();
    }
    die "not authenticated: $reply\n" unless $reply =~ /^235/;
    my $unproven = $mechanism eq 'DIGEST-MD5' && $exchange->need_step;
    die 'the server was not proven: ', $exchange->error // 'no rspauth', "\n" if $exchange->error || $unproven;
    return $exchange;
}

sub ask {
    my ($command, $code) = @_;
    write_line($command);
    expect($code);
}

sub write_line { put("$_[0]\r\n") }

# In frames that the server takes, where there is a layer.
sub put {
    my ($octets) = @_;
    if ($sasl) {
        # Less than the server takes, by what a frame adds: padding, code, type and number.
        my $most = $sasl->property('maxout') - 32;
        my $frames = '';
        while (length $octets) {
            my $frame = $sasl->encode(substr($octets, 0, $most, ''));
            $frames .= pack('N', length $frame) . $frame;
        }
        $octets = $frames;
    }
    while (length $octets) {
        my $written = syswrite($socket, $octets) or die "write: $!\n";
        substr($octets, 0, $written, '');
    }
}

sub expect {
    my ($code) = @_;
    my $reply = reply();
    die "expected $code: $reply\n" unless $reply =~ /^$code/;
}

# The last line of a reply.
sub reply {
    while (1) {
        while ($heard =~ s/^(.*?)\r\n//s) {
            my $line = $1;
            return $line if $line =~ /^\d\d\d /;
        }
        $heard .= $sasl ? opened() : octets(1);
    }
}

sub opened {
    my $length = unpack 'N', octets(4);
    my $plain = $sasl->decode(octets($length), $length);
    die "a frame that does not open\n" unless defined $plain;
    return $plain;
}

sub octets {
    my ($wanted) = @_;
    my $octets = '';
    while (length $octets < $wanted) {
        sysread($socket, $octets, $wanted - length $octets, length $octets) or die "the server closed the connection\n";
    }
    return $octets;
}
