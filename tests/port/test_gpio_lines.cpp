// SPDX-License-Identifier: MIT
// What can be said without GPIO hardware; edges are tested on an emulated board.
#include <linux/gpio.h>

#include "check.hpp"
#include "port/linux/gpio_lines.hpp"

using namespace tocsin;

namespace {

void check_chip(std::string_view text, unsigned chip, std::uint32_t offset) {
  const auto spec = parse_gpio_spec(text);
  CHECK_OK(spec);
  CHECK(!spec.value().by_name);
  CHECK_EQ(spec.value().chip, chip);
  CHECK_EQ(spec.value().offset, offset);
}

TEST(gpio_spec_with_a_chip_and_an_offset_is_parsed) {
  check_chip("gpiochip0:17", 0, 17);
  check_chip("gpiochip63:0", 63, 0);
  check_chip("/dev/gpiochip1:511", 1, 511);
}

TEST(gpio_spec_that_is_no_chip_is_a_name) {
  for (const char* name : {"PUMP3_LEVEL", "GPIO17", "SODIMM_55", "gpiochips", "a:b", "DOOR 2",
                           "1234567890123456789012345678901"}) {
    const auto spec = parse_gpio_spec(name);
    CHECK_OK(spec);
    CHECK(spec.value().by_name);
    CHECK_TEXT(spec.value().name, name);
  }
}

TEST(gpio_spec_that_is_neither_is_refused) {
  for (const char* text : {"", "gpiochip", "gpiochip0", "gpiochip0:", "gpiochip0:x", "gpiochip0:-1",
                           "gpiochip0:1:2", "gpiochip64:0", "gpiochip0:99999999999", "gpiochip0 :1", "/dev/",
                           "/dev/gpiochip", "12345678901234567890123456789012"})
    CHECK_CODE(parse_gpio_spec(text), Code::bad_value);
}

TEST(gpio_line_that_cannot_be_opened_says_why) {
  GpioLine line;
  CHECK_CODE(line.open("gpiochip0:x", milliseconds(0)), Code::bad_value);
  CHECK_TEXT(line.problem(), "line gpiochip0:x: write gpiochipNUMBER:LINE or the name of a line");
  CHECK_CODE(line.open("gpiochip0:1", hours(2)), Code::bad_value);
  CHECK_TEXT(line.problem(), "line gpiochip0:1: debounce is above 1h");
  CHECK_CODE(line.open("gpiochip63:1", milliseconds(20)), Code::not_found);
  CHECK_TEXT(line.problem(), "line gpiochip63:1: no such GPIO chip: see `ls /dev/gpiochip*`");
  CHECK_CODE(line.open("NO_SUCH_LINE_ANYWHERE", milliseconds(20)), Code::not_found);
  CHECK_EQ(line.handle(), -1);
}

TEST(gpio_line_not_open_is_io) {
  GpioLine line;
  CHECK_CODE(line.next(), Code::io);
  CHECK_CODE(line.level(), Code::io);
  line.close();
}

// The interface is fixed by its numbers, whatever headers the toolchain brings.
static_assert(sizeof(gpio_v2_line_event) == 48);
static_assert(sizeof(gpio_v2_line_request) == 592);
static_assert(sizeof(gpio_v2_line_info) == 256);

}  // namespace
