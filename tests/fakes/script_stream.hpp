// SPDX-License-Identifier: MIT
// A service behind the Stream interface, under a virtual clock: it takes what a sender writes, understands
// complete requests (Content-Length, or none), and answers as a function of the test says. Delays, endings and
// failures are fields; nothing happens that no field says. Whoever drives it moves `clock` on to event().
//
//   Service counts what reached the phones; it outlives streams, cuts and restarts.
//   ScriptStream is one connection at a time to it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tocsin/port.hpp"

namespace fakes {

struct SentMessage {
  std::string id, phone, text, sender;
};

struct Request {
  std::string head, body;
  std::vector<SentMessage> messages;
  unsigned number = 0;      // 1, 2, 3, ... for the life of the service
  unsigned connection = 0;  // the same for connections
  tocsin::Instant at;
};

// What becomes of one request.
struct Reply {
  enum class End { keep, close, broken, turned_away };
  unsigned status = 200;
  std::string fields;  // further header lines, each with \r\n
  std::string body;
  bool accepts = false;  // the messages of `accepted` reach their phones
  std::vector<std::string> accepted;
  tocsin::Millis after{5};        // before the first byte of the answer
  std::size_t cut_at = SIZE_MAX;  // only that many bytes of the answer, then `end`
  std::string behind;             // bytes that nobody asked for, right behind the answer
  End end = End::keep;            // what the connection does behind the answer
  bool silent = false;            // no answer, the connection stays as it is
};

inline Reply answer(unsigned status, std::string body = {}, std::string fields = {}) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(body);
  reply.fields = std::move(fields);
  return reply;
}

// {"status":true,"messages":[...]} of entries that the test has spelled.
inline std::string entries_body(const std::vector<std::string>& entries, const char* status = "true") {
  std::string body = std::string("{\"status\":") + status + ",\"messages\":[";
  for (std::size_t i = 0; i < entries.size(); ++i) body += (i > 0 ? "," : "") + entries[i];
  return body + "]}";
}
inline std::string accepted_entry(const std::string& id) {
  return "{\"internal_id\":\"" + id + "\",\"message_uuid\":\"uuid-" + id + "\"}";
}
inline std::string error_entry(const std::string& id, const std::string& error,
                               const std::string& details = {}) {
  return "{\"internal_id\":\"" + id + "\",\"error\":\"" + error + "\"" +
         (details.empty() ? "" : ",\"details\":\"" + details + "\"") + "}";
}
// Yes to all of them; they reach their phones.
inline Reply accept_all(const Request& request) {
  Reply reply;
  std::vector<std::string> entries;
  for (const SentMessage& m : request.messages) {
    entries.push_back(accepted_entry(m.id));
    reply.accepted.push_back(m.id);
  }
  reply.body = entries_body(entries);
  reply.accepts = true;
  return reply;
}
// They reach their phones, the answer says something else.
inline Reply accept_but(const Request& request, Reply reply) {
  reply.accepts = true;
  for (const SentMessage& m : request.messages) reply.accepted.push_back(m.id);
  return reply;
}

class Service {
 public:
  std::function<Reply(const Request&)> script = accept_all;
  std::map<std::string, unsigned> copies;  // on the phones, by internal_id
  std::map<std::string, std::string> phone_of;
  std::vector<Request> requests;
  unsigned connections = 0;
  unsigned request_count = 0;
  bool keep_requests = true;

  Reply take(Request request) {
    request.number = ++request_count;
    const Reply reply = script(request);
    if (reply.accepts)
      for (const std::string& id : reply.accepted) ++copies[id];
    for (const SentMessage& m : request.messages) phone_of[m.id] = m.phone;
    if (keep_requests) requests.push_back(std::move(request));
    return reply;
  }
};

class ScriptStream final : public tocsin::Stream {
 public:
  ScriptStream(Service& service, tocsin::Instant& clock) : service_(service), clock_(clock) {}

  // ---- what the test says ----
  tocsin::Millis look_up{0}, connect_time{0}, handshake{0};  // a phase longer than the deadline hangs
  tocsin::Status refuse;                                     // connect() ends with this after its phases
  std::string words = "connection refused";
  std::string proxy_says;  // instead of letting through
  std::size_t per_call = SIZE_MAX;   // bytes one read or write moves
  tocsin::Millis peer_idle{-1};      // the service closes a connection that was quiet that long; < 0: never
  bool stuck_writes = false;         // write() says again for ever
  tocsin::Status write_fails;        // write() ends with this
  tocsin::Millis byte_every{0};      // an answer comes byte by byte, so far apart
  unsigned dies_at_once = 0;         // so many of the next connections are closed as soon as they are open
  // The first connection takes only that much of a request, and `early` is its answer; then write() says `again`, or
  // what write_fails has.
  std::size_t takes_only = SIZE_MAX;
  std::string early;
  std::function<bool()> on_call;     // before every call; false: the power is gone
  std::function<void()> on_byte;     // a byte of a request arrives
  bool dying_write_arrives = false;  // with on_call: the write during which the power goes still arrives

