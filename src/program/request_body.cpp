// SPDX-License-Identifier: MIT
#include "src/program/request_body.hpp"

#include "port/linux/system.hpp"

namespace tocsin {

Status read_request_body(const StreamConfig& stream, Span<char> memory, RequestForm& into, TextWriter& why) {
  into = {};
  Fd file;
  TOCSIN_ASSERT(memory.size() > kMaxForm);  // so that one byte too many is seen
  Status status = open_file(stream.request_body, file);
  why.text(stream.request_body);
  std::size_t size = 0;
  if (status.ok()) {
    const auto read = read_whole(file.number(), {reinterpret_cast<std::uint8_t*>(memory.data()), memory.size()});
    status = read.status();
    if (read.ok()) size = read.value();
  }
  if (!status.ok()) {
    write_errno(status.detail(), why.text(": "));
    why.text(": look at `request_body` of this stream");
    return status;
  }
  RequestForm::Problem problem;
  status = into.read({memory.data(), size}, problem);
  if (status.ok() && into.has(Place::sender) && stream.sender.empty()) {
    problem.words.assign_cut("it has {{sender}}, and the stream has none: add sender = NAME, or leave that part out");
    into = {};
    status = Code::bad_value;
  }
  if (status.ok()) return {};
  if (problem.line != 0) why.text(":").number(problem.line);
  why.text(": ").text(problem.words.view());
  return status;
}

}  // namespace tocsin
