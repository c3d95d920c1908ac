// SPDX-License-Identifier: MIT
// What `tocsin help` says: short, true, one example each.
#include "src/program/arguments.hpp"

namespace tocsin {
namespace {

struct Help {
  std::string_view about;
  std::string_view text;
};
constexpr Help kHelp[] = {
    {"",
     "tocsin [-c FILE] [-s] COMMAND\n"
     "\n"
     "  run                      the daemon: watches the lines and delivers what waits\n"
     "  send --to PHONE TEXT     one message\n"
     "  raise ALARM              an alarm begins, by hand\n"
     "  clear ALARM              an alarm ends, by hand\n"
     "  ack ALARM                somebody looks after an alarm that is active\n"
     "  status                   streams, queue and alarms on one screen\n"
     "  queue [list]             what waits and what became of the rest\n"
     "  queue show ID            the whole life of one message\n"
     "  queue retry ID           sends a message that was given up, or sends it now\n"
     "  queue drop ID            gives a message up\n"
     "  queue purge              forgets what has ended, texts and numbers\n"
     "  queue check [DIR]        whether the queue's files are whole\n"
     "  token set STREAM         stores the token of a stream\n"
     "  token show STREAM        a fingerprint of the token\n"
     "  otp send PHONE           a one-time code to a phone\n"
     "  otp verify PHONE CODE    whether that is the code\n"
     "  check                    what is wrong with the configuration\n"
     "  text TEXT                encoding, length and segments of a text\n"
     "  version [--memory]       version, or what memory is reserved\n"
     "  help [COMMAND]           this, or more about one command\n"
     "\n"
     "  -c FILE   configuration; else $TOCSIN_CONFIG, else /etc/tocsin/tocsin.conf\n"
     "  -s        what is said on stderr goes to syslog instead\n"
     "  --json    one JSON object a line: status, queue, token show, check, text,\n"
     "            version\n"},
    {"run",
     "tocsin run\n"
     "\n"
     "The daemon, in the foreground. SIGTERM ends it; what waits stays on the medium. SIGHUP reads the\n"
     "configuration again; a bad one is reported and the old one stays in force.\n"
     "\n"
     "  tocsin -c /etc/tocsin/tocsin.conf run\n"},
    {"send",
     "tocsin send --to PHONE[,PHONE] [--stream S] [--class C] [--wait SECS] [--] TEXT\n"
     "\n"
     "One message to each number, contact or group. Prints their ids once all are on the medium.\n"
     "  --to      more than once, or with commas\n"
     "  --stream  a [stream] of the configuration, or several in order, with commas; else the first one\n"
     "  --class   critical, warning (if you do not say) or info: what is sent first\n"
     "  --wait    seconds to wait until the service has them; the exit status says what became of them\n"
     "  TEXT      one argument; - reads it from stdin; behind -- it may begin with -\n"
     "\n"
     "  tocsin send --to '+44 7700 900123' 'Pump 3 was serviced'\n"},
    {"raise",
     "tocsin raise ALARM\n"
     "\n"
     "The [alarm ALARM] of the configuration begins, as if its line had changed. An alarm that is active\n"
     "already stays as it is.\n"
     "\n"
     "  tocsin raise high-level\n"},
    {"clear",
     "tocsin clear ALARM\n"
     "\n"
     "The [alarm ALARM] of the configuration ends; its clear_text is sent where it has one.\n"
     "\n"
     "  tocsin clear high-level\n"},
    {"ack",
     "tocsin ack ALARM\n"
     "\n"
     "Marks an alarm that is active: somebody looks after it. `status` shows it until the alarm ends. A contact\n"
     "does the same by answering ACK and the alarm's code, where the service calls this device ([webhook]).\n"
     "\n"
     "  tocsin ack high-level\n"},
    {"queue",
     "tocsin queue [list]      tocsin queue show|retry|drop ID      tocsin queue purge|check\n"
     "\n"
     "Every message that is kept, oldest first, and why it waits. Reads without disturbing the daemon.\n"
     "\n"
     "  tocsin queue list --json\n"},
    {"queue show",
     "tocsin queue show ID\n"
     "\n"
     "Everything about one message, and what happened to it step by step, as far as the files still have it.\n"
     "ID is the whole id or the number at its end.\n"
     "\n"
     "  tocsin queue show 17\n"},
    {"queue retry",
     "tocsin queue retry ID\n"
     "\n"
     "Sends a message again that is unknown, failed, expired, evicted or dropped, or sends at once one that\n"
     "waits; the budget of its class holds for both. It does not expire any more. A phone that has it already\n"
     "gets it once more.\n"
     "\n"
     "  tocsin queue retry 17\n"},
    {"queue drop",
     "tocsin queue drop ID\n"
     "\n"
     "Gives up a message that waits. It stays on record as dropped.\n"
     "\n"
     "  tocsin queue drop 17\n"},
    {"queue purge",
     "tocsin queue purge\n"
     "\n"
     "Forgets every message that has ended: texts and numbers are written over with zeros in the queue's files.\n"
     "What waits stays. Flash may keep old copies beside the file system.\n"
     "\n"
     "  tocsin queue purge\n"},
    {"queue check",
     "tocsin queue check [DIR]\n"
     "\n"
     "Whether the files of the queue are whole; changes nothing. With DIR, of files that were copied there, on\n"
     "any machine, without a configuration; DIR may also be one file, the copy of a state_device. Exit status 65\n"
     "when something is damaged.\n"
     "\n"
     "  tocsin queue check /media/usb/boiler-room-7\n"},
    {"status",
     "tocsin status\n"
     "\n"
     "Streams, token, clock, queue and alarms.\n"
     "\n"
     "  tocsin status --json\n"},
    {"token",
     "tocsin token set STREAM [FILE or -]      tocsin token show STREAM\n"
     "\n"
     "  tocsin help token set\n"},
    {"token set",
     "tocsin token set STREAM [FILE or -]\n"
     "\n"
     "Stores the token of a stream where its token_file says. Asks for it without echo, or reads FILE, or\n"
     "stdin for -. Blanks, line ends and a byte order mark around it are taken off.\n"
     "STREAM account is the API key, where [account] says.\n"
     "\n"
     "  tocsin token set sms /media/usb/token.txt\n"},
    {"token show",
     "tocsin token show STREAM\n"
     "\n"
     "A fingerprint of the stored token, never the token.\n"
     "\n"
     "  tocsin token show sms\n"},
    {"otp",
     "tocsin otp send PHONE [--code CODE]      tocsin otp verify PHONE CODE\n"
     "\n"
     "  tocsin help otp send\n"},
    {"otp send",
     "tocsin otp send PHONE [--stream S] [--code CODE]\n"
     "\n"
     "A one-time code to a number or contact, at once: it is not queued and not tried again. Without --code the\n"
     "service makes the code. Exit status 0: sent; 69: nothing left this device; 75: ask again later, or nobody\n"
     "knows; 76: refused; 77: token or address.\n"
     "  --stream  a [stream] of type otp; else the first one\n"
     "\n"
     "  tocsin otp send '+44 7700 900123'\n"},
    {"otp verify",
     "tocsin otp verify PHONE CODE [--stream S]\n"
     "\n"
     "Asks the service whether that is the code it sent. Exit status 0: it is; 76: it is not; everything else: not\n"
     "known, as for otp send. CODE may be - for stdin, which other users of the machine do not see. CommPeak does\n"
     "not document this request: before anything depends on it, see that a wrong code ends with 76.\n"
     "\n"
     "  tocsin otp verify '+44 7700 900123' 48213\n"},
    {"check",
     "tocsin check\n"
     "\n"
     "Reads the configuration and shows every mistake as FILE:LINE: what is wrong: what to do. Exit\n"
     "status 78 when there is one.\n"
     "\n"
     "  tocsin -c new.conf check\n"},
    {"text",
     "tocsin text [--stream S] TEXT...\n"
     "\n"
     "How a text travels as SMS: its encoding, length and segments, which characters the GSM alphabet does not\n"
     "have, and what is sent where the stream transliterates or shortens it. Nothing is sent. Needs no\n"
     "configuration; with one, max_segments, transliterate and segment_size of the stream count.\n"
     "  --stream  a [stream] of the configuration; else the first one\n"
     "  TEXT      words are joined by a blank; - reads stdin; behind -- it may begin with -\n"
     "\n"
     "  tocsin text 'Boiler at 85 °C'\n"},
    {"version",
     "tocsin version [--memory]\n"
     "\n"
     "The version, or with --memory what is reserved for what, and what of the arenas for TLS and JSON the\n"
     "running daemon has used at most.\n"
     "\n"
     "  tocsin version --memory\n"},
    {"help",
     "tocsin help [COMMAND]\n"
     "\n"
     "  tocsin help send\n"},
};

}  // namespace

std::string_view help_text(std::string_view about) {
  if (about == "queue list") about = "queue";
  for (const Help& help : kHelp)
    if (help.about == about) return help.text;
  return {};
}

}  // namespace tocsin
