// SPDX-License-Identifier: MIT
// RequestForm on any file. One that is taken, filled in with values that need escaping, is JSON for another reader and fits
// a request; one that is not says why.
// make fuzz T=request_form
#include <cjson/cJSON.h>

#include "fakes/guard_page.hpp"
#include "panic.hpp"
#include "tocsin/wire/request_form.hpp"

using namespace tocsin;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMaxForm + 2) return 0;
  static GuardPage page(kMaxForm + 4096);
  const std::string_view written = page.put(as_text(Bytes{data, size}));
  RequestForm form;
  RequestForm::Problem problem;
  const Status read = form.read(written, problem);
  TOCSIN_ASSERT(read.ok() != form.empty());
  TOCSIN_ASSERT(read.ok() == problem.words.empty());
  if (!read.ok()) return 0;

  OutgoingText message;
  message.phone = "447700900123";
  message.text = "\"},{\\ {{recipient}} \n }}\xC3\x96";
  message.internal_id = "gw7-x7Qz-17";
  message.sender = "A\"B\\";
  message.device = "gw7";
  message.alarm = "high-level";
  message.message_class = "critical";
  message.state = "raised";
  static char room[kRequestBodyBytes];
  const auto body = form.fill(message, room);
  TOCSIN_ASSERT(body.ok());
  const char* end = nullptr;
  cJSON* const root = cJSON_ParseWithLengthOpts(body.value().data(), body.value().size(), &end, 0);
  TOCSIN_ASSERT(root != nullptr && end == body.value().data() + body.value().size());
  cJSON_Delete(root);
  return 0;
}
