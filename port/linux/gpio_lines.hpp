// SPDX-License-Identifier: MIT
// One input line of the Linux GPIO character device, uAPI v2 (kernel 5.10; linux/gpio.h).
//
// Both edges, physical levels, the kernel's own debounce. The kernel keeps 256 edges that nobody read
// and then drops the oldest; Edge::number tells.
//
// Memory: about 700 bytes; 1.5 KiB of stack. Threads: the loop.
#pragma once

#include "port/linux/system.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxLineName = 31;  // bytes: GPIO_MAX_NAME_SIZE without its zero
inline constexpr unsigned kMaxChips = 64;        // /dev/gpiochip0 to 63 are searched

// "gpiochip0:17" or the name of a line, as the configuration writes it.
struct GpioSpec {
  bool by_name = false;
  unsigned chip = 0;
  std::uint32_t offset = 0;
  std::string_view name;  // in the text that was parsed
};
// Errors: bad_value (empty, longer than kMaxLineName, "gpiochip" without a number and an offset).
Result<GpioSpec> parse_gpio_spec(std::string_view text);

class GpioLine final : public EdgeSource {
 public:
  GpioLine() = default;
  GpioLine(const GpioLine&) = delete;
  GpioLine& operator=(const GpioLine&) = delete;

  // Takes the line as an input. `debounce` 0: none. Errors, all with words in problem(): bad_value
  // (spec, debounce, or a name that two lines have), not_found (chip or line), busy (problem() names
  // the consumer), io (the kernel is too old, no permission, ...).
  Status open(std::string_view spec, Millis debounce);
  void close() { request_.reset(); }

  Result<Edge> next() override;
  Result<Level> level() override;
  int handle() const override { return request_.number(); }

  std::string_view problem() const { return problem_.view(); }  // of the last failed call
  unsigned chip() const { return chip_; }                       // where open() found it
  std::uint32_t offset() const { return offset_; }

 private:
  Status find_by_name(std::string_view name, Fd& chip);
  Status request(int chip_fd, Millis debounce);
  Status fail(Status status, std::string_view words);  // into problem_
  Status no_chip(int error);
  Status too_old(int error);

  Fd request_;
  unsigned chip_ = 0;
  std::uint32_t offset_ = 0;
  FixedText<kMaxPath> spec_;
  FixedText<400> problem_;
};

}  // namespace tocsin
