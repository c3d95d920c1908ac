// SPDX-License-Identifier: MIT
// Takes the power away at every call of a run and looks at what may be left: every image of each_image() is
// opened by a new process, checked against the Ledger, proved writable and opened once more; and at every
// call of that recovery the power goes again, `deeper` times.
#pragma once

#include "fakes/ledger.hpp"

namespace fakes {

struct Effort {
  Models models;
  unsigned deeper = 0;  // cuts during a recovery, one in the other
  unsigned stride = 1;  // of the images of such a cut every n-th
};

class Cuts final : public Medium::Watch {
 public:
  // `level` 0 is the run itself, 1 the recovery from its end, and so on.
  Cuts(const Effort& effort, unsigned level, unsigned skip) : effort_(effort), level_(level), skip_(skip) {}
  void follow(Process& process, Ledger& ledger) { process_ = &process, ledger_ = &ledger; }
  void written() override { point(); }

  // A place where the power may go: after each write, and whenever something was asked for or confirmed.
  void point() {
    if (!wrong.empty()) return;
    ledger_->note(*process_);
    const Medium& medium = process_->medium;
    const bool anew = ledger_->version != version_;
    if (!anew && medium.pending.size() <= pending_) return;
    looked_at_.clear();
    ++points;
    unsigned n = 0;
    each_image(medium, effort_.models, anew, [&](const std::vector<Fate>& fates) {
      ++n;
      if (!wrong.empty() || (level_ > 0 && (n + skip_) % effort_.stride != 0)) return;
      medium.image(fates, image(level_));
      const std::uint64_t hash = image(level_).hash_of_image(medium);
      if (std::find(looked_at_.begin(), looked_at_.end(), hash) != looked_at_.end()) return;
      looked_at_.push_back(hash);
      const std::string what = prove(image(level_), *ledger_, effort_, level_ + 1, n);
      if (what.empty()) return;
      wrong = what;
      where = "point " + std::to_string(points) + " image " + std::to_string(n) + " (" +
              words(medium, fates) + ")";
    });
    version_ = ledger_->version;
    pending_ = medium.pending.size();
  }

  std::string wrong, where;
  unsigned points = 0;

  // A new process finds `left`, and what was promised must be there. Then it goes on working.
  static std::string prove(Medium& left, Ledger ledger, const Effort& effort, unsigned level, unsigned skip) {
    ++states;
    ++at_level[level];
    Process process(left);
    if (!process.queue->load().ok()) return "Q6: it does not start";
    std::string what = ledger.check(process);
    if (!what.empty()) return what;
    process.start(++ledger.boots);
    ledger.adopt(process);
    Cuts cuts(effort, level, skip);
    if (level <= effort.deeper) {
      cuts.follow(process, ledger);
      left.watch = &cuts;
    }
    what = prove_writable(process, ledger);
    if (level <= effort.deeper) cuts.point();
    left.watch = nullptr;
    if (!cuts.wrong.empty()) return cuts.wrong + "\n    after a cut of that recovery: " + cuts.where;
    if (!what.empty()) return what;
    Process again(left);
    if (!again.queue->load().ok()) return "Q6: it does not start again";
    what = ledger.check(again);
    return what.empty() ? what : what + ", at the second start";
  }

  static inline std::uint64_t states = 0;
  static inline std::uint64_t at_level[8] = {};

 private:
  static std::string prove_writable(Process& process, Ledger& ledger) {
    process.poll();
    process.settle();
    ledger.note(process);
    std::uint32_t number = ledger.push(process, 2, 300);
    process.poll();
    for (unsigned tries = 0; number == 0 && tries < 64; ++tries) {  // full: let the oldest end
      const std::uint32_t oldest = ledger.oldest_waiting();
      if (oldest == 0) break;
      ledger.change(process, oldest, tocsin::State::failed, 1);
      process.poll();
      process.settle();
      number = ledger.push(process, 2, 300);
      process.poll();
    }
    if (number == 0) return "Q6: it takes nothing any more";
    process.settle();
    ledger.note(process);
    const Ledger::Message* m = ledger.find(number);
    if (m == nullptr || !m->safe || !process.queue->idle()) return "Q6: it writes nothing any more";
    return ledger.check(process);
  }
  static Medium& image(unsigned level) {
    static Medium images[8];
    return images[level];
  }
  static std::string words(const Medium& medium, const std::vector<Fate>& fates) {
    static const char* const names[] = {"lost",        "landed",     "torn",       "sectors",
                                        "zeros",       "garbage",    "one bit",    "block garbage",
                                        "block zeros", "block ones", "block mixed"};
    std::string all;
    for (std::size_t i = 0; i < fates.size(); ++i) {
      const Medium::Write& w = medium.pending[i];
      char one[80];
      std::snprintf(one, sizeof one, "%sfile %u slot %u+%u: %s", i > 0 ? ", " : "", w.file,
                    w.at / tocsin::kBlock, static_cast<unsigned>(w.bytes.size()), names[fates[i].kind]);
      all += one;
      if (fates[i].kind == Fate::torn) all += " at " + std::to_string(fates[i].bytes);
    }
    return all.empty() ? "nothing pending" : all;
  }

  const Effort& effort_;
  unsigned level_, skip_;
  Process* process_ = nullptr;
  Ledger* ledger_ = nullptr;
  unsigned version_ = ~0U;
  std::size_t pending_ = 0;
  std::vector<std::uint64_t> looked_at_;
};

}  // namespace fakes
