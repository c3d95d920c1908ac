// SPDX-License-Identifier: MIT
#include "src/program/odd_answers.hpp"

#include <unistd.h>

#include "port/linux/secret_file.hpp"
#include "tocsin/wire/masked.hpp"
#include "tocsin/wire/phone.hpp"

namespace tocsin {

void OddAnswers::keep(std::string_view directory, std::size_t stream, const OddAnswer& answer, std::string_view token,
                      const Clocks& clocks) {
  const bool whole = answer.of == OddAnswer::Of::whole;
  const auto bit = static_cast<std::uint16_t>(1U << (2 * stream + (whole ? 0 : 1)));
  if (under_way_ || (begun_ & bit) != 0) return;
  begun_ = static_cast<std::uint16_t>(begun_ | bit);
  char scratch[kMost];
  TextWriter path(scratch);
  path.text(directory).text("/answer.").text(answer.stream).text(whole ? ".whole" : ".part");
  if (!path_.assign(path.view()).ok()) return;
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
  under_way_ = true;
  begin();
}

Status OddAnswers::carry_out(StorageJob& self) {
  const auto& job = static_cast<OddAnswers&>(self);
  if (::access(Path{job.path_.view()}.c_str(), F_OK) == 0) return {Code::io, EEXIST};
  char nobody[1];
  TextWriter why{nobody};
  return write_secret(job.path_.view(), as_bytes({job.text_, job.size_}), Durable::no, why);
}

bool OddAnswers::poll(TextWriter& name) {
  if (!under_way_) return false;
  const Status written = outcome();
  if (written.code() == Code::again) return false;
  under_way_ = false;
  if (written.ok()) name.text(path_.view());
  return written.ok();
}

}  // namespace tocsin
