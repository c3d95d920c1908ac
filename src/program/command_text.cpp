// SPDX-License-Identifier: MIT
// `tocsin text`: what becomes of a text when it is sent as SMS. Reads nothing but the text and the configuration.
#include "src/program/commands.hpp"

namespace tocsin {
namespace {

// The most that may be said: as many different characters as a text has, 80 bytes for each.
constexpr std::size_t kMaxSaid = kMaxText / 2 * 80 + 4 * kMaxSentText + 1024;

std::string_view name(Alphabet alphabet) { return alphabet == Alphabet::gsm ? "GSM 7-bit" : "UCS-2"; }
std::string_view unit(const SmsLength& length) { return length.alphabet == Alphabet::gsm ? "septet" : "code unit"; }
constexpr Reference other(Reference reference) {
  return reference == Reference::bits8 ? Reference::bits16 : Reference::bits8;
}

TextWriter& write_count(std::uint64_t count, std::string_view what, TextWriter& into) {
  return into.number(count).text(" ").text(what).text(count == 1 ? "" : "s");
}

void write_code(char32_t code, TextWriter& into) {
  char digits[8];
  into.text("U+");
  for (const char c : TextWriter(digits).hex(code, 4).view())
    into.character(is_digit(c) ? c : static_cast<char>(c - 'a' + 'A'));
}

// Each character that only UCS-2 has, the first time that it comes.
class NotGsm {
 public:
  explicit NotGsm(std::string_view text) : text_(text) {}
  bool next() {
    for (at_ = find_not_gsm(text_, at_ + size_); at_ != kNotFound; at_ = find_not_gsm(text_, at_ + size_)) {
      const SmsCharacter found = first_character(tail(text_, at_));
      code_ = found.code;
      size_ = found.size;
      if (is_first()) return true;
    }
    return false;
  }
  char32_t code() const { return code_; }
  std::string_view character() const { return head(tail(text_, at_), size_); }

