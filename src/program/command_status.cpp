// SPDX-License-Identifier: MIT
// `tocsin status`: the owner's own words, or what its files tell.
#include <sys/stat.h>

#include "port/linux/clock.hpp"
#include "port/linux/file_lock.hpp"
#include "src/program/commands.hpp"
#include "src/program/control.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"
#include "src/program/reader.hpp"

namespace tocsin {
namespace {

// A daemon that was started with another `control` does not answer here, and runs all the same.
std::uint32_t find_owner(const Config& config) {
  struct stat lock = {};
  char path[kMaxPath + 8];
  TextWriter name(path);
  name.text(config.device.state).text("/lock");
  return ::stat(Path{name.view()}.c_str(), &lock) == 0 ? find_holder(lock) : 0;
}

}  // namespace

Exit show_status(const Call& call) {
  static std::uint8_t memory[kMaxControlReply];
  auto& request = in_place<ControlRequest, 1>();
  request.ask = Ask::status;
  request.json = call.arguments.json;
  const auto reply = call_control(call.config.device.control, request, kControlTimeout, memory);
  if (reply.ok()) {
    print(reply.value().out);
    return reply.value().exit;
  }
  char words[300];
  TextWriter why(words);
  if (reply.code() == Code::io && reply.status().detail() == EACCES)
    complain("you may not use the daemon's control socket: what follows is read from its files");
  else if (reply.code() != Code::not_found)
    complain("the daemon does not answer at its control socket: what follows is read from its files");
  if (const std::uint32_t owner = reply.code() == Code::not_found ? find_owner(call.config) : 0; owner != 0) {
    write_holder(owner, why);
    why.text(" holds the queue and does not answer at ").text(call.config.device.control);
    complain(why.text(": is that the `control` it was started with? What follows is read from its files").view());
    why.clear();
  }
  Reader& reader = in_place<Reader>();
  const Exit opened = reader.open(call.config, why);
  if (opened != Exit::done) {
    complain(why.view());
    return opened;
  }
  static char text[kMaxControlReply];
  TextWriter out(text);
  write_status(call.config, reader.queue(), reader.index(), reader.found(), nullptr, read_clocks(),
               request.json, out);
  print(out.view());
  return Exit::done;
}

}  // namespace tocsin
