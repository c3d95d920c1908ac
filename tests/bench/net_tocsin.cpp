// SPDX-License-Identifier: MIT
// tocsin's own path from a text to a verdict: JSON, HTTP, TLS with the certificate verified, the answer parsed and
// judged, in the order in which the sender does it and on the same calls, as they are shipped. The queue and the
// loop around it are left out.
#include <poll.h>

#include "port/linux/tls_stream.hpp"
#include "tests/bench/net_task.hpp"
#include "tocsin/base/arena.hpp"
#include "tocsin/wire/http_exchange.hpp"
#include "tocsin/wire/streams_api.hpp"

using namespace tocsin;

namespace {

Task task;
alignas(16) std::uint8_t tls_buffer[kTlsArenaBytes];
alignas(16) std::uint8_t reply_memory[kReplyArenaBytes];
std::uint8_t request[kRequestHeadBytes + kRequestBodyBytes], answer[kHeadBytes + kAnswerBytes];
unsigned next_id = kFirstId;
std::uint16_t port;

struct Client {
  Resolver resolver;
  TlsContext context;
  TlsStream stream{context, resolver};
  HttpExchange exchange{request, answer};
  Arena arena{{reply_memory, sizeof reply_memory}};
};
Client* client;

void wait_for(Want want) {
  constexpr int kReading = POLLIN | POLLRDHUP;
  pollfd one{client->stream.handle(),
             static_cast<short>(want == Want::writable ? POLLOUT : want == Want::either ? kReading | POLLOUT : kReading),
             0};
  ::poll(&one, 1, 30'000);
  client->stream.heard(one.revents == POLLIN ? TlsStream::Heard::data : TlsStream::Heard::unknown);
}

void connect() {
  const Endpoint to{task.address, port};
  for (;;) {
    const Status connected = client->stream.connect(to);
    if (connected.ok()) return;
    if (connected.code() != Code::again) die(client->stream.problem().data(), connected.detail());
    wait_for(client->stream.want());
  }
}

std::size_t compose(std::string_view (&ids)[kMaxBatch], char (&places)[kMaxBatch][kMaxId]) {
  const MutBytes room = client->exchange.body_room();
  JsonWriter json({reinterpret_cast<char*>(room.data()), room.size()});
  open_simple_send(json);
  for (unsigned i = 0; i < task.batch(); ++i) {
    TextWriter id(places[i]);
    id.text(kIdBegin).number(next_id++);
    ids[i] = id.view();
    add_message(json, {ids[i], kSender, kPhone, kText});
  }
  close_simple_send(json);
  const auto body = json.finish();
  if (!body.ok()) die("body");
  return body.value().size();
}

void look_at_connection() {
  std::uint8_t byte[1];
  if (client->stream.read(byte).code() != Code::again) die("the connection ended");
}

}  // namespace

MEASURED void measured_alarm() {
  HttpExchange& exchange = client->exchange;
  static std::string_view ids[kMaxBatch];
  static char places[kMaxBatch][kMaxId];
  const std::size_t body_size = compose(ids, places);
  HttpRequest head;
  head.target = kPath;
  head.host = task.address;
  head.port = port;
  head.authorization = task.token;
  if (!exchange.begin(head, body_size).ok()) die("head");
  look_at_connection();
  while (!exchange.to_send().empty()) {
    exchange.mark_may_have_left();
    const auto n = client->stream.write(exchange.to_send());
    if (!n.ok() && n.code() != Code::again) die("write", n.status().detail());
    if (!n.ok()) wait_for(Want::either);
    exchange.sent(n.ok() ? n.value() : 0);
  }
  while (!exchange.done()) {
    const auto n = client->stream.read(exchange.to_fill());
    if (n.code() == Code::again) {
      wait_for(client->stream.want());
      continue;
    }
    if (!n.ok() || !exchange.got(n.value()).ok()) die("read", n.status().detail());
  }
  const HttpResponse& response = exchange.response();
  static MessageVerdict verdicts[kMaxBatch];
  const Answer whole{response.status(), response.encoded(), response.retry_after(), response.date(), {}, response.body()};
  judge(whole, Span<const std::string_view>{ids, task.batch()}, Span<MessageVerdict>{verdicts, task.batch()},
        client->arena);
  for (unsigned i = 0; i < task.batch(); ++i)
    if (verdicts[i].fate != Fate::accepted) die("not accepted");
}

MEASURED void measured_whole() { connect(); }
MEASURED void measured_resumed() { connect(); }

int main(int count, char** words) {
  task = task_from(count, words);
  port = static_cast<std::uint16_t>(std::atoi(task.port));
  tls_use_arena({tls_buffer, sizeof tls_buffer});
  static Client everything;
  client = &everything;
  if (!client->context.open(task.ca_file).ok()) die(client->context.problem().data());
  measured_whole();
  for (unsigned i = 0; i < task.count; ++i) measured_alarm();
  if (task.how == Task::How::reconnect) {
    client->stream.close();
    measured_resumed();
    measured_alarm();
  }
  std::printf("arena %zu\n", tls_memory().peak());
  std::printf("json arena %zu\n", client->arena.peak());
  client->stream.close();
  return 0;
}
