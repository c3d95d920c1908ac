// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "port/linux/secret_file.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

struct Outcome {
  Status status;
  std::string token;
  std::string why;
};

Outcome read(const std::string& path, std::size_t room = kMaxToken) {
  char into[kMaxToken], words[600];
  TextWriter why{words};
  const auto size = read_token(path, Span<char>{into, room}, why);
  return {size.status(), size.ok() ? std::string(into, size.value()) : std::string{},
          std::string(why.view())};
}

Outcome read_bytes(const std::string& bytes) {
  scratch::write_file(scratch::path("token"), bytes);
  return read(scratch::path("token"));
}

void check_refused(const std::string& bytes, Code code, const char* words) {
  const Outcome outcome = read_bytes(bytes);
  CHECK_CODE(outcome.status, code);
  check::at("%s", outcome.why.c_str());
  CHECK(outcome.why.find(words) != std::string::npos);
  CHECK(outcome.why.find("s3cret") == std::string::npos);
}

TEST(secret_file_token_is_read_without_what_surrounds_it) {
  const char* const surrounded[] = {"s3cret",
                                    "s3cret\n",
                                    "s3cret\r\n",
                                    " \t s3cret \t\r\n\r\n",
                                    "\n\ns3cret",
                                    "\xEF\xBB\xBFs3cret\r\n",
                                    "\xEF\xBB\xBF s3cret"};
  for (const char* bytes : surrounded) {
    const Outcome outcome = read_bytes(bytes);
    CHECK_OK(outcome.status);
    CHECK_TEXT(outcome.token, "s3cret");
    CHECK_TEXT(outcome.why, "");
  }
}

TEST(secret_file_with_bytes_no_token_has_is_refused_without_showing_them) {
  check_refused("", Code::empty, "empty");
  check_refused("\xEF\xBB\xBF\r\n \t\n", Code::empty, "empty");
  check_refused("s3cret s3cret", Code::bad_value, "space or line end inside the token, at position 7");
  check_refused("s3cret\nanother\n", Code::bad_value, "space or line end");
  check_refused(std::string("s3cret\0x", 8), Code::bad_value, "control character");
  check_refused("s3cret\x7f", Code::bad_value, "control character");
  check_refused("s3cret\xE2\x80\x8B", Code::bad_value, "not ASCII");
  check_refused(std::string(kMaxToken + 1, 't'), Code::too_big, "longer than 512");
  check_refused(std::string(100'000, 't'), Code::too_big, "longer than 512");
}

// It would be refused by the service, where nobody looks.
TEST(secret_file_token_with_what_was_copied_around_it_is_refused_with_what_to_leave_out) {
  const char* const around[][2] = {{"\"s3cret\"", "has \" around it"},      {"'s3cret'", "has ' around it"},
                                   {"s3cret\"\n", "has \" around it"},      {"{\"token\":\"s3cret\"}", "has { around it"},
                                   {"Bearer s3cret", "has bearer around it"}, {"Authorization:s3cret", "has authorization: around it"},
                                   {"authorization: s3cret", "has authorization: around it"},
                                   {"TOKEN=s3cret", "has token= around it"}};
  for (const auto& [bytes, words] : around) check_refused(bytes, Code::bad_value, words);
  CHECK(read_bytes("{s3cret").why.find("give the token alone") != std::string::npos);
  for (const char* bytes : {"Bearers3cret", "s3cret{x", "tokens3cret"}) CHECK_TEXT(read_bytes(bytes).token, bytes);
}

TEST(secret_file_of_the_longest_token_is_read) {
  CHECK_TEXT(read_bytes(std::string(kMaxToken, 't') + "\r\n").token, std::string(kMaxToken, 't'));
}

TEST(secret_file_token_longer_than_the_buffer_is_too_big_and_the_buffer_wiped) {
  scratch::write_file(scratch::path("token"), "s3cret");
  char into[5] = {'x', 'x', 'x', 'x', 'x'}, words[200];
  TextWriter why{words};
  CHECK_CODE(read_token(scratch::path("token"), into, why), Code::too_big);
  for (const char c : into) CHECK_EQ(c, 0);
}

TEST(secret_file_that_others_may_read_is_refused_with_the_command) {
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0666U}) {
    scratch::write_file(scratch::path("open"), "s3cret\n", mode);
    const Outcome outcome = read(scratch::path("open"));
    check::at("mode=%o", static_cast<unsigned>(mode));
    CHECK_CODE(outcome.status, Code::bad_value);
    CHECK(outcome.why.find("run `chmod 600 " + scratch::path("open") + "`") != std::string::npos);
    CHECK_TEXT(outcome.token, "");
  }
  scratch::write_file(scratch::path("open"), "s3cret\n", 0400);
  CHECK_OK(read(scratch::path("open")).status);
}

