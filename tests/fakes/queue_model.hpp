// SPDX-License-Identifier: MIT
// What a queue must remember, kept beside it, and the check of Q1 to Q6 after any kind of death.
#pragma once

#include <cstdio>
#include <map>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "fakes/disk.hpp"
#include "tocsin/outbox/queue.hpp"

namespace fakes {

// One life of the program on a disk: a Queue over its two files.
class Life {
 public:
  explicit Life(Disk& disk, std::uint64_t seed = 1) : even(disk, 0), odd(disk, 1), seed_(seed) {
    queue = new (memory()) tocsin::Queue(even, odd, index());
  }
  // One at a time: a queue is large, and a sweep makes hundreds of thousands of them.
  static tocsin::Index& index() {
    static tocsin::Index index;
    return index;
  }

  tocsin::Status load() {
    const auto loaded = queue->load();
    if (loaded.ok()) found = loaded.value();
    return loaded.status();
  }
  // A boot on this disk. `now` goes on from 1 s.
  void start() {
    tocsin::Queue::Start start;
    start.boot_id[0] = static_cast<std::uint8_t>(seed_);
    start.machine = 7;
    start.random[0] = seed_ * 0x9E3779B97F4A7C15U;
    start.random[1] = start.random[0] ^ 0x1234567;
    start.clocks.now = tocsin::Instant{1000};
    queue->start(start);
    poll();
  }
  void poll() { queue->poll(now); }
  // Until nothing is left to do, or nothing can be done. The virtual clock jumps to the retries.
  void settle() {
    for (int turn = 0; turn < 8 && !queue->idle(); ++turn) {
      poll();
      if (queue->wake() != tocsin::kNever && queue->wake() > now) now = queue->wake();
    }
    poll();
  }

  DiskStore even, odd;
  tocsin::Queue* queue;
  tocsin::Queue::Found found;
  tocsin::Instant now{1000};

 private:
  static void* memory() {
    alignas(16) static unsigned char bytes[sizeof(tocsin::Queue)];
    return bytes;
  }
  std::uint64_t seed_;
};

class Model {
 public:
  struct Message {
    std::string id, phone, text, alarm;
    tocsin::Queue::Ticket pushed = 0, over = 0;  // tickets of its event and of its end; 0: none
    bool safe = false, over_safe = false;        // the queue said so
    std::uint32_t first = 0;
    std::size_t group = 1;
    bool maybe_over = false;                     // an end was asked for; the newest start, not settled yet, missed it
    bool gone = false;                           // a queue let it go; an older image may still have it, ended
  };
  std::map<std::uint32_t, Message> messages;
  // Not promised, and not found by the newest start: until that is on the medium, a cut may bring them back.
  std::multimap<std::uint32_t, Message> unsettled;
  std::set<std::pair<std::string, tocsin::Transition>> unsettled_alarms;
  std::set<std::string> told;  // every id that was ever handed out
  struct AlarmChange {
    tocsin::Transition to;
    tocsin::Queue::Ticket ticket;
    bool safe;
    std::string code;
  };
  std::map<std::string, std::vector<AlarmChange>> alarms;

  // Pushes an event for `phones` phones and remembers it. 0: the queue said full.
  std::uint32_t push(Life& life, std::size_t phones, std::size_t text_bytes, tocsin::Class cls = tocsin::Class::warning,
                     const char* alarm = "", tocsin::Transition transition = tocsin::Transition::none) {
    const std::uint32_t serial = ++serial_;
    std::string text = "text " + std::to_string(serial) + " ";
    while (text.size() < text_bytes) text += static_cast<char>('a' + (text.size() * 7 + serial) % 26);
    tocsin::Phone numbers[tocsin::kMaxPhones];
    for (std::size_t i = 0; i < phones; ++i)
      numbers[i].assign_cut("44770090" + std::to_string(1000 + (serial * 17 + i) % 9000));
    tocsin::Event event;
    event.cls = cls;
    event.stream = "sms";
    event.text = text;
    event.alarm = alarm;
    event.transition = transition;
    const tocsin::AlarmCode code = life.queue->next_code();
    if (transition == tocsin::Transition::raised) event.code = code.view();
    event.phones = tocsin::Span<const tocsin::Phone>{numbers, phones};
    tocsin::Clocks clocks;
    clocks.now = life.now;
    const auto pushed = life.queue->push(event, "dev", clocks);
    if (!pushed.ok()) return 0;
    if (transition != tocsin::Transition::none) 
      alarms[alarm].push_back({transition, pushed.value().ticket, false, std::string(event.code)});
    for (std::size_t i = 0; i < phones; ++i) {
      const std::uint32_t number = pushed.value().first_number + static_cast<std::uint32_t>(i);
      Message& m = messages[number];
      m.phone = std::string(numbers[i].view());
      m.text = text;
      m.alarm = alarm;
      m.pushed = pushed.value().ticket;
      m.first = pushed.value().first_number;
      m.group = phones;
      m.id = id_of(life, number);
      if (!told.insert(m.id).second) reused = m.id;
    }
    note(life);
    return pushed.value().first_number;
  }

