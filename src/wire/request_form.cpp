// SPDX-License-Identifier: MIT
#include "tocsin/wire/request_form.hpp"

#include "json_scan.hpp"
#include "tocsin/wire/sms_text.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";

// Bytes that a value may take, escaped: of names and texts that were checked only quotes, backslashes and line feeds
// are, each as two bytes.
constexpr std::size_t kLongest[] = {2 * kMaxSentText, kMaxDeviceName, kMaxName, 8, 7, 15, kMaxId, 2 * kMaxSender,
                                      kMaxCode};
static_assert(sizeof kLongest / sizeof *kLongest == kPlaceCount);

constexpr Places kOfCodes = only(Place::recipient) | only(Place::code) | only(Place::sender) | only(Place::device);
constexpr Places kOfMessages = ((1U << kPlaceCount) - 1) & ~unsigned{only(Place::code)};

// Walks strict JSON (RFC 8259) once; the first thing that is wrong ends it.
class FormReader {
 public:
  FormReader(std::string_view json, RequestForm::Of of, TextWriter& why)
      : json_(json), known_(of == RequestForm::Of::message ? kOfMessages : kOfCodes), why_(why) {}

  bool read() {
    skip_blanks();
    if (next() != '{') return wrong("it does not begin with {: copy the whole body, from { to }");
    if (!value(0)) return false;
    skip_blanks();
    return at_ == json_.size() || wrong("something stands behind the } that ends it: leave one body");
  }
  std::size_t at() const { return at_; }  // where it stopped
  Places places() const { return places_; }
  bool has_internal_id() const { return has_internal_id_; }
  std::size_t longest() const { return json_.size() + grows_; }

 private:
  enum class Where : std::uint8_t { name, value };

  char next() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  void skip_blanks() {
    while (next() == ' ' || next() == '\t' || next() == '\n' || next() == '\r') ++at_;
  }
  bool wrong(std::string_view what) {
    why_.text(what);
    return false;
  }

  bool value(unsigned depth) {
    switch (next()) {
      case '{': return starts_with(tail(json_, at_), kOpen) ? outside() : members(depth, '}');
      case '[': return members(depth, ']');
      case '"': return text(Where::value);
      default: break;
    }
    const std::string_view rest = tail(json_, at_);
    std::size_t size = rest.empty() ? 0 : next() == '-' || is_digit(next()) ? number_length(rest) : 0;
    for (const std::string_view word : {"true", "false", "null"})
      if (starts_with(rest, word)) size = word.size();
    at_ += size;
    return size != 0 || wrong("a value is missing or misspelled here: texts stand in double quotes");
  }

  // Of an object or array, from its bracket on.
  bool members(unsigned depth, char closer) {
    if (depth == kFormDepth) return wrong("it is nested too deeply");
    ++at_;
    skip_blanks();
    if (next() == closer) return ++at_, true;
    for (;;) {
      if (closer == '}' && !name()) return false;
      const bool is_id = closer == '}' && name_ == "internal_id" && known_ == kOfMessages;
      const std::size_t from = at_;
      if (!value(depth + 1)) return false;
      if (is_id && !is_id_alone(head(tail(json_, from), at_ - from))) {
        at_ = from;
        return wrong("the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it");
      }
      has_internal_id_ = has_internal_id_ || is_id;
      skip_blanks();
      if (next() == closer) return ++at_, true;
      if (next() != ',') return wrong(closer == '}' ? "a comma or } is missing here" : "a comma or ] is missing here");
      ++at_;
      skip_blanks();
    }
  }

  bool name() {
    if (next() != '"') return wrong("a name in double quotes is missing here (perhaps a comma is too much)");
    const std::size_t from = at_ + 1;
    if (!text(Where::name)) return false;
    name_ = head(tail(json_, from), at_ - from - 1);
    skip_blanks();
    if (next() != ':') return wrong("a : is missing here");
    ++at_;
    skip_blanks();
    return true;
  }

  static bool is_id_alone(std::string_view value) {
    value = trim(head(tail(value, 1), value.size() < 2 ? 0 : value.size() - 2));
    if (!starts_with(value, kOpen) || !ends_with(value, kClose)) return false;
    return trim(head(tail(value, 2), value.size() - 4)) == "internal_id";
  }

  // From its quote on.
  bool text(Where where) {
    ++at_;
    while (next() != '"') {
      const auto byte = static_cast<unsigned char>(next());
      if (starts_with(tail(json_, at_), kOpen)) {
        if (!place(where)) return false;
      } else if (byte < 0x20) {
        return wrong(at_ < json_.size() ? "a line ends within a text: write \\n, or close the quotes"
                                        : "it ends within a text");
      } else if (byte == '\\') {
        if (!escape()) return false;
      } else {
        ++at_;
      }
    }
    ++at_;
    return true;
  }

