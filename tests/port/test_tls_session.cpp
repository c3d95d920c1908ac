// SPDX-License-Identifier: MIT
// Sessions that outlive their stream, as in session_file: resumed only by what they were judged by, and only when not a
// byte of them was changed.
#include <sys/stat.h>

#include "port/linux/session_file.hpp"
#include "tls_bench.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

const Bytes kToken = as_bytes("a-token");
Clocks moving_clock;

// One life of the program: its own context and stream.
struct Life {
  std::string ca, crl, pin, certificate, key;
  TlsContext by{};
  TlsStream stream{by, resolver()};

  void open() { CHECK_OK(by.open({ca, crl, pin, certificate, key}, [] { return moving_clock; })); }
  std::string resumed(std::uint16_t port) {
    const Status status = connect(stream, "sms.test", port);
    if (!status.ok()) return std::string(stream.problem());
    std::string line = talk(stream, "resumed?\n");
    stream.close();
    return line;
  }
  std::string saved(Bytes token = kToken) {
    std::uint8_t room[SessionFile::kMost];
    const auto size = stream.save_session(token, room);
    return size.ok() ? std::string(reinterpret_cast<const char*>(room), size.value()) : std::string();
  }
  Status load(const std::string& bytes, std::uint16_t port, std::string_view host = "sms.test", Bytes token = kToken) {
    return stream.load_session({host, port}, token, as_bytes(bytes));
  }
};

struct Files {
  std::string ca = scratch::path("session-ca.pem"), crl = scratch::path("session.crl"),
              certificate = scratch::path("session.pem"), key = scratch::path("session.key");
  Files() {
    put(ca, scratch::read_file(chains() + "/root.pem"));
    put(crl, scratch::read_file(chains() + "/empty.crl"));
    put(certificate, scratch::read_file(chains() + "/forclient.pem"));
    put(key, scratch::read_file(chains() + "/forclient.key"));
    moving_clock = read_clocks();
  }
  Life life() const { return {ca, crl, {}, certificate, key}; }
  // What a first life with that server leaves.
  std::string saved_with(std::uint16_t port) const {
    Life first = life();
    first.open();
    CHECK_TEXT(first.resumed(port), "no\n");
    return first.saved();
  }
};

TEST(tls_session_is_resumed_by_the_next_life_of_the_program) {
  const Files files;
  for (const char* options : {"tls1.2", ""}) {
    const Server server{"chains/good", options};
    std::string bytes;
    {
      Life before = files.life();
      before.open();
      CHECK_TEXT(before.saved(), "");  // there is none yet
      CHECK_TEXT(before.resumed(server.port()), "no\n");
      bytes = before.saved();
      CHECK(bytes.size() > 48);
    }
    Life after = files.life();
    after.open();
    CHECK_OK(after.load(bytes, server.port()));
    CHECK_TEXT(after.saved(), "");  // nothing new: the file stays as it is
    CHECK_TEXT(after.resumed(server.port()), "yes\n");
    CHECK(after.saved().size() > 48);
  }
}

TEST(tls_session_from_a_file_is_bound_to_all_that_it_was_judged_by) {
  const Files files;
  const Server server{"chains/good", "tls1.2"};
  const std::string bytes = files.saved_with(server.port());
  const auto refused = [&](Life&& life, const char* what, std::string_view host = "sms.test", Bytes token = kToken,
                           std::uint16_t port = 0) {
    check::at("%s", what);
    life.open();
    CHECK_CODE(life.load(bytes, port != 0 ? port : server.port(), host, token), Code::bad_value);
    if (host == "sms.test") CHECK_TEXT(life.resumed(server.port()), "no\n");
  };
  refused(files.life(), "token", "sms.test", as_bytes("another"));
  refused(files.life(), "host", "localhost");
  refused(files.life(), "port", "sms.test", kToken, 1);
  Life pinned = files.life();
  pinned.open();
  CHECK(pinned.resumed(1).find("refused") != std::string::npos);
  // The key of the authority, from the words of a stream that wants another one.
  Life wrong = files.life();
  wrong.pin = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
  wrong.open();
  const std::string words = wrong.resumed(server.port());
  const std::size_t at = words.find("its own is ");
  CHECK(at != std::string::npos);
  Life right = files.life();
  right.pin = words.substr(at + 11, 44);
  refused(std::move(right), "pin");
  Life without = files.life();
  without.crl.clear();
  refused(std::move(without), "no lists");
  Life nobody = files.life();
  nobody.certificate.clear();
  nobody.key.clear();
  refused(std::move(nobody), "no certificate of its own");
  moving_clock.wall_trusted = false;
  refused(files.life(), "clock");
  moving_clock = read_clocks();
  put(files.crl, scratch::read_file(chains() + "/empty.crl"));
  refused(files.life(), "lists");
  const Files again;
  refused(again.life(), "files");
  CHECK_CODE(files.life().load(bytes, server.port()), Code::bad_value);  // not open
}

