// SPDX-License-Identifier: MIT
// The whole outbox layer as one device runs it - Queue over two files, Outbox, Sender over a scripted
// service - and the loop around it, under a virtual clock. Agents come and go (boots); Disk, Service and
// clock outlive them. One Agent at a time: the index is shared.
//
// A second Sender for another stream of the same service: second().
//
// The loop sleeps until the earliest of what it was told; a wake that comes at once without anything having
// happened is counted in `spins`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fakes/disk.hpp"
#include "fakes/fault_stream.hpp"
#include "fakes/script_stream.hpp"
#include "tocsin/outbox/sender.hpp"

namespace fakes {

// A store whose jobs take time, or never end.
class SlowStore final : public tocsin::Store {
 public:
  SlowStore(tocsin::Store& inner, tocsin::Instant& clock) : inner_(inner), clock_(clock) {}
  tocsin::Millis delay{0};
  bool hangs = false;

  tocsin::Instant event() const { return busy_ && !hangs ? since_ + delay : tocsin::kNever; }
  std::uint32_t capacity() const override { return inner_.capacity(); }
  tocsin::Status read(std::uint32_t at, tocsin::MutBytes into) override { return inner_.read(at, into); }
  void begin(tocsin::Span<const Write> writes, Sync sync) override {
    writes_.assign(writes.begin(), writes.end());
    sync_ = sync;
    since_ = clock_;
    busy_ = true;
  }
  tocsin::Status poll() override {
    if (!busy_) return tocsin::Code::empty;
    if (hangs || clock_ < since_ + delay) return tocsin::Code::again;
    busy_ = false;
    inner_.begin(tocsin::Span<const Write>{writes_.data(), writes_.size()}, sync_);
    return inner_.poll();
  }

 private:
  tocsin::Store& inner_;
  tocsin::Instant& clock_;
  std::vector<Write> writes_;
  Sync sync_ = Sync::no;
  tocsin::Instant since_;
  bool busy_ = false;
};

class Agent final : public tocsin::Observer {
 public:
  struct Ended {
    std::string id;
    std::uint32_t number;
    tocsin::State state;
    std::string reason;
    tocsin::Instant at;
  };
  struct Changed {
    std::string condition, reason;
    tocsin::Instant at;
  };

  Agent(Disk& disk, Service& service, tocsin::Instant& its_clock, unsigned boot)
      : clock(its_clock),
        even_file(disk, 0),
        odd_file(disk, 1),
        even(even_file, its_clock),
        odd(odd_file, its_clock),
        queue(*new (queue_memory()) tocsin::Queue(even, odd, index())),
        outbox(queue, index(), *this),
        stream(service, its_clock),
        faults(stream),
        arena(arena_memory()),
        sender(*new (sender_memory()) tocsin::Sender(outbox, faults, *this, arena)),
        service_(service),
        boot_(boot),
        noise_(boot * 77777 + 1) {
    settings.name = "sms";
    settings.endpoint.host = "sms.test";
    settings.token = "token-of-sms";
  }

  // As built in, but that nothing expires and no budget ends: tests run for days, and send what they like.
  static tocsin::Rules patient() {
    tocsin::Rules rules = tocsin::default_rules();
    for (tocsin::ClassRules& of : rules.of) of.expire = {}, of.per_hour = of.per_day = 0;
    return rules;
  }
  std::string_view trouble_of(std::uint32_t of) const override {
    return other != nullptr && of == tocsin::name_hash(other->settings.name) ? other->sender.reason() : sender.reason();
  }
  // Before start(). Its requests go to the host NAME.test, with its own token.
  struct Second {
    ScriptStream stream;
    tocsin::Sender sender;
    tocsin::Sender::Settings settings;
    Second(Agent& of, Service& service) : stream(service, of.clock), sender(of.outbox, stream, of, of.arena) {}
  };
  Second& second(const char* name, const char* host) {
    other = std::make_unique<Second>(*this, service_);
    other->settings = settings;
    other->settings.name = name;
    other->settings.endpoint.host = host;
    return *other;
  }
  static tocsin::Index& index() {
    static tocsin::Index index;
    return index;
  }

  // The start of a boot (or, with the same boot id, of another run in it).
  bool start() {
    sender.configure(settings);
    if (other != nullptr) other->sender.configure(other->settings);
    const auto loaded = queue.load();
    if (!loaded.ok()) return false;
    tocsin::Queue::Start start;
    start.boot_id[0] = static_cast<std::uint8_t>(boot_);
    start.machine = 7;
    start.random[0] = (boot_ + 1) * 0x9E3779B97F4A7C15U;
    start.random[1] = start.random[0] ^ 0x1234567;
    start.clocks = clocks();
    queue.start(start);
    outbox.configure(rules, history);
    if (segments != nullptr) outbox.limit_segments({segments, 1});
    if (!ways.empty()) outbox.configure_streams({ways.data(), ways.size()});
    outbox.load(clocks());
    return true;
  }
  tocsin::Millis wall_ahead{0};  // of the time that it is
  tocsin::Clocks clocks() const {
    tocsin::Clocks clocks;
    clocks.now = clock;
    clocks.wall.ms = 1'790'000'000'000 + wall_ahead.count + static_cast<std::int64_t>(clock.ms);
    clocks.wall_trusted = true;
    return clocks;
  }

