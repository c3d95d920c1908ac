// SPDX-License-Identifier: MIT
#include "src/program/request_body.hpp"

#include "port/linux/system.hpp"

namespace tocsin {
namespace {

struct Body {
  std::string_view file, key;
  RequestForm::Of of;
};

Status read_body(const Body& body, const StreamConfig& stream, Span<char> memory, RequestForm& into, TextWriter& why) {
  into = {};
  Fd file;
  TOCSIN_ASSERT(memory.size() > kMaxForm);  // so that one byte too many is seen
  Status status = open_file(body.file, file);
  std::size_t size = 0;
  if (status.ok()) {
    const auto read = read_whole(file.number(), {reinterpret_cast<std::uint8_t*>(memory.data()), memory.size()});
    status = read.status();
    if (read.ok()) size = read.value();
  }
  if (!status.ok()) {
    write_errno(status.detail(), why.text(body.file).text(": "));
    why.text(": look at `").text(body.key).text("` of this stream");
    return status;
  }
  RequestForm::Problem problem;
  status = into.read({memory.data(), size}, problem, body.of);
  if (status.ok() && into.has(Place::sender) && stream.sender.empty()) {
    problem.words.assign_cut("it has {{sender}}, and the stream has none: add sender = NAME, or leave that part out");
    into = {};
    status = Code::bad_value;
  }
  if (status.ok()) return {};
  why.text(body.file);
  if (problem.line != 0) why.text(":").number(problem.line);
  why.text(": ").text(problem.words.view());
  return status;
}

}  // namespace

Status read_request_body(const StreamConfig& stream, Span<char> memory, RequestForm& into, TextWriter& why) {
  return read_body({stream.request_body, "request_body", RequestForm::Of::message}, stream, memory, into, why);
}

Status read_code_body(const StreamConfig& stream, RequestForm::Of of, Span<char> memory, RequestForm& into,
                      TextWriter& why) {
  const bool verifies = of == RequestForm::Of::verification;
  const std::string_view file = verifies ? stream.verify_body : stream.auth_body;
  return read_body({file, verifies ? "verify_body" : "auth_body", of}, stream, memory, into, why);
}

}  // namespace tocsin