  // ---- what the test reads ----
  unsigned calls = 0;
  unsigned connects = 0;  // connections begun
  unsigned closes = 0;
  std::size_t bytes = 0;  // of requests, in all
  bool open() const { return phase_ == tocsin::Phase::open; }
  // The service ends the connection now.
  void peer_closes(Reply::End how = Reply::End::close) { end_ = how, ended_ = true; }
  // The service says something that nobody asked for.
  void peer_says(const std::string& bytes_) { outgoing_ += bytes_, ready_at_ = clock_; }
  // When something happens without a further call, or kNever.
  tocsin::Instant event() const {
    if (phase_ == tocsin::Phase::idle) return tocsin::kNever;
    if (phase_ != tocsin::Phase::open) return phase_until_;
    tocsin::Instant next = tocsin::kNever;
    if (!outgoing_.empty() && ready_at_ > clock_) next = ready_at_;
    if (ended_ && outgoing_.empty() && ready_at_ > clock_) next = ready_at_;
    if (peer_idle.count >= 0 && !ended_ && outgoing_.empty()) next = earlier(next, quiet_since_ + peer_idle);
    return next;
  }
  // Something can be read: the loop would wake.
  bool readable() const {
    return phase_ == tocsin::Phase::open && clock_ >= ready_at_ &&
           (!outgoing_.empty() || ended_ || idle_over());
  }

  // ---- Stream ----
  tocsin::Status connect(const tocsin::Endpoint& to) override {
    if (!step()) return {tocsin::Code::io, 5};
    if (phase_ == tocsin::Phase::idle) {
      ++connects;
      problem_.clear();
      begun_ = clock_;
      phase_ = tocsin::Phase::looking_up;
    }
    tocsin::Instant until = begun_ + look_up;
    phase_until_ = until;
    if (clock_ < until) return tocsin::Code::again;
    phase_ = tocsin::Phase::connecting;
    phase_until_ = until = until + connect_time;
    if (clock_ < until) return tocsin::Code::again;
    if (!proxy_says.empty()) {
      to.opening->begin();
      if (to.opening->read(tocsin::as_bytes(proxy_says)).ok()) std::abort();
      problem_ = "the proxy says no";
      phase_ = tocsin::Phase::idle;
      return {tocsin::Code::io, 71};
    }
    phase_ = tocsin::Phase::handshaking;
    phase_until_ = until = until + handshake;
    if (clock_ < until) return tocsin::Code::again;
    if (!refuse.ok()) {
      problem_ = words;
      phase_ = tocsin::Phase::idle;
      return refuse;
    }
    phase_ = tocsin::Phase::open;
    ++service_.connections;
    incoming_.clear();
    outgoing_.clear();
    ended_ = dies_at_once > 0;
    dies_at_once -= dies_at_once > 0 ? 1 : 0;
    end_ = Reply::End::close;
    quiet_since_ = ready_at_ = clock_;
    return {};
  }

  tocsin::Result<std::size_t> write(tocsin::Bytes from) override {
    const bool power = step();
    if (!power && !dying_write_arrives) return {tocsin::Code::io, 5};
    if (phase_ != tocsin::Phase::open) return lost(tocsin::Code::io, 32, "not connected");
    if (stuck_writes) return again(tocsin::Want::writable);
    if (!early.empty() && incoming_.size() >= takes_only) {
      if (write_fails.ok()) return again(tocsin::Want::writable);
      return lost(write_fails.code(), write_fails.detail(), words);
    }
    if (early.empty() && !write_fails.ok()) return lost(write_fails.code(), write_fails.detail(), words);
    if (ended_ || idle_over()) return lost(tocsin::Code::io, 32, "broken pipe");
    std::size_t n = from.size() < per_call ? from.size() : per_call;
    if (!early.empty() && service_.connections == 1) {
      if (n > takes_only - incoming_.size()) n = takes_only - incoming_.size();
      if (incoming_.size() + n == takes_only) outgoing_ += early;
    }
    if (on_byte) on_byte();
    incoming_.append(reinterpret_cast<const char*>(from.data()), n);
    bytes += n;
    quiet_since_ = clock_;
    serve();
    want_ = tocsin::Want::nothing;
    if (!power) return {tocsin::Code::io, 5};
    return n;
  }