  // Number of the first message, or 0.
  std::uint32_t post(tocsin::Class cls, unsigned phones, const std::string& text,
                     const char* stream_name = "sms") {
    tocsin::Phone numbers[tocsin::kMaxPhones];
    for (unsigned i = 0; i < phones; ++i) numbers[i].assign_cut("447700900" + std::to_string(100 + i));
    return post(cls, tocsin::Span<const tocsin::Phone>{numbers, phones}, text, stream_name);
  }
  std::uint32_t post_to(tocsin::Class cls, const std::string& phone, const std::string& text) {
    tocsin::Phone number;
    number.assign_cut(phone);
    return post(cls, tocsin::Span<const tocsin::Phone>{&number, 1}, text, "sms");
  }

  // One turn of the loop; returns when the next one is due.
  tocsin::Instant turn() {
    const std::uint32_t syncs = queue.syncs(), turns = queue.turns();
    queue.poll(clock);
    outbox.poll(clocks());
    if (lookup != nullptr) lookup->poll(clocks(), random());
    sender.poll(clocks(), random());
    if (other != nullptr) other->sender.poll(clocks(), random());
    ++polls;
    queue.poll(clock);
    if (queue.syncs() != syncs || queue.turns() != turns)
      return clock;  // a store's handle would wake the loop
    if (faults.whim()) return clock;
    const tocsin::Want want = sender.want();
    if (stream.readable() && (want == tocsin::Want::readable || want == tocsin::Want::either)) return clock;
    tocsin::Instant last = stream.event();
    if (other != nullptr) {
      const tocsin::Want wants = other->sender.want();
      if (other->stream.readable() && (wants == tocsin::Want::readable || wants == tocsin::Want::either)) return clock;
      last = earlier(last, earlier(other->stream.event(), other->sender.wake()));
    }
    if (lookup != nullptr && lookup_stream->readable() && lookup->want() == tocsin::Want::readable) return clock;
    tocsin::Instant next = earlier(earlier(earlier(queue.wake(), outbox.wake()), sender.wake()),
                                   earlier(even.event(), odd.event()));
    if (lookup != nullptr) next = earlier(next, lookup->wake());
    if (next <= clock) ++spins;
    if (lookup != nullptr) last = earlier(last, lookup_stream->event());
    return earlier(next, last);
  }
  // Runs until that much time has passed. False: the loop did not come to rest.
  bool run(tocsin::Millis time) {
    const tocsin::Instant until = clock + time;
    for (unsigned turns = 0; turns < 200'000; ++turns) {
      if (alive && !alive()) return true;
      const tocsin::Instant next = turn();
      if (next > until) {
        clock = until;
        return true;
      }
      if (next > clock) clock = next;
    }
    return false;
  }
  // Until nothing waits and nothing is under way, or `most` has passed. False: something still waits.
  bool run_until_ended(tocsin::Millis most) {
    const tocsin::Instant until = clock + most;
    for (unsigned turns = 0; turns < 200'000 && clock < until; ++turns) {
      const tocsin::Instant next = turn();
      if (alive && !alive()) return true;
      if (queue.idle() && waiting() == 0) return true;
      if (next == tocsin::kNever) return false;
      if (next > clock) clock = next;
    }
    return false;
  }
  std::size_t waiting() const {
    std::size_t n = 0;
    for (std::size_t at = 0; at < index().size(); ++at) n += tocsin::ended(index()[at].state) ? 0U : 1U;
    return n;
  }
  // As it is in RAM; `queued` for one that is not there.
  tocsin::State state(std::uint32_t number) const {
    const tocsin::Entry* entry = index().find(number);
    return entry == nullptr ? tocsin::State::queued : entry->state;
  }
  unsigned sends(std::uint32_t number) const { return index().find(number)->sends; }
  // What is on record of it; the reason in words. Its views hold until the next record().
  tocsin::MessageState record(std::uint32_t number) {
    const tocsin::Entry* entry = index().find(number);
    if (entry == nullptr) return {};
    const auto state = queue.read_state(*entry, {scratch_, sizeof scratch_});
    return state.ok() ? state.value() : tocsin::MessageState{};
  }
  std::string id(std::uint32_t number) {
    const tocsin::Entry* entry = index().find(number);
    if (entry == nullptr) return {};
    std::uint8_t scratch[sizeof scratch_];  // a check compares it with what record() tells
    const auto body = queue.read_body(*entry, {scratch, sizeof scratch});
    return body.ok() ? std::string(tocsin::message_id(body.value().event.id_prefix, number).view())
                     : std::string();
  }

