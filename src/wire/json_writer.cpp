// SPDX-License-Identifier: MIT
#include "tocsin/wire/json_writer.hpp"

#include "json_scan.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {
namespace {

constexpr unsigned kDeepest = 32;

constexpr bool is_plain(char c) {
  return c >= 0x20 && static_cast<unsigned char>(c) < 0x80 && c != '"' && c != '\\';
}

// Several bytes looked at in one step: a machine word, or two side by side where the machine can do that
// in one instruction (the compiler splits them where it cannot).
using Word = std::size_t;
using Pair = Word __attribute__((vector_size(2 * sizeof(Word))));
template <typename T>
constexpr T every(unsigned byte) {
  return static_cast<T>(~T{0}) / 255 * byte;
}

// Bit 7 of some byte is set when not every byte of the word is plain; the other bits mean nothing.
// `^ 2` swaps the quote with the space, so that the quote and the control characters are what lies
// below 0x21. Bytes from 0x80 on show in one term or the other (all but 0x80 to 0xA2 in the first, all
// but 0xDC in the second). A borrow can only come out of a byte that is not plain itself, so the answer
// for the word as a whole is exact.
template <typename Part, typename T>
inline T not_plain(T w) {
  return ((w ^ every<Part>(2)) - every<Part>(0x21)) | ((w ^ every<Part>('\\')) - every<Part>(1));
}
template <typename Part>
constexpr bool any(Part not_plain) {
  return (not_plain & every<Part>(0x80)) != 0;
}

template <typename T>
inline T load(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
template <typename T>
inline void store(char* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

template <typename Part, typename T = Part>
inline T copy_looking(char* out, const char* from) {
  const T w = load<T>(from);
  store(out, w);
  return not_plain<Part>(w);
}

// Fewer than two Ts and at least one, so that the second overlaps the first. True when all were plain.
template <typename T>
inline bool copy_plain_twice(char* out, const char* from, std::size_t n) {
  const std::size_t last = n - sizeof(T);
  return !any<T>(copy_looking<T>(out, from) | copy_looking<T>(out + last, from + last));
}

// Writes "text" with its quotes at `out`, where text.size() + 2 bytes are free, and returns its end;
// nullptr when something in it is not plain (what was stored then counts for nothing).
char* quote_plain(char* out, std::string_view text) {
  const char* from = text.data();
  const std::size_t n = text.size();
  *out++ = '"';
  char* const end = out + n;
  if (n >= sizeof(Pair)) {
    char* const last = end - sizeof(Pair);
    Pair bad = copy_looking<Word, Pair>(last, from + n - sizeof(Pair));
    for (; out < last; out += sizeof(Pair), from += sizeof(Pair)) bad |= copy_looking<Word, Pair>(out, from);
    if (any<Word>(bad[0] | bad[1])) return nullptr;
  } else if (n >= sizeof(Word)) {
    if (!copy_plain_twice<Word>(out, from, n)) return nullptr;
  } else if (n >= sizeof(std::uint32_t)) {
    if (!copy_plain_twice<std::uint32_t>(out, from, n)) return nullptr;
  } else {
    for (; out != end; ++from, ++out) {
      if (!is_plain(*from)) return nullptr;
      *out = *from;
    }
  }
  *end = '"';
  return end + 1;
}

// Length of the run at the front of `text` that travels as it is, characters beyond ASCII included;
// it ends before something to escape or before bad UTF-8.
std::size_t unescaped_run(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    at += plain_run(tail(text, at));
    if (at == text.size() || static_cast<unsigned char>(text[at]) < 0x80) return at;
    const std::size_t n = utf8_length(tail(text, at));
    if (n == 0) return at;
    at += n;
  }
}

char short_escape(char c) {
  switch (c) {
    case '"':
    case '\\': return c;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
  }
}

}  // namespace

std::size_t plain_run(std::string_view text) {
  constexpr bool kLowestFirst = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  std::size_t at = 0;
  for (; text.size() - at >= sizeof(Word); at += sizeof(Word)) {
    const Word bad = not_plain<Word>(load<Word>(text.data() + at)) & every<Word>(0x80);
    if (bad == 0) continue;
    if (kLowestFirst) return at + static_cast<std::size_t>(__builtin_ctzl(bad)) / 8;  // nothing was borrowed below it
    break;
  }
  while (at < text.size() && is_plain(text[at])) ++at;
  return at;
}

void JsonWriter::put(char c) {
  if (size_ < into_.size()) into_.data()[size_] = c;
  ++size_;
}

void JsonWriter::put(std::string_view plain) {
  if (size_ <= into_.size() && plain.size() <= into_.size() - size_ && !plain.empty())
    std::memcpy(into_.data() + size_, plain.data(), plain.size());
  size_ += plain.size();
}

void JsonWriter::put_text(std::string_view text) {
  if (size_ + text.size() + 2 <= into_.size()) {
    const char* end = quote_plain(into_.data() + size_, text);
    if (end != nullptr) {
      size_ += text.size() + 2;
      return;
    }
  }
  put_escaped(text);
}

void JsonWriter::put_escaped(std::string_view text) {
  put('"');
  for (;;) {
    const std::size_t run = unescaped_run(text);
    put(head(text, run));
    if (run == text.size()) break;
    const char c = text[run];
    if (static_cast<unsigned char>(c) >= 0x80) {
      if (first_error_ == Code::ok) first_error_ = Code::bad_value;
      break;
    }
    put('\\');
    if (const char two_letter = short_escape(c)) {
      put(two_letter);
    } else {
      put("u00");
      put(c < 0x10 ? '0' : '1');
      put("0123456789abcdef"[c & 15]);
    }
    text.remove_prefix(run + 1);
  }
  put('"');
}

void JsonWriter::put_number(std::uint64_t number) {
  char digits[20];
  put(TextWriter{digits}.number(number).view());
}

// The next element, or the outermost value.
void JsonWriter::begin_value() {
  TOCSIN_ASSERT((objects_ & 1) == 0 && (depth_ > 0 || size_ == 0));
  if ((comma_due_ & 1) != 0) put(',');
  comma_due_ |= 1;
}

void JsonWriter::begin_field(std::string_view key) {
  TOCSIN_ASSERT((objects_ & 1) != 0 || depth_ > kDeepest);
  if ((comma_due_ & 1) != 0) put(',');
  comma_due_ |= 1;
  put_text(key);
  put(':');
}

void JsonWriter::open(Kind kind) {
  put(kind == Kind::object ? '{' : '[');
  comma_due_ <<= 1;
  objects_ = objects_ << 1 | (kind == Kind::object ? 1U : 0U);
  TOCSIN_ASSERT(depth_ < UINT16_MAX);
  if (++depth_ > kDeepest && first_error_ == Code::ok) first_error_ = Code::too_big;
}

void JsonWriter::close(Kind kind) {
  // Depths that were pushed out of the 32 bits cannot be told any more; the text is refused then.
  TOCSIN_ASSERT(depth_ > 0 &&
                (((objects_ & 1) != 0) == (kind == Kind::object) || first_error_ == Code::too_big));
  --depth_;
  comma_due_ >>= 1;
  objects_ >>= 1;
  put(kind == Kind::object ? '}' : ']');
}

void JsonWriter::open_object() {
  begin_value();
  open(Kind::object);
}
void JsonWriter::open_object(const char* key) {
  begin_field(key);
  open(Kind::object);
}
void JsonWriter::close_object() { close(Kind::object); }
void JsonWriter::open_array() {
  begin_value();
  open(Kind::array);
}
void JsonWriter::open_array(const char* key) {
  begin_field(key);
  open(Kind::array);
}
void JsonWriter::close_array() { close(Kind::array); }

void JsonWriter::field(const char* key, std::string_view text) { field(std::string_view{key}, text); }

void JsonWriter::field(std::string_view key, std::string_view text) {
  // Nearly every field is of this kind and fits: one test for room, nothing counted piece by piece.
  if (size_ + key.size() + text.size() + 6 <= into_.size()) {
    TOCSIN_ASSERT((objects_ & 1) != 0 || depth_ > kDeepest);
    char* out = into_.data() + size_;
    *out = ',';
    out = quote_plain(out + (comma_due_ & 1), key);
    if (out != nullptr) {
      *out = ':';
      out = quote_plain(out + 1, text);
    }
    if (out != nullptr) {
      comma_due_ |= 1;
      size_ = static_cast<std::size_t>(out - into_.data());
      return;
    }
  }
  begin_field(key);
  put_text(text);
}

void JsonWriter::field(const char* key, std::uint64_t number) {
  begin_field(key);
  put_number(number);
}

void JsonWriter::field(const char* key, std::int64_t number) {
  begin_field(key);
  if (number < 0) put('-');
  put_number(number < 0 ? ~static_cast<std::uint64_t>(number) + 1 : static_cast<std::uint64_t>(number));
}

void JsonWriter::field(const char* key, bool truth) {
  begin_field(key);
  put(truth ? "true" : "false");
}

void JsonWriter::null_field(const char* key) {
  begin_field(key);
  put("null");
}

void JsonWriter::element(std::string_view text) {
  begin_value();
  put_text(text);
}

Result<std::string_view> JsonWriter::finish() {
  TOCSIN_ASSERT(depth_ == 0);
  if (first_error_ != Code::ok) return first_error_;
  if (size_ > into_.size()) return Code::full;
  return std::string_view{into_.data(), size_};
}

}  // namespace tocsin
