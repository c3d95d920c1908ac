// SPDX-License-Identifier: MIT
#include "port/linux/gpio_lines.hpp"

#include <fcntl.h>
#include <linux/gpio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "port/linux/clock.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kPrefix = "gpiochip";
constexpr std::size_t kShownNames = 8;
constexpr std::uint32_t kKeptEdges = 256;
constexpr std::int64_t kMaxDebounceMs = 3'600'000;  // fits the kernel's 32 bits of microseconds
static_assert(kMaxLineName == GPIO_MAX_NAME_SIZE - 1);

Fd open_chip(unsigned number) {
  char memory[32];
  TextWriter path{memory};
  path.text("/dev/gpiochip").number(number).character('\0');
  return Fd{::open(memory, O_RDWR | O_CLOEXEC)};
}

// A name or consumer in the kernel's structures: up to a zero byte or the end.
template <std::size_t N>
std::string_view text_of(const char (&chars)[N]) {
  return {chars, ::strnlen(chars, N)};
}

Status chip_info(int chip, gpiochip_info& into) {
  into = {};
  return control(chip, GPIO_GET_CHIPINFO_IOCTL, &into) == 0 ? Status{} : last_error();
}

Status line_info(int chip, std::uint32_t offset, gpio_v2_line_info& into) {
  into = {};
  into.offset = offset;
  return control(chip, GPIO_V2_GET_LINEINFO_IOCTL, &into) == 0 ? Status{} : last_error();
}

// What a kernel before 5.10, or one without the v2 interface, says to a call it does not know.
bool is_unknown_call(int error) { return error == ENOTTY || error == EINVAL; }

// "PUMP3_LEVEL, DOOR, ..." as far as kShownNames goes.
class NameList {
 public:
  void add(std::string_view name) {
    if (name.empty() || shown_ > kShownNames) return;
    if (shown_ > 0) text_.text(", ");
    text_.text(shown_ == kShownNames ? "..." : name);
    ++shown_;
  }
  std::string_view view() const { return text_.view(); }

 private:
  char memory_[kShownNames * (kMaxLineName + 2) + 4];
  TextWriter text_{memory_};
  std::size_t shown_ = 0;
};

}  // namespace

Result<GpioSpec> parse_gpio_spec(std::string_view text) {
  if (starts_with(text, "/dev/")) text = tail(text, 5);
  GpioSpec spec;
  if (text.empty()) return Code::bad_value;
  const bool is_chip =
      starts_with(text, kPrefix) && text.size() > kPrefix.size() && is_digit(text[kPrefix.size()]);
  if (!is_chip) {
    if (text.size() > kMaxLineName || same_ignoring_case(text, kPrefix)) return Code::bad_value;
    spec.by_name = true;
    spec.name = text;
    return spec;
  }
  std::string_view offset = tail(text, kPrefix.size());
  const std::string_view chip = take_until(offset, ':');
  TRY_LET(chip_number, parse_number(chip, kMaxChips - 1));
  TRY_LET(line_number, parse_number(offset, UINT32_MAX - 1));
  spec.chip = static_cast<unsigned>(chip_number);
  spec.offset = static_cast<std::uint32_t>(line_number);
  return spec;
}

Status GpioLine::open(std::string_view spec_text, Millis debounce) {
  close();
  problem_.clear();
  spec_.assign_cut(spec_text);
  const auto spec = parse_gpio_spec(spec_text);
  if (!spec.ok()) return fail(Code::bad_value, "write gpiochipNUMBER:LINE or the name of a line");
  if (debounce.count < 0 || debounce.count > kMaxDebounceMs)
    return fail(Code::bad_value, "debounce is above 1h");

  if (spec.value().by_name) {
    Fd chip;
    TRY(find_by_name(spec.value().name, chip));
    return request(chip.number(), debounce);
  }
  chip_ = spec.value().chip;
  offset_ = spec.value().offset;
  const Fd chip = open_chip(chip_);
  if (!chip.is_open()) return no_chip(errno);
  gpiochip_info info;
  if (const Status known = chip_info(chip.number(), info); !known.ok())
    return fail(known, "is this a GPIO chip?");
  if (offset_ >= info.lines) {
    char memory[80];
    TextWriter words{memory};
    words.text("no such line; gpiochip")
        .number(chip_)
        .text(" has 0 to ")
        .number(info.lines > 0 ? info.lines - 1 : 0);
    return fail(Code::not_found, words.view());
  }
  return request(chip.number(), debounce);
}

