// SPDX-License-Identifier: MIT
// The floor: Mbed TLS as tocsin builds it, one authority, a socket that waits. The request was written before the first
// one leaves, only the digits of its ids change; of the answer it looks for the end and for "error":null. There is no
// HTTP, no JSON, no deadline and no second address, and whatever goes wrong ends it.
#include <arpa/inet.h>
#include <mbedtls/memory_buffer_alloc.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "tests/bench/net_task.hpp"

// The trimmed Mbed TLS says so instead of printing it.
extern "C" void tocsin_tls_memory_broken(const char* text, ...) { die(text); }

namespace {

Task task;
alignas(16) unsigned char arena[65'536];
unsigned char authorities[8192];
mbedtls_x509_crt ca;
mbedtls_ssl_config config;
mbedtls_ssl_context ssl;
mbedtls_ssl_session session;
int connection = -1;

char request[16'384], answer[20'480];
std::size_t request_size;
char* digits[20];
unsigned next_id = kFirstId;

void good(int code, const char* what) {
  if (code != 0) die(what, code);
}

// Reads what there is, so that an answer of one record is one system call.
unsigned char ahead[2048];
std::size_t ahead_at, ahead_end;

int send_some(void*, const unsigned char* from, std::size_t size) {
  const ssize_t n = write(connection, from, size);
  return n > 0 ? static_cast<int>(n) : MBEDTLS_ERR_NET_SEND_FAILED;
}

int receive_some(void*, unsigned char* into, std::size_t size) {
  if (ahead_at == ahead_end) {
    const ssize_t n = read(connection, ahead, sizeof ahead);
    if (n <= 0) return MBEDTLS_ERR_NET_RECV_FAILED;
    ahead_at = 0;
    ahead_end = static_cast<std::size_t>(n);
  }
  if (size > ahead_end - ahead_at) size = ahead_end - ahead_at;
  std::memcpy(into, ahead + ahead_at, size);
  ahead_at += size;
  return static_cast<int>(size);
}

int random_bits(void*, unsigned char* into, std::size_t size) {
  return getrandom(into, size, 0) == static_cast<ssize_t>(size) ? 0 : -1;
}

void start() {
  mbedtls_memory_buffer_alloc_init(arena, sizeof arena);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  good(psa_crypto_init(), "psa_crypto_init");
#endif
  std::FILE* file = std::fopen(task.ca_file, "r");
  if (file == nullptr) die(task.ca_file);
  const std::size_t size = std::fread(authorities, 1, sizeof authorities - 1, file);
  std::fclose(file);
  mbedtls_ssl_config_init(&config);
  mbedtls_ssl_session_init(&session);
  mbedtls_x509_crt_init(&ca);
  good(mbedtls_x509_crt_parse_der(&ca, authorities, size), "authorities");
  good(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                   MBEDTLS_SSL_PRESET_DEFAULT), "settings");
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(&config, &ca, nullptr);
  mbedtls_ssl_conf_rng(&config, random_bits, nullptr);
#if defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED)
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
      &config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
}

enum class Session { whole, resumed };

void connect_with(Session how) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<unsigned short>(std::atoi(task.port)));
  inet_pton(AF_INET, task.address, &to.sin_addr);
  connection = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(connection, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) die("connect");
  ahead_at = ahead_end = 0;
  mbedtls_ssl_init(&ssl);
  good(mbedtls_ssl_setup(&ssl, &config), "set up");
  good(mbedtls_ssl_set_hostname(&ssl, "localhost"), "name");
  if (how == Session::resumed) good(mbedtls_ssl_set_session(&ssl, &session), "session");
  mbedtls_ssl_set_bio(&ssl, nullptr, send_some, receive_some, nullptr);
  good(mbedtls_ssl_handshake(&ssl), "handshake");
}

void disconnect() {
  mbedtls_ssl_session_free(&session);
  mbedtls_ssl_session_init(&session);
  good(mbedtls_ssl_get_session(&ssl, &session), "session to keep");
  mbedtls_ssl_close_notify(&ssl);
  mbedtls_ssl_free(&ssl);
  close(connection);
}

void write_request() {
  char body[12'288];
  std::size_t size = 0;
  const auto add = [&](const char* text) { size += static_cast<std::size_t>(std::sprintf(body + size, "%s", text)); };
  std::size_t at[20];
  add("{\"messages\":[");
  for (unsigned i = 0; i < task.batch(); ++i) {
    add(i > 0 ? ",{\"internal_id\":\"" : "{\"internal_id\":\"");
    add(kIdBegin);
    at[i] = size;
    add("000000\",\"sender\":\"");
    add(kSender);
    add("\",\"recipient_phone\":\"");
    add(kPhone);
    add("\",\"message_content\":\"");
    add(kText);
    add("\"}");
  }
  add("]}");
  const int head = std::sprintf(request, "POST %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: %s\r\n"
                                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                kPath, task.address, task.port, task.token, size);
  std::memcpy(request + head, body, size);
  request_size = static_cast<std::size_t>(head) + size;
  for (unsigned i = 0; i < task.batch(); ++i) digits[i] = request + head + at[i];
}

}  // namespace

#if defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)
extern "C" psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t*, uint8_t* into,
                                                        std::size_t size, std::size_t* filled) {
  *filled = size;
  return random_bits(nullptr, into, size) == 0 ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_ENTROPY;
}
#endif

MEASURED void measured_alarm() {
  for (unsigned i = 0; i < task.batch(); ++i) {
    unsigned id = next_id++;
    for (unsigned digit = kIdDigits; digit-- > 0; id /= 10) digits[i][digit] = static_cast<char>('0' + id % 10);
  }
  for (std::size_t gone = 0; gone < request_size;) {
    const int n = mbedtls_ssl_write(&ssl, reinterpret_cast<unsigned char*>(request) + gone, request_size - gone);
    if (n == MBEDTLS_ERR_SSL_WANT_READ) continue;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) continue;
#endif
    if (n <= 0) die("write", n);
    gone += static_cast<std::size_t>(n);
  }
  for (std::size_t came = 0;;) {
    const int n = mbedtls_ssl_read(&ssl, reinterpret_cast<unsigned char*>(answer) + came, sizeof answer - 1 - came);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET || n == MBEDTLS_ERR_SSL_WANT_READ) continue;
#endif
    if (n <= 0) die("read", n);
    came += static_cast<std::size_t>(n);
    answer[came] = 0;
    if (came < 7 || std::memcmp(answer + came - 7, "\r\n0\r\n\r\n", 7) != 0) continue;
    if (std::strstr(answer, "\"error\": null") == nullptr && std::strstr(answer, "\"error\":null") == nullptr)
      die(answer);
    return;
  }
}

MEASURED void measured_whole() { connect_with(Session::whole); }
MEASURED void measured_resumed() { connect_with(Session::resumed); }

int main(int count, char** words) {
  task = task_from(count, words);
  start();
  write_request();
  measured_whole();
  for (unsigned i = 0; i < task.count; ++i) measured_alarm();
  if (task.how == Task::How::reconnect) {
    disconnect();
    measured_resumed();
    measured_alarm();
  }
  std::size_t peak = 0, blocks = 0;
  mbedtls_memory_buffer_alloc_max_get(&peak, &blocks);
  std::printf("cipher %s\narena %zu\n", mbedtls_ssl_get_ciphersuite(&ssl), peak);
  disconnect();
  return 0;
}