  // False: it is not raised, or there is no room.
  bool acknowledge(Life& life, const char* alarm) {
    const auto ticket = life.queue->acknowledge(alarm);
    if (!ticket.ok()) return false;
    const std::string code = alarms[alarm].back().code;
    alarms[alarm].push_back({tocsin::Transition::acknowledged, ticket.value(), false, code});
    note(life);
    return true;
  }

  void end(Life& life, std::uint32_t number, tocsin::State state = tocsin::State::accepted) {
    tocsin::MessageState last;
    last.state = state;
    last.sends = 1;
    last.attempts = 1;
    last.uuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";
    tocsin::Clocks clocks;
    clocks.now = life.now;
    const auto ticket = life.queue->update(number, last, clocks);
    if (ticket.ok()) messages[number].over = ticket.value();
    note(life);
  }

  // What the queue calls safe by now must be found from here on.
  void note(Life& life) {
    if (life.queue->settled()) {
      unsettled.clear(), unsettled_alarms.clear();
      for (auto& [number, m] : messages) m.maybe_over = false;
    }
    for (auto& [number, m] : messages) {
      if (m.pushed != 0 && life.queue->on_medium(m.pushed)) m.safe = true;
      if (m.over != 0 && life.queue->on_medium(m.over)) m.over_safe = true;
    }
    for (auto& [name, changes] : alarms)
      for (AlarmChange& c : changes)
        if (life.queue->on_medium(c.ticket)) c.safe = true;
  }

  // Checks a queue that has been loaded. Empty when everything holds, else what does not.
  std::string check(Life& life) const {
    alignas(8) std::uint8_t scratch[tocsin::kBlock];
    if (!reused.empty()) return "Q4: the id " + reused + " was given out twice";
    std::set<std::uint32_t> found;
    for (std::size_t at = 0; at < life.index().size(); ++at) {
      const tocsin::Entry& entry = life.index()[at];
      const std::string name = "message " + std::to_string(entry.number);
      const auto it = messages.find(entry.number);
      const auto body = life.queue->read_body(entry, scratch);
      if (!body.ok()) return name + " cannot be read: " + tocsin::word(body.code());
      const tocsin::Event& event = body.value().event;
      if (is_unsettled(entry.number, event)) continue;
      if (it == messages.end()) return name + " was never pushed";
      const Message& m = it->second;
      found.insert(entry.number);
      if (event.text != m.text) return name + " has another text";
      if (event.phone(entry.number - body.value().first_number).view() != m.phone) return name + " has another phone";
      const tocsin::MessageId id = tocsin::message_id(event.id_prefix, entry.number);
      if (std::string(id.view()) != m.id) return name + " has another id";
      if (m.over_safe && !tocsin::ended(entry.state)) return "Q2: " + name + " had ended and waits again";
      if (m.over == 0 && !m.maybe_over && tocsin::ended(entry.state))
        return "Q1: " + name + " has not ended and does not wait";
    }
    for (const auto& [number, m] : messages) {
      if (m.safe && m.over == 0 && !m.maybe_over && found.count(number) == 0)
        return "Q1: message " + std::to_string(number) + " is lost";
      if (m.gone) continue;
      std::size_t there = 0;
      for (std::uint32_t i = 0; i < m.group; ++i) there += found.count(m.first + i);
      // A message that ended may be forgotten before the others of its event.
      std::size_t over = 0;
      for (std::uint32_t i = 0; i < m.group; ++i) {
        const auto other = messages.find(m.first + i);
        over += other == messages.end() || other->second.over != 0 || other->second.maybe_over ? 1U : 0U;
      }
      if (there != 0 && there + over < m.group) return "Q3: half of the event of message " + std::to_string(number);
    }
    for (const auto& [name, changes] : alarms) {
      std::size_t oldest = 0;  // what the record may say: the last safe change, or any after it
      for (std::size_t i = 0; i < changes.size(); ++i)
        if (changes[i].safe) oldest = i + 1;
      const tocsin::Queue::Alarm* alarm = life.queue->alarm(name);
      const tocsin::Transition now = alarm != nullptr ? alarm->last : tocsin::Transition::none;
      bool allowed = (oldest == 0 && now == tocsin::Transition::none) || unsettled_alarms.count({name, now}) > 0;
      for (std::size_t i = oldest == 0 ? 0 : oldest - 1; i < changes.size(); ++i)
        allowed |= changes[i].to == now && changes[i].code == alarm->code.view();
      if (!allowed) return "alarm " + name + " is in a state it was not left in";
    }
    return {};
  }

