// SPDX-License-Identifier: MIT
// Prints the level and then every edge of one line of a GPIO chip: gpio_events /dev/gpiochip0 LINE.
// Small enough to trust when the question is whether the emulated board or the program is at fault.
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Not by the C library: musl's ioctl() takes an int, and the kernel's request numbers are larger.
static long control(int fd, unsigned long request, void* argument) {
  return syscall(SYS_ioctl, fd, request, argument);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: gpio_events /dev/gpiochip0 LINE\n");
    return 64;
  }
  const int chip = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (chip < 0) {
    perror(argv[1]);
    return 1;
  }
  gpio_v2_line_request request{};
  request.offsets[0] = static_cast<unsigned>(atoi(argv[2]));
  request.num_lines = 1;
  strcpy(request.consumer, "gpio_events");
  request.config.flags =
      GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING;
  if (control(chip, GPIO_V2_GET_LINE_IOCTL, &request) < 0) {
    perror("GPIO_V2_GET_LINE_IOCTL");
    return 1;
  }
  gpio_v2_line_values values{};
  values.mask = 1;
  if (control(request.fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0) {
    perror("GPIO_V2_LINE_GET_VALUES_IOCTL");
    return 1;
  }
  printf("line %s level %u\n", argv[2], static_cast<unsigned>(values.bits & 1));
  fflush(stdout);

  for (;;) {
    gpio_v2_line_event event{};
    if (read(request.fd, &event, sizeof event) != static_cast<ssize_t>(sizeof event)) {
      perror("read");
      return 1;
    }
    printf("edge %s line %u number %u\n", event.id == GPIO_V2_LINE_EVENT_RISING_EDGE ? "rising" : "falling",
           event.offset, event.line_seqno);
    fflush(stdout);
  }
}