  void message_goes_on(const tocsin::MessageId&, std::uint32_t number, std::string_view words) override {
    went_on.push_back(std::to_string(number) + " " + std::string(words));
  }
  void message_ended(const tocsin::MessageId& id_, std::uint32_t number, tocsin::State state_,
                     std::string_view reason) override {
    over.push_back({std::string(id_.view()), number, state_, std::string(reason), clock});
  }
  void receipt_came(const tocsin::MessageId& id_, std::uint32_t number, tocsin::State state_,
                    std::string_view reason) override {
    receipts.push_back({std::string(id_.view()), number, state_, std::string(reason), clock});
  }
  void lookup_changed(std::string_view words) override { told_of_lookup.emplace_back(words); }
  bool reply_came(const tocsin::Webhook& reply, bool old) override {
    if (reply.text == takes_not) return false;
    replies.push_back((old ? "old " : "") + std::string(reply.from) + ": " + std::string(reply.text));
    return true;
  }
  void receipts_changed(std::string_view, std::string_view words) override { told_of_receipts.emplace_back(words); }
  void answer_not_understood(const tocsin::OddAnswer& answer) override {
    if (answer.of == tocsin::OddAnswer::Of::status) odd_of_receipts.emplace_back(tocsin::as_text(answer.body));
  }
  void stream_changed(std::string_view, std::string_view condition, std::string_view reason) override {
    changes.push_back({std::string(condition), std::string(reason), clock});
  }
  void budget_spent(tocsin::Class cls, tocsin::Instant until) override {
    changes.push_back({"budget spent", std::string(word(cls)), until});
  }
  void segments_spent(std::uint32_t, tocsin::SegmentBudgets::Whose whose, tocsin::SegmentBudgets::Left left,
                      tocsin::Instant) override {
    using tocsin::SegmentBudgets;
    segments_said.push_back(std::string(whose == SegmentBudgets::Whose::stream ? "stream" : "recipient") +
                            (left == SegmentBudgets::Left::nothing ? ", nothing left" : ", the reserve left"));
  }
  std::uint32_t random() {
    if (fixed_random != 0) return fixed_random;
    noise_ ^= noise_ << 13, noise_ ^= noise_ >> 17, noise_ ^= noise_ << 5;
    return noise_;
  }

  tocsin::Instant& clock;
  DiskStore even_file, odd_file;
  SlowStore even, odd;
  tocsin::Queue& queue;
  tocsin::Outbox outbox;
  ScriptStream stream;
  FaultStream faults;
  tocsin::Arena arena;
  tocsin::Sender& sender;
  tocsin::Sender::Settings settings;
  tocsin::Lookup* lookup = nullptr;  // with its stream; a test that has one sets both
  ScriptStream* lookup_stream = nullptr;
  tocsin::Rules rules = patient();
  tocsin::Millis history;  // 0: as long as there is room

  const tocsin::SegmentLimits* segments = nullptr;  // of the one stream
  std::vector<std::string> segments_said;

  std::vector<tocsin::StreamRules> ways;  // of the streams, where they are not as built in
  std::unique_ptr<Second> other;

  std::vector<std::string> went_on;
  std::vector<Ended> over;
  std::vector<Ended> receipts;
  std::vector<std::string> told_of_receipts;
  std::vector<std::string> odd_of_receipts;  // answers about receipts that could not be understood
  std::vector<std::string> told_of_lookup;
  std::vector<std::string> replies;
  std::string takes_not;  // the reply with this text cannot be acted upon now
  std::vector<Changed> changes;
  tocsin::Queue::Ticket last_ticket = 0;
  std::function<bool()> alive;  // false: the power is gone
  std::uint32_t fixed_random = 0;
  unsigned polls = 0;
  unsigned spins = 0;

 private:
  std::uint32_t post(tocsin::Class cls, tocsin::Span<const tocsin::Phone> phones, const std::string& text,
                     const char* stream_name) {
    tocsin::Event event;
    event.cls = cls;
    event.stream = stream_name;
    event.text = text;
    event.phones = phones;
    const auto pushed = outbox.post(event, "dev", clocks());
    last_ticket = pushed.value().ticket;
    return pushed.ok() ? pushed.value().first_number : 0;
  }
  static void* queue_memory() {
    alignas(16) static unsigned char bytes[sizeof(tocsin::Queue)];
    return bytes;
  }
  static void* sender_memory() {
    alignas(16) static unsigned char bytes[sizeof(tocsin::Sender)];
    return bytes;
  }
  static tocsin::MutBytes arena_memory() {
    alignas(16) static std::uint8_t bytes[tocsin::kReplyArenaBytes];
    return bytes;
  }
  Service& service_;
  unsigned boot_;
  std::uint32_t noise_;
  alignas(8) std::uint8_t scratch_[tocsin::kBlock];
};

}  // namespace fakes