  // The dead process told nobody about what was not found: it never was.
  void forget_lost(Life& life) {
    alignas(8) std::uint8_t scratch[tocsin::kBlock];
    for (auto it = unsettled.begin(); it != unsettled.end();) {
      const tocsin::Entry* entry = life.index().find(it->first);
      const auto body = entry != nullptr ? life.queue->read_body(*entry, scratch) : tocsin::Code::not_found;
      if (!body.ok() || !is(it->second, it->first, body.value().event)) {
        ++it;
        continue;
      }
      messages[it->first] = it->second;  // it is back
      it = unsettled.erase(it);
    }
    std::set<std::uint32_t> found;
    for (std::size_t at = 0; at < life.index().size(); ++at) found.insert(life.index()[at].number);
    for (auto it = messages.begin(); it != messages.end();) {
      if (found.count(it->first) == 0) {
        if (!it->second.safe) unsettled.insert(*it);
        it = it->second.over != 0 || it->second.maybe_over ? (it->second.gone = true, std::next(it))
                                                           : messages.erase(it);
        continue;
      }
      // Found as it is: from now on that is what must stay.
      const tocsin::Entry* entry = life.index().find(it->first);
      const bool over = tocsin::ended(entry->state);
      it->second.maybe_over = !over && (it->second.over != 0 || it->second.maybe_over);
      it->second.over = over ? 1 : 0;
      it->second.pushed = 1;
      ++it;
    }
    for (auto& [name, changes] : alarms) {
      const tocsin::Queue::Alarm* alarm = life.queue->alarm(name);
      const tocsin::Transition now = alarm != nullptr ? alarm->last : tocsin::Transition::none;
      const std::string code(alarm != nullptr ? alarm->code.view() : "");
      while (!changes.empty() && (changes.back().to != now || changes.back().code != code)) {
        unsettled_alarms.insert({name, changes.back().to});
        changes.pop_back();
      }
      if (changes.empty() && now != tocsin::Transition::none) 
        changes.push_back({now, 1, false, code});  // it is back
      for (AlarmChange& c : changes) c.ticket = 1;
    }
  }

 private:
  bool is_unsettled(std::uint32_t number, const tocsin::Event& event) const {
    const auto [from, to] = unsettled.equal_range(number);
    for (auto it = from; it != to; ++it)
      if (is(it->second, number, event)) return true;
    return false;
  }
  static bool is(const Message& m, std::uint32_t number, const tocsin::Event& event) {
    return m.text == event.text && m.id == tocsin::message_id(event.id_prefix, number).view();
  }
  static std::string id_of(Life& life, std::uint32_t number) {
    alignas(8) std::uint8_t scratch[tocsin::kBlock];
    const tocsin::Entry* entry = life.index().find(number);
    const auto body = life.queue->read_body(*entry, scratch);
    if (!body.ok()) return "unreadable";
    return std::string(tocsin::message_id(body.value().event.id_prefix, number).view());
  }
  std::uint32_t serial_ = 0;
  std::string reused;
};

}  // namespace fakes