 private:
  bool is_first() const {
    for (std::size_t at = 0; at < at_; at += first_character(tail(text_, at)).size)
      if (starts_with(tail(text_, at), character())) return false;
    return true;
  }
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  char32_t code_ = 0;
};

struct Texts {
  std::string_view stream;  // empty: no configuration
  SmsRules rules;
  std::string_view text;
  SmsLength length;
  std::uint32_t other_segments;  // with the other size of segments
  SentText sent;
  SmsLength sent_length;
};

void write_json(const Texts& all, JsonWriter& json) {
  const bool of_153 = all.rules.reference == Reference::bits8;
  json.open_object();
  json.text_or_null("stream", all.stream);
  json.field("text", all.text);
  json.field("encoding", name(all.length.alphabet));
  json.field("characters", all.length.characters);
  json.field("units", all.length.units);
  json.field("segments", all.length.segments);
  json.field("left", all.length.left);
  json.field("segments_153", of_153 ? all.length.segments : all.other_segments);
  json.field("segments_152", of_153 ? all.other_segments : all.length.segments);
  json.open_array("not_gsm");
  for (NotGsm one(all.text); one.next();) {
    char code[10], spelled[8];
    TextWriter number(code), in_gsm(spelled);
    write_in_gsm(one.character(), in_gsm);
    json.open_object();
    json.field("character", one.character());
    write_code(one.code(), number);
    json.field("code", number.view());
    in_gsm.view() == one.character() ? json.null_field("in_gsm") : json.field("in_gsm", in_gsm.view());
    json.close_object();
  }
  json.close_array();
  json.field("sent_text", all.sent.text);
  json.field("sent_encoding", name(all.sent_length.alphabet));
  json.field("sent_segments", all.sent_length.segments);
  json.field("transliterated", all.sent.transliterated);
  json.field("shortened", all.sent.shortened);
  json.close_object();
}

void write_not_gsm(std::string_view text, TextWriter& out) {
  std::string_view label = "\nnot in GSM  ";
  for (NotGsm one(text); one.next(); label = "\n            ") {
    char spelled[8];
    TextWriter in_gsm(spelled);
    write_in_gsm(one.character(), in_gsm);
    write_code(one.code(), out.text(label));
    out.text(" `").text(one.character()).text("`: ");
    if (in_gsm.view() == one.character()) {
      out.text("nothing stands for it");
    } else if (in_gsm.view().empty()) {
      out.text("left out by transliterate = yes");
    } else {
      out.text("`").text(in_gsm.view()).text("` by transliterate = yes");
    }
  }
}

void write_screen(const Texts& all, TextWriter& out) {
  const SmsLength& length = all.length;
  out.text("encoding    ").text(name(length.alphabet)).text("\ncharacters  ").number(length.characters);
  write_count(length.units, unit(length), out.text("\nlength      ")).text("\nsegments    ").number(length.segments);
  out.text(", room for ").number(length.left).text(" more");
  if (all.other_segments != length.segments) {
    const bool of_153 = all.rules.reference == Reference::bits8;
    out.text("; ").number(all.other_segments).text(of_153 ? " with segment_size = 152" : " with segment_size = 153");
  }
  write_not_gsm(all.text, out);

  char memory[kMaxSentText];
  const SentText spelled = as_sent(all.text, {0, true, all.rules.reference}, Copy::first, memory);
  if (spelled.transliterated && !all.sent.transliterated) {
    const SmsLength in_gsm = measure_sms(spelled.text, all.rules.reference);
    write_count(in_gsm.units, unit(in_gsm), out.text("\nin GSM      ")).text(", ");
    write_count(in_gsm.segments, "segment", out).text(" by transliterate = yes: ").text(spelled.text);
  }
  out.text("\nsent        ");
  const bool as_it_is = !all.sent.transliterated && !all.sent.shortened;
  out.text(as_it_is ? "as it is" : all.sent.transliterated ? "transliterated" : "");
  if (all.sent.shortened) {
    out.text(all.sent.transliterated ? " and shortened" : "shortened").text(" to max_segments = ");
    out.number(all.rules.max_segments);
  }
  if (all.stream.empty()) {
    out.text(" (no configuration)");
  } else {
    out.text(" by stream ").text(all.stream);
  }
  if (as_it_is) {
    out.text("\n");
    return;
  }
  const SmsLength& length_sent = all.sent_length;
  write_count(length_sent.units, unit(length_sent), out.text(", ")).text(", ");
  write_count(length_sent.segments, "segment", out).text(": ").text(all.sent.text).text("\n");
}

}  // namespace

Exit show_text(const Arguments& arguments, const Config* config) {
  static char from_stdin[kMaxText + 2];
  static char said[kMaxSaid];
  char words[300], memory[kMaxSentText];
  TextWriter why(words);
  Texts all{};
  all.text = arguments.text;
  all.rules = kDefaultSmsRules;
  if (arguments.text_from_stdin) {
    const Exit read = read_text(0, from_stdin, all.text, why);
    if (read != Exit::done) {
      complain(why.view());
      return read;
    }
  }
  if (config != nullptr && (!arguments.stream.empty() || config->first_stream() != kNotFound)) {
    const std::size_t at = arguments.stream.empty() ? config->first_stream() : config->find_stream(arguments.stream);
    if (at == kNotFound) {
      why.text("there is no stream ");
      write_quoted(arguments.stream, why);
      write_streams(*config, why.text(" in the configuration: "));
      complain(why.view());
      return Exit::bad_data;
    }
    all.stream = config->streams[at].name;
    all.rules = config->streams[at].sms;
  }
  all.length = measure_sms(all.text, all.rules.reference);
  all.other_segments = measure_sms(all.text, other(all.rules.reference)).segments;
  all.sent = as_sent(all.text, all.rules, Copy::first, memory);
  all.sent_length = measure_sms(all.sent.text, all.rules.reference);
  if (arguments.json) {
    JsonWriter json({said, sizeof said - 1});
    write_json(all, json);
    print_json(json, said);
    return Exit::done;
  }
  TextWriter out(said);
  write_screen(all, out);
  print(out.view());
  return Exit::done;
}

}  // namespace tocsin
