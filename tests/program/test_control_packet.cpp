// SPDX-License-Identifier: MIT
#include <random>
#include <string>
#include <vector>

#include "program/control_bench.hpp"

using namespace tocsin;

namespace {

std::string bad(std::initializer_list<int> bytes) {
  std::vector<std::uint8_t> packet;
  for (const int byte : bytes) packet.push_back(static_cast<std::uint8_t>(byte));
  static ControlRequest request;
  char memory[160];
  TextWriter why{memory};
  CHECK_CODE(decode_request(Bytes{packet.data(), packet.size()}, request, why), Code::bad_value);
  return std::string{why.view()};
}

}  // namespace

TEST(control_request_of_every_kind_comes_back_as_it_was) {
  std::uint8_t packet[kMaxControlRequest];
  ControlRequest got;
  char memory[160];
  TextWriter why{memory};

  const ControlRequest send = full_send();
  auto size = encode_request(send, packet);
  CHECK_OK(size);
  CHECK_OK(decode_request(Bytes{packet, size.value()}, got, why));
  CHECK(got.ask == Ask::send && got.cls == Class::critical);
  CHECK_TEXT(got.stream, "sms");
  CHECK_TEXT(got.text, send.text);
  CHECK_EQ(got.phone_count, 2);
  CHECK_TEXT(got.recipients()[1].view(), "447700900456");
  CHECK_EQ(got.wait.count, 90'000);

  for (const Ask ask : {Ask::raise, Ask::clear, Ask::reload_token}) {
    ControlRequest request;
    request.ask = ask;
    request.subject = "high-level";
    size = encode_request(request, packet);
    CHECK_OK(decode_request(Bytes{packet, size.value()}, got, why));
    CHECK(got.ask == ask);
    CHECK_TEXT(got.subject, "high-level");
  }
  for (const Ask ask : {Ask::ping, Ask::give_way, Ask::reasons, Ask::status}) {
    ControlRequest request;
    request.ask = ask;
    size = encode_request(request, packet);
    CHECK_OK(decode_request(Bytes{packet, size.value()}, got, why));
    CHECK(got.ask == ask && !got.json);
  }
  for (const char* subject : {"", "dev-abcd-17"}) {
    ControlRequest request;
    request.ask = Ask::in_memory;
    request.from = 4'000'000'000;
    request.subject = subject;
    request.files_gone = *subject == '\0';
    size = encode_request(request, packet);
    CHECK_OK(decode_request(Bytes{packet, size.value()}, got, why));
    CHECK(got.ask == Ask::in_memory && got.from == 4'000'000'000 && got.files_gone == request.files_gone);
    CHECK_TEXT(got.subject, subject);
  }
  ControlRequest status;
  status.ask = Ask::status;
  status.json = true;
  size = encode_request(status, packet);
  CHECK_OK(decode_request(Bytes{packet, size.value()}, got, why));
  CHECK(got.json);
}

TEST(control_largest_request_fits_a_packet) {
  ControlRequest request;
  request.ask = Ask::send;
  const std::string text(kMaxText, 'x'), stream(kMaxName, 's');
  request.text = text;
  request.stream = stream;
  request.wait = seconds(1);
  for (; request.phone_count < kMaxPhones; ++request.phone_count)
    CHECK_OK(request.phones[request.phone_count].assign("447700900123456"));
  std::uint8_t packet[kMaxControlRequest];
  const auto size = encode_request(request, packet);
  CHECK_OK(size);
  ControlRequest got;
  char memory[160];
  TextWriter why{memory};
  CHECK_OK(decode_request(Bytes{packet, size.value()}, got, why));
  CHECK_EQ(got.phone_count, kMaxPhones);
  CHECK_CODE(encode_request(request, MutBytes{packet, size.value() - 1}), Code::too_big);
}

TEST(control_bad_packets_are_refused_with_words) {
  CHECK_TEXT(bad({}), "it is too short");
  CHECK_TEXT(bad({1}), "it is too short");
  CHECK_TEXT(bad({2, 1}), "it has version 2 and this tocsin knows 1: start both from the same build");
  CHECK_TEXT(bad({1, 0}), "it asks for something unknown: start both from the same build");
  CHECK_TEXT(bad({1, 200}), "it asks for something unknown: start both from the same build");
  CHECK_TEXT(bad({1, 1, 5}), "a field is cut off");
  CHECK_TEXT(bad({1, 3, 5, 2, 0, 'a'}), "a field is cut off");
  CHECK_TEXT(bad({1, 1, 5, 1, 0, 'a'}), "a field that this request does not have");
  CHECK_TEXT(bad({1, 1, 255, 0, 0}), "a field that this request does not have");
  CHECK_TEXT(bad({1, 3}), "a field is missing");
  CHECK_TEXT(bad({1, 3, 5, 1, 0, 'a', 5, 1, 0, 'b'}), "a field stands twice");
  CHECK_TEXT(bad({1, 3, 5, 1, 0, 0xFF}), "a name is too long or no text");
  CHECK_TEXT(bad({1, 5, 6, 1, 0, 1}), "a field has a wrong size");
  CHECK_TEXT(bad({1, 2, 1, 1, 0, 9}), "no such class");
  CHECK_TEXT(bad({1, 2, 4, 3, 0, '1', '2', '3'}), "a phone is not 7 to 15 digits");
  CHECK_TEXT(bad({1, 2, 4, 8, 0, '+', '4', '4', '7', '7', '0', '0', '9'}), "a phone is not 7 to 15 digits");
  CHECK_TEXT(bad({1, 2, 7, 1, 0, 1}), "a field has a wrong size");
  CHECK_TEXT(bad({1, 12, 8, 3, 0, 1, 2, 3}), "a field has a wrong size");
  CHECK_TEXT(bad({1, 12}), "a field is missing");
  CHECK_TEXT(bad({1, 2, 3, 1, 0, 0xFF}), "the text is not UTF-8: set the terminal or the script to UTF-8");
}

TEST(control_random_packets_are_judged_without_harm) {
  const std::uint64_t rounds = check::option("rounds", 100'000);
  const bool one = check::has_option("seed");
  std::uint8_t whole[kMaxControlRequest];
  const auto size = encode_request(full_send(), whole);
  CHECK_OK(size);
  for (std::uint64_t seed = one ? check::option("seed", 0) : 0; seed < rounds; ++seed) {
    check::at("seed=%u", static_cast<unsigned>(seed));
    std::mt19937 random{static_cast<std::uint32_t>(seed)};
    // A good packet with some bytes changed and its end cut off, or bytes as they come.
    std::vector<std::uint8_t> packet(whole, whole + size.value());
    if (seed % 3 == 0) {
      packet.resize(random() % 60);
      for (std::uint8_t& byte : packet)
        byte = static_cast<std::uint8_t>(random() % (seed % 2 == 0 ? 256 : 9));
    } else {
      for (auto n = random() % 4; n > 0; --n)
        packet[random() % packet.size()] = static_cast<std::uint8_t>(random());
      packet.resize(packet.size() - random() % 3 * (random() % packet.size()) / 2);
    }
    packet.shrink_to_fit();  // the sanitizer sees a byte too far
    ControlRequest request;
    char memory[160];
    TextWriter why{memory};
    const Status status = decode_request(Bytes{packet.data(), packet.size()}, request, why);
    CHECK(status.ok() || why.size() > 0);
    if (status.ok() && request.ask == Ask::send) CHECK(is_utf8(request.text) && request.phone_count > 0);
    decode_reply(Bytes{packet.data(), packet.size()}).status().ignore();  // either is fine, a crash is not
    if (one) break;
  }
}

TEST(control_reply_above_a_packet_is_cut_at_a_character) {
  static std::uint8_t packet[kMaxControlReply];
  std::string out;
  while (out.size() < kMaxControlReply + 100) out += "\xE2\x82\xAC";
  auto size = encode_reply({Exit::bad_data, out, "why\n"}, packet);
  CHECK_OK(size);
  CHECK(size.value() > kMaxControlReply - 4);
  auto got = decode_reply(Bytes{packet, size.value()});
  CHECK_OK(got);
  CHECK(got.value().exit == Exit::bad_data);
  CHECK_TEXT(got.value().err, "why\n");
  CHECK(is_utf8(got.value().out));
  size = encode_reply({Exit::done, "short\n", out}, packet);
  got = decode_reply(Bytes{packet, size.value()});
  CHECK_OK(got);
  CHECK_TEXT(got.value().out, "short\n");
  CHECK(is_utf8(got.value().err));
}