  // A unit of UTF-16, or kNoUnit.
  static constexpr unsigned kNoUnit = 0x10000;
  static unsigned unit(std::string_view digits) {
    unsigned value = digits.size() < 4 ? kNoUnit : 0;
    for (const char c : head(digits, 4)) {
      const char lower = to_lower(c);
      if (!is_digit(c) && (lower < 'a' || lower > 'f')) return kNoUnit;
      value = value * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return value;
  }

  bool escape() {
    const std::string_view rest = tail(json_, at_ + 1);
    const bool is_known = !rest.empty() && find("\"\\/bfnrtu", rest[0]) != kNotFound;
    const unsigned first = !is_known || rest[0] != 'u' ? 0 : unit(tail(rest, 1));
    if (!is_known || first >= kNoUnit) return wrong("a \\ that means nothing: write \\\\ for the character itself");
    const bool is_high = first >= 0xD800 && first < 0xDC00;
    const unsigned second = is_high && starts_with(tail(rest, 5), "\\u") ? unit(tail(rest, 7)) : 0;
    if (is_high ? second < 0xDC00 || second > 0xDFFF : first >= 0xDC00 && first < 0xE000)
      return wrong("half of a character: write both of its \\u, or the character itself");
    at_ += rest[0] != 'u' ? 2U : is_high ? 12U : 6U;
    return true;
  }

  // From braces on: what stands between them in this text; not closed: all of the text.
  std::string_view between() const {
    std::string_view rest = tail(json_, at_ + kOpen.size());
    rest = head(head(rest, find(rest, '"')), find(rest, '\n'));
    return head(rest, find_part(rest, kClose, 0));
  }

  bool place(Where where) {
    const std::string_view written = between();
    const std::size_t found = find_place(trim(written));
    const bool closed = starts_with(tail(json_, at_ + kOpen.size() + written.size()), kClose);
    const bool known = found != kNotFound && has(known_, found);
    if (!closed || !known || where == Where::name) {
      why_.text("{{").text(head(written, 40));
      if (!closed) return wrong(" has no }} behind it");
      if (where == Where::name) return wrong("}} stands in a name: only values can be filled in");
      why_.text("}} is not known; there are");
      for (std::size_t at = 0; at < kPlaceCount; ++at)
        if (has(known_, at)) why_.text(" {{").text(kPlaces[at]).text("}}");
      return wrong(" (write \\u007b for a { that is meant so)");
    }
    places_ = static_cast<Places>(places_ | 1U << found);
    grows_ += kLongest[found];
    at_ += kOpen.size() + written.size() + kClose.size();
    return true;
  }

  bool outside() {
    const std::string_view written = head(between(), 40);
    why_.text("{{").text(written).text("}} stands outside of a text: write \"{{").text(written).text("}}\"");
    return false;
  }

  std::string_view json_;
  Places known_;
  TextWriter& why_;
  std::size_t at_ = 0;
  std::size_t grows_ = 0;
  Places places_ = 0;
  bool has_internal_id_ = false;
  std::string_view name_;  // the last one
};

std::uint32_t line_of(std::string_view json, std::size_t at) {
  std::uint32_t line = 1;
  for (const char c : head(json, at)) line += c == '\n' ? 1U : 0U;
  return line;
}

}  // namespace

Status RequestForm::read(std::string_view json, Problem& problem, Of of) {
  problem.line = 0;
  char memory[300];
  TextWriter why(memory);
  const auto fail = [&problem, &why](Code code) {
    problem.words.assign_cut(why.view());
    return Status{code};
  };
  if (json.size() > kMaxForm) {
    why.text("it is larger than ").number(kMaxForm).text(" bytes: is this the right file?");
    return fail(Code::too_big);
  }
  std::size_t text = 0;
  while (text < json.size() && utf8_length(tail(json, text)) != 0) text += utf8_length(tail(json, text));
  if (text < json.size()) {
    problem.line = line_of(json, text);
    why.text("it is not UTF-8 here: save it as UTF-8");
    return fail(Code::bad_value);
  }
  const std::string_view whole = starts_with(json, "\xEF\xBB\xBF") ? tail(json, 3) : json;
  FormReader reader{whole, of, why};
  if (!reader.read()) {
    problem.line = line_of(whole, reader.at());
    return fail(Code::bad_value);
  }
  RequestForm form;
  form.json_ = trim(whole);
  form.places_ = reader.places();
  form.has_internal_id_ = reader.has_internal_id();
  std::string_view missing;
  if (of == Of::message && !form.has(Place::text) && !form.has(Place::alarm))
    missing = "it has neither {{text}} nor {{alarm}}: nobody would know what happened";
  if (of == Of::verification && !form.has(Place::code))
    missing = "it has no {{code}}: write it where the code stands";
  if (!form.has(Place::recipient)) missing = "it has no {{recipient}}: write it where the phone number stands";
  if (!missing.empty()) {
    why.text(missing);
    return fail(Code::bad_value);
  }
  if (reader.longest() > kRequestBodyBytes) {
    why.text("filled in it may have ").number(reader.longest()).text(" bytes, and a request has at most ");
    why.number(kRequestBodyBytes).text(": write {{text}} fewer times");
    return fail(Code::too_big);
  }
  *this = form;
  return {};
}

Result<std::string_view> RequestForm::fill(const OutgoingText& message, Span<char> into) const {
  std::size_t size = 0;
  for (std::size_t at = 0;;) {
    const std::size_t open = find_part(json_, kOpen, at);
    const std::string_view as_written = head(tail(json_, at), open == kNotFound ? json_.size() : open - at);
    if (as_written.size() > into.size() - size) return Code::full;
    if (!as_written.empty()) std::memcpy(into.data() + size, as_written.data(), as_written.size());
    size += as_written.size();
    if (open == kNotFound) return std::string_view{into.data(), size};

    const std::size_t name = open + kOpen.size();
    const std::size_t close = find_part(json_, kClose, name);
    const std::size_t place = find_place(trim(head(tail(json_, name), close - name)));
    // The writer puts quotes around a text. The first goes where at least the quote that opens this string is already.
    const char before = into[size - 1];
    JsonWriter writer(into.drop(size - 1));
    writer.element(value_at(place, message));
    TRY_LET(written, writer.finish());
    into[size - 1] = before;
    size += written.size() - 2;
    at = close + kClose.size();
  }
}

}  // namespace tocsin