Status GpioLine::find_by_name(std::string_view name, Fd& found) {
  NameList names;
  unsigned chips = 0;
  int refused = 0;  // errno of a chip that exists and could not be opened
  for (unsigned number = 0; number < kMaxChips; ++number) {
    Fd chip = open_chip(number);
    if (!chip.is_open()) {
      if (errno != ENOENT) refused = errno;
      continue;
    }
    ++chips;
    gpiochip_info info;
    if (!chip_info(chip.number(), info).ok()) continue;
    for (std::uint32_t offset = 0; offset < info.lines; ++offset) {
      gpio_v2_line_info line;
      const Status known = line_info(chip.number(), offset, line);
      if (!known.ok() && is_unknown_call(known.detail())) return too_old(known.detail());
      if (!known.ok()) continue;
      if (text_of(line.name) != name) {
        names.add(text_of(line.name));
        continue;
      }
      if (found.is_open()) {
        char memory[160];
        TextWriter words{memory};
        words.text("two lines have this name: gpiochip").number(chip_).character(':').number(offset_);
        words.text(" and gpiochip")
            .number(number)
            .character(':')
            .number(offset)
            .text("; write the one you mean");
        return fail(Code::bad_value, words.view());
      }
      found.reset(::fcntl(chip.number(), F_DUPFD_CLOEXEC, 0));
      if (!found.is_open()) return fail(last_error(), "cannot keep the chip open");
      chip_ = number;
      offset_ = offset;
    }
  }
  if (found.is_open()) return {};
  if (chips == 0) return no_chip(refused == 0 ? ENOENT : refused);
  char memory[320];
  TextWriter words{memory};
  words.text("no line has this name; there are: ")
      .text(names.view().empty() ? "no names at all" : names.view());
  return fail(Code::not_found, words.view());
}

Status GpioLine::request(int chip, Millis debounce) {
  gpio_v2_line_request wanted{};
  wanted.offsets[0] = offset_;
  wanted.num_lines = 1;
  wanted.event_buffer_size = kKeptEdges;
  constexpr std::string_view kConsumer = "tocsin";
  std::memcpy(wanted.consumer, kConsumer.data(), kConsumer.size());
  wanted.config.flags =
      GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING;
  if (debounce.count > 0) {
    wanted.config.num_attrs = 1;
    wanted.config.attrs[0].mask = 1;  // the first, and only, line of the request
    wanted.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE;
    wanted.config.attrs[0].attr.debounce_period_us = static_cast<std::uint32_t>(debounce.count * 1000);
  }
  if (control(chip, GPIO_V2_GET_LINE_IOCTL, &wanted) == 0) {
    request_.reset(wanted.fd);
    // next() must never wait.
    const int flags = ::fcntl(wanted.fd, F_GETFL);
    if (flags < 0 || ::fcntl(wanted.fd, F_SETFL, flags | O_NONBLOCK) != 0) {
      const Status failed = last_error();
      close();
      return fail(failed, "cannot set the line up");
    }
    return {};
  }

  const int error = errno;
  gpio_v2_line_info line;
  const Status known = line_info(chip, offset_, line);
  if (!known.ok() && is_unknown_call(known.detail())) return too_old(error);
  if (error == EBUSY) {
    const std::string_view consumer = known.ok() ? text_of(line.consumer) : std::string_view{};
    char memory[120];
    TextWriter words{memory};
    words.text("the line is in use by ").text(consumer.empty() ? "somebody who gives no name" : consumer);
    if (consumer == kConsumer) words.text(": does another tocsin run?");
    return fail(Code::busy, words.view());
  }
  if (error == ENXIO || error == EOPNOTSUPP)
    return fail({Code::io, error}, "this line cannot report edges (no interrupt)");
  return fail({Code::io, error}, "cannot take the line");
}

Result<Edge> GpioLine::next() {
  if (!request_.is_open()) return {Code::io, EBADF};
  gpio_v2_line_event event{};
  ssize_t n = -1;
  do {
    n = ::read(request_.number(), &event, sizeof event);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return Code::again;
  if (n < 0) return fail(last_error(), "cannot read edges");
  if (n != static_cast<ssize_t>(sizeof event))
    return fail({Code::io, EIO}, "the kernel's event has another size");
  Edge edge;
  edge.at = from_monotonic(event.timestamp_ns);
  edge.number = event.line_seqno;
  edge.level = event.id == GPIO_V2_LINE_EVENT_RISING_EDGE ? Level::high : Level::low;
  return edge;
}

Result<Level> GpioLine::level() {
  if (!request_.is_open()) return {Code::io, EBADF};
  gpio_v2_line_values values{};
  values.mask = 1;
  if (control(request_.number(), GPIO_V2_LINE_GET_VALUES_IOCTL, &values) != 0)
    return fail(last_error(), "cannot read the level");
  return (values.bits & 1) != 0 ? Level::high : Level::low;
}

Status GpioLine::fail(Status status, std::string_view words) {
  char memory[420];
  TextWriter text{memory};
  text.text("line ").text(spec_.view()).text(": ").text(words);
  if (status.code() == Code::io) {
    text.text(" (");
    write_errno(status.detail(), text);
    text.character(')');
  }
  problem_.assign_cut(text.view());
  return status;
}

Status GpioLine::no_chip(int error) {
  if (error == ENOENT || error == ENXIO || error == ENODEV)
    return fail(Code::not_found, "no such GPIO chip: see `ls /dev/gpiochip*`");
  return fail({Code::io, error},
              "cannot open the GPIO chip (run as root, or in the group that owns /dev/gpiochip*)");
}

Status GpioLine::too_old(int error) {
  return fail({Code::io, error}, "this kernel has no GPIO interface version 2: Linux 5.10 is needed");
}

}  // namespace tocsin