TEST(secret_file_that_is_missing_or_no_file_says_so) {
  CHECK_CODE(read(scratch::path("missing")).status, Code::not_found);
  CHECK(read(scratch::path("missing")).why.find("tocsin token set") != std::string::npos);
  CHECK_CODE(read(scratch::folder()).status, Code::bad_value);
  CHECK_EQ(::mkfifo(scratch::path("fifo").c_str(), 0600), 0);
  CHECK_CODE(read(scratch::path("fifo")).status, Code::bad_value);  // and does not wait for a writer
  CHECK_EQ(read(scratch::path("token") + "/x").status.detail(), ENOTDIR);
}

TEST(secret_file_of_a_proxy_has_user_and_password) {
  const std::string path = scratch::path("login");
  char into[kMaxProxyLogin], words[400];
  const auto outcome = [&](const std::string& bytes, mode_t mode = 0600) {
    scratch::write_file(path, bytes, mode);
    TextWriter why{words};
    const auto size = read_proxy_login(path, into, why);
    CHECK(why.view().find("s3cret") == std::string_view::npos);
    return size.ok() ? std::string(into, size.value()) : std::string(why.view());
  };
  CHECK_TEXT(outcome("\xEF\xBB\xBF user:s3cret:with:colons\r\n"), "user:s3cret:with:colons");
  CHECK_TEXT(outcome("s3cret"), "in " + path + ": write user:password, with a colon between them");
  for (const char c : into) CHECK_EQ(c, 0);
  CHECK_TEXT(outcome("user:s3cret", 0640),
             "others than its owner may use the proxy login file " + path + ": run `chmod 600 " + path + "`");
  CHECK_TEXT(outcome("user:s3cret x"), "in " + path + ": a space or line end inside the proxy login, at position 12: "
                                                      "copy the proxy login again, alone");
  CHECK_TEXT(outcome("u:" + std::string(kMaxProxyLogin, 'p')),
             "in " + path + ": the proxy login is longer than 256 characters");
  CHECK_TEXT(outcome(""), "in " + path + ": the proxy login is empty: copy it again");
  std::remove(path.c_str());
  TextWriter why{words};
  CHECK_CODE(read_proxy_login(path, into, why), Code::not_found);
  CHECK(why.view().find("write user:password into it") != std::string_view::npos);
}

TEST(secret_file_written_is_private_clean_and_alone) {
  char words[300];
  TextWriter why{words};
  const std::string path = scratch::path("written");
  scratch::write_file(path, "older\n", 0644);
  scratch::write_file(path + ".new", "rest of an interrupted writing");
  const mode_t before = ::umask(0);
  CHECK_OK(write_token(path, "\xEF\xBB\xBF s3cret\r\n", why));
  ::umask(before);
  CHECK_TEXT(scratch::read_file(path), "s3cret\n");
  struct stat info {};
  CHECK_EQ(::stat(path.c_str(), &info), 0);
  CHECK_EQ(info.st_mode & 0777, 0600);
  CHECK_EQ(::access((path + ".new").c_str(), F_OK), -1);
  CHECK_TEXT(read(path).token, "s3cret");
  CHECK_TEXT(why.view(), "");
}

TEST(secret_file_write_that_fails_leaves_the_old_token) {
  char words[300];
  TextWriter why{words};
  const std::string path = scratch::path("stays");
  scratch::write_file(path, "older\n");
  CHECK_CODE(write_token(path, "two words", why), Code::bad_value);
  CHECK_TEXT(scratch::read_file(path), "older\n");
  why.clear();
  CHECK_CODE(write_token(scratch::path("no/folder"), "s3cret", why), Code::io);
  CHECK(why.view().find("no such file") != std::string_view::npos);
  why.clear();
  ::mkdir(scratch::path("taken").c_str(), 0700);
  CHECK_CODE(write_token(scratch::path("taken"), "s3cret", why), Code::io);
  CHECK_EQ(::access(scratch::path("taken.new").c_str(), F_OK), -1);
}

}  // namespace
