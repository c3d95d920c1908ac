// SPDX-License-Identifier: MIT
#include "src/program/odd_answers.hpp"

#include <unistd.h>

#include "port/linux/secret_file.hpp"
#include "tocsin/wire/masked.hpp"
#include "tocsin/wire/phone.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kKinds[] = {".whole", ".part", ".status", ".messages", ".replies"};
static_assert(sizeof kKinds / sizeof kKinds[0] == std::size_t{1} + static_cast<std::size_t>(OddAnswer::Of::replies));

}  // namespace

void OddAnswers::keep(std::string_view directory, std::size_t stream, const OddAnswer& answer, std::string_view token,
                      const Clocks& clocks) {
  const std::uint32_t bit = 1U << (kMostKinds * stream + static_cast<std::size_t>(answer.of));
  if (under_way_ || (begun_ & bit) != 0) return;
  begun_ |= bit;
  if (!prepare(directory, answer, token, clocks)) return;
  under_way_ = true;
  begin();
}

bool OddAnswers::keep_now(std::string_view directory, const OddAnswer& answer, std::string_view token,
                          const Clocks& clocks, TextWriter& name) {
  if (!prepare(directory, answer, token, clocks) || !write().ok()) return false;
  name.text(path_.view());
  return true;
}

bool OddAnswers::prepare(std::string_view directory, const OddAnswer& answer, std::string_view token,
                         const Clocks& clocks) {
  char scratch[kMost];
  TextWriter path(scratch);
  path.text(directory).text("/answer.").text(answer.stream).text(kKinds[static_cast<std::size_t>(answer.of)]);
  if (!path_.assign(path.view()).ok()) return false;
  TextWriter text(text_);
  text.text("An answer that could not be understood; token and numbers are masked.\nstream ").text(answer.stream);
  text.text("\nat ");
  if (clocks.wall_trusted) {
    write_rfc3339(clocks.wall, text);
  } else {
    text.text("a time that is not known");
  }
  write_without_phones(answer.reason, text.text("\nread as "));
  text.text("\nbytes ").number(answer.body.size()).text("\n\n");
  write_masked_answer(as_text(answer.body), token, scratch, text);
  size_ = text.size();
  return true;
}

void OddAnswers::forget(const Config& config) {
  forget_ = &config;
  begun_ = 0;
  if (under_way_) return;  // poll() begins it
  under_way_ = forgets_ = true;
  begin();
}

Status OddAnswers::carry_out(StorageJob& self) {
  const auto& job = static_cast<OddAnswers&>(self);
  if (!job.forgets_) return job.write();
  const Config& config = *job.forget_;
  for (std::size_t at = 0; at <= config.stream_count; ++at)
    for (std::size_t kind = 0; kind < kMostKinds; ++kind) {
      const std::string_view other = OddAnswer::is_list(static_cast<OddAnswer::Of>(kind)) ? "account" : "webhook";
      char memory[kMaxPath + 48];
      TextWriter path(memory);
      path.text(config.device.state).text("/answer.");
      path.text(at < config.stream_count ? config.streams[at].name : other).text(kKinds[kind]);
      ::unlink(Path{path.view()}.c_str());
    }
  return {};
}

Status OddAnswers::write() const {
  if (::access(Path{path_.view()}.c_str(), F_OK) == 0) return {Code::io, EEXIST};
  char nobody[1];
  TextWriter why{nobody};
  return write_secret(path_.view(), as_bytes({text_, size_}), Durable::no, why);
}

bool OddAnswers::poll(TextWriter& name) {
  if (!under_way_) return false;
  const Status done = outcome();
  if (done.code() == Code::again) return false;
  const bool made = !forgets_ && done.ok();
  if (forgets_) forget_ = nullptr;
  under_way_ = forgets_ = false;
  if (forget_ != nullptr) forget(*forget_);
  if (made) name.text(path_.view());
  return made;
}

}  // namespace tocsin