  tocsin::Result<std::size_t> read(tocsin::MutBytes into) override {
    if (!step()) return {tocsin::Code::io, 5};
    if (phase_ != tocsin::Phase::open) return lost(tocsin::Code::io, 107, "not connected");
    if (clock_ < ready_at_) return again(tocsin::Want::readable);
    if (outgoing_.empty()) {
      if (idle_over()) return tocsin::Code::closed;
      if (!ended_) return again(tocsin::Want::readable);
      if (end_ == Reply::End::turned_away) return lost(tocsin::Code::refused, 0, "client certificate expired");
      if (end_ == Reply::End::broken) return lost(tocsin::Code::io, 104, "connection reset by peer");
      return tocsin::Code::closed;
    }
    std::size_t n = outgoing_.size() < into.size() ? outgoing_.size() : into.size();
    if (n > per_call) n = per_call;
    if (byte_every.count > 0) n = 1, ready_at_ = clock_ + byte_every;
    std::memcpy(into.data(), outgoing_.data(), n);
    outgoing_.erase(0, n);
    quiet_since_ = clock_;
    want_ = tocsin::Want::nothing;
    return n;
  }

  tocsin::Want want() const override {
    return phase_ == tocsin::Phase::open ? want_ : tocsin::Want::writable;
  }
  int handle() const override { return phase_ == tocsin::Phase::idle ? -1 : 7; }
  tocsin::Phase phase() const override { return phase_; }
  std::string_view problem() const override { return problem_; }
  void close() override {
    ++closes;
    phase_ = tocsin::Phase::idle;
    incoming_.clear();
    outgoing_.clear();
    ended_ = false;
  }

 private:
  bool step() {
    ++calls;
    return !on_call || on_call();
  }
  // What the last call wanted is what want() says, as with TLS.
  tocsin::Code again(tocsin::Want want) {
    want_ = want;
    return tocsin::Code::again;
  }
  bool idle_over() const { return peer_idle.count >= 0 && clock_ >= quiet_since_ + peer_idle; }
  tocsin::Status lost(tocsin::Code code, std::int32_t detail, const std::string& why) {
    problem_ = why;
    return {code, detail};
  }

  static std::string value_of(const std::string& body, const char* key, std::size_t& at, std::size_t before) {
    const std::string name = std::string("\"") + key + "\":\"";
    const std::size_t begin = body.find(name, at);
    if (begin == std::string::npos || begin >= before) return {};
    std::string value;
    std::size_t p = begin + name.size();
    for (; p < body.size() && body[p] != '"'; ++p) {
      if (body[p] == '\\') ++p;
      value += body[p];
    }
    at = p;
    return value;
  }

  void serve() {
    const std::size_t end = incoming_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::size_t field = incoming_.find("Content-Length: ");
    const std::size_t size = field > end ? 0 : std::strtoull(incoming_.c_str() + field + 16, nullptr, 10);
    if (incoming_.size() < end + 4 + size) return;
    Request request;
    request.head = incoming_.substr(0, end + 4);
    request.body = incoming_.substr(end + 4, size);
    request.connection = service_.connections;
    request.at = clock_;
    incoming_.erase(0, end + 4 + size);
    for (std::size_t at = request.body.find("\"internal_id\""); at != std::string::npos;) {
      const std::size_t next = request.body.find("\"internal_id\"", at + 1);
      SentMessage m;
      m.id = value_of(request.body, "internal_id", at, next);
      m.sender = value_of(request.body, "sender", at, next);
      m.phone = value_of(request.body, "recipient_phone", at, next);
      m.text = value_of(request.body, "message_content", at, next);
      if (m.text.empty()) m.text = value_of(request.body, "text", at, next);  // of template_variables
      request.messages.push_back(m);
      at = next;
    }
    const Reply reply = service_.take(request);
    if (!reply.silent) {
      std::string bytes_ = "HTTP/1.1 " + std::to_string(reply.status) +
                           " Said\r\nContent-Type: application/json\r\n" + reply.fields +
                           "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
      if (bytes_.size() > reply.cut_at) bytes_.resize(reply.cut_at);
      bytes_ += reply.behind;
      outgoing_ += bytes_;
    }
    ready_at_ = clock_ + reply.after;
    end_ = reply.end;
    ended_ = reply.end != Reply::End::keep;
  }

  Service& service_;
  tocsin::Instant& clock_;
  tocsin::Phase phase_ = tocsin::Phase::idle;
  tocsin::Instant begun_, phase_until_, ready_at_, quiet_since_;
  std::string incoming_, outgoing_, problem_;
  Reply::End end_ = Reply::End::close;
  bool ended_ = false;
  tocsin::Want want_ = tocsin::Want::nothing;
};

}  // namespace fakes
