// SPDX-License-Identifier: MIT
// A medium, the process that works on it, and what has been promised: operations by a letter each.
#pragma once

#include <optional>

#include "fakes/cuts.hpp"

namespace fakes {

// P a message, G an event of three messages, A an alarm is raised or cleared, I a sending goes on record, E
// the oldest waiting message ends, F the newest, C a message by two streams, N the oldest waiting message goes on to its
// next stream, J the running job comes to its end, S all jobs do, R orderly
// stop and new start, X the process dies and another one finds the page cache.

class World {
 public:
  explicit World(std::uint32_t blocks = tocsin::Queue::kMinBlocks, std::uint32_t erased_together = 1)
      : medium(blocks, erased_together) {
    begin();
  }

  void operate(char what) {
    switch (what) {
      case 'P':
        ledger.push(*process, 1, 1900);
        break;
      case 'C':
        ledger.push(*process, 1, 1900, -1, tocsin::Transition::none, "sms,chat");
        break;
      case 'N':
        if (Ledger::Message* m = oldest()) {
          tocsin::Entry& entry = *process->index().find(m->number);
          entry.closed = static_cast<std::uint8_t>(entry.closed == 0 ? 1 : entry.closed ^ 3);
          entry.way = static_cast<std::uint8_t>(entry.way ^ 1);
          if (entry.place_of(1) != 0) entry.since_s += 77;
          ledger.change(*process, m->number, tocsin::State::queued, m->now().sends, 20);
        }
        break;
      case 'G':
        ledger.push(*process, 3, 900);
        break;
      case 'A':  // raised aloud, cleared in silence
        raised_ = !raised_;
        ledger.push(*process, raised_ ? 2 : 0, 200, 0,
                    raised_ ? tocsin::Transition::raised : tocsin::Transition::cleared);
        break;
      case 'I':
        if (Ledger::Message* m = oldest())
          ledger.change(*process, m->number, tocsin::State::queued, m->now().sends + 1U, 60);
        break;
      case 'E':
        if (Ledger::Message* m = oldest()) ledger.change(*process, m->number, tocsin::State::accepted, 1);
        break;
      case 'F':
        if (Ledger::Message* m = newest()) ledger.change(*process, m->number, tocsin::State::failed, 1);
        break;
      case 'D':  // written with what follows
        for (std::size_t i = ledger.messages.size(); i > 0; --i) {
          Ledger::Message& m = ledger.messages[i - 1];
          if (m.gone || m.missing || m.full() || m.now().state != tocsin::State::accepted) continue;
          ledger.change(*process, m.number, tocsin::State::delivered, 1, 0, tocsin::Queue::Write::with_others);
          break;
        }
        break;
      case 'J':
        process->step();
        break;
      case 'S':
        process->settle();
        break;
      case 'Z':  // what has ended is to be forgotten
        process->queue->forget(static_cast<std::uint32_t>(process->queue->on_ms(process->now) / 1000) + 1).ignore();
        break;
      case 'W':  // until that is done
        for (unsigned i = 0; i < 400 && (!process->queue->idle() || process->queue->forgetting()); ++i)
          process->step();
        break;
      case 'R':
        if (process->queue->stop().ok()) process->poll();
        process->settle();
        ledger.note(*process);
        end();
        begin();
        break;
      case 'X':
        end();
        begin();
        break;
      default:
        TOCSIN_ASSERT(false);
    }
    process->poll();
    if (cuts != nullptr) cuts->point();
    ledger.note(*process);
  }
  // The power is gone and back.
  void cut(const std::vector<Fate>& fates) {
    end();
    Medium left;
    medium.image(fates, left);
    medium = left;
    begin();
  }
  unsigned turns() const { return turns_ + process->queue->turns(); }
  void watch(Cuts* its) {
    cuts = its;
    medium.watch = its;
    if (its != nullptr) its->follow(*process, ledger);
  }
  void end() {
    turns_ += process->queue->turns();
    if (cuts != nullptr) cuts->point();
    medium.watch = nullptr;
    process.reset();
  }
  void begin() {
    process.emplace(medium);
    const auto found = process->queue->load();
    if (!found.ok()) {
      wrong = "Q6: it does not start";
    } else if (wrong.empty()) {
      wrong = found.value().damaged > 0 ? "damage: a power cut is told as damage" : ledger.check(*process);
    }
    process->start(++ledger.boots);
    ledger.adopt(*process);
    if (cuts != nullptr) watch(cuts);
    process->poll();
  }

  Medium medium;
  Ledger ledger;
  std::optional<Process> process;
  Cuts* cuts = nullptr;
  std::string wrong;

 private:
  Ledger::Message* oldest() {
    const std::uint32_t number = ledger.oldest_waiting();
    Ledger::Message* m = number != 0 ? ledger.find(number) : nullptr;
    return m != nullptr && !m->full() ? m : nullptr;
  }
  Ledger::Message* newest() {
    for (std::size_t i = ledger.messages.size(); i > 0; --i)
      if (!ledger.messages[i - 1].over() && !ledger.messages[i - 1].full()) return &ledger.messages[i - 1];
    return nullptr;
  }
  bool raised_ = false;
  unsigned turns_ = 0;
};

}  // namespace fakes