TEST(tls_session_with_any_byte_changed_or_missing_is_refused) {
  const Files files;
  const Server server{"chains/good", "tls1.2"};
  const std::string bytes = files.saved_with(server.port());
  Life after = files.life();
  after.open();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    check::at("byte %zu", n);
    std::string other = bytes;
    other[n] = static_cast<char>(other[n] ^ (1 << n % 8));
    CHECK_CODE(after.load(other, server.port()), Code::bad_value);
    CHECK_CODE(after.load(bytes.substr(0, n), server.port()), Code::bad_value);
  }
  CHECK_CODE(after.load(bytes + '\0', server.port()), Code::bad_value);
  CHECK_TEXT(after.resumed(server.port()), "no\n");
}

// A server that cannot go on with the session shows its certificate, and that is judged as ever.
TEST(tls_session_from_a_file_spares_no_other_server_its_certificate) {
  const Files files;
  std::string bytes;
  std::uint16_t port = 0;
  for (const char* options : {"tls1.2", ""}) {
    {
      const Server server{"chains/good", options};
      port = server.port();
      bytes = files.saved_with(port);
    }
    const Server thief{"chains/bytwin", (std::string(options) + " port=" + std::to_string(port)).c_str()};
    Life after = files.life();
    after.open();
    CHECK_OK(after.load(bytes, port));
    CHECK(after.resumed(port).find("it is not signed by a CA in") != std::string::npos);
  }
}

TEST(tls_session_from_a_file_is_not_offered_behind_the_end_of_its_certificate) {
  const Files files;
  const Server server{"chains/good", "tls1.2"};
  Life before = files.life(), after = files.life();
  before.crl.clear();
  after.crl.clear();
  before.open();
  CHECK_TEXT(before.resumed(server.port()), "no\n");
  moving_clock = after_2038();
  after.open();
  CHECK_OK(after.load(before.saved(), server.port()));
  CHECK(after.resumed(server.port()).find("expired on") != std::string::npos);
}

TEST(session_file_is_its_owners_alone_and_put_in_place_whole) {
  static StorageWorker worker;
  CHECK_OK(worker.start());
  static SessionFile file{worker};
  const std::string path = scratch::path("sms.session");
  char memory[400];
  TextWriter why{memory};
  CHECK_CODE(file.read(path, why), Code::not_found);
  const auto write = [&](std::string_view to, std::size_t size) {
    for (std::size_t n = 0; n < size; ++n) file.room()[n] = static_cast<std::uint8_t>(n);
    file.begin_writing(to, size);
    Status status = Code::again;
    while (status.code() == Code::again) {
      worker.wait(seconds(60)).ignore();
      why.clear();
      status = file.outcome(why);
    }
    CHECK_EQ(file.room()[1], 0);  // wiped
    return status;
  };
  for (const std::size_t size : {std::size_t{1}, std::size_t{2000}, SessionFile::kMost - 1}) {
    CHECK_OK(write(path, size));
    struct stat about {};
    CHECK_EQ(::stat(path.c_str(), &about), 0);
    CHECK_EQ(about.st_mode & 07777U, 0600U);
    const auto read = file.read(path, why);
    CHECK_OK(read);
    CHECK_EQ(read.value(), size);
    CHECK_EQ(file.room()[size - 1], (size - 1) & 0xFFU);
  }
  // A session_file that named the CA file by mistake cost the CA file.
  const std::string authority = scratch::path("mixed-up.pem");
  put(authority, "-----BEGIN CERTIFICATE-----\n");
  CHECK_CODE(write(authority, 2000), Code::io);
  CHECK(why.view().find("mixed-up.pem is no session and stays as it is") != std::string_view::npos);
  CHECK_EQ(scratch::read_file(authority).size(), 28);
  for (const std::string_view other : {std::string_view{"\x30\x82\x01\x02", 4}, std::string_view{"tocsin sess"}}) {
    put(authority, std::string{other});
    CHECK_EQ(::chmod(authority.c_str(), 0600), 0);
    CHECK_CODE(write(authority, 2000), Code::io);
    CHECK_TEXT(scratch::read_file(authority), std::string{other});
    why.clear();
    CHECK_CODE(file.read(authority, why), Code::bad_value);
    CHECK(why.view().find("is no session (is this the right file?)") != std::string_view::npos);
  }
  for (const std::string& own : {std::string(), std::string(100, '\0')}) {  // as an installer, as a power cut may leave it
    put(authority, own);
    CHECK_OK(write(authority, 20));
  }
  CHECK_EQ(::chmod(path.c_str(), 0640), 0);
  why.clear();
  CHECK_CODE(file.read(path, why), Code::bad_value);
  CHECK(std::string(why.view()).find("chmod 600 " + path) != std::string::npos);
  CHECK_OK(write(path, 10));  // a new file in its place
  CHECK_OK(file.read(path, why));
  CHECK_OK(write(path, SessionFile::kMost));
  why.clear();
  CHECK_CODE(file.read(path, why), Code::too_big);
  CHECK_CODE(write(scratch::path("nowhere/sms.session"), 10), Code::io);
  CHECK(std::string(why.view()).find("cannot write the session file " + scratch::path("nowhere/sms.session") +
                                     ": no such file") != std::string::npos);
}

}  // namespace
